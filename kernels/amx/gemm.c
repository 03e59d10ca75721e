/* SPDX-License-Identifier: MIT
 *
 * Linear layers whose weights are bf16; other weights are AVX-512's.
 */
#include "kernels/amx/linear.h"
#include "kernels/gemm.h"

static struct sdrt_gemm_ops wider(void)
{
    struct sdrt_gemm_ops ops = { 0 };

    sdrt_gemm_init_avx512(&ops);
    return ops;
}

static size_t pack_bytes(const struct sdrt_weight_shape *w)
{
    return w->stored == SDRT_BF16 ? pack_size(w) : wider().pack_bytes(w);
}

static int pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                     enum sdrt_dtype from, void *dst)
{
    return w->stored == SDRT_BF16 ? pack_tiles(w, row0, count, src, from, dst)
                                  : wider().pack_rows(w, row0, count, src, from, dst);
}

static int takes(const struct sdrt_gemm_shape *s)
{
    if (s->w.stored != SDRT_BF16) return wider().takes(s);
    return (s->a_type == SDRT_F32 || is_bf16(s->a_type)) &&
           (s->y_type == SDRT_F32 || is_bf16(s->y_type));
}

static enum sdrt_dtype operand(const struct sdrt_gemm_shape *s)
{
    return s->w.stored == SDRT_BF16 ? SDRT_BF16 : wider().operand(s);
}

static int parts(const struct sdrt_gemm_shape *s, int workers)
{
    if (s->w.stored != SDRT_BF16) return wider().parts(s, workers);
    const struct linear_cut u = linear_cut(s->m, s->k, &s->w);
    return linear_parts(&u, workers);
}

static size_t scratch(const struct sdrt_gemm_shape *s)
{
    if (s->w.stored != SDRT_BF16) return wider().scratch(s);
    const struct linear_cut u = linear_cut(s->m, s->k, &s->w);
    return linear_place(&u, NULL, NULL);
}

struct source {
    const void *a;
    enum sdrt_dtype type;
    size_t pitch;
    int rows;
};

/* The row some rows ahead is asked for: with a wide pitch no prefetcher sees it coming. */
static void feed(const void *source, int row, int c0, int n, bf16 *to)
{
    enum { AHEAD = 4 };
    const struct source *s = source;
    const size_t at = (size_t)row * s->pitch + (size_t)c0, bytes = sdrt_dtype_size(s->type);
    const char *from = (const char *)s->a + at * bytes;
    const char *ahead = from + (row + AHEAD < s->rows ? AHEAD * s->pitch * bytes : 0);

    for (int i = 0; i < n; i += TILE_K, to += TILE_K) {
        __builtin_prefetch(ahead + (size_t)i * bytes);
        if (!is_bf16(s->type)) __builtin_prefetch(ahead + (size_t)(i + VL) * bytes);
        _mm512_storeu_ps(to, load_pair_typed(from, s->type, (size_t)i, n - i));
    }
}

static int gemm(const struct sdrt_exec *ex, const struct sdrt_gemm_shape *s,
                const struct sdrt_gemm_args *a)
{
    if (s->w.stored != SDRT_BF16) return wider().gemm(ex, s, a);
    const struct source source = { a->a, s->a_type, (size_t)s->a_pitch, s->m };
    const size_t pitch = (size_t)s->a_pitch * sizeof(bf16);
    const int in_place = is_bf16(s->a_type) && linear_in_place(s->m, s->k, a->a, pitch);
    const struct linear l = {
        .m = s->m, .n = s->n, .k = s->k, .shape = s->w, .w = a->w, .bias = a->bias,
        .gate = a->gate, .residual = a->residual, .residual_pitch = (size_t)s->residual_pitch,
        .y = a->y, .y_type = s->y_type, .y_pitch = (size_t)s->y_pitch, .act = s->act,
        .feed = feed, .source = &source, .rows = in_place ? a->a : NULL, .rows_pitch = pitch,
    };
    linear_run(ex, &l);
    return 0;
}

void sdrt_gemm_init_amx(struct sdrt_gemm_ops *ops)
{
    ops->pack_bytes = pack_bytes;
    ops->pack_rows = pack_rows;
    ops->takes = takes;
    ops->operand = operand;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->gemm = gemm;
}
