/* SPDX-License-Identifier: MIT */
#include "runtime/machine/team.h"
#include "runtime/base/clock.h"
#include "runtime/machine/sleep.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

enum {
#if defined(__aarch64__)
    LINE_BYTES = 128, /* Apple's; others have 64 */
#else
    LINE_BYTES = 64,
#endif
    /* Microseconds that a waiter spins before it sleeps.  Waking a sleeper costs 5 to 50 of
     * them, so spinning about as long loses at most half of what is possible.  Two workers on
     * one core take cycles from each other; a worker without a core of its own should make
     * room at once for the one it waits for. */
    SPIN_OWN_CORE = 50,
    SPIN_SHARED_CORE = 10,
    SPIN_CROWDED = 0,
    PAUSES_PER_LOOK = 32, /* between looks at the clock; about 1 us */
    STACK_BYTES = 1 << 20, /* of a worker, for kernels take some KiB; musl's own are 128 KiB */
};

/* A number that waiters watch for a change. */
struct gate {
    _Alignas(LINE_BYTES) atomic_uint value;
    _Alignas(LINE_BYTES) atomic_uint sleepers;
};

/* What belongs to one worker. */
struct lane {
    /* How many shares of the worker's stretch are taken: its own from the front in the low
     * half, those that others took from the end in the high half.  One for even steps, one for
     * odd ones, so that one can be cleared while the other is in use. */
    _Alignas(LINE_BYTES) _Atomic uint64_t taken[2];
    /* Only the worker itself touches these while a body runs. */
    _Alignas(LINE_BYTES) unsigned step;
    int helping; /* whom it helps, counted from itself; 0: still at its own stretch */
    int64_t uneven_ns, own_ns; /* see struct sdrt_team_waits */
    atomic_uint met;           /* measured barriers that those two cover */
    int64_t begin, end; /* of its stretch, in parts of the team's weight */
    int index;
    pthread_t thread;
    struct sdrt_team *team;
};

struct sdrt_team {
    struct gate start, barrier;
    _Alignas(LINE_BYTES) atomic_int arrived; /* at the barrier */
    int64_t last_ns; /* when the last one arrived there, while waits are measured; published by the
                      * gate, and read by all before they can arrive again */
    _Alignas(LINE_BYTES) atomic_int cancelled;
    _Alignas(LINE_BYTES) int workers;
    int  spin_us;
    int  measured; /* waits are */
    int64_t weight; /* all workers' */
    int  stop; /* this and the next two are published by the start gate */
    sdrt_team_body *body;
    void *arg;
    const struct sdrt_topology *topology; /* NULL pins nobody */
    pid_t process; /* whose threads the workers are */
    struct lane *lanes;
};

/* ---- waiting ---- */

static void pause_cpu(void)
{
#if defined(__SSE__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* yield returns at once on most cores */
#endif
}

static int64_t now_us(void) { return sdrt_now_ns() / 1000; }

static int spin_while(struct gate *g, unsigned old, int spin_us)
{
    int64_t until = 0;

    do {
        for (int i = 0; i < PAUSES_PER_LOOK; i++) {
            if (atomic_load_explicit(&g->value, memory_order_acquire) != old) return 1;
            pause_cpu();
        }
        if (!until) until = now_us() + spin_us;
    } while (now_us() < until);
    return 0;
}

/* The sequentially consistent pairs "count a sleeper, look at the value" here and "change the
 * value, look for sleepers" in open_gate() cannot both miss the other. */
static void wait_while(struct gate *g, unsigned old, int spin_us)
{
    if (spin_while(g, old, spin_us)) return;
    atomic_fetch_add(&g->sleepers, 1);
    while (atomic_load(&g->value) == old)
        sdrt_sleep_while(&g->value, old);
    atomic_fetch_sub(&g->sleepers, 1);
}

static void open_gate(struct gate *g)
{
    atomic_fetch_add(&g->value, 1);
    if (atomic_load(&g->sleepers)) sdrt_wake(&g->value);
}

/* ---- denormals ---- */

