/* SPDX-License-Identifier: MIT
 *
 * The inside of an open checkpoint, for the files that open it, find out its
 * configuration and tell families apart.
 */
#ifndef SDRT_MODEL_CHECKPOINT_CHECKPOINT_INTERNAL_H
#define SDRT_MODEL_CHECKPOINT_CHECKPOINT_INTERNAL_H

#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/tensor_names.h"
#include "runtime/files/held_buffers.h"

#include <stddef.h>

/* One text encoder.  Paths are owned, NULL where there is no such file. */
struct sdrt_text_part {
    struct sdrt_weight_files *files; /* names are without the part's prefix */
    enum sdrt_clip_layout layout;
    char *json;
    char *vocab_path, *merges_path, *tokenizer_json;
};

struct sdrt_checkpoint {
    const struct sdrt_log *log; /* borrowed */
    char *path;                 /* owned, as all below */
    struct sdrt_weight_files *denoiser, *vae; /* names are without the part's prefix */
    struct sdrt_text_part text[SDRT_MAX_TEXT];
    int n_text;
    int without_t5;               /* 1: it is not wanted */
    struct sdrt_weight_files *t5; /* empty where there is none */
    char *t5_tokenizer;
    struct sdrt_held_buffers turned; /* rearranged copies, by canonical name */
    int v_pred, zero_snr; /* a single file has a tensor of that name, which says so */
    struct sdrt_unet_names  unet_names;  /* the one of the two that the denoiser is */
    struct sdrt_mmdit_names mmdit_names;
    struct sdrt_vae_names  vae_names;
    char *denoiser_json, *vae_json, *scheduler_json, *index_json; /* NULL where there is none */
    struct sdrt_model_config config;
};

/* Where a canonical name leads. */
struct sdrt_place {
    struct sdrt_weight_files *set;
    char name[SDRT_NAME_MAX]; /* in the set */
    struct sdrt_name_part part;
};

/* Translates a canonical name.  Returns 1, or 0 for a name that belongs to no part; whether
 * the set has it shows only there. */
int sdrt_checkpoint_translate(const struct sdrt_checkpoint *c, const char *canonical,
                              struct sdrt_place *out);

/* Fills the names of denoiser and VAE from the names on offer, then config from shapes and
 * config.json files.  SDRT_E_MISSING, SDRT_E_UNSUPPORTED, errors of sdrt_json_load(). */
int sdrt_checkpoint_detect(struct sdrt_checkpoint *c);

/* Reads into config, which already holds the values to keep, what config.json files say. */
int sdrt_checkpoint_read_json(struct sdrt_checkpoint *c);

/* Opens the parts of a single file, or of a folder, into the sets, and fills the paths. */
int sdrt_checkpoint_open_file(struct sdrt_checkpoint *c, const char *path);
int sdrt_checkpoint_open_folder(struct sdrt_checkpoint *c, const char *path);

/* Opens a VAE, or text encoder i, alone, a file or a folder, in the place of the one that c
 * has. */
int sdrt_checkpoint_open_vae(struct sdrt_checkpoint *c, const char *path);
int sdrt_checkpoint_open_text(struct sdrt_checkpoint *c, int i, const char *path);

/* Opens a T5 alone, in the place of the one that c has. */
int sdrt_checkpoint_open_t5(struct sdrt_checkpoint *c, const char *path);

/* Looks for a T5's tokenizer beside path, or in it when it is a folder, unless one is found
 * already. */
int sdrt_checkpoint_find_t5_tokenizer(struct sdrt_checkpoint *c, const char *path);

/* Makes an empty part behind the last one; SDRT_E_NOMEM. */
int sdrt_checkpoint_add_text(struct sdrt_checkpoint *c);

/* SDRT_E_UNSUPPORTED, saying that path looks like a model of that family. */
int sdrt_checkpoint_refuse(const struct sdrt_checkpoint *c, const char *path, const char *family);

/* Whether the denoiser's tensors are those of SD 3.x; original says in which names. */
int sdrt_checkpoint_is_mmdit(const struct sdrt_checkpoint *c, int *original);

/* Is name on offer?  Is any that begins with prefix? */
int sdrt_set_has(const struct sdrt_weight_files *set, const char *name);
int sdrt_set_has_prefix(const struct sdrt_weight_files *set, const char *prefix);

/* directory/name, owned by the caller, NULL without memory; and whether a path is there. */
char *sdrt_path_join(const char *directory, const char *name);
int sdrt_path_is_file(const char *path);
int sdrt_path_is_folder(const char *path);

#endif
