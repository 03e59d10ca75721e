/* SPDX-License-Identifier: MIT
 *
 * Linear layers and convolutions by mma.sync, fed by ldmatrix from a ring of stages that cp.async fills;
 * on sm_75, which has none, each thread's registers bring the next of two stages.
 *
 * Four warps, two by two, compute a tile of the output.  A stage holds 32 channels of one tap, of
 * the tile's pixels and of its rows of weights.  A row is 64 bytes, four pieces of 16; piece c of
 * row r lies in place c ^ (r/2 % 4), so that the eight rows that one phase of ldmatrix reads come
 * from eight different groups of banks.
 *
 * A thread copies the same piece of the same rows in every stage, so that an address is its last
 * one and a step that all rows share; which taps of a pixel lie inside the image it has in a bit
 * each.  Of f32 sources it converts that piece in registers.
 */
#include "kernels/cuda/epilogue.h"
#include "kernels/cuda/split.h"

enum {
    THREADS = SDRT_CUDA_PRODUCT_THREADS,
    STAGES = ASYNC_COPIES ? SDRT_CUDA_PRODUCT_STAGES : SDRT_CUDA_PRODUCT_STAGES_75,
    /* In which the sums go through shared memory, so that they take no more of it than the ring. */
    PASSES = ASYNC_COPIES ? 1 : 2,
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

/* 32 channels of a tap. */
struct step {
    int tap, channel;
};

DEVICE step step_number(const sdrt_cuda_product &p, int i)
{
    const int of_tap = (p.k + STEP - 1) / STEP;

    return { i / of_tap, i % of_tap * STEP };
}

/* To the next one; whether it is another tap's. */
DEVICE int advance(const sdrt_cuda_product &p, step &at)
{
    at.channel += STEP;
    if (at.channel < p.k) return 0;
    at.channel = 0;
    at.tap++;
    return 1;
}

/* The first of a thread's rows in a stage; its other ones are ROWS_APART apart, where the swizzle is the
 * same. */
DEVICE int first_row(void) { return (int)threadIdx.x / PIECES; }
/* The first channel of a thread's piece. */
DEVICE int first_channel(void) { return (int)threadIdx.x % PIECES * 8; }
DEVICE uint32_t first_place(void) { return piece_at(first_row(), (int)threadIdx.x % PIECES); }

/* Bytes of a thread's piece that are there, of 16. */
DEVICE int bytes_there(const sdrt_cuda_product &p, const step &at)
{
    const int left = p.k - at.channel - first_channel();

    return left >= 8 ? 16 : left > 0 ? left * 2 : 0;
}

/* Stores a thread's pieces of a stage. */
template <int N> DEVICE void put_pieces(unsigned char *to, const bytes16 (&v)[N])
{
#pragma unroll
    for (int i = 0; i < N; i++) *(bytes16 *)(void *)(to + i * ROWS_APART * ROW_BYTES) = v[i];
}

/* ---- weights, copied ---- */

template <int W> struct weights {
    step at; /* of the next copy, or of what is in v */
    const narrow *from;
    int rows;     /* that are left from the first one on */
    bytes16 v[W]; /* read a stage ahead, without copies beside the thread */
};

template <int W> DEVICE void load_stage(const sdrt_cuda_product &p, weights<W> &w)
{
    const int there = w.at.tap < p.kernel * p.kernel && bytes_there(p, w.at);

#pragma unroll
    for (int i = 0; i < W; i++) {
        w.v[i] = {};
        if (there && i * ROWS_APART < w.rows)
            w.v[i] = load_16(w.from + (size_t)(i * ROWS_APART) * (size_t)p.w_pitch);
    }
}

/* Where the thread's first piece of a step of weights begins, in elements. */
DEVICE size_t weights_at(const sdrt_cuda_product &p, int n0, const step &at)
{
    const size_t row = (size_t)at.tap * (size_t)p.rows + (size_t)(n0 + first_row());

    return row * (size_t)p.w_pitch + (size_t)(at.channel + first_channel());
}

template <int W>
DEVICE void begin(const sdrt_cuda_product &p, int n0, const step &at, weights<W> &w)
{
    w.at = at;
    w.from = (const narrow *)p.w + weights_at(p, n0, at);
    w.rows = p.rows - n0 - first_row() + (PLANTED(product_bound_n) ? 1 : 0);
    if constexpr (!ASYNC_COPIES) load_stage(p, w);
}

/* What lies outside is zero. */
template <int W> DEVICE void copy_stage(const sdrt_cuda_product &p, const weights<W> &w, uint32_t to)
{
    const int bytes = bytes_there(p, w.at);

#pragma unroll
    for (int i = 0; i < W; i++) {
        const int inside = i * ROWS_APART < w.rows && bytes;
        copy_async_16(to + first_place() + (uint32_t)(i * ROWS_APART * ROW_BYTES),
                      inside ? (const void *)(w.from + (size_t)(i * ROWS_APART) * (size_t)p.w_pitch)
                             : p.w,
                      inside ? 16 : 0);
    }
}

/* Brings one stage to its place in shared memory. */
template <int W>
DEVICE void bring(const sdrt_cuda_product &p, weights<W> &w, unsigned char *shared, uint32_t stage)
{
    const int channel = w.at.channel;

    if constexpr (ASYNC_COPIES) copy_stage(p, w, shared_address(shared) + stage);
    else put_pieces(shared + stage + first_place(), w.v);
    w.from += advance(p, w.at) ? p.rows * p.w_pitch - channel : STEP;
    if constexpr (!ASYNC_COPIES) load_stage(p, w);
}

/* ---- weights of 8 bits (e4m3), read a stage ahead and converted ---- */

template <int W> struct small_weights {
    step at; /* of what is in v */
    const uint8_t *from;
    int rows;
    bytes8 v[W];
};

/* Two e4m3 numbers, the upper bytes of both halves, in 16 bits: their bits where those have them are the
 * numbers over 2^120, of f16 over 2^8, which is exact for subnormal ones too.  There is no NaN among weights. */
DEVICE uint32_t from_e4m3(uint32_t two)
{
    const uint32_t sign = two & 0x80008000u;

    if (NARROW_IS_F16) return multiply_two(sign | (two >> 1 & 0x3f803f80u), 0x5c005c00u);
    return multiply_two(sign | (two >> 4 & 0x07f007f0u), 0x7b807b80u);
}

template <int W> DEVICE void load_stage(const sdrt_cuda_product &p, small_weights<W> &w)
{
    const int there = w.at.tap < p.kernel * p.kernel && bytes_there(p, w.at);

#pragma unroll
    for (int i = 0; i < W; i++) {
        w.v[i] = { { 0, 0 } };
        if (there && i * ROWS_APART < w.rows)
            w.v[i] = load_8(w.from + (size_t)(i * ROWS_APART) * (size_t)p.w_pitch);
    }
}

template <int W>
DEVICE void begin(const sdrt_cuda_product &p, int n0, const step &at, small_weights<W> &w)
{
    w.at = at;
    w.from = (const uint8_t *)p.w + weights_at(p, n0, at);
    w.rows = p.rows - n0 - first_row() + (PLANTED(product_f8_bound_n) ? 1 : 0);
    load_stage(p, w);
}

/* Stores what was loaded the last time and begins to load what comes after it. */
template <int W>
DEVICE void bring(const sdrt_cuda_product &p, small_weights<W> &w, unsigned char *shared,
                  uint32_t stage)
{
    const int channel = w.at.channel;
    bytes16 pieces[W];

#pragma unroll
    for (int i = 0; i < W; i++) {
        const uint32_t(&v)[2] = w.v[i].v;
        pieces[i] = { { from_e4m3(bytes_apart(v[0])), from_e4m3(upper_apart(v[0])),
                        from_e4m3(bytes_apart(v[1])), from_e4m3(upper_apart(v[1])) } };
    }
    put_pieces(shared + stage + first_place(), pieces);
    w.from += advance(p, w.at) ? p.rows * p.w_pitch - channel : STEP;
    load_stage(p, w);
}

/* ---- an operand, copied ---- */

template <int A> struct copied {
    step at; /* of the next copy, or of what is in v */
    const narrow *a[A]; /* of the pixel that the first tap reads, moving on with all */
    uint32_t taps[A];   /* bit t: tap t of this pixel lies inside the image */
    bytes16 v[A];       /* as weights have it; whole pieces, whose rest is zero */
};

/* Which taps of output pixel m lie inside, and where tap 0 does or would. */
DEVICE uint32_t find_pixel(const sdrt_cuda_product &p, int m, const narrow *&a)
{
    const int x = m % p.out_w, y = m / p.out_w % p.out_h, image = m / p.out_w / p.out_h;
    const int sy = y * p.stride - p.pad_y, sx = x * p.stride - p.pad;
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

template <int A> DEVICE void load_stage(const sdrt_cuda_product &p, copied<A> &x)
{
    const int there = bytes_there(p, x.at);

#pragma unroll
    for (int i = 0; i < A; i++) {
        x.v[i] = {};
        if (x.taps[i] >> x.at.tap & 1 && there) x.v[i] = load_16(x.a[i]);
    }
}

template <int A>
DEVICE void begin(const sdrt_cuda_product &p, int m0, const step &at, copied<A> &x)
{
    const int tap = (at.tap / p.kernel * p.in_w + at.tap % p.kernel) * p.a_pitch;

    x.at = at;
#pragma unroll
    for (int i = 0; i < A; i++) {
        x.a[i] = (const narrow *)p.a + (tap + at.channel + first_channel());
        x.taps[i] = find_pixel(p, m0 + first_row() + i * ROWS_APART, x.a[i]);
    }
    if constexpr (!ASYNC_COPIES) load_stage(p, x);
}

template <int A> DEVICE void copy_stage(const sdrt_cuda_product &p, const copied<A> &x, uint32_t to)
{
    const int bytes = bytes_there(p, x.at);

#pragma unroll
    for (int i = 0; i < A; i++) {
        const int inside = x.taps[i] >> x.at.tap & 1 && bytes;
        copy_async_16(to + (uint32_t)(i * ROWS_APART * ROW_BYTES),
                      inside ? (const void *)x.a[i] : p.a, inside ? bytes : 0);
    }
}

template <int A>
DEVICE void bring(const sdrt_cuda_product &p, copied<A> &x, unsigned char *shared, uint32_t stage)
{
    const int channel = x.at.channel;
    int by = STEP;

    if constexpr (ASYNC_COPIES) copy_stage(p, x, shared_address(shared) + stage + first_place());
    else put_pieces(shared + stage + first_place(), x.v);
    /* To channel 0 of the next tap: a pixel on, or in the next line. */
    if (advance(p, x.at))
        by = (x.at.tap % p.kernel ? 1 : p.in_w - p.kernel + 1) * p.a_pitch - channel;
#pragma unroll
    for (int i = 0; i < A; i++) x.a[i] += by;
    if constexpr (!ASYNC_COPIES) load_stage(p, x);
}

/* ---- f32 sources, read a stage ahead and converted ---- */

template <int A> struct sources {
    step at;         /* of what is in v */
    uint32_t yx[A];  /* of the output, times the stride: row in the upper half, column in the lower */
    int image[A];    /* its first pixel, -1: there is none */
    int pixel[A];    /* that this tap reads, -1: none */
    float v[A][8];
};

/* floor(at * of / to), by the quotient in units of 2^-31, rounded up. */
DEVICE int scaled(int at, unsigned quotient)
{
    return (int)((uint64_t)(uint32_t)at * quotient >> 31);
}

/* All rows to the pixels that this tap reads; none after the last tap. */
template <int A> DEVICE void enter_tap(const sdrt_cuda_product &p, sources<A> &x)
{
    const int dy = x.at.tap / p.kernel - p.pad_y, dx = x.at.tap % p.kernel - p.pad;
    const int more = PLANTED(product_read_bound_y) ? 1 : 0;
    const unsigned h = (unsigned)((p.upsample ? p.out_h : p.in_h) + more);
    const unsigned w = (unsigned)(p.upsample ? p.out_w : p.in_w);

#pragma unroll
    for (int i = 0; i < A; i++) {
        const int row = (int)(x.yx[i] >> 16) + dy, column = (int)(x.yx[i] & 0xffff) + dx;
        const int inside = x.at.tap < p.kernel * p.kernel && x.image[i] >= 0 && (unsigned)row < h &&
                           (unsigned)column < w;
        x.pixel[i] = inside
                         ? x.image[i] + scaled(row, p.up_y) * p.in_w + scaled(column, p.up_x)
                         : -1;
    }
}

/* Where the second source's channels begin. */
DEVICE int second_begins(const sdrt_cuda_product &p)
{
    return p.k - p.c2 + (PLANTED(product_read_bound_k) ? 8 : 0);
}

/* Channel c of a pixel; 0 beyond the last one. */
DEVICE float load_channel(const sdrt_cuda_product &p, int pixel, int c)
{
    const int c1 = second_begins(p);

    if (c >= p.k + (PLANTED(product_read_bound_k) ? 8 : 0)) return 0.0f;
    return c < c1 ? ((const float *)p.a)[(long long)pixel * p.a_pitch + c]
                  : p.x2[(long long)pixel * p.x2_pitch + (c - c1)];
}

/* Of all rows the piece of eight channels, which one source has. */
template <int A> DEVICE void load_eights(const sdrt_cuda_product &p, sources<A> &x)
{
    const int c = x.at.channel + first_channel(), c1 = second_begins(p);
    const int there = c < p.k + (PLANTED(product_read_bound_k) ? 8 : 0);
    const int pitch = c < c1 ? p.a_pitch : p.x2_pitch;
    const float *from = c < c1 ? (const float *)p.a + c : p.x2 + (c - c1);

#pragma unroll
    for (int i = 0; i < A; i++) {
        bytes16 lower = {}, upper = {};
        if (there && x.pixel[i] >= 0) {
            const float *row = from + (long long)x.pixel[i] * pitch;
            lower = load_16(row);
            upper = load_16(row + 4);
        }
#pragma unroll
        for (int k = 0; k < 4; k++) {
            x.v[i][k] = float_of_bits(lower.v[k]);
            x.v[i][4 + k] = float_of_bits(upper.v[k]);
        }
    }
}

template <int A> DEVICE void load_stage(const sdrt_cuda_product &p, sources<A> &x)
{
    if (p.source_eights) {
        load_eights(p, x);
        return;
    }
#pragma unroll
    for (int i = 0; i < A; i++)
#pragma unroll
        for (int k = 0; k < 8; k++)
            x.v[i][k] = x.pixel[i] < 0 ? 0.0f
                                       : load_channel(p, x.pixel[i],
                                                      x.at.channel + first_channel() + k);
}

template <int A>
DEVICE void begin(const sdrt_cuda_product &p, int m0, const step &at, sources<A> &x)
{
    x.at = at;
#pragma unroll
    for (int i = 0; i < A; i++) {
        const int m = m0 + first_row() + i * ROWS_APART, row = m / p.out_w % p.out_h * p.stride;
        const int there = m < p.m + (PLANTED(product_read_bound_m) ? 1 : 0);
        x.yx[i] = (uint32_t)row << 16 | (uint32_t)(m % p.out_w * p.stride);
        x.image[i] = there ? m / p.out_w / p.out_h * p.in_h * p.in_w : -1;
    }
    enter_tap(p, x);
    load_stage(p, x);
}

/* Stores what was loaded the last time and begins to load what comes after it. */
template <int A>
DEVICE void bring(const sdrt_cuda_product &p, sources<A> &x, unsigned char *shared, uint32_t stage)
{
    bytes16 pieces[A];

#pragma unroll
    for (int i = 0; i < A; i++) {
        const float(&v)[8] = x.v[i];
        pieces[i] = { { pack_narrow(v[0], v[1]), pack_narrow(v[2], v[3]), pack_narrow(v[4], v[5]),
                        pack_narrow(v[6], v[7]) } };
    }
    put_pieces(shared + stage + first_place(), pieces);
    if (advance(p, x.at)) enter_tap(p, x);
    load_stage(p, x);
}

/* ---- products ---- */

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
                multiply_narrow(sum[i][j], fa[i], fw[j / 2][j % 2 * 2], fw[j / 2][j % 2 * 2 + 1]);
    }
}

