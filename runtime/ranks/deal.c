/* SPDX-License-Identifier: MIT */
#include "runtime/ranks/deal.h"
#include "runtime/base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG = 16, NAP_MS = 2, WAIT_MS = 20, SIGNS = 10 /* of life in a timeout */ };

enum kind { ASK, ALIVE, GIVE, LEAVE, END };

struct note {
    int kind;
    int task;   /* GIVE: -1: no more */
    int before; /* ASK: enum sdrt_dealt; LEAVE: whether it was told to; END: whether a rank is lost */
};

enum state { WORKING, ASKING, LEFT, LOST };

struct peer {
    enum state state;
    int task; /* -1: none */
    int told; /* LOST: it said so itself */
    double heard;
};

struct sdrt_deal {
    struct sdrt_ranks *ranks;
    const struct sdrt_log *log;
    const volatile sig_atomic_t *stop;
    int total;
    /* Of the thread alone; read by others once it has ended. */
    struct peer *peers;  /* of rank 0: each rank; else rank 0 alone */
    unsigned char *done; /* [total] */
    int *again;          /* tasks that came back, n_again of them */
    int n_again, next, n_done;
    int lost;    /* ranks */
    double told; /* when it last gave a sign of life */
    /* Between the two, guarded by lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct note asked; /* by the rank's own work */
    int asks, answered, answer, closing;
    pthread_t thread;
};

static int is_first(const struct sdrt_deal *d) { return d->ranks->rank == 0; }

static void post(struct sdrt_deal *d, int to, struct note note)
{
    (void)d->ranks->calls->post(d->ranks, to, TAG, &note, sizeof note);
    d->ranks->bytes_out += sizeof note;
}

static void answer(struct sdrt_deal *d, int task)
{
    pthread_mutex_lock(&d->lock);
    d->answer = task;
    d->answered = 1;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

/* ---- rank 0 ---- */

static void give(struct sdrt_deal *d, int to, int task)
{
    struct peer *p = &d->peers[to];

    p->task = task;
    p->state = task < 0 ? LEFT : WORKING;
    if (to) post(d, to, (struct note){ GIVE, task, 0 });
    else answer(d, task);
}

/* What a rank says of the task that it had. */
static void take_back(struct sdrt_deal *d, int from, enum sdrt_dealt how)
{
    struct peer *p = &d->peers[from];

    if (p->task >= 0 && how == SDRT_DEALT_DONE && !d->done[p->task]) {
        d->done[p->task] = 1;
        d->n_done++;
    } else if (p->task >= 0 && !d->done[p->task]) {
        d->again[d->n_again++] = p->task;
    }
    p->task = -1;
}

static void hear(struct sdrt_deal *d, int from, const struct note *n)
{
    struct peer *p = &d->peers[from];

    p->heard = sdrt_now();
    if (p->state == LOST) return; /* who was given up has been replaced */
    if (n->kind == ASK) {
        take_back(d, from, n->before);
        /* One that failed stays for the end, and gets nothing. */
        p->state = n->before == SDRT_DEALT_FAILED ? LEFT : ASKING;
        if (p->state == LEFT) give(d, from, -1);
    }
    if (n->kind == LEAVE) {
        take_back(d, from, SDRT_DEALT_NONE);
        p->state = n->before ? LOST : LEFT;
        p->told = n->before;
        d->lost += n->before;
    }
}

static void lose(struct sdrt_deal *d, int rank)
{
    d->peers[rank].state = LOST;
    d->lost++;
    if (d->peers[rank].task >= 0) d->again[d->n_again++] = d->peers[rank].task;
}

static int waiting_for(const struct sdrt_deal *d, enum state state)
{
    int n = 0;

    for (int i = 0; i < d->ranks->size; i++) n += d->peers[i].state == state;
    return n;
}

static void deal_out(struct sdrt_deal *d)
{
    for (int i = 0; i < d->ranks->size; i++) {
        if (d->peers[i].state != ASKING) continue;
        if (d->n_again) give(d, i, d->again[--d->n_again]);
        else if (d->next < d->total) give(d, i, d->next++);
        else if (d->n_done == d->total || !waiting_for(d, WORKING)) give(d, i, -1);
    }
}

static void look_after(struct sdrt_deal *d)
{
    const double now = sdrt_now();
    const int tell = now - d->told > d->ranks->timeout / SIGNS;

    if (tell) d->told = now;
    for (int i = 1; i < d->ranks->size; i++) {
        if (d->peers[i].state == LOST) continue;
        if (now - d->peers[i].heard > d->ranks->timeout) lose(d, i);
        else if (tell) post(d, i, (struct note){ ALIVE, -1, 0 });
    }
}

/* What this process's own work asks for, where it does. */
static int own_wish(struct sdrt_deal *d, struct note *n)
{
    pthread_mutex_lock(&d->lock);
    const int asks = d->asks;
    d->asks = 0;
    *n = d->asked;
    pthread_mutex_unlock(&d->lock);
    return asks;
}

static int is_closing(struct sdrt_deal *d)
{
    pthread_mutex_lock(&d->lock);
    const int closing = d->closing;
    pthread_mutex_unlock(&d->lock);
    return closing;
}

static void nap(void)
{
    static const struct timespec t = { 0, NAP_MS * 1000000L };

    nanosleep(&t, NULL);
}

static void *serve(void *arg)
{
    struct sdrt_deal *d = arg;
    struct note n;
    int from;

    for (;;) {
        while (d->ranks->calls->poll(d->ranks, TAG, &n, sizeof n, &from) > 0) hear(d, from, &n);
        if (own_wish(d, &n)) hear(d, 0, &n);
        deal_out(d);
        look_after(d);
        const int busy = waiting_for(d, WORKING) + waiting_for(d, ASKING);
        /* Interrupted, it tells the others that there is no more, and waits for nobody. */
        if (is_closing(d) && d->stop && *d->stop) break;
        if (is_closing(d) && !busy) break;
        nap();
    }
    for (int i = 1; i < d->ranks->size; i++)
        if (d->peers[i].state != LOST)
            post(d, i, (struct note){ END, -1, d->lost || (d->stop && *d->stop) });
    return NULL;
}

/* ---- the others ---- */

/* What rank 0 says; 1 where that is the end. */
static int listen(struct sdrt_deal *d)
{
    struct peer *first = &d->peers[0];
    struct note n;
    int from;

    while (d->ranks->calls->poll(d->ranks, TAG, &n, sizeof n, &from) > 0) {
        first->heard = sdrt_now();
        if (n.kind == GIVE) answer(d, n.task);
        if (n.kind != END) continue;
        d->lost |= n.before;
        answer(d, -1);
        return 1;
    }
    if (sdrt_now() - first->heard <= d->ranks->timeout) return 0;
    first->state = LOST;
    d->lost = 1;
    answer(d, -1);
    return 1;
}

/* Stays until the end, since MPI ends all ranks where one ends alone. */
static void *speak(void *arg)
{
    struct sdrt_deal *d = arg;
    int left = 0;

    while (!listen(d)) {
        const double now = sdrt_now();
        struct note n;
        if (own_wish(d, &n)) post(d, 0, n);
        if (now - d->told > d->ranks->timeout / SIGNS) {
            d->told = now;
            post(d, 0, (struct note){ ALIVE, -1, 0 });
        }
        if (is_closing(d) && !left++) post(d, 0, (struct note){ LEAVE, -1, d->stop && *d->stop });
        if (left && d->stop && *d->stop) break;
        nap();
    }
    return NULL;
}

/* ---- the outside ---- */

static void free_deal(struct sdrt_deal *d)
{
    free(d->peers);
    free(d->done);
    free(d->again);
    free(d);
}

int sdrt_deal_open(struct sdrt_deal **out, struct sdrt_ranks *ranks, int total,
                   const volatile sig_atomic_t *stop, const struct sdrt_log *log)
{
    struct sdrt_deal *d = calloc(1, sizeof *d);
    const size_t room = (size_t)(total ? total : 1);

    *out = NULL;
    if (d) {
        d->peers = calloc((size_t)ranks->size, sizeof *d->peers);
        d->done = calloc(room, 1);
        d->again = calloc(room + (size_t)ranks->size, sizeof *d->again);
    }
    if (!d || !d->peers || !d->done || !d->again) {
        if (d) free_deal(d);
        return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for %d tasks", total);
    }
    d->ranks = ranks;
    d->log = log;
    d->stop = stop;
    d->total = total;
    for (int i = 0; i < ranks->size; i++)
        d->peers[i] = (struct peer){ .task = -1, .heard = sdrt_now() };
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->changed, NULL);
    if (pthread_create(&d->thread, NULL, is_first(d) ? serve : speak, d) != 0) {
        free_deal(d);
        return sdrt_fail(log, SDRT_E_NOMEM, "no thread for the ranks' messages");
    }
    *out = d;
    return SDRT_OK;
}

