/* SPDX-License-Identifier: MIT */
#include "runtime/files/safetensors.h"

#include "runtime/files/file_kind.h"
#include "runtime/files/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensor data is used as it lies on disk");

enum { PREFIX = 8 }; /* bytes of the header's length */

struct sdrt_safetensors {
    char   *path;
    int     fd;     /* kept to look at the size again */
    char   *map;    /* NULL or the whole file */
    size_t  size;
    json_t *header; /* owns the names and the metadata */
    struct sdrt_safetensors_tensor *tensors; /* sorted by name */
    size_t  count;
};

static int map_file(struct sdrt_safetensors *f, const struct sdrt_log *log)
{
    struct stat info;
    void *map;

    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0)
        return sdrt_fail(log, errno == ENOENT ? SDRT_E_MISSING : SDRT_E_IO,
                         "%s: cannot be opened: %s", f->path, strerror(errno));
    if (fstat(f->fd, &info) != 0)
        return sdrt_fail(log, SDRT_E_IO, "%s: cannot be read: %s", f->path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return sdrt_fail(log, SDRT_E_IO, "%s: is %s, a safetensors file is expected", f->path,
                         S_ISDIR(info.st_mode) ? "a folder" : "not a regular file");
    if (info.st_size == 0)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: is empty, a safetensors file is expected",
                         f->path);
    if ((uintmax_t)info.st_size > SIZE_MAX)
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: is larger than the address space", f->path);
    f->size = (size_t)info.st_size;
    map = mmap(NULL, f->size, PROT_READ, MAP_PRIVATE, f->fd, 0);
    if (map == MAP_FAILED)
        return sdrt_fail(log, errno == ENOMEM ? SDRT_E_NOMEM : SDRT_E_IO,
                         "%s: cannot be mapped: %s", f->path, strerror(errno));
    f->map = map;
    return SDRT_OK;
}

/* Checks the length in front and parses the header.  *data_start is where tensors begin. */
static int parse_header(struct sdrt_safetensors *f, size_t *data_start, const struct sdrt_log *log)
{
    const char *kind;
    uint64_t length = 0;

    if (f->size >= PREFIX) memcpy(&length, f->map, PREFIX);
    /* A header always begins with '{', so another start settles what the file is not. */
    if (length > SDRT_SAFETENSORS_MAX_HEADER || f->size <= PREFIX || f->map[PREFIX] != '{') {
        kind = sdrt_file_kind(f->map, f->size);
        if (kind)
            return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                             "%s: seems to be %s; model files must be .safetensors", f->path, kind);
    }
    if (f->size < PREFIX)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: has %zu bytes, too few for a safetensors file",
                         f->path, f->size);
    if (length > SDRT_SAFETENSORS_MAX_HEADER || length < 2)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: not a safetensors file: its header would have %" PRIu64
                         " bytes, 2 to %d are possible", f->path, length,
                         SDRT_SAFETENSORS_MAX_HEADER);
    if (length > f->size - PREFIX)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: truncated: the header needs %" PRIu64 " bytes, the file has %zu more",
                         f->path, length, f->size - PREFIX);
    if (f->map[PREFIX] != '{')
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: not a safetensors file: its header does not begin with '{'", f->path);
    *data_start = PREFIX + (size_t)length;
    return sdrt_json_parse(&f->header, f->map + PREFIX, (size_t)length, f->path, log);
}

static int check_metadata(const struct sdrt_safetensors *f, const struct sdrt_log *log)
{
    json_t *metadata = json_object_get(f->header, "__metadata__");
    const char *key;
    json_t *value;

    if (!metadata || json_is_null(metadata)) return SDRT_OK;
    if (!json_is_object(metadata))
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: __metadata__: an object of strings is expected",
                         f->path);
    json_object_foreach(metadata, key, value)
        if (!json_is_string(value))
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: __metadata__: %s: a string is expected",
                             f->path, key);
    return SDRT_OK;
}

static void read_dtype(struct sdrt_safetensors_tensor *t)
{
    for (int i = 0; i < SDRT_DTYPES; i++)
        if (!strcmp(t->dtype_name, sdrt_dtype_name((enum sdrt_dtype)i))) {
            t->dtype = (enum sdrt_dtype)i;
            t->known = 1;
        }
}

