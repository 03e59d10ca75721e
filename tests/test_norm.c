/* SPDX-License-Identifier: MIT */
#include "bench/shapes_norm.h"
#include "kernels/ops.h"
#include "tests/emulated.h"
#include "bench/oracle/norm.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the inputs lie: a mean far from 0 is where naive sums of squares lose digits. */
struct spread {
    float mean, width;
};

static const struct spread spreads[] = { { 0.0f, 3.0f }, { 100.0f, 3.0f }, { 1000.0f, 0.0f } };

static void affine(uint64_t *rng, float *gamma, float *beta, int n)
{
    for (int c = 0; c < n; c++) {
        gamma[c] = 1.0f + trand(rng);
        beta[c] = trand(rng);
    }
}

static void inputs(uint64_t *rng, float *x, size_t n, int width, int pitch, struct spread d)
{
    trand_rows(rng, x, n, width, pitch, d.width);
    for (size_t i = 0; i < n * (size_t)width; i++) {
        const size_t c = i % (size_t)width;
        x[i / (size_t)width * (size_t)pitch + c] +=
            d.width > 0.0f ? d.mean * (float)c / (float)width : d.mean;
    }
}

/* The sums that gn_sums promises, part by part. */
static size_t bad_sums(const struct sdrt_gn_shape *s, const float *x, const float *x2,
                       const double *sums)
{
    const int all = s->c + s->c2, parts = sdrt_gn_parts(s);
    size_t bad = 0;

    for (long i = 0; i < (long)parts * s->batch * all; i++) {
        const int c = (int)(i % all), b = (int)(i / all % s->batch);
        const int part = (int)(i / all / s->batch);
        const float *from = c < s->c ? x + c : x2 + (c - s->c);
        const long pitch = c < s->c ? s->x_pitch : s->x2_pitch;
        const double *got = sums + ((long)part * s->batch + b) * 2 * all + c;
        double t = 0.0, q = 0.0;
        from += (long)b * s->pixels * pitch;
        for (int p = sdrt_row_begin(s->pixels, part, parts);
             p < sdrt_row_begin(s->pixels, part + 1, parts); p++) {
            const double d = (double)from[p * pitch] - (double)from[0];
            t += d;
            q += d * d;
        }
        bad += !(fabs(got[0] - t) <= 1e-4 * (1.0 + sqrt(q)) && fabs(got[all] - q) <= 1e-5 * q);
    }
    return bad;
}

/* Every value as the following conv reads it. */
static void apply(const struct sdrt_gn_shape *s, const float *x, const float *x2, const float *msb,
                  float *y)
{
    const int all = s->c + s->c2;

    for (long p = 0; p < (long)s->batch * s->pixels; p++)
        for (int c = 0; c < all; c++) {
            const float *v = msb + p / s->pixels * 3 * all + c;
            const float in = c < s->c ? x[p * s->x_pitch + c] : x2[p * s->x2_pitch + c - s->c];
            y[p * all + c] = (in - v[0]) * v[all] + v[2 * all];
        }
}

static void check_gn(const char *level, const struct sdrt_norm_ops *ops, uint64_t *rng,
                     const struct sdrt_gn_shape *s, struct spread d)
{
    const size_t all = (size_t)(s->c + s->c2), pixels = (size_t)s->batch * (size_t)s->pixels;
    const int parts = sdrt_gn_parts(s), folds = 1 + trand_int(rng, s->batch);
    struct tbuf x = tbuf_floats(pixels * (size_t)s->x_pitch), y = tbuf_floats(pixels * all);
    struct tbuf x2 = tbuf_floats(pixels * (size_t)s->x2_pitch);
    struct tbuf gamma = tbuf_floats(all), beta = tbuf_floats(all);
    struct tbuf sums = tbuf_bytes(sdrt_gn_sums_bytes(s)), msb = tbuf_bytes(sdrt_gn_msb_bytes(s));
    double *want = malloc(pixels * all * sizeof *want);
    char text[200];

    cr_assert_not_null(want);
    snprintf(text, sizeof text, "%s batch=%d %dx%d+%d pitches %d %d groups=%d mean=%g seed=%llu",
             level, s->batch, s->pixels, s->c, s->c2, s->x_pitch, s->x2_pitch, s->groups,
             (double)d.mean, (unsigned long long)trand_seed());
    inputs(rng, x.v, pixels, s->c, s->x_pitch, d);
    inputs(rng, x2.v, pixels, s->c2, s->x2_pitch, d);
    affine(rng, gamma.v, beta.v, (int)all);
    const double rstd = oracle_group_norm(s, x.v, x2.v, gamma.v, beta.v, want);

    for (int part = 0; part < parts; part++) {
        const struct sdrt_exec ex = { .part = part, .nparts = parts };
        cr_expect(ops->gn_sums(&ex, s, x.v, s->c2 ? x2.v : NULL, sums.d) == 0);
    }
    for (int part = 0; part < folds; part++) {
        const struct sdrt_exec ex = { .part = part, .nparts = folds };
        cr_expect(ops->gn_fold(&ex, s, x.v, s->c2 ? x2.v : NULL, gamma.v, beta.v, sums.d,
                               msb.v) == 0);
    }
    /* A device reads the image anew in gn_fold. */
    cr_expect(!strncmp(level, "cuda", 4) || bad_sums(s, x.v, x2.v, sums.d) == 0, "%s: sums", text);
    apply(s, x.v, x2.v, msb.v, y.v);
    /* The mean is f32: half its last bit, multiplied as the values are.  A constant is exact. */
    const double off = d.width > 0.0f ? 2.0 * 1.2e-7 * (double)d.mean * rstd : 0.0;
    const struct tdiff r = tcompare(y.v, want, pixels, (int)all, (int)all, 3e-6 + off, 3e-6);
    cr_expect(r.bad == 0, "%s: %zu bad, max %.3g at %zu, nmse %.2g", text, r.bad, r.max_abs, r.at,
              r.nmse);
    cr_expect(tbuf_ok(&sums) && tbuf_ok(&msb) && tbuf_ok(&x) && tbuf_ok(&x2), "%s: wrote outside",
              text);
    free(want);
    tbuf_free(&x), tbuf_free(&x2), tbuf_free(&y), tbuf_free(&gamma), tbuf_free(&beta);
    tbuf_free(&sums), tbuf_free(&msb);
}

