/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kernels/isa.h"
#include "kernels/ops.h"

void sdrt_gemm_init(struct sdrt_gemm_ops *ops, unsigned isa)
{
    sdrt_gemm_init_generic(ops);
    if (isa & SDRT_ISA_BLAS) sdrt_gemm_init_blas(ops);
#if HAVE_AVX2
    if (isa & SDRT_ISA_AVX2) sdrt_gemm_init_avx2(ops);
#endif
#if HAVE_AVX512
    if (isa & SDRT_ISA_AVX512) sdrt_gemm_init_avx512(ops);
#endif
#if HAVE_AVX512BF16
    if (isa & SDRT_ISA_AVX512_BF16) sdrt_gemm_init_avx512bf16(ops);
#endif
#if HAVE_AMX
    if (isa & SDRT_ISA_AMX_BF16) sdrt_gemm_init_amx(ops);
#endif
}

void sdrt_conv_init(struct sdrt_conv_ops *ops, unsigned isa)
{
    sdrt_conv_init_generic(ops);
    if (isa & SDRT_ISA_BLAS) sdrt_conv_init_blas(ops);
#if HAVE_AVX2
    if (isa & SDRT_ISA_AVX2) sdrt_conv_init_avx2(ops);
#endif
#if HAVE_AVX512
    if (isa & SDRT_ISA_AVX512) sdrt_conv_init_avx512(ops);
#endif
#if HAVE_AVX512BF16
    if (isa & SDRT_ISA_AVX512_BF16) sdrt_conv_init_avx512bf16(ops);
#endif
#if HAVE_AMX
    if (isa & SDRT_ISA_AMX_BF16) sdrt_conv_init_amx(ops);
#endif
}

void sdrt_attention_init(struct sdrt_attention_ops *ops, unsigned isa)
{
    (void)isa;
    sdrt_attention_init_generic(ops);
#if HAVE_AVX2
    if (isa & SDRT_ISA_AVX2) sdrt_attention_init_avx2(ops);
#endif
#if HAVE_AVX512
    if (isa & SDRT_ISA_AVX512) sdrt_attention_init_avx512(ops);
#endif
#if HAVE_AVX512BF16
    if (isa & SDRT_ISA_AVX512_BF16) sdrt_attention_init_avx512bf16(ops);
#endif
#if HAVE_AMX
    if (isa & SDRT_ISA_AMX_BF16) sdrt_attention_init_amx(ops);
#endif
}

void sdrt_norm_init(struct sdrt_norm_ops *ops, unsigned isa)
{
    (void)isa;
    sdrt_norm_init_generic(ops);
#if HAVE_AVX2
    if (isa & SDRT_ISA_AVX2) sdrt_norm_init_avx2(ops);
#endif
#if HAVE_AVX512
    if (isa & SDRT_ISA_AVX512) sdrt_norm_init_avx512(ops);
#endif
}

void sdrt_elementwise_init(struct sdrt_elementwise_ops *ops, unsigned isa)
{
    (void)isa; /* latents are small: no instruction set improves on the plain loops */
    sdrt_elementwise_init_generic(ops);
}

void sdrt_ops_init(struct sdrt_ops *ops, unsigned isa)
{
    sdrt_gemm_init(&ops->gemm, isa);
    sdrt_conv_init(&ops->conv, isa);
    sdrt_attention_init(&ops->attention, isa);
    sdrt_norm_init(&ops->norm, isa);
    sdrt_elementwise_init(&ops->elementwise, isa);
}
