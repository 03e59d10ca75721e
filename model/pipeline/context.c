/* SPDX-License-Identifier: MIT
 *
 * The public header's functions on a context, which is a model with one session.
 */
#include "model/pipeline/read.h"
#include "model/pipeline/session.h"

#include <stdlib.h>

int sdrt_open(struct sdrt_context **out, const struct sdrt_options *options)
{
    struct sdrt_options o;
    struct sdrt_context *c;
    int status = sdrt_options_read(&o, options);

    if (out) *out = NULL;
    if (status != SDRT_OK) return status;
    if (!out) return sdrt_fail(o.log, SDRT_E_ARG, "no place for the context: expected one");
    c = calloc(1, sizeof *c);
    status = c ? sdrt_model_open(&c->model, &o)
               : sdrt_fail(o.log, SDRT_E_NOMEM, "out of memory for a context");
    if (status == SDRT_OK) status = sdrt_session_open(&c->session, c->model, o.threads);
    if (status != SDRT_OK) sdrt_close(&c);
    *out = c;
    return status;
}

void sdrt_close(struct sdrt_context **context)
{
    struct sdrt_context *c = context ? *context : NULL;

    if (!c) return;
    sdrt_session_close(&c->session);
    sdrt_model_release(&c->model);
    free(c);
    *context = NULL;
}

struct sdrt_session *sdrt_session_of(const struct sdrt_context *c) { return c ? c->session : NULL; }

void sdrt_cancel(struct sdrt_context *c) { sdrt_session_cancel(sdrt_session_of(c)); }

int sdrt_measure(struct sdrt_context *c, const struct sdrt_request *request,
                 struct sdrt_memory *memory)
{
    return sdrt_session_measure(sdrt_session_of(c), request, memory);
}

int sdrt_generate(struct sdrt_context *c, const struct sdrt_request *request)
{
    return sdrt_session_generate(sdrt_session_of(c), request);
}

int sdrt_write_plan(struct sdrt_context *c, const struct sdrt_request *request, const char *path)
{
    return sdrt_session_write_plan(sdrt_session_of(c), request, path);
}

const uint8_t *sdrt_image(const struct sdrt_context *c, int i, int *width, int *height)
{
    return sdrt_session_image(sdrt_session_of(c), i, width, height);
}

int sdrt_write_png(struct sdrt_context *c, int i, const char *path)
{
    return sdrt_session_write_png(sdrt_session_of(c), i, path);
}

char *sdrt_report_json(const struct sdrt_context *c)
{
    return sdrt_session_report_json(sdrt_session_of(c));
}
