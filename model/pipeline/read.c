/* SPDX-License-Identifier: MIT */
#include "model/pipeline/read.h"
#include "model/net/controlnet.h"
#include "model/pipeline/control_maps.h"
#include "model/pipeline/model.h"
#include "model/pipeline/picture.h"
#include "model/text/prompt_variants.h"
#include "runtime/base/choices.h"

#include <math.h>
#include <string.h>

enum {
    MOST = 1 << 16, /* bytes: no struct of any version will be larger */
    MOST_CONTROL = 10
};

struct sdrt_options sdrt_options_default(void)
{
    return (struct sdrt_options){ .size = sizeof(struct sdrt_options) };
}

struct sdrt_request sdrt_request_default(void)
{
    return (struct sdrt_request){
        .size = sizeof(struct sdrt_request),
        .prompt = "",
        .steps = 20,
        .refiner_start = 0.8,
        .cfg_scale = 7.5f,
        .schedule = "default",
        .rng = "cpu",
        .batch = 1,
        .strength = 0.75f,
        .eta = -1.0,
        .s_noise = 1.0,
        .cfg_end = 1.0f,
        .mask_padding = 32,
        .image_cfg_scale = 1.5f,
        .hires_strength = 0.5f,
        .slg_start = 0.01f,
        .slg_end = 0.2f,
    };
}

/* Lays the caller's struct over out, which holds the defaults of known bytes; least is the size in
 * the first header.  The size comes first, since nothing behind it may be there. */
static int lay_over(void *out, size_t known, const void *in, size_t least, const char *what,
                    const struct sdrt_log *log)
{
    const unsigned char *bytes = in;
    size_t size;

    memcpy(&size, in, sizeof size);
    if (size < least || size > MOST || size % _Alignof(struct sdrt_request))
        return sdrt_fail(log, SDRT_E_ARG,
                         "%s: a size of %zu bytes: expected %zu, as its init "
                         "function writes",
                         what, size, known);
    for (size_t i = known; i < size; i++)
        if (bytes[i])
            return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                             "%s: a member at byte %zu is set, which "
                             "version %s does not know: expected a newer library",
                             what, i, sdrt_version());
    memcpy(out, in, size < known ? size : known);
    memcpy(out, &known, sizeof known);
    return SDRT_OK;
}

int sdrt_options_read(struct sdrt_options *out, const struct sdrt_options *options)
{
    *out = sdrt_options_default();
    if (!options) return sdrt_fail(NULL, SDRT_E_ARG, "no options");
    return lay_over(out, sizeof *out, options, SDRT_FIRST_OPTIONS, "options", options->log);
}

static int check_loras(const struct sdrt_request *r, const struct sdrt_log *log)
{
    if (r->n_loras < 0)
        return sdrt_fail(log, SDRT_E_ARG, "%d LoRAs: expected 0 or more", r->n_loras);
    if (r->n_loras && !r->loras)
        return sdrt_fail(log, SDRT_E_ARG, "%d LoRAs: expected an array of them, not NULL",
                         r->n_loras);
    for (int i = 0; i < r->n_loras; i++) {
        if (!r->loras[i].path)
            return sdrt_fail(log, SDRT_E_ARG, "LoRA %d: expected a path, not NULL", i);
        if (!isfinite(r->loras[i].scale))
            return sdrt_fail(log, SDRT_E_ARG, "%s: scale: expected a finite number",
                             r->loras[i].path);
    }
    return SDRT_OK;
}

static int check_control(const struct sdrt_control *c, int i, const struct sdrt_log *log)
{
    if (!c->net) return sdrt_fail(log, SDRT_E_ARG, "control %d: expected a net, not NULL", i);
    if (!c->picture)
        return sdrt_fail(log, SDRT_E_ARG, "%s: expected a picture for it, not NULL", c->net);
    if (!(c->scale >= 0.0f && c->scale <= (float)MOST_CONTROL))
        return sdrt_fail(log, SDRT_E_ARG, "%s: strength %g: expected a number from 0 to %d", c->net,
                         (double)c->scale, MOST_CONTROL);
    if (!(c->start >= 0.0f && c->start <= c->end && c->end <= 1.0f))
        return sdrt_fail(log, SDRT_E_ARG,
                         "%s: start %g, end %g: expected shares that rise from 0 to 1", c->net,
                         (double)c->start, (double)c->end);
    return sdrt_picture_check(c->picture, "the control picture", log);
}

