/* SPDX-License-Identifier: MIT */
#include "runtime/machine/arena.h"
#include "runtime/machine/memory_linux.h"
#include "runtime/machine/topology.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char told[512];
static int lines;

static void keep(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user, (void)level;
    strncpy(told, text, sizeof told - 1);
    lines++;
}

static const struct sdrt_log a_log = { keep, NULL };

Test(arena, every_byte_is_there_and_zero)
{
    static const size_t sizes[] = { 1, 63, 4096, 4097, (2u << 20) - 1, 2u << 20, (2u << 20) + 1,
                                    (9u << 20) + 12345 };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct sdrt_arena *a;
        cr_assert_eq(sdrt_arena_create(&a, sizes[i], NULL), SDRT_OK);
        unsigned char *base = sdrt_arena_base(a);
        cr_expect_eq(sdrt_arena_bytes(a), sizes[i]);
        cr_expect_eq((uintptr_t)base % 64, 0);
        if (sizes[i] >= 2u << 20) cr_expect_eq((uintptr_t)base % (2u << 20), 0);
        for (size_t k = 0; k < sizes[i]; k++) cr_assert_eq(base[k], 0);
        memset(base, 0xff, sizes[i]);
        sdrt_arena_free(&a);
        cr_expect_null(a);
    }
}

Test(arena, absurd_sizes_are_refused)
{
    static const size_t sizes[] = { (size_t)1 << 50, SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX / 2, 0 };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct sdrt_arena *a = (struct sdrt_arena *)told;
        lines = 0;
        cr_expect_eq(sdrt_arena_create(&a, sizes[i], &a_log), sizes[i] ? SDRT_E_NOMEM : SDRT_E_ARG);
        cr_expect_null(a);
        cr_expect_eq(lines, 1);
        if (i == 0) cr_expect_not_null(strstr(told, "1073741824 MiB"), "%s", told);
    }
}

/* A machine may promise more than it has; the limit of the process is where mmap itself says
 * no.  Sanitizers need their own address space, so they are left alone. */
Test(arena, refused_by_the_system)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    cr_skip("a sanitizer cannot live under RLIMIT_AS");
#else
    const struct rlimit limit = { (rlim_t)1 << 30, (rlim_t)1 << 30 };
    struct sdrt_arena *a;
    size_t available;

    if (getenv("SDRT_EMULATED")) cr_skip_test("an emulated program has no limit of its own");
    cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
    cr_expect_eq(sdrt_memory_available(&available), SDRT_OK);
    cr_expect_leq(available, (size_t)1 << 30);
    cr_expect_eq(sdrt_arena_create(&a, (size_t)1 << 30, &a_log), SDRT_E_NOMEM);
    cr_expect_eq(lines, 1);
    cr_expect_not_null(strstr(told, "1024 MiB"), "%s", told);
    cr_expect_eq(sdrt_arena_create(&a, (size_t)16 << 20, &a_log), SDRT_OK);
    sdrt_arena_free(&a);
#endif
}

Test(arena, free_nothing)
{
    struct sdrt_arena *a = NULL;

    sdrt_arena_free(&a);
    cr_expect_null(a);
}

/* ---- memory, on machines made of files ---- */

static char root[64];

