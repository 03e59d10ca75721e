/* SPDX-License-Identifier: MIT
 *
 * One block of zeroed memory for all tensors of a run.
 */
#ifndef SDRT_RUNTIME_MACHINE_ARENA_H
#define SDRT_RUNTIME_MACHINE_ARENA_H

#include "runtime/base/error.h"
#include "runtime/machine/memory.h"

#include <stddef.h>

struct sdrt_arena;

/* Maps bytes (more than 0) of zeroed memory, aligned to 64 bytes at least; from the size of a huge
 * page on, to that, and the system is asked for huge pages.  Pages are taken when they are first
 * touched, near the core that touches them unless sdrt_team_spread() has said otherwise.  *out
 * belongs to the caller, NULL after a failure.
 * SDRT_E_NOMEM, with the size in MiB, when the system refuses or has not got that much. */
int sdrt_arena_create(struct sdrt_arena **out, size_t bytes, const struct sdrt_log *log);

/* Unmaps the memory, frees *arena and sets it to NULL.  NULL is allowed. */
void sdrt_arena_free(struct sdrt_arena **arena);

/* The first byte, and how many there are.  The memory belongs to the arena. */
void *sdrt_arena_base(const struct sdrt_arena *arena);
size_t sdrt_arena_bytes(const struct sdrt_arena *arena);

#endif
