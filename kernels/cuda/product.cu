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

/* 32 channels of a tap, the ones that are brought next: of both operands, so that they are counted once. */
struct step {
    int channel, row, column; /* of the taps' square */
    uint32_t tap;             /* its bit */
};

DEVICE step step_number(const sdrt_cuda_product &p, int i)
{
    const int of_tap = (p.k + STEP - 1) / STEP, tap = i / of_tap;

    return { i % of_tap * STEP, tap / p.kernel, tap % p.kernel, 1u << tap };
}

/* To the next one; whether it is another tap's. */
DEVICE int advance(const sdrt_cuda_product &p, step &at)
{
    at.channel += STEP;
    if (at.channel < p.k) return 0;
    at.channel = 0;
    at.tap <<= 1;
    if (++at.column < p.kernel) return 1;
    at.column = 0;
    at.row++;
    return 1;
}

/* The first of a thread's rows in a stage; its other ones are ROWS_APART apart, where the swizzle is the
 * same. */
DEVICE int first_row(void) { return (int)threadIdx.x / PIECES; }
/* The first channel of a thread's piece. */
DEVICE int first_channel(void) { return (int)threadIdx.x % PIECES * 8; }
DEVICE uint32_t first_place(void) { return piece_at(first_row(), (int)threadIdx.x % PIECES); }

/* Whether the operands have a thread's piece; what it has no channels for is zero in both. */
DEVICE int has_piece(const sdrt_cuda_product &p, const step &at)
{
    return at.channel < p.k - first_channel();
}

/* Stores a thread's pieces of a stage. */
template <int N> DEVICE void put_pieces(unsigned char *to, const bytes16 (&v)[N])
{
#pragma unroll
    for (int i = 0; i < N; i++) *(bytes16 *)(void *)(to + i * ROWS_APART * ROW_BYTES) = v[i];
}

/* ---- weights, copied ---- */

/* Where the thread's first piece of a step of weights begins, in elements. */
DEVICE size_t weights_at(const sdrt_cuda_product &p, int n0, const step &at)
{
    const size_t tap = (size_t)(at.row * p.kernel + at.column);
    const size_t row = tap * (size_t)p.rows + (size_t)(n0 + first_row());

    return row * (size_t)p.w_pitch + (size_t)(at.channel + first_channel());
}

/* Bit i: the thread's row i of so many is there. */
template <int W> DEVICE uint32_t rows_there(int rows)
{
    uint32_t there = 0;

#pragma unroll
    for (int i = 0; i < W; i++) there |= (uint32_t)(i * ROWS_APART < rows) << i;
    return there;
}

template <int W> struct weights {
    const narrow *from;
    uint32_t there; /* rows */
    bytes16 v[W];   /* read a stage ahead, without copies beside the thread */
};

template <int W> DEVICE void load_stage(const sdrt_cuda_product &p, const step &at, weights<W> &w)
{
    const uint32_t there = at.row < p.kernel && has_piece(p, at) ? w.there : 0;

#pragma unroll
    for (int i = 0; i < W; i++) {
        w.v[i] = {};
        if (there >> i & 1) w.v[i] = load_16(w.from + (size_t)(i * ROWS_APART) * (size_t)p.w_pitch);
    }
}

template <int W>
DEVICE void begin(const sdrt_cuda_product &p, int n0, const step &at, weights<W> &w)
{
    w.from = (const narrow *)p.w + weights_at(p, n0, at);
    w.there = rows_there<W>(p.rows - n0 - first_row() + (PLANTED(product_bound_n) ? 1 : 0));
    if constexpr (!ASYNC_COPIES) load_stage(p, at, w);
}

/* Brings one stage to its place in shared memory; what lies outside is zero, and its address is not read. */
template <int W>
DEVICE void put(const sdrt_cuda_product &p, const step &at, const weights<W> &w, unsigned char *to)
{
    if constexpr (!ASYNC_COPIES) {
        put_pieces(to, w.v);
        return;
    }
    const uint32_t there = has_piece(p, at) ? w.there : 0;
#pragma unroll
    for (int i = 0; i < W; i++)
        copy_async_16(shared_address(to) + (uint32_t)(i * ROWS_APART * ROW_BYTES),
                      w.from + (size_t)(i * ROWS_APART) * (size_t)p.w_pitch,
                      there >> i & 1 ? 16 : 0);
}

/* To the step that is next, so many elements on. */
template <int W> DEVICE void move(const sdrt_cuda_product &p, const step &at, weights<W> &w, int by)
{
    w.from += by;
    if constexpr (!ASYNC_COPIES) load_stage(p, at, w);
}

