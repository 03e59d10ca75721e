/* SPDX-License-Identifier: MIT */
#include "runtime/machine/core_kinds.h"

#include <stdlib.h>
#include <string.h>

/* The number that kind has under name, or 0. */
static long read_info(hwloc_topology_t hwloc, int kind, const char *name)
{
    struct hwloc_info_s *infos = NULL;
    unsigned n = 0;

    if (hwloc_cpukinds_get_info(hwloc, (unsigned)kind, NULL, NULL, &n, &infos, 0) != 0) return 0;
    for (unsigned i = 0; i < n; i++)
        if (!strcmp(infos[i].name, name)) return strtol(infos[i].value, NULL, 10);
    return 0;
}

static int unlike(const long *speed, int n)
{
    for (int i = 1; i < n; i++)
        if (speed[i] != speed[0]) return 1;
    return 0;
}

/* Linux's capacity is 1024 for all kinds of many hybrids: then it tells nothing. */
static int by_number(hwloc_topology_t hwloc, const char *name, int n, long *speed)
{
    for (int kind = 0; kind < n; kind++) {
        speed[kind] = read_info(hwloc, kind, name);
        if (speed[kind] <= 0) return 0;
    }
    return unlike(speed, n);
}

static int by_order(hwloc_topology_t hwloc, int n, long *speed)
{
    for (int kind = 0; kind < n; kind++) {
        int better;
        if (hwloc_cpukinds_get_info(hwloc, (unsigned)kind, NULL, &better, NULL, NULL, 0) != 0 ||
            better < 0)
            return 0;
        speed[kind] = 1000000;
        for (int i = better; i < n - 1 && speed[kind] > 1; i++) speed[kind] = speed[kind] * 3 / 10;
    }
    return unlike(speed, n);
}

/* From the best down, each kind takes in those that are less than a tenth slower. */
static void join_near(long *speed, int n)
{
    for (long below = 0, top = 1; top; below = top) {
        top = 0;
        for (int i = 0; i < n; i++)
            if ((!below || speed[i] < below) && speed[i] > top) top = speed[i];
        for (int i = 0; i < n; i++)
            if (speed[i] < top && speed[i] > top - (top + 9) / 10) speed[i] = top;
    }
}

static long best_of(const long *speed, int n)
{
    long best = 0;

    for (int i = 0; i < n; i++)
        if (speed[i] > best) best = speed[i];
    return best;
}

int sdrt_core_weights(hwloc_topology_t hwloc, hwloc_obj_type_t type, int n, int *weight)
{
    const int kinds = hwloc_cpukinds_get_nr(hwloc, 0);
    int told = kinds > 1;

    for (int i = 0; i < n; i++) weight[i] = SDRT_WHOLE_WEIGHT;
    if (!told) return SDRT_OK;
    long *speed = calloc((size_t)kinds, sizeof *speed);
    if (!speed) return SDRT_E_NOMEM;
    told = by_number(hwloc, "LinuxCapacity", kinds, speed) ||
           by_number(hwloc, "FrequencyMaxMHz", kinds, speed) || by_order(hwloc, kinds, speed);
    /* Cores that belong to no kind leave nothing to compare with. */
    for (int i = 0; i < n && told; i++) {
        const hwloc_obj_t core = hwloc_get_obj_by_type(hwloc, type, (unsigned)i);
        weight[i] = hwloc_cpukinds_get_by_cpuset(hwloc, core->cpuset, 0);
        told = weight[i] >= 0;
    }
    if (told) join_near(speed, kinds);
    const long best = best_of(speed, kinds);
    for (int i = 0; i < n; i++) {
        const long thousandths = told ? (speed[weight[i]] * SDRT_WHOLE_WEIGHT + best / 2) / best
                                      : SDRT_WHOLE_WEIGHT;
        weight[i] = thousandths > 0 ? (int)thousandths : 1;
    }
    free(speed);
    return SDRT_OK;
}
