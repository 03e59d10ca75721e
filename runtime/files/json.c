/* SPDX-License-Identifier: MIT */
#include "runtime/files/json.h"

#include "runtime/files/read_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* jansson recurses up to 2048 levels; ours is counted first, without recursion. */
static int too_deep(const char *text, size_t size)
{
    int depth = 0, in_string = 0;

    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') i++;
            else if (c == '"') in_string = 0;
        } else if (c == '"') {
            in_string = 1;
        } else if (c == '{' || c == '[') {
            if (++depth > SDRT_JSON_MAX_DEPTH) return 1;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return 0;
}

int sdrt_json_parse(json_t **out, const char *text, size_t size, const char *where,
                    const struct sdrt_log *log)
{
    json_error_t error;

    *out = NULL;
    if (too_deep(text, size))
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: JSON nested deeper than %d levels", where,
                         SDRT_JSON_MAX_DEPTH);
    *out = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (*out) return SDRT_OK;
    /* Without memory jansson fails with a code, or with no text at all. */
    if (json_error_code(&error) == json_error_out_of_memory || !error.text[0])
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to read its JSON", where);
    return sdrt_fail(log, SDRT_E_FORMAT, "%s:%d:%d: bad JSON: %s", where, error.line, error.column,
                     error.text);
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
