/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/behind.h"
#include "kernels/pack.h"
#include "model/checkpoint/tensor_names.h"
#include "runtime/base/text.h"
#include "runtime/weights/low_rank.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the model's turn ---- */

struct question {
    struct sdrt_behind *b;
    int (*ask)(void *self, const char *name, int rank, const int64_t *shape,
               struct sdrt_weight_view *out);
    const char *name;
    int rank, status;
    const int64_t *shape;
    struct sdrt_weight_view *out;
};

static void put(void *user)
{
    struct question *q = user;

    q->status = q->ask(q->b->provider.self, q->name, q->rank, q->shape, q->out);
}

int sdrt_behind_get(struct sdrt_behind *b, const char *name, int rank, const int64_t *shape,
                    struct sdrt_weight_view *out)
{
    struct question q = { b, b->provider.get, name, rank, SDRT_OK, shape, out };

    sdrt_weight_store_change(b->store, put, &q);
    return q.status;
}

int sdrt_behind_describe(struct sdrt_behind *b, const char *name, int rank, const int64_t *shape,
                         struct sdrt_weight_view *out)
{
    struct question q = { b, b->provider.describe, name, rank, SDRT_OK, shape, out };

    sdrt_weight_store_change(b->store, put, &q);
    return q.status;
}

static void let_go(void *user)
{
    const struct question *q = user;

    q->b->provider.release(q->b->provider.self, q->name);
}

void sdrt_behind_release(struct sdrt_behind *b, const char *name)
{
    struct question q = { .b = b, .name = name };

    sdrt_weight_store_change(b->store, let_go, &q);
}

int sdrt_behind_has(struct sdrt_behind *b, const char *name)
{
    struct sdrt_weight_view view;

    if (sdrt_behind_describe(b, name, -1, NULL, &view) != SDRT_OK) return 0;
    if (view.data) sdrt_behind_release(b, name);
    return 1;
}

/* ---- sums ---- */

/* in_file with another leaf in the place of "weight". */
static int leaf_of(const char *in_file, const char *leaf, char out[SDRT_NAME_MAX])
{
    const char *const weight = ".weight";

    if (!sdrt_ends_with(in_file, weight)) return 0;
    return snprintf(out, SDRT_NAME_MAX, "%.*s.%s", (int)(strlen(in_file) - strlen(weight)), in_file,
                    leaf) < SDRT_NAME_MAX;
}

int sdrt_behind_is_sum(const struct sdrt_part *part, const char *in_file)
{
    char name[SDRT_NAME_MAX];

    return leaf_of(in_file, "up", name) && sdrt_part_has(part, name) &&
           leaf_of(in_file, "down", name) && sdrt_part_has(part, name);
}

/* A factor [rows][columns], f32, the caller's; NULL in values where only the shape is wanted. */
struct factor {
    float *values;
    size_t rows, columns;
};

static int read_factor(const struct sdrt_part *part, const char *name, int whole,
                       struct factor *out, const struct sdrt_log *log)
{
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(part->files);
    struct sdrt_weight_view view;
    int status = p.get(p.self, name, -1, NULL, &view);

    *out = (struct factor){ NULL, 0, 0 };
    if (status != SDRT_OK) return status;
    const size_t n = sdrt_weight_elements(&view);
    if (view.rank < 2 || !n)
        status = sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: expected two dimensions or more",
                           part->path, name);
    if (status == SDRT_OK) out->rows = (size_t)view.shape[0];
    if (status == SDRT_OK) out->columns = n / out->rows;
    if (status == SDRT_OK && whole && !(out->values = malloc(n * sizeof *out->values)))
        status = sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for %s", part->path, name);
    if (out->values && sdrt_to_f32(view.data, view.dtype, out->values, n) != 0)
        status = sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: %s: expected floating-point values",
                           part->path, name);
    p.release(p.self, name);
    return status;
}

/* The model's values of view with up times down into data. */
static int add_up(const struct sdrt_behind *b, const struct sdrt_weight_view *view,
                  const struct factor f[2], float *data, const char *name,
                  const struct sdrt_log *log)
{
    if (sdrt_to_f32(view->data, view->dtype, data, sdrt_weight_elements(view)) != 0)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: expected F32, F16 or BF16 values to add to",
                         name);
    return sdrt_low_rank_add(b->queue, data, (int)f[0].rows, (int)f[1].columns, f[0].values,
                             f[1].values, (int)f[1].rows, log);
}

/* A view whose data are summed and held. */
static int hold(struct sdrt_behind *b, const char *name, const struct factor f[2],
                struct sdrt_held_buffers *buffers, struct sdrt_weight_view *view,
                const struct sdrt_log *log)
{
    const size_t bytes = sdrt_weight_elements(view) * sizeof(float);
    float *data = sdrt_held_buffers_get(buffers, name, bytes);
    int status = SDRT_OK;

    if (!data) {
        data = sdrt_held_buffers_add(buffers, name, bytes);
        status = data ? add_up(b, view, f, data, name, log)
                      : sdrt_fail(log, SDRT_E_NOMEM, "no memory to add to %s", name);
        if (data && status != SDRT_OK) sdrt_held_buffers_release(buffers, name);
    }
    view->data = data;
    return status;
}

int sdrt_behind_sum(struct sdrt_behind *b, const struct sdrt_part *part, const char *in_file,
                    const char *name, int rank, struct sdrt_held_buffers *buffers,
                    struct sdrt_weight_view *out, const struct sdrt_log *log)
{
    const int whole = rank >= 0;
    char leaf[SDRT_NAME_MAX];
    struct factor f[2] = { { NULL, 0, 0 }, { NULL, 0, 0 } };
    int status = sdrt_behind_get(b, name, -1, NULL, out);

    if (status != SDRT_OK) return status;
    for (int i = 0; i < 2 && status == SDRT_OK; i++) {
        leaf_of(in_file, i ? "down" : "up", leaf);
        status = read_factor(part, leaf, whole, &f[i], log);
    }
    const int fits = f[0].columns == f[1].rows && out->rank > 0 &&
                     f[0].rows == (size_t)out->shape[0] &&
                     f[0].rows * f[1].columns == sdrt_weight_elements(out);
    if (status == SDRT_OK && !fits)
        status = sdrt_fail(log, SDRT_E_FORMAT,
                           "%s: %s: factors of %zu x %zu and %zu x %zu values: expected such as "
                           "fit the model's weight",
                           part->path, in_file, f[0].rows, f[0].columns, f[1].rows, f[1].columns);
    if (status == SDRT_OK && whole) status = hold(b, name, f, buffers, out, log);
    sdrt_behind_release(b, name);
    if (!whole) out->data = NULL;
    out->dtype = SDRT_F32;
    for (int i = 0; i < 2; i++) free(f[i].values);
    return status;
}
