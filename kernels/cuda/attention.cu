/* SPDX-License-Identifier: MIT
 *
 * Attention in bf16 for sm_80 and its successors, one function for each head size.  A warp keeps 16
 * queries, their scores against 64 keys, and their outputs in registers; a tile of scores becomes
 * the left operand of the second product without leaving them, since both have one layout.
 * Milakov and Gimelshein, 2018; Dao, "FlashAttention-2", 2023.
 */
#include "kernels/cuda/attention_params.h"
#include "kernels/cuda/math.h"

enum {
    QUERIES = SDRT_CUDA_ATTENTION_QUERIES,
    KEYS = SDRT_CUDA_ATTENTION_KEYS,
    STAGES = SDRT_CUDA_ATTENTION_STAGES,
    THREADS = SDRT_CUDA_ATTENTION_THREADS,
};

/* How threads share a tile of 64 rows: ACROSS of them a row, each the same piece of 16 bytes of every
 * APART-th row. */
template <int D> struct shares {
    static constexpr int PIECES = (D + 15) / 16 * 2; /* padding included */
    static constexpr int ACROSS = PIECES <= 8 ? 8 : PIECES <= 16 ? 16 : 32;
    static constexpr int APART = THREADS / ACROSS;
};

/* The first `rows` rows of a tile of one head to shared memory; the others are zero. */
template <int D> DEVICE void copy_rows(uint32_t to, const bf16 *from, int pitch, int rows)
{
    constexpr int APART = shares<D>::APART;
    const int r = (int)threadIdx.x / shares<D>::ACROSS, c = (int)threadIdx.x % shares<D>::ACROSS;
    const bf16 *source = from + (size_t)r * (size_t)pitch + c * 8;
    const uint32_t place = to + (uint32_t)(r * SDRT_CUDA_ATTENTION_ROW(D) + c * 16);

    if (c >= shares<D>::PIECES) return;
    rows += PLANTED(attention_bound) ? 1 : 0;
#pragma unroll
    for (int i = 0; i < KEYS / APART; i++) {
        const int inside = r + i * APART < rows && c * 8 < D;
        copy_async_16(place + (uint32_t)(i * APART * SDRT_CUDA_ATTENTION_ROW(D)),
                      inside ? source + (size_t)(i * APART) * (size_t)pitch : from,
                      inside ? 16 : 0);
    }
}

/* Largest and sum over the four lanes that share a row. */
DEVICE float most_of_four(float v)
{
    v = fmaxf(v, shuffle_xor(v, 1));
    return fmaxf(v, shuffle_xor(v, 2));
}
DEVICE float sum_of_four(float v)
{
    v += shuffle_xor(v, 1);
    return v + shuffle_xor(v, 2);
}

template <int D> struct rows_state {
    float o[D / 8][4]; /* outputs, not divided yet */
    float most[2];     /* of the scores so far, not scaled yet, of rows l/4 and l/4 + 8 */
    float sum[2];      /* of the weights, this lane's */
};

/* Scores of one tile of keys, not scaled yet; those beyond the last key are -infinity. */
template <int D>
DEVICE void score_keys(float (&score)[KEYS / 8][4], const uint32_t (&q)[(D + 15) / 16][4],
                       uint32_t k, int left)
{
    const int lane = lane_number();

#pragma unroll
    for (int c = 0; c < (D + 15) / 16; c++)
#pragma unroll
        for (int j = 0; j < KEYS / 16; j++) {
            uint32_t b[4];
            load_matrices(b, k + (uint32_t)((j * 16 + lane % 8 + lane / 16 * 8) *
                                                SDRT_CUDA_ATTENTION_ROW(D) +
                                            (c * 2 + lane / 8 % 2) * 16));
            multiply_bf16(score[j * 2], q[c], b[0], b[1]);
            multiply_bf16(score[j * 2 + 1], q[c], b[2], b[3]);
        }
    if (left >= KEYS) return;
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (j * 8 + lane % 4 * 2 + i % 2 >= left) score[j][i] = -INFINITY;
}

/* The largest so far of both rows; what was summed before shrinks by the difference. */
template <int D>
DEVICE void raise_most(rows_state<D> &s, const float (&score)[KEYS / 8][4], float scale)
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float most = s.most[r];
#pragma unroll
        for (int j = 0; j < KEYS / 8; j++)
            most = fmaxf(most, fmaxf(score[j][r * 2], score[j][r * 2 + 1]));
        most = most_of_four(most);
        const float shrink = exp2_fast((s.most[r] - most) * scale);
        s.most[r] = most;
        s.sum[r] *= shrink;
#pragma unroll
        for (int j = 0; j < D / 8; j++) {
            s.o[j][r * 2] *= shrink;
            s.o[j][r * 2 + 1] *= shrink;
        }
    }
}

template <int D>
DEVICE void add_values(rows_state<D> &s, const float (&score)[KEYS / 8][4], uint32_t v, float scale)
{
    const int lane = lane_number();
    const float most[2] = { s.most[0] * scale, s.most[1] * scale };

#pragma unroll
    for (int j = 0; j < KEYS / 16; j++) {
        uint32_t p[4];
#pragma unroll
        for (int h = 0; h < 4; h++) { /* rows l/4 and below, of keys 0-7, then of keys 8-15 */
            const int r = h % 2;
            const float lo = exp2_fast(score[j * 2 + h / 2][r * 2] * scale - most[r]);
            const float hi = exp2_fast(score[j * 2 + h / 2][r * 2 + 1] * scale - most[r]);
            s.sum[r] += lo + hi;
            p[h] = pack_bf16(lo, hi);
        }
#pragma unroll
        for (int c = 0; c < (D + 15) / 16; c++) {
            uint32_t b[4];
            load_matrices_transposed(b, v + (uint32_t)((j * 16 + lane % 16) *
                                                           SDRT_CUDA_ATTENTION_ROW(D) +
                                                       (c * 2 + lane / 16) * 16));
            multiply_bf16(s.o[c * 2], p, b[0], b[1]);
            if (c * 2 + 1 < D / 8) multiply_bf16(s.o[c * 2 + 1], p, b[2], b[3]);
        }
    }
}

