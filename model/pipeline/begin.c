/* SPDX-License-Identifier: MIT */
#include "model/pipeline/begin.h"
#include "model/pipeline/picture.h"
#include "model/pipeline/run.h"
#include "runtime/base/choices.h"

#include <math.h>

static enum sdrt_resize resize_mode(const struct sdrt_request *r)
{
    const int i = r->resize_mode ? sdrt_choice(sdrt_resize_mode_name, r->resize_mode) : 0;

    return (enum sdrt_resize)i;
}

void sdrt_begin_size(const struct sdrt_model *m, const struct sdrt_request *r, int *width,
                     int *height)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    const int mmdit = config->denoiser == SDRT_DENOISER_MMDIT;
    const int unit = (mmdit ? config->mmdit.patch : 1) << (config->vae.levels - 1);

    if (!*width) *width = r->init->width / unit * unit;
    if (!*height) *height = r->init->height / unit * unit;
    if (!*width) *width = unit;
    if (!*height) *height = unit;
}

int sdrt_begin_first_step(const struct sdrt_model *m, const struct sdrt_request *r, int *first)
{
    /* The decimal number that the caller wrote, which diffusers is given in double. */
    const double strength = rint((double)r->strength * 1e6) / 1e6, run = r->steps * strength;

    /* Of SD 3.x the difference is cut to whole steps, of the others the product. */
    if (sdrt_model_config_of(m)->noise.prediction == SDRT_PREDICTION_FLOW)
        *first = (int)(r->steps - fmin(run, r->steps));
    else *first = r->steps - (int)fmin(run, r->steps);
    if (*first < r->steps) return SDRT_OK;
    return sdrt_fail(m->log, SDRT_E_ARG, "strength %g leaves none of %d steps: expected %g or more",
                     strength, r->steps, ceil(1e6 / r->steps) / 1e6);
}

int sdrt_begin_check(const struct sdrt_model *m, const struct sdrt_request *r)
{
    char known[SDRT_CHOICES];

    if (r->resize_mode && sdrt_choice(sdrt_resize_mode_name, r->resize_mode) < 0)
        return sdrt_fail(m->log, SDRT_E_ARG, "unknown resize mode \"%s\": expected %s",
                         r->resize_mode, sdrt_choices(known, sdrt_resize_mode_name));
    if (sdrt_model_config_of(m)->vae.has_encoder) return SDRT_OK;
    return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "%s: its VAE has a decoder only: expected an encoder "
                     "too, to begin with a picture", m->parts[SDRT_PART_BASE].name);
}

int sdrt_begin_prepare(struct sdrt_run *run)
{
    const struct sdrt_request *r = run->r;
    const struct sdrt_log *log = run->s->log;
    struct sdrt_pixels *p = &run->begin;
    int status = sdrt_pixels_of(p, r->init, 3, log);

    if (status == SDRT_OK && (p->width != r->width || p->height != r->height))
        sdrt_note(log, SDRT_LOG_INFO, "the picture of %dx%d becomes one of %dx%d (%s)", p->width,
                  p->height, r->width, r->height, sdrt_resize_mode_name((int)resize_mode(r)));
    if (status == SDRT_OK && r->init->channels == 4)
        sdrt_note(log, SDRT_LOG_INFO, "where the picture is transparent it is laid on white");
    return status == SDRT_OK ? sdrt_pixels_resize(p, r->width, r->height, resize_mode(r), log)
                             : status;
}
