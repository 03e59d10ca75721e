/* SPDX-License-Identifier: MIT */
#include "model/net/denoiser.h"
#include "model/net/mmdit.h"
#include "model/net/unet.h"

const struct sdrt_denoiser *sdrt_denoiser_of(const struct sdrt_model_config *config)
{
    return config->denoiser == SDRT_DENOISER_MMDIT ? &sdrt_mmdit_denoiser : &sdrt_unet_denoiser;
}
