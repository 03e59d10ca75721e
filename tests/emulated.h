/* SPDX-License-Identifier: MIT
 *
 * A level's kernels for a test: the machine's own, or, where it lacks the instructions, the
 * same sources over emulated ones (tests/emulation/), which the test's output then says.
 *
 * A family is tested at every level of kernels/levels.h:
 *     #define SDRT_LEVEL(level, ...) Test(gemm, edges_##level) { check_edges(#level); }
 *     #include "kernels/levels.h"
 */
#ifndef SDRT_TESTS_EMULATED_H
#define SDRT_TESTS_EMULATED_H

#include "kernels/isa.h"
#include "kernels/ops.h"

/* The flags of the levels that are built over emulated instructions too, all above AVX2. */
enum {
    TEMULATED = 0
#if HAVE_EMULATION
#define SDRT_EMULATED_LEVELS_ONLY
#define SDRT_LEVEL(level, flag, bit, below, has) | flag
#include "kernels/levels.h"
#undef SDRT_EMULATED_LEVELS_ONLY
#endif
};

/* The levels of the flags, which are among TEMULATED, overwrite what they improve on
 * (libemulated.a). */
void sdrt_ops_init_emulated(struct sdrt_ops *ops, unsigned isa);

/* Each fills *ops at the level, or skips the running test where nothing can run it (or fails
 * it, where SDRT_REQUIRE_ISA names the level and the machine lacks it) and where the level has no
 * kernel of its own in the family. */
void tgemm_init(struct sdrt_gemm_ops *ops, const char *level);
void tconv_init(struct sdrt_conv_ops *ops, const char *level);
void tattention_init(struct sdrt_attention_ops *ops, const char *level);
void tnorm_init(struct sdrt_norm_ops *ops, const char *level);
void telementwise_init(struct sdrt_elementwise_ops *ops, const char *level);

#endif
