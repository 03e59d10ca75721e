/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_setaffinity */
#endif
#include "runtime/machine/topology.h"
#include "tests/machines.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct sdrt_topology *make(const char *synthetic)
{
    struct sdrt_topology *t;

    cr_assert_eq(sdrt_topology_create(&t, synthetic, NULL), SDRT_OK, "%s",
                 synthetic ? synthetic : "this machine");
    return t;
}

struct seat {
    int pu, core, node;
};

static void expect_seats(const struct sdrt_topology *t, const struct seat *seats, int n)
{
    for (int w = 0; w < n; w++)
        cr_expect(sdrt_topology_pu(t, w) == seats[w].pu && sdrt_topology_core(t, w) == seats[w].core &&
                  sdrt_topology_node(t, w) == seats[w].node,
                  "worker %d: PU %d core %d node %d, expected %d %d %d", w, sdrt_topology_pu(t, w),
                  sdrt_topology_core(t, w), sdrt_topology_node(t, w), seats[w].pu, seats[w].core,
                  seats[w].node);
}

/* Each core once, node by node, before any second thread; then it starts again. */
Test(topology, two_sockets_with_hyperthreads)
{
    static const struct seat seats[] = {
        { 0, 0, 0 }, { 2, 1, 0 }, { 4, 2, 0 }, { 6, 3, 0 },
        { 8, 4, 1 }, { 10, 5, 1 }, { 12, 6, 1 }, { 14, 7, 1 },
        { 1, 0, 0 }, { 3, 1, 0 }, { 5, 2, 0 }, { 7, 3, 0 },
        { 9, 4, 1 }, { 11, 5, 1 }, { 13, 6, 1 }, { 15, 7, 1 },
        { 0, 0, 0 }, { 2, 1, 0 },
    };
    struct sdrt_topology *t = make("node:2 core:4 pu:2");

    cr_expect_eq(sdrt_topology_cores(t), 8);
    cr_expect_eq(sdrt_topology_pus(t), 16);
    cr_expect_eq(sdrt_topology_nodes(t), 2);
    expect_seats(t, seats, sizeof seats / sizeof seats[0]);
    sdrt_topology_free(&t);
    cr_expect_null(t);
    sdrt_topology_free(&t);
}

/* The way Linux numbers hyperthreads: PU n and n + cores share a core. */
Test(topology, system_numbers_of_the_second_threads)
{
    static const struct seat seats[] = {
        { 0, 0, 0 }, { 1, 1, 0 }, { 2, 2, 1 }, { 3, 3, 1 },
        { 4, 0, 0 }, { 5, 1, 0 }, { 6, 2, 1 }, { 7, 3, 1 },
    };
    struct sdrt_topology *t = make("package:2 [numa(indexes=0,1)] core:2 pu:2(indexes=0,4,1,5,2,6,3,7)");

    expect_seats(t, seats, sizeof seats / sizeof seats[0]);
    cr_expect_eq(sdrt_topology_nodes(t), 2);
    sdrt_topology_free(&t);
}

Test(topology, one_core)
{
    static const struct seat seats[] = { { 0, 0, 0 }, { 1, 0, 0 }, { 0, 0, 0 } };
    struct sdrt_topology *t = make("core:1 pu:2");

    cr_expect_eq(sdrt_topology_cores(t), 1);
    cr_expect_eq(sdrt_topology_pus(t), 2);
    cr_expect_eq(sdrt_topology_nodes(t), 1);
    expect_seats(t, seats, 3);
    sdrt_topology_free(&t);
}

Test(topology, caches_and_text)
{
    struct sdrt_topology *t = make("package:1 [numa(memory=8589934592)] l3:1(size=33554432) "
                                   "l2:4(size=2097152) l1d:1(size=49152) core:1 pu:1");

    cr_expect_eq(sdrt_topology_cache(t, 1), (size_t)48 << 10);
    cr_expect_eq(sdrt_topology_cache(t, 2), (size_t)2 << 20);
    cr_expect_eq(sdrt_topology_cache(t, 3), (size_t)32 << 20);
    cr_expect_eq(sdrt_topology_cache(t, 0), 0);
    cr_expect_eq(sdrt_topology_cache(t, 4), 0);
    cr_expect_str_eq(sdrt_topology_text(t), "unknown CPU; 4 cores, 4 threads, 1 NUMA node; "
                                            "L1d 48 KiB, L2 2 MiB, L3 32 MiB; memory 8.0 GiB");
    sdrt_topology_free(&t);
}

