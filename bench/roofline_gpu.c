/* SPDX-License-Identifier: MIT
 *
 * sdbench roofline --device cuda: a GPU's roofs, and what a launch costs.
 */
#include "bench/machine.h"
#include "bench/roof_gpu.h"
#include "model/pipeline/model.h"
#include "runtime/device/cuda.h"

#include <math.h>

enum { TRIES = 7 };

static const struct sdrt_column columns[] = {
    { "name", "workers", 0, 0 },  { "roof", "roof", 0, 0 },         { "value", "best", 2, 0 },
    { "median", "median", 2, 0 }, { "spread", "spread %", 1, 100 }, { "unit", "unit", 0, 0 },
};

static void add_rows(const struct sdrt_roof *roof, struct sdrt_report *r)
{
    sdrt_report_table(r, "roofs", columns, sizeof columns / sizeof columns[0]);
    for (int k = 0; k < SDRT_ROOF_KINDS; k++) {
        const struct sdrt_summary s = sdrt_bench_summary(&roof->samples[k]);
        const struct sdrt_roof_name *n = &sdrt_roof_names[k];
        char name[64];
        if (roof->best[k] <= 0.0) continue;
        snprintf(name, sizeof name, "gpu %s", n->label);
        sdrt_report_row(r, json_pack("{s:s, s:s, s:f, s:f, s:f, s:s, s:o}", "name", name, "roof",
                                     n->key, "value", roof->best[k], "median", s.median, "spread",
                                     s.spread, "unit", n->unit, "samples_rate",
                                     sdrt_bench_samples(&roof->samples[k], 1.0)));
    }
}

static int measure(const struct sdrt_bench_options *o, struct sdrt_queue *queue,
                   struct sdrt_report *r)
{
    const int tries = o->iterations ? o->iterations : TRIES;
    struct sdrt_roof_meter *meter = NULL;
    int status = sdrt_roof_create_on(&meter, queue, o->log);

    if (status == SDRT_OK) {
        sdrt_device_facts(r, queue, sdrt_cuda_device_precision(queue->device));
        sdrt_roof_tries(meter, tries);
        const struct sdrt_launch_gaps gaps = sdrt_roof_gaps(meter);
        sdrt_roof_facts(sdrt_roof_of(meter), r, "roof", "roof");
        sdrt_report_number(r, "launch_us", gaps.plain, "a launch", "us", 2);
        sdrt_report_number(r, "launch_in_graph_us", gaps.in_graph, "a launch in a graph", "us", 2);
        if (!isnan(gaps.dependent)) {
            sdrt_report_number(r, "launch_dependent_us", gaps.dependent, "a dependent launch", "us",
                               2);
            sdrt_report_number(r, "launch_dependent_in_graph_us", gaps.dependent_in_graph,
                               "a dependent launch in a graph", "us", 2);
        }
        add_rows(sdrt_roof_of(meter), r);
    }
    sdrt_roof_free(&meter);
    return status;
}

int sdrt_bench_roofline_gpu(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    struct sdrt_model model = { .log = o->log }; /* of which only the device is there */
    struct sdrt_queue *queue = NULL;
    struct sdrt_options options;

    sdrt_options_init(&options);
    options.device = o->device;
    options.isa = o->isa;
    options.precision = o->precision;
    options.log = o->log;
    int status = sdrt_model_open_device(&model, &options);
    if (status == SDRT_OK) status = sdrt_queue_open(&queue, model.device, 1, o->log);
    if (status == SDRT_OK) status = measure(o, queue, r);
    sdrt_queue_close(&queue);
    sdrt_device_close(&model.device);
    return status;
}
