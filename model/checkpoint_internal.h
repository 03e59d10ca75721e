/* SPDX-License-Identifier: MIT
 *
 * The inside of an open checkpoint, for the files that open it, find out its
 * configuration and tell families apart.
 */
#ifndef SDRT_MODEL_CHECKPOINT_INTERNAL_H
#define SDRT_MODEL_CHECKPOINT_INTERNAL_H

#include "model/checkpoint.h"
#include "model/names.h"

#include <stddef.h>

struct sdrt_checkpoint {
    const struct sdrt_log *log; /* borrowed */
    char *path;                 /* owned, as all below */
    char *vocab_path, *merges_path;
    struct sdrt_weight_files *unet, *vae, *text; /* names are without the part's prefix */
    int text_plain; /* 1: the text encoder's names lack "text_model." */
    struct sdrt_unet_names unet_names;
    struct sdrt_vae_names  vae_names;
    char *unet_json, *vae_json, *text_json, *scheduler_json; /* NULL where there is none */
    struct sdrt_model_config config;
};

/* Translates a canonical name.  Returns the set that may have it and writes its name there
 * to out; NULL for a name that belongs to no part. */
struct sdrt_weight_files *sdrt_checkpoint_translate(const struct sdrt_checkpoint *c,
                                                    const char *canonical,
                                                    char out[SDRT_NAME_MAX]);

/* Fills unet_names and vae_names from the names on offer, then config from shapes and
 * config.json files.  SDRT_E_MISSING, SDRT_E_UNSUPPORTED, errors of sdrt_json_load(). */
int sdrt_checkpoint_detect(struct sdrt_checkpoint *c);

/* Opens the parts of a single file, or of a folder, into the sets, and fills the paths. */
int sdrt_checkpoint_open_file(struct sdrt_checkpoint *c, const char *path);
int sdrt_checkpoint_open_folder(struct sdrt_checkpoint *c, const char *path);

/* Opens a VAE alone, a file or a folder, in the place of the one that c has. */
int sdrt_checkpoint_open_vae(struct sdrt_checkpoint *c, const char *path);

/* SDRT_E_UNSUPPORTED, saying that path looks like a model of that family. */
int sdrt_checkpoint_refuse(const struct sdrt_checkpoint *c, const char *path, const char *family);

/* Is name on offer?  Is any that begins with prefix? */
int sdrt_set_has(const struct sdrt_weight_files *set, const char *name);
int sdrt_set_has_prefix(const struct sdrt_weight_files *set, const char *prefix);

/* directory/name, owned by the caller, NULL without memory; and whether a path is there. */
char *sdrt_path_join(const char *directory, const char *name);
int sdrt_path_is_file(const char *path);
int sdrt_path_is_folder(const char *path);

#endif
