/* SPDX-License-Identifier: MIT
 *
 * What a test of whole models may do less of under emulation, which takes a hundred times as long:
 * it draws with one level, and repeats with fewer models what no instruction set has a part in.
 */
#ifndef SDRT_TESTS_ANY_LEVEL_H
#define SDRT_TESTS_ANY_LEVEL_H

#include "kernels/isa.h"

#include <stdlib.h>

static inline int temulated(void) { return getenv("SDRT_EMULATED") && !getenv("SDRT_FULL"); }

/* The level for a test to which all are alike: NULL, the best here, or under emulation NEON in f32,
 * which qemu computes five times as fast as bf16. */
static inline const char *tany_level(void)
{
    return temulated() && sdrt_isa_find("neon") ? "neon" : NULL;
}

/* The step through a list of n cases: 1, or under emulation to the first and the last. */
static inline size_t tstep(size_t n) { return temulated() && n > 2 ? n - 1 : 1; }

/* Skips, under emulation, a test of many minutes in which no instruction set has a part. */
#define TSKIP_EMULATED()                                                                    \
    do {                                                                                    \
        if (temulated()) cr_skip_test("many minutes under emulation; SDRT_FULL=1 runs it"); \
    } while (0)

#endif
