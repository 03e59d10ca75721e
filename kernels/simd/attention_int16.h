/* SPDX-License-Identifier: MIT
 *
 * Attention in 16-bit integers: a part of kernels/simd/attention.h, in place of its products and its
 * softmax, for VPDPWSSD or VPMADDWD.  slot_int16.h comes before it, with a level's vectors of integers.
 *
 *     scores   int32 sums of q k; a row of q has a unit, as each key has
 *     weights  w = 2^(score - the block's largest), as integers of 15 bits
 *     o        int32 sums of w v over one block of keys, then f32; each channel of a block has a unit
 *
 * No sum overflows.
 *  - Scores: of 2 depth terms none is above most^2, and 2 depth most^2 < 2^31 (attention_most()).
 *  - Values: |v| <= VALUE_MAX, and the weights of a row in a block are of a sum below WEIGHTS_ROOM
 *    = (2^31 - 1) / VALUE_MAX.  Where a block's weights are so even that their sum is above it, they
 *    are halved until it is not, which costs no digit that counts, and the row begins its next block
 *    with as many halvings (`halved`).
 *  - No integer is -2^15, so that VPMADDWD's sum of two products is right as well.
 * Weights are relative to their own block, not to all keys so far: a key that outweighs the rest makes
 * those of its block round to 0, whose weights would be below 2^-16 of its own, and no others.
 */

enum {
    VALUE_MAX = 4095,
    WEIGHT_MAX_16 = 32767,
    WEIGHTS_ROOM = 0x7fffffff / VALUE_MAX,
    LATE = 8, /* blocks are worth less than 2^LATE */
    TILE_ROWS = (TILE + VL - 1) / VL * VL,
};
#define LOG2_MOST 14.99995597f /* of WEIGHT_MAX_16 */

/* What beside the arrays of attention_place() lies in own. */
static float *attention_halved(const struct attention_unit *u) { return u->own; }
static float *attention_key_units(const struct attention_unit *u) { return u->own + u->cut.rows; }
static float *attention_value_units(const struct attention_unit *u)
{
    return attention_key_units(u) + u->cut.keys;
}

/* What the units of keys are times, behind the maxima. */
static float *attention_block_unit(const struct attention_unit *u) { return u->max + u->cut.rows; }

/* The largest integer of queries and keys. */
static int attention_most(const struct attention_unit *u)
{
    const double most = sqrt(2147483647.0 / (SLOT * u->cut.depth));

    return most < WEIGHT_MAX_16 ? (int)most : WEIGHT_MAX_16;
}

#include "kernels/simd/attention_int16_pack.h"

/* ---- products ---- */

/* Scores: c = sums of a w, times column.  Values: c (+)= those times column and row. */
struct attention_product {
    const int32_t *a, *w;
    float *c;
    size_t a_pitch, c_pitch;
    int k;               /* slots */
    int set;             /* c starts at 0 */
    const float *column; /* [columns] */
    const float *row;    /* [rows], or NULL */
};

/* mr rows by nv vectors. */
SDRT_ALWAYS_INLINE void attention_rows(const int mr, const int nv,
                                       const struct attention_product *t)
{
    const int32_t *a = t->a, *w = t->w, *const end = a + t->k;
    const size_t a_pitch = t->a_pitch;
    vi acc[ROWS_2][3];

    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++) {
        SDRT_UNROLL(3)
        for (int j = 0; j < nv; j++) acc[i][j] = vi_zero();
    }
    for (; a < end; a++, w += nv * VL) {
        vi b[3];
        SDRT_UNROLL(3)
        for (int j = 0; j < nv; j++) b[j] = vi_load(w + j * VL);
        SDRT_UNROLL(16)
        for (int i = 0; i < mr; i++) {
            const vi x = vi_bcast(a + (size_t)i * a_pitch);
            SDRT_UNROLL(3)
            for (int j = 0; j < nv; j++) acc[i][j] = vi_product(x, b[j], acc[i][j]);
        }
    }
    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++) {
        SDRT_UNROLL(3)
        for (int j = 0; j < nv; j++) {
            float *const c = t->c + (size_t)i * t->c_pitch + j * VL;
            const vf x = vi_to_f32(acc[i][j]), column = v_load(t->column + j * VL);
            if (!t->row) v_store(c, v_mul(x, column));
            else if (t->set) v_store(c, v_mul(v_mul(x, v_bcast(t->row + i)), column));
            else v_store(c, v_fma(v_mul(x, v_bcast(t->row + i)), column, v_load(c)));
        }
    }
}

