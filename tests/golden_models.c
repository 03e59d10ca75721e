/* SPDX-License-Identifier: MIT */
#include "tests/golden_models.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *path_in(const char *family, const char *name)
{
    static char path[8][512];
    static int next;
    const char *root = getenv("SDRT_TESTDATA");

    next = (next + 1) % 8;
    snprintf(path[next], sizeof path[next], "%s/golden/tiny-%s/%s", root ? root : "tests", family,
             name);
    return path[next];
}

struct sdrt_npy *golden(const char *family, const char *name)
{
    struct sdrt_npy *a = NULL;
    char path[256];

    snprintf(path, sizeof path, "golden/%s.npy", name);
    cr_assert_eq(sdrt_npy_read(&a, path_in(family, path), &kept_log), SDRT_OK, "%s", kept_text);
    return a;
}

void model_options(struct sdrt_options *o, const char *path)
{
    sdrt_options_init(o);
    o->model = path;
    o->precision = "f32";
    o->threads = 2;
    o->log = &kept_log;
}

struct sdrt_context *open_refined(const char *path, const char *refiner, const char *isa)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options o;

    model_options(&o, path);
    o.refiner = refiner;
    o.isa = isa;
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    return c;
}

struct sdrt_context *open_model(const char *path, const char *isa)
{
    return open_refined(path, NULL, isa);
}

void expect_refusal(const struct sdrt_options *o, const struct sdrt_request *r, int status,
                    const char *text)
{
    struct sdrt_context *c = NULL;
    struct sdrt_memory m;

    kept_lines = 0;
    int rc = sdrt_open(&c, o);
    if (rc == SDRT_OK) {
        /* Asked again, it is refused again: nothing of the first time passes for an answer. */
        const int first = sdrt_measure(c, r, &m);
        kept_lines = 0;
        rc = sdrt_measure(c, r, &m);
        cr_expect_eq(rc, first, "%s: %d, then %d", text, first, rc);
    }
    sdrt_close(&c);
    expect_failure(rc, status, text, text);
}

void expect_inspected(const char *path, const char *const *words)
{
    char *text = sdrt_inspect(path, &kept_log);

    cr_assert_not_null(text, "%s: %s", path, kept_text);
    for (; *words; words++) cr_expect(strstr(text, *words), "\"%s\" is not in:\n%s", *words, text);
    free(text);
}

double relative(const float *got, const float *want, size_t n)
{
    double error = 0.0, size = 0.0;

    for (size_t i = 0; i < n; i++) {
        error += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
        size += (double)want[i] * want[i];
    }
    return sqrt(error / size);
}

void judge(const char *family, const char *isa, const char *name, const float *got, double limit)
{
    struct sdrt_npy *want = golden(family, name);
    const double error = relative(got, want->data, want->elements);

    cr_expect(error <= limit, "%s, %s: %s differs by %.2e, more than %.0e", family, isa, name,
              error, limit);
    sdrt_npy_free(&want);
}

double psnr(const uint8_t *image, const char *family, const char *name)
{
    char path[64];

    snprintf(path, sizeof path, "image-%s/image", name);
    struct sdrt_npy *want = golden(family, path);
    double error = 0.0;
    for (size_t i = 0; i < want->elements; i++) {
        const double d = image[i] / 255.0 - rint(((const float *)want->data)[i] * 255.0) / 255.0;
        error += d * d / (double)want->elements;
    }
    sdrt_npy_free(&want);
    return -10.0 * log10(error + 1e-12);
}
