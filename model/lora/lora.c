/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "kernels/pack.h"
#include "model/lora/lora.h"
#include "model/checkpoint/tensor_names.h"
#include "runtime/files/held_buffers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A module of the model that a module of a file changes. */
struct touch {
    char *module; /* canonical, without .weight; owned */
    const struct sdrt_lora_module *change;
    size_t file;
    int third; /* of the change's rows that are the module's; -1: all */
};

struct applied {
    struct sdrt_lora_file *file; /* owned */
    double scale;
};

struct sdrt_loras {
    struct sdrt_weights_provider base;
    struct sdrt_lora_index *index;
    struct sdrt_lora_engine engine;
    struct applied *files;
    size_t n_files;
    struct touch *touches; /* sorted by module, then by file */
    size_t n_touches;
    struct sdrt_held_buffers merged;
};

int sdrt_loras_create(struct sdrt_loras **out, const struct sdrt_weights_provider *base,
                      struct sdrt_lora_index *index, const struct sdrt_lora_engine *engine)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return sdrt_fail(engine->log, SDRT_E_NOMEM, "no memory for LoRAs");
    (*out)->base = *base;
    (*out)->index = index;
    (*out)->engine = *engine;
    return SDRT_OK;
}

void sdrt_loras_clear(struct sdrt_loras *x)
{
    for (size_t i = 0; i < x->n_touches; i++) free(x->touches[i].module);
    for (size_t i = 0; i < x->n_files; i++) sdrt_lora_file_close(&x->files[i].file);
    free(x->touches);
    free(x->files);
    x->touches = NULL;
    x->files = NULL;
    x->n_touches = x->n_files = 0;
}

void sdrt_loras_free(struct sdrt_loras **loras)
{
    if (!*loras) return;
    sdrt_held_buffers_clear(&(*loras)->merged);
    sdrt_loras_clear(*loras);
    free(*loras);
    *loras = NULL;
}

size_t sdrt_loras_count(const struct sdrt_loras *x) { return x->n_files; }

const char *sdrt_loras_path(const struct sdrt_loras *x, size_t i)
{
    return sdrt_tensor_file_path(x->files[i].file->tensors);
}

double sdrt_loras_scale(const struct sdrt_loras *x, size_t i) { return x->files[i].scale; }

static int check_scale(const struct sdrt_loras *x, const char *path, double scale)
{
    if (isfinite(scale)) return SDRT_OK;
    return sdrt_fail(x->engine.log, SDRT_E_ARG, "%s: scale: expected a finite number", path);
}

static int by_module(const void *a, const void *b)
{
    const struct touch *x = a, *y = b;
    const int order = strcmp(x->module, y->module);

    return order ? order : (x->file > y->file) - (x->file < y->file);
}

/* Complains of what no module of the model takes; SDRT_OK where that is only a warning. */
static int foreign(const struct sdrt_loras *x, const char *path, const char *first, size_t count,
                   int lenient)
{
    static const char text[] = "%s: %s%s: no module of this model has such a tensor";
    char more[48] = "";

    if (!count) return SDRT_OK;
    if (count > 1) snprintf(more, sizeof more, " (and %zu more)", count - 1);
    if (!lenient) return sdrt_fail(x->engine.log, SDRT_E_UNSUPPORTED, text, path, first, more);
    sdrt_note(x->engine.log, SDRT_LOG_WARNING,
              "%s: left out %s%s: no module of this model has such a tensor", path, first, more);
    return SDRT_OK;
}

/* Does the model have what a change of the module's bias needs? */
static int takes_bias(const struct sdrt_loras *x, const char *module,
                      const struct sdrt_lora_module *change)
{
    struct sdrt_weight_view view;
    char name[SDRT_NAME_MAX];

    if (!change->role[SDRT_LORA_DIFF_BIAS] && !change->role[SDRT_LORA_UP_BIAS]) return 1;
    if (snprintf(name, sizeof name, "%s.bias", module) >= (int)sizeof name ||
        x->base.get(x->base.self, name, -1, NULL, &view) != SDRT_OK)
        return 0;
    x->base.release(x->base.self, name);
    return 1;
}

/* Lists the touches of file, which becomes number x->n_files, with room for all others;
 * *first and *count say what stays foreign. */
