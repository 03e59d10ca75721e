/* SPDX-License-Identifier: MIT
 *
 * Linked into a test, this makes the machine one that has every level: sdrt_isa_detect() and
 * sdrt_ops_init() are wrapped, and what the processor lacks is emulated (tests/emulation/).
 */
#include "tests/emulated.h"

unsigned __real_sdrt_isa_detect(void);
unsigned __wrap_sdrt_isa_detect(void);
void __real_sdrt_ops_init(struct sdrt_ops *ops, unsigned isa);
void __wrap_sdrt_ops_init(struct sdrt_ops *ops, unsigned isa);

unsigned __wrap_sdrt_isa_detect(void)
{
    const unsigned have = __real_sdrt_isa_detect();

    return have & SDRT_ISA_AVX2 ? have | TEMULATED : have;
}

/* The first level that the processor lacks and all above it: what is filled last stands, and a
 * processor may have a higher level without a lower one (VNNI without a fast bf16). */
static unsigned from_first_missing(unsigned isa)
{
    const unsigned have = __real_sdrt_isa_detect();
    unsigned missing = 0;

#define SDRT_EMULATED_LEVELS_ONLY
#define SDRT_LEVEL(level, flag, bit, below, has)                             \
    if ((isa & (unsigned)(flag)) && (missing || !(have & (unsigned)(flag)))) \
        missing |= (unsigned)(flag);
#include "kernels/levels.h"
#undef SDRT_EMULATED_LEVELS_ONLY
    return missing;
}

void __wrap_sdrt_ops_init(struct sdrt_ops *ops, unsigned isa)
{
    const unsigned missing = from_first_missing(isa);

    __real_sdrt_ops_init(ops, isa & ~missing);
    sdrt_ops_init_emulated(ops, missing);
}
