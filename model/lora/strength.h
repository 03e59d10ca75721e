/* SPDX-License-Identifier: MIT
 *
 * How strongly a LoRA changes the parts of a model.
 */
#ifndef SDRT_MODEL_LORA_STRENGTH_H
#define SDRT_MODEL_LORA_STRENGTH_H

#include "model/lora/names.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_lora_strength {
    double denoiser, text; /* 1 as trained, 0 not at all */
    int by_block;          /* 1: each block of a U-Net, and the text, is weighed once more */
    double block[SDRT_LORA_BLOCKS];
};

/* The same for all parts. */
struct sdrt_lora_strength sdrt_lora_strength_even(double scale);

/* 1 when both are the same, else 0. */
int sdrt_lora_strength_equal(const struct sdrt_lora_strength *a,
                             const struct sdrt_lora_strength *b);

/* 1 when all that applies is finite, else 0. */
int sdrt_lora_strength_is_finite(const struct sdrt_lora_strength *s);

/* What a module is changed by. */
double sdrt_lora_strength_at(const struct sdrt_lora_strength *s,
                             const struct sdrt_lora_place *place);

/* Weights of blocks as sd-webui-lora-block-weight writes them, "1,0,0.5,...": 12 or 20 numbers for
 * SDXL, 17 or 26 for others, or a name ("OUTALL", "MIDD", ...).  Blocks that such a list leaves out
 * get 0.  SDRT_E_ARG for another count, and for what is neither; where is named in the line. */
int sdrt_lora_strength_read_blocks(struct sdrt_lora_strength *s, const char *text,
                                   const char *where, const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
