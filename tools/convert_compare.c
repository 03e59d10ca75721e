/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "tools/convert.h"
#include "tools/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 18 };

/* Two chunks, and what their tensors have added up to. */
struct pair {
    void *raw;
    float *x, *y;
    double squares, errors, most;
};

static int same_shape(const struct convert_tensor *a, const struct convert_tensor *b)
{
    return a->rank == b->rank && !memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape);
}

static int compare_values(const struct convert_model *of_a, struct convert_tensor *a,
                          const struct convert_model *of_b, struct convert_tensor *b,
                          struct pair *p)
{
    const struct sdrt_log *log = of_a->log;
    int status = convert_begin(of_a, a);

    if (status == SDRT_OK) status = convert_begin(of_b, b);
    p->squares = p->errors = p->most = 0.0;
    for (size_t first = 0; first < a->values && status == SDRT_OK; first += CHUNK) {
        const size_t n = a->values - first < CHUNK ? a->values - first : CHUNK;
        status = convert_read_f32(a, first, n, p->raw, p->x, log);
        if (status == SDRT_OK) status = convert_read_f32(b, first, n, p->raw, p->y, log);
        for (size_t i = 0; i < n && status == SDRT_OK; i++) {
            const double error = fabs((double)p->x[i] - (double)p->y[i]);
            p->squares += (double)p->x[i] * (double)p->x[i];
            p->errors += error * error;
            /* NaN is beyond everything. */
            if (!(error <= p->most)) p->most = error;
        }
    }
    convert_end(of_a, a);
    convert_end(of_b, b);
    for (int i = 0; i < a->n_sources; i++) a->provider.release(a->provider.self, a->source[i]);
    for (int i = 0; i < b->n_sources; i++) b->provider.release(b->provider.self, b->source[i]);
    return status;
}

/* What a type's tensors have come to. */
struct tally {
    size_t tensors, equal;
    double worst; /* relative root mean square of errors */
    const char *name;
};

static void print(const struct tally tallies[SDRT_DTYPES], size_t missing)
{
    for (int i = 0; i < SDRT_DTYPES; i++) {
        const struct tally *t = &tallies[i];
        if (!t->tensors) continue;
        printf("%-8s %6zu tensors, %zu equal", sdrt_dtype_name((enum sdrt_dtype)i), t->tensors,
               t->equal);
        if (t->equal < t->tensors)
            printf(", worst error %.3g of its root mean square, in %s", t->worst, t->name);
        putchar('\n');
    }
    if (missing) printf("%zu tensors are in one alone or have two shapes\n", missing);
}

static double relative(const struct pair *p)
{
    if (isnan(p->most) || isnan(p->errors)) return HUGE_VAL;
    if (p->errors <= 0.0) return 0.0;
    return p->squares > 0.0 ? sqrt(p->errors / p->squares) : HUGE_VAL;
}

static void count(struct tally *t, const struct convert_tensor *b, const struct pair *p)
{
    const double error = relative(p);

    t->tensors++;
    t->equal += !(error > 0.0);
    if (error > t->worst || !t->name) {
        t->worst = error;
        t->name = b->name;
    }
}

int convert_compare(struct convert_model *a, struct convert_model *b, double most, int *same,
                    struct progress *progress, const volatile sig_atomic_t *stop)
{
    struct pair p = { malloc((size_t)CHUNK * 8),
                      malloc(CHUNK * sizeof(float)),
                      malloc(CHUNK * sizeof(float)),
                      0,
                      0,
                      0 };
    struct tally tallies[SDRT_DTYPES] = { { 0, 0, 0, NULL } };
    size_t i = 0, k = 0, missing = 0;
    int status = SDRT_OK;

    *same = 1;
    if (!p.raw || !p.x || !p.y) status = sdrt_fail(a->log, SDRT_E_NOMEM, "no memory to compare");
    progress_bytes_start(progress, 0);
    while ((i < a->n || k < b->n) && status == SDRT_OK) {
        const int order = i == a->n ? 1 : k == b->n ? -1 : strcmp(a->list[i].name, b->list[k].name);
        if (order || !same_shape(&a->list[i], &b->list[k])) {
            sdrt_note(a->log, SDRT_LOG_WARNING, "%s: %s",
                      order <= 0 ? a->list[i].name : b->list[k].name,
                      !order      ? "has another shape in the second"
                      : order < 0 ? "is not in the second"
                                  : "is not in the first");
            missing++;
        } else {
            status = compare_values(a, &a->list[i], b, &b->list[k], &p);
            count(&tallies[b->list[k].from], &b->list[k], &p);
            if (relative(&p) > most) *same = 0;
        }
        i += order <= 0;
        k += order >= 0;
        progress_bytes(progress, "compared", i, a->n);
        if (*stop) status = SDRT_E_CANCELLED;
    }
    progress_finish(progress);
    if (status == SDRT_OK) print((const struct tally *)tallies, missing);
    if (missing) *same = 0;
    free(p.raw);
    free(p.x);
    free(p.y);
    return status;
}