/* One function for each height, so that each has its sums in registers. */
static void attention_rows_2(int mr, const struct attention_product *t)
{
    switch (mr) {
    case 1: attention_rows(1, 2, t); break;
    case 2: attention_rows(2, 2, t); break;
    case 3: attention_rows(3, 2, t); break;
    case 4: attention_rows(4, 2, t); break;
    case 5: attention_rows(5, 2, t); break;
    case 6: attention_rows(6, 2, t); break;
#if SDRT_ATTENTION_ROWS > 6
    case 7: attention_rows(7, 2, t); break;
    case 8: attention_rows(8, 2, t); break;
    case 9: attention_rows(9, 2, t); break;
    case 10: attention_rows(10, 2, t); break;
    case 11: attention_rows(11, 2, t); break;
    case 12: attention_rows(12, 2, t); break;
    case 13: attention_rows(13, 2, t); break;
    case 14: attention_rows(14, 2, t); break;
#endif
    }
}

static void attention_rows_3(int mr, const struct attention_product *t)
{
    switch (mr) {
    case 1: attention_rows(1, 3, t); break;
    case 2: attention_rows(2, 3, t); break;
    case 3: attention_rows(3, 3, t); break;
    case 4: attention_rows(4, 3, t); break;
#if SDRT_ATTENTION_ROWS > 6
    case 5: attention_rows(5, 3, t); break;
    case 6: attention_rows(6, 3, t); break;
    case 7: attention_rows(7, 3, t); break;
    case 8: attention_rows(8, 3, t); break;
    case 9: attention_rows(9, 3, t); break;
#endif
    }
}

/* rows rows by all panels of vectors vectors. */
static void attention_multiply(const struct attention_product *product, int rows, int vectors)
{
    struct attention_product t = *product;

    for (int p = 0; p < vectors / 2; p++) {
        const int w = panel_width(vectors, p), most = w == 2 ? ROWS_2 : ROWS_3;
        const int tiles = (rows + most - 1) / most;
        for (int i = 0; i < tiles; i++) {
            const int r = attention_share(rows, i, tiles);
            t.a = product->a + (size_t)r * t.a_pitch;
            t.c = product->c + (size_t)r * t.c_pitch + (size_t)(2 * p) * VL;
            t.row = product->row ? product->row + r : NULL;
            const int mr = attention_share(rows, i + 1, tiles) - r;
            if (w == 2) attention_rows_2(mr, &t);
            else attention_rows_3(mr, &t);
        }
        t.w += (size_t)t.k * (size_t)w * VL;
        t.column += w * VL;
    }
}

/* ---- softmax ---- */

/* 2^x for x in -2 .. 15, to 8e-5: the same polynomial as bf16's. */
SDRT_ALWAYS_INLINE vf attention_exp2(vf x)
{
    const vf magic = v_set1(0x1.8p23f); /* the sum's low bits are the whole number's */
    const vf z = v_add(x, magic), r = v_sub(x, v_sub(z, magic));
    vf p = v_set1(5.517149397601918e-2f);

    p = v_fma(p, r, v_set1(2.426109383663306e-1f));
    p = v_fma(p, r, v_set1(6.932609937847314e-1f));
    p = v_fma(p, r, v_set1(9.999280848578576e-1f));
    return vi_as_f32(vi_add(vi_of_bits(p), vi_exponent(vi_of_bits(z))));
}

/* Scores become what they are in units of log2, as far as f32 goes. */
static void attention_fit(float *scores, int n, float unit)
{
    for (int j = 0; j < n; j++) scores[j] = fmaxf(-FLT_MAX, fminf(FLT_MAX, scores[j] * unit));
}

