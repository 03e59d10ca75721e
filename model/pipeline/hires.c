/* SPDX-License-Identifier: MIT */
#include "model/pipeline/hires.h"
#include "model/pipeline/run.h"
#include "model/pipeline/upscaler.h"
#include "runtime/base/choices.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8 /* times larger */ };

/* ---- what it means ---- */

enum kind { LATENT, LATENT_NEAREST, LANCZOS, NETWORK };

static const char *kind_name(int i)
{
    static const char *const names[] = { "latent", "latent_nearest", "lanczos" };

    return i >= 0 && i < NETWORK ? names[i] : NULL;
}

static enum kind kind_of(const struct sdrt_request *r)
{
    const int named = r->hires_upscaler ? sdrt_choice(kind_name, r->hires_upscaler) : LATENT;

    return named < 0 ? NETWORK : (enum kind)named;
}

/* What no caller's request can point to. */
static const char begins[] = "latent";

int sdrt_hires_asked(const struct sdrt_request *r)
{
    return r->hires != 0.0f && r->hires_upscaler != begins;
}

int sdrt_hires_begins(const struct sdrt_request *r) { return r->hires_upscaler == begins; }

const char *sdrt_hires_label(const struct sdrt_request *r)
{
    static const char *const labels[] = { "Latent", "Latent (nearest)", "Lanczos" };
    const enum kind kind = kind_of(r);

    return kind == NETWORK ? r->hires_upscaler : labels[kind];
}

/* Down to what the model can draw. */
static int enlarged(const struct sdrt_model *m, const struct sdrt_request *r, int side)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    const int mmdit = config->denoiser == SDRT_DENOISER_MMDIT;
    const int unit = (mmdit ? config->mmdit.patch : 1) << (config->vae.levels - 1);
    const double factor = rint((double)r->hires * 1e6) / 1e6; /* as the caller wrote it */

    return (int)(side * factor) / unit * unit;
}

struct sdrt_request sdrt_hires_second(const struct sdrt_model *m, const struct sdrt_request *r,
                                      int i, const struct sdrt_picture *init)
{
    const struct sdrt_request first = sdrt_request_resolved(m, r);
    struct sdrt_request second = *r;

    second.width = enlarged(m, r, first.width);
    second.height = enlarged(m, r, first.height);
    second.batch = 1;
    if (r->subseed_strength != 0.0f) second.subseed += (uint64_t)i;
    else second.seed += (uint64_t)i;
    second.init = init;
    second.strength = r->hires_strength;
    if (r->hires_steps) second.steps = r->hires_steps;
    second.hires = 0.0f;
    second.hires_upscaler = init ? NULL : begins;
    return sdrt_request_resolved(m, &second);
}

int sdrt_hires_check(const struct sdrt_model *m, const struct sdrt_request *r,
                     struct sdrt_request *second)
{
    static const uint8_t grey[3];
    static const struct sdrt_picture any = { grey, 1, 1, 3, 0 };
    struct sdrt_shape shape;

    if (!(r->hires > 1.0f && r->hires <= MOST))
        return sdrt_fail(m->log, SDRT_E_ARG, "hires %g: expected above 1 and up to %d times",
                         (double)r->hires, MOST);
    if (!(r->hires_strength > 0.0f && r->hires_strength <= 1.0f))
        return sdrt_fail(m->log, SDRT_E_ARG,
                         "hires strength %g: expected a number above 0 and up to 1",
                         (double)r->hires_strength);
    if (r->hires_steps < 0 || (r->hires_steps && (r->n_sigmas || r->n_timesteps)))
        return sdrt_fail(
            m->log, SDRT_E_ARG,
            "%d hires steps: expected 0, or a number without lists of sigmas or timesteps",
            r->hires_steps);
    if (r->init)
        return sdrt_fail(m->log, SDRT_E_ARG, "hires with an initial picture: expected one of them");
    if (r->dump) return sdrt_fail(m->log, SDRT_E_ARG, "hires with dumps: expected one of them");
    *second = sdrt_hires_second(m, r, 0, kind_of(r) < LANCZOS ? NULL : &any);
    return sdrt_request_check(m, second, &shape, NULL, NULL);
}

