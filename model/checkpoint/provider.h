/* SPDX-License-Identifier: MIT
 *
 * The tensors of all parts under canonical names (see checkpoint.h), whatever the files call them
 * and however these order their rows and columns.
 */
#ifndef SDRT_MODEL_CHECKPOINT_PROVIDER_H
#define SDRT_MODEL_CHECKPOINT_PROVIDER_H

#include "model/checkpoint/behind.h"
#include "model/checkpoint/layout.h"
#include "runtime/files/held_buffers.h"

/* All pointers are borrowed. */
struct sdrt_named_weights {
    const struct sdrt_parts *parts;
    const struct sdrt_layout *layout;
    const char *path; /* for messages */
    const struct sdrt_log *log;
    struct sdrt_held_buffers turned; /* rearranged copies, by canonical name; starts as zeros */
    struct sdrt_behind *behind;      /* the model of a net that lacks some; NULL: there is none */
};

/* 1 when there is a tensor of that canonical name, else 0. */
int sdrt_named_weights_have(const struct sdrt_named_weights *weights, const char *canonical);

/* Where a tensor of that canonical name would be: in which part, borrowed, under the name that is
 * written into name.  1, or 0 for a name that belongs to no part; whether the part has it is not
 * asked.  where, which may be NULL, becomes where in that tensor it is. */
int sdrt_named_weights_locate(const struct sdrt_named_weights *weights, const char *canonical,
                              const struct sdrt_part **part, char name[SDRT_NAME_MAX],
                              struct sdrt_name_part *where);

/* As a provider; weights must outlive all uses, and its copies stay until they are released.
 * One thread at a time, except for read. */
struct sdrt_weights_provider sdrt_named_weights_provider(struct sdrt_named_weights *weights);

#endif
