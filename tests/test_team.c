/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "runtime/machine/sleep.h"
#include "tests/machines.h"
#include "tests/teams.h"

#include <criterion/criterion.h>
#include <float.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- waits ---- */

struct late {
    struct sdrt_team *team;
    int worker; /* that comes late to each of the steps */
};

enum { LATE_STEPS = 5, LATE_MS = 20 };

static void come_late(void *arg, int worker, int workers)
{
    const struct late *l = arg;
    const struct timespec t = { 0, LATE_MS * 1000000 };

    (void)workers;
    for (int i = 0; i < LATE_STEPS; i++) {
        if (worker == l->worker) nanosleep(&t, NULL);
        sdrt_team_end_step(l->team, worker);
    }
}

/* The others wait for a worker that is late, and the time from when it is there is the barrier's.  No
 * more can be said on a machine that has other things to do. */
Test(team, waits_for_a_late_worker)
{
    const double slept = 1e-3 * LATE_STEPS * LATE_MS;
    struct sdrt_team_waits waits;

    for (int late = 0; late < 3; late++) {
        struct late l = { .team = tteam_make(3), .worker = late };
        struct timespec a, b;
        sdrt_team_measure_waits(l.team, 1);
        clock_gettime(CLOCK_MONOTONIC, &a);
        sdrt_team_run(l.team, come_late, &l);
        clock_gettime(CLOCK_MONOTONIC, &b);
        const double all = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
        sdrt_team_waits(l.team, &waits);
        /* Less what the two take to begin a step. */
        cr_expect_gt(waits.uneven, 0.5 * 2.0 * slept, "worker %d: %g s", late, waits.uneven);
        cr_expect_gt(waits.own, 0.0);
        cr_expect_leq(waits.uneven, 2.0 * all);
        cr_expect_lt(waits.uneven + waits.own, 3.0 * all);
        sdrt_team_measure_waits(l.team, 1);
        sdrt_team_waits(l.team, &waits);
        cr_expect(!(waits.uneven > 0.0) && !(waits.own > 0.0), "what was waited is not forgotten");
        sdrt_team_free(&l.team);
    }
}

Test(team, waits_that_are_not_measured)
{
    struct sdrt_team_waits waits;

    for (int workers = 1; workers <= 2; workers++) {
        struct late l = { .team = tteam_make(workers), .worker = 0 };
        if (workers == 1) sdrt_team_measure_waits(l.team, 1); /* a team of one never waits */
        sdrt_team_run(l.team, come_late, &l);
        sdrt_team_waits(l.team, &waits);
        cr_expect(!(waits.uneven > 0.0) && !(waits.own > 0.0));
        sdrt_team_free(&l.team);
    }
}

/* ---- barrier ---- */

struct phases {
    struct sdrt_team *team;
    int        value[MOST_WORKERS]; /* not atomic on purpose: TSan judges the barrier */
    atomic_int wrong, ran;
};

static void pass_barriers(void *arg, int worker, int workers)
{
    struct phases *p = arg;

    p->ran++;
    for (int phase = 1; phase <= STEPS; phase++) {
        p->value[worker] = phase;
        sdrt_team_barrier(p->team, worker);
        for (int w = 0; w < workers; w++)
            if (p->value[w] != phase) p->wrong = 1;
        sdrt_team_barrier(p->team, worker);
    }
}

Test(team, barrier_waits_for_all)
{
    for (int workers = 1; workers <= MOST_WORKERS; workers++) {
        struct phases p = { .team = tteam_make(workers) };
        sdrt_team_run(p.team, pass_barriers, &p);
        cr_expect_eq(p.wrong, 0, "%d workers", workers);
        cr_expect_eq(p.ran, workers);
        sdrt_team_free(&p.team);
    }
}

struct plain {
    int sum[MOST_WORKERS];
};

static void add_one(void *arg, int worker, int workers)
{
    struct plain *p = arg;

    (void)workers;
    p->sum[worker]++;
}