/* ---- latents ---- */

int sdrt_hires_keep(struct sdrt_run *run)
{
    struct sdrt_session *s = run->s;
    struct sdrt_hires *h = run->hires;
    const size_t bytes = s->slots.slot[s->latent].bytes;

    if (!h || h->second || !h->of_latents) return SDRT_OK;
    h->latents = malloc(bytes);
    if (!h->latents) return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for latents");
    memcpy(h->latents, sdrt_slot_map(&s->slots, s->latent), bytes);
    h->h = s->shape.h;
    h->w = s->shape.w;
    return SDRT_OK;
}

/* Where position at of to ones lies among from, as torch's interpolate() in f32: between *low and the next,
 * whose share is returned. */
static float place(int at, int from, int to, int nearest, int *low)
{
    const float scale = (float)from / (float)to;
    const float x = nearest ? (float)at * scale : fmaxf(scale * ((float)at + 0.5f) - 0.5f, 0.0f);

    *low = (int)x < from ? (int)x : from - 1;
    return nearest ? 0.0f : x - (float)*low;
}

/* One channel. */
static void enlarge_plane(const struct sdrt_hires *h, int nearest, const float *from, int to_h,
                          int to_w, float *to)
{
    for (int y = 0; y < to_h; y++) {
        int y0, x0;
        const float fy = place(y, h->h, to_h, nearest, &y0);
        const float *upper = from + (size_t)y0 * (size_t)h->w;
        const float *lower = upper + (y0 < h->h - 1 ? h->w : 0);
        for (int x = 0; x < to_w; x++) {
            const float fx = place(x, h->w, to_w, nearest, &x0);
            const int x1 = x0 < h->w - 1 ? x0 + 1 : x0;
            *to++ = (1.0f - fy) * ((1.0f - fx) * upper[x0] + fx * upper[x1]) +
                    fy * ((1.0f - fx) * lower[x0] + fx * lower[x1]);
        }
    }
}

int sdrt_hires_begin(struct sdrt_run *run)
{
    struct sdrt_session *s = run->s;
    const struct sdrt_hires *h = run->hires;
    const int z = sdrt_model_config_of(s->model)->vae.latent_channels;
    const size_t from = (size_t)h->h * (size_t)h->w, to = (size_t)s->shape.h * (size_t)s->shape.w;
    float *latent = sdrt_slot_map(&s->slots, s->latent);
    float *noise = sdrt_slot_map(&s->slots, s->guided), keep, gain;

    for (size_t c = 0; c < (size_t)z; c++)
        enlarge_plane(h, h->of_latents > 1, h->latents + ((size_t)h->image * (size_t)z + c) * from,
                      s->shape.h, s->shape.w, latent + c * to);
    sdrt_rng_seed(&run->rngs[0], run->rng_kind, sdrt_run_seed(run, 0));
    const int status = sdrt_run_draw_noise(run, 0, noise);
    sdrt_sampler_mix(run->samplers[SDRT_PART_BASE], 0, &keep, &gain);
    for (size_t i = 0; i < (size_t)z * to; i++) latent[i] = keep * latent[i] + gain * noise[i];
    return status;
}

/* ---- both drawings ---- */

/* The first's pictures and what is told of them, until the second's stand in their place. */
struct results {
    uint8_t *images;
    char *parameters[SDRT_MAX_BATCH];
    int width, height;
};

static struct results take_results(struct sdrt_session *s)
{
    struct results r = { .images = s->images, .width = s->width, .height = s->height };

    s->images = NULL;
    memcpy(r.parameters, s->parameters, sizeof r.parameters);
    memset(s->parameters, 0, sizeof s->parameters);
    return r;
}

