/* SPDX-License-Identifier: MIT
 *
 * Pictures as prompts: the IP-Adapters of a request, and what they make of their pictures, which holds as
 * long as the pictures, their strengths and the plan do.
 */
#ifndef SDRT_MODEL_PIPELINE_IMAGE_PROMPTS_H
#define SDRT_MODEL_PIPELINE_IMAGE_PROMPTS_H

#include "model/pipeline/nets.h"
#include "model/pipeline/session.h"

/* Takes the adapters of a checked request that have a strength, and their encoder, for the session, in the
 * place of those of its last one, whose programs end where they are others; and tells the shape of them.  A
 * failure leaves the session with those that it had.  SDRT_E_ARG without an encoder, SDRT_E_UNSUPPORTED for an
 * encoder of another size and a model that takes none; errors of sdrt_net_use(). */
int sdrt_image_prompts_take(struct sdrt_session *s, const struct sdrt_request *r,
                            struct sdrt_shape *shape);

/* Gives all of the session's back, which has no programs any more. */
void sdrt_image_prompts_release(struct sdrt_session *s);

/* Configuration and weights of a pass of theirs, borrowed; NULL where the session's shape has none. */
const struct sdrt_model_part *sdrt_image_prompts_part(const struct sdrt_session *s,
                                                      const struct sdrt_pass *pass);

#endif
