/* SPDX-License-Identifier: MIT
 *
 * LoRAs on top of a model's weights.
 *
 * A set stands between the provider of a checkpoint and the weight store: a tensor that some
 * LoRA changes is handed out merged, in f32, all others as they are.  Merging happens when a
 * weight is packed, so a change of scales costs what is packed again (sdrt_loras_each_touched).
 */
#ifndef SDRT_MODEL_LORA_LORA_H
#define SDRT_MODEL_LORA_LORA_H

#include "model/lora/merge.h"
#include "model/lora/names.h"
#include "model/lora/strength.h"
#include "runtime/weights/weights.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_loras;

/* An empty set over base, which is copied and must stay valid, as must what engine points to.
 * index is borrowed and must outlive the set.  family is the model's, a constant, for what is said
 * of LoRAs of others; NULL: not known.  *out belongs to the caller.  SDRT_E_NOMEM. */
int sdrt_loras_create(struct sdrt_loras **out, const struct sdrt_weights_provider *base,
                      struct sdrt_lora_index *index, const struct sdrt_lora_engine *engine,
                      const char *family);

/* Ends all views, frees *loras and sets it to NULL.  NULL is allowed. */
void sdrt_loras_free(struct sdrt_loras **loras);

/* Adds a file at a strength; 0 keeps it open without effect.  The same path may be added twice.
 * Every tensor must belong to a module of the model: one line names the first that does not
 * and counts the rest (SDRT_E_UNSUPPORTED), or, when lenient, warns and leaves them out.  Of what
 * has no use here at all, a T5's in a model without one and bundled textual inversions, a warning
 * is all there is.  A LoRA for another family, and a file of which nothing fits, is refused either
 * way (SDRT_E_UNSUPPORTED), as are weights of blocks for a model without a U-Net.
 * No view may be held.  After a failure the set is as before.
 * Errors of sdrt_lora_file_open(); SDRT_E_ARG for a strength that is not finite. */
int sdrt_loras_add(struct sdrt_loras *loras, const char *path,
                   const struct sdrt_lora_strength *strength, int lenient);

/* Files in the set, in the order of their adding, and each one's path and strength (borrowed);
 * i < count. */
size_t sdrt_loras_count(const struct sdrt_loras *loras);
const char *sdrt_loras_path(const struct sdrt_loras *loras, size_t i);
const struct sdrt_lora_strength *sdrt_loras_strength(const struct sdrt_loras *loras, size_t i);

/* Removes all files.  No view may be held. */
void sdrt_loras_clear(struct sdrt_loras *loras);

/* Calls fn with the canonical module name (without .weight) of everything that file i
 * changes. */
void sdrt_loras_each_touched(const struct sdrt_loras *loras, size_t i,
                             void (*fn)(void *user, const char *module), void *user);

/* The merged weights; loras must outlive all uses.  A get with rank -1 asks only what there
 * is, and is answered by base, unmerged. */
struct sdrt_weights_provider sdrt_loras_provider(struct sdrt_loras *loras);

#ifdef __cplusplus
}
#endif

#endif
