/* SPDX-License-Identifier: MIT
 *
 * What both methods of attention here share: one unit of work, and keys, values and queries as
 * tiles of bf16.
 */
#ifndef SDRT_KERNELS_AMX_ATTENTION_UNIT_H
#define SDRT_KERNELS_AMX_ATTENTION_UNIT_H

#include "kernels/amx/tile.h"
#include "kernels/attention.h"
#include "kernels/simd/math.h"

/* One image's head and a block of queries. */
struct attention_unit {
    const struct sdrt_attention_shape *s;
    const void *q, *k, *v; /* of this image and head; q and o from the block's first query */
    void *o;
    int queries;
};

/* Keys key .. key+15 and channels c .. c+31 as a right operand's tile, [pair of channels][key]:
 * a key's 32 channels are 16 pairs, so that the tile is 16 keys transposed.  A key beyond the
 * last is its copy, whose score cannot raise a maximum. */
static void attention_pack_key_tile(const struct attention_unit *u, int key, int c, bf16 *to)
{
    const int d = u->s->head_dim, last = u->s->kv_len - 1;
    vf r[VL];

#pragma GCC unroll 16
    for (int j = 0; j < VL; j++) {
        const size_t at = (size_t)int_min(key + j, last) * (size_t)u->s->k_pitch + (size_t)c;
        r[j] = load_pair_typed(u->k, u->s->k_type, at, d - c);
    }
    v_transpose(r);
#pragma GCC unroll 16
    for (int j = 0; j < VL; j++) v_store((float *)(void *)to + j * VL, r[j]);
}

/* The right operand's row for keys a and b and channels c .. c+15; keys beyond the last are 0. */
SDRT_ALWAYS_INLINE void attention_pack_value_row(const struct attention_unit *u, int a, int b,
                                                 int c, bf16 *to)
{
    const int n = u->s->kv_len, d = u->s->head_dim - c;
    const size_t pitch = (size_t)u->s->v_pitch;
    const enum sdrt_dtype type = u->s->v_type;
    const vf x = a < n && d > 0 ? load_first_typed(u->v, type, (size_t)a * pitch + (size_t)c, d)
                                : v_zero();
    const vf y = b < n && d > 0 ? load_first_typed(u->v, type, (size_t)b * pitch + (size_t)c, d)
                                : v_zero();

    v_store((float *)(void *)to, interleave_bf16(x, y));
}

/* Channels c .. c+31 of the block's query, zeros beyond its last one. */
SDRT_ALWAYS_INLINE void attention_pack_query(const struct attention_unit *u, int query, int c,
                                             bf16 *to)
{
    const size_t at = (size_t)query * (size_t)u->s->q_pitch + (size_t)c;
    const int d = query < u->queries ? u->s->head_dim - c : 0;

    _mm512_storeu_ps(to, load_pair_typed(u->q, u->s->q_type, at, d));
}

#endif
