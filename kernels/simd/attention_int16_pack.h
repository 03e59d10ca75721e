/* SPDX-License-Identifier: MIT
 *
 * How a unit's queries, and the keys and values of a block, become integers in scratch: a part of
 * attention_int16.h.
 */

/* A row of queries at a time, each with a unit behind it. */
static void attention_pack_queries(const struct attention_unit *u)
{
    const int d = u->s->head_dim, most = attention_most(u);

    for (int i = 0; i < u->q_n; i++) {
        const char *const from = u->q + (size_t)(u->q0 + i) * u->q_bytes;
        const float *const q = (const float *)(const void *)from;
        float *const to = u->qs + (size_t)i * attention_pitch(&u->cut);
        float unit;
        if (i + AHEAD < u->q_n)
            attention_prefetch(from + AHEAD * u->q_bytes, 0, 1, sizeof(float) * (size_t)d);
        const float by = integer_times(integer_largest(q, d, q), (float)most, &unit);
        int16_row((int16_t *)(void *)to, q, d, by);
        to[u->cut.depth] = unit;
    }
}

/* Row j of a block, of keys or of values. */
SDRT_ALWAYS_INLINE const float *attention_row(const char *block, size_t bytes, int j)
{
    return (const float *)(const void *)(block + (size_t)j * bytes);
}

/* Units of n keys, relative to the block's, which may be as large as f32 goes; by: what brings each
 * key to integers. */
static void attention_measure_keys(const struct attention_unit *u, const char *k, int n, int keys,
                                   float *by)
{
    float *const units = attention_key_units(u), *const block = attention_block_unit(u);
    const int d = u->s->head_dim, most = attention_most(u);
    float largest = 0.0f;

    for (int j = 0; j < n; j++) {
        const float *const row = attention_row(k, u->k_bytes, j);
        const float *const ahead = attention_row(k, u->k_bytes, j + 8 < n ? j + 8 : j);
        by[j] = integer_times(integer_largest(row, d, ahead), (float)most, units + j);
        if (!(units[j] <= largest)) largest = units[j];
    }
    for (int j = 0; j < n; j++) units[j] = largest > 0.0f ? units[j] / largest : 0.0f;
    for (int j = n; j < keys; j++) units[j] = by[j] = 0.0f;
    *block = largest;
}

/* VL keys (n of them exist) into one column of vectors of a panel, [slot of channels][pitch]. */
static void attention_transpose(const struct attention_unit *u, const char *k, int n,
                                const float *by, float *to, size_t pitch)
{
    const int d = u->s->head_dim;
    int16_t rows[VL][2 * VL];

    memset(rows, 0, sizeof rows);
    for (int c = 0; c < d; c += SLOT * VL, to += VL * pitch) {
        const int left = d - c, m = slots_of(left) < VL ? slots_of(left) : VL;
        vf r[VL];
        for (int j = 0; j < VL && j < n; j++) {
            const float *const from = attention_row(k, u->k_bytes, j) + c;
            const vf times = v_bcast(by + j);
            vi_store_scaled(rows[j], narrow_load(from, 0, 0, left), times);
            vi_store_scaled(rows[j] + VL,
                            left > VL ? narrow_load(from, 0, VL, left - VL) : v_zero(), times);
        }
        SDRT_UNROLL(16)
        for (int j = 0; j < VL; j++) r[j] = v_load((const float *)(const void *)rows[j]);
        v_transpose(r);
        if (m == VL) {
            SDRT_UNROLL(16)
            for (int j = 0; j < VL; j++) v_store(to + (size_t)j * pitch, r[j]);
        } else {
            for (int j = 0; j < m; j++) v_store(to + (size_t)j * pitch, r[j]);
        }
    }
}

static void attention_pack_keys(const struct attention_unit *u, const char *k, int n, int vectors)
{
    float by[KEYS], *kt = u->kt;

    attention_measure_keys(u, k, n, vectors * VL, by);
    for (int p = 0; p < vectors / 2; p++) {
        const int w = panel_width(vectors, p);
        for (int i = 0; i < w; i++) {
            const int j = (2 * p + i) * VL;
            attention_transpose(u, k + (size_t)j * u->k_bytes, n - j, by + j, kt + i * VL,
                                (size_t)(w * VL));
        }
        kt += (size_t)u->cut.depth * (size_t)(w * VL);
    }
}

/* The first key of slot s of a row of weights: attention_weights() packs two vectors of keys at a time,
 * of which VPACKSSDW takes four in turn. */
SDRT_ALWAYS_INLINE int attention_pair(int s, int vectors)
{
    const int first = s / VL * VL, i = s - first;

    if (SLOT * (first + VL) > vectors * VL) return SLOT * s; /* an odd last vector */
    return SLOT * first + i / 4 * 4 + (i % 4 < 2 ? 2 * (i % 4) : VL + 2 * (i % 4 - 2));
}

/* Channels c .. c+VL-1 of value j, of n. */
SDRT_ALWAYS_INLINE vf attention_value(const struct attention_unit *u, const char *v, int j, int n,
                                      int c)
{
    const int d = u->s->head_dim;

    return j < n && c < d ? narrow_load(attention_row(v, u->v_bytes, j), 0, (size_t)c, d - c)
                          : v_zero();
}

/* Units of each channel. */
static void attention_measure_values(const struct attention_unit *u, const char *v, int n)
{
    const vf part = v_set1(1.0f / VALUE_MAX);

    for (int c = 0; c < u->cut.d_vectors * VL; c += VL) {
        vf m0 = v_set1(1e-30f), m1 = m0;
        for (int j = 0; j < n; j += 2) {
            m0 = v_max(m0, v_abs(attention_value(u, v, j, n, c)));
            m1 = v_max(m1, v_abs(attention_value(u, v, j + 1, n, c)));
        }
        v_store(attention_value_units(u) + c, v_mul(v_max(m0, m1), part));
    }
}

static void attention_pack_values(const struct attention_unit *u, const char *v, int n, int vectors)
{
    int32_t *vp = (int32_t *)(void *)u->vp;

    attention_measure_values(u, v, n);
    for (int p = 0; p < u->cut.d_vectors / 2; p++) {
        const int w = panel_width(u->cut.d_vectors, p);
        vf by[3];
        for (int i = 0; i < w; i++)
            by[i] = v_div(v_set1(1.0f),
                          v_load(attention_value_units(u) + (size_t)(2 * p + i) * VL));
        for (int s = 0; s < vectors * VL / SLOT; s++) {
            const int j = attention_pair(s, vectors);
            for (int i = 0; i < w; i++, vp += VL) {
                const int c = (2 * p + i) * VL;
                const vi x = vi_from_f32(v_mul(attention_value(u, v, j, n, c), by[i]));
                const vi y = vi_from_f32(v_mul(attention_value(u, v, j + 1, n, c), by[i]));
                vi_store(vp, vi_pair(x, y));
            }
        }
    }
}

/* Keys k0 .. k0+n-1, padded with zeros to vectors. */
static void attention_pack(const struct attention_unit *u, int k0, int n, int vectors)
{
    attention_pack_keys(u, u->k + (size_t)k0 * u->k_bytes, n, vectors);
    attention_pack_values(u, u->v + (size_t)k0 * u->v_bytes, n, vectors);
}
