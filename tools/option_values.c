/* SPDX-License-Identifier: MIT */
#include "tools/option_values.h"
#include "model/noise/cache.h"
#include "model/noise/guidance.h"
#include "model/noise/sampler.h"
#include "model/pipeline/lists.h"
#include "model/pipeline/precision.h"
#include "runtime/base/numbers.h"
#include "tools/control_option.h"
#include "tools/lora_option.h"
#include "tools/options.h"
#include "tools/precision_auto.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_side(int *out, const char *name, const char *text, const struct sdrt_log *log)
{
    const int status = cli_whole(out, name, text, 8, MAX_SIDE, log);

    if (status) return status;
    if (*out % 8)
        return sdrt_fail(log, SDRT_E_ARG, "--%s %d: expected a multiple of 8, such as %d", name,
                         *out, *out - *out % 8);
    return SDRT_OK;
}

int take_width(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    return parse_side(&((struct sdgen_options *)into)->request.width, name, text, log);
}

int take_height(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    return parse_side(&((struct sdgen_options *)into)->request.height, name, text, log);
}

int take_cfg_scale(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    double value = 0;
    const int status = cli_number(&value, name, text, 0, MAX_CFG, log);

    if (status) return status;
    o->cfg_scale = 1;
    o->request.cfg_scale = (float)value;
    return SDRT_OK;
}

int take_refiner_start(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    double value = 0;

    if (cli_number(&value, name, text, -HUGE_VAL, HUGE_VAL, NULL) || !(value > 0 && value < 1))
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected a number between 0 and 1", name,
                         text);
    o->refiner_start = 1;
    o->request.refiner_start = value;
    return SDRT_OK;
}

/* A share above nothing; *given says that it was told. */
static int take_part(float *to, int *given, const char *name, const char *text,
                     const struct sdrt_log *log)
{
    double value = 0;

    if (cli_number(&value, name, text, 0, 1, NULL) || !(value > 0))
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected a number above 0 and up to 1", name,
                         text);
    *given = 1;
    *to = (float)value;
    return SDRT_OK;
}

int take_strength(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    return take_part(&o->request.strength, &o->strength, name, text, log);
}

int take_hires(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    double value = 0;

    if (cli_number(&value, name, text, 1, 8, NULL) || !(value > 1))
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected a number above 1 and up to 8", name,
                         text);
    ((struct sdgen_options *)into)->request.hires = (float)value;
    return SDRT_OK;
}

int take_hires_strength(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    return take_part(&o->request.hires_strength, &o->hires_strength, name, text, log);
}

int take_image_cfg_scale(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    double value = 0;
    const int status = cli_number(&value, name, text, 1, MAX_CFG, log);

    if (status) return status;
    o->image_cfg_scale = 1;
    o->request.image_cfg_scale = (float)value;
    return SDRT_OK;
}

int take_mask_padding(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    o->mask_padding = 1;
    return cli_whole(&o->request.mask_padding, name, text, 0, MAX_EXTEND, log);
}

/* "left=128,top=64": sides by name. */
int take_extend(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;
    const struct {
        const char *name;
        int *to;
    } sides[] = { { "left=", &r->extend_left },
                  { "top=", &r->extend_top },
                  { "right=", &r->extend_right },
                  { "bottom=", &r->extend_bottom } };

    for (const char *at = text;; at++) {
        const size_t n = strcspn(at, ",");
        char number[16] = "";
        size_t i = 0;
        while (i < 4 && strncmp(at, sides[i].name, strlen(sides[i].name))) i++;
        const size_t head = i < 4 ? strlen(sides[i].name) : n;
        if (n <= head || n - head >= sizeof number)
            return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected sides as left=128,bottom=64",
                             name, text);
        memcpy(number, at + head, n - head);
        const int status = cli_whole(sides[i].to, name, number, 0, MAX_EXTEND, log);
        at += n;
        if (status || !*at) return status;
    }
}

int take_seed(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    char *end;

    o->random_seed = strcmp(text, "-1") == 0;
    if (o->random_seed) return SDRT_OK;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    /* strtoull takes a minus sign and wraps around. */
    if (*text < '0' || *text > '9' || *end || errno)
        return sdrt_fail(log, SDRT_E_ARG,
                         "--%s '%s': expected -1 (random) or a whole number below 2^64", name,
                         text);
    o->request.seed = value;
    return SDRT_OK;
}

/* A name in whatever spelling. */
static int take_listed(const char **to, enum sdrt_list list, sdrt_names_fn *names, const char *name,
                       const char *text, const struct sdrt_log *log)
{
    const int found = sdrt_list_find(list, text);
    const char *near = sdrt_choice_near(names, text);
    char known[SDRT_CHOICES];

    *to = text; /* a name may say a schedule too */
    if (found >= 0) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_ARG, "--%s '%s'%s%s%s: expected %s", name, text,
                     near ? " (is it '" : "", near ? near : "", near ? "'?)" : "",
                     sdrt_choices(known, names));
}

