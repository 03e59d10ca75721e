/* SPDX-License-Identifier: MIT
 *
 * GGUF (https://github.com/ggml-org/ggml, docs/gguf.md), versions 2 and 3, little-endian: "GGUF",
 * the version, the numbers of tensors and of values; each value's key, type and itself; each
 * tensor's name, dimensions (innermost first), type and place; then, aligned, the tensors' bytes.
 * A text is its length and its bytes.  All lengths, numbers and places are u64.
 *
 * ComfyUI-GGUF reshapes tensors whose rows are no whole blocks and keeps the shape they had under
 * comfy.gguf.orig_shape.NAME; that one is told here.
 */
#include "runtime/files/ggml_types.h"
#include "runtime/files/gguf_values.h"
#include "runtime/files/tensor_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    START = 24,   /* bytes before the first value */
    MAX_RANK = 4, /* ggml's */
    MIN_TENSOR =
        25,         /* bytes that a tensor takes in the header: a name of a letter, no dimensions */
    ALIGNMENT = 32, /* where the file names no other */
};

/* A tensor's name while it has no 0 behind it, for "%.*s". */
#define NAME(t) (int)sdrt_gguf_length((t)->name), (t)->name

struct gguf {
    struct sdrt_gguf_values values;
    char *text; /* keys, names and texts, each behind its length, with a 0 behind it */
};

static int claims(const char *map, size_t size) { return size >= 4 && !memcmp(map, "GGUF", 4); }

static int check_start(struct sdrt_tensor_file *f, const struct sdrt_log *log)
{
    if (f->size < START)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: has %zu bytes, too few for a GGUF file", f->path,
                         f->size);
    if (sdrt_file_pages_need(&f->pages, f->pages.base, START)) return SDRT_E_IO;
    const uint32_t version = sdrt_gguf_u32(f->pages.base + 4);
    if (version && !(version & 0xffff))
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: is a big-endian GGUF file: expected a little-endian one", f->path);
    if (version != 2 && version != 3)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: is GGUF of version %" PRIu32 ": expected 2 or 3", f->path, version);
    return SDRT_OK;
}

/* The number that the tensors' places are multiples of. */
static int find_alignment(const struct sdrt_tensor_file *f, uint32_t *out,
                          const struct sdrt_log *log)
{
    const struct gguf *g = f->header;
    const struct sdrt_gguf_value *v = sdrt_gguf_values_find(&g->values, "general.alignment");

    *out = ALIGNMENT;
    if (!v) return SDRT_OK;
    if (v->type == SDRT_GGUF_U32) *out = sdrt_gguf_u32(v->at);
    if (v->type != SDRT_GGUF_U32 || !*out || (*out & (*out - 1)))
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: general.alignment: expected a power of two, as u32", f->path);
    return SDRT_OK;
}

/* ---- tensors ---- */

/* Dimensions, from innermost to outermost.  Returns 0 or -1. */
static int take_shape(struct sdrt_gguf_cursor *c, struct sdrt_file_tensor *t, uint64_t *values)
{
    const char *p;

    if (sdrt_gguf_take(c, 4, &p) || sdrt_gguf_u32(p) > MAX_RANK) return -1;
    t->rank = (int)sdrt_gguf_u32(p);
    *values = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (sdrt_gguf_take(c, 8, &p)) return -1;
        const uint64_t n = sdrt_gguf_u64(p);
        if (n > INT64_MAX || __builtin_mul_overflow(*values, n, values)) return -1;
        t->shape[i] = (int64_t)n;
    }
    return *values > INT64_MAX ? -1 : 0;
}

static int set_type(const struct sdrt_tensor_file *f, struct sdrt_file_tensor *t, uint32_t number,
                    uint64_t values, const struct sdrt_log *log)
{
    struct sdrt_ggml_type type;
    const int64_t row = t->rank ? t->shape[t->rank - 1] : 1;
    uint64_t bytes;

    if (sdrt_ggml_type(number, &type))
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: %.*s: its type has the number %" PRIu32
                         ", which ggml has given up or "
                         "did not have when this was written",
                         f->path, NAME(t), number);
    t->dtype_name = type.name;
    t->known = type.dtype != SDRT_DTYPES;
    if (t->known) t->dtype = type.dtype;
    if (row % type.values)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: %.*s: rows of %lld values are no whole blocks of %s", f->path,
                         NAME(t), (long long)row, type.name);
    if (__builtin_mul_overflow(values / type.values, (uint64_t)type.bytes, &bytes) ||
        bytes > SIZE_MAX)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: %.*s: shape: its product overflows", f->path,
                         NAME(t));
    t->bytes = (size_t)bytes;
    return SDRT_OK;
}