Test(topology, no_cache_known)
{
    struct sdrt_topology *t = make("core:2 pu:1");

    for (int level = 1; level <= 3; level++) cr_expect_eq(sdrt_topology_cache(t, level), 0);
    cr_expect_not_null(strstr(sdrt_topology_text(t), "L3 none"));
    sdrt_topology_free(&t);
}

/* As on a Raspberry Pi whose device tree has no caches. */
Test(topology, no_cache_told_by_this_machine)
{
    cr_assert_eq(setenv("HWLOC_THISSYSTEM", "1", 1), 0);
    struct sdrt_topology *t = make("core:2 pu:1");

    cr_expect_eq(sdrt_topology_cache(t, 1), (size_t)64 << 10);
    cr_expect_eq(sdrt_topology_cache(t, 2), (size_t)512 << 10);
    cr_expect_eq(sdrt_topology_cache(t, 3), 0);
    sdrt_topology_free(&t);
}

/* ---- kinds of cores ---- */

static struct sdrt_topology *make_unlike(const char *words, const struct tmachine_kind *kinds, int n)
{
    char *xml = tmachine_xml(words, kinds, n, 0, 0, 0);
    struct sdrt_topology *t = make(xml);

    free(xml);
    return t;
}

static void expect_weights(const struct sdrt_topology *t, int workers, const int *weights)
{
    for (int w = 0; w < workers; w++)
        cr_expect_eq(sdrt_topology_weight(t, w, workers), weights[w],
                     "worker %d of %d: weight %d, expected %d", w, workers,
                     sdrt_topology_weight(t, w, workers), weights[w]);
}

static void expect_in_text(const struct sdrt_topology *t, const char *words)
{
    cr_expect_not_null(strstr(sdrt_topology_text(t), words), "%s: expected \"%s\"",
                       sdrt_topology_text(t), words);
}

/* As in a Snapdragon 8 Gen 3, whose little cores come first and are no help. */
Test(topology, little_cores_come_last_and_get_no_worker)
{
    static const struct tmachine_kind kinds[] = {
        { .first = 0, .last = 1, .capacity = 290, .order = -1 },
        { .first = 2, .last = 6, .capacity = 750, .mhz = 3200, .order = -1 },
        { .first = 7, .last = 7, .capacity = 1024, .mhz = 3300, .order = -1 },
    };
    static const struct seat seats[] = {
        { 7, 0, 0 }, { 2, 1, 0 }, { 3, 2, 0 }, { 4, 3, 0 }, { 5, 4, 0 }, { 6, 5, 0 },
        { 0, 6, 0 }, { 1, 7, 0 }, { 7, 0, 0 },
    };
    static const int weights[] = { 1000, 732, 732, 732, 732, 732, 283, 283 };
    static const int free_to_go[] = { 1000, 1000, 1000, 1000, 1000 };
    struct sdrt_topology *t = make_unlike("core:8 pu:1", kinds, 3);

    cr_expect_eq(sdrt_topology_cores(t), 6);
    expect_seats(t, seats, 9);
    expect_weights(t, 6, weights);
    expect_weights(t, 8, weights);
    /* Too few to be held, or never: nobody knows where they are. */
    expect_weights(t, 5, free_to_go);
    sdrt_topology_pinning(t, SDRT_PIN_ALWAYS);
    expect_weights(t, 5, weights);
    sdrt_topology_pinning(t, SDRT_PIN_NEVER);
    cr_expect_eq(sdrt_topology_weight(t, 6, 8), 1000);
    expect_in_text(t, "8 cores, 8 threads, 1 NUMA node; "
                      "1 core of weight 1.00, 5 of 0.73, 2 of 0.28; L1d");
    sdrt_topology_free(&t);
}

