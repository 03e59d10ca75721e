/* SPDX-License-Identifier: MIT */
#include "tools/options_together.h"

#include <string.h>

static int choose_model(struct sdgen_options *o, const struct sdrt_log *log)
{
    const float small_cfg_scale = 3.0f; /* looked best, see its card */
    int small;

    if (o->model.model) return SDRT_OK;
    o->model.model = default_model(o->small_model, &small);
    if (!o->model.model)
        return sdrt_fail(log, SDRT_E_ARG, "no model: expected -m FILE or FOLDER; see --help");
    if (small && !o->cfg_scale) o->request.cfg_scale = small_cfg_scale;
    if (small && !o->quiet)
        sdrt_note(log, SDRT_LOG_INFO, "no model is named: taking the small one, %s",
                  o->model.model);
    return SDRT_OK;
}

/* Options that mean nothing without a picture, or without a mask. */
static int check_pictures(struct sdgen_options *o, const struct sdrt_log *log)
{
    const struct sdrt_request *r = &o->request;
    const int extended = r->extend_left || r->extend_top || r->extend_right || r->extend_bottom;
    const char *of_init = o->strength                        ? "strength"
                          : o->image_cfg_scale               ? "image-cfg-scale"
                          : r->resize_mode && !r->n_controls ? "resize-mode"
                          : o->mask                          ? "mask"
                          : extended                         ? "extend"
                                                             : NULL;
    const char *of_mask = r->mask_invert      ? "invert-mask"
                          : o->mask_blur > 0  ? "mask-blur"
                          : r->masked_content ? "masked-content"
                          : r->mask_only      ? "only-masked"
                          : o->mask_padding   ? "mask-padding"
                                              : NULL;

    if (of_init && !o->init)
        return sdrt_fail(log, SDRT_E_ARG, "--%s: expected --init FILE beside it", of_init);
    if (of_mask && !o->mask && !extended)
        return sdrt_fail(log, SDRT_E_ARG, "--%s: expected --mask FILE or --extend beside it",
                         of_mask);
    if (r->n_ip_adapters && !r->clip_vision)
        return sdrt_fail(log, SDRT_E_ARG, "--ip-adapter: expected --clip-vision FILE beside it");
    if (r->clip_vision && !r->n_ip_adapters)
        return sdrt_fail(log, SDRT_E_ARG, "--clip-vision: expected --ip-adapter beside it");
    if (r->control_guess && !r->n_controls)
        return sdrt_fail(log, SDRT_E_ARG, "--control-guess: expected --control beside it");
    if (o->mask_padding && !r->mask_only)
        return sdrt_fail(log, SDRT_E_ARG, "--mask-padding: expected --only-masked beside it");
    o->request.mask_blur = (float)o->mask_blur;
    return SDRT_OK;
}

/* What has one process in mind, or one place for all images. */
static int check_many(const struct sdgen_options *o, const struct sdrt_log *log)
{
    const char *other = o->plan                                          ? "plan"
                        : o->inspect                                     ? "inspect"
                        : o->upscale_input                               ? "upscale"
                        : o->compare                                     ? "compare"
                        : o->dump                                        ? "dump"
                        : o->grid                                        ? "grid"
                        : o->show                                        ? "show"
                        : o->json                                        ? "json"
                        : o->output && !strcmp(o->output, "-")           ? "output -"
                        : o->prompt_file && !strcmp(o->prompt_file, "-") ? "prompt-file -"
                                                                         : NULL;

    if (o->mpi_timeout > 0.0 && !o->mpi)
        return sdrt_fail(log, SDRT_E_ARG, "--mpi-timeout %g: expected --mpi beside it",
                         o->mpi_timeout);
    if (o->mpi && other)
        return sdrt_fail(log, SDRT_E_ARG, "--mpi, --%s: expected one of them", other);
    return SDRT_OK;
}

/* What an image says of precision gives way to what is computed on, and to others that are compared with. */
static void leave_precision(struct sdgen_options *o)
{
    if (!sdgen_given(o, "precision") && (o->model.isa || o->model.device || o->compare))
        o->model.precision = NULL;
}

/* What --precision auto cannot measure, or would measure for nothing. */
static int check_precision(const struct sdgen_options *o, const struct sdrt_log *log)
{
    const char *other = o->model.isa                                        ? "isa"
                        : o->model.device && strcmp(o->model.device, "cpu") ? "device"
                        : o->compare                                        ? "compare"
                        : o->plan                                           ? "plan"
                        : o->inspect                                        ? "inspect"
                        : o->upscale_input                                  ? "upscale"
                        : o->mpi                                            ? "mpi"
                                                                            : NULL;

    if (o->precision_db > 0.0 && other)
        return sdrt_fail(log, SDRT_E_ARG, "--precision auto:%g, --%s: expected one of them",
                         o->precision_db, other);
    return SDRT_OK;
}

