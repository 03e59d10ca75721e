/* SPDX-License-Identifier: MIT
 *
 * Opens checkpoints that checkpoint_files.c writes into a temporary folder: a narrow SD 1.5.  Each
 * tensor's data say which tensor it is.
 */
#ifndef SDRT_TESTS_CHECKPOINT_CASES_H
#define SDRT_TESTS_CHECKPOINT_CASES_H

#include "model/checkpoint/checkpoint.h"
#include "tests/checkpoint_files.h"
#include "tests/temp_folder.h"

/* Sizes of the narrow model: each still a multiple of 32 groups where norms are. */
int64_t narrow(int64_t size);

/* Before a test, .init of its suite: a temporary folder and the narrow model's list. */
void checkpoint_set_up(void);

/* vae: the path of one beside the model, or NULL. */
int open_checkpoint(struct sdrt_checkpoint **out, const char *path, const char *vae);

/* The configuration of SD 1.5 whose sizes are size() of its own. */
void check_config(const struct sdrt_model_config *m, int64_t size(int64_t));

/* Asks for every tensor that a model needs, but for the VAE's encoder without with_encoder; each
 * must be there, be the right one, and have its shape.  Different names lead to different tensors,
 * so each is hit exactly once. */
void check_weights(struct sdrt_checkpoint *c, int with_encoder);

/* It opens without a word and is whole. */
void expect_good(const char *path, const char *vae);

/* It is refused by status, in one line that has text and the name of a file in it. */
void expect_error(const char *path, const char *vae, int status, const char *text);

#endif
