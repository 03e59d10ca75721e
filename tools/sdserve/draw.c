/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/draw.h"

#include "model/pipeline/session.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/files/atomic_file.h"
#include "runtime/files/json.h"
#include "tools/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct drawer {
    struct server *server;
    struct drawers *all;
    pthread_t thread;
    struct sdrt_session *session; /* NULL between checkpoints */
    struct job *job;              /* being drawn; NULL for none */
    int packed;                   /* weights are, so that only the arena is still to be had */
    double step_begun, step_seconds;
    int steps;
};

struct drawers {
    int n;
    atomic_int cancelled;
    pthread_mutex_t open;   /* one opens a model at a time */
    int opened;             /* wish_opens() of the server's model, where there is one */
    pthread_mutex_t output; /* one looks for a free number at a time */
    struct drawer list[];
};

/* ---- what went wrong ---- */

static _Thread_local char last_error[JOB_ERROR];

void draw_log(void *user, enum sdrt_log_level level, const char *text)
{
    static const char *const prefix[] = { "error: ", "warning: ", "" };
    const struct server *s = user;

    if (level == SDRT_LOG_ERROR) snprintf(last_error, sizeof last_error, "%s", text);
    if ((level == SDRT_LOG_INFO && s->options.quiet) || !strcmp(text, "cancelled")) return;
    fprintf(stderr, "sdserve: %s%s\n", prefix[level], text);
}

const char *draw_error(void)
{
    static _Thread_local char told[JOB_ERROR];

    memcpy(told, last_error, sizeof told);
    last_error[0] = '\0';
    return told;
}

/* ---- sessions ---- */

static int threads_each(const struct serve_options *o)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (o->model.threads || o->sessions == 1) return o->model.threads;
    return cores > o->sessions ? (int)(cores / o->sessions) : 1;
}

/* Isa, precision and threads, as the session says. */
static void describe(struct drawer *d)
{
    struct server *s = d->server;
    char *text = sdrt_session_report_json(d->session);
    json_t *report = NULL;
    const char *isa = "", *precision = "";
    int threads = 0;

    if (text) sdrt_json_parse(&report, text, strlen(text), "report", NULL);
    if (!json_unpack(report, "{ss ss si}", "isa", &isa, "precision", &precision, "threads",
                     &threads)) {
        pthread_mutex_lock(&s->lock);
        snprintf(s->machine.isa, sizeof s->machine.isa, "%s", isa);
        snprintf(s->machine.precision, sizeof s->machine.precision, "%s", precision);
        s->machine.threads = threads;
        pthread_mutex_unlock(&s->lock);
    }
    json_decref(report);
    sdrt_free(text);
}

static void close_session(struct drawer *d)
{
    sdrt_session_close(&d->session);
    d->packed = 0;
}

/* Whether the job that a model is opened for is cancelled, or the server ends. */
static int on_opening(void *user)
{
    struct drawer *d = user;

    return d->all->cancelled || queue_asked(d->server->queue, d->job) == JOB_CANCEL;
}

/* A session for the wish's checkpoint; the first who comes opens the model. */
static int open_session(struct drawer *d, const struct wish *w)
{
    struct server *s = d->server;
    const int opens = wish_opens(w);
    int status = SDRT_OK;

    pthread_mutex_lock(&d->all->open);
    if (s->model && d->all->opened != opens) sdrt_model_release(&s->model);
    if (!s->model) {
        struct sdrt_options o = s->options.model;
        const struct checkpoint c = shelf_at(s->shelf, SHELF_MODELS, w->checkpoint);
        const struct checkpoint vae = shelf_at(s->shelf, SHELF_VAES, w->vae);
        o.model = c.path;
        if (w->vae) o.vae = *vae.path ? vae.path : NULL;
        o.threads = threads_each(&s->options);
        o.cancelled = on_opening;
        o.cancelled_user = d;
        sdrt_note(&s->log, SDRT_LOG_INFO, "opening %s", c.title);
        status = sdrt_model_open(&s->model, &o);
        d->all->opened = opens;
    }
    if (status == SDRT_OK)
        status = sdrt_session_open(&d->session, s->model, threads_each(&s->options));
    pthread_mutex_unlock(&d->all->open);
    if (status == SDRT_OK) describe(d);
    return status;
}

