/* SPDX-License-Identifier: MIT
 *
 * Group norm sums and layer norm, for any vector length.  Include after vec.h.
 */
#include "kernels/norm.h"
#include "kernels/simd/narrow.h"
#include "kernels/simd/unroll.h"

#include <math.h>

/* Pixels summed in f32 before the sums move to f64: keeps the rounding error of a sum
 * near 1e-6 however large the image.  So many channels wait meanwhile, in 4 KiB of L1, and
 * so many pixels are read side by side, that the sums' loads and stores cost little. */
enum { NORM_FLUSH = 256, NORM_CHANNELS = 512, NORM_PIXELS = 8 };

SDRT_ALWAYS_INLINE vf norm_load(const float *p, int n)
{
    return n >= VL ? v_load(p) : v_load_n(p, n);
}

/* d[0 .. n-1] += v. */
static void norm_flush(double *d, vf v, int n)
{
    if (n >= VL) {
        v_add_to_f64(d, v);
    } else {
        float lanes[VL];
        v_store(lanes, v);
        for (int i = 0; i < n; i++) d[i] += lanes[i];
    }
}

/* Adds n pixels' values of one vector of channels, relative to origin. */
SDRT_ALWAYS_INLINE void norm_pixels(const int n, const float *x, size_t pitch, vf origin,
                                    int channels, float *sum, float *square)
{
    vf t = v_load(sum), q = v_load(square);

    SDRT_UNROLL(8)
    for (int p = 0; p < n; p++) {
        const vf d = v_sub(norm_load(x + (size_t)p * pitch, channels), origin);
        t = v_add(t, d);
        q = v_fma(d, d, q);
    }
    v_store(sum, t);
    v_store(square, q);
}

/* The same for n pixels of c_n channels, at most NORM_CHANNELS. */
SDRT_ALWAYS_INLINE void norm_strip(const int n, const float *x, size_t pitch, const float *origin,
                                   int c_n, float *sum, float *square)
{
    int c = 0;

    for (; c + VL <= c_n; c += VL)
        norm_pixels(n, x + c, pitch, v_load(origin + c), VL, sum + c, square + c);
    if (c < c_n)
        norm_pixels(n, x + c, pitch, v_load_n(origin + c, c_n - c), c_n - c, sum + c, square + c);
}

/* Adds pixels p0 .. p1-1, at most NORM_FLUSH, of c_n channels to the sums. */
static void norm_block(const float *x, size_t pitch, const float *origin, int p0, int p1, int c_n,
                       double *sum, double *square)
{
    float t[NORM_CHANNELS], q[NORM_CHANNELS];
    int p = p0;

    for (int c = 0; c < c_n; c += VL) {
        v_store(t + c, v_zero());
        v_store(q + c, v_zero());
    }
    for (; p + NORM_PIXELS <= p1; p += NORM_PIXELS)
        norm_strip(NORM_PIXELS, x + (size_t)p * pitch, pitch, origin, c_n, t, q);
    for (; p < p1; p++) norm_strip(1, x + (size_t)p * pitch, pitch, origin, c_n, t, q);
    for (int c = 0; c < c_n; c += VL) {
        norm_flush(sum + c, v_load(t + c), c_n - c);
        norm_flush(square + c, v_load(q + c), c_n - c);
    }
}

static void norm_source(const float *x, int c_n, size_t pitch, int p0, int p1, double *sum,
                        double *square)
{
    for (int c = 0; c < c_n; c++) sum[c] = square[c] = 0.0;
    for (int b = p0; b < p1; b += NORM_FLUSH) {
        const int e = b + NORM_FLUSH < p1 ? b + NORM_FLUSH : p1;
        for (int c = 0; c < c_n; c += NORM_CHANNELS) {
            const int n = c_n - c < NORM_CHANNELS ? c_n - c : NORM_CHANNELS;
            norm_block(x + c, pitch, x + c, b, e, n, sum + c, square + c);
        }
    }
}

static int gn_sums(const struct sdrt_exec *ex, const struct sdrt_gn_shape *s, const float *x,
                   const float *x2, double *sums)
{
    const size_t total = (size_t)(s->c + s->c2);
    const int p0 = sdrt_row_begin(s->pixels, ex->part, ex->nparts);
    const int p1 = sdrt_row_begin(s->pixels, ex->part + 1, ex->nparts);

    for (int b = 0; b < s->batch; b++) {
        double *sum = sums + ((size_t)ex->part * (size_t)s->batch + (size_t)b) * 2 * total;
        const size_t first = (size_t)b * (size_t)s->pixels;
        norm_source(x + first * (size_t)s->x_pitch, s->c, (size_t)s->x_pitch, p0, p1, sum,
                    sum + total);
        if (s->c2)
            norm_source(x2 + first * (size_t)s->x2_pitch, s->c2, (size_t)s->x2_pitch, p0, p1,
                        sum + s->c, sum + total + s->c);
    }
    return 0;
}

