/* SPDX-License-Identifier: MIT */
#include "model/pipeline/cache.h"
#include "model/pipeline/guide.h"

#include <string.h>

/* ---- what a request may ask for ---- */

/* Better than fewer steps of the same work for U-Nets and MMDiTs, trained and not, which no other cache is for
 * all; tests/oracle/compare_caches.py has shown it. */
const char *sdrt_cache_preset(void) { return "taylor"; }

/* Why a model draws in too few steps for any cache; NULL where it does not. */
static const char *few_steps(const struct sdrt_model *m, const struct sdrt_request *r,
                             const struct sdrt_shape *shape)
{
    if (sdrt_model_config_of(m)->unet.guidance_dim) return "a latent consistency model";
    if (!strcmp(r->sampler, "lcm") || !strcmp(r->sampler, "tcd"))
        return "a sampler of few-step models";
    if (shape->evaluations[SDRT_PART_BASE] < SDRT_CACHE_LEAST) return "too few evaluations";
    return NULL;
}

static int check_deep(const struct sdrt_model *m, const struct sdrt_cache *c,
                      struct sdrt_shape *shape)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    const int most = config->unet.layers + (config->unet.levels > 1);

    if (config->denoiser == SDRT_DENOISER_MMDIT)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "cache deepcache: %s has no U-Net, whose last "
                         "layers it repeats: expected one",
                         m->parts[SDRT_PART_BASE].name);
    if (c->layers > most)
        return sdrt_fail(m->log, SDRT_E_ARG,
                         "cache deepcache: layers=%g: expected 1 to %d of this "
                         "model",
                         c->layers, most);
    if (c->order > 0 && !sdrt_device_is_host(m->device))
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "cache deepcache: order=1 is a processor's: "
                         "expected order=0 on %s",
                         m->device->isa);
    shape->again = (int)c->layers;
    shape->carried = c->order > 0;
    return SDRT_OK;
}

/* What the authors' pipelines (github.com/HaozheLiu-ST/T-GATE) have no meaning for is refused: they keep the mean of
 * two halves, and leave IP-Adapters out of what they keep. */
static int check_gate(const struct sdrt_model *m, const struct sdrt_request *r,
                      const struct sdrt_cache *c, struct sdrt_shape *shape)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    const int total = shape->evaluations[SDRT_PART_BASE], gate = (int)c->first;
    int guided = 0;

    while (guided < gate && guided < total && sdrt_guide_is_guided(r, guided, total)) guided++;
    if (config->denoiser == SDRT_DENOISER_MMDIT)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "cache tgate: %s has no U-Net, whose cross-attentions it takes from one "
                         "evaluation: expected one",
                         m->parts[SDRT_PART_BASE].name);
    const char *what = !shape->guided     ? "guidance, a scale above 1, which it ends"
                       : r->n_ip_adapters ? "no IP-Adapters, which it does not keep"
                       : sdrt_model_task(config) == SDRT_TASK_EDIT
                           ? "no model that edits pictures, which has two scales"
                       : guided < gate && guided < total
                           ? "guidance in all evaluations before the gate"
                           : NULL;
    if (what) return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "cache tgate: expected %s", what);
    if (gate >= total) return SDRT_OK; /* nobody would read what is kept */
    shape->gated = 1;
    shape->alone = 0;
    return SDRT_OK;
}

static int some_unguided(const struct sdrt_request *r, int total)
{
    int e = 0;

    while (e < total && sdrt_guide_is_guided(r, e, total)) e++;
    return e < total;
}

int sdrt_cache_check(const struct sdrt_model *m, const struct sdrt_request *r,
                     struct sdrt_shape *shape)
{
    struct sdrt_cache c;
    const int status = sdrt_cache_parse(&c, r->cache, m->log);
    if (status != SDRT_OK) return status;
    shape->alone = shape->guided && some_unguided(r, sdrt_shape_counted(shape, SDRT_PART_BASE));
    if (c.kind == SDRT_CACHE_NONE) return SDRT_OK;
    if (shape->adaptive)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "cache %s: sampler %s chooses its steps by what whole evaluations say: "
                         "expected another beside it",
                         r->cache, r->sampler);
    const char *few = few_steps(m, r, shape);
    if (few)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "cache %s: %s: expected %d evaluations or more "
                         "of a model that draws in many steps",
                         r->cache, few, SDRT_CACHE_LEAST);
    if (sdrt_model_refined(m))
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "cache %s: a refiner draws the last steps: "
                         "expected a model alone",
                         r->cache);
    if (r->n_controls)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "cache %s: control nets guide whole evaluations: "
                         "expected none beside it",
                         r->cache);
    if (c.kind == SDRT_CACHE_DEEP) return check_deep(m, &c, shape);
    if (c.kind == SDRT_CACHE_GATE) return check_gate(m, r, &c, shape);
    shape->answers = c.kind == SDRT_CACHE_TAYLOR ? 2 : 3;
    if (c.kind == SDRT_CACHE_EASY && r->batch > 1)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "cache %s: each image says which evaluations it needs: "
                         "expected a batch of 1, not %d",
                         r->cache, r->batch);
    return SDRT_OK;
}

/* ---- the way of an evaluation ---- */

/* The last evaluation before the gate keeps what those behind it take. */
static enum sdrt_way gate_way(const struct sdrt_cache *cache, int e)
{
    const int gate = (int)cache->first;

    if (e >= gate) return SDRT_WAY_GATED;
    return e == gate - 1 ? SDRT_WAY_GATE : SDRT_WAY_WHOLE;
}

