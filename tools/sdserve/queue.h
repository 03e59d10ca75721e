/* SPDX-License-Identifier: MIT
 *
 * The jobs that wait, are drawn and are remembered.
 *
 * Turns are fair between clients (start-time fair queueing, Goyal, Vin and Cheng 1996): a job starts
 * in virtual time where its client's last one ends, or now, and takes as long as it has images; the
 * earliest start is next.  All functions may be called by any thread.
 */
#ifndef SDRT_TOOLS_SDSERVE_QUEUE_H
#define SDRT_TOOLS_SDSERVE_QUEUE_H

#include "tools/sdserve/job.h"

#include <stdint.h>

struct queue;

/* What is counted since the start, and what is there now. */
struct queue_counts {
    uint64_t jobs[JOB_CANCELLED + 1]; /* that have come to each end, and that wait and are drawn */
    uint64_t images, steps;           /* drawn; evaluations of the denoiser */
    double draw_seconds;              /* all jobs together */
    double step_seconds;              /* of the last image drawn; 0: none yet */
    double pixel_step_seconds;        /* the same over its pixels and batch */
    double pixels;                    /* of it */
    double decode_pixel_seconds;      /* of the last image: all but its steps, over its pixels */
};

/* max_waiting jobs may wait, keep ones that are over are remembered.  NULL without memory. */
struct queue *queue_make(int max_waiting, int keep);
void queue_free(struct queue **queue);

/* Takes the wish over, also after a failure: SDRT_E_NOMEM, SDRT_E_ARG where the queue is full,
 * SDRT_E_CANCELLED where it takes no more.  *out is a use of the job. */
int queue_submit(struct queue *queue, struct wish *wish, const char *client, struct job **out);

/* The job of an id, a use of it; NULL for none. */
struct job *queue_find(struct queue *queue, const char *id);

/* The job that is being drawn, longest of all of client's, else of all, a use of it; NULL for none. */
struct job *queue_drawing(struct queue *queue, const char *client);

/* Ends a use. */
void queue_release(struct queue *queue, struct job **job);

/* A copy of what changes; images and preview.pixels are NULL in it. */
void queue_look(struct queue *queue, const struct job *job, struct job *copy);

/* A copy of the preview, whose pixels the caller frees; pixels NULL where there is none. */
void queue_preview(struct queue *queue, const struct job *job, struct preview *copy);

/* Waits until changes are others than *seen, which become that, or for so long; 1 where they are. */
int queue_wait(struct queue *queue, const struct job *job, int *seen, int milliseconds);

/* How many jobs come before one that waits; 0 for others. */
int queue_place(struct queue *queue, const struct job *job);

/* Ends a job so; one that waits is cancelled by JOB_CANCEL, and left by the others. */
void queue_end(struct queue *queue, struct job *job, enum job_end how);

void queue_count(struct queue *queue, struct queue_counts *counts);

/* Takes no more jobs and cancels those that wait; those being drawn go on. */
void queue_stop(struct queue *queue);

/* Whether nothing waits or is being drawn. */
int queue_is_idle(struct queue *queue);

/* The ids of jobs, newest first, at most n; returns how many. */
int queue_list(struct queue *queue, char (*ids)[JOB_ID], int n);

/* ---- for those who draw ---- */

enum queue_turn { QUEUE_DRAW, QUEUE_CLOSE, QUEUE_END };

/* Waits for a turn.  QUEUE_DRAW: *job is to be drawn with its wish's checkpoint; the queue keeps a use
 * of it until queue_finish().  QUEUE_CLOSE: the caller, who holds a session (open), closes it, since
 * the next job wants another checkpoint, and asks again.  QUEUE_END: nothing will come any more. */
enum queue_turn queue_take(struct queue *queue, int open, struct job **job);

/* The checkpoint of a job that was taken is open now (1), or could not be opened (0), so that others
 * may draw with it, or try again. */
void queue_opened(struct queue *queue, int well);

/* Fields of a job that is being drawn. */
void queue_progress(struct queue *queue, struct job *job, enum sdrt_stage stage, int done,
                    int total);
void queue_show(struct queue *queue, struct job *job, const uint8_t *pixels, int width, int height);
/* Takes bytes and parameters over.  SDRT_E_NOMEM. */
int queue_add_image(struct queue *queue, struct job *job, const struct image *image);
/* The session that draws it, which queue_end() may end from then on until queue_finish(). */
void queue_session(struct queue *queue, struct job *job, struct sdrt_session *session);
enum job_end queue_asked(struct queue *queue, const struct job *job);
void queue_next_batch(struct queue *queue, struct job *job, int batch);

/* Ends it; error may be NULL. */
void queue_finish(struct queue *queue, struct job *job, enum job_state state, int status,
                  const char *error);

/* One batch took so long, of which its evaluations, steps of them, took step_seconds. */
void queue_measured(struct queue *queue, int steps, double step_seconds, double seconds,
                    double pixels, int batch);
/* It needs so many bytes. */
void queue_needs(struct queue *queue, struct job *job, double bytes);

#endif
