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

void __wrap_sdrt_ops_init(struct sdrt_ops *ops, unsigned isa)
{
    const unsigned missing = isa & TEMULATED & ~__real_sdrt_isa_detect();

    __real_sdrt_ops_init(ops, isa & ~missing);
    sdrt_ops_init_emulated(ops, missing);
}
