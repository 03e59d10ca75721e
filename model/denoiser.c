/* SPDX-License-Identifier: MIT */
#include "model/denoiser.h"
#include "model/unet.h"

const struct sdrt_denoiser *sdrt_denoiser_of(const struct sdrt_model_config *config)
{
    (void)config;
    return &sdrt_unet_denoiser;
}