static void new_machine(void)
{
    strcpy(root, "/tmp/sdrt-memory-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static void write_file(const char *path, const char *text)
{
    char full[512];

    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *c = full + strlen(root) + 1; *c; c++) {
        if (*c != '/') continue;
        *c = '\0';
        cr_assert(mkdir(full, 0700) == 0 || errno == EEXIST);
        *c = '/';
    }
    FILE *f = fopen(full, "w");
    cr_assert_not_null(f, "%s", full);
    fputs(text, f);
    cr_assert_eq(fclose(f), 0);
}

static void remove_machine(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -r %s", root);
    cr_expect_eq(system(command), 0);
}

static size_t available_mib(void)
{
    size_t bytes = 1;

    cr_expect_eq(sdrt_memory_available_below(root, &bytes), SDRT_OK);
    return bytes >> 20;
}

static const char meminfo[] = "MemTotal:       16777216 kB\nMemFree:  1048576 kB\n"
                              "MemAvailable:   8388608 kB\nBuffers: 1 kB\n";

Test(memory, no_group)
{
    new_machine();
    write_file("/proc/meminfo", meminfo);
    cr_expect_eq(available_mib(), 8192);
    remove_machine();
}

Test(memory, unknown)
{
    size_t bytes = 1;

    new_machine();
    cr_expect_eq(sdrt_memory_available_below(root, &bytes), SDRT_E_UNSUPPORTED);
    cr_expect_eq(bytes, 0);
    write_file("/proc/meminfo", "MemTotal: 5 kB\n");
    cr_expect_eq(sdrt_memory_available_below(root, &bytes), SDRT_E_UNSUPPORTED);
    remove_machine();
}

Test(memory, huge_page)
{
    static const char file[] = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size";

    new_machine();
    cr_expect_eq(sdrt_memory_huge_page_below(root), (size_t)2 << 20);
    write_file(file, "33554432\n");
    cr_expect_eq(sdrt_memory_huge_page_below(root), (size_t)32 << 20);
    write_file(file, "3000000\n");
    cr_expect_eq(sdrt_memory_huge_page_below(root), (size_t)2 << 20);
    remove_machine();
}

/* Version 2: the tightest group on the way up counts, page cache is free, "max" is no limit. */
Test(memory, groups_of_version_2)
{
    new_machine();
    write_file("/proc/meminfo", meminfo);
    write_file("/proc/self/mountinfo",
               "22 1 0:20 / /proc rw - proc proc rw\n"
               "31 23 0:28 / /cg rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
    write_file("/proc/self/cgroup", "0::/outer/inner\n");
    write_file("/cg/outer/inner/memory.max", "max\n");
    write_file("/cg/outer/inner/memory.current", "1073741824\n");
    cr_expect_eq(available_mib(), 8192);
    write_file("/cg/outer/memory.max", "4294967296\n");
    write_file("/cg/outer/memory.current", "3221225472\n");
    cr_expect_eq(available_mib(), 1024);
    write_file("/cg/outer/memory.stat", "anon 5\ninactive_file 1073741824\nactive_file 536870912\n");
    cr_expect_eq(available_mib(), 1024 + 1024 + 512);
    write_file("/cg/outer/inner/memory.max", "1073741824\n");
    cr_expect_eq(available_mib(), 0);
    remove_machine();
}

/* Version 1, seen from a container whose mount shows its own group as the root. */
Test(memory, groups_of_version_1)
{
    new_machine();
    write_file("/proc/meminfo", meminfo);
    write_file("/proc/self/mountinfo",
               "30 23 0:27 /box/7 /cg/cpu rw - cgroup cgroup rw,cpu\n"
               "35 31 0:32 /box/7 /cg/memory rw,relatime - cgroup cgroup rw,memory\n");
    write_file("/proc/self/cgroup", "5:cpu:/elsewhere\n4:memory:/box/7/job\n0::/\n");
    write_file("/cg/memory/memory.limit_in_bytes", "2147483648\n");
    write_file("/cg/memory/memory.usage_in_bytes", "1073741824\n");
    write_file("/cg/memory/memory.stat", "cache 9\ninactive_file 7\ntotal_inactive_file 268435456\n");
    cr_expect_eq(available_mib(), 1024 + 256);
    write_file("/cg/memory/job/memory.limit_in_bytes", "536870912\n");
    write_file("/cg/memory/job/memory.usage_in_bytes", "0\n");
    cr_expect_eq(available_mib(), 512);
    remove_machine();
}

/* ---- CPU time, on machines made of files ---- */

/* As systemd's CPUQuota= makes it: the process's own group says "max", one above it the limit. */
Test(cpu_quota, groups_of_version_2)
{
    new_machine();
    cr_expect_eq(sdrt_cpu_quota_below(root), 0);
    write_file("/proc/self/mountinfo", "31 23 0:28 / /cg rw shared:4 - cgroup2 cgroup2 rw\n");
    write_file("/proc/self/cgroup", "0::/system.slice/job.service/inner\n");
    write_file("/cg/system.slice/job.service/inner/cpu.max", "max 100000\n");
    cr_expect_eq(sdrt_cpu_quota_below(root), 0);
    write_file("/cg/system.slice/job.service/cpu.max", "250000 100000\n");
    cr_expect_eq(sdrt_cpu_quota_below(root), 2);
    write_file("/cg/system.slice/cpu.max", "150000 50000\n");
    cr_expect_eq(sdrt_cpu_quota_below(root), 2);
    write_file("/cg/system.slice/job.service/inner/cpu.max", "50000 100000\n");
    cr_expect_eq(sdrt_cpu_quota_below(root), 1);
    remove_machine();
}

/* Version 1, whose controllers are mounted together; cpuset is another one. */
Test(cpu_quota, groups_of_version_1)
{
    new_machine();
    write_file("/proc/self/mountinfo",
               "29 23 0:26 / /cg/cpuset rw - cgroup cgroup rw,cpuset\n"
               "30 23 0:27 /box /cg/cpu rw - cgroup cgroup rw,cpuacct,cpu\n");
    write_file("/proc/self/cgroup", "6:cpuset:/other\n5:cpuacct,cpu:/box/job\n0::/\n");
    write_file("/cg/cpuset/cpu.cfs_quota_us", "100000\n");
    write_file("/cg/cpuset/cpu.cfs_period_us", "100000\n");
    write_file("/cg/cpu/job/cpu.cfs_quota_us", "-1\n");
    write_file("/cg/cpu/job/cpu.cfs_period_us", "100000\n");
    cr_expect_eq(sdrt_cpu_quota_below(root), 0);
    write_file("/cg/cpu/cpu.cfs_quota_us", "350000\n");
    write_file("/cg/cpu/cpu.cfs_period_us", "100000\n");
    cr_expect_eq(sdrt_cpu_quota_below(root), 3);
    remove_machine();
}

/* A group whose name begins as the shown root's does is not below it. */
Test(cpu_quota, a_name_that_begins_alike)
{
    new_machine();
    write_file("/proc/self/mountinfo", "31 23 0:28 /box /cg rw - cgroup2 cgroup2 rw\n");
    write_file("/proc/self/cgroup", "0::/boxes\n");
    write_file("/cg/cpu.max", "400000 100000\n");
    write_file("/cges/cpu.max", "100000 100000\n");
    cr_expect_eq(sdrt_cpu_quota_below(root), 4);
    remove_machine();
}

Test(memory, this_machine)
{
    size_t bytes;
    struct sdrt_arena *a;
    const size_t before = sdrt_memory_peak_rss();

    cr_expect_eq(sdrt_memory_available(&bytes), SDRT_OK);
    cr_expect_gt(bytes, (size_t)1 << 20);
    cr_expect_gt(before, 0);
    cr_assert_eq(sdrt_arena_create(&a, (size_t)64 << 20, NULL), SDRT_OK);
    memset(sdrt_arena_base(a), 1, (size_t)64 << 20);
    cr_expect_geq(sdrt_memory_peak_rss(), before + ((size_t)60 << 20));
    sdrt_arena_free(&a);
}