static void deadline(struct timespec *t)
{
    clock_gettime(CLOCK_REALTIME, t);
    t->tv_nsec += WAIT_MS * 1000000L;
    if (t->tv_nsec >= 1000000000L) {
        t->tv_sec++;
        t->tv_nsec -= 1000000000L;
    }
}

int sdrt_deal_next(struct sdrt_deal *d, enum sdrt_dealt before)
{
    struct timespec until;
    int task = -1;

    if (d->stop && *d->stop) return -1;
    pthread_mutex_lock(&d->lock);
    d->asked = (struct note){ ASK, -1, before };
    d->asks = 1;
    /* An answer that is there before it was asked for ends all. */
    while (!d->answered && !(d->stop && *d->stop)) {
        deadline(&until);
        pthread_cond_timedwait(&d->changed, &d->lock, &until);
    }
    if (d->answered) task = d->answer;
    if (task >= 0) d->answered = 0;
    pthread_mutex_unlock(&d->lock);
    return task;
}

/* One line a rank that was lost; of others than itself and rank 0, that one tells. */
static int tell_lost(const struct sdrt_deal *d)
{
    const int first = is_first(d);
    int status = SDRT_OK;

    for (int i = 0; i < d->ranks->size; i++) {
        if (d->peers[i].state != LOST) continue;
        status = SDRT_E_IO;
        if (d->peers[i].told)
            sdrt_note(d->log, SDRT_LOG_WARNING, "MPI: rank %d was interrupted", i);
        else
            sdrt_note(d->log, first ? SDRT_LOG_WARNING : SDRT_LOG_ERROR,
                      "MPI: rank %d was not heard of for %g s: %s", i, d->ranks->timeout,
                      first ? "the others go on without it" : "no more is dealt out");
    }
    return status;
}

int sdrt_deal_close(struct sdrt_deal **deal, unsigned char *done)
{
    struct sdrt_deal *d = *deal;
    int status = SDRT_OK;

    pthread_mutex_lock(&d->lock);
    d->closing = 1;
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    if (d->lost) status = tell_lost(d);
    if ((d->lost || (d->stop && *d->stop)) && !d->ranks->fault[0])
        snprintf(d->ranks->fault, sizeof d->ranks->fault, "a rank was lost");
    if (done && is_first(d)) memcpy(done, d->done, (size_t)d->total);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->changed);
    free_deal(d);
    *deal = NULL;
    return status;
}
