/* SPDX-License-Identifier: MIT
 *
 * The levels, lowest first, and the kernels that each has of its own.  Flags, detection, the
 * choice of kernels, help texts, tests and emulation all read this list: a new level is a block
 * here, a level's first kernel of a family is a row here, and each needs its file in
 * kernels/local.mk.  build-aux/check-levels.sh compares the list with the files.
 *
 * The list has no include guard.  Define the rows that you want, then include it; it undefines
 * them again:
 *
 *   SDRT_LEVEL(level, flag, bit, below, has)
 *       level  its name, which is its folder's
 *       flag   its bit in a set of levels, of the value bit (kernels/isa.h)
 *       below  flags of the levels whose kernels it takes where it has none
 *       has    function of isa.c: whether this machine can run it, and gains by it
 *     In place of this row, SDRT_F32_LEVEL is for the levels that compute in f32, SDRT_BF16_LEVEL
 *     for those that compute in bf16 where weights are bf16, SDRT_INT16_LEVEL for those that compute
 *     in 16-bit integers, SDRT_BF16_INT8_LEVEL and SDRT_INT8_LEVEL for those of either kind whose
 *     linear layers compute in 8-bit integers where weights are I8, and SDRT_F16_LEVEL for those
 *     that compute in f16 where weights are f16, which nobody gets who does not ask for it.
 *   SDRT_GEMM_FILLER(flag, filler), SDRT_CONV_FILLER, SDRT_ATTENTION_FILLER, SDRT_NORM_FILLER,
 *   SDRT_ELEMENTWISE_FILLER
 *       filler overwrites the entries of struct sdrt_<family>_ops that its level improves on
 *   SDRT_GEMM_INT8_FILLER(flag, filler)
 *       filler sets those for weights of I8, to which the level's own lead
 *
 * With SDRT_EMULATED_LEVELS_ONLY defined (and kept), the list starts at the levels that tests can
 * emulate on a machine without them (tests/emulation/).
 */
#include "config.h"

#ifndef SDRT_LEVEL
#define SDRT_LEVEL(level, flag, bit, below, has)
#endif
#ifndef SDRT_F32_LEVEL
#define SDRT_F32_LEVEL SDRT_LEVEL
#endif
#ifndef SDRT_BF16_LEVEL
#define SDRT_BF16_LEVEL SDRT_LEVEL
#endif
#ifndef SDRT_BF16_INT8_LEVEL
#define SDRT_BF16_INT8_LEVEL SDRT_BF16_LEVEL
#endif
#ifndef SDRT_INT16_LEVEL
#define SDRT_INT16_LEVEL SDRT_LEVEL
#endif
#ifndef SDRT_INT8_LEVEL
#define SDRT_INT8_LEVEL SDRT_INT16_LEVEL
#endif
#ifndef SDRT_F16_LEVEL
#define SDRT_F16_LEVEL SDRT_LEVEL
#endif
#ifndef SDRT_GEMM_FILLER
#define SDRT_GEMM_FILLER(flag, filler)
#endif
#ifndef SDRT_GEMM_INT8_FILLER
#define SDRT_GEMM_INT8_FILLER(flag, filler)
#endif
#ifndef SDRT_CONV_FILLER
#define SDRT_CONV_FILLER(flag, filler)
#endif
#ifndef SDRT_ATTENTION_FILLER
#define SDRT_ATTENTION_FILLER(flag, filler)
#endif
#ifndef SDRT_NORM_FILLER
#define SDRT_NORM_FILLER(flag, filler)
#endif
#ifndef SDRT_ELEMENTWISE_FILLER
#define SDRT_ELEMENTWISE_FILLER(flag, filler)
#endif

#ifndef SDRT_EMULATED_LEVELS_ONLY
/* Plain C, for every machine and every entry: its flag is none, so that it is always filled. */
SDRT_F32_LEVEL(generic, SDRT_ISA_GENERIC, 0, 0, has_generic)
SDRT_GEMM_FILLER(SDRT_ISA_GENERIC, sdrt_gemm_init_generic)
SDRT_CONV_FILLER(SDRT_ISA_GENERIC, sdrt_conv_init_generic)
SDRT_ATTENTION_FILLER(SDRT_ISA_GENERIC, sdrt_attention_init_generic)
SDRT_NORM_FILLER(SDRT_ISA_GENERIC, sdrt_norm_init_generic)
SDRT_ELEMENTWISE_FILLER(SDRT_ISA_GENERIC, sdrt_elementwise_init_generic)

/* OpenBLAS. */
SDRT_F32_LEVEL(blas, SDRT_ISA_BLAS, 1u << 0, 0, has_blas)
SDRT_GEMM_FILLER(SDRT_ISA_BLAS, sdrt_gemm_init_blas)
SDRT_CONV_FILLER(SDRT_ISA_BLAS, sdrt_conv_init_blas)

