/* SPDX-License-Identifier: MIT
 *
 * LoRAs, merged into what is written by what merges them into what is drawn with.
 */
#include "kernels/pack.h"
#include "model/pipeline/loras.h"
#include "model/pipeline/model.h"
#include "model/sdrt.h"
#include "tools/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct convert_loras {
    struct sdrt_model *model;
    struct sdrt_queue *queue;
};

void convert_loras_free(struct convert_loras **loras)
{
    if (!*loras) return;
    sdrt_queue_close(&(*loras)->queue);
    sdrt_model_release(&(*loras)->model);
    free(*loras);
    *loras = NULL;
}

static int out_of_memory(const struct convert_model *m)
{
    return sdrt_fail(m->log, SDRT_E_NOMEM, "no memory to merge LoRAs");
}

/* ---- which tensors ---- */

/* What a tensor's sources are of, and so the same file as a part of the model that draws. */
static const struct sdrt_part *home_of(const struct convert_model *m,
                                       const struct convert_tensor *t)
{
    const struct sdrt_part *homes[5 + SDRT_MAX_TEXT] = { &m->whole, &m->vae, &m->t5,
                                                         &m->parts.denoiser, &m->parts.t5 };

    for (int i = 0; i < SDRT_MAX_TEXT; i++) homes[5 + i] = &m->parts.text[i];
    for (int i = 0; i < 5 + SDRT_MAX_TEXT; i++)
        if (homes[i]->files && sdrt_weight_files_provider(homes[i]->files).self == t->provider.self)
            return homes[i];
    return NULL;
}

/* Whether two names of two openings of a file are the same tensor's. */
static int is_same(const struct sdrt_part *a, const char *name_a, const struct sdrt_part *b,
                   const char *name_b)
{
    char x[SDRT_NAME_MAX + 128], y[SDRT_NAME_MAX + 128];

    if (strcmp(a->path, b->path) != 0) return 0;
    snprintf(x, sizeof x, "%s%s", a->strip, name_a);
    snprintf(y, sizeof y, "%s%s", b->strip, name_b);
    return !strcmp(x, y);
}

struct marking {
    struct convert_model *model;
    struct sdrt_checkpoint *checkpoint;
    int status;
};

static int mark_source(struct convert_tensor *t, int k, const char *canonical,
                       const struct sdrt_name_part *where)
{
    char **name = &t->merged[where->third >= 0 ? where->third : k];

    t->from = SDRT_F32;
    t->where = *where;
    if (!*name) *name = strdup(canonical);
    return *name ? SDRT_OK : SDRT_E_NOMEM;
}

/* Marks the tensor of a folder, whose names are the canonical ones.  What it does not write, no image
 * reads. */
static void mark_canonical(struct marking *g, const char *canonical)
{
    static const struct sdrt_name_part all = { .third = -1 };
    struct convert_model *m = g->model;

    for (size_t i = 0; i < m->n && g->status == SDRT_OK; i++)
        if (!strcmp(m->list[i].source[0], canonical) &&
            mark_source(&m->list[i], 0, canonical, &all) != SDRT_OK)
            g->status = out_of_memory(m);
}

/* A tensor that a file leaves out, as SD 3.x's the identity, is written once a LoRA changes it. */
static int add_left_out(struct marking *g, const struct sdrt_part *part, const char *name,
                        const char *canonical)
{
    const struct sdrt_weights_provider p = sdrt_checkpoint_provider(g->checkpoint);
    static const struct sdrt_name_part all = { .third = -1 };
    char own[SDRT_NAME_MAX + 128];
    struct sdrt_weight_view v;
    int status = p.describe(p.self, canonical, -1, NULL, &v);

    if (status == SDRT_E_MISSING) return SDRT_OK; /* a module without a bias */
    if (status != SDRT_OK) return status;
    if (v.data) p.release(p.self, canonical);
    snprintf(own, sizeof own, "%s%s", part->strip, name);
    for (size_t i = 0; i < g->model->n; i++)
        if (!strcmp(g->model->list[i].name, own)) return SDRT_OK; /* by an earlier LoRA */
    struct convert_tensor *t = convert_add(g->model, own);
    if (!t) return out_of_memory(g->model);
    status = convert_add_source(g->model, t, 0, &p, canonical);
    if (status == SDRT_OK) status = mark_source(t, 0, canonical, &all);
    convert_sort(g->model);
    return status;
}

/* Marks all that is made of the tensor; SD 2.x's last layer is written twice. */
static void mark(struct marking *g, const char *canonical)
{
    struct convert_model *m = g->model;
    const struct sdrt_part *part, *home;
    struct sdrt_name_part where;
    char name[SDRT_NAME_MAX];
    int found = 0;

    if (!sdrt_checkpoint_locate(g->checkpoint, canonical, &part, name, &where)) return;
    if (!sdrt_part_has(part, name)) {
        g->status = add_left_out(g, part, name, canonical);
        return;
    }
    for (size_t i = 0; i < m->n && g->status == SDRT_OK; i++)
        for (int k = 0; k < 3 && g->status == SDRT_OK; k++) {
            struct convert_tensor *t = &m->list[i];
            if (!t->source[k]) continue;
            home = home_of(m, t);
            if (!home || !is_same(home, t->source[k], part, name)) continue;
            found = 1;
            if (mark_source(t, k, canonical, &where) != SDRT_OK) g->status = out_of_memory(m);
        }
    if (!found && g->status == SDRT_OK)
        g->status = sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                              "%s: a LoRA changes it, but it is in nothing that is written",
                              canonical);
}

