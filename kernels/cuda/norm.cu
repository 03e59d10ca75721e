/* SPDX-License-Identifier: MIT
 *
 * Norms.  The mean is found first, from differences to a first value, and the deviations are taken
 * from it: nothing cancels, and a constant has no deviation.
 */
#include "kernels/cuda/math.h"
#include "kernels/cuda/norm_params.h"

/* The sum over all threads of the block, in all of them; place has room for one value a warp. */
template <int THREADS> DEVICE float sum_of_block(float v, float *place)
{
    v = sum_of_warp(v);
    if (lane_number() == 0) place[warp_number()] = v;
    if (!PLANTED(norm_no_barrier)) sync_block();
    return sum_of_warp(lane_number() < THREADS / LANES ? place[lane_number()] : 0.0f);
}

/* Element i of an image's group, which begins at channel c0 and is per channels wide. */
DEVICE float element(const sdrt_cuda_group_norm &p, size_t image, int c0, int per, int i)
{
    const size_t pixel = image * (size_t)p.pixels + (size_t)(i / per);
    const int c = c0 + i % per;

    if (c < p.c) return p.x[pixel * (size_t)p.x_pitch + (size_t)c];
    return p.x2[pixel * (size_t)p.x2_pitch + (size_t)(c - p.c)];
}

KERNEL(group_norm_fold, sdrt_cuda_group_norm, SDRT_CUDA_GROUP_NORM_THREADS, 4)
{
    SHARED(shared);
    float *place = (float *)(void *)shared;
    const int all = p.c + p.c2, per = all / p.groups, c0 = (int)blockIdx.x * per;
    const int n = p.pixels * per;
    const size_t image = blockIdx.y;
    const float first = element(p, image, c0, per, 0);
    float sum = 0.0f, squares = 0.0f;

    for (int i = (int)threadIdx.x; i < n; i += SDRT_CUDA_GROUP_NORM_THREADS)
        sum += element(p, image, c0, per, i) - first;
    const float mean = first + sum_of_block<SDRT_CUDA_GROUP_NORM_THREADS>(sum, place) / (float)n;
    for (int i = (int)threadIdx.x; i < n; i += SDRT_CUDA_GROUP_NORM_THREADS) {
        const float d = element(p, image, c0, per, i) - mean;
        squares += d * d;
    }
    /* A second place: a warp may still read the first. */
    if (!PLANTED(norm_same_place)) place += SDRT_CUDA_GROUP_NORM_THREADS / LANES;
    const float variance = sum_of_block<SDRT_CUDA_GROUP_NORM_THREADS>(squares, place) / (float)n;
    const float rstd = 1.0f / sqrtf(variance + p.eps);
    float *to = p.msb + image * 3 * (size_t)all;
    for (int i = (int)threadIdx.x; i < per + (PLANTED(norm_bound) ? 1 : 0);
         i += SDRT_CUDA_GROUP_NORM_THREADS) {
        const int c = c0 + i;
        to[c] = mean;
        to[all + c] = p.gamma[c] * rstd;
        to[2 * all + c] = p.beta[c];
    }
}

/* ---- a group norm in one launch ---- */

/* Calls visit(pixel, channel) for all of an image's group, WIDTH channels from that one on each time. */
template <int WIDTH, int THREADS, class Visit>
DEVICE void each_of_group(const sdrt_cuda_norm_operand &p, int c0, int per, Visit visit)
{
    const int pieces = per / WIDTH, pixels_on = THREADS / pieces;
    const int pieces_on = THREADS % pieces;
    const int end = p.pixels + (PLANTED(norm_operand_bound) ? 1 : 0);
    int pixel = (int)threadIdx.x / pieces, piece = (int)threadIdx.x % pieces;

#pragma unroll 4
    while (pixel < end) {
        visit(pixel, c0 + piece * WIDTH);
        pixel += pixels_on;
        piece += pieces_on;
        if (piece < pieces) continue;
        piece -= pieces;
        pixel++;
    }
}

template <int WIDTH>
DEVICE void load_pieces(const sdrt_cuda_norm_operand &p, int pixel, int c, float (&v)[WIDTH])
{
    const size_t at = (size_t)blockIdx.y * (size_t)p.pixels + (size_t)pixel;
    const float *from = c < p.c ? p.x + at * (size_t)p.x_pitch + (size_t)c
                                : p.x2 + at * (size_t)p.x2_pitch + (size_t)(c - p.c);

    if constexpr (WIDTH == 2) {
        const bytes8 x = load_8(from);
        v[0] = float_of_bits(x.v[0]);
        v[1] = float_of_bits(x.v[1]);
    } else {
        v[0] = *from;
    }
}

template <int WIDTH>
DEVICE void store_pieces(const sdrt_cuda_norm_operand &p, int pixel, int c, const float (&v)[WIDTH])
{
    const size_t at = ((size_t)blockIdx.y * (size_t)p.pixels + (size_t)pixel) * (size_t)p.y_pitch +
                      (size_t)c;

    if constexpr (WIDTH == 2) {
        if (p.y_narrow) {
            *(uint32_t *)(void *)((narrow *)p.y + at) = pack_narrow(v[0], v[1]);
            return;
        }
    }
#pragma unroll
    for (int i = 0; i < WIDTH; i++) store_typed(p.y, p.y_narrow, at + (size_t)i, v[i]);
}