/* What workers wrote is there after run, also when they slept in between. */
Test(team, run_returns_after_all)
{
    for (int workers = 1; workers <= MOST_WORKERS; workers++) {
        struct sdrt_team *team = tteam_make(workers);
        struct plain p = { { 0 } };
        for (int run = 1; run <= 300; run++) {
            sdrt_team_run(team, add_one, &p);
            for (int w = 0; w < workers; w++) cr_assert_eq(p.sum[w], run);
            if (run % 60 == 0) tdawdle();
        }
        sdrt_team_free(&team);
    }
}

Test(team, runs_allocate_nothing)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    cr_skip("a sanitizer's allocator does not count");
#else
    struct sdrt_team *team = tteam_make(4);
    struct plain p = { { 0 } };

    sdrt_team_run(team, add_one, &p);
    const struct mallinfo2 before = mallinfo2();
    for (int run = 0; run < 100; run++) sdrt_team_run(team, add_one, &p);
    const struct mallinfo2 after = mallinfo2();
    cr_expect_eq(before.uordblks, after.uordblks);
    sdrt_team_free(&team);
#endif
}

/* ---- denormals ---- */

/* Through memory, so that nothing is computed while compiling. */
static volatile float smallest_normal = FLT_MIN, denormal = FLT_MIN / 4;

static float halve(void) { return smallest_normal * 0.5f; }

struct denormals {
    float of[MOST_WORKERS], read[MOST_WORKERS];
};

static void make_denormals(void *arg, int worker, int workers)
{
    struct denormals *d = arg;

    (void)workers;
    d->of[worker] = halve();
    d->read[worker] = denormal * 1e30f;
}

Test(team, denormals_are_flushed_inside_only)
{
#if defined(__SSE__) || defined(__aarch64__)
    for (int workers = 1; workers <= 3; workers++) {
        struct sdrt_team *team = tteam_make(workers);
        struct denormals d;
        memset(&d, 0xff, sizeof d);
        cr_expect(halve() != 0);
        sdrt_team_run(team, make_denormals, &d);
        for (int w = 0; w < workers; w++)
            cr_expect(d.of[w] == 0 && d.read[w] == 0, "worker %d: %g %g", w, (double)d.of[w],
                      (double)d.read[w]);
        cr_expect(halve() != 0, "the caller's mode is changed");
        sdrt_team_free(&team);
    }
#else
    cr_skip("nothing to flush on this processor");
#endif
}

/* ---- cancelling ---- */

static struct sdrt_team *to_cancel;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    sdrt_team_cancel(to_cancel);
}

struct endless {
    struct sdrt_team *team;
    int steps[MOST_WORKERS];
};

static void until_cancelled(void *arg, int worker, int workers)
{
    struct endless *e = arg;

    (void)workers;
    for (;; e->steps[worker]++) {
        const int stop = worker == 0 ? sdrt_team_cancelled(e->team) : 0;
        int part;
        /* All must leave at the same step, so the last share carries the decision. */
        while ((part = sdrt_team_next_share(e->team, worker, 4)) >= 0) continue;
        if (stop) e->steps[MOST_WORKERS - 1] = 1;
        sdrt_team_end_step(e->team, worker);
        const int leave = e->steps[MOST_WORKERS - 1];
        sdrt_team_barrier(e->team, worker);
        if (leave) return;
    }
}

Test(team, cancelled_by_a_signal, .timeout = 60)
{
    const struct itimerval soon = { { 0, 0 }, { 0, 20000 } };
    struct endless e = { .team = tteam_make(3) };

    to_cancel = e.team;
    cr_expect_eq(sdrt_team_cancelled(e.team), 0);
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &soon, NULL);
    sdrt_team_run(e.team, until_cancelled, &e);
    cr_expect_eq(sdrt_team_cancelled(e.team), 1);
    cr_expect(e.steps[0] == e.steps[1] && e.steps[1] == e.steps[2]);
    sdrt_team_rearm(e.team);
    cr_expect_eq(sdrt_team_cancelled(e.team), 0);
    sdrt_team_free(&e.team);
}

/* ---- pinning ---- */

