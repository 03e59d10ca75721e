/* SPDX-License-Identifier: MIT
 *
 * HTTP by libmicrohttpd: a thread for each connection, which reads a request whole and hands it to the
 * function of its route.
 */
#ifndef SDRT_TOOLS_SDSERVE_HTTP_H
#define SDRT_TOOLS_SDSERVE_HTTP_H

#include "tools/sdserve/server.h"

#include <jansson.h>
#include <microhttpd.h>

/* How a route's errors look. */
enum api { API_OWN, API_A1111, API_OPENAI };

enum route_flags {
    ROUTE_BODY = 1,    /* takes one: JSON, or a form */
    ROUTE_OPEN = 2,    /* wants no key: tells nothing, or its path is the secret */
    ROUTE_FORM = 4,    /* its body is a form with pictures */
    ROUTE_ACCEPTS = 8, /* answers before it is done */
};

enum { CALL_ERROR = 512, CALL_PARTS = 40 /* fields of a form */ };

struct field;

/* A field of a form. */
struct part {
    char name[64];
    int is_file;
    uint8_t *bytes; /* owned */
    size_t size, room;
};

/* One request. */
struct call {
    struct server *server;
    struct MHD_Connection *connection;
    const struct route *route;
    const char *path, *tail; /* tail: what stands behind a route that ends in '/' */
    char *body;              /* bytes of it, and a 0 behind; owned */
    size_t size, room;
    json_t *json; /* of the body, an object; of a form, its fields as texts; owned */
    int is_form;
    struct part parts[CALL_PARTS];
    int n_parts;
    struct MHD_PostProcessor *form;
    double begun;
    int refused; /* answered before its body came, or to be dropped */
    char client[JOB_CLIENT];
    char allow[32];         /* methods of the path, for 405 */
    char error[CALL_ERROR]; /* what the log was told */
    struct sdrt_log log;    /* keeps errors there */
};

struct route {
    const char *method, *path;
    enum MHD_Result (*answer)(struct call *call);
    enum api api;
    int flags;
    const char *help;           /* in a few words */
    const struct field *fields; /* of its body; NULL: none */
    const char *type;           /* of its answer; NULL: JSON */
};

/* ---- answers: each is the last thing that a route does ---- */

/* Takes value over. */
enum MHD_Result answer_json(struct call *call, unsigned status, json_t *value);
/* Takes bytes over, which are freed by free(). */
enum MHD_Result answer_bytes(struct call *call, unsigned status, const char *type, void *bytes,
                             size_t size);
/* Of constants. */
enum MHD_Result answer_constant(struct call *call, const char *type, const void *bytes,
                                size_t size);
/* param: the field that is wrong; NULL for none. */
enum MHD_Result answer_error(struct call *call, unsigned status, const char *param,
                             const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Of a status of the library, with the line that its log was told. */
enum MHD_Result answer_status(struct call *call, int status, const char *line);
/* Server-sent events: text is called for the next ones, the caller's to free, NULL at the end; end at
 * the end or when the client is gone. */
struct events {
    char *(*text)(void *user, struct call *call);
    void (*end)(void *user);
    void *user;
};
enum MHD_Result answer_events(struct call *call, const struct events *events);

/* ---- questions ---- */

/* Whether the other end has hung up. */
int call_is_gone(const struct call *call);

/* The time until it is answered does not count as the client's silence (1), or does again (0). */
void call_be_patient(const struct call *call, int patient);

/* A parameter of the query; NULL for none. */
const char *call_query(const struct call *call, const char *name);

/* The server's address as the client has it: "http://127.0.0.1:7860" into text. */
void call_origin(const struct call *call, char *text, size_t size);

/* Waits for the job and cancels it where the client hangs up.  1 when it is over, 0 when nobody is
 * there to be answered. */
int call_wait(struct call *call, struct job *job);

/* ---- the daemon ---- */

struct http;

/* Listens.  NULL after a line in the log; *port becomes the port. */
struct http *http_start(struct server *server, int *port);
/* Takes no new connections. */
void http_quiesce(struct http *http);
void http_stop(struct http **http);

/* What libmicrohttpd calls with each piece of a request, user being the server, and at its end: of the
 * daemon, and of one that a fuzzer has. */
enum MHD_Result http_request(void *user, struct MHD_Connection *connection, const char *path,
                             const char *method, const char *version, const char *data,
                             size_t *size, void **state);
void http_completed(void *user, struct MHD_Connection *connection, void **state,
                    enum MHD_RequestTerminationCode how);

/* All routes; ends with one without method. */
extern const struct route routes[];

#endif