enum sdrt_way sdrt_cache_way(const struct sdrt_cache *cache, const struct sdrt_request *r,
                             const struct sdrt_shape *shape, int e, int total)
{
    if (shape->gated && cache->kind == SDRT_CACHE_GATE) return gate_way(cache, e);
    const int narrow = shape->alone && !shape->more_lanes && !shape->n_controls;
    const int alone = narrow && !sdrt_guide_is_guided(r, e, total);
    /* Answers with guidance and without are not alike, and what the unconditional half keeps was not made while it was left out. */
    const int back = narrow && !alone && e > 0 && !sdrt_guide_is_guided(r, e - 1, total);
    const int ends = narrow && alone && e > 0 && sdrt_guide_is_guided(r, e - 1, total);
    const int answer = shape->answers > 0;
    const int whole = back || (ends && answer) || sdrt_cache_whole(cache, e, total);

    if (!whole && answer) return SDRT_WAY_NONE;
    if (alone) return whole ? SDRT_WAY_ALONE : SDRT_WAY_ALONE_SHORT;
    return whole ? SDRT_WAY_WHOLE : SDRT_WAY_SHORT;
}

void sdrt_cache_passes(const struct sdrt_session *s, enum sdrt_part_id part,
                       const struct sdrt_pass *out[SDRT_WAYS])
{
    for (int w = 0; w < SDRT_WAYS; w++) out[w] = NULL;
    for (int i = 0; i < s->n_passes; i++) {
        const struct sdrt_pass *pass = &s->model->passes[i];
        if (s->programs[i] && pass->part == part && pass->when == SDRT_EACH_EVALUATION &&
            !pass->control && !pass->controlled)
            out[pass->way] = pass;
    }
}

/* ---- the work ---- */

struct work {
    const struct sdrt_program *program[SDRT_WAYS];
    int times[SDRT_WAYS];
    double flop[SDRT_WAYS]; /* of one run */
    int evaluations;
    double all, whole; /* FLOP */
    int adaptive;      /* 1: of those that no program runs, some may be whole */
    char text[128];    /* the cache */
};

/* Of the base; a refiner's evaluations are all whole.  0 of a sampler that chooses them on the way. */
static struct work work_of(const struct sdrt_session *s, const struct sdrt_request *r)
{
    const int n = s->shape.adaptive ? 0 : s->shape.evaluations[SDRT_PART_BASE];
    const struct sdrt_pass *passes[SDRT_WAYS];
    struct sdrt_cache cache;
    struct work w = { .evaluations = n };

    sdrt_cache_parse(&cache, r->cache, NULL);
    w.adaptive = cache.kind == SDRT_CACHE_EASY;
    sdrt_cache_text(&cache, w.text, sizeof w.text);
    sdrt_cache_passes(s, SDRT_PART_BASE, passes);
    for (int i = 0; i < SDRT_WAYS; i++) {
        if (!passes[i]) continue;
        w.program[i] = s->programs[passes[i] - s->model->passes];
        w.flop[i] = sdrt_program_flop(w.program[i]);
    }
    for (int e = 0; e < n; e++) {
        const enum sdrt_way way = sdrt_cache_way(&cache, r, &s->shape, e, n);
        const int there = way == SDRT_WAY_NONE || passes[way] ? (int)way : SDRT_WAY_WHOLE;
        w.times[there]++;
        w.all += w.flop[there];
    }
    w.whole = n * w.flop[SDRT_WAY_WHOLE];
    return w;
}

void sdrt_cache_write_work(const struct sdrt_session *s, const struct sdrt_request *r, FILE *f)
{
    const struct work w = work_of(s, r);
    const char *between = ": ";

    if (w.times[SDRT_WAY_WHOLE] == w.evaluations) return;
    fprintf(f, "%d evaluations", w.evaluations);
    for (int i = 0; i < SDRT_WAYS; i++) {
        if (!w.times[i]) continue;
        if (i == SDRT_WAY_NONE)
            fprintf(f, "%s%s%d left out", between, w.adaptive ? "up to " : "", w.times[i]);
        else
            fprintf(f, "%s%d x %s (%.4g GFLOP)", between, w.times[i],
                    sdrt_program_name(w.program[i]), w.flop[i] * 1e-9);
        between = ", ";
    }
    fprintf(f, "; %s%.1f %% of the work saved, %.4g of %.4g GFLOP", w.adaptive ? "up to " : "",
            100.0 * (1.0 - w.all / w.whole), (w.whole - w.all) * 1e-9, w.whole * 1e-9);
    fprintf(f, "%s%s\n", *w.text ? " by " : "", w.text);
}

json_t *sdrt_cache_work_json(const struct sdrt_session *s, const struct sdrt_request *r)
{
    const struct work w = work_of(s, r);
    json_t *ways = json_array();
    int failed = !ways;

    for (int i = 0; i < SDRT_WAYS && !failed; i++)
        if (w.times[i])
            failed = json_array_append_new(ways,
                                           json_pack("{ss si sf}", "program",
                                                     w.program[i] ? sdrt_program_name(w.program[i])
                                                                  : "none",
                                                     "times", w.times[i], "flop", w.flop[i]));
    if (failed) {
        json_decref(ways);
        return NULL;
    }
    return json_pack("{ss sb si sf sf so}", "cache", w.text, "adaptive", w.adaptive, "evaluations",
                     w.evaluations, "flop", w.all, "whole_flop", w.whole, "ways", ways);
}
