/* SPDX-License-Identifier: MIT
 *
 * Control nets within a run: what they make of a picture once, and their share of each evaluation.
 */
#include "kernels/ops.h"
#include "model/net/controlnet.h"
#include "model/pipeline/control_maps.h"
#include "model/pipeline/run.h"
#include "runtime/base/choices.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sdrt_exec alone = { .part = 0, .nparts = 1 };

int sdrt_run_prepare_controls(struct sdrt_run *run)
{
    const struct sdrt_request *r = run->r;
    int status = SDRT_OK;

    for (int i = 0; i < r->n_controls && status == SDRT_OK; i++) {
        struct sdrt_pixels *picture = &run->controls[i].picture;
        status = sdrt_pixels_of(picture, r->controls[i].picture, 3, run->s->log);
        if (status == SDRT_OK)
            status = sdrt_pixels_resize(picture, r->width, r->height, sdrt_begin_mode(r),
                                        run->s->log);
        if (status == SDRT_OK && r->control_maps && r->control_maps[i])
            status = sdrt_control_map_apply(
                picture,
                (enum sdrt_control_map)sdrt_choice(sdrt_control_map_name, r->control_maps[i]),
                run->s->log);
    }
    return status;
}

void sdrt_run_free_controls(struct sdrt_run *run)
{
    for (int i = 0; i < SDRT_MAX_CONTROLS; i++) free(run->controls[i].picture.rgb);
}

static void *map(const struct sdrt_session *s, const struct sdrt_pass *pass, const char *name)
{
    const int slot = sdrt_slots_find(&s->slots, sdrt_pass_scope(pass), name);

    return slot == SDRT_NO_SLOT ? NULL : sdrt_slot_map(&s->slots, slot);
}

/* ---- once ---- */

/* What the base has of that name too. */
static void copy_from_base(const struct sdrt_session *s, const struct sdrt_pass *pass,
                           const char *name)
{
    const int from = sdrt_slots_find(&s->slots, "", name);
    const int to = sdrt_slots_find(&s->slots, sdrt_pass_scope(pass), name);

    if (to != SDRT_NO_SLOT)
        sdrt_slot_write(&s->slots, to, 0, sdrt_slot_map(&s->slots, from), s->slots.slot[to].bytes);
}

static void clear(const struct sdrt_session *s, const struct sdrt_pass *pass, const char *name)
{
    const int slot = sdrt_slots_find(&s->slots, sdrt_pass_scope(pass), name);

    if (slot != SDRT_NO_SLOT) memset(sdrt_slot_map(&s->slots, slot), 0, s->slots.slot[slot].bytes);
}

/* Which of its types a union of nets is shown, each as a number of 0 or 1 that is embedded, in every row. */
static void fill_types(const struct sdrt_run *run, const struct sdrt_pass *pass)
{
    const struct sdrt_hint_config *h = &sdrt_controls_part(run->s, pass)->config.unet.hint;
    float *to = map(run->s, pass, "types"), flags[SDRT_CONTROL_TYPES] = { 0 };
    const size_t row = (size_t)h->types * (size_t)h->type_width;

    if (!h->types || !to) return;
    flags[sdrt_control_type_of(run->r, pass->control - 1)] = 1.0f;
    for (int i = 0; i < sdrt_shape_unet_batch(&run->s->shape); i++)
        run->s->model->device->host->ops->elementwise.timestep_embedding(&alone, flags, h->types,
                                                                         h->type_width,
                                                                         to + (size_t)i * row);
}

