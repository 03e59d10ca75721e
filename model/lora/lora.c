/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "kernels/pack.h"
#include "model/lora/by_weight.h"
#include "model/lora/lora.h"
#include "model/checkpoint/lora_base.h"
#include "model/checkpoint/tensor_names.h"
#include "runtime/files/held_buffers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A module of the model that a module of a file changes. */
struct touch {
    char *module; /* canonical, without .weight; owned */
    const struct sdrt_lora_module *change;
    size_t file;
    double scale;
    struct sdrt_name_part where; /* in the change's rows the module is */
};

struct applied {
    struct sdrt_lora_file *file; /* owned */
    struct sdrt_lora_strength strength;
};

struct sdrt_loras {
    struct sdrt_weights_provider base;
    struct sdrt_lora_index *index;
    struct sdrt_lora_engine engine;
    const char *family; /* NULL: not known */
    struct applied *files;
    size_t n_files;
    struct touch *touches; /* sorted by module, then by file */
    size_t n_touches;
    struct sdrt_held_buffers merged;
};

int sdrt_loras_create(struct sdrt_loras **out, const struct sdrt_weights_provider *base,
                      struct sdrt_lora_index *index, const struct sdrt_lora_engine *engine,
                      const char *family)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return sdrt_fail(engine->log, SDRT_E_NOMEM, "no memory for LoRAs");
    (*out)->base = *base;
    (*out)->index = index;
    (*out)->engine = *engine;
    (*out)->family = family;
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

const struct sdrt_lora_strength *sdrt_loras_strength(const struct sdrt_loras *x, size_t i)
{
    return &x->files[i].strength;
}

static int by_module(const void *a, const void *b)
{
    const struct touch *x = a, *y = b;
    const int order = strcmp(x->module, y->module);

    return order ? order : (x->file > y->file) - (x->file < y->file);
}

/* Tensors of a file that nothing is done with: the first and how many. */
struct left {
    const char *first;
    size_t count;
};

static const char *more_of(const struct left *l, char out[48])
{
    out[0] = '\0';
    if (l->count > 1) snprintf(out, 48, " (and %zu more)", l->count - 1);
    return out;
}

/* What sorting a file's modules gave. */
struct found {
    struct touch *list; /* owned, with room for all of the set's others */
    size_t n;
    struct left foreign; /* no module takes it */
    struct left of_t5;   /* the model has no T5 */
};

static int is_other_family(const struct sdrt_loras *x, const struct sdrt_lora_file *file, int notes)
{
    const char *base = x->family ? sdrt_lora_file_base(file->tensors, notes) : NULL;

    if (!base || sdrt_lora_base_fits(base, x->family)) return 0;
    sdrt_fail(x->engine.log, SDRT_E_UNSUPPORTED, "%s: is a LoRA for %s; the model is %s",
              sdrt_tensor_file_path(file->tensors), base, x->family);
    return 1;
}

/* Complains of what no module of the model takes; SDRT_OK where that is only a warning. */
static int foreign(const struct sdrt_loras *x, const struct sdrt_lora_file *file,
                   const struct found *f, int lenient)
{
    const struct sdrt_log *log = x->engine.log;
    const char *path = sdrt_tensor_file_path(file->tensors), *first = f->foreign.first;
    char more[48];

    more_of(&f->foreign, more);
    if (!f->n && !f->foreign.count)
        return f->of_t5.count || file->bundled
                   ? sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: %s: nothing in it fits this model",
                               path, f->of_t5.count ? f->of_t5.first : file->bundled)
                   : sdrt_fail(log, SDRT_E_FORMAT, "%s: has no tensors", path);
    if (!f->foreign.count) return SDRT_OK;
    if (is_other_family(x, file, 1)) return SDRT_E_UNSUPPORTED;
    if (sdrt_lora_unmerged_kind(first) && (!lenient || !f->n))
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: %s%s: is of %s, which cannot be merged",
                         path, first, more, sdrt_lora_unmerged_kind(first));
    if (!lenient || !f->n)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: %s%s: no module of this model has such a tensor%s", path, first, more,
                         lenient ? ", and nothing else is in it" : "");
    sdrt_note(log, SDRT_LOG_WARNING, "%s: left out %s%s: no module of this model has such a tensor",
              path, first, more);
    return SDRT_OK;
}

