/* SPDX-License-Identifier: MIT */
#include "model/pipeline/preview.h"

#include <math.h>

enum { CHANNELS = 4, SMALL = 64 /* widest level of a VAE that decodes faster than a step runs */ };

/* Least-squares fits of the published VAEs' decoders, from InvokeAI (Apache-2.0), which names
 * torridgristle (SD 1.x) and StAlKeR7779 (SDXL) as their makers. */
static const struct {
    float scaling_factor;
    float rgb[CHANNELS][3];
} fits[] = {
    { 0.18215f, { { 0.3444f, 0.1385f, 0.0670f }, { 0.1247f, 0.4027f, 0.1494f },
                  { -0.3192f, 0.2513f, 0.2103f }, { -0.1307f, -0.1874f, -0.7445f } } },
    { 0.13025f, { { 0.3816f, 0.4930f, 0.5320f }, { -0.3753f, 0.1631f, 0.1739f },
                  { 0.1770f, 0.3588f, -0.2048f }, { -0.4350f, -0.2644f, -0.4289f } } },
};

/* The fit for a VAE, by the factor that its latents were scaled with; -1 for none. */
static int find_fit(const struct sdrt_vae_config *vae)
{
    if (vae->latent_channels != CHANNELS) return -1;
    for (int i = 0; i < (int)(sizeof fits / sizeof *fits); i++)
        if (fabsf(vae->scaling_factor - fits[i].scaling_factor) < 1e-6f) return i;
    return -1;
}

enum sdrt_preview sdrt_preview_kind(const struct sdrt_vae_config *vae)
{
    int widest = 0;

    for (int i = 0; i < vae->levels; i++)
        if (vae->channels[i] > widest) widest = vae->channels[i];
    if (vae->tiny_decoder || widest <= SMALL) return SDRT_PREVIEW_DECODE;
    return find_fit(vae) >= 0 ? SDRT_PREVIEW_LINEAR : SDRT_PREVIEW_NONE;
}

void sdrt_to_bytes(const float *x, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = x[i] * 0.5f + 0.5f;
        v = v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v;
        out[i] = (uint8_t)lrintf(v * 255.0f);
    }
}

void sdrt_preview_linear(const struct sdrt_vae_config *vae, const float *latent, int pixels,
                         uint8_t *rgb)
{
    const int fit = find_fit(vae);

    for (int p = 0; p < pixels && fit >= 0; p++) {
        float colour[3] = { 0.0f, 0.0f, 0.0f };
        for (int k = 0; k < CHANNELS; k++)
            for (int i = 0; i < 3; i++)
                colour[i] += latent[(size_t)k * (size_t)pixels + (size_t)p] * fits[fit].rgb[k][i];
        sdrt_to_bytes(colour, rgb + (size_t)p * 3, 3);
    }
}
