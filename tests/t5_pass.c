/* SPDX-License-Identifier: MIT */
#include "tests/t5_pass.h"

#include "model/checkpoint/detect_t5.h"
#include "runtime/device/cpu.h"
#include "runtime/graph/graph.h"

#include <stdio.h>
#include <string.h>

static const char NAME[] = "text_encoder_3";

static int build(struct t5_pass *p, unsigned isa, int threads, int batch, int tokens,
                 const struct sdrt_t5_place *place, const struct sdrt_log *log)
{
    const struct sdrt_weights_provider weights = sdrt_weight_files_provider(p->files);
    struct sdrt_graph *g = NULL;
    int status = sdrt_t5_detect(&p->config, &weights, NAME, "the file", log);

    if (status == SDRT_OK)
        status = sdrt_cpu_device_open(&p->device, isa, "t5", SDRT_PIN_NEVER, log);
    if (status == SDRT_OK) status = sdrt_queue_open(&p->queue, p->device, threads, log);
    if (status == SDRT_OK)
        status = sdrt_weight_store_create(&p->store, &weights, SDRT_DTYPES, sdrt_packing_as_stored,
                                          log);
    if (status == SDRT_OK) status = sdrt_graph_create(&g, "t5", p->store, p->device->ops, log);
    if (status != SDRT_OK) return status;
    sdrt_t5_encoder_build(g, &p->config, NAME, batch, tokens, place);
    status = sdrt_program_create(&p->program, &g, p->device, threads, log);
    if (status == SDRT_OK)
        status = sdrt_device_alloc(&p->arena, p->device, sdrt_program_peak(p->program) + 64,
                                   p->queue, log);
    if (status == SDRT_OK) status = sdrt_program_load(p->program, p->queue, NULL, NULL);
    return status;
}

int t5_pass_open(struct t5_pass *p, const char *path, const char *prefix, unsigned isa, int threads,
                 int batch, int tokens, const struct sdrt_t5_place *place,
                 const struct sdrt_log *log)
{
    char strip[256], add[32];

    memset(p, 0, sizeof *p);
    snprintf(strip, sizeof strip, "%s%s", prefix, *prefix ? "." : "");
    snprintf(add, sizeof add, "%s.", NAME);
    int status = sdrt_weight_files_create(&p->files, log);
    if (status == SDRT_OK)
        status = sdrt_weight_files_add(p->files, path, strip, add, SDRT_DUPLICATES_FAIL);
    if (status == SDRT_OK) status = build(p, isa, threads, batch, tokens, place, log);
    return status;
}

int t5_pass_run(struct t5_pass *p, int32_t *ids, float *out)
{
    struct sdrt_external in, to;

    if (!sdrt_program_find(p->program, "text_encoder_3.ids", &in) ||
        !sdrt_program_find(p->program, "text", &to))
        return SDRT_E_MISSING;
    sdrt_program_bind(p->program, in.tensor, ids);
    sdrt_program_bind(p->program, to.tensor, out);
    const int status = sdrt_program_link(p->program, p->arena->base);
    return status == SDRT_OK ? sdrt_program_run(p->program, p->queue, NULL, NULL) : status;
}

void t5_pass_close(struct t5_pass *p)
{
    sdrt_program_free(&p->program);
    sdrt_device_free(&p->arena);
    sdrt_weight_store_free(&p->store);
    sdrt_queue_close(&p->queue);
    sdrt_device_close(&p->device);
    sdrt_weight_files_free(&p->files);
}
