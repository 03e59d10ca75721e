/* SPDX-License-Identifier: MIT
 *
 * Linked into a test, this makes the machine one that has every level: sdrt_isa_detect() and
 * sdrt_ops_init() are wrapped, and what the processor lacks is emulated (tests/emulation/).
 */
#include "kernels/isa.h"
#include "kernels/ops.h"
#include "tests/emulated.h"

enum { EMULATED = SDRT_ISA_AVX512 | SDRT_ISA_AVX512_BF16 | SDRT_ISA_AMX_BF16 };

unsigned __real_sdrt_isa_detect(void);
unsigned __wrap_sdrt_isa_detect(void);
void __real_sdrt_ops_init(struct sdrt_ops *ops, unsigned isa);
void __wrap_sdrt_ops_init(struct sdrt_ops *ops, unsigned isa);

unsigned __wrap_sdrt_isa_detect(void)
{
    const unsigned have = __real_sdrt_isa_detect();

    return have & SDRT_ISA_AVX2 ? have | EMULATED : have;
}

void __wrap_sdrt_ops_init(struct sdrt_ops *ops, unsigned isa)
{
    const unsigned missing = isa & EMULATED & ~__real_sdrt_isa_detect();

    __real_sdrt_ops_init(ops, isa & ~missing);
    if (missing & SDRT_ISA_AVX512) {
        sdrt_gemm_init_avx512_emulated(&ops->gemm);
        sdrt_conv_init_avx512_emulated(&ops->conv);
        sdrt_attention_init_avx512_emulated(&ops->attention);
        sdrt_norm_init_avx512_emulated(&ops->norm);
    }
    if (missing & SDRT_ISA_AVX512_BF16) {
        sdrt_gemm_init_avx512bf16_emulated(&ops->gemm);
        sdrt_conv_init_avx512bf16_emulated(&ops->conv);
        sdrt_attention_init_avx512bf16_emulated(&ops->attention);
    }
    if (missing & SDRT_ISA_AMX_BF16) {
        sdrt_gemm_init_amx_emulated(&ops->gemm);
        sdrt_conv_init_amx_emulated(&ops->conv);
        sdrt_attention_init_amx_emulated(&ops->attention);
    }
}
