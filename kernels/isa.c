/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kernels/isa.h"

#include <stddef.h>
#include <string.h>

#if defined(__linux__)
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static int has_generic(void) { return 1; }
static int has_blas(void) { return 1; }

/* ---- 64-bit Arm ---- */

#if HAVE_NEON
static int has_neon(void) { return 1; }
#endif

#if HAVE_NEONF16
static int has_neonf16(void)
{
#if defined(__linux__)
    const unsigned long halves = 1ul << 10; /* HWCAP_ASIMDHP */

    return (getauxval(AT_HWCAP) & halves) != 0;
#else
    return 0;
#endif
}
#endif

#if HAVE_NEONBF16 || HAVE_NEONMMLA
/* On Arm's own cores, by what the system tells and lets us read (Linux,
 * Documentation/arch/arm64/cpu-feature-registers.rst).  What others gain by it nobody has
 * measured. */
static int has_bf16_of_arm(void)
{
#if defined(__linux__)
    enum { ARM = 0x41, EMULATOR = 0 };
    const unsigned long registers = 1ul << 11, bf16 = 1ul << 14; /* HWCAP_CPUID, HWCAP2_BF16 */
    unsigned long midr;

    if (!(getauxval(AT_HWCAP) & registers) || !(getauxval(AT_HWCAP2) & bf16)) return 0;
    __asm__("mrs %0, midr_el1" : "=r"(midr));
    return (midr >> 24 & 0xff) == ARM || (midr >> 24 & 0xff) == EMULATOR;
#else
    return 0;
#endif
}
#endif

#if HAVE_NEONBF16
static int has_neonbf16(void) { return has_bf16_of_arm(); }
#endif

#if HAVE_NEONMMLA
/* The extension has both instructions (HWCAP2_I8MM is of integers), and Arm's cores from Neoverse
 * N2 and V1 on give BFMMLA, of twice the products, BFDOT's rate.  Qualcomm's Oryon halves it. */
static int has_neonmmla(void) { return has_bf16_of_arm(); }
#endif

/* ---- x86-64 ---- */

#if HAVE_AVX2
#include <cpuid.h>
#include <stdint.h>

enum { LEAF_1_C, LEAF_7_B, LEAF_7_C, LEAF_7_D, LEAF_7_1_A, WORDS };

/* The feature words of cpuid; those of a leaf that the processor lacks are 0. */
static void features(unsigned f[WORDS])
{
    unsigned a, b, c, d;

    memset(f, 0, WORDS * sizeof *f);
    if (__get_cpuid(1, &a, &b, &c, &d)) f[LEAF_1_C] = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        f[LEAF_7_B] = b;
        f[LEAF_7_C] = c;
        f[LEAF_7_D] = d;
    }
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) f[LEAF_7_1_A] = a;
}

/* Whether the system saves the registers of these bits of XCR0. */
static int saves(unsigned registers)
{
    const unsigned osxsave = 1u << 27;
    unsigned f[WORDS];
    uint32_t lo, hi;

    features(f);
    if (!(f[LEAF_1_C] & osxsave)) return 0;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (lo & registers) == registers;
}

static int has_avx2(void)
{
    enum { YMM = 0x6 };
    const unsigned fma_f16c = 1u << 12 | 1u << 29, avx2 = 1u << 5;
    unsigned f[WORDS];

    features(f);
    return (f[LEAF_1_C] & fma_f16c) == fma_f16c && (f[LEAF_7_B] & avx2) && saves(YMM);
}
#endif

#if HAVE_AVX2
static int has_avx2int16(void) { return 1; } /* where AVX2 is */
#endif

#if HAVE_AVXVNNI
static int has_avxvnni(void)
{
    const unsigned avx_vnni = 1u << 4;
    unsigned f[WORDS];

    features(f);
    return (f[LEAF_7_1_A] & avx_vnni) != 0;
}
#endif

#if HAVE_AVX512
static int has_avx512(void)
{
    enum { ZMM = 0xe6 };
    const unsigned f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    unsigned f[WORDS];

    features(f);
    return (f[LEAF_7_B] & f_dq_bw_vl) == f_dq_bw_vl && saves(ZMM);
}
#endif

#if HAVE_AVX512VNNI
static int has_avx512vnni(void)
{
    const unsigned vnni = 1u << 11;
    unsigned f[WORDS];

    features(f);
    return (f[LEAF_7_C] & vnni) != 0;
}
#endif

#if HAVE_AVX512VNNI && HAVE_AVX512BF16
static int has_avx512bf16vnni(void) { return 1; } /* where both are */
#endif

#if HAVE_AVX512BF16 || HAVE_AMX
static int has_bf16_instructions(void)
{
    const unsigned avx512_bf16 = 1u << 5;
    unsigned f[WORDS];

    features(f);
    return (f[LEAF_7_1_A] & avx512_bf16) != 0;
}
#endif

#if HAVE_AVX512BF16
/* Where its products pay: AMD's, twice as fast as f32's.  Intel's take as long as the FMAs that
 * they replace. */
static int has_avx512bf16(void)
{
    unsigned a, b, c, d;

    if (!__get_cpuid(0, &a, &b, &c, &d)) return 0;
    if (b != signature_AMD_ebx || c != signature_AMD_ecx || d != signature_AMD_edx) return 0;
    return has_bf16_instructions();
}
#endif

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

/* With the vector instructions between the tiles, which every such CPU has. */
static int has_amx(void)
{
    enum { TILES = 0x60000 };
    const unsigned vbmi = 1u << 1, tile = 1u << 24, bf16_int8 = 1u << 22 | 1u << 25;
    unsigned f[WORDS];

    features(f);
    return (f[LEAF_7_C] & vbmi) && (f[LEAF_7_D] & (tile | bf16_int8)) == (tile | bf16_int8) &&
           has_bf16_instructions() && saves(TILES) && tiles_granted();
}
#endif

/* ---- the list ---- */

enum {
    SUM_OF_BITS = 0
#define SDRT_LEVEL(level, flag, bit, below, has) + (bit)
#include "kernels/levels.h"
    ,
    ALL_BITS = 0
#define SDRT_LEVEL(level, flag, bit, below, has) | (bit)
#include "kernels/levels.h"
};
_Static_assert(SUM_OF_BITS == ALL_BITS, "two levels have one bit");

const struct sdrt_isa_level sdrt_isa_levels[] = {
#define SDRT_LEVEL(level, flag, bit, below, has) { #level, (below) | (flag), flag },
#include "kernels/levels.h"
    { NULL, 0, 0 },
};

unsigned sdrt_isa_detect(void)
{
    static int (*const has[])(void) = {
#define SDRT_LEVEL(level, flag, bit, below, has) has,
#include "kernels/levels.h"
    };
    unsigned have = 0;

    for (size_t i = 0; i < sizeof has / sizeof *has; i++) {
        const struct sdrt_isa_level *l = &sdrt_isa_levels[i];
        if ((l->flags & ~l->own & ~have) == 0 && has[i]()) have |= l->own;
    }
    return have;
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
        if ((l->flags & have & ~(unsigned)SDRT_ISA_ANY_F16) == l->flags) best = l;
    return best;
}

const struct sdrt_isa_level *sdrt_isa_best_own(unsigned have, unsigned own)
{
    const struct sdrt_isa_level *best = NULL;

    for (const struct sdrt_isa_level *l = sdrt_isa_levels; l->name; l++)
        if ((l->own & own) && (l->flags & have) == l->flags) best = l;
    return best;
}
