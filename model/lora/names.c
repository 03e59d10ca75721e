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
    { "unet.", "unet_", 1 },      /* the Open Model Initiative's, from OneTrainer */
    { "unet.", "", 0 },           /* diffusers' attention processors alone */
    { "unet.", "", 1 },
    { "unet.", "base_model_model_", 0 }, /* PEFT */
    { "unet.", "lycoris_", 0 },
    { "unet.", "lycoris_", 1 },
    { "unet.", "diffusion_model_", 1 },
    { "unet.", "model_diffusion_model_", 1 },
    { "transformer.", "transformer_", 0 },
    { "transformer.", "transformer_", 1 },
    { "transformer.", "lora_transformer_", 0 },
    { "transformer.", "", 0 },
    { "transformer.", "", 1 },
    { "transformer.", "unet_", 1 },
    { "transformer.", "base_model_model_", 0 },
    { "transformer.", "lycoris_", 0 },
    { "transformer.", "lora_unet_", 0 },
    { "transformer.", "lora_unet_", 1 },
    { "transformer.", "diffusion_model_", 1 },
    { "transformer.", "model_diffusion_model_", 1 },
    { "text_encoder.", "lora_te_", 0 },
    { "text_encoder.", "lora_te1_", 0 },
    { "text_encoder.", "text_encoder_", 0 },
    { "text_encoder.", "base_model_model_", 0 },
    { "text_encoder.", "lycoris_", 0 },
    { "text_encoder.", "clip_l_", 0 },
    { "text_encoder.", "text_encoders_clip_l_transformer_", 0 }, /* ComfyUI */
    { "text_encoder_2.", "lora_te2_", 0 },
    { "text_encoder_2.", "text_encoder_2_", 0 },
    { "text_encoder_2.", "clip_g_", 0 },
    { "text_encoder_2.", "text_encoders_clip_g_transformer_", 0 },
    { "text_encoder_3.", "lora_te3_", 0 },
    { "text_encoder_3.", "text_encoder_3_", 0 },
    { "text_encoder_3.", "t5_", 0 },
    { "text_encoder_3.", "t5xxl_", 0 },
    { "text_encoder_3.", "text_encoders_t5xxl_transformer_", 0 },
};

struct name {
    char  *key; /* owned */
    size_t module;
    struct sdrt_name_part where;
};

struct module {
    char *name; /* owned */
    int   block;
};

struct sdrt_lora_index {
    const struct sdrt_log *log;
    struct module *modules; /* owned */
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
    for (size_t i = 0; i < x->n_modules; i++) free(x->modules[i].name);
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

static const struct sdrt_name_part whole = { .third = -1 };

static int add_name(struct sdrt_lora_index *x, const char *prefix, const char *path, size_t length,
                    const struct sdrt_name_part *where)
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
    x->names[x->n_names++] = (struct name){ key, x->n_modules - 1, *where };
    return 1;
}

/* The path as it is and, in a text encoder, as newer versions of transformers have it: without
 * the model's outer name. */
static int add_path(struct sdrt_lora_index *x, const char *prefix, const char *path, size_t length)
{
    static const char outer[] = "text_model.";
    const size_t n = sizeof outer - 1;

    if (!add_name(x, prefix, path, length, &whole)) return 0;
    return length <= n || strncmp(path, outer, n) ||
           add_name(x, prefix, path + n, length - n, &whole);
}

/* A path of the original code; OneTrainer also names each third of a matrix, behind the matrix'
 * own name. */
static int add_original(struct sdrt_lora_index *x, const char *prefix, const char *path,
                        size_t length, const struct sdrt_name_part *where)
{
    char alone[KEY_MAX];

    if (!add_name(x, prefix, path, length, where)) return 0;
    if (where->third < 0) return 1;
    const int size = snprintf(alone, sizeof alone, "%.*s.%d", (int)length, path, where->third);
    return size < KEY_MAX && add_name(x, prefix, alone, (size_t)size, &whole);
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
        return size < KEY_MAX && add_name(x, "text_encoder_", old, (size_t)size, &whole);
    }
    return 1;
}

