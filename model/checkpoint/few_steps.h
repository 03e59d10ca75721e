/* SPDX-License-Identifier: MIT
 *
 * Models and LoRAs that were distilled to draw in few steps, told by what is known of a file: its name, what
 * it says of itself, and the network's shapes; and what their authors draw with.
 */
#ifndef SDRT_MODEL_CHECKPOINT_FEW_STEPS_H
#define SDRT_MODEL_CHECKPOINT_FEW_STEPS_H

#include "model/net/config.h"

enum { SDRT_FEW_STEPS_LIST = 4 };

struct sdrt_few_steps {
    const char *name; /* with its article: "an SDXL Lightning"; a constant */
    int told;         /* 1: steps were told, not taken to be the usual ones */
    int steps;
    float cfg_scale;     /* 1: without guidance */
    const char *sampler; /* constants */
    const char *spacing; /* NULL: any */
    double eta;          /* below 0: the sampler's own */
    double timesteps[SDRT_FEW_STEPS_LIST];
    int n_timesteps;   /* 0: as the spacing has them */
    const char *unfit; /* why it cannot be drawn with here; NULL: it can */
};

/* What words say, as a file's name, for a model of config or a LoRA for one; 0 where they say nothing.  A word
 * counts where it stands alone, as between signs, numbers and changes of case. */
int sdrt_few_steps_of_words(struct sdrt_few_steps *out, const char *words,
                            const struct sdrt_model_config *config);

/* The same of a file or folder: its name, and for a usual one ("diffusion_pytorch_model") its folder's; then
 * what a safetensors file says of its title.  A file that cannot be opened has a name only. */
int sdrt_few_steps_of_file(struct sdrt_few_steps *out, const char *path,
                           const struct sdrt_model_config *config);

/* A U-Net that is told the scale of guidance (time_embedding.cond_proj) is a whole LCM. */
int sdrt_few_steps_of_shapes(struct sdrt_few_steps *out, const struct sdrt_model_config *config);

#endif