/* The shape, and the bytes it takes (0 for an unknown dtype). */
static int read_shape(struct sdrt_safetensors_tensor *t, const json_t *shape, size_t *bytes,
                      const char *path, const struct sdrt_log *log)
{
    size_t product = t->known ? sdrt_dtype_size(t->dtype) : 1;
    const json_t *dim;

    if (json_array_size(shape) > SDRT_SAFETENSORS_MAX_RANK)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: has %zu dimensions, at most %d are possible",
                         path, t->name, json_array_size(shape), SDRT_SAFETENSORS_MAX_RANK);
    t->rank = (int)json_array_size(shape);
    for (int i = 0; i < t->rank; i++) {
        dim = json_array_get(shape, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return sdrt_fail(log, SDRT_E_FORMAT,
                             "%s: %s: shape: integers of 0 and more are expected", path, t->name);
        t->shape[i] = json_integer_value(dim);
        if (__builtin_mul_overflow(product, (uint64_t)t->shape[i], &product))
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: shape: its product overflows", path,
                             t->name);
    }
    *bytes = t->known ? product : 0;
    return SDRT_OK;
}

static int read_offset(const json_t *offsets, size_t i, size_t *out)
{
    const json_t *value = json_array_get(offsets, i);

    if (!json_is_integer(value) || json_integer_value(value) < 0) return -1;
    *out = (size_t)json_integer_value(value);
    return (uintmax_t)json_integer_value(value) > SIZE_MAX ? -1 : 0;
}

/* One entry of the header.  data_start: offset in the file of the first tensor's byte. */
static int read_tensor(const struct sdrt_safetensors *f, size_t data_start, const json_t *entry,
                       struct sdrt_safetensors_tensor *t, const struct sdrt_log *log)
{
    const json_t *shape = json_object_get(entry, "shape");
    const json_t *offsets = json_object_get(entry, "data_offsets");
    size_t begin, end, bytes = 0;
    int rc;

    t->dtype_name = json_string_value(json_object_get(entry, "dtype"));
    if (!t->dtype_name || !json_is_array(shape) || !json_is_array(offsets))
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: %s: a dtype, a shape and data_offsets are expected", f->path,
                         t->name);
    read_dtype(t);
    rc = read_shape(t, shape, &bytes, f->path, log);
    if (rc != SDRT_OK) return rc;
    if (json_array_size(offsets) != 2 || read_offset(offsets, 0, &begin) ||
        read_offset(offsets, 1, &end) || begin > end)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: %s: data_offsets: two ascending integers of 0 and more are expected",
                         f->path, t->name);
    if (end > f->size - data_start)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: truncated: %s ends at byte %zu of the data, the file has %zu",
                         f->path, t->name, end, f->size - data_start);
    if (t->known && end - begin != bytes)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: %s: has %zu bytes, its shape and dtype %s need %zu", f->path,
                         t->name, end - begin, t->dtype_name, bytes);
    t->data = f->map + data_start + begin;
    t->bytes = end - begin;
    return SDRT_OK;
}

static int read_tensors(struct sdrt_safetensors *f, size_t data_start, const struct sdrt_log *log)
{
    const size_t entries = json_object_size(f->header);
    const char *name;
    json_t *entry;
    int rc;

    f->tensors = calloc(entries ? entries : 1, sizeof *f->tensors);
    if (!f->tensors)
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for %zu tensors", f->path, entries);
    json_object_foreach(f->header, name, entry) {
        if (!strcmp(name, "__metadata__")) continue;
        f->tensors[f->count].name = name;
        rc = read_tensor(f, data_start, entry, &f->tensors[f->count], log);
        if (rc != SDRT_OK) return rc;
        f->count++;
    }
    return SDRT_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct sdrt_safetensors_tensor *x = a, *y = b;
    const char *p = x->data, *q = y->data;

    if (p != q) return p < q ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int by_name(const void *a, const void *b)
{
    const struct sdrt_safetensors_tensor *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* Every byte of the data belongs to exactly one tensor. */
static int check_places(struct sdrt_safetensors *f, size_t data_start, const struct sdrt_log *log)
{
    const char *expected = f->map + data_start;
    const char *before = "the header";

    qsort(f->tensors, f->count, sizeof *f->tensors, by_place);
    for (size_t i = 0; i < f->count; i++) {
        const struct sdrt_safetensors_tensor *t = &f->tensors[i];
        const char *data = t->data;
        if (data < expected)
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s overlaps %s by %td bytes", f->path,
                             t->name, before, expected - data);
        if (data > expected)
            return sdrt_fail(log, SDRT_E_FORMAT,
                             "%s: %td bytes between %s and %s belong to no tensor", f->path,
                             data - expected, before, t->name);
        expected = data + t->bytes;
        before = t->name;
    }
    if (expected != f->map + f->size)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: %td bytes behind %s belong to no tensor",
                         f->path, f->map + f->size - expected, before);
    return SDRT_OK;
}

