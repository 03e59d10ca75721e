/* SPDX-License-Identifier: MIT */
#include "runtime/files/json.h"

#include "runtime/files/read_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- from tokens to a tree ---- */

/* What jansson takes for each, with malloc()'s own bytes. */
enum {
    OBJECT_BYTES = 272,
    ARRAY_BYTES = 144,
    MEMBER_BYTES = 112,
    ELEMENT_BYTES = 16,
    STRING_BYTES = 80,
    NUMBER_BYTES = 32,
    MOST_TIMES = 16,     /* the text, that a tree may take */
    SMALL_TREE = 1 << 16 /* bytes that any tree may take */
};

struct builder {
    struct sdrt_json_reader reader;
    size_t left; /* bytes that the tree may still take */
};

static int spend(struct builder *b, size_t bytes)
{
    if (bytes > b->left)
        return sdrt_json_complain(&b->reader, "its tree would take more than 16 times its size");
    b->left -= bytes;
    return SDRT_OK;
}

static int build(struct builder *b, json_t **out);

static int no_memory(const struct builder *b)
{
    return sdrt_fail(b->reader.log, SDRT_E_NOMEM, "%s: no memory to read its JSON",
                     b->reader.where);
}

/* The value behind a key or in a list; a new reference. */
static int build_next(struct builder *b, json_t **out)
{
    const int status = sdrt_json_next(&b->reader);

    *out = NULL;
    return status == SDRT_OK ? build(b, out) : status;
}

static int build_members(struct builder *b, json_t *object)
{
    int status;

    while ((status = sdrt_json_next(&b->reader)) == SDRT_OK &&
           b->reader.token != SDRT_JSON_OBJECT_END) {
        const char *key = b->reader.string;
        json_t *value;
        if (json_object_get(object, key)) return sdrt_json_complain(&b->reader, "a duplicate key");
        status = spend(b, MEMBER_BYTES + b->reader.length);
        if (status == SDRT_OK) status = build_next(b, &value);
        if (status != SDRT_OK) return status;
        if (json_object_set_new_nocheck(object, key, value)) return no_memory(b);
    }
    return status;
}

static int build_elements(struct builder *b, json_t *array)
{
    int status;

    while ((status = sdrt_json_next(&b->reader)) == SDRT_OK &&
           b->reader.token != SDRT_JSON_ARRAY_END) {
        json_t *value;
        status = spend(b, ELEMENT_BYTES);
        if (status == SDRT_OK) status = build(b, &value);
        if (status != SDRT_OK) return status;
        if (json_array_append_new(array, value)) return no_memory(b);
    }
    return status;
}

static int build_list(struct builder *b, json_t **out)
{
    const int is_object = b->reader.token == SDRT_JSON_OBJECT;
    int status = spend(b, is_object ? OBJECT_BYTES : ARRAY_BYTES);

    if (status != SDRT_OK) return status;
    json_t *list = is_object ? json_object() : json_array();
    if (!list) return no_memory(b);
    status = is_object ? build_members(b, list) : build_elements(b, list);
    if (status == SDRT_OK) *out = list;
    else json_decref(list);
    return status;
}

/* The value whose first token was read; as deep as the reader allows. */
static int build(struct builder *b, json_t **out)
{
    const struct sdrt_json_reader *r = &b->reader;
    int status = SDRT_OK;

    *out = NULL;
    switch (r->token) {
    case SDRT_JSON_OBJECT:
    case SDRT_JSON_ARRAY: return build_list(b, out);
    case SDRT_JSON_STRING:
        status = spend(b, STRING_BYTES + r->length);
        if (status == SDRT_OK) *out = json_string_nocheck(r->string);
        break;
    case SDRT_JSON_INTEGER:
        status = spend(b, NUMBER_BYTES);
        if (status == SDRT_OK) *out = json_integer(r->integer);
        break;
    case SDRT_JSON_REAL:
        status = spend(b, NUMBER_BYTES);
        if (status == SDRT_OK) *out = json_real(r->real);
        break;
    case SDRT_JSON_TRUE: *out = json_true(); break;
    case SDRT_JSON_FALSE: *out = json_false(); break;
    default: *out = json_null();
    }
    return status != SDRT_OK || *out ? status : no_memory(b);
}

