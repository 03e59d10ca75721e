/* SPDX-License-Identifier: MIT
 *
 * A model as a diffusers folder: its tensors under diffusers' names, which are the canonical ones.
 */
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/config_write.h"
#include "model/checkpoint/folder_weights.h"
#include "model/checkpoint/part.h"
#include "model/net/needs.h"
#include "runtime/base/text.h"
#include "runtime/files/atomic_folder.h"
#include "runtime/weights/packing.h"
#include "runtime/weights/weight_store.h"
#include "tools/convert.h"
#include "tools/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sdrt_model_config *config_of(const struct convert_model *m)
{
    return sdrt_checkpoint_config(m->checkpoint);
}

const char *convert_part_name(const struct convert_model *m, int part)
{
    switch (part) {
    case CONVERT_DENOISER:
        return config_of(m)->denoiser == SDRT_DENOISER_MMDIT ? "transformer" : "unet";
    case CONVERT_VAE: return "vae";
    case CONVERT_T5: return sdrt_text_prefix(2);
    default: return sdrt_text_prefix(sdrt_config_text_place(config_of(m), part - CONVERT_TEXT));
    }
}

/* ---- the list ---- */

struct listing {
    struct convert_model *model;
    struct sdrt_weights_provider provider;
    int status;
};

/* The part that a canonical name is of, and the rest of it into *rest. */
static int part_of(const struct convert_model *m, const char *canonical, const char **rest)
{
    const size_t length = strcspn(canonical, ".");
    int part = CONVERT_DENOISER;

    *rest = canonical + length + 1;
    if (!strncmp(canonical, "vae.", 4)) return CONVERT_VAE;
    for (int i = 0; i < SDRT_MAX_TEXT; i++)
        if (length == strlen(sdrt_text_prefix(i)) &&
            !strncmp(canonical, sdrt_text_prefix(i), length))
            part = i == 2 && config_of(m)->has_t5 ? CONVERT_T5 : CONVERT_TEXT + i;
    return part;
}

/* Whether a folder lacks it: a layer that no image reads. */
static int is_cut(const struct convert_model *m, int part, const char *rest)
{
    int layer = -1;

    return part >= CONVERT_TEXT && part < CONVERT_T5 &&
           sscanf(rest, "text_model.encoder.layers.%d.", &layer) == 1 &&
           layer >= sdrt_config_text_layers(config_of(m), part - CONVERT_TEXT);
}

/* Products of 1x1 are convolutions or matrices by what they are in diffusers; linear: the matrices
 * are those around a denoiser's transformers. */
static void set_rank(struct convert_tensor *t, int linear)
{
    const int attention = t->part == CONVERT_VAE && strstr(t->name, "mid_block.attentions.");
    const int around = t->part == CONVERT_DENOISER && (sdrt_ends_with(t->name, "proj_in.weight") ||
                                                       sdrt_ends_with(t->name, "proj_out.weight"));

    if (attention || (around && linear)) {
        if (t->rank == 4 && t->shape[2] == 1 && t->shape[3] == 1) t->rank = 2;
    } else if (around && t->rank == 2) {
        t->shape[2] = t->shape[3] = 1;
        t->rank = 4;
    }
}

static void add_one(struct listing *l, int part, const char *canonical, const char *rest)
{
    struct convert_model *m = l->model;
    const struct sdrt_model_config *c = config_of(m);
    /* The table has two names, of which transformers writes the first. */
    const int table = part == CONVERT_T5 && !strcmp(rest, "encoder.embed_tokens.weight");
    struct convert_tensor *t = convert_add(m, table ? "shared.weight" : rest);
    if (!t) {
        l->status = sdrt_fail(m->log, SDRT_E_NOMEM, "no memory for a list of tensors");
        return;
    }
    t->part = part;
    l->status = convert_add_source(m, t, 0, &l->provider, canonical);
    set_rank(t, c->denoiser == SDRT_DENOISER_MMDIT || c->unet.linear_projections);
}

