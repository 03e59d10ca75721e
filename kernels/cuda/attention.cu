/* SPDX-License-Identifier: MIT
 *
 * Attention of 16-bit operands, one function for each head size.  A warp keeps 16
 * queries, their scores against 64 keys, and their outputs in registers; a tile of scores becomes
 * the left operand of the second product without leaving them, since both have one layout.
 * Milakov and Gimelshein, 2018; Dao, "FlashAttention-2", 2023.
 */
#include "kernels/cuda/attention_rows.h"

enum {
    QUERIES = SDRT_CUDA_ATTENTION_QUERIES,
    KEYS = SDRT_CUDA_ATTENTION_KEYS,
    STAGES = ASYNC_COPIES ? SDRT_CUDA_ATTENTION_STAGES : 1,
    THREADS = SDRT_CUDA_ATTENTION_THREADS,
};

/* How threads share a tile of 64 rows: ACROSS of them a row, each the same piece of 16 bytes of every
 * APART-th row. */
template <int D> struct shares {
    static constexpr int PIECES = (D + 15) / 16 * 2; /* padding included */
    static constexpr int ACROSS = PIECES <= 8 ? 8 : PIECES <= 16 ? 16 : 32;
    static constexpr int APART = THREADS / ACROSS;
};

/* Calls visit(i, inside, from) for this thread's piece of each of its rows of one head's tile, of which the
 * first `rows` are there. */
template <int D, class Visit>
DEVICE void each_piece(const narrow *from, int pitch, int rows, Visit visit)
{
    constexpr int APART = shares<D>::APART;
    const int r = (int)threadIdx.x / shares<D>::ACROSS, c = (int)threadIdx.x % shares<D>::ACROSS;
    const narrow *source = from + (size_t)r * (size_t)pitch + c * 8;

    if (c >= shares<D>::PIECES) return;
    rows += PLANTED(attention_bound) ? 1 : 0;
#pragma unroll
    for (int i = 0; i < KEYS / APART; i++)
        visit(i, r + i * APART < rows && c * 8 < D, source + (size_t)(i * APART) * (size_t)pitch);
}

/* Where it lies in shared memory, beyond the tile's first byte. */
template <int D> DEVICE uint32_t piece_at(int i)
{
    const int r = (int)threadIdx.x / shares<D>::ACROSS, c = (int)threadIdx.x % shares<D>::ACROSS;

    return (uint32_t)((r + i * shares<D>::APART) * SDRT_CUDA_ATTENTION_ROW(D) + c * 16);
}

/* The first `rows` rows of a tile to shared memory; the others are zero. */
template <int D> DEVICE void copy_rows(uint32_t to, const narrow *from, int pitch, int rows)
{
    const uint32_t place = to + piece_at<D>(0);

    each_piece<D>(from, pitch, rows, [&](int i, int inside, const narrow *source) {
        copy_async_16(place + (uint32_t)(i * shares<D>::APART * SDRT_CUDA_ATTENTION_ROW(D)),
                      inside ? source : from, inside ? 16 : 0);
    });
}

/* Without copies beside the threads, registers have the next tile's pieces while one is used, where a head
 * leaves enough of them; else it comes when its turn does. */
template <int D> struct carried {
    static constexpr bool FITS = !ASYNC_COPIES && D <= 80;
    bytes16 v[FITS ? KEYS / shares<D>::APART : 1];
};

template <int D> DEVICE void take_rows(carried<D> &x, const narrow *from, int pitch, int rows)
{
    each_piece<D>(from, pitch, rows, [&](int i, int inside, const narrow *source) {
        x.v[i] = {};
        if (inside) x.v[i] = load_16(source);
    });
}

template <int D> DEVICE void put_rows(const carried<D> &x, unsigned char *tile)
{
    if ((int)threadIdx.x % shares<D>::ACROSS >= shares<D>::PIECES) return;
#pragma unroll
    for (int i = 0; i < KEYS / shares<D>::APART; i++)
        *(bytes16 *)(void *)(tile + piece_at<D>(i)) = x.v[i];
}

/* One head's keys and values, a tile after the other. */
template <int D> struct tiles {
    static constexpr uint32_t BYTES = KEYS * SDRT_CUDA_ATTENTION_ROW(D);
    const narrow *k, *v; /* of the last tile that was asked for */
    carried<D> held_k, held_v;
};

/* Begins to bring tile t to its place. */
template <int D> DEVICE void fetch(const sdrt_cuda_attention &p, tiles<D> &x, int t, uint32_t place)
{
    const int left = p.kv_len - t * KEYS;

    if constexpr (ASYNC_COPIES) {
        copy_rows<D>(place, x.k, p.k_pitch, left);
        copy_rows<D>(place + tiles<D>::BYTES, x.v, p.v_pitch, left);
        copy_async_commit();
    } else if constexpr (carried<D>::FITS) {
        take_rows<D>(x.held_k, x.k, p.k_pitch, left);
        take_rows<D>(x.held_v, x.v, p.v_pitch, left);
    }
}

/* This thread's share of tile t is there after, at the beginning of shared memory unless it was copied beside
 * the thread; a barrier must follow. */
