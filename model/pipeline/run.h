/* SPDX-License-Identifier: MIT
 *
 * One request on its way to images, shared by its passes.
 */
#ifndef SDRT_MODEL_PIPELINE_RUN_H
#define SDRT_MODEL_PIPELINE_RUN_H

#include "model/noise/cache.h"
#include "model/noise/guidance.h"
#include "model/noise/sampler.h"
#include "model/pipeline/canvas.h"
#include "model/pipeline/controls.h"
#include "model/pipeline/prompts.h"
#include "model/pipeline/session.h"

/* A control net at work: its memory, found once. */
struct sdrt_run_control {
    struct sdrt_pixels picture; /* of the image's size; owned */
    const struct sdrt_pass *step;
    float *model_in, *gates; /* [rows][pixels][z], [rows][channels] */
    const char *time_table;
    int time;                                      /* slot */
    int channels[SDRT_CONTROL_FEATURES], features; /* of each that a ControlNet leaves */
    const float *adapted[SDRT_MAX_LEVELS + 1];     /* what a T2I-Adapter leaves, else NULL */
};

/* What the denoiser reads of T2I-Adapters: a feature of all rows. */
struct sdrt_run_adapted {
    float *sum; /* [rows][n] */
    size_t n;
};

struct sdrt_hires;

struct sdrt_run {
    struct sdrt_session *s;
    struct sdrt_request request;  /* resolved */
    const struct sdrt_request *r; /* the same */
    char  *prompt;     /* r's, without the LoRAs that it names; owned */
    char  *negative;   /* the same; NULL where r has none */
    struct sdrt_prompts prompts; /* both, read; cleared with the run */
    struct sdrt_cache cache;     /* r's, read */
    struct sdrt_guidance guidance;             /* the same */
    struct sdrt_sampler *samplers[SDRT_PARTS]; /* of each denoiser's steps; owned */
    struct sdrt_rng *rngs; /* [batch] and one to spare, too large for a thread's stack; owned */
    uint64_t seeds[SDRT_MAX_BATCH]; /* of the motion that some samplers follow */
    enum sdrt_rng_kind rng_kind;
    struct sdrt_run_control controls[SDRT_MAX_CONTROLS];
    struct sdrt_pixels ip_pictures[SDRT_MAX_IPS]; /* as their encoder sees them; owned */
    uint64_t ip_key;                              /* of those and their strengths */
    struct sdrt_run_adapted adapted[SDRT_MAX_LEVELS + 1];
    struct sdrt_hires *hires;  /* where it is one of two drawings; NULL: it is the only one */
    struct sdrt_canvas canvas; /* the picture that it begins with; owned */
    int    evaluated;  /* evaluations so far, of all denoisers */
    int    at;         /* the same as sdrt_shape_counted() counts them */
    int stopped;       /* there will be no more: the latent is what the last one predicted */
    int left_out;      /* of these, so many were made of others */
    int decoded;       /* images that are ready */
    char   prefix[48]; /* of dumped names: the pass, the image or evaluation */
    uint8_t *rgb;      /* room for one image: the first's, until that is ready */
    float *dense;      /* a dumped tensor without its pitch */
    size_t dense_size;
};

/* Draws a resolved request once.  As sdrt_session_generate(), which draws twice where that is asked for,
 * but logs nothing of cancelling. */
int sdrt_run_once(struct sdrt_session *s, const struct sdrt_request *request,
                  struct sdrt_hires *hires);

/* Tells the caller how far a stage is; SDRT_E_CANCELLED where that ends it. */
int sdrt_run_report(struct sdrt_run *run, enum sdrt_stage stage, int done, int total);

/* Runs the program of a pass, and dumps its tensors behind run->prefix where dumps are wanted. */
int sdrt_run_program(struct sdrt_run *run, const struct sdrt_pass *pass);

/* Dumps data, rows of dims[3] floats that are pitch floats apart, behind run->prefix. */
int sdrt_run_dump(struct sdrt_run *run, const char *name, const int dims[4], int pitch,
                  const float *data);

/* Dumps the latent, channels last as everything that is dumped. */
int sdrt_run_dump_latent(struct sdrt_run *run, const char *name);

/* Before the first pass: fills the slots of the tokens, and finds out whether the last request had
 * the same text, so that its embeddings still hold. */
int sdrt_run_tokenize(struct sdrt_run *run);

/* The row of a part's table that runs so often and follows the text. */
const struct sdrt_pass *sdrt_run_follower(const struct sdrt_session *s, enum sdrt_part_id part,
                                          enum sdrt_when when);

/* Before an evaluation of a denoiser, counted over all of them: where the text changes with it, what
 * the denoiser reads of that is made anew. */
int sdrt_run_follow_prompt(struct sdrt_run *run, const struct sdrt_pass *pass, int evaluation);

/* The same for the timesteps of all denoisers and the numbers of the picture. */
void sdrt_run_prepare_once(struct sdrt_run *run);

/* Before an evaluation of the base's denoiser at a timestep that was chosen on the way: what it and control nets
 * make of that. */