/* From a warp's sums to the output, a share of the tile's rows at a time; nobody reads the ring any more
 * when all are here. */
template <int M, int N, int ROWS, int COLUMNS>
DEVICE void finish(const sdrt_cuda_product &p, const float (&sum)[ROWS][COLUMNS][4], float *tile,
                   int m0, int n0)
{
    constexpr int SHARE = M / PASSES;
    const int warp_m = warp_number() / 2 * (M / 2), warp_n = warp_number() % 2 * (N / 2);
    const int lane = lane_number();

#pragma unroll 1
    for (int pass = 0; pass < PASSES; pass++) {
        const int first = pass * SHARE;
        /* The sums take the ring's place, or that of those before. */
        if (!(pass ? PLANTED(product_tile_again) : PLANTED(product_tile_early))) sync_block();
        if (PASSES == 1 || warp_m == first) {
#pragma unroll
            for (int i = 0; i < ROWS; i++)
#pragma unroll
                for (int j = 0; j < COLUMNS; j++) {
                    const int r = warp_m - first + i * 16 + lane / 4;
                    const int c = warp_n + j * 8 + lane % 4 * 2;
                    put_sums(tile, N, r, c, sum[i][j][0], sum[i][j][1]);
                    put_sums(tile, N, r + 8, c, sum[i][j][2], sum[i][j][3]);
                }
        }
        if (!PLANTED(product_tile_late)) sync_block();
        finish_tile<SHARE, N, THREADS>(p, tile, (int)threadIdx.x, n0, [&](int r) {
            const int m = m0 + first + r;
            return m < p.m + (PLANTED(product_bound_store) ? 1 : 0) ? m : -1;
        });
    }
}

