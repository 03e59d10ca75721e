/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/folder.h"
#include "model/checkpoint/folder_weights.h"
#include "model/checkpoint/tensor_names.h"
#include "runtime/files/json.h"
#include "runtime/files/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONFIG_BYTES = 1 << 20 };

static const char *const diffusion = sdrt_diffusion_weights;
static const char *const transformers = sdrt_transformers_weights;

static int out_of_memory(const char *path, const struct sdrt_log *log)
{
    return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its paths", path);
}

/* The path of folder/name into *out when it is a file, else NULL into *out. */
static int file_in(char **out, const char *folder, const char *name, const struct sdrt_log *log)
{
    *out = sdrt_path_join(folder, name);
    if (!*out) return out_of_memory(folder, log);
    if (!sdrt_path_is_file(*out)) {
        free(*out);
        *out = NULL;
    }
    return SDRT_OK;
}

/* Adds the weights in a part's folder. */
static int add_weights(struct sdrt_part *part, const char *folder, const char *base,
                       const char *hint, const struct sdrt_log *log)
{
    struct sdrt_folder_weights weights;
    int status = sdrt_folder_weights_find(&weights, folder, base, hint, log);

    for (size_t i = 0; i < weights.n && status == SDRT_OK; i++)
        status = sdrt_part_add(part, weights.paths[i], "", log);
    sdrt_folder_weights_free(&weights);
    return status;
}

/* Opens the part whose own folder this is; hint is as of sdrt_folder_weights_find().  After a
 * failure *out is empty. */
static int open_own(struct sdrt_part *out, const char *folder, const char *base, const char *hint,
                    const struct sdrt_log *log)
{
    *out = (struct sdrt_part){ 0 };
    int status = add_weights(out, folder, base, hint, log);
    if (status == SDRT_OK) status = file_in(&out->config, folder, "config.json", log);
    if (status != SDRT_OK) sdrt_part_free(out);
    return status;
}

/* Opens a part of a model's folder; *out is empty where the model has no folder of that name. */
static int open_inner(struct sdrt_part *out, const char *folder, const char *name, const char *base,
                      const char *hint, const struct sdrt_log *log)
{
    char *path = sdrt_path_join(folder, name);
    int status = SDRT_OK;

    *out = (struct sdrt_part){ 0 };
    if (!path) return out_of_memory(folder, log);
    if (sdrt_path_is_folder(path)) status = open_own(out, path, base, hint, log);
    free(path);
    return status;
}

/* The family that a folder's model_index.json names: by its pipeline's class. */
static int family_of(const char **family, const char *folder, const struct sdrt_log *log)
{
    static const struct {
        const char *prefix, *family;
    } classes[] = {
        { "Flux", "Flux" },
    };
    const char *name = "";
    json_t *root = NULL;
    char *path;
    int status = file_in(&path, folder, "model_index.json", log);

    *family = NULL;
    if (status != SDRT_OK || !path) return status;
    status = sdrt_json_load(&root, path, MAX_CONFIG_BYTES, log);
    if (status == SDRT_OK) status = sdrt_json_string(root, "_class_name", path, &name, log);
    for (size_t i = 0; status == SDRT_OK && i < sizeof classes / sizeof *classes; i++)
        if (!strncmp(name, classes[i].prefix, strlen(classes[i].prefix)))
            *family = classes[i].family;
    json_decref(root);
    free(path);
    return status;
}

/* A folder's tokenizer counts only when it is whole. */
static int find_tokenizer(struct sdrt_tokenizer_paths *out, const char *folder, const char *name,
                          const struct sdrt_log *log)
{
    char *inner = sdrt_path_join(folder, name);

    if (!inner) return out_of_memory(folder, log);
    int status = file_in(&out->vocab, inner, "vocab.json", log);
    if (status == SDRT_OK) status = file_in(&out->merges, inner, "merges.txt", log);
    if (status == SDRT_OK) status = file_in(&out->config, inner, "tokenizer_config.json", log);
    free(inner);
    if (out->vocab && out->merges) return status;
    free(out->vocab);
    free(out->merges);
    out->vocab = out->merges = NULL;
    return status;
}

/* The text encoders that the folder has; the SDXL refiner has only the second one's folder. */
static int open_texts(struct sdrt_parts *out, const char *folder, const struct sdrt_log *log)
{
    static const char *const tokenizers[] = { "tokenizer", "tokenizer_2" };
    struct sdrt_part part;
    int status = SDRT_OK;

    for (int i = 0; i < 2 && status == SDRT_OK; i++) {
        status = open_inner(&part, folder, sdrt_text_prefix(i), transformers, "", log);
        if (!part.files) continue;
        out->text[out->n_text++] = part;
        status = find_tokenizer(&out->tokenizers[out->n_text - 1], folder, tokenizers[i], log);
    }
    return status;
}

