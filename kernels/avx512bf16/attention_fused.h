/* SPDX-License-Identifier: MIT
 *
 * Scores that become weights in the registers that they were summed in, and values whose last
 * vector is half empty: a part of kernels/simd/attention.h for VDPBF16PS.
 *
 * A weight's bf16 is 128 times its exponent and fraction, of which it takes but a score's own
 * bits: t = 512 (score - maximum) + 512 FUSED_ONE, rounded by the addition of 2^23 + 2^22, is an
 * integer of 16 bits whose upper 7 are the exponent; a table of 64 entries turns the lower 9, f,
 * into 2^f - 1, with the table's error a sixth of bf16's rounding.  Three operations of 32 bits
 * for 16 scores, five of 16 bits for 32.
 *
 * The maximum is that of the keys before, and of the first block's first 32 keys; where a score is
 * so far above it that t leaves its 16 bits, the tile is done again by attention_softmax().
 */

enum {
    FUSED_ONE = 127 - SLOT_DOWN, /* exponent, of bf16, of the maximum's weight */
    FUSED_MAGIC = 0x4b400000,    /* of 2^23 + 2^22 in f32, whose last bit is 1 */
};

/* 512 (f + 1 - 2^f) in the middle of each 64th, less 2 for rounding by a shift of 2. */
static const uint16_t fused_table[64] = {
    0xffff, 1,  4,  6,  8,  10, 13, 15, 17, 18, 20, 22, 24, 25, 27, 28, 30, 31, 32, 34, 35, 36,
    37,     38, 38, 39, 40, 40, 41, 41, 42, 42, 42, 42, 42, 42, 42, 42, 41, 41, 40, 39, 39, 38,
    37,     36, 35, 34, 32, 31, 29, 28, 26, 24, 22, 20, 18, 16, 13, 11, 8,  6,  3,  0,
};

struct attention_fused {
    const float *a, *w; /* as in attention_product */
    size_t a_pitch;
    int k;          /* 0: the sums are at c */
    const float *c; /* [row][2 * VL] */
    vf by;          /* t is a score times it and the row's off */
    const float *off;
    uint16_t *p; /* [row][p_pitch]: two vectors of keys' weights */
    size_t p_pitch;
    __m512i *over; /* bits of all t */
};

/* GCC 12 copies and spills sums that an instruction overwrites in place, unless something ties each
 * to its register. */
#ifdef __AVX512BF16__
#define FUSED_TIE(sum) __asm__("" : "+v"(sum))
#else /* where tests emulate it */
#define FUSED_TIE(sum) (void)0
#endif

/* acc + x w. */
SDRT_ALWAYS_INLINE vf fused_product(vf x, vf w, vf acc)
{
    acc = v_product(x, w, acc);
    FUSED_TIE(acc);
    return acc;
}

SDRT_ALWAYS_INLINE void fused_rows(const int mr, const struct attention_fused *t)
{
    const __m512i least = _mm512_set1_epi32(FUSED_MAGIC);
    static const uint16_t even[32] = {
        0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
        32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62,
    };
    const size_t a_pitch = t->a_pitch;
    const float *a = t->a, *w = t->w;
    vf acc[ROWS_2][2];

    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++) acc[i][0] = acc[i][1] = v_zero();
    if (t->k == 0) SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++) {
        acc[i][0] = v_load(t->c + 2 * i * VL);
        acc[i][1] = v_load(t->c + (2 * i + 1) * VL);
    }
    for (const float *const end = a + t->k; a < end; a++, w += 2 * VL) {
        const vf w0 = v_load(w), w1 = v_load(w + VL);
        SDRT_UNROLL(16)
        for (int i = 0; i < mr; i++) {
            const vf x = v_bcast(a + (size_t)i * a_pitch);
            acc[i][0] = fused_product(x, w0, acc[i][0]);
            acc[i][1] = fused_product(x, w1, acc[i][1]);
        }
    }
    const __m512i order = _mm512_loadu_si512(even), low = _mm512_loadu_si512(fused_table);
    const __m512i high = _mm512_loadu_si512(fused_table + 32);
    __m512i over = *t->over;
    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++) {
        const vf off = v_set1(t->off[i]);
        const __m512i x = _mm512_max_epi32((__m512i)v_fma(acc[i][0], t->by, off), least);
        const __m512i y = _mm512_max_epi32((__m512i)v_fma(acc[i][1], t->by, off), least);
        over = _mm512_ternarylogic_epi32(over, x, y, 0xfe);
        const __m512i both = _mm512_permutex2var_epi16(x, order, y);
        const __m512i less = _mm512_permutex2var_epi16(low, _mm512_srli_epi16(both, 3), high);
        _mm512_storeu_si512(t->p + (size_t)i * t->p_pitch,
                            _mm512_srli_epi16(_mm512_sub_epi16(both, less), 2));
    }
    *t->over = over;
}

