/* SPDX-License-Identifier: MIT */
#include "tests/ranks_threads.h"
#include "runtime/base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct letter {
    struct letter *next;
    int from, to, tag;
    size_t bytes;
    unsigned char data[];
};

struct hub {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct letter *letters; /* in the order in which they came */
};

struct rank {
    struct sdrt_ranks ranks;
    struct hub *hub;
    void (*body)(struct sdrt_ranks *ranks, void *arg);
    void *arg;
};

static int drop(struct hub *h, int from, int to, int tag, const void *data, size_t bytes)
{
    struct letter *l = malloc(sizeof *l + bytes), **p;

    if (!l) abort();
    *l = (struct letter){ .from = from, .to = to, .tag = tag, .bytes = bytes };
    memcpy(l->data, data, bytes);
    pthread_mutex_lock(&h->lock);
    for (p = &h->letters; *p;) p = &(*p)->next;
    *p = l;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    return 0;
}

/* The oldest for to, from whom that is (-1: anybody); NULL.  The lock is held. */
static struct letter *take(struct hub *h, int from, int to, int tag)
{
    for (struct letter **p = &h->letters; *p; p = &(*p)->next) {
        struct letter *l = *p;
        if (l->to != to || l->tag != tag || (from >= 0 && l->from != from)) continue;
        *p = l->next;
        return l;
    }
    return NULL;
}

static int receive(struct sdrt_ranks *r, const struct sdrt_message *m)
{
    struct hub *h = ((struct rank *)r->own)->hub;
    const double until = sdrt_now() + r->timeout;
    struct letter *l;

    pthread_mutex_lock(&h->lock);
    while (!(l = take(h, m->with, r->rank, m->tag)) && sdrt_now() < until) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += 10000000;
        if (t.tv_nsec >= 1000000000) t = (struct timespec){ t.tv_sec + 1, t.tv_nsec - 1000000000 };
        pthread_cond_timedwait(&h->changed, &h->lock, &t);
    }
    pthread_mutex_unlock(&h->lock);
    if (!l || l->bytes != m->bytes) {
        snprintf(r->fault, sizeof r->fault, l ? "rank %d sent another size" : "rank %d is silent",
                 m->with);
        free(l);
        return -1;
    }
    memcpy(m->data, l->data, l->bytes);
    free(l);
    return 0;
}

static int exchange(struct sdrt_ranks *r, const struct sdrt_message *m, int n)
{
    struct hub *h = ((struct rank *)r->own)->hub;
    int failed = 0;

    for (int i = 0; i < n; i++)
        if (!m[i].receives && m[i].bytes)
            drop(h, r->rank, m[i].with, m[i].tag, m[i].data, m[i].bytes);
    for (int i = 0; i < n && !failed; i++)
        if (m[i].receives && m[i].bytes) failed = receive(r, &m[i]);
    return failed;
}

static int post(struct sdrt_ranks *r, int to, int tag, const void *data, size_t bytes)
{
    return drop(((struct rank *)r->own)->hub, r->rank, to, tag, data, bytes);
}

static int poll(struct sdrt_ranks *r, int tag, void *data, size_t bytes, int *from)
{
    struct hub *h = ((struct rank *)r->own)->hub;

    pthread_mutex_lock(&h->lock);
    struct letter *l = take(h, -1, r->rank, tag);
    pthread_mutex_unlock(&h->lock);
    if (!l) return 0;
    memcpy(data, l->data, l->bytes < bytes ? l->bytes : bytes);
    *from = l->from;
    free(l);
    return 1;
}

static void close_nothing(struct sdrt_ranks *r, int clean)
{
    (void)r;
    (void)clean;
}

static void end(struct sdrt_ranks *r, int status)
{
    (void)r;
    exit(status);
}

static void *start(void *arg)
{
    struct rank *r = arg;

    r->body(&r->ranks, r->arg);
    return NULL;
}

void thread_ranks_run(int size, double timeout, void (*body)(struct sdrt_ranks *ranks, void *arg),
                      void *arg)
{
    static const struct sdrt_ranks_calls calls = { exchange, post, poll, close_nothing, end };
    static const int nodes[THREAD_RANKS_MOST];
    struct hub hub = { .letters = NULL };
    struct rank ranks[THREAD_RANKS_MOST];
    pthread_t threads[THREAD_RANKS_MOST];

    pthread_mutex_init(&hub.lock, NULL);
    pthread_cond_init(&hub.changed, NULL);
    for (int i = 0; i < size; i++) {
        ranks[i] = (struct rank){ .hub = &hub, .body = body, .arg = arg };
        ranks[i].ranks = (struct sdrt_ranks){ .calls = &calls,
                                              .own = &ranks[i],
                                              .rank = i,
                                              .size = size,
                                              .node_rank = i,
                                              .node_size = size,
                                              .nodes = nodes,
                                              .name = "threads",
                                              .timeout = timeout };
        if (pthread_create(&threads[i], NULL, start, &ranks[i])) abort();
    }
    for (int i = 0; i < size; i++) pthread_join(threads[i], NULL);
    while (hub.letters) {
        struct letter *next = hub.letters->next;
        free(hub.letters);
        hub.letters = next;
    }
    pthread_mutex_destroy(&hub.lock);
    pthread_cond_destroy(&hub.changed);
}
