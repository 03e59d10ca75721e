/* SPDX-License-Identifier: MIT
 *
 * safetensors (https://github.com/huggingface/safetensors, "Format"): a little-endian u64
 * with the length of the header, the header (a JSON object: name -> dtype, shape,
 * data_offsets; and "__metadata__" with strings), then the tensors' bytes, row-major.
 * Everything the header claims is checked, as strictly as the reference implementation does:
 * every byte belongs to exactly one tensor.
 */
#include "runtime/base/grow.h"
#include "runtime/files/json_reader.h"
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

/* What belongs to an open file: its header's text, into which names point, and the metadata. */
struct header {
    char *text; /* owned, as the list */
    struct note {
        const char *key, *value;
    } * notes; /* sorted by key once it is read */
    size_t n_notes, cap;
};

/* Checks the length in front and reads the header's text.  *data_start is where tensors begin. */
static int read_header(struct sdrt_tensor_file *f, size_t *data_start, const struct sdrt_log *log)
{
    char front[PREFIX + 1] = "";
    struct header *h;

    if (sdrt_tensor_file_bytes(f, 0, f->size < sizeof front ? f->size : sizeof front, front))
        return sdrt_tensor_file_shorter(f, log);
    const uint64_t length = header_length(front, f->size);
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
    if (front[PREFIX] != '{')
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: not a safetensors file: its header does not begin with '{'", f->path);
    *data_start = PREFIX + (size_t)length;
    f->header = h = calloc(1, sizeof *h);
    if (h) h->text = malloc((size_t)length + 1);
    if (!h || !h->text)
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its header of %" PRIu64 " bytes",
                         f->path, length);
    h->text[length] = '\0';
    if (sdrt_tensor_file_bytes(f, PREFIX, (size_t)length, h->text))
        return sdrt_tensor_file_shorter(f, log);
    return SDRT_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct note *x = a, *y = b;

    return strcmp(x->key, y->key);
}

static int read_notes(const struct sdrt_tensor_file *f, struct sdrt_json_reader *r,
                      const struct sdrt_log *log)
{
    struct header *h = f->header;
    int status;

    while ((status = sdrt_json_next(r)) == SDRT_OK && r->token != SDRT_JSON_OBJECT_END) {
        const char *key = r->string;
        struct note *notes = sdrt_grow(h->notes, h->n_notes, &h->cap, sizeof *notes);
        if (!notes) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its metadata", f->path);
        h->notes = notes;
        status = sdrt_json_next(r);
        if (status != SDRT_OK) return status;
        if (r->token != SDRT_JSON_STRING)
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: __metadata__: %s: a string is expected",
                             f->path, key);
        notes[h->n_notes++] = (struct note){ key, r->string };
    }
    if (status != SDRT_OK || !h->n_notes) return status;
    qsort(h->notes, h->n_notes, sizeof *h->notes, by_key);
    for (size_t i = 1; i < h->n_notes; i++)
        if (!by_key(&h->notes[i - 1], &h->notes[i]))
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: __metadata__: %s: a duplicate key", f->path,
                             h->notes[i].key);
    return SDRT_OK;
}

static int read_metadata(const struct sdrt_tensor_file *f, struct sdrt_json_reader *r,
                         const struct sdrt_log *log)
{
    const struct header *h = f->header;
    const int status = sdrt_json_next(r);

    if (status != SDRT_OK || r->token == SDRT_JSON_NULL) return status;
    if (r->token != SDRT_JSON_OBJECT)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: __metadata__: an object of strings is expected",
                         f->path);
    if (h->n_notes) return sdrt_json_complain(r, "a duplicate key");
    return read_notes(f, r, log);
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

/* A list of numbers, of which the first of most are kept. */
struct numbers {
    int there; /* the entry has it, and it is a list */
    size_t count;
    int bad; /* others than integers of 0 and more are among them */
    int64_t at[SDRT_TENSOR_MAX_RANK];
};