static void fused_rows_of(int mr, const struct attention_fused *t)
{
    switch (mr) {
    case 1: fused_rows(1, t); break;
    case 2: fused_rows(2, t); break;
    case 3: fused_rows(3, t); break;
    case 4: fused_rows(4, t); break;
    case 5: fused_rows(5, t); break;
    case 6: fused_rows(6, t); break;
    case 7: fused_rows(7, t); break;
    case 8: fused_rows(8, t); break;
    case 9: fused_rows(9, t); break;
    case 10: fused_rows(10, t); break;
    case 11: fused_rows(11, t); break;
    case 12: fused_rows(12, t); break;
    case 13: fused_rows(13, t); break;
    case 14: fused_rows(14, t); break;
    }
}

/* A maximum of each row to begin with: that of the first 32 keys, whose scores stay at c. */
static void fused_begin(const struct attention_unit *u, int r0, int rows, float *c)
{
    const struct attention_product scores = {
        .a = u->qs + (size_t)r0 * attention_pitch(&u->cut),
        .a_pitch = attention_pitch(&u->cut),
        .w = u->kt,
        .k = u->cut.depth,
        .c = c,
        .c_pitch = 2 * VL,
    };

    attention_multiply(&scores, rows, 2);
    for (int i = 0; i < rows; i++) {
        const float *const row = c + (size_t)i * 2 * VL;
        u->max[r0 + i] = v_hmax(v_max(v_load(row), v_load(row + VL))) * u->unit;
        u->sum[r0 + i] = 0.0f;
    }
}

/* Adds the n weights of a row to its sum. */
SDRT_ALWAYS_INLINE float fused_sum(const uint16_t *p, int keys)
{
    const vf ones = (vf)_mm512_set1_epi16(0x3f80);
    vf s0 = v_zero(), s1 = v_zero();
    int j = 0;

    for (; j + 4 * VL <= keys; j += 4 * VL) {
        s0 = v_product((vf)_mm512_loadu_si512(p + j), ones, s0);
        s1 = v_product((vf)_mm512_loadu_si512(p + j + 2 * VL), ones, s1);
    }
    if (j < keys) s0 = v_product((vf)_mm512_loadu_si512(p + j), ones, s0);
    return v_hsum(v_add(s0, s1));
}

/* Weights of queries r0 .. r0+rows-1 for the packed keys, n of vectors vectors, as
 * [rows][vectors * VL] bf16 at u->scores.  Returns 0 where that is attention_softmax()'s work. */
