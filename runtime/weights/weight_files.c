/* SPDX-License-Identifier: MIT */
#include "runtime/base/text.h"
#include "runtime/files/held_buffers.h"
#include "runtime/files/tensor_files.h"
#include "runtime/weights/storage.h"
#include "runtime/weights/weights.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)SDRT_WEIGHT_MAX_RANK == (int)SDRT_TENSOR_MAX_RANK,
               "views take every shape that files have");

struct entry {
    char *name; /* owned */
    const struct sdrt_file_tensor *tensor;
    const struct sdrt_stored *stored; /* how it is, in its file's list */
    size_t file;
};

struct file {
    struct sdrt_tensor_file *tensors; /* owned, as the list */
    struct sdrt_stored *storage;      /* one for each tensor */
};

struct sdrt_weight_files {
    const struct sdrt_log *log;
    struct file *files; /* owned */
    size_t nfiles;
    struct entry *entries; /* sorted by name */
    size_t count;
    struct sdrt_held_buffers copies; /* of data, and what is made of stored values */
};

int sdrt_weight_files_create(struct sdrt_weight_files **out, const struct sdrt_log *log)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return sdrt_fail(log, SDRT_E_NOMEM, "no memory for a set of weight files");
    (*out)->log = log;
    return SDRT_OK;
}

static void free_entries(struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) free(entries[i].name);
    free(entries);
}

static void close_file(struct file *f)
{
    if (f->tensors) sdrt_storage_free(&f->storage, sdrt_tensor_file_count(f->tensors));
    sdrt_tensor_file_close(&f->tensors);
}

void sdrt_weight_files_free(struct sdrt_weight_files **set)
{
    struct sdrt_weight_files *s = *set;

    if (!s) return;
    sdrt_held_buffers_clear(&s->copies);
    free_entries(s->entries, s->count);
    for (size_t i = 0; i < s->nfiles; i++) close_file(&s->files[i]);
    free(s->files);
    free(s);
    *set = NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static struct entry *find(const struct sdrt_weight_files *set, const char *name)
{
    struct entry key = { .name = (char *)(uintptr_t)name };

    return set->count ? bsearch(&key, set->entries, set->count, sizeof key, by_name) : NULL;
}

/* Scales of weights that another file has: they would be read without. */
static int check_scales(const struct file *f, const char *path, const char *strip,
                        const struct sdrt_log *log)
{
    for (size_t i = 0; i < sdrt_tensor_file_count(f->tensors); i++) {
        const char *name = sdrt_tensor_file_at(f->tensors, i)->name;
        if (strncmp(name, strip, strlen(strip)) || f->storage[i].companion) continue;
        if (sdrt_ends_with(name, ".scale_weight") || sdrt_ends_with(name, ".weight_scale"))
            return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                             "%s: %s scales weights that are not in this file", path, name);
    }
    return SDRT_OK;
}

/* The names that file offers, into *out (owned by the caller) and *count. */
static int list_entries(const struct file *file, size_t file_index, const char *strip,
                        const char *add, struct entry **out, size_t *count)
{
    const size_t n = sdrt_tensor_file_count(file->tensors), skip = strlen(strip), front = strlen(add);
    struct entry *list = calloc(n ? n : 1, sizeof *list);
    size_t used = 0;

    *out = NULL;
    *count = 0;
    if (!list) return SDRT_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(file->tensors, i);
        const struct sdrt_stored *stored = &file->storage[i];
        if (strncmp(t->name, strip, skip) || stored->companion) continue;
        const size_t rest = strlen(t->name + skip) + 1;
        char *name = malloc(front + rest);
        if (!name) {
            free_entries(list, used);
            return SDRT_E_NOMEM;
        }
        memcpy(name, add, front);
        memcpy(name + front, t->name + skip, rest);
        list[used++] = (struct entry){ name, t, stored, file_index };
    }
    *out = list;
    *count = used;
    return SDRT_OK;
}

/* Moves list into the set: names that are there already are replaced, the others
 * appended.  The set's array has room for all. */
