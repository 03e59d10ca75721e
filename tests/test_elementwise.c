/* SPDX-License-Identifier: MIT */
#include "kernels/pack.h"
#include "kernels/store.h"
#include "tests/emulated.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int splits[] = { 1, 2, 3, 50 };
enum { SPLITS = sizeof splits / sizeof splits[0] };

/* All rows of y agree with want to a last bit or two, and nothing beside them changed. */
static void judge(const char *level, const char *what, const struct tbuf *y, const double *want,
                  double atol)
{
    const size_t n = y->bytes / sizeof(float);
    const struct tdiff d = tcompare(y->v, want, n, 1, 1, atol, 2e-7);

    cr_expect(d.bad == 0, "%s %s of %zu values, seed=%llu: %zu bad, max %.3g at %zu", level, what,
              n, (unsigned long long)trand_seed(), d.bad, d.max_abs, d.at);
    cr_expect(tbuf_ok(y), "%s %s: wrote outside", level, what);
}

static void check_timesteps(const char *level, const struct sdrt_elementwise_ops *ops)
{
    static const float t[] = { 0.0f, 1.0f, 999.0f, 500.5f, 37.0f };
    static const int dims[] = { 2, 4, 6, 14, 320 };
    enum { N = sizeof t / sizeof t[0] };

    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++)
        for (int n = 1; n <= N; n++)
            for (int k = 0; k < SPLITS; k++) {
                const int dim = dims[i], half = dim / 2;
                struct tbuf y = tbuf_floats((size_t)n * (size_t)dim);
                double want[N * 320];
                for (int j = 0; j < n * dim; j++) {
                    const double f = exp(-log(10000.0) * (j % half) / half);
                    const double angle = (double)t[j / dim] * f;
                    want[j] = j % dim < half ? cos(angle) : sin(angle);
                }
                for (int part = 0; part < splits[k]; part++) {
                    const struct sdrt_exec ex = { .part = part, .nparts = splits[k] };
                    cr_expect(ops->timestep_embedding(&ex, t, n, dim, y.v) == 0);
                }
                /* The angles reach 999; f32 arithmetic on them is allowed. */
                judge(level, "timestep embedding", &y, want, 1e-4);
                tbuf_free(&y);
            }
}

static void check_embed(const char *level, const struct sdrt_elementwise_ops *ops, uint64_t *rng)
{
    static const enum sdrt_dtype types[] = { SDRT_F32, SDRT_F16, SDRT_BF16 };
    enum { VOCAB = 11 };

    for (int c = 1; c <= 150; c += 1 + c / 8)
        for (int i = 0; i < 9; i++) {
            const enum sdrt_dtype from = types[i % 3], positions_from = types[i / 3];
            const int places = 1 + trand_int(rng, 5), rows = 1 + trand_int(rng, 12);
            const int nparts = splits[trand_int(rng, SPLITS)];
            struct tbuf table = tbuf_floats((size_t)VOCAB * (size_t)c);
            struct tbuf positions = tbuf_floats((size_t)places * (size_t)c);
            struct tbuf y = tbuf_floats((size_t)rows * (size_t)c);
            double words[VOCAB * 150], at[5 * 150], want[12 * 150];
            int32_t ids[12];
            for (int j = 0; j < VOCAB * c; j++) {
                words[j] = tround((double)trand(rng), from);
                tencode(words[j], from, table.p, (size_t)j);
            }
            for (int j = 0; j < places * c; j++) {
                at[j] = tround((double)trand(rng), positions_from);
                tencode(at[j], positions_from, positions.p, (size_t)j);
            }
            for (int r = 0; r < rows; r++) ids[r] = r ? trand_int(rng, VOCAB) : VOCAB - 1;
            for (int j = 0; j < rows * c; j++)
                want[j] = words[ids[j / c] * c + j % c] + at[j / c % places * c + j % c];
            for (int part = 0; part < nparts; part++) {
                const struct sdrt_exec ex = { .part = part, .nparts = nparts };
                cr_expect(ops->embed(&ex, rows, c, ids, table.p, from, positions.p, positions_from,
                                     places, y.v) == 0);
            }
            judge(level, "embed", &y, want, 2e-7);
            tbuf_free(&table), tbuf_free(&positions), tbuf_free(&y);
        }
}

