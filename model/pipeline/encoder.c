/* SPDX-License-Identifier: MIT
 *
 * From a picture to the latent that a run begins with.
 */
#include "model/pipeline/bands.h"
#include "model/pipeline/run.h"

#include <math.h>
#include <stdio.h>

/* Bytes to -1 .. 1, in diffusers' order of operations, or of a TAESD to 0 .. 1; grey where hole (may
 * be NULL) is white. */
static void fill_pixels(const struct sdrt_pixels *p, const struct sdrt_pixels *hole, int is_tiny,
                        float *out)
{
    const size_t n = (size_t)p->width * (size_t)p->height * 3;

    for (size_t i = 0; i < n; i++)
        out[i] = hole && hole->rgb[i / 3] ? 0.0f : 2.0f * ((float)p->rgb[i] / 255.0f) - 1.0f;
    for (size_t i = 0; i < n && is_tiny; i++) out[i] = (out[i] + 1.0f) / 2.0f;
}

static float *pixels_of(const struct sdrt_session *s)
{
    const struct sdrt_bands *bands = s->bands[SDRT_VAE_ENCODER];

    return bands ? sdrt_bands_in(bands, sdrt_session_bands_arena(s))
                 : sdrt_session_map(s, SDRT_PART_BASE, "pixels");
}

const float *sdrt_run_moments(const struct sdrt_session *s)
{
    const struct sdrt_bands *bands = s->bands[SDRT_VAE_ENCODER];

    return bands ? sdrt_bands_out(bands, sdrt_session_bands_arena(s))
                 : sdrt_session_map(s, SDRT_PART_BASE, "moments");
}

/* The caller may stop there. */
static int between_passes(void *user, int done, int total)
{
    (void)done;
    (void)total;
    return sdrt_run_report(user, SDRT_STAGE_ENCODE, 0, 1) != SDRT_OK;
}

static int encode_pixels(struct sdrt_run *run, const struct sdrt_pass *pass,
                         const struct sdrt_pixels *pixels, const struct sdrt_pixels *hole,
                         int canny)
{
    struct sdrt_bands *bands = run->s->bands[SDRT_VAE_ENCODER];
    float *to = pixels_of(run->s);

    fill_pixels(pixels, hole, sdrt_model_config_of(run->s->model)->vae.tiny_encoder != 0, to);
    for (int i = 0; canny && i < pixels->width * pixels->height * 3; i++)
        to[i] = (float)pixels->rgb[i] * 0.5f + 0.5f;
    snprintf(run->prefix, sizeof run->prefix, "%s%s", pass->dumps, hole ? "hole/" : "");
    if (!bands) return sdrt_run_program(run, pass);
    return sdrt_bands_run(bands, sdrt_session_bands_arena(run->s), run->s->queue, between_passes,
                          run);
}

static int encode(struct sdrt_run *run, const struct sdrt_pass *pass,
                  const struct sdrt_pixels *hole)
{
    return encode_pixels(run, pass, &run->canvas.init, hole, 0);
}

int sdrt_run_encode(struct sdrt_run *run, const struct sdrt_pass *encoder,
                    const struct sdrt_pixels *picture, int canny)
{
    return encode_pixels(run, encoder, picture, NULL, canny);
}

/* The VAE's latent, channel c, as the denoiser has it. */
static float normalised(const struct sdrt_vae_config *vae, int c, float x)
{
    if (vae->has_stats) return (x - vae->mean[c]) * vae->scaling_factor / vae->std[c];
    return (x - vae->shift_factor) * vae->scaling_factor;
}

/* Where a run begins: its memory, found once; all but mask and moments [batch][z][pixels]. */
struct beginning {
    struct sdrt_run *run;
    const struct sdrt_pass *pass;
    const struct sdrt_vae_config *vae;
    const float *moments; /* [pixels][2 * z], or [pixels][z] of a TAESD */
    float *mask;          /* [pixels], 1 where it is redrawn; NULL: everywhere */
    float *latent, *begin, *noise;
    float *scratch;
    float *beside; /* [batch][pixels][1 + z]; NULL unless the denoiser reads that */
    int pixels, z, batch;
    size_t n; /* numbers of an image */
};

static struct beginning beginning_of(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    const struct sdrt_session *s = run->s;
    const struct sdrt_vae_config *vae = &sdrt_model_config_of(s->model)->vae;
    float *begin = sdrt_session_map(s, SDRT_PART_BASE, "begin");
    float *noise = sdrt_session_map(s, SDRT_PART_BASE, "noise");
    const int pixels = s->shape.h * s->shape.w;

    return (struct beginning){
        .run = run,
        .pass = pass,
        .vae = vae,
        .moments = sdrt_run_moments(s),
        .mask = sdrt_session_map(s, SDRT_PART_BASE, "mask"),
        .latent = sdrt_slot_map(&s->slots, s->latent),
        .begin = begin ? begin : sdrt_slot_map(&s->slots, s->latent),
        .noise = noise ? noise : sdrt_slot_map(&s->slots, s->guided),
        .scratch = sdrt_slot_map(&s->slots, s->scaled),
        .beside = sdrt_session_map(s, SDRT_PART_BASE, "beside"),
        .pixels = pixels,
        .z = vae->latent_channels,
        .batch = s->shape.batch,
        .n = (size_t)pixels * (size_t)vae->latent_channels,
    };
}

/* Draws from image i's generator a sample of the distribution that the encoder gives; a TAESD's gives
 * the latent itself. */
