/* SPDX-License-Identifier: MIT */
#include "model/pipeline/begin.h"
#include "runtime/base/choices.h"

#include <math.h>

const char *sdrt_masked_content_name(int i)
{
    static const char *const names[] = {
        [SDRT_MASKED_ORIGINAL] = "original",
        [SDRT_MASKED_FILL] = "fill",
        [SDRT_MASKED_NOISE] = "noise",
        [SDRT_MASKED_NOTHING] = "nothing",
    };

    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}

/* ---- what a request means ---- */

static int extended(const struct sdrt_request *r)
{
    return r->extend_left || r->extend_top || r->extend_right || r->extend_bottom;
}

int sdrt_begin_masked(const struct sdrt_request *r) { return r->mask || extended(r); }

enum sdrt_masked sdrt_begin_content(const struct sdrt_request *r)
{
    if (!r->masked_content) return extended(r) ? SDRT_MASKED_FILL : SDRT_MASKED_ORIGINAL;
    return (enum sdrt_masked)sdrt_choice(sdrt_masked_content_name, r->masked_content);
}

enum sdrt_resize sdrt_begin_mode(const struct sdrt_request *r)
{
    if (!r->resize_mode) return SDRT_RESIZE_JUST;
    return (enum sdrt_resize)sdrt_choice(sdrt_resize_mode_name, r->resize_mode);
}

void sdrt_begin_size(const struct sdrt_model *m, const struct sdrt_request *r, int *width,
                     int *height)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    const int mmdit = config->denoiser == SDRT_DENOISER_MMDIT;
    const int unit = (mmdit ? config->mmdit.patch : 1) << (config->vae.levels - 1);

    if (r->mask_only) return;
    if (!*width) *width = (r->init->width + r->extend_left + r->extend_right) / unit * unit;
    if (!*height) *height = (r->init->height + r->extend_top + r->extend_bottom) / unit * unit;
    if (!*width) *width = unit;
    if (!*height) *height = unit;
}

int sdrt_begin_first_step(const struct sdrt_model *m, const struct sdrt_request *r, int *first)
{
    /* The decimal number that the caller wrote, which diffusers is given in double. */
    const double strength = rint((double)r->strength * 1e6) / 1e6, run = r->steps * strength;

    *first = 0;
    if (sdrt_model_task(sdrt_model_config_of(m)) == SDRT_TASK_EDIT) return SDRT_OK;
    /* Of SD 3.x the difference is cut to whole steps, of the others the product. */
    if (sdrt_model_config_of(m)->noise.prediction == SDRT_PREDICTION_FLOW)
        *first = (int)(r->steps - fmin(run, r->steps));
    else *first = r->steps - (int)fmin(run, r->steps);
    if (*first < r->steps) return SDRT_OK;
    return sdrt_fail(m->log, SDRT_E_ARG, "strength %g leaves none of %d steps: expected %g or more",
                     strength, r->steps, ceil(1e6 / r->steps) / 1e6);
}

/* ---- what it may be ---- */

static int check_names(const struct sdrt_model *m, const struct sdrt_request *r)
{
    char known[SDRT_CHOICES];

    if (r->resize_mode && sdrt_choice(sdrt_resize_mode_name, r->resize_mode) < 0)
        return sdrt_fail(m->log, SDRT_E_ARG, "unknown resize mode \"%s\": expected %s",
                         r->resize_mode, sdrt_choices(known, sdrt_resize_mode_name));
    if (r->masked_content && sdrt_choice(sdrt_masked_content_name, r->masked_content) < 0)
        return sdrt_fail(m->log, SDRT_E_ARG, "unknown masked content \"%s\": expected %s",
                         r->masked_content, sdrt_choices(known, sdrt_masked_content_name));
    return SDRT_OK;
}

static int check_numbers(const struct sdrt_model *m, const struct sdrt_request *r)
{
    enum { BLUR = 256 };
    const int sides[] = { r->extend_left, r->extend_top, r->extend_right, r->extend_bottom };

    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        if (sides[i] < 0 || sides[i] > SDRT_MAX_PICTURE)
            return sdrt_fail(m->log, SDRT_E_ARG,
                             "%d pixels are added to the picture: expected 0 to %d", sides[i],
                             SDRT_MAX_PICTURE);
    if (r->init->width + sides[0] + sides[2] > SDRT_MAX_PICTURE ||
        r->init->height + sides[1] + sides[3] > SDRT_MAX_PICTURE)
        return sdrt_fail(m->log, SDRT_E_ARG,
                         "the picture becomes %dx%d: expected %d a side at most",
                         r->init->width + sides[0] + sides[2],
                         r->init->height + sides[1] + sides[3], SDRT_MAX_PICTURE);
    if (!(r->mask_blur >= 0.0f && r->mask_blur <= BLUR))
        return sdrt_fail(m->log, SDRT_E_ARG, "mask blur %g: expected 0 to %d", (double)r->mask_blur,
                         BLUR);
    if (r->mask_padding < 0 || r->mask_padding > SDRT_MAX_PICTURE)
        return sdrt_fail(m->log, SDRT_E_ARG, "mask padding %d: expected 0 to %d", r->mask_padding,
                         SDRT_MAX_PICTURE);
    return SDRT_OK;
}

int sdrt_begin_check(const struct sdrt_model *m, const struct sdrt_request *r)
{
    int status = check_names(m, r);

    if (status == SDRT_OK) status = check_numbers(m, r);
    if (status != SDRT_OK) return status;
    if (!sdrt_begin_masked(r) && (r->mask_invert || r->mask_only || r->masked_content))
        return sdrt_fail(m->log, SDRT_E_ARG, "%s without a mask: expected one",
                         r->mask_invert ? "an inverted mask"
                         : r->mask_only ? "the mask alone"
                                        : "masked content");
    if (!(r->image_cfg_scale >= 1.0f && r->image_cfg_scale <= 1000.0f))
        return sdrt_fail(m->log, SDRT_E_ARG, "image cfg scale %g: expected 1 to 1000",
                         (double)r->image_cfg_scale);
    const struct sdrt_vae_config *vae = &sdrt_model_config_of(m)->vae;
    if (vae->has_encoder || vae->tiny_encoder) return SDRT_OK;
    return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                     "%s: its VAE has a decoder only: expected an encoder "
                     "too, to begin with a picture",
                     m->parts[SDRT_PART_BASE].name);
}