/* The shape that the tensor had before it was made to have rows of whole blocks. */
static int restore_shape(struct sdrt_tensor_file *f, struct sdrt_file_tensor *t, uint64_t values,
                         const struct sdrt_log *log)
{
    char key[SDRT_GGUF_MAX_NAME + 32];
    const struct gguf *g = f->header;
    uint64_t product = 1;

    snprintf(key, sizeof key, "comfy.gguf.orig_shape.%.*s", NAME(t));
    const struct sdrt_gguf_value *v = sdrt_gguf_values_find(&g->values, key);
    if (!v) return SDRT_OK;
    int good = v->type == SDRT_GGUF_ARRAY && v->of == SDRT_GGUF_I32 &&
               v->n <= SDRT_TENSOR_MAX_RANK &&
               !sdrt_file_pages_need(&f->pages, v->at, 4 * (size_t)v->n);
    for (uint64_t i = 0; good && i < v->n; i++) {
        const int32_t n = (int32_t)sdrt_gguf_u32(v->at + 4 * i);
        good = n >= 0 && !__builtin_mul_overflow(product, (uint64_t)n, &product);
        t->shape[i] = n;
    }
    if (!good || product != values)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: %s: expected an array of i32 whose product is %" PRIu64, f->path, key,
                         values);
    t->rank = (int)v->n;
    return SDRT_OK;
}

/* A tensor's entry.  Until the header's end is known, its data is its place behind the pages'
 * beginning. */
static int take_tensor(struct sdrt_tensor_file *f, struct sdrt_gguf_cursor *c, size_t index,
                       struct sdrt_file_tensor *t, const struct sdrt_log *log)
{
    const char *p;
    uint64_t values;

    if (sdrt_gguf_take_name(c, &t->name) || take_shape(c, t, &values) || sdrt_gguf_take(c, 12, &p))
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: tensor %zu of the header: expected a name of 1 to %d bytes, up to %d "
                         "dimensions whose product fits, a type and a place, all inside the file",
                         f->path, index, (int)SDRT_GGUF_MAX_NAME, (int)MAX_RANK);
    const uint64_t place = sdrt_gguf_u64(p + 4);
    if (place > f->size)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: truncated: %.*s begins at byte %" PRIu64
                         " of the data, the whole file "
                         "has %zu",
                         f->path, NAME(t), place, f->size);
    t->data = f->pages.base + place;
    const int status = set_type(f, t, sdrt_gguf_u32(p), values, log);
    return status == SDRT_OK ? restore_shape(f, t, values, log) : status;
}

static int take_tensors(struct sdrt_tensor_file *f, struct sdrt_gguf_cursor *c, uint64_t n,
                        const struct sdrt_log *log)
{
    int status = SDRT_OK;

    if (n > (size_t)(c->end - c->at) / MIN_TENSOR)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: truncated: %" PRIu64
                         " tensors need more than the file's last %zu bytes",
                         f->path, n, (size_t)(c->end - c->at));
    f->tensors = calloc(n ? (size_t)n : 1, sizeof *f->tensors);
    if (!f->tensors)
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for %" PRIu64 " tensors", f->path, n);
    for (; f->count < n && status == SDRT_OK; f->count++)
        status = take_tensor(f, c, f->count, &f->tensors[f->count], log);
    return status;
}

/* ---- after the header ---- */

static char *copy(char **free_text, const char *text)
{
    const uint64_t length = sdrt_gguf_length(text);
    char *out = *free_text + sizeof length;

    memcpy(*free_text, &length, sizeof length);
    memcpy(out, text, length);
    out[length] = 0;
    *free_text = out + length + 1;
    return out;
}

/* Keys, names and texts get a 0 behind them, for which the type behind each key and name makes room. */
static int end_texts(struct sdrt_tensor_file *f, size_t header_bytes, const struct sdrt_log *log)
{
    struct gguf *g = f->header;
    char *free_text = g->text = malloc(header_bytes);

    if (!g->text)
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for %zu names", f->path, f->count);
    for (size_t i = 0; i < f->count; i++) f->tensors[i].name = copy(&free_text, f->tensors[i].name);
    for (size_t i = 0; i < g->values.n; i++) {
        struct sdrt_gguf_value *v = &g->values.list[i];
        v->key = copy(&free_text, v->key);
        v->at = v->type == SDRT_GGUF_TEXT ? copy(&free_text, v->at) : NULL;
    }
    return SDRT_OK;
}