static void list_one(void *user, const char *canonical)
{
    struct listing *l = user;
    struct convert_model *m = l->model;
    struct sdrt_weight_view v;
    const char *rest;

    if (l->status != SDRT_OK) return;
    const int part = part_of(m, canonical, &rest);
    if (is_cut(m, part, rest)) return;
    /* What the model has to have was there when it was opened. */
    l->status = l->provider.describe(l->provider.self, canonical, -1, NULL, &v);
    if (l->status == SDRT_OK && v.data) l->provider.release(l->provider.self, canonical);
    if (l->status == SDRT_E_MISSING) l->status = SDRT_OK;
    else if (l->status == SDRT_OK) add_one(l, part, canonical, rest);
}

/* All that the networks of the configuration read, which is all that a folder has. */
static int list_tensors(struct convert_model *m)
{
    struct listing l = { m, sdrt_checkpoint_provider(m->checkpoint), SDRT_OK };
    struct sdrt_weight_store *store = NULL;
    int status = sdrt_weight_store_create(&store, &l.provider, SDRT_DTYPES, sdrt_packing_as_stored,
                                          m->log);

    if (status == SDRT_OK) status = sdrt_needs_declare(config_of(m), store, m->log);
    if (status == SDRT_OK) status = sdrt_needs_declare_more(config_of(m), store, m->log);
    if (status == SDRT_OK) sdrt_weight_store_each_declared(store, list_one, &l);
    sdrt_weight_store_free(&store);
    return status == SDRT_OK ? l.status : status;
}

static int by_part(const void *a, const void *b)
{
    const struct convert_tensor *x = a, *y = b;

    return x->part != y->part ? (x->part < y->part ? -1 : 1) : strcmp(x->name, y->name);
}

int convert_open_folder(struct convert_model *m, const struct convert_inputs *in,
                        const struct sdrt_log *log)
{
    const struct sdrt_checkpoint_paths paths = { .model = in->model,
                                                 .vae = in->vae,
                                                 .t5 = in->t5,
                                                 .t5_tokenizer = in->t5_tokenizer };

    *m = (struct convert_model){ .log = log };
    if (in->vae && !strcmp(in->vae, "none"))
        return sdrt_fail(log, SDRT_E_ARG, "a folder is written whole: expected a VAE, not none");
    int status = sdrt_checkpoint_open(&m->checkpoint, &paths, log);
    if (status == SDRT_OK && !config_of(m)->vae.has_encoder)
        status = sdrt_fail(log, SDRT_E_MISSING,
                           "%s: its VAE has no encoder, which a folder's has: expected another as "
                           "vae",
                           in->model);
    if (status == SDRT_OK) status = list_tensors(m);
    if (status == SDRT_OK && m->n) qsort(m->list, m->n, sizeof *m->list, by_part);
    return status;
}

/* ---- writing ---- */

/* The part's tensors as its only file. */
static int write_part(struct convert_run *run, struct sdrt_atomic_folder *folder, int part)
{
    struct convert_model *m = run->model;
    const int transformers = part >= CONVERT_TEXT;
    struct convert_slice slice = { .n = 0 };
    char name[96];

    for (size_t i = 0; i < m->n; i++) {
        if (m->list[i].part != part) continue;
        if (!slice.n++) slice.list = &m->list[i];
    }
    if (!slice.n) return SDRT_OK;
    snprintf(name, sizeof name, "%s/%s.safetensors", convert_part_name(m, part),
             transformers ? sdrt_transformers_weights : sdrt_diffusion_weights);
    slice.path = sdrt_atomic_folder_file(folder, name);
    slice.shown = name;
    return slice.path ? convert_write_slice(run, &slice, CONVERT_SAFETENSORS) : SDRT_E_IO;
}

int convert_write_folder(struct convert_model *m, const char *path, struct progress *progress,
                         const volatile sig_atomic_t *stop)
{
    struct convert_run run = { .model = m, .progress = progress, .stop = stop };
    struct sdrt_atomic_folder *folder = NULL;
    int status = sdrt_atomic_folder_open(&folder, path, m->log);

    if (status != SDRT_OK) return status;
    for (size_t i = 0; i < m->n; i++) run.total += convert_bytes(&m->list[i]);
    progress_bytes_start(progress, 0);
    status = convert_write_configs(m, folder);
    for (int part = 0; part < CONVERT_PARTS && status == SDRT_OK; part++)
        status = write_part(&run, folder, part);
    progress_finish(progress);
    if (status == SDRT_OK) status = sdrt_atomic_folder_commit(&folder);
    else sdrt_atomic_folder_abort(&folder);
    return status;
}
