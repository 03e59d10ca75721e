/* SPDX-License-Identifier: MIT
 *
 * ControlNet: a copy of a U-Net's way down that reads a picture beside the latent, and leaves for each
 * skip and for the middle what is added to them.  Zhang et al., 2023 (arXiv:2302.05543), in diffusers'
 * names behind "unet.".  What it makes of timesteps and of the prompt is made by the U-Net's own graphs
 * (unet.h) of a configuration whose hint has widths.
 */
#ifndef SDRT_MODEL_NET_CONTROLNET_H
#define SDRT_MODEL_NET_CONTROLNET_H

#include "model/net/denoiser.h"

/* What a union of nets (xinsir's ControlNet++, diffusers' ControlNetUnionModel) may be told that its
 * picture is, for lists: NULL behind the last.  Some are one to it: its number. */
enum { SDRT_CONTROL_TYPES = 8 /* that are different to it, at most */ };
const char *sdrt_control_type_name(int i);
int sdrt_control_type_number(int i);

/* How many features its net leaves, and the channels of all of them. */
int sdrt_controlnet_features(const struct sdrt_unet_config *unet, int *channels);

/* Adds to g what the picture, "picture" [batch][h << n - 1][w << n - 1][channels] of 0 to 1, leaves for
 * all steps: "hints" [batch][h][w][channels[0]].  n: the configuration's widths.  Of a union of nets also what
 * the picture's type, "type" [batch][1][1][1] of I32, is to it: "task" [batch][1][1][channels[0]]. */
void sdrt_controlnet_build_hint(struct sdrt_graph *g, const struct sdrt_unet_config *config,
                                const struct sdrt_denoiser_shape *shape);

/* Adds a step to g.  Beside what a U-Net's step reads (denoiser.h) it takes the hints, and "gates"
 * [batch][1][1][all channels], factors of all features; of a union also "task", to which the mean of the hints is added.  It leaves "/control.0" and so on, or, with
 * more, adds to them what is there. */
void sdrt_controlnet_build_step(struct sdrt_graph *g, const struct sdrt_unet_config *config,
                                const struct sdrt_denoiser_shape *shape, int more);

#endif