static size_t stem_length(const char *name)
{
    static const char end[] = ".weight";
    const size_t length = strlen(name), n = sizeof end - 1;

    return length > n && !strcmp(name + length - n, end) ? length - n : 0;
}

/* The number at the beginning of text, -1 where there is none below 12. */
static int number_at(const char *text)
{
    char *end;
    const long n = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : -1;

    return n < 12 ? (int)n : -1;
}

static int block_of(const char *canonical, const char *original)
{
    static const char in[] = "input_blocks.", middle[] = "middle_block.", out[] = "output_blocks.";
    int n = -1, first = 0;

    if (!strncmp(canonical, "text_encoder", strlen("text_encoder"))) return SDRT_LORA_BASE;
    if (!original) return -1;
    if (!strncmp(original, middle, strlen(middle))) return SDRT_LORA_MIDDLE;
    if (!strncmp(original, in, strlen(in))) {
        first = SDRT_LORA_IN;
        n = number_at(original + strlen(in));
    } else if (!strncmp(original, out, strlen(out))) {
        first = SDRT_LORA_OUT;
        n = number_at(original + strlen(out));
    }
    return n < 0 ? -1 : first + n;
}

static int add_module(struct sdrt_lora_index *x, const char *canonical, size_t stem,
                      const char *original)
{
    char *name = strndup(canonical, stem);
    struct module *modules = sdrt_grow(x->modules, x->n_modules, &x->modules_cap, sizeof *modules);

    if (modules) x->modules = modules;
    if (!name || !modules) {
        free(name);
        return 0;
    }
    x->modules[x->n_modules++] = (struct module){ name, block_of(canonical, original) };
    return 1;
}

int sdrt_lora_index_add(struct sdrt_lora_index *x, const char *canonical, const char *original,
                        const struct sdrt_name_part *where)
{
    const size_t stem = stem_length(canonical);
    const size_t original_stem = original ? stem_length(original) : 0;
    int ok;

    if (!stem) return SDRT_OK;
    x->sealed = 0;
    ok = add_module(x, canonical, stem, original);
    for (size_t i = 0; ok && i < sizeof spellings / sizeof *spellings; i++) {
        const struct spelling *s = &spellings[i];
        const size_t part = strlen(s->part);
        if (strncmp(canonical, s->part, part)) continue;
        if (!s->original) ok = add_path(x, s->prefix, canonical + part, stem - part);
        else if (original_stem) ok = add_original(x, s->prefix, original, original_stem, where);
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

    return order ? order : x->where.third - y->where.third;
}

int sdrt_lora_index_find(struct sdrt_lora_index *x, const char *key, int n,
                         struct sdrt_lora_place *place)
{
    const struct name *found;
    struct name wanted = { .key = (char *)(size_t)key, .where.third = n ? n : -1 };

    if (!x->n_names) return 0;
    if (!x->sealed) qsort(x->names, x->n_names, sizeof *x->names, by_key);
    x->sealed = 1;
    found = bsearch(&wanted, x->names, x->n_names, sizeof *x->names, by_key);
    if (!found && !n) { /* the first of three, not a whole one */
        wanted.where.third = 0;
        found = bsearch(&wanted, x->names, x->n_names, sizeof *x->names, by_key);
    }
    if (!found) return 0;
    *place = (struct sdrt_lora_place){ x->modules[found->module].name, found->where,
                                       x->modules[found->module].block };
    return 1;
}

int sdrt_lora_index_has(const struct sdrt_lora_index *x, const char *part)
{
    for (size_t i = 0; i < x->n_modules; i++)
        if (!strncmp(x->modules[i].name, part, strlen(part))) return 1;
    return 0;
}
