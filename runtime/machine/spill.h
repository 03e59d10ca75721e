/* SPDX-License-Identifier: MIT
 *
 * What is too large for memory, in a temporary file.
 */
#ifndef SDRT_RUNTIME_MACHINE_SPILL_H
#define SDRT_RUNTIME_MACHINE_SPILL_H

#include "runtime/base/error.h"

#include <stddef.h>

struct sdrt_spill;

/* Opens a file without a name in $TMPDIR, else /var/tmp, which goes with the process and takes disk as it
 * is written: neither memory nor address space.  *out is the caller's, NULL after a failure: SDRT_E_IO (no
 * such folder, or less than bytes free in it, with one line), SDRT_E_NOMEM. */
int sdrt_spill_create(struct sdrt_spill **out, size_t bytes, const struct sdrt_log *log);
void sdrt_spill_free(struct sdrt_spill **spill);

/* Bytes n at byte `at` of it; what is read was written before.  Any threads may do so at once, at different
 * places.  SDRT_E_IO, with one line. */
int sdrt_spill_write(const struct sdrt_spill *spill, size_t at, const void *from, size_t n);
int sdrt_spill_read(const struct sdrt_spill *spill, size_t at, void *to, size_t n);

#endif
