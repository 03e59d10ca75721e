/* SPDX-License-Identifier: MIT
 *
 * What torch.save() writes (torch/serialization.py): since PyTorch 1.6 a zip archive with the
 * pickle in data.pkl and each storage's bytes in data/KEY; before, five pickles (a magic number,
 * a version, the machine, the object, the list of storages) and behind them each storage, its
 * number of elements in front.  That of its first year is in pickle_tar.c.  Tensors are used where
 * they lie.
 */
#include "runtime/base/text.h"
#include "runtime/files/pickle_tensors.h"
#include "runtime/files/zip.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Reading may allocate so many times the file's size, and so many bytes where that is little. */
enum { BUDGET = 16, SMALLEST = 2048 };

static size_t budget_of(const struct sdrt_tensor_file *f)
{
    return f->size > SIZE_MAX / BUDGET - SMALLEST ? SIZE_MAX : f->size * BUDGET + SMALLEST;
}

/* The bytes of a storage, none beyond 64 bits. */
static int storage_bytes(const struct sdrt_pickle_storage *s, uint64_t *bytes)
{
    return !__builtin_mul_overflow(s->count, (uint64_t)s->type->bytes, bytes);
}

/* ---- the archive ---- */

struct archive {
    const struct sdrt_zip *zip;
    const char *front; /* what names stand behind: "archive/" */
    size_t front_size;
    const struct sdrt_log *log;
};

/* The entry of that name (size bytes) beside data.pkl; NULL when there is none. */
static const struct sdrt_zip_entry *beside(const struct archive *a, const char *folder,
                                           const char *name, size_t size)
{
    char path[512];
    const size_t room = strlen(folder) + a->front_size + size;

    if (room > sizeof path) return NULL;
    memcpy(path, a->front, a->front_size);
    memcpy(path + a->front_size, folder, strlen(folder));
    memcpy(path + room - size, name, size);
    return sdrt_zip_find(a->zip, path, room);
}

static int locate_entry(void *self, const struct sdrt_pickle_storage *s, const char **out)
{
    const struct archive *a = self;
    const struct sdrt_zip_entry *e = beside(a, "data/", s->key, s->key_size);
    const int n = (int)(s->key_size < 100 ? s->key_size : 100);
    uint64_t bytes;

    if (!e)
        return sdrt_fail(a->log, SDRT_E_FORMAT,
                         "%s: its pickle names the storage %.*s, which is "
                         "not in the archive",
                         a->zip->path, n, s->key);
    if (!storage_bytes(s, &bytes) || bytes != e->size)
        return sdrt_fail(a->log, SDRT_E_FORMAT,
                         "%s: storage %.*s has %" PRIu64 " bytes, %" PRIu64 " elements of %u are "
                         "expected",
                         a->zip->path, n, s->key, e->size, s->count, (unsigned)s->type->bytes);
    return sdrt_zip_data(a->zip, e, out, a->log);
}

/* data.pkl, itself or in one folder; NULL without one. */
static const struct sdrt_zip_entry *find_pickle(struct archive *a)
{
    static const char name[] = "data.pkl";
    const size_t n = sizeof name - 1;

    for (size_t i = 0; i < a->zip->count; i++) {
        const struct sdrt_zip_entry *e = &a->zip->entries[i];
        const size_t front = e->name_size - n;
        if (e->name_size < n || memcmp(e->name + front, name, n)) continue;
        if (front && memchr(e->name, '/', front) != e->name + front - 1) continue;
        a->front = e->name;
        a->front_size = front;
        return e;
    }
    return NULL;
}

static int refuse_archive(const struct sdrt_zip *zip, const struct sdrt_log *log)
{
    const struct sdrt_zip_entry *first = zip->entries;

    if (!zip->count)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: seems to be an empty zip archive",
                         zip->path);
    for (size_t i = 0; i < zip->count; i++)
        if (zip->entries[i].at < first->at) first = &zip->entries[i];
    const int n = (int)(first->name_size < 100 ? first->name_size : 100);
    if (first->name_size > 4 && !memcmp(first->name + first->name_size - 4, ".npy", 4))
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: seems to be an archive of NumPy arrays "
                         "(.npz), %.*s first",
                         zip->path, n, first->name);
    return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                     "%s: seems to be a zip archive of %zu files, %.*s "
                     "first: unpack it",
                     zip->path, zip->count, n, first->name);
}

