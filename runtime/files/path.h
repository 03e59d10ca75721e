/* SPDX-License-Identifier: MIT
 *
 * Paths of files and folders.
 */
#ifndef SDRT_RUNTIME_FILES_PATH_H
#define SDRT_RUNTIME_FILES_PATH_H

/* directory/name, owned by the caller; NULL without memory. */
char *sdrt_path_join(const char *directory, const char *name);

/* 1 when path leads to a regular file, or to a folder, else 0. */
int sdrt_path_is_file(const char *path);
int sdrt_path_is_folder(const char *path);

#endif
