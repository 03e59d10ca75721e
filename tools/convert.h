/* SPDX-License-Identifier: MIT
 *
 * What sdconvert is made of: the tensors of a model under the names of a single file, their types,
 * and how they are written and compared.
 */
#ifndef SDRT_TOOLS_CONVERT_H
#define SDRT_TOOLS_CONVERT_H

#include "model/checkpoint/part.h"
#include "model/checkpoint/tensor_names.h"
#include "runtime/weights/weights.h"

#include <signal.h>
#include <stdint.h>

struct progress;
struct sdrt_lora;

/* A tensor to be written.  Its values are those of its sources, one after the other. */
struct convert_tensor {
    char *name; /* owned */
    int rank;
    int64_t shape[SDRT_WEIGHT_MAX_RANK];
    size_t values;
    enum sdrt_dtype from, kept, to; /* as read, as stored, as written */
    int n_sources;
    struct sdrt_weights_provider provider;
    char *source[3]; /* names there, owned */
    int transposed;  /* 1: the file has columns as rows */
    int swapped;     /* 1: the file has the second half of the rows first */
    int whole;       /* 1: the only source is held whole while it is written */
    int part;        /* of a folder: which of its files has it */
    char *merged[3]; /* canonical names of what LoRAs change, owned: of each source, or of one
                      * source's thirds; from is then F32 */
    struct sdrt_name_part where; /* in the only source what is changed lies; third -1: all */
    void *data;                  /* a transposed, swapped or merged copy, while it is written */
    const void *held;            /* or what is merged or whole as it is, borrowed */
};

struct sdrt_checkpoint;
struct convert_loras; /* a model that sdgen would draw with, and LoRAs on it */

struct convert_model {
    const struct sdrt_log *log;
    struct convert_tensor *list; /* sorted by name once the model is open */
    size_t n, cap;
    /* What the sources come from. */
    struct sdrt_parts parts;
    struct sdrt_part whole, vae, t5;
    struct sdrt_checkpoint *checkpoint;  /* owned; NULL but for convert_open_folder() */
    struct convert_loras *loras;         /* owned; NULL without any */
    struct sdrt_weights_provider merged; /* of loras */
    char *lora_names; /* "a.safetensors:0.8, b.safetensors:1", owned; NULL without any */
};

/* Opens input, a file of any kind or a diffusers folder, and lists its tensors: a file's under their
 * own names, a folder's under those that single files have.  vae and t5 are NULL for input's own,
 * "none" to leave it out, or a file or folder that is put in its place.  Types stay as they are:
 * from == to.  *out is to be closed after a failure too.  Errors of the openers;
 * SDRT_E_UNSUPPORTED for names that no single file has. */
int convert_open(struct convert_model *out, const char *input, const char *vae, const char *t5,
                 const struct sdrt_log *log);
void convert_close(struct convert_model *model);

/* What a model is opened with, for LoRAs; all borrowed, as in struct sdrt_options. */
struct convert_inputs {
    const char *model, *vae, *t5, *t5_tokenizer;
    const struct sdrt_lora *loras;
    int n_loras;
};

/* Opens a whole model that is to become a diffusers folder: its tensors under diffusers' names, part
 * by part.  in->loras are left to convert_merge().  As convert_open(), and errors of
 * sdrt_checkpoint_open(); SDRT_E_MISSING for a VAE without its encoder, which a folder's has. */
int convert_open_folder(struct convert_model *out, const struct convert_inputs *in,
                        const struct sdrt_log *log);

/* Merges LoRAs into an open model, as they are merged to draw with: all of in->model must be there,
 * and every tensor of a LoRA must fit.  SDRT_E_UNSUPPORTED for a
 * LoRA that changes what the model is written without; errors of sdrt_model_open() and
 * sdrt_loras_add(). */
int convert_merge(struct convert_model *model, const struct convert_inputs *in);
void convert_loras_free(struct convert_loras **loras);

/* Values first .. first+count-1 as type from.  begin before the first and end after the last make
 * and free what a turned or merged tensor takes.  SDRT_E_IO, SDRT_E_NOMEM, logged; errors of merging. */
int convert_begin(const struct convert_model *model, struct convert_tensor *t);
int convert_read(const struct convert_tensor *t, size_t first, size_t count, void *out,
                 const struct sdrt_log *log);
void convert_end(const struct convert_model *model, struct convert_tensor *t);

