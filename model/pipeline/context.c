/* SPDX-License-Identifier: MIT
 *
 * The public header's functions: a context is a model with one session.
 */
#include <config.h> /* the quoted form would find a file beside this one */

#include "model/pipeline/session.h"

#include <stdlib.h>

const char *sdrt_version(void) { return PACKAGE_VERSION; }
const char *sdrt_status_name(int status) { return sdrt_status_text(status); }

void sdrt_options_init(struct sdrt_options *options)
{
    *options = (struct sdrt_options){ .size = sizeof *options };
}

void sdrt_request_init(struct sdrt_request *request)
{
    *request = (struct sdrt_request){
        .size = sizeof *request, .prompt = "", .steps = 20, .cfg_scale = 7.5f,
        .schedule = "default", .rng = "cpu", .batch = 1,
        .refiner_start = 0.8,
    };
}

int sdrt_open(struct sdrt_context **out, const struct sdrt_options *o)
{
    struct sdrt_context *c = calloc(1, sizeof *c);
    int status = c ? sdrt_model_open(&c->model, o)
                   : sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory");

    if (status == SDRT_OK) status = sdrt_session_open(&c->session, c->model, o->threads);
    if (status != SDRT_OK) sdrt_close(&c);
    *out = c;
    return status;
}

void sdrt_close(struct sdrt_context **context)
{
    struct sdrt_context *c = *context;

    if (!c) return;
    sdrt_session_close(&c->session);
    sdrt_model_release(&c->model);
    free(c);
    *context = NULL;
}

void sdrt_cancel(struct sdrt_context *c)
{
    if (c) sdrt_session_cancel(c->session);
}

int sdrt_measure(struct sdrt_context *c, const struct sdrt_request *request,
                 struct sdrt_memory *memory)
{
    return sdrt_session_measure(c->session, request, memory);
}

int sdrt_generate(struct sdrt_context *c, const struct sdrt_request *request)
{
    return sdrt_session_generate(c->session, request);
}

int sdrt_write_plan(struct sdrt_context *c, const struct sdrt_request *request, const char *path)
{
    return sdrt_session_write_plan(c->session, request, path);
}

const uint8_t *sdrt_image(const struct sdrt_context *c, int i, int *width, int *height)
{
    return sdrt_session_image(c->session, i, width, height);
}

int sdrt_write_png(struct sdrt_context *c, int i, const char *path)
{
    return sdrt_session_write_png(c->session, i, path);
}

char *sdrt_report_json(const struct sdrt_context *c)
{
    return sdrt_session_report_json(c->session);
}