/* Sum of (x - centre) or of its square over a row; four sums hide the additions' latency. */
SDRT_ALWAYS_INLINE float norm_row_sum(const void *x, const int narrow, int c_n, float centre,
                                      const int squared)
{
    const vf m = v_set1(centre);
    vf t[4] = { v_zero(), v_zero(), v_zero(), v_zero() };
    float tail = 0.0f;
    int c = 0;

    for (; c + 4 * VL <= c_n; c += 4 * VL) {
        SDRT_UNROLL(4)
        for (int i = 0; i < 4; i++) {
            const vf d = v_sub(narrow_load(x, narrow, (size_t)(c + i * VL), VL), m);
            t[i] = squared ? v_fma(d, d, t[i]) : v_add(t[i], d);
        }
    }
    for (; c + VL <= c_n; c += VL) {
        const vf d = v_sub(narrow_load(x, narrow, (size_t)c, VL), m);
        t[0] = squared ? v_fma(d, d, t[0]) : v_add(t[0], d);
    }
    if (c < c_n) {
        float rest[VL];
        v_store(rest, narrow_load(x, narrow, (size_t)c, c_n - c));
        for (int i = 0; i < c_n - c; i++) {
            const float d = rest[i] - centre;
            tail += squared ? d * d : d;
        }
    }
    return v_hsum(v_add(v_add(t[0], t[1]), v_add(t[2], t[3]))) + tail;
}

/* The mean is taken relative to the row's first value, the variance relative to the mean.  Scaled
 * by gain[c] + one. */
SDRT_ALWAYS_INLINE void norm_row(const struct sdrt_ln_shape *s, const float *x, const float *gain,
                                 const float one, const float *shift, void *y, const int narrow)
{
    const float mean = x[0] + norm_row_sum(x, 0, s->c, x[0], 0) / (float)s->c;
    const float variance = norm_row_sum(x, 0, s->c, mean, 1) / (float)s->c;
    const vf m = v_set1(mean), r = v_set1(1.0f / sqrtf(variance + s->eps)), o = v_set1(one);

    for (int c = 0; c < s->c; c += VL) {
        const int n = s->c - c;
        const vf d = v_mul(v_sub(norm_load(x + c, n), m), r), g = norm_load(gain + c, n);
        const vf by = one != 0.0f ? v_add(g, o) : g;
        narrow_store(y, narrow, (size_t)c, v_fma(d, by, norm_load(shift + c, n)), n);
    }
}

SDRT_ALWAYS_INLINE void norm_rows(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s,
                                  const float *x, const float *gain, const float one,
                                  const float *shift, void *y)
{
    for (int r = sdrt_row_begin(s->rows, ex->part, ex->nparts);
         r < sdrt_row_begin(s->rows, ex->part + 1, ex->nparts); r++) {
        const float *row = x + (size_t)r * (size_t)s->x_pitch;
        void *to = sdrt_element(y, s->y_type, (size_t)r * (size_t)s->y_pitch);
        if (s->y_type == SDRT_BF16) norm_row(s, row, gain, one, shift, to, 1);
        else norm_row(s, row, gain, one, shift, to, 0);
    }
}

static int layer_norm(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s, const float *x,
                      const float *gamma, const float *beta, void *y)
{
    norm_rows(ex, s, x, gamma, 0.0f, beta, y);
    return 0;
}

static int ada_norm(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s, const float *x,
                    const float *scale, const float *shift, void *y)
{
    norm_rows(ex, s, x, scale, 1.0f, shift, y);
    return 0;
}

SDRT_ALWAYS_INLINE void rms_piece(const void *x, const int x_narrow, int width, float eps,
                                  const float *gamma, void *y, const int y_narrow)
{
    const float mean = norm_row_sum(x, x_narrow, width, 0.0f, 1) / (float)width;
    const vf r = v_set1(1.0f / sqrtf(mean + eps));

    for (int c = 0; c < width; c += VL) {
        const int n = width - c;
        const vf d = v_mul(narrow_load(x, x_narrow, (size_t)c, n), r);
        narrow_store(y, y_narrow, (size_t)c, v_mul(d, norm_load(gamma + c, n)), n);
    }
}

static int rms_norm(const struct sdrt_exec *ex, const struct sdrt_rms_shape *s, const void *x,
                    const float *gamma, void *y)
{
    const int from = s->x_type == SDRT_BF16, to = s->y_type == SDRT_BF16;

    for (int r = sdrt_row_begin(s->rows, ex->part, ex->nparts);
         r < sdrt_row_begin(s->rows, ex->part + 1, ex->nparts); r++)
        for (int g = 0; g < s->groups; g++) {
            const size_t at = (size_t)g * (size_t)s->width;
            const void *in = sdrt_element(x, s->x_type, (size_t)r * (size_t)s->x_pitch + at);
            void *out = sdrt_element(y, s->y_type, (size_t)r * (size_t)s->y_pitch + at);
            if (from && to) rms_piece(in, 1, s->width, s->eps, gamma, out, 1);
            else if (!from && !to) rms_piece(in, 0, s->width, s->eps, gamma, out, 0);
            else rms_piece(in, from, s->width, s->eps, gamma, out, to);
        }
    return 0;
}

static void norm_fill(struct sdrt_norm_ops *ops)
{
    ops->gn_sums = gn_sums;
    ops->layer_norm = layer_norm;
    ops->ada_norm = ada_norm;
    ops->rms_norm = rms_norm;
}