static float attention_largest(const float *scores, int keys)
{
    vf m0 = v_set1(-FLT_MAX), m1 = m0;
    int j = 0;

    for (; j + 2 * VL <= keys; j += 2 * VL) {
        m0 = v_max(v_load(scores + j), m0);
        m1 = v_max(v_load(scores + j + VL), m1);
    }
    if (j < keys) m0 = v_max(v_load(scores + j), m0);
    return v_hmax(v_max(m0, m1));
}

SDRT_ALWAYS_INLINE vf attention_weigh(const float *scores, vf unit, vf shift)
{
    return attention_exp2(v_max(v_fma(v_load(scores), unit, shift), v_set1(-2.0f)));
}

/* A row of scores becomes integers 2^(score * unit + shift) at its start, whose sum is returned: of two
 * vectors in the order of VPACKSSDW (attention_pair()), of an odd last one in its own. */
static int32_t attention_weights(float *scores, int keys, float unit_, float shift_)
{
    const vf unit = v_set1(unit_), shift = v_set1(shift_);
    const int32_t one = 0x00010001;
    const vi ones = vi_bcast(&one);
    int32_t *to = (int32_t *)(void *)scores;
    vi sum = vi_zero();
    int j = 0;

    for (; j + 2 * VL <= keys; j += 2 * VL, to += VL) {
        const vi x = vi_from_f32(attention_weigh(scores + j, unit, shift));
        const vi y = vi_from_f32(attention_weigh(scores + j + VL, unit, shift));
        const vi w = vi_pack_i16(x, y);
        vi_store(to, w);
        sum = vi_product(w, ones, sum);
    }
    if (j < keys) {
        const vf most = v_set1(WEIGHT_MAX_16);
        const vi x = vi_from_f32(v_min(attention_weigh(scores + j, unit, shift), most));
        vi_store_i16((int16_t *)(void *)to, x);
        sum = vi_add(sum, x);
    }
    return vi_hsum(sum);
}

/* Halves a row's weights, rounding, until their sum is at most WEIGHTS_ROOM; returns how often. */
static int attention_halve(float *scores, int keys, int32_t *sum)
{
    int16_t *const w = (int16_t *)(void *)scores;
    int32_t all = 0;
    int times = 1;

    while ((*sum >> times) + keys > WEIGHTS_ROOM) times++; /* each is rounded up by less than 1 */
    for (int j = 0; j < keys; j++) {
        w[j] = (int16_t)((w[j] + (1 << times >> 1)) >> times);
        all += w[j];
    }
    *sum = all;
    return times;
}

/* Moves the row's maximum to max, and with it what was summed so far. */
static void attention_move(const struct attention_unit *u, int row, float max)
{
    const int width = u->cut.d_vectors * VL;
    float *const o = u->o + (size_t)row * (size_t)width;
    const vf old = v_exp2(v_set1(u->max[row] - max));

    for (int c = 0; c < width; c += VL) v_store(o + c, v_mul(v_load(o + c), old));
    u->sum[row] *= v_first(old);
    u->max[row] = max;
}

/* What is known of each row of a tile while its scores become weights. */
struct attention_tile_rows {
    float unit[TILE_ROWS];  /* what its scores are times, in units of log2 */
    float max[TILE_ROWS];   /* the largest of this block, in those units */
    float shift[TILE_ROWS]; /* log2 of a weight's integer is its score and this */
    float worth[TILE_ROWS]; /* of an integer */
};

/* Units, at most the largest f32, and above 0, so that a score of -infinity stays one. */
static void attention_units(const struct attention_unit *u, int r0, int rows,
                            struct attention_tile_rows *t)
{
    const size_t pitch = attention_pitch(&u->cut);
    const float *const q = u->qs + (size_t)r0 * pitch + u->cut.depth;
    const vf all = v_set1(u->unit), block = v_set1(*attention_block_unit(u));

    for (int i = 0; i < TILE_ROWS; i++) t->unit[i] = i < rows ? q[(size_t)i * pitch] : 0.0f;
    for (int i = 0; i < TILE_ROWS; i += VL) {
        const vf unit = v_mul(v_mul(v_load(t->unit + i), all), block);
        v_store(t->unit + i, v_max(v_min(unit, v_set1(FLT_MAX)), v_set1(1e-30f)));
    }
}

