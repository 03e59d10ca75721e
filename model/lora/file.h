/* SPDX-License-Identifier: MIT
 *
 * One LoRA file: its tensors, sorted by the module that they change and by their role in it.
 *
 * Known are the kinds that are in use, under the names that their trainers write: LoRA and
 * LoCon (kohya's lora_down / lora_up / lora_mid, PEFT's lora_A / lora_B, diffusers' older
 * lora.down / lora.up and lora_linear_layer), LoHa (hada_*), LoKr (lokr_*), DoRA (dora_scale,
 * lora_magnitude_vector), GLoRA (a1, a2, b1, b2, bm), OFT and BOFT (oft_blocks, rescale), (IA)3
 * (weight beside on_input, PEFT's ia3_l), whole differences (diff, diff_b, w_norm, b_norm).
 */
#ifndef SDRT_MODEL_LORA_FILE_H
#define SDRT_MODEL_LORA_FILE_H

#include "runtime/base/error.h"
#include "runtime/files/tensor_files.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sdrt_lora_role {
    SDRT_LORA_DOWN, SDRT_LORA_UP, SDRT_LORA_MID,
    SDRT_LOHA_W1_A, SDRT_LOHA_W1_B, SDRT_LOHA_W2_A, SDRT_LOHA_W2_B, SDRT_LOHA_T1, SDRT_LOHA_T2,
    SDRT_LOKR_W1, SDRT_LOKR_W1_A, SDRT_LOKR_W1_B,
    SDRT_LOKR_W2, SDRT_LOKR_W2_A, SDRT_LOKR_W2_B, SDRT_LOKR_T2,
    SDRT_GLORA_A1, SDRT_GLORA_A2, SDRT_GLORA_B1, SDRT_GLORA_B2, SDRT_GLORA_BM,
    SDRT_OFT_BLOCKS, /* [blocks][size][size], or BOFT's [factors][blocks][size][size] */
    SDRT_OFT_RESCALE,
    SDRT_IA3_WEIGHT, SDRT_IA3_ON_INPUT,
    SDRT_IA3_PEFT, /* factors, not what is added to 1 */
    SDRT_LORA_DIFF, SDRT_LORA_DIFF_BIAS, SDRT_LORA_UP_BIAS,
    SDRT_LORA_ALPHA,
    SDRT_LORA_DORA,     /* norm of each row or of each input channel, as its shape says */
    SDRT_LORA_DORA_ROW, /* norm of each row */
    SDRT_LORA_ROLES
};

/* How a module changes its weight; SDRT_KIND_BIAS leaves that alone. */
enum sdrt_lora_kind {
    SDRT_KIND_LORA, SDRT_KIND_LOHA, SDRT_KIND_LOKR, SDRT_KIND_DIFF, SDRT_KIND_BIAS,
    SDRT_KIND_GLORA, SDRT_KIND_OFT, SDRT_KIND_BOFT, SDRT_KIND_IA3 /* these go by the weight */
};

struct sdrt_lora_module {
    const struct sdrt_tensor_file *file; /* that has its tensors; borrowed */
    char *key;          /* the module's name in the file, '.' written as '_'; owned */
    const char *sample; /* the full name of one of its tensors, for messages; borrowed */
    size_t stem;        /* bytes of sample that are the module's name, as the file writes it */
    const struct sdrt_file_tensor *role[SDRT_LORA_ROLES]; /* borrowed, NULL: not there */
    enum sdrt_lora_kind kind;
    int    rank;        /* of its factors; 0 where it has none */
    double alpha;       /* over rank (or its root) it scales the change; OFT's bound of the norm */
    int    root_rank;   /* 1: rank-stabilised, alpha / sqrt(rank) */
    int    on_input;    /* of (IA)3: 1: it scales the columns, 0: the rows */
};

struct sdrt_lora_file {
    struct sdrt_tensor_file *tensors; /* owned */
    struct sdrt_lora_module *modules; /* owned, sorted by key */
    size_t count;
    const char *unknown;  /* the first tensor of no known role, borrowed; NULL: none */
    size_t unknown_count;
    const char *bundled;  /* a tensor of the last textual inversion that came along; NULL: none */
    size_t bundled_count; /* of those inversions */
};

/* Reads path.  Tensors of no known role are counted, not refused: that is the caller's
 * choice.  *out belongs to the caller, NULL after a failure.  Errors of
 * sdrt_tensor_file_open(); SDRT_E_FORMAT for a module that lacks a part, for a rank that its
 * tensors disagree on, for an alpha that is not one finite number; SDRT_E_NOMEM. */
int sdrt_lora_file_open(struct sdrt_lora_file **out, const char *path, const struct sdrt_log *log);

/* The kind of adapter that a tensor belongs to, a constant, where it is one that sdrt knows by name
 * and cannot merge; NULL for others. */
const char *sdrt_lora_unmerged_kind(const char *name);

/* Frees *file and sets it to NULL.  NULL is allowed. */
void sdrt_lora_file_close(struct sdrt_lora_file **file);

#ifdef __cplusplus
}
#endif

#endif