static void check_silu_of_sums(const char *level, const struct sdrt_elementwise_ops *ops,
                               uint64_t *rng)
{
    for (int c = 1; c <= 70; c += 1 + c / 4) {
        const int n = 1 + trand_int(rng, 5), m = 1 + trand_int(rng, 3);
        const int nparts = splits[trand_int(rng, SPLITS)];
        struct tbuf a = tbuf_floats((size_t)(n * c)), b = tbuf_floats((size_t)(m * c));
        struct tbuf y = tbuf_floats((size_t)(n * m * c));
        double want[5 * 3 * 70];
        trand_rows(rng, a.v, 1, n * c, n * c, 4.0f);
        trand_rows(rng, b.v, 1, m * c, m * c, 4.0f);
        for (int i = 0; i < n * m * c; i++) {
            const double x = (double)a.v[i / c / m * c + i % c] + (double)b.v[i / c % m * c + i % c];
            want[i] = x / (1.0 + exp(-x));
        }
        for (int part = 0; part < nparts; part++) {
            const struct sdrt_exec ex = { .part = part, .nparts = nparts };
            cr_expect(ops->silu_of_sums(&ex, n, m, c, a.v, b.v, y.v) == 0);
        }
        judge(level, "silu of sums", &y, want, 1e-6);
        tbuf_free(&a), tbuf_free(&b), tbuf_free(&y);
    }
}

static void check_patches(const char *level, const struct sdrt_elementwise_ops *ops, uint64_t *rng)
{
    for (int i = 0; i < 40; i++) {
        const int p = 1 + trand_int(rng, 3), batch = 1 + trand_int(rng, 3), c = 1 + trand_int(rng, 17);
        const int h = p * (1 + trand_int(rng, 4)), w = p * (1 + trand_int(rng, 4));
        const int nparts = splits[trand_int(rng, SPLITS)];
        const size_t n = (size_t)(batch * h * w * c);
        struct tbuf x = tbuf_floats(n), rows = tbuf_floats(n), back = tbuf_floats(n);
        double *want = malloc(2 * n * sizeof *want);
        cr_assert_not_null(want);
        trand_rows(rng, x.v, 1, (int)n, (int)n, 1.0f);
        for (int j = 0; j < (int)n; j++) {
            const int k = j % c, at_x = j / c % w, at_y = j / c / w % h, b = j / c / w / h;
            const int token = (b * (h / p) + at_y / p) * (w / p) + at_x / p;
            const int dy = at_y % p, dx = at_x % p;
            want[((token * c + k) * p + dy) * p + dx] = (double)x.v[j];
        }
        for (int j = 0; j < (int)n; j++) {
            const int k = j % c, dx = j / c % p, dy = j / c / p % p, token = j / c / p / p;
            const int row = token / (w / p) * p + dy, column = token % (w / p) * p + dx;
            want[n + (size_t)((row * w + column) * c + k)] = (double)x.v[j];
        }
        for (int part = 0; part < nparts; part++) {
            const struct sdrt_exec ex = { .part = part, .nparts = nparts };
            cr_expect(ops->to_patches(&ex, batch, h, w, c, p, x.v, rows.v) == 0);
            cr_expect(ops->from_patches(&ex, batch, h, w, c, p, x.v, back.v) == 0);
        }
        judge(level, "to patches", &rows, want, 0.0);
        judge(level, "from patches", &back, want + n, 0.0);
        free(want);
        tbuf_free(&x), tbuf_free(&rows), tbuf_free(&back);
    }
}

