/* SPDX-License-Identifier: MIT
 *
 * What a request asks of its noise: seeds, variations, and guidance that is told from it.
 */
#include "model/pipeline/guide.h"
#include "model/pipeline/run.h"

#include <math.h>
#include <stdlib.h>

uint64_t sdrt_run_seed(const struct sdrt_run *run, int image)
{
    const int varied = run->r->subseed_strength != 0.0f;

    return run->r->seed + (varied ? 0u : (uint64_t)image);
}

/* A column of a channel: height numbers, width apart. */
struct column {
    float *low;
    const float *high;
    int height, width;
};

static double dot(const float *a, const float *b, const struct column *c)
{
    double sum = 0;

    for (int y = 0; y < c->height; y++) sum += (double)a[y * c->width] * (double)b[y * c->width];
    return sum;
}

static double cosine(const struct column *c)
{
    const double low = sqrt(dot(c->low, c->low, c)), high = sqrt(dot(c->high, c->high, c));

    return dot(c->low, c->high, c) / (low * high);
}

/* The shares of both noises on the great circle between them. */
static void turn(const struct column *c, double strength)
{
    const double omega = acos(fmin(fmax(cosine(c), -1.0), 1.0)), whole = sin(omega);
    const float low = (float)(sin((1.0 - strength) * omega) / whole);
    const float high = (float)(sin(strength * omega) / whole);

    for (int y = 0; y < c->height; y++) {
        float *x = &c->low[y * c->width];
        *x = *x * low + c->high[y * c->width] * high;
    }
}

/* Turns noise of z channels, h x w, towards that of the image's subseed; other has room for as much. */
static void vary(struct sdrt_run *run, int image, float *noise, float *other, int h, int w)
{
    const struct sdrt_session *s = run->s;
    const int z = sdrt_model_config_of(s->model)->vae.latent_channels;
    const double strength = (double)run->r->subseed_strength;
    double mean = 0;
    struct sdrt_rng *rng = &run->rngs[s->shape.batch]; /* one to spare */

    if (strength == 0.0) return;
    sdrt_rng_seed(rng, run->rng_kind, run->r->subseed + (uint64_t)image);
    sdrt_rng_normal(rng, other, (size_t)z * (size_t)h * (size_t)w);
    for (int i = 0; i < z * w; i++) {
        const size_t at = (size_t)(i / w) * (size_t)h * (size_t)w + (size_t)(i % w);
        const struct column c = { noise + at, other + at, h, w };
        mean += cosine(&c) / (z * w);
    }
    for (int i = 0; i < z * w; i++) {
        const size_t at = (size_t)(i / w) * (size_t)h * (size_t)w + (size_t)(i % w);
        const struct column c = { noise + at, other + at, h, w };
        if (mean <= 0.9995) {
            turn(&c, strength);
            continue;
        }
        for (int y = 0; y < h; y++) /* as the web UI has it, the other way round */
            c.low[y * w] = (float)((double)c.low[y * w] * strength +
                                   (double)c.high[y * w] * (1.0 - strength));
    }
}

/* What a side of small and one of large have in common when their middles lie on each other, as the web UI
 * rounds that. */
struct overlap {
    int length, from, to; /* of small, and where it goes in large */
};

static struct overlap overlap_of(int small, int large)
{
    const int between = large - small, half = between >= 0 ? between / 2 : -((1 - between) / 2);

    return (struct overlap){ half >= 0 ? small : small + 2 * half, half < 0 ? -half : 0,
                             half > 0 ? half : 0 };
}