static int find_touches(struct sdrt_loras *x, const struct sdrt_lora_file *file, struct touch **out,
                        size_t *n, const char **first, size_t *count)
{
    struct touch *list = calloc(x->n_touches + 3 * file->count + 1, sizeof *list);

    *out = list;
    *n = 0;
    *first = file->unknown;
    *count = file->unknown_count;
    if (!list) return SDRT_E_NOMEM;
    for (size_t i = 0; i < file->count; i++) {
        const struct sdrt_lora_module *m = &file->modules[i];
        int third = -1;
        const char *module = sdrt_lora_index_find(x->index, m->key, 0, &third);
        if (!module || !takes_bias(x, module, m)) {
            for (int r = 0; r < SDRT_LORA_ROLES; r++) *count += m->role[r] != NULL;
            if (!*first) *first = m->sample;
            continue;
        }
        for (int k = 1; module; k++) {
            list[*n] = (struct touch){ strdup(module), m, x->n_files, third };
            if (!list[*n].module) return SDRT_E_NOMEM;
            ++*n;
            module = third < 0 ? NULL : sdrt_lora_index_find(x->index, m->key, k, &third);
        }
    }
    return SDRT_OK;
}

int sdrt_loras_add(struct sdrt_loras *x, const char *path, double scale, int lenient)
{
    struct sdrt_lora_file *file = NULL;
    struct applied *files;
    struct touch *fresh = NULL;
    const char *first;
    size_t n = 0, count;
    int status = check_scale(x, path, scale);

    if (status == SDRT_OK) status = sdrt_lora_file_open(&file, path, x->engine.log);
    if (status != SDRT_OK) return status;
    status = find_touches(x, file, &fresh, &n, &first, &count);
    files = status == SDRT_OK ? realloc(x->files, (x->n_files + 1) * sizeof *files) : NULL;
    if (files) x->files = files;
    else status = sdrt_fail(x->engine.log, SDRT_E_NOMEM, "%s: no memory for its modules", path);
    if (status == SDRT_OK && !n && !count)
        status = sdrt_fail(x->engine.log, SDRT_E_FORMAT, "%s: has no tensors", path);
    if (status == SDRT_OK) status = foreign(x, path, first, count, lenient);
    if (status != SDRT_OK) {
        for (size_t i = 0; i < n; i++) free(fresh[i].module);
        free(fresh);
        sdrt_lora_file_close(&file);
        return status;
    }
    if (x->n_touches) memcpy(fresh + n, x->touches, x->n_touches * sizeof *fresh);
    free(x->touches);
    x->touches = fresh;
    x->n_touches += n;
    qsort(x->touches, x->n_touches, sizeof *x->touches, by_module);
    x->files[x->n_files++] = (struct applied){ file, scale };
    return SDRT_OK;
}

void sdrt_loras_each_touched(const struct sdrt_loras *x, size_t i,
                             void (*fn)(void *user, const char *module), void *user)
{
    for (size_t t = 0; t < x->n_touches; t++)
        if (x->touches[t].file == i) fn(user, x->touches[t].module);
}

/* The touches of a tensor: *count of them from the one returned on.  *bias tells which of
 * the module's two tensors name is; NULL for a name that is neither. */
static const struct touch *touches_of(const struct sdrt_loras *x, const char *name, size_t *count,
                                      int *bias)
{
    const char *dot = strrchr(name, '.');
    size_t lo = 0, hi = x->n_touches;

    *count = 0;
    if (!dot || (strcmp(dot, ".weight") && strcmp(dot, ".bias"))) return NULL;
    *bias = dot[1] == 'b';
    const size_t stem = (size_t)(dot - name);
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        const char *module = x->touches[mid].module;
        const int order = strncmp(module, name, stem);
        if (order < 0) lo = mid + 1;
        else hi = mid;
    }
    while (lo + *count < x->n_touches && !strncmp(x->touches[lo + *count].module, name, stem) &&
           x->touches[lo + *count].module[stem] == '\0')
        ++*count;
    return x->touches + lo;
}

static int changes(const struct sdrt_loras *x, const struct touch *t, int bias)
{
    if (x->files[t->file].scale == 0.0) return 0;
    if (bias) return t->change->role[SDRT_LORA_DIFF_BIAS] || t->change->role[SDRT_LORA_UP_BIAS];
    return t->change->kind != SDRT_KIND_BIAS;
}

/* Does anything change this tensor? */
static int touched(const struct sdrt_loras *x, const char *name)
{
    size_t count;
    int bias;
    const struct touch *t = touches_of(x, name, &count, &bias);

    for (size_t i = 0; i < count; i++)
        if (changes(x, t + i, bias)) return 1;
    return 0;
}

static int merge_touch(struct sdrt_loras *x, const struct touch *t, int bias,
                       const struct sdrt_lora_weight *w)
{
    const struct applied *a = &x->files[t->file];
    const char *path = sdrt_tensor_file_path(a->file->tensors);

    return bias ? sdrt_lora_merge_bias(&x->engine, path, t->change, a->scale, w->data, w->rows)
                : sdrt_lora_merge_weight(&x->engine, path, t->change, a->scale, w);
}

/* A change of three modules at once, as of queries, keys and values in one matrix: it is merged
 * with zeros, and the module's third of that is added. */
