/* SPDX-License-Identifier: MIT
 *
 * Finds the parts of a checkpoint: in a single file, in a diffusers folder, in a VAE alone.
 */
#include "model/checkpoint/checkpoint_internal.h"
#include "runtime/files/json.h"

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
        { "double_blocks.", "Flux" },
        { "single_transformer_blocks.", "Flux" },
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

/* What text encoders stand behind in a single file: SD 1.x, SD 2.x, SDXL's first, the SDXL
 * refiner's, SDXL's second, SD 3.x's first and second. */
static const char *const text_prefixes[] = {
    "cond_stage_model.transformer.", "cond_stage_model.model.",
    "conditioner.embedders.0.transformer.", "conditioner.embedders.0.model.",
    "conditioner.embedders.1.model.",
    "text_encoders.clip_l.transformer.", "text_encoders.clip_g.transformer.",
};

enum { TEXT_PREFIXES = sizeof text_prefixes / sizeof *text_prefixes };

static const char t5_prefix[] = "text_encoders.t5xxl.transformer.";

static int has_wrapped(const struct sdrt_weight_files *all, const char *wrapper, const char *prefix)
{
    char whole[64];

    snprintf(whole, sizeof whole, "%s%s", wrapper, prefix);
    return sdrt_set_has_prefix(all, whole);
}

static int add_texts(struct sdrt_checkpoint *c, const char *path,
                     const struct sdrt_weight_files *all, const char *wrapper)
{
    int rc = SDRT_OK;

    for (int i = 0; i < TEXT_PREFIXES && rc == SDRT_OK; i++) {
        if (!has_wrapped(all, wrapper, text_prefixes[i])) continue;
        rc = sdrt_checkpoint_add_text(c);
        if (rc == SDRT_OK)
            rc = add_prefixed(c->text[c->n_text - 1].files, path, wrapper, text_prefixes[i]);
    }
    return rc;
}

/* What the denoiser stands behind: an MMDiT is often given alone, without a prefix. */
static const char *denoiser_prefix(const struct sdrt_weight_files *all, const char *wrapper)
{
    static const char usual[] = "model.diffusion_model.";

    if (!has_wrapped(all, wrapper, usual) &&
        (has_wrapped(all, wrapper, "joint_blocks.0.") ||
         has_wrapped(all, wrapper, "transformer_blocks.0.norm1_context.")))
        return "";
    return usual;
}

