/* SPDX-License-Identifier: MIT
 *
 * A small HTTP/1.1 server on 127.0.0.1 that serves one file as a list of steps says, with the
 * faults that servers and lines have.  A thread of the test's own process.
 */
#ifndef SDRT_TESTS_HTTP_SERVER_H
#define SDRT_TESTS_HTTP_SERVER_H

#include <stddef.h>

enum { HTTP_MAX_STEPS = 16, HTTP_MAX_REQUESTS = 64 };

/* How one request is answered.  All zero: properly, with ranges. */
struct http_step {
    int         status;       /* one of its own instead of 200, 206 or 416; 1: hang up at once */
    const char *location;     /* of a redirect */
    const char *headers;      /* more header lines, each with its \r\n */
    const char *etag;         /* in its quotes; NULL: the file's */
    size_t      cut_after;    /* bytes of the body before hanging up; 0: all are sent */
    size_t      claim;        /* the length that the header claims; 0: the true one */
    int         ignore_range; /* 200 with everything */
    int         ignore_if_range; /* 206 though the file has changed */
    int         no_length;    /* no Content-Length: the connection's end is the body's end */
    int         stall;        /* after cut_after bytes, wait for the client to go away */
    int         damage;       /* one byte is another */
};

struct http_request {
    char path[512], range[64], if_range[128], authorization[128], agent[64];
};

/* What is served, borrowed. */
struct http_file {
    const unsigned char *data;
    size_t      size;
    const char *etag; /* in its quotes */
};

struct http_server {
    struct http_file file; /* set before http_start() */
    int         port;      /* set by http_start() */
    /* The server's own. */
    struct http_step steps[HTTP_MAX_STEPS];
    int         n_steps;
    struct http_request requests[HTTP_MAX_REQUESTS];
    int         n_requests, listener;
    unsigned long thread;
};

/* Listens on a free port and answers until http_stop(); fails the test when it cannot. */
void http_start(struct http_server *server);
void http_stop(struct http_server *server);

/* From now on answers by n steps, one a request, and the last for all that follow; with n 0,
 * properly.  Forgets the requests so far. */
void http_plan(struct http_server *server, const struct http_step *steps, int n);

/* Serves another file from now on. */
void http_replace(struct http_server *server, struct http_file file);

/* How many requests came since the last plan, and a copy of one of them. */
int http_count(struct http_server *server);
struct http_request http_request(struct http_server *server, int i);

#endif
