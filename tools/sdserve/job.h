/* SPDX-License-Identifier: MIT
 *
 * A wish on its way: waiting, being drawn, done.
 */
#ifndef SDRT_TOOLS_SDSERVE_JOB_H
#define SDRT_TOOLS_SDSERVE_JOB_H

#include "tools/sdserve/wish.h"

#include <stddef.h>
#include <stdint.h>

enum job_state { JOB_QUEUED, JOB_DRAWING, JOB_DONE, JOB_FAILED, JOB_CANCELLED };

/* How a job that is being drawn is asked to end.  SKIP: the batch at work with what it is so far, and the
 * next ones follow.  INTERRUPT: the same, and none follows.  CANCEL: at once. */
enum job_end { JOB_GOES_ON, JOB_SKIP, JOB_INTERRUPT, JOB_CANCEL };

enum { JOB_ID = 33, JOB_CLIENT = 64, JOB_ERROR = 512 };

/* An image in its format. */
struct image {
    uint8_t *bytes; /* owned, ended by sdrt_free() */
    size_t size;
    char *parameters; /* owned */
    uint64_t seed;
    int width, height;
};

/* How it looks so far. */
struct preview {
    uint8_t *pixels; /* [height][width][3]; owned */
    int width, height;
    int number; /* of previews so far */
};

/* id, client and wish stay; the rest is the queue's, under its lock, but for images, which nobody
 * changes once the state is behind JOB_DRAWING. */
struct job {
    char id[JOB_ID];         /* hexadecimal, not to be guessed */
    char client[JOB_CLIENT]; /* whose turn it is told by */
    struct wish *wish;       /* owned */
    enum job_state state;
    uint64_t number;   /* in the order of arrival */
    double start, end; /* its turn in the queue's virtual time, images */
    int uses;
    int changes;                  /* rises with each of the fields below, and with state */
    enum job_end asked;           /* how it is to end */
    struct sdrt_session *session; /* that draws it, borrowed; NULL: none does */
    enum sdrt_stage stage;
    int done, total; /* pieces of the stage */
    int batch;       /* of wish->batches, the one being drawn */
    struct preview preview;
    struct image *images; /* n_images of them; owned */
    int n_images;
    int status;            /* of enum sdrt_status, once it has failed */
    char error[JOB_ERROR]; /* one line */
    double bytes;          /* of memory that it needs, weights among them; 0: not yet known */
    double arrived, begun, ended; /* seconds of sdrt_now(); 0: not yet */
    struct job *next;
};

/* The state's name, a constant. */
const char *job_state_name(enum job_state state);

/* Whether nothing will change any more. */
static inline int job_is_over(enum job_state state) { return state >= JOB_DONE; }

#endif
