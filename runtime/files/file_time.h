/* SPDX-License-Identifier: MIT
 *
 * When a file was changed.
 */
#ifndef SDRT_RUNTIME_FILES_FILE_TIME_H
#define SDRT_RUNTIME_FILES_FILE_TIME_H

#include <sys/stat.h>
#include <time.h>

/* The time of the last change of contents that stat() told in *s, to the nanosecond where the file system
 * keeps it. */
struct timespec sdrt_file_time(const struct stat *s);

#endif
