/* SPDX-License-Identifier: MIT
 *
 * Packed weights that processes of one machine have in common: blocks of memory, each filled by the process
 * that asks for it first and read by all that ask for the same.  A block goes with its last use.
 *
 * A process that dies keeps no one waiting: who waits for its block fills it.  Blocks that it used stay until
 * the last process has gone.  Any thread may call these functions, for one block one at a time.
 */
#ifndef SDRT_RUNTIME_WEIGHTS_COMMONS_H
#define SDRT_RUNTIME_WEIGHTS_COMMONS_H

#include "runtime/base/error.h"
#include "runtime/machine/common_memory.h"

#include <stddef.h>
#include <stdint.h>

struct sdrt_commons;

/* Where others find it: a process, its descriptor, and what tells it from other memory. */
struct sdrt_commons_place {
    int64_t pid, file;
    uint64_t token;
};

/* Makes an empty one, by a token that nobody else takes, or opens another process's.  *out belongs to
 * the caller and outlives its blocks; NULL after a failure: SDRT_E_UNSUPPORTED, without a line, errno
 * saying why; SDRT_E_NOMEM. */
int sdrt_commons_create(struct sdrt_commons **out, uint64_t token);
int sdrt_commons_open(struct sdrt_commons **out, struct sdrt_commons_place place);
struct sdrt_commons_place sdrt_commons_place(const struct sdrt_commons *c);
/* NULL and a pointer to NULL are allowed. */
void sdrt_commons_close(struct sdrt_commons **c);

/* A use of a block. */
struct sdrt_commons_block {
    struct sdrt_commons *commons; /* NULL: it is none */
    struct sdrt_common_map map;   /* its bytes, zeroed at first, aligned to 64 and more */
    int slot;
    int fills; /* 1: this process is to fill it, and to say sdrt_commons_filled() */
};

/* The block of that key and size.  While another process fills it this one waits, and asks stop now and then
 * whether it is to give up: SDRT_E_CANCELLED.  SDRT_E_UNSUPPORTED, without a line, where there is no room,
 * no place for another block, or the one that fills it has stood still for a minute. */
int sdrt_commons_take(struct sdrt_commons *c, uint64_t key, size_t bytes, int (*stop)(void *user),
                      void *user, struct sdrt_commons_block *out);

/* Says that its filling goes on, and that it has ended: whole (1), for others to read, or not. */
void sdrt_commons_goes_on(const struct sdrt_commons_block *b);
void sdrt_commons_filled(struct sdrt_commons_block *b, int whole);

/* Ends the use; *b is then none. */
void sdrt_commons_leave(struct sdrt_commons_block *b);

#endif
