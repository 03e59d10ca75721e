/* SPDX-License-Identifier: MIT
 *
 * Files that are written whole or not at all.  The bytes go to a temporary file in
 * the target's folder, without a name where the system has such files; commit checks
 * them through to the disk and renames.  Until then, and after any failure, a file that
 * was there before is untouched.
 *
 *     status = sdrt_atomic_open(&file, path, log);
 *     if (status == SDRT_OK) {
 *         sdrt_atomic_printf(file, "...");       // errors are kept for commit
 *         status = sdrt_atomic_commit(&file, log);
 *     }
 *
 * A target that exists and is a device or a pipe (/dev/null) cannot be replaced and is
 * written directly.  A symbolic link is followed.  "-" is a name like any other.
 */
#ifndef SDRT_RUNTIME_FILES_ATOMIC_FILE_H
#define SDRT_RUNTIME_FILES_ATOMIC_FILE_H

#include "runtime/base/error.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_atomic_file;

/* Opens the temporary file.  *out belongs to the caller until commit or abort takes
 * it; NULL after a failure.  SDRT_E_IO (with the system's reason), SDRT_E_NOMEM. */
int sdrt_atomic_open(struct sdrt_atomic_file **out, const char *path, const struct sdrt_log *log);

/* Append bytes or formatted text.  The first failure is remembered: later writes do
 * nothing and commit reports it, so callers may ignore the result (SDRT_E_IO, not
 * logged here) except to stop early. */
int sdrt_atomic_write(struct sdrt_atomic_file *file, const void *data, size_t size);
int sdrt_atomic_printf(struct sdrt_atomic_file *file, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Flushes to the disk and puts the file in its place; on any failure removes the
 * temporary file instead.  Frees *file and sets it to NULL in both cases.
 * SDRT_E_IO with one line naming the path and the reason. */
int sdrt_atomic_commit(struct sdrt_atomic_file **file, const struct sdrt_log *log);

/* Drops what was written, frees *file and sets it to NULL.  NULL is allowed. */
void sdrt_atomic_abort(struct sdrt_atomic_file **file);

/* Says early, before minutes of work, whether path could be written: makes a
 * temporary file in its folder and removes it again.  Errors as sdrt_atomic_open(). */
int sdrt_atomic_check(const char *path, const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
