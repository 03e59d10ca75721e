/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/emulated.h"
#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>

#if HAVE_AVX2 && HAVE_AVX512 && HAVE_AVX512BF16 && HAVE_AMX
enum { EMULATED = SDRT_ISA_AVX512 | SDRT_ISA_AVX512_BF16 | SDRT_ISA_AMX_BF16 };
#else
enum { EMULATED = 0 };
#endif

/* The flags to take as they are, and in *emulated those to emulate on top. */
static unsigned own_flags(const char *name, unsigned *emulated)
{
    const struct sdrt_isa_level *l = sdrt_isa_find(name);
    const unsigned have = sdrt_isa_detect(), missing = l ? l->flags & ~have : 0;

    *emulated = 0;
    if (!missing || !(have & SDRT_ISA_AVX2) || (missing & ~(unsigned)EMULATED) ||
        getenv("SDRT_REQUIRE_ISA"))
        return tlevel(name);
    fprintf(stderr, "%s is emulated here\n", name);
    *emulated = missing;
    return l->flags & have;
}

void tgemm_init(struct sdrt_gemm_ops *ops, const char *level)
{
    unsigned emulated;

    sdrt_gemm_init(ops, own_flags(level, &emulated));
#if HAVE_AVX2 && HAVE_AVX512 && HAVE_AVX512BF16 && HAVE_AMX
    if (emulated & SDRT_ISA_AVX512) sdrt_gemm_init_avx512_emulated(ops);
    if (emulated & SDRT_ISA_AVX512_BF16) sdrt_gemm_init_avx512bf16_emulated(ops);
    if (emulated & SDRT_ISA_AMX_BF16) sdrt_gemm_init_amx_emulated(ops);
#endif
}

void tconv_init(struct sdrt_conv_ops *ops, const char *level)
{
    unsigned emulated;

    sdrt_conv_init(ops, own_flags(level, &emulated));
#if HAVE_AVX2 && HAVE_AVX512 && HAVE_AVX512BF16 && HAVE_AMX
    if (emulated & SDRT_ISA_AVX512) sdrt_conv_init_avx512_emulated(ops);
    if (emulated & SDRT_ISA_AVX512_BF16) sdrt_conv_init_avx512bf16_emulated(ops);
    if (emulated & SDRT_ISA_AMX_BF16) sdrt_conv_init_amx_emulated(ops);
#endif
}

void tattention_init(struct sdrt_attention_ops *ops, const char *level)
{
    unsigned emulated;

    sdrt_attention_init(ops, own_flags(level, &emulated));
#if HAVE_AVX2 && HAVE_AVX512 && HAVE_AVX512BF16 && HAVE_AMX
    if (emulated & SDRT_ISA_AVX512) sdrt_attention_init_avx512_emulated(ops);
    if (emulated & SDRT_ISA_AVX512_BF16) sdrt_attention_init_avx512bf16_emulated(ops);
    if (emulated & SDRT_ISA_AMX_BF16) sdrt_attention_init_amx_emulated(ops);
#endif
}

void tnorm_init(struct sdrt_norm_ops *ops, const char *level)
{
    unsigned emulated;

    sdrt_norm_init(ops, own_flags(level, &emulated));
#if HAVE_AVX2 && HAVE_AVX512 && HAVE_AVX512BF16 && HAVE_AMX
    if (emulated & SDRT_ISA_AVX512) sdrt_norm_init_avx512_emulated(ops);
#endif
}
