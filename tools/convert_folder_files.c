/* SPDX-License-Identifier: MIT
 *
 * What a diffusers folder has beside its weights: configurations, the scheduler's, tokenizers.  Those of
 * a folder that is read are copied; a single file's are written from its configuration.
 */
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/config_write.h"
#include "model/checkpoint/part.h"
#include "model/text/clip_tokenizer.h"
#include "runtime/base/text.h"
#include "runtime/files/atomic_file.h"
#include "runtime/files/atomic_folder.h"
#include "runtime/files/json.h"
#include "runtime/files/path.h"
#include "runtime/files/read_file.h"
#include "tools/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 64 << 20 /* of a tokenizer.json */, NAME_ROOM = 96 };

/* Where files go, and what they are of. */
struct files {
    const struct sdrt_model_config *config;
    const struct sdrt_parts *parts;
    const struct convert_model *model;
    struct sdrt_atomic_folder *folder;
    const struct sdrt_log *log;
};

static int put(const struct files *f, const char *name, const void *data, size_t size)
{
    const char *path = sdrt_atomic_folder_file(f->folder, name);
    struct sdrt_atomic_file *file;
    int status = path ? sdrt_atomic_open(&file, path, f->log) : SDRT_E_IO;

    if (status != SDRT_OK) return status;
    sdrt_atomic_write(file, data, size);
    return sdrt_atomic_commit(&file, f->log);
}

/* Takes json over. */
static int put_json(const struct files *f, const char *name, json_t *json)
{
    char *text = sdrt_json_text(json);

    if (!text) return sdrt_fail(f->log, SDRT_E_NOMEM, "%s: no memory to write it", name);
    const int status = put(f, name, text, strlen(text));
    free(text);
    return status;
}

static int copy(const struct files *f, const char *name, const char *from)
{
    char *data;
    size_t size;
    int status = sdrt_read_file(from, MAX_BYTES, &data, &size, f->log);

    if (status == SDRT_OK) status = put(f, name, data, size);
    free(data);
    return status;
}

/* ---- configurations ---- */

/* A part's own, without what it says of how its weights were stored. */
static int copy_config(const struct files *f, const char *name, const char *from)
{
    static const char *const stored[] = { "torch_dtype", "dtype", "quantization_config" };
    json_t *json;
    int status = sdrt_json_load(&json, from, MAX_BYTES, f->log), changed = 0;

    if (status != SDRT_OK) return status;
    for (size_t i = 0; i < sizeof stored / sizeof *stored; i++)
        changed |= json_object_del(json, stored[i]) == 0;
    if (changed) return put_json(f, name, json);
    json_decref(json);
    return copy(f, name, from);
}

static int make_config(const struct files *f, int part, json_t **out)
{
    switch (part) {
    case CONVERT_DENOISER:
        return sdrt_config_write_denoiser(out, f->config, f->parts->denoiser.path, f->log);
    case CONVERT_VAE: *out = sdrt_config_write_vae(f->config); break;
    case CONVERT_T5: *out = sdrt_config_write_t5(f->config); break;
    default: *out = sdrt_config_write_text(f->config, part - CONVERT_TEXT);
    }
    return SDRT_OK;
}

static int write_config(const struct files *f, int part, const struct sdrt_part *of)
{
    char name[NAME_ROOM];
    json_t *json = NULL;

    snprintf(name, sizeof name, "%s/config.json", convert_part_name(f->model, part));
    if (of->config) return copy_config(f, name, of->config);
    const int status = make_config(f, part, &json);
    return status == SDRT_OK ? put_json(f, name, json) : status;
}

static int write_part_configs(const struct files *f)
{
    int status = write_config(f, CONVERT_DENOISER, &f->parts->denoiser);

    if (status == SDRT_OK) status = write_config(f, CONVERT_VAE, &f->parts->vae);
    for (int i = 0; i < f->config->n_text && status == SDRT_OK; i++)
        status = write_config(f, CONVERT_TEXT + i, &f->parts->text[i]);
    if (status == SDRT_OK && f->config->has_t5) status = write_config(f, CONVERT_T5, &f->parts->t5);
    return status;
}

