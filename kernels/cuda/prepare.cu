/* SPDX-License-Identifier: MIT
 *
 * The operand of a product, from what is not one yet: two sources side by side, a group norm that
 * has been reduced to three vectors, SiLU, another type.  A thread makes eight channels.
 */
#include "kernels/cuda/math.h"
#include "kernels/cuda/product.h"

enum { CHANNELS = SDRT_CUDA_PREPARE_CHANNELS };

/* Four floats that lie in one piece. */
DEVICE void load_four(const float *p, float *v)
{
    const bytes16 x = load_16(p);

#pragma unroll
    for (int i = 0; i < 4; i++) v[i] = float_of_bits(x.v[i]);
}

/* Channel c of a pixel, of whichever source has it; 0 beyond both. */
DEVICE float load_channel(const sdrt_cuda_prepare &p, size_t pixel, int c)
{
    if (c < p.c) return load_typed(p.x, p.x_narrow, pixel * (size_t)p.x_pitch + (size_t)c);
    if (c < p.c + p.c2) return p.x2[pixel * (size_t)p.x2_pitch + (size_t)(c - p.c)];
    return 0.0f;
}

DEVICE void load_channels(const sdrt_cuda_prepare &p, size_t pixel, int c, float (&v)[CHANNELS])
{
#pragma unroll
    for (int four = 0; four < CHANNELS; four += 4) {
        const int at = c + four;
        if (p.fours && at + 4 <= p.c)
            load_four((const float *)p.x + pixel * (size_t)p.x_pitch + (size_t)at, v + four);
        else if (p.fours && at >= p.c && at + 4 <= p.c + p.c2)
            load_four(p.x2 + pixel * (size_t)p.x2_pitch + (size_t)(at - p.c), v + four);
        else
#pragma unroll
            for (int i = 0; i < 4; i++) v[four + i] = load_channel(p, pixel, at + i);
    }
}

DEVICE void normalise(const sdrt_cuda_prepare &p, size_t pixel, int c, float (&v)[CHANNELS])
{
    const size_t all = (size_t)(p.c + p.c2);
    const float *mean = p.msb + pixel / (size_t)p.image_pixels * 3 * all;

#pragma unroll
    for (int i = 0; i < CHANNELS; i++) {
        const size_t at = (size_t)(c + i);
        if (at >= all) continue;
        v[i] = (v[i] - mean[at]) * mean[all + at] + mean[2 * all + at];
        if (p.silu) v[i] = silu(v[i]);
    }
}

KERNEL(prepare, sdrt_cuda_prepare, SDRT_CUDA_PREPARE_THREADS, 4)
{
    const int pieces = p.y_pitch / CHANNELS, piece = thread_number();
    const int last = PLANTED(prepare_bound) ? 1 : 0;

    if (piece >= p.pixels * pieces + last) return;
    const size_t pixel = (size_t)(piece / pieces);
    const int c = piece % pieces * CHANNELS;
    const size_t at = pixel * (size_t)p.y_pitch + (size_t)c;
    float v[CHANNELS];

    load_channels(p, pixel, c, v);
    if (p.msb) normalise(p, pixel, c, v);
    if (p.y_narrow) {
        const bytes16 x = { { pack_narrow(v[0], v[1]), pack_narrow(v[2], v[3]),
                              pack_narrow(v[4], v[5]), pack_narrow(v[6], v[7]) } };
        store_16((narrow *)p.y + at, x);
        return;
    }
#pragma unroll
    for (int i = 0; i < CHANNELS; i += 4) {
        const bytes16 x = { { bits_of_float(v[i]), bits_of_float(v[i + 1]), bits_of_float(v[i + 2]),
                              bits_of_float(v[i + 3]) } };
        store_16((float *)p.y + at + i, x);
    }
}
