/* SPDX-License-Identifier: MIT
 *
 * The intermediates of an image as .npy files, one a tensor, for comparison.
 */
#ifndef SDRT_TOOLS_DUMP_H
#define SDRT_TOOLS_DUMP_H

#include "runtime/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether folder can be written to, or made where it is absent; makes nothing.
 * SDRT_E_IO, SDRT_E_NOMEM. */
int dump_check(const char *folder, const struct sdrt_log *log);

/* Makes folder where it is absent (its parent must be there).  SDRT_E_IO. */
int dump_make_folder(const char *folder, const struct sdrt_log *log);

/* Whether name, with each '/' as '.', matches one of n patterns as fnmatch() understands
 * them; with no pattern every name does. */
int dump_wanted(const char *name, const char *const *patterns, int n);

/* Writes folder/NAME.npy with each '/' of name as '.': data, dense f32 [dims[0], dims[1],
 * dims[2], dims[3]], as NumPy's format 1.0.  SDRT_E_IO, SDRT_E_NOMEM, SDRT_E_ARG for
 * negative dims. */
int dump_write(const char *folder, const char *name, const int dims[4], const float *data,
               const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
