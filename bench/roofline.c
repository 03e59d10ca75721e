/* SPDX-License-Identifier: MIT
 *
 * sdbench roofline: the machine, on one worker and on all.
 */
#include "bench/roof.h"
#include "bench/sdbench.h"
#include "kernels/isa.h"

#include <stdio.h>

static int tries(struct sdrt_roof *roof, const struct sdrt_topology *topology, int workers,
                 const char *isa, const struct sdrt_log *log)
{
    enum { TRIES = 7 };
    struct sdrt_team *team = NULL;
    const int status = sdrt_team_create(&team, workers, topology, log);

    for (int i = 0; i < TRIES && status == SDRT_OK; i++) sdrt_roof_try(roof, team, isa);
    sdrt_team_free(&team);
    return status;
}

static void print(const char *name, const struct sdrt_roof *r, int json)
{
    if (json)
        printf(" \"%s\": {\"f32_gflops\": %.2f, \"bf16_gflops\": %.2f, \"int8_gops\": %.2f, "
               "\"read_gbs\": %.2f}", name, r->f32_gflops, r->bf16_gflops, r->int8_gops,
               r->read_gbs);
    else
        printf("%-10s f32 %8.1f GFLOP/s   int8 %8.1f GOP/s   memory read %6.1f GB/s\n", name,
               r->f32_gflops, r->int8_gops, r->read_gbs);
}

int sdrt_bench_roofline(const struct sdrt_bench_options *o)
{
    struct sdrt_topology *topology = NULL;
    struct sdrt_roof one = { 0 }, all = { 0 };
    int status = sdrt_topology_create(&topology, NULL, o->log);

    if (status != SDRT_OK) return status;
    const struct sdrt_isa_level *level = o->isa ? sdrt_isa_find(o->isa)
                                                : sdrt_isa_best(sdrt_isa_detect());
    const int workers = o->threads ? o->threads : sdrt_topology_cores(topology);
    if (!level || (level->flags & sdrt_isa_detect()) != level->flags)
        status = sdrt_fail(o->log, SDRT_E_ARG, "instruction set \"%s\": unknown, or not on this "
                           "machine", o->isa);
    if (status == SDRT_OK) status = tries(&one, topology, 1, level->name, o->log);
    if (status == SDRT_OK) status = tries(&all, topology, workers, level->name, o->log);
    if (status == SDRT_OK) {
        if (o->json)
            printf("{\"machine\": \"%s\", \"isa\": \"%s\", \"threads\": %d,\n",
                   sdrt_topology_text(topology), level->name, workers);
        else
            printf("%s\n%s, one worker and %d\n", sdrt_topology_text(topology), level->name,
                   workers);
        print("one", &one, o->json);
        if (o->json) printf(",\n");
        print(o->json ? "roof" : "all", &all, o->json);
        if (o->json) printf("}\n");
    }
    sdrt_topology_free(&topology);
    return status;
}
