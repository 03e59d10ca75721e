/* SPDX-License-Identifier: MIT
 *
 * Linear layers and convolutions for sm_80 and its successors: mma.sync fed by ldmatrix from a ring
 * of stages that cp.async fills.
 *
 * Four warps, two by two, compute a tile of the output.  A stage holds 32 channels of one tap, of
 * the tile's pixels and of its rows of weights.  A row is 64 bytes, four pieces of 16; piece c of
 * row r lies in place c ^ (r/2 % 4), so that the eight rows that one phase of ldmatrix reads come
 * from eight different groups of banks.
 *
 * A thread copies the same piece of the same rows in every stage, so that an address is its last
 * one and a step that all rows share; which taps of a pixel lie inside the image it has in a bit
 * each.
 */
#include "kernels/cuda/epilogue.h"

enum {
    THREADS = SDRT_CUDA_PRODUCT_THREADS,
    STAGES = SDRT_CUDA_PRODUCT_STAGES,
    STEP = SDRT_CUDA_PRODUCT_K,
    ROW_BYTES = STEP * 2,
    PIECES = ROW_BYTES / 16,
    ROWS_APART = THREADS / PIECES, /* of a thread's copies */
};

/* Byte offset of piece c of row r in a tile. */
DEVICE uint32_t piece_at(int r, int c)
{
    if (PLANTED(product_swizzle)) return (uint32_t)(r * ROW_BYTES + c * 16);
    return (uint32_t)(r * ROW_BYTES + ((c ^ ((r >> 1) & (PIECES - 1))) * 16));
}

/* Where a thread's copies come from: rows ROWS_APART apart of both operands. */
template <int UP, int A, int W> struct cursor {
    const bf16 *a[A]; /* of the pixel that the first tap reads, then moving on with all */
    uint32_t taps[A]; /* bit t: tap t of this pixel lies inside the image */
    const bf16 *w;
    int rows; /* of w that are left from the first one on */
    int tap, channel;
    /* Of an enlarged input, where a tap's pixel is no step from the last one's. */
    uint32_t yx[UP ? A : 1]; /* of the output: row in the upper half, column in the lower */
    int image[UP ? A : 1];   /* its first pixel, -1: there is none */
};

/* Which taps of output pixel m lie inside, and where tap 0 does or would. */
DEVICE uint32_t find_pixel(const sdrt_cuda_product &p, int m, const bf16 *&a)
{
    const int x = m % p.out_w, y = m / p.out_w % p.out_h, image = m / p.out_w / p.out_h;
    const int sy = y * p.stride - p.pad, sx = x * p.stride - p.pad;
    uint32_t taps = 0;

    if (m >= p.m + (PLANTED(product_bound_m) ? 1 : 0)) return 0;
    for (int t = 0; t < p.kernel * p.kernel; t++) {
        const int ty = sy + t / p.kernel, tx = sx + t % p.kernel;
        const int inside = ty >= 0 && tx >= 0 && tx < p.in_w &&
                           ty < p.in_h + (PLANTED(product_bound_y) ? 1 : 0);
        taps |= (uint32_t)inside << t;
    }
    a += ((long long)(image * p.in_h + sy) * p.in_w + sx) * p.a_pitch;
    return taps;
}

/* Where output pixel m lies. */
DEVICE void find_output(const sdrt_cuda_product &p, int m, uint32_t &yx, int &image)
{
    const int x = m % p.out_w, y = m / p.out_w % p.out_h;

    yx = (uint32_t)y << 16 | (uint32_t)x;
    image = m < p.m ? m / p.out_w / p.out_h * p.in_h * p.in_w : -1;
}

/* floor(at * of / to), by the quotient in units of 2^-31, rounded up. */
DEVICE int scaled(int at, unsigned quotient)
{
    return (int)((uint64_t)(uint32_t)at * quotient >> 31);
}