/* The whole of from with columns as rows, or with the halves of its rows swapped, as t says. */
void convert_turn(const struct convert_tensor *t, const char *from, char *to);

/* convert_begin() of a tensor that LoRAs change. */
int convert_begin_merged(const struct convert_model *model, struct convert_tensor *t);

/* The same, as f32.  raw is room for count values of 8 bytes. */
int convert_read_f32(const struct convert_tensor *t, size_t first, size_t count, void *raw,
                     float *out, const struct sdrt_log *log);

/* A tensor's bytes once written. */
size_t convert_bytes(const struct convert_tensor *t);

enum convert_format {
    CONVERT_SAFETENSORS,
    CONVERT_GGUF,
};

/* "PATTERN=TYPE": names that the shell pattern matches, or all where there is no PATTERN=. */
struct convert_rule {
    const char *pattern; /* NULL: all */
    size_t length;       /* of the pattern */
    int keep;            /* 1: as they are */
    enum sdrt_dtype type;
};

/* Reads a rule; the pattern is borrowed.  SDRT_E_ARG. */
int convert_rule_read(struct convert_rule *out, const char *text, const struct sdrt_log *log);

/* Sets each tensor's type: what the first rule says that matches, where it is a float.  Blocks and
 * f8 are for matrices, blocks for whole ones a row; the rest becomes F16.  SDRT_E_ARG for a type
 * that format has not, SDRT_E_UNSUPPORTED for a tensor that it cannot hold. */
int convert_choose(struct convert_model *model, const struct convert_rule *rules, int n,
                   enum convert_format format);

/* Writes all tensors to path, whole or not at all.  A signal in *stop ends it: SDRT_E_CANCELLED.
 * SDRT_E_NUMERIC names a tensor whose values the type does not hold. */
int convert_write(struct convert_model *model, const char *path, enum convert_format format,
                  struct progress *progress, const volatile sig_atomic_t *stop);

/* A part of the list as one file, in a folder or on its own. */
struct convert_slice {
    struct convert_tensor *list;
    size_t n;
    const char *path, *shown; /* shown: what progress and messages call it */
};

/* What all files of a model are written with. */
struct convert_run {
    struct convert_model *model;
    struct progress *progress;
    const volatile sig_atomic_t *stop;
    uint64_t done, total; /* bytes of tensors */
};

/* Writes one file, and counts its bytes in run.  Errors as convert_write(). */
int convert_write_slice(struct convert_run *run, const struct convert_slice *slice,
                        enum convert_format format);

/* Writes a model that convert_open_folder() opened, with its configurations and tokenizers, whole or
 * not at all.  As convert_write(); SDRT_E_IO for a path at which something is. */
int convert_write_folder(struct convert_model *model, const char *path, struct progress *progress,
                         const volatile sig_atomic_t *stop);

/* Writes all that such a folder has beside weights.  SDRT_E_IO, SDRT_E_NOMEM, SDRT_E_UNSUPPORTED. */
struct sdrt_atomic_folder;
int convert_write_configs(const struct convert_model *model, struct sdrt_atomic_folder *folder);

/* By name. */
void convert_sort(struct convert_model *model);

/* The files of tensors of a folder; the texts are the text encoders in the model's order. */
enum {
    CONVERT_DENOISER,
    CONVERT_VAE,
    CONVERT_TEXT,
    CONVERT_T5 = CONVERT_TEXT + SDRT_MAX_TEXT,
    CONVERT_PARTS
};

/* The name of a part's folder, "unet", a constant. */
const char *convert_part_name(const struct convert_model *model, int part);

/* Adds a tensor without sources; NULL without memory.  Gives t one, the place'th, which has as many
 * rows more.  Errors of the provider, SDRT_E_MISSING, SDRT_E_UNSUPPORTED for one that does not go with
 * others of t. */
struct convert_tensor *convert_add(struct convert_model *model, const char *name);
int convert_add_source(struct convert_model *model, struct convert_tensor *t, int place,
                       const struct sdrt_weights_provider *p, const char *source);

/* Prints how the tensors of b differ from a's: those that only one has, other shapes, and for the
 * others the largest error relative to a's root mean square.  *same is 1 when names and shapes are
 * the same and no tensor's root mean square of errors is beyond most times its own.  SDRT_E_IO,
 * SDRT_E_CANCELLED. */
int convert_compare(struct convert_model *a, struct convert_model *b, double most, int *same,
                    struct progress *progress, const volatile sig_atomic_t *stop);

#endif