static void sample(const struct beginning *b, int i, float *latent)
{
    const int tiny = b->vae->tiny_encoder, width = tiny ? b->z : 2 * b->z;

    if (!tiny) sdrt_rng_normal(&b->run->rngs[i], latent, b->n);
    for (int k = 0; k < b->z * b->pixels; k++) {
        const int c = k / b->pixels;
        const float *at = b->moments + (size_t)(k % b->pixels) * (size_t)width + c;
        if (tiny) {
            latent[k] = at[0];
            continue;
        }
        const float variance = fminf(fmaxf(at[b->z], -30.0f), 20.0f);
        latent[k] = normalised(b->vae, c, at[0] + expf(0.5f * variance) * latent[k]);
    }
}

/* The pixel at each latent position's corner says whether it is redrawn: torch's nearest. */
static void fill_mask(const struct beginning *b)
{
    const struct sdrt_pixels *redraw = &b->run->canvas.redraw;
    const int w = b->run->s->shape.w, up = redraw->width / w;

    for (int i = 0; i < b->pixels; i++) {
        const size_t y = (size_t)(i / w) * (size_t)up, x = (size_t)(i % w) * (size_t)up;
        b->mask[i] = redraw->rgb[y * (size_t)redraw->width + x] ? 1.0f : 0.0f;
    }
}

/* What the run begins with: noise alone where all under a mask is to be redrawn, as diffusers' inpainting
 * pipelines do, else the picture with noise. */
static void start(const struct beginning *b, int noise_alone)
{
    const struct sdrt_sampler *sampler = b->run->samplers[SDRT_PART_BASE];
    const enum sdrt_masked content = b->mask ? sdrt_begin_content(b->run->r) : SDRT_MASKED_ORIGINAL;
    float keep = 0.0f, gain = sdrt_sampler_initial_scale(sampler);

    if (!noise_alone) sdrt_sampler_mix(sampler, 0, &keep, &gain);
    for (size_t k = 0; k < (size_t)b->batch * b->n; k++) {
        const int redrawn = b->mask && b->mask[k % (size_t)b->pixels] > 0.0f;
        float base = noise_alone ? 0.0f : b->begin[k];
        if (redrawn && content == SDRT_MASKED_NOISE) base = b->noise[k];
        if (redrawn && content == SDRT_MASKED_NOTHING) base = 0.0f;
        b->latent[k] = keep * base + gain * b->noise[k];
    }
}

/* Mask, and the picture without what is under it, as an inpainting model reads them.  For others
 * the draws alone, so that what is drawn after them is as in diffusers. */
static int take_hole(const struct beginning *b)
{
    int status = b->beside ? encode(b->run, b->pass, &b->run->canvas.redraw) : SDRT_OK;

    for (int i = 0; i < b->batch && status == SDRT_OK; i++) {
        if (b->beside) sample(b, i, b->scratch);
        else if (!b->vae->tiny_encoder) sdrt_rng_normal(&b->run->rngs[i], b->scratch, b->n);
        for (int p = 0; b->beside && p < b->pixels; p++) {
            float *to = b->beside +
                        ((size_t)i * (size_t)b->pixels + (size_t)p) * (size_t)(b->z + 1);
            to[0] = b->mask[p];
            for (int c = 0; c < b->z; c++)
                to[1 + c] = b->scratch[(size_t)c * (size_t)b->pixels + (size_t)p];
        }
    }
    return status;
}

/* Each image's generator draws as diffusers' do: for the sample, for the noise upon it, for the sample
 * of what is not under a mask, and then what the sampler wants. */
static int begin(const struct beginning *b)
{
    struct sdrt_run *run = b->run;
    const int noise_alone = b->mask && run->r->strength >= 1.0f;
    const int sampled = !(noise_alone && b->beside);
    int status = sampled ? encode(run, b->pass, NULL) : SDRT_OK;

    if (status != SDRT_OK) return status;
    if (b->mask) fill_mask(b);
    for (int i = 0; i < b->batch && status == SDRT_OK; i++) {
        sdrt_rng_seed(&run->rngs[i], run->rng_kind, sdrt_run_seed(run, i));
        if (sampled) sample(b, i, b->begin + (size_t)i * b->n);
        status = sdrt_run_draw_noise(run, i, b->noise + (size_t)i * b->n);
    }
    if (status != SDRT_OK) return status;
    start(b, noise_alone);
    if (b->mask) status = take_hole(b);
    return status == SDRT_OK ? sdrt_run_dump_latent(run, "begin") : status;
}

/* An editing model reads the mean of the distribution, as the VAE has it or, of a model of EDM, scaled
 * (CosXL); the run begins with noise. */
static int begin_edit(const struct beginning *b)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(b->run->s->model);
    const float scale = config->noise.edm ? b->vae->scaling_factor : 1.0f;
    const int status = encode(b->run, b->pass, NULL);

    for (int i = 0; i < b->batch && status == SDRT_OK; i++)
        for (int p = 0; p < b->pixels; p++)
            for (int c = 0; c < b->z; c++)
                b->beside[((size_t)i * (size_t)b->pixels + (size_t)p) * (size_t)b->z + (size_t)c] =
                    scale * b->moments[(size_t)p * (size_t)(2 * b->z) + (size_t)c];
    return status == SDRT_OK ? sdrt_run_prepare_noise(b->run) : status;
}

int sdrt_run_encoder(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    const struct beginning b = beginning_of(run, pass);
    int status = sdrt_run_report(run, SDRT_STAGE_ENCODE, 0, 1);

    const int edits = b.beside && !b.mask;
    if (status == SDRT_OK && run->r->init) status = edits ? begin_edit(&b) : begin(&b);
    if (status == SDRT_OK) status = sdrt_run_encode_controls(run, pass);
    return status == SDRT_OK ? sdrt_run_report(run, SDRT_STAGE_ENCODE, 1, 1) : status;
}
