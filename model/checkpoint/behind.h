/* SPDX-License-Identifier: MIT
 *
 * The model behind a control net, of whose weights the net's file has some no more: a ControlNet of SD
 * 3.5 Large takes the model's patches and positions, and a ControlNet-LoRA (Stability's control-lora)
 * says by two thin factors, name.up and name.down, what is added to the U-Net's.
 */
#ifndef SDRT_MODEL_CHECKPOINT_BEHIND_H
#define SDRT_MODEL_CHECKPOINT_BEHIND_H

#include "model/checkpoint/part.h"
#include "runtime/files/held_buffers.h"
#include "runtime/weights/weight_store.h"

/* provider and store are the model's, borrowed. */
struct sdrt_behind {
    struct sdrt_weights_provider provider;
    struct sdrt_weight_store *store; /* whose turn it takes to ask the provider */
    const char *prefix;              /* a constant: of the names that are taken from it */
    struct sdrt_queue *queue;        /* where sums are computed; NULL until one is told */
};

/* As of a provider, on any thread; read needs none of these. */
int sdrt_behind_get(struct sdrt_behind *b, const char *name, int rank, const int64_t *shape,
                    struct sdrt_weight_view *out);
int sdrt_behind_describe(struct sdrt_behind *b, const char *name, int rank, const int64_t *shape,
                         struct sdrt_weight_view *out);
void sdrt_behind_release(struct sdrt_behind *b, const char *name);

/* Whether the model has it. */
int sdrt_behind_has(struct sdrt_behind *b, const char *name);

/* Whether part has factors of the weight that would be in_file, "....weight". */
int sdrt_behind_is_sum(const struct sdrt_part *part, const char *in_file);

/* The model's weight of that name and the product of part's factors, f32, held under the name in
 * buffers; with rank -1 its shape alone, without data.  SDRT_E_FORMAT for factors that do not fit each
 * other or the weight; SDRT_E_NOMEM. */
int sdrt_behind_sum(struct sdrt_behind *b, const struct sdrt_part *part, const char *in_file,
                    const char *name, int rank, struct sdrt_held_buffers *buffers,
                    struct sdrt_weight_view *out, const struct sdrt_log *log);

#endif
