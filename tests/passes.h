/* SPDX-License-Identifier: MIT
 *
 * One pass of one network of an open model, apart from any whole image: what is compared
 * with diffusers block by block.
 */
#ifndef SDRT_TESTS_PASSES_H
#define SDRT_TESTS_PASSES_H

#include "model/pipeline/session.h"

/* All arrays are dense and belong to the caller; NHWC where there are pixels.  Each pass builds,
 * loads, runs and frees its own programs; the weights stay packed in c.  Errors: those of
 * the programs. */

/* Text encoder encoder: ids [batch][77] -> out [batch][77][hidden], what the denoiser reads, and
 * where the model takes one, pooled [batch][77][width], of which the end token's row counts. */
int pass_text(struct sdrt_context *c, int encoder, const int32_t *ids, int batch, float *out,
              float *pooled);

/* Inputs of one evaluation of the U-Net: latent [batch][h][w][4] as the sampler scaled it, text
 * [batch][77][context_dim]; for SDXL pooled [batch][width] and the numbers of the image
 * [batch][sdrt_added_numbers()]. */
struct pass_unet {
    int batch, h, w;
    const float *latent, *text, *pooled, *numbers;
    float timestep;
};

/* -> out [batch][h][w][4].  trace may be NULL; it hears the nodes of the step. */
int pass_unet(struct sdrt_context *c, const struct pass_unet *in, float *out, sdrt_trace_fn *trace,
              void *user);

/* The block whose output the node called name would be if it were its last one: "conv_in",
 * "down0" .., "mid", "up0" ..; NULL outside blocks.  Borrowed, a constant. */
const char *pass_unet_block(const char *name);

/* latent / scaling_factor [batch][h][w][4] -> pixels [batch][8h][8w][3], about -1 .. 1. */
int pass_decode(struct sdrt_context *c, const float *latent, int batch, int h, int w, float *out);

/* pixels [batch][h][w][3], h and w multiples of 8 -> moments [batch][h/8][w/8][8]. */
int pass_encode(struct sdrt_context *c, const float *pixels, int batch, int h, int w, float *out);

#endif
