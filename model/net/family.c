/* SPDX-License-Identifier: MIT */
#include "model/net/family.h"

#include <stddef.h>

/* What SD 3 and SD 3.5 have in common. */
#define SD3_FAMILY(name_, qk_norm_, dual_)                                                  \
    {                                                                                       \
        .name = name_, .denoiser = SDRT_DENOISER_MMDIT, .qk_norm = qk_norm_, .dual = dual_, \
        .n_text = 2, .head_dim = 64, .scaling_factor = 1.5305f, .shift_factor = 0.0609f,    \
        .size = 1024, .t5_tokens = 256, .text = {                                           \
            { .name = "CLIP ViT-L",                                                         \
              .act = SDRT_CLIP_QUICK_GELU,                                                  \
              .skip = 1,                                                                    \
              .pooled = 1,                                                                  \
              .pad_id = -1 },                                                               \
            { .name = "OpenCLIP ViT-bigG",                                                  \
              .act = SDRT_CLIP_GELU,                                                        \
              .skip = 1,                                                                    \
              .pooled = 1,                                                                  \
              .pad_id = 0 }                                                                 \
        }                                                                                   \
    }

/* SD 2.x and SDXL read the second last layer: its successor was trained for pictures to match,
 * not to steer.  SDXL takes it as it is, SD 2.x after the final norm. */
static const struct sdrt_family families[] = {
    { .name = "SD 1.x", .n_text = 1, .heads = 8, .scaling_factor = 0.18215f, .size = 512,
      .text = { { .name = "CLIP ViT-L", .act = SDRT_CLIP_QUICK_GELU, .final_norm = 1,
                  .pad_id = -1 } } },
    { .name = "SD 2.x", .linear = 1, .n_text = 1, .head_dim = 64, .scaling_factor = 0.18215f,
      .biases_say_v = 1, .size = 768,
      .text = { { .name = "OpenCLIP ViT-H", .act = SDRT_CLIP_GELU, .skip = 1, .cut_in_folder = 1,
                  .final_norm = 1, .pad_id = 0 } } },
    { .name = "SDXL", .linear = 1, .added = 1, .n_text = 2, .head_dim = 64,
      .scaling_factor = 0.13025f, .zero_negative = 1, .size = 1024,
      .text = { { .name = "CLIP ViT-L", .act = SDRT_CLIP_QUICK_GELU, .skip = 1, .pad_id = -1 },
                { .name = "OpenCLIP ViT-bigG", .act = SDRT_CLIP_GELU, .skip = 1, .pooled = 1,
                  .pad_id = 0 } } },
    { .name = "SDXL refiner", .linear = 1, .added = 1, .n_text = 1, .head_dim = 64,
      .scaling_factor = 0.13025f, .aesthetic = 1, .size = 1024,
      .text = { { .name = "OpenCLIP ViT-bigG", .act = SDRT_CLIP_GELU, .skip = 1, .pooled = 1,
                  .pad_id = 0 } } },
    SD3_FAMILY("SD 3 Medium", 0, 0),
    SD3_FAMILY("SD 3.5 Large", 1, 0),
    SD3_FAMILY("SD 3.5 Medium", 1, 1),
    SD3_FAMILY("SD 3.x", 0, 1), /* none is published */
};

enum { FAMILIES = sizeof families / sizeof *families };

const struct sdrt_family *sdrt_family_find(int linear, int added, int n_text)
{
    for (int i = 0; i < FAMILIES; i++) {
        const struct sdrt_family *f = &families[i];
        if (f->denoiser == SDRT_DENOISER_UNET && f->linear == linear && f->added == added &&
            (n_text < 0 || f->n_text == n_text))
            return f;
    }
    return NULL;
}

const struct sdrt_family *sdrt_family_find_mmdit(int qk_norm, int dual)
{
    int i = 0;

    while (families[i].denoiser != SDRT_DENOISER_MMDIT || families[i].qk_norm != qk_norm ||
           families[i].dual != dual)
        i++;
    return &families[i];
}

void sdrt_family_apply(const struct sdrt_family *family, struct sdrt_model_config *config)
{
    config->family = family->name;
    config->denoiser = family->denoiser;
    config->unet.heads = family->heads;
    config->unet.head_dim = family->head_dim;
    config->unet.linear_projections = family->linear;
    config->unet.norm_groups = config->vae.norm_groups = 32;
    config->vae.scaling_factor = family->scaling_factor;
    config->vae.shift_factor = family->shift_factor;
    config->n_text = family->n_text;
    for (int i = 0; i < family->n_text; i++) {
        const struct sdrt_text_recipe *r = &family->text[i];
        config->text[i].clip.act = r->act;
        config->text[i].skip = r->skip;
        config->text[i].final_norm = r->final_norm;
        config->text[i].pad_id = r->pad_id;
    }
    config->noise = sdrt_noise_model_default(family->denoiser == SDRT_DENOISER_MMDIT
                                             ? SDRT_PREDICTION_FLOW : SDRT_PREDICTION_EPSILON);
    config->zero_negative = family->zero_negative;
    config->aesthetic = family->aesthetic;
    config->size = family->size;
    config->t5_tokens = family->t5_tokens;
}