/* What says something only beside another option, or only without one. */
static int check_companions(const struct sdgen_options *o, const struct sdrt_log *log)
{
    if (o->compare && (o->model.precision || o->dump || o->show || o->grid || o->output ||
                       o->plan || o->batch_count > 1))
        return sdrt_fail(log, SDRT_E_ARG,
                         "--compare %s: expected without --precision, --dump, --show, --grid, "
                         "--output, --plan and --batch-count",
                         o->compare);
    if (o->dump_filters && !o->dump)
        return sdrt_fail(log, SDRT_E_ARG, "--dump-filter '%s': expected --dump DIR beside it",
                         o->dump_filter[0]);
    if (o->refiner_start && !o->model.refiner)
        return sdrt_fail(log, SDRT_E_ARG, "--refiner-start %g: expected --refiner FILE beside it",
                         o->request.refiner_start);
    return SDRT_OK;
}

/* Where things are written. */
static int check_outputs(const struct sdgen_options *o, const struct sdrt_log *log)
{
    if (o->output && !strcmp(o->output, "-") && (o->show || o->json))
        return sdrt_fail(log, SDRT_E_ARG,
                         "--output -, --%s: expected one of them, as both write to "
                         "standard output",
                         o->json ? "json" : "show");
    if (o->from_image && !o->from_text)
        return sdrt_fail(log, SDRT_E_ARG, "--from-image: expected its name in full");
    if (o->show && o->json)
        return sdrt_fail(log, SDRT_E_ARG,
                         "--show, --json: expected one of them, as both write to "
                         "standard output");
    return SDRT_OK;
}

/* A second pass at a larger size, and an enlarger behind it. */
static int check_enlarging(const struct sdgen_options *o, const struct sdrt_log *log)
{
    const char *of_hires = o->hires_strength           ? "hires-strength"
                           : o->request.hires_steps    ? "hires-steps"
                           : o->request.hires_upscaler ? "hires-upscaler"
                                                       : NULL;
    if (of_hires && o->request.hires == 0.0f)
        return sdrt_fail(log, SDRT_E_ARG, "--%s: expected --hires X beside it", of_hires);
    if (o->request.hires != 0.0f && (o->init || o->dump || o->compare))
        return sdrt_fail(log, SDRT_E_ARG, "--hires, --%s: expected one of them",
                         o->init   ? "init"
                         : o->dump ? "dump"
                                   : "compare");
    if (o->upscale_tile && !o->upscale)
        return sdrt_fail(log, SDRT_E_ARG, "--upscale-tile %d: expected --upscale FILE beside it",
                         o->upscale_tile);
    if (o->upscale && (o->compare || o->plan))
        return sdrt_fail(log, SDRT_E_ARG, "--upscale, --%s: expected one of them",
                         o->compare ? "compare" : "plan");
    return SDRT_OK;
}

/* Where the prompt comes from. */
static int check_prompt(struct sdgen_options *o, const struct sdrt_log *log)
{
    if (o->upscale && !o->request.prompt && !o->prompt_file)
        return sdrt_fail(log, SDRT_E_ARG,
                         "--upscale %s: expected a picture to enlarge, or -p TEXT to draw one",
                         o->upscale);
    if (o->prompt_file && o->request.prompt)
        return sdrt_fail(log, SDRT_E_ARG, "--prompt-file, --prompt: expected one of them");
    if (o->prompt_file && o->compare)
        return sdrt_fail(log, SDRT_E_ARG, "--prompt-file, --compare: expected one of them");
    if (o->prompt_file) o->request.prompt = "";
    if (!o->request.prompt)
        return sdrt_fail(log, SDRT_E_ARG, "no prompt: expected -p TEXT; see --help");
    return SDRT_OK;
}

int sdgen_check_together(struct sdgen_options *o, const char *stray, const char *more,
                         const struct sdrt_log *log)
{
    if (stray && o->upscale && !o->request.prompt && !o->prompt_file) {
        o->upscale_input = stray;
        stray = more;
    }
    if (stray && o->upscale_input)
        return sdrt_fail(log, SDRT_E_ARG, "'%s': expected one picture to enlarge, which is '%s'",
                         stray, o->upscale_input);
    if (stray)
        return sdrt_fail(log, SDRT_E_ARG,
                         "'%s': expected options only; a prompt of several words needs quotes",
                         stray);
    o->show |= o->show_steps;
    leave_precision(o);
    if (check_precision(o, log)) return SDRT_E_ARG;
    if (check_companions(o, log)) return SDRT_E_ARG;
    if (check_pictures(o, log)) return SDRT_E_ARG;
    if (o->fast && o->cache)
        return sdrt_fail(log, SDRT_E_ARG, "--fast, --cache: expected one of them");
    if (o->fast) o->request.cache = "fast";
    if (o->plan && !o->model.model) o->model.random_weights = 1;
    o->model.plan_only = o->plan;
    if (check_outputs(o, log) || check_enlarging(o, log)) return SDRT_E_ARG;
    if (check_many(o, log)) return SDRT_E_ARG;
    if (o->plan || o->inspect || o->upscale_input) return SDRT_OK;
    if (check_prompt(o, log)) return SDRT_E_ARG;
    return choose_model(o, log);
}
