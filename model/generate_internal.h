/* SPDX-License-Identifier: MIT
 *
 * One request on its way to images, shared by its stages.
 */
#ifndef SDRT_MODEL_GENERATE_INTERNAL_H
#define SDRT_MODEL_GENERATE_INTERNAL_H

#include "model/pipeline.h"

struct sdrt_run {
    struct sdrt_context *c;
    struct sdrt_request request; /* resolved */
    const struct sdrt_request *r; /* the same */
    char  *prompt;     /* r's, without the LoRAs that it names; owned */
    struct sdrt_sampler *sampler; /* of the denoiser that is at work: owned, as is the other */
    struct sdrt_sampler *refined; /* of the refiner's steps; NULL without */
    struct sdrt_rng rngs[SDRT_MAX_BATCH];
    enum sdrt_rng_kind rng_kind;
    int    evaluated;  /* evaluations so far, of all denoisers */
    const char *stem;  /* of all dumped names: "" or "refiner/" */
    char   prefix[32]; /* of dumped names: the stem, the program and evaluation */
    uint8_t *rgb;      /* room for one image: the first's, until that is ready */
    float *dense;      /* a dumped tensor without its pitch */
    size_t dense_size;
};

/* Tells the caller how far a stage is; SDRT_E_CANCELLED where that ends it. */
int sdrt_run_report(struct sdrt_run *run, enum sdrt_stage stage, int done, int total);

/* sdrt_context_load() with such reports; c is the run's or its refiner. */
int sdrt_run_load(struct sdrt_run *run, struct sdrt_context *c, int first, int last);

/* Runs one of c's programs, and dumps its tensors under prefix where dumps are wanted. */
int sdrt_run_program(struct sdrt_run *run, int id, const char *prefix);

/* Stages: from the prompts to their embeddings, unless the last request had the same; from them to
 * what the denoiser at work reads in every step. */
int sdrt_run_text(struct sdrt_run *run);
int sdrt_run_condition(struct sdrt_run *run);

#endif