static void merge(struct sdrt_weight_files *set, struct entry *list, size_t count)
{
    const size_t old_count = set->count;
    size_t used = old_count;

    for (size_t i = 0; i < count; i++) {
        struct entry *old = find(set, list[i].name);
        if (old) {
            old->tensor = list[i].tensor;
            old->stored = list[i].stored;
            old->file = list[i].file;
            free(list[i].name);
        } else {
            set->entries[used++] = list[i];
        }
    }
    set->count = used;
    /* An empty set has no array, and qsort() demands one. */
    if (used) qsort(set->entries, set->count, sizeof *set->entries, by_name);
    free(list);
}

static int check_duplicates(const struct sdrt_weight_files *set, const char *path,
                            const struct entry *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct entry *old = find(set, list[i].name);
        if (old)
            return sdrt_fail(set->log, SDRT_E_FORMAT, "%s: %s is also in %s", path, list[i].name,
                             sdrt_tensor_file_path(set->files[old->file].tensors));
    }
    return SDRT_OK;
}

static int reserve(struct sdrt_weight_files *set, size_t more)
{
    void *grown = realloc(set->files, (set->nfiles + 1) * sizeof *set->files);

    if (!grown) return SDRT_E_NOMEM;
    set->files = grown;
    if (set->count + more == 0) return SDRT_OK;
    grown = realloc(set->entries, (set->count + more) * sizeof *set->entries);
    if (!grown) return SDRT_E_NOMEM;
    set->entries = grown;
    return SDRT_OK;
}

/* Adds an open file, which is taken over. */
static int add_open(struct sdrt_weight_files *set, struct sdrt_tensor_file *tensors,
                    const char *strip, const char *add, enum sdrt_weight_duplicates duplicates)
{
    const char *path = sdrt_tensor_file_path(tensors);
    struct file file = { .tensors = tensors };
    struct entry *list = NULL;
    size_t count = 0;
    int status = sdrt_storage_find(&file.storage, file.tensors, set->log);

    if (status == SDRT_OK) status = check_scales(&file, path, strip, set->log);
    if (status != SDRT_OK) goto out;
    status = list_entries(&file, set->nfiles, strip, add, &list, &count);
    if (status == SDRT_OK) status = reserve(set, count);
    if (status != SDRT_OK) {
        sdrt_fail(set->log, status, "%s: no memory for its list of tensors", path);
        goto out;
    }
    if (duplicates == SDRT_DUPLICATES_FAIL) {
        status = check_duplicates(set, path, list, count);
        if (status != SDRT_OK) goto out;
    }
    merge(set, list, count);
    list = NULL;
    count = 0;
    set->files[set->nfiles++] = file;
    file = (struct file){ .tensors = NULL };
out:
    free_entries(list, count);
    close_file(&file);
    return status;
}

int sdrt_weight_files_add(struct sdrt_weight_files *set, const char *path, const char *strip,
                          const char *add, enum sdrt_weight_duplicates duplicates)
{
    struct sdrt_tensor_file *tensors;
    const int status = sdrt_tensor_file_open(&tensors, path, set->log);

    return status == SDRT_OK ? add_open(set, tensors, strip, add, duplicates) : status;
}

int sdrt_weight_files_share(struct sdrt_weight_files *set, const struct sdrt_weight_files *from,
                            const char *strip, const char *add,
                            enum sdrt_weight_duplicates duplicates)
{
    int status = SDRT_OK;

    for (size_t i = 0; i < from->nfiles && status == SDRT_OK; i++)
        status = add_open(set, sdrt_tensor_file_share(from->files[i].tensors), strip, add,
                          duplicates);
    return status;
}

size_t sdrt_weight_files_count(const struct sdrt_weight_files *set)
{
    return set->count;
}

const char *sdrt_weight_files_name(const struct sdrt_weight_files *set, size_t i)
{
    return set->entries[i].name;
}

static const struct sdrt_tensor_file *file_of(const struct sdrt_weight_files *set,
                                              const struct entry *e)
{
    return set->files[e->file].tensors;
}

/* The tensor's data, aligned and as values, in memory that release gives back: what lies in a map of
 * the file is gone with its end when somebody cuts it. */
static int find_data(struct sdrt_weight_files *set, const struct entry *e,
                     struct sdrt_weight_view *view)
{
    const struct sdrt_file_tensor *t = e->tensor;
    const size_t bytes = sdrt_weight_bytes(view);
    int status = SDRT_OK;
    void *copy;

