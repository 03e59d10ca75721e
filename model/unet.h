/* SPDX-License-Identifier: MIT
 *
 * The denoiser of SD 1.x, SD 2.x and SDXL: a U-Net with cross-attention.  Rombach et al., 2022
 * (arXiv:2112.10752), in diffusers' names.
 *
 * What does not change from step to step is not in the step: the keys and values of every
 * cross-attention are computed once a prompt, the time embedding's share of every resnet once
 * a schedule, for all timesteps in one product.
 */
#ifndef SDRT_MODEL_UNET_H
#define SDRT_MODEL_UNET_H

#include "model/config.h"
#include "runtime/graph.h"

enum { SDRT_UNET_MAX_RESNETS = 64, SDRT_UNET_MAX_CROSS = 192, SDRT_UNET_NAME = 112 };

struct sdrt_unet_part {
    char name[SDRT_UNET_NAME]; /* weight prefix */
    int  channels;
};

/* All resnets and cross-attentions, in the order in which the step runs them. */
struct sdrt_unet_parts {
    struct sdrt_unet_part resnets[SDRT_UNET_MAX_RESNETS]; /* name: of time_emb_proj */
    struct sdrt_unet_part cross[SDRT_UNET_MAX_CROSS];     /* name: of attn2 */
    int n_resnets, n_cross;
    int time_channels; /* sum over resnets */
};

/* SDRT_E_UNSUPPORTED for a configuration with more of them than fit. */
int sdrt_unet_list(const struct sdrt_unet_config *config, struct sdrt_unet_parts *out,
                   const struct sdrt_log *log);

/* How many rows of the time table one evaluation of batch images takes: one, or one an image
 * where the prompt is added to the time embedding. */
int sdrt_unet_time_rows(const struct sdrt_unet_config *config, int batch);

struct sdrt_unet_schedule_tensors {
    sdrt_tensor timesteps; /* external [1][1][n][1] */
    sdrt_tensor added;     /* external [1][1][batch][added_dim]; SDRT_NO_TENSOR without */
    sdrt_tensor table;     /* external [1][1][n * rows][time_channels], the timestep's rows in the
                            * order of the images */
};
void sdrt_unet_build_schedule(struct sdrt_graph *g, const struct sdrt_unet_config *config,
                              const struct sdrt_unet_parts *parts, int n, int batch,
                              struct sdrt_unet_schedule_tensors *out);

struct sdrt_unet_prompt_tensors {
    sdrt_tensor text;                        /* external [batch][1][tokens][context_dim] */
    sdrt_tensor keys_values[SDRT_UNET_MAX_CROSS]; /* external [batch][1][tokens][2*channels] */
};
void sdrt_unet_build_prompt(struct sdrt_graph *g, const struct sdrt_unet_config *config,
                            const struct sdrt_unet_parts *parts, int batch, int tokens,
                            struct sdrt_unet_prompt_tensors *out);

struct sdrt_unet_step_tensors {
    sdrt_tensor latent;  /* external [batch][h][w][in_channels], scaled for the timestep */
    sdrt_tensor time;    /* external [rows][1][1][time_channels]: the evaluation's of the table */
    sdrt_tensor keys_values[SDRT_UNET_MAX_CROSS]; /* as above */
    sdrt_tensor out;     /* external [batch][h][w][out_channels] */
};
void sdrt_unet_build_step(struct sdrt_graph *g, const struct sdrt_unet_config *config,
                          const struct sdrt_unet_parts *parts, int batch, int h, int w, int tokens,
                          struct sdrt_unet_step_tensors *out);

#endif
