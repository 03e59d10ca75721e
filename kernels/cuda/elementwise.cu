/* SPDX-License-Identifier: MIT
 *
 * Operations that no epilogue could take in.  A thread makes one value of y, but for the low frequencies.
 */
#include "kernels/cuda/elementwise_params.h"
#include "kernels/cuda/math.h"

enum { THREADS = SDRT_CUDA_ELEMENTWISE_THREADS };

/* Threads beyond the last value do nothing. */
DEVICE int beyond(int i, int n) { return i >= n + (PLANTED(elementwise_bound) ? 1 : 0); }

/* Exact in f32.  Subnormals of the small formats are normal numbers there. */
DEVICE float from_f16(uint32_t h)
{
    const uint32_t sign = (h & 0x8000u) << 16, rest = h & 0x7fffu;

    if (rest >= 0x7c00u) return float_of_bits(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    if (rest < 0x400u) return float_of_bits(sign | bits_of_float((float)rest * 0x1p-24f));
    return float_of_bits(sign | ((rest << 13) + (112u << 23)));
}

/* No infinities; the largest magnitude is NaN. */
DEVICE float from_e4m3(uint32_t b)
{
    const uint32_t sign = (b & 0x80u) << 24, rest = b & 0x7fu;

    if (rest == 0x7fu) return float_of_bits(sign | 0x7fc00000u);
    if (rest < 8u) return float_of_bits(sign | bits_of_float((float)rest * 0x1p-9f));
    return float_of_bits(sign | ((rest << 20) + (120u << 23)));
}

/* Of a table as a file stores it. */
DEVICE float load_stored(const void *p, enum sdrt_dtype from, size_t i)
{
    switch (from) {
    case SDRT_F16: return from_f16(((const uint16_t *)p)[i]);
    case SDRT_BF16: return float_of_bits((uint32_t)((const uint16_t *)p)[i] << 16);
    case SDRT_F8_E4M3: return from_e4m3(((const uint8_t *)p)[i]);
    case SDRT_F8_E5M2: return from_f16((uint32_t)((const uint8_t *)p)[i] << 8);
    default: return ((const float *)p)[i];
    }
}

KERNEL(timestep_embedding, sdrt_cuda_timesteps, THREADS, 8)
{
    const int i = thread_number(), half = p.dim / 2, j = i % p.dim % half;

    if (beyond(i, p.n * p.dim)) return;
    /* Rounded to f32 where diffusers rounds. */
    const float power = -9.210340371976184f * (float)j / (float)half;
    const float angle = p.t[i / p.dim] * (float)exp((double)power);
    p.y[i] = i % p.dim < half ? cosf(angle) : sinf(angle);
}

KERNEL(silu_of_sums, sdrt_cuda_sums, THREADS, 8)
{
    const int i = thread_number(), c = i % p.c, row = i / p.c;

    if (beyond(i, p.n * p.m * p.c)) return;
    p.y[i] = silu(p.a[(size_t)(row / p.m) * (size_t)p.c + (size_t)c] +
                  p.b[(size_t)(row % p.m) * (size_t)p.c + (size_t)c]);
}

KERNEL(embed, sdrt_cuda_embed, THREADS, 8)
{
    const int i = thread_number(), c = i % p.c, row = i / p.c;

    if (beyond(i, p.rows * p.c)) return;
    float v = load_stored(p.table, p.from, (size_t)p.ids[row] * (size_t)p.c + (size_t)c);
    if (p.positions)
        v += load_stored(p.positions, p.positions_from,
                         (size_t)(row % p.positions_n) * (size_t)p.c + (size_t)c);
    p.y[i] = v;
}

/* Of a key so many tokens ahead of the query. */
DEVICE int bucket_of(const sdrt_cuda_relative &p, int distance)
{
    const int half = p.buckets / 2, exact = half / 2, far = distance < 0 ? -distance : distance;
    const int first = distance > 0 ? half : 0;

    if (far < exact) return first + far;
    /* In f32 and in this order, as transformers computes it. */
    const float share = logf((float)far / (float)exact) / p.log_range;
    const int wide = exact + (int)(share * (float)(half - exact));
    return first + (wide < half ? wide : half - 1);
}

KERNEL(relative_bias, sdrt_cuda_relative, THREADS, 8)
{
    const int i = thread_number(), j = i % p.tokens, query = i / p.tokens % p.tokens;
    const int head = i / p.tokens / p.tokens;

    if (beyond(i, p.heads * p.tokens * p.tokens)) return;
    p.y[i] = load_stored(p.table, p.from, (size_t)(bucket_of(p, j - query) * p.heads + head));
}

KERNEL(guide, sdrt_cuda_layout, THREADS, 8)
{
    const int i = thread_number(), pixel = i % p.pixels, c = i / p.pixels % p.c;
    const size_t image = (size_t)(i / p.pixels / p.c), size = (size_t)p.pixels * (size_t)p.c;

    if (beyond(i, p.batch * p.pixels * p.c)) return;
    const size_t at = image * size + (size_t)pixel * (size_t)p.c + (size_t)c;
    const float u = p.x[at], cond = p.x[(size_t)p.batch * size + at];
    p.y[i] = u + p.scale * (cond - u);
}

KERNEL(to_nhwc, sdrt_cuda_layout, THREADS, 8)
{
    const int i = thread_number(), c = i % p.c, pixel = i / p.c % p.pixels;
    const size_t image = (size_t)(i / p.c / p.pixels % p.batch);

    if (beyond(i, p.images * p.pixels * p.c)) return;
    p.y[i] = p.scale * p.x[(image * (size_t)p.c + (size_t)c) * (size_t)p.pixels + (size_t)pixel];
}

KERNEL(to_nchw, sdrt_cuda_layout, THREADS, 8)
{
    const int i = thread_number(), pixel = i % p.pixels, c = i / p.pixels % p.c;
    const size_t image = (size_t)(i / p.pixels / p.c);

    if (beyond(i, p.batch * p.pixels * p.c)) return;
    p.y[i] = p.scale * p.x[(image * (size_t)p.pixels + (size_t)pixel) * (size_t)p.c + (size_t)c];
}

/* x [batch][h][w][c] -> y [batch][h/p * w/p][c][p][p] */
KERNEL(to_patches, sdrt_cuda_patches, THREADS, 8)
{
    const int i = thread_number(), square = p.p * p.p, token = i / square / p.c;
    const int across = p.w / p.p, c = i / square % p.c;
    const int row = token / across * p.p + i / p.p % p.p; /* of all images' rows */
    const int column = token % across * p.p + i % p.p;

    if (beyond(i, p.batch * p.h * p.w * p.c)) return;
    p.y[i] = p.x[((size_t)row * (size_t)p.w + (size_t)column) * (size_t)p.c + (size_t)c];
}

/* x [batch][h/p * w/p][p][p][c] -> y [batch][h][w][c] */
KERNEL(from_patches, sdrt_cuda_patches, THREADS, 8)
{
    const int i = thread_number(), c = i % p.c, column = i / p.c % p.w, row = i / p.c / p.w;
    const int token = row / p.p * (p.w / p.p) + column / p.p;

    if (beyond(i, p.batch * p.h * p.w * p.c)) return;
    p.y[i] = p.x[(((size_t)token * (size_t)p.p + (size_t)(row % p.p)) * (size_t)p.p +
                  (size_t)(column % p.p)) *
                     (size_t)p.c +
                 (size_t)c];
}

KERNEL(crop, sdrt_cuda_crop, THREADS, 8)
{
    const int i = thread_number(), c = i % p.c, x = i / p.c % p.w, y = i / p.c / p.w;
    const size_t row = (size_t)((p.side - p.h) / 2 + y), column = (size_t)((p.side - p.w) / 2 + x);

    if (beyond(i, p.h * p.w * p.c)) return;
    p.y[i] = load_stored(p.table, p.from,
                         (row * (size_t)p.side + column) * (size_t)p.c + (size_t)c);
}

KERNEL(relu_in_place, sdrt_cuda_in_place, THREADS, 8)
{
    const int i = thread_number(), c = i % p.c;

    if (beyond(i, p.rows * p.c)) return;
    float *x = p.x + (size_t)(i / p.c) * (size_t)p.pitch + c;
    const float v = *x, slope = p.slopes ? p.slopes[c] : p.slope;
    if (v > 0.0f) return;
    *x = slope == 0.0f ? 0.0f : slope * v;
}

KERNEL(silu_in_place, sdrt_cuda_in_place, THREADS, 8)
{
    const int i = thread_number();

    if (beyond(i, p.rows * p.c)) return;
    p.x[i] = silu(p.x[i]);
}

KERNEL(halve, sdrt_cuda_halve, THREADS, 8)
{
    const int lines = (p.h + 1) / 2, columns = (p.w + 1) / 2;
    const int i = thread_number(), c = i % p.c, column = i / p.c % columns * 2;
    const int line = i / p.c / columns % lines * 2, image = i / p.c / columns / lines;
    const int down = line + 1 < p.h ? 2 : 1, across = column + 1 < p.w ? 2 : 1;
    float sum = 0.0f;

    if (beyond(i, p.batch * lines * columns * p.c)) return;
    for (int y = line; y < line + down; y++)
        for (int x = column; x < column + across; x++)
            sum += p.x[(((size_t)image * (size_t)p.h + (size_t)y) * (size_t)p.w + (size_t)x) *
                           (size_t)p.c +
                       (size_t)c];
    p.y[i] = sum * (1.0f / (float)(down * across));
}

KERNEL(blend, sdrt_cuda_blend, THREADS, 8)
{
    const int i = thread_number();
    const size_t row = (size_t)(i / p.c), c = (size_t)(i % p.c);

    if (beyond(i, p.rows * p.c)) return;
    float v = p.a * p.x[row * (size_t)p.x_pitch + c];
    if (p.z) v += p.b * p.z[row * (size_t)p.z_pitch + c];
    p.y[row * (size_t)p.y_pitch + c] = v;
}

/* ---- low frequencies ---- */

enum { WAVES = SDRT_CUDA_LOW_WAVES, WARPS = THREADS / LANES };

/* What the four frequencies are made of at a pixel: 1, and the cosine and sine of -1 down, -1 across and
 * both.  An axis of one pixel has no other than 0. */
DEVICE void waves_at(const sdrt_cuda_low &p, int pixel, float (&wave)[WAVES])
{
    const float turn = 6.28318530717958647692f;
    const float down = turn * (float)(pixel / p.w) / (float)p.h;
    const float across = turn * (float)(pixel % p.w) / (float)p.w;
    const float tall = p.h > 1 ? 1.0f : 0.0f, wide = p.w > 1 ? 1.0f : 0.0f;

    wave[0] = 1.0f;
    wave[1] = tall * cosf(down);
    wave[2] = tall * sinf(down);
    wave[3] = wide * cosf(across);
    wave[4] = wide * sinf(across);
    wave[5] = tall * wide * cosf(down + across);
    wave[6] = tall * wide * sinf(down + across);
}

KERNEL(low_frequencies, sdrt_cuda_low, THREADS, 8)
{
    SHARED(shared);
    float *place = (float *)(void *)shared, sums[WAVES] = {}, wave[WAVES];
    const int pixels = p.h * p.w, lane = lane_number(), warp = warp_number();
    const int c = (int)blockIdx.x * LANES + lane;
    const int there = c < p.c + (PLANTED(low_bound) ? 1 : 0);
    float *x = p.x + (size_t)blockIdx.y * (size_t)pixels * (size_t)p.c + c;

    for (int pixel = warp; pixel < pixels; pixel += WARPS) {
        waves_at(p, pixel, wave);
        const float v = there ? x[(size_t)pixel * (size_t)p.c] : 0.0f;
#pragma unroll
        for (int k = 0; k < WAVES; k++) sums[k] += wave[k] * v;
    }
#pragma unroll
    for (int k = 0; k < WAVES; k++) place[(k * WARPS + warp) * LANES + lane] = sums[k];
    if (!PLANTED(low_no_barrier)) sync_block();
#pragma unroll
    for (int k = 0; k < WAVES; k++) {
        sums[k] = 0.0f;
        for (int i = 0; i < WARPS; i++) sums[k] += place[(k * WARPS + i) * LANES + lane];
    }
    for (int pixel = warp; pixel < pixels && there; pixel += WARPS) {
        float v = x[(size_t)pixel * (size_t)p.c];
        waves_at(p, pixel, wave);
#pragma unroll
        for (int k = 0; k < WAVES; k++) v += (p.gain - 1.0f) * wave[k] / (float)pixels * sums[k];
        x[(size_t)pixel * (size_t)p.c] = v;
    }
}
