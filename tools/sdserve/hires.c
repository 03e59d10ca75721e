/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/hires.h"

#include "runtime/base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int hires_upscaler(struct fields *f, const char *name, const json_t *value)
{
    static const char *const names[][2] = { { "Latent", "latent" },
                                            { "Latent (nearest)", "latent_nearest" },
                                            { "Lanczos", "lanczos" } };
    const char *text = json_string_value(value);
    struct wish *w = f->wish;

    for (size_t i = 0; text && i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i][0]) && strcmp(text, names[i][1])) continue;
        w->request.hires_upscaler = names[i][1];
        return SDRT_OK;
    }
    free(w->upscaler);
    w->upscaler = text ? shelf_path(f->server->options.upscalers, text, strlen(text)) : NULL;
    w->request.hires_upscaler = w->upscaler;
    if (w->upscaler) return SDRT_OK;
    return sdrt_fail(f->log, SDRT_E_ARG,
                     "%s: '%.100s': expected Latent, Latent (nearest), Lanczos or an upscaler that "
                     "this server lists",
                     name, text ? text : "");
}

/* ---- A1111's ---- */

/* What the second drawing shares with the first here. */
static int check_same(struct fields *f)
{
    static const char *const pairs[][2] = { { "hr_prompt", "prompt" },
                                            { "hr_negative_prompt", "negative_prompt" },
                                            { "hr_sampler_name", "sampler_name" },
                                            { "hr_scheduler", "scheduler" },
                                            { "hr_checkpoint_name", "" } };

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const json_t *value = json_object_get(f->object, pairs[i][0]);
        const char *text = json_string_value(value);
        if (!value || json_is_null(value) || (text && (!*text || !strncmp(text, "Use same ", 9))))
            continue;
        if (json_equal(value, json_object_get(f->object, pairs[i][1]))) continue;
        f->bad = pairs[i][0];
        return fields_refuse(f, pairs[i][0], "nothing, or the first drawing's");
    }
    return SDRT_OK;
}

/* How many times larger makes a side of from one of to, which the library rounds down. */
static double factor_of(int from, int to)
{
    const double exact = (double)to / from;

    return (int)(from * rint((double)(float)exact * 1e6) / 1e6) < to ? (to + 0.5) / from : exact;
}

/* A size in place of hr_scale.  A1111 cuts where the shape is another. */
static int take_size(struct fields *f, int x, int y)
{
    struct sdrt_request *r = &f->wish->request;

    if (!x && !y) return SDRT_OK;
    if (!r->width || !r->height)
        return fields_refuse(f, x ? "hr_resize_x" : "hr_resize_y", "width and height beside it");
    if (x && y && (int64_t)x * r->height != (int64_t)y * r->width)
        return fields_refuse(f, "hr_resize_x, hr_resize_y",
                             "the shape of width and height, since nothing is cut");
    r->hires = (float)(x ? factor_of(r->width, x) : factor_of(r->height, y));
    return SDRT_OK;
}

#define AT(member) .where = offsetof(struct wish, member)
int hires_settle(struct fields *f)
{
    enum { STEPS = 1000, SIDE = 8192 };
    static const struct field rows[] = {
        { "hr_scale", FIELD_FLOAT, AT(request.hires), 0, 8 },
        { "hr_second_pass_steps", FIELD_WHOLE, AT(request.hires_steps), 0, STEPS },
        { "denoising_strength", FIELD_FLOAT, AT(request.hires_strength), 0.0001, 1 },
        { "hr_upscaler", FIELD_CALL, .call = hires_upscaler },
        { "firstphase_width", FIELD_OFF, .where = 0 },
        { "firstphase_height", FIELD_OFF, .where = 0 },
        { "hr_resize_x", FIELD_WHOLE, AT(hires_x), 0, SIDE },
        { "hr_resize_y", FIELD_WHOLE, AT(hires_y), 0, SIDE },
        { .name = NULL },
    };
    struct wish *w = f->wish;
    struct sdrt_request *r = &w->request;

    if (!w->hires) return SDRT_OK;
    r->hires = 2.0f;
    r->hires_strength = 0.75f;
    if (fields_pick(f, rows) || check_same(f)) return SDRT_E_ARG;
    f->bad = "hr_scale";
    if (take_size(f, w->hires_x, w->hires_y)) return SDRT_E_ARG;
    if (!(r->hires > 1)) return fields_refuse(f, "hr_scale", "above 1");
    f->bad = NULL;
    /* A1111 runs so many steps, the library a share of them. */
    const int steps = r->hires_steps ? r->hires_steps : r->steps;
    r->hires_steps = (int)ceil(steps / (double)r->hires_strength - 1e-6);
    return SDRT_OK;
}