static void check_ln(const char *level, const struct sdrt_norm_ops *ops, uint64_t *rng,
                     const struct sdrt_ln_shape *s, struct spread d, int in_place, int ada)
{
    const size_t rows = (size_t)s->rows;
    struct tbuf x = tbuf_floats(rows * (size_t)s->x_pitch);
    struct tbuf y = tbuf_bytes(sdrt_dtype_bytes(s->y_type, rows * (size_t)s->y_pitch));
    struct tbuf gamma = tbuf_floats((size_t)s->c), beta = tbuf_floats((size_t)s->c);
    struct tbuf first = tbuf_bytes(y.bytes);
    const int nparts[] = { 1, 2, 7, s->rows + 1 };
    double *want = malloc(rows * (size_t)s->c * sizeof *want);
    char text[200];

    cr_assert_not_null(want);
    snprintf(text, sizeof text, "%s %dx%d to %s pitches %d %d mean=%g in_place=%d ada=%d seed=%llu",
             level, s->rows, s->c, sdrt_dtype_name(s->y_type), s->x_pitch, s->y_pitch, (double)d.mean, in_place, ada,
             (unsigned long long)trand_seed());
    inputs(rng, x.v, rows, s->c, s->x_pitch, d);
    affine(rng, gamma.v, beta.v, s->c);
    const double rstd = oracle_layer_norm(s, x.v, gamma.v, beta.v, want);
    /* adaLN is told how far from 1 the factor is. */
    for (int c = 0; ada && c < s->c; c++) gamma.v[c] -= 1.0f;
    for (size_t i = 0; i < sizeof nparts / sizeof nparts[0]; i++) {
        tbuf_nan(&y);
        for (size_t r = 0; in_place && r < rows; r++)
            memcpy(y.v + r * (size_t)s->y_pitch, x.v + r * (size_t)s->x_pitch,
                   (size_t)s->c * sizeof(float));
        for (int part = 0; part < nparts[i]; part++) {
            const struct sdrt_exec ex = { .part = part, .nparts = nparts[i] };
            struct sdrt_ln_shape shape = *s;
            if (in_place) shape.x_pitch = s->y_pitch;
            cr_expect((ada ? ops->ada_norm : ops->layer_norm)(&ex, &shape, in_place ? y.v : x.v,
                                                              gamma.v, beta.v, y.p) == 0);
        }
        if (i == 0) memcpy(first.p, y.p, y.bytes);
        cr_expect(!memcmp(first.p, y.p, y.bytes), "%s: %d parts change bits", text, nparts[i]);
    }
    const double off = d.width > 0.0f ? 2.0 * 1.2e-7 * (double)d.mean * rstd : 0.0;
    float *got = ttyped_values(&y, s->y_type);
    const struct tdiff r = tcompare(got, want, rows, s->c, s->y_pitch, 5e-6 + off,
                                    5e-6 + ttyped_error(s->y_type));
    cr_expect(r.bad == 0, "%s: %zu bad, max %.3g at %zu, nmse %.2g", text, r.bad, r.max_abs, r.at,
              r.nmse);
    cr_expect(tgaps_written(got, rows, s->c, s->y_pitch) == 0, "%s: wrote a gap", text);
    free(got);
    cr_expect(tbuf_ok(&y) && tbuf_ok(&x), "%s: wrote outside", text);
    free(want);
    tbuf_free(&x), tbuf_free(&y), tbuf_free(&gamma), tbuf_free(&beta), tbuf_free(&first);
}