static const char *samplers(int i) { return sdrt_list_name(SDRT_LIST_SAMPLERS, i); }
static const char *schedules(int i) { return sdrt_list_name(SDRT_LIST_SCHEDULES, i); }

int take_sampler(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;
    static const struct sdrt_log silent;
    enum sdrt_sampler_kind kind;

    /* One that is known and not there has a line of its own. */
    if (sdrt_sampler_parse(text, &kind, &silent) == SDRT_E_UNSUPPORTED)
        return sdrt_sampler_parse(text, &kind, log) ? SDRT_E_ARG : SDRT_OK;
    return take_listed(&r->sampler, SDRT_LIST_SAMPLERS, samplers, name, text, log);
}

int take_schedule(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;
    static const struct sdrt_log silent;
    enum sdrt_schedule_kind kind;

    if (sdrt_schedule_parse(text, &kind, &silent) == SDRT_E_UNSUPPORTED)
        return sdrt_schedule_parse(text, &kind, log) ? SDRT_E_ARG : SDRT_OK;
    return take_listed(&r->schedule, SDRT_LIST_SCHEDULES, schedules, name, text, log);
}

/* Numbers with commas between; a 0 at the end, which other programs want, says nothing. */
static int take_numbers(double to[SDGEN_MAX_LEVELS], int *n, const char *name, const char *text,
                        const struct sdrt_log *log)
{
    const char *at = text;
    char *end;

    *n = 0;
    do {
        const double value = sdrt_parse_number(at, &end);
        if (end == at || !isfinite(value) || (*end && *end != ',') || *n == SDGEN_MAX_LEVELS)
            return sdrt_fail(log, SDRT_E_ARG,
                             "--%s '%s': expected up to %d numbers with commas between", name, text,
                             SDGEN_MAX_LEVELS);
        to[(*n)++] = value;
        at = end + 1;
    } while (*end);
    if (*n > 1 && to[*n - 1] == 0.0) --*n;
    return SDRT_OK;
}

int take_sigmas(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    o->request.sigmas = o->sigmas;
    return take_numbers(o->sigmas, &o->request.n_sigmas, name, text, log);
}

int take_timesteps(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    o->request.timesteps = o->timesteps;
    return take_numbers(o->timesteps, &o->request.n_timesteps, name, text, log);
}

static int take_share(float *to, const char *name, const char *text, const struct sdrt_log *log)
{
    double value = 0;
    const int status = cli_number(&value, name, text, 0, 1, log);

    if (status == SDRT_OK) *to = (float)value;
    return status;
}

int take_cfg_rescale(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    return take_share(&((struct sdgen_options *)into)->request.cfg_rescale, name, text, log);
}

int take_cfg_range(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;
    const char *colon = strchr(text, ':');
    char first[32] = "";

    if (!colon || (size_t)(colon - text) >= sizeof first)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected two shares such as 0:0.6", name,
                         text);
    memcpy(first, text, (size_t)(colon - text));
    const int status = take_share(&r->cfg_start, name, first, log);
    return status ? status : take_share(&r->cfg_end, name, colon + 1, log);
}

int take_guidance(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_guidance guidance;

    (void)name;
    ((struct sdgen_options *)into)->request.guidance = text;
    return sdrt_guidance_parse(&guidance, text, log);
}

static int take_scale(float *to, const char *name, const char *text, const struct sdrt_log *log)
{
    double value = 0;
    const int status = cli_number(&value, name, text, 0, MAX_CFG, log);

    if (status == SDRT_OK) *to = (float)value;
    return status;
}

int take_slg_scale(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    return take_scale(&((struct sdgen_options *)into)->request.slg_scale, name, text, log);
}

int take_slg_start(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    return take_share(&((struct sdgen_options *)into)->request.slg_start, name, text, log);
}

int take_slg_end(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    return take_share(&((struct sdgen_options *)into)->request.slg_end, name, text, log);
}

int take_pag_scale(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    return take_scale(&((struct sdgen_options *)into)->request.pag_scale, name, text, log);
}

int take_pag_adaptive_scale(void *into, const char *name, const char *text,
                            const struct sdrt_log *log)
{
    return take_scale(&((struct sdgen_options *)into)->request.pag_adaptive_scale, name, text, log);
}

int take_cache(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_cache cache;

    (void)name;
    ((struct sdgen_options *)into)->request.cache = text;
    ((struct sdgen_options *)into)->cache = 1;
    return sdrt_cache_parse(&cache, text, log);
}

