/* SPDX-License-Identifier: MIT
 *
 * JSON as jansson's trees, which jansson's own parser does not make: it writes past its buffer where
 * an allocation of its own fails.  Read from files that nobody vouches for: bounded size, depth and
 * memory, duplicate keys rejected, every complaint one line that says where.
 */
#ifndef SDRT_RUNTIME_FILES_JSON_H
#define SDRT_RUNTIME_FILES_JSON_H

#include "runtime/base/error.h"
#include "runtime/files/json_reader.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Parses size bytes of text (need not end in 0).  where is the file's name for
 * messages.  *out is a new reference that the caller drops with json_decref();
 * NULL after a failure.  SDRT_E_FORMAT with "where:line:column: reason", also for a tree that
 * would take more than 16 times the text's memory; SDRT_E_NOMEM. */
int sdrt_json_parse(json_t **out, const char *text, size_t size, const char *where,
                    const struct sdrt_log *log);

/* The same for a file of at most max_bytes; also fails like sdrt_read_file(). */
int sdrt_json_load(json_t **out, const char *path, size_t max_bytes,
                   const struct sdrt_log *log);

/* value as a text that the caller frees, indented, its numbers with 9 digits at most and a point
 * whatever the locale.  Takes value over; NULL when value is, and without memory. */
char *sdrt_json_text(json_t *value);

/* Reads one member of object.  *value holds the default before the call and keeps it
 * when the key is absent or null.  Another type, or a number outside [min, max], is
 * SDRT_E_FORMAT with "where: key: what was expected"; *value is then untouched. */
int sdrt_json_int(const json_t *object, const char *key, const char *where, int64_t min,
                  int64_t max, int64_t *value, const struct sdrt_log *log);
/* A finite number; integers are accepted. */
int sdrt_json_double(const json_t *object, const char *key, const char *where, double *value,
                     const struct sdrt_log *log);
int sdrt_json_bool(const json_t *object, const char *key, const char *where, int *value,
                   const struct sdrt_log *log);
/* *value is borrowed from object and lives as long as it. */
int sdrt_json_string(const json_t *object, const char *key, const char *where,
                     const char **value, const struct sdrt_log *log);
/* An array of at most capacity integers in [min, max] into values[0 .. *count-1]. */
int sdrt_json_int_array(const json_t *object, const char *key, const char *where, int64_t min,
                        int64_t max, int64_t *values, size_t capacity, size_t *count,
                        const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
