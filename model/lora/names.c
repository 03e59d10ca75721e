/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/lora/names.h"
#include "runtime/base/grow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 512 };

static const char text_part[] = "text_encoder.";

/* A spelling: prefix, then the module's path with '_' for '.', in diffusers' words or in the
 * original's. */
static const struct spelling {
    const char *part, *prefix;
    int original;
} spellings[] = {
    { "unet.", "lora_unet_", 0 }, /* kohya */
    { "unet.", "lora_unet_", 1 }, /* kohya, as most SDXL files have it */
    { "unet.", "unet_", 0 },      /* diffusers */
    { "unet.", "", 0 },           /* diffusers' attention processors alone */
    { "unet.", "base_model_model_", 0 }, /* PEFT */
    { "unet.", "lycoris_", 0 },
    { "unet.", "lycoris_", 1 },
    { "unet.", "diffusion_model_", 1 },
    { "unet.", "model_diffusion_model_", 1 },
    { "transformer.", "transformer_", 0 },
    { "transformer.", "lora_transformer_", 0 },
    { "transformer.", "", 0 },
    { "transformer.", "base_model_model_", 0 },
    { "transformer.", "lycoris_", 0 },
    { "transformer.", "lora_unet_", 1 },
    { "transformer.", "diffusion_model_", 1 },
    { "text_encoder.", "lora_te_", 0 },
    { "text_encoder.", "lora_te1_", 0 },
    { "text_encoder.", "text_encoder_", 0 },
    { "text_encoder.", "base_model_model_", 0 },
    { "text_encoder.", "lycoris_", 0 },
    { "text_encoder_2.", "lora_te2_", 0 },
    { "text_encoder_2.", "text_encoder_2_", 0 },
};

struct name {
    char  *key; /* owned */
    size_t module;
    int    third;
};

struct sdrt_lora_index {
    const struct sdrt_log *log;
    char  **modules; /* owned */
    size_t n_modules, modules_cap;
    struct name *names; /* sorted by key once sealed */
    size_t n_names, names_cap;
    int sealed;
};

int sdrt_lora_index_create(struct sdrt_lora_index **out, const struct sdrt_log *log)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return sdrt_fail(log, SDRT_E_NOMEM, "no memory for the names of LoRA modules");
    (*out)->log = log;
    return SDRT_OK;
}

void sdrt_lora_index_clear(struct sdrt_lora_index *x)
{
    for (size_t i = 0; i < x->n_modules; i++) free(x->modules[i]);
    for (size_t i = 0; i < x->n_names; i++) free(x->names[i].key);
    free(x->modules);
    free(x->names);
    *x = (struct sdrt_lora_index){ .log = x->log };
}

void sdrt_lora_index_free(struct sdrt_lora_index **index)
{
    struct sdrt_lora_index *x = *index;

    if (!x) return;
    sdrt_lora_index_clear(x);
    free(x);
    *index = NULL;
}

int sdrt_lora_index_empty(const struct sdrt_lora_index *x) { return x->n_modules == 0; }

static int add_name(struct sdrt_lora_index *x, const char *prefix, const char *path, size_t length,
                    int third)
{
    const size_t front = strlen(prefix);
    struct name *names = sdrt_grow(x->names, x->n_names, &x->names_cap, sizeof *names);
    char *key = malloc(front + length + 1);

    if (names) x->names = names;
    if (!key || !names) {
        free(key);
        return 0;
    }
    memcpy(key, prefix, front);
    for (size_t i = 0; i < length; i++) key[front + i] = path[i] == '.' ? '_' : path[i];
    key[front + length] = '\0';
    x->names[x->n_names++] = (struct name){ key, x->n_modules - 1, third };
    return 1;
}

/* The path as it is and, in a text encoder, as newer versions of transformers have it: without
 * the model's outer name. */
static int add_path(struct sdrt_lora_index *x, const char *prefix, const char *path, size_t length,
                    int third)
{
    static const char outer[] = "text_model.";
    const size_t n = sizeof outer - 1;

    if (!add_name(x, prefix, path, length, third)) return 0;
    return length <= n || strncmp(path, outer, n) ||
           add_name(x, prefix, path + n, length - n, third);
}

/* What diffusers called the projections of a text encoder before it used PEFT. */
static int add_old_projection(struct sdrt_lora_index *x, const char *path, size_t length)
{
    static const struct { const char *now, *then; } words[] = {
        { "self_attn.q_proj", "self_attn.to_q" }, { "self_attn.k_proj", "self_attn.to_k" },
        { "self_attn.v_proj", "self_attn.to_v" }, { "self_attn.out_proj", "self_attn.to_out" },
    };
    char old[KEY_MAX];

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const size_t n = strlen(words[i].now);
        if (length < n || memcmp(path + length - n, words[i].now, n)) continue;
        const int size = snprintf(old, sizeof old, "%.*s%s", (int)(length - n), path,
                                  words[i].then);
        return size < KEY_MAX && add_name(x, "text_encoder_", old, (size_t)size, -1);
    }
    return 1;
}

static size_t stem_length(const char *name)
{
    static const char end[] = ".weight";
    const size_t length = strlen(name), n = sizeof end - 1;

    return length > n && !strcmp(name + length - n, end) ? length - n : 0;
}

int sdrt_lora_index_add(struct sdrt_lora_index *x, const char *canonical, const char *original,
                        int third)
{
    const size_t stem = stem_length(canonical);
    const size_t original_stem = original ? stem_length(original) : 0;
    char *module, **modules;
    int ok = 1;

    if (!stem) return SDRT_OK;
    x->sealed = 0;
    module = strndup(canonical, stem);
    modules = sdrt_grow(x->modules, x->n_modules, &x->modules_cap, sizeof *modules);
    if (modules) x->modules = modules;
    if (!module || !modules) {
        free(module);
        return sdrt_fail(x->log, SDRT_E_NOMEM, "no memory for the names of LoRA modules");
    }
    x->modules[x->n_modules++] = module;
    for (size_t i = 0; ok && i < sizeof spellings / sizeof *spellings; i++) {
        const struct spelling *s = &spellings[i];
        const size_t part = strlen(s->part);
        if (strncmp(canonical, s->part, part)) continue;
        if (!s->original) ok = add_path(x, s->prefix, canonical + part, stem - part, -1);
        else if (original_stem) ok = add_path(x, s->prefix, original, original_stem, third);
    }
    if (ok && !strncmp(canonical, text_part, strlen(text_part)))
        ok = add_old_projection(x, canonical + strlen(text_part), stem - strlen(text_part));
    return ok ? SDRT_OK
              : sdrt_fail(x->log, SDRT_E_NOMEM, "no memory for the names of LoRA modules");
}

static int by_key(const void *a, const void *b)
{
    const struct name *x = a, *y = b;

    const int order = strcmp(x->key, y->key);

    return order ? order : x->third - y->third;
}

const char *sdrt_lora_index_find(struct sdrt_lora_index *x, const char *key, int n, int *third)
{
    const struct name *found;
    struct name wanted = { .key = (char *)(size_t)key, .third = n ? n : -1 };

    if (!x->n_names) return NULL;
    if (!x->sealed) qsort(x->names, x->n_names, sizeof *x->names, by_key);
    x->sealed = 1;
    found = bsearch(&wanted, x->names, x->n_names, sizeof *x->names, by_key);
    if (!found && !n) { /* the first of three, not a whole one */
        wanted.third = 0;
        found = bsearch(&wanted, x->names, x->n_names, sizeof *x->names, by_key);
    }
    if (found) *third = found->third;
    return found ? x->modules[found->module] : NULL;
}