/* Advanced SIMD of 64-bit Arm, which every such processor has. */
#if HAVE_NEON
SDRT_F32_LEVEL(neon, SDRT_ISA_NEON, 1u << 5, SDRT_ISA_BLAS, has_neon)
SDRT_GEMM_FILLER(SDRT_ISA_NEON, sdrt_gemm_init_neon)
SDRT_CONV_FILLER(SDRT_ISA_NEON, sdrt_conv_init_neon)
SDRT_ATTENTION_FILLER(SDRT_ISA_NEON, sdrt_attention_init_neon)
SDRT_NORM_FILLER(SDRT_ISA_NEON, sdrt_norm_init_neon)
#endif

/* FMLA of halves, of Armv8.2's optional FP16. */
#if HAVE_NEONF16
SDRT_F16_LEVEL(neonf16, SDRT_ISA_NEONF16, 1u << 8, SDRT_ISA_BLAS | SDRT_ISA_NEON, has_neonf16)
SDRT_GEMM_FILLER(SDRT_ISA_NEONF16, sdrt_gemm_init_neonf16)
SDRT_CONV_FILLER(SDRT_ISA_NEONF16, sdrt_conv_init_neonf16)
SDRT_ATTENTION_FILLER(SDRT_ISA_NEONF16, sdrt_attention_init_neonf16)
#endif

/* BFDOT of Armv8.6, where it is known to be faster than two f32 FMAs. */
#if HAVE_NEONBF16
SDRT_BF16_LEVEL(neonbf16, SDRT_ISA_NEONBF16, 1u << 6, SDRT_ISA_BLAS | SDRT_ISA_NEON, has_neonbf16)
SDRT_GEMM_FILLER(SDRT_ISA_NEONBF16, sdrt_gemm_init_neonbf16)
SDRT_CONV_FILLER(SDRT_ISA_NEONBF16, sdrt_conv_init_neonbf16)
SDRT_ATTENTION_FILLER(SDRT_ISA_NEONBF16, sdrt_attention_init_neonbf16)
#endif

/* BFMMLA, which comes with BFDOT, where it is known to be twice as fast. */
#if HAVE_NEONMMLA
SDRT_BF16_LEVEL(neonmmla, SDRT_ISA_NEONMMLA, 1u << 7, SDRT_ISA_BLAS | SDRT_ISA_NEON, has_neonmmla)
SDRT_GEMM_FILLER(SDRT_ISA_NEONMMLA, sdrt_gemm_init_neonmmla)
SDRT_CONV_FILLER(SDRT_ISA_NEONMMLA, sdrt_conv_init_neonmmla)
SDRT_ATTENTION_FILLER(SDRT_ISA_NEONMMLA, sdrt_attention_init_neonmmla)
#endif

/* AVX2, FMA, F16C. */
#if HAVE_AVX2
SDRT_F32_LEVEL(avx2, SDRT_ISA_AVX2, 1u << 1, SDRT_ISA_BLAS, has_avx2)
SDRT_GEMM_FILLER(SDRT_ISA_AVX2, sdrt_gemm_init_avx2)
SDRT_CONV_FILLER(SDRT_ISA_AVX2, sdrt_conv_init_avx2)
SDRT_ATTENTION_FILLER(SDRT_ISA_AVX2, sdrt_attention_init_avx2)
SDRT_NORM_FILLER(SDRT_ISA_AVX2, sdrt_norm_init_avx2)
#endif

/* VPMADDWD and VPADDD: products of 16-bit integers. */
#if HAVE_AVX2
SDRT_INT16_LEVEL(avx2int16, SDRT_ISA_AVX2INT16, 1u << 12, SDRT_ISA_BLAS | SDRT_ISA_AVX2,
                 has_avx2int16)
SDRT_GEMM_FILLER(SDRT_ISA_AVX2INT16, sdrt_gemm_init_avx2int16)
SDRT_CONV_FILLER(SDRT_ISA_AVX2INT16, sdrt_conv_init_avx2int16)
SDRT_ATTENTION_FILLER(SDRT_ISA_AVX2INT16, sdrt_attention_init_avx2int16)
#endif
#endif

/* AVX-VNNI: VPDPWSSD and VPDPBUSD of 256 bits, which client processors have that lack AVX-512. */
#if HAVE_AVXVNNI
SDRT_INT8_LEVEL(avxvnni, SDRT_ISA_AVXVNNI, 1u << 13, SDRT_ISA_BLAS | SDRT_ISA_AVX2, has_avxvnni)
SDRT_GEMM_FILLER(SDRT_ISA_AVXVNNI, sdrt_gemm_init_avxvnni)
SDRT_GEMM_INT8_FILLER(SDRT_ISA_AVXVNNI, sdrt_gemm_int8_init_avxvnni)
SDRT_CONV_FILLER(SDRT_ISA_AVXVNNI, sdrt_conv_init_avxvnni)
SDRT_ATTENTION_FILLER(SDRT_ISA_AVXVNNI, sdrt_attention_init_avxvnni)
#endif

