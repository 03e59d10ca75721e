/* SPDX-License-Identifier: MIT */
#include "bench/kernel_race.h"
#include "bench/oracle/values.h"

#include <stdlib.h>
#include <string.h>

static double run_once(const struct sdrt_racer *r)
{
    if (r->before) r->before(r->watch);
    const double start = sdrt_now();
    r->run(r->arg);
    const double seconds = sdrt_now() - start;
    if (r->after) r->after(r->watch);
    return seconds;
}

void sdrt_race(struct sdrt_racer *racers, int n, double seconds)
{
    for (int round = 0; round < SDRT_RACE_ROUNDS; round++)
        for (int i = 0; i < n; i++) {
            struct sdrt_racer *r = &racers[(i + round) % n];
            const int most = r->times.n + SDRT_BENCH_SAMPLES / SDRT_RACE_ROUNDS;
            double spent = 0.0;
            run_once(r); /* into the caches */
            do {
                const double one = run_once(r);
                sdrt_bench_add(&r->times, one);
                spent += one;
            } while (spent < seconds / SDRT_RACE_ROUNDS && r->times.n < most);
        }
}

/* ---- watching ---- */

static void put(const struct sdrt_watch *w, int set)
{
    size_t bytes;

    memcpy(w->job->x, w->x[set], w->x_bytes);
    memset(sdrt_job_result(w->job, &bytes), 0xff, w->y_bytes);
    sdrt_job_prepare(w->job);
}

int sdrt_watch_create(struct sdrt_watch *w, struct sdrt_job *job, const float *const x[2],
                      size_t x_bytes, uint64_t seed)
{
    *w = (struct sdrt_watch){ .job = job, .x = { x[0], x[1] }, .x_bytes = x_bytes, .chance = seed };
    const void *result = sdrt_job_result(job, &w->y_bytes);
    for (int i = 0; i < 2; i++) {
        w->y[i] = malloc(w->y_bytes);
        if (!w->y[i]) return 0;
        put(w, i);
        sdrt_job_run(job);
        memcpy(w->y[i], result, w->y_bytes);
    }
    return 1;
}

void sdrt_watch_free(struct sdrt_watch *w)
{
    free(w->y[0]);
    free(w->y[1]);
    w->y[0] = w->y[1] = NULL;
}

void sdrt_watch_before(void *watch)
{
    struct sdrt_watch *w = watch;

    w->set = trand_int(&w->chance, 2);
    put(w, w->set);
}

void sdrt_watch_after(void *watch)
{
    struct sdrt_watch *w = watch;
    size_t bytes;

    w->wrong += memcmp(sdrt_job_result(w->job, &bytes), w->y[w->set], w->y_bytes) != 0;
}

double sdrt_watch_distance(const struct sdrt_watch *a, const struct sdrt_watch *b)
{
    double worst = 0.0;

    for (int set = 0; set < 2; set++) {
        const double distance = sdrt_result_distance(a->job, a->y[set], b->y[set]);
        if (!(distance <= worst)) worst = distance; /* NaN too */
    }
    return worst;
}
