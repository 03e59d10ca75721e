/* SPDX-License-Identifier: MIT
 *
 * Arrays as NumPy files (.npy), for dumps, golden data and comparison from Python.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
#ifndef SDRT_RUNTIME_FILES_NPY_H
#define SDRT_RUNTIME_FILES_NPY_H

#include "kernels/dtype.h"
#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SDRT_NPY_MAX_RANK = 8 };

/* Writes data [shape], row-major, dense, as version 1.0, whole or not at all.  All types
 * that NumPy has: F16 F32 F64 I64 I32 U8 I8 BOOL.
 * SDRT_E_ARG (rank, a negative size or a type that NumPy has not), SDRT_E_IO,
 * SDRT_E_NOMEM. */
int sdrt_npy_write(const char *path, enum sdrt_dtype dtype, int rank, const int64_t *shape,
                   const void *data, const struct sdrt_log *log);

struct sdrt_npy {
    enum sdrt_dtype dtype;
    int             rank; /* 0 is a scalar */
    int64_t         shape[SDRT_NPY_MAX_RANK];
    size_t          elements;
    void           *data; /* row-major, owned by this struct */
};

/* Reads a version 1.0 file in little-endian C order.  *out belongs to the caller; NULL
 * after a failure.  SDRT_E_MISSING, SDRT_E_IO, SDRT_E_FORMAT, SDRT_E_UNSUPPORTED (another
 * version, order or type), SDRT_E_NOMEM. */
int sdrt_npy_read(struct sdrt_npy **out, const char *path, const struct sdrt_log *log);

/* Frees *array and sets it to NULL.  NULL is allowed. */
void sdrt_npy_free(struct sdrt_npy **array);

#ifdef __cplusplus
}
#endif

#endif
