/* SPDX-License-Identifier: MIT
 *
 * The opcodes of Python's pickles, protocols 0 to 5 (Lib/pickletools.py of CPython), one after the
 * other with their arguments.  What they mean is in pickle.h.
 */
#ifndef SDRT_RUNTIME_FILES_PICKLE_OPS_H
#define SDRT_RUNTIME_FILES_PICKLE_OPS_H

#include "runtime/base/error.h"
#include "runtime/files/file_pages.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sdrt_pickle_code {
    PICKLE_MARK = '(',
    PICKLE_STOP = '.',
    PICKLE_POP = '0',
    PICKLE_POP_MARK = '1',
    PICKLE_DUP = '2',
    PICKLE_FLOAT = 'F',
    PICKLE_INT = 'I',
    PICKLE_BININT = 'J',
    PICKLE_BININT1 = 'K',
    PICKLE_LONG = 'L',
    PICKLE_BININT2 = 'M',
    PICKLE_NONE = 'N',
    PICKLE_PERSID = 'P',
    PICKLE_BINPERSID = 'Q',
    PICKLE_REDUCE = 'R',
    PICKLE_STRING = 'S',
    PICKLE_BINSTRING = 'T',
    PICKLE_SHORT_BINSTRING = 'U',
    PICKLE_UNICODE = 'V',
    PICKLE_BINUNICODE = 'X',
    PICKLE_APPEND = 'a',
    PICKLE_BUILD = 'b',
    PICKLE_GLOBAL = 'c',
    PICKLE_DICT = 'd',
    PICKLE_EMPTY_DICT = '}',
    PICKLE_APPENDS = 'e',
    PICKLE_GET = 'g',
    PICKLE_BINGET = 'h',
    PICKLE_INST = 'i',
    PICKLE_LONG_BINGET = 'j',
    PICKLE_LIST = 'l',
    PICKLE_EMPTY_LIST = ']',
    PICKLE_OBJ = 'o',
    PICKLE_PUT = 'p',
    PICKLE_BINPUT = 'q',
    PICKLE_LONG_BINPUT = 'r',
    PICKLE_SETITEM = 's',
    PICKLE_TUPLE = 't',
    PICKLE_EMPTY_TUPLE = ')',
    PICKLE_SETITEMS = 'u',
    PICKLE_BINFLOAT = 'G',
    PICKLE_BINBYTES = 'B',
    PICKLE_SHORT_BINBYTES = 'C',
    PICKLE_PROTO = 0x80,
    PICKLE_NEWOBJ,
    PICKLE_EXT1,
    PICKLE_EXT2,
    PICKLE_EXT4,
    PICKLE_TUPLE1,
    PICKLE_TUPLE2,
    PICKLE_TUPLE3,
    PICKLE_NEWTRUE,
    PICKLE_NEWFALSE,
    PICKLE_LONG1,
    PICKLE_LONG4,
    PICKLE_SHORT_BINUNICODE,
    PICKLE_BINUNICODE8,
    PICKLE_BINBYTES8,
    PICKLE_EMPTY_SET,
    PICKLE_ADDITEMS,
    PICKLE_FROZENSET,
    PICKLE_NEWOBJ_EX,
    PICKLE_STACK_GLOBAL,
    PICKLE_MEMOIZE,
    PICKLE_FRAME,
    PICKLE_BYTEARRAY8,
    PICKLE_NEXT_BUFFER,
    PICKLE_READONLY_BUFFER
};

/* One opcode.  text and more are borrowed from the bytes, without a 0 at their end. */
struct sdrt_pickle_op {
    unsigned char code;
    const char *text; /* a string's bytes, a number's digits, or GLOBAL's and INST's module */
    size_t size;
    const char *more; /* GLOBAL's and INST's name */
    size_t more_size;
    uint64_t number; /* of binary numbers (sign extended), of memo places, of PROTO */
};

struct sdrt_pickle_ops {
    const char *bytes, *path;      /* borrowed; path for messages */
    struct sdrt_file_pages *pages; /* that bytes point into */
    size_t size, at;               /* at: of the next opcode */
    const struct sdrt_log *log;
};

/* Reads the opcode at ops->at and moves behind it; all that it points to is inside the bytes.
 * SDRT_E_FORMAT for bytes that end before or cannot be read, and for no opcode; SDRT_E_UNSUPPORTED for
 * those that ask a reader to run or to know more than the file. */
int sdrt_pickle_op_next(struct sdrt_pickle_ops *ops, struct sdrt_pickle_op *op);

/* How many values a pickle can make at most, and put into its memo. */
struct sdrt_pickle_counts {
    size_t values, puts;
};

/* Counts those of the pickle that begins at ops->at, up to its STOP; moves nothing.
 * Errors of sdrt_pickle_op_next(). */
int sdrt_pickle_count(const struct sdrt_pickle_ops *ops, struct sdrt_pickle_counts *out);

#ifdef __cplusplus
}
#endif

#endif
