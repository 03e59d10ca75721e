/* SPDX-License-Identifier: MIT
 *
 * Which instruction sets this machine can run.
 *
 * A set bit means three things at once: the CPU has the instructions, the
 * operating system saves the registers, and (for AMX) this process was granted
 * the tile state.  Callers never look at cpuid themselves.
 */
#ifndef SDRT_KERNELS_ISA_H
#define SDRT_KERNELS_ISA_H

/* One bit for each level that is built here (kernels/levels.h): SDRT_ISA_AVX2 ... */
enum {
#define SDRT_LEVEL(level, flag, bit, below, has) flag = bit,
#include "kernels/levels.h"
    /* A level whose own flag is one of these multiplies in 16-bit integers. */
    SDRT_ISA_ANY_INT16 = 0
#define SDRT_INT16_LEVEL(level, flag, bit, below, has) | flag
#include "kernels/levels.h"
    ,
    /* One of these multiplies in 8-bit integers where a linear layer's weights are stored as I8. */
    SDRT_ISA_ANY_INT8 = 0
#define SDRT_INT8_LEVEL(level, flag, bit, below, has) | flag
#define SDRT_BF16_INT8_LEVEL(level, flag, bit, below, has) | flag
#include "kernels/levels.h"
    ,
    /* A level with one of these computes in bf16 where weights are bf16. */
    SDRT_ISA_ANY_BF16 = 0
#define SDRT_BF16_LEVEL(level, flag, bit, below, has) | flag
#include "kernels/levels.h"
    ,
    /* A level with one of these computes in f16 where weights are f16. */
    SDRT_ISA_ANY_F16 = 0
#define SDRT_F16_LEVEL(level, flag, bit, below, has) | flag
#include "kernels/levels.h"
};

/* One rung of the ladder that the tests and the benchmarks climb. */
struct sdrt_isa_level {
    const char *name;
    unsigned    flags; /* its own and all below it whose kernels it takes */
    unsigned    own;   /* its own flag; 0 for the plain C */
};

extern const struct sdrt_isa_level sdrt_isa_levels[]; /* ends with name == NULL */

/* The flags of everything usable here.  Asks the system for the tile registers, so call it
 * before any thread computes. */
unsigned sdrt_isa_detect(void);

/* The level called name, or NULL; it may need flags that this machine lacks. */
const struct sdrt_isa_level *sdrt_isa_find(const char *name);

/* The highest level whose flags are all in have, of those that do not compute in f16. */
const struct sdrt_isa_level *sdrt_isa_best(unsigned have);

/* The highest of those whose own flag is in own, SDRT_ISA_ANY_F16 say; NULL where there is none. */
const struct sdrt_isa_level *sdrt_isa_best_own(unsigned have, unsigned own);

#endif
