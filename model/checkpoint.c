/* SPDX-License-Identifier: MIT */
#include "model/checkpoint_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char text_model[] = "text_model.";

char *sdrt_path_join(const char *directory, const char *name)
{
    const size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);

    if (path) snprintf(path, size, "%s/%s", directory, name);
    return path;
}

int sdrt_path_is_file(const char *path)
{
    struct stat s;

    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

int sdrt_path_is_folder(const char *path)
{
    struct stat s;

    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

/* The first name that is not before key, as an index. */
static size_t lower_bound(const struct sdrt_weight_files *set, const char *key)
{
    size_t low = 0, high = sdrt_weight_files_count(set);

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(sdrt_weight_files_name(set, middle), key) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

int sdrt_set_has(const struct sdrt_weight_files *set, const char *name)
{
    const size_t i = lower_bound(set, name);

    return i < sdrt_weight_files_count(set) && !strcmp(sdrt_weight_files_name(set, i), name);
}

int sdrt_set_has_prefix(const struct sdrt_weight_files *set, const char *prefix)
{
    const size_t i = lower_bound(set, prefix);

    return i < sdrt_weight_files_count(set) &&
           !strncmp(sdrt_weight_files_name(set, i), prefix, strlen(prefix));
}

int sdrt_checkpoint_refuse(const struct sdrt_checkpoint *c, const char *path, const char *family)
{
    return sdrt_fail(c->log, SDRT_E_UNSUPPORTED,
                     "%s: looks like a model of the family %s; supported is Stable Diffusion 1.x",
                     path, family);
}

/* What follows prefix in name, or NULL. */
static const char *after(const char *name, const char *prefix)
{
    const size_t length = strlen(prefix);

    return strncmp(name, prefix, length) ? NULL : name + length;
}

struct sdrt_weight_files *sdrt_checkpoint_translate(const struct sdrt_checkpoint *c,
                                                    const char *canonical,
                                                    char out[SDRT_NAME_MAX])
{
    const char *tail;

    if ((tail = after(canonical, "unet.")))
        return sdrt_names_unet(&c->unet_names, tail, out) ? c->unet : NULL;
    if ((tail = after(canonical, "vae.")))
        return sdrt_names_vae(&c->vae_names, tail, out) ? c->vae : NULL;
    if (!(tail = after(canonical, "text_encoder."))) return NULL;
    if (c->text_plain && after(tail, text_model)) tail += strlen(text_model);
    return snprintf(out, SDRT_NAME_MAX, "%s", tail) < SDRT_NAME_MAX ? c->text : NULL;
}

static int checkpoint_get(void *self, const char *name, int rank, const int64_t *shape,
                          struct sdrt_weight_view *out)
{
    char translated[SDRT_NAME_MAX];
    struct sdrt_weight_files *set = sdrt_checkpoint_translate(self, name, translated);
    struct sdrt_weights_provider files;

    if (!set) return SDRT_E_MISSING;
    files = sdrt_weight_files_provider(set);
    return files.get(files.self, translated, rank, shape, out);
}

static void checkpoint_release(void *self, const char *name)
{
    char translated[SDRT_NAME_MAX];
    struct sdrt_weight_files *set = sdrt_checkpoint_translate(self, name, translated);
    struct sdrt_weights_provider files;

    if (!set) return;
    files = sdrt_weight_files_provider(set);
    files.release(files.self, translated);
}

static void checkpoint_prefetch(void *self, const char *name)
{
    char translated[SDRT_NAME_MAX];
    struct sdrt_weight_files *set = sdrt_checkpoint_translate(self, name, translated);
    struct sdrt_weights_provider files;

    if (!set) return;
    files = sdrt_weight_files_provider(set);
    files.prefetch(files.self, translated);
}

struct sdrt_weights_provider sdrt_checkpoint_provider(struct sdrt_checkpoint *c)
{
    return (struct sdrt_weights_provider){ .get = checkpoint_get, .release = checkpoint_release,
                                           .prefetch = checkpoint_prefetch, .self = c };
}

/* All parts that every model needs, each with one tensor that every layout of it has. */
static int check_parts(struct sdrt_checkpoint *c, const char *vae_path)
{
    if (!sdrt_set_has(c->vae, "decoder.conv_in.weight")) {
        if (vae_path)
            return sdrt_fail(c->log, SDRT_E_FORMAT,
                             "%s: not a VAE: expected decoder.conv_in.weight, alone or after "
                             "first_stage_model.", vae_path);
        return sdrt_fail(c->log, SDRT_E_MISSING, "%s: has no VAE: give one with --vae FILE",
                         c->path);
    }
    c->text_plain = !sdrt_set_has_prefix(c->text, text_model);
    if (!sdrt_set_has_prefix(c->text, c->text_plain ? "encoder.layers.0." :
                                                      "text_model.encoder.layers.0."))
        return sdrt_fail(c->log, SDRT_E_MISSING,
                         "%s: has no text encoder: expected the weights of CLIP ViT-L", c->path);
    return SDRT_OK;
}

int sdrt_checkpoint_open(struct sdrt_checkpoint **out, const char *path, const char *vae_path,
                         const struct sdrt_log *log)
{
    struct sdrt_checkpoint *c = calloc(1, sizeof *c);
    int rc;

    *out = NULL;
    if (!c) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to open it", path);
    c->log = log;
    c->path = strdup(path);
    rc = c->path ? SDRT_OK : sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to open it", path);
    if (rc == SDRT_OK) rc = sdrt_weight_files_create(&c->unet, log);
    if (rc == SDRT_OK) rc = sdrt_weight_files_create(&c->vae, log);
    if (rc == SDRT_OK) rc = sdrt_weight_files_create(&c->text, log);
    if (rc != SDRT_OK) goto out;
    rc = sdrt_path_is_folder(path) ? sdrt_checkpoint_open_folder(c, path)
                                   : sdrt_checkpoint_open_file(c, path);
    if (rc == SDRT_OK && vae_path) rc = sdrt_checkpoint_open_vae(c, vae_path);
    if (rc == SDRT_OK) rc = check_parts(c, vae_path);
    if (rc == SDRT_OK) rc = sdrt_checkpoint_detect(c);
    if (rc != SDRT_OK) goto out;
    *out = c;
    c = NULL;
out:
    sdrt_checkpoint_close(&c);
    return rc;
}

void sdrt_checkpoint_close(struct sdrt_checkpoint **checkpoint)
{
    struct sdrt_checkpoint *c = *checkpoint;

    if (!c) return;
    sdrt_weight_files_free(&c->unet);
    sdrt_weight_files_free(&c->vae);
    sdrt_weight_files_free(&c->text);
    free(c->path);
    free(c->vocab_path);
    free(c->merges_path);
    free(c->unet_json);
    free(c->vae_json);
    free(c->text_json);
    free(c->scheduler_json);
    free(c);
    *checkpoint = NULL;
}

const struct sdrt_model_config *sdrt_checkpoint_config(const struct sdrt_checkpoint *c)
{
    return &c->config;
}

const char *sdrt_checkpoint_vocab_path(const struct sdrt_checkpoint *c)
{
    return c->vocab_path;
}

const char *sdrt_checkpoint_merges_path(const struct sdrt_checkpoint *c)
{
    return c->merges_path;
}
