/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/checkpoint/tensor_names.h"
#include "model/lora/tags.h"
#include "model/net/needs.h"
#include "model/pipeline/loras.h"
#include "model/pipeline/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int sdrt_pipeline_loras_open(struct sdrt_model *m, struct sdrt_weights_provider *provider)
{
    const struct sdrt_lora_engine engine = { NULL, m->log };
    int status = sdrt_lora_index_create(&m->loras.index, m->log);

    if (status == SDRT_OK)
        status = sdrt_loras_create(&m->loras.set, provider, m->loras.index, &engine,
                                   sdrt_model_config_of(m)->family);
    if (status == SDRT_OK) *provider = sdrt_loras_provider(m->loras.set);
    return status;
}

void sdrt_pipeline_loras_close(struct sdrt_model *m)
{
    sdrt_loras_free(&m->loras.set);
    sdrt_lora_index_free(&m->loras.index);
}

/* ---- the names that files may use ---- */

struct filling {
    struct sdrt_lora_index *index;
    struct sdrt_unet_names  unet;  /* original ones */
    struct sdrt_mmdit_names mmdit;
    int status;
};

static void add_declared(void *user, const char *name)
{
    struct filling *f = user;
    struct sdrt_name_part part = { .third = -1 };
    char original[SDRT_NAME_MAX];
    int known = 0;

    if (!strncmp(name, "unet.", 5)) known = sdrt_names_unet(&f->unet, name + 5, original);
    if (!strncmp(name, "transformer.", 12))
        known = sdrt_names_mmdit(&f->mmdit, name + 12, original, &part);

    /* CLIPs are listed whole below: the graph leaves out layers that it skips. */
    if (f->status != SDRT_OK || !strncmp(name, "text_encoder.", 13) ||
        !strncmp(name, "text_encoder_2.", 15))
        return;
    f->status = sdrt_lora_index_add(f->index, name, known ? original : NULL, &part);
}

static int add_text_encoder(struct sdrt_lora_index *index, const char *part, int layers,
                            int projected)
{
    static const struct sdrt_name_part whole = { .third = -1 };
    static const char *const modules[] = {
        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj",
        "mlp.fc1", "mlp.fc2", "layer_norm1", "layer_norm2",
    };
    char name[SDRT_NAME_MAX];
    int status = SDRT_OK;

    for (int l = 0; l < layers; l++)
        for (size_t m = 0; m < sizeof modules / sizeof *modules && status == SDRT_OK; m++) {
            snprintf(name, sizeof name, "%s.text_model.encoder.layers.%d.%s.weight", part, l,
                     modules[m]);
            status = sdrt_lora_index_add(index, name, NULL, &whole);
        }
    if (status == SDRT_OK && projected) {
        snprintf(name, sizeof name, "%s.text_projection.weight", part);
        status = sdrt_lora_index_add(index, name, NULL, &whole);
    }
    return status;
}

/* Every module of the model; once.  Half of them would refuse files that fit. */
static int fill_index(struct sdrt_model *m)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    struct filling f = {
        .index = m->loras.index,
        .unet = { .original = 1, .levels = config->unet.levels, .layers = config->unet.layers },
        .mmdit = { .original = 1, .depth = config->mmdit.depth },
    };

    if (!sdrt_lora_index_empty(m->loras.index)) return SDRT_OK;
    for (int i = 0; i < config->unet.levels; i++)
        f.unet.attention[i] = config->unet.up_depth[i][config->unet.layers] > 0;
    for (int i = 0; i < config->n_text && f.status == SDRT_OK; i++)
        f.status = add_text_encoder(m->loras.index, sdrt_text_prefix(i),
                                    config->text[i].clip.layers + config->text[i].cut,
                                    config->text[i].pooled);
    sdrt_weight_store_each_declared(m->parts[SDRT_PART_BASE].store, add_declared, &f);
    if (f.status != SDRT_OK) sdrt_lora_index_clear(m->loras.index);
    return f.status;
}

/* ---- the set ---- */

static int same(const struct sdrt_model *m, const struct sdrt_lora_list *wanted, int lenient)
{
    const struct sdrt_loras *set = m->loras.set;

    if (sdrt_loras_count(set) != wanted->count || (wanted->count && m->loras.lenient != lenient))
        return 0;
    for (size_t i = 0; i < wanted->count; i++)
        if (strcmp(sdrt_loras_path(set, i), wanted->uses[i].path) ||
            !sdrt_lora_strength_equal(sdrt_loras_strength(set, i), &wanted->uses[i].strength))
            return 0;
    return 1;
}

static const char *const parts[] = { "unet.", "text_encoder.", "text_encoder_2.", "text_encoder_3.",
                                     "transformer." };
enum { PARTS = sizeof parts / sizeof *parts };

static void note_part(void *user, const char *module)
{
    int *touched = user;

    for (int i = 0; i < PARTS; i++) touched[i] |= !strncmp(module, parts[i], strlen(parts[i]));
}

static void note_parts(const struct sdrt_model *m, int touched[PARTS])
{
    for (size_t i = 0; i < sdrt_loras_count(m->loras.set); i++)
        sdrt_loras_each_touched(m->loras.set, i, note_part, touched);
}

/* On its way from one set to the next. */
struct change {
    struct sdrt_loras *set;
    const struct sdrt_lora_list *wanted;
    const struct sdrt_queue *queue; /* whose cancelling ends it */
    int lenient, status;
};

