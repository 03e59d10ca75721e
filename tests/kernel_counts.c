/* SPDX-License-Identifier: MIT
 *
 * Runs one kernel once at one of the models' sizes, for tests/check_counts.sh, which counts its
 * instructions:
 *
 *     kernel_counts LEVEL gemm|conv|conv1|proj|attention|heads [dry]
 *
 * proj is a transformer's first projection, behind a group norm without SiLU; heads is attention of
 * as many heads as a guided step has, eight of each image.
 * dry: all but the kernel, to be subtracted.  Exit status 77 where the level cannot run.
 */
#include "kernels/isa.h"
#include "kernels/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int dry;
static enum sdrt_dtype stored; /* of weights: what the level multiplies */

static float *floats(size_t n)
{
    float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);

    if (!p) abort();
    for (size_t i = 0; i < n; i++) p[i] = (float)(i % 17) * 0.0625f - 0.5f;
    return p;
}

static void gemm(const struct sdrt_gemm_ops *ops)
{
    enum { M = 512, N = 640, K = 640 };
    const struct sdrt_gemm_shape s = { .m = M,
                                       .n = N,
                                       .k = K,
                                       .a_pitch = K,
                                       .y_pitch = N,
                                       .w = { .n = N, .k = K, .taps = 1, .stored = stored } };
    const struct sdrt_exec ex = { .nparts = 1, .scratch = floats(ops->scratch(&s) / 4 + 16) };
    const struct sdrt_gemm_args a = { .a = floats(M * K),
                                      .bias = floats(N),
                                      .y = floats(M * N),
                                      .w = floats(ops->pack_bytes(&s.w) / 4 + 16) };

    if (!dry) ops->gemm(&ex, &s, &a);
}

static void conv(const struct sdrt_conv_ops *ops, int kernel, int c, enum sdrt_prologue prologue)
{
    enum { H = 32 };
    const struct sdrt_conv_shape s = {
        .batch = 1,
        .in_h = H,
        .in_w = H,
        .in_c = c,
        .out_h = H,
        .out_w = H,
        .out_c = c,
        .kernel = kernel,
        .stride = 1,
        .upsample = 1,
        .pad = kernel / 2,
        .x_pitch = c,
        .y_pitch = c,
        .residual_pitch = c,
        .prologue = prologue,
        .w = { .n = c, .k = c, .taps = kernel * kernel, .stored = stored },
    };
    const struct sdrt_exec ex = { .nparts = 1, .scratch = floats(ops->scratch(&s) / 4 + 16) };
    const struct sdrt_conv_args a = { .x = floats((size_t)(H * H * c)),
                                      .msb = floats((size_t)(3 * c)),
                                      .bias = floats((size_t)c),
                                      .residual = floats((size_t)(H * H * c)),
                                      .y = floats((size_t)(H * H * c)),
                                      .w = floats(ops->pack_bytes(&s.w) / 4 + 16) };

    if (!dry) ops->conv2d(&ex, &s, &a);
}

static void attention(const struct sdrt_attention_ops *ops, int heads)
{
    enum { TOKENS = 1024, D = 80 };
    const int c = heads * D;
    const size_t values = (size_t)(TOKENS * c);
    const struct sdrt_attention_shape s = {
        .batch = 1,
        .heads = heads,
        .head_dim = D,
        .q_len = TOKENS,
        .kv_len = TOKENS,
        .q_pitch = c,
        .k_pitch = c,
        .v_pitch = c,
        .o_pitch = c,
        .scale = 0.125f,
    };
    const struct sdrt_exec ex = { .nparts = 1, .scratch = floats(ops->scratch(&s) / 4 + 16) };
    const struct sdrt_attention_args a = { .q = floats(values),
                                           .k = floats(values),
                                           .v = floats(values),
                                           .o = floats(values) };

    if (!dry) ops->attention(&ex, &s, &a);
}

int main(int argc, char **argv)
{
    const struct sdrt_isa_level *level = argc > 1 ? sdrt_isa_find(argv[1]) : NULL;
    const char *what = argc > 2 ? argv[2] : "";
    struct sdrt_ops ops;

    if (!level) return 2;
    if (level->flags & ~sdrt_isa_detect()) return 77;
    dry = argc > 3;
    stored = level->flags & SDRT_ISA_ANY_BF16  ? SDRT_BF16
             : level->flags & SDRT_ISA_ANY_F16 ? SDRT_F16
                                               : SDRT_F32;
    memset(&ops, 0, sizeof ops);
    sdrt_ops_init(&ops, level->flags);
    if (!strcmp(what, "gemm")) gemm(&ops.gemm);
    else if (!strcmp(what, "conv")) conv(&ops.conv, 3, 320, SDRT_PROLOGUE_NORM_SILU);
    else if (!strcmp(what, "conv1")) conv(&ops.conv, 1, 320, SDRT_PROLOGUE_NORM_SILU);
    else if (!strcmp(what, "proj")) conv(&ops.conv, 1, 640, SDRT_PROLOGUE_NORM);
    else if (!strcmp(what, "attention")) attention(&ops.attention, 2);
    else if (!strcmp(what, "heads")) attention(&ops.attention, 16);
    else return 2;
    return 0;
}
