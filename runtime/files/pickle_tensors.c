/* SPDX-License-Identifier: MIT */
#include "runtime/files/pickle_tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_DEPTH = 64,
    MAX_NAME = 1024,
    ALIGNMENT = 64,
    MAX_WRAPS = 8 /* of a tensor in parameters and types */
};

/* At the top of a training's checkpoint; in none of them are weights of a model. */
static const char *const training[] = {
    "optimizer_states", "optimizer",    "optimizers",
    "lr_schedulers",    "lr_scheduler", "scheduler",
    "callbacks",        "loops",        "native_amp_scaling_state",
    "scaler",           "amp",          "rng_state",
};

/* The way through the values.  It is gone twice: to count, then to fill. */
struct walk {
    struct sdrt_tensor_file *file;
    const struct sdrt_pickle *p;
    const struct sdrt_pickle_source *source;
    const struct sdrt_log *log;
    size_t visits; /* that are still allowed */
    char name[MAX_NAME];
    size_t used;                 /* of the name */
    size_t count, names, copies; /* so far: tensors, bytes of names, bytes of copies */
    char *header; /* NULL while it counts; then the names, and behind them the copies */
    size_t copies_at;
};

static int bad(const struct walk *w, const char *why)
{
    return sdrt_fail(w->log, SDRT_E_FORMAT, "%s: damaged pickle: %s: %s", w->file->path,
                     w->used ? w->name : "its top", why);
}

/* ---- one tensor ---- */

int sdrt_pickle_storage_read(struct sdrt_pickle_storage *out, const struct sdrt_pickle *p,
                             uint32_t storage, const char *path, const struct sdrt_log *log)
{
    const uint32_t id = sdrt_pickle_at(p, storage)->arguments;
    uint32_t at[6], view[3];
    const int n = sdrt_pickle_items(p, id, at, 6);

    if (n && sdrt_pickle_is(p, at[0], "module"))
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: is a whole pickled network, which is code: "
                         "expected its state_dict",
                         path);
    const struct sdrt_pickle_value *type = n > 1 ? sdrt_pickle_at(p, at[1]) : NULL;
    const struct sdrt_pickle_value *key = n > 2 ? sdrt_pickle_at(p, at[2]) : NULL;
    const struct sdrt_pickle_value *count = n > 4 ? sdrt_pickle_at(p, at[4]) : NULL;
    if (n < 5 || n > 6 || !sdrt_pickle_is(p, at[0], "storage") || type->kind != PICKLE_IS_GLOBAL ||
        type->a != PICKLE_STORAGE || key->kind != PICKLE_IS_TEXT || count->kind != PICKLE_IS_INT ||
        count->number < 0)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: damaged pickle: a persistent id that names no "
                         "storage",
                         path);
    *out = (struct sdrt_pickle_storage){ key->text,
                                         key->a,
                                         sdrt_pickle_type_at(type->type),
                                         (uint64_t)count->number,
                                         0,
                                         (uint64_t)count->number };
    if (n < 6 || sdrt_pickle_at(p, at[5])->kind == PICKLE_IS_NONE) return SDRT_OK;
    const int parts = sdrt_pickle_items(p, at[5], view, 3);
    const struct sdrt_pickle_value *first = parts == 3 ? sdrt_pickle_at(p, view[1]) : NULL;
    const struct sdrt_pickle_value *of = parts == 3 ? sdrt_pickle_at(p, view[2]) : NULL;
    if (!first || first->kind != PICKLE_IS_INT || of->kind != PICKLE_IS_INT || first->number < 0 ||
        of->number < 0 || first->number > count->number ||
        of->number > count->number - first->number)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: damaged pickle: a view beyond its storage", path);
    out->first = (uint64_t)first->number;
    out->of_view = (uint64_t)of->number;
    return SDRT_OK;
}

/* Whole numbers from 0 on of a tuple, or of the torch.Size of one; how many, -1 for anything else. */
static int read_sizes(const struct sdrt_pickle *p, uint32_t value, int64_t *out)
{
    const struct sdrt_pickle_value *v = sdrt_pickle_at(p, value);
    uint32_t at[SDRT_TENSOR_MAX_RANK];

    if (v->kind == PICKLE_IS_CALL && sdrt_pickle_at(p, v->a)->a == PICKLE_SEQUENCE &&
        sdrt_pickle_items(p, v->arguments, at, 1) == 1)
        value = at[0];
    if (sdrt_pickle_at(p, value)->kind != PICKLE_IS_LIST) return -1;
    const int n = sdrt_pickle_items(p, value, at, SDRT_TENSOR_MAX_RANK);
    if (n > SDRT_TENSOR_MAX_RANK) return -1;
    for (int i = 0; i < n; i++) {
        const struct sdrt_pickle_value *size = sdrt_pickle_at(p, at[i]);
        if (size->kind != PICKLE_IS_INT || size->number < 0) return -1;
        out[i] = size->number;
    }
    return n;
}