static void check_crop(const char *level, const struct sdrt_elementwise_ops *ops, uint64_t *rng)
{
    static const enum sdrt_dtype types[] = { SDRT_F32, SDRT_F16, SDRT_BF16, SDRT_F8_E4M3,
                                             SDRT_F8_E5M2 };
    enum { MOST = 13, CHANNELS = 9 };

    for (int i = 0; i < 60; i++) {
        const enum sdrt_dtype from = types[i % 5];
        const int side = 1 + trand_int(rng, MOST), c = 1 + trand_int(rng, CHANNELS);
        const int h = 1 + trand_int(rng, side), w = 1 + trand_int(rng, side);
        const int nparts = splits[trand_int(rng, SPLITS)];
        struct tbuf table = tbuf_floats((size_t)(side * side * c));
        struct tbuf y = tbuf_floats((size_t)(h * w * c));
        float values[MOST * MOST * CHANNELS];
        double want[MOST * MOST * CHANNELS];
        for (int j = 0; j < side * side * c; j++)
            values[j] = j % 3 ? trand(rng) : 0.001f * trand(rng);
        cr_expect_eq(sdrt_from_f32(values, from, table.p, (size_t)(side * side * c)),
                     (size_t)(side * side * c));
        cr_expect_eq(sdrt_to_f32(table.p, from, values, (size_t)(side * side * c)), 0);
        for (int j = 0; j < h * w * c; j++) {
            const int at_y = j / c / w + (side - h) / 2, at_x = j / c % w + (side - w) / 2;
            want[j] = (double)values[(at_y * side + at_x) * c + j % c];
        }
        for (int part = 0; part < nparts; part++) {
            const struct sdrt_exec ex = { .part = part, .nparts = nparts };
            cr_expect(ops->crop(&ex, side, h, w, c, table.p, from, y.v) == 0);
        }
        judge(level, "crop", &y, want, 0.0);
        tbuf_free(&table), tbuf_free(&y);
    }
}

/* Types that weights never have must be refused, not misread. */
static void check_embed_refuses(const struct sdrt_elementwise_ops *ops)
{
    const struct sdrt_exec ex = { .part = 0, .nparts = 1 };
    const int32_t id = 0;
    const double table[1] = { 1.0 };
    float y[1];

    cr_expect(ops->embed(&ex, 1, 1, &id, table, SDRT_F64, table, SDRT_F32, 1, y) < 0);
    cr_expect(ops->embed(&ex, 1, 1, &id, table, SDRT_F32, table, SDRT_I8, 1, y) < 0);
    cr_expect(ops->crop(&ex, 1, 1, 1, 1, table, SDRT_F64, y) < 0);
}

struct layout {
    int batch, images, pixels, c;
    float scale;
};

static void check_layouts(const char *level, const struct sdrt_elementwise_ops *ops, uint64_t *rng,
                          const struct layout *l)
{
    const int b = l->batch, n = l->pixels, c = l->c, image = n * c;
    const int nparts = splits[trand_int(rng, SPLITS)];
    struct tbuf x = tbuf_floats((size_t)(2 * b * image));
    struct tbuf guided = tbuf_floats((size_t)(b * image)), nchw = tbuf_floats((size_t)(b * image));
    struct tbuf nhwc = tbuf_floats((size_t)(l->images * image));
    double *want = malloc((size_t)((b + l->images) * image) * sizeof *want);

    cr_assert_not_null(want);
    trand_rows(rng, x.v, 1, 2 * b * image, 2 * b * image, 1.0f);
    for (int part = 0; part < nparts; part++) {
        const struct sdrt_exec ex = { .part = part, .nparts = nparts };
        cr_expect(ops->guide(&ex, b, n, c, l->scale, x.v, guided.v) == 0);
        cr_expect(ops->to_nchw(&ex, b, n, c, l->scale, x.v, nchw.v) == 0);
        cr_expect(ops->to_nhwc(&ex, b, l->images, n, c, l->scale, x.v, nhwc.v) == 0);
    }
    for (int i = 0; i < b * image; i++) { /* y [batch][c][pixels] */
        const int from = i / image * image + i % n * c + i / n % c;
        const double u = (double)x.v[from], cond = (double)x.v[b * image + from];
        want[i] = u + (double)l->scale * (cond - u);
    }
    judge(level, "guide", &guided, want, 1e-6 * (1.0 + fabs((double)l->scale)));
    for (int i = 0; i < b * image; i++)
        want[i] = (double)l->scale * (double)x.v[i / image * image + i % n * c + i / n % c];
    judge(level, "to_nchw", &nchw, want, 0.0);
    for (int i = 0; i < l->images * image; i++) /* y [images][pixels][c] */
        want[i] = (double)l->scale * (double)x.v[i / image % b * image + i % c * n + i / c % n];
    judge(level, "to_nhwc", &nhwc, want, 0.0);
    free(want);
    tbuf_free(&x), tbuf_free(&guided), tbuf_free(&nchw), tbuf_free(&nhwc);
}

