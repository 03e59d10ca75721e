/* SPDX-License-Identifier: MIT
 *
 * Linear layers and convolutions for sm_90a: products of warpgroups, fed by the copy engine.  Its
 * boxes over the input fill in zeros outside the image, which is the padding, and step over pixels
 * where the stride is 2, so that no thread computes an address of an operand.
 *
 * One thread copies, two warpgroups multiply; they meet at two barriers a stage, "full" and "free".
 * A stage is one tap's 64 channels of 128 pixels, and of the tile's rows of weights.
 */
#include "kernels/cuda/epilogue.h"
#include "kernels/cuda/product_wgmma.h"
#include "kernels/cuda/split.h"

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH_FEAT_SM90_ALL
#define HAVE_WARPGROUPS 1
#else
#define HAVE_WARPGROUPS 0 /* never launched there */
#endif

#if HAVE_WARPGROUPS
enum {
    M = SDRT_CUDA_WGMMA_M,
    STEP = SDRT_CUDA_WGMMA_K,
    STAGES = SDRT_CUDA_WGMMA_STAGES,
    GROUP = 128, /* threads */
    A_BYTES = M * STEP * 2,
};

struct ring {
    uint32_t tiles, full, free; /* shared addresses of stage 0's */
};

/* Where the block's pixels and its rows of weights begin. */
struct place {
    int x, y, image, row;
};

template <int N> DEVICE place block_place(const sdrt_cuda_product_wgmma &p)
{
    const int across = (p.p.out_w + p.box_w - 1) / p.box_w;
    const int down = (p.p.out_h + p.box_h - 1) / p.box_h, at = (int)blockIdx.y;

    return { at % across * p.box_w, at / across % down * p.box_h, at / across / down * p.box_n,
             (int)blockIdx.x * N };
}

/* What the thread that copies goes through: steps from `first` on, `steps` of them. */
struct way {
    int first, steps, blocks;
};

/* One step's weights, which no launch writes. */
template <int N>
DEVICE void bring_weights(const sdrt_cuda_product_wgmma &p, const ring &r, const place &at,
                          const way &w, int s)
{
    const int stage = s % STAGES, tap = (w.first + s) / w.blocks;
    const uint32_t full = r.full + (uint32_t)stage * 8;
    const uint32_t to = r.tiles + (uint32_t)stage * SDRT_CUDA_WGMMA_STAGE(N) + A_BYTES;

    if (!PLANTED(wgmma_no_free)) barrier_wait(r.free + (uint32_t)stage * 8, (s / STAGES & 1) ^ 1);
    tma_load_3d(to, &p.w, full, (w.first + s) % w.blocks * STEP, at.row, tap);
}

/* And its pixels.  The barrier hears only now of all bytes, and so of whatever was waited for before: its
 * phase cannot end before someone has arrived. */
template <int N>
DEVICE void bring_pixels(const sdrt_cuda_product_wgmma &p, const ring &r, const place &at,
                         const way &w, int s)
{
    const int stage = s % STAGES, tap = (w.first + s) / w.blocks, kernel = p.p.kernel;
    const uint32_t full = r.full + (uint32_t)stage * 8;

    barrier_expect(full, SDRT_CUDA_WGMMA_STAGE(N) + (PLANTED(wgmma_bytes) ? 16 : 0));
    tma_load_4d(r.tiles + (uint32_t)stage * SDRT_CUDA_WGMMA_STAGE(N), &p.a, full,
                (w.first + s) % w.blocks * STEP, at.x * p.p.stride + tap % kernel - p.p.pad,
                at.y * p.p.stride + tap / kernel - p.p.pad_y, at.image);
}

/* The first weights come while the launch before may still run.  The block's other threads touch nothing
 * before a whole stage has come, which is after that. */
template <int N>
DEVICE void feed(const sdrt_cuda_product_wgmma &p, const ring &r, const place &at, int first,
                 int steps)
{
    const way w = { first, steps, (p.p.k + STEP - 1) / STEP };
    const int ahead = steps < STAGES ? steps : STAGES;

    for (int s = 0; s < ahead; s++) {
        bring_weights<N>(p, r, at, w, s);
        if (PLANTED(wgmma_early_pixels)) bring_pixels<N>(p, r, at, w, s);
    }
    follow_previous();
    for (int s = 0; s < ahead && !PLANTED(wgmma_early_pixels); s++) bring_pixels<N>(p, r, at, w, s);
    for (int s = ahead; s < steps; s++) {
        bring_weights<N>(p, r, at, w, s);
        bring_pixels<N>(p, r, at, w, s);
    }
}

