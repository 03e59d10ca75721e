/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/coverage.h"
#include "model/net/needs.h"
#include "runtime/base/grow.h"
#include "runtime/weights/packing.h"
#include "runtime/weights/weight_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 3, PARTS = 3 + SDRT_MAX_TEXT };

/* A part, and which of its tensors are read. */
struct covered {
    const struct sdrt_part *part;
    const char *name;    /* of the part, for messages */
    unsigned char *read; /* by place in the part, owned */
};

struct coverage {
    struct sdrt_named_weights *weights;
    const struct sdrt_model_config *config;
    struct covered parts[PARTS];
    int n;
    char **names; /* that are declared; owned */
    size_t n_names, cap;
    int short_of_memory;
};

/* ---- the lists in messages ---- */

/* The first few of some names, and how many more there are. */
struct list {
    char text[SHOWN * (SDRT_NAME_MAX + 2) + 32];
    size_t n;
};

static void list_name(struct list *l, const char *name)
{
    const size_t at = strlen(l->text);

    if (l->n < SHOWN)
        snprintf(l->text + at, sizeof l->text - at, "%s%.*s", l->n ? ", " : "", SDRT_NAME_MAX - 1,
                 name);
    l->n++;
}

static const char *end_list(struct list *l)
{
    const size_t at = strlen(l->text);

    if (l->n > SHOWN) snprintf(l->text + at, sizeof l->text - at, " and %zu more", l->n - SHOWN);
    return l->text;
}

/* ---- what is read ---- */

static void keep_name(void *user, const char *name)
{
    struct coverage *c = user;
    char **names = sdrt_grow(c->names, c->n_names, &c->cap, sizeof *names);
    char *copy = strdup(name);

    if (names) c->names = names;
    c->short_of_memory |= !names || !copy;
    if (names && copy) c->names[c->n_names++] = copy;
    else free(copy);
}

static void forget_names(struct coverage *c)
{
    for (size_t i = 0; i < c->n_names; i++) free(c->names[i]);
    free(c->names);
    c->names = NULL;
    c->n_names = c->cap = 0;
}

static int out_of_memory(const struct coverage *c)
{
    return sdrt_fail(c->weights->log, SDRT_E_NOMEM, "%s: no memory for a list of its tensors",
                     c->weights->path);
}

static void mark(struct coverage *c, const struct sdrt_part *part, const char *name)
{
    const size_t at = sdrt_part_find(part, name);

    for (int k = 0; k < c->n; k++)
        if (c->parts[k].part == part && at < sdrt_part_count(part)) c->parts[k].read[at] = 1;
}

static void mark_read(struct coverage *c)
{
    const struct sdrt_part *part;
    char name[SDRT_NAME_MAX];

    for (size_t i = 0; i < c->n_names; i++) {
        if (!sdrt_named_weights_locate(c->weights, c->names[i], &part, name, NULL)) continue;
        mark(c, part, name);
        if (!c->weights->behind || !sdrt_behind_is_sum(part, name)) continue;
        char *leaf = name + strlen(name) - strlen("weight");
        memcpy(leaf, "up", sizeof "up");
        mark(c, part, name);
        memcpy(leaf, "down", sizeof "down");
        mark(c, part, name);
    }
}

/* The file that lacks a tensor. */
static const char *path_of(const struct coverage *c, const char *canonical)
{
    const struct sdrt_part *part;
    char name[SDRT_NAME_MAX];

    if (sdrt_named_weights_locate(c->weights, canonical, &part, name, NULL) && part->path)
        return part->path;
    return c->weights->path;
}

/* Whether all that is declared in the store is there. */
static int check_faults(const struct coverage *c, struct sdrt_weight_store *store)
{
    struct list bad = { .n = 0 };
    const char *path = NULL;
    size_t missing = 0;

    for (size_t i = 0; i < c->n_names; i++) {
        const int fault = sdrt_weight_store_fault(store, c->names[i]);
        if (fault == SDRT_OK) continue;
        if (!path) path = path_of(c, c->names[i]);
        missing += fault == SDRT_E_MISSING;
        list_name(&bad, c->names[i]);
    }
    if (!bad.n) return SDRT_OK;
    if (missing == bad.n)
        return sdrt_fail(c->weights->log, SDRT_E_MISSING, "%s: lacks %zu tensor%s: %s", path, bad.n,
                         bad.n == 1 ? "" : "s", end_list(&bad));
    return sdrt_fail(c->weights->log, SDRT_E_FORMAT,
                     "%s: has %zu tensor%s missing or of another shape: %s", path, bad.n,
                     bad.n == 1 ? "" : "s", end_list(&bad));
}

/* Lets networks declare what they read, and marks it; with judge 1 all of it must be there. */
static int declare(struct coverage *c,
                   int (*declared)(const struct sdrt_model_config *config,
                                   struct sdrt_weight_store *store, const struct sdrt_log *log),
                   int judge)
{
    const struct sdrt_weights_provider provider = sdrt_named_weights_provider(c->weights);
    struct sdrt_weight_store *store = NULL;
    int status = sdrt_weight_store_create(&store, &provider, SDRT_DTYPES, sdrt_packing_as_stored,
                                          c->weights->log);

    if (status == SDRT_OK) status = declared(c->config, store, c->weights->log);
    if (status == SDRT_OK) sdrt_weight_store_each_declared(store, keep_name, c);
    if (status == SDRT_OK && c->short_of_memory) status = out_of_memory(c);
    if (status == SDRT_OK && judge) status = check_faults(c, store);
    if (status == SDRT_OK) mark_read(c);
    forget_names(c);
    sdrt_weight_store_free(&store);
    return status;
}