/* ---- callbacks ---- */

static int on_progress(void *user, enum sdrt_stage stage, int done, int total)
{
    struct drawer *d = user;
    const double now = sdrt_now();

    if (stage == SDRT_STAGE_DENOISE) {
        if (!done) d->step_begun = now;
        d->step_seconds = now - d->step_begun;
        d->steps = done;
    }
    queue_progress(d->server->queue, d->job, stage, done, total);
    const enum job_end asked = queue_asked(d->server->queue, d->job);
    if (asked != JOB_GOES_ON) sdrt_session_finish(d->session); /* asked before it began, too */
    return d->all->cancelled || asked == JOB_CANCEL;
}

static int on_preview(void *user, const uint8_t *pixels, int width, int height,
                      const struct sdrt_preview_at *at)
{
    struct drawer *d = user;

    (void)at;
    queue_show(d->server->queue, d->job, pixels, width, height);
    return 0;
}

/* ---- one job ---- */

/* A size that the model chose, once it is planned: of the second drawing where there are two. */
static int check_size(const struct drawer *d)
{
    const struct sdrt_session *s = d->session;
    const int unit = 1 << (sdrt_model_config_of(s->model)->vae.levels - 1);
    const int64_t width = (int64_t)s->shape.w * unit, height = (int64_t)s->shape.h * unit;
    const int most = d->server->options.max_pixels;

    if (width * height <= most) return SDRT_OK;
    return sdrt_fail(
        &d->server->log, SDRT_E_ARG,
        "width, height: %lldx%lld, as the model has it where none are named: expected at "
        "most this server's %d pixels",
        (long long)width, (long long)height, most);
}

static int check_memory(struct drawer *d, const struct sdrt_request *r)
{
    const size_t mib = (size_t)1 << 20;
    struct sdrt_memory memory;
    int status = sdrt_session_measure(d->session, r, &memory);

    if (status == SDRT_OK) status = check_size(d);
    if (status != SDRT_OK) return status;
    queue_needs(d->server->queue, d->job,
                (double)memory.arena_bytes + (double)memory.weights_bytes);
    const size_t need = memory.arena_bytes + (d->packed ? 0 : memory.weights_bytes);
    if (!memory.available_bytes || need <= memory.available_bytes) return SDRT_OK;
    return sdrt_fail(&d->server->log, SDRT_E_NOMEM,
                     "needs %zu MiB, but %zu MiB are available: expected a smaller image or batch",
                     need / mib + 1, memory.available_bytes / mib);
}

/* Writes image i to the output folder, where there is one. */
static int save(struct drawer *d, int i)
{
    struct server *s = d->server;
    const struct sdrt_request r = d->job->wish->request;
    const struct output o = { .name = s->options.output,
                              .quality = d->job->wish->quality,
                              .total = 1,
                              .seed = r.seed,
                              .request = &r,
                              .log = &s->log };

    if (!s->options.output) return SDRT_OK;
    pthread_mutex_lock(&d->all->output);
    char *name = output_name(&o, 0);
    const int status = name ? output_write(&o, d->session, i, name) : SDRT_E_NOMEM;
    pthread_mutex_unlock(&d->all->output);
    free(name);
    return status;
}

static int keep_image(struct drawer *d, int i, uint64_t seed)
{
    const struct wish *w = d->job->wish;
    const char *parameters = sdrt_session_parameters(d->session, i);
    struct image image = { .seed = seed };
    int status = sdrt_session_encode(d->session, i, w->format, w->quality, &image.bytes,
                                     &image.size);

    sdrt_session_image(d->session, i, &image.width, &image.height);
    image.parameters = strdup(parameters ? parameters : "");
    if (status == SDRT_OK && !image.parameters) status = SDRT_E_NOMEM;
    if (status == SDRT_OK) status = queue_add_image(d->server->queue, d->job, &image);
    if (status == SDRT_OK) return save(d, i);
    sdrt_free(image.bytes);
    free(image.parameters);
    return status;
}