static int read_numbers(struct sdrt_json_reader *r, struct numbers *out)
{
    int status = sdrt_json_next(r);

    if (out->there && status == SDRT_OK) return sdrt_json_complain(r, "a duplicate key");
    if (status != SDRT_OK || r->token != SDRT_JSON_ARRAY)
        return status == SDRT_OK ? sdrt_json_skip(r) : status;
    out->there = 1;
    while ((status = sdrt_json_next(r)) == SDRT_OK && r->token != SDRT_JSON_ARRAY_END) {
        if (r->token != SDRT_JSON_INTEGER || r->integer < 0) out->bad = 1;
        else if (out->count < SDRT_TENSOR_MAX_RANK) out->at[out->count] = r->integer;
        out->count++;
        status = sdrt_json_skip(r);
        if (status != SDRT_OK) break;
    }
    return status;
}

/* What an entry of the header says. */
struct claims {
    struct numbers shape, offsets;
};

static int read_type(struct sdrt_json_reader *r, struct sdrt_file_tensor *t)
{
    const int status = sdrt_json_next(r);

    if (status != SDRT_OK) return status;
    if (t->dtype_name) return sdrt_json_complain(r, "a duplicate key");
    if (r->token != SDRT_JSON_STRING) return sdrt_json_skip(r);
    t->dtype_name = r->string;
    read_dtype(t);
    return SDRT_OK;
}

static int read_claims(struct sdrt_json_reader *r, struct sdrt_file_tensor *t, struct claims *c)
{
    int status = sdrt_json_next(r);

    if (status != SDRT_OK) return status;
    if (r->token != SDRT_JSON_OBJECT) return sdrt_json_skip(r);
    while (status == SDRT_OK && (status = sdrt_json_next(r)) == SDRT_OK &&
           r->token != SDRT_JSON_OBJECT_END) {
        if (!strcmp(r->string, "dtype")) {
            status = read_type(r, t);
        } else if (!strcmp(r->string, "shape")) {
            status = read_numbers(r, &c->shape);
        } else if (!strcmp(r->string, "data_offsets")) {
            status = read_numbers(r, &c->offsets);
        } else {
            status = sdrt_json_next(r);
            if (status == SDRT_OK) status = sdrt_json_skip(r);
        }
    }
    return status;
}

/* The shape, and the bytes it takes (0 for an unknown dtype). */
static int take_shape(struct sdrt_file_tensor *t, const struct numbers *shape, size_t *bytes,
                      const char *path, const struct sdrt_log *log)
{
    size_t product = t->known ? sdrt_dtype_size(t->dtype) : 1;

    if (shape->count > SDRT_TENSOR_MAX_RANK)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: has %zu dimensions, at most %d are possible",
                         path, t->name, shape->count, SDRT_TENSOR_MAX_RANK);
    if (shape->bad)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: shape: integers of 0 and more are expected",
                         path, t->name);
    t->rank = (int)shape->count;
    for (int i = 0; i < t->rank; i++) {
        t->shape[i] = shape->at[i];
        if (__builtin_mul_overflow(product, (uint64_t)t->shape[i], &product))
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: shape: its product overflows", path,
                             t->name);
    }
    *bytes = t->known ? product : 0;
    return SDRT_OK;
}

