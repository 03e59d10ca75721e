/* SPDX-License-Identifier: MIT
 *
 * Sessions of several ranks that draw one request together: all are given the same one, go through all of it, and
 * have the whole of every image at its end.  What they share is the denoiser, and with rows the VAE's decoder.
 */
#ifndef SDRT_MODEL_PIPELINE_SHARE_H
#define SDRT_MODEL_PIPELINE_SHARE_H

#include "model/pipeline/session.h"
#include "runtime/graph/program.h"
#include "runtime/ranks/ranks.h"

enum sdrt_sharing {
    SDRT_SHARE_GUIDANCE, /* of two ranks the first computes the unconditional half of guided pairs, the second
                          * the conditional one; an evaluation exchanges one latent */
    SDRT_SHARE_ROWS, /* each rank computes a band of the picture's rows */
};

/* Between requests; ranks are borrowed and must outlive the session.  A collective call.  From
 * then on a request that cannot be shared so is refused (SDRT_E_UNSUPPORTED, SDRT_E_ARG), with a line from
 * rank 0, and a rank that does not answer ends it with SDRT_E_IO.  SDRT_OK; SDRT_E_ARG for another number
 * of ranks than that takes; SDRT_E_UNSUPPORTED where the model's device is no processor; SDRT_E_NOMEM. */
int sdrt_session_share(struct sdrt_session *s, struct sdrt_ranks *ranks, enum sdrt_sharing how);

/* What a run of pass i, which is placed, takes from the other ranks: its answer's other parts too.  All 0
 * where it is not shared. */
struct sdrt_crossing sdrt_session_crossing(const struct sdrt_session *s, int i);

/* ---- of plan.c ---- */

/* Frees it. */
void sdrt_share_free(struct sdrt_share **share);

/* Whether the session's shape can be shared; finds the bands of its rows. */
int sdrt_share_plan(struct sdrt_session *s);

/* Whether pass is shared, and for what its program is then built on this rank; and before it is built, what
 * its graph has to know. */
int sdrt_share_has(const struct sdrt_session *s, const struct sdrt_pass *pass);
struct sdrt_shape sdrt_share_shape(const struct sdrt_session *s);
void sdrt_share_graph(const struct sdrt_session *s, struct sdrt_graph *g);

/* Declares what the program of shared pass i has beside the whole's slots. */
int sdrt_share_add_slots(struct sdrt_session *s, int i);

/* Once there is memory: binds the program to its part, and keeps where that is of the whole. */
void sdrt_share_bind(struct sdrt_session *s, int i);

/* Around a run of pass i: hands its part of what it reads to the program, and what all made to all. */
void sdrt_share_before(const struct sdrt_session *s, int i);
int sdrt_share_after(const struct sdrt_session *s, int i);

#endif