template <int WIDTH, int THREADS>
DEVICE void norm_operand(const sdrt_cuda_norm_operand &p, float *place)
{
    const int per = (p.c + p.c2) / p.groups, c0 = (int)blockIdx.x * per;
    const float n = (float)p.pixels * (float)per;
    float v[WIDTH], sum = 0.0f, squares = 0.0f;

    load_pieces(p, 0, c0, v);
    const float first = v[0];
    each_of_group<WIDTH, THREADS>(p, c0, per, [&](int pixel, int c) {
        load_pieces(p, pixel, c, v);
#pragma unroll
        for (int i = 0; i < WIDTH; i++) sum += v[i] - first;
    });
    const float mean = first + sum_of_block<THREADS>(sum, place) / n;
    each_of_group<WIDTH, THREADS>(p, c0, per, [&](int pixel, int c) {
        load_pieces(p, pixel, c, v);
#pragma unroll
        for (int i = 0; i < WIDTH; i++) squares += (v[i] - mean) * (v[i] - mean);
    });
    /* A second place: a warp may still read the first. */
    if (!PLANTED(norm_same_place)) place += THREADS / LANES;
    const float rstd = 1.0f / sqrtf(sum_of_block<THREADS>(squares, place) / n + p.eps);
    each_of_group<WIDTH, THREADS>(p, c0, per, [&](int pixel, int c) {
        load_pieces(p, pixel, c, v);
#pragma unroll
        for (int i = 0; i < WIDTH; i++) {
            v[i] = (v[i] - mean) * (p.gamma[c + i] * rstd) + p.beta[c + i];
            if (p.silu) v[i] = silu(v[i]);
        }
        store_pieces(p, pixel, c, v);
    });
}

/* Of every pixel, the columns that no channel has, after the last group. */
template <int THREADS> DEVICE void clear_rest(const sdrt_cuda_norm_operand &p)
{
    const int all = p.c + p.c2, rest = p.y_pitch - all + (PLANTED(norm_operand_rest) ? 1 : 0);
    const size_t first = (size_t)blockIdx.y * (size_t)p.pixels;

    for (int i = (int)threadIdx.x; i < p.pixels * rest; i += THREADS)
        store_typed(p.y, p.y_narrow,
                    (first + (size_t)(i / rest)) * (size_t)p.y_pitch + (size_t)(all + i % rest),
                    0.0f);
}

template <int THREADS> DEVICE void norm_and_rest(const sdrt_cuda_norm_operand &p, float *place)
{
    if (p.pairs) norm_operand<2, THREADS>(p, place);
    else norm_operand<1, THREADS>(p, place);
    if ((int)blockIdx.x == p.groups - 1) clear_rest<THREADS>(p);
}

KERNEL(group_norm_operand, sdrt_cuda_norm_operand, SDRT_CUDA_NORM_OPERAND_THREADS, 1)
{
    SHARED(shared);
    norm_and_rest<SDRT_CUDA_NORM_OPERAND_THREADS>(p, (float *)(void *)shared);
}

/* Of few values, so that several blocks share a multiprocessor. */
KERNEL(group_norm_operand_small, sdrt_cuda_norm_operand, SDRT_CUDA_GROUP_NORM_THREADS, 4)
{
    SHARED(shared);
    norm_and_rest<SDRT_CUDA_GROUP_NORM_THREADS>(p, (float *)(void *)shared);
}

KERNEL(layer_norm, sdrt_cuda_layer_norm, SDRT_CUDA_ROW_NORM_THREADS, 4)
{
    const int row = thread_number() / LANES;
    const float *x = p.x + (size_t)row * (size_t)p.x_pitch;
    float sum = 0.0f, squares = 0.0f;

    if (row >= p.rows + (PLANTED(layer_norm_bound) ? 1 : 0)) return;
    const float first = x[0];
    for (int c = lane_number(); c < p.c; c += LANES) sum += x[c] - first;
    const float mean = first + sum_of_warp(sum) / (float)p.c;
    for (int c = lane_number(); c < p.c; c += LANES) squares += (x[c] - mean) * (x[c] - mean);
    const float rstd = 1.0f / sqrtf(sum_of_warp(squares) / (float)p.c + p.eps);
    for (int c = lane_number(); c < p.c; c += LANES)
        store_typed(p.y, p.y_narrow, (size_t)row * (size_t)p.y_pitch + (size_t)c,
                    (x[c] - mean) * rstd * (p.gain[c] + p.one) + p.shift[c]);
}

KERNEL(rms_norm, sdrt_cuda_rms_norm, SDRT_CUDA_ROW_NORM_THREADS, 4)
{
    const int piece = thread_number() / LANES, row = piece / p.groups;
    const size_t c0 = (size_t)(piece % p.groups * p.width);
    const size_t x0 = (size_t)row * (size_t)p.x_pitch + c0;
    const size_t y0 = (size_t)row * (size_t)p.y_pitch + c0;
    float squares = 0.0f;

    if (row >= p.rows + (PLANTED(rms_norm_bound) ? 1 : 0)) return;
    for (int c = lane_number(); c < p.width; c += LANES) {
        const float v = load_typed(p.x, p.x_narrow, x0 + (size_t)c);
        squares += v * v;
    }
    const float factor = 1.0f / sqrtf(sum_of_warp(squares) / (float)p.width + p.eps);
    for (int c = lane_number(); c < p.width; c += LANES)
        store_typed(p.y, p.y_narrow, y0 + (size_t)c,
                    load_typed(p.x, p.x_narrow, x0 + (size_t)c) * factor * p.gamma[c]);
}