/* The border: 0.35 of the best. */
Test(topology, cores_that_are_just_worth_a_worker)
{
    struct tmachine_kind kinds[] = {
        { .first = 0, .last = 1, .capacity = 1000, .order = -1 },
        { .first = 2, .last = 3, .capacity = 350, .order = -1 },
    };
    struct sdrt_topology *t = make_unlike("core:4 pu:1", kinds, 2);

    cr_expect_eq(sdrt_topology_cores(t), 4);
    sdrt_topology_free(&t);
    kinds[1].capacity = 349;
    t = make_unlike("core:4 pu:1", kinds, 2);
    cr_expect_eq(sdrt_topology_cores(t), 2);
    sdrt_topology_free(&t);
}

/* As in a Core i5-1240P: Linux gives all the same capacity, the efficient cores have one thread, and
 * a second thread on a core takes half of it. */
Test(topology, hybrid_of_x86)
{
    static const struct tmachine_kind kinds[] = {
        { .first = 0, .last = 7, .capacity = 1024, .mhz = 5000, .order = 0 },
        { .first = 8, .last = 15, .capacity = 1024, .mhz = 3800, .order = 0 },
    };
    static const struct seat seats[] = {
        { 0, 0, 0 }, { 2, 1, 0 }, { 4, 2, 0 }, { 6, 3, 0 }, { 8, 4, 0 }, { 10, 5, 0 },
        { 12, 6, 0 }, { 14, 7, 0 }, { 1, 0, 0 }, { 3, 1, 0 }, { 5, 2, 0 }, { 7, 3, 0 },
    };
    static const int cores[] = { 1000, 1000, 1000, 1000, 760, 760, 760, 760 };
    static const int threads[] = { 500, 500, 500, 500, 760, 760, 760, 760, 500, 500, 500, 500 };
    char *xml = tmachine_xml("core:8 pu:2", kinds, 2, 9, 15, 2);
    struct sdrt_topology *t = make(xml);

    free(xml);
    cr_expect_eq(sdrt_topology_cores(t), 8);
    cr_expect_eq(sdrt_topology_pus(t), 12);
    expect_seats(t, seats, 12);
    expect_weights(t, 8, cores);
    expect_weights(t, 12, threads);
    expect_in_text(t, "4 cores of weight 1.00, 4 of 0.76");
    sdrt_topology_free(&t);
}

/* As macOS tells them: 4 efficiency cores below 4 of performance. */
Test(topology, kinds_that_are_only_ordered)
{
    static const struct tmachine_kind kinds[] = {
        { .first = 0, .last = 3, .order = 0 },
        { .first = 4, .last = 7, .order = 1 },
    };
    static const int weights[] = { 1000, 1000, 1000, 1000, 300, 300, 300, 300 };
    struct sdrt_topology *t = make_unlike("core:8 pu:1", kinds, 2);

    cr_expect_eq(sdrt_topology_cores(t), 4);
    cr_expect_eq(sdrt_topology_pu(t, 0), 4);
    expect_weights(t, 8, weights);
    sdrt_topology_free(&t);
}

/* All is as on a machine of one kind. */
static void expect_alike(const char *what, const struct tmachine_kind *kinds, int n)
{
    static const struct seat seats[] = { { 0, 0, 0 }, { 2, 1, 0 }, { 4, 2, 1 }, { 6, 3, 1 },
                                         { 1, 0, 0 }, { 3, 1, 0 }, { 5, 2, 1 }, { 7, 3, 1 } };
    static const int weights[] = { 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000 };
    struct sdrt_topology *t = make_unlike("node:2 core:2 pu:2", kinds, n);

    expect_seats(t, seats, 8);
    for (int workers = 1; workers <= 8; workers++) expect_weights(t, workers, weights);
    cr_expect_eq(sdrt_topology_cores(t), 4, "%s", what);
    cr_expect_null(strstr(sdrt_topology_text(t), "weight"), "%s: %s", what, sdrt_topology_text(t));
    sdrt_topology_free(&t);
}