static void check_rms(const char *level, const struct sdrt_norm_ops *ops, uint64_t *rng,
                      const struct sdrt_rms_shape *s, float size)
{
    const size_t rows = (size_t)s->rows;
    const int c = s->groups * s->width, nparts = 1 + trand_int(rng, s->rows + 1);
    struct tbuf values = tbuf_floats(rows * (size_t)s->x_pitch);
    struct tbuf y = tbuf_bytes(sdrt_dtype_bytes(s->y_type, rows * (size_t)s->y_pitch));
    struct tbuf gamma = tbuf_floats((size_t)s->width);
    double *want = malloc(rows * (size_t)c * sizeof *want);
    const int in_place = s->x_pitch == s->y_pitch && s->x_type == s->y_type && trand_int(rng, 2);
    char text[200];

    cr_assert_not_null(want);
    snprintf(text, sizeof text, "%s rms %d rows of %d x %d %s to %s pitches %d %d size=%g "
             "in_place=%d seed=%llu", level, s->rows, s->groups, s->width,
             sdrt_dtype_name(s->x_type), sdrt_dtype_name(s->y_type), s->x_pitch, s->y_pitch, (double)size, in_place,
             (unsigned long long)trand_seed());
    trand_rows(rng, values.v, rows, c, s->x_pitch, size);
    trand_rows(rng, gamma.v, 1, s->width, s->width, 1.0f);
    struct tbuf x = ttyped_rows(values.v, s->x_type, rows, (size_t)c, (size_t)s->x_pitch);
    float *in = ttyped_values(&x, s->x_type);
    oracle_rms_norm(s, in, gamma.v, want);
    if (in_place) memcpy(y.p, x.p, y.bytes);
    for (int part = 0; part < nparts; part++) {
        const struct sdrt_exec ex = { .part = part, .nparts = nparts };
        cr_expect(ops->rms_norm(&ex, s, in_place ? y.p : x.p, gamma.v, y.p) == 0);
    }
    float *got = ttyped_values(&y, s->y_type);
    const struct tdiff r = tcompare(got, want, rows, c, s->y_pitch, 1e-6,
                                    2e-6 + ttyped_error(s->y_type));
    cr_expect(r.bad == 0, "%s: %zu bad, max %.3g at %zu, nmse %.2g", text, r.bad, r.max_abs, r.at,
              r.nmse);
    cr_expect(tgaps_written(got, rows, c, s->y_pitch) == 0, "%s: wrote a gap", text);
    free(in);
    free(got);
    cr_expect(tbuf_ok(&y) && tbuf_ok(&x), "%s: wrote outside", text);
    free(want);
    tbuf_free(&values), tbuf_free(&x), tbuf_free(&y), tbuf_free(&gamma);
}

static void check_rms_level(const char *level)
{
    struct sdrt_norm_ops ops = { 0 };
    uint64_t rng = trand_seed();

    tnorm_init(&ops, level);
    for (int i = 0; i < 280; i++) {
        struct sdrt_rms_shape s = { .rows = 1 + trand_int(&rng, 9), .groups = 1 + trand_int(&rng, 5),
                                    .width = 1 + i / 4, .eps = 1e-6f };
        s.x_pitch = s.y_pitch = s.groups * s.width + i % 2 * trand_int(&rng, 9);
        if (i % 3 == 0) s.y_pitch += trand_int(&rng, 3);
        s.x_type = trand_type(&rng);
        s.y_type = trand_type(&rng);
        /* Small ones, where eps counts, and T5's, whose squares leave f16's range, as they do themselves. */
        const float large = s.x_type == SDRT_F16 ? 6e4f : 1e5f;
        check_rms(level, &ops, &rng, &s, i % 5 == 0 ? 1e-3f : i % 5 == 1 ? large : 1.0f);
    }
    for (int i = 0; i < SDRT_RMS_MODEL_SHAPES; i++) {
        struct sdrt_rms_shape s = sdrt_rms_model_shapes[i].s;
        s.rows = s.rows < 33 ? s.rows : 33;
        s.x_type = s.y_type = trand_type(&rng);
        check_rms(level, &ops, &rng, &s, i % 2 ? 3.0f : 100.0f);
    }
    /* Squares near the end of f32's range, and zeros alone. */
    const struct sdrt_rms_shape t5 = { .rows = 5, .groups = 1, .width = 4096, .x_pitch = 4096,
                                       .y_pitch = 4096, .eps = 1e-6f };
    check_rms(level, &ops, &rng, &t5, 1e15f);
    check_rms(level, &ops, &rng, &t5, 0.0f);
}