int sdrt_json_parse(json_t **out, const char *text, size_t size, const char *where,
                    const struct sdrt_log *log)
{
    struct builder b = { .left = SMALL_TREE };
    char *copy = malloc(size + 1); /* which the reader changes */

    *out = NULL;
    if (!copy) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to read its JSON", where);
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (__builtin_mul_overflow(size, (size_t)MOST_TIMES, &b.left)) b.left = SIZE_MAX;
    else if (b.left < SMALL_TREE) b.left = SMALL_TREE;
    sdrt_json_reader_start(&b.reader, copy, size, where, log);
    int status = build_next(&b, out);
    if (status == SDRT_OK) status = sdrt_json_next(&b.reader);
    if (status != SDRT_OK) {
        json_decref(*out);
        *out = NULL;
    }
    free(copy);
    return status;
}

int sdrt_json_load(json_t **out, const char *path, size_t max_bytes, const struct sdrt_log *log)
{
    char *text;
    size_t size;
    int status;

    *out = NULL;
    status = sdrt_read_file(path, max_bytes, &text, &size, log);
    if (status == SDRT_OK) status = sdrt_json_parse(out, text, size, path, log);
    free(text);
    return status;
}

/* The member, or NULL where the default holds. */
static json_t *member(const json_t *object, const char *key)
{
    json_t *found = json_object_get(object, key);

    return json_is_null(found) ? NULL : found;
}

static int in_range(const json_t *number, int64_t min, int64_t max)
{
    return json_is_integer(number) && json_integer_value(number) >= min &&
           json_integer_value(number) <= max;
}

int sdrt_json_int(const json_t *object, const char *key, const char *where, int64_t min,
                  int64_t max, int64_t *value, const struct sdrt_log *log)
{
    const json_t *found = member(object, key);

    if (!found) return SDRT_OK;
    if (!in_range(found, min, max))
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: %s: an integer from %" PRId64 " to %" PRId64 " is expected", where,
                         key, min, max);
    *value = json_integer_value(found);
    return SDRT_OK;
}

int sdrt_json_double(const json_t *object, const char *key, const char *where, double *value,
                     const struct sdrt_log *log)
{
    const json_t *found = member(object, key);

    if (!found) return SDRT_OK;
    if (!json_is_number(found) || !isfinite(json_number_value(found)))
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: a number is expected", where, key);
    *value = json_number_value(found);
    return SDRT_OK;
}

int sdrt_json_bool(const json_t *object, const char *key, const char *where, int *value,
                   const struct sdrt_log *log)
{
    const json_t *found = member(object, key);

    if (!found) return SDRT_OK;
    if (!json_is_boolean(found))
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: true or false is expected", where, key);
    *value = json_is_true(found);
    return SDRT_OK;
}

int sdrt_json_string(const json_t *object, const char *key, const char *where,
                     const char **value, const struct sdrt_log *log)
{
    const json_t *found = member(object, key);

    if (!found) return SDRT_OK;
    if (!json_is_string(found))
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: a string is expected", where, key);
    *value = json_string_value(found);
    return SDRT_OK;
}

int sdrt_json_int_array(const json_t *object, const char *key, const char *where, int64_t min,
                        int64_t max, int64_t *values, size_t capacity, size_t *count,
                        const struct sdrt_log *log)
{
    const json_t *found = member(object, key);
    int good;

    if (!found) return SDRT_OK;
    good = json_is_array(found) && json_array_size(found) <= capacity;
    for (size_t i = 0; good && i < json_array_size(found); i++)
        good = in_range(json_array_get(found, i), min, max);
    if (!good)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: %s: an array of at most %zu integers from %" PRId64 " to %" PRId64
                         " is expected", where, key, capacity, min, max);
    *count = json_array_size(found);
    for (size_t i = 0; i < *count; i++)
        values[i] = json_integer_value(json_array_get(found, i));
    return SDRT_OK;
}

char *sdrt_json_text(json_t *value)
{
    char *text = value ? json_dumps(value, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;

    json_decref(value);
    return text;
}
