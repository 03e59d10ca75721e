/* SPDX-License-Identifier: MIT */
#include "runtime/machine/memory.h"
#include "runtime/base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { LINE = 4096, DEEPEST_GROUP = 64 };

/* ---- small files of the kernel ---- */

static FILE *open_below(const char *root, const char *path)
{
    char full[2 * PATH_MAX];
    const int n = snprintf(full, sizeof full, "%s%s", root, path);

    return n > 0 && (size_t)n < sizeof full ? fopen(full, "re") : NULL;
}

/* The number after key at the start of a line ("MemAvailable:   123 kB", "inactive_file 9");
 * 0 when there is no such line. */
static int read_field(const char *root, const char *path, const char *key, uint64_t *value)
{
    char line[LINE];
    const size_t length = strlen(key);
    int found = 0;
    FILE *f = open_below(root, path);

    if (!f) return 0;
    while (!found && fgets(line, sizeof line, f))
        if (!strncmp(line, key, length) && strchr(": \t", line[length]))
            found = sscanf(line + length + 1, "%" SCNu64, value) == 1;
    fclose(f);
    return found;
}

/* A file that holds one number; "max" counts as no number. */
static int read_number(const char *root, const char *folder, const char *name, uint64_t *value)
{
    char path[2 * PATH_MAX];
    const int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = n > 0 && (size_t)n < sizeof path ? open_below(root, path) : NULL;
    int found;

    if (!f) return 0;
    found = fscanf(f, "%" SCNu64, value) == 1;
    fclose(f);
    return found;
}

/* ---- control groups ---- */

struct group_names {
    const char *limit, *usage, *cache[2];
};
static const struct group_names v1 = { "memory.limit_in_bytes", "memory.usage_in_bytes",
                                       { "total_inactive_file", "total_active_file" } };
static const struct group_names v2 = { "memory.max", "memory.current",
                                       { "inactive_file", "active_file" } };

/* What one group leaves.  Its page cache is part of its usage, but is given back first. */
static void limit_by_group(const char *root, const char *folder, const struct group_names *names,
                           uint64_t *available)
{
    uint64_t limit, usage, cache = 0, part;
    char stat[2 * PATH_MAX];

    if (!read_number(root, folder, names->limit, &limit) ||
        !read_number(root, folder, names->usage, &usage))
        return;
    const int n = snprintf(stat, sizeof stat, "%s/memory.stat", folder);
    for (int i = 0; i < 2 && n > 0 && (size_t)n < sizeof stat; i++)
        if (read_field(root, stat, names->cache[i], &part)) cache += part;
    usage = usage > cache ? usage - cache : 0;
    const uint64_t left = limit > usage ? limit - usage : 0;
    if (left < *available) *available = left;
}

/* Where the hierarchy is mounted, and which of its groups that mount shows as its root (a
 * container often sees only its own).  Fields of mountinfo: proc(5). */
static int find_mount(const char *root, int version, char *mount, char *shown)
{
    char line[LINE], type[32], options[LINE];
    int found = 0;
    FILE *f = open_below(root, "/proc/self/mountinfo");

    if (!f) return 0;
    while (!found && fgets(line, sizeof line, f)) {
        const char *tail = strstr(line, " - ");
        if (!tail || sscanf(tail, " - %31s %*s %4095s", type, options) != 2) continue;
        if (sscanf(line, "%*d %*d %*s %4095s %4095s", shown, mount) != 2) continue;
        found = version == 2 ? !strcmp(type, "cgroup2")
                             : !strcmp(type, "cgroup") && strstr(options, "memory");
    }
    fclose(f);
    return found;
}

/* This process's group: "0::/path" in version 2, "4:memory:/path" in version 1. */
static int find_group(const char *root, int version, char *group)
{
    char line[LINE];
    int found = 0;
    FILE *f = open_below(root, "/proc/self/cgroup");

    if (!f) return 0;
    while (!found && fgets(line, sizeof line, f)) {
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path) continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        controllers++;
        found = version == 2 ? !*controllers : strstr(controllers, "memory") != NULL;
        if (found) memcpy(group, path, strlen(path) + 1);
    }
    fclose(f);
    return found;
}

static void limit_by_groups(const char *root, int version, uint64_t *available)
{
    char mount[LINE], shown[LINE], group[LINE], folder[2 * LINE];
    const char *rest = group;

    if (!find_mount(root, version, mount, shown) || !find_group(root, version, group)) return;
    const size_t length = strcmp(shown, "/") ? strlen(shown) : 0;
    if (length && !strncmp(group, shown, length)) rest = group + length;
    const int n = snprintf(folder, sizeof folder, "%s%s", mount, rest);
    if (n <= 0 || (size_t)n >= sizeof folder) return;
    const size_t top = strlen(mount);
    for (int depth = 0; depth < DEEPEST_GROUP; depth++) {
        limit_by_group(root, folder, version == 2 ? &v2 : &v1, available);
        char *slash = strrchr(folder + top, '/');
        if (!slash) break;
        *slash = '\0';
    }
}

/* ---- the whole ---- */

int sdrt_memory_available_below(const char *root, size_t *bytes)
{
    uint64_t available;

    *bytes = 0;
    if (!read_field(root, "/proc/meminfo", "MemAvailable", &available) ||
        available > UINT64_MAX / 1024)
        return SDRT_E_UNSUPPORTED;
    available *= 1024;
    limit_by_groups(root, 1, &available);
    limit_by_groups(root, 2, &available);
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
        read_field("", "/proc/self/status", "VmSize", &mapped)) {
        mapped *= 1024;
        const uint64_t left = limit.rlim_cur > mapped ? limit.rlim_cur - mapped : 0;
        if (left < *bytes) *bytes = (size_t)left;
    }
    return SDRT_OK;
}

static size_t own_bytes(const char *field)
{
    uint64_t kib;

    return read_field("", "/proc/self/status", field, &kib) ? (size_t)kib * 1024 : 0;
}

size_t sdrt_memory_rss(void) { return own_bytes("VmRSS"); }
size_t sdrt_memory_peak_rss(void) { return own_bytes("VmHWM"); }
