/* SPDX-License-Identifier: MIT
 *
 * Ranks that are threads: collective calls, tasks that are dealt out, who is lost, and cores.
 */
#include "runtime/ranks/cores.h"
#include "runtime/ranks/deal.h"
#include "tests/ranks_threads.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static void nap(int ms)
{
    const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

    nanosleep(&t, NULL);
}

static atomic_int wrong;

/* ---- collective calls ---- */

static void collect(struct sdrt_ranks *r, void *arg)
{
    uint64_t word = r->rank ? 0 : 4711;
    int each[THREAD_RANKS_MOST] = { 0 };
    unsigned char parts[64];
    size_t at[THREAD_RANKS_MOST], bytes[THREAD_RANKS_MOST], total = 0;

    (void)arg;
    wrong += sdrt_ranks_broadcast(r, &word, sizeof word) != SDRT_OK || word != 4711;
    each[r->rank] = 100 + r->rank;
    wrong += sdrt_ranks_gather(r, each, sizeof *each) != SDRT_OK;
    for (int i = 0; i < r->size; i++) wrong += each[i] != 100 + i;
    memset(parts, 0, sizeof parts);
    for (int i = 0; i < r->size; i++) { /* rank 1 has nothing */
        at[i] = total;
        bytes[i] = i == 1 ? 0 : (size_t)i + 2;
        total += bytes[i];
    }
    memset(parts + at[r->rank], r->rank + 1, bytes[r->rank]);
    wrong += sdrt_ranks_gather_parts(r, parts, at, bytes) != SDRT_OK;
    for (int i = 0; i < r->size; i++)
        for (size_t k = 0; k < bytes[i]; k++) wrong += parts[at[i] + k] != i + 1;
    wrong += sdrt_ranks_barrier(r) != SDRT_OK;
    /* What crossed is counted, on both sides alike. */
    if (r->size == 2) wrong += r->bytes_in != (r->rank ? 8 + 4 + 2 + 1 : 4 + 0 + 1);
    if (r->size == 2) wrong += r->bytes_out != (r->rank ? 4 + 0 + 1 : 8 + 4 + 2 + 1);
}

Test(ranks, collective_calls)
{
    for (int size = 1; size <= THREAD_RANKS_MOST; size++) {
        wrong = 0;
        thread_ranks_run(size, 10.0, collect, NULL);
        cr_expect_eq(wrong, 0, "%d ranks: %d wrong", size, wrong);
    }
}

static void one_is_silent(struct sdrt_ranks *r, void *arg)
{
    (void)arg;
    if (r->rank == 1) return;
    wrong += sdrt_ranks_barrier(r) != SDRT_E_IO || !strstr(r->fault, "rank 1");
    wrong += sdrt_ranks_barrier(r) != SDRT_E_IO; /* at once from now on */
}

Test(ranks, silence_is_told_in_time)
{
    const time_t begin = time(NULL);

    wrong = 0;
    thread_ranks_run(3, 0.2, one_is_silent, NULL);
    cr_expect_eq(wrong, 0);
    cr_expect_lt(time(NULL) - begin, 5);
}

/* ---- tasks ---- */

enum { TASKS = 40 };

struct dealing {
    atomic_int times[TASKS]; /* that each was done */
    atomic_int by[THREAD_RANKS_MOST];
    int missing; /* as rank 0 says */
    int status[THREAD_RANKS_MOST];
    int fails, stalls; /* the rank that does; -1: none */
};

static void draw(struct sdrt_ranks *r, void *arg)
{
    struct dealing *d = arg;
    enum sdrt_dealt before = SDRT_DEALT_NONE;
    struct sdrt_deal *deal;
    unsigned char done[TASKS];
    int task;

    wrong += sdrt_deal_open(&deal, r, TASKS, NULL, NULL) != SDRT_OK;
    while ((task = sdrt_deal_next(deal, before)) >= 0) {
        if (r->rank == d->fails && d->by[r->rank] == 1) {
            before = SDRT_DEALT_FAILED;
            continue;
        }
        nap(r->rank == 1 ? 40 : 4);
        d->times[task]++;
        d->by[r->rank]++;
        before = SDRT_DEALT_DONE;
    }
    d->status[r->rank] = sdrt_deal_close(&deal, done);
    for (int i = 0; i < TASKS && r->rank == 0; i++) d->missing += !done[i];
}

