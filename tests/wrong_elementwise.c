/* SPDX-License-Identifier: MIT
 *
 * Elementwise operations, those of bench/plugin and the ones that were there, with one fault, which
 * sdbench has to find; tests/check_kernels.sh names it by -DFAULT=.
 */
#include <sdrt_kernel.h>

#define sdrt_kernel_fill fill_right
int sdrt_kernel_fill(struct sdrt_kernel *k);
#include "bench/plugin/elementwise.c"
#undef sdrt_kernel_fill

enum fault {
    NONE,
    SKIPS_A_TAIL,   /* silu: the last channel of an odd number */
    IS_ROUGH,       /* in the fifth digit */
    WRITES_GAPS,    /* relu */
    IGNORES_SLOPES, /* of channels */
    READS_ONE_PAST, /* blend */
    KEEPS_SUMS,     /* silu_of_sums: those of the last call in the same place */
    TAKES_F32,      /* embed: whatever the table is of */
    SKIPS_A_PART,   /* halve */
    KNOWS_DISTANCE, /* relative_bias: 128 for all */
    SEES_ALL,       /* own_attention: each row all others */
    TURNS_TWICE,    /* low_frequencies: what is there already */
    GUIDES_ALONE,   /* guide: without the unconditional part */
};

static struct sdrt_elementwise_ops right;

static int wrong_silu(const struct sdrt_exec *ex, int rows, int c, float *x)
{
    const int begin = sdrt_row_begin(rows, ex->part, ex->nparts);
    const int end = sdrt_row_begin(rows, ex->part + 1, ex->nparts);

    if (FAULT == SKIPS_A_TAIL && c % 2) {
        for (int r = begin; r < end; r++)
            for (int i = 0; i < c - 1; i++) {
                float *v = x + (size_t)r * (size_t)c + i;
                *v = *v / (1.0f + exp_of(-*v));
            }
        return 0;
    }
    right.silu(ex, rows, c, x);
    for (size_t i = (size_t)begin * (size_t)c; FAULT == IS_ROUGH && i < (size_t)end * (size_t)c;
         i++)
        x[i] *= 1.00002f;
    return 0;
}

static int wrong_relu(const struct sdrt_exec *ex, const struct sdrt_relu_shape *s,
                      const float *slopes, float *x)
{
    const int end = sdrt_row_begin(s->rows, ex->part + 1, ex->nparts);

    for (int r = sdrt_row_begin(s->rows, ex->part, ex->nparts); FAULT == WRITES_GAPS && r < end;
         r++)
        if (s->pitch > s->c) x[(size_t)r * (size_t)s->pitch + (size_t)s->c] = 0.0f;
    return right.relu(ex, s, FAULT == IGNORES_SLOPES ? NULL : slopes, x);
}

static int wrong_blend(const struct sdrt_exec *ex, const struct sdrt_blend_shape *s, const float *x,
                       const float *z, float *y)
{
    const volatile float *past = x + (size_t)s->rows * (size_t)s->x_pitch;

    if (FAULT == READS_ONE_PAST && x != y) (void)past[15];
    return right.blend(ex, s, x, z, y);
}

static int wrong_sums(const struct sdrt_exec *ex, int n, int m, int c, const float *a,
                      const float *b, float *y)
{
    static int sizes[3];
    static const float *place;
    static float kept[1 << 20];
    const size_t all = (size_t)n * (size_t)m * (size_t)c;

    if (ex->part) return 0;
    if (place == y && sizes[0] == n && sizes[1] == m && sizes[2] == c) {
        memcpy(y, kept, all * sizeof *y);
        return 0;
    }
    const struct sdrt_exec one = { .part = 0, .nparts = 1 };
    right.silu_of_sums(&one, n, m, c, a, b, y);
    if (all > sizeof kept / sizeof *kept) return 0;
    memcpy(kept, y, all * sizeof *y);
    sizes[0] = n, sizes[1] = m, sizes[2] = c;
    place = y;
    return 0;
}

static int wrong_embed(const struct sdrt_exec *ex, int rows, int c, const int32_t *ids,
                       const void *table, enum sdrt_dtype from, const void *positions,
                       enum sdrt_dtype positions_from, int positions_n, float *y)
{
    (void)from, (void)positions_from;
    return right.embed(ex, rows, c, ids, table, SDRT_F32, positions, SDRT_F32, positions_n, y);
}

static int wrong_halve(const struct sdrt_exec *ex, int batch, int h, int w, int c, const float *x,
                       float *y)
{
    return ex->part && ex->part == ex->nparts - 1 ? 0 : right.halve(ex, batch, h, w, c, x, y);
}

static int wrong_bias(const struct sdrt_exec *ex, int tokens, int buckets, int max_distance,
                      int heads, const void *table, enum sdrt_dtype from, float *y)
{
    (void)max_distance;
    return right.relative_bias(ex, tokens, buckets, 128, heads, table, from, y);
}

/* As the last of so many rows that there is nobody else. */
static int wrong_own(const struct sdrt_exec *ex, const struct sdrt_own_shape *s, const float *q,
                     const float *k, const float *v, float *o)
{
    struct sdrt_own_shape one = *s;

    if (ex->part) return 0;
    const struct sdrt_exec all = { .part = 0, .nparts = 1 };
    one.count = 1;
    for (int i = 0; i < s->count; i++, one.first++) right.own_attention(&all, &one, q, k, v, o);
    return 0;
}

static int wrong_low(const struct sdrt_exec *ex, const struct sdrt_low_shape *s, float *x)
{
    right.low_frequencies(ex, s, x);
    return right.low_frequencies(ex, s, x);
}

static int wrong_guide(const struct sdrt_exec *ex, int batch, int pixels, int c, float cfg_scale,
                       const float *eps, float *y)
{
    return right.to_nchw(ex, batch, pixels, c, cfg_scale,
                         eps + (size_t)batch * (size_t)pixels * (size_t)c, y);
}

int sdrt_kernel_fill(struct sdrt_kernel *k)
{
    fill_right(k);
    right = *k->elementwise;
    k->elementwise->silu = wrong_silu;
    k->elementwise->relu = wrong_relu;
    k->elementwise->blend = wrong_blend;
    if (FAULT == KEEPS_SUMS) k->elementwise->silu_of_sums = wrong_sums;
    if (FAULT == TAKES_F32) k->elementwise->embed = wrong_embed;
    if (FAULT == SKIPS_A_PART) k->elementwise->halve = wrong_halve;
    if (FAULT == KNOWS_DISTANCE) k->elementwise->relative_bias = wrong_bias;
    if (FAULT == SEES_ALL) k->elementwise->own_attention = wrong_own;
    if (FAULT == TURNS_TWICE) k->elementwise->low_frequencies = wrong_low;
    if (FAULT == GUIDES_ALONE) k->elementwise->guide = wrong_guide;
    return SDRT_KERNEL_ABI;
}
