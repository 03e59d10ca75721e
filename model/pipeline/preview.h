/* SPDX-License-Identifier: MIT
 *
 * What an image looks like before it is ready.
 */
#ifndef SDRT_MODEL_PIPELINE_PREVIEW_H
#define SDRT_MODEL_PIPELINE_PREVIEW_H

#include "model/net/config.h"

#include <stddef.h>
#include <stdint.h>

/* How to see a latent of a VAE. */
enum sdrt_preview {
    SDRT_PREVIEW_NONE,   /* not at a bearable price */
    SDRT_PREVIEW_LINEAR, /* a pixel for each position, its colours linear in the channels */
    SDRT_PREVIEW_DECODE  /* through the VAE, which is small */
};

enum sdrt_preview sdrt_preview_kind(const struct sdrt_vae_config *vae);

/* For SDRT_PREVIEW_LINEAR: latent [latent channels][pixels], as the denoiser has it, to rgb
 * [pixels][3]. */
void sdrt_preview_linear(const struct sdrt_vae_config *vae, const float *latent, int pixels,
                         uint8_t *rgb);

/* -1 .. 1 to 0 .. 255, rounding half to even as numpy does; n numbers. */
void sdrt_to_bytes(const float *x, uint8_t *out, size_t n);

#endif