/* The frequencies -1 and 0 of both axes by their definition, each once. */
static void check_low_frequencies(const char *level, const struct sdrt_elementwise_ops *ops,
                                  uint64_t *rng, int h, int w, int c)
{
    enum { BATCH = 2 };
    const struct sdrt_low_shape s = { .batch = BATCH, .h = h, .w = w, .c = c, .gain = 0.3f };
    const int n = BATCH * h * w * c, nparts = 1 + trand_int(rng, 3);
    struct tbuf x = tbuf_floats((size_t)n);
    double *want = malloc((size_t)n * sizeof *want);

    cr_assert_not_null(want);
    trand_rows(rng, x.v, 1, n, n, 1.0f);
    for (int i = 0; i < n; i++) want[i] = (double)x.v[i];
    for (int k = 0; k < 4; k++) {
        if ((k & 1 && h == 1) || (k & 2 && w == 1)) continue;
        for (int lane = 0; lane < BATCH * c; lane++) {
            const float *from = x.v + lane / c * h * w * c + lane % c;
            double *to = want + lane / c * h * w * c + lane % c, re = 0, im = 0;
            const double v = k & 1 ? -2 * M_PI / h : 0, u = k & 2 ? -2 * M_PI / w : 0;
            for (int p = 0; p < h * w; p++) {
                const double at = v * (p / w) + u * (p % w);
                re += (double)from[p * c] * cos(at);
                im -= (double)from[p * c] * sin(at);
            }
            for (int p = 0; p < h * w; p++) {
                const double at = v * (p / w) + u * (p % w);
                to[p * c] += ((double)s.gain - 1) * (re * cos(at) - im * sin(at)) / (h * w);
            }
        }
    }
    for (int part = 0; part < nparts; part++) {
        const struct sdrt_exec ex = { .part = part, .nparts = nparts };
        cr_expect(ops->low_frequencies(&ex, &s, x.v) == 0);
    }
    judge(level, "low_frequencies", &x, want, 1e-5);
    free(want);
    tbuf_free(&x);
}

/* Both within wider rows, whose rest stays as it is. */
static void check_relu_and_blend(const char *level, const struct sdrt_elementwise_ops *ops,
                                 uint64_t *rng)
{
    enum { ROWS = 37, C = 19, PITCH = 23 };
    const struct sdrt_relu_shape relu = { .rows = ROWS, .c = C, .pitch = PITCH, .slope = 0.2f };
    const struct sdrt_blend_shape sum = { .rows = ROWS,
                                          .c = C,
                                          .x_pitch = PITCH,
                                          .z_pitch = C,
                                          .y_pitch = PITCH,
                                          .a = 0.2f,
                                          .b = -1.5f };
    struct tbuf x = tbuf_floats(ROWS * PITCH), y = tbuf_floats(ROWS * PITCH);
    double want[ROWS * C];
    float z[ROWS * C], slopes[C];

    for (int i = 0; i < C; i++) slopes[i] = trand(rng);
    for (int kind = 0; kind < 5; kind++) {
        trand_rows(rng, x.v, ROWS, C, PITCH, 1.0f);
        trand_rows(rng, z, ROWS, C, C, 1.0f);
        for (int i = 0; i < ROWS * C; i++) {
            const double v = x.v[i / C * PITCH + i % C];
            const double slope = kind == 0 ? 0.0 : kind == 1 ? (double)0.2f : slopes[i % C];
            want[i] = kind < 3    ? v > 0.0 ? v : slope * v
                      : kind == 3 ? (double)0.2f * v - 1.5 * z[i]
                                  : (double)0.2f * v;
        }
        for (int part = 0; part < 3; part++) {
            const struct sdrt_exec ex = { .part = part, .nparts = 3 };
            struct sdrt_relu_shape s = relu;
            if (kind == 0) s.slope = 0.0f;
            if (kind < 3) ops->relu(&ex, &s, kind == 2 ? slopes : NULL, x.v);
            else ops->blend(&ex, &sum, x.v, kind == 3 ? z : NULL, y.v);
        }
        const float *got = kind < 3 ? x.v : y.v;
        const struct tdiff d = tcompare(got, want, ROWS, C, PITCH, 1e-7, 1e-6);
        cr_expect_eq(d.bad, 0, "%s: kind %d: %g at %zu", level, kind, d.max_abs, d.at);
        cr_expect_eq(tgaps_written(got, ROWS, C, PITCH), 0, "%s: kind %d", level, kind);
    }
    cr_expect(tbuf_ok(&x) && tbuf_ok(&y), "%s", level);
    tbuf_free(&x), tbuf_free(&y);
}

