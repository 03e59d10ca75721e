/* SPDX-License-Identifier: MIT
 *
 * The types that GGUF files number.
 */
#ifndef SDRT_RUNTIME_FILES_GGML_TYPES_H
#define SDRT_RUNTIME_FILES_GGML_TYPES_H

#include "kernels/dtype.h"

#include <stdint.h>

struct sdrt_ggml_type {
    const char *name;
    enum sdrt_dtype dtype;        /* SDRT_DTYPES for a type that sdrt has not */
    unsigned short values, bytes; /* of a block */
};

/* ggml's type of that number into *out, whose name is a constant.  Returns 0, or -1 for one that is
 * unknown or has been given up. */
int sdrt_ggml_type(uint32_t number, struct sdrt_ggml_type *out);

/* ggml's number for a type that it has too; -1 for another. */
int sdrt_ggml_number(enum sdrt_dtype dtype);

#endif
