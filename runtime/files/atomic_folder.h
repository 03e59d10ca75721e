/* SPDX-License-Identifier: MIT
 *
 * Folders that are written whole or not at all.  The files go to a temporary folder beside the target;
 * commit renames it.  A folder that is there already must be empty.
 */
#ifndef SDRT_RUNTIME_FILES_ATOMIC_FOLDER_H
#define SDRT_RUNTIME_FILES_ATOMIC_FOLDER_H

#include "runtime/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_atomic_folder;

/* Makes the temporary folder.  Slashes at the end of path mean nothing.  *out belongs to the caller
 * until commit or abort takes it; NULL after a failure.  log is kept and must outlive it.
 * SDRT_E_IO (with the system's reason, or for a path at which something is), SDRT_E_NOMEM. */
int sdrt_atomic_folder_open(struct sdrt_atomic_folder **out, const char *path,
                            const struct sdrt_log *log);

/* The path at which the file of that name, "unet/config.json", is to be written, with the one folder
 * in its name made.  Borrowed from the folder; NULL after a failure, which is logged. */
const char *sdrt_atomic_folder_file(struct sdrt_atomic_folder *folder, const char *name);

/* Puts the folder in its place, or after a failure removes it.  Frees *folder and sets it to NULL in
 * both cases.  SDRT_E_IO with one line. */
int sdrt_atomic_folder_commit(struct sdrt_atomic_folder **folder);

/* Removes what was written, all of it under names that sdrt_atomic_folder_file() gave, frees *folder
 * and sets it to NULL.  NULL is allowed. */
void sdrt_atomic_folder_abort(struct sdrt_atomic_folder **folder);

#ifdef __cplusplus
}
#endif

#endif