/* The operand by Source, copied or sources; weights by Weights, as they are or small.  Of the steps this
 * block has its part. */
template <int M, int N, class Source, class Weights>
DEVICE void product(const sdrt_cuda_product &p, unsigned char *shared)
{
    const uint32_t base = shared_address(shared);
    constexpr int ROWS = M / 32, COLUMNS = N / 16; /* a warp's fragments */
    constexpr uint32_t stage_bytes = (M + N) * ROW_BYTES;
    const int m0 = (int)blockIdx.y * M, n0 = (int)blockIdx.x * N;
    const int warp_m = warp_number() / 2 * (M / 2), warp_n = warp_number() % 2 * (N / 2);
    const int all = p.kernel * p.kernel * ((p.k + STEP - 1) / STEP);
    int first = 0;
    const int steps = steps_of_part(p, all, first);
    const step at = step_number(p, first);
    float sum[ROWS][COLUMNS][4] = {};
    Weights w;
    Source x;

    begin(p, n0, at, w);
    begin(p, m0, at, x);

#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps) {
            const uint32_t stage = (uint32_t)s * stage_bytes;
            bring(p, w, shared, stage + M * ROW_BYTES);
            bring(p, x, shared, stage);
        }
        copy_async_commit();
    }
    for (int s = 0; s < steps; s++) {
        const uint32_t stage = base + (uint32_t)(s % STAGES) * stage_bytes;
        const uint32_t next = (uint32_t)((s + STAGES - 1) % STAGES) * stage_bytes;
        if (PLANTED(product_short_wait)) copy_async_wait<STAGES - 1>();
        else copy_async_wait<STAGES - 2>();
        /* All have waited for their copies of stage s, and all are done with stage s - 1, whose
         * place the next copies take. */
        if (!PLANTED(product_no_barrier)) sync_block();
        if (s + STAGES - 1 < steps) {
            bring(p, w, shared, next + M * ROW_BYTES);
            bring(p, x, shared, next);
        }
        copy_async_commit();
        multiply_stage(sum, stage + (uint32_t)(warp_m * ROW_BYTES),
                       stage + (uint32_t)((M + warp_n) * ROW_BYTES));
    }
    if (p.parts > 1 && !add_parts<ROWS * COLUMNS, THREADS>(
                           p, (int)threadIdx.x, (int *)(void *)shared,
                           [&](int i) { return sum[i / COLUMNS][i % COLUMNS]; },
                           [] { sync_block(); }))
        return;
    finish<M, N>(p, sum, (float *)(void *)shared, m0, n0);
}

