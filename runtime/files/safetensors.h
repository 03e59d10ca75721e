/* SPDX-License-Identifier: MIT
 *
 * Reader of safetensors files, memory-mapped.
 *
 * Layout (https://github.com/huggingface/safetensors, "Format"): a little-endian u64
 * with the length of the header, the header (a JSON object: name -> dtype, shape,
 * data_offsets; and "__metadata__" with strings), then the tensors' bytes, row-major.
 * Everything the header claims is checked when the file is opened, as strictly as the
 * reference implementation does: every byte belongs to exactly one tensor.
 *
 * The file must not be shortened while it is open: a mapping of bytes that are gone
 * ends the process with SIGBUS.  sdrt_safetensors_find() looks at the size again, which
 * catches a file that was cut before the tensor is touched, not one that is cut later.
 */
#ifndef SDRT_RUNTIME_FILES_SAFETENSORS_H
#define SDRT_RUNTIME_FILES_SAFETENSORS_H

#include "kernels/dtype.h"
#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SDRT_SAFETENSORS_MAX_RANK   = 8,
    SDRT_SAFETENSORS_MAX_HEADER = 100 * 1000 * 1000 /* bytes, the reference's limit */
};

struct sdrt_safetensors;

/* One tensor.  All pointers are borrowed from the open file. */
struct sdrt_safetensors_tensor {
    const char     *name;
    const char     *dtype_name; /* as the header spells it */
    int             known;      /* 1 when dtype is set, 0 for a type that sdrt has not */
    enum sdrt_dtype dtype;
    int             rank;       /* 0 is a scalar */
    int64_t         shape[SDRT_SAFETENSORS_MAX_RANK]; /* outermost first */
    const void     *data;       /* read-only; not aligned to anything */
    size_t          bytes;
};

/* Maps path and checks its header.  *out belongs to the caller, who closes it; NULL
 * after a failure.  SDRT_E_MISSING (no such file), SDRT_E_IO, SDRT_E_NOMEM,
 * SDRT_E_UNSUPPORTED (another kind of file, which the message names),
 * SDRT_E_FORMAT (the message names the tensor and what was expected).
 * The log is used during the call only. */
int sdrt_safetensors_open(struct sdrt_safetensors **out, const char *path,
                          const struct sdrt_log *log);

/* Unmaps and frees *file and sets it to NULL.  NULL is allowed. */
void sdrt_safetensors_close(struct sdrt_safetensors **file);

/* The path as given to open, borrowed. */
const char *sdrt_safetensors_path(const struct sdrt_safetensors *file);

/* Number of tensors, and the i-th in the byte order of names; i < count.  Borrowed. */
size_t sdrt_safetensors_count(const struct sdrt_safetensors *file);
const struct sdrt_safetensors_tensor *sdrt_safetensors_at(const struct sdrt_safetensors *file,
                                                          size_t i);

/* Finds a tensor by its name for use.  *out is borrowed, NULL after a failure.
 * SDRT_E_MISSING (nothing is logged), SDRT_E_UNSUPPORTED for an element type that sdrt
 * does not know, SDRT_E_IO when the file has become shorter since it was opened. */
int sdrt_safetensors_find(const struct sdrt_safetensors *file, const char *name,
                          const struct sdrt_safetensors_tensor **out,
                          const struct sdrt_log *log);

/* Copies bytes at .. at+bytes-1 of the tensor's data, which has them, to out: from the file,
 * not through the mapping, so that nothing becomes resident and a file cut short is an
 * error.  From any thread.  SDRT_E_IO, not logged. */
int sdrt_safetensors_read(const struct sdrt_safetensors *file,
                          const struct sdrt_safetensors_tensor *tensor, size_t at, size_t bytes,
                          void *out);

/* The string stored under key in __metadata__, borrowed; NULL when there is none. */
const char *sdrt_safetensors_metadata(const struct sdrt_safetensors *file, const char *key);

/* Residency, advice only, contents never change: drop the tensor's whole pages from
 * this process (a later read fetches them again), or start reading them in. */
void sdrt_safetensors_release(const struct sdrt_safetensors *file,
                              const struct sdrt_safetensors_tensor *tensor);
void sdrt_safetensors_prefetch(const struct sdrt_safetensors *file,
                               const struct sdrt_safetensors_tensor *tensor);

#ifdef __cplusplus
}
#endif

#endif