int sdrt_safetensors_open(struct sdrt_safetensors **out, const char *path,
                          const struct sdrt_log *log)
{
    struct sdrt_safetensors *f = calloc(1, sizeof *f);
    size_t data_start = 0;
    int rc;

    *out = NULL;
    if (f) {
        f->fd = -1;
        f->path = strdup(path);
    }
    if (!f || !f->path) {
        rc = sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to open it", path);
        goto out;
    }
    rc = map_file(f, log);
    if (rc == SDRT_OK) rc = parse_header(f, &data_start, log);
    if (rc == SDRT_OK) rc = check_metadata(f, log);
    if (rc == SDRT_OK) rc = read_tensors(f, data_start, log);
    if (rc == SDRT_OK) rc = check_places(f, data_start, log);
    if (rc != SDRT_OK) goto out;
    qsort(f->tensors, f->count, sizeof *f->tensors, by_name);
    *out = f;
    f = NULL;
out:
    sdrt_safetensors_close(&f);
    return rc;
}

void sdrt_safetensors_close(struct sdrt_safetensors **file)
{
    struct sdrt_safetensors *f = *file;

    if (!f) return;
    if (f->map) munmap(f->map, f->size);
    if (f->fd >= 0) close(f->fd);
    json_decref(f->header);
    free(f->tensors);
    free(f->path);
    free(f);
    *file = NULL;
}

const char *sdrt_safetensors_path(const struct sdrt_safetensors *file)
{
    return file->path;
}

size_t sdrt_safetensors_count(const struct sdrt_safetensors *file)
{
    return file->count;
}

const struct sdrt_safetensors_tensor *sdrt_safetensors_at(const struct sdrt_safetensors *file,
                                                          size_t i)
{
    return &file->tensors[i];
}

int sdrt_safetensors_find(const struct sdrt_safetensors *file, const char *name,
                          const struct sdrt_safetensors_tensor **out, const struct sdrt_log *log)
{
    const struct sdrt_safetensors_tensor key = { .name = name };
    const struct sdrt_safetensors_tensor *t;
    struct stat info;

    *out = NULL;
    t = bsearch(&key, file->tensors, file->count, sizeof key, by_name);
    if (!t) return SDRT_E_MISSING;
    if (!t->known)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: %s: its dtype %s is not supported",
                         file->path, name, t->dtype_name);
    if (fstat(file->fd, &info) != 0 || (uintmax_t)info.st_size < file->size)
        return sdrt_fail(log, SDRT_E_IO, "%s: has become shorter since it was opened", file->path);
    *out = t;
    return SDRT_OK;
}

int sdrt_safetensors_read(const struct sdrt_safetensors *file,
                          const struct sdrt_safetensors_tensor *tensor, size_t at, size_t bytes,
                          void *out)
{
    const size_t begin = (size_t)((const char *)tensor->data - file->map) + at;
    size_t done = 0;

    while (done < bytes) {
        const ssize_t n = pread(file->fd, (char *)out + done, bytes - done, (off_t)(begin + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return SDRT_E_IO;
        done += (size_t)n;
    }
    return SDRT_OK;
}

const char *sdrt_safetensors_metadata(const struct sdrt_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

void sdrt_safetensors_release(const struct sdrt_safetensors *file,
                              const struct sdrt_safetensors_tensor *tensor)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t at = (size_t)((const char *)tensor->data - file->map);
    /* Inward: pages shared with a neighbour stay. */
    const size_t begin = (at + page - 1) / page * page;
    const size_t end = (at + tensor->bytes) / page * page;

    if (begin < end) madvise(file->map + begin, end - begin, MADV_DONTNEED);
}

void sdrt_safetensors_prefetch(const struct sdrt_safetensors *file,
                               const struct sdrt_safetensors_tensor *tensor)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t at = (size_t)((const char *)tensor->data - file->map);
    const size_t begin = at / page * page;

    if (tensor->bytes) madvise(file->map + begin, at + tensor->bytes - begin, MADV_WILLNEED);
}
