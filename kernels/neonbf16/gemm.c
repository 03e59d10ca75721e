/* SPDX-License-Identifier: MIT
 *
 * Linear layers whose weights are bf16; other weights are NEON's.
 */
#include "kernels/neon/vec.h"

#define SDRT_SLOT_HEADER "kernels/neonbf16/slot.h"
#define SDRT_PRODUCT_HEADER "kernels/neonbf16/product.h"
/* As in neon/gemm.c, in slots. */
#define SDRT_TILE_ROWS 6
enum {
    TILE_ROWS = SDRT_TILE_ROWS,
    GEMM_CHUNK = 320,
    GEMM_ROWS = 144,
    GEMM_PANELS = 24,
};

#include "kernels/simd/gemm.h"

static struct sdrt_gemm_ops ops_for(const struct sdrt_weight_shape *w)
{
    struct sdrt_gemm_ops ops = { 0 };

    if (slots_fit(w)) gemm_fill(&ops);
    else sdrt_gemm_init_neon(&ops);
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

void sdrt_gemm_init_neonbf16(struct sdrt_gemm_ops *ops)
{
    ops->pack_bytes = pack_bytes;
    ops->pack_rows = pack_rows;
    ops->takes = takes;
    ops->operand = operand;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->gemm = gemm;
}