/* Every tensor begins at a multiple of alignment and ends inside the file. */
static int set_places(struct sdrt_tensor_file *f, size_t header_bytes, uint32_t alignment,
                      const struct sdrt_log *log)
{
    const uint64_t start = ((uint64_t)header_bytes + alignment - 1) / alignment * alignment;

    for (size_t i = 0; i < f->count; i++) {
        struct sdrt_file_tensor *t = &f->tensors[i];
        const uint64_t place = (uint64_t)((const char *)t->data - f->pages.base);
        if (place % alignment)
            return sdrt_fail(log, SDRT_E_FORMAT,
                             "%s: %s begins at byte %" PRIu64
                             " of the data: expected a multiple of "
                             "%" PRIu32,
                             f->path, t->name, place, alignment);
        if (start > f->size || place > f->size - start || t->bytes > f->size - start - place)
            return sdrt_fail(log, SDRT_E_FORMAT,
                             "%s: truncated: %s ends at byte %" PRIu64
                             " of the data, which begin at "
                             "byte %" PRIu64 " of the file's %zu",
                             f->path, t->name, place + t->bytes, start, f->size);
        t->data = f->pages.base + start + place;
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

static int by_name(const void *a, const void *b)
{
    const struct sdrt_file_tensor *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* No byte belongs to two tensors, and no name either. */
static int check_apart(struct sdrt_tensor_file *f, const struct sdrt_log *log)
{
    qsort(f->tensors, f->count, sizeof *f->tensors, by_place);
    for (size_t i = 1; i < f->count; i++) {
        const struct sdrt_file_tensor *t = &f->tensors[i], *before = t - 1;
        const char *end = (const char *)before->data + before->bytes;
        if ((const char *)t->data < end)
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s overlaps %s by %td bytes", f->path,
                             t->name, before->name, end - (const char *)t->data);
    }
    qsort(f->tensors, f->count, sizeof *f->tensors, by_name);
    for (size_t i = 1; i < f->count; i++)
        if (!by_name(&f->tensors[i - 1], &f->tensors[i]))
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s is there twice", f->path,
                             f->tensors[i].name);
    return SDRT_OK;
}

static int parse(struct sdrt_tensor_file *f, const struct sdrt_log *log)
{
    struct sdrt_gguf_cursor c;
    struct gguf *g;
    uint32_t alignment = ALIGNMENT;
    int status = check_start(f, log);

    if (status != SDRT_OK) return status;
    f->header = g = calloc(1, sizeof *g);
    if (!g) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its header", f->path);
    const char *front = f->pages.base;
    c = (struct sdrt_gguf_cursor){ front + START, front + f->size, &f->pages };
    status = sdrt_gguf_values_read(&g->values, &c, sdrt_gguf_u64(front + 16), f->path, log);
    if (status == SDRT_OK) status = find_alignment(f, &alignment, log);
    if (status == SDRT_OK) status = take_tensors(f, &c, sdrt_gguf_u64(front + 8), log);
    if (status != SDRT_OK) return status;
    const size_t header_bytes = (size_t)(c.at - front);
    status = end_texts(f, header_bytes, log);
    if (status == SDRT_OK) status = set_places(f, header_bytes, alignment, log);
    return status == SDRT_OK ? check_apart(f, log) : status;
}

static const char *metadata(const struct sdrt_tensor_file *f, const char *key)
{
    const struct gguf *g = f->header;
    const struct sdrt_gguf_value *v = sdrt_gguf_values_find(&g->values, key);

    return v && v->type == SDRT_GGUF_TEXT ? v->at : NULL;
}

static void free_header(void *header)
{
    struct gguf *g = header;

    if (!g) return;
    free(g->values.list);
    free(g->text);
    free(g);
}

static const char *const extensions[] = { ".gguf", NULL };

const struct sdrt_tensor_format sdrt_format_gguf = {
    .extensions = extensions,
    .claims = claims,
    .parse = parse,
    .metadata = metadata,
    .free_header = free_header,
};
