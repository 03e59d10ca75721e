/* SPDX-License-Identifier: MIT
 *
 * The LoRAs of a request, on a model's weights.
 */
#ifndef SDRT_MODEL_PIPELINE_LORAS_H
#define SDRT_MODEL_PIPELINE_LORAS_H

#include "model/lora/lora.h"
#include "model/text/lora_prompt.h"

#include <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_model;
struct sdrt_request;
struct sdrt_session;

/* What a model keeps of them.  All sessions draw with one set, the one that is packed. */
struct sdrt_pipeline_loras {
    struct sdrt_lora_index *index; /* owned, filled when the first file is wanted */
    struct sdrt_loras      *set;   /* owned */
    int lenient;                   /* how the set's files were added */
    unsigned version;              /* of the set; all from here on is guarded by lock */
    int drawing;                   /* sessions */
    int at_door;                   /* 1: a session is about to draw; who comes now waits behind it */
    pthread_mutex_t lock;
    pthread_cond_t  changed;       /* of the last two */
};

/* Puts an empty set between *provider and its users; the model's device is there already.
 * SDRT_E_NOMEM. */
int sdrt_pipeline_loras_open(struct sdrt_model *m, struct sdrt_weights_provider *provider);
void sdrt_pipeline_loras_close(struct sdrt_model *m);

/* Before a session draws: makes the set what the request wants, its loras, then those that its
 * prompt names.  Where that is a change, waits until no other session draws, and says that the
 * packed weights of the parts it touches are of the past, so that the next load packs them merged.
 * The session is planned for the request.  *prompt is the prompt without tags, owned by the
 * caller, NULL after a failure.  SDRT_E_CANCELLED when the session is while it waits; errors of
 * sdrt_lora_prompt_split() and sdrt_loras_add(), the set is then empty.  After success the set
 * stays until sdrt_pipeline_loras_end(). */
int sdrt_pipeline_loras_begin(struct sdrt_session *s, const struct sdrt_request *r, char **prompt);
void sdrt_pipeline_loras_end(struct sdrt_session *s);

#ifdef __cplusplus
}
#endif

#endif