/* A warpgroup that multiplies: rows 64 * half .. of the block's pixels. */
template <int N> DEVICE void multiply(const ring &r, int half, int steps, float (&sum)[N / 2])
{
    for (int s = 0; s < steps; s++) {
        const int stage = s % STAGES;
        const uint32_t tile = r.tiles + (uint32_t)stage * SDRT_CUDA_WGMMA_STAGE(N);
        const uint32_t a = tile + (uint32_t)half * (A_BYTES / 2), w = tile + A_BYTES;
        if (!PLANTED(wgmma_no_full))
            barrier_wait(r.full + (uint32_t)stage * 8, (uint32_t)(s / STAGES & 1));
        if (!PLANTED(wgmma_no_fence)) warpgroup_fence();
#pragma unroll
        for (int k = 0; k < STEP / 16; k++)
            warpgroup_multiply(sum, warpgroup_operand(a + (uint32_t)k * 32),
                               warpgroup_operand(w + (uint32_t)k * 32), s > 0 || k > 0);
        warpgroup_commit();
        /* The stage before has been read when only this one's products are under way. */
        if (!PLANTED(wgmma_early_free)) warpgroup_wait<1>();
        if (s > 0 && threadIdx.x % LANES == 0)
            barrier_arrive(r.free + (uint32_t)((s - 1) % STAGES) * 8);
    }
    if (!PLANTED(wgmma_no_wait)) warpgroup_wait<0>();
    warpgroup_settle(sum);
}

/* The output's row of a pixel of the block, or -1. */
DEVICE int row_of(const sdrt_cuda_product_wgmma &p, const place &at, int pixel)
{
    const int x = at.x + pixel % p.box_w, y = at.y + pixel / p.box_w % p.box_h;
    const int image = at.image + pixel / p.box_w / p.box_h;

    if (x >= p.p.out_w || y >= p.p.out_h + (PLANTED(wgmma_bound) ? 1 : 0) || image >= p.batch)
        return -1;
    return (image * p.p.out_h + y) * p.p.out_w + x;
}

/* Both warpgroups that multiply; thread is a number among theirs. */
template <int N>
DEVICE void store(const sdrt_cuda_product_wgmma &p, const place &at, int thread,
                  const float (&sum)[N / 2], float *tile)
{
    const int lane = lane_number(), r = thread / LANES * 16 + lane / 4, c = lane % 4 * 2;

    /* The sums take the ring's place when both have done their last products. */
    if (!PLANTED(wgmma_tile_early)) sync_named(1, 2 * GROUP);
#pragma unroll
    for (int j = 0; j < N / 8; j++) {
        put_sums(tile, N, r, j * 8 + c, sum[j * 4], sum[j * 4 + 1]);
        put_sums(tile, N, r + 8, j * 8 + c, sum[j * 4 + 2], sum[j * 4 + 3]);
    }
    if (!PLANTED(wgmma_tile_late)) sync_named(1, 2 * GROUP);
    finish_tile<M, N, 2 * GROUP>(p.p, tile, thread, at.row,
                                 [&](int pixel) { return row_of(p, at, pixel); });
}

template <int N> DEVICE void product(const sdrt_cuda_product_wgmma &p, unsigned char *shared)
{
    const uint32_t base = shared_address(shared);
    const int group = (int)threadIdx.x / GROUP;
    const int all = p.p.kernel * p.p.kernel * ((p.p.k + STEP - 1) / STEP);
    int first = 0;
    const int steps = N == 128 ? steps_of_part(p.p, all, first) : all;
    const place at = block_place<N>(p);
    ring r;

    r.tiles = base;
    r.full = base + STAGES * SDRT_CUDA_WGMMA_STAGE(N);
    r.free = r.full + STAGES * 8;
    if (threadIdx.x == 0) {
        tma_prefetch(&p.a);
        tma_prefetch(&p.w);
        for (int s = 0; s < STAGES; s++) {
            barrier_init(r.full + (uint32_t)s * 8, 1);
            barrier_init(r.free + (uint32_t)s * 8, 8); /* a lane of each warp that multiplies */
        }
        barrier_init_fence();
    }
    sync_block();
    if (group == 0) {
        registers_give<40>();
        if (threadIdx.x == 0) feed<N>(p, r, at, first, steps);
    } else {
        float sum[N / 2];
        registers_take<232>();
        multiply<N>(r, group - 1, steps, sum);
        if constexpr (N == 128) /* product.c splits these alone */
            if (p.p.parts > 1 &&
                !add_parts<N / 8, 2 * GROUP>(
                    p.p, (int)threadIdx.x - GROUP, (int *)(void *)shared,
                    [&](int i) { return sum + i * 4; }, [] { sync_named(1, 2 * GROUP); }))
                return;
        store<N>(p, at, (int)threadIdx.x - GROUP, sum, (float *)(void *)shared);
    }
}

#endif

KERNEL_AHEAD(product_wgmma_128, sdrt_cuda_product_wgmma, SDRT_CUDA_WGMMA_THREADS, 1)
{
    SHARED(shared);
#if HAVE_WARPGROUPS
    product<128>(p, shared);
#endif
}

KERNEL_AHEAD(product_wgmma_256, sdrt_cuda_product_wgmma, SDRT_CUDA_WGMMA_THREADS, 1)
{
    SHARED(shared);
#if HAVE_WARPGROUPS
    product<256>(p, shared);
#endif
}
