/* SPDX-License-Identifier: MIT
 *
 * Single passes of the tiny models against diffusers' tensors, those that all families have.
 */
#ifndef SDRT_TESTS_GOLDEN_PASSES_H
#define SDRT_TESTS_GOLDEN_PASSES_H

#include "tests/golden_models.h"

enum { GOLDEN_PROMPTS = 3, GOLDEN_TOKENS = SDRT_CLIP_TOKENIZER_LENGTH };

/* Text encoder encoder's hidden states of the golden prompts, and where it has one the pooled text,
 * golden/text/pooled.npy or, of several, pooled<encoder>.npy.  isa names the case in messages. */
void check_text(struct sdrt_context *c, const char *family, const char *isa, int encoder);

/* The golden latent decoded. */
void check_vae(struct sdrt_context *c, const char *family, const char *isa);

#endif
