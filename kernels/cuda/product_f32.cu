/* SPDX-License-Identifier: MIT
 *
 * Linear layers and convolutions in f32, for weights that are stored so, on any GPU: the yardstick
 * that the other kernels are measured by.  A block computes 64 x 64 of the output, a thread 4 x 4.
 */
#include "kernels/cuda/epilogue.h"

enum {
    TILE = SDRT_CUDA_F32_TILE,
    THREADS = SDRT_CUDA_F32_THREADS,
    STEP = 16,
    PITCH = TILE + 2, /* floats from one channel's row to the next, in shared memory */
    EACH = TILE * STEP / THREADS,
    SIDE = 4,
};

/* The pixel that a tap of output pixel m reads, or -1. */
DEVICE int source_pixel(const sdrt_cuda_product &p, int m, int tap)
{
    const int x = m % p.out_w, y = m / p.out_w % p.out_h, image = m / p.out_w / p.out_h;
    const int h = p.upsample ? p.out_h : p.in_h, w = p.upsample ? p.out_w : p.in_w;
    int sy = y * p.stride + tap / p.kernel - p.pad_y, sx = x * p.stride + tap % p.kernel - p.pad;

    if (m >= p.m + (PLANTED(product_f32_bound_m) ? 1 : 0) || sy < 0 || sx < 0 || sy >= h || sx >= w)
        return -1;
    if (p.upsample) {
        sy = sy * p.in_h / p.out_h;
        sx = sx * p.in_w / p.out_w;
    }
    return (image * p.in_h + sy) * p.in_w + sx;
}

/* Channels k0 .. of the tap, one channel's row after another. */
DEVICE void load_tiles(const sdrt_cuda_product &p, int m0, int n0, int tap, int k0, float *a,
                       float *w)
{
    const float *from = (const float *)p.w + (size_t)tap * (size_t)p.rows * (size_t)p.w_pitch;

#pragma unroll
    for (int i = 0; i < EACH; i++) {
        const int at = (int)threadIdx.x + i * THREADS, row = at / STEP, c = at % STEP, k = k0 + c;
        const int pixel = k < p.k ? source_pixel(p, m0 + row, tap) : -1;
        const int inside = k < p.k && n0 + row < p.rows + (PLANTED(product_f32_bound_n) ? 1 : 0);
        a[c * PITCH + row] =
            pixel < 0 ? 0.0f : ((const float *)p.a)[(size_t)pixel * (size_t)p.a_pitch + (size_t)k];
        w[c * PITCH + row] = inside ? from[(size_t)(n0 + row) * (size_t)p.w_pitch + (size_t)k]
                                    : 0.0f;
    }
}

DEVICE void multiply_tiles(const float *a, const float *w, int row, int column,
                           float (&sum)[SIDE][SIDE])
{
#pragma unroll
    for (int c = 0; c < STEP; c++)
#pragma unroll
        for (int i = 0; i < SIDE; i++)
#pragma unroll
            for (int j = 0; j < SIDE; j++)
                sum[i][j] += a[c * PITCH + row + i] * w[c * PITCH + column + j];
}

/* Four rows of w that begin at n, of which the gates are 8 further on, in another thread. */
DEVICE void store_sums(const sdrt_cuda_product &p, int m, int n, const float (&sum)[SIDE])
{
    const float *chan = m < p.m ? chan_of(p, m) : nullptr;

#pragma unroll
    for (int j = 0; j < SIDE; j++) {
        const float other = shuffle_xor(sum[j], 2);
        const int column = p.gated ? n / 16 * 8 + n % 8 + j : n + j;
        if (m >= p.m || column >= p.n || (p.gated && n / 8 % 2)) continue;
        store_value(p, m, column,
                    p.gated ? gated(p, column, sum[j], other) : finished(p, chan, column, sum[j]));
    }
}

KERNEL(product_f32, sdrt_cuda_product, THREADS, 2)
{
    SHARED(shared);
    float *a = (float *)(void *)shared, *w = a + STEP * PITCH;
    const int m0 = (int)blockIdx.y * TILE, n0 = (int)blockIdx.x * TILE;
    const int row = (int)threadIdx.x / 16 * SIDE, column = (int)threadIdx.x % 16 * SIDE;
    float sum[SIDE][SIDE] = {};

    for (int tap = 0; tap < p.kernel * p.kernel; tap++)
        for (int k0 = 0; k0 < p.k; k0 += STEP) {
            load_tiles(p, m0, n0, tap, k0, a, w);
            if (!PLANTED(product_f32_no_barrier_before)) sync_block();
            multiply_tiles(a, w, row, column, sum);
            if (!PLANTED(product_f32_no_barrier_after)) sync_block();
        }
#pragma unroll
    for (int i = 0; i < SIDE; i++) store_sums(p, m0 + row + i, n0 + column, sum[i]);
}
