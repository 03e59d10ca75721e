/* SPDX-License-Identifier: MIT
 *
 * The control nets of a session (nets.h).
 */
#ifndef SDRT_MODEL_PIPELINE_CONTROLS_H
#define SDRT_MODEL_PIPELINE_CONTROLS_H

#include "model/net/unet.h"
#include "model/pipeline/session.h"

/* The most that a net leaves. */
enum {
    SDRT_CONTROL_FEATURES = (int)SDRT_UNET_FEATURES > (int)SDRT_MMDIT_MAX_DEPTH
                                ? (int)SDRT_UNET_FEATURES
                                : (int)SDRT_MMDIT_MAX_DEPTH
};

/* Takes the nets of a checked request for the session, in the place of those of its last one, whose
 * programs end where they are others; and tells the shape of them.  A failure leaves the session with
 * those that it had.  Errors of sdrt_control_file_open(). */
int sdrt_controls_take(struct sdrt_session *s, const struct sdrt_request *r,
                       struct sdrt_shape *shape);

/* What a union of nets is told that picture i is (controlnet.h), of a checked request; -1: nothing. */
int sdrt_control_type_of(const struct sdrt_request *r, int i);

/* Gives all of the session's back, which has no programs any more. */
void sdrt_controls_release(struct sdrt_session *s);

/* Configuration and weights of a pass: the part's or a net's, borrowed; NULL where the session's shape
 * has no such pass. */
const struct sdrt_model_part *sdrt_controls_part(const struct sdrt_session *s,
                                                 const struct sdrt_pass *pass);

#endif
