/* SPDX-License-Identifier: MIT
 *
 * How a team deals out the shares of a step, to alike cores and unlike ones.
 */
#include "tests/machines.h"
#include "tests/teams.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- every share once ---- */

struct shares {
    struct sdrt_team *team;
    atomic_int taken[STEPS][MOST_PARTS];
    int plain[MOST_PARTS]; /* not atomic: what a step wrote, the next one reads */
    atomic_int wrong;
    int slow; /* this worker dawdles; -1: none */
};

static int parts_of(int step) { return step * 7 % (MOST_PARTS + 1); }

static void take_shares(void *arg, int worker, int workers)
{
    struct shares *s = arg;

    (void)workers;
    for (int step = 0; step < STEPS; step++) {
        int part;
        while ((part = sdrt_team_next_share(s->team, worker, parts_of(step))) >= 0) {
            if (part >= parts_of(step)) {
                s->wrong = 1;
                continue;
            }
            atomic_fetch_add_explicit(&s->taken[step][part], 1, memory_order_relaxed);
            s->plain[part]++;
            if (worker == s->slow && step < 40) tdawdle();
        }
        sdrt_team_end_step(s->team, worker);
    }
}

static void check_shares(struct shares *s, const char *what, int workers)
{
    int expected[MOST_PARTS] = { 0 };

    cr_expect_eq(s->wrong, 0, "%s, %d workers: a share past the last one", what, workers);
    for (int step = 0; step < STEPS; step++)
        for (int part = 0; part < MOST_PARTS; part++) {
            const int times = part < parts_of(step);
            expected[part] += times;
            cr_assert_eq(s->taken[step][part], times, "%s, %d workers, step %d, share %d: %d times",
                         what, workers, step, part, s->taken[step][part]);
        }
    for (int part = 0; part < MOST_PARTS; part++)
        cr_assert_eq(s->plain[part], expected[part], "%s, %d workers, share %d: lost writes", what,
                     workers, part);
}

Test(team, every_share_once)
{
    struct shares *s = malloc(sizeof *s);

    cr_assert_not_null(s);
    for (int workers = 1; workers <= MOST_WORKERS; workers++) {
        memset(s, 0, sizeof *s);
        s->slow = -1;
        s->team = tteam_make(workers);
        sdrt_team_run(s->team, take_shares, s);
        check_shares(s, "even", workers);
        sdrt_team_free(&s->team);
        cr_expect_null(s->team);
    }
    free(s);
}

/* One worker is slow: the others do its shares, and none is lost or done twice. */
Test(team, help_for_a_slow_worker)
{
    struct shares *s = malloc(sizeof *s);

    cr_assert_not_null(s);
    for (int slow = 0; slow < 3; slow++) {
        memset(s, 0, sizeof *s);
        s->slow = slow;
        s->team = tteam_make(3);
        sdrt_team_run(s->team, take_shares, s);
        check_shares(s, "slow", 3);
        sdrt_team_free(&s->team);
    }
    free(s);
}

struct help {
    struct sdrt_team *team;
    atomic_int done_by[2];
    atomic_int blocked;
};

static void block_worker_1(void *arg, int worker, int workers)
{
    struct help *h = arg;
    int part;

    (void)workers;
    if (worker == 0)
        while (!atomic_load(&h->blocked)) sched_yield();
    while ((part = sdrt_team_next_share(h->team, worker, 100)) >= 0) {
        h->done_by[worker]++;
        if (worker == 0) continue;
        atomic_store(&h->blocked, 1);
        while (atomic_load(&h->done_by[0]) < 99) sched_yield();
    }
    sdrt_team_end_step(h->team, worker);
}

/* A worker that hangs in its first share keeps that one alone; only helping ends this test. */
Test(team, all_but_the_share_in_work_can_be_taken, .timeout = 60)
{
    struct help h = { .team = tteam_make(2) };

    sdrt_team_run(h.team, block_worker_1, &h);
    cr_expect_eq(h.done_by[0], 99);
    cr_expect_eq(h.done_by[1], 1);
    sdrt_team_free(&h.team);
}

static void forget_the_end(void *arg, int worker, int workers)
{
    struct help *h = arg;

    (void)workers;
    while (sdrt_team_next_share(h->team, worker, 10) >= 0) h->done_by[0]++;
}

/* The end of a run ends its last step. */
Test(team, runs_start_afresh)
{
    struct help h = { .team = tteam_make(2) };

    for (int run = 1; run <= 50; run++) {
        sdrt_team_run(h.team, forget_the_end, &h);
        cr_assert_eq(h.done_by[0], 10 * run);
    }
    sdrt_team_free(&h.team);
}

/* ---- unlike cores ---- */

/* Workers take shares in turns, at a barrier each: in one turn a worker takes as many as its core is
 * fast, so that all are at the end of their stretches in the same turn and nobody helps. */
enum { TURN_STEPS = 3, MOST_TURNS = 64 };
struct turns {
    struct sdrt_team *team;
    const int *each; /* how many a worker takes in one turn */
    int nparts, turns;
    int of[TURN_STEPS][MOST_PARTS]; /* who took a share, from 1 on */
    int left[MOST_WORKERS];         /* shares that a worker got after the last turn */
};