static int check_controls(const struct sdrt_request *r, const struct sdrt_log *log)
{
    char known[SDRT_CHOICES];
    int status = SDRT_OK;

    if (r->n_controls < 0 || r->n_controls > SDRT_MAX_CONTROLS)
        return sdrt_fail(log, SDRT_E_ARG, "%d control pictures: expected 0 to %d", r->n_controls,
                         (int)SDRT_MAX_CONTROLS);
    if (r->n_controls && !r->controls)
        return sdrt_fail(log, SDRT_E_ARG,
                         "%d control pictures: expected an array of them, not NULL", r->n_controls);
    if (r->n_controls && r->mask_only)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "a control picture: expected the whole image to be drawn, not the mask's "
                         "surroundings alone");
    if (r->n_controls && r->resize_mode && sdrt_choice(sdrt_resize_mode_name, r->resize_mode) < 0)
        return sdrt_fail(log, SDRT_E_ARG, "unknown resize mode \"%s\": expected %s", r->resize_mode,
                         sdrt_choices(known, sdrt_resize_mode_name));
    for (int i = 0; r->control_maps && i < r->n_controls; i++)
        if (r->control_maps[i] && sdrt_choice(sdrt_control_map_name, r->control_maps[i]) < 0)
            return sdrt_fail(log, SDRT_E_ARG, "unknown control map \"%s\": expected %s",
                             r->control_maps[i], sdrt_choices(known, sdrt_control_map_name));
    for (int i = 0; r->control_types && i < r->n_controls; i++)
        if (r->control_types[i] && sdrt_choice(sdrt_control_type_name, r->control_types[i]) < 0)
            return sdrt_fail(log, SDRT_E_ARG,
                             "unknown type of a control picture \"%s\": expected %s",
                             r->control_types[i], sdrt_choices(known, sdrt_control_type_name));
    for (int i = 0; i < r->n_controls && status == SDRT_OK; i++)
        status = check_control(&r->controls[i], i, log);
    return status;
}

static int check_image_prompts(const struct sdrt_request *r, const struct sdrt_log *log)
{
    int status = SDRT_OK;

    if (r->n_ip_adapters < 0 || r->n_ip_adapters > SDRT_MAX_IPS)
        return sdrt_fail(log, SDRT_E_ARG, "%d IP-Adapters: expected 0 to %d", r->n_ip_adapters,
                         (int)SDRT_MAX_IPS);
    if (r->n_ip_adapters && !r->ip_adapters)
        return sdrt_fail(log, SDRT_E_ARG, "%d IP-Adapters: expected an array of them, not NULL",
                         r->n_ip_adapters);
    for (int i = 0; i < r->n_ip_adapters && status == SDRT_OK; i++) {
        const struct sdrt_ip_adapter *ip = &r->ip_adapters[i];
        if (!ip->file)
            return sdrt_fail(log, SDRT_E_ARG, "IP-Adapter %d: expected a file, not NULL", i);
        if (!ip->picture)
            return sdrt_fail(log, SDRT_E_ARG, "%s: expected a picture for it, not NULL", ip->file);
        if (!(ip->scale >= 0.0f && ip->scale <= (float)MOST_CONTROL))
            return sdrt_fail(log, SDRT_E_ARG, "%s: strength %g: expected a number from 0 to %d",
                             ip->file, (double)ip->scale, MOST_CONTROL);
        status = sdrt_picture_check(ip->picture, "the picture of an IP-Adapter", log);
    }
    return status;
}

static int check_pictures(const struct sdrt_request *r, const struct sdrt_log *log)
{
    if (r->mask && !r->init)
        return sdrt_fail(log, SDRT_E_ARG, "a mask of no picture: expected an initial one too");
    if (!r->init) return SDRT_OK;
    if (!(r->strength > 0.0f && r->strength <= 1.0f))
        return sdrt_fail(log, SDRT_E_ARG, "strength %g: expected a number above 0 and up to 1",
                         (double)r->strength);
    int status = sdrt_picture_check(r->init, "the initial picture", log);
    if (status == SDRT_OK && r->mask) status = sdrt_picture_check(r->mask, "the mask", log);
    if (status != SDRT_OK || !r->mask) return status;
    if (r->mask->width == r->init->width && r->mask->height == r->init->height) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_ARG, "the mask is %dx%d: expected the picture's %dx%d",
                     r->mask->width, r->mask->height, r->init->width, r->init->height);
}

int sdrt_request_vary(struct sdrt_request *r, char *owned[2], const struct sdrt_log *log)
{
    int status = SDRT_OK;

    owned[0] = owned[1] = NULL;
    if (!r->dynamic_prompts) return SDRT_OK;
    status = sdrt_prompt_vary(&owned[0], r->prompt, r->seed, "the prompt", log);
    if (status == SDRT_OK && r->negative_prompt)
        status = sdrt_prompt_vary(&owned[1], r->negative_prompt, r->seed + 1, "the negative prompt",
                                  log);
    if (status != SDRT_OK) return status;
    r->prompt = owned[0];
    if (owned[1]) r->negative_prompt = owned[1];
    return SDRT_OK;
}

int sdrt_request_read(struct sdrt_request *out, const struct sdrt_request *request,
                      const struct sdrt_log *log)
{
    const struct sdrt_request defaults = *out = sdrt_request_default();

    if (!request) return sdrt_fail(log, SDRT_E_ARG, "no request: expected one, not NULL");
    int status = lay_over(out, sizeof *out, request, SDRT_FIRST_REQUEST, "request", log);
    if (status == SDRT_OK) status = check_loras(out, log);
    if (status == SDRT_OK) status = check_controls(out, log);
    if (status == SDRT_OK) status = check_image_prompts(out, log);
    if (status == SDRT_OK) status = check_pictures(out, log);
    if (status != SDRT_OK) return status;
    if (!out->prompt) out->prompt = defaults.prompt;
    if (!out->schedule) out->schedule = defaults.schedule;
    if (!out->rng) out->rng = defaults.rng;
    if (!out->progress_user) out->progress_user = out->user;
    if (!out->dump_user) out->dump_user = out->user;
    if (!out->preview_user) out->preview_user = out->user;
    return SDRT_OK;
}