#if defined(__SSE__)
typedef unsigned float_mode;
static float_mode flush_denormals(void)
{
    const unsigned old = _mm_getcsr();
    _mm_setcsr(old | 0x8040u); /* FTZ, DAZ */
    return old;
}
static void restore_denormals(float_mode old) { _mm_setcsr(old); }
#elif defined(__aarch64__)
typedef uint64_t float_mode;
static float_mode flush_denormals(void)
{
    uint64_t old;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    __asm__ volatile("msr fpcr, %0" :: "r"(old | (uint64_t)1 << 24)); /* FZ */
    return old;
}
static void restore_denormals(float_mode old) { __asm__ volatile("msr fpcr, %0" :: "r"(old)); }
#else
typedef int float_mode;
static float_mode flush_denormals(void) { return 0; }
static void restore_denormals(float_mode old) { (void)old; }
#endif

/* ---- creation ---- */

static void *worker_main(void *arg)
{
    struct lane *lane = arg;
    struct sdrt_team *t = lane->team;
    struct sdrt_binding before;

    if (t->topology) {
        sdrt_topology_unbind(t->topology);
        sdrt_topology_bind(t->topology, lane->index, t->workers, &before);
    }
    sdrt_thread_hurry();
    flush_denormals();
    for (unsigned run = 0;; run++) {
        wait_while(&t->start, run, t->spin_us);
        if (t->stop) return NULL;
        t->body(t->arg, lane->index, t->workers);
        sdrt_team_end_step(t, lane->index);
    }
}

static int spin_time(const struct sdrt_topology *topology, int workers)
{
    const int pus = topology ? sdrt_topology_pus(topology) : sdrt_thread_pus();

    if (workers > pus) return SPIN_CROWDED;
    for (int w = 1; topology && w < workers; w++)
        if (sdrt_topology_core(topology, w) == sdrt_topology_core(topology, 0))
            return SPIN_SHARED_CORE;
    return SPIN_OWN_CORE;
}

/* Asynchronous signals are the application's threads' business. */
static void block_signals(sigset_t *old)
{
    static const int kept[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF };
    sigset_t set;

    sigfillset(&set);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) sigdelset(&set, kept[i]);
    pthread_sigmask(SIG_BLOCK, &set, old);
}

/* Ends workers 1 .. started-1. */
static void stop_workers(struct sdrt_team *t, int started)
{
    t->stop = 1;
    open_gate(&t->start);
    for (int w = 1; w < started; w++) pthread_join(t->lanes[w].thread, NULL);
}

/* Returns how many workers there are then, the caller among them, and sets *error where those are
 * not all. */
static int start_workers(struct sdrt_team *t, int *error)
{
    pthread_attr_t attributes;
    sigset_t signals;
    int w;

    t->process = getpid();
    *error = pthread_attr_init(&attributes);
    if (*error) return 1;
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    block_signals(&signals);
    for (w = 1; w < t->workers; w++) {
        *error = pthread_create(&t->lanes[w].thread, &attributes, worker_main, &t->lanes[w]);
        if (*error) break;
    }
    pthread_sigmask(SIG_SETMASK, &signals, NULL);
    pthread_attr_destroy(&attributes);
    return w;
}

static void free_memory(struct sdrt_team *t)
{
    free(t->lanes);
    free(t);
}

/* Each worker's stretch of a step is as its weight; of alike workers all are the same.  Which
 * shares there are is the kernels' decision, so no result depends on this. */
static void cut_stretches(struct sdrt_team *t)
{
    t->weight = 0;
    for (int w = 0; w < t->workers; w++) {
        t->lanes[w].begin = t->weight;
        t->weight += t->topology ? sdrt_topology_weight(t->topology, w, t->workers) : 1;
        t->lanes[w].end = t->weight;
    }
}

static void clear_lanes(struct sdrt_team *t)
{
    memset(t->lanes, 0, (size_t)t->workers * sizeof *t->lanes);
    for (int w = 0; w < t->workers; w++) {
        t->lanes[w].index = w;
        t->lanes[w].team = t;
    }
    cut_stretches(t);
}