static void mark_module(void *user, const char *module)
{
    static const char *const tensors[] = { "weight", "bias" };
    struct marking *g = user;
    char canonical[SDRT_NAME_MAX];

    for (int i = 0; i < 2 && g->status == SDRT_OK; i++) {
        snprintf(canonical, sizeof canonical, "%s.%s", module, tensors[i]);
        (g->model->checkpoint ? mark_canonical : mark)(g, canonical);
    }
}

/* What the file says of itself. */
static int note_name(struct convert_model *m, const struct sdrt_lora *lora)
{
    const char *slash = strrchr(lora->path, '/'), *old = m->lora_names ? m->lora_names : "";
    const char *base = slash ? slash + 1 : lora->path;
    const size_t room = strlen(old) + strlen(base) + 32;
    char *names = malloc(room);

    if (!names) return out_of_memory(m);
    snprintf(names, room, "%s%s%s:%g", old, *old ? ", " : "", base, (double)lora->scale);
    free(m->lora_names);
    m->lora_names = names;
    return SDRT_OK;
}

int convert_merge(struct convert_model *m, const struct convert_inputs *in)
{
    struct convert_loras *x = m->loras = calloc(1, sizeof *x);
    struct sdrt_options o;
    int status;

    if (!x) return out_of_memory(m);
    sdrt_options_init(&o);
    o.model = in->model;
    o.vae = in->vae && strcmp(in->vae, "none") ? in->vae : NULL;
    o.t5 = in->t5;
    o.t5_tokenizer = in->t5_tokenizer;
    o.log = m->log;
    status = sdrt_model_open(&x->model, &o);
    if (status == SDRT_OK) status = sdrt_queue_open(&x->queue, x->model->device, 1, m->log);
    for (int i = 0; i < in->n_loras && status == SDRT_OK; i++) {
        status = sdrt_pipeline_loras_add(x->model, &in->loras[i]);
        if (status == SDRT_OK) status = note_name(m, &in->loras[i]);
    }
    if (status != SDRT_OK) return status;
    m->merged = sdrt_loras_provider(x->model->loras.set);
    m->merged.use_queue(m->merged.self, x->queue);
    struct marking g = { m, x->model->parts[SDRT_PART_BASE].checkpoint, SDRT_OK };
    for (int i = 0; i < in->n_loras; i++)
        sdrt_loras_each_touched(x->model->loras.set, (size_t)i, mark_module, &g);
    return g.status;
}

/* ---- their values ---- */

/* All of a tensor, which has n values, as f32. */
static int get_f32(const struct sdrt_weights_provider *p, const char *name,
                   const struct convert_tensor *t, float *out, size_t n, const struct sdrt_log *log)
{
    struct sdrt_weight_view v;
    int status = p->get(p->self, name, t->rank, t->shape, &v);

    if (status != SDRT_OK) return status;
    if (sdrt_weight_elements(&v) != n || sdrt_to_f32(v.data, v.dtype, out, n) != 0)
        status = sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: expected %zu floats to merge with", name,
                           n);
    p->release(p->self, name);
    return status;
}

/* Into out, as the sources are: what LoRAs change merged, and the rest. */
static int gather(const struct convert_model *m, const struct convert_tensor *t, float *out)
{
    const int thirds = t->where.third >= 0, pieces = thirds ? 3 : t->n_sources;
    const size_t part = t->values / (size_t)t->n_sources, each = t->values / (size_t)pieces;
    int status = SDRT_OK;

    for (int k = 0; k < t->n_sources && status == SDRT_OK; k++)
        if (thirds || !t->merged[k])
            status = get_f32(&t->provider, t->source[k], t, out + (size_t)k * part, part, m->log);
    for (int k = 0; k < pieces && status == SDRT_OK; k++)
        if (t->merged[k])
            status = get_f32(&m->merged, t->merged[k], t, out + (size_t)k * each, each, m->log);
    return status;
}

int convert_begin_merged(const struct convert_model *m, struct convert_tensor *t)
{
    const size_t bytes = t->values * sizeof(float) + 1;
    struct convert_tensor as = *t;
    struct sdrt_weight_view v;
    float *plain;
    int status;

    as.transposed |= t->where.transposed;
    as.swapped |= t->where.swapped;
    const int turned = as.transposed || as.swapped;
    if (t->n_sources == 1 && t->where.third < 0 && !turned) {
        status = m->merged.get(m->merged.self, t->merged[0], t->rank, t->shape, &v);
        if (status != SDRT_OK) return status;
        if (v.dtype == SDRT_F32) {
            t->held = v.data;
            return SDRT_OK;
        }
        m->merged.release(m->merged.self, t->merged[0]);
    }
    t->data = malloc(bytes);
    plain = turned ? malloc(bytes) : t->data;
    status = t->data && plain ? gather(m, t, plain) : out_of_memory(m);
    if (status == SDRT_OK && turned) convert_turn(&as, (const char *)plain, t->data);
    if (turned) free(plain);
    return status;
}
