/* SPDX-License-Identifier: MIT
 *
 * Linear layers whose weights are bf16 or int8; other weights are AVX-512's.
 */
#include "kernels/amx/int8.h"
#include "kernels/amx/linear.h"
#include "kernels/gemm.h"

static struct sdrt_gemm_ops wider(void)
{
    struct sdrt_gemm_ops ops = { 0 };

    sdrt_gemm_init_avx512(&ops);
    return ops;
}

static int in_tiles(const struct sdrt_weight_shape *w)
{
    return w->stored == SDRT_BF16 || w->stored == SDRT_I8;
}

static size_t pack_bytes(const struct sdrt_weight_shape *w)
{
    if (!in_tiles(w)) return wider().pack_bytes(w);
    return w->stored == SDRT_I8 ? int8_pack_size(w) : pack_size(w);
}

static int pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                     enum sdrt_dtype from, void *dst)
{
    if (!in_tiles(w)) return wider().pack_rows(w, row0, count, src, from, dst);
    return w->stored == SDRT_I8 ? int8_pack(w, row0, count, src, from, dst)
                                : pack_tiles(w, row0, count, src, from, dst);
}

static int takes(const struct sdrt_gemm_shape *s)
{
    if (!in_tiles(&s->w)) return wider().takes(s);
    return (s->a_type == SDRT_F32 || is_bf16(s->a_type)) &&
           (s->y_type == SDRT_F32 || is_bf16(s->y_type));
}

/* Of bf16's eight bits int8 keeps the upper ones, but for a value near its row's largest. */
static enum sdrt_dtype operand(const struct sdrt_gemm_shape *s)
{
    return in_tiles(&s->w) ? SDRT_BF16 : wider().operand(s);
}

static int parts(const struct sdrt_gemm_shape *s, int workers)
{
    if (!in_tiles(&s->w)) return wider().parts(s, workers);
    const struct linear_cut u = linear_cut(s->m, s->k, &s->w);
    return linear_parts(&u, workers);
}

static size_t scratch(const struct sdrt_gemm_shape *s)
{
    if (!in_tiles(&s->w)) return wider().scratch(s);
    const struct linear_cut u = linear_cut(s->m, s->k, &s->w);
    return linear_place(&u, NULL, NULL);
}

struct source {
    const void *a;
    enum sdrt_dtype type;
    size_t pitch;
    int rows, k, rotated;
};

/* The row some rows ahead is asked for: with a wide pitch no prefetcher sees it coming. */
static void feed(const void *source, int row, int c0, int n, void *lines, struct linear_unit *unit)
{
    enum { AHEAD = 4 };
    bf16 *to = lines;
    const struct source *s = source;
    const size_t at = (size_t)row * s->pitch + (size_t)c0, bytes = sdrt_dtype_size(s->type);
    const char *from = (const char *)s->a + at * bytes;
    const char *ahead = from + (row + AHEAD < s->rows ? AHEAD * s->pitch * bytes : 0);

    (void)unit; /* bf16 has none */
    for (int i = 0; i < n; i += TILE_K, to += TILE_K) {
        __builtin_prefetch(ahead + (size_t)i * bytes);
        if (!is_bf16(s->type)) __builtin_prefetch(ahead + (size_t)(i + VL) * bytes);
        _mm512_storeu_ps(to, load_pair_typed(from, s->type, (size_t)i, n - i));
    }
}

/* The same to int8: a row is looked at as a whole first, which brings it to L1. */
static void feed_int8(const void *source, int row, int c0, int n, void *lines,
                      struct linear_unit *unit)
{
    const struct source *s = source;
    const size_t at = (size_t)row * s->pitch, bytes = sdrt_dtype_size(s->type);
    const char *x = (const char *)s->a + at * bytes, *next = x + s->pitch * bytes;
    char *to = lines;

    if (c0 == 0) {
        const int32_t bits = int8_largest(x, s->type, s->k, s->rotated);
        unit->times = integer_times(bits, INT8_MOST, &unit->worth);
    }
    for (int i = 0; i < n; i += TILE_K8, to += LINE) {
        if (row + 1 < s->rows)
            for (size_t j = 0; j < TILE_K8 * bytes; j += LINE)
                __builtin_prefetch(next + (size_t)(c0 + i) * bytes + j);
        int8_line(x, s->type, (size_t)(c0 + i), n - i, s->rotated, v_set1(unit->times), to);
    }
}

static int gemm(const struct sdrt_exec *ex, const struct sdrt_gemm_shape *s,
                const struct sdrt_gemm_args *a)
{
    if (!in_tiles(&s->w)) return wider().gemm(ex, s, a);
    const struct source source = { a->a, s->a_type, (size_t)s->a_pitch, s->m, s->k,
                                   sdrt_rotates(&s->w) };
    const size_t pitch = (size_t)s->a_pitch * sizeof(bf16);
    const int integers = s->w.stored == SDRT_I8;
    const int in_place = !integers && is_bf16(s->a_type) &&
                         linear_in_place(s->m, s->k, a->a, pitch);
    const size_t units = integers ? int8_units(&s->w) * sizeof(float) : 0;
    const struct linear l = {
        .m = s->m, .n = s->n, .k = s->k, .shape = s->w, .w = (const char *)a->w + units,
        .units = integers ? a->w : NULL, .bias = a->bias,
        .gate = a->gate, .residual = a->residual, .residual_pitch = (size_t)s->residual_pitch,
        .y = a->y, .y_type = s->y_type, .y_pitch = (size_t)s->y_pitch, .act = s->act,
        .feed = integers ? feed_int8 : feed, .source = &source,
        .rows = in_place ? a->a : NULL, .rows_pitch = pitch,
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