/* In place, in shares, beside a guard. */
static void check_silu(const char *level, const struct sdrt_elementwise_ops *ops)
{
    enum { ROWS = 7, C = 5, COUNT = ROWS * C };
    float x[COUNT + 1];

    for (int i = 0; i <= COUNT; i++) x[i] = (float)(i - 16) * 0.75f;
    for (int part = 0; part < 3; part++) {
        const struct sdrt_exec ex = { .part = part, .nparts = 3 };
        cr_assert(ops->silu(&ex, ROWS, C, x) == 0);
    }
    for (int i = 0; i < COUNT; i++) {
        const double was = (i - 16) * 0.75;
        cr_expect(fabs((double)x[i] - was / (1.0 + exp(-was))) < 1e-6, "%s: %d", level, i);
    }
    cr_expect(x[COUNT] == (float)(COUNT - 16) * 0.75f, "%s", level);
}

/* Even and odd sides, in shares, beside a guard. */
static void check_halve(const char *level, const struct sdrt_elementwise_ops *ops)
{
    static const int sizes[][2] = { { 1, 1 }, { 4, 6 }, { 5, 4 }, { 3, 7 } };
    enum { C = 3, BATCH = 2, MOST = BATCH * 7 * 7 * C };
    float x[MOST], y[MOST + 1];

    for (int i = 0; i < MOST; i++) x[i] = (float)((i * 37) % 101) - 50.0f;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const int h = sizes[s][0], w = sizes[s][1], hh = (h + 1) / 2, hw = (w + 1) / 2;
        for (int i = 0; i <= MOST; i++) y[i] = NAN;
        for (int part = 0; part < 3; part++) {
            const struct sdrt_exec ex = { .part = part, .nparts = 3 };
            cr_assert(ops->halve(&ex, BATCH, h, w, C, x, y) == 0);
        }
        for (int i = 0; i < BATCH * hh * hw * C; i++) {
            const int c = i % C, at = i / C % hw, line = i / C / hw % hh, b = i / C / hw / hh;
            double sum = 0.0;
            int n = 0;
            for (int k = 0; k < 4; k++) {
                const int yy = 2 * line + k / 2, xx = 2 * at + k % 2;
                if (yy >= h || xx >= w) continue;
                sum += (double)x[((b * h + yy) * w + xx) * C + c];
                n++;
            }
            cr_expect(fabs((double)y[i] - sum / n) < 1e-4, "%s: %dx%d: %d", level, h, w, i);
        }
        cr_expect(isnan(y[BATCH * hh * hw * C]), "%s: %dx%d: beyond its end", level, h, w);
    }
}

static void check_level(const char *level)
{
    struct sdrt_elementwise_ops ops = { 0 };
    uint64_t rng = trand_seed();

    telementwise_init(&ops, level);
    check_timesteps(level, &ops);
    check_embed(level, &ops, &rng);
    check_embed_refuses(&ops);
    check_silu_of_sums(level, &ops, &rng);
    check_patches(level, &ops, &rng);
    check_crop(level, &ops, &rng);
    check_relu_and_blend(level, &ops, &rng);
    check_silu(level, &ops);
    check_halve(level, &ops);
    for (int i = 0; i < 12; i++)
        check_low_frequencies(level, &ops, &rng, 1 + trand_int(&rng, 9), 1 + trand_int(&rng, 9),
                              1 + trand_int(&rng, 140));
    for (int pixels = 1; pixels <= 70; pixels++)
        for (int c = 1; c <= 5; c++) {
            const struct layout l = { .batch = 1 + trand_int(&rng, 3),
                                      .images = 1 + trand_int(&rng, 6),
                                      .pixels = pixels,
                                      .c = c,
                                      .scale = 9.0f * trand(&rng) };
            check_layouts(level, &ops, &rng, &l);
        }
}