struct seats {
    int count[MOST_WORKERS], cpu[MOST_WORKERS];
};

static void look_around(void *arg, int worker, int workers)
{
    struct seats *s = arg;
    cpu_set_t set;

    (void)workers;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return;
    s->count[worker] = CPU_COUNT(&set);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set)) s->cpu[worker] = cpu;
}

static struct sdrt_topology *this_machine(enum sdrt_pinning pinning)
{
    struct sdrt_topology *topology;

    cr_assert_eq(sdrt_topology_create(&topology, NULL, NULL), SDRT_OK);
    sdrt_topology_pinning(topology, pinning);
    return topology;
}

static void expect_unpinned(const cpu_set_t *before, const char *when)
{
    cpu_set_t now;

    cr_assert_eq(sched_getaffinity(0, sizeof now, &now), 0);
    cr_expect(CPU_EQUAL(before, &now), "the caller is pinned %s", when);
}

Test(team, pinned_as_the_topology_says_while_it_runs)
{
    struct sdrt_topology *topology = this_machine(SDRT_PIN_ALWAYS);
    struct sdrt_team *team;
    cpu_set_t before;

    cr_assert_eq(sched_getaffinity(0, sizeof before, &before), 0);
    for (int workers = 1; workers <= 3; workers++) {
        struct seats s = { { 0 }, { 0 } };
        cr_assert_eq(sdrt_team_create(&team, workers, topology, NULL), SDRT_OK);
        expect_unpinned(&before, "from the creation on");
        sdrt_team_run(team, look_around, &s);
        for (int w = 0; w < workers; w++) {
            cr_expect_eq(s.count[w], 1, "worker %d of %d may run on %d CPUs", w, workers, s.count[w]);
            cr_expect_eq(s.cpu[w], sdrt_topology_pu(topology, w));
        }
        expect_unpinned(&before, "after a run");
        sdrt_team_free(&team);
    }
    sdrt_topology_free(&topology);
}

/* Each restores what its caller had, so the order does not matter. */
Test(team, two_teams_end_in_any_order)
{
    struct sdrt_topology *topology = this_machine(SDRT_PIN_ALWAYS);
    struct sdrt_team *first, *second;
    struct seats s;
    cpu_set_t before;

    cr_assert_eq(sched_getaffinity(0, sizeof before, &before), 0);
    cr_assert_eq(sdrt_team_create(&first, 2, topology, NULL), SDRT_OK);
    cr_assert_eq(sdrt_team_create(&second, 2, topology, NULL), SDRT_OK);
    sdrt_team_run(first, look_around, &s);
    sdrt_team_run(second, look_around, &s);
    sdrt_team_free(&first);
    expect_unpinned(&before, "by a team that is gone");
    sdrt_team_free(&second);
    expect_unpinned(&before, "by two teams that are gone");
    sdrt_topology_free(&topology);
}

/* A team of one beside idle processors goes where the system puts it, so that two such do not take
 * the same one. */
Test(team, smaller_than_the_machine_is_free)
{
    struct sdrt_topology *topology = this_machine(SDRT_PIN_AUTO);
    struct sdrt_team *team;
    struct seats s = { { 0 }, { 0 } };
    cpu_set_t before;

    cr_assert_eq(sched_getaffinity(0, sizeof before, &before), 0);
    if (!sdrt_topology_pins(topology, 1)) {
        cr_assert_eq(sdrt_team_create(&team, 1, topology, NULL), SDRT_OK);
        sdrt_team_run(team, look_around, &s);
        cr_expect_eq(s.count[0], CPU_COUNT(&before));
        sdrt_team_free(&team);
    }
    sdrt_topology_free(&topology);
}

/* ---- other threads and processes ---- */

struct errand {
    struct sdrt_team *team;
    struct plain p;
    int free;
};

static void *on_another_thread(void *arg)
{
    struct errand *e = arg;

    sdrt_team_run(e->team, add_one, &e->p);
    if (e->free) sdrt_team_free(&e->team);
    return NULL;
}

