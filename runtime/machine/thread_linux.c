/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_setaffinity */
#endif
#include "runtime/machine/thread.h"

#include <dirent.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

int sdrt_thread_binds(void) { return 1; }

/* Straight from the system, since hwloc takes memory for it, and runs bind. */
int sdrt_thread_binding(struct sdrt_binding *b)
{
    return sched_getaffinity(0, sizeof b->pus, (cpu_set_t *)b->pus) == 0;
}

int sdrt_thread_bind(const struct sdrt_binding *b)
{
    return sched_setaffinity(0, sizeof b->pus, (const cpu_set_t *)b->pus) == 0;
}

int sdrt_process_bind(const struct sdrt_binding *b)
{
    DIR *dir = opendir("/proc/self/task");
    const struct dirent *e;
    int done = dir != NULL;

    while (dir && (e = readdir(dir))) {
        const int id = atoi(e->d_name);
        if (id > 0 && sched_setaffinity(id, sizeof b->pus, (const cpu_set_t *)b->pus)) done = 0;
    }
    if (dir) closedir(dir);
    return done;
}

int sdrt_thread_pus(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

void sdrt_thread_hurry(void) {}