    view->data = copy = sdrt_held_buffers_get(&set->copies, e->name, bytes);
    if (copy) return SDRT_OK;
    view->data = copy = sdrt_held_buffers_add(&set->copies, e->name, bytes);
    if (!copy)
        return sdrt_fail(set->log, SDRT_E_NOMEM, "%s: no memory for its %zu bytes", e->name, bytes);
    if (e->stored->converted)
        status = sdrt_stored_read(e->stored, file_of(set, e), t, 0, sdrt_weight_elements(view),
                                  copy);
    else status = sdrt_tensor_file_read(file_of(set, e), t, 0, t->bytes, copy);
    if (status == SDRT_OK) return SDRT_OK;
    sdrt_held_buffers_release(&set->copies, e->name);
    return sdrt_fail(set->log, status, "%s: cannot be read: the file has become shorter or its disk "
                     "fails", e->name);
}

/* A tensor without values fits no network, and loops over its other dimensions would not end. */
static int check_dimensions(const struct sdrt_weight_files *set, const struct entry *e)
{
    for (int i = 0; i < e->tensor->rank; i++)
        if (e->tensor->shape[i] < 1)
            return sdrt_fail(set->log, SDRT_E_FORMAT,
                             "%s: %s: has a dimension of 0, 1 and more are expected",
                             sdrt_tensor_file_path(file_of(set, e)), e->tensor->name);
    return SDRT_OK;
}

/* The expected shape is not used: a file answers what it holds. */
static int files_describe(void *self, const char *name, int rank, const int64_t *shape,
                          struct sdrt_weight_view *out)
{
    struct sdrt_weight_files *set = self;
    const struct entry *e = find(set, name);
    const struct sdrt_file_tensor *t;
    int status;

    (void)rank;
    (void)shape;
    if (!e) return SDRT_E_MISSING;
    if (*e->stored->refused)
        return sdrt_fail(set->log, SDRT_E_UNSUPPORTED,
                         "%s: %s: is stored in %s: expected F32, F16, BF16, F8 or int8 with scales, "
                         "or a GGUF file's types",
                         sdrt_tensor_file_path(file_of(set, e)), e->tensor->name,
                         e->stored->refused);
    status = sdrt_tensor_file_find(file_of(set, e), e->tensor->name, &t, set->log);
    if (status == SDRT_OK) status = check_dimensions(set, e);
    if (status != SDRT_OK) return status;
    *out = (struct sdrt_weight_view){ .dtype = e->stored->converted ? SDRT_F32 : t->dtype,
                                      .rank = t->rank };
    memcpy(out->shape, t->shape, sizeof out->shape);
    return SDRT_OK;
}

static int files_get(void *self, const char *name, int rank, const int64_t *shape,
                     struct sdrt_weight_view *out)
{
    struct sdrt_weight_files *set = self;
    const int status = files_describe(self, name, rank, shape, out);

    return status == SDRT_OK ? find_data(set, find(set, name), out) : status;
}

static int files_read(void *self, const char *name, const struct sdrt_weight_view *view,
                      size_t first, size_t count, void *out)
{
    const struct sdrt_weight_files *set = self;
    const struct entry *e = find(set, name);

    if (!e) return SDRT_E_IO;
    if (e->stored->converted)
        return sdrt_stored_read(e->stored, file_of(set, e), e->tensor, first, count, out);
    return sdrt_tensor_file_read(file_of(set, e), e->tensor,
                                 sdrt_dtype_bytes(view->dtype, first),
                                 sdrt_dtype_bytes(view->dtype, count), out);
}

static void files_release(void *self, const char *name)
{
    struct sdrt_weight_files *set = self;
    const struct entry *e = find(set, name);

    if (!e) return;
    sdrt_held_buffers_release(&set->copies, name);
    sdrt_tensor_file_release(file_of(set, e), e->tensor);
}

static void files_prefetch(void *self, const char *name)
{
    struct sdrt_weight_files *set = self;
    const struct entry *e = find(set, name);

    if (e) sdrt_tensor_file_prefetch(file_of(set, e), e->tensor);
}

struct sdrt_weights_provider sdrt_weight_files_provider(struct sdrt_weight_files *set)
{
    return (struct sdrt_weights_provider){ .get = files_get, .release = files_release,
                                           .prefetch = files_prefetch,
                                           .describe = files_describe, .read = files_read,
                                           .self = set };
}
