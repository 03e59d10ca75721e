/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/lora/config.h"
#include "model/lora/pattern.h"
#include "runtime/files/json.h"
#include "runtime/files/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_BYTES = 4 << 20,
    KEY_MAX = 512,
    MAX_RANK = 1 << 20,
    MOST_COMPARED =
        1 << 24 /* patterns with names, of one file: a thousand times what trainers make */
};

/* The parts of a pipeline that diffusers' metadata tells apart; "" is PEFT's own file, which
 * is about one part. */
static const char *const prefixes[] = { "unet", "transformer", "text_encoder", "text_encoder_2",
                                        "" }; /* the last is the fallback */
enum { PREFIXES = sizeof prefixes / sizeof *prefixes };

struct sdrt_lora_config {
    json_t *root;
    const char *path; /* of the LoRA's file, whose it is */
    size_t compared;  /* patterns with names, so far */
    struct settings {
        int known;          /* 1: alpha is set */
        double alpha, rank; /* rank 0: not said */
        int root_rank;
        json_t *alphas, *ranks; /* patterns, of root; NULL for none */
    } parts[PREFIXES];
};

/* The member name of a part: behind "part." in diffusers' metadata. */
static const char *member(char out[KEY_MAX], const char *prefix, const char *name)
{
    snprintf(out, KEY_MAX, "%s%s%s", prefix, *prefix ? "." : "", name);
    return out;
}

static int read_part(struct sdrt_lora_config *c, int i, const char *where,
                     const struct sdrt_log *log)
{
    static const char *const alphas[] = { "alpha", "lora_alpha" };
    struct settings *s = &c->parts[i];
    const char *prefix = prefixes[i];
    char key[KEY_MAX];
    int status = SDRT_OK;

    for (int k = 0; k < 2 && status == SDRT_OK; k++) {
        if (!json_is_number(json_object_get(c->root, member(key, prefix, alphas[k])))) continue;
        s->known = 1;
        status = sdrt_json_double(c->root, key, where, &s->alpha, log);
    }
    if (status == SDRT_OK)
        status = sdrt_json_double(c->root, member(key, prefix, "r"), where, &s->rank, log);
    if (status == SDRT_OK)
        status = sdrt_json_bool(c->root, member(key, prefix, "use_rslora"), where, &s->root_rank,
                                log);
    s->alphas = json_object_get(c->root, member(key, prefix, "alpha_pattern"));
    s->ranks = json_object_get(c->root, member(key, prefix, "rank_pattern"));
    return status;
}

/* The text of adapter_config.json beside the file, parsed into *out; NULL where there is none. */
static int read_beside(json_t **out, const char *path, const struct sdrt_log *log)
{
    static const char name[] = "adapter_config.json";
    const char *slash = strrchr(path, '/');
    const size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    char *beside = malloc(folder + sizeof name);
    int status = SDRT_OK;

    if (!beside) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its paths", path);
    memcpy(beside, path, folder);
    memcpy(beside + folder, name, sizeof name);
    if (sdrt_path_is_file(beside)) status = sdrt_json_load(out, beside, MAX_BYTES, log);
    free(beside);
    return status;
}

int sdrt_lora_config_open(struct sdrt_lora_config **out, const struct sdrt_tensor_file *file,
                          const struct sdrt_log *log)
{
    const char *path = sdrt_tensor_file_path(file);
    const char *text = sdrt_tensor_file_metadata(file, "lora_adapter_metadata");
    struct sdrt_lora_config *c = NULL;
    json_t *root = NULL;
    int status;

    *out = NULL;
    if (text) status = sdrt_json_parse(&root, text, strlen(text), path, log);
    else status = read_beside(&root, path, log);
    if (status != SDRT_OK || !root) return status;
    c = calloc(1, sizeof *c);
    if (!c) {
        json_decref(root);
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its configuration", path);
    }
    c->root = root;
    c->path = path;
    for (int i = 0; status == SDRT_OK && i < PREFIXES; i++) status = read_part(c, i, path, log);
    if (status != SDRT_OK) sdrt_lora_config_free(&c);
    *out = c;
    return status;
}

void sdrt_lora_config_free(struct sdrt_lora_config **config)
{
    if (!*config) return;
    json_decref((*config)->root);
    free(*config);
    *config = NULL;
}

/* The module's name as PEFT knows it, without what the file has before it, into out. */
static int inner_name(const struct sdrt_lora_module *m, const char *prefix, char out[KEY_MAX])
{
    static const char outer[] = "base_model.model.";
    const char *name = m->sample;
    size_t n = m->stem;

    if (*prefix && n > strlen(prefix) && !strncmp(name, prefix, strlen(prefix))) {
        name += strlen(prefix) + 1;
        n -= strlen(prefix) + 1;
    }
    if (n > strlen(outer) && !strncmp(name, outer, strlen(outer))) {
        name += strlen(outer);
        n -= strlen(outer);
    }
    return snprintf(out, KEY_MAX, "%.*s", (int)n, name) < KEY_MAX;
}

/* *value of the first pattern that fits name; it stays where none does. */
static int look_up(struct sdrt_lora_config *c, json_t *patterns, const char *name, double *value,
                   const struct sdrt_log *log)
{
    const char *pattern, *path = c->path;
    json_t *found;

    c->compared += json_object_size(patterns);
    if (c->compared > MOST_COMPARED)
        return sdrt_fail(
            log, SDRT_E_UNSUPPORTED,
            "%s: alpha_pattern, rank_pattern: more than %d comparisons with the names of "
            "its modules",
            path, MOST_COMPARED);
    json_object_foreach(patterns, pattern, found) {
        const int fits = sdrt_lora_pattern_fits(pattern, name, path, log);
        if (fits < 0) return fits;
        if (!fits) continue;
        if (!json_is_number(found))
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: \"%s\": expected a number", path, pattern);
        *value = json_number_value(found);
        return SDRT_OK;
    }
    return SDRT_OK;
}

int sdrt_lora_config_apply(struct sdrt_lora_config *config, struct sdrt_lora_module *m,
                           const struct sdrt_log *log)
{
    struct settings *best = NULL;
    size_t longest = 0;
    const char *prefix = "";
    char name[KEY_MAX];
    int status;

    if (!config) return SDRT_OK;
    for (int i = 0; i < PREFIXES; i++) {
        const size_t n = strlen(prefixes[i]);
        if (n < longest || (n && (strncmp(m->key, prefixes[i], n) || m->key[n] != '_'))) continue;
        best = &config->parts[i];
        prefix = prefixes[i];
        longest = n;
    }
    if (!best || !best->known) best = &config->parts[PREFIXES - 1];
    if (!best->known) return SDRT_OK;
    if (!inner_name(m, prefix, name))
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: its name is too long", config->path,
                         m->sample);
    double alpha = best->alpha, rank = best->rank;
    status = look_up(config, best->alphas, name, &alpha, log);
    if (status == SDRT_OK) status = look_up(config, best->ranks, name, &rank, log);
    if (status != SDRT_OK) return status;
    m->alpha = alpha;
    m->root_rank = best->root_rank;
    /* PEFT scales whole blocks of LoKr too, LyCORIS does not. */
    if (m->kind == SDRT_KIND_LOKR && !m->rank && rank >= 1.0 && rank <= MAX_RANK)
        m->rank = (int)rank;
    return SDRT_OK;
}