/* AVX-512 F, BW, DQ, VL. */
#if HAVE_AVX512
SDRT_F32_LEVEL(avx512, SDRT_ISA_AVX512, 1u << 2, SDRT_ISA_BLAS | SDRT_ISA_AVX2, has_avx512)
SDRT_GEMM_FILLER(SDRT_ISA_AVX512, sdrt_gemm_init_avx512)
SDRT_CONV_FILLER(SDRT_ISA_AVX512, sdrt_conv_init_avx512)
SDRT_ATTENTION_FILLER(SDRT_ISA_AVX512, sdrt_attention_init_avx512)
SDRT_NORM_FILLER(SDRT_ISA_AVX512, sdrt_norm_init_avx512)
#endif

/* VDPBF16PS, where it is faster than two f32 FMAs. */
#if HAVE_AVX512BF16
SDRT_BF16_LEVEL(avx512bf16, SDRT_ISA_AVX512BF16, 1u << 3,
                SDRT_ISA_BLAS | SDRT_ISA_AVX2 | SDRT_ISA_AVX512, has_avx512bf16)
SDRT_GEMM_FILLER(SDRT_ISA_AVX512BF16, sdrt_gemm_init_avx512bf16)
SDRT_CONV_FILLER(SDRT_ISA_AVX512BF16, sdrt_conv_init_avx512bf16)
SDRT_ATTENTION_FILLER(SDRT_ISA_AVX512BF16, sdrt_attention_init_avx512bf16)
#endif

/* VPDPWSSD and VPDPBUSD: products of 16-bit integers at twice the rate of f32's, of 8-bit ones at
 * four times. */
#if HAVE_AVX512VNNI
SDRT_INT8_LEVEL(avx512vnni, SDRT_ISA_AVX512VNNI, 1u << 10,
                SDRT_ISA_BLAS | SDRT_ISA_AVX2 | SDRT_ISA_AVX512, has_avx512vnni)
SDRT_GEMM_FILLER(SDRT_ISA_AVX512VNNI, sdrt_gemm_init_avx512vnni)
SDRT_GEMM_INT8_FILLER(SDRT_ISA_AVX512VNNI, sdrt_gemm_int8_init_avx512vnni)
SDRT_CONV_FILLER(SDRT_ISA_AVX512VNNI, sdrt_conv_init_avx512vnni)
SDRT_ATTENTION_FILLER(SDRT_ISA_AVX512VNNI, sdrt_attention_init_avx512vnni)
#endif

/* Both: attention in bf16, all other products in integers. */
#if HAVE_AVX512VNNI && HAVE_AVX512BF16
SDRT_INT8_LEVEL(avx512bf16vnni, SDRT_ISA_AVX512BF16VNNI, 1u << 11,
                SDRT_ISA_BLAS | SDRT_ISA_AVX2 | SDRT_ISA_AVX512 | SDRT_ISA_AVX512BF16 |
                    SDRT_ISA_AVX512VNNI,
                has_avx512bf16vnni)
SDRT_ATTENTION_FILLER(SDRT_ISA_AVX512BF16VNNI, sdrt_attention_init_avx512bf16vnni)
#endif

/* AMX-TILE, AMX-BF16 and AMX-INT8, with AVX512-BF16 and VBMI between the tiles. */
#if HAVE_AMX
SDRT_BF16_INT8_LEVEL(amx, SDRT_ISA_AMX, 1u << 4, SDRT_ISA_BLAS | SDRT_ISA_AVX2 | SDRT_ISA_AVX512,
                     has_amx)
SDRT_GEMM_FILLER(SDRT_ISA_AMX, sdrt_gemm_init_amx)
SDRT_CONV_FILLER(SDRT_ISA_AMX, sdrt_conv_init_amx)
SDRT_ATTENTION_FILLER(SDRT_ISA_AMX, sdrt_attention_init_amx)
#endif

#undef SDRT_LEVEL
#undef SDRT_F32_LEVEL
#undef SDRT_BF16_LEVEL
#undef SDRT_BF16_INT8_LEVEL
#undef SDRT_INT16_LEVEL
#undef SDRT_INT8_LEVEL
#undef SDRT_F16_LEVEL
#undef SDRT_GEMM_FILLER
#undef SDRT_GEMM_INT8_FILLER
#undef SDRT_CONV_FILLER
#undef SDRT_ATTENTION_FILLER
#undef SDRT_NORM_FILLER
#undef SDRT_ELEMENTWISE_FILLER
