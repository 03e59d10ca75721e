/* SPDX-License-Identifier: MIT
 *
 * One request on its way to images, shared by its stages.
 */
#ifndef SDRT_MODEL_PIPELINE_GENERATE_INTERNAL_H
#define SDRT_MODEL_PIPELINE_GENERATE_INTERNAL_H

#include "model/pipeline/pipeline.h"

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

/* Runs one of c's programs, and dumps its tensors under prefix where dumps are wanted; once: and
 * gives its weights back, which the next request packs again. */
int sdrt_run_program(struct sdrt_run *run, int id, const char *prefix);
int sdrt_run_program_once(struct sdrt_run *run, int id, const char *prefix);

/* A stage: from the prompts to their embeddings, unless the last request had the same. */
int sdrt_run_text(struct sdrt_run *run);

/* Stages of the denoiser at work: packs what it computes once, unless the last request left the
 * same; makes of the text what its steps read; makes what they read of all timesteps. */
int sdrt_run_load_once(struct sdrt_run *run);
int sdrt_run_condition(struct sdrt_run *run);
int sdrt_run_schedule(struct sdrt_run *run);

/* For c, whose embeddings change. */
void sdrt_run_forget_once(struct sdrt_context *c);

#endif