/* All copies to the pixels that this tap reads. */
template <int A, int W> DEVICE void enter_tap(const sdrt_cuda_product &p, cursor<1, A, W> &at)
{
    const int dy = at.tap / p.kernel - p.pad, dx = at.tap % p.kernel - p.pad;

#pragma unroll
    for (int i = 0; i < A; i++) {
        const int y = (int)(at.yx[i] >> 16) + dy, x = (int)(at.yx[i] & 0xffff) + dx;
        const int inside = at.image[i] >= 0 && (unsigned)y < (unsigned)p.out_h &&
                           (unsigned)x < (unsigned)p.out_w;
        const int pixel = at.image[i] + scaled(y, p.up_y) * p.in_w + scaled(x, p.up_x);
        at.taps[i] = inside ? ~0u : 0;
        at.a[i] = (const bf16 *)p.a + (long long)(inside ? pixel : 0) * p.a_pitch +
                  (int)(threadIdx.x % PIECES * 8);
    }
}

template <int UP, int A, int W>
DEVICE cursor<UP, A, W> begin(const sdrt_cuda_product &p, int m0, int n0)
{
    const int row = (int)threadIdx.x / PIECES, piece = (int)threadIdx.x % PIECES * 8;
    cursor<UP, A, W> at;

    at.tap = at.channel = 0;
    at.w = (const bf16 *)p.w + (size_t)(n0 + row) * (size_t)p.w_pitch + piece;
    at.rows = p.rows - n0 - row + (PLANTED(product_bound_n) ? 1 : 0);
    if constexpr (UP) {
#pragma unroll
        for (int i = 0; i < A; i++)
            find_output(p, m0 + row + i * ROWS_APART, at.yx[i], at.image[i]);
        enter_tap(p, at);
    } else {
#pragma unroll
        for (int i = 0; i < A; i++) {
            at.a[i] = (const bf16 *)p.a + piece;
            at.taps[i] = find_pixel(p, m0 + row + i * ROWS_APART, at.a[i]);
        }
    }
    return at;
}

/* Copies one stage; what lies outside is zero. */
template <int UP, int A, int W>
DEVICE void copy_stage(const sdrt_cuda_product &p, const cursor<UP, A, W> &at, uint32_t to)
{
    const int row = (int)threadIdx.x / PIECES, piece = (int)threadIdx.x % PIECES;
    const int left = p.k - at.channel - piece * 8;
    const int bytes = left >= 8 ? 16 : left > 0 ? left * 2 : 0;
    const uint32_t place = to + piece_at(row, piece);

    /* ROWS_APART rows further on the swizzle is the same. */
#pragma unroll
    for (int i = 0; i < A; i++) {
        const int inside = at.taps[i] >> at.tap & 1 && bytes;
        copy_async_16(place + (uint32_t)(i * ROWS_APART * ROW_BYTES),
                      inside ? (const void *)at.a[i] : p.a, inside ? bytes : 0);
    }
#pragma unroll
    for (int i = 0; i < W; i++) {
        const int inside = i * ROWS_APART < at.rows && bytes;
        copy_async_16(place + (uint32_t)((A + i) * ROWS_APART * ROW_BYTES),
                      inside ? (const void *)(at.w + (size_t)(i * ROWS_APART) * (size_t)p.w_pitch)
                             : p.w,
                      inside ? 16 : 0);
    }
}

template <int UP, int A, int W>
DEVICE void advance(const sdrt_cuda_product &p, cursor<UP, A, W> &at)
{
    int a = STEP, w = STEP;

    at.channel += STEP;
    if (at.channel >= p.k) {
        /* To channel 0 of the next tap, a pixel on or in the next line. */
        const int pixels = (at.tap + 1) % p.kernel ? 1 : p.in_w - p.kernel + 1;
        a = pixels * p.a_pitch - (at.channel - STEP);
        w = p.rows * p.w_pitch - (at.channel - STEP);
        at.channel = 0;
        at.tap++;
        if constexpr (UP) {
            enter_tap(p, at);
            a = 0;
        }
    }
    at.w += w;
#pragma unroll
    for (int i = 0; i < A; i++) at.a[i] += a;
}