/* A row's outputs, divided by the sum of its weights. */
template <int D>
DEVICE void store_row(const sdrt_cuda_attention &p, const rows_state<D> &s, int r, size_t row,
                      int head, float factor)
{
    const size_t first = row * (size_t)p.o_pitch + (size_t)(head * D + lane_number() % 4 * 2);

#pragma unroll
    for (int j = 0; j < D / 8; j++) {
        const float lo = s.o[j][r * 2] * factor, hi = s.o[j][r * 2 + 1] * factor;
        const size_t at = first + (size_t)(j * 8);
        if (!p.pairs) {
            store_typed(p.o, p.o_bf16, at, lo);
            store_typed(p.o, p.o_bf16, at + 1, hi);
        } else if (p.o_bf16) {
            *(uint32_t *)((bf16 *)p.o + at) = pack_bf16(lo, hi);
        } else {
            store_8((float *)p.o + at, { { bits_of_float(lo), bits_of_float(hi) } });
        }
    }
}

template <int D> DEVICE void attention(const sdrt_cuda_attention &p, uint32_t base)
{
    constexpr uint32_t tile = KEYS * SDRT_CUDA_ATTENTION_ROW(D);
    const int lane = lane_number(), first = (int)blockIdx.x * QUERIES;
    const int head = (int)blockIdx.y % p.heads;
    const size_t image = (size_t)((int)blockIdx.y / p.heads), column = (size_t)(head * D);
    const bf16 *q = (const bf16 *)p.q + image * (size_t)p.q_len * (size_t)p.q_pitch + column;
    const bf16 *k = (const bf16 *)p.k + image * (size_t)p.kv_len * (size_t)p.k_pitch + column;
    const bf16 *v = (const bf16 *)p.v + image * (size_t)p.kv_len * (size_t)p.v_pitch + column;
    const uint32_t keys = base + tile;
    const float scale = p.scale * 1.44269504f; /* of powers of two */
    const int tiles = (p.kv_len + KEYS - 1) / KEYS;
    uint32_t fragments[(D + 15) / 16][4];
    rows_state<D> s = {};

    s.most[0] = s.most[1] = -1e30f;
    copy_rows<D>(base, q + (size_t)first * (size_t)p.q_pitch, p.q_pitch, p.q_len - first);
    copy_rows<D>(keys, k, p.k_pitch, p.kv_len);
    copy_rows<D>(keys + tile, v, p.v_pitch, p.kv_len);
    copy_async_commit();
    for (int t = 0; t < tiles; t++) {
        const uint32_t stage = keys + (uint32_t)(t % STAGES) * 2 * tile;
        const uint32_t next = keys + (uint32_t)((t + 1) % STAGES) * 2 * tile;
        float score[KEYS / 8][4] = {};
        if (!PLANTED(attention_no_wait)) copy_async_wait<0>();
        /* The tile is there for all, and nobody reads the one before any more. */
        if (!PLANTED(attention_no_barrier)) sync_block();
        if (t + 1 < tiles) {
            const int left = p.kv_len - (t + 1) * KEYS;
            k += (size_t)KEYS * (size_t)p.k_pitch;
            v += (size_t)KEYS * (size_t)p.v_pitch;
            copy_rows<D>(next, k, p.k_pitch, left);
            copy_rows<D>(next + tile, v, p.v_pitch, left);
            copy_async_commit();
        }
        if (t == 0)
#pragma unroll
            for (int c = 0; c < (D + 15) / 16; c++)
                load_matrices(fragments[c], base + (uint32_t)((warp_number() * 16 + lane % 16) *
                                                                  SDRT_CUDA_ATTENTION_ROW(D) +
                                                              (c * 2 + lane / 16) * 16));
        score_keys<D>(score, fragments, stage, p.kv_len - t * KEYS);
        raise_most<D>(s, score, scale);
        add_values<D>(s, score, stage + tile, scale);
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int row = first + warp_number() * 16 + lane / 4 + r * 8;
        const float factor = 1.0f / sum_of_four(s.sum[r]);
        if (row < p.q_len + (PLANTED(attention_bound_store) ? 1 : 0))
            store_row<D>(p, s, r, image * (size_t)p.q_len + (size_t)row, head, factor);
    }
}

KERNEL(attention_bf16_40, sdrt_cuda_attention, THREADS, 2)
{
    SHARED(shared);
    attention<40>(p, shared_address(shared));
}

KERNEL(attention_bf16_64, sdrt_cuda_attention, THREADS, 2)
{
    SHARED(shared);
    attention<64>(p, shared_address(shared));
}

KERNEL(attention_bf16_80, sdrt_cuda_attention, THREADS, 2)
{
    SHARED(shared);
    attention<80>(p, shared_address(shared));
}

KERNEL(attention_bf16_160, sdrt_cuda_attention, THREADS, 2)
{
    SHARED(shared);
    attention<160>(p, shared_address(shared));
}
