/* SPDX-License-Identifier: MIT */
#include "runtime/base/error.h"
#include "runtime/base/numbers.h"
#include "tools/sdserve/http.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum MHD_Result queue_response(struct call *c, unsigned status, const char *type,
                                      struct MHD_Response *response)
{
    const struct serve_options *o = &c->server->options;

    if (!response) return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(
        response, "Content-Security-Policy",
        "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) MHD_add_response_header(response, "Allow", c->allow);
    if (status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, "WWW-Authenticate", "Basic realm=\"sdserve\"");
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE || status == MHD_HTTP_TOO_MANY_REQUESTS)
        MHD_add_response_header(response, "Retry-After", "10");
    if (o->cors) {
        MHD_add_response_header(response, "Access-Control-Allow-Origin", o->cors);
        MHD_add_response_header(response, "Access-Control-Allow-Headers",
                                "Authorization, Content-Type, X-Client-Id");
        MHD_add_response_header(response, "Access-Control-Allow-Methods", "GET, POST, DELETE");
    }
    if (status >= 400) c->server->refused++;
    const enum MHD_Result result = MHD_queue_response(c->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result answer_bytes(struct call *c, unsigned status, const char *type, void *bytes,
                             size_t size)
{
    return queue_response(c, status, type,
                          MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_MUST_FREE));
}

enum MHD_Result answer_constant(struct call *c, const char *type, const void *bytes, size_t size)
{
    return queue_response(c, MHD_HTTP_OK, type,
                          MHD_create_response_from_buffer(size, (void *)(uintptr_t)bytes,
                                                          MHD_RESPMEM_PERSISTENT));
}

enum MHD_Result answer_json(struct call *c, unsigned status, json_t *value)
{
    const struct sdrt_numbers numbers = sdrt_numbers_begin();
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;

    sdrt_numbers_end(&numbers);
    json_decref(value);
    if (text) return answer_bytes(c, status, "application/json", text, strlen(text));
    static const char none[] = "{\"error\":\"no memory for the answer\"}";
    return queue_response(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "application/json",
                          MHD_create_response_from_buffer(sizeof none - 1, (void *)(uintptr_t)none,
                                                          MHD_RESPMEM_PERSISTENT));
}

/* ---- errors ---- */

/* What OpenAI calls a kind of error. */
static const char *openai_type(unsigned status)
{
    return status == MHD_HTTP_UNAUTHORIZED ? "authentication_error"
           : status >= 500                 ? "server_error"
                                           : "invalid_request_error";
}

static json_t *error_body(enum api api, unsigned status, const char *param, const char *text)
{
    switch (api) {
    case API_OPENAI:
        return json_pack("{s{ss ss ss? sn}}", "error", "message", text, "type", openai_type(status),
                         "param", param, "code");
    case API_A1111:
        return json_pack("{ss ss ss ss}", "error", status < 500 ? "HTTPException" : "RuntimeError",
                         "detail", text, "body", "", "errors", text);
    case API_OWN: break;
    }
    return json_pack("{ss ss?}", "error", text, "param", param);
}

/* Also where there is no route. */
static enum api api_of(const struct call *c)
{
    if (c->route) return c->route->api;
    return !strncmp(c->path, "/sdapi/", 7)       ? API_A1111
           : !strncmp(c->path, "/v1/images", 10) ? API_OPENAI
                                                 : API_OWN;
}

/* A cut, a path or a form's field may have bytes that are no UTF-8. */
static void make_utf8(char *text)
{
    json_t *whole = json_string(text);

    for (char *p = text; !whole && *p; p++)
        if ((unsigned char)*p >= 0x80) *p = '?';
    json_decref(whole);
}

enum MHD_Result answer_error(struct call *c, unsigned status, const char *param, const char *format,
                             ...)
{
    char text[CALL_ERROR], field[128];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    make_utf8(text);
    snprintf(field, sizeof field, "%s", param ? param : "");
    make_utf8(field);
    return answer_json(c, status, error_body(api_of(c), status, param ? field : NULL, text));
}

enum MHD_Result answer_status(struct call *c, int status, const char *line)
{
    const unsigned code = status == SDRT_E_ARG || status == SDRT_E_FORMAT ||
                                  status == SDRT_E_UNSUPPORTED || status == SDRT_E_MISSING
                              ? MHD_HTTP_BAD_REQUEST
                          : status == SDRT_E_NOMEM ? MHD_HTTP_SERVICE_UNAVAILABLE
                                                   : MHD_HTTP_INTERNAL_SERVER_ERROR;

    return answer_error(c, code, NULL, "%s", line && *line ? line : sdrt_status_name(status));
}

/* ---- server-sent events ---- */

struct stream {
    struct events events;
    struct call *call;
    char *text; /* owned; what of it has been sent is sent */
    size_t size, sent;
};

static ssize_t next_bytes(void *user, uint64_t pos, char *out, size_t room)
{
    struct stream *s = user;

    (void)pos;
    if (s->sent == s->size) {
        free(s->text);
        s->text = s->events.text(s->events.user, s->call);
        s->sent = 0;
        s->size = s->text ? strlen(s->text) : 0;
        if (!s->size) return MHD_CONTENT_READER_END_OF_STREAM;
    }
    const size_t left = s->size - s->sent, n = left < room ? left : room;
    memcpy(out, s->text + s->sent, n);
    s->sent += n;
    return (ssize_t)n;
}

static void end_stream(void *user)
{
    struct stream *s = user;

    s->events.end(s->events.user);
    free(s->text);
    free(s);
}

enum MHD_Result answer_events(struct call *c, const struct events *events)
{
    enum { BLOCK = 32768 };
    struct stream *s = calloc(1, sizeof *s);
    struct MHD_Response *response = NULL;

    if (s) {
        *s = (struct stream){ .events = *events, .call = c };
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, next_bytes, s,
                                                     end_stream);
    }
    if (response) return queue_response(c, MHD_HTTP_OK, "text/event-stream", response);
    events->end(events->user);
    free(s);
    return answer_error(c, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL, "no memory for the events");
}