int sdrt_run_control(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    static const char *const names[] = { "text", "timesteps", "added", "guidance" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        copy_from_base(run->s, pass, names[i]);
    if (sdrt_controls_part(run->s, pass)->config.mmdit.control_bare) clear(run->s, pass, "added");
    fill_types(run, pass);
    snprintf(run->prefix, sizeof run->prefix, "%s", pass->dumps);
    return sdrt_run_program(run, pass);
}

int sdrt_run_follow_controls(struct sdrt_run *run)
{
    const struct sdrt_session *s = run->s;
    int status = SDRT_OK;

    for (int i = 0; i < s->n_passes && status == SDRT_OK; i++)
        if (s->programs[i] && s->model->passes[i].control && s->model->passes[i].follows)
            status = sdrt_run_control(run, &s->model->passes[i]);
    return status;
}

static const struct sdrt_pass *step_of(const struct sdrt_session *s, int control)
{
    const struct sdrt_pass *pass = s->model->passes;

    while (pass->control != control || pass->when != SDRT_EACH_EVALUATION) pass++;
    return pass;
}

/* The net's memory, and the widths of what it leaves. */
static void find_memory(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    const struct sdrt_session *s = run->s;
    struct sdrt_run_control *c = &run->controls[pass->control - 1];
    char name[32];

    c->step = step_of(s, pass->control);
    c->model_in = map(s, pass, "model_in");
    c->gates = map(s, pass, "gates");
    c->time_table = map(s, pass, "time_table");
    c->time = sdrt_slots_find(&s->slots, sdrt_pass_scope(pass), "time");
    c->features = s->shape.controlled;
    for (int i = 0; i < c->features; i++) {
        snprintf(name, sizeof name, "/control.%d", i);
        c->channels[i] = s->slots.slot[sdrt_slots_find(&s->slots, "", name)].dims[3];
    }
}

/* The memory of a T2I-Adapter's features, and of what the denoiser reads of them. */
static void find_adapted(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    const struct sdrt_session *s = run->s;
    char name[32];

    for (int i = 0; i < s->shape.adapted; i++) {
        snprintf(name, sizeof name, "feature.%d", i);
        run->controls[pass->control - 1].adapted[i] = map(s, pass, name);
        snprintf(name, sizeof name, "/adapter.%d", i);
        const int slot = sdrt_slots_find(&s->slots, "", name);
        run->adapted[i].sum = sdrt_slot_map(&s->slots, slot);
        run->adapted[i].n = s->slots.slot[slot].bytes / sizeof(float) /
                            (size_t)sdrt_shape_unet_batch(&s->shape);
    }
}

/* 0 to 1, in the ControlNet's order, [height][width][3], and the same for all rows. */
static void fill_picture(const struct sdrt_run *run, const struct sdrt_pixels *p, float *to)
{
    const size_t n = (size_t)p->width * (size_t)p->height * 3;

    for (int row = 0; row < sdrt_shape_unet_batch(&run->s->shape); row++)
        for (size_t i = 0; i < n; i++) to[(size_t)row * n + i] = (float)p->rgb[i] / 255.0f;
}

/* In a T2I-Adapter's: squares of pixels channel by channel; grey as Pillow weighs it. */
static void fill_squares(const struct sdrt_adapter_config *a, const struct sdrt_pixels *p,
                         float *to)
{
    const int f = a->factor, w = p->width / f, each = a->picture * f * f;

    for (int i = 0; i < p->height / f * w * each; i++) {
        const int at = i % each, y = i / each / w * f + at % (f * f) / f,
                  x = i / each % w * f + at % f;
        const uint8_t *rgb = p->rgb + ((size_t)y * (size_t)p->width + (size_t)x) * 3;
        const int grey = (rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16;
        to[i] = (float)(a->picture == 1 ? grey : rgb[at / (f * f)]) / 255.0f;
    }
}

/* What the VAE makes of a picture, [pixels][2 z] or a TAESD's [pixels][z], for all rows: the mean of its
 * distribution. */
static void fill_latent(const struct sdrt_run *run, const struct sdrt_pass *pass,
                        const float *moments)
{
    const struct sdrt_model_config *config = &sdrt_controls_part(run->s, pass)->config;
    const struct sdrt_vae_config *vae = &config->vae;
    const size_t z = (size_t)vae->latent_channels;
    const size_t n = (size_t)run->s->shape.h * (size_t)run->s->shape.w * z;
    const float shift = config->mmdit.control_bare ? 0.0f : vae->shift_factor;
    float *to = map(run->s, pass, "picture");

    for (size_t i = 0; i < n; i++)
        to[i] = vae->tiny_encoder ? moments[i] + (vae->shift_factor - shift) * vae->scaling_factor
                                  : (moments[i / z * 2 * z + i % z] - shift) * vae->scaling_factor;
    for (int row = 1; row < sdrt_shape_unet_batch(&run->s->shape); row++)
        memcpy(to + (size_t)row * n, to, n * sizeof *to);
}

int sdrt_run_encode_controls(struct sdrt_run *run, const struct sdrt_pass *encoder)
{
    const struct sdrt_session *s = run->s;
    int status = SDRT_OK;

    for (int i = 0; i < s->n_passes && status == SDRT_OK; i++) {
        const struct sdrt_pass *pass = &s->model->passes[i];
        if (!s->programs[i] || !pass->shows || !s->shape.encoded) continue;
        status = sdrt_run_encode(run, encoder, &run->controls[pass->control - 1].picture,
                                 sdrt_controls_part(s, pass)->config.mmdit.control_canny);
        if (status == SDRT_OK) fill_latent(run, pass, sdrt_run_moments(s));
    }
    return status;
}

static void tell_type(const struct sdrt_run *run, const struct sdrt_pass *pass)
{
    int32_t *types = map(run->s, pass, "type");

    for (int i = 0; types && i < sdrt_shape_unet_batch(&run->s->shape); i++)
        types[i] = sdrt_control_type_of(run->r, pass->control - 1);
}

/* Adds the mean of the hints to what their type is to a union of nets. */
static void add_hints(const struct sdrt_run *run, const struct sdrt_pass *pass)
{
    const struct sdrt_session *s = run->s;
    const int slot = sdrt_slots_find(&s->slots, sdrt_pass_scope(pass), "hints");
    const int pixels = s->shape.h * s->shape.w, c = s->slots.slot[slot].dims[3];
    const float *hints = sdrt_slot_map(&s->slots, slot);
    float *task = map(s, pass, "task");

    for (int row = 0; task && row < sdrt_shape_unet_batch(&s->shape); row++)
        for (int k = 0; k < c; k++) {
            double sum = 0.0;
            for (int i = 0; i < pixels; i++)
                sum += (double)
                    hints[((size_t)row * (size_t)pixels + (size_t)i) * (size_t)c + (size_t)k];
            task[row * c + k] += (float)(sum / pixels);
        }
}

int sdrt_run_control_picture(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    const struct sdrt_pixels *p = &run->controls[pass->control - 1].picture;
    const struct sdrt_adapter_config *a = &sdrt_controls_part(run->s, pass)->config.unet.adapter;
    float *to = map(run->s, pass, "picture");

    if (a->n) fill_squares(a, p, to);
    else if (!run->s->shape.encoded) fill_picture(run, p, to);
    (a->n ? find_adapted : find_memory)(run, pass);
    tell_type(run, pass);
    snprintf(run->prefix, sizeof run->prefix, "%s", pass->dumps);
    const int status = sdrt_run_program(run, pass);
    if (status == SDRT_OK) add_hints(run, pass);
    return status;
}

/* ---- each evaluation ---- */

/* Whether the net takes part in evaluation e of n; as diffusers counts. */
static int is_active(const struct sdrt_control *c, int e, int n)
{
    return (float)((double)e / n) >= c->start && (float)((double)(e + 1) / n) <= c->end;
}

/* The factor of all that the net leaves, of each row and feature.  With guessing a tenth for the finest
 * up to the whole in the middle, and nothing for what is to be avoided, as diffusers does it; a net that
 * takes no part has to leave zeros. */
static void fill_gates(const struct sdrt_run *run, const struct sdrt_run_control *c, float scale)
{
    const struct sdrt_shape *shape = &run->s->shape;
    const int guess = run->r->control_guess;
    float *gate = c->gates;

    for (int row = 0; row < sdrt_shape_unet_batch(shape); row++)
        for (int i = 0; i < c->features; i++) {
            const double way = c->features > 1 ? (double)i / (c->features - 1) : 1.0;
            const double share = guess ? pow(10.0, way - 1.0) : 1.0;
            const int none = guess && shape->guided && row < shape->batch;
            for (int k = 0; k < c->channels[i]; k++) *gate++ = none ? 0.0f : (float)share * scale;
        }
}

static int run_step(struct sdrt_run *run, const struct sdrt_run_control *c, int e, float scale,
                    const float *scaled)
{
    const struct sdrt_session *s = run->s;
    const size_t bytes = s->slots.slot[c->time].bytes;

    s->model->device->host->ops->elementwise.to_nhwc(
        &alone, s->shape.batch, sdrt_shape_unet_batch(&s->shape), s->shape.h * s->shape.w,
        sdrt_model_config_of(s->model)->vae.latent_channels, 1.0f, scaled, c->model_in);
    const size_t row = s->shape.adaptive ? 0 : (size_t)e;
    sdrt_slot_write(&s->slots, c->time, 0, c->time_table + row * bytes, bytes);
    fill_gates(run, c, scale);
    snprintf(run->prefix, sizeof run->prefix, "%s%03d/", c->step->dumps, e);
    return sdrt_run_program(run, c->step);
}

/* Feature i of the T2I-Adapters that take part in evaluation e of n; with guessing nothing for what is
 * to be avoided. */
static void sum_adapted(const struct sdrt_run *run, int i, int e, int n)
{
    const struct sdrt_run_adapted *a = &run->adapted[i];
    const struct sdrt_shape *shape = &run->s->shape;
    const size_t rows = (size_t)sdrt_shape_unet_batch(shape);
    const size_t without = run->r->control_guess && shape->guided ? (size_t)shape->batch : 0;
    float *first = a->sum + without * a->n;

    memset(a->sum, 0, rows * a->n * sizeof *a->sum);
    for (int k = 0; k < run->r->n_controls; k++) {
        const struct sdrt_control *c = &run->r->controls[k];
        const float *feature = run->controls[k].adapted[i];
        if (!feature || !is_active(c, e, n)) continue;
        for (size_t x = 0; x < a->n; x++) first[x] += c->scale * feature[x];
    }
    for (size_t row = without + 1; row < rows; row++)
        memcpy(a->sum + row * a->n, first, a->n * sizeof *first);
}

/* The ControlNets of evaluation e, which is at of n; the first of them all writes what the others add to. */
static int run_nets(struct sdrt_run *run, int e, int at, int n, const float *scaled)
{
    const struct sdrt_request *r = run->r;
    const int first = run->s->shape.first_net - 1;
    int status = SDRT_OK;

    for (int i = first; first >= 0 && i < r->n_controls && status == SDRT_OK; i++) {
        const int takes_part = is_active(&r->controls[i], at, n);
        if (run->controls[i].step && (takes_part || i == first))
            status = run_step(run, &run->controls[i], e, takes_part ? r->controls[i].scale : 0.0f,
                              scaled);
    }
    return status;
}

int sdrt_run_control_steps(struct sdrt_run *run, const struct sdrt_pass *pass, int e,
                           const float *scaled, const struct sdrt_pass **step)
{
    const struct sdrt_request *r = run->r;
    const struct sdrt_shape *shape = &run->s->shape;
    const int total = sdrt_shape_counted(shape, pass->part), at = shape->adaptive ? run->at : e;
    int active = 0;

    *step = pass;
    if (pass->part != SDRT_PART_BASE) return SDRT_OK;
    for (int i = 0; i < r->n_controls; i++) active |= is_active(&r->controls[i], at, total);
    if (!active) return SDRT_OK;
    while (!(*step)->controlled) ++*step;
    for (int i = 0; i < shape->adapted; i++) sum_adapted(run, i, at, total);
    return run_nets(run, e, at, total, scaled);
}

int sdrt_run_nothing(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    (void)run;
    (void)pass;
    return SDRT_OK;
}