Test(team, runs_and_ends_on_any_thread)
{
    struct sdrt_topology *topology = this_machine(SDRT_PIN_ALWAYS);
    struct errand e = { .free = 0 };
    pthread_t thread;
    cpu_set_t before;

    cr_assert_eq(sched_getaffinity(0, sizeof before, &before), 0);
    cr_assert_eq(sdrt_team_create(&e.team, 3, topology, NULL), SDRT_OK);
    for (int i = 0; i < 2; i++) {
        sdrt_team_run(e.team, add_one, &e.p);
        e.free = i;
        cr_assert_eq(pthread_create(&thread, NULL, on_another_thread, &e), 0);
        pthread_join(thread, NULL);
        expect_unpinned(&before, "by a run on another thread");
    }
    for (int w = 0; w < 3; w++) cr_expect_eq(e.p.sum[w], 4);
    cr_expect_null(e.team);
    sdrt_topology_free(&topology);
}

/* ThreadSanitizer starts no threads in a child of a process that had some. */
#ifndef __SANITIZE_THREAD__
static int child_works(struct sdrt_team *team, int workers)
{
    struct plain p = { { 0 } };
    int right = 1;

    for (int run = 0; run < 3; run++) sdrt_team_run(team, add_one, &p);
    for (int w = 0; w < workers; w++) right &= p.sum[w] == 3;
    sdrt_team_free(&team);
    return right;
}

Test(team, works_in_a_forked_child, .timeout = 20)
{
    if (getenv("SDRT_EMULATED")) cr_skip_test("qemu-user starts no threads in a forked child");
    struct sdrt_team *team = tteam_make(3);
    struct plain p = { { 0 } };
    int ended;

    sdrt_team_run(team, add_one, &p);
    const pid_t child = fork();
    if (child == 0) {
        alarm(10);
        _exit(child_works(team, 3) ? 0 : 1);
    }
    cr_assert(child > 0);
    sdrt_team_run(team, add_one, &p);
    cr_assert_eq(waitpid(child, &ended, 0), child);
    cr_expect(WIFEXITED(ended) && WEXITSTATUS(ended) == 0, "the child ended with %x", ended);
    sdrt_team_run(team, add_one, &p);
    for (int w = 0; w < 3; w++) cr_expect_eq(p.sum[w], 3);
    sdrt_team_free(&team);
}
#endif

/* On a machine that is not this one nobody is pinned, and the team works. */
Test(team, synthetic_topology)
{
    struct sdrt_topology *topology;
    struct sdrt_team *team;
    struct plain p = { { 0 } };

    cr_assert_eq(sdrt_topology_create(&topology, "node:2 core:2 pu:2", NULL), SDRT_OK);
    cr_assert_eq(sdrt_team_create(&team, 8, topology, NULL), SDRT_OK);
    sdrt_team_run(team, add_one, &p);
    for (int w = 0; w < 8; w++) cr_expect_eq(p.sum[w], 1);
    sdrt_team_free(&team);
    sdrt_topology_free(&topology);
}

/* A number that has changed before the sleep is nothing to sleep for. */
Test(team, nobody_sleeps_too_late, .timeout = 20)
{
    atomic_uint value = 1;

    sdrt_sleep_while(&value, 0);
    cr_expect_eq(value, 1);
}

/* ---- refusals ---- */

static int lines;

static void count_line(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user, (void)level, (void)text;
    lines++;
}

Test(team, refusals)
{
    const struct sdrt_log log = { count_line, NULL };
    struct sdrt_team *team = NULL;

    cr_expect_eq(sdrt_team_create(&team, 0, NULL, &log), SDRT_E_ARG);
    cr_expect_null(team);
    cr_expect_eq(sdrt_team_create(&team, -3, NULL, &log), SDRT_E_ARG);
    cr_expect_eq(sdrt_team_create(&team, SDRT_TEAM_MAX_WORKERS + 1, NULL, &log), SDRT_E_ARG);
    cr_expect_eq(lines, 3);
    sdrt_team_free(&team);
}