Test(topology, kinds_that_make_no_difference)
{
    static const struct tmachine_kind one[] = { { .first = 0, .last = 7, .mhz = 3000, .order = -1 } };
    static const struct tmachine_kind near[] = {
        { .first = 0, .last = 3, .mhz = 4600, .order = -1 },
        { .first = 4, .last = 5, .mhz = 5000, .order = -1 },
        { .first = 6, .last = 7, .mhz = 4501, .order = -1 },
    };
    static const struct tmachine_kind partly[] = {
        { .first = 0, .last = 3, .mhz = 3000, .order = -1 },
        { .first = 4, .last = 5, .mhz = 2000, .order = -1 },
    };
    static const struct tmachine_kind untold[] = {
        { .first = 0, .last = 3, .mhz = 3000, .order = -1 },
        { .first = 4, .last = 7, .order = -1 },
    };

    expect_alike("no kind", NULL, 0);
    expect_alike("one kind", one, 1);
    expect_alike("kinds less than a tenth apart", near, 3);
    expect_alike("cores of no kind", partly, 2);
    expect_alike("a kind of which nothing is told", untold, 2);
}

/* A tenth apart, they are two; and the third joins the second, not the first. */
Test(topology, kinds_that_are_near)
{
    static const struct tmachine_kind kinds[] = {
        { .first = 0, .last = 0, .mhz = 4500, .order = -1 },
        { .first = 1, .last = 1, .mhz = 5000, .order = -1 },
        { .first = 2, .last = 2, .mhz = 4300, .order = -1 },
    };
    static const int weights[] = { 1000, 900, 900 };
    struct sdrt_topology *t = make_unlike("core:3 pu:1", kinds, 3);

    expect_weights(t, 3, weights);
    cr_expect_eq(sdrt_topology_pu(t, 1), 0);
    cr_expect_eq(sdrt_topology_pu(t, 2), 2);
    sdrt_topology_free(&t);
}

/* ---- where memory is put ---- */

enum { PLENTY = 64 << 20 };

static void expect_spread(const char *machine, int workers, size_t bytes, const int *want, int n)
{
    struct sdrt_topology *t = make(machine);
    int nodes[8];
    const int got = sdrt_topology_spread(t, workers, bytes, nodes, 8);

    cr_expect_eq(got, n, "%s, %d workers, %zu bytes: %d nodes", machine, workers, bytes, got);
    for (int i = 0; i < n && i < got; i++)
        cr_expect_eq(nodes[i], want[i], "%s, %d workers: node %d", machine, workers, nodes[i]);
    sdrt_topology_free(&t);
}

Test(topology, one_node_is_left_to_the_first_touch)
{
    expect_spread("node:1 core:4 pu:2", 8, PLENTY, NULL, 0);
    expect_spread("core:2 pu:1", 2, PLENTY, NULL, 0);
    /* Two, but all workers on the first. */
    expect_spread("node:2 core:4 pu:2", 1, PLENTY, NULL, 0);
    expect_spread("node:2 core:4 pu:2", 4, PLENTY, NULL, 0);
}

Test(topology, memory_goes_to_the_nodes_that_have_workers)
{
    static const int all[] = { 0, 1, 2, 3 }, turned[] = { 1, 0 }, far[] = { 4, 2 };

    expect_spread("node:2 core:4 pu:2", 5, PLENTY, all, 2);
    expect_spread("node:2 core:4 pu:2", 16, PLENTY, all, 2);
    expect_spread("node:2 core:4 pu:2", 1000, PLENTY, all, 2);
    expect_spread("node:4 core:2 pu:1", 5, PLENTY, all, 3);
    expect_spread("node:4 core:2 pu:1", 8, PLENTY, all, 4);
    /* Nodes within a package, each with an L3 (sub-NUMA clusters). */
    expect_spread("package:2 node:2 l3:1 core:2 pu:2", 8, PLENTY, all, 4);
    expect_spread("package:2 [numa(indexes=1,0)] core:2 pu:1", 4, PLENTY, turned, 2);
    expect_spread("package:2 [numa(indexes=4,2)] core:2 pu:1", 4, PLENTY, far, 2);
}

