/* SPDX-License-Identifier: MIT
 *
 * Reads a Python pickle into values that only say what is in it.  Nothing is run: a call is kept
 * as a value with its arguments, and a name of Python that is not in pickle_globals.h ends the
 * reading.  Memory is taken once, from the number of opcodes, out of a budget that the caller
 * sets; no depth of nesting takes more.
 */
#ifndef SDRT_RUNTIME_FILES_PICKLE_H
#define SDRT_RUNTIME_FILES_PICKLE_H

#include "runtime/base/error.h"
#include "runtime/files/pickle_globals.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sdrt_pickle_kind {
    PICKLE_IS_NONE,
    PICKLE_IS_BOOL,
    PICKLE_IS_INT,
    PICKLE_IS_BYTES, /* bytes, and whole numbers beyond 64 bits, as they lie in the pickle */
    PICKLE_IS_TEXT,
    PICKLE_IS_OTHER, /* a real number, or a text with escapes */
    PICKLE_IS_LIST,  /* a list, a tuple or a set */
    PICKLE_IS_DICT,  /* keys and values in turn */
    PICKLE_IS_GLOBAL,
    PICKLE_IS_STORAGE, /* a persistent id, whose argument says which */
    PICKLE_IS_CALL,    /* of a global, or an object of its class */
    PICKLE_IS_MARK     /* of the stack; never in what is read */
};

/* A value, known by its number.  Number 0 is None. */
struct sdrt_pickle_value {
    uint32_t kind;
    uint32_t a; /* TEXT, BYTES: size; LIST, DICT: first cell; GLOBAL: its kind; CALL: its global */
    union {
        int64_t number;   /* BOOL, INT */
        const char *text; /* TEXT, BYTES: borrowed from the pickle */
        uint32_t last;    /* LIST, DICT: last cell */
        uint32_t type;    /* GLOBAL */
        struct {
            uint32_t arguments,
                state; /* CALL: a LIST, and a value or 0; STORAGE: arguments alone */
        };
    };
};

/* An element of a container.  Number 0 stands for none. */
struct sdrt_pickle_cell {
    uint32_t value, next;
};

struct sdrt_pickle {
    struct sdrt_pickle_value *values; /* owned, as the cells */
    struct sdrt_pickle_cell *cells;
    uint32_t n_values, n_cells;
    uint32_t root;
    size_t end; /* where the bytes behind the pickle begin */
};

struct sdrt_file_pages;

/* Where a pickle is, borrowed: size bytes of a file; path for messages. */
struct sdrt_pickle_bytes {
    const char *at;
    size_t size;
    struct sdrt_file_pages *pages; /* that they are in */
    const char *path;
};

/* Reads the pickle that begins at byte at of bytes, which must outlive *out.  *budget is how many
 * bytes may be allocated, and becomes less by those that are.  *out belongs to the caller, who frees
 * it with sdrt_pickle_free(); after a failure it is empty.
 * SDRT_E_FORMAT for a damaged pickle, SDRT_E_UNSUPPORTED for a name or an opcode that is not
 * allowed, which the message has, and for one beyond the budget, SDRT_E_NOMEM. */
int sdrt_pickle_read(struct sdrt_pickle *out, const struct sdrt_pickle_bytes *bytes, size_t at,
                     size_t *budget, const struct sdrt_log *log);

/* Frees what it owns and leaves all zeros. */
void sdrt_pickle_free(struct sdrt_pickle *pickle);

/* The value of a number, borrowed. */
static inline const struct sdrt_pickle_value *sdrt_pickle_at(const struct sdrt_pickle *pickle,
                                                             uint32_t value)
{
    return &pickle->values[value];
}

/* The first most elements of a LIST into items; returns how many it has, at most most + 1, and
 * none for what is no LIST. */
int sdrt_pickle_items(const struct sdrt_pickle *pickle, uint32_t list, uint32_t *items, int most);

/* Whether it is a TEXT of these letters. */
int sdrt_pickle_is(const struct sdrt_pickle *pickle, uint32_t value, const char *text);

/* Takes bytes out of the budget; SDRT_E_UNSUPPORTED where there are not as many left. */
int sdrt_pickle_spend(size_t *budget, size_t bytes, const char *path, const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
