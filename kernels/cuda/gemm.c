/* SPDX-License-Identifier: MIT */
#include "kernels/cuda/product_host.h"

static int takes(const struct sdrt_gemm_shape *s)
{
    return cuda_knows(s->a_type) && cuda_knows(s->y_type);
}

static enum sdrt_dtype operand_bf16(const struct sdrt_gemm_shape *s)
{
    return cuda_operand(s->w.stored, SDRT_BF16);
}

static enum sdrt_dtype operand_f16(const struct sdrt_gemm_shape *s)
{
    return cuda_operand(s->w.stored, SDRT_F16);
}

static int parts(const struct sdrt_gemm_shape *s, int workers)
{
    (void)s;
    (void)workers;
    return 1;
}

/* Whether rows of a must be made anew: of another type than the product's, or not in eights, of which all are
 * read. */
static int is_prepared(const struct sdrt_gemm_shape *s, enum sdrt_dtype operand)
{
    if (s->a_type != operand) return 1;
    return operand != SDRT_F32 && (s->a_pitch % 8 != 0 || s->k % 8 != 0);
}

static size_t operand_bytes(const struct sdrt_gemm_shape *s, enum sdrt_dtype operand)
{
    if (!is_prepared(s, operand)) return 0;
    return (size_t)s->m * (size_t)cuda_round_up(s->k, 8) * sdrt_dtype_size(operand);
}

static size_t workspace_of(const struct sdrt_gemm_shape *s, enum sdrt_dtype narrow)
{
    const struct cuda_extent e = { s->m, cuda_weight_rows(&s->w), 1, s->k };

    return cuda_workspace(&e, s->w.stored, narrow);
}

static size_t scratch_of(const struct sdrt_gemm_shape *s, enum sdrt_dtype narrow)
{
    const size_t operand = operand_bytes(s, cuda_operand(s->w.stored, narrow));
    const size_t workspace = workspace_of(s, narrow);

    return workspace ? cuda_workspace_at(operand) + workspace : operand;
}

static size_t scratch_bf16(const struct sdrt_gemm_shape *s) { return scratch_of(s, SDRT_BF16); }
static size_t scratch_f16(const struct sdrt_gemm_shape *s) { return scratch_of(s, SDRT_F16); }

static int gemm(const struct sdrt_exec *ex, const struct sdrt_gemm_shape *s,
                const struct sdrt_gemm_args *a)
{
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
        .y_narrow = s->y_type != SDRT_F32,
    };

    if (ex->part) return 0;
    const enum sdrt_dtype operand = cuda_operand(s->w.stored, cuda_narrow(ex));
    if (!cuda_has(ex, s->a_type) || !cuda_has(ex, s->y_type)) return -1;
    if (is_prepared(s, operand)) {
        struct sdrt_cuda_prepare r = {
            .x = a->a,
            .y = ex->scratch,
            .pixels = s->m,
            .image_pixels = s->m,
            .c = s->k,
            .x_pitch = s->a_pitch,
            .y_pitch = cuda_round_up(s->k, 8),
            .x_narrow = s->a_type != SDRT_F32,
            .y_narrow = operand != SDRT_F32,
        };
        if (cuda_prepare(ex, &r)) return -1;
        p.a = r.y;
        p.a_pitch = r.y_pitch;
    }
    if (operand != SDRT_F32 && !cuda_aligned(p.a, 16)) return -1;
    if (workspace_of(s, cuda_narrow(ex)))
        p.partial = (void *)((unsigned char *)ex->scratch +
                             cuda_workspace_at(operand_bytes(s, operand)));
    return cuda_product(ex, s->w.stored, &p);
}

void sdrt_cuda_gemm_init(struct sdrt_gemm_ops *ops, enum sdrt_dtype narrow)
{
    const struct cuda_packing *packing = cuda_packing(narrow);

    *ops = (struct sdrt_gemm_ops){
        .pack_bytes = packing->bytes,
        .pack_rows = packing->rows,
        .takes = takes,
        .operand = narrow == SDRT_F16 ? operand_f16 : operand_bf16,
        .parts = parts,
        .scratch = narrow == SDRT_F16 ? scratch_f16 : scratch_bf16,
        .gemm = gemm,
    };
}