Test(topology, little_memory_is_not_spread)
{
    static const int all[] = { 0, 1, 2 };
    const size_t huge_page = (size_t)2 << 20;

    expect_spread("node:2 core:2 pu:1", 4, 2 * huge_page, all, 2);
    expect_spread("node:2 core:2 pu:1", 4, 2 * huge_page - 1, NULL, 0);
    expect_spread("node:3 core:2 pu:1", 6, 3 * huge_page, all, 3);
    expect_spread("node:3 core:2 pu:1", 6, 3 * huge_page - 1, NULL, 0);
    expect_spread("node:3 core:2 pu:1", 6, 0, NULL, 0);
}

Test(topology, nodes_that_find_no_room_are_left_out)
{
    struct sdrt_topology *t = make("node:4 core:1 pu:1");
    int nodes[3] = { -1, -1, -1 };

    cr_expect_eq(sdrt_topology_spread(t, 4, PLENTY, nodes, 2), 2);
    cr_expect(nodes[0] == 0 && nodes[1] == 1 && nodes[2] == -1);
    sdrt_topology_free(&t);
}

Test(topology, another_machines_memory_is_not_touched)
{
    static const int nodes[] = { 0, 1 };
    struct sdrt_topology *t = make("node:2 core:2 pu:1");

    cr_expect_eq(sdrt_topology_place(t, nodes, 2, NULL, PLENTY), SDRT_OK);
    sdrt_topology_free(&t);
}

/* What the kernel says of the mapping at p, where it says anything: numa(7). */
static void expect_interleaved(const void *p)
{
    char line[512], address[32];
    int seen = 0, interleaved = 0;
    FILE *f = fopen("/proc/self/numa_maps", "r");

    if (!f) return;
    snprintf(address, sizeof address, "%lx ", (unsigned long)(uintptr_t)p);
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, address, strlen(address))) continue;
        seen = 1;
        interleaved = strstr(line, " interleave") != NULL;
    }
    fclose(f);
    cr_expect(!seen || interleaved, "the pages are not asked for in turn");
}

/* The call itself, on a node that is there: pages asked for in turn of one node, if the system
 * lets us.  What it does on several is not seen here. */
Test(topology, pages_of_this_machine)
{
    struct sdrt_topology *t = make(NULL);
    const int node = sdrt_topology_node(t, 0);
    unsigned char *p = mmap(NULL, PLENTY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                            0);

    cr_assert(p != MAP_FAILED);
    cr_expect_eq(sdrt_topology_place(t, &node, 0, p, PLENTY), SDRT_OK);
    const int status = sdrt_topology_place(t, &node, 1, p, PLENTY);
    cr_expect(status == SDRT_OK || status == SDRT_E_UNSUPPORTED);
    for (size_t i = 0; i < PLENTY; i += 4096) p[i] = 1;
    if (status == SDRT_OK) expect_interleaved(p);
    munmap(p, PLENTY);
    sdrt_topology_free(&t);
}

/* ---- this machine ---- */

Test(topology, this_machine)
{
    struct sdrt_topology *t = make(NULL);
    cpu_set_t allowed, seen;

    cr_assert_eq(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    cr_expect_eq(sdrt_topology_pus(t), CPU_COUNT(&allowed));
    cr_expect(sdrt_topology_cores(t) >= 1 && sdrt_topology_cores(t) <= sdrt_topology_pus(t));
    cr_expect_null(strchr(sdrt_topology_text(t), '\n'));
    CPU_ZERO(&seen);
    for (int w = 0; w < sdrt_topology_pus(t); w++) {
        const int pu = sdrt_topology_pu(t, w);
        cr_expect(CPU_ISSET(pu, &allowed), "PU %d is forbidden", pu);
        cr_expect(!CPU_ISSET(pu, &seen), "PU %d comes twice", pu);
        CPU_SET(pu, &seen);
    }
    sdrt_topology_free(&t);
}

/* Of all threads, as taskset does it: the test runner has some of its own. */
static void confine_process(const cpu_set_t *set)
{
    DIR *threads = opendir("/proc/self/task");

    cr_assert_not_null(threads);
    for (const struct dirent *e; (e = readdir(threads));)
        if (e->d_name[0] != '.')
            cr_assert_eq(sched_setaffinity(atoi(e->d_name), sizeof *set, set), 0);
    closedir(threads);
}

/* A process that may use one CPU sees one. */
Test(topology, affinity_is_respected)
{
    cpu_set_t allowed, one;

    cr_assert_eq(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed)) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        confine_process(&one);
        struct sdrt_topology *t = make(NULL);
        cr_expect_eq(sdrt_topology_pus(t), 1);
        cr_expect_eq(sdrt_topology_cores(t), 1);
        cr_expect_eq(sdrt_topology_pu(t, 0), cpu);
        sdrt_topology_free(&t);
    }
    confine_process(&allowed);
}

