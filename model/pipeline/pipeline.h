/* SPDX-License-Identifier: MIT
 *
 * The inside of a context: a checkpoint, the device, and the programs of one request.
 *
 * All programs of a request share one arena: first what lives for the whole run (latents,
 * text, what the denoiser carries from step to step, the time table), then a workspace as large as
 * the largest program's plan, since programs run one after the other.
 */
#ifndef SDRT_MODEL_PIPELINE_PIPELINE_H
#define SDRT_MODEL_PIPELINE_PIPELINE_H

#include "model/checkpoint/checkpoint.h"
#include "model/net/denoiser.h"
#include "model/net/t5_encoder.h"
#include "model/pipeline/loras.h"
#include "model/pipeline/refiner.h"
#include "model/noise/sampler.h"
#include "model/sdrt.h"
#include "model/text/t5_tokenizer.h"
#include "model/net/clip_encoder.h"
#include "model/text/clip_tokenizer.h"
#include "model/net/vae.h"
#include "runtime/machine/memory.h"
#include "runtime/device/device.h"
#include "runtime/graph/program.h"

enum { SDRT_MAX_BATCH = 64, SDRT_MAX_PIXELS = 8192, SDRT_TOLD = 6 };

/* In the order in which they run.  Text encoder i's is SDRT_PROGRAM_TEXT + i; those of encoders
 * that the model lacks stay NULL.  A T5 is the third, whose CLIPs are two. */
enum sdrt_program_id {
    SDRT_PROGRAM_TEXT,
    SDRT_PROGRAM_T5 = SDRT_PROGRAM_TEXT + SDRT_MAX_TEXT - 1,
    SDRT_PROGRAM_PROMPT = SDRT_PROGRAM_TEXT + SDRT_MAX_TEXT,
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
    int refiner_evaluations; /* those that the refiner takes over after them */
    int clip_skip;   /* 0: the model's own layer; see sdrt.h */
};

struct sdrt_context {
    const struct sdrt_log *log;
    struct sdrt_checkpoint *checkpoint;       /* NULL with random weights */
    struct sdrt_random_weights *random;       /* NULL with a checkpoint */
    struct sdrt_pipeline_loras loras;         /* between the checkpoint and the store */
    struct sdrt_weight_store *store;
    struct sdrt_model_config config;
    struct sdrt_clip_tokenizer   *tokenizers[SDRT_MAX_TEXT]; /* of each text encoder */
    struct sdrt_t5_tokenizer *t5_tokenizer;             /* NULL without a T5 */
    struct sdrt_device *device;
    struct sdrt_queue  *queue;                /* of that many threads */
    const char *precision;                    /* "f32" or "bf16" */
    int   threads;
    char *model_name;                         /* for the parameters text */
    struct sdrt_context *refiner;             /* owned; NULL without.  See refiner.h */
    struct sdrt_context *base;                /* of a refiner; NULL elsewhere */

    /* The current shape: tensors, programs, memory. */
    struct sdrt_shape   shape;
    struct sdrt_program *programs[SDRT_PROGRAMS];
    struct sdrt_clip_tensors     text[SDRT_MAX_TEXT];
    struct sdrt_t5_tensors       t5;
    struct sdrt_prompt_tensors   prompt;
    struct sdrt_schedule_tensors schedule;
    struct sdrt_step_tensors     step;
    struct sdrt_vae_tensors      decode;
    struct sdrt_device_memory *arena;
    size_t persistent_bytes, workspace_bytes;
    double plan_seconds;

    /* Addresses in the arena's persistent part. */
    int32_t *ids[SDRT_MAX_TEXT];  /* [pair][tokens] */
    int32_t *t5_ids;              /* [pair][t5_tokens] */
    float *embeddings;            /* [pair][rows][context width], all CLIPs side by side */
    float *pooled[SDRT_MAX_TEXT]; /* [pair][tokens][pooled], of which the end token's row counts */
    float *added;                 /* [pair][added width] */
    float *timesteps, *time_table, *time_row; /* time_row: as many rows as an evaluation takes */
    size_t time_row_bytes;
    float *carried[SDRT_MAX_CARRIED];
    float *model_in, *model_out;  /* NHWC, the pair */
    float *latent, *scaled, *guided; /* NCHW, [batch][latent channels][h][w] */
    float *vae_in, *vae_out;

    /* What the persistent part holds of the last request. */
    int text_ready;   /* ids, embeddings and pooled belong together */
    int text_zeroed;  /* the negative prompt's are zeros */
    int once_ready;   /* carried and time_table are of those, timesteps and told */
    float told[SDRT_TOLD]; /* what SDXL is told of the picture */

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

/* Takes the arena and fixes all addresses, a refiner's too. */
int sdrt_context_place(struct sdrt_context *c);

/* Places, and packs the weights of the programs first .. last: after this they can run.
 * progress counts those of all programs together. */
int sdrt_context_load(struct sdrt_context *c, enum sdrt_program_id first,
                      enum sdrt_program_id last, int (*progress)(void *user, int done, int total),
                      void *user);

/* Gives the memory of the denoiser's packed weights back. */
void sdrt_context_release_denoiser(struct sdrt_context *c);

/* Frees the programs and the arena of the current shape. */
void sdrt_context_unplan(struct sdrt_context *c);

/* Tokens of a prompt, with both ends and the padding: CLIP's 77, or as many as the text encoders
 * have positions for. */
int sdrt_context_tokens(const struct sdrt_context *c);

/* Rows of the denoiser's context: CLIP's tokens, and behind them T5's. */
int sdrt_context_rows(const struct sdrt_context *c);

/* The prompt's tokens for text encoder i, padded as that wants it, into ids [tokens]; *dropped,
 * which may be NULL, is how many found no room.  Errors of sdrt_clip_tokenizer_encode(), and
 * SDRT_E_FORMAT when the tokenizer knows more tokens than the encoder. */
int sdrt_context_tokenize(const struct sdrt_context *c, int i, const char *prompt, int32_t *ids,
                          int *dropped);

/* Writes row i of what is added to the time embedding: the pooled text of row i and numbers,
 * of which there are sdrt_added_numbers(). */
void sdrt_context_fill_added(struct sdrt_context *c, int i, const float *numbers);

/* Images that go through the denoiser at once. */
int sdrt_shape_unet_batch(const struct sdrt_shape *shape);

/* The request with the model's values in the place of zeros. */
struct sdrt_request sdrt_request_resolved(const struct sdrt_context *c,
                                          const struct sdrt_request *r);

/* Checks a resolved request and finds its shape and sampler (NULL: not wanted; else the caller
 * frees it).  refined likewise, the sampler of the refiner's steps; it stays NULL without one. */
int sdrt_request_check(struct sdrt_context *c, const struct sdrt_request *r,
                       struct sdrt_shape *shape, struct sdrt_sampler **sampler,
                       struct sdrt_sampler **refined, enum sdrt_rng_kind *rng);

/* Writes the plan of all programs; see sdrt_write_plan(). */
int sdrt_plan_report(struct sdrt_context *c, const char *path);

#endif
