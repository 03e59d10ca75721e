/* SPDX-License-Identifier: MIT
 *
 * sdserve: images for programs that speak HTTP.
 */
#include "cli/process.h"
#include "kernels/blas/leave.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "tools/sdserve/draw.h"
#include "tools/sdserve/http.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EXIT_USAGE = 2 };

/* All threads inherit that these wait for the first one. */
static void hold_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

static const struct timespec pause_between = { 0, 50000000 };

struct winding {
    struct server *server;
    pthread_t waiting; /* the thread that waits for signals */
};

/* Ends the wait for another signal by one, which goes to that thread alone. */
static void *end_wait(void *user)
{
    const struct winding *w = user;

    while (!queue_is_idle(w->server->queue)) nanosleep(&pause_between, NULL);
    pthread_kill(w->waiting, SIGTERM);
    return NULL;
}

/* Until what is drawn is done, or another signal comes.  The first thread waits for that one: while it
 * does, the system gives none to those threads that libraries began before signals were held. */
static void wind_down(struct server *s, struct drawers *drawers, const sigset_t *signals)
{
    struct winding w = { s, pthread_self() };
    struct job *job;
    pthread_t ender;
    int number;

    sdrt_note(&s->log, SDRT_LOG_INFO, "ending after the images that are being drawn");
    queue_stop(s->queue);
    if (pthread_create(&ender, NULL, end_wait, &w)) {
        while (!queue_is_idle(s->queue)) nanosleep(&pause_between, NULL);
        return;
    }
    while (!sigwait(signals, &number) && !queue_is_idle(s->queue)) {
        drawers_cancel(drawers);
        while ((job = queue_drawing(s->queue, ""))) {
            queue_end(s->queue, job, JOB_CANCEL);
            queue_release(s->queue, &job);
            nanosleep(&pause_between, NULL);
        }
    }
    pthread_join(ender, NULL);
}

static int serve(struct server *s, const sigset_t *signals)
{
    struct drawers *drawers = drawers_start(s);
    struct http *http = drawers ? http_start(s, &s->options.port) : NULL;
    const int good = http != NULL;
    int number;

    if (good) {
        printf("sdserve: http://%s:%d/\n",
               strchr(s->options.listen, ':') ? "[::1]" : s->options.listen, s->options.port);
        fflush(stdout);
        sigwait(signals, &number);
        http_quiesce(http);
        wind_down(s, drawers, signals);
        /* Those who wait for what is done now get it. */
        nanosleep(&(struct timespec){ 0, 300000000 }, NULL);
    }
    queue_stop(s->queue);
    http_stop(&http);
    drawers_join(&drawers);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The model is opened before anyone asks, so that what is wrong with it is told at the start. */
static int open_first(struct server *s)
{
    struct wish *w = wish_make(&s->options);
    struct job *job = NULL;

    if (!w) return SDRT_E_NOMEM;
    w->only_load = 1;
    const int status = queue_submit(s->queue, w, "", &job);
    queue_release(s->queue, &job);
    return status;
}

static int sdserve(int argc, char **argv)
{
    static struct server s;
    sigset_t signals;
    int code = EXIT_FAILURE;

    s.log = (struct sdrt_log){ draw_log, &s };
    switch (serve_parse(&s.options, argc, argv, &s.log)) {
    case CLI_USAGE: return EXIT_USAGE;
    case CLI_FAILED: return EXIT_FAILURE;
    case CLI_SHOWN: return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
    case CLI_RUN: break;
    }
    hold_signals(&signals);
    pthread_mutex_init(&s.lock, NULL);
    s.started = sdrt_now();
    s.queue = queue_make(s.options.max_queue, s.options.keep);
    s.shelf = shelf_make(&s.options);
    if (!s.queue || !s.shelf) sdrt_fail(&s.log, SDRT_E_NOMEM, "no memory to begin with");
    else if (open_first(&s) == SDRT_OK) code = serve(&s, &signals);
    queue_free(&s.queue);
    shelf_free(&s.shelf);
    pthread_mutex_destroy(&s.lock);
    return code;
}

int main(int argc, char **argv)
{
    cli_open_standard();
    return sdrt_blas_leave(sdserve(argc, argv));
}
