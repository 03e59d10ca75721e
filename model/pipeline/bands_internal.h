/* SPDX-License-Identifier: MIT
 *
 * The inside of a decoder or an encoder in bands, shared by its plan and its run.
 */
#ifndef SDRT_MODEL_PIPELINE_BANDS_INTERNAL_H
#define SDRT_MODEL_PIPELINE_BANDS_INTERNAL_H

#include "kernels/ops.h"
#include "model/net/vae_bands.h"
#include "model/pipeline/bands.h"
#include "runtime/graph/program.h"
#include "runtime/machine/spill.h"

enum { SDRT_BAND_SHARES = 64 /* of sums, at most */ };

/* Where a pass finds what it reads whole, and leaves what it makes. */
enum sdrt_band_place {
    SDRT_BAND_NOWHERE, /* for statistics alone */
    SDRT_BAND_ENTRY,   /* of the arena: what the caller put there */
    SDRT_BAND_RESULT,  /* what it finds there */
    SDRT_BAND_BESIDE,  /* keys and values */
    SDRT_BAND_SMALL,   /* the picture so far at the latent's size */
    SDRT_BAND_SPILL_0, /* of the temporary file, in turn: the same at other sizes */
    SDRT_BAND_SPILL_1,
};

/* A pass and its program, for one band; offsets are into the arena. */
struct sdrt_band_step {
    struct sdrt_band_pass pass;
    struct sdrt_program *program;
    int h, w;         /* of what it makes, whole */
    int core, window; /* rows of a band, and with those around it */
    int times;        /* 2 where what it reads is half as large, else 1 */
    int halves;       /* 2 where that is twice as large */
    enum sdrt_band_place from, to;
    size_t keys, in, out, saved, work;
    size_t in_bytes, out_bytes, saved_bytes;
    char vectors[2][SDRT_BAND_NAME + 8]; /* names of the norm whose statistics it gives */
    const char *names[2];
    const float *gamma, *beta; /* of the norm whose statistics it gives; held by the bands' uses */
};

struct sdrt_bands {
    struct sdrt_vae_config config;
    struct sdrt_bands_spec spec; /* whose config that is */
    struct sdrt_weight_store *store;
    const struct sdrt_ops *ops;
    const struct sdrt_log *log;
    struct sdrt_band_step *steps; /* n of them; owned, as all that follows */
    int n;
    /* The arena: two norms, what is read, what is made, then what lies there for some passes only. */
    size_t norm_bytes, entry, result, fixed_bytes;
    size_t bytes, spilled_bytes;
    size_t spilled[2];        /* where its places begin in the spill */
    struct sdrt_spill *spill; /* NULL: not open, or not needed */
    struct sdrt_weight_uses uses;
    double *sums;    /* [shares][2][c] of a band */
    double *moments; /* [2][c]: mean, and sum of squared distances from it, of the bands so far */
};

#endif
