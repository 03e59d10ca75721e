/* SPDX-License-Identifier: MIT
 *
 * Memory between pages that nobody may touch, for operands of kernels that nobody has seen.
 */
#ifndef SDRT_BENCH_GUARDED_H
#define SDRT_BENCH_GUARDED_H

#include <stddef.h>

/* bytes at p, a multiple of 64, between two pages without access; with at_end up to 63 bytes before
 * the second, else right after the first.  What is left of its own pages is 0xff, which is NaN in
 * every float type, as the bytes themselves are at first. */
struct sdrt_guarded {
    union {
        float *v;
        void *p;
    };
    size_t bytes;
    const char *name; /* borrowed; of the operand */
    char *map;
    size_t mapped;
};

/* 0 without memory, *g then empty. */
int sdrt_guarded_create(struct sdrt_guarded *g, const char *name, size_t bytes, int at_end);
void sdrt_guarded_free(struct sdrt_guarded *g);

/* Reading only from now on, or writing again. */
void sdrt_guarded_lock(const struct sdrt_guarded *g, int read_only);

/* 0xff into all bytes. */
void sdrt_guarded_poison(struct sdrt_guarded *g);

/* Whether what is left of its pages is still 0xff. */
int sdrt_guarded_intact(const struct sdrt_guarded *g);

enum sdrt_guarded_place { SDRT_ELSEWHERE, SDRT_BEFORE, SDRT_INSIDE, SDRT_PAST };

/* Where an address lies; before and past are in the pages around the bytes. */
enum sdrt_guarded_place sdrt_guarded_place(const struct sdrt_guarded *g, const void *address);

#endif
