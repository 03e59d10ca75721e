/* SPDX-License-Identifier: MIT
 *
 * A level's kernels for a test: the machine's own, or, where it lacks the instructions, the
 * same sources over emulated ones (tests/emulation/), which the test's output then says.
 */
#ifndef SDRT_TESTS_EMULATED_H
#define SDRT_TESTS_EMULATED_H

#include "kernels/ops.h"

/* The fillers over emulated instructions, where they are built (libemulated.la). */
void sdrt_gemm_init_avx512_emulated(struct sdrt_gemm_ops *ops);
void sdrt_conv_init_avx512_emulated(struct sdrt_conv_ops *ops);
void sdrt_attention_init_avx512_emulated(struct sdrt_attention_ops *ops);
void sdrt_norm_init_avx512_emulated(struct sdrt_norm_ops *ops);
void sdrt_gemm_init_avx512bf16_emulated(struct sdrt_gemm_ops *ops);
void sdrt_gemm_init_amx_emulated(struct sdrt_gemm_ops *ops);
void sdrt_conv_init_avx512bf16_emulated(struct sdrt_conv_ops *ops);
void sdrt_conv_init_amx_emulated(struct sdrt_conv_ops *ops);
void sdrt_attention_init_avx512bf16_emulated(struct sdrt_attention_ops *ops);
void sdrt_attention_init_amx_emulated(struct sdrt_attention_ops *ops);

/* Each fills *ops at the level, or skips the running test where nothing can run it (or fails
 * it, where SDRT_REQUIRE_ISA names the level and the machine lacks it). */
void tgemm_init(struct sdrt_gemm_ops *ops, const char *level);
void tconv_init(struct sdrt_conv_ops *ops, const char *level);
void tattention_init(struct sdrt_attention_ops *ops, const char *level);
void tnorm_init(struct sdrt_norm_ops *ops, const char *level);

#endif
