/* SPDX-License-Identifier: MIT
 *
 * How attention's operands become halves: queries row by row, K and V a block of keys at a time, each
 * with a unit.  Scores stay in the units of their query and block, which the softmax's factor makes
 * good; sums of V are widened with the block's.  kernels/simd/attention.h includes it.
 */

/* Units of the packed block of keys, of K and of V. */
enum { UNIT_K, UNIT_V, UNITS };

static float *attention_units(const struct attention_unit *u) { return u->max + u->cut.rows; }

static void attention_pack_queries(const struct attention_unit *u)
{
    const size_t pitch = attention_pitch(&u->cut);

    for (int i = 0; i < u->q_n; i++) {
        const char *q = u->q + (size_t)(u->q0 + i) * u->q_bytes;
        if (i + AHEAD < u->q_n)
            attention_prefetch(q + AHEAD * u->q_bytes, 0, 1,
                               sizeof(float) * (size_t)u->s->head_dim);
        slots_copy(u->qs + (size_t)i * pitch, (const float *)(const void *)q, u->s->head_dim,
                   (const float *)(const void *)q);
    }
}

/* The unit of n rows of d floats. */
static float attention_block_unit(const char *x, size_t bytes, int n, int d, float *inverse)
{
    float largest = 0.0f;

    for (int j = 0; j < n; j++, x += bytes) {
        const float *row = (const float *)(const void *)x;
        const float most = f16_largest(row, d, row);
        if (most > largest) largest = most;
    }
    return f16_unit(largest, inverse);
}

/* Eight floats of a row, of which n are left, as halves; zeros behind them. */
SDRT_ALWAYS_INLINE float16x8_t attention_eight(const float *p, int n, float32x4_t times)
{
    if (n >= 8) return f16_narrow(vld1q_f32(p), vld1q_f32(p + 4), times);
    if (n <= 0) return vdupq_n_f16(0.0f);
    return f16_narrow(v_some_load(p, n), v_some_load(p + 4, n - 4), times);
}

/* Eight by eight. */
SDRT_ALWAYS_INLINE void attention_transpose_8(uint16x8_t r[8])
{
    uint32x4_t q[8];

    SDRT_UNROLL(4)
    for (int i = 0; i < 8; i += 2) {
        q[i] = vreinterpretq_u32_u16(vtrn1q_u16(r[i], r[i + 1]));
        q[i + 1] = vreinterpretq_u32_u16(vtrn2q_u16(r[i], r[i + 1]));
    }
    uint64x2_t d[8];
    SDRT_UNROLL(2)
    for (int i = 0; i < 8; i += 4) {
        d[i] = vreinterpretq_u64_u32(vtrn1q_u32(q[i], q[i + 2]));
        d[i + 1] = vreinterpretq_u64_u32(vtrn1q_u32(q[i + 1], q[i + 3]));
        d[i + 2] = vreinterpretq_u64_u32(vtrn2q_u32(q[i], q[i + 2]));
        d[i + 3] = vreinterpretq_u64_u32(vtrn2q_u32(q[i + 1], q[i + 3]));
    }
    SDRT_UNROLL(4)
    for (int i = 0; i < 4; i++) {
        r[i] = vreinterpretq_u16_u64(vtrn1q_u64(d[i], d[i + 4]));
        r[i + 4] = vreinterpretq_u16_u64(vtrn2q_u64(d[i], d[i + 4]));
    }
}

/* Eight keys from first on, n of which exist, to columns of a panel [channel][pitch]. */
static void attention_pack_keys(const struct attention_unit *u, int first, int n, float32x4_t times,
                                uint16_t *to, size_t pitch)
{
    const int d = u->s->head_dim;
    const char *k = u->k + (size_t)first * u->k_bytes;

    for (int c = 0; c < d; c += 8) {
        uint16x8_t r[8];
        SDRT_UNROLL(8)
        for (int j = 0; j < 8; j++) {
            const float *row = (const float *)(const void *)(k + (size_t)j * u->k_bytes);
            r[j] = vreinterpretq_u16_f16(j < n ? attention_eight(row + c, d - c, times)
                                               : vdupq_n_f16(0.0f));
        }
        attention_transpose_8(r);
        SDRT_UNROLL(8)
        for (int j = 0; j < 8; j++) vst1q_u16(to + (size_t)(c + j) * pitch, r[j]);
    }
}

/* Keys k0 .. k0+n-1, padded with zeros to vectors: K as panels [channel][keys], V as panels
 * [key][channels]. */
static void attention_pack(const struct attention_unit *u, int k0, int n, int vectors)
{
    const int keys = vectors * VL, d = u->s->head_dim;
    const char *v = u->v + (size_t)k0 * u->v_bytes;
    uint16_t *kt = (uint16_t *)(void *)u->kt, *vp = (uint16_t *)(void *)u->vp;
    float *const units = attention_units(u);
    float inverse;

    units[UNIT_K] = attention_block_unit(u->k + (size_t)k0 * u->k_bytes, u->k_bytes, n, d,
                                         &inverse);
    for (int p = 0; p < vectors / 2; p++) {
        const int w = panel_width(vectors, p) * VL;
        for (int i = 0; i < w; i += 8) {
            const int j = 2 * p * VL + i;
            attention_pack_keys(u, k0 + j, n - j, vdupq_n_f32(inverse), kt + i, (size_t)w);
        }
        kt += (size_t)(SLOT * u->cut.depth) * (size_t)w;
    }
    units[UNIT_V] = attention_block_unit(v, u->v_bytes, n, d, &inverse);
    const float32x4_t times = vdupq_n_f32(inverse);
    for (int p = 0; p < u->cut.d_vectors / 2; p++) {
        const int w = panel_width(u->cut.d_vectors, p) * VL;
        for (int j = 0; j < keys; j++)
            for (int i = 0; i < w; i += 8, vp += 8) {
                const int c = 2 * p * VL + i;
                const float *row = (const float *)(const void *)(v + (size_t)j * u->v_bytes) + c;
                vst1q_u16(vp,
                          vreinterpretq_u16_f16(attention_eight(row, j < n ? d - c : 0, times)));
            }
    }
}

/* What the row's scores are times, which may be beyond f32. */
static double attention_factor(const struct attention_unit *u, int row)
{
    const float q = u->qs[(size_t)row * attention_pitch(&u->cut) + (size_t)u->cut.depth];

    return (double)u->unit * (double)q * (double)attention_units(u)[UNIT_K];
}

/* Whether scores times it may be, too: they are sums of products below 64. */
static int attention_is_large(const struct attention_unit *u, int row)
{
    return attention_factor(u, row) * 64.0 * SLOT * u->cut.depth >= (double)FLT_MAX;
}

static float attention_row_unit(const struct attention_unit *u, int row)
{
    return attention_is_large(u, row) ? 1.0f : (float)attention_factor(u, row);
}

static float attention_row_limit(const struct attention_unit *u, int row)
{
    (void)u, (void)row;
    return FLT_MAX;
}

/* A row with scores beyond f32 gets its factor here, up to the largest f32. */
static void attention_row_fit(const struct attention_unit *u, int row, float *scores, int n)
{
    const double most = (double)FLT_MAX, factor = attention_factor(u, row);

    if (!attention_is_large(u, row)) return;
    for (int j = 0; j < n; j++)
        scores[j] = (float)fmax(-most, fmin(most, (double)scores[j] * factor));
}

static float attention_values_unit(const struct attention_unit *u)
{
    return attention_units(u)[UNIT_V];
}