/* The row's largest score, and what the others are times from here on. */
static void attention_row_largest(float *scores, int n, int keys, float *unit, float *max)
{
    if (*unit > FLT_MAX / 2147483648.0f) {
        attention_fit(scores, n, *unit);
        *unit = 1.0f;
    }
    for (int j = n; j < keys; j++) scores[j] = -INFINITY; /* less than any score */
    *max = attention_largest(scores, keys) * *unit;
}

/* What is summed over all blocks is relative to a maximum that moves on only when it is LATE
 * behind. */
static void attention_follow(const struct attention_unit *u, int r0, int rows, int first,
                             struct attention_tile_rows *t)
{
    float *const halved = attention_halved(u) + r0;
    float max[TILE_ROWS] = { 0 };

    for (int i = 0; i < rows; i++) {
        const int row = r0 + i;
        if (first) {
            u->max[row] = t->max[i];
            u->sum[row] = halved[i] = 0.0f;
        } else if (t->max[i] > u->max[row] + LATE) {
            attention_move(u, row, t->max[i]);
        }
        t->shift[i] = LOG2_MOST - halved[i] - t->max[i];
        max[i] = u->max[row];
    }
    /* As shift was rounded, so that large scores of one block and of another stay comparable. */
    for (int i = 0; i < rows; i += VL)
        v_store(t->worth + i,
                v_exp2(v_sub(v_zero(), v_add(v_load(t->shift + i), v_load(max + i)))));
}

/* Scores of a tile's rows become weights; t->worth is what their integers are worth. */
static void attention_softmax(const struct attention_unit *u, int r0, int rows, int n, int keys,
                              int first, struct attention_tile_rows *t)
{
    float *const halved = attention_halved(u) + r0;
    const float block = *attention_block_unit(u);

    attention_units(u, r0, rows, t);
    for (int i = 0; i < rows; i++)
        attention_row_largest(u->scores + (size_t)i * (size_t)keys, n, keys, t->unit + i,
                              t->max + i);
    attention_follow(u, r0, rows, first, t);
    for (int i = 0; i < rows; i++) {
        float *const scores = u->scores + (size_t)i * (size_t)keys;
        const float q = u->qs[(size_t)(r0 + i) * attention_pitch(&u->cut) + (size_t)u->cut.depth];
        int32_t sum = attention_weights(scores, keys, t->unit[i], t->shift[i]);
        if (sum > WEIGHTS_ROOM) {
            const int more = attention_halve(scores, keys, &sum);
            t->worth[i] *= (float)(1 << more);
            halved[i] += (float)more;
        } else if (sum < WEIGHTS_ROOM / 4 && halved[i] > 0.0f) {
            halved[i] -= 1.0f;
        }
        /* It becomes no number where an operand is none. */
        u->sum[r0 + i] += t->worth[i] * (float)sum + 0.0f * (q + block);
    }
}

/* ---- one tile ---- */

/* Queries r0 .. r0+rows-1 of the unit against the packed keys k0 .. k0+n-1. */
static void attention_tile(const struct attention_unit *u, int r0, int rows, int k0, int n,
                           int vectors)
{
    const size_t width = (size_t)u->cut.d_vectors * VL, pitch = attention_pitch(&u->cut);
    const int keys = vectors * VL;
    struct attention_tile_rows t = { 0 };
    const struct attention_product scores = {
        .a = (const int32_t *)(const void *)(u->qs + (size_t)r0 * pitch),
        .a_pitch = pitch,
        .w = (const int32_t *)(const void *)u->kt,
        .k = u->cut.depth,
        .c = u->scores,
        .c_pitch = (size_t)keys,
        .column = attention_key_units(u),
    };
    const struct attention_product values = {
        .a = (const int32_t *)(const void *)u->scores,
        .a_pitch = (size_t)keys,
        .w = (const int32_t *)(const void *)u->vp,
        .k = keys / SLOT,
        .c = u->o + (size_t)r0 * width,
        .c_pitch = width,
        .set = k0 == 0,
        .column = attention_value_units(u),
        .row = t.worth,
    };

    attention_multiply(&scores, rows, vectors);
    attention_softmax(u, r0, rows, n, keys, k0 == 0, &t);
    attention_multiply(&values, rows, u->cut.d_vectors);
}
