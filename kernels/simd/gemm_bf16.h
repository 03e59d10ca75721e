/* SPDX-License-Identifier: MIT
 *
 * Linear layers that multiply in bf16 (or f16, or integers) where weights fit slots of that type;
 * the others are the level below's, in f32.
 *
 * The including file takes in kernels/simd/gemm.h with slots of that type, and defines fill_f32(), the
 * filler of the level below; SDRT_FILL_INT8, where it has one, fills the layers whose weights are
 * stored as I8.
 */

static struct sdrt_gemm_ops ops_for(const struct sdrt_weight_shape *w)
{
    struct sdrt_gemm_ops ops = { 0 };

#ifdef SDRT_FILL_INT8
    if (w->stored == SDRT_I8) {
        SDRT_FILL_INT8(&ops);
        return ops;
    }
#endif
    if (slots_fit(w)) gemm_fill(&ops);
    else fill_f32(&ops);
    return ops;
}

static size_t pack_bytes(const struct sdrt_weight_shape *w) { return ops_for(w).pack_bytes(w); }

static int pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                     enum sdrt_dtype from, void *dst)
{
    return ops_for(w).pack_rows(w, row0, count, src, from, dst);
}

static int takes(const struct sdrt_gemm_shape *s) { return ops_for(&s->w).takes(s); }

static enum sdrt_dtype operand(const struct sdrt_gemm_shape *s)
{
    return ops_for(&s->w).operand(s);
}

static int parts(const struct sdrt_gemm_shape *s, int workers)
{
    return ops_for(&s->w).parts(s, workers);
}

static size_t scratch(const struct sdrt_gemm_shape *s) { return ops_for(&s->w).scratch(s); }

static int gemm(const struct sdrt_exec *ex, const struct sdrt_gemm_shape *s,
                const struct sdrt_gemm_args *a)
{
    return ops_for(&s->w).gemm(ex, s, a);
}

static void fill_bf16(struct sdrt_gemm_ops *ops)
{
    ops->pack_bytes = pack_bytes;
    ops->pack_rows = pack_rows;
    ops->takes = takes;
    ops->operand = operand;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->gemm = gemm;
}
