/* SPDX-License-Identifier: MIT
 *
 * A model: what sessions share.  Its parts, each a checkpoint with a configuration and a store of
 * packed weights, the tokenizers, the LoRAs that are merged, and the device.
 */
#ifndef SDRT_MODEL_PIPELINE_MODEL_H
#define SDRT_MODEL_PIPELINE_MODEL_H

#include "model/checkpoint/checkpoint.h"
#include "model/lora/lora.h"
#include "model/net/denoiser.h"
#include "model/sdrt.h"
#include "model/text/clip_tokenizer.h"
#include "model/text/t5_tokenizer.h"
#include "runtime/device/device.h"
#include "runtime/files/file_hash.h"
#include "runtime/weights/weight_store.h"

#include <pthread.h>

/* Whose weights a pass computes with. */
enum sdrt_part_id { SDRT_PART_BASE, SDRT_PART_REFINER, SDRT_PARTS };

enum { SDRT_MAX_CONTROLS = 4 /* nets of a request */ };

struct sdrt_model_part {
    char *name;                         /* for the parameters text */
    struct sdrt_checkpoint *checkpoint; /* NULL with random weights */
    struct sdrt_model_config config;
    struct sdrt_weight_store *store;
};

/* The LoRAs on a model's weights (loras.h).  All sessions draw with one set, which is packed. */
struct sdrt_pipeline_loras {
    struct sdrt_lora_index *index; /* owned, filled when the first file is wanted */
    struct sdrt_loras      *set;   /* owned */
    int lenient;                   /* how the set's files were added */
    unsigned version;              /* of the set; all from here on is guarded by lock */
    int drawing;                   /* sessions */
    int at_door;                   /* 1: a session is about to draw; who comes now waits behind it */
    pthread_mutex_t lock;
    pthread_cond_t  changed;       /* of the last two */
};

/* SHA-256 of the files, as far as they are known, else "" (hashes.h). */
struct sdrt_model_hashes {
    char model[SDRT_SHA256_TEXT], vae[SDRT_SHA256_TEXT];
    char *vae_name; /* of one that replaces the model's; else NULL; owned */
    char *cache;    /* where they are kept; NULL: nowhere; owned */
    int compute;    /* what is not there */
};

struct sdrt_pass;
struct sdrt_taesd;
struct sdrt_net;

struct sdrt_model {
    int uses;                              /* guarded by lock */
    pthread_mutex_t lock;
    const struct sdrt_log *log;
    struct sdrt_device *device;
    size_t device_memory;                  /* the most that plans may take of it; 0: no limit */
    const char *precision;                 /* a name of SDRT_LIST_PRECISIONS */
    char *precision_text;                  /* what was asked for, owned; NULL: nothing */
    const char *wide;                      /* in that: globs of layers that are wider; NULL: none */
    int rotated;                           /* in that: int8 rotates (kernels/pack.h) */
    struct sdrt_model_part parts[SDRT_PARTS];
    int n_parts;                           /* 2: the second is a refiner */
    struct sdrt_random_weights *random;    /* NULL with a checkpoint */
    struct sdrt_taesd *taesd;              /* NULL without one */
    struct sdrt_net *nets;                 /* that sessions use, linked (nets.h); guarded by lock */
    unsigned last_net;             /* the number of the newest; guarded by lock */
    struct sdrt_pipeline_loras loras;      /* between the base's checkpoint and its store */
    struct sdrt_clip_tokenizer *tokenizers[SDRT_MAX_TEXT]; /* of each text encoder */
    struct sdrt_t5_tokenizer *t5_tokenizer; /* NULL without a T5 */
    struct sdrt_model_hashes hashes;
    const char *told_prediction;           /* where the model was not believed; else NULL */
    const struct sdrt_pass *passes;        /* what an image takes, in order; ends with no name */
};

/* The base's configuration. */
static inline const struct sdrt_model_config *sdrt_model_config_of(const struct sdrt_model *m)
{
    return &m->parts[SDRT_PART_BASE].config;
}

static inline int sdrt_model_refined(const struct sdrt_model *m) { return m->n_parts > 1; }

/* Bytes of all packed weights of all parts. */
size_t sdrt_model_weights_bytes(const struct sdrt_model *m);

/* Opens the device that options name, and says in what it computes.  What is open is the model's after
 * a failure too. */
int sdrt_model_open_device(struct sdrt_model *m, const struct sdrt_options *o);

/* The precision as an option would say it, with the layers that are wider; the model's. */
const char *sdrt_model_precision_text(const struct sdrt_model *m);

/* SDRT_E_ARG, naming it, where a glob of m->wide widens nothing that the programs of a planned session read. */
int sdrt_model_check_wide(const struct sdrt_model *m);

/* sdrt_model_open() on a device that is open, which it takes over whatever the result; precision is a name of
 * SDRT_LIST_PRECISIONS.  device NULL: the one that options name. */
int sdrt_model_open_on(struct sdrt_model **out, const struct sdrt_options *options,
                       struct sdrt_device *device, const char *precision);

/* Before it draws: packs weights once for all models of other processes of this machine that are opened alike and
 * have the same commons, which is borrowed (runtime/weights/commons.h). */
void sdrt_model_share_weights(struct sdrt_model *m, struct sdrt_commons *commons);

/* Opens path as part i, whose store takes what provider (NULL: the part's checkpoint) hands out;
 * fixed as in sdrt_weight_store_create().  What is open stays the part's after a failure. */
int sdrt_part_open_store(struct sdrt_model *m, struct sdrt_model_part *part,
                         const struct sdrt_weights_provider *provider, enum sdrt_dtype fixed);

/* The last name of a path; the caller's.  NULL without memory. */
char *sdrt_part_name(const char *path);

/* SDRT_E_FORMAT when the tokenizer of text encoder i knows more tokens than that. */
int sdrt_model_check_tokenizer(const struct sdrt_model *m, int i);

/* The prompt's tokens for text encoder i, padded as that wants it, into ids [tokens]; *dropped,
 * which may be NULL, is how many found no room.  Errors of sdrt_clip_tokenizer_encode(), and
 * of the check above. */
int sdrt_model_tokenize(const struct sdrt_model *m, int i, const char *prompt, int32_t *ids,
                        int *dropped);

#endif
