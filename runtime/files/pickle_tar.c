/* SPDX-License-Identifier: MIT
 *
 * What torch.save() wrote in its first year, until PyTorch 0.1.10 (legacy_load() of
 * torch/serialization.py): a tar archive of the pickled object, whose tensors are persistent ids
 * (pickle); of the tensors, each a pickle of three numbers and its sizes (tensors); and of the
 * storages, each a pickle, its number of elements and these (storages).
 */
#include "runtime/files/pickle_tensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 512,
    SIZE_AT = 124,
    SIZE_DIGITS = 12,
    TYPE_AT = 156,
    MARK_AT = 257, /* POSIX ustar */
    ID_DIGITS = 18,
    LAYOUT = 16 + 16 * SDRT_TENSOR_MAX_RANK /* bytes of a tensor's at most */
};

static const char mark[] = "ustar";

/* An entry's bytes. */
struct entry {
    const char *bytes;
    size_t size;
};

struct storage {
    int64_t key;
    const struct sdrt_pickle_type *type;
    uint64_t count;
    const char *data;
};

struct tensor {
    int64_t key, storage;
    const char *layout; /* number of dimensions (8 bytes), sizes, strides, offset; read */
};

struct tar {
    struct sdrt_tensor_file *file;
    const struct sdrt_log *log;
    size_t budget;
    struct storage *storages; /* owned, sorted by key, as the tensors */
    struct tensor *tensors;
    size_t n_storages, n_tensors;
};

static int damaged(const struct tar *t, const char *why)
{
    return sdrt_fail(t->log, SDRT_E_FORMAT, "%s: damaged old PyTorch archive: %s", t->file->path,
                     why);
}

/* ---- the archive ---- */

/* Octal digits; 0 when there are others, or too many. */
static int read_octal(const char *text, uint64_t *out)
{
    *out = 0;
    for (int i = 0; i < SIZE_DIGITS && text[i] && text[i] != ' '; i++) {
        if (text[i] < '0' || text[i] > '7') return 0;
        *out = *out * 8 + (uint64_t)(text[i] - '0');
    }
    return 1;
}

/* Finds the entry of that name; *out is empty when there is none. */
static int find_entry(const struct tar *t, const char *name, struct entry *out)
{
    struct sdrt_tensor_file *f = t->file;
    size_t at = 0;

    *out = (struct entry){ NULL, 0 };
    while (f->size - at >= BLOCK) {
        const char *head = f->pages.base + at;
        uint64_t size;
        if (sdrt_file_pages_need(&f->pages, head, BLOCK)) return SDRT_E_IO;
        if (!*head) break;
        at += BLOCK;
        if (memcmp(head + MARK_AT, mark, sizeof mark - 1) || !read_octal(head + SIZE_AT, &size) ||
            size > f->size - at)
            return damaged(t, "an entry that is none, or that is cut off");
        if (!strncmp(head, name, 100)) *out = (struct entry){ head + BLOCK, (size_t)size };
        const uint64_t room = f->size - at, padded = (size + BLOCK - 1) / BLOCK * BLOCK;
        at += (size_t)(padded < room ? padded : room);
    }
    return SDRT_OK;
}

int sdrt_pickle_tar_claims(const char *map, size_t size)
{
    return size >= BLOCK && !memcmp(map + MARK_AT, mark, sizeof mark - 1);
}

/* ---- what its entries hold ---- */

static int read_pickle(struct tar *t, const struct entry *e, size_t at, struct sdrt_pickle *out)
{
    const struct sdrt_pickle_bytes bytes = { e->bytes, e->size, &t->file->pages, t->file->path };

    return sdrt_pickle_read(out, &bytes, at, &t->budget, t->log);
}

/* Reads the pickle at *at of e, moves behind it, and puts the elements of its tuple, most at most,
 * into items; an int is the one element of itself.  *out is freed by the caller. */
static int read_record(struct tar *t, const struct entry *e, size_t *at, struct sdrt_pickle *out,
                       uint32_t *items, int most)
{
    const int status = read_pickle(t, e, *at, out);

    if (status != SDRT_OK) return status;
    *at = out->end;
    items[0] = out->root;
    if (most > 1 && sdrt_pickle_items(out, out->root, items, most) != most)
        return damaged(t, "a record of other than three parts");
    return SDRT_OK;
}

static int is_id(const struct sdrt_pickle *p, uint32_t value)
{
    return sdrt_pickle_at(p, value)->kind == PICKLE_IS_INT;
}

