/* SPDX-License-Identifier: MIT
 *
 * Finds the parts of a checkpoint: in a single file, in a diffusers folder, in a VAE alone.
 */
#include "model/checkpoint_internal.h"
#include "runtime/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INDEX_BYTES = 16 << 20, MAX_CONFIG_BYTES = 1 << 20 };

static const char first_stage[] = "first_stage_model.";

/* "state_dict." when a training framework has put all names behind it, else "". */
static const char *wrapper_of(const struct sdrt_weight_files *set)
{
    return sdrt_set_has_prefix(set, "state_dict.") ? "state_dict." : "";
}

static int any_contains(const struct sdrt_weight_files *set, const char *part)
{
    for (size_t i = 0; i < sdrt_weight_files_count(set); i++)
        if (strstr(sdrt_weight_files_name(set, i), part)) return 1;
    return 0;
}

/* The family whose signs are among the names, as text for a message; NULL without any. */
static const char *family_of(const struct sdrt_weight_files *set)
{
    static const struct {
        const char *part, *family;
    } signs[] = {
        { "joint_blocks.", "SD 3" },
        { "double_blocks.", "Flux" },
        { "conditioner.embedders.", "SDXL" },
        { "diffusion_model.label_emb.", "SDXL" },
        { "add_embedding.", "SDXL" },
        { "cond_stage_model.model.", "SD 2.x" },
    };

    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (any_contains(set, signs[i].part)) return signs[i].family;
    return NULL;
}

/* Why a file without a U-Net is no checkpoint. */
static int refuse_file(const struct sdrt_checkpoint *c, const char *path,
                       const struct sdrt_weight_files *all)
{
    const char *family;

    if (sdrt_set_has_prefix(all, "lora_") || any_contains(all, ".lora"))
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED,
                         "%s: is a LoRA, which only changes a model: expected a whole checkpoint",
                         path);
    family = family_of(all);
    if (family) return sdrt_checkpoint_refuse(c, path, family);
    if (any_contains(all, "decoder.conv_in.weight"))
        return sdrt_fail(c->log, SDRT_E_MISSING,
                         "%s: is a VAE without a U-Net: expected a whole checkpoint", path);
    return sdrt_fail(c->log, SDRT_E_FORMAT,
                     "%s: not a Stable Diffusion checkpoint: none of its %zu tensors is "
                     "model.diffusion_model.input_blocks.0.0.weight", path,
                     sdrt_weight_files_count(all));
}

/* Adds what path has behind the wrapper and prefix to set. */
static int add_prefixed(struct sdrt_weight_files *set, const char *path, const char *wrapper,
                        const char *prefix)
{
    char strip[64];

    snprintf(strip, sizeof strip, "%s%s", wrapper, prefix);
    return sdrt_weight_files_add(set, path, strip, "", SDRT_DUPLICATES_FAIL);
}

int sdrt_checkpoint_open_file(struct sdrt_checkpoint *c, const char *path)
{
    struct sdrt_weight_files *all = NULL;
    const char *wrapper, *family;
    int rc;

    rc = sdrt_weight_files_create(&all, c->log);
    if (rc == SDRT_OK) rc = sdrt_weight_files_add(all, path, "", "", SDRT_DUPLICATES_FAIL);
    if (rc != SDRT_OK) goto out;
    wrapper = wrapper_of(all);
    rc = add_prefixed(c->unet, path, wrapper, "model.diffusion_model.");
    if (rc != SDRT_OK) goto out;
    if (!sdrt_set_has(c->unet, "input_blocks.0.0.weight")) {
        rc = refuse_file(c, path, all);
        goto out;
    }
    family = family_of(all);
    if (family) {
        rc = sdrt_checkpoint_refuse(c, path, family);
        goto out;
    }
    rc = add_prefixed(c->vae, path, wrapper, first_stage);
    if (rc == SDRT_OK) rc = add_prefixed(c->text, path, wrapper, "cond_stage_model.transformer.");
out:
    sdrt_weight_files_free(&all);
    return rc;
}

static int out_of_memory(const struct sdrt_checkpoint *c, const char *path)
{
    return sdrt_fail(c->log, SDRT_E_NOMEM, "%s: no memory for its paths", path);
}