/* One line for each thing of no use. */
static void note_useless(const struct sdrt_loras *x, const struct sdrt_lora_file *file,
                         const struct found *f)
{
    const struct left bundled = { file->bundled, file->bundled_count };
    const char *path = sdrt_tensor_file_path(file->tensors);
    char more[48];

    if (f->of_t5.count)
        sdrt_note(x->engine.log, SDRT_LOG_WARNING,
                  "%s: left out %s%s: it changes the T5, which this model is without", path,
                  f->of_t5.first, more_of(&f->of_t5, more));
    if (bundled.count)
        sdrt_note(x->engine.log, SDRT_LOG_WARNING,
                  "%s: left out %s%s: textual inversions that come with a LoRA are not used", path,
                  bundled.first, more_of(&bundled, more));
}

/* Names of a T5's modules, as keys have them. */
static int is_of_t5(const char *key)
{
    static const char *const prefixes[] = { "lora_te3_", "text_encoder_3_", "t5_", "t5xxl_",
                                            "text_encoders_t5xxl_" };

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (!strncmp(key, prefixes[i], strlen(prefixes[i]))) return 1;
    return 0;
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

/* Adds the module's touches; 0 when no module of the model takes it, else 1 or SDRT_E_NOMEM. */
static int add_touches(struct sdrt_loras *x, const struct sdrt_lora_module *m,
                       const struct sdrt_lora_strength *strength, struct found *f)
{
    struct sdrt_lora_place place;

    if (!sdrt_lora_index_find(x->index, m->key, 0, &place) || !takes_bias(x, place.module, m))
        return 0;
    for (int k = 1;; k++) {
        char *module = strdup(place.module);
        if (!module) return SDRT_E_NOMEM;
        f->list[f->n++] = (struct touch){ .module = module,
                                          .change = m,
                                          .file = x->n_files,
                                          .scale = sdrt_lora_strength_at(strength, &place),
                                          .where = place.where };
        if (place.where.third < 0 || !sdrt_lora_index_find(x->index, m->key, k, &place)) return 1;
    }
}

/* Sorts file, which becomes number x->n_files. */
static int find_touches(struct sdrt_loras *x, const struct sdrt_lora_file *file,
                        const struct sdrt_lora_strength *strength, struct found *f)
{
    const int has_t5 = sdrt_lora_index_has(x->index, "text_encoder_3.");

    *f = (struct found){ .foreign = { file->unknown, file->unknown_count } };
    f->list = calloc(x->n_touches + 3 * file->count + 1, sizeof *f->list);
    if (!f->list) return SDRT_E_NOMEM;
    for (size_t i = 0; i < file->count; i++) {
        const struct sdrt_lora_module *m = &file->modules[i];
        struct left *left = !has_t5 && is_of_t5(m->key) ? &f->of_t5 : &f->foreign;
        const int status = add_touches(x, m, strength, f);
        if (status < 0) return status;
        if (status) continue;
        for (int r = 0; r < SDRT_LORA_ROLES; r++) left->count += m->role[r] != NULL;
        if (!left->first) left->first = m->sample;
    }
    return SDRT_OK;
}

static int check_blocks(const struct sdrt_loras *x, const char *path,
                        const struct sdrt_lora_strength *strength)
{
    if (!strength->by_block || !sdrt_lora_index_has(x->index, "transformer.")) return SDRT_OK;
    return sdrt_fail(x->engine.log, SDRT_E_UNSUPPORTED,
                     "%s: weights of blocks are for U-Nets, which this model has not", path);
}

/* Takes what was found into the set. */
static int take_found(struct sdrt_loras *x, struct sdrt_lora_file *file,
                      const struct sdrt_lora_strength *strength, struct found *f)
{
    struct applied *files = realloc(x->files, (x->n_files + 1) * sizeof *files);

    if (!files) return SDRT_E_NOMEM;
    x->files = files;
    if (x->n_touches) memcpy(f->list + f->n, x->touches, x->n_touches * sizeof *f->list);
    free(x->touches);
    x->touches = f->list;
    x->n_touches += f->n;
    qsort(x->touches, x->n_touches, sizeof *x->touches, by_module);
    x->files[x->n_files++] = (struct applied){ file, *strength };
    return SDRT_OK;
}

int sdrt_loras_add(struct sdrt_loras *x, const char *path,
                   const struct sdrt_lora_strength *strength, int lenient)
{
    struct sdrt_lora_file *file = NULL;
    struct found f = { 0 };
    int status = SDRT_OK;

    if (!sdrt_lora_strength_is_finite(strength))
        return sdrt_fail(x->engine.log, SDRT_E_ARG, "%s: scale: expected a finite number", path);
    status = sdrt_lora_file_open(&file, path, x->engine.log);
    if (status != SDRT_OK) return status;
    status = is_other_family(x, file, 0) ? SDRT_E_UNSUPPORTED : check_blocks(x, path, strength);
    if (status != SDRT_OK) goto out;
    status = find_touches(x, file, strength, &f);
    if (status == SDRT_OK) status = foreign(x, file, &f, lenient);
    if (status == SDRT_OK) status = take_found(x, file, strength, &f);
    if (status == SDRT_E_NOMEM)
        sdrt_fail(x->engine.log, status, "%s: no memory for its modules", path);
    if (status == SDRT_OK) {
        note_useless(x, file, &f);
        return SDRT_OK;
    }
out:
    for (size_t i = 0; i < f.n; i++) free(f.list[i].module);
    free(f.list);
    sdrt_lora_file_close(&file);
    return status;
}

void sdrt_loras_each_touched(const struct sdrt_loras *x, size_t i,
                             void (*fn)(void *user, const char *module), void *user)
{
    for (size_t t = 0; t < x->n_touches; t++)
        if (x->touches[t].file == i) fn(user, x->touches[t].module);
}

/* The touches of a tensor: *count of them from the one returned on, NULL for none.  *bias tells which of
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
    return *count ? x->touches + lo : NULL;
}

static int changes(const struct touch *t, int bias)
{
    if (t->scale == 0.0) return 0;
    if (bias)
        return t->change->role[SDRT_LORA_DIFF_BIAS] || t->change->role[SDRT_LORA_UP_BIAS] ||
               t->change->role[SDRT_IA3_PEFT];
    return t->change->kind != SDRT_KIND_BIAS;
}

/* Does anything change this tensor? */
static int touched(const struct sdrt_loras *x, const char *name)
{
    size_t count;
    int bias;
    const struct touch *t = touches_of(x, name, &count, &bias);

    for (size_t i = 0; i < count; i++)
        if (changes(t + i, bias)) return 1;
    return 0;
}

static int merge_touch(struct sdrt_loras *x, const struct touch *t, int bias,
                       const struct sdrt_lora_weight *w)
{
    const char *path = sdrt_loras_path(x, t->file);

    return bias ? sdrt_lora_merge_bias(&x->engine, path, t->change, t->scale, w->data, w->rows)
                : sdrt_lora_merge_weight(&x->engine, path, t->change, t->scale, w);
}

static int merge_all(struct sdrt_loras *x, const char *name, const struct sdrt_weight_view *v,
                     float *data, size_t files);

/* The n values of another third as it is without t's file and those behind it, into out. */
static int get_sibling(struct sdrt_loras *x, const struct touch *t, int third, int bias, float *out,
                       size_t n)
{
    struct sdrt_lora_place place;
    struct sdrt_weight_view v;
    char name[SDRT_NAME_MAX];

    if (!sdrt_lora_index_find(x->index, t->change->key, third, &place) ||
        snprintf(name, sizeof name, "%s.%s", place.module, bias ? "bias" : "weight") >=
            (int)sizeof name)
        return SDRT_E_MISSING;
    int status = x->base.get(x->base.self, name, -1, NULL, &v);
    if (status != SDRT_OK) return status;
    if (sdrt_weight_elements(&v) != n || sdrt_to_f32(v.data, v.dtype, out, n) != 0)
        status = sdrt_fail(x->engine.log, SDRT_E_FORMAT, "%s: expected as many floats as %s has",
                           name, t->module);
    else status = merge_all(x, name, &v, out, t->file);
    x->base.release(x->base.self, name);
    return status;
}

/* A change of three modules at once, as of queries, keys and values in one matrix: of zeros, of which
 * the module's third is added; or where the change depends on the weight, of all three. */
static int merge_third(struct sdrt_loras *x, const struct touch *t, int bias,
                       const struct sdrt_lora_weight *w)
{
    const struct sdrt_lora_module *m = t->change;
    const size_t n = (size_t)w->rows * (size_t)w->cols * (size_t)w->taps;
    const size_t at = (size_t)t->where.third * n;
    const int needs_all = m->role[SDRT_LORA_DORA] || m->role[SDRT_LORA_DORA_ROW] ||
                          sdrt_lora_is_by_weight(m);
    struct sdrt_lora_weight all = { .rows = 3 * w->rows, .cols = w->cols, .taps = w->taps };
    int status = SDRT_OK;

    all.data = calloc(3 * n, sizeof *all.data);
    if (!all.data)
        return sdrt_fail(x->engine.log, SDRT_E_NOMEM, "no memory to merge %s", t->module);
    for (int k = 0; needs_all && k < 3 && status == SDRT_OK; k++) {
        float *to = all.data + (size_t)k * n;
        if (k == t->where.third) memcpy(to, w->data, n * sizeof *to);
        else status = get_sibling(x, t, k, bias, to, n);
    }
    if (status == SDRT_OK) status = merge_touch(x, t, bias, &all);
    for (size_t i = 0; status == SDRT_OK && i < n; i++)
        w->data[i] = needs_all ? all.data[at + i] : w->data[i] + all.data[at + i];
    free(all.data);
    return status;
}

static void swap_halves(const struct sdrt_lora_weight *w)
{
    const size_t half = (size_t)w->rows / 2 * (size_t)w->cols * (size_t)w->taps;

    for (size_t i = 0; i < half; i++) {
        const float first = w->data[i];
        w->data[i] = w->data[half + i];
        w->data[half + i] = first;
    }
}

static int merge_one(struct sdrt_loras *x, const struct touch *t, int bias,
                     const struct sdrt_lora_weight *w)
{
    int status;

    if (t->where.third >= 0) return merge_third(x, t, bias, w);
    if (!t->where.swapped) return merge_touch(x, t, bias, w);
    if (w->rows % 2)
        return sdrt_fail(x->engine.log, SDRT_E_FORMAT, "%s: %s: expected an even number of rows",
                         sdrt_loras_path(x, t->file), t->change->sample);
    swap_halves(w);
    status = merge_touch(x, t, bias, w);
    swap_halves(w);
    return status;
}

/* What the first files of the set change of a tensor; SDRT_E_CANCELLED where the queue is. */
static int merge_all(struct sdrt_loras *x, const char *name, const struct sdrt_weight_view *v,
                     float *data, size_t files)
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

    for (size_t i = 0; status == SDRT_OK && i < count; i++) {
        if (x->engine.queue && sdrt_queue_cancelled(x->engine.queue)) return SDRT_E_CANCELLED;
        if (t[i].file < files && changes(t + i, bias)) status = merge_one(x, t + i, bias, &w);
    }
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
        else status = merge_all(x, name, out, data, x->n_files);
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
