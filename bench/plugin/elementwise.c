/* SPDX-License-Identifier: MIT
 *
 * Some elementwise operations to begin with.  Build them, check them against the oracle and time them:
 *
 *     cc -O3 -march=native -shared -fPIC -o mine.so elementwise.c
 *     sdbench kernels elementwise --kernel ./mine.so
 *     sdbench kernels elementwise --kernel ./mine.so --shape "elementwise silu 4096x320"
 *
 * Loops without a branch and an exponential without a call, which compilers turn into vectors.
 */
#include <sdrt_kernel.h>

#include <string.h>

/* 2^n * e^r, x = n ln 2 + r, to a last bit or two for |x| <= 87. */
static float exp_of(float x)
{
    const float shift = 12582912.0f; /* 1.5 * 2^23: what is added to it has no fraction */
    const float in = x < -87.0f ? -87.0f : x > 87.0f ? 87.0f : x;
    const float shifted = in * 1.44269504f + shift, n = shifted - shift;
    const float r = in - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f, power;

    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const int32_t bits = ((int32_t)n + 127) * (1 << 23);
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

static int silu(const struct sdrt_exec *ex, int rows, int c, float *x)
{
    const size_t begin = (size_t)sdrt_row_begin(rows, ex->part, ex->nparts) * (size_t)c;
    const size_t end = (size_t)sdrt_row_begin(rows, ex->part + 1, ex->nparts) * (size_t)c;

    for (size_t i = begin; i < end; i++) x[i] = x[i] / (1.0f + exp_of(-x[i]));
    return 0;
}

static int relu(const struct sdrt_exec *ex, const struct sdrt_relu_shape *s, const float *slopes,
                float *x)
{
    const int end = sdrt_row_begin(s->rows, ex->part + 1, ex->nparts);

    for (int r = sdrt_row_begin(s->rows, ex->part, ex->nparts); r < end; r++) {
        float *row = x + (size_t)r * (size_t)s->pitch;
        if (slopes)
            for (int i = 0; i < s->c; i++) row[i] *= row[i] > 0.0f ? 1.0f : slopes[i];
        else
            for (int i = 0; i < s->c; i++) row[i] = row[i] > 0.0f ? row[i] : s->slope * row[i];
    }
    return 0;
}

static int blend(const struct sdrt_exec *ex, const struct sdrt_blend_shape *s, const float *x,
                 const float *z, float *y)
{
    const int end = sdrt_row_begin(s->rows, ex->part + 1, ex->nparts);

    for (int r = sdrt_row_begin(s->rows, ex->part, ex->nparts); r < end; r++) {
        const float *from = x + (size_t)r * (size_t)s->x_pitch;
        const float *more = z ? z + (size_t)r * (size_t)s->z_pitch : from;
        const float b = z ? s->b : 0.0f;
        float *to = y + (size_t)r * (size_t)s->y_pitch;
        for (int i = 0; i < s->c; i++) to[i] = s->a * from[i] + b * more[i];
    }
    return 0;
}

int sdrt_kernel_fill(struct sdrt_kernel *k)
{
    if (k->abi != SDRT_KERNEL_ABI) return SDRT_KERNEL_ABI;
    k->elementwise->silu = silu;
    k->elementwise->relu = relu;
    k->elementwise->blend = blend;
    k->name = "plain loops";
    return SDRT_KERNEL_ABI;
}
