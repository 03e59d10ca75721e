/* SPDX-License-Identifier: MIT
 *
 * safetensors (https://github.com/huggingface/safetensors, "Format"): a little-endian u64
 * with the length of the header, the header (a JSON object: name -> dtype, shape,
 * data_offsets; and "__metadata__" with strings), then the tensors' bytes, row-major.
 * Everything the header claims is checked, as strictly as the reference implementation does:
 * every byte belongs to exactly one tensor.
 */
#include "runtime/files/json.h"
#include "runtime/files/tensor_format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensor data is used as it lies on disk");

enum {
    PREFIX = 8, /* bytes of the header's length */
    MAX_HEADER = 100 * 1000 * 1000 /* the reference's limit */
};

static uint64_t header_length(const char *map, size_t size)
{
    uint64_t length = 0;

    if (size >= PREFIX) memcpy(&length, map, PREFIX);
    return length;
}

/* A header always begins with '{', so another start settles what the file is not. */
static int claims(const char *map, size_t size)
{
    return header_length(map, size) <= MAX_HEADER && size > PREFIX && map[PREFIX] == '{';
}

/* Checks the length in front and parses the header.  *data_start is where tensors begin. */
static int parse_header(struct sdrt_tensor_file *f, size_t *data_start, const struct sdrt_log *log)
{
    const uint64_t length = header_length(f->map, f->size);
    json_t *header = NULL;

    if (f->size < PREFIX)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: has %zu bytes, too few for a safetensors file",
                         f->path, f->size);
    if (length > MAX_HEADER || length < 2)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: not a safetensors file: its header would have %" PRIu64
                         " bytes, 2 to %d are possible", f->path, length,
                         MAX_HEADER);
    if (length > f->size - PREFIX)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: truncated: the header needs %" PRIu64 " bytes, the file has %zu more",
                         f->path, length, f->size - PREFIX);
    if (f->map[PREFIX] != '{')
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: not a safetensors file: its header does not begin with '{'", f->path);
    *data_start = PREFIX + (size_t)length;
    const int status = sdrt_json_parse(&header, f->map + PREFIX, (size_t)length, f->path, log);
    f->header = header;
    return status;
}

static int check_metadata(const struct sdrt_tensor_file *f, const struct sdrt_log *log)
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

/* The format has no types of blocks. */
static void read_dtype(struct sdrt_file_tensor *t)
{
    for (int i = 0; i < SDRT_DTYPES; i++)
        if (sdrt_dtype_size((enum sdrt_dtype)i) &&
            !strcmp(t->dtype_name, sdrt_dtype_name((enum sdrt_dtype)i))) {
            t->dtype = (enum sdrt_dtype)i;
            t->known = 1;
        }
}

/* The shape, and the bytes it takes (0 for an unknown dtype). */
static int read_shape(struct sdrt_file_tensor *t, const json_t *shape, size_t *bytes,
                      const char *path, const struct sdrt_log *log)
{
    size_t product = t->known ? sdrt_dtype_size(t->dtype) : 1;
    const json_t *dim;

    if (json_array_size(shape) > SDRT_TENSOR_MAX_RANK)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: has %zu dimensions, at most %d are possible",
                         path, t->name, json_array_size(shape), SDRT_TENSOR_MAX_RANK);
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
static int read_tensor(const struct sdrt_tensor_file *f, size_t data_start, const json_t *entry,
                       struct sdrt_file_tensor *t, const struct sdrt_log *log)
{
    const json_t *shape = json_object_get(entry, "shape");
    const json_t *offsets = json_object_get(entry, "data_offsets");
    size_t begin, end, bytes = 0;
    int status;

    t->dtype_name = json_string_value(json_object_get(entry, "dtype"));
    if (!t->dtype_name || !json_is_array(shape) || !json_is_array(offsets))
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: %s: a dtype, a shape and data_offsets are expected", f->path,
                         t->name);
    read_dtype(t);
    status = read_shape(t, shape, &bytes, f->path, log);
    if (status != SDRT_OK) return status;
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

static int read_tensors(struct sdrt_tensor_file *f, size_t data_start, const struct sdrt_log *log)
{
    const size_t entries = json_object_size(f->header);
    const char *name;
    json_t *entry;

    f->tensors = calloc(entries ? entries : 1, sizeof *f->tensors);
    if (!f->tensors)
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for %zu tensors", f->path, entries);
    json_object_foreach(f->header, name, entry) {
        if (!strcmp(name, "__metadata__")) continue;
        f->tensors[f->count].name = name;
        const int status = read_tensor(f, data_start, entry, &f->tensors[f->count], log);
        if (status != SDRT_OK) return status;
        f->count++;
    }
    return SDRT_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct sdrt_file_tensor *x = a, *y = b;
    const char *p = x->data, *q = y->data;

    if (p != q) return p < q ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Every byte of the data belongs to exactly one tensor. */
static int check_places(struct sdrt_tensor_file *f, size_t data_start, const struct sdrt_log *log)
{
    const char *expected = f->map + data_start;
    const char *before = "the header";

    qsort(f->tensors, f->count, sizeof *f->tensors, by_place);
    for (size_t i = 0; i < f->count; i++) {
        const struct sdrt_file_tensor *t = &f->tensors[i];
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

static int parse(struct sdrt_tensor_file *f, const struct sdrt_log *log)
{
    size_t data_start = 0;
    int status = parse_header(f, &data_start, log);

    if (status == SDRT_OK) status = check_metadata(f, log);
    if (status == SDRT_OK) status = read_tensors(f, data_start, log);
    return status == SDRT_OK ? check_places(f, data_start, log) : status;
}

static const char *metadata(const struct sdrt_tensor_file *f, const char *key)
{
    return json_string_value(json_object_get(json_object_get(f->header, "__metadata__"), key));
}

static void free_header(void *header) { json_decref(header); }

static const char *const extensions[] = { ".safetensors", NULL };

const struct sdrt_tensor_format sdrt_format_safetensors = {
    .extensions = extensions, .claims = claims, .parse = parse, .metadata = metadata,
    .free_header = free_header,
};