/* How many elements it has and how far they reach; 0 when that overflows. */
static int measure(struct sdrt_pickle_view *v)
{
    uint64_t expected = 1, step;

    v->elements = 1;
    v->reach = v->offset;
    v->dense = 1;
    for (int i = v->rank - 1; i >= 0; i--) {
        if (__builtin_mul_overflow(v->elements, (uint64_t)v->shape[i], &v->elements)) return 0;
        if (v->shape[i] < 2) continue;
        v->dense &= (uint64_t)v->stride[i] == expected;
        if (__builtin_mul_overflow(expected, (uint64_t)v->shape[i], &expected) ||
            __builtin_mul_overflow((uint64_t)v->stride[i], (uint64_t)v->shape[i] - 1, &step) ||
            __builtin_add_overflow(v->reach, step, &v->reach))
            return 0;
    }
    if (!v->elements) {
        v->dense = 1;
        v->reach = v->offset;
        return 1;
    }
    return !__builtin_add_overflow(v->reach, 1, &v->reach);
}

/* Reads the arguments of a function that makes a tensor. */
static int read_view(const struct walk *w, enum sdrt_pickle_global kind, uint32_t arguments,
                     struct sdrt_pickle_view *v, struct sdrt_pickle_storage *storage)
{
    const struct sdrt_pickle *p = w->p;
    uint32_t at[7];
    const int n = sdrt_pickle_items(p, arguments, at, 7);

    if (n < (kind == PICKLE_TENSOR_V3 ? 7 : 4) ||
        sdrt_pickle_at(p, at[0])->kind != PICKLE_IS_STORAGE ||
        sdrt_pickle_at(p, at[1])->kind != PICKLE_IS_INT || sdrt_pickle_at(p, at[1])->number < 0)
        return bad(w, "a tensor is made of a storage, an offset, sizes and strides");
    const int status = sdrt_pickle_storage_read(storage, p, at[0], w->file->path, w->log);
    if (status != SDRT_OK) return status;
    v->offset = (uint64_t)sdrt_pickle_at(p, at[1])->number;
    v->rank = read_sizes(p, at[2], v->shape);
    if (v->rank < 0 || read_sizes(p, at[3], v->stride) != v->rank)
        return bad(w, "its sizes and strides are not as many whole numbers from 0 on, 8 at most");
    v->type = storage->type;
    if (kind == PICKLE_TENSOR_V3) {
        const struct sdrt_pickle_value *type = sdrt_pickle_at(p, at[6]);
        if (type->kind != PICKLE_IS_GLOBAL || type->a != PICKLE_DTYPE)
            return bad(w, "its dtype is none");
        v->type = sdrt_pickle_type_at(type->type);
    }
    return measure(v) ? SDRT_OK : bad(w, "its sizes overflow");
}

/* Copies n elements of so many bytes that lie stride elements apart. */
static void copy_row(char *out, const char *from, uint64_t n, size_t bytes, int64_t stride)
{
    const size_t step = bytes * (size_t)stride;

    switch (bytes) {
    case 2:
        for (uint64_t i = 0; i < n; i++) memcpy(out + 2 * i, from + step * i, 2);
        break;
    case 4:
        for (uint64_t i = 0; i < n; i++) memcpy(out + 4 * i, from + step * i, 4);
        break;
    default:
        for (uint64_t i = 0; i < n; i++) memcpy(out + bytes * i, from + step * i, bytes);
    }
}

/* Writes the view's elements one behind the other; rank is 1 at least. */
static void gather(char *out, const char *from, const struct sdrt_pickle_view *v)
{
    const int inner = v->rank - 1;
    const uint64_t row = (uint64_t)v->shape[inner];
    int64_t at[SDRT_TENSOR_MAX_RANK] = { 0 };

    for (uint64_t done = 0; done < v->elements; done += row) {
        size_t skip = 0;
        for (int i = 0; i < inner; i++) skip += (size_t)(at[i] * v->stride[i]);
        copy_row(out + done * v->type->bytes, from + skip * v->type->bytes, row, v->type->bytes,
                 v->stride[inner]);
        for (int i = inner - 1; i >= 0 && ++at[i] == v->shape[i]; i--) at[i] = 0;
    }
}

