/* SPDX-License-Identifier: MIT */
#include "tools/auto_option.h"
#include "model/checkpoint/few_steps.h"
#include "model/lora/tags.h"
#include "model/pipeline/read.h"
#include "model/pipeline/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One proposal on its way to a line. */
struct proposal {
    struct sdrt_few_steps few;
    struct sdgen_options *o;
    struct sdrt_request now; /* as it would be drawn */
    const char *spacing;
    char text[256];
};

/* Whether an option is to be told: it differs, and the command line has none of these. */
static int is_open(const struct proposal *p, int differs, const char *name, const char *or_name)
{
    return differs && !sdgen_given(p->o, name) && !(or_name && sdgen_given(p->o, or_name));
}

static void add(struct proposal *p, const char *name, const char *value)
{
    const size_t used = strlen(p->text);

    snprintf(p->text + used, sizeof p->text - used, "%s--%s %s", used ? " " : "", name, value);
}

static void add_number(struct proposal *p, const char *name, double value)
{
    char text[32];

    snprintf(text, sizeof text, "%g", value);
    add(p, name, text);
}

/* The list of timesteps stands for steps. */
static void propose_steps(struct proposal *p, struct sdrt_request *to)
{
    const struct sdrt_few_steps *few = &p->few;
    char text[128] = "";

    if (sdgen_given(p->o, "sigmas") || sdgen_given(p->o, "timesteps") || sdgen_given(p->o, "steps"))
        return;
    if (!few->n_timesteps) {
        if (p->now.steps != few->steps) add_number(p, "steps", few->steps);
        to->steps = few->steps;
        return;
    }
    for (int i = 0; i < few->n_timesteps; i++) {
        const size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%g", i ? "," : "", few->timesteps[i]);
        p->o->timesteps[i] = few->timesteps[i];
    }
    add(p, "timesteps", text);
    to->timesteps = p->o->timesteps;
    to->n_timesteps = few->n_timesteps;
}

static void propose(struct proposal *p, struct sdrt_request *to)
{
    const struct sdrt_few_steps *few = &p->few;

    if (is_open(p, strcmp(p->now.sampler, few->sampler) != 0, "sampler", NULL)) {
        add(p, "sampler", few->sampler);
        to->sampler = few->sampler;
    }
    if (is_open(p, few->spacing && strcmp(p->spacing, few->spacing) != 0, "spacing", "schedule")) {
        add(p, "spacing", few->spacing);
        to->spacing = few->spacing;
    }
    propose_steps(p, to);
    if (is_open(p, p->now.cfg_scale != few->cfg_scale, "cfg-scale", "cfg-schedule")) {
        add_number(p, "cfg-scale", (double)few->cfg_scale);
        to->cfg_scale = few->cfg_scale;
    }
    if (is_open(p, few->eta >= 0.0 && p->now.eta != few->eta, "eta", NULL)) {
        add_number(p, "eta", few->eta);
        to->eta = few->eta;
    }
}

/* ---- who says it ---- */

static int of_loras(struct sdrt_few_steps *out, const struct sdgen_options *o,
                    const struct sdrt_model_config *config, char *who, size_t size)
{
    static const struct sdrt_log silent;
    struct sdrt_lora_list list = { 0 };
    char *plain = NULL;
    int found = 0;

    for (int i = 0; i < o->request.n_loras && !found; i++) {
        found = o->loras[i].scale != 0.0f && sdrt_few_steps_of_file(out, o->loras[i].path, config);
        if (found) snprintf(who, size, "%s", o->loras[i].path);
    }
    if (!found && o->request.prompt)
        sdrt_lora_tags_split(o->request.prompt, o->request.lora_dir, &plain, &list, &silent);
    for (size_t i = 0; i < list.count && !found; i++) {
        found = sdrt_few_steps_of_file(out, list.uses[i].path, config);
        if (found) snprintf(who, size, "%s", list.uses[i].path);
    }
    sdrt_lora_list_clear(&list);
    free(plain);
    return found;
}

static int of_model(struct sdrt_few_steps *out, const struct sdgen_options *o,
                    const struct sdrt_model_config *config, char *who, size_t size)
{
    const char *path = o->model.denoiser ? o->model.denoiser : o->model.model;

    if (!path) return 0;
    snprintf(who, size, "%s", path);
    return sdrt_few_steps_of_shapes(out, config) || sdrt_few_steps_of_file(out, path, config);
}

void auto_apply(const struct sdrt_context *context, struct sdgen_options *o,
                const struct sdrt_log *log)
{
    const struct sdrt_model *m = sdrt_session_of(context)->model;
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    struct proposal p = { .o = o };
    struct sdrt_request taken = o->request;
    char who[256], steps[32] = "";

    if (o->from_image) return;
    if (!of_loras(&p.few, o, config, who, sizeof who) &&
        !of_model(&p.few, o, config, who, sizeof who))
        return;
    if (p.few.told)
        snprintf(steps, sizeof steps, " of %d step%s", p.few.steps, p.few.steps > 1 ? "s" : "");
    if (p.few.unfit) {
        sdrt_note(log, SDRT_LOG_WARNING, "%s is %s%s: %s", who, p.few.name, steps, p.few.unfit);
        return;
    }
    p.now = sdrt_request_resolved(m, &o->request);
    p.spacing = p.now.spacing ? p.now.spacing : sdrt_spacing_name((int)config->noise.spacing);
    propose(&p, &taken);
    if (!*p.text) return;
    if (o->automatic) o->request = taken;
    sdrt_note(log, o->automatic ? SDRT_LOG_INFO : SDRT_LOG_WARNING, "%s is %s%s: %s %s%s", who,
              p.few.name, steps, o->automatic ? "taken:" : "made for", p.text,
              o->automatic ? "" : " (--auto takes that)");
}
