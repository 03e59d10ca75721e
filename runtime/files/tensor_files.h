/* SPDX-License-Identifier: MIT
 *
 * Files of named tensors, whatever their format: the first bytes choose it
 * (tensor_format.h).  Everything that a file claims of itself is checked when it is opened.
 *
 * Headers and data are read from the file, not through a map of it, so that a file that is cut while
 * it is open is an error and not a SIGBUS.  data below is for tests and for files that nobody else has:
 * there it is a map.
 */
#ifndef SDRT_RUNTIME_FILES_TENSOR_FILES_H
#define SDRT_RUNTIME_FILES_TENSOR_FILES_H

#include "kernels/dtype.h"
#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SDRT_TENSOR_MAX_RANK = 8 };

struct sdrt_tensor_file;

/* One tensor.  All pointers are borrowed from the open file. */
struct sdrt_file_tensor {
    const char     *name;
    const char     *dtype_name; /* as the file spells it */
    int             known;      /* 1 when dtype is set, 0 for a type that sdrt has not */
    enum sdrt_dtype dtype;
    int             rank;       /* 0 is a scalar */
    int64_t         shape[SDRT_TENSOR_MAX_RANK]; /* outermost first */
    const void     *data;       /* read-only, row-major, dense; not aligned to anything */
    size_t          bytes;
};

/* Opens path and checks what it says of its tensors.  *out belongs to the caller, who closes it;
 * NULL after a failure.  SDRT_E_MISSING (no such file), SDRT_E_IO, SDRT_E_NOMEM,
 * SDRT_E_UNSUPPORTED (another kind of file, which the message names),
 * SDRT_E_FORMAT (the message names the tensor and what was expected), SDRT_E_CANCELLED as of
 * sdrt_stop_asked(), with no line.
 * The log is used during the call only. */
int sdrt_tensor_file_open(struct sdrt_tensor_file **out, const char *path,
                          const struct sdrt_log *log);

/* The same open file for one more user, who closes it too.  Users on several threads do no more at
 * once than the calls below that say so. */
struct sdrt_tensor_file *sdrt_tensor_file_share(struct sdrt_tensor_file *file);

/* Sets *file to NULL; the last user's close unmaps and frees the file.  NULL is allowed. */
void sdrt_tensor_file_close(struct sdrt_tensor_file **file);

/* The path as given to open, borrowed. */
const char *sdrt_tensor_file_path(const struct sdrt_tensor_file *file);

/* Number of tensors, and the i-th in the byte order of names; i < count.  Borrowed. */
size_t sdrt_tensor_file_count(const struct sdrt_tensor_file *file);
const struct sdrt_file_tensor *sdrt_tensor_file_at(const struct sdrt_tensor_file *file, size_t i);

/* Finds a tensor by its name for use.  *out is borrowed, NULL after a failure.
 * SDRT_E_MISSING (nothing is logged), SDRT_E_UNSUPPORTED for an element type that sdrt
 * does not know. */
int sdrt_tensor_file_find(const struct sdrt_tensor_file *file, const char *name,
                          const struct sdrt_file_tensor **out, const struct sdrt_log *log);

/* Copies bytes at .. at+bytes-1 of the tensor's data, which has them, to out: from the file,
 * not through the mapping, so that nothing becomes resident and a file cut short is an
 * error.  From any thread.  SDRT_E_IO, not logged. */
int sdrt_tensor_file_read(const struct sdrt_tensor_file *file,
                          const struct sdrt_file_tensor *tensor, size_t at, size_t bytes,
                          void *out);

/* The text that the file keeps under key beside its tensors, borrowed; NULL when there is none. */
const char *sdrt_tensor_file_metadata(const struct sdrt_tensor_file *file, const char *key);

/* Residency, advice only, contents never change: drop the tensor's whole pages from
 * this process (a later read fetches them again), or start reading them in. */
void sdrt_tensor_file_release(const struct sdrt_tensor_file *file,
                              const struct sdrt_file_tensor *tensor);
void sdrt_tensor_file_prefetch(const struct sdrt_tensor_file *file,
                               const struct sdrt_file_tensor *tensor);

/* The dot of a file's name that ends as names of tensor files do; NULL for another name. */
const char *sdrt_tensor_file_extension(const char *name);

/* Those endings, as messages name them. */
extern const char sdrt_tensor_file_extensions[];

#ifdef __cplusplus
}
#endif

#endif
