/* SPDX-License-Identifier: MIT
 *
 * The parts of a checkpoint: each a set of tensors, and the small files beside it that say what
 * no tensor does.  An opener (file.h, folder.h) fills them and hands them to its caller.
 */
#ifndef SDRT_MODEL_CHECKPOINT_PART_H
#define SDRT_MODEL_CHECKPOINT_PART_H

#include "model/checkpoint/kind.h"
#include "model/checkpoint/marks.h"
#include "model/net/config.h"
#include "runtime/base/error.h"
#include "runtime/weights/weights.h"

/* Denoiser, VAE or a text encoder.  All zeros: there is none. */
struct sdrt_part {
    struct sdrt_weight_files *files; /* owned; names are without the part's prefix */
    char *path;                      /* of the first file, for messages, owned */
    char *strip;                     /* what that file's names have in front of these, owned */
    char *config;                    /* path of its config.json, owned; NULL without one */
};

/* Paths of a CLIP tokenizer's files, owned: vocab and merges are both there or both NULL. */
struct sdrt_tokenizer_paths {
    char *vocab, *merges;
    char *config; /* tokenizer_config.json; NULL without one */
};

/* All parts that a file or a folder has. */
struct sdrt_parts {
    struct sdrt_part denoiser, vae, t5;
    struct sdrt_part text[SDRT_MAX_TEXT];
    struct sdrt_tokenizer_paths tokenizers[SDRT_MAX_TEXT];
    int n_text;
    char *scheduler, *index; /* paths of scheduler_config.json and model_index.json, owned; NULL
                              * without one */
    char *unplaced;          /* a tensor of no part, owned; NULL without one */
    size_t n_unplaced;       /* how many there are */
    struct sdrt_marks marks; /* what a single file says by tensors of their own */
};

/* Ends all views, frees what is owned and leaves all zeros. */
void sdrt_part_free(struct sdrt_part *part);
void sdrt_parts_free(struct sdrt_parts *parts);

/* Adds the tensors of the file whose names begin with strip, under the rest of their names.
 * Errors of sdrt_weight_files_add(). */
int sdrt_part_add(struct sdrt_part *part, const char *path, const char *strip,
                  const struct sdrt_log *log);

/* The same of a part with all tensors of a file, which is not opened again. */
int sdrt_part_take(struct sdrt_part *part, const struct sdrt_part *whole, const char *strip,
                   const struct sdrt_log *log);

/* Makes room for one more text encoder, whose index is n_text - 1.  path is for the message.
 * SDRT_E_UNSUPPORTED when there are SDRT_MAX_TEXT. */
int sdrt_parts_add_text(struct sdrt_parts *parts, const char *path, const struct sdrt_log *log);

/* Whether it has any tensor; one of that name; one whose name begins with prefix; one whose
 * name has piece in it.  1 or 0. */
int sdrt_part_is_there(const struct sdrt_part *part);
int sdrt_part_has(const struct sdrt_part *part, const char *name);
int sdrt_part_has_prefix(const struct sdrt_part *part, const char *prefix);
int sdrt_part_has_piece(const struct sdrt_part *part, const char *piece);

/* The place of a name among sdrt_weight_files_name()'s; the count of all where it is not there. */
size_t sdrt_part_find(const struct sdrt_part *part, const char *name);
size_t sdrt_part_count(const struct sdrt_part *part);

/* Whether a denoiser is SD 3.x's MMDiT; *original is then 1 when it has the original names, 0
 * when it has diffusers'. */
int sdrt_part_is_mmdit(const struct sdrt_part *denoiser, int *original);

/* What kind of file it is; NULL when nothing is recognised.  See sdrt_kind_find(). */
const struct sdrt_kind *sdrt_part_kind(const struct sdrt_part *part, int with_parts);

/* SDRT_E_UNSUPPORTED, saying what path is and what to do with it, where the tensors are those of a
 * model or an adapter that is known but not drawn with; else SDRT_OK. */
int sdrt_part_refuse_foreign(const struct sdrt_part *part, const char *path,
                             const struct sdrt_log *log);
int sdrt_refuse_kind(const char *path, const struct sdrt_kind *kind, const struct sdrt_log *log);

/* SDRT_E_UNSUPPORTED, saying that path looks like a model of that family. */
int sdrt_refuse_family(const char *path, const char *family, const struct sdrt_log *log);

#endif