static void check_gn_level(const char *level)
{
    struct sdrt_norm_ops ops = { 0 };
    uint64_t rng = trand_seed();

    tnorm_init(&ops, level);
    for (int per = 1; per <= 20; per++)
        for (int i = 0; i < 12; i++) {
            const int groups = 1 + trand_int(&rng, 6), all = groups * per;
            struct sdrt_gn_shape s = { .batch = 1 + trand_int(&rng, 3),
                                       .pixels = 1 + trand_int(&rng, i < 10 ? 200 : 1500),
                                       .groups = groups, .eps = i % 2 ? 1e-5f : 1e-6f };
            s.c2 = all > 1 && i % 3 == 0 ? 1 + trand_int(&rng, all - 1) : 0;
            s.c = all - s.c2;
            s.x_pitch = s.c + i % 2 * trand_int(&rng, 9);
            s.x2_pitch = s.c2 + i % 2 * trand_int(&rng, 9);
            check_gn(level, &ops, &rng, &s, spreads[i % 3]);
            check_gn(level, &ops, &rng, &s, spreads[(i + 1) % 3]);
        }
    for (int i = 0; i < SDRT_GN_MODEL_SHAPES; i++) {
        struct sdrt_gn_shape s = sdrt_gn_model_shapes[i].s;
        s.pixels = s.pixels < 67 ? s.pixels : 67;
        check_gn(level, &ops, &rng, &s, spreads[i % 2]);
    }
    /* One past the pixels after which sums leave f32. */
    const struct sdrt_gn_shape big = { .batch = 1, .pixels = 64 * 300 + 1, .c = 24, .x_pitch = 24,
                                       .groups = 8, .eps = 1e-6f };
    check_gn(level, &ops, &rng, &big, spreads[1]);
}

static void check_ln_level(const char *level)
{
    struct sdrt_norm_ops ops = { 0 };
    uint64_t rng = trand_seed();

    tnorm_init(&ops, level);
    for (int c = 1; c <= 70; c++)
        for (int i = 0; i < 4; i++) {
            struct sdrt_ln_shape s = { .rows = 1 + trand_int(&rng, 12), .c = c, .eps = 1e-5f,
                                       .x_pitch = c + i % 2 * trand_int(&rng, 9),
                                       .y_pitch = c + i / 2 * trand_int(&rng, 9) };
            s.y_type = i == 3 ? SDRT_F32 : trand_type(&rng);
            check_ln(level, &ops, &rng, &s, spreads[trand_int(&rng, 3)], i == 3, 0);
            s.y_type = i == 2 ? SDRT_F32 : trand_type(&rng);
            check_ln(level, &ops, &rng, &s, spreads[trand_int(&rng, 3)], i == 2, 1);
        }
    for (int i = 0; i < SDRT_LN_MODEL_SHAPES; i++) {
        struct sdrt_ln_shape s = sdrt_ln_model_shapes[i].s;
        s.rows = s.rows < 33 ? s.rows : 33;
        s.y_type = trand_type(&rng);
        check_ln(level, &ops, &rng, &s, spreads[i % 2], 0, 0);
    }
}

/* One test for each level, so that the report names the one that broke. */
#define SDRT_LEVEL(level, ...) Test(norm, group_norm_##level) { check_gn_level(#level); }
#include "kernels/levels.h"
#define SDRT_LEVEL(level, ...) Test(norm, layer_norm_##level) { check_ln_level(#level); }
#include "kernels/levels.h"

#define SDRT_LEVEL(level, ...) Test(norm, rms_norm_##level) { check_rms_level(#level); }
#include "kernels/levels.h"

/* The share count is part of the result: it may change with the shape alone. */
Test(norm, parts)
{
    struct sdrt_gn_shape s = { .batch = 2, .pixels = 1, .c = 32, .c2 = 64, .groups = 32 };

    for (; s.pixels < 1 << 20; s.pixels = s.pixels * 3 / 2 + 1) {
        const int parts = sdrt_gn_parts(&s);
        cr_expect(parts >= 1 && parts <= s.pixels, "%d parts of %d pixels", parts, s.pixels);
        cr_expect(sdrt_gn_sums_bytes(&s) == (size_t)parts * 2 * 2 * 96 * sizeof(double));
        cr_expect(sdrt_gn_msb_bytes(&s) == 2 * 3 * 96 * sizeof(float));
    }
}

Test(norm, no_null_entries)
{
    for (const struct sdrt_isa_level *l = sdrt_isa_levels; l->name; l++) {
        struct sdrt_norm_ops ops = { 0 };
        sdrt_norm_init(&ops, l->flags);
        cr_expect(ops.gn_sums && ops.gn_fold && ops.layer_norm && ops.ada_norm &&
                  ops.rms_norm, "hole at %s", l->name);
    }
}