/* ---- what is not ---- */

/* Tensors that real files have and no image needs: buffers, training's leftovers, marks that are read
 * elsewhere, and networks that stand beside a text encoder or a VAE.  As in sdrt_kind_matches(). */
static const struct {
    const char *part, *piece;
} leftovers[] = {
    { "ControlNet", "^lora_controlnet$" },
    { "ControlNet", "^control_type$" },
    { "U-Net", "^v_pred$" },
    { "U-Net", "^ztsnr$" },
    { "U-Net", "^edm_" },
    { "VAE", "^loss." },
    { "VAE", "^model_ema." },
    { "VAE", "^quant_conv." }, /* of a decoder alone */
    { "text encoder", "position_ids$" },
    { "text encoder", "logit_scale$" },
    { "text encoder", "text_projection" }, /* where none is taken */
    { "text encoder", "^visual_projection." },
    { "text encoder", "^vision_model." },
    { "text encoder", "^visual." },
    { "text encoder", "^attn_mask$" },
    { "T5", "^shared.weight$" }, /* or, the same, */
    { "T5", "^encoder.embed_tokens.weight$" },
    { "T5", "^decoder." },
    { "T5", "^lm_head." },
    { "T5", "spiece_model$" },
    { "T5", "logit_scale$" },
};

static int is_leftover(const struct covered *p, const char *name)
{
    for (size_t i = 0; i < sizeof leftovers / sizeof *leftovers; i++)
        if (!strncmp(p->name, leftovers[i].part, strlen(leftovers[i].part)) &&
            sdrt_kind_matches(name, leftovers[i].piece))
            return 1;
    return 0;
}

static int check_read(const struct coverage *c, const struct covered *p)
{
    struct list unread = { .n = 0 };

    for (size_t i = 0; i < sdrt_part_count(p->part); i++) {
        const char *name = sdrt_weight_files_name(p->part->files, i);
        if (!p->read[i] && !is_leftover(p, name)) list_name(&unread, name);
    }
    if (!unread.n) return SDRT_OK;
    return sdrt_fail(c->weights->log, SDRT_E_UNSUPPORTED,
                     "%s: its %s has %zu tensor%s that nothing in %s reads: %s", p->part->path,
                     p->name, unread.n, unread.n == 1 ? "" : "s", c->config->family,
                     end_list(&unread));
}

static int add_part(struct coverage *c, const struct sdrt_part *part, const char *name)
{
    if (!sdrt_part_is_there(part)) return SDRT_OK;
    struct covered *p = &c->parts[c->n++];
    *p = (struct covered){ part, name, calloc(sdrt_part_count(part), 1) };
    return p->read ? SDRT_OK : out_of_memory(c);
}

static int add_parts(struct coverage *c)
{
    static const char *const texts[SDRT_MAX_TEXT] = { "text encoder", "text encoder 2",
                                                      "text encoder 3" };
    const struct sdrt_parts *parts = c->weights->parts;
    const int mmdit = c->config->denoiser == SDRT_DENOISER_MMDIT;
    int status = add_part(c, &parts->denoiser, mmdit ? "MMDiT" : "U-Net");

    if (status == SDRT_OK) status = add_part(c, &parts->vae, "VAE");
    if (status == SDRT_OK && c->config->has_t5) status = add_part(c, &parts->t5, "T5");
    for (int i = 0; i < parts->n_text && status == SDRT_OK; i++)
        status = add_part(c, &parts->text[i], texts[i]);
    return status;
}

int sdrt_coverage_check_control(const struct sdrt_model_config *config,
                                struct sdrt_named_weights *weights)
{
    struct coverage c = { .weights = weights, .config = config };
    int status = add_part(&c, &weights->parts->denoiser,
                          config->unet.adapter.n ? "T2I-Adapter" : "ControlNet");

    if (status == SDRT_OK) status = declare(&c, sdrt_needs_declare_control, 1);
    if (status == SDRT_OK) status = check_read(&c, &c.parts[0]);
    for (int i = 0; i < c.n; i++) free(c.parts[i].read);
    return status;
}

int sdrt_coverage_check(const struct sdrt_model_config *config, struct sdrt_named_weights *weights)
{
    struct coverage c = { .weights = weights, .config = config };
    int status = add_parts(&c);

    if (status == SDRT_OK) status = declare(&c, sdrt_needs_declare, 1);
    if (status == SDRT_OK) status = declare(&c, sdrt_needs_declare_more, 0);
    for (int i = 0; i < c.n && status == SDRT_OK; i++) status = check_read(&c, &c.parts[i]);
    for (int i = 0; i < c.n; i++) free(c.parts[i].read);
    return status;
}
