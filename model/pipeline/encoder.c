/* SPDX-License-Identifier: MIT
 *
 * From a picture to the latent that a run begins with.
 */
#include "model/pipeline/run.h"

#include <math.h>
#include <stdio.h>

/* Bytes to -1 .. 1, in diffusers' order of operations. */
static void fill_pixels(const struct sdrt_pixels *p, float *out)
{
    const size_t n = (size_t)p->width * (size_t)p->height * 3;

    for (size_t i = 0; i < n; i++) out[i] = 2.0f * ((float)p->rgb[i] / 255.0f) - 1.0f;
}

/* The VAE's latent, channel c, as the denoiser has it. */
static float normalised(const struct sdrt_vae_config *vae, int c, float x)
{
    if (vae->has_stats) return (x - vae->mean[c]) * vae->scaling_factor / vae->std[c];
    return (x - vae->shift_factor) * vae->scaling_factor;
}

/* A sample of the distribution that the encoder gives: moments [pixels][2 * z], draws and latent
 * [z][pixels]; latent may be draws. */
static void sample(const struct sdrt_vae_config *vae, const float *moments, const float *draws,
                   int pixels, float *latent)
{
    const int z = vae->latent_channels;

    for (int i = 0; i < z * pixels; i++) {
        const int c = i / pixels;
        const float *at = moments + (size_t)(i % pixels) * (size_t)(2 * z) + c;
        const float variance = fminf(fmaxf(at[z], -30.0f), 20.0f);
        latent[i] = normalised(vae, c, at[0] + expf(0.5f * variance) * draws[i]);
    }
}

/* Each image's generator draws as diffusers' do: for the sample, for the noise upon it, and then what
 * the sampler wants. */
static int begin_images(struct sdrt_run *run)
{
    const struct sdrt_session *s = run->s;
    const struct sdrt_vae_config *vae = &sdrt_model_config_of(s->model)->vae;
    const float *moments = sdrt_session_map(s, SDRT_PART_BASE, "moments");
    float *latent = sdrt_slot_map(&s->slots, s->latent);
    float *noise = sdrt_slot_map(&s->slots, s->guided);
    const int pixels = s->shape.h * s->shape.w;
    const size_t n = (size_t)pixels * (size_t)vae->latent_channels;

    for (int i = 0; i < s->shape.batch; i++) {
        float *own = latent + (size_t)i * n;
        sdrt_rng_seed(&run->rngs[i], run->rng_kind, run->r->seed + (uint64_t)i);
        sdrt_rng_normal(&run->rngs[i], own, n);
        sample(vae, moments, own, pixels, own);
        sdrt_rng_normal(&run->rngs[i], noise + (size_t)i * n, n);
    }
    const int status = sdrt_run_dump_latent(run, "begin");
    sdrt_sampler_add_noise(run->samplers[SDRT_PART_BASE], noise, latent);
    return status;
}

int sdrt_run_encoder(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    int status = sdrt_run_report(run, SDRT_STAGE_ENCODE, 0, 1);

    if (status != SDRT_OK) return status;
    fill_pixels(&run->begin, sdrt_session_map(run->s, SDRT_PART_BASE, "pixels"));
    snprintf(run->prefix, sizeof run->prefix, "%s", pass->dumps);
    status = sdrt_run_program(run, pass);
    if (status == SDRT_OK) status = begin_images(run);
    return status == SDRT_OK ? sdrt_run_report(run, SDRT_STAGE_ENCODE, 1, 1) : status;
}
