/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/queue.h"

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/random/entropy.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NO_CHECKPOINT = -1 };

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* anything; few wait, and steps are slow */
    struct job *jobs;       /* newest first; the queue has a use of each */
    int max_waiting, keep;
    uint64_t next_number;
    double now;     /* virtual: the start of the job taken last */
    int checkpoint; /* and VAE, that sessions are open for, or are being opened for */
    int opening;    /* its model is not there yet */
    int open;       /* sessions */
    int stopped;
    struct queue_counts counts;
};

const char *job_state_name(enum job_state state)
{
    static const char *const names[] = { "queued", "drawing", "done", "failed", "cancelled" };

    return names[state];
}

struct queue *queue_make(int max_waiting, int keep)
{
    struct queue *q = calloc(1, sizeof *q);

    if (!q) return NULL;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    q->max_waiting = max_waiting;
    q->keep = keep;
    q->checkpoint = NO_CHECKPOINT;
    return q;
}

static void free_job(struct job *job)
{
    for (int i = 0; i < job->n_images; i++) {
        sdrt_free(job->images[i].bytes);
        free(job->images[i].parameters);
    }
    free(job->images);
    free(job->preview.pixels);
    wish_free(job->wish);
    free(job);
}

/* With the lock. */
static void drop(struct job *job)
{
    if (--job->uses == 0) free_job(job);
}

void queue_free(struct queue **queue)
{
    struct queue *q = *queue;

    *queue = NULL;
    if (!q) return;
    for (struct job *job = q->jobs, *next; job; job = next) {
        next = job->next;
        drop(job);
    }
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

/* ---- turns, with the lock ---- */

static int is_before(const struct job *a, const struct job *b)
{
    return a->start < b->start || (a->start == b->start && a->number < b->number);
}

static struct job *next_job(const struct queue *q)
{
    struct job *best = NULL;

    for (struct job *job = q->jobs; job; job = job->next)
        if (job->state == JOB_QUEUED && (!best || is_before(job, best))) best = job;
    return best;
}

static void give_turn(const struct queue *q, struct job *job)
{
    const struct wish *w = job->wish;

    job->start = q->now;
    for (const struct job *other = q->jobs; other; other = other->next)
        if (!job_is_over(other->state) && !strcmp(other->client, job->client) &&
            other->end > job->start)
            job->start = other->end;
    job->end = job->start + (double)w->request.batch * w->batches;
}

/* Jobs that are over, the oldest ones beyond those that are kept. */
static void forget(struct queue *q)
{
    int over = 0;

    for (struct job **at = &q->jobs; *at;) {
        struct job *job = *at;
        if (!job_is_over(job->state) || ++over <= q->keep) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        drop(job);
    }
}

static void note(struct queue *q, struct job *job)
{
    job->changes++;
    pthread_cond_broadcast(&q->changed);
}

static void set_state(struct queue *q, struct job *job, enum job_state state)
{
    if (job->state <= JOB_DRAWING) q->counts.jobs[job->state]--;
    q->counts.jobs[state]++;
    job->state = state;
    if (job_is_over(state)) job->ended = sdrt_now();
    note(q, job);
}

/* ---- callers ---- */

static int make_id(char id[JOB_ID])
{
    uint8_t bytes[(JOB_ID - 1) / 2];

    if (!sdrt_entropy(bytes, sizeof bytes)) return 0;
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    return 1;
}

int queue_submit(struct queue *q, struct wish *wish, const char *client, struct job **out)
{
    struct job *job = calloc(1, sizeof *job);
    int status = SDRT_OK;

    *out = NULL;
    if (!job || !make_id(job->id)) {
        free(job);
        wish_free(wish);
        return SDRT_E_NOMEM;
    }
    job->wish = wish;
    job->arrived = sdrt_now();
    job->uses = 2;
    snprintf(job->client, sizeof job->client, "%s", client);
    pthread_mutex_lock(&q->lock);
    if (q->stopped) status = SDRT_E_CANCELLED;
    else if (q->counts.jobs[JOB_QUEUED] >= (uint64_t)q->max_waiting) status = SDRT_E_ARG;
    if (status == SDRT_OK) {
        job->number = q->next_number++;
        give_turn(q, job);
        q->counts.jobs[JOB_QUEUED]++;
        job->next = q->jobs;
        q->jobs = job;
        *out = job;
        note(q, job);
    }
    pthread_mutex_unlock(&q->lock);
    if (status != SDRT_OK) free_job(job);
    return status;
}

struct job *queue_find(struct queue *q, const char *id)
{
    pthread_mutex_lock(&q->lock);
    struct job *job = q->jobs;
    while (job && strcmp(job->id, id)) job = job->next;
    if (job) job->uses++;
    pthread_mutex_unlock(&q->lock);
    return job;
}

struct job *queue_drawing(struct queue *q, const char *client)
{
    struct job *found = NULL, *own = NULL;

    pthread_mutex_lock(&q->lock);
    for (struct job *job = q->jobs; job; job = job->next) {
        if (job->state != JOB_DRAWING) continue;
        if (!found || job->begun < found->begun) found = job;
        if (!strcmp(job->client, client) && (!own || job->begun < own->begun)) own = job;
    }
    if (own) found = own;
    if (found) found->uses++;
    pthread_mutex_unlock(&q->lock);
    return found;
}

void queue_release(struct queue *q, struct job **job)
{
    if (!*job) return;
    pthread_mutex_lock(&q->lock);
    drop(*job);
    pthread_mutex_unlock(&q->lock);
    *job = NULL;
}

void queue_look(struct queue *q, const struct job *job, struct job *copy)
{
    pthread_mutex_lock(&q->lock);
    *copy = *job;
    pthread_mutex_unlock(&q->lock);
    copy->images = NULL;
    copy->session = NULL;
    copy->preview.pixels = NULL;
    copy->next = NULL;
}

void queue_preview(struct queue *q, const struct job *job, struct preview *copy)
{
    pthread_mutex_lock(&q->lock);
    *copy = job->preview;
    if (copy->pixels) {
        const size_t bytes = (size_t)copy->width * (size_t)copy->height * 3;
        copy->pixels = malloc(bytes);
        if (copy->pixels) memcpy(copy->pixels, job->preview.pixels, bytes);
    }
    pthread_mutex_unlock(&q->lock);
}

int queue_wait(struct queue *q, const struct job *job, int *seen, int milliseconds)
{
    struct timespec until;

    /* The one clock that macOS has for conditions; where it is set back, only a look comes late. */
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&q->lock);
    int late = 0;
    while (job->changes == *seen && !late)
        late = pthread_cond_timedwait(&q->changed, &q->lock, &until);
    const int changed = job->changes != *seen;
    *seen = job->changes;
    pthread_mutex_unlock(&q->lock);
    return changed;
}

