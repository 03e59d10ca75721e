/* SPDX-License-Identifier: MIT
 *
 * Counts what the objects of a program allocate, and refuses one allocation on demand: the linker
 * sends their calls here (COUNT_ALLOCATIONS in bench/local.mk).  What shared libraries allocate
 * for themselves is not seen.
 */
#ifndef SDRT_BENCH_ALLOCATIONS_H
#define SDRT_BENCH_ALLOCATIONS_H

#include <stddef.h>

/* Whether anything is counted and refused here; otherwise the others do nothing. */
int sdrt_allocations_counted(void);

/* Calls so far, by any thread, refused ones too. */
long sdrt_allocations(void);

/* What they asked for, in bytes, all together. */
size_t sdrt_allocations_bytes(void);

/* The n-th call from now on, counted from 0, finds no memory; with a negative n none does. */
void sdrt_allocations_refuse(long n);

/* Calls that will pass before the refused one; negative when none is to come. */
long sdrt_allocations_left(void);

#endif
