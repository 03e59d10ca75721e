/* SPDX-License-Identifier: MIT
 *
 * The inside of a context: a checkpoint, the team, and the programs of one request.
 *
 * All programs of a request share one arena: first what lives for the whole run (latents,
 * text, cross-attention keys and values, the time table), then a workspace as large as
 * the largest program's plan, since programs run one after the other.
 */
#ifndef SDRT_MODEL_PIPELINE_H
#define SDRT_MODEL_PIPELINE_H

#include "model/checkpoint.h"
#include "model/pipeline_lora.h"
#include "model/sampler.h"
#include "model/sdrt.h"
#include "model/text_encoder.h"
#include "model/tokenizer.h"
#include "model/unet.h"
#include "model/vae.h"
#include "runtime/arena.h"
#include "runtime/memory.h"
#include "runtime/program.h"
#include "runtime/team.h"
#include "runtime/topology.h"

enum { SDRT_MAX_BATCH = 64, SDRT_MAX_PIXELS = 8192 };

enum sdrt_program_id {
    SDRT_PROGRAM_TEXT,
    SDRT_PROGRAM_PROMPT,
    SDRT_PROGRAM_SCHEDULE,
    SDRT_PROGRAM_STEP,
    SDRT_PROGRAM_DECODE,
    SDRT_PROGRAMS
};

/* What the programs are built for; equal shapes keep their programs. */
struct sdrt_shape {
    int batch;       /* images */
    int guided;      /* 1: each image is a pair, unconditional and conditional */
    int h, w;        /* of the latent */
    int evaluations; /* timesteps of the schedule */
};

struct sdrt_context {
    const struct sdrt_log *log;
    struct sdrt_checkpoint *checkpoint;       /* NULL with random weights */
    struct sdrt_random_weights *random;       /* NULL with a checkpoint */
    struct sdrt_pipeline_loras loras;         /* between the checkpoint and the store */
    struct sdrt_weight_store *store;
    struct sdrt_model_config config;
    struct sdrt_unet_parts   parts;
    struct sdrt_tokenizer   *tokenizer;
    struct sdrt_topology    *topology;
    struct sdrt_team        *team;
    struct sdrt_ops ops;
    const char *isa;
    const char *precision;                    /* "f32" or "bf16" */
    int   threads;
    char *model_name;                         /* for the parameters text */

    /* The current shape: tensors, programs, memory. */
    struct sdrt_shape   shape;
    struct sdrt_program *programs[SDRT_PROGRAMS];
    struct sdrt_text_tensors           text;
    struct sdrt_unet_prompt_tensors    prompt;
    struct sdrt_unet_schedule_tensors  schedule;
    struct sdrt_unet_step_tensors      step;
    struct sdrt_vae_tensors            decode;
    struct sdrt_arena *arena;
    size_t persistent_bytes, workspace_bytes;
    double plan_seconds;

    /* Addresses in the arena's persistent part. */
    int32_t *ids;
    float *embeddings, *timesteps, *time_table, *time_row;
    float *keys_values[SDRT_UNET_MAX_CROSS];
    float *model_in, *model_out;  /* NHWC, the pair */
    float *latent, *scaled, *guided; /* NCHW, [batch][4][h][w] */
    float *vae_in, *vae_out;

    /* Results. */
    uint8_t *images;
    int n_images, width, height;
    char *parameters[SDRT_MAX_BATCH];
    double stage_seconds[4];
    double evaluation_seconds; /* mean of one */
    int evaluations_done;
};

/* Builds and plans all programs for a shape, unless they are there already.  Reads no
 * weights, takes no arena. */
int sdrt_context_plan(struct sdrt_context *c, const struct sdrt_shape *shape);

/* Takes the arena and fixes all addresses. */
int sdrt_context_place(struct sdrt_context *c);

/* Places, and packs the weights of all programs: after this they can run. */
int sdrt_context_load(struct sdrt_context *c, int (*progress)(void *user, int done, int total),
                      void *user);

/* Frees the programs and the arena of the current shape. */
void sdrt_context_unplan(struct sdrt_context *c);

/* Images that go through the U-Net at once. */
int sdrt_shape_unet_batch(const struct sdrt_shape *shape);

/* Checks a request and finds its shape and sampler (NULL: not wanted; else the caller frees it). */
int sdrt_request_check(struct sdrt_context *c, const struct sdrt_request *r,
                       struct sdrt_shape *shape, struct sdrt_sampler **sampler,
                       enum sdrt_rng_kind *rng);

/* Writes the plan of all programs; see sdrt_write_plan(). */
int sdrt_plan_report(struct sdrt_context *c, const char *path);

#endif