/* Lays the noise of an image of another size over the middle of noise, [z][h][w]. */
static int lay_resized(struct sdrt_run *run, int image, float *noise, int h, int w)
{
    const struct sdrt_session *s = run->s;
    const struct sdrt_vae_config *vae = &sdrt_model_config_of(s->model)->vae;
    const int unit = 1 << (vae->levels - 1), z = vae->latent_channels;
    const int fh = run->r->seed_resize_height / unit, fw = run->r->seed_resize_width / unit;
    const struct overlap y = overlap_of(fh, h), x = overlap_of(fw, w);
    const size_t n = (size_t)z * (size_t)fh * (size_t)fw;
    struct sdrt_rng *rng = &run->rngs[s->shape.batch];
    float *from = malloc(2 * n * sizeof *from);

    if (!from) return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for the seed's noise");
    sdrt_rng_seed(rng, run->rng_kind, sdrt_run_seed(run, image));
    sdrt_rng_normal(rng, from, n);
    vary(run, image, from, from + n, fh, fw);
    for (int c = 0; c < z; c++)
        for (int i = 0; i < y.length; i++)
            for (int k = 0; k < x.length; k++)
                noise[((size_t)c * (size_t)h + (size_t)(y.to + i)) * (size_t)w +
                      (size_t)(x.to + k)] =
                    from[((size_t)c * (size_t)fh + (size_t)(y.from + i)) * (size_t)fw +
                         (size_t)(x.from + k)];
    free(from);
    return SDRT_OK;
}

int sdrt_run_draw_noise(struct sdrt_run *run, int image, float *noise)
{
    const struct sdrt_session *s = run->s;
    const struct sdrt_vae_config *vae = &sdrt_model_config_of(s->model)->vae;
    const int h = s->shape.h, w = s->shape.w, unit = 1 << (vae->levels - 1);
    const int fh = run->r->seed_resize_height / unit, fw = run->r->seed_resize_width / unit;

    sdrt_rng_normal(&run->rngs[image], noise, (size_t)vae->latent_channels * (size_t)h * (size_t)w);
    if (fh && fw && (fh != h || fw != w)) return lay_resized(run, image, noise, h, w);
    vary(run, image, noise, sdrt_slot_map(&s->slots, s->scaled), h, w);
    return SDRT_OK;
}

void sdrt_run_turn_generators(struct sdrt_run *run)
{
    const struct sdrt_shape *shape = &run->s->shape;

    for (int i = 0; i < shape->batch; i++) run->seeds[i] = sdrt_run_seed(run, i);
    for (int i = 0; i < run->s->model->n_parts; i++)
        sdrt_sampler_seed(run->samplers[i], run->rng_kind, run->seeds);
    for (int i = 0; run->r->eta_noise_seed_delta && i < shape->batch; i++)
        sdrt_rng_seed(&run->rngs[i], run->rng_kind, run->seeds[i] + run->r->eta_noise_seed_delta);
}

/* ---- guidance ---- */

void sdrt_run_guide(const struct sdrt_run *run, int evaluation, int total, const float *conditional,
                    float *unconditional, float *before, size_t n)
{
    const float scale = sdrt_guide_scale(run->r, evaluation, total);

    for (int i = 0; i < run->s->shape.batch; i++) {
        const size_t at = (size_t)i * n;
        sdrt_guidance_apply(&run->guidance, scale, n, conditional + at, unconditional + at,
                            before ? before + at : NULL, unconditional + at);
    }
}

static double deviation(const float *x, size_t n)
{
    double mean = 0, sum = 0;

    for (size_t i = 0; i < n; i++) mean += (double)x[i] / (double)n;
    for (size_t i = 0; i < n; i++) sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sqrt(sum / (double)(n - 1));
}

void sdrt_run_rescale(const struct sdrt_run *run, const float *conditional, float *guided, size_t n)
{
    const float share = run->r->cfg_rescale;

    for (int i = 0; share > 0.0f && i < run->s->shape.batch; i++) {
        const float *c = conditional + (size_t)i * n;
        float *x = guided + (size_t)i * n;
        const float factor = (float)(deviation(c, n) / deviation(x, n));
        for (size_t k = 0; k < n; k++) x[k] = share * (x[k] * factor) + (1.0f - share) * x[k];
    }
}