int sdrt_checkpoint_open_file(struct sdrt_checkpoint *c, const char *path)
{
    struct sdrt_weight_files *all = NULL;
    const char *wrapper, *family;
    int original, rc;

    rc = sdrt_weight_files_create(&all, c->log);
    if (rc == SDRT_OK) rc = sdrt_weight_files_add(all, path, "", "", SDRT_DUPLICATES_FAIL);
    if (rc != SDRT_OK) goto out;
    wrapper = wrapper_of(all);
    rc = add_prefixed(c->denoiser, path, wrapper, denoiser_prefix(all, wrapper));
    if (rc != SDRT_OK) goto out;
    if (!sdrt_set_has(c->denoiser, "input_blocks.0.0.weight") &&
        !sdrt_checkpoint_is_mmdit(c, &original)) {
        rc = refuse_file(c, path, all);
        goto out;
    }
    family = family_of(all);
    if (family) {
        rc = sdrt_checkpoint_refuse(c, path, family);
        goto out;
    }
    c->v_pred = has_wrapped(all, wrapper, "v_pred");
    c->zero_snr = has_wrapped(all, wrapper, "ztsnr");
    rc = add_prefixed(c->vae, path, wrapper, first_stage);
    if (rc == SDRT_OK) rc = add_texts(c, path, all, wrapper);
    if (rc == SDRT_OK && !c->without_t5) rc = add_prefixed(c->t5, path, wrapper, t5_prefix);
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
static int find_tokenizer(struct sdrt_checkpoint *c, struct sdrt_text_part *t, const char *folder,
                          const char *name)
{
    char *inner = sdrt_path_join(folder, name);
    int rc;

    if (!inner) return out_of_memory(c, folder);
    rc = file_in(c, inner, "vocab.json", &t->vocab_path);
    if (rc == SDRT_OK) rc = file_in(c, inner, "merges.txt", &t->merges_path);
    if (rc == SDRT_OK) rc = file_in(c, inner, "tokenizer_config.json", &t->tokenizer_json);
    free(inner);
    if (t->vocab_path && t->merges_path) return rc;
    free(t->vocab_path);
    free(t->merges_path);
    t->vocab_path = t->merges_path = NULL;
    return rc;
}

/* The text encoders that the folder has; the SDXL refiner's has its second place only. */
static int add_text_folders(struct sdrt_checkpoint *c, const char *folder)
{
    static const char *const names[][2] = { { "text_encoder", "tokenizer" },
                                            { "text_encoder_2", "tokenizer_2" } };
    int rc = SDRT_OK;

    for (size_t i = 0; i < sizeof names / sizeof *names && rc == SDRT_OK; i++) {
        char *path = sdrt_path_join(folder, names[i][0]);
        if (!path) return out_of_memory(c, folder);
        const int there = sdrt_path_is_folder(path);
        free(path);
        if (!there) continue;
        rc = sdrt_checkpoint_add_text(c);
        if (rc != SDRT_OK) break;
        struct sdrt_text_part *t = &c->text[c->n_text - 1];
        rc = add_part(c, t->files, folder, names[i][0], "model", &t->json);
        if (rc == SDRT_OK) rc = find_tokenizer(c, t, folder, names[i][1]);
    }
    return rc;
}

static int add_t5_folder(struct sdrt_checkpoint *c, const char *folder)
{
    char *config = NULL;
    const int rc = add_part(c, c->t5, folder, "text_encoder_3", "model", &config);

    free(config); /* shapes say it all */
    return rc;
}

int sdrt_checkpoint_open_folder(struct sdrt_checkpoint *c, const char *folder)
{
    static const char diffusion[] = "diffusion_pytorch_model";
    const char *family;
    int original, rc = family_of_folder(c, folder, &family);

    if (rc == SDRT_OK && family) rc = sdrt_checkpoint_refuse(c, folder, family);
    if (rc == SDRT_OK) rc = add_part(c, c->denoiser, folder, "unet", diffusion, &c->denoiser_json);
    if (rc == SDRT_OK && !sdrt_weight_files_count(c->denoiser))
        rc = add_part(c, c->denoiser, folder, "transformer", diffusion, &c->denoiser_json);
    if (rc != SDRT_OK) return rc;
    family = family_of(c->denoiser);
    if (family) return sdrt_checkpoint_refuse(c, folder, family);
    if (!sdrt_set_has(c->denoiser, "conv_in.weight") && !sdrt_checkpoint_is_mmdit(c, &original))
        return sdrt_fail(c->log, SDRT_E_MISSING,
                         "%s: has no U-Net: expected a folder unet/ with conv_in.weight in its "
                         "%s.safetensors, or for SD 3.x a folder transformer/", folder, diffusion);
    rc = add_part(c, c->vae, folder, "vae", diffusion, &c->vae_json);
    if (rc == SDRT_OK) rc = add_text_folders(c, folder);
    if (rc == SDRT_OK && !c->without_t5) rc = add_t5_folder(c, folder);
    if (rc == SDRT_OK)
        rc = file_in(c, folder, "scheduler/scheduler_config.json", &c->scheduler_json);
    if (rc == SDRT_OK) rc = file_in(c, folder, "model_index.json", &c->index_json);
    return rc;
}

/* A part's own folder, or that of a whole model. */
static int open_part_folder(struct sdrt_checkpoint *c, struct sdrt_weight_files *set,
                            const char *path, const char *part, const char *base, char **config)
{
    char *inner = sdrt_path_join(path, part);
    int rc;

    if (!inner) return out_of_memory(c, path);
    if (sdrt_path_is_folder(inner)) {
        rc = add_part(c, set, path, part, base, config);
    } else {
        rc = add_folder(c, set, path, base);
        if (rc == SDRT_OK) rc = file_in(c, path, "config.json", config);
    }
    free(inner);
    return rc;
}

/* A file's part: what stands behind the first of the prefixes that it has, else all of it. */
static int open_part_file(struct sdrt_checkpoint *c, struct sdrt_weight_files *set,
                          const char *path, const char *const *prefixes, int n)
{
    struct sdrt_weight_files *all = NULL;
    const char *wrapper, *prefix = "";
    int rc = sdrt_weight_files_create(&all, c->log);

    if (rc == SDRT_OK) rc = sdrt_weight_files_add(all, path, "", "", SDRT_DUPLICATES_FAIL);
    if (rc != SDRT_OK) goto out;
    wrapper = wrapper_of(all);
    for (int i = n - 1; i >= 0; i--)
        if (has_wrapped(all, wrapper, prefixes[i])) prefix = prefixes[i];
    rc = add_prefixed(set, path, wrapper, prefix);
out:
    sdrt_weight_files_free(&all);
    return rc;
}

int sdrt_checkpoint_open_vae(struct sdrt_checkpoint *c, const char *path)
{
    static const char *const prefixes[] = { first_stage };
    int rc;

    free(c->vae_json);
    c->vae_json = NULL;
    sdrt_weight_files_free(&c->vae);
    rc = sdrt_weight_files_create(&c->vae, c->log);
    if (rc != SDRT_OK) return rc;
    if (sdrt_path_is_folder(path))
        return open_part_folder(c, c->vae, path, "vae", "diffusion_pytorch_model", &c->vae_json);
    return open_part_file(c, c->vae, path, prefixes, 1);
}

int sdrt_checkpoint_open_text(struct sdrt_checkpoint *c, int i, const char *path)
{
    struct sdrt_text_part *t = &c->text[i];
    int rc = SDRT_OK;

    if (i > c->n_text)
        return sdrt_fail(c->log, SDRT_E_MISSING, "%s: is given as text encoder %d, but the model has "
                         "%d", path, i + 1, c->n_text);
    if (i == c->n_text) rc = sdrt_checkpoint_add_text(c);
    if (rc != SDRT_OK) return rc;
    free(t->json);
    t->json = NULL;
    sdrt_weight_files_free(&t->files);
    rc = sdrt_weight_files_create(&t->files, c->log);
    if (rc != SDRT_OK) return rc;
    if (sdrt_path_is_folder(path))
        return open_part_folder(c, t->files, path, sdrt_text_prefix(i), "model", &t->json);
    return open_part_file(c, t->files, path, text_prefixes, TEXT_PREFIXES);
}

int sdrt_checkpoint_open_t5(struct sdrt_checkpoint *c, const char *path)
{
    static const char *const prefixes[] = { t5_prefix };
    char *config = NULL;
    int rc;

    sdrt_weight_files_free(&c->t5);
    rc = sdrt_weight_files_create(&c->t5, c->log);
    if (rc != SDRT_OK) return rc;
    if (!sdrt_path_is_folder(path)) return open_part_file(c, c->t5, path, prefixes, 1);
    rc = open_part_folder(c, c->t5, path, "text_encoder_3", "model", &config);
    free(config);
    return rc;
}

int sdrt_checkpoint_find_t5_tokenizer(struct sdrt_checkpoint *c, const char *path)
{
    static const char *const names[] = { "tokenizer_3/spiece.model", "tokenizer_3/tokenizer.json",
                                         "spiece.model" };
    char *folder = strdup(path);
    int rc = folder ? SDRT_OK : out_of_memory(c, path);

    if (folder && !sdrt_path_is_folder(path)) {
        char *slash = strrchr(folder, '/');
        if (slash) slash[slash == folder] = 0;
        else strcpy(folder, "."); /* a file's name has a byte at least */
    }
    for (size_t i = 0; i < sizeof names / sizeof *names && rc == SDRT_OK && !c->t5_tokenizer; i++)
        rc = file_in(c, folder, names[i], &c->t5_tokenizer);
    free(folder);
    return rc;
}