/* ---- weights of 8 bits (e4m3), read a stage ahead and converted ---- */

template <int W> struct small_weights {
    const uint8_t *from[W];
    uint32_t there; /* rows */
    bytes8 v[W];
};

/* Four e4m3 numbers to two pairs in 16 bits: their bits where those have them are the numbers over 2^120, of
 * f16 over 2^8, which is exact for subnormal ones too.  All four's upper bytes are made at once, and all lower
 * ones, whose nibbles are the shift's.  There is no NaN among weights. */
DEVICE void from_e4m3(uint32_t four, uint32_t &first, uint32_t &second)
{
    const int shift = NARROW_IS_F16 ? 1 : 4;
    const uint32_t kept = NARROW_IS_F16 ? 0x3f3f3f3fu : 0x07070707u;
    const uint32_t scale = NARROW_IS_F16 ? 0x5c005c00u : 0x7b807b80u;
    const uint32_t upper = (four & 0x80808080u) | (four >> shift & kept);
    const uint32_t lower = four << (8 - shift) & (NARROW_IS_F16 ? 0x80808080u : 0xf0f0f0f0u);

    first = multiply_two(first_bytes(lower, upper), scale);
    second = multiply_two(second_bytes(lower, upper), scale);
}

/* What is not there keeps what was read before it, which is finite: pixels have zeros where channels end, and
 * columns beyond the last row are not stored. */
template <int W>
DEVICE void load_stage(const sdrt_cuda_product &p, const step &at, small_weights<W> &w)
{
    const uint32_t there = at.row < p.kernel && has_piece(p, at) ? w.there : 0;

#pragma unroll
    for (int i = 0; i < W; i++)
        if (there >> i & 1) w.v[i] = load_8(w.from[i]);
}

template <int W>
DEVICE void begin(const sdrt_cuda_product &p, int n0, const step &at, small_weights<W> &w)
{
#pragma unroll
    for (int i = 0; i < W; i++) {
        w.from[i] = (const uint8_t *)p.w + weights_at(p, n0, at) +
                    (size_t)(i * ROWS_APART) * (size_t)p.w_pitch;
        w.v[i] = {};
    }
    w.there = rows_there<W>(p.rows - n0 - first_row() + (PLANTED(product_f8_bound_n) ? 1 : 0));
    load_stage(p, at, w);
}

template <int W>
DEVICE void put(const sdrt_cuda_product &, const step &, const small_weights<W> &w,
                unsigned char *to)
{
    bytes16 pieces[W];

#pragma unroll
    for (int i = 0; i < W; i++) {
        from_e4m3(w.v[i].v[0], pieces[i].v[0], pieces[i].v[1]);
        from_e4m3(w.v[i].v[1], pieces[i].v[2], pieces[i].v[3]);
    }
    put_pieces(to, pieces);
}

template <int W>
DEVICE void move(const sdrt_cuda_product &p, const step &at, small_weights<W> &w, int by)
{
#pragma unroll
    for (int i = 0; i < W; i++) w.from[i] += by;
    load_stage(p, at, w);
}

/* ---- an operand, copied ---- */

