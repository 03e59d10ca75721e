/* SPDX-License-Identifier: MIT
 *
 * Memory that is a file's, so that the system can take its pages back by writing them there.
 */
#ifndef SDRT_RUNTIME_MACHINE_SPILL_H
#define SDRT_RUNTIME_MACHINE_SPILL_H

#include "runtime/base/error.h"

#include <stddef.h>

struct sdrt_spill {
    unsigned char *base; /* bytes of them, a multiple of a page, zeros at first */
    size_t bytes;
};

/* Takes bytes of disk in $TMPDIR, else /var/tmp, in a file without a name, which goes with the process.
 * *out is the caller's, NULL after a failure: SDRT_E_IO (no such folder, or no room in it, with one
 * line), SDRT_E_NOMEM. */
int sdrt_spill_create(struct sdrt_spill **out, size_t bytes, const struct sdrt_log *log);
void sdrt_spill_free(struct sdrt_spill **spill);

/* Says that nothing is read of it soon: its pages are written, and no longer count as this process's. */
void sdrt_spill_rest(struct sdrt_spill *spill);

#endif
