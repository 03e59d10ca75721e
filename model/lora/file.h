/* SPDX-License-Identifier: MIT
 *
 * One LoRA file: its tensors, sorted by the module that they change and by their role in it.
 *
 * Known are the kinds that are in use, under the names that their trainers write: LoRA and
 * LoCon (kohya's lora_down / lora_up / lora_mid, PEFT's lora_A / lora_B, diffusers' older
 * lora.down / lora.up and lora_linear_layer), LoHa (hada_*), LoKr (lokr_*), DoRA (dora_scale,
 * lora_magnitude_vector), whole differences (diff, diff_b, w_norm, b_norm).
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
    SDRT_LORA_DIFF, SDRT_LORA_DIFF_BIAS, SDRT_LORA_UP_BIAS,
    SDRT_LORA_ALPHA,
    SDRT_LORA_DORA,     /* norm of each row or of each input channel, as its shape says */
    SDRT_LORA_DORA_ROW, /* norm of each row */
    SDRT_LORA_ROLES
};

/* How a module changes its weight; SDRT_KIND_BIAS leaves that alone. */
enum sdrt_lora_kind {
    SDRT_KIND_LORA, SDRT_KIND_LOHA, SDRT_KIND_LOKR, SDRT_KIND_DIFF, SDRT_KIND_BIAS
};

struct sdrt_lora_module {
    char *key;          /* the module's name in the file, '.' written as '_'; owned */
    const char *sample; /* the full name of one of its tensors, for messages; borrowed */
    const struct sdrt_file_tensor *role[SDRT_LORA_ROLES]; /* borrowed, NULL: not there */
    enum sdrt_lora_kind kind;
    int    rank;        /* of its factors; 0 where it has none */
    double alpha;       /* over rank (or its root) it scales the change */
    int    root_rank;   /* 1: rank-stabilised, alpha / sqrt(rank) */
};

struct sdrt_lora_file {
    struct sdrt_tensor_file *tensors; /* owned */
    struct sdrt_lora_module *modules; /* owned, sorted by key */
    size_t count;
    const char *unknown;  /* the first tensor of no known role, borrowed; NULL: none */
    size_t unknown_count;
};

/* Reads path.  Tensors of no known role are counted, not refused: that is the caller's
 * choice.  *out belongs to the caller, NULL after a failure.  Errors of
 * sdrt_tensor_file_open(); SDRT_E_FORMAT for a module that lacks a part, for a rank that its
 * tensors disagree on, for an alpha that is not one finite number; SDRT_E_NOMEM. */
int sdrt_lora_file_open(struct sdrt_lora_file **out, const char *path, const struct sdrt_log *log);

/* Frees *file and sets it to NULL.  NULL is allowed. */
void sdrt_lora_file_close(struct sdrt_lora_file **file);

#ifdef __cplusplus
}
#endif

#endif