/* The entry's bytes, read. */
static int read_entry(const struct archive *a, const struct sdrt_zip_entry *e, const char **out)
{
    const int status = sdrt_zip_data(a->zip, e, out, a->log);

    if (status != SDRT_OK) return status;
    return sdrt_file_pages_need(a->zip->pages, *out, (size_t)e->size) ? SDRT_E_IO : SDRT_OK;
}

/* The pickle's bytes in the archive, whole and of this machine's byte order. */
static int open_pickle(struct archive *a, const char **bytes, size_t *size)
{
    const struct sdrt_zip_entry *e = find_pickle(a), *order;
    const char *path = a->zip->path, *text;
    int status;

    if (!e) return refuse_archive(a->zip, a->log);
    if (beside(a, "", "constants.pkl", strlen("constants.pkl")))
        return sdrt_fail(a->log, SDRT_E_UNSUPPORTED,
                         "%s: is a TorchScript program, which is code: "
                         "expected a state_dict",
                         path);
    order = beside(a, "", "byteorder", strlen("byteorder"));
    if (order) {
        status = read_entry(a, order, &text);
        if (status != SDRT_OK) return status;
        if (order->size != strlen("little") || memcmp(text, "little", strlen("little")))
            return sdrt_fail(a->log, SDRT_E_UNSUPPORTED,
                             "%s: was written by a machine of another "
                             "byte order",
                             path);
    }
    status = read_entry(a, e, bytes);
    if (status != SDRT_OK) return status;
    *size = (size_t)e->size;
    if (crc32_z(0, (const Bytef *)*bytes, *size) != e->crc)
        return sdrt_fail(a->log, SDRT_E_FORMAT,
                         "%s: damaged: the check sum of its data.pkl is "
                         "another one",
                         path);
    return SDRT_OK;
}

static int parse_archive(struct sdrt_tensor_file *f, const struct sdrt_log *log)
{
    size_t budget = budget_of(f);
    struct sdrt_pickle pickle = { 0 };
    struct sdrt_zip zip;
    struct archive a = { .zip = &zip, .log = log };
    const struct sdrt_pickle_source source = { .locate = locate_entry, .self = &a };
    struct sdrt_pickle_bytes bytes = { .pages = &f->pages, .path = f->path };
    int status = sdrt_zip_open(&zip, &f->pages, f->path, log);

    if (status != SDRT_OK) return status;
    status = sdrt_pickle_spend(&budget, zip.count * sizeof *zip.entries, f->path, log);
    if (status == SDRT_OK) status = open_pickle(&a, &bytes.at, &bytes.size);
    if (status == SDRT_OK) status = sdrt_pickle_read(&pickle, &bytes, 0, &budget, log);
    if (status == SDRT_OK) status = sdrt_pickle_tensors(f, &pickle, &source, &budget, log);
    sdrt_pickle_free(&pickle);
    sdrt_zip_free(&zip);
    return status;
}

/* ---- the form before PyTorch 1.6 ---- */

struct place {
    struct sdrt_pickle_storage storage;
    const char *data; /* NULL until it is found */
};

struct places {
    struct sdrt_tensor_file *file;
    struct place *at; /* owned, sorted by key */
    size_t count;
    const struct sdrt_log *log;
};

static int by_key(const void *a, const void *b)
{
    const struct sdrt_pickle_storage *x = a, *y = b; /* first in a place */
    const size_t n = x->key_size < y->key_size ? x->key_size : y->key_size;
    const int order = memcmp(x->key, y->key, n);

    return order ? order : (x->key_size > y->key_size) - (x->key_size < y->key_size);
}

/* The first place of that key; NULL when there is none. */
static struct place *find_place(const struct places *all, const char *key, size_t size)
{
    const struct sdrt_pickle_storage wanted = { .key = key, .key_size = size };
    size_t low = 0, high = all->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (by_key(&all->at[middle].storage, &wanted) < 0) low = middle + 1;
        else high = middle;
    }
    if (low == all->count || by_key(&all->at[low].storage, &wanted)) return NULL;
    return &all->at[low];
}

static int locate_place(void *self, const struct sdrt_pickle_storage *s, const char **out)
{
    const struct places *all = self;
    const struct place *p = find_place(all, s->key, s->key_size);

    /* What the pickle names was listed from it. */
    if (!p->data || p->storage.count != s->count || p->storage.type->bytes != s->type->bytes)
        return sdrt_fail(all->log, SDRT_E_FORMAT,
                         "%s: its pickle names the storage %.*s, which is "
                         "%s",
                         all->file->path, (int)(s->key_size < 100 ? s->key_size : 100), s->key,
                         p->data ? "of two sizes" : "not behind it");
    *out = p->data;
    return SDRT_OK;
}