static void change_set(void *user)
{
    struct change *c = user;

    sdrt_loras_clear(c->set);
    for (size_t i = 0; i < c->wanted->count && c->status == SDRT_OK; i++) {
        if (sdrt_queue_cancelled(c->queue)) c->status = SDRT_E_CANCELLED;
        else
            c->status = sdrt_loras_add(c->set, c->wanted->uses[i].path,
                                       &c->wanted->uses[i].strength, c->lenient);
    }
    if (c->status != SDRT_OK) sdrt_loras_clear(c->set);
}

/* While nobody draws: sessions that rest hold what they drew with last.  Others may plan, for which
 * they ask the provider below the set, as adding a file does. */
static int replace_set(struct sdrt_session *s, const struct sdrt_lora_list *wanted, int lenient)
{
    struct sdrt_model *m = s->model;
    struct sdrt_weight_store *store = m->parts[SDRT_PART_BASE].store;
    struct change change = { .set = m->loras.set,
                             .wanted = wanted,
                             .queue = s->queue,
                             .lenient = lenient };
    int touched[PARTS] = { 0 };

    change.status = wanted->count ? fill_index(m) : SDRT_OK;
    note_parts(m, touched);
    m->loras.lenient = lenient;
    m->loras.version++;
    sdrt_weight_store_change(store, change_set, &change);
    note_parts(m, touched);
    for (int i = 0; i < PARTS; i++)
        if (touched[i]) sdrt_weight_store_outdate(store, parts[i]);
    sdrt_weight_store_drop_outdated(store);
    return change.status;
}

int sdrt_pipeline_loras_add(struct sdrt_model *m, const struct sdrt_lora *lora)
{
    const struct sdrt_lora_strength even = sdrt_lora_strength_even((double)lora->scale);
    int status = SDRT_OK;

    /* A session's plans have declared all that they read. */
    if (sdrt_lora_index_empty(m->loras.index))
        status = sdrt_needs_declare(sdrt_model_config_of(m), m->parts[SDRT_PART_BASE].store, m->log);
    if (status == SDRT_OK) status = fill_index(m);
    return status == SDRT_OK ? sdrt_loras_add(m->loras.set, lora->path, &even, 0) : status;
}

/* ---- one set at a time ---- */

static int ask(struct sdrt_run *run) { return sdrt_run_report(run, SDRT_STAGE_TEXT, 0, 1); }

/* Waits a while for a change; a cancelled session does not wait on.  The caller is asked without
 * the lock, since others wait for that. */
static int wait_for_change(struct sdrt_run *run)
{
    enum { MOST = 20000000 }; /* ns: cancelling comes from a signal handler, which wakes nobody */
    struct sdrt_pipeline_loras *l = &run->s->model->loras;
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += MOST;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&l->changed, &l->lock, &until);
    pthread_mutex_unlock(&l->lock);
    const int status = ask(run);
    pthread_mutex_lock(&l->lock);
    return status;
}

/* Under the lock.  The door keeps a stream of requests with the present set from shutting out one
 * with another. */
static int enter(struct sdrt_run *run, const struct sdrt_lora_list *wanted, int lenient)
{
    struct sdrt_session *s = run->s;
    struct sdrt_pipeline_loras *l = &s->model->loras;
    int status = SDRT_OK;

    while (l->at_door && status == SDRT_OK) status = wait_for_change(run);
    if (status != SDRT_OK) return status;
    l->at_door = 1;
    while (l->drawing && !same(s->model, wanted, lenient) && status == SDRT_OK)
        status = wait_for_change(run);
    if (status == SDRT_OK && !same(s->model, wanted, lenient))
        status = replace_set(s, wanted, lenient);
    l->at_door = 0;
    pthread_cond_broadcast(&l->changed);
    if (status != SDRT_OK) return status;
    l->drawing++;
    if (s->loras_version != l->version) s->text_ready = 0;
    s->loras_version = l->version;
    return SDRT_OK;
}

void sdrt_pipeline_loras_end(struct sdrt_session *s)
{
    struct sdrt_pipeline_loras *l = &s->model->loras;

    pthread_mutex_lock(&l->lock);
    l->drawing--;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

int sdrt_pipeline_loras_begin(struct sdrt_run *run)
{
    const struct sdrt_request *r = run->r;
    struct sdrt_session *s = run->s;
    struct sdrt_lora_list wanted = { 0 };
    int status = ask(run);

    for (int i = 0; i < r->n_loras && status == SDRT_OK; i++) {
        const struct sdrt_lora_strength even = sdrt_lora_strength_even((double)r->loras[i].scale);
        status = sdrt_lora_list_add(&wanted, r->loras[i].path, &even, s->log);
    }
    if (status == SDRT_OK)
        status = sdrt_lora_tags_split(r->prompt, r->lora_dir, &run->prompt, &wanted, s->log);
    if (status == SDRT_OK && r->negative_prompt)
        status = sdrt_lora_tags_split(r->negative_prompt, NULL, &run->negative, NULL, s->log);
    if (status == SDRT_OK) {
        pthread_mutex_lock(&s->model->loras.lock);
        status = enter(run, &wanted, r->lora_lenient);
        pthread_mutex_unlock(&s->model->loras.lock);
    }
    sdrt_lora_list_clear(&wanted);
    return status;
}