#define SDRT_LEVEL(level, ...) \
    Test(elementwise, level) { check_level(#level); }
#include "kernels/levels.h"

/* Without guidance the conditional prediction must come through unchanged. */
Test(elementwise, guide_of_scale_one_is_the_condition)
{
    const struct sdrt_exec ex = { .part = 0, .nparts = 1 };
    const float eps[] = { 0.25f, -1.0f, 0.5f, 2.0f }; /* u, u, cond, cond */
    struct sdrt_elementwise_ops ops = { 0 };
    float y[2];

    sdrt_elementwise_init(&ops, 0);
    cr_expect(ops.guide(&ex, 1, 2, 1, 1.0f, eps, y) == 0);
    cr_expect(y[0] == 0.5f && y[1] == 2.0f);
}

/* Row by row by the definition, in double. */
static void check_own_attention(const char *level, const struct sdrt_elementwise_ops *ops,
                                uint64_t *rng)
{
    const int heads = 1 + trand_int(rng, 3), dim = 1 + trand_int(rng, 20), c = heads * dim;
    const int rows = 1 + trand_int(rng, 9), count = 1 + trand_int(rng, rows);
    const struct sdrt_own_shape s = { .batch = 2,
                                      .rows = rows,
                                      .first = trand_int(rng, rows - count + 1),
                                      .count = count,
                                      .heads = heads,
                                      .head_dim = dim,
                                      .pitch = 3 * c,
                                      .o_pitch = c,
                                      .scale = 0.7f };
    const int nparts = 1 + trand_int(rng, 4), n = 2 * rows * c;
    struct tbuf qkv = tbuf_floats((size_t)n * 3), o = tbuf_floats((size_t)n);
    double *want = malloc((size_t)n * sizeof *want);

    cr_assert_not_null(want);
    trand_rows(rng, qkv.v, 2 * rows, 3 * c, 3 * c, 2.0f);
    trand_rows(rng, o.v, 1, n, n, 1.0f);
    for (int i = 0; i < n; i++) want[i] = (double)o.v[i];
    for (int i = 0; i < 2 * count * heads; i++) {
        const int row = i / heads / count * rows + s.first + i / heads % count, h = i % heads * dim;
        const float *all = qkv.v + (size_t)(row / rows * rows) * 3 * (size_t)c;
        double sum = 0;
        for (int d = 0; d < dim; d++) want[row * c + h + d] = 0;
        for (int r = 0; r < rows; r++) {
            double score = 0;
            if (r >= s.first && r < s.first + count && r != row % rows) continue;
            for (int d = 0; d < dim; d++)
                score += (double)all[row % rows * 3 * c + h + d] *
                         (double)all[r * 3 * c + c + h + d];
            const double weight = exp((double)s.scale * score);
            sum += weight;
            for (int d = 0; d < dim; d++)
                want[row * c + h + d] += weight * (double)all[r * 3 * c + 2 * c + h + d];
        }
        for (int d = 0; d < dim; d++) want[row * c + h + d] /= sum;
    }
    for (int part = 0; part < nparts; part++) {
        const struct sdrt_exec ex = { .part = part, .nparts = nparts };
        cr_expect(ops->own_attention(&ex, &s, qkv.v, qkv.v + c, qkv.v + 2 * c, o.v) == 0);
    }
    judge(level, "own_attention", &o, want, 1e-5);
    free(want);
    tbuf_free(&qkv), tbuf_free(&o);
}

Test(elementwise, own_attention)
{
    struct sdrt_elementwise_ops ops = { 0 };
    uint64_t rng = 29;

    sdrt_elementwise_init(&ops, 0);
    for (int i = 0; i < 200; i++) check_own_attention("generic", &ops, &rng);
}

Test(elementwise, no_null_entries)
{
    for (const struct sdrt_isa_level *l = sdrt_isa_levels; l->name; l++) {
        struct sdrt_elementwise_ops ops = { 0 };
        sdrt_elementwise_init(&ops, l->flags);
        cr_expect(ops.timestep_embedding && ops.embed && ops.silu_of_sums && ops.guide &&
                      ops.to_nhwc && ops.to_nchw && ops.to_patches && ops.from_patches &&
                      ops.crop && ops.relu && ops.silu && ops.halve && ops.blend &&
                      ops.low_frequencies && ops.own_attention,
                  "hole at %s", l->name);
    }
}