/* Fills a place of file->tensors, whose name is w->name. */
static int fill_tensor(struct walk *w, const struct sdrt_pickle_view *v, const char *data)
{
    struct sdrt_file_tensor *t = &w->file->tensors[w->count];
    char *name = w->header + w->names;

    memcpy(name, w->name, w->used + 1);
    *t = (struct sdrt_file_tensor){ .name = name,
                                    .dtype_name = v->type->name,
                                    .known = v->type->known,
                                    .dtype = v->type->dtype,
                                    .rank = v->rank,
                                    .data = data,
                                    .bytes = (size_t)v->elements * v->type->bytes };
    memcpy(t->shape, v->shape, sizeof t->shape);
    if (v->dense) return SDRT_OK;
    char *copy = w->header + w->copies_at + w->copies;
    if (sdrt_file_pages_need(&w->file->pages, data,
                             (size_t)(v->reach - v->offset) * v->type->bytes))
        return SDRT_E_IO;
    gather(copy, data, v);
    t->data = copy;
    return SDRT_OK;
}

static size_t rounded(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

/* Counts or fills a tensor, whose storage lies at data. */
static int add_view(struct walk *w, const struct sdrt_pickle_view *v,
                    const struct sdrt_pickle_storage *storage, const char *data)
{
    uint64_t bytes, need;

    if (!w->used)
        return sdrt_fail(w->log, SDRT_E_UNSUPPORTED,
                         "%s: is one tensor without a name: expected a "
                         "mapping of names to tensors",
                         w->file->path);
    /* The storage is in the file, so its own bytes do not overflow. */
    if (__builtin_mul_overflow(v->reach, (uint64_t)v->type->bytes, &need) ||
        need > storage->of_view * storage->type->bytes ||
        __builtin_mul_overflow(v->elements, (uint64_t)v->type->bytes, &bytes))
        return sdrt_fail(w->log, SDRT_E_FORMAT,
                         "%s: %s: reaches to element %" PRIu64 " of a storage of %" PRIu64 " bytes",
                         w->file->path, w->name, v->reach, storage->of_view * storage->type->bytes);
    data += storage->first * storage->type->bytes + v->offset * v->type->bytes * (v->elements > 0);
    if (w->header && fill_tensor(w, v, data) != SDRT_OK) return SDRT_E_IO;
    w->count++;
    w->names += w->used + 1;
    if (!v->dense && __builtin_add_overflow(w->copies, rounded((size_t)bytes), &w->copies))
        return bad(w, "its sizes overflow");
    return SDRT_OK;
}

static int add_tensor(struct walk *w, enum sdrt_pickle_global kind, uint32_t arguments)
{
    struct sdrt_pickle_storage storage;
    struct sdrt_pickle_view v = { 0 };
    const char *data = NULL;
    int status = read_view(w, kind, arguments, &v, &storage);

    if (status == SDRT_OK) status = w->source->locate(w->source->self, &storage, &data);
    return status == SDRT_OK ? add_view(w, &v, &storage, data) : status;
}

/* A persistent id by itself is a tensor where its archive says so, else a storage without one. */
static int add_persistent(struct walk *w, const struct sdrt_pickle_value *value)
{
    struct sdrt_pickle_storage storage;
    struct sdrt_pickle_view v = { 0 };
    const char *data = NULL;

    if (!w->source->look_up) return SDRT_OK;
    const int status = w->source->look_up(w->source->self, sdrt_pickle_at(w->p, value->arguments),
                                          &v, &storage, &data);
    if (status != SDRT_OK) return status;
    return measure(&v) ? add_view(w, &v, &storage, data) : bad(w, "its sizes overflow");
}

/* Finds the function that makes the tensor a value is, through parameters and types; 0 when it is
 * none. */
static int is_tensor(const struct sdrt_pickle *p, uint32_t value, enum sdrt_pickle_global *kind,
                     uint32_t *arguments)
{
    const struct sdrt_pickle_value *v = sdrt_pickle_at(p, value);
    uint32_t at[3];

    if (v->kind != PICKLE_IS_CALL) return 0;
    *kind = (enum sdrt_pickle_global)sdrt_pickle_at(p, v->a)->a;
    *arguments = v->arguments;
    for (int i = 0; i < MAX_WRAPS; i++) {
        if (*kind == PICKLE_TENSOR || *kind == PICKLE_TENSOR_V3) return 1;
        const int n = sdrt_pickle_items(p, *arguments, at, 3);
        if (*kind == PICKLE_PARAMETER && n) v = sdrt_pickle_at(p, at[0]);
        else if (*kind != PICKLE_FROM_TYPE || n < 3) return 0;
        if (*kind == PICKLE_FROM_TYPE) {
            if (sdrt_pickle_at(p, at[0])->kind != PICKLE_IS_GLOBAL) return 0;
            *kind = (enum sdrt_pickle_global)sdrt_pickle_at(p, at[0])->a;
            *arguments = at[2];
        } else if (v->kind == PICKLE_IS_CALL) {
            *kind = (enum sdrt_pickle_global)sdrt_pickle_at(p, v->a)->a;
            *arguments = v->arguments;
        } else {
            return 0;
        }
    }
    return 0;
}

/* ---- containers ---- */

static int visit(struct walk *w, uint32_t value, int depth);

/* Goes on to what is under a key, a text or a whole number. */
static int visit_under(struct walk *w, const char *key, size_t size, uint32_t value, int depth)
{
    const size_t before = w->used;

    if (memchr(key, 0, size)) return bad(w, "a key with a 0 in it");
    if (before + size + 2 > MAX_NAME) return bad(w, "a name of more than 1000 letters");
    if (before) w->name[w->used++] = '.';
    memcpy(w->name + w->used, key, size);
    w->used += size;
    w->name[w->used] = 0;
    const int status = visit(w, value, depth + 1);
    w->used = before;
    w->name[before] = 0;
    return status;
}

static int visit_number(struct walk *w, int64_t number, uint32_t value, int depth)
{
    char key[24];
    const int n = snprintf(key, sizeof key, "%" PRId64, number);

    return visit_under(w, key, (size_t)n, value, depth);
}

static int of_training(const struct sdrt_pickle *p, uint32_t key)
{
    for (size_t i = 0; i < sizeof training / sizeof *training; i++)
        if (sdrt_pickle_is(p, key, training[i])) return 1;
    return 0;
}

static int visit_pair(struct walk *w, uint32_t key, uint32_t value, int depth)
{
    const struct sdrt_pickle_value *k = sdrt_pickle_at(w->p, key);
    enum sdrt_pickle_global kind;
    uint32_t arguments;

    if (!depth && of_training(w->p, key)) return SDRT_OK;
    if (k->kind == PICKLE_IS_TEXT) return visit_under(w, k->text, k->a, value, depth);
    if (k->kind == PICKLE_IS_INT) return visit_number(w, k->number, value, depth);
    if (is_tensor(w->p, value, &kind, &arguments))
        return bad(w, "a tensor whose key is neither a text nor a whole number");
    return SDRT_OK;
}

static int visit_dict(struct walk *w, const struct sdrt_pickle_value *dict, int depth)
{
    const struct sdrt_pickle_cell *const cells = w->p->cells;
    int status = SDRT_OK;

    for (uint32_t c = dict->a; c && status == SDRT_OK; c = cells[cells[c].next].next)
        status = visit_pair(w, cells[c].value, cells[cells[c].next].value, depth);
    return status;
}

static int visit_list(struct walk *w, const struct sdrt_pickle_value *list, int depth)
{
    int64_t i = 0;
    int status = SDRT_OK;

    for (uint32_t c = list->a; c && status == SDRT_OK; c = w->p->cells[c].next)
        status = visit_number(w, i++, w->p->cells[c].value, depth);
    return status;
}

/* A mapping that was called with the list of its pairs. */
static int visit_pairs(struct walk *w, uint32_t arguments, int depth)
{
    uint32_t list, pair[2];
    int status = SDRT_OK;

    if (sdrt_pickle_items(w->p, arguments, &list, 1) != 1)
        return bad(w, "a mapping of more than one list");
    for (uint32_t c = sdrt_pickle_at(w->p, list)->a; c && status == SDRT_OK;
         c = w->p->cells[c].next) {
        if (sdrt_pickle_items(w->p, w->p->cells[c].value, pair, 2) != 2)
            return bad(w, "a mapping of what is no pair");
        status = visit_pair(w, pair[0], pair[1], depth);
    }
    return status;
}

/* The parameters of a torch.nn container, under their own keys. */
static int visit_module(struct walk *w, uint32_t state, int depth)
{
    const struct sdrt_pickle_value *v = sdrt_pickle_at(w->p, state);
    const struct sdrt_pickle_cell *const cells = w->p->cells;
    int status = SDRT_OK;

    if (v->kind != PICKLE_IS_DICT) return SDRT_OK;
    for (uint32_t c = v->a; c && status == SDRT_OK; c = cells[cells[c].next].next)
        if (sdrt_pickle_is(w->p, cells[c].value, "_parameters") ||
            sdrt_pickle_is(w->p, cells[c].value, "_buffers") ||
            sdrt_pickle_is(w->p, cells[c].value, "_modules"))
            status = visit(w, cells[cells[c].next].value, depth + 1);
    return status;
}

static int visit_call(struct walk *w, uint32_t value, int depth)
{
    const struct sdrt_pickle_value *v = sdrt_pickle_at(w->p, value);
    enum sdrt_pickle_global kind;
    uint32_t arguments;

    if (is_tensor(w->p, value, &kind, &arguments)) return add_tensor(w, kind, arguments);
    kind = (enum sdrt_pickle_global)sdrt_pickle_at(w->p, v->a)->a;
    if (kind == PICKLE_MAPPING) return visit_pairs(w, v->arguments, depth);
    return kind == PICKLE_MODULE ? visit_module(w, v->state, depth) : SDRT_OK;
}

static int visit(struct walk *w, uint32_t value, int depth)
{
    const struct sdrt_pickle_value *v = sdrt_pickle_at(w->p, value);

    if (depth == MAX_DEPTH) return bad(w, "nested deeper than 64 levels");
    if (!w->visits--) return bad(w, "containers that hold each other without end");
    switch (v->kind) {
    case PICKLE_IS_DICT: return visit_dict(w, v, depth);
    case PICKLE_IS_LIST: return visit_list(w, v, depth);
    case PICKLE_IS_CALL: return visit_call(w, value, depth);
    case PICKLE_IS_STORAGE: return add_persistent(w, v);
    default: return SDRT_OK;
    }
}

static int by_name(const void *a, const void *b)
{
    const struct sdrt_file_tensor *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int check_names(struct sdrt_tensor_file *file, const struct sdrt_log *log)
{
    qsort(file->tensors, file->count, sizeof *file->tensors, by_name);
    for (size_t i = 1; i < file->count; i++)
        if (!by_name(&file->tensors[i - 1], &file->tensors[i]))
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: has two tensors %s", file->path,
                             file->tensors[i].name);
    return SDRT_OK;
}

/* Goes the whole way, with header NULL to count.  What is shared is met more than once. */
static int go(struct walk *w, char *header)
{
    w->visits = 4 * (size_t)w->p->n_cells + MAX_DEPTH;
    w->header = header;
    w->count = w->names = w->copies = w->used = 0;
    w->name[0] = 0;
    return visit(w, w->p->root, 0);
}

int sdrt_pickle_tensors(struct sdrt_tensor_file *file, const struct sdrt_pickle *pickle,
                        const struct sdrt_pickle_source *source, size_t *budget,
                        const struct sdrt_log *log)
{
    struct walk w = { .file = file, .p = pickle, .source = source, .log = log };
    size_t bytes;
    int status = go(&w, NULL);

    if (status != SDRT_OK) return status;
    if (!w.count)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: is a Python pickle without tensors",
                         file->path);
    w.copies_at = rounded(w.names);
    if (__builtin_add_overflow(w.copies_at, w.copies, &bytes)) bytes = SIZE_MAX;
    const size_t table = w.count * sizeof *file->tensors;
    if (bytes > SIZE_MAX - table) bytes = SIZE_MAX - table;
    status = sdrt_pickle_spend(budget, table + bytes, file->path, log);
    if (status != SDRT_OK) return status;
    file->header = malloc(bytes);
    file->tensors = calloc(w.count, sizeof *file->tensors);
    if (!file->header || !file->tensors)
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for %zu tensors", file->path, w.count);
    status = go(&w, file->header);
    file->count = w.count;
    return status == SDRT_OK ? check_names(file, log) : status;
}
