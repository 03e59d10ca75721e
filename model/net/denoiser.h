/* SPDX-License-Identifier: MIT
 *
 * What the pipeline knows of a denoiser, a U-Net or an MMDiT: three graphs, by how often they
 * run.  What does not change from step to step is not in the step: the schedule is run once
 * for all timesteps, the prompt once a prompt, and what both leave behind is carried to every
 * step in external tensors.
 */
#ifndef SDRT_MODEL_NET_DENOISER_H
#define SDRT_MODEL_NET_DENOISER_H

#include "model/net/config.h"
#include "runtime/graph/graph.h"

enum { SDRT_MAX_CARRIED = 192 };

/* What the graphs are built for. */
struct sdrt_denoiser_shape {
    int batch;       /* images of one evaluation; a guided one counts as two */
    int h, w;        /* of the latent */
    int tokens;      /* of a prompt */
    int evaluations; /* timesteps of the schedule */
};

struct sdrt_schedule_tensors {
    sdrt_tensor timesteps; /* external [1][1][evaluations][1] */
    sdrt_tensor added;     /* external [1][1][batch][added width]; SDRT_NO_TENSOR where nothing is
                            * added to the time embedding */
    sdrt_tensor table;     /* external [1][1][evaluations * rows][width]: what a step takes of its
                            * timestep; rows is 1, or batch where something is added */
};

struct sdrt_prompt_tensors {
    sdrt_tensor text;                      /* external [batch][1][tokens][context width] */
    sdrt_tensor carried[SDRT_MAX_CARRIED]; /* external, n_carried of them; the denoiser's own */
    int n_carried;
};

struct sdrt_step_tensors {
    sdrt_tensor latent;  /* external [batch][h][w][latent channels], scaled for the timestep */
    sdrt_tensor time;    /* external [rows][1][1][width]: the evaluation's rows of the table */
    sdrt_tensor carried[SDRT_MAX_CARRIED]; /* external, what the prompt left, in its order */
    sdrt_tensor out;     /* external [batch][h][w][latent channels] */
};

struct sdrt_denoiser {
    const char *name; /* of its step, for reports */
    /* SDRT_OK, or SDRT_E_UNSUPPORTED for a configuration that it cannot build. */
    int (*check)(const struct sdrt_model_config *config, const struct sdrt_log *log);
    /* SDRT_OK, or SDRT_E_ARG for a latent that it cannot denoise.  NULL: it can denoise any. */
    int (*check_size)(const struct sdrt_model_config *config, int h, int w,
                      const struct sdrt_log *log);
    /* Each adds to g; failures stay in the graph's status. */
    void (*build_schedule)(struct sdrt_graph *g, const struct sdrt_model_config *config,
                           const struct sdrt_denoiser_shape *shape,
                           struct sdrt_schedule_tensors *out);
    void (*build_prompt)(struct sdrt_graph *g, const struct sdrt_model_config *config,
                         const struct sdrt_denoiser_shape *shape, struct sdrt_prompt_tensors *out);
    void (*build_step)(struct sdrt_graph *g, const struct sdrt_model_config *config,
                       const struct sdrt_denoiser_shape *shape, struct sdrt_step_tensors *out);
};

/* That of a configuration, a constant. */
const struct sdrt_denoiser *sdrt_denoiser_of(const struct sdrt_model_config *config);

#endif
