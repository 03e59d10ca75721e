/* SPDX-License-Identifier: MIT
 *
 * One file from a web server to the disk: whole, checked and in its place, or not at all.
 * What a cut connection leaves is kept beside it and continued by the next try or run.
 */
#ifndef SDRT_TOOLS_FETCH_H
#define SDRT_TOOLS_FETCH_H

#include "runtime/base/error.h"
#include "tools/fetch_reply.h"
#include "tools/progress.h"

#include <signal.h>
#include <stdint.h>

/* What to fetch and how.  All pointers are borrowed for the call. */
struct fetch_request {
    const char *url;
    const char *target;             /* the file to make */
    const char *label;              /* the file in messages, such as its name */
    const char *hub;                /* the address whose host, and no other, is given the token */
    const char *repository;         /* owner/name on the hub, for advice; NULL elsewhere */
    const char *token;              /* NULL for none */
    const char *agent;              /* the program's name and version for the server */
    char sha256[FETCH_SHA256_TEXT]; /* what the file must have; "" what the hub says */
    uint64_t size;                  /* bytes that the file must have; 0 unknown */
    int replace;                    /* a file that is there may be replaced */
    int retries;                    /* tries after the first that bring nothing new */
    double wait; /* seconds before the first of them; each next waits twice as long */
    int timeout; /* seconds without a byte that count as a cut connection */
    struct progress *progress;
    const volatile sig_atomic_t *stop; /* set: end soon with SDRT_E_CANCELLED */
    const struct sdrt_log *log;
};

/* How sure the result is. */
enum fetch_proof {
    FETCH_BY_CALLER, /* the SHA-256 that the request asked for */
    FETCH_BY_HUB,    /* that which the hub named before sending */
    FETCH_BY_LENGTH, /* none was known: only the length fits */
    FETCH_BY_NOTHING /* nor did the server say how long the file is */
};

/* Fetches the file.  A target that is there with the right SHA-256 is left alone, and no server
 * asked.  *proof and *size (bytes of the file) are set on success.  Failures write one line:
 * SDRT_E_IO (disk or network), SDRT_E_FORMAT (another file than the one asked for; nothing of
 * it is kept), SDRT_E_MISSING (not there), SDRT_E_UNSUPPORTED (the server refuses),
 * SDRT_E_NOMEM; SDRT_E_CANCELLED writes none. */
int fetch_file(const struct fetch_request *request, enum fetch_proof *proof, uint64_t *size);

/* One line for a status that is no success, and the status code for it. */
int fetch_explain(const struct fetch_request *request, const struct fetch_reply *reply,
                  int token_sent);

#endif