/* In a child after fork(), where the workers are gone and the gates stand as they left them.  The
 * shares of a step are nobody's in particular, so fewer workers do them too. */
static void revive(struct sdrt_team *t)
{
    const int wanted = t->workers;
    int error;

    memset(&t->start, 0, sizeof t->start);
    memset(&t->barrier, 0, sizeof t->barrier);
    atomic_store(&t->arrived, 0);
    clear_lanes(t);
    const int started = start_workers(t, &error);
    if (started == wanted) return;
    stop_workers(t, started);
    t->stop = 0;
    t->workers = 1;
    cut_stretches(t);
}

int sdrt_team_create(struct sdrt_team **out, int workers, const struct sdrt_topology *topology,
                     const struct sdrt_log *log)
{
    struct sdrt_team *t;
    int error;

    *out = NULL;
    if (workers < 1 || workers > SDRT_TEAM_MAX_WORKERS)
        return sdrt_fail(log, SDRT_E_ARG, "a team of %d workers: expected 1 to %d", workers,
                         SDRT_TEAM_MAX_WORKERS);
    t = aligned_alloc(LINE_BYTES, sizeof *t);
    if (!t) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a team of %d", workers);
    memset(t, 0, sizeof *t);
    t->lanes = aligned_alloc(LINE_BYTES, (size_t)workers * sizeof *t->lanes);
    if (!t->lanes) {
        free(t);
        return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a team of %d", workers);
    }
    t->workers = workers;
    t->topology = topology;
    t->spin_us = spin_time(topology, workers);
    clear_lanes(t);
    const int started = start_workers(t, &error);
    if (started < workers) {
        stop_workers(t, started);
        free_memory(t);
        return sdrt_fail(log, SDRT_E_NOMEM, "thread %d of %d cannot be started: %s", started,
                         workers, strerror(error));
    }
    *out = t;
    return SDRT_OK;
}

void sdrt_team_free(struct sdrt_team **team)
{
    struct sdrt_team *t = *team;

    if (!t) return;
    if (t->process == getpid()) stop_workers(t, t->workers);
    free_memory(t);
    *team = NULL;
}

int sdrt_team_workers(const struct sdrt_team *team) { return team->workers; }

int sdrt_team_spread(const struct sdrt_team *team, void *p, size_t bytes)
{
    enum { MOST_NODES = 64 };
    int nodes[MOST_NODES];

    /* Who is pinned nowhere is on no node for long. */
    if (!team->topology || !sdrt_topology_pins(team->topology, team->workers)) return SDRT_OK;
    const int n = sdrt_topology_spread(team->topology, team->workers, bytes, nodes, MOST_NODES);
    return sdrt_topology_place(team->topology, nodes, n, p, bytes);
}

/* ---- running ---- */

void sdrt_team_run(struct sdrt_team *team, sdrt_team_body *body, void *arg)
{
    struct sdrt_binding before;

    before.changed = 0;
    if (team->process != getpid()) revive(team);
    if (team->topology) sdrt_topology_bind(team->topology, 0, team->workers, &before);
    const float_mode mode = flush_denormals();
    team->body = body;
    team->arg = arg;
    if (team->workers > 1) open_gate(&team->start);
    body(arg, 0, team->workers);
    sdrt_team_end_step(team, 0);
    restore_denormals(mode);
    sdrt_topology_restore(&before);
}

/* Sense-reversing: the gate's value is the sense, and the last to arrive changes it.  arrived_ns is
 * what the clock said before, 0 where nothing is measured. */
static void meet(struct sdrt_team *team, int64_t arrived_ns)
{
    const unsigned sense = atomic_load_explicit(&team->barrier.value, memory_order_relaxed);

    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 < team->workers) {
        wait_while(&team->barrier, sense, team->spin_us);
        return;
    }
    atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
    if (arrived_ns) team->last_ns = arrived_ns;
    open_gate(&team->barrier);
}