static int attention_fused(const struct attention_unit *u, int r0, int rows, int n, int vectors,
                           int first)
{
    const float most = 1 << 20; /* of a maximum, so that off is near enough */
    const int keys = vectors * VL, tiles = (rows + ROWS_2 - 1) / ROWS_2;
    uint16_t *const p = (uint16_t *)(void *)u->scores;
    float *const scores = u->scores + TILE * keys / 2; /* behind all weights */
    float off[TILE];
    __m512i over = _mm512_setzero_si512();
    struct attention_fused t = {
        .w = u->kt,
        .a_pitch = attention_pitch(&u->cut),
        .k = u->cut.depth,
        .p_pitch = (size_t)keys,
        .by = v_set1(512.0f * u->unit),
        .over = &over,
    };

    if (vectors % 2 || n < 4 * VL) return 0;
    if (first) fused_begin(u, r0, rows, scores);
    for (int i = 0; i < rows; i++) {
        if (!(fabsf(u->max[r0 + i]) < most)) return 0;
        off[i] = 12582912.0f + 512.0f * (FUSED_ONE - u->max[r0 + i]);
    }
    for (int j = 0; j < keys; j += 2 * VL, t.w += (size_t)u->cut.depth * 2 * VL) {
        t.k = first && j == 0 ? 0 : u->cut.depth;
        for (int i = 0; i < tiles; i++) {
            const int r = attention_share(rows, i, tiles);
            t.a = u->qs + (size_t)(r0 + r) * t.a_pitch;
            t.off = off + r;
            t.c = scores + (size_t)r * 2 * VL;
            t.p = p + (size_t)r * t.p_pitch + j;
            fused_rows_of(attention_share(rows, i + 1, tiles) - r, &t);
        }
    }
    if (_mm512_cmpgt_epi32_mask(over, _mm512_set1_epi32(FUSED_MAGIC + 0xffff))) return 0;
    for (int i = 0; i < rows; i++) {
        uint16_t *const row = p + (size_t)i * t.p_pitch;
        if (n < keys) memset(row + n, 0, (size_t)(keys - n) * sizeof *row);
        u->sum[r0 + i] += fused_sum(row, keys);
    }
    return 1;
}

/* As attention_rows(), by two vectors and the half of a third. */
SDRT_ALWAYS_INLINE void fused_values_rows(const int mr, const struct attention_product *t)
{
    vf acc[ROWS_3][2];
    __m256 half[ROWS_3];
    const size_t a_pitch = t->a_pitch, c_pitch = t->c_pitch;
    const float *a = t->a, *w = t->w;
    float *const c = t->c;

    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++) {
        const float *const from = c + (size_t)i * c_pitch;
        acc[i][0] = t->accumulate ? v_load(from) : v_zero();
        acc[i][1] = t->accumulate ? v_load(from + VL) : v_zero();
        half[i] = t->accumulate ? _mm256_loadu_ps(from + 2 * VL) : _mm256_setzero_ps();
    }
    for (const float *const end = a + t->k; a < end; a++, w += 3 * VL) {
        const vf w0 = v_load(w), w1 = v_load(w + VL);
        const __m256 w2 = _mm256_loadu_ps(w + 2 * VL);
        SDRT_UNROLL(16)
        for (int i = 0; i < mr; i++) {
            const vf x = v_bcast(a + (size_t)i * a_pitch);
            acc[i][0] = fused_product(x, w0, acc[i][0]);
            acc[i][1] = fused_product(x, w1, acc[i][1]);
            half[i] = _mm256_dpbf16_ps(half[i], (__m256bh)_mm512_castps512_ps256(x), (__m256bh)w2);
            FUSED_TIE(half[i]);
        }
    }
    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++) {
        float *const to = c + (size_t)i * c_pitch;
        v_store(to, acc[i][0]);
        v_store(to + VL, acc[i][1]);
        _mm256_storeu_ps(to + 2 * VL, half[i]);
    }
}

static void fused_values_rows_of(int mr, const struct attention_product *t)
{
    switch (mr) {
    case 1: fused_values_rows(1, t); break;
    case 2: fused_values_rows(2, t); break;
    case 3: fused_values_rows(3, t); break;
    case 4: fused_values_rows(4, t); break;
    case 5: fused_values_rows(5, t); break;
    case 6: fused_values_rows(6, t); break;
    case 7: fused_values_rows(7, t); break;
    case 8: fused_values_rows(8, t); break;
    case 9: fused_values_rows(9, t); break;
    }
}

/* As attention_multiply() where d channels end within the first half of a panel of three; else
 * returns 0. */
static int fused_values(const struct attention_product *product, int rows, int d)
{
    const int tiles = (rows + ROWS_3 - 1) / ROWS_3;
    struct attention_product t = *product;

    if (d <= 2 * VL || d > 2 * VL + VL / 2) return 0;
    for (int i = 0; i < tiles; i++) {
        const int r = attention_share(rows, i, tiles);
        t.a = product->a + (size_t)r * t.a_pitch;
        t.c = product->c + (size_t)r * t.c_pitch;
        fused_values_rows_of(attention_share(rows, i + 1, tiles) - r, &t);
    }
    return 1;
}
