/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kernels/isa.h"

#include <stddef.h>
#include <string.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdint.h>

static uint64_t xcr0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

#if HAVE_AMX
/* Linux hands out the tile registers only to a process that asked for them, once and before
 * it starts threads: Documentation/arch/x86/xstate.rst. */
static int tiles_granted(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };

    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return 0;
#endif
}

/* AMX-TILE and AMX-BF16, with the vector instructions between the tiles: AVX512-BF16 and VBMI,
 * which every such CPU has.  ecx and edx are those of leaf 7. */
static int has_amx_bf16(uint64_t os, unsigned ecx, unsigned edx)
{
    enum { TILES = 0x60000 };
    const unsigned vbmi = 1u << 1, amx = 1u << 22 | 1u << 24, avx512_bf16 = 1u << 5;
    unsigned a, b, c, d;

    if ((os & TILES) != TILES || !(ecx & vbmi) || (edx & amx) != amx) return 0;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & avx512_bf16)) return 0;
    return tiles_granted();
}
#endif

#if HAVE_AVX512BF16
/* AVX512-BF16 where its products pay: AMD's, twice as fast as f32's.  Intel's take as long as the
 * FMAs that they replace. */
static int has_fast_bf16(void)
{
    const unsigned avx512_bf16 = 1u << 5;
    unsigned a, b, c, d;

    if (!__get_cpuid(0, &a, &b, &c, &d)) return 0;
    if (b != signature_AMD_ebx || c != signature_AMD_ecx || d != signature_AMD_edx) return 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & avx512_bf16);
}
#endif

static unsigned detect_x86(void)
{
    enum { YMM = 0x6, ZMM = 0xe6 };
    const unsigned fma = 1u << 12, osxsave = 1u << 27, f16c = 1u << 29;
    const unsigned avx2 = 1u << 5;
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    unsigned a, b, c, d, flags = 0;

    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    if ((c & (fma | osxsave | f16c)) != (fma | osxsave | f16c)) return 0;
    const uint64_t os = xcr0();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;

    if ((os & YMM) != YMM || !(b & avx2)) return flags;
    flags |= SDRT_ISA_AVX2;
    if ((os & ZMM) != ZMM || (b & avx512) != avx512) return flags;
    flags |= SDRT_ISA_AVX512;
#if HAVE_AVX512BF16
    if (has_fast_bf16()) flags |= SDRT_ISA_AVX512_BF16;
#endif
#if HAVE_AMX
    if (has_amx_bf16(os, c, d)) flags |= SDRT_ISA_AMX_BF16;
#endif
    return flags;
}
#endif

const struct sdrt_isa_level sdrt_isa_levels[] = {
    { "generic", 0 },
    { "blas", SDRT_ISA_BLAS },
#if defined(__x86_64__)
    { "avx2", SDRT_ISA_BLAS | SDRT_ISA_AVX2 },
    { "avx512", SDRT_ISA_BLAS | SDRT_ISA_AVX2 | SDRT_ISA_AVX512 },
    { "avx512bf16", SDRT_ISA_BLAS | SDRT_ISA_AVX2 | SDRT_ISA_AVX512 | SDRT_ISA_AVX512_BF16 },
    { "amx", SDRT_ISA_BLAS | SDRT_ISA_AVX2 | SDRT_ISA_AVX512 | SDRT_ISA_AMX_BF16 },
#endif
    { NULL, 0 },
};

unsigned sdrt_isa_detect(void)
{
#if defined(__x86_64__)
    return SDRT_ISA_BLAS | detect_x86();
#else
    return SDRT_ISA_BLAS;
#endif
}

const struct sdrt_isa_level *sdrt_isa_find(const char *name)
{
    for (const struct sdrt_isa_level *l = sdrt_isa_levels; l->name; l++)
        if (!strcmp(l->name, name)) return l;
    return NULL;
}

const struct sdrt_isa_level *sdrt_isa_best(unsigned have)
{
    const struct sdrt_isa_level *best = sdrt_isa_levels;

    for (const struct sdrt_isa_level *l = sdrt_isa_levels; l->name; l++)
        if ((l->flags & have) == l->flags) best = l;
    return best;
}
