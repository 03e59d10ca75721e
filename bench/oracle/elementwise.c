/* SPDX-License-Identifier: MIT */
#include "bench/oracle/elementwise.h"
#include "bench/oracle/values.h"

#include <math.h>
#include <stdlib.h>

static const double pi = 3.14159265358979323846;

/* Of f32. */
static double at(const void *x, long i) { return (double)((const float *)x)[i]; }

static double silu(double x) { return x / (1.0 + exp(-x)); }

static void timestep(const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o, double *want)
{
    const int dim = s->size[1], half = dim / 2;

    for (long i = 0; i < (long)s->size[0] * dim; i++) {
        const double angle = at(o->x, i / dim) * pow(10000.0, -(double)(i % dim % half) / half);
        want[i] = i % dim < half ? cos(angle) : sin(angle);
    }
}

static void embed(const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o, double *want)
{
    const long c = s->size[2];

    for (long i = 0; i < s->size[0] * c; i++) {
        want[i] = tdecode(o->x, s->from, (size_t)(o->ids[i / c] * c + i % c));
        if (s->variant != 1)
            want[i] += tdecode(o->x2, s->from, (size_t)(i / c % s->size[1] * c + i % c));
    }
}

static void silu_of_sums(const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o,
                         double *want)
{
    const long m = s->size[1], c = s->size[2];

    for (long i = 0; i < s->size[0] * m * c; i++)
        want[i] = silu(at(o->x, i / c / m * c + i % c) + at(o->x2, i / c % m * c + i % c));
}

/* Which bucket a distance has; -1: either of two, by a rounding. */
static long bucket(const int *size, long ahead)
{
    const long half = size[2] / 2, exact = half / 2, far = labs(ahead);
    const long side = ahead > 0 ? half : 0;

    if (far < exact) return side + far;
    const double wide = log((double)far / (double)exact) / log((double)size[3] / (double)exact) *
                        (double)(half - exact);
    if (wide < (double)(half - exact) - 0.5 && fabs(wide - nearbyint(wide)) < 1e-4 && far > exact)
        return -1;
    const long b = exact + (long)(wide + 1e-6);
    return side + (b < half ? b : half - 1);
}

static void relative_bias(const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o,
                          double *want)
{
    const long n = s->size[0], heads = s->size[1];

    for (long i = 0; i < heads * n * n; i++) {
        const long b = bucket(s->size, i % n - i / n % n);
        want[i] = b < 0 ? NAN : tdecode(o->x, s->from, (size_t)(b * heads + i / n / n));
    }
}

/* Layouts, and guidance with one. */
static void layout(const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o, double *want)
{
    const long n = s->size[1], c = s->size[2], image = n * c, all = s->size[0] * image;
    const double factor = (double)s->factor;

    if (s->op == SDRT_EW_TO_NHWC) {
        for (long i = 0; i < 2 * all; i++)
            want[i] = factor * at(o->x, i / image % s->size[0] * image + i % c * n + i % image / c);
        return;
    }
    for (long i = 0; i < all; i++) {
        const long from = i / image * image + i % n * c + i % image / n;
        const double u = at(o->x, from);
        want[i] = s->op == SDRT_EW_GUIDE ? u + factor * (at(o->x, all + from) - u) : factor * u;
    }
}

static void patches(const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o, double *want)
{
    const long h = s->size[1], w = s->size[2], c = s->size[3], p = s->size[4];

    for (long i = 0; i < s->size[0] * h * w * c; i++) {
        const long k = i % c, x = i / c % w, y = i / c / w % h, b = i / c / w / h;
        const long token = (b * (h / p) + y / p) * (w / p) + x / p, dy = y % p, dx = x % p;
        if (s->op == SDRT_EW_TO_PATCHES) want[((token * c + k) * p + dy) * p + dx] = at(o->x, i);
        else want[i] = at(o->x, ((token * p + dy) * p + dx) * c + k);
    }
}

static void crop(const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o, double *want)
{
    const long side = s->size[0], h = s->size[1], w = s->size[2], c = s->size[3];

    for (long i = 0; i < h * w * c; i++) {
        const long y = i / c / w + (side - h) / 2, x = i / c % w + (side - w) / 2;
        want[i] = tdecode(o->x, s->from, (size_t)((y * side + x) * c + i % c));
    }
}