/* Who arrives last may have looked at the clock before another one did. */
static void meet_measured(struct sdrt_team *team, struct lane *me)
{
    const int64_t arrived = sdrt_now_ns();

    meet(team, arrived);
    const int64_t last = team->last_ns > arrived ? team->last_ns : arrived;
    me->uneven_ns += last - arrived;
    me->own_ns += sdrt_now_ns() - last;
    atomic_fetch_add_explicit(&me->met, 1, memory_order_release);
}

void sdrt_team_barrier(struct sdrt_team *team, int worker)
{
    if (team->workers == 1) return;
    if (team->measured) meet_measured(team, &team->lanes[worker]);
    else meet(team, 0);
}

/* The last barrier of a run lets the caller go before the other workers have written what they
 * waited at it. */
static void wait_for_counts(const struct sdrt_team *team)
{
    const unsigned met = atomic_load_explicit(&team->lanes[0].met, memory_order_relaxed);

    for (int w = 1; w < team->workers; w++)
        while (atomic_load_explicit(&team->lanes[w].met, memory_order_acquire) != met)
            sched_yield();
}

void sdrt_team_measure_waits(struct sdrt_team *team, int on)
{
    wait_for_counts(team);
    team->measured = on;
    for (int w = 0; w < team->workers; w++)
        team->lanes[w].uneven_ns = team->lanes[w].own_ns = 0;
}

void sdrt_team_waits(const struct sdrt_team *team, struct sdrt_team_waits *waits)
{
    wait_for_counts(team);
    *waits = (struct sdrt_team_waits){ 0.0, 0.0 };
    for (int w = 0; w < team->workers; w++) {
        waits->uneven += 1e-9 * (double)team->lanes[w].uneven_ns;
        waits->own += 1e-9 * (double)team->lanes[w].own_ns;
    }
}

/* The next share of the owner's stretch, from its front for itself, from its end for others. */
static int take(const struct sdrt_team *t, struct lane *owner, int own, unsigned step, int nparts)
{
    _Atomic uint64_t *taken = &owner->taken[step & 1];
    const int begin = (int)(nparts * owner->begin / t->weight);
    const int end = (int)(nparts * owner->end / t->weight);
    const uint64_t one = own ? 1 : (uint64_t)1 << 32;
    uint64_t old = atomic_load_explicit(taken, memory_order_relaxed);

    do {
        const int front = (int)(uint32_t)old, back = (int)(old >> 32);
        if (front + back >= end - begin) return -1;
    } while (!atomic_compare_exchange_weak_explicit(taken, &old, old + one, memory_order_relaxed,
                                                    memory_order_relaxed));
    return own ? begin + (int)(uint32_t)old : end - 1 - (int)(old >> 32);
}

int sdrt_team_next_share(struct sdrt_team *team, int worker, int nparts)
{
    struct lane *me = &team->lanes[worker];

    for (; me->helping < team->workers; me->helping++) {
        struct lane *owner = &team->lanes[(worker + me->helping) % team->workers];
        const int part = take(team, owner, owner == me, me->step, nparts);
        if (part >= 0) return part;
    }
    return -1;
}

/* Clears what the next step will count with: all have left the step before this one, where it
 * was last used, and none can begin the next one until the barrier. */
void sdrt_team_end_step(struct sdrt_team *team, int worker)
{
    struct lane *me = &team->lanes[worker];

    me->step++;
    me->helping = 0;
    atomic_store_explicit(&me->taken[me->step & 1], 0, memory_order_relaxed);
    sdrt_team_barrier(team, worker);
}

/* ---- cancelling ---- */

void sdrt_team_cancel(struct sdrt_team *team)
{
    atomic_store_explicit(&team->cancelled, 1, memory_order_relaxed);
}

int sdrt_team_cancelled(const struct sdrt_team *team)
{
    return atomic_load_explicit(&team->cancelled, memory_order_relaxed);
}

void sdrt_team_rearm(struct sdrt_team *team)
{
    atomic_store_explicit(&team->cancelled, 0, memory_order_relaxed);
}