/* The number of records in front of them. */
static int read_count(struct tar *t, const struct entry *e, size_t *at, size_t *count)
{
    struct sdrt_pickle p = { 0 };
    uint32_t item = 0;
    int status = read_record(t, e, at, &p, &item, 1);

    if (status == SDRT_OK && (!is_id(&p, item) || sdrt_pickle_at(&p, item)->number < 0 ||
                              (uint64_t)sdrt_pickle_at(&p, item)->number > e->size))
        status = damaged(t, "more records than it has bytes");
    if (status == SDRT_OK) *count = (size_t)sdrt_pickle_at(&p, item)->number;
    sdrt_pickle_free(&p);
    return status;
}

/* One storage: (key, location, class), its number of elements, and these. */
static int read_storage(struct tar *t, const struct entry *e, size_t *at, struct storage *s)
{
    struct sdrt_pickle p = { 0 };
    uint32_t items[3];
    uint64_t bytes;
    int status = read_record(t, e, at, &p, items, 3);

    if (status == SDRT_OK) {
        const struct sdrt_pickle_value *type = sdrt_pickle_at(&p, items[2]);
        if (!is_id(&p, items[0]) || type->kind != PICKLE_IS_GLOBAL || type->a != PICKLE_STORAGE) {
            status = damaged(t, "a storage without key or class");
        } else {
            s->key = sdrt_pickle_at(&p, items[0])->number;
            s->type = sdrt_pickle_type_at(type->type);
        }
    }
    sdrt_pickle_free(&p);
    if (status != SDRT_OK) return status;
    if (e->size - *at < sizeof s->count) return damaged(t, "a storage that is cut off");
    if (sdrt_file_pages_copy(&t->file->pages, e->bytes + *at, sizeof s->count, &s->count))
        return SDRT_E_IO;
    *at += sizeof s->count;
    if (__builtin_mul_overflow(s->count, (uint64_t)s->type->bytes, &bytes) || bytes > e->size - *at)
        return damaged(t, "a storage that is cut off");
    s->data = e->bytes + *at;
    *at += (size_t)bytes;
    return SDRT_OK;
}

/* One tensor: (key, storage's key, class), and its layout. */
static int read_tensor(struct tar *t, const struct entry *e, size_t *at, struct tensor *out)
{
    struct sdrt_pickle p = { 0 };
    uint32_t items[3];
    int32_t rank;
    int status = read_record(t, e, at, &p, items, 3);

    if (status == SDRT_OK && (!is_id(&p, items[0]) || !is_id(&p, items[1])))
        status = damaged(t, "a tensor without key or storage");
    if (status == SDRT_OK) {
        out->key = sdrt_pickle_at(&p, items[0])->number;
        out->storage = sdrt_pickle_at(&p, items[1])->number;
    }
    sdrt_pickle_free(&p);
    if (status != SDRT_OK) return status;
    if (e->size - *at < 16) return damaged(t, "a tensor that is cut off");
    out->layout = e->bytes + *at;
    const size_t most = e->size - *at < LAYOUT ? e->size - *at : LAYOUT;
    if (sdrt_file_pages_need(&t->file->pages, out->layout, most)) return SDRT_E_IO;
    memcpy(&rank, out->layout, sizeof rank);
    if (rank < 0 || rank > SDRT_TENSOR_MAX_RANK || e->size - *at < 16 + 16 * (size_t)rank)
        return damaged(t, "a tensor that is cut off, or of more than 8 dimensions");
    *at += 16 + 16 * (size_t)rank;
    return SDRT_OK;
}

