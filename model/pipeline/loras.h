/* SPDX-License-Identifier: MIT
 *
 * The LoRAs of a request, on a model's weights.
 */
#ifndef SDRT_MODEL_PIPELINE_LORAS_H
#define SDRT_MODEL_PIPELINE_LORAS_H

#include "model/sdrt.h"
#include "runtime/weights/weights.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Puts an empty set between *provider and its users; the model's device is there already.
 * SDRT_E_NOMEM. */
int sdrt_pipeline_loras_open(struct sdrt_model *m, struct sdrt_weights_provider *provider);
void sdrt_pipeline_loras_close(struct sdrt_model *m);

/* Adds a file to the set of a model that nobody draws with, whose weights are then to be had from
 * sdrt_loras_provider() of the set.  Every tensor must fit.  Errors of sdrt_loras_add(). */
int sdrt_pipeline_loras_add(struct sdrt_model *m, const struct sdrt_lora *lora);

struct sdrt_run;

/* Before a session draws: makes the set what the request wants, its loras, then those that its
 * prompt names.  Where that is a change, waits until no other session draws, and says that the
 * packed weights of the parts it touches are of the past, so that the next load packs them merged.
 * The session is planned for the request.  run->prompt and run->negative are the prompts without
 * tags.  The caller is told of the request before anything is done, and again and again while it
 * waits.
 * SDRT_E_CANCELLED when that or the session is; errors of sdrt_lora_tags_split() and
 * sdrt_loras_add(), the set is then empty.  After success the set stays until
 * sdrt_pipeline_loras_end(). */
int sdrt_pipeline_loras_begin(struct sdrt_run *run);
void sdrt_pipeline_loras_end(struct sdrt_session *s);

#ifdef __cplusplus
}
#endif

#endif
