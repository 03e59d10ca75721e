/* SPDX-License-Identifier: MIT */
#include "runtime/files/gguf_values.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    MIN_VALUE = 14
}; /* bytes that a value takes at least: a key of one letter, a type, a byte */

int sdrt_gguf_take_name(struct sdrt_gguf_cursor *c, const char **out)
{
    if (sdrt_gguf_take_text(c, out)) return -1;
    const size_t length = sdrt_gguf_length(*out);
    return length && length <= SDRT_GGUF_MAX_NAME && !memchr(*out, 0, length) ? 0 : -1;
}

/* Bytes of a number; 0 for what is none. */
static uint64_t size_of(uint32_t type)
{
    static const uint8_t sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

    return type < sizeof sizes ? sizes[type] : 0;
}

static int take_array(struct sdrt_gguf_cursor *c, struct sdrt_gguf_value *v)
{
    const char *p;
    uint64_t bytes;

    if (sdrt_gguf_take(c, 12, &p)) return -1;
    v->of = sdrt_gguf_u32(p);
    v->n = sdrt_gguf_u64(p + 4);
    v->at = c->at;
    if (v->of == SDRT_GGUF_TEXT) {
        for (uint64_t i = 0; i < v->n; i++)
            if (sdrt_gguf_skip_text(c)) return -1;
        return 0;
    }
    bytes = size_of(v->of);
    if (!bytes || __builtin_mul_overflow(bytes, v->n, &bytes)) return -1;
    return sdrt_gguf_skip(c, bytes, &v->at);
}

static int take_value(struct sdrt_gguf_cursor *c, struct sdrt_gguf_value *v)
{
    const char *p;

    if (sdrt_gguf_take_name(c, &v->key) || sdrt_gguf_take(c, 4, &p)) return -1;
    v->type = sdrt_gguf_u32(p);
    if (v->type == SDRT_GGUF_ARRAY) return take_array(c, v);
    if (v->type == SDRT_GGUF_TEXT) return sdrt_gguf_take_text(c, &v->at);
    return size_of(v->type) ? sdrt_gguf_take(c, size_of(v->type), &v->at) : -1;
}

static int compare(const char *a, size_t n, const char *b, size_t m)
{
    const int order = memcmp(a, b, n < m ? n : m);

    return order ? order : (n > m) - (n < m);
}

static int by_key(const void *a, const void *b)
{
    const char *x = ((const struct sdrt_gguf_value *)a)->key;
    const char *y = ((const struct sdrt_gguf_value *)b)->key;

    return compare(x, sdrt_gguf_length(x), y, sdrt_gguf_length(y));
}

int sdrt_gguf_values_read(struct sdrt_gguf_values *out, struct sdrt_gguf_cursor *c, uint64_t n,
                          const char *path, const struct sdrt_log *log)
{
    if (n > (size_t)(c->end - c->at) / MIN_VALUE)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: truncated: %" PRIu64
                         " values need more than the file's last %zu bytes",
                         path, n, (size_t)(c->end - c->at));
    out->list = calloc(n ? (size_t)n : 1, sizeof *out->list);
    if (!out->list)
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for %" PRIu64 " values", path, n);
    for (; out->n < n; out->n++)
        if (take_value(c, &out->list[out->n]))
            return sdrt_fail(log, SDRT_E_FORMAT,
                             "%s: value %zu of the header: expected a key of 1 to %d bytes, a type "
                             "from 0 to 12 and a value that ends inside the file",
                             path, out->n, (int)SDRT_GGUF_MAX_NAME);
    qsort(out->list, out->n, sizeof *out->list, by_key);
    for (size_t i = 1; i < out->n; i++)
        if (!by_key(&out->list[i - 1], &out->list[i]))
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: the key %.*s is there twice", path,
                             (int)sdrt_gguf_length(out->list[i].key), out->list[i].key);
    return SDRT_OK;
}

const struct sdrt_gguf_value *sdrt_gguf_values_find(const struct sdrt_gguf_values *values,
                                                    const char *key)
{
    const size_t length = strlen(key);
    size_t low = 0, high = values->n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const char *other = values->list[middle].key;
        const int order = compare(other, sdrt_gguf_length(other), key, length);
        if (!order) return &values->list[middle];
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return NULL;
}