KERNEL(product_128x128, sdrt_cuda_product, THREADS, 2)
{
    SHARED(shared);
    product<128, 128, copied<128 / ROWS_APART>, weights<128 / ROWS_APART>>(p, shared);
}

KERNEL(product_64x64, sdrt_cuda_product, THREADS, 3)
{
    SHARED(shared);
    product<64, 64, copied<64 / ROWS_APART>, weights<64 / ROWS_APART>>(p, shared);
}

/* Without copies beside the threads the registers would not do. */
KERNEL(product_read_128x128, sdrt_cuda_product, THREADS, 2)
{
    SHARED(shared);
    if constexpr (ASYNC_COPIES)
        product<128, 128, sources<128 / ROWS_APART>, weights<128 / ROWS_APART>>(p, shared);
}

KERNEL(product_read_64x64, sdrt_cuda_product, THREADS, 3)
{
    SHARED(shared);
    product<64, 64, sources<64 / ROWS_APART>, weights<64 / ROWS_APART>>(p, shared);
}

KERNEL(product_f8_128x128, sdrt_cuda_product, THREADS, 2)
{
    SHARED(shared);
    product<128, 128, copied<128 / ROWS_APART>, small_weights<128 / ROWS_APART>>(p, shared);
}

KERNEL(product_f8_64x64, sdrt_cuda_product, THREADS, 3)
{
    SHARED(shared);
    product<64, 64, copied<64 / ROWS_APART>, small_weights<64 / ROWS_APART>>(p, shared);
}

/* Of large tiles the registers would not do. */
KERNEL(product_f8_read_64x64, sdrt_cuda_product, THREADS, 3)
{
    SHARED(shared);
    product<64, 64, sources<64 / ROWS_APART>, small_weights<64 / ROWS_APART>>(p, shared);
}
