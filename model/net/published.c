/* SPDX-License-Identifier: MIT */
#include "model/net/family.h"
#include "model/net/published.h"

static const struct sdrt_vae_config published_vae = {
    .latent_channels = 4, .levels = 4, .channels = { 128, 256, 512, 512 }, .layers = 2,
    .quant_convs = 1, .has_encoder = 1,
};

/* The published sizes of one text encoder; act stays. */
static void set_clip(struct sdrt_clip_config *clip, int hidden, int layers, int intermediate)
{
    const enum sdrt_clip_act act = clip->act;

    *clip = (struct sdrt_clip_config){ .vocab = 49408, .hidden = hidden, .layers = layers,
                                       .heads = hidden / 64, .intermediate = intermediate,
                                       .positions = 77, .act = act };
}

struct sdrt_model_config sdrt_sd15_config(void)
{
    struct sdrt_model_config c = {
        .unet = { .in_channels = 4, .out_channels = 4, .levels = 4,
                  .channels = { 320, 640, 1280, 1280 }, .layers = 2, .mid_resnets = 2,
                  .mid_depth = 1, .context_dim = 768, .time_embed_dim = 1280 },
        .vae = published_vae,
    };

    sdrt_unet_set_depths(&c.unet, (const int[SDRT_MAX_LEVELS]){ 1, 1, 1, 0 });
    sdrt_family_apply(sdrt_family_find(0, 0, 1), &c);
    set_clip(&c.text[0].clip, 768, 12, 3072);
    return c;
}

struct sdrt_model_config sdrt_sd21_config(void)
{
    struct sdrt_model_config c = sdrt_sd15_config();

    c.unet.context_dim = 1024;
    sdrt_family_apply(sdrt_family_find(1, 0, 1), &c);
    set_clip(&c.text[0].clip, 1024, 24, 4096);
    c.noise.prediction = SDRT_PREDICTION_V;
    return c;
}

struct sdrt_model_config sdrt_sdxl_config(void)
{
    struct sdrt_model_config c = {
        .unet = { .in_channels = 4, .out_channels = 4, .levels = 3,
                  .channels = { 320, 640, 1280 }, .layers = 2, .mid_resnets = 2,
                  .mid_depth = 10, .context_dim = 2048, .time_embed_dim = 1280,
                  .added_dim = 2816 },
        .vae = published_vae,
    };

    sdrt_unet_set_depths(&c.unet, (const int[SDRT_MAX_LEVELS]){ 0, 2, 10 });
    sdrt_family_apply(sdrt_family_find(1, 1, 2), &c);
    set_clip(&c.text[0].clip, 768, 12, 3072);
    set_clip(&c.text[1].clip, 1280, 32, 5120);
    c.text[1].pooled = 1280;
    return c;
}

static struct sdrt_model_config sd35_config(int depth, int grid, uint64_t dual)
{
    struct sdrt_model_config c = {
        .mmdit = { .depth = depth, .width = depth * 64, .heads = depth, .in_channels = 16,
                   .patch = 2, .context_width = 4096, .pooled_width = 2048, .grid = grid, .qk_norm = 1,
                   .dual = dual },
        .vae = published_vae,
    };

    sdrt_family_apply(sdrt_family_find_mmdit(1, dual != 0), &c);
    c.vae.latent_channels = 16;
    c.vae.quant_convs = 0;
    set_clip(&c.text[0].clip, 768, 12, 3072);
    set_clip(&c.text[1].clip, 1280, 32, 5120);
    for (int i = 0; i < 2; i++) c.text[i].pooled = c.text[i].clip.hidden;
    return c;
}

struct sdrt_model_config sdrt_sd35_medium_config(void) { return sd35_config(24, 384, 0x1fff); }
struct sdrt_model_config sdrt_sd35_large_config(void) { return sd35_config(38, 192, 0); }

struct sdrt_t5_config sdrt_t5_xxl_config(void)
{
    return (struct sdrt_t5_config){
        .table = "shared", .vocab = 32128, .hidden = 4096, .layers = 24, .heads = 64,
        .head_dim = 64, .intermediate = 10240, .buckets = 32, .max_distance = 128,
    };
}
