/* SPDX-License-Identifier: MIT
 *
 * How a unit's queries, and the keys and values of a block, come into scratch: a part of
 * attention.h, which includes it behind struct attention_unit.
 */

/* Rows of one head lie a pitch apart, often a page: no hardware prefetcher foresees them. */
static void attention_prefetch(const char *p, size_t pitch, int rows, size_t bytes)
{
    enum { LINE = 64 };

    for (int i = 0; i < rows; i++, p += pitch) {
        for (size_t c = 0; c < bytes; c += LINE) __builtin_prefetch(p + c, 0, 2);
        __builtin_prefetch(p + bytes - 1, 0, 2);
    }
}

static void attention_prefetch_keys(const struct attention_unit *u, int k0, int n)
{
    const size_t d = (size_t)u->s->head_dim;

    if (n <= 0) return;
    attention_prefetch(u->k + (size_t)k0 * u->k_bytes, u->k_bytes, n,
                       sdrt_dtype_bytes(u->s->k_type, d));
    attention_prefetch(u->v + (size_t)k0 * u->v_bytes, u->v_bytes, n,
                       sdrt_dtype_bytes(u->s->v_type, d));
}

/* Whether a tensor of this type is bf16: never one of an f32 level. */
SDRT_ALWAYS_INLINE int attention_narrow(enum sdrt_dtype type)
{
    return slots_stored() == SDRT_BF16 && type == SDRT_BF16;
}

#ifdef SDRT_ATTENTION_PACK_HEADER
/* A set whose panels lie otherwise, or whose rows have units: kernels/neonf16/attention_pack.h. */
#include SDRT_ATTENTION_PACK_HEADER
#else

/* A vector of slots from element c on of a row, of which n > 0 values are left. */
SDRT_ALWAYS_INLINE vf attention_slots(const char *row, int narrow, int c, int n)
{
    if (narrow) return slots_load_bf16(row + 2 * (size_t)c, n);
    return slots_load((const float *)(const void *)row + c, n);
}

/* Vector j of VL keys' slots, SLOT_FLOATS of them to a slot. */
SDRT_ALWAYS_INLINE float *attention_key(float *to, size_t pitch, int j)
{
    return to + (size_t)(j / SLOT_FLOATS) * pitch + (size_t)(j % SLOT_FLOATS * VL);
}

/* VL keys (n of them exist) from key number j on into one column of vectors of a panel,
 * [slot of channels][pitch]. */
static void attention_transpose(const struct attention_unit *u, int first, int n, float *to,
                                size_t pitch)
{
    const int d = u->s->head_dim, narrow = attention_narrow(u->s->k_type);
    const char *k = u->k + (size_t)first * u->k_bytes;

    for (int c = 0; c < d; c += SLOT * SLOTS_VL, to += SLOTS_VL * pitch) {
        const int m = slots_of(d - c);
        vf r[VL];
        SDRT_UNROLL(16)
        for (int j = 0; j < VL; j++)
            r[j] = j < n ? attention_slots(k + (size_t)j * u->k_bytes, narrow, c, d - c) : v_zero();
        slots_transpose(r);
        if (m >= SLOTS_VL) {
            SDRT_UNROLL(16)
            for (int j = 0; j < VL; j++) v_store(attention_key(to, pitch, j), r[j]);
        } else {
            for (int j = 0; j < m * SLOT_FLOATS; j++) v_store(attention_key(to, pitch, j), r[j]);
        }
    }
}

/* Channels c .. c+VL-1 of the values of key j, of n. */
SDRT_ALWAYS_INLINE vf attention_value(const struct attention_unit *u, const char *v, int j, int n,
                                      int c)
{
    const int d = u->s->head_dim, narrow = attention_narrow(u->s->v_type);

    return j < n && c < d ? narrow_load(v + (size_t)j * u->v_bytes, narrow, (size_t)c, d - c)
                          : v_zero();
}

/* Keys k0 .. k0+n-1, padded with zeros to vectors. */
static void attention_pack(const struct attention_unit *u, int k0, int n, int vectors)
{
    const char *v = u->v + (size_t)k0 * u->v_bytes;
    float *kt = u->kt, *vp = u->vp;
    const int keys = vectors * VL;

    for (int p = 0; p < vectors / 2; p++) {
        const int w = panel_width(vectors, p);
        for (int i = 0; i < w; i++) {
            const int j = (2 * p + i) * VL;
            attention_transpose(u, k0 + j, n - j, kt + (size_t)i * VL * SLOT_FLOATS,
                                (size_t)w * VL * SLOT_FLOATS);
        }
        kt += (size_t)u->cut.depth * (size_t)w * VL * SLOT_FLOATS;
    }
    for (int p = 0; p < u->cut.d_vectors / 2; p++) {
        const int w = panel_width(u->cut.d_vectors, p);
        for (int j = 0; j < keys; j += SLOT)
            for (int i = 0; i < w; i++, vp += VL * SLOT_FLOATS) {
                const int c = (2 * p + i) * VL;
                const vf x = attention_value(u, v, j, n, c);
                const vf y = SLOT == 1 ? x : attention_value(u, v, j + 1, n, c);
                if (SLOT <= 2) v_store(vp, SLOT == 1 ? x : slots_interleave(x, y));
                else
                    slots_interleave_4(vp, x, y, attention_value(u, v, j + 2, n, c),
                                       attention_value(u, v, j + 3, n, c));
            }
    }
}

/* An f32 level's queries are scaled here, so that scores come in units of log2.  Where a product
 * takes narrower values, that would round them a second time: their scores are scaled instead. */
static void attention_pack_queries(const struct attention_unit *u)
{
    const struct sdrt_attention_shape *s = u->s;
    const int d = s->head_dim, narrow = attention_narrow(s->q_type);
    const float scale = (float)(s->scale * 1.4426950408889634);

    for (int i = 0; i < u->q_n; i++) {
        const char *q = u->q + (size_t)(u->q0 + i) * u->q_bytes;
        if (i + AHEAD < u->q_n)
            attention_prefetch(q + AHEAD * u->q_bytes, 0, 1,
                               sdrt_dtype_bytes(s->q_type, (size_t)d));
        if (ABREAST > 1) {
            float *row = u->qs + row_at(i, SLOT_STEP * u->cut.depth);
            if (narrow) slots_copy_bf16(row, q, d, q);
            else slots_copy(row, (const float *)(const void *)q, d, (const float *)(const void *)q);
            continue;
        }
        float *to = u->qs + (size_t)i * (size_t)u->cut.depth;
        for (int c = 0; c < d; c += SLOT * VL, to += VL) {
            const vf x = attention_slots(q, narrow, c, d - c);
            const int n = slots_of(d - c);
            if (n >= VL) v_store(to, SLOT > 1 ? x : v_mul(x, v_set1(scale)));
            else v_store_n(to, SLOT > 1 ? x : v_mul(x, v_set1(scale)), n);
        }
    }
    if (u->q_n % ABREAST)
        slots_zero(u->qs + row_at(u->q_n, SLOT_STEP * u->cut.depth), u->cut.depth);
}
#endif
