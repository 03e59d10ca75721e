/* SPDX-License-Identifier: MIT
 *
 * How far an image or a download is, on standard error: a bar that redraws itself on a terminal,
 * plain lines elsewhere, nothing when quiet.
 */
#ifndef SDRT_TOOLS_PROGRESS_H
#define SDRT_TOOLS_PROGRESS_H

#include "runtime/base/error.h"

#include "model/sdrt.h"

#include <stdint.h>

/* A stage of sdgen's own, behind the library's. */
enum { PROGRESS_ENLARGE = SDRT_STAGE_ENCODE + 1 };

struct progress {
    const char *program; /* begins each plain line */
    int quiet;
    int terminal;
    int columns;
    int open;       /* a bar stands on the terminal's last line */
    int stage;      /* the one shown last; -1 before any */
    double started; /* of the stage, in seconds */
    int before;     /* pieces that were ready when it started */
    double shown;   /* when the last line was written, */
    int done;       /* and of how many ready pieces it told */
    uint64_t first; /* bytes that were there when a count of bytes started */
};

/* program, a constant name, is borrowed. */
void progress_init(struct progress *progress, const char *program, int quiet);

/* done of total pieces of a stage are ready. */
void progress_show(struct progress *progress, enum sdrt_stage stage, int done, int total);

/* Starts a count of bytes; the first ones are there already. */
void progress_bytes_start(struct progress *progress, uint64_t first);

/* done of total bytes (0: nobody knows) have been through what name says.  Draws ten times a
 * second at most; without a terminal, a line every ten seconds. */
void progress_bytes(struct progress *progress, const char *name, uint64_t done, uint64_t total);

/* Ends the bar's line and keeps it in sight. */
void progress_finish(struct progress *progress);

/* Takes a bar away, so that another line can be written. */
void progress_clear(struct progress *progress);

#endif