/* Lists the storages that a pickle names. */
static int list_places(struct places *all, const struct sdrt_pickle *p, size_t *budget)
{
    const char *path = all->file->path;
    size_t count = 0;

    for (uint32_t i = 0; i < p->n_values; i++) count += p->values[i].kind == PICKLE_IS_STORAGE;
    int status = sdrt_pickle_spend(budget, count * sizeof *all->at, path, all->log);
    if (status != SDRT_OK) return status;
    all->at = calloc(count ? count : 1, sizeof *all->at);
    if (!all->at)
        return sdrt_fail(all->log, SDRT_E_NOMEM, "%s: no memory for %zu storages", path, count);
    for (uint32_t i = 0; i < p->n_values && status == SDRT_OK; i++)
        if (p->values[i].kind == PICKLE_IS_STORAGE)
            status = sdrt_pickle_storage_read(&all->at[all->count++].storage, p, i, path, all->log);
    if (status == SDRT_OK) qsort(all->at, all->count, sizeof *all->at, by_key);
    return status;
}

/* Finds the bytes of the storages of a list of keys, which lie in its order from byte at on. */
static int find_places(struct places *all, const struct sdrt_pickle *keys, size_t at)
{
    struct sdrt_tensor_file *f = all->file;
    const struct sdrt_pickle_value *root = sdrt_pickle_at(keys, keys->root);

    if (root->kind != PICKLE_IS_LIST)
        return sdrt_fail(all->log, SDRT_E_FORMAT,
                         "%s: damaged: no list of storages behind its "
                         "pickle",
                         f->path);
    for (uint32_t c = root->a; c; c = keys->cells[c].next) {
        const struct sdrt_pickle_value *key = sdrt_pickle_at(keys, keys->cells[c].value);
        struct place *p = key->kind == PICKLE_IS_TEXT ? find_place(all, key->text, key->a) : NULL;
        uint64_t count, bytes;
        if (!p)
            return sdrt_fail(all->log, SDRT_E_FORMAT,
                             "%s: damaged: lists a storage that its pickle "
                             "does not name",
                             f->path);
        if (f->size - at < sizeof count || !storage_bytes(&p->storage, &bytes) ||
            bytes > f->size - at - sizeof count)
            return sdrt_fail(all->log, SDRT_E_FORMAT,
                             "%s: truncated: storage %.*s has %" PRIu64
                             " elements, the file %zu bytes more",
                             f->path, (int)(key->a < 100 ? key->a : 100), key->text,
                             p->storage.count, f->size - at);
        if (sdrt_file_pages_copy(&f->pages, f->pages.base + at, sizeof count, &count))
            return SDRT_E_IO;
        if (count != p->storage.count)
            return sdrt_fail(all->log, SDRT_E_FORMAT,
                             "%s: storage %.*s has %" PRIu64 " elements, "
                             "%" PRIu64 " are expected",
                             f->path, (int)(key->a < 100 ? key->a : 100), key->text, count,
                             p->storage.count);
        p->data = f->pages.base + at + sizeof count;
        at += sizeof count + (size_t)bytes;
    }
    return SDRT_OK;
}

static struct sdrt_pickle_bytes whole_file(struct sdrt_tensor_file *f)
{
    return (struct sdrt_pickle_bytes){ f->pages.base, f->size, &f->pages, f->path };
}

/* Reads a small pickle at *at, moves behind it, and hands it to check, which says whether it is
 * what stands there. */
static int read_small(struct sdrt_tensor_file *f, size_t *at, size_t *budget,
                      int check(const struct sdrt_pickle *p), const char *what,
                      const struct sdrt_log *log)
{
    const struct sdrt_pickle_bytes bytes = whole_file(f);
    struct sdrt_pickle p;
    int status = sdrt_pickle_read(&p, &bytes, *at, budget, log);

    if (status != SDRT_OK) return status;
    *at = p.end;
    if (!check(&p))
        status = sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: an old PyTorch file of another %s",
                           f->path, what);
    sdrt_pickle_free(&p);
    return status;
}

static int is_magic(const struct sdrt_pickle *p)
{
    static const char magic[] = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    const struct sdrt_pickle_value *v = sdrt_pickle_at(p, p->root);

    return v->kind == PICKLE_IS_BYTES && v->a == sizeof magic - 1 && !memcmp(v->text, magic, v->a);
}

