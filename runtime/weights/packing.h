/* SPDX-License-Identifier: MIT
 *
 * As what type each matrix of weights is packed: the one place where that is decided.
 */
#ifndef SDRT_RUNTIME_WEIGHTS_PACKING_H
#define SDRT_RUNTIME_WEIGHTS_PACKING_H

#include "kernels/dtype.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A matrix that is to be packed. */
struct sdrt_packed_matrix {
    const char *name; /* of the tensor, as the store's provider knows it */
    int rows;
    size_t cols;          /* all inner dimensions together */
    enum sdrt_dtype from; /* as its values are stored */
    int wide;             /* 8 bits are too few for it */
};

/* Answers a type that pack_rows() of every kernel family takes.  The same answer for the same
 * matrix; from any thread. */
typedef enum sdrt_dtype sdrt_packing_policy(const struct sdrt_packed_matrix *matrix);

/* F16 and BF16 stay, F8 becomes BF16, which has all its values, and everything else F32. */
enum sdrt_dtype sdrt_packing_as_stored(const struct sdrt_packed_matrix *matrix);

/* All matrices are BF16. */
enum sdrt_dtype sdrt_packing_bf16(const struct sdrt_packed_matrix *matrix);

/* Which globs of a list, as fnmatch(3) has them, with '+' between, name matches: bit i is glob i's.  NULL is
 * none; SDRT_PACKING_GLOBS at most, each shorter than SDRT_PACKING_GLOB. */
enum { SDRT_PACKING_GLOBS = 64, SDRT_PACKING_GLOB = 128 };
uint64_t sdrt_packing_match(const char *globs, const char *name);

#ifdef __cplusplus
}
#endif

#endif