static void take_turns(void *arg, int worker, int workers)
{
    struct turns *t = arg;

    (void)workers;
    for (int step = 0; step < TURN_STEPS; step++) {
        for (int turn = 0; turn < t->turns; turn++) {
            for (int i = 0; i < t->each[worker]; i++) {
                const int part = sdrt_team_next_share(t->team, worker, t->nparts);
                if (part >= 0 && part < t->nparts) t->of[step][part] = worker + 1;
            }
            sdrt_team_barrier(t->team, worker);
        }
        while (sdrt_team_next_share(t->team, worker, t->nparts) >= 0) t->left[worker]++;
        sdrt_team_end_step(t->team, worker);
    }
}

/* Each worker's stretch lies behind the last one's, turns times each[worker] long. */
static void expect_turns(const struct sdrt_topology *topology, const int *each, int workers,
                         int turns)
{
    struct turns t = { .each = each, .turns = turns };

    for (int w = 0; w < workers; w++) t.nparts += turns * each[w];
    cr_assert(t.nparts <= MOST_PARTS && turns <= MOST_TURNS);
    cr_assert_eq(sdrt_team_create(&t.team, workers, topology, NULL), SDRT_OK);
    sdrt_team_run(t.team, take_turns, &t);
    for (int step = 0; step < TURN_STEPS; step++)
        for (int w = 0, part = 0; w < workers; w++) {
            cr_expect_eq(t.left[w], 0, "%d shares too many for worker %d", t.left[w], w);
            for (const int end = part + turns * each[w]; part < end; part++)
                cr_expect_eq(t.of[step][part], w + 1, "step %d: share %d went to worker %d, not %d",
                             step, part, t.of[step][part] - 1, w);
        }
    sdrt_team_free(&t.team);
}

Test(team, stretches_are_as_long_as_cores_are_fast, .timeout = 60)
{
    static const int by_speed[] = { 2, 2, 2, 2, 1, 1 }, even[] = { 1, 1, 1, 1, 1, 1 };
    struct sdrt_topology *topology;
    char *xml = tmachine_four_two();

    cr_assert_eq(sdrt_topology_create(&topology, xml, NULL), SDRT_OK);
    for (int turns = 1; turns <= 9; turns++) {
        expect_turns(topology, by_speed, 6, turns);
        expect_turns(topology, even, 4, turns);
    }
    /* Held nowhere, a worker is on no core in particular. */
    expect_turns(topology, even, 3, 9);
    sdrt_topology_pinning(topology, SDRT_PIN_NEVER);
    expect_turns(topology, even, 6, 9);
    sdrt_topology_free(&topology);
    free(xml);
}

/* Of alike workers the cut is the plain one, on any machine: worker w of n begins at nparts w / n. */
struct first_shares {
    struct sdrt_team *team;
    int part[MOST_WORKERS], nparts;
};

static void take_first(void *arg, int worker, int workers)
{
    struct first_shares *f = arg;

    (void)workers;
    f->part[worker] = sdrt_team_next_share(f->team, worker, f->nparts);
    sdrt_team_barrier(f->team, worker);
    while (sdrt_team_next_share(f->team, worker, f->nparts) >= 0) continue;
}

Test(team, alike_workers_begin_where_they_always_did, .timeout = 60)
{
    static const char *const machines[] = { NULL, "core:8 pu:1", "node:2 core:2 pu:2" };

    for (size_t m = 0; m < sizeof machines / sizeof *machines; m++) {
        struct sdrt_topology *topology = NULL;
        if (machines[m]) cr_assert_eq(sdrt_topology_create(&topology, machines[m], NULL), SDRT_OK);
        for (int workers = 1; workers <= MOST_WORKERS; workers++) {
            struct first_shares f;
            cr_assert_eq(sdrt_team_create(&f.team, workers, topology, NULL), SDRT_OK);
            for (f.nparts = workers; f.nparts < MOST_PARTS; f.nparts += 3) {
                sdrt_team_run(f.team, take_first, &f);
                for (int w = 0; w < workers; w++) cr_assert_eq(f.part[w], f.nparts * w / workers);
            }
            sdrt_team_free(&f.team);
        }
        sdrt_topology_free(&topology);
    }
}

/* Shares that are many or few for unlike workers are each done once. */
Test(team, every_share_once_by_unlike_workers)
{
    struct shares *s = malloc(sizeof *s);
    struct sdrt_topology *topology;
    char *xml = tmachine_four_two();

    cr_assert_not_null(s);
    cr_assert_eq(sdrt_topology_create(&topology, xml, NULL), SDRT_OK);
    for (int workers = 1; workers <= MOST_WORKERS; workers++) {
        memset(s, 0, sizeof *s);
        s->slow = workers - 1;
        cr_assert_eq(sdrt_team_create(&s->team, workers, topology, NULL), SDRT_OK);
        sdrt_team_run(s->team, take_shares, s);
        check_shares(s, "unlike", workers);
        sdrt_team_free(&s->team);
    }
    sdrt_topology_free(&topology);
    free(xml);
    free(s);
}