static int runs_on(const cpu_set_t *set)
{
    cpu_set_t now;

    cr_assert_eq(sched_getaffinity(0, sizeof now, &now), 0);
    return CPU_EQUAL(set, &now);
}

static int runs_only_on(int pu)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(pu, &one);
    return runs_on(&one);
}

Test(topology, bind_and_restore)
{
    struct sdrt_topology *t = make(NULL);
    struct sdrt_binding first, again;
    cpu_set_t before;

    cr_assert_eq(sched_getaffinity(0, sizeof before, &before), 0);
    for (int w = 0; w < sdrt_topology_pus(t); w++) {
        sdrt_topology_bind(t, w, sdrt_topology_pus(t), &first);
        cr_expect(runs_only_on(sdrt_topology_pu(t, w)));
        sdrt_topology_bind(t, w, sdrt_topology_pus(t), &again);
        sdrt_topology_restore(&again);
        cr_expect(runs_only_on(sdrt_topology_pu(t, w)), "who was bound already stays so");
        sdrt_topology_restore(&first);
        cr_expect(runs_on(&before));
    }
    sdrt_topology_free(&t);
}

/* On one processor every team takes all cores. */
Test(topology, small_teams_are_not_pinned)
{
    struct sdrt_topology *t = make(NULL);
    struct sdrt_binding before;
    cpu_set_t allowed;
    int cores = 1;

    if (strstr(sdrt_topology_text(t), " of weight ")) {
        sdrt_topology_free(&t);
        cr_skip_test("cores that are worth no worker may be left out");
    }
    for (int w = 0; w < sdrt_topology_pus(t); w++)
        if (sdrt_topology_core(t, w) >= cores) cores = sdrt_topology_core(t, w) + 1;
    cr_assert_eq(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    cr_expect_eq(sdrt_topology_pins(t, cores), 1);
    cr_expect_eq(sdrt_topology_pins(t, cores + 1), 1);
    cr_expect_eq(sdrt_topology_pins(t, cores - 1), 0);
    if (cores > 1) {
        sdrt_topology_bind(t, 0, 1, &before);
        cr_expect(runs_on(&allowed));
        sdrt_topology_restore(&before);
        sdrt_topology_pinning(t, SDRT_PIN_ALWAYS);
        sdrt_topology_bind(t, 0, 1, &before);
        cr_expect(runs_only_on(sdrt_topology_pu(t, 0)));
        sdrt_topology_unbind(t);
        cr_expect(runs_on(&allowed));
    }
    sdrt_topology_pinning(t, SDRT_PIN_NEVER);
    cr_expect_eq(sdrt_topology_pins(t, cores), 0);
    sdrt_topology_bind(t, 0, cores, &before);
    cr_expect(runs_on(&allowed));
    sdrt_topology_free(&t);
}

static char told[512];
static int lines;

static void keep(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user, (void)level;
    strncpy(told, text, sizeof told - 1);
    lines++;
}

Test(topology, words_that_hwloc_does_not_know)
{
    const struct sdrt_log log = { keep, NULL };
    struct sdrt_topology *t = (struct sdrt_topology *)told;

    cr_expect_eq(sdrt_topology_create(&t, "warp:3", &log), SDRT_E_ARG);
    cr_expect_null(t);
    cr_expect_eq(lines, 1);
    cr_expect_not_null(strstr(told, "warp:3"), "%s", told);
    cr_expect_eq(sdrt_topology_create(&t, "<warp>3</warp>", &log), SDRT_E_ARG);
    cr_expect_null(t);
    cr_expect_eq(lines, 2);
}
