/* SPDX-License-Identifier: MIT
 *
 * Bytes that nobody can guess, for a seed that was left to chance.
 */
#ifndef SDRT_RUNTIME_RANDOM_ENTROPY_H
#define SDRT_RUNTIME_RANDOM_ENTROPY_H

#include <stddef.h>

/* Fills n bytes, 256 at most, from the system's generator without waiting for it.  1, or 0 where
 * it has none yet.  From any thread. */
int sdrt_entropy(void *bytes, size_t n);

#endif
