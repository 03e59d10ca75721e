/* SPDX-License-Identifier: MIT
 *
 * Runs one kernel once at one of the models' sizes, for tests/check_counts.sh, which counts its
 * instructions:
 *
 *     kernel_counts LEVEL gemm|conv|conv1|attention [dry]
 *
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

static void conv(const struct sdrt_conv_ops *ops, int kernel)
{
    enum { H = 32, C = 320 };
    const struct sdrt_conv_shape s = {
        .batch = 1,
        .in_h = H,
        .in_w = H,
        .in_c = C,
        .out_h = H,
        .out_w = H,
        .out_c = C,
        .kernel = kernel,
        .stride = 1,
        .upsample = 1,
        .pad = kernel / 2,
        .x_pitch = C,
        .y_pitch = C,
        .residual_pitch = C,
        .prologue = SDRT_PROLOGUE_NORM_SILU,
        .w = { .n = C, .k = C, .taps = kernel * kernel, .stored = stored },
    };
    const struct sdrt_exec ex = { .nparts = 1, .scratch = floats(ops->scratch(&s) / 4 + 16) };
    const struct sdrt_conv_args a = { .x = floats(H * H * C),
                                      .msb = floats(3 * C),
                                      .bias = floats(C),
                                      .residual = floats(H * H * C),
                                      .y = floats(H * H * C),
                                      .w = floats(ops->pack_bytes(&s.w) / 4 + 16) };

    if (!dry) ops->conv2d(&ex, &s, &a);
}

static void attention(const struct sdrt_attention_ops *ops)
{
    enum { TOKENS = 1024, HEADS = 2, D = 80, C = HEADS * D };
    const struct sdrt_attention_shape s = {
        .batch = 1,
        .heads = HEADS,
        .head_dim = D,
        .q_len = TOKENS,
        .kv_len = TOKENS,
        .q_pitch = C,
        .k_pitch = C,
        .v_pitch = C,
        .o_pitch = C,
        .scale = 0.125f,
    };
    const struct sdrt_exec ex = { .nparts = 1, .scratch = floats(ops->scratch(&s) / 4 + 16) };
    const struct sdrt_attention_args a = { .q = floats(TOKENS * C),
                                           .k = floats(TOKENS * C),
                                           .v = floats(TOKENS * C),
                                           .o = floats(TOKENS * C) };

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
    stored = level->flags & SDRT_ISA_ANY_BF16 ? SDRT_BF16 : SDRT_F32;
    memset(&ops, 0, sizeof ops);
    sdrt_ops_init(&ops, level->flags);
    if (!strcmp(what, "gemm")) gemm(&ops.gemm);
    else if (!strcmp(what, "conv")) conv(&ops.conv, 3);
    else if (!strcmp(what, "conv1")) conv(&ops.conv, 1);
    else if (!strcmp(what, "attention")) attention(&ops.attention);
    else return 2;
    return 0;
}