int sdrt_run_follow_time(struct sdrt_run *run, float timestep);

/* The seed of an image, which a variation shares with the others. */
uint64_t sdrt_run_seed(const struct sdrt_run *run, int image);

/* Draws an image's noise, channels first, from its generator, which is seeded: of another size, where the
 * request's seed is resized, laid on the middle; turned towards that of its variation, on the great circle
 * column by column; both as the web UI does.  The slot "scaled" is overwritten.  SDRT_E_NOMEM. */
int sdrt_run_draw_noise(struct sdrt_run *run, int image, float *noise);

/* When all noise to begin with is drawn: tells the samplers the seeds, and begins the generators anew
 * where the request says so. */
void sdrt_run_turn_generators(struct sdrt_run *run);

/* Guidance by the request's rule, where that is not plain, in an evaluation of all total ones: unconditional
 * [batch][n] becomes the answer.  before [batch][n] is the rule's own, where shape has momentum. */
void sdrt_run_guide(const struct sdrt_run *run, int evaluation, int total, const float *conditional,
                    float *unconditional, float *before, size_t n);

/* Takes the request's share of guided [batch][n] to the deviation of conditional [batch][n], each image
 * apart.  Lin et al. 2023 (arXiv:2305.08891), section 3.4. */
void sdrt_run_rescale(const struct sdrt_run *run, const float *conditional, float *guided, size_t n);

/* Before the first pass: noise into the latent. */
int sdrt_run_prepare_noise(struct sdrt_run *run);

/* The decoder's row and memory, found once. */
struct sdrt_decoding {
    int pass;
    float *in;
    float *out;
};
struct sdrt_decoding sdrt_run_decoding(const struct sdrt_session *s);

/* One image's latent, or what else has its form, into what the decoder reads. */
void sdrt_run_fill_decoder(const struct sdrt_session *s, const struct sdrt_decoding *d,
                           const float *latent);

/* What it left, n numbers, to -1 .. 1. */
void sdrt_run_finish_decoding(const struct sdrt_session *s, const struct sdrt_decoding *d,
                              size_t n);

/* Runs the VAE's encoder on a picture of the image's size.  canny 1: as Stability's nets of edges read it
 * (config.h). */
int sdrt_run_encode(struct sdrt_run *run, const struct sdrt_pass *encoder,
                    const struct sdrt_pixels *picture, int canny);

/* What it left (vae.h), until another program runs. */
const float *sdrt_run_moments(const struct sdrt_session *s);

/* With the VAE's encoder: the latents that control nets read. */
int sdrt_run_encode_controls(struct sdrt_run *run, const struct sdrt_pass *encoder);

/* Brings the request's control pictures to the image's size.  They stay until they are freed. */
int sdrt_run_prepare_controls(struct sdrt_run *run);
void sdrt_run_free_controls(struct sdrt_run *run);

/* After the text has changed within an image: what control nets make of it. */
int sdrt_run_follow_controls(struct sdrt_run *run);

/* Before evaluation e of the base's denoiser, whose row is pass: runs the control nets that take part in
 * it on scaled [batch][z][pixels].  *step is the row whose program then denoises. */
int sdrt_run_control_steps(struct sdrt_run *run, const struct sdrt_pass *pass, int e,
                           const float *scaled, const struct sdrt_pass **step);

/* Brings the pictures of IP-Adapters to the size that their encoder sees.  They stay until they are freed. */
int sdrt_run_prepare_image_prompts(struct sdrt_run *run);
void sdrt_run_free_image_prompts(struct sdrt_run *run);

/* What the rows of passes.c are made of; see struct sdrt_pass. */
int sdrt_text_wanted(const struct sdrt_run *run, const struct sdrt_pass *pass);
int sdrt_once_wanted(const struct sdrt_run *run, const struct sdrt_pass *pass);
int sdrt_run_text(struct sdrt_run *run, const struct sdrt_pass *pass);
int sdrt_run_encoder(struct sdrt_run *run, const struct sdrt_pass *pass);
int sdrt_run_prompt(struct sdrt_run *run, const struct sdrt_pass *pass);
int sdrt_run_schedule(struct sdrt_run *run, const struct sdrt_pass *pass);
int sdrt_run_steps(struct sdrt_run *run, const struct sdrt_pass *pass);
int sdrt_run_decoder(struct sdrt_run *run, const struct sdrt_pass *pass);
int sdrt_run_control(struct sdrt_run *run, const struct sdrt_pass *pass);
int sdrt_run_control_picture(struct sdrt_run *run, const struct sdrt_pass *pass);
int sdrt_image_prompts_wanted(const struct sdrt_run *run, const struct sdrt_pass *pass);
int sdrt_run_vision(struct sdrt_run *run, const struct sdrt_pass *pass);
int sdrt_run_image_prompt(struct sdrt_run *run, const struct sdrt_pass *pass);
int sdrt_run_nothing(struct sdrt_run *run, const struct sdrt_pass *pass);

#endif
