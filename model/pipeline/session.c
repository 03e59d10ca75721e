/* SPDX-License-Identifier: MIT
 *
 * Opening and closing a session, and what is known before it draws.
 */
#include "model/pipeline/controls.h"
#include "model/pipeline/image_prompts.h"
#include "model/pipeline/hires.h"
#include "model/pipeline/prompts.h"
#include "model/pipeline/read.h"
#include "model/pipeline/share.h"

#include <stdlib.h>
#include <string.h>

int sdrt_session_open(struct sdrt_session **out, struct sdrt_model *m, int threads)
{
    struct sdrt_session *s;
    int status;

    if (out) *out = NULL;
    if (!m) return SDRT_E_ARG;
    if (!out) return sdrt_fail(m->log, SDRT_E_ARG, "no place for the session: expected one");
    const int workers = threads ? threads : m->device->workers;
    if (workers < 1 || workers > 1024)
        return sdrt_fail(m->log, SDRT_E_ARG, "%d threads: expected 1 to 1024", threads);
    s = calloc(1, sizeof *s);
    if (!s) return sdrt_fail(m->log, SDRT_E_NOMEM, "out of memory for a session");
    s->model = sdrt_model_retain(m);
    s->log = m->log;
    s->n_passes = sdrt_passes_count(m->passes);
    s->programs = calloc((size_t)s->n_passes, sizeof *s->programs);
    s->moves = calloc((size_t)s->n_passes, sizeof *s->moves);
    status = s->programs && s->moves
                 ? sdrt_queue_open(&s->queue, m->device, workers, s->log)
                 : sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for a session");
    if (status != SDRT_OK) {
        sdrt_session_close(&s);
        return status;
    }
    s->slots = (struct sdrt_slots){ .device = m->device->host,
                                    .queue = s->queue->host,
                                    .log = s->log };
    *out = s;
    return SDRT_OK;
}

void sdrt_session_close(struct sdrt_session **session)
{
    struct sdrt_session *s = session ? *session : NULL;

    if (!s) return;
    if (s->programs && s->moves) sdrt_session_unplan(s);
    sdrt_controls_release(s);
    sdrt_image_prompts_release(s);
    sdrt_share_free(&s->share);
    free(s->programs);
    free(s->moves);
    sdrt_queue_close(&s->queue);
    for (int i = 0; i < SDRT_MAX_BATCH; i++) free(s->parameters[i]);
    free(s->images);
    sdrt_model_release(&s->model);
    free(s);
    *session = NULL;
}

void sdrt_session_cancel(struct sdrt_session *s)
{
    if (s) sdrt_queue_cancel(s->queue);
}

void sdrt_session_finish(struct sdrt_session *s)
{
    if (s) s->finish = 1;
}

/* What is not there has no log to tell. */
int sdrt_session_plan_request(struct sdrt_session *s, const struct sdrt_request *request)
{
    struct sdrt_request r;
    struct sdrt_prompts prompts = { 0 };
    struct sdrt_shape shape;
    char *owned[2];
    int status = s ? sdrt_request_read(&r, request, s->log) : SDRT_E_ARG;

    if (status != SDRT_OK) return status;
    if (sdrt_hires_asked(&r)) { /* the larger of both */
        const struct sdrt_request whole = r;
        status = sdrt_hires_check(s->model, &whole, &r);
        if (status != SDRT_OK) return status;
    }
    r = sdrt_request_resolved(s->model, &r);
    status = sdrt_request_vary(&r, owned, s->log);
    if (status == SDRT_OK) status = sdrt_request_check(s->model, &r, &shape, NULL, NULL);
    if (status == SDRT_OK) status = sdrt_controls_take(s, &r, &shape);
    if (status == SDRT_OK) status = sdrt_image_prompts_take(s, &r, &shape);
    if (status == SDRT_OK) status = sdrt_prompts_read(&prompts, s->model, &r, &shape, NULL);
    sdrt_prompts_clear(&prompts);
    free(owned[0]);
    free(owned[1]);
    return status == SDRT_OK ? sdrt_session_plan(s, &shape) : status;
}

int sdrt_session_measure(struct sdrt_session *s, const struct sdrt_request *request,
                         struct sdrt_memory *memory)
{
    const int status = sdrt_session_plan_request(s, request);

    if (status != SDRT_OK) return status;
    if (!memory)
        return sdrt_fail(s->log, SDRT_E_ARG, "no place for the memory's figures: expected one");
    memory->weights_bytes = sdrt_session_peak_weights(s);
    memory->arena_bytes = s->persistent_bytes + s->workspace_bytes;
    if (sdrt_device_memory_left(s->model->device, &memory->available_bytes) != SDRT_OK)
        memory->available_bytes = 0;
    return SDRT_OK;
}
