/* SPDX-License-Identifier: MIT
 *
 * Names of what is half written, for a program that a signal ends.
 */
#ifndef SDRT_RUNTIME_FILES_UNFINISHED_H
#define SDRT_RUNTIME_FILES_UNFINISHED_H

#ifdef __cplusplus
extern "C" {
#endif

/* Notes that the file or folder of this name is to go if the process ends now.  path is borrowed until
 * sdrt_unfinished_done() is called with it.  Beyond 256 at once, names are not noted.  From any
 * thread. */
void sdrt_unfinished_add(const char *path);

/* Forgets it: it is in its place, or gone.  NULL, and what is not noted, are allowed. */
void sdrt_unfinished_done(const char *path);

/* Removes all that are noted, the last first.  Safe in a signal handler. */
void sdrt_unfinished_remove(void);

#ifdef __cplusplus
}
#endif

#endif