/* Keys are first in both. */
static int by_key(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Room for count records of size bytes each. */
static void *records(struct tar *t, size_t count, size_t size, int *status)
{
    void *p = NULL;

    *status = sdrt_pickle_spend(&t->budget, count * size, t->file->path, t->log);
    if (*status != SDRT_OK) return NULL;
    p = calloc(count + 1, size);
    if (!p) *status = sdrt_fail(t->log, SDRT_E_NOMEM, "%s: no memory for its list", t->file->path);
    return p;
}

/* Views of storages came with a list behind them, which was always empty. */
static int read_storages(struct tar *t, const struct entry *e)
{
    struct sdrt_pickle views = { 0 };
    size_t at = 0, count = 0;
    int status = read_count(t, e, &at, &count);

    if (status == SDRT_OK) t->storages = records(t, count, sizeof *t->storages, &status);
    while (status == SDRT_OK && t->n_storages < count)
        status = read_storage(t, e, &at, &t->storages[t->n_storages++]);
    if (status == SDRT_OK) status = read_pickle(t, e, at, &views);
    if (status == SDRT_OK) {
        const struct sdrt_pickle_value *list = sdrt_pickle_at(&views, views.root);
        if (list->kind != PICKLE_IS_LIST || list->a)
            status = sdrt_fail(t->log, SDRT_E_UNSUPPORTED,
                               "%s: an old PyTorch archive with views of "
                               "storages",
                               t->file->path);
    }
    sdrt_pickle_free(&views);
    if (status == SDRT_OK) qsort(t->storages, t->n_storages, sizeof *t->storages, by_key);
    return status;
}

static int read_tensors(struct tar *t, const struct entry *e)
{
    size_t at = 0, count = 0;
    int status = read_count(t, e, &at, &count);

    if (status == SDRT_OK) t->tensors = records(t, count, sizeof *t->tensors, &status);
    while (status == SDRT_OK && t->n_tensors < count)
        status = read_tensor(t, e, &at, &t->tensors[t->n_tensors++]);
    if (status == SDRT_OK) qsort(t->tensors, t->n_tensors, sizeof *t->tensors, by_key);
    return status;
}

/* The number that a persistent id is, or is written as. */
static int read_id(const struct sdrt_pickle_value *id, int64_t *out)
{
    uint32_t i;

    *out = id->number;
    if (id->kind != PICKLE_IS_TEXT) return id->kind == PICKLE_IS_INT;
    *out = 0;
    for (i = 0; i < id->a && i < ID_DIGITS && id->text[i] >= '0' && id->text[i] <= '9'; i++)
        *out = *out * 10 + (id->text[i] - '0');
    return i && i == id->a;
}

static int look_up(void *self, const struct sdrt_pickle_value *id, struct sdrt_pickle_view *view,
                   struct sdrt_pickle_storage *storage, const char **data)
{
    const struct tar *t = self;
    struct tensor wanted;
    int64_t numbers[2 * SDRT_TENSOR_MAX_RANK + 1];
    int32_t rank;

    if (!read_id(id, &wanted.key)) return damaged(t, "a persistent id that names no tensor");
    const struct tensor *found = bsearch(&wanted, t->tensors, t->n_tensors, sizeof wanted, by_key);
    const struct storage *s = !found ? NULL
                                     : bsearch(&found->storage, t->storages, t->n_storages,
                                               sizeof *t->storages, by_key);
    if (!s) return damaged(t, "a tensor or its storage is not in it");
    memcpy(&rank, found->layout, sizeof rank);
    memcpy(numbers, found->layout + 8, 8 * (2 * (size_t)rank + 1));
    for (int i = 0; i < 2 * rank + 1; i++)
        if (numbers[i] < 0) return damaged(t, "a tensor with sizes below 0");
    view->rank = rank;
    memcpy(view->shape, numbers, 8 * (size_t)rank);
    memcpy(view->stride, numbers + rank, 8 * (size_t)rank);
    view->offset = (uint64_t)numbers[2 * rank];
    view->type = s->type;
    *storage = (struct sdrt_pickle_storage){ .type = s->type,
                                             .count = s->count,
                                             .of_view = s->count };
    *data = s->data;
    return SDRT_OK;
}

int sdrt_pickle_tar_parse(struct sdrt_tensor_file *f, size_t budget, const struct sdrt_log *log)
{
    struct tar t = { .file = f, .log = log, .budget = budget };
    struct sdrt_pickle object = { 0 };
    struct entry pickle, tensors, storages;
    int status = find_entry(&t, "pickle", &pickle);

    if (status == SDRT_OK) status = find_entry(&t, "tensors", &tensors);
    if (status == SDRT_OK) status = find_entry(&t, "storages", &storages);
    if (status != SDRT_OK) return status;
    if (!pickle.bytes || !tensors.bytes || !storages.bytes)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: seems to be a tar archive, %.100s first: "
                         "unpack it",
                         f->path, f->pages.base);
    status = read_storages(&t, &storages);
    if (status == SDRT_OK) status = read_tensors(&t, &tensors);
    if (status == SDRT_OK) status = read_pickle(&t, &pickle, 0, &object);
    if (status == SDRT_OK) {
        const struct sdrt_pickle_source source = { .look_up = look_up, .self = &t };
        status = sdrt_pickle_tensors(f, &object, &source, &t.budget, log);
    }
    sdrt_pickle_free(&object);
    free(t.storages);
    free(t.tensors);
    return status;
}
