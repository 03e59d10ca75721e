/* SPDX-License-Identifier: MIT
 *
 * Group norm sums and layer norm, for any vector length.  Include after vec.h.
 */
#include "kernels/norm.h"

#include <math.h>

/* Pixels summed in f32 before the sums move to f64: keeps the rounding error of a sum
 * near 1e-6 however large the image. */
enum { NORM_FLUSH = 256 };

/* d[0..VL-1] += v, for the first n lanes. */
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

/* Adds pixels p0 .. p1-1 of one vector of channels to the sums, relative to origin's values. */
SDRT_ALWAYS_INLINE void norm_column(const float *x, size_t pitch, const float *origin, int p0,
                                    int p1, int n, double *sum, double *square)
{
    const int whole = n >= VL;
    const vf k = whole ? v_load(origin) : v_load_n(origin, n);
    vf t = v_zero(), q = v_zero();

    for (int p = p0; p < p1; p++) {
        const float *at = x + (size_t)p * pitch;
        const vf d = v_sub(whole ? v_load(at) : v_load_n(at, n), k);
        t = v_add(t, d);
        q = v_fma(d, d, q);
    }
    norm_flush(sum, t, n);
    norm_flush(square, q, n);
}

static void norm_source(const float *x, int c_n, size_t pitch, int p0, int p1, double *sum,
                        double *square)
{
    for (int c = 0; c < c_n; c++) sum[c] = square[c] = 0.0;
    for (int b = p0; b < p1; b += NORM_FLUSH) {
        const int e = b + NORM_FLUSH < p1 ? b + NORM_FLUSH : p1;
        for (int c = 0; c < c_n; c += VL)
            norm_column(x + c, pitch, x + c, b, e, c_n - c, sum + c, square + c);
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

SDRT_ALWAYS_INLINE vf norm_load(const float *p, int n) { return n >= VL ? v_load(p) : v_load_n(p, n); }

/* The mean is taken relative to the row's first value, the variance relative to the mean. */
static void layer_norm_row(const struct sdrt_ln_shape *s, const float *x, const float *gamma,
                           const float *beta, float *y)
{
    const vf origin = v_set1(x[0]);
    vf sum = v_zero(), square = v_zero();
    float tail = 0.0f, tail_square = 0.0f;
    const int whole = s->c / VL * VL;

    for (int c = 0; c < whole; c += VL) sum = v_add(sum, v_sub(v_load(x + c), origin));
    for (int c = whole; c < s->c; c++) tail += x[c] - x[0];
    const float mean = x[0] + (v_hsum(sum) + tail) / (float)s->c;
    const vf m = v_set1(mean);
    for (int c = 0; c < whole; c += VL) {
        const vf d = v_sub(v_load(x + c), m);
        square = v_fma(d, d, square);
    }
    for (int c = whole; c < s->c; c++) tail_square += (x[c] - mean) * (x[c] - mean);
    const float variance = (v_hsum(square) + tail_square) / (float)s->c;
    const vf r = v_set1(1.0f / sqrtf(variance + s->eps));
    for (int c = 0; c < s->c; c += VL) {
        const int n = s->c - c;
        const vf d = v_mul(v_sub(norm_load(x + c, n), m), r);
        const vf v = v_fma(d, norm_load(gamma + c, n), norm_load(beta + c, n));
        if (n >= VL) v_store(y + c, v);
        else v_store_n(y + c, v, n);
    }
}

static int layer_norm(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s, const float *x,
                      const float *gamma, const float *beta, float *y)
{
    for (int r = sdrt_row_begin(s->rows, ex->part, ex->nparts);
         r < sdrt_row_begin(s->rows, ex->part + 1, ex->nparts); r++)
        layer_norm_row(s, x + (size_t)r * (size_t)s->x_pitch, gamma, beta,
                       y + (size_t)r * (size_t)s->y_pitch);
    return 0;
}

static void norm_fill(struct sdrt_norm_ops *ops)
{
    ops->gn_sums = gn_sums;
    ops->layer_norm = layer_norm;
}