Test(deal, each_task_once_and_more_to_the_faster)
{
    struct dealing d = { .fails = -1 };

    wrong = 0;
    thread_ranks_run(3, 10.0, draw, &d);
    cr_expect_eq(wrong, 0);
    cr_expect_eq(d.missing, 0);
    for (int i = 0; i < TASKS; i++) cr_expect_eq(d.times[i], 1, "task %d: %d", i, d.times[i]);
    cr_expect_lt(d.by[1] * 2, d.by[2], "%d and %d", d.by[1], d.by[2]);
    cr_expect_gt(d.by[1], 0);
}

Test(deal, what_fails_is_done_by_others)
{
    for (int who = 0; who < 3; who++) {
        struct dealing d = { .fails = who };
        wrong = 0;
        thread_ranks_run(3, 10.0, draw, &d);
        cr_expect_eq(wrong, 0);
        cr_expect_eq(d.missing, 0);
        cr_expect_eq(d.by[who], 1);
        for (int i = 0; i < TASKS; i++) cr_expect_eq(d.times[i], 1, "task %d: %d", i, d.times[i]);
        for (int i = 0; i < 3; i++) cr_expect_eq(d.status[i], SDRT_OK);
    }
}

Test(deal, all_fail)
{
    struct dealing d = { .fails = 0 };

    wrong = 0;
    thread_ranks_run(1, 10.0, draw, &d);
    cr_expect_eq(d.missing, TASKS - 1);
}

/* ---- who is lost ---- */

/* Rank d->stalls asks for a task and is then not heard of. */
static void draw_but_one(struct sdrt_ranks *r, void *arg)
{
    struct dealing *d = arg;
    const struct {
        int kind, task, before;
    } ask = { 0, -1, SDRT_DEALT_NONE };

    if (r->rank != d->stalls) draw(r, arg);
    else if (r->rank) r->calls->post(r, 0, 16, &ask, sizeof ask);
}

Test(deal, a_lost_rank_loses_nothing)
{
    struct dealing d = { .fails = -1, .stalls = 2 };

    wrong = 0;
    thread_ranks_run(3, 0.3, draw_but_one, &d);
    cr_expect_eq(d.missing, 0);
    for (int i = 0; i < TASKS; i++) cr_expect_eq(d.times[i], 1, "task %d: %d", i, d.times[i]);
    cr_expect_eq(d.status[0], SDRT_E_IO);
    cr_expect_eq(d.status[1], SDRT_OK, "rank 0 tells");
}

Test(deal, without_rank_0_all_end)
{
    struct dealing d = { .fails = -1, .stalls = 0 };
    const time_t begin = time(NULL);

    wrong = 0;
    thread_ranks_run(3, 0.3, draw_but_one, &d);
    cr_expect_eq(d.status[1], SDRT_E_IO);
    cr_expect_eq(d.status[2], SDRT_E_IO);
    cr_expect_lt(time(NULL) - begin, 10);
}

/* ---- cores ---- */

Test(cores, who_shares_them)
{
    /* Ranks 0 to 2 on one machine, of which 0 and 2 may run everywhere on it; 3 is elsewhere. */
    static const unsigned long masks[][2] = { { 15, 1 }, { 3, 0 }, { 15, 1 }, { 15, 1 } };
    static const int nodes[] = { 0, 0, 0, 3 };
    struct sdrt_core_users u = sdrt_core_users(masks[0], 2, nodes, 4, 2);

    cr_expect_eq(u.same, 2);
    cr_expect_eq(u.before, 1);
    cr_expect(u.overlap);
    u = sdrt_core_users(masks[0], 2, nodes, 4, 3);
    cr_expect_eq(u.same, 1);
    cr_expect_not(u.overlap);
}