template <int A> struct copied {
    const narrow *a[A]; /* of the pixel that the first tap reads, moving on with all */
    uint32_t taps[A];   /* bit t: tap t of this pixel lies inside the image */
    bytes16 v[A];       /* as weights have it */
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

template <int A> DEVICE void load_stage(const sdrt_cuda_product &p, const step &at, copied<A> &x)
{
    const uint32_t tap = has_piece(p, at) ? at.tap : 0;

#pragma unroll
    for (int i = 0; i < A; i++) {
        x.v[i] = {};
        if (x.taps[i] & tap) x.v[i] = load_16(x.a[i]);
    }
}

template <int A> DEVICE void begin(const sdrt_cuda_product &p, int m0, const step &at, copied<A> &x)
{
    const int tap = (at.row * p.in_w + at.column) * p.a_pitch;

#pragma unroll
    for (int i = 0; i < A; i++) {
        x.a[i] = (const narrow *)p.a + (tap + at.channel + first_channel());
        x.taps[i] = find_pixel(p, m0 + first_row() + i * ROWS_APART, x.a[i]);
    }
    if constexpr (!ASYNC_COPIES) load_stage(p, at, x);
}

template <int A>
DEVICE void put(const sdrt_cuda_product &p, const step &at, const copied<A> &x, unsigned char *to)
{
    if constexpr (!ASYNC_COPIES) {
        put_pieces(to, x.v);
        return;
    }
    const uint32_t tap = has_piece(p, at) ? at.tap : 0;
#pragma unroll
    for (int i = 0; i < A; i++)
        copy_async_16(shared_address(to) + (uint32_t)(i * ROWS_APART * ROW_BYTES), x.a[i],
                      x.taps[i] & tap ? 16 : 0);
}

/* From channel `channel` of the last step; to channel 0 of another tap it is a pixel on, or into the next line. */
template <int A>
DEVICE void move(const sdrt_cuda_product &p, const step &at, copied<A> &x, int channel)
{
    int by = STEP;

    if (!at.channel) by = (at.column ? 1 : p.in_w - p.kernel + 1) * p.a_pitch - channel;
#pragma unroll
    for (int i = 0; i < A; i++) x.a[i] += by;
    if constexpr (!ASYNC_COPIES) load_stage(p, at, x);
}

/* ---- f32 sources, read a stage ahead and converted ---- */

template <int A> struct sources {
    uint32_t
        yx[A];    /* of the output, times the stride: row in the upper half, column in the lower */
    int image[A]; /* its first pixel, -1: there is none */
    int pixel[A]; /* that this tap reads, -1: none */
    float v[A][8];
};

/* floor(at * of / to), by the quotient in units of 2^-31, rounded up. */
DEVICE int scaled(int at, unsigned quotient)
{
    return (int)((uint64_t)(uint32_t)at * quotient >> 31);
}

/* All rows to the pixels that this tap reads; none after the last tap. */
template <int A> DEVICE void enter_tap(const sdrt_cuda_product &p, const step &at, sources<A> &x)
{
    const int dy = at.row - p.pad_y, dx = at.column - p.pad;
    const int more = PLANTED(product_read_bound_y) ? 1 : 0;
    const unsigned h = (unsigned)((p.upsample ? p.out_h : p.in_h) + more);
    const unsigned w = (unsigned)(p.upsample ? p.out_w : p.in_w);

#pragma unroll
    for (int i = 0; i < A; i++) {
        const int row = (int)(x.yx[i] >> 16) + dy, column = (int)(x.yx[i] & 0xffff) + dx;
        const int inside = at.row < p.kernel && x.image[i] >= 0 && (unsigned)row < h &&
                           (unsigned)column < w;
        x.pixel[i] = inside ? x.image[i] + scaled(row, p.up_y) * p.in_w + scaled(column, p.up_x)
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
template <int A> DEVICE void load_eights(const sdrt_cuda_product &p, const step &at, sources<A> &x)
{
    const int c = at.channel + first_channel(), c1 = second_begins(p);
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

template <int A> DEVICE void load_stage(const sdrt_cuda_product &p, const step &at, sources<A> &x)
{
    if (p.source_eights) {
        load_eights(p, at, x);
        return;
    }
#pragma unroll
    for (int i = 0; i < A; i++)
#pragma unroll
        for (int k = 0; k < 8; k++)
            x.v[i][k] = x.pixel[i] < 0
                            ? 0.0f
                            : load_channel(p, x.pixel[i], at.channel + first_channel() + k);
}

template <int A>
DEVICE void begin(const sdrt_cuda_product &p, int m0, const step &at, sources<A> &x)
{
#pragma unroll
    for (int i = 0; i < A; i++) {
        const int m = m0 + first_row() + i * ROWS_APART, row = m / p.out_w % p.out_h * p.stride;
        const int there = m < p.m + (PLANTED(product_read_bound_m) ? 1 : 0);
        x.yx[i] = (uint32_t)row << 16 | (uint32_t)(m % p.out_w * p.stride);
        x.image[i] = there ? m / p.out_w / p.out_h * p.in_h * p.in_w : -1;
    }
    enter_tap(p, at, x);
    load_stage(p, at, x);
}

template <int A>
DEVICE void put(const sdrt_cuda_product &, const step &, const sources<A> &x, unsigned char *to)
{
    bytes16 pieces[A];

#pragma unroll
    for (int i = 0; i < A; i++) {
        const float(&v)[8] = x.v[i];
        pieces[i] = { { pack_narrow(v[0], v[1]), pack_narrow(v[2], v[3]), pack_narrow(v[4], v[5]),
                        pack_narrow(v[6], v[7]) } };
    }
    put_pieces(to, pieces);
}

template <int A> DEVICE void move(const sdrt_cuda_product &p, const step &at, sources<A> &x, int)
{
    if (!at.channel) enter_tap(p, at, x);
    load_stage(p, at, x);
}

/* ---- products ---- */

/* Where a lane's rows of a warp's first matrices begin: of 16 pixels, and of w four matrices, rows 0-7
 * and 8-15 with both halves of k. */
DEVICE uint32_t lane_of_a(int lane) { return piece_at(lane % 16, lane / 16); }
DEVICE uint32_t lane_of_w(int lane) { return piece_at(lane % 8 + lane / 16 * 8, lane / 8 % 2); }

/* One stage's products of a warp: ROWS x 16 pixels, COLUMNS x 8 rows of w.  16 rows on the swizzle is the same,
 * and the next 16 channels are two pieces on, which is one bit. */
template <int ROWS, int COLUMNS>
DEVICE void multiply_stage(float (&sum)[ROWS][COLUMNS][4], uint32_t a, uint32_t w)
{
#pragma unroll
    for (int k = 0; k < STEP / 16; k++) {
        uint32_t fa[ROWS][4], fw[COLUMNS / 2][4];
#pragma unroll
        for (int i = 0; i < ROWS; i++)
            load_matrices(fa[i], (a ^ (uint32_t)(k * 32)) + (uint32_t)(i * 16 * ROW_BYTES));
#pragma unroll
        for (int j = 0; j < COLUMNS / 2; j++)
            load_matrices(fw[j], (w ^ (uint32_t)(k * 32)) + (uint32_t)(j * 16 * ROW_BYTES));
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

/* Brings a step of a tile of M pixels to its place in shared memory, weights behind it, and moves on. */
template <int M, class Source, class Weights>
DEVICE void bring(const sdrt_cuda_product &p, step &at, Source &x, Weights &w, unsigned char *to)
{
    put(p, at, w, to + M * ROW_BYTES + first_place());
    put(p, at, x, to + first_place());
    const int channel = at.channel, is_other = advance(p, at);
    move(p, at, w, is_other ? p.rows * p.w_pitch - channel : STEP);
    move(p, at, x, channel);
}

/* The operand by Source, copied or sources; weights by Weights, as they are or small.  Of the steps this
 * block has its part. */
template <int M, int N, class Source, class Weights>
DEVICE void product(const sdrt_cuda_product &p, unsigned char *shared)
{
    constexpr int ROWS = M / 32, COLUMNS = N / 16; /* a warp's fragments */
    constexpr uint32_t stage_bytes = (M + N) * ROW_BYTES;
    const int m0 = (int)blockIdx.y * M, n0 = (int)blockIdx.x * N;
    const int warp_m = warp_number() / 2 * (M / 2), warp_n = warp_number() % 2 * (N / 2);
    const uint32_t base = shared_address(shared);
    const uint32_t a = base + (uint32_t)(warp_m * ROW_BYTES) + lane_of_a(lane_number());
    const uint32_t b = base + (uint32_t)((M + warp_n) * ROW_BYTES) + lane_of_w(lane_number());
    const int all = p.kernel * p.kernel * ((p.k + STEP - 1) / STEP);
    int first = 0;
    const int steps = steps_of_part(p, all, first);
    step at = step_number(p, first);
    float sum[ROWS][COLUMNS][4] = {};
    Weights w;
    Source x;

    begin(p, n0, at, w);
    begin(p, m0, at, x);

#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps) bring<M>(p, at, x, w, shared + (uint32_t)s * stage_bytes);
        copy_async_commit();
    }
    for (int s = 0; s < steps; s++) {
        const uint32_t stage = (uint32_t)(s % STAGES) * stage_bytes;
        const uint32_t next = (uint32_t)((s + STAGES - 1) % STAGES) * stage_bytes;
        if (PLANTED(product_short_wait)) copy_async_wait<STAGES - 1>();
        else copy_async_wait<STAGES - 2>();
        /* All have waited for their copies of stage s, and all are done with stage s - 1, whose
         * place the next copies take. */
        if (!PLANTED(product_no_barrier)) sync_block();
        if (s + STAGES - 1 < steps) bring<M>(p, at, x, w, shared + next);
        copy_async_commit();
        multiply_stage(sum, a + stage, b + stage);
    }
    if (p.parts > 1 &&
        !add_parts<ROWS * COLUMNS, THREADS>(
            p, (int)threadIdx.x, (int *)(void *)shared,
            [&](int i) { return sum[i / COLUMNS][i % COLUMNS]; }, [] { sync_block(); }))
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
