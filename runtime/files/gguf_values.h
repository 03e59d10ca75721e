/* SPDX-License-Identifier: MIT
 *
 * The values in the header of a GGUF file, and how its bytes are taken one after the other.
 */
#ifndef SDRT_RUNTIME_FILES_GGUF_VALUES_H
#define SDRT_RUNTIME_FILES_GGUF_VALUES_H

#include "runtime/base/error.h"
#include "runtime/files/file_pages.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The numbers of the types of values. */
enum {
    SDRT_GGUF_U32 = 4,
    SDRT_GGUF_I32 = 5,
    SDRT_GGUF_TEXT = 8,
    SDRT_GGUF_ARRAY = 9,
};

enum { SDRT_GGUF_MAX_NAME = 1024 }; /* bytes of a key or of a tensor's name */

/* What is left of a header. */
struct sdrt_gguf_cursor {
    const char *at, *end;
    struct sdrt_file_pages *pages; /* that they point into */
};

static inline uint32_t sdrt_gguf_u32(const char *p)
{
    uint32_t w;

    memcpy(&w, p, sizeof w);
    return w;
}

static inline uint64_t sdrt_gguf_u64(const char *p)
{
    uint64_t n;

    memcpy(&n, p, sizeof n);
    return n;
}

/* Leaves that many bytes behind; *out is the first of them, which are not read.  Returns 0, or -1 when
 * there are not as many. */
static inline int sdrt_gguf_skip(struct sdrt_gguf_cursor *c, uint64_t bytes, const char **out)
{
    if (bytes > (size_t)(c->end - c->at)) return -1;
    *out = c->at;
    c->at += bytes;
    return 0;
}

/* The same, and reads them; -1 also when that fails. */
static inline int sdrt_gguf_take(struct sdrt_gguf_cursor *c, uint64_t bytes, const char **out)
{
    return sdrt_gguf_skip(c, bytes, out) || sdrt_file_pages_need(c->pages, *out, (size_t)bytes) ? -1
                                                                                                : 0;
}

/* A text that its length stands in front of; *out has no 0 behind it, and the length in the 8 bytes
 * before it.  Returns 0 or -1. */
static inline int sdrt_gguf_take_text(struct sdrt_gguf_cursor *c, const char **out)
{
    const char *length;

    return sdrt_gguf_take(c, 8, &length) || sdrt_gguf_take(c, sdrt_gguf_u64(length), out) ? -1 : 0;
}

/* Leaves a text behind of which only the length is read. */
static inline int sdrt_gguf_skip_text(struct sdrt_gguf_cursor *c)
{
    const char *p;

    return sdrt_gguf_take(c, 8, &p) || sdrt_gguf_skip(c, sdrt_gguf_u64(p), &p) ? -1 : 0;
}

static inline size_t sdrt_gguf_length(const char *text) { return (size_t)sdrt_gguf_u64(text - 8); }

/* The same for a name: 1 to SDRT_GGUF_MAX_NAME bytes, none of them 0. */
int sdrt_gguf_take_name(struct sdrt_gguf_cursor *c, const char **out);

struct sdrt_gguf_value {
    const char *key; /* as sdrt_gguf_take_text() gives it */
    uint32_t type;
    const char
        *at;     /* the value's first byte, a text's after its length; an array is not read yet */
    uint32_t of; /* of an array: its elements' type */
    uint64_t n;  /* and their number */
};

struct sdrt_gguf_values {
    struct sdrt_gguf_value *list; /* owned by whoever frees it, sorted by key */
    size_t n;
};

/* Takes n values, each whole and each key once.  path is for messages.  out->list is to be freed
 * after a failure too.  SDRT_E_FORMAT, SDRT_E_NOMEM. */
int sdrt_gguf_values_read(struct sdrt_gguf_values *out, struct sdrt_gguf_cursor *c, uint64_t n,
                          const char *path, const struct sdrt_log *log);

/* The value of that key; NULL when there is none. */
const struct sdrt_gguf_value *sdrt_gguf_values_find(const struct sdrt_gguf_values *values,
                                                    const char *key);

#endif
