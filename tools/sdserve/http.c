/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "tools/sdserve/http.h"

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/files/json.h"
#include "tools/sdserve/base64.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    CONNECTIONS = 1024,
    IDLE_SECONDS = 30,       /* without a byte */
    BODY_SECONDS = 120,      /* from the first to the last byte of a request */
    STACK = 1 << 20,         /* of a connection's thread, which decodes and encodes pictures */
    LOOK_MILLISECONDS = 250, /* how often a waiting client is looked at */
};

struct http {
    struct MHD_Daemon *daemon;
    struct server *server;
};

/* ---- questions ---- */

int call_is_gone(const struct call *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct pollfd p = { .events = POLLIN };
    char byte;

    if (!info) return 0;
    p.fd = info->connect_fd;
    if (poll(&p, 1, 0) <= 0) return 0;
    return (p.revents & (POLLHUP | POLLERR)) || recv(p.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static const char *header(const struct call *c, const char *name)
{
    return MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, name);
}

const char *call_query(const struct call *c, const char *name)
{
    return MHD_lookup_connection_value(c->connection, MHD_GET_ARGUMENT_KIND, name);
}

void call_origin(const struct call *c, char *text, size_t size)
{
    const char *host = header(c, "Host"),
               *names = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789-._~[]:%";

    /* Of other bytes no address is made, nor JSON. */
    if (host && !host[strspn(host, names)]) snprintf(text, size, "http://%s", host);
    else snprintf(text, size, "http://%s:%d", c->server->options.listen, c->server->options.port);
}

void call_be_patient(const struct call *c, int patient)
{
    MHD_set_connection_option(c->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                              patient ? 0u : (unsigned)IDLE_SECONDS);
}

int call_wait(struct call *c, struct job *job)
{
    struct queue *q = c->server->queue;
    struct job now;
    int seen = -1, gone = 0;

    call_be_patient(c, 1);
    for (queue_look(q, job, &now); !job_is_over(now.state) && !gone; queue_look(q, job, &now)) {
        queue_wait(q, job, &seen, LOOK_MILLISECONDS);
        gone = call_is_gone(c);
    }
    call_be_patient(c, 0);
    if (gone) queue_end(q, job, JOB_CANCEL);
    return !gone;
}

/* ---- who may call ---- */

/* Takes as long for a wrong first byte as for a wrong last one. */
static int is_key(const char *given, const char *key)
{
    const size_t n = strlen(given), m = strlen(key);
    unsigned different = n != m;

    for (size_t i = 0; i < n; i++)
        different |= (unsigned char)given[i] ^ (unsigned char)key[m ? i % m : 0];
    return !different;
}

static int has_key(const struct call *c)
{
    const char *key = c->server->options.api_key, *given = header(c, "Authorization");
    int good = 0;

    if (!key || (c->route->flags & ROUTE_OPEN)) return 1;
    if (!given) return 0;
    if (!strncasecmp(given, "Bearer ", 7)) return is_key(given + 7, key);
    if (strncasecmp(given, "Basic ", 6)) return 0;
    size_t size;
    uint8_t *pair = base64_decode(given + 6, strlen(given + 6), 1024, &size);
    const char *colon = pair ? strchr((char *)pair, ':') : NULL;
    if (colon) good = is_key(colon + 1, key);
    free(pair);
    return good;
}

/* Without a key any page that a browser shows could call by a name that it lets lead here. */
static int is_good_host(const struct call *c)
{
    const char *host = header(c, "Host");
    char name[256];
    struct in6_addr address;

    if (c->server->options.api_key || !host) return 1;
    snprintf(name, sizeof name, "%s", host);
    char *colon = strrchr(name, ':'), *bracket = strrchr(name, ']');
    if (colon && (!bracket || colon > bracket)) *colon = '\0';
    if (name[0] == '[') {
        if (bracket) *bracket = '\0';
        return inet_pton(AF_INET6, name + 1, &address) == 1;
    }
    return !strcasecmp(name, "localhost") || inet_pton(AF_INET, name, &address) == 1;
}

/* A page of another origin says which; our own says ours. */
static int is_good_origin(const struct call *c)
{
    const char *origin = header(c, "Origin"), *cors = c->server->options.cors;
    const char *host = header(c, "Host");

    if (!origin || (cors && (!strcmp(cors, "*") || !strcmp(cors, origin)))) return 1;
    const char *slashes = strstr(origin, "://");
    return slashes && host && !strcasecmp(slashes + 3, host);
}

/* Whose turn it is told by: what the client says it is, else its address. */
static void name_client(struct call *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const char *id = header(c, "X-Client-Id");
    char address[INET6_ADDRSTRLEN] = "";

    if (info && info->client_addr)
        getnameinfo(info->client_addr,
                    info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                             : sizeof(struct sockaddr_in),
                    address, sizeof address, NULL, 0, NI_NUMERICHOST);
    snprintf(c->client, sizeof c->client, "%.20s/%s", id ? id : "", address);
}

/* ---- routes ---- */

static int fits(const struct route *r, const char *path, const char **tail)
{
    const size_t n = strlen(r->path);

    *tail = "";
    if (n > 1 && r->path[n - 1] == '/') {
        if (strncmp(path, r->path, n) || !path[n]) return 0;
        *tail = path + n;
        return 1;
    }
    return !strcmp(path, r->path);
}

/* The methods that a path has, "GET, POST", into text; "" for no such path. */
static void list_methods(const char *path, char *text, size_t size)
{
    const char *tail;
    size_t used = 0;

    text[0] = '\0';
    for (const struct route *r = routes; r->method; r++)
        if (fits(r, path, &tail) && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", r->method);
}

static const struct route *find_route(const char *method, const char *path, const char **tail)
{
    if (!strcmp(method, "HEAD")) method = "GET";
    for (const struct route *r = routes; r->method; r++)
        if (fits(r, path, tail) && !strcmp(r->method, method)) return r;
    return NULL;
}

/* ---- bodies ---- */

static void keep_error(void *user, enum sdrt_log_level level, const char *text)
{
    struct call *c = user;

    if (level == SDRT_LOG_ERROR) snprintf(c->error, sizeof c->error, "%s", text);
}

/* Room for n more bytes and a 0; the size of all of a request is bounded by its reader. */
static int make_room(void **bytes, size_t size, size_t *room, size_t n)
{
    enum { LEAST = 4096 };

    if (size + n < *room) return 1;
    size_t more = *room ? 2 * *room : LEAST;
    while (more <= size + n) more *= 2;
    void *p = realloc(*bytes, more);
    if (!p) return 0;
    *bytes = p;
    *room = more;
    return 1;
}

static int append(void *to, size_t *size, size_t *room, const char *data, size_t n)
{
    void **bytes = to;

    if (!make_room(bytes, *size, room, n)) return 0;
    memcpy((char *)*bytes + *size, data, n);
    *size += n;
    ((char *)*bytes)[*size] = '\0';
    return 1;
}

/* A field of a form, in pieces. */
static enum MHD_Result take_field(void *user, enum MHD_ValueKind kind, const char *key,
                                  const char *filename, const char *type, const char *encoding,
                                  const char *data, uint64_t offset, size_t size)
{
    struct call *c = user;

    (void)kind, (void)type, (void)encoding;
    if (!offset) {
        if (c->n_parts == CALL_PARTS) return MHD_NO;
        struct part *p = &c->parts[c->n_parts++];
        snprintf(p->name, sizeof p->name, "%s", key ? key : "");
        p->is_file = filename != NULL;
    }
    struct part *p = c->n_parts ? &c->parts[c->n_parts - 1] : NULL;
    return p && append(&p->bytes, &p->size, &p->room, data, size) ? MHD_YES : MHD_NO;
}

/* The fields that are no files, as JSON's texts. */
static int read_fields(struct call *c)
{
    c->json = json_object();
    for (int i = 0; i < c->n_parts; i++) {
        const struct part *p = &c->parts[i];
        if (p->is_file) continue;
        if (json_object_set_new(c->json, p->name,
                                json_stringn(p->bytes ? (char *)p->bytes : "", p->size)))
            return sdrt_fail(&c->log, SDRT_E_FORMAT, "a field of the form: expected UTF-8");
    }
    return SDRT_OK;
}

/* All else is read as JSON, whatever it is said to be: curl -d says "urlencoded". */
static int is_form(const struct call *c)
{
    const char *type = header(c, "Content-Type");

    return type && !strncasecmp(type, "multipart/form-data", 19);
}

/* A piece of the body.  MHD_NO drops the connection: a client that sends no end. */
static enum MHD_Result take_piece(struct call *c, const char *data, size_t *size)
{
    const size_t most = (size_t)c->server->options.max_body << 20;

    if (sdrt_now() - c->begun > BODY_SECONDS) return MHD_NO;
    if (c->refused || !(c->route->flags & ROUTE_BODY)) {
        *size = 0;
        return MHD_YES;
    }
    if (c->size + *size > most) {
        c->refused = MHD_HTTP_CONTENT_TOO_LARGE;
    } else if (c->form) {
        c->size += *size;
        if (MHD_post_process(c->form, data, *size) != MHD_YES) c->refused = MHD_HTTP_BAD_REQUEST;
    } else if (!append(&c->body, &c->size, &c->room, data, *size)) {
        c->refused = MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
    *size = 0;
    return MHD_YES;
}

/* Once all is there: 0, or what to answer. */
static int read_body(struct call *c)
{
    static const char where[] = "the body";

    if (c->refused || !(c->route->flags & ROUTE_BODY)) return c->refused;
    if (c->is_form) {
        /* A form that ends in its midst is no form. */
        const int whole = MHD_destroy_post_processor(c->form) == MHD_YES;
        c->form = NULL;
        if (!whole) sdrt_fail(&c->log, SDRT_E_FORMAT, "%s: expected a form that is whole", where);
        return whole && !read_fields(c) ? 0 : MHD_HTTP_BAD_REQUEST;
    }
    if (!c->size) {
        c->json = json_object();
        return 0;
    }
    if (sdrt_json_parse(&c->json, c->body, c->size, where, &c->log)) return MHD_HTTP_BAD_REQUEST;
    free(c->body);
    c->body = NULL;
    if (json_is_object(c->json)) return 0;
    snprintf(c->error, sizeof c->error, "%s: expected a JSON object", where);
    return MHD_HTTP_BAD_REQUEST;
}

/* ---- a request ---- */

static void end_call(struct call *c)
{
    if (!c) return;
    if (c->form) MHD_destroy_post_processor(c->form);
    for (int i = 0; i < c->n_parts; i++) free(c->parts[i].bytes);
    free(c->body);
    json_decref(c->json);
    free(c);
}

void http_completed(void *user, struct MHD_Connection *connection, void **state,
                    enum MHD_RequestTerminationCode how)
{
    (void)user, (void)connection, (void)how;
    end_call(*state);
    *state = NULL;
}

/* What can be refused by the head alone is, without its body; 0 where it goes on. */
static int refuse(struct call *c, const char *method, enum MHD_Result *answered)
{
    const char *length = header(c, "Content-Length");
    const unsigned long long most = (unsigned long long)c->server->options.max_body << 20;

    if (!is_good_host(c))
        *answered =
            answer_error(c, MHD_HTTP_FORBIDDEN, NULL,
                         "Host: expected an address or localhost, since no key is asked for");
    else if (!is_good_origin(c))
        *answered = answer_error(c, MHD_HTTP_FORBIDDEN, NULL,
                                 "Origin: a page of another origin wants --cors");
    else if (!strcmp(method, "OPTIONS") && *c->allow)
        *answered = answer_constant(c, "text/plain", "", 0);
    else if (!c->route && *c->allow)
        *answered = answer_error(c, MHD_HTTP_METHOD_NOT_ALLOWED, NULL, "%.20s: expected %s", method,
                                 c->allow);
    else if (!c->route)
        *answered = answer_error(c, MHD_HTTP_NOT_FOUND, NULL, "%.200s: there is no such path",
                                 c->path);
    else if (!has_key(c))
        *answered = answer_error(c, MHD_HTTP_UNAUTHORIZED, NULL, "expected the key of this server");
    else if (length && strtoull(length, NULL, 10) > most)
        *answered = answer_error(c, MHD_HTTP_CONTENT_TOO_LARGE, NULL,
                                 "a body of %.20s bytes: expected at most %llu", length, most);
    else return 0;
    return 1;
}

static struct call *begin_call(struct server *s, struct MHD_Connection *connection,
                               const char *path)
{
    struct call *c = calloc(1, sizeof *c);

    if (!c) return NULL;
    c->server = s;
    c->connection = connection;
    c->path = path;
    c->begun = sdrt_now();
    c->log = (struct sdrt_log){ keep_error, c };
    s->requests++;
    return c;
}

enum MHD_Result http_request(void *user, struct MHD_Connection *connection, const char *path,
                             const char *method, const char *version, const char *data,
                             size_t *size, void **state)
{
    struct call *c = *state;
    enum MHD_Result answered = MHD_YES;

    (void)version;
    if (!c) {
        *state = c = begin_call(user, connection, path);
        if (!c) return MHD_NO;
        c->route = find_route(method, path, &c->tail);
        list_methods(path, c->allow, sizeof c->allow);
        if (refuse(c, method, &answered)) return answered;
        name_client(c);
        c->is_form = (c->route->flags & ROUTE_BODY) && is_form(c);
        if (!c->is_form) return MHD_YES;
        c->form = MHD_create_post_processor(connection, 65536, take_field, c);
        if (c->form) return MHD_YES;
        return answer_error(c, MHD_HTTP_BAD_REQUEST, NULL,
                            "Content-Type: expected a form's boundary");
    }
    if (*size) return take_piece(c, data, size);
    const int refused = read_body(c);
    if (refused == MHD_HTTP_CONTENT_TOO_LARGE)
        return answer_error(c, (unsigned)refused, NULL, "the body: expected at most %d MiB",
                            c->server->options.max_body);
    if (refused)
        return answer_error(c, (unsigned)refused, NULL, "%s",
                            *c->error ? c->error : "the body is bad");
    return c->route->answer(c);
}

/* ---- the daemon ---- */

static int find_address(const struct serve_options *o, struct sockaddr_storage *out,
                        const struct sdrt_log *log)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    struct addrinfo *found = NULL;
    char port[16];

    snprintf(port, sizeof port, "%d", o->port);
    const int failed = getaddrinfo(o->listen, port, &hints, &found);
    if (failed)
        return sdrt_fail(log, SDRT_E_ARG, "--listen %s: %s", o->listen, gai_strerror(failed));
    memcpy(out, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return SDRT_OK;
}

/* What libmicrohttpd has to say is the clients' doing. */
static void on_daemon_log(void *user, const char *format, va_list list)
{
    (void)user, (void)format, (void)list;
}

struct http *http_start(struct server *s, int *port)
{
    struct http *h = calloc(1, sizeof *h);
    struct sockaddr_storage address = { 0 };

    if (!h || find_address(&s->options, &address, &s->log)) {
        free(h);
        return NULL;
    }
    h->server = s;
    const unsigned family = address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0;
    h->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                                     MHD_USE_POLL | MHD_USE_ERROR_LOG | MHD_USE_ITC | family,
                                 0, NULL, NULL, http_request, s, MHD_OPTION_EXTERNAL_LOGGER,
                                 on_daemon_log, NULL, MHD_OPTION_SOCK_ADDR,
                                 (struct sockaddr *)&address, MHD_OPTION_NOTIFY_COMPLETED,
                                 http_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
                                 (unsigned)IDLE_SECONDS, MHD_OPTION_THREAD_STACK_SIZE,
                                 (size_t)STACK, MHD_OPTION_END);
    const union MHD_DaemonInfo *info = h->daemon ? MHD_get_daemon_info(h->daemon,
                                                                       MHD_DAEMON_INFO_BIND_PORT)
                                                 : NULL;
    if (!info) {
        sdrt_fail(&s->log, SDRT_E_IO, "%s:%d: expected a port that is free", s->options.listen,
                  s->options.port);
        free(h);
        return NULL;
    }
    *port = info->port;
    return h;
}

void http_quiesce(struct http *h) { MHD_quiesce_daemon(h->daemon); }

void http_stop(struct http **http)
{
    struct http *h = *http;

    *http = NULL;
    if (!h) return;
    MHD_stop_daemon(h->daemon);
    free(h);
}
