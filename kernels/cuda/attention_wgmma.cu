/* SPDX-License-Identifier: MIT
 *
 * Attention for sm_90a: products of warpgroups, fed by the copy engine.  Its boxes end where a head, its
 * tokens or an image end and are zero beyond, so that heads of 40 are padded to 48 and the last keys
 * to a whole tile without a thread's doing.
 *
 * One thread copies, two warpgroups have 64 queries each: their scores, weights and outputs in registers.
 * Weights become the left operand of the second product where they are.  While the next tile's
 * weights are made of its scores, the tensor cores work on this tile's values; and the other warpgroup is
 * somewhere else.  The last keys come first, so that the loop has no keys that are not there.
 * Dao, "FlashAttention-2", 2023; Shah et al., "FlashAttention-3", 2024.
 */
#include "kernels/cuda/attention_rows.h"
#include "kernels/cuda/attention_wgmma.h"
#include "kernels/cuda/warpgroup.h"

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH_FEAT_SM90_ALL
#define HAVE_WARPGROUPS 1
#else
#define HAVE_WARPGROUPS 0 /* never launched there */
#endif

#if HAVE_WARPGROUPS
enum {
    QUERIES = SDRT_CUDA_ATTENTION_WGMMA_QUERIES,
    STAGES = SDRT_CUDA_ATTENTION_WGMMA_STAGES,
    BOX = SDRT_CUDA_ATTENTION_WGMMA_BOX,
    GROUP = 128, /* threads */
    EACH = 64,   /* queries of a warpgroup */
    ROW = 128,   /* bytes of a box's row */
};

template <int D> struct sizes {
    static constexpr int KEYS = SDRT_CUDA_ATTENTION_WGMMA_KEYS(D);
    static constexpr int BOXES = (D + BOX - 1) / BOX;
    static constexpr uint32_t QUERIES_BOX = QUERIES * ROW, KEYS_BOX = KEYS * ROW;
    static constexpr uint32_t QUERIES_BYTES = BOXES * QUERIES_BOX, TILE = BOXES * KEYS_BOX;
};

/* Shared addresses; of a ring those of its stage 0. */
struct ring {
    uint32_t tiles, full, free;
};
struct places {
    uint32_t queries, queries_full;
    ring k, v;
};

template <int D> DEVICE places places_at(uint32_t base)
{
    const uint32_t k = base + sizes<D>::QUERIES_BYTES, v = k + STAGES * sizes<D>::TILE;
    const uint32_t barriers = v + STAGES * sizes<D>::TILE;

    return { base,
             barriers,
             { k, barriers + 8, barriers + 8 + STAGES * 8 },
             { v, barriers + 8 + 2 * STAGES * 8, barriers + 8 + 3 * STAGES * 8 } };
}

/* What a block does: queries `first` and on, of so many warpgroups, against so many tiles. */
struct task {
    int first, head, image, groups, tiles;
};

/* ---- the thread that copies ---- */

template <int D>
DEVICE void bring_boxes(const tensor_map *map, uint32_t to, uint32_t box, uint32_t full,
                        const task &t, int token)
{
#pragma unroll
    for (int b = 0; b < sizes<D>::BOXES; b++)
        tma_load_4d(to + (uint32_t)b * box, map, full, b * BOX, t.head, token, t.image);
}

/* Tile i of keys or values, the last one first. */
template <int D> DEVICE void bring_tile(const tensor_map *map, const ring &r, const task &t, int i)
{
    const uint32_t stage = (uint32_t)(i % STAGES), full = r.full + stage * 8;

    if (!PLANTED(attention_wgmma_no_free))
        barrier_wait(r.free + stage * 8, (uint32_t)(i / STAGES & 1) ^ 1);
    barrier_expect(full, sizes<D>::TILE + (PLANTED(attention_wgmma_bytes) ? 16 : 0));
    bring_boxes<D>(map, r.tiles + stage * sizes<D>::TILE, sizes<D>::KEYS_BOX, full, t,
                   (t.tiles - 1 - i) * sizes<D>::KEYS);
}