/* One entry of the header.  data_start: offset in the file of the first tensor's byte. */
static int read_tensor(const struct sdrt_tensor_file *f, size_t data_start,
                       struct sdrt_json_reader *r, struct sdrt_file_tensor *t,
                       const struct sdrt_log *log)
{
    struct claims c = { { 0 }, { 0 } };
    const struct numbers *offsets = &c.offsets;
    size_t bytes = 0;
    int status = read_claims(r, t, &c);

    if (status != SDRT_OK) return status;
    if (!t->dtype_name || !c.shape.there || !offsets->there)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: %s: a dtype, a shape and data_offsets are expected", f->path,
                         t->name);
    status = take_shape(t, &c.shape, &bytes, f->path, log);
    if (status != SDRT_OK) return status;
    if (offsets->count != 2 || offsets->bad || offsets->at[0] > offsets->at[1] ||
        (uintmax_t)offsets->at[1] > SIZE_MAX)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: %s: data_offsets: two ascending integers of 0 and more are expected",
                         f->path, t->name);
    const size_t begin = (size_t)offsets->at[0], end = (size_t)offsets->at[1];
    if (end > f->size - data_start)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: truncated: %s ends at byte %zu of the data, the file has %zu",
                         f->path, t->name, end, f->size - data_start);
    if (t->known && end - begin != bytes)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: %s: has %zu bytes, its shape and dtype %s need %zu", f->path,
                         t->name, end - begin, t->dtype_name, bytes);
    t->data = f->pages.base + data_start + begin;
    t->bytes = end - begin;
    return SDRT_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct sdrt_file_tensor *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int check_names(struct sdrt_tensor_file *f, const struct sdrt_log *log)
{
    if (f->count) qsort(f->tensors, f->count, sizeof *f->tensors, by_name);
    for (size_t i = 1; i < f->count; i++)
        if (!by_name(&f->tensors[i - 1], &f->tensors[i]))
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: a duplicate name", f->path,
                             f->tensors[i].name);
    return SDRT_OK;
}

static int read_entries(struct sdrt_tensor_file *f, size_t data_start, const struct sdrt_log *log)
{
    const struct header *h = f->header;
    struct sdrt_json_reader r;
    size_t cap = 0;

    sdrt_json_reader_start(&r, h->text, data_start - PREFIX, f->path, log);
    int status = sdrt_json_next(&r); /* the brace */
    while (status == SDRT_OK && (status = sdrt_json_next(&r)) == SDRT_OK &&
           r.token != SDRT_JSON_OBJECT_END) {
        if (!strcmp(r.string, "__metadata__")) {
            status = read_metadata(f, &r, log);
            continue;
        }
        struct sdrt_file_tensor *tensors = sdrt_grow(f->tensors, f->count, &cap, sizeof *tensors);
        if (!tensors) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its tensors", f->path);
        f->tensors = tensors;
        tensors[f->count] = (struct sdrt_file_tensor){ .name = r.string };
        status = read_tensor(f, data_start, &r, &tensors[f->count], log);
        f->count++;
    }
    if (status == SDRT_OK) status = sdrt_json_next(&r); /* nothing behind it */
    return status == SDRT_OK ? check_names(f, log) : status;
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
    const char *expected = f->pages.base + data_start;
    const char *before = "the header";

    if (f->count) qsort(f->tensors, f->count, sizeof *f->tensors, by_place);
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
    if (expected != f->pages.base + f->size)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: %td bytes behind %s belong to no tensor", f->path,
                         f->pages.base + f->size - expected, before);
    return SDRT_OK;
}

static int parse(struct sdrt_tensor_file *f, const struct sdrt_log *log)
{
    size_t data_start = 0;
    int status = read_header(f, &data_start, log);

    if (status == SDRT_OK) status = read_entries(f, data_start, log);
    return status == SDRT_OK ? check_places(f, data_start, log) : status;
}

static const char *metadata(const struct sdrt_tensor_file *f, const char *key)
{
    const struct header *h = f->header;
    const struct note wanted = { key, NULL };
    const struct note *found = h->n_notes ? bsearch(&wanted, h->notes, h->n_notes, sizeof *h->notes,
                                                    by_key)
                                          : NULL;

    return found ? found->value : NULL;
}

static void free_header(void *header)
{
    struct header *h = header;

    if (!h) return;
    free(h->notes);
    free(h->text);
    free(h);
}

static const char *const extensions[] = { ".safetensors", NULL };

const struct sdrt_tensor_format sdrt_format_safetensors = {
    .extensions = extensions, .claims = claims, .parse = parse, .metadata = metadata,
    .free_header = free_header,
};