int queue_place(struct queue *q, const struct job *job)
{
    int place = 0;

    pthread_mutex_lock(&q->lock);
    for (const struct job *other = q->jobs; other && job->state == JOB_QUEUED; other = other->next)
        place += other->state == JOB_QUEUED && is_before(other, job);
    pthread_mutex_unlock(&q->lock);
    return place;
}

void queue_end(struct queue *q, struct job *job, enum job_end how)
{
    pthread_mutex_lock(&q->lock);
    if (job->state == JOB_QUEUED && how == JOB_CANCEL) set_state(q, job, JOB_CANCELLED);
    else if (job->state == JOB_DRAWING && how > job->asked) job->asked = how;
    if (job->session && how == JOB_CANCEL) sdrt_session_cancel(job->session);
    else if (job->session) sdrt_session_finish(job->session);
    forget(q);
    pthread_mutex_unlock(&q->lock);
}

void queue_count(struct queue *q, struct queue_counts *counts)
{
    pthread_mutex_lock(&q->lock);
    *counts = q->counts;
    pthread_mutex_unlock(&q->lock);
}

void queue_stop(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->stopped = 1;
    for (struct job *job = q->jobs; job; job = job->next)
        if (job->state == JOB_QUEUED) set_state(q, job, JOB_CANCELLED);
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

int queue_is_idle(struct queue *q)
{
    struct queue_counts counts;

    queue_count(q, &counts);
    return !counts.jobs[JOB_QUEUED] && !counts.jobs[JOB_DRAWING];
}

int queue_list(struct queue *q, char (*ids)[JOB_ID], int n)
{
    int count = 0;

    pthread_mutex_lock(&q->lock);
    for (const struct job *job = q->jobs; job && count < n; job = job->next)
        memcpy(ids[count++], job->id, JOB_ID);
    pthread_mutex_unlock(&q->lock);
    return count;
}

/* ---- those who draw ---- */

/* Whether the turn of who has a session, or none, has come; with the lock. */
static int is_turn(struct queue *q, int open, struct job **job, enum queue_turn *turn)
{
    *job = next_job(q);
    *turn = QUEUE_END;
    if (!*job) return q->stopped;
    if (wish_opens((*job)->wish) == q->checkpoint) {
        *turn = QUEUE_DRAW;
        return !q->opening;
    }
    *turn = QUEUE_CLOSE;
    if (open) return 1;
    if (q->open || q->opening) return 0;
    q->checkpoint = wish_opens((*job)->wish);
    q->opening = 1;
    *turn = QUEUE_DRAW;
    return 1;
}

enum queue_turn queue_take(struct queue *q, int open, struct job **job)
{
    enum queue_turn turn;

    pthread_mutex_lock(&q->lock);
    while (!is_turn(q, open, job, &turn)) pthread_cond_wait(&q->changed, &q->lock);
    if (turn != QUEUE_DRAW && open) q->open--;
    if (turn == QUEUE_DRAW) {
        if (!open) q->open++;
        if ((*job)->start > q->now) q->now = (*job)->start;
        (*job)->uses++;
        (*job)->begun = sdrt_now();
        set_state(q, *job, JOB_DRAWING);
    }
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
    return turn;
}

void queue_opened(struct queue *q, int well)
{
    pthread_mutex_lock(&q->lock);
    q->opening = 0;
    if (!well) {
        q->open--;
        q->checkpoint = q->open ? q->checkpoint : NO_CHECKPOINT;
    }
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

void queue_progress(struct queue *q, struct job *job, enum sdrt_stage stage, int done, int total)
{
    pthread_mutex_lock(&q->lock);
    job->stage = stage;
    job->done = done;
    job->total = total;
    note(q, job);
    pthread_mutex_unlock(&q->lock);
}

void queue_show(struct queue *q, struct job *job, const uint8_t *pixels, int width, int height)
{
    const size_t bytes = (size_t)width * (size_t)height * 3;

    pthread_mutex_lock(&q->lock);
    uint8_t *room = realloc(job->preview.pixels, bytes);
    if (room) {
        memcpy(room, pixels, bytes);
        job->preview = (struct preview){ room, width, height, job->preview.number + 1 };
    }
    pthread_mutex_unlock(&q->lock);
}

int queue_add_image(struct queue *q, struct job *job, const struct image *image)
{
    pthread_mutex_lock(&q->lock);
    struct image *images = realloc(job->images, ((size_t)job->n_images + 1) * sizeof *images);
    if (images) {
        job->images = images;
        images[job->n_images++] = *image;
        q->counts.images++;
    }
    pthread_mutex_unlock(&q->lock);
    return images ? SDRT_OK : SDRT_E_NOMEM;
}

void queue_session(struct queue *q, struct job *job, struct sdrt_session *session)
{
    pthread_mutex_lock(&q->lock);
    job->session = session;
    pthread_mutex_unlock(&q->lock);
}

enum job_end queue_asked(struct queue *q, const struct job *job)
{
    pthread_mutex_lock(&q->lock);
    const enum job_end asked = job->asked;
    pthread_mutex_unlock(&q->lock);
    return asked;
}

void queue_next_batch(struct queue *q, struct job *job, int batch)
{
    pthread_mutex_lock(&q->lock);
    job->batch = batch;
    if (job->asked == JOB_SKIP) job->asked = JOB_GOES_ON;
    job->done = job->total = 0;
    note(q, job);
    pthread_mutex_unlock(&q->lock);
}

void queue_finish(struct queue *q, struct job *job, enum job_state state, int status,
                  const char *error)
{
    pthread_mutex_lock(&q->lock);
    job->status = status;
    job->session = NULL;
    snprintf(job->error, sizeof job->error, "%s", error ? error : "");
    q->counts.draw_seconds += sdrt_now() - job->begun;
    set_state(q, job, state);
    forget(q);
    drop(job);
    pthread_mutex_unlock(&q->lock);
}

void queue_measured(struct queue *q, int steps, double step_seconds, double seconds, double pixels,
                    int batch)
{
    pthread_mutex_lock(&q->lock);
    q->counts.steps += (uint64_t)steps;
    if (steps > 0) q->counts.step_seconds = step_seconds / steps;
    if (steps > 0) q->counts.pixel_step_seconds = step_seconds / steps / pixels / batch;
    q->counts.decode_pixel_seconds = (seconds - step_seconds) / pixels / batch;
    q->counts.pixels = pixels;
    pthread_mutex_unlock(&q->lock);
}

void queue_needs(struct queue *q, struct job *job, double bytes)
{
    pthread_mutex_lock(&q->lock);
    job->bytes = bytes;
    pthread_mutex_unlock(&q->lock);
}
