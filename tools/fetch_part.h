/* SPDX-License-Identifier: MIT
 *
 * A file on its way: its bytes gather in FILE.part, with FILE.part.tag beside it, which
 * remembers what they are of.  FILE itself appears when all is there and checked.
 */
#ifndef SDRT_TOOLS_FETCH_PART_H
#define SDRT_TOOLS_FETCH_PART_H

#include "runtime/base/error.h"
#include "tools/fetch_reply.h"
#include "tools/progress.h"

#include <signal.h>

struct fetch_part {
    char *target, *path, *tag;      /* owned: FILE, FILE.part, FILE.part.tag */
    int fd;                         /* of path, locked against a second program */
    uint64_t size;                  /* bytes that are there */
    char etag[256];                 /* of the bytes there, in its quotes; "" unknown */
    char sha256[FETCH_SHA256_TEXT]; /* the hub's word for the whole file; "" unknown */
};

/* Opens or makes the part for target.  Bytes of an earlier run are kept when its tag says they
 * came from url, else dropped; those without a tag are another program's.  *out belongs to the caller, NULL after a failure.  SDRT_E_IO
 * (also when another program holds the part), SDRT_E_NOMEM. */
int fetch_part_open(struct fetch_part **out, const char *target, const char *url,
                    const struct sdrt_log *log);

/* Forgets all bytes. */
int fetch_part_restart(struct fetch_part *part, const struct sdrt_log *log);

/* Writes the tag: part->etag and part->sha256 of url. */
int fetch_part_remember(const struct fetch_part *part, const char *url, const struct sdrt_log *log);

int fetch_part_append(struct fetch_part *part, const void *data, size_t size,
                      const struct sdrt_log *log);

/* Whether needed more bytes fit where the part is; a system that cannot say counts as yes. */
int fetch_part_check_room(const struct fetch_part *part, uint64_t needed,
                          const struct sdrt_log *log);

/* Puts the part in its target's place, through to the disk, and removes the tag. */
int fetch_part_commit(struct fetch_part *part, const struct sdrt_log *log);

/* Removes what is there. */
void fetch_part_discard(struct fetch_part *part);

/* Closes the part and frees it; *part becomes NULL.  A part without bytes is removed, any
 * other stays for the next run.  NULL is allowed. */
void fetch_part_close(struct fetch_part **part);

/* The SHA-256 of a whole file.  SDRT_E_CANCELLED when *stop is set meanwhile, else SDRT_E_IO or
 * SDRT_E_NOMEM with one line. */
int fetch_digest(char out[FETCH_SHA256_TEXT], const char *path, struct progress *progress,
                 const volatile sig_atomic_t *stop, const struct sdrt_log *log);

#endif
