/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MADV_HUGEPAGE */
#endif
#include "runtime/machine/memory_linux.h"
#include "runtime/base/error.h"
#include "runtime/machine/control_group.h"
#include "runtime/machine/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* ---- control groups ---- */

struct group_names {
    const char *limit, *usage, *cache[2];
};
static const struct group_names v1 = { "memory.limit_in_bytes",
                                       "memory.usage_in_bytes",
                                       { "total_inactive_file", "total_active_file" } };
static const struct group_names v2 = { "memory.max",
                                       "memory.current",
                                       { "inactive_file", "active_file" } };

/* What one group leaves.  Its page cache is part of its usage, but is given back first. */
static void limit_by_group(void *user, const char *folder, int version)
{
    const struct group_names *names = version == 2 ? &v2 : &v1;
    uint64_t limit, usage, cache = 0, part, *available = user;

    if (!sdrt_group_number(folder, names->limit, &limit) ||
        !sdrt_group_number(folder, names->usage, &usage))
        return;
    for (int i = 0; i < 2; i++)
        if (sdrt_group_field(folder, "memory.stat", names->cache[i], &part)) cache += part;
    usage = usage > cache ? usage - cache : 0;
    const uint64_t left = limit > usage ? limit - usage : 0;
    if (left < *available) *available = left;
}

/* ---- the whole ---- */

int sdrt_memory_available_below(const char *root, size_t *bytes)
{
    uint64_t available;
    char proc[256];

    *bytes = 0;
    if (snprintf(proc, sizeof proc, "%s/proc", root) >= (int)sizeof proc ||
        !sdrt_group_field(proc, "meminfo", "MemAvailable", &available) ||
        available > UINT64_MAX / 1024)
        return SDRT_E_UNSUPPORTED;
    available *= 1024;
    sdrt_control_groups(root, "memory", limit_by_group, &available);
    *bytes = available < SIZE_MAX ? (size_t)available : SIZE_MAX;
    return SDRT_OK;
}

int sdrt_memory_available(size_t *bytes)
{
    struct rlimit limit;
    uint64_t mapped;
    const int status = sdrt_memory_available_below("", bytes);

    if (status != SDRT_OK) return status;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        sdrt_group_field("/proc/self", "status", "VmSize", &mapped)) {
        mapped *= 1024;
        const uint64_t left = limit.rlim_cur > mapped ? limit.rlim_cur - mapped : 0;
        if (left < *bytes) *bytes = (size_t)left;
    }
    return SDRT_OK;
}

static size_t own_bytes(const char *field)
{
    uint64_t kib;

    return sdrt_group_field("/proc/self", "status", field, &kib) ? (size_t)kib * 1024 : 0;
}

size_t sdrt_memory_huge_page_below(const char *root)
{
    enum { USUAL = 2 << 20 };
    char folder[256];
    uint64_t bytes;

    if (snprintf(folder, sizeof folder, "%s/sys/kernel/mm/transparent_hugepage", root) >=
            (int)sizeof folder ||
        !sdrt_group_number(folder, "hpage_pmd_size", &bytes) || bytes < 4096 ||
        bytes > (uint64_t)1 << 30 || (bytes & (bytes - 1)))
        return USUAL;
    return (size_t)bytes;
}

size_t sdrt_memory_huge_page(void) { return sdrt_memory_huge_page_below(""); }

/* Refused where huge pages are switched off, which costs speed alone. */
void sdrt_memory_want_huge(void *p, size_t bytes) { (void)madvise(p, bytes, MADV_HUGEPAGE); }

void sdrt_memory_discard(void *p, size_t bytes) { (void)madvise(p, bytes, MADV_DONTNEED); }

size_t sdrt_memory_pss(void)
{
    uint64_t kib;

    return sdrt_group_field("/proc/self", "smaps_rollup", "Pss", &kib) ? (size_t)kib * 1024 : 0;
}

void sdrt_memory_reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");

    if (!f) return;
    fputs("5", f);
    fclose(f);
}

size_t sdrt_memory_rss(void) { return own_bytes("VmRSS"); }
size_t sdrt_memory_peak_rss(void) { return own_bytes("VmHWM"); }
