/* SPDX-License-Identifier: MIT
 *
 * What the tests of kernels share: guarded buffers, repeatable random numbers, array
 * comparison, a second opinion on number formats, and the ladder of levels.
 */
#ifndef SDRT_TESTS_SUPPORT_H
#define SDRT_TESTS_SUPPORT_H

#include "bench/oracle/values.h"
#include "kernels/isa.h"

#include <stddef.h>
#include <stdint.h>

/* bytes of memory, 64-byte aligned, between two poisoned guard zones that tbuf_ok()
 * checks; filled with 0xff, which is NaN in every float type. */
struct tbuf {
    union {
        float *v;
        double *d;
        void *p;
    };
    size_t bytes;
    void  *base;
};

struct tbuf tbuf_bytes(size_t bytes);
struct tbuf tbuf_floats(size_t n);
int  tbuf_ok(const struct tbuf *b);
void tbuf_nan(struct tbuf *b);
void tbuf_free(struct tbuf *b);

/* The seed is SDRT_TEST_SEED, or 1; tests print it when they fail. */
uint64_t trand_seed(void);

/* The 16-bit type of levels that compute in one: bf16, but on GPUs of capability 7.5 f16. */
extern enum sdrt_dtype tnarrow_type;

/* A copy of rows of width floats, pitch apart, rounded to it where round is set; free() it. */
float *trounded_rows(const float *rows, size_t n, size_t width, size_t pitch, int round);

/* Rows in an operand's own type, F32, BF16 or F16: a buffer of n of them, of which each gap stays NaN;
 * and their values as f32, in which what nobody wrote is NaN as in a new buffer; free() them. */
struct tbuf ttyped_rows(const float *rows, enum sdrt_dtype type, size_t n, size_t width,
                        size_t pitch);
float *ttyped_values(const struct tbuf *rows, enum sdrt_dtype type);

/* F32 or tnarrow_type, by chance. */
enum sdrt_dtype trand_type(uint64_t *state);

/* The most by which storing a value in the type changes it, relative to the value. */
double ttyped_error(enum sdrt_dtype type);

/* Whether the level computes in tnarrow_type, and whether it multiplies weights stored so with
 * activations in it, each rounded as it is. */
int tbf16_level(const char *level);
int tin_bf16(const char *level, enum sdrt_dtype stored);

/* Whether the level multiplies in 16-bit integers, whatever type weights are to be stored in; and the
 * limit of such a direct product's mean error: rounding rows to 14 bits and weights to some 11. */
int tint16_level(const char *level);
#define TINT16_NMSE (5e-4 * 5e-4)

/* Whether the level multiplies weights stored so in f16, and sums in it, and the most by which a sum of such products
 * differs from the exact one where that is about 1: 10 sigma of what runs of 32 roundings to 2^-11 of
 * growing sums come to, and of the operands' own.  TF16_NMSE is the limit of the mean. */
int    tin_f16(const char *level, enum sdrt_dtype stored);
double tf16_error(const char *level, enum sdrt_dtype stored);
#define TF16_NMSE (1.3e-3 * 1.3e-3)

/* What the level multiplies weights in, where they are stored so. */
enum sdrt_dtype toperand(const char *level);

/* Of so many random shapes one is to be tried: more than 1 where SDRT_SHORT asks for fewer, its
 * number where that is one above 1. */
int tevery(void);
/* Which of the tevery() shares of shapes is tried, by SDRT_SHARE, from 0 on; -1: one that is drawn. */
int tshare(void);
/* Whether the next of a test's sizes is not to be tried: by a draw, or as the share says, so that all shares
 * together leave out none.  What else a shape has is drawn anew for each. */
int tleft_out(uint64_t *rng);

/* Whether SDRT_REQUIRE_ISA, names with a blank between, has the level: this machine is meant to
 * run it. */
int trequired(const char *level);

/* The flags of the level, or the running test is skipped; where the level is required, it fails
 * instead. */
unsigned tlevel(const char *name);

#endif