static void put_results(struct sdrt_session *s, struct results *r, int n)
{
    free(s->images);
    for (int i = 0; i < SDRT_MAX_BATCH; i++) free(s->parameters[i]);
    s->images = r->images;
    memcpy(s->parameters, r->parameters, sizeof r->parameters);
    s->width = r->width;
    s->height = r->height;
    s->n_images = n;
}

static int is_cancelled(void *user, int done, int total)
{
    const struct sdrt_session *s = user;

    (void)done;
    (void)total;
    return sdrt_queue_cancelled(s->queue);
}

/* The first's picture i at the second's size; out->rgb is the caller's. */
static int enlarge_picture(struct sdrt_session *s, struct sdrt_upscaler *u,
                           const struct results *first, int i, const struct sdrt_request *again,
                           struct sdrt_pixels *out)
{
    const size_t bytes = (size_t)first->width * (size_t)first->height * 3;
    const struct sdrt_picture small = { first->images + (size_t)i * bytes, first->width,
                                        first->height, 3, 0 };
    const struct sdrt_pixels in = { first->images + (size_t)i * bytes, first->width, first->height,
                                    3 };
    int status = u ? sdrt_upscaler_enlarge(u, &in, 0, out, is_cancelled, s)
                   : sdrt_pixels_of(out, &small, 3, s->log);

    if (status != SDRT_OK) return status;
    return sdrt_pixels_resize(out, again->width, again->height, SDRT_RESIZE_JUST, s->log);
}

/* The second drawing of image i, whose picture is appended to *to. */
static int draw_again(struct sdrt_session *s, const struct sdrt_request *r, struct sdrt_upscaler *u,
                      struct sdrt_hires *h, const struct results *first, int i, struct results *to)
{
    struct sdrt_pixels large = { .rgb = NULL };
    struct sdrt_picture init = { .channels = 3 };
    struct sdrt_request again = sdrt_hires_second(s->model, r, i, h->of_latents ? NULL : &init);
    int status = h->of_latents ? SDRT_OK : enlarge_picture(s, u, first, i, &again, &large);

    h->second = 1;
    h->image = i;
    init.pixels = large.rgb;
    init.width = large.width;
    init.height = large.height;
    if (status == SDRT_OK) status = sdrt_run_once(s, &again, h);
    free(large.rgb);
    if (status != SDRT_OK) return status;
    to->width = s->width;
    to->height = s->height;
    const size_t bytes = (size_t)s->width * (size_t)s->height * 3;
    uint8_t *images = realloc(to->images, ((size_t)i + 1) * bytes);
    if (!images) return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for the images");
    to->images = images;
    memcpy(images + (size_t)i * bytes, s->images, bytes);
    return SDRT_OK;
}

int sdrt_hires_generate(struct sdrt_session *s, const struct sdrt_request *r)
{
    const struct sdrt_request once = sdrt_request_resolved(s->model, r);
    const enum kind kind = kind_of(r);
    struct sdrt_hires h = { .of_latents = kind == LATENT ? 1 : kind == LATENT_NEAREST ? 2 : 0 };
    struct sdrt_upscaler *u = NULL;
    struct sdrt_request probe;
    struct results first = { .images = NULL }, second = { .images = NULL };
    int done = 0, status = sdrt_hires_check(s->model, r, &probe);

    if (status == SDRT_OK && kind == NETWORK)
        status = sdrt_upscaler_open_on(&u, r->hires_upscaler, s->model->device->host,
                                       s->queue->workers, s->model->precision, s->log);
    if (status == SDRT_OK) status = sdrt_run_once(s, &once, &h);
    if (status == SDRT_OK && s->stopped_after) goto out; /* the first is what there is */
    if (status == SDRT_OK) first = take_results(s);
    while (status == SDRT_OK && done < r->batch) {
        status = draw_again(s, r, u, &h, &first, done, &second);
        done += status == SDRT_OK;
    }
    memcpy(second.parameters, first.parameters, sizeof second.parameters);
    put_results(s, &second, done);
    free(first.images);
out:
    free(h.latents);
    sdrt_upscaler_close(&u);
    return status;
}