/* Adds each file that the index names, once. */
static int add_shards(struct sdrt_checkpoint *c, struct sdrt_weight_files *set,
                      const char *folder, const char *index)
{
    json_t *root = NULL, *seen = NULL, *map, *file;
    const char *name;
    char *path = NULL;
    int rc = sdrt_json_load(&root, index, MAX_INDEX_BYTES, c->log);

    if (rc != SDRT_OK) return rc;
    map = json_object_get(root, "weight_map");
    seen = json_object();
    if (!seen) rc = out_of_memory(c, index);
    else if (!json_is_object(map) || !json_object_size(map))
        rc = sdrt_fail(c->log, SDRT_E_FORMAT,
                       "%s: weight_map: expected an object that gives each tensor its file", index);
    if (rc != SDRT_OK) goto out;
    json_object_foreach(map, name, file) {
        const char *shard = json_string_value(file);
        if (!shard || !*shard || strchr(shard, '/')) {
            rc = sdrt_fail(c->log, SDRT_E_FORMAT,
                           "%s: weight_map: %.100s: expected the name of a file beside it", index,
                           name);
            break;
        }
        if (json_object_get(seen, shard)) continue;
        path = sdrt_path_join(folder, shard);
        if (!path || json_object_set_new(seen, shard, json_true())) {
            rc = out_of_memory(c, index);
            break;
        }
        rc = sdrt_weight_files_add(set, path, "", "", SDRT_DUPLICATES_FAIL);
        if (rc != SDRT_OK) break;
        free(path);
        path = NULL;
    }
out:
    free(path);
    json_decref(seen);
    json_decref(root);
    return rc;
}

/* Adds the weights of one part's folder: whole or sharded; full precision wins over fp16. */
static int add_folder(struct sdrt_checkpoint *c, struct sdrt_weight_files *set,
                      const char *folder, const char *base)
{
    static const struct {
        const char *suffix;
        int index;
    } variants[] = {
        { ".safetensors", 0 },
        { ".safetensors.index.json", 1 },
        { ".fp16.safetensors", 0 },
        { ".safetensors.index.fp16.json", 1 },
        { ".fp16.safetensors.index.json", 1 },
    };
    char name[96];

    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        int rc;
        snprintf(name, sizeof name, "%s%s", base, variants[i].suffix);
        char *path = sdrt_path_join(folder, name);
        if (!path) return out_of_memory(c, folder);
        if (!sdrt_path_is_file(path)) {
            free(path);
            continue;
        }
        if (variants[i].index) rc = add_shards(c, set, folder, path);
        else rc = sdrt_weight_files_add(set, path, "", "", SDRT_DUPLICATES_FAIL);
        free(path);
        return rc;
    }
    return sdrt_fail(c->log, SDRT_E_MISSING,
                     "%s: has no weights: expected %s.safetensors, also as .fp16.safetensors or "
                     ".safetensors.index.json", folder, base);
}

/* The path of folder/name into *out when it is a file, else NULL into *out. */
static int file_in(const struct sdrt_checkpoint *c, const char *folder, const char *name,
                   char **out)
{
    *out = sdrt_path_join(folder, name);
    if (!*out) return out_of_memory(c, folder);
    if (!sdrt_path_is_file(*out)) {
        free(*out);
        *out = NULL;
    }
    return SDRT_OK;
}

/* Adds the part in folder/part when that is a folder, with its config.json. */
static int add_part(struct sdrt_checkpoint *c, struct sdrt_weight_files *set, const char *folder,
                    const char *part, const char *base, char **config)
{
    char *path = sdrt_path_join(folder, part);
    int rc = SDRT_OK;

    if (!path) return out_of_memory(c, folder);
    if (sdrt_path_is_folder(path)) {
        rc = add_folder(c, set, path, base);
        if (rc == SDRT_OK) rc = file_in(c, path, "config.json", config);
    }
    free(path);
    return rc;
}

