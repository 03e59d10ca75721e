/* SPDX-License-Identifier: MIT
 *
 * What a precision's text says, and which level of instructions computes in it.
 */
#ifndef SDRT_MODEL_PIPELINE_PRECISION_H
#define SDRT_MODEL_PIPELINE_PRECISION_H

#include "kernels/isa.h"
#include "runtime/base/error.h"

struct sdrt_precision {
    const char *name; /* one of sdrt_precision_name(), a constant */
    const char *wide; /* globs of layers that stay wider (runtime/weights/packing.h); NULL: none */
    int rotated;      /* rows and weights of int8 are rotated (kernels/pack.h) */
};

/* Reads "NAME", or "int8" with ":rotate", ":wide=GLOB+GLOB" or both behind it, in that order; out->wide points
 * into text.  SDRT_E_ARG, with the log's line behind the words what, and *out as it was; log NULL: without
 * one.  From any thread. */
int sdrt_precision_read(struct sdrt_precision *out, const char *text, const char *what,
                        const struct sdrt_log *log);

/* What a level computes in, where nothing else is asked for. */
const char *sdrt_level_precision(const struct sdrt_isa_level *level);

/* Whether a level can compute in a precision: its own, or one that weights alone decide. */
int sdrt_level_computes_in(const struct sdrt_isa_level *level, const char *precision);

/* The best level of those that have allows for a precision, NULL for any; where none computes in it, the
 * best of all, or for "bf16", which then is of weights alone, the best that computes in f32. */
const struct sdrt_isa_level *sdrt_precision_level(unsigned have, const char *precision);

#endif
