/* SPDX-License-Identifier: MIT */
#include "model/net/config.h"

enum sdrt_unet_task sdrt_unet_task(const struct sdrt_unet_config *unet)
{
    if (unet->in_channels == unet->out_channels) return SDRT_TASK_DRAW;
    if (unet->in_channels == 2 * unet->out_channels + 1) return SDRT_TASK_INPAINT;
    return unet->in_channels == 2 * unet->out_channels ? SDRT_TASK_EDIT : SDRT_TASK_UNKNOWN;
}

const char *sdrt_task_takes(enum sdrt_unet_task task)
{
    return task == SDRT_TASK_INPAINT ? "takes a picture and a mask"
                                     : "takes the picture that it changes";
}

enum sdrt_unet_task sdrt_model_task(const struct sdrt_model_config *config)
{
    return config->denoiser == SDRT_DENOISER_MMDIT ? SDRT_TASK_DRAW : sdrt_unet_task(&config->unet);
}

void sdrt_unet_set_depths(struct sdrt_unet_config *unet, const int depths[SDRT_MAX_LEVELS])
{
    for (int i = 0; i < unet->levels; i++)
        for (int j = 0; j <= unet->layers; j++) {
            unet->up_depth[i][j] = depths[i];
            if (j < unet->layers) unet->down_depth[i][j] = depths[i];
        }
}

int sdrt_unet_has_attention(const struct sdrt_unet_config *unet, int level)
{
    int blocks = level == unet->levels - 1 ? unet->mid_depth : 0;

    for (int j = 0; j < unet->layers; j++) blocks += unet->down_depth[level][j];
    for (int j = 0; j <= unet->layers; j++) blocks += unet->up_depth[level][j];
    return blocks > 0;
}

int sdrt_context_width(const struct sdrt_model_config *config)
{
    return config->denoiser == SDRT_DENOISER_MMDIT ? config->mmdit.context_width
                                                   : config->unet.context_dim;
}

int sdrt_added_width(const struct sdrt_model_config *config)
{
    return config->denoiser == SDRT_DENOISER_MMDIT ? config->mmdit.pooled_width
                                                   : config->unet.added_dim;
}

int sdrt_added_numbers(const struct sdrt_model_config *config)
{
    if (config->denoiser == SDRT_DENOISER_MMDIT || !config->unet.added_dim) return 0;
    return config->aesthetic ? 5 : 6;
}

int sdrt_pooled_width(const struct sdrt_model_config *config)
{
    int width = 0;

    for (int i = 0; i < config->n_text; i++) width += config->text[i].pooled;
    return width;
}

int sdrt_prompt_tokens(const struct sdrt_model_config *config)
{
    int tokens = SDRT_CLIP_TOKENS;

    for (int i = 0; i < config->n_text; i++)
        if (config->text[i].clip.positions < tokens) tokens = config->text[i].clip.positions;
    return tokens;
}

int sdrt_context_rows(const struct sdrt_model_config *config)
{
    return sdrt_prompt_tokens(config) + config->t5_tokens;
}
