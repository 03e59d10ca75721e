/* SPDX-License-Identifier: MIT
 *
 * Random weights, as a checkpoint holds them, as a kernel packs them, and as they count.
 */
#ifndef SDRT_TESTS_WEIGHTS_H
#define SDRT_TESTS_WEIGHTS_H

#include "kernels/pack.h"
#include "tests/support.h"

struct tweights {
    struct tbuf packed;
    double *values; /* [rows][k][taps] after both roundings, the caller frees them */
};

typedef size_t tpack_bytes(const struct sdrt_weight_shape *w);
typedef int tpack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                       enum sdrt_dtype from, void *dst);

/* Uniform in [-scale, scale), of type from in the checkpoint, packed in several calls,
 * the last rows first. */
struct tweights tweights_new(uint64_t *rng, const struct sdrt_weight_shape *w, enum sdrt_dtype from,
                             float scale, tpack_bytes *pack_bytes, tpack_rows *pack_rows);
void tweights_free(struct tweights *t);

#endif
