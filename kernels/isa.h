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

enum {
    SDRT_ISA_BLAS     = 1u << 0, /* OpenBLAS; wherever the library was built */
    SDRT_ISA_AVX2     = 1u << 1, /* AVX2, FMA, F16C */
    SDRT_ISA_AVX512   = 1u << 2, /* F, BW, DQ, VL; implies AVX2 */
    SDRT_ISA_AMX_BF16 = 1u << 3, /* AMX-TILE, AMX-BF16, AVX512-BF16, VBMI; implies AVX512 */
    SDRT_ISA_NEON     = 1u << 4, /* Advanced SIMD; always there on AArch64 */
    SDRT_ISA_AVX512_BF16 = 1u << 5, /* VDPBF16PS, and faster than two f32 FMAs; implies AVX512 */

    /* A level with one of these computes in bf16 where weights are bf16. */
    SDRT_ISA_ANY_BF16 = SDRT_ISA_AMX_BF16 | SDRT_ISA_AVX512_BF16,
};

/* One rung of the ladder that the tests and the benchmarks climb. */
struct sdrt_isa_level {
    const char *name;
    unsigned    flags;
};

extern const struct sdrt_isa_level sdrt_isa_levels[]; /* ends with name == NULL */

/* The flags of everything usable here.  Asks the system for the tile registers, so call it
 * before any thread computes. */
unsigned sdrt_isa_detect(void);

/* The level called name, or NULL; it may need flags that this machine lacks. */
const struct sdrt_isa_level *sdrt_isa_find(const char *name);

/* The highest level whose flags are all in have. */
const struct sdrt_isa_level *sdrt_isa_best(unsigned have);

#endif