static int merge_third(struct sdrt_loras *x, const struct touch *t, int bias,
                       const struct sdrt_lora_weight *w)
{
    const size_t n = (size_t)w->rows * (size_t)w->cols * (size_t)w->taps;
    struct sdrt_lora_weight all = { .rows = 3 * w->rows, .cols = w->cols, .taps = w->taps };
    int status;

    if (t->change->role[SDRT_LORA_DORA] || t->change->role[SDRT_LORA_DORA_ROW])
        return sdrt_fail(x->engine.log, SDRT_E_UNSUPPORTED,
                         "%s: %s: DoRA of queries, keys and values in one matrix: expected LoRA",
                         sdrt_loras_path(x, t->file), t->change->key);
    all.data = calloc(3 * n, sizeof *all.data);
    if (!all.data)
        return sdrt_fail(x->engine.log, SDRT_E_NOMEM, "no memory to merge %s", t->module);
    status = merge_touch(x, t, bias, &all);
    for (size_t i = 0; status == SDRT_OK && i < n; i++)
        w->data[i] += all.data[(size_t)t->third * n + i];
    free(all.data);
    return status;
}

static int merge_all(struct sdrt_loras *x, const char *name, const struct sdrt_weight_view *v,
                     float *data)
{
    const size_t n = sdrt_weight_elements(v);
    size_t count;
    int bias, status = SDRT_OK;
    const struct touch *t = touches_of(x, name, &count, &bias);
    const struct sdrt_lora_weight w = {
        .data = data,
        .rows = v->rank > 0 ? (int)v->shape[0] : 1,
        .cols = v->rank > 1 ? (int)v->shape[1] : 1,
        .taps = v->rank > 2 ? (int)(n / (size_t)(v->shape[0] * v->shape[1])) : 1,
    };

    for (size_t i = 0; status == SDRT_OK && i < count; i++)
        if (changes(x, t + i, bias))
            status = (t[i].third < 0 ? merge_touch : merge_third)(x, t + i, bias, &w);
    return status;
}

static int loras_get(void *self, const char *name, int rank, const int64_t *shape,
                     struct sdrt_weight_view *out)
{
    struct sdrt_loras *x = self;
    int status = x->base.get(x->base.self, name, rank, shape, out);
    size_t n;
    float *data;

    if (status != SDRT_OK || rank < 0 || !touched(x, name)) return status;
    n = sdrt_weight_elements(out);
    data = sdrt_held_buffers_get(&x->merged, name, n * sizeof *data);
    if (!data) {
        data = sdrt_held_buffers_add(&x->merged, name, n * sizeof *data);
        if (!data) status = sdrt_fail(x->engine.log, SDRT_E_NOMEM, "no memory to merge %s", name);
        else if (!n || sdrt_to_f32(out->data, out->dtype, data, n) != 0)
            status = sdrt_fail(x->engine.log, SDRT_E_UNSUPPORTED,
                               "%s: expected F32, F16 or BF16 values to merge with", name);
        else status = merge_all(x, name, out, data);
        if (status != SDRT_OK) sdrt_held_buffers_release(&x->merged, name);
    }
    x->base.release(x->base.self, name);
    out->data = data;
    out->dtype = SDRT_F32;
    return status;
}

static void loras_release(void *self, const char *name)
{
    struct sdrt_loras *x = self;

    if (touched(x, name)) sdrt_held_buffers_release(&x->merged, name);
    else x->base.release(x->base.self, name);
}

static void loras_prefetch(void *self, const char *name)
{
    struct sdrt_loras *x = self;

    x->base.prefetch(x->base.self, name);
}

/* What is merged comes whole. */
static int loras_describe(void *self, const char *name, int rank, const int64_t *shape,
                          struct sdrt_weight_view *out)
{
    struct sdrt_loras *x = self;

    if (rank >= 0 && touched(x, name)) return loras_get(self, name, rank, shape, out);
    return x->base.describe(x->base.self, name, rank, shape, out);
}

static int loras_read(void *self, const char *name, const struct sdrt_weight_view *view,
                      size_t first, size_t count, void *out)
{
    const struct sdrt_loras *x = self;

    return x->base.read(x->base.self, name, view, first, count, out);
}

static void loras_use_queue(void *self, struct sdrt_queue *queue)
{
    struct sdrt_loras *x = self;

    x->engine.queue = queue;
}

struct sdrt_weights_provider sdrt_loras_provider(struct sdrt_loras *x)
{
    const int describes = x->base.describe != NULL;

    return (struct sdrt_weights_provider){ .get = loras_get,
                                           .release = loras_release,
                                           .prefetch = loras_prefetch,
                                           .describe = describes ? loras_describe : NULL,
                                           .read = describes ? loras_read : NULL,
                                           .use_queue = loras_use_queue,
                                           .self = x };
}
