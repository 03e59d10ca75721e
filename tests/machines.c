/* SPDX-License-Identifier: MIT */
#include "tests/machines.h"

#include <criterion/criterion.h>
#include <hwloc.h>
#include <stdio.h>
#include <string.h>

static void add_kind(hwloc_topology_t t, const struct tmachine_kind *kind)
{
    char capacity[16], mhz[16];
    struct hwloc_info_s infos[2];
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    unsigned n = 0;

    cr_assert_not_null(set);
    cr_assert_eq(hwloc_bitmap_set_range(set, (unsigned)kind->first, kind->last), 0);
    snprintf(capacity, sizeof capacity, "%d", kind->capacity);
    snprintf(mhz, sizeof mhz, "%d", kind->mhz);
    if (kind->mhz) infos[n++] = (struct hwloc_info_s){ (char *)"FrequencyMaxMHz", mhz };
    if (kind->capacity) infos[n++] = (struct hwloc_info_s){ (char *)"LinuxCapacity", capacity };
    cr_assert_eq(hwloc_cpukinds_register(t, set, kind->order, n, infos, 0), 0);
    hwloc_bitmap_free(set);
}

static void remove_pus(hwloc_topology_t t, int first, int last, int step)
{
    hwloc_bitmap_t left = hwloc_bitmap_dup(hwloc_topology_get_topology_cpuset(t));

    cr_assert_not_null(left);
    for (int pu = first; pu <= last; pu += step) hwloc_bitmap_clr(left, (unsigned)pu);
    cr_assert_eq(hwloc_topology_restrict(t, left, 0), 0);
    hwloc_bitmap_free(left);
}

char *tmachine_xml(const char *words, const struct tmachine_kind *kinds, int n, int first_gone,
                   int last_gone, int step_gone)
{
    hwloc_topology_t t;
    char *xml, *copy;
    int bytes;

    cr_assert_eq(hwloc_topology_init(&t), 0);
    cr_assert_eq(hwloc_topology_set_synthetic(t, words), 0, "%s", words);
    cr_assert_eq(hwloc_topology_load(t), 0);
    for (int i = 0; i < n; i++) add_kind(t, &kinds[i]);
    if (step_gone) remove_pus(t, first_gone, last_gone, step_gone);
    cr_assert_eq(hwloc_topology_export_xmlbuffer(t, &xml, &bytes, 0), 0);
    copy = strdup(xml);
    cr_assert_not_null(copy);
    hwloc_free_xmlbuffer(t, xml);
    hwloc_topology_destroy(t);
    return copy;
}

char *tmachine_four_two(void)
{
    static const struct tmachine_kind kinds[] = {
        { .first = 0, .last = 3, .capacity = 1024, .order = -1 },
        { .first = 4, .last = 5, .capacity = 512, .order = -1 },
    };

    return tmachine_xml("core:6 pu:1", kinds, 2, 0, 0, 0);
}
