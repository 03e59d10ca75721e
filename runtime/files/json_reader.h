/* SPDX-License-Identifier: MIT
 *
 * JSON (RFC 8259), one token after the other, in the memory of its text: in time that is linear in
 * the text, without an allocation, strings decoded where they lie.  Strict: UTF-8 only, no NUL, no
 * lone surrogates, integers of 64 bits, finite numbers, a bounded depth, nothing behind the value.
 *
 *     struct sdrt_json_reader r;
 *     sdrt_json_reader_start(&r, text, size, path, log);
 *     while ((status = sdrt_json_next(&r)) == SDRT_OK && r.token != SDRT_JSON_END) ...
 */
#ifndef SDRT_RUNTIME_FILES_JSON_READER_H
#define SDRT_RUNTIME_FILES_JSON_READER_H

#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SDRT_JSON_MAX_DEPTH = 32 };

enum sdrt_json_token {
    SDRT_JSON_OBJECT, /* its members follow, each a key and a value, then OBJECT_END */
    SDRT_JSON_OBJECT_END,
    SDRT_JSON_ARRAY,
    SDRT_JSON_ARRAY_END,
    SDRT_JSON_KEY,
    SDRT_JSON_STRING,
    SDRT_JSON_INTEGER,
    SDRT_JSON_REAL,
    SDRT_JSON_TRUE,
    SDRT_JSON_FALSE,
    SDRT_JSON_NULL,
    SDRT_JSON_END /* of the text, behind its one value */
};

struct sdrt_json_reader {
    enum sdrt_json_token token; /* the last one read, and what it holds: */
    char *string;               /* of KEY and STRING: in the text, with a 0 behind it */
    size_t length;              /* its bytes */
    int64_t integer;
    double real; /* of INTEGER too */
    /* The reader's own. */
    char *text; /* borrowed */
    size_t size, at, line_start;
    int line, depth, expected;
    uint32_t objects; /* bit d: level d is an object's */
    const char *where;
    const struct sdrt_log *log;
};

/* Begins with size bytes of text, behind which there is a 0 too, and which the reader changes.  where
 * is the file's name for messages; all three are borrowed. */
void sdrt_json_reader_start(struct sdrt_json_reader *reader, char *text, size_t size,
                            const char *where, const struct sdrt_log *log);

/* Reads the next token.  SDRT_E_FORMAT with "where:line:column: reason"; the reader is then of no
 * more use. */
int sdrt_json_next(struct sdrt_json_reader *reader);

/* Behind the first token of a value: moves to its last.  Errors of sdrt_json_next(). */
int sdrt_json_skip(struct sdrt_json_reader *reader);

/* Tells a mistake of the text where the reader is; SDRT_E_FORMAT. */
int sdrt_json_complain(const struct sdrt_json_reader *reader, const char *reason);

#ifdef __cplusplus
}
#endif

#endif