template <int D>
DEVICE void feed(const sdrt_cuda_attention_wgmma &p, const places &at, const task &t)
{
    /* The block's other threads touch nothing before a tile has come. */
    follow_previous();
    barrier_expect(at.queries_full, sizes<D>::QUERIES_BYTES);
    bring_boxes<D>(&p.q, at.queries, sizes<D>::QUERIES_BOX, at.queries_full, t, t.first);
    for (int i = 0; i < t.tiles; i++) {
        bring_tile<D>(&p.k, at.k, t, i);
        bring_tile<D>(&p.v, at.v, t, i);
    }
}

/* ---- warpgroups that multiply ---- */

DEVICE void await_tile(const ring &r, int i)
{
    barrier_wait(r.full + (uint32_t)(i % STAGES) * 8, (uint32_t)(i / STAGES & 1));
}

/* Of a tile that this warp's products have read. */
DEVICE void release_tile(const ring &r, int i)
{
    if (lane_number() == 0) barrier_arrive(r.free + (uint32_t)(i % STAGES) * 8);
}

template <int D> struct rows_state {
    float o[D / 2]; /* outputs, not divided yet; see ptx.h for whose they are */
    uint32_t weight[sizes<D>::KEYS / 16][4];
    float most[2]; /* of the scores so far, not scaled yet, of rows l/4 and l/4 + 8 */
    float sum[2];  /* of the weights, this lane's */
};

/* Begins to compute scores of the queries at q against tile i, not scaled. */
template <int D>
DEVICE void begin_scores(float (&score)[sizes<D>::KEYS / 2], uint64_t q, const ring &r, int i)
{
    const uint64_t k = warpgroup_operand(r.tiles + (uint32_t)(i % STAGES) * sizes<D>::TILE);

    if (!PLANTED(attention_wgmma_no_scores_fence)) warpgroup_fence();
#pragma unroll
    for (int c = 0; c < (D + 15) / 16; c++) {
        const uint32_t box = (uint32_t)(c / 4), in_row = (uint32_t)(c % 4) * 32;
        warpgroup_multiply(score, warpgroup_operand_on(q, box * sizes<D>::QUERIES_BOX + in_row),
                           warpgroup_operand_on(k, box * sizes<D>::KEYS_BOX + in_row), c > 0);
    }
    warpgroup_commit();
}

/* Begins to add tile i's values by their weights. */
template <int D> DEVICE void begin_values(rows_state<D> &s, const ring &r, int i)
{
    const uint64_t v = warpgroup_operand_across(r.tiles + (uint32_t)(i % STAGES) * sizes<D>::TILE,
                                                sizes<D>::KEYS_BOX);

    if (!PLANTED(attention_wgmma_no_values_fence)) warpgroup_fence();
#pragma unroll
    for (int j = 0; j < sizes<D>::KEYS / 16; j++)
        warpgroup_multiply_rows(s.o, s.weight[j], warpgroup_operand_on(v, (uint32_t)j * 16 * ROW));
    warpgroup_commit();
}

/* Keys that are not there count nothing. */
template <int N> DEVICE void hide_keys(float (&score)[N], int left)
{
    const int first = lane_number() % 4 * 2;

    left += PLANTED(attention_wgmma_keys) ? 1 : 0;
    if (left >= 2 * N) return;
#pragma unroll
    for (int i = 0; i < N; i++)
        if (i / 4 * 8 + first + i % 2 >= left) score[i] = -INFINITY;
}

/* Scores become weights against the largest so far, by which what was summed before shrinks. */
template <int D>
DEVICE void weigh(rows_state<D> &s, float (&score)[sizes<D>::KEYS / 2], float scale,
                  float (&shrink)[2])
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float most = s.most[r], sum = 0.0f;
#pragma unroll
        for (int j = 0; j < sizes<D>::KEYS / 8; j++)
            most = fmaxf(most, fmaxf(score[j * 4 + r * 2], score[j * 4 + r * 2 + 1]));
        most = most_of_four(most);
        shrink[r] = exp2_fast((s.most[r] - most) * scale);
        s.most[r] = most;
        const float above = most * scale;
