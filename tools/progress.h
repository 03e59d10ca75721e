/* SPDX-License-Identifier: MIT
 *
 * How far an image is, on standard error: a bar that redraws itself on a terminal,
 * plain lines elsewhere, nothing when quiet.
 */
#ifndef SDRT_TOOLS_PROGRESS_H
#define SDRT_TOOLS_PROGRESS_H

#include "runtime/error.h"

#include "model/sdrt.h"

struct progress {
    int    quiet;
    int    terminal;
    int    columns;
    int    open;    /* a bar stands on the terminal's last line */
    int    stage;   /* the one shown last; -1 before any */
    double started; /* of the stage, in seconds */
    int    before;  /* pieces that were ready when it started */
    double shown;   /* when the last plain line was written */
};

void progress_init(struct progress *progress, int quiet);

/* done of total pieces of a stage are ready. */
void progress_show(struct progress *progress, enum sdrt_stage stage, int done, int total);

/* Ends the bar's line and keeps it in sight. */
void progress_finish(struct progress *progress);

/* Takes a bar away, so that another line can be written. */
void progress_clear(struct progress *progress);

#endif
