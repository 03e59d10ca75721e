/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/lora/config.h"
#include "runtime/files/json.h"
#include "runtime/files/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 4 << 20, KEY_MAX = 512 };

/* The parts of a pipeline that diffusers' metadata tells apart; "" is PEFT's own file, which
 * is about one part. */
static const char *const prefixes[] = { "unet", "transformer", "text_encoder", "text_encoder_2",
                                        "" }; /* the last is the fallback */
enum { PREFIXES = sizeof prefixes / sizeof *prefixes };

struct sdrt_lora_config {
    json_t *root;
    struct settings {
        int known; /* 1: alpha is set */
        double alpha;
        int root_rank;
        json_t *patterns; /* of root; NULL for none */
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
    struct settings *s = &c->parts[i];
    char key[KEY_MAX];
    double alpha = 0.0;
    int status;

    status = sdrt_json_double(c->root, member(key, prefixes[i], "alpha"), where, &alpha, log);
    if (status == SDRT_OK)
        status = sdrt_json_double(c->root, member(key, prefixes[i], "lora_alpha"), where, &alpha,
                                  log);
    if (status == SDRT_OK)
        status = sdrt_json_bool(c->root, member(key, prefixes[i], "use_rslora"), where,
                                &s->root_rank, log);
    s->alpha = alpha;
    s->known = alpha != 0.0;
    s->patterns = json_object_get(c->root, member(key, prefixes[i], "alpha_pattern"));
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

/* Is pattern, its dots read as '_', all of key or its end after a '_'? */
static int fits(const char *key, const char *pattern)
{
    const size_t n = strlen(pattern), length = strlen(key);

    if (n > length || (n < length && key[length - n - 1] != '_')) return 0;
    for (size_t i = 0; i < n; i++)
        if (key[length - n + i] != (pattern[i] == '.' ? '_' : pattern[i])) return 0;
    return 1;
}

void sdrt_lora_config_alpha(const struct sdrt_lora_config *config, const char *key, double *alpha,
                            int *root_rank)
{
    const struct settings *best = NULL;
    size_t longest = 0;
    const char *pattern;
    json_t *value;

    if (!config) return;
    for (int i = 0; i < PREFIXES; i++) {
        const size_t n = strlen(prefixes[i]);
        if (n < longest || (n && (strncmp(key, prefixes[i], n) || key[n] != '_'))) continue;
        best = &config->parts[i];
        longest = n;
    }
    if (!best || !best->known) best = &config->parts[PREFIXES - 1];
    if (!best->known) return;
    *alpha = best->alpha;
    *root_rank = best->root_rank;
    json_object_foreach(best->patterns, pattern, value)
        if (json_is_number(value) && fits(key, pattern)) *alpha = json_number_value(value);
}