/* The family that a folder's model_index.json names: by its pipeline's class. */
static int family_of_folder(const struct sdrt_checkpoint *c, const char *folder,
                            const char **family)
{
    static const struct {
        const char *prefix, *family;
    } classes[] = {
        { "StableDiffusionXL", "SDXL" },
        { "StableDiffusion3", "SD 3" },
        { "Flux", "Flux" },
    };
    const char *name = "";
    json_t *root = NULL;
    char *path;
    int rc = file_in(c, folder, "model_index.json", &path);

    *family = NULL;
    if (rc != SDRT_OK || !path) return rc;
    rc = sdrt_json_load(&root, path, MAX_CONFIG_BYTES, c->log);
    if (rc == SDRT_OK) rc = sdrt_json_string(root, "_class_name", path, &name, c->log);
    for (size_t i = 0; rc == SDRT_OK && i < sizeof classes / sizeof *classes; i++)
        if (!strncmp(name, classes[i].prefix, strlen(classes[i].prefix)))
            *family = classes[i].family;
    json_decref(root);
    free(path);
    return rc;
}

/* A folder's tokenizer counts only when it is whole. */
static int find_tokenizer(struct sdrt_checkpoint *c, const char *folder)
{
    int rc = file_in(c, folder, "tokenizer/vocab.json", &c->vocab_path);

    if (rc == SDRT_OK) rc = file_in(c, folder, "tokenizer/merges.txt", &c->merges_path);
    if (c->vocab_path && c->merges_path) return rc;
    free(c->vocab_path);
    free(c->merges_path);
    c->vocab_path = c->merges_path = NULL;
    return rc;
}

int sdrt_checkpoint_open_folder(struct sdrt_checkpoint *c, const char *folder)
{
    static const char diffusion[] = "diffusion_pytorch_model";
    const char *family;
    int rc = family_of_folder(c, folder, &family);

    if (rc == SDRT_OK && family) rc = sdrt_checkpoint_refuse(c, folder, family);
    if (rc == SDRT_OK) rc = add_part(c, c->unet, folder, "unet", diffusion, &c->unet_json);
    if (rc != SDRT_OK) return rc;
    family = family_of(c->unet);
    if (family) return sdrt_checkpoint_refuse(c, folder, family);
    if (!sdrt_set_has(c->unet, "conv_in.weight"))
        return sdrt_fail(c->log, SDRT_E_MISSING,
                         "%s: has no U-Net: expected a folder unet/ with conv_in.weight in its "
                         "%s.safetensors", folder, diffusion);
    rc = add_part(c, c->vae, folder, "vae", diffusion, &c->vae_json);
    if (rc == SDRT_OK)
        rc = add_part(c, c->text, folder, "text_encoder", "model", &c->text_json);
    if (rc == SDRT_OK)
        rc = file_in(c, folder, "scheduler/scheduler_config.json", &c->scheduler_json);
    if (rc == SDRT_OK) rc = find_tokenizer(c, folder);
    return rc;
}

/* A VAE's own folder, or that of a whole model. */
static int open_vae_folder(struct sdrt_checkpoint *c, const char *path)
{
    static const char diffusion[] = "diffusion_pytorch_model";
    char *inner = sdrt_path_join(path, "vae");
    int rc;

    if (!inner) return out_of_memory(c, path);
    if (sdrt_path_is_folder(inner)) {
        rc = add_part(c, c->vae, path, "vae", diffusion, &c->vae_json);
    } else {
        rc = add_folder(c, c->vae, path, diffusion);
        if (rc == SDRT_OK) rc = file_in(c, path, "config.json", &c->vae_json);
    }
    free(inner);
    return rc;
}

int sdrt_checkpoint_open_vae(struct sdrt_checkpoint *c, const char *path)
{
    struct sdrt_weight_files *all = NULL;
    const char *wrapper;
    char strip[64];
    int rc;

    free(c->vae_json);
    c->vae_json = NULL;
    sdrt_weight_files_free(&c->vae);
    rc = sdrt_weight_files_create(&c->vae, c->log);
    if (rc != SDRT_OK) return rc;
    if (sdrt_path_is_folder(path)) return open_vae_folder(c, path);
    rc = sdrt_weight_files_create(&all, c->log);
    if (rc == SDRT_OK) rc = sdrt_weight_files_add(all, path, "", "", SDRT_DUPLICATES_FAIL);
    if (rc != SDRT_OK) goto out;
    wrapper = wrapper_of(all);
    snprintf(strip, sizeof strip, "%s%s", wrapper, first_stage);
    rc = add_prefixed(c->vae, path, wrapper, sdrt_set_has_prefix(all, strip) ? first_stage : "");
out:
    sdrt_weight_files_free(&all);
    return rc;
}