#pragma unroll
        for (int j = 0; j < sizes<D>::KEYS / 8; j++) {
            float &lo = score[j * 4 + r * 2], &hi = score[j * 4 + r * 2 + 1];
            lo = exp2_fast(lo * scale - above);
            hi = exp2_fast(hi * scale - above);
            sum += lo + hi;
        }
        s.sum[r] = s.sum[r] * shrink[r] + sum;
    }
}

/* The weights as a left operand, whose registers nothing reads any more. */
template <int D>
DEVICE void keep_weights(rows_state<D> &s, const float (&score)[sizes<D>::KEYS / 2])
{
#pragma unroll
    for (int j = 0; j < sizes<D>::KEYS / 16; j++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            s.weight[j][i] = pack_narrow(score[j * 8 + i * 2], score[j * 8 + i * 2 + 1]);
}

/* Of the values under way. */
template <int D> DEVICE void settle_values(rows_state<D> &s)
{
    warpgroup_settle(s.o);
#pragma unroll
    for (int j = 0; j < sizes<D>::KEYS / 16; j++) warpgroup_settle_rows(s.weight[j]);
}

/* Tile i's scores beside the values of the tile before, whose weights s has; then its weights. */
template <int D>
DEVICE void next_tile(rows_state<D> &s, const places &at, uint64_t q, int i, float scale)
{
    float score[sizes<D>::KEYS / 2], shrink[2];

    if (!PLANTED(attention_wgmma_no_next_keys)) await_tile(at.k, i);
    begin_scores<D>(score, q, at.k, i);
    if (!PLANTED(attention_wgmma_no_values)) await_tile(at.v, i - 1);
    begin_values<D>(s, at.v, i - 1);
    if (!PLANTED(attention_wgmma_no_scores)) warpgroup_wait<1>();
    warpgroup_settle(score);
    release_tile(at.k, i);
    weigh<D>(s, score, scale, shrink);
    if (!PLANTED(attention_wgmma_no_outputs)) warpgroup_wait<0>();
    settle_values<D>(s);
    release_tile(at.v, i - 1);
#pragma unroll
    for (int j = 0; j < D / 2; j++) s.o[j] *= shrink[j / 2 % 2];
    keep_weights<D>(s, score);
}

/* The first tile's scores, which wait for nothing else. */
template <int D>
DEVICE void first_tile(rows_state<D> &s, const places &at, uint64_t q, int left, float scale)
{
    float score[sizes<D>::KEYS / 2], shrink[2];

    if (!PLANTED(attention_wgmma_no_queries)) barrier_wait(at.queries_full, 0);
    if (!PLANTED(attention_wgmma_no_keys)) await_tile(at.k, 0);
    begin_scores<D>(score, q, at.k, 0);
    if (!PLANTED(attention_wgmma_no_first)) warpgroup_wait<0>();
    warpgroup_settle(score);
    release_tile(at.k, 0);
    hide_keys(score, left);
    weigh<D>(s, score, scale, shrink);
    keep_weights<D>(s, score);
}

template <int D> DEVICE void last_values(rows_state<D> &s, const places &at, int i)
{
    if (!PLANTED(attention_wgmma_no_last_values)) await_tile(at.v, i);
    begin_values<D>(s, at.v, i);
    if (!PLANTED(attention_wgmma_no_last)) warpgroup_wait<0>();
    settle_values<D>(s);
}

/* 64 queries; thread is a number among their warpgroup's. */
template <int D>
DEVICE void attend(const sdrt_cuda_attention &p, const places &at, const task &t, int half,
                   int thread)
{
    const uint64_t q = warpgroup_operand(at.queries + (uint32_t)half * EACH * ROW);
    const float scale = p.scale * 1.44269504f; /* of powers of two */
    rows_state<D> s = {};

    s.most[0] = s.most[1] = -1e30f;
    first_tile<D>(s, at, q, p.kv_len - (t.tiles - 1) * sizes<D>::KEYS, scale);
#pragma unroll 1
    for (int i = 1; i < t.tiles; i++) next_tile<D>(s, at, q, i, scale);
    last_values<D>(s, at, t.tiles - 1);
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int row = t.first + half * EACH + thread / LANES * 16 + lane_number() / 4 + r * 8;
        const float factor = 1.0f / sum_of_four(s.sum[r]);
        const int inside = row < p.q_len + (PLANTED(attention_wgmma_bound) ? 1 : 0);
        store_row<D>(p, (size_t)t.image * (size_t)p.q_len + (size_t)row, t.head, inside, factor,
                     [&](int j, int i) { return s.o[j * 4 + r * 2 + i]; });
    }
}

