/* SPDX-License-Identifier: MIT
 *
 * Norms.  The mean is found first, from differences to a first value, and the deviations are taken
 * from it: nothing cancels, and a constant has no deviation.
 */
#include "kernels/cuda/math.h"
#include "kernels/cuda/norm_params.h"

/* The sum over all threads of the block, in all of them; place has room for one value a warp. */
DEVICE float sum_of_block(float v, float *place)
{
    float sum = 0.0f;

    v = sum_of_warp(v);
    if (lane_number() == 0) place[warp_number()] = v;
    if (!PLANTED(norm_no_barrier)) sync_block();
#pragma unroll
    for (int i = 0; i < SDRT_CUDA_GROUP_NORM_THREADS / LANES; i++) sum += place[i];
    return sum;
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
    const float mean = first + sum_of_block(sum, place) / (float)n;
    for (int i = (int)threadIdx.x; i < n; i += SDRT_CUDA_GROUP_NORM_THREADS) {
        const float d = element(p, image, c0, per, i) - mean;
        squares += d * d;
    }
    /* A second place: a warp may still read the first. */
    if (!PLANTED(norm_same_place)) place += SDRT_CUDA_GROUP_NORM_THREADS / LANES;
    const float rstd = 1.0f / sqrtf(sum_of_block(squares, place) / (float)n + p.eps);
    float *to = p.msb + image * 3 * (size_t)all;
    for (int i = (int)threadIdx.x; i < per + (PLANTED(norm_bound) ? 1 : 0);
         i += SDRT_CUDA_GROUP_NORM_THREADS) {
        const int c = c0 + i;
        to[c] = mean;
        to[all + c] = p.gamma[c] * rstd;
        to[2 * all + c] = p.beta[c];
    }
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
        store_typed(p.y, p.y_bf16, (size_t)row * (size_t)p.y_pitch + (size_t)c,
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
        const float v = load_typed(p.x, p.x_bf16, x0 + (size_t)c);
        squares += v * v;
    }
    const float factor = 1.0f / sqrtf(sum_of_warp(squares) / (float)p.width + p.eps);
    for (int c = lane_number(); c < p.width; c += LANES)
        store_typed(p.y, p.y_bf16, y0 + (size_t)c,
                    load_typed(p.x, p.x_bf16, x0 + (size_t)c) * factor * p.gamma[c]);
}