static int is_version(const struct sdrt_pickle *p)
{
    const struct sdrt_pickle_value *v = sdrt_pickle_at(p, p->root);

    return v->kind == PICKLE_IS_INT && v->number == 1001;
}

static int is_little_endian(const struct sdrt_pickle *p)
{
    const struct sdrt_pickle_value *v = sdrt_pickle_at(p, p->root);

    if (v->kind != PICKLE_IS_DICT) return 0;
    for (uint32_t c = v->a; c; c = p->cells[p->cells[c].next].next)
        if (sdrt_pickle_is(p, p->cells[c].value, "little_endian"))
            return sdrt_pickle_at(p, p->cells[p->cells[c].next].value)->number == 1;
    return 0;
}

static int no_storage(void *self, const struct sdrt_pickle_storage *s, const char **out)
{
    const struct places *all = self;

    (void)s;
    *out = NULL;
    return sdrt_fail(all->log, SDRT_E_UNSUPPORTED,
                     "%s: a pickle whose tensors are not in it: "
                     "expected what torch.save() writes",
                     all->file->path);
}

/* The object and what lies behind it. */
static int parse_object(struct sdrt_tensor_file *f, size_t at, size_t *budget,
                        const struct sdrt_log *log)
{
    struct places all = { .file = f, .log = log };
    const struct sdrt_pickle_source source = { .locate = locate_place, .self = &all };
    const struct sdrt_pickle_bytes bytes = whole_file(f);
    struct sdrt_pickle object, keys = { 0 };
    int status = sdrt_pickle_read(&object, &bytes, at, budget, log);

    if (status != SDRT_OK) return status;
    status = list_places(&all, &object, budget);
    if (status == SDRT_OK) status = sdrt_pickle_read(&keys, &bytes, object.end, budget, log);
    if (status == SDRT_OK) status = find_places(&all, &keys, keys.end);
    if (status == SDRT_OK) status = sdrt_pickle_tensors(f, &object, &source, budget, log);
    free(all.at);
    sdrt_pickle_free(&keys);
    sdrt_pickle_free(&object);
    return status;
}

/* A pickle that is no torch.save()'s has no tensors, or not their bytes. */
static int parse_pickles(struct sdrt_tensor_file *f, const struct sdrt_log *log)
{
    struct places none = { .file = f, .log = log };
    const struct sdrt_pickle_source source = { .locate = no_storage, .self = &none };
    size_t budget = budget_of(f), at;
    const struct sdrt_pickle_bytes bytes = whole_file(f);
    struct sdrt_pickle first;
    int status = sdrt_pickle_read(&first, &bytes, 0, &budget, log);

    if (status != SDRT_OK) return status;
    const int torch = is_magic(&first);
    at = first.end;
    if (!torch) status = sdrt_pickle_tensors(f, &first, &source, &budget, log);
    sdrt_pickle_free(&first);
    if (!torch) return status;
    status = read_small(f, &at, &budget, is_version, "version", log);
    if (status == SDRT_OK)
        status = read_small(f, &at, &budget, is_little_endian, "byte order", log);
    return status == SDRT_OK ? parse_object(f, at, &budget, log) : status;
}

static int claims_pickle(const char *map, size_t size)
{
    return size > 2 && (unsigned char)map[0] == 0x80 && map[1] >= 2 && map[1] <= 5;
}

static int parse_tar(struct sdrt_tensor_file *f, const struct sdrt_log *log)
{
    return sdrt_pickle_tar_parse(f, budget_of(f), log);
}

static const char *no_metadata(const struct sdrt_tensor_file *f, const char *key)
{
    (void)f;
    (void)key;
    return NULL;
}

static void free_header(void *header) { free(header); }

static const char *const extensions[] = { ".ckpt", ".pt", ".pth", ".bin", NULL };

const struct sdrt_tensor_format sdrt_format_pickle_zip = {
    .extensions = extensions,
    .claims = sdrt_zip_claims,
    .parse = parse_archive,
    .metadata = no_metadata,
    .free_header = free_header,
};

const struct sdrt_tensor_format sdrt_format_pickle = {
    .extensions = extensions,
    .claims = claims_pickle,
    .parse = parse_pickles,
    .metadata = no_metadata,
    .free_header = free_header,
};

const struct sdrt_tensor_format sdrt_format_pickle_tar = {
    .extensions = extensions,
    .claims = sdrt_pickle_tar_claims,
    .parse = parse_tar,
    .metadata = no_metadata,
    .free_header = free_header,
};