static int write_scheduler(const struct files *f)
{
    static const char name[] = "scheduler/scheduler_config.json";
    const char *class = NULL, *from = f->parts->scheduler;
    json_t *json = NULL;
    int status = SDRT_OK;

    if (from) {
        status = sdrt_json_load(&json, from, MAX_BYTES, f->log);
        if (status == SDRT_OK) status = sdrt_json_string(json, "_class_name", from, &class, f->log);
        if (status == SDRT_OK) status = copy(f, name, from);
    } else {
        status = put_json(f, name, sdrt_config_write_scheduler(f->config));
    }
    if (status == SDRT_OK)
        status = put_json(f, "model_index.json", sdrt_config_write_index(f->config, class));
    json_decref(json);
    return status;
}

/* ---- tokenizers ---- */

/* Copies what stands beside path under the names that tokenizers' files have. */
static int copy_beside(const struct files *f, const char *folder, const char *path)
{
    static const char *const names[] = {
        "vocab.json",        "merges.txt",     "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "tokenizer.json", "spiece.model"
    };
    const char *slash = strrchr(path, '/');
    char *where = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
    char name[NAME_ROOM];
    int status = SDRT_OK;

    for (size_t i = 0; i < sizeof names / sizeof *names && status == SDRT_OK; i++) {
        char *from = where ? sdrt_path_join(*where ? where : "/", names[i]) : NULL;
        snprintf(name, sizeof name, "%s/%s", folder, names[i]);
        if (!from) status = sdrt_fail(f->log, SDRT_E_NOMEM, "%s: no memory for its path", name);
        else if (sdrt_path_is_file(from)) status = copy(f, name, from);
        free(from);
    }
    free(where);
    return status;
}

static int write_builtin(const struct files *f, const char *folder, int i)
{
    char name[NAME_ROOM], *vocab = sdrt_clip_builtin_vocab(f->log);
    size_t size;
    const char *merges = sdrt_clip_builtin_merges(&size);
    int status = SDRT_E_NOMEM;

    if (!vocab) return status;
    snprintf(name, sizeof name, "%s/vocab.json", folder);
    status = put(f, name, vocab, strlen(vocab));
    free(vocab);
    snprintf(name, sizeof name, "%s/merges.txt", folder);
    if (status == SDRT_OK) status = put(f, name, merges, size);
    snprintf(name, sizeof name, "%s/tokenizer_config.json", folder);
    if (status == SDRT_OK) status = put_json(f, name, sdrt_config_write_tokenizer(f->config, i));
    return status;
}

/* Those of a T5 lie in a tokenizer_3, or are a file of any name. */
static int write_t5_tokenizer(const struct files *f)
{
    const char *path = sdrt_checkpoint_t5_tokenizer_path(f->model->checkpoint);
    const char *slash = strrchr(path, '/');
    static const char own[] = "tokenizer_3";
    int status;

    if (slash && slash - path >= (long)strlen(own) &&
        !strncmp(slash - strlen(own), own, strlen(own)))
        return copy_beside(f, own, path);
    status = copy(f,
                  sdrt_ends_with(path, ".json") ? "tokenizer_3/tokenizer.json"
                                                : "tokenizer_3/spiece.model",
                  path);
    if (status == SDRT_OK)
        status = put_json(f, "tokenizer_3/tokenizer_config.json", sdrt_config_write_t5_tokenizer());
    return status;
}

static int write_tokenizers(const struct files *f)
{
    static const char *const folders[] = { "tokenizer", "tokenizer_2" };
    int status = SDRT_OK;

    for (int i = 0; i < f->config->n_text && status == SDRT_OK; i++) {
        const char *folder = folders[sdrt_config_text_place(f->config, i)];
        const char *vocab = f->parts->tokenizers[i].vocab;
        status = vocab ? copy_beside(f, folder, vocab) : write_builtin(f, folder, i);
    }
    return status == SDRT_OK && f->config->has_t5 ? write_t5_tokenizer(f) : status;
}

int convert_write_configs(const struct convert_model *m, struct sdrt_atomic_folder *folder)
{
    const struct files f = { sdrt_checkpoint_config(m->checkpoint),
                             sdrt_checkpoint_parts(m->checkpoint), m, folder, m->log };
    int status = write_part_configs(&f);

    if (status == SDRT_OK) status = write_scheduler(&f);
    return status == SDRT_OK ? write_tokenizers(&f) : status;
}