/* One stage's products of a warp: ROWS x 16 pixels, COLUMNS x 8 rows of w. */
template <int ROWS, int COLUMNS>
DEVICE void multiply_stage(float (&sum)[ROWS][COLUMNS][4], uint32_t a, uint32_t w)
{
    const int lane = lane_number();

#pragma unroll
    for (int k = 0; k < STEP / 16; k++) {
        uint32_t fa[ROWS][4], fw[COLUMNS / 2][4];
#pragma unroll
        for (int i = 0; i < ROWS; i++)
            load_matrices(fa[i], a + piece_at(i * 16 + lane % 16, k * 2 + lane / 16));
            /* Four matrices: rows 0-7 and 8-15 of w, each with both halves of k. */
#pragma unroll
        for (int j = 0; j < COLUMNS / 2; j++)
            load_matrices(fw[j],
                          w + piece_at(j * 16 + lane % 8 + lane / 16 * 8, k * 2 + lane / 8 % 2));
#pragma unroll
        for (int i = 0; i < ROWS; i++)
#pragma unroll
            for (int j = 0; j < COLUMNS; j++)
                multiply_bf16(sum[i][j], fa[i], fw[j / 2][j % 2 * 2], fw[j / 2][j % 2 * 2 + 1]);
    }
}

template <int M, int N, int UP>
DEVICE void product(const sdrt_cuda_product &p, unsigned char *shared)
{
    const uint32_t base = shared_address(shared);
    float *tile = (float *)(void *)shared;
    constexpr int ROWS = M / 32, COLUMNS = N / 16; /* a warp's fragments */
    constexpr int A = M / ROWS_APART, W = N / ROWS_APART;
    constexpr uint32_t stage_bytes = (M + N) * ROW_BYTES;
    const int m0 = (int)blockIdx.y * M, n0 = (int)blockIdx.x * N;
    const int warp_m = warp_number() / 2 * (M / 2), warp_n = warp_number() % 2 * (N / 2);
    const int steps = p.kernel * p.kernel * ((p.k + STEP - 1) / STEP);
    cursor<UP, A, W> at = begin<UP, A, W>(p, m0, n0);
    float sum[ROWS][COLUMNS][4] = {};

#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps) {
            copy_stage(p, at, base + (uint32_t)s * stage_bytes);
            advance(p, at);
        }
        copy_async_commit();
    }
    for (int s = 0; s < steps; s++) {
        const uint32_t stage = base + (uint32_t)(s % STAGES) * stage_bytes;
        const uint32_t next = base + (uint32_t)((s + STAGES - 1) % STAGES) * stage_bytes;
        if (PLANTED(product_short_wait)) copy_async_wait<STAGES - 1>();
        else copy_async_wait<STAGES - 2>();
        /* All have waited for their copies of stage s, and all are done with stage s - 1, whose
         * place the next copies take. */
        if (!PLANTED(product_no_barrier)) sync_block();
        if (s + STAGES - 1 < steps) {
            copy_stage(p, at, next);
            advance(p, at);
        }
        copy_async_commit();
        multiply_stage(sum, stage + (uint32_t)(warp_m * ROW_BYTES),
                       stage + (uint32_t)((M + warp_n) * ROW_BYTES));
    }
    /* The sums take the ring's place, which nobody reads any more. */
    if (!PLANTED(product_tile_early)) sync_block();
    const int lane = lane_number();
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) {
            const int r = warp_m + i * 16 + lane / 4, c = warp_n + j * 8 + lane % 4 * 2;
            put_sums(tile, N, r, c, sum[i][j][0], sum[i][j][1]);
            put_sums(tile, N, r + 8, c, sum[i][j][2], sum[i][j][3]);
        }
    if (!PLANTED(product_tile_late)) sync_block();
    finish_tile<M, N, THREADS>(p, tile, (int)threadIdx.x, n0, [&](int r) {
        return m0 + r < p.m + (PLANTED(product_bound_store) ? 1 : 0) ? m0 + r : -1;
    });
}

KERNEL(product_bf16_128x128, sdrt_cuda_product, THREADS, 2)
{
    SHARED(shared);
    product<128, 128, 0>(p, shared);
}

KERNEL(product_bf16_64x64, sdrt_cuda_product, THREADS, 3)
{
    SHARED(shared);
    product<64, 64, 0>(p, shared);
}

KERNEL(product_bf16_128x128_up, sdrt_cuda_product, THREADS, 2)
{
    SHARED(shared);
    product<128, 128, 1>(p, shared);
}

KERNEL(product_bf16_64x64_up, sdrt_cuda_product, THREADS, 3)
{
    SHARED(shared);
    product<64, 64, 1>(p, shared);
}
