/* SPDX-License-Identifier: MIT
 *
 * A session: what draws with a model.  One thread at a time uses it; several sessions on one
 * model may draw at once, each from a thread of its own.
 *
 * All programs of a request share one arena: first the slots, then a workspace as large as the
 * largest program's plan, since programs run one after the other.  Where the model's device is no
 * processor, each has such an arena: the programs of some passes run on the processor beside it, and
 * slots are copied between the two.
 */
#ifndef SDRT_MODEL_PIPELINE_SESSION_H
#define SDRT_MODEL_PIPELINE_SESSION_H

#include "model/net/vae_bands.h"
#include "model/noise/sampler.h"
#include "model/pipeline/pass.h"
#include "runtime/machine/memory.h"

#include <stdatomic.h>

struct sdrt_share;

enum { SDRT_MAX_BATCH = 64, SDRT_MAX_PIXELS = 8192, SDRT_TOLD = 6, SDRT_STAGES = 5 };

struct sdrt_bands;

struct sdrt_session {
    struct sdrt_model *model; /* a use of it */
    const struct sdrt_log *log;
    struct sdrt_queue *queue; /* of the model's device */
    struct sdrt_share *share; /* with sessions of other ranks (share.h); NULL: with none */

    /* The current shape: programs, slots, memory. */
    struct sdrt_shape shape;
    struct sdrt_program **programs; /* of each row of the model's passes, NULL where it has none */
    int n_passes;
    struct sdrt_bands
        *bands[SDRT_VAE_SIDES]; /* in a program's place; NULL: that side of the VAE is one */
    int planned;
    struct sdrt_slots slots;
    int latent, scaled, guided; /* slots of the sampler, NCHW, [batch][latent channels][h][w] */
    struct sdrt_device_memory *arena;     /* the host's */
    struct sdrt_device_memory *far_arena; /* the device's; NULL where that is the host */
    struct sdrt_slot_moves *moves;        /* of each program on such a device */
    size_t persistent_bytes, workspace_bytes;
    size_t host_workspace_bytes; /* of the processor beside such a device */
    double streamed;             /* share of the weights that do not stay on such a device */
    double plan_seconds;

    struct sdrt_net *controls[SDRT_MAX_CONTROLS]; /* uses of the shape's nets */
    struct sdrt_net *ips[SDRT_MAX_IPS], *vision;  /* likewise of IP-Adapters and their encoder */
    uint64_t ip_key; /* of what those have made, see image_prompts.h; 0: of nothing */

    /* What the slots hold of the last request. */
    int text_ready;             /* tokens, embeddings and pooled text belong together */
    uint64_t text_key;          /* of the prompts that they were made of (prompts.h) */
    unsigned loras_version;     /* the model's set when they were made */
    int text_zeroed;            /* the negative prompt's are zeros */
    int once_ready[SDRT_PARTS]; /* what the denoiser makes of text, timesteps and told */
    float told[SDRT_TOLD];      /* what SDXL is told of the picture */
    float guidance;             /* the scale that a latent consistency model is told */

    atomic_int finish; /* asked for: no evaluation after the one at work */

    /* Results. */
    uint8_t *images;
    int n_images, width, height;
    char *parameters[SDRT_MAX_BATCH];
    double stage_seconds[SDRT_STAGES];
    double evaluation_seconds; /* mean of one */
    int evaluations_done;
    int left_out; /* of these, so many were made of others */
    int stopped_after; /* evaluations of a drawing that was to finish early; 0: none was */
};

/* The public header's one-context functions: a model with one session. */
struct sdrt_context {
    struct sdrt_model   *model;
    struct sdrt_session *session;
};

/* Builds and plans the programs of all passes for a shape, unless they are there already.  Reads
 * no weights, takes no arena. */
int sdrt_session_plan(struct sdrt_session *s, const struct sdrt_shape *shape);

/* Checks a caller's request and plans for it.  s NULL: SDRT_E_ARG, without a line. */
int sdrt_session_plan_request(struct sdrt_session *s, const struct sdrt_request *request);

/* Frees the programs, the slots and the arena of the current shape. */
void sdrt_session_unplan(struct sdrt_session *s);

/* Bytes of the weights that cross in each evaluation, or in one run of the other passes. */
size_t sdrt_session_streamed_bytes(const struct sdrt_session *s);

/* Takes the arena and fixes all addresses, once a shape. */
int sdrt_session_place(struct sdrt_session *s);

/* Whether pass i runs on a device whose memory the host does not reach. */
int sdrt_session_is_far(const struct sdrt_session *s, int i);

/* The bands of a pass, NULL where it has a program or is none of the VAE's; and where their arena is. */
struct sdrt_bands *sdrt_session_bands(const struct sdrt_session *s, const struct sdrt_pass *pass);
unsigned char *sdrt_session_bands_arena(const struct sdrt_session *s);

/* Runs the program of pass i, which is loaded, between the copies that it takes.  As
 * sdrt_program_run(). */
int sdrt_session_run(struct sdrt_session *s, int i, sdrt_trace_fn *trace, void *user);

/* Packs the weights of pass i, which can run after this; progress (may be NULL) counts the
 * weights of all passes together. */
int sdrt_session_load(struct sdrt_session *s, int i,
                      int (*progress)(void *user, int done, int total), void *user);

/* The most weights at once in a first request in the memory of the model's device: of a planned
 * session. */
size_t sdrt_session_peak_weights(const struct sdrt_session *s);

/* The row whose pass has this name in reports, or which runs so often for this part; -1 when the
 * model has none. */
int sdrt_session_find(const struct sdrt_session *s, const char *name);
int sdrt_session_find_when(const struct sdrt_session *s, enum sdrt_part_id part,
                           enum sdrt_when when);

/* A slot of a part as the host sees it; NULL when there is none. */
void *sdrt_session_map(const struct sdrt_session *s, enum sdrt_part_id part, const char *name);

/* The slot of a text encoder's "ids" or "pooled"; SDRT_NO_SLOT when it has none. */
int sdrt_text_slot(const struct sdrt_session *s, int encoder, const char *leaf);

/* Fills the rows of what is added to a denoiser's time embedding, where it takes such a thing: the
 * pooled text of each row, and sdrt_added_numbers() numbers. */
void sdrt_session_fill_added(struct sdrt_session *s, enum sdrt_part_id part, const float *numbers);

/* The request with the model's values in the place of zeros. */
struct sdrt_request sdrt_request_resolved(const struct sdrt_model *m,
                                          const struct sdrt_request *r);

/* Checks a resolved request and finds its shape and the sampler of each part; the caller frees
 * those.  samplers and rng may be NULL where they are not wanted. */
int sdrt_request_check(const struct sdrt_model *m, const struct sdrt_request *r,
                       struct sdrt_shape *shape, struct sdrt_sampler *samplers[SDRT_PARTS],
                       enum sdrt_rng_kind *rng);

#endif