int take_precision(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    struct sdrt_precision read;
    char what[96], known[SDRT_CHOICES];

    o->precision_db = 0.0;
    o->model.precision = NULL;
    const int other = precision_auto_read(&o->precision_db, name, text, log);
    if (other <= 0) return other;
    o->model.precision = text;
    if (sdrt_precision_read(&read, text, "", NULL) == SDRT_OK) return SDRT_OK;
    if (strchr(text, ':')) {
        snprintf(what, sizeof what, "--%s '%.64s'", name, text);
        return sdrt_precision_read(&read, text, what, log);
    }
    return sdrt_fail(log, SDRT_E_ARG,
                     "--%s '%s': expected auto:DB, int8:rotate, int8:wide=GLOB, %s", name, text,
                     sdrt_choices(known, sdrt_precision_name));
}

int take_subseed_strength(void *into, const char *name, const char *text,
                          const struct sdrt_log *log)
{
    return take_share(&((struct sdgen_options *)into)->request.subseed_strength, name, text, log);
}

static int take_natural(uint64_t *to, const char *name, const char *text,
                        const struct sdrt_log *log)
{
    char *end;

    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected a whole number below 2^64", name,
                         text);
    *to = value;
    return SDRT_OK;
}

int take_subseed(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    return take_natural(&((struct sdgen_options *)into)->request.subseed, name, text, log);
}

int take_ensd(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    return take_natural(&((struct sdgen_options *)into)->request.eta_noise_seed_delta, name, text,
                        log);
}

int take_lora(void *into, const char *option, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    if (o->request.n_loras == SDGEN_MAX_LORAS)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected at most %d of them", option, text,
                         SDGEN_MAX_LORAS);
    const int status = lora_option_read(&o->loras[o->request.n_loras], option, text, log);
    if (status != SDRT_OK) return status;
    o->request.n_loras++;
    o->request.loras = o->loras;
    return SDRT_OK;
}

int take_control(void *into, const char *option, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    const int n = o->request.n_controls;

    if (n == SDGEN_MAX_CONTROLS)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected at most %d of them", option, text,
                         SDGEN_MAX_CONTROLS);
    struct control_option read;
    const int status = control_option_read(&read, option, text, log);
    if (status != SDRT_OK) return status;
    o->controls[n] = read.control;
    o->control_maps[n] = read.map;
    o->control_types[n] = read.type;
    o->control_images[n] = read.image;
    o->request.n_controls++;
    o->request.control_types = o->control_types;
    o->request.controls = o->controls;
    o->request.control_maps = o->control_maps;
    return SDRT_OK;
}

int take_ip_adapter(void *into, const char *option, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    const int n = o->request.n_ip_adapters;

    if (n == SDGEN_MAX_IPS)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected at most %d of them", option, text,
                         SDGEN_MAX_IPS);
    const int status = ip_option_read(&o->ips[n], &o->ip_images[n], option, text, log);
    if (status != SDRT_OK) return status;
    o->request.n_ip_adapters++;
    o->request.ip_adapters = o->ips;
    return SDRT_OK;
}

/* Two whole numbers with between between them. */
static int parse_pair(int *a, int *b, const char *name, const char *text, char between, int low,
                      const struct sdrt_log *log)
{
    const char *at = strchr(text, between);
    char first[16] = "";

    if (!at || at == text || (size_t)(at - text) >= sizeof first)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected two whole numbers with %c between",
                         name, text, between);
    memcpy(first, text, (size_t)(at - text));
    const int status = cli_whole(a, name, first, low, MAX_TOLD, log);
    return status ? status : cli_whole(b, name, at + 1, low, MAX_TOLD, log);
}

int take_crop(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;

    return parse_pair(&r->crop_x, &r->crop_y, name, text, ',', 0, log);
}

int take_original_size(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;

    return parse_pair(&r->original_width, &r->original_height, name, text, 'x', 1, log);
}

int take_seed_resize(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;

    return parse_pair(&r->seed_resize_width, &r->seed_resize_height, name, text, 'x', 1, log);
}

int take_target_size(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;

    return parse_pair(&r->target_width, &r->target_height, name, text, 'x', 1, log);
}

int take_filter(void *into, const char *name, const char *glob, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    if (o->dump_filters == SDGEN_MAX_FILTERS)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected at most %d of them", name, glob,
                         SDGEN_MAX_FILTERS);
    o->dump_filter[o->dump_filters++] = glob;
    return SDRT_OK;
}

int take_vram_limit(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    double gib = 0;
    const int status = cli_number(&gib, name, text, 0.01, MAX_GIB, log);

    if (status) return status;
    o->model.device_memory = (size_t)(gib * (1 << 30));
    return SDRT_OK;
}

static const char *const ways[] = { "images", "guidance", "rows", NULL };

const char *mpi_ways(int i) { return ways[i]; }

int take_mpi(void *into, const char *name, const char *value, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    for (int i = 0; ways[i]; i++)
        if (!value || !strcmp(value, ways[i])) {
            o->mpi = ways[i];
            return SDRT_OK;
        }
    return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected images, guidance or rows", name, value);
}

int take_plan(void *into, const char *name, const char *file, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    (void)name;
    (void)log;
    o->plan = 1;
    o->plan_file = file;
    return SDRT_OK;
}