template <int D>
DEVICE void arrive(const sdrt_cuda_attention &p, const tiles<D> &x, int t, unsigned char *shared)
{
    if constexpr (ASYNC_COPIES) {
        if (!PLANTED(attention_no_wait)) copy_async_wait<0>();
    } else {
        /* Nobody reads what lay there any more. */
        if (!PLANTED(attention_tile_early)) sync_block();
        if constexpr (carried<D>::FITS) {
            put_rows<D>(x.held_k, shared);
            put_rows<D>(x.held_v, shared + tiles<D>::BYTES);
        } else {
            const uint32_t to = shared_address(shared);
            copy_rows<D>(to, x.k, p.k_pitch, p.kv_len - t * KEYS);
            copy_rows<D>(to + tiles<D>::BYTES, x.v, p.v_pitch, p.kv_len - t * KEYS);
        }
    }
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
            multiply_narrow(score[j * 2], q[c], b[0], b[1]);
            multiply_narrow(score[j * 2 + 1], q[c], b[2], b[3]);
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
            p[h] = pack_narrow(lo, hi);
        }
#pragma unroll
        for (int c = 0; c < (D + 15) / 16; c++) {
            uint32_t b[4];
            load_matrices_transposed(b, v + (uint32_t)((j * 16 + lane % 16) *
                                                           SDRT_CUDA_ATTENTION_ROW(D) +
                                                       (c * 2 + lane / 16) * 16));
            multiply_narrow(s.o[c * 2], p, b[0], b[1]);
            if (c * 2 + 1 < D / 8) multiply_narrow(s.o[c * 2 + 1], p, b[2], b[3]);
        }
    }
}

template <int D> DEVICE void load_queries(uint32_t (&q)[(D + 15) / 16][4], uint32_t tile)
{
    const int lane = lane_number();

#pragma unroll
    for (int c = 0; c < (D + 15) / 16; c++)
        load_matrices(q[c], tile + (uint32_t)((warp_number() * 16 + lane % 16) *
                                                  SDRT_CUDA_ATTENTION_ROW(D) +
                                              (c * 2 + lane / 16) * 16));
}

template <int D> DEVICE void attention(const sdrt_cuda_attention &p, unsigned char *shared)
{
    constexpr uint32_t tile = tiles<D>::BYTES;
    const uint32_t base = shared_address(shared);
    const int lane = lane_number(), first = (int)blockIdx.x * QUERIES;
    const int head = (int)blockIdx.y % p.heads;
    const size_t image = (size_t)((int)blockIdx.y / p.heads), column = (size_t)(head * D);
    const narrow *q = (const narrow *)p.q + image * (size_t)p.q_len * (size_t)p.q_pitch + column;
    /* Where there are no copies beside the threads, queries lie where the first keys come to. */
    const uint32_t keys = base + (ASYNC_COPIES ? tile : 0);
    const float scale = p.scale * 1.44269504f; /* of powers of two */
    const int n = (p.kv_len + KEYS - 1) / KEYS;
    uint32_t fragments[(D + 15) / 16][4];
    rows_state<D> s = {};
    tiles<D> x;

    x.k = (const narrow *)p.k + image * (size_t)p.kv_len * (size_t)p.k_pitch + column;
    x.v = (const narrow *)p.v + image * (size_t)p.kv_len * (size_t)p.v_pitch + column;
    s.most[0] = s.most[1] = -1e30f;
    copy_rows<D>(base, q + (size_t)first * (size_t)p.q_pitch, p.q_pitch, p.q_len - first);
    fetch(p, x, 0, keys);
    if constexpr (!ASYNC_COPIES) {
        if (!PLANTED(attention_queries_early)) sync_block();
        load_queries<D>(fragments, base);
    }
    for (int t = 0; t < n; t++) {
        const uint32_t stage = keys + (uint32_t)(t % STAGES) * 2 * tile;
        const uint32_t next = keys + (uint32_t)((t + 1) % STAGES) * 2 * tile;
        float score[KEYS / 8][4] = {};
        arrive(p, x, t, shared);
        /* The tile is there for all, and nobody reads the one before any more. */
        if (!PLANTED(attention_no_barrier)) sync_block();
        if (t + 1 < n) {
            x.k += (size_t)KEYS * (size_t)p.k_pitch;
            x.v += (size_t)KEYS * (size_t)p.v_pitch;
            fetch(p, x, t + 1, next);
        }
        if (ASYNC_COPIES && t == 0) load_queries<D>(fragments, base);
        score_keys<D>(score, fragments, stage, p.kv_len - t * KEYS);
        raise_most<D>(s, score, scale);
        add_values<D>(s, score, stage + tile, scale);
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int row = first + warp_number() * 16 + lane / 4 + r * 8;
        const float factor = 1.0f / sum_of_four(s.sum[r]);
        const int inside = row < p.q_len + (PLANTED(attention_bound_store) ? 1 : 0);
        store_row<D>(p, image * (size_t)p.q_len + (size_t)row, head, inside, factor,
                     [&](int j, int i) { return s.o[j][r * 2 + i]; });
    }
}

KERNEL(attention_40, sdrt_cuda_attention, THREADS, 2)
{
    SHARED(shared);
    attention<40>(p, shared);
}

KERNEL(attention_64, sdrt_cuda_attention, THREADS, 2)
{
    SHARED(shared);
    attention<64>(p, shared);
}

KERNEL(attention_80, sdrt_cuda_attention, THREADS, 2)
{
    SHARED(shared);
    attention<80>(p, shared);
}

KERNEL(attention_160, sdrt_cuda_attention, THREADS, 2)
{
    SHARED(shared);
    attention<160>(p, shared);
}
