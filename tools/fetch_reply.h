/* SPDX-License-Identifier: MIT
 *
 * What a server says of a file before it sends it: the headers of an HTTP reply.
 */
#ifndef SDRT_TOOLS_FETCH_REPLY_H
#define SDRT_TOOLS_FETCH_REPLY_H

#include <stddef.h>
#include <stdint.h>

enum { FETCH_SHA256_TEXT = 65 }; /* 64 hexadecimal digits and the 0 */

/* Texts that do not fit, or hold control characters, count as absent. */
struct fetch_reply {
    int status;            /* 0 before any */
    char etag[256];        /* a strong one, in its quotes; "" none */
    char linked_etag[256]; /* the hub's name for the content behind a redirect, no quotes */
    uint64_t linked_size;  /* bytes of that content; 0 unknown */
    int64_t length;        /* of the body; -1 unknown */
    int64_t range_start;   /* of Content-Range; -1 none */
    int64_t range_total;   /* bytes of the whole file by Content-Range; -1 unknown */
    int retry_after;       /* seconds; -1 none */
    char error_code[64];   /* the hub's, such as GatedRepo */
};

void fetch_reply_reset(struct fetch_reply *reply);

/* Takes one header line of size bytes, without a 0 at its end.  A status line starts a new
 * reply.  Lines that are not understood change nothing. */
void fetch_reply_line(struct fetch_reply *reply, const char *line, size_t size);

/* Copies text in lower case to out when it is a SHA-256 in hexadecimal; else returns 0 and
 * leaves out alone. */
int fetch_read_sha256(char out[FETCH_SHA256_TEXT], const char *text);

/* The SHA-256 that the hub names for a file it stores apart (with LFS), "" when it names none.
 * Only a reply of the hub itself may be asked: elsewhere an ETag means what it likes. */
void fetch_hub_sha256(char out[FETCH_SHA256_TEXT], const struct fetch_reply *reply);

/* Bytes of the whole file by a reply of status 200 or 206; -1 unknown. */
int64_t fetch_reply_total(const struct fetch_reply *reply);

#endif
