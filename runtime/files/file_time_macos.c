/* SPDX-License-Identifier: MIT */
#include "runtime/files/file_time.h"

struct timespec sdrt_file_time(const struct stat *s) { return s->st_mtimespec; }
