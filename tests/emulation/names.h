/* SPDX-License-Identifier: MIT
 *
 * Included before every file that is compiled over emulated instructions: what the file exports
 * gets names of its own in the object, so that a test can link it beside the kernels that run the
 * instructions themselves.  sdrt_gemm_init_avx512() becomes sdrt_gemm_init_avx512_emulated, and
 * kernels/ops.c fills the emulated levels alone.
 */
#ifndef SDRT_TESTS_EMULATION_NAMES_H
#define SDRT_TESTS_EMULATION_NAMES_H

#define SDRT_EMULATED_LEVELS_ONLY

struct sdrt_gemm_ops;
struct sdrt_conv_ops;
struct sdrt_attention_ops;
struct sdrt_norm_ops;
struct sdrt_elementwise_ops;
struct sdrt_ops;

/* A function's name in the object; Mach-O puts an underscore before it. */
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define EMULATED(function) __asm__(TEXT(__USER_LABEL_PREFIX__) #function "_emulated")

#define SDRT_GEMM_FILLER(flag, filler) void filler(struct sdrt_gemm_ops *) EMULATED(filler);
#define SDRT_GEMM_INT8_FILLER(flag, filler) void filler(struct sdrt_gemm_ops *) EMULATED(filler);
#define SDRT_CONV_FILLER(flag, filler) void filler(struct sdrt_conv_ops *) EMULATED(filler);
#define SDRT_ATTENTION_FILLER(flag, filler) \
    void filler(struct sdrt_attention_ops *) EMULATED(filler);
#define SDRT_NORM_FILLER(flag, filler) void filler(struct sdrt_norm_ops *) EMULATED(filler);
#define SDRT_ELEMENTWISE_FILLER(flag, filler) \
    void filler(struct sdrt_elementwise_ops *) EMULATED(filler);
#include "kernels/levels.h"

void sdrt_gemm_init(struct sdrt_gemm_ops *, unsigned) EMULATED(sdrt_gemm_init);
void sdrt_conv_init(struct sdrt_conv_ops *, unsigned) EMULATED(sdrt_conv_init);
void sdrt_attention_init(struct sdrt_attention_ops *, unsigned) EMULATED(sdrt_attention_init);
void sdrt_norm_init(struct sdrt_norm_ops *, unsigned) EMULATED(sdrt_norm_init);
void sdrt_elementwise_init(struct sdrt_elementwise_ops *, unsigned) EMULATED(sdrt_elementwise_init);
void sdrt_ops_init(struct sdrt_ops *, unsigned) EMULATED(sdrt_ops_init);

#undef EMULATED
#undef TEXT
#undef TEXT_OF

#endif