static void rows(const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o, double *want)
{
    const struct sdrt_blend_shape blend = sdrt_ew_blend(s);
    const long c = s->size[1];

    for (long i = 0; i < s->size[0] * c; i++) {
        const long pitch = s->op == SDRT_EW_SILU ? c : c + s->gap;
        const double x = at(o->x, i / c * pitch + i % c);
        const double slope = s->variant == 0   ? 0.0
                             : s->variant == 1 ? (double)s->factor
                             : o->x2           ? at(o->x2, i % c)
                                               : 0.0;
        if (s->op == SDRT_EW_SILU) want[i] = silu(x);
        else if (s->op == SDRT_EW_RELU) want[i] = x > 0.0 ? x : slope * x;
        else
            want[i] = (double)blend.a * x +
                      (s->variant == 1
                           ? 0.0
                           : (double)blend.b * at(o->x2, i / c * blend.z_pitch + i % c));
    }
}

static void halve(const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o, double *want)
{
    const long h = s->size[1], w = s->size[2], c = s->size[3], hh = (h + 1) / 2, hw = (w + 1) / 2;

    for (long i = 0; i < s->size[0] * hh * hw * c; i++) {
        const long x0 = i / c % hw * 2, y0 = i / c / hw % hh * 2, b = i / c / hw / hh;
        double sum = 0.0, n = 0.0;
        for (long y = y0; y < y0 + 2 && y < h; y++)
            for (long x = x0; x < x0 + 2 && x < w; x++, n += 1.0)
                sum += at(o->x, ((b * h + y) * w + x) * c + i % c);
        want[i] = sum / n;
    }
}

/* Frequencies (v, u) of -1 and 0 by the definition of a Fourier transform, there and back. */
static void low(const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o, double *want)
{
    const long h = s->size[1], w = s->size[2], c = s->size[3], image = h * w * c;

    for (long i = 0; i < s->size[0] * image; i++) want[i] = at(o->x, i);
    for (int k = 0; k < 4; k++) {
        const double v = k & 1 ? -2.0 * pi / (double)h : 0.0,
                     u = k & 2 ? -2.0 * pi / (double)w : 0.0;
        if ((k & 1 && h == 1) || (k & 2 && w == 1)) continue;
        for (long lane = 0; lane < s->size[0] * c; lane++) {
            const long first = lane / c * image + lane % c;
            double re = 0.0, im = 0.0;
            for (long p = 0; p < h * w; p++) {
                const double turn = v * (double)(p / w) + u * (double)(p % w);
                re += at(o->x, first + p * c) * cos(turn);
                im -= at(o->x, first + p * c) * sin(turn);
            }
            for (long p = 0; p < h * w; p++) {
                const double turn = v * (double)(p / w) + u * (double)(p % w);
                want[first + p * c] += ((double)s->factor - 1.0) *
                                       (re * cos(turn) - im * sin(turn)) / (double)(h * w);
            }
        }
    }
}

/* One head of one row that sees itself and those that are not among its like. */
static void own_row(const struct sdrt_own_shape *s, const struct sdrt_ew_operands *o, long image,
                    long row, long head, double *want)
{
    const long pitch = s->pitch, first = image * s->rows * pitch + head * s->head_dim;
    double most = -INFINITY, sum = 0.0;

    for (int pass = 0; pass < 2; pass++)
        for (long r = 0; r < s->rows; r++) {
            double score = 0.0;
            if (r != row && r >= s->first && r < s->first + s->count) continue;
            for (int d = 0; d < s->head_dim; d++)
                score += at(o->x, first + row * pitch + d) * at(o->x2, first + r * pitch + d);
            score *= (double)s->scale;
            if (!pass) {
                most = fmax(most, score);
                continue;
            }
            sum += exp(score - most);
            for (int d = 0; d < s->head_dim; d++)
                want[d] += exp(score - most) * at(o->x3, first + r * pitch + d);
        }
    for (int d = 0; d < s->head_dim; d++) want[d] /= sum;
}

static void own(const struct sdrt_ew_shape *shape, const struct sdrt_ew_operands *o, double *want)
{
    const struct sdrt_own_shape s = sdrt_ew_own(shape);
    const long c = (long)s.heads * s.head_dim;

    for (long i = 0; i < (long)s.batch * s.rows * s.heads; i++) {
        const long row = i / s.heads, mine = row % s.rows, head = i % s.heads;
        const int sees = mine >= s.first && mine < s.first + s.count;
        double *to = want + row * c + head * s.head_dim;
        for (int d = 0; d < s.head_dim; d++)
            to[d] = sees ? 0.0 : at(o->x, row * s.pitch + head * s.head_dim + d);
        if (sees) own_row(&s, o, row / s.rows, mine, head, to);
    }
}

void oracle_elementwise(const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o,
                        double *want)
{
    static void (*const definitions[SDRT_EW_OPS])(const struct sdrt_ew_shape *,
                                                  const struct sdrt_ew_operands *, double *) = {
        timestep, embed, silu_of_sums, relative_bias, layout, layout, layout, patches,
        patches,  crop,  rows,         rows,          halve,  rows,   low,    own,
    };

    definitions[s->op](s, o, want);
}
