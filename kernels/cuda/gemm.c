/* SPDX-License-Identifier: MIT */
#include "kernels/cuda/product_host.h"

static int takes(const struct sdrt_gemm_shape *s)
{
    return cuda_knows(s->a_type) && cuda_knows(s->y_type);
}

static enum sdrt_dtype operand(const struct sdrt_gemm_shape *s)
{
    return cuda_in_bf16(s->w.stored) ? SDRT_BF16 : SDRT_F32;
}

static int parts(const struct sdrt_gemm_shape *s, int workers)
{
    (void)s;
    (void)workers;
    return 1;
}

/* Whether rows of a must be made anew: of another type than the product's, or not in eights. */
static int is_prepared(const struct sdrt_gemm_shape *s)
{
    return s->a_type != operand(s) || (s->a_type == SDRT_BF16 && s->a_pitch % 8 != 0);
}

static size_t scratch(const struct sdrt_gemm_shape *s)
{
    if (!is_prepared(s)) return 0;
    return (size_t)s->m * (size_t)cuda_round_up(s->k, 8) * sdrt_dtype_size(operand(s));
}

static int gemm(const struct sdrt_exec *ex, const struct sdrt_gemm_shape *s,
                const struct sdrt_gemm_args *a)
{
    const int bf16 = operand(s) == SDRT_BF16;
    struct sdrt_cuda_product p = {
        .a = a->a,
        .w = a->w,
        .bias = a->bias,
        .gate = a->gate,
        .residual = a->residual,
        .y = a->y,
        .m = s->m,
        .n = s->n,
        .rows = cuda_weight_rows(&s->w),
        .k = s->k,
        .a_pitch = s->a_pitch,
        .w_pitch = cuda_weight_pitch(&s->w),
        .y_pitch = s->y_pitch,
        .residual_pitch = s->residual_pitch,
        .in_h = 1,
        .in_w = s->m,
        .out_h = 1,
        .out_w = s->m,
        .kernel = 1,
        .stride = 1,
        .act = s->act,
        .gated = s->w.gated,
        .y_bf16 = s->y_type == SDRT_BF16,
    };

    if (ex->part) return 0;
    if (is_prepared(s)) {
        struct sdrt_cuda_prepare r = {
            .x = a->a,
            .y = ex->scratch,
            .pixels = s->m,
            .image_pixels = s->m,
            .c = s->k,
            .x_pitch = s->a_pitch,
            .y_pitch = cuda_round_up(s->k, 8),
            .x_bf16 = s->a_type == SDRT_BF16,
            .y_bf16 = bf16,
        };
        if (cuda_prepare(ex, &r)) return -1;
        p.a = r.y;
        p.a_pitch = r.y_pitch;
    }
    if (bf16 && !cuda_aligned(p.a, 16)) return -1;
    return cuda_product(ex, s->w.stored, &p);
}

void sdrt_cuda_gemm_init(struct sdrt_gemm_ops *ops)
{
    *ops = (struct sdrt_gemm_ops){
        .pack_bytes = cuda_pack_bytes,
        .pack_rows = cuda_pack_rows,
        .takes = takes,
        .operand = operand,
        .parts = parts,
        .scratch = scratch,
        .gemm = gemm,
    };
}