static int open_denoiser(struct sdrt_part *out, const char *folder, const struct sdrt_log *log)
{
    char file[SDRT_FOLDER_NAME];
    const char *family;
    int original, status = family_of(&family, folder, log);

    if (status == SDRT_OK && family) status = sdrt_refuse_family(folder, family, log);
    if (status == SDRT_OK) status = open_inner(out, folder, "unet", diffusion, "", log);
    if (status == SDRT_OK && !sdrt_part_is_there(out)) {
        sdrt_part_free(out);
        status = open_inner(out, folder, "transformer", diffusion, "", log);
    }
    if (status != SDRT_OK) return status;
    status = sdrt_part_refuse_foreign(out, folder, log);
    if (status != SDRT_OK) return status;
    if (sdrt_part_has(out, "conv_in.weight") || sdrt_part_is_mmdit(out, &original)) return SDRT_OK;
    sdrt_folder_find_file(file, folder);
    return sdrt_fail(log, SDRT_E_MISSING,
                     "%s: has no U-Net: expected a folder unet/ with conv_in.weight in its "
                     "%s.safetensors, or for SD 3.x a folder transformer/%s%.100s",
                     folder, diffusion, *file ? "; or name one of its files, as " : "", file);
}

int sdrt_folder_open_parts(struct sdrt_parts *out, const char *folder, int with_t5,
                           const struct sdrt_log *log)
{
    *out = (struct sdrt_parts){ 0 };
    int status = open_denoiser(&out->denoiser, folder, log);
    if (status == SDRT_OK) status = open_inner(&out->vae, folder, "vae", diffusion, "", log);
    if (status == SDRT_OK) status = open_texts(out, folder, log);
    if (status == SDRT_OK && with_t5)
        status = open_inner(&out->t5, folder, sdrt_text_prefix(2), transformers,
                            ", or none as t5 (--t5 none), which draws without it", log);
    if (status == SDRT_OK)
        status = file_in(&out->scheduler, folder, "scheduler/scheduler_config.json", log);
    if (status == SDRT_OK) status = file_in(&out->index, folder, "model_index.json", log);
    if (status != SDRT_OK) sdrt_parts_free(out);
    return status;
}

/* Opens the part in path: in its folder of that name when it has one, else in itself. */
static int open_part(struct sdrt_part *out, const char *path, const char *name, const char *base,
                     const struct sdrt_log *log)
{
    char *own, *inner = NULL;
    int status = sdrt_folder_resolve(&own, path, log);

    *out = (struct sdrt_part){ 0 };
    if (status != SDRT_OK) return status;
    inner = sdrt_path_join(own, name);
    if (!inner) {
        free(own);
        return out_of_memory(path, log);
    }
    status = open_own(out, sdrt_path_is_folder(inner) ? inner : own, base, "", log);
    free(inner);
    free(own);
    return status;
}

int sdrt_folder_open_denoiser(struct sdrt_part *out, const char *path, const struct sdrt_log *log)
{
    char *mmdit = sdrt_path_join(path, "transformer");

    *out = (struct sdrt_part){ 0 };
    if (!mmdit) return out_of_memory(path, log);
    const int status = open_part(out, path, sdrt_path_is_folder(mmdit) ? "transformer" : "unet",
                                 diffusion, log);
    free(mmdit);
    return status == SDRT_OK ? sdrt_part_refuse_foreign(out, path, log) : status;
}

int sdrt_folder_open_vae(struct sdrt_part *out, const char *path, const struct sdrt_log *log)
{
    return open_part(out, path, "vae", diffusion, log);
}

int sdrt_folder_open_text(struct sdrt_part *out, int i, const char *path,
                          const struct sdrt_log *log)
{
    return open_part(out, path, sdrt_text_prefix(i), transformers, log);
}

int sdrt_folder_find_t5_tokenizer(char **out, const char *path, const struct sdrt_log *log)
{
    static const char *const names[] = { "tokenizer_3/spiece.model", "tokenizer_3/tokenizer.json",
                                         "spiece.model" };
    char *folder = strdup(path);
    int status = folder ? SDRT_OK : out_of_memory(path, log);

    *out = NULL;
    if (folder && !sdrt_path_is_folder(path)) {
        char *slash = strrchr(folder, '/');
        if (slash) slash[slash == folder] = 0;
        else strcpy(folder, "."); /* a file's name has a byte at least */
    }
    for (size_t i = 0; i < sizeof names / sizeof *names && status == SDRT_OK && !*out; i++)
        status = file_in(out, folder, names[i], log);
    free(folder);
    return status;
}