/* A lane of each warp that multiplies frees a stage. */
DEVICE void make_barriers(const ring &r, int groups)
{
    for (int s = 0; s < STAGES; s++) {
        barrier_init(r.full + (uint32_t)s * 8, 1);
        barrier_init(r.free + (uint32_t)s * 8, (uint32_t)groups * (GROUP / LANES));
    }
}

template <int D> DEVICE void attention(const sdrt_cuda_attention_wgmma &p, unsigned char *shared)
{
    const places at = places_at<D>(shared_address(shared));
    const int group = (int)threadIdx.x / GROUP, first = (int)blockIdx.x * QUERIES;
    const task t = { first, (int)blockIdx.y % p.p.heads, (int)blockIdx.y / p.p.heads,
                     p.p.q_len - first > EACH ? 2 : 1,
                     (p.p.kv_len + sizes<D>::KEYS - 1) / sizes<D>::KEYS };

    if (threadIdx.x == 0) {
        tma_prefetch(&p.q);
        tma_prefetch(&p.k);
        tma_prefetch(&p.v);
        barrier_init(at.queries_full, 1);
        make_barriers(at.k, t.groups);
        make_barriers(at.v, t.groups);
        if (!PLANTED(attention_wgmma_no_init_fence)) barrier_init_fence();
    }
    if (!PLANTED(attention_wgmma_no_init)) sync_block();
    if (group == 0) {
        registers_give<24>();
        if (threadIdx.x == 0) feed<D>(p, at, t);
    } else if (group <= t.groups) {
        registers_take<240>();
        attend<D>(p.p, at, t, group - 1, (int)threadIdx.x % GROUP);
    }
}

#endif

KERNEL_AHEAD(attention_wgmma_40, sdrt_cuda_attention_wgmma, SDRT_CUDA_ATTENTION_WGMMA_THREADS, 1)
{
    SHARED(shared);
#if HAVE_WARPGROUPS
    attention<40>(p, shared);
#endif
}

KERNEL_AHEAD(attention_wgmma_64, sdrt_cuda_attention_wgmma, SDRT_CUDA_ATTENTION_WGMMA_THREADS, 1)
{
    SHARED(shared);
#if HAVE_WARPGROUPS
    attention<64>(p, shared);
#endif
}

KERNEL_AHEAD(attention_wgmma_80, sdrt_cuda_attention_wgmma, SDRT_CUDA_ATTENTION_WGMMA_THREADS, 1)
{
    SHARED(shared);
#if HAVE_WARPGROUPS
    attention<80>(p, shared);
#endif
}

KERNEL_AHEAD(attention_wgmma_128, sdrt_cuda_attention_wgmma, SDRT_CUDA_ATTENTION_WGMMA_THREADS, 1)
{
    SHARED(shared);
#if HAVE_WARPGROUPS
    attention<128>(p, shared);
#endif
}

KERNEL_AHEAD(attention_wgmma_160, sdrt_cuda_attention_wgmma, SDRT_CUDA_ATTENTION_WGMMA_THREADS, 1)
{
    SHARED(shared);
#if HAVE_WARPGROUPS
    attention<160>(p, shared);
#endif
}