/* Batch number k. */
static int draw_batch(struct drawer *d, int k)
{
    const struct wish *w = d->job->wish;
    struct sdrt_request r = w->request;
    const uint64_t first = (uint64_t)k * (uint64_t)r.batch;
    const double begun = sdrt_now();
    int status, width = 0, height = 0;

    if (r.subseed_strength > 0) r.subseed += first;
    else r.seed += first;
    r.progress = on_progress;
    r.preview = w->previews ? on_preview : NULL;
    r.user = d;
    d->steps = 0;
    d->step_seconds = 0;
    status = check_memory(d, &r);
    if (status == SDRT_OK) status = sdrt_session_generate(d->session, &r);
    if (status == SDRT_OK || status == SDRT_E_CANCELLED) {
        for (int i = 0; i < r.batch && sdrt_session_image(d->session, i, &width, &height); i++) {
            const int kept = keep_image(d, i, r.seed + (r.subseed_strength > 0 ? 0 : (uint64_t)i));
            if (kept != SDRT_OK) return kept;
        }
    }
    if (status != SDRT_OK) return status;
    d->packed = 1;
    queue_measured(d->server->queue, d->steps, d->step_seconds, sdrt_now() - begun,
                   (double)width * height, r.batch);
    return SDRT_OK;
}

static int draw_batches(struct drawer *d)
{
    struct queue *q = d->server->queue;
    const struct wish *w = d->job->wish;
    int status = SDRT_OK;

    queue_session(q, d->job, d->session);
    for (int k = 0; k < w->batches && status == SDRT_OK; k++) {
        queue_next_batch(q, d->job, k);
        if (queue_asked(q, d->job) == JOB_INTERRUPT) break;
        status = draw_batch(d, k);
    }
    return status;
}

static void draw_job(struct drawer *d)
{
    struct queue *q = d->server->queue;
    const struct wish *w = d->job->wish;
    const int was_open = d->session != NULL;
    int status;

    draw_error();
    status = was_open ? SDRT_OK : open_session(d, w);
    if (!was_open) queue_opened(q, status == SDRT_OK);
    if (status == SDRT_OK && !w->only_load) status = draw_batches(d);
    const char *error = draw_error();
    queue_finish(q, d->job,
                 status == SDRT_OK            ? JOB_DONE
                 : status == SDRT_E_CANCELLED ? JOB_CANCELLED
                                              : JOB_FAILED,
                 status,
                 status == SDRT_OK ? NULL
                 : *error          ? error
                                   : sdrt_status_name(status));
    d->job = NULL;
}

static void *run(void *arg)
{
    struct drawer *d = arg;
    enum queue_turn turn;

    while ((turn = queue_take(d->server->queue, d->session != NULL, &d->job)) != QUEUE_END) {
        if (turn == QUEUE_CLOSE) close_session(d);
        else draw_job(d);
    }
    close_session(d);
    return NULL;
}

/* ---- all of them ---- */

struct drawers *drawers_start(struct server *s)
{
    const int n = s->options.sessions;
    struct drawers *all = calloc(1, sizeof *all + (size_t)n * sizeof *all->list);

    if (!all) return NULL;
    pthread_mutex_init(&all->open, NULL);
    pthread_mutex_init(&all->output, NULL);
    for (; all->n < n; all->n++) {
        all->list[all->n].server = s;
        all->list[all->n].all = all;
        if (pthread_create(&all->list[all->n].thread, NULL, run, &all->list[all->n])) break;
    }
    if (all->n == n) return all;
    queue_stop(s->queue);
    drawers_join(&all);
    return NULL;
}

/* Who draws is asked before each step. */
void drawers_cancel(struct drawers *all) { all->cancelled = 1; }

void drawers_join(struct drawers **drawers)
{
    struct drawers *all = *drawers;

    *drawers = NULL;
    if (!all) return;
    for (int i = 0; i < all->n; i++) pthread_join(all->list[i].thread, NULL);
    if (all->n) sdrt_model_release(&all->list[0].server->model);
    pthread_mutex_destroy(&all->open);
    pthread_mutex_destroy(&all->output);
    free(all);
}
