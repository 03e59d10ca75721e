/* SPDX-License-Identifier: MIT
 *
 * sdbench generate: a whole image, from opening the model to pixels, stage by stage.
 */
#include "bench/energy.h"
#include "bench/machine.h"
#include "runtime/device/cpu.h"
#include "bench/pass.h"
#include "runtime/machine/memory.h"

#include <math.h>
#include <string.h>

/* The stages of the library, then what is made of them. */
enum { STAGES = 4, EVALUATION = STAGES, IMAGE, ROWS, PROCYON_IMAGES = 16 };

static const char *const names[ROWS] = {
    "load", "text", "denoise", "decode", "one evaluation", "image",
};

struct run {
    struct sdrt_context *context;
    struct sdrt_roof_meter *meter;
    struct sdrt_times
        times[ROWS]; /* of each image, but of the first where more than one is asked for */
    double first[ROWS], flop[ROWS];
    double least[ROWS];            /* seconds that the arithmetic takes at the roof */
    double joules;                 /* of the first image */
    size_t resident, peak;         /* after the first image */
};

static const struct sdrt_column columns[] = {
    { "name", "stage", 0, 0 },   { "first_ms", "first ms", 1, 0 }, { "ms", "median ms", 1, 0 },
    { "ms_min", "min ms", 1, 0 }, { "spread", "spread %", 1, 100 }, { "gflop", "GFLOP", 1, 0 },
    { "tflops", "TFLOP/s", 4, 0 }, { "roof_share", "of roof %", 1, 100 },
};

/* A pass, run so often, as part of a row's work. */
static void add_work(struct run *run, int row, int pass, double times)
{
    const struct sdrt_session *s = run->context->session;
    const struct sdrt_model *m = s->model;
    const struct sdrt_program *program = s->programs[pass];

    if (!program) return;
    run->flop[row] += times * sdrt_program_flop(program);
    run->least[row] +=
        times * sdrt_roof_seconds(sdrt_roof_of(run->meter),
                                  sdrt_pass_precision(&m->passes[pass], m->precision), program);
}

/* later: of an image after the first, which has its text and timesteps still. */
static void count_work(struct run *run, int later)
{
    const struct sdrt_session *s = run->context->session;
    const struct sdrt_pass *passes = s->model->passes;

    for (int i = 0; i < s->n_passes; i++)
        switch (passes[i].when) {
        case SDRT_ONCE_A_PROMPT:
            if (!later) add_work(run, SDRT_STAGE_TEXT, i, 1.0);
            break;
        case SDRT_ONCE_A_SCHEDULE:
            if (!later) add_work(run, SDRT_STAGE_DENOISE, i, 1.0);
            break;
        case SDRT_EACH_EVALUATION:
            run->flop[EVALUATION] = run->least[EVALUATION] = 0.0;
            add_work(run, EVALUATION, i, 1.0);
            add_work(run, SDRT_STAGE_DENOISE, i,
                     s->shape.adaptive ? s->evaluations_done
                                       : s->shape.evaluations[passes[i].part]);
            break;
        case SDRT_ONCE_AN_IMAGE: add_work(run, SDRT_STAGE_DECODE, i, s->shape.batch); break;
        case SDRT_ONCE_A_PICTURE: /* it begins with none */ break;
        }
    for (int i = 0; i < STAGES; i++) {
        run->flop[IMAGE] += run->flop[i];
        run->least[IMAGE] += run->least[i];
    }
}

/* opened: seconds that opening took, which belong to the first image's load. */
static int draw(struct run *run, const struct sdrt_request *request, double opened, int keep)
{
    const struct sdrt_session *s = run->context->session;
    double seconds[ROWS] = { 0.0 };
    const double start = sdrt_now();
    const int status = sdrt_generate(run->context, request);

    seconds[IMAGE] = sdrt_now() - start + opened;
    for (int i = 0; i < STAGES; i++) seconds[i] = s->stage_seconds[i];
    seconds[SDRT_STAGE_LOAD] += opened + s->plan_seconds * (opened > 0.0);
    seconds[EVALUATION] = s->evaluation_seconds;
    for (int i = 0; i < ROWS; i++) {
        if (opened > 0.0) run->first[i] = seconds[i];
        if (keep) sdrt_bench_add(&run->times[i], seconds[i]);
    }
    return status;
}

static int first_image(struct run *run, const struct sdrt_bench_options *o,
                       const struct sdrt_request *request, int keep)
{
    struct sdrt_energy before, after;
    struct sdrt_options options;
    const double start = sdrt_now();

    sdrt_bench_fill(&options, o);
    sdrt_energy_read("/sys", &before);
    int status = sdrt_open(&run->context, &options);
    if (status == SDRT_OK) status = draw(run, request, sdrt_now() - start, keep);
    sdrt_energy_read("/sys", &after);
    run->joules = sdrt_energy_used(&before, &after);
    run->resident = sdrt_memory_rss();
    run->peak = sdrt_memory_peak_rss();
    return status;
}

static void add_facts(const struct run *run, const struct sdrt_bench_options *o, int images,
                      struct sdrt_report *r)
{
    const struct sdrt_session *s = run->context->session;
    const struct sdrt_model *m = s->model;
    const double weights = (double)sdrt_model_weights_bytes(m), mib = 1.0 / (1 << 20);
    const double arena = (double)(s->persistent_bytes + s->workspace_bytes);
    char size[32];

    sdrt_device_facts(r, s->queue, m->precision);
    sdrt_roof_facts(sdrt_roof_of(run->meter), r, "roof", "roof");
    snprintf(size, sizeof size, "%dx%d", o->width, o->height);
    sdrt_report_text(r, "weights", o->model ? m->parts[SDRT_PART_BASE].name : "random", "weights");
    if (!o->model) sdrt_report_text(r, "arch", o->arch, "architecture");
    sdrt_report_text(r, "size", size, "size");
    sdrt_report_number(r, "batch", s->shape.batch, "batch", "", 0);
    sdrt_report_number(r, "steps", o->steps, "steps", "", 0);
    sdrt_report_number(r, "images", images, "runs", "", 0);
    sdrt_report_number(r, "plan.weights_bytes", weights, NULL, "", 0);
    sdrt_report_number(r, "plan.arena_bytes", arena, NULL, "", 0);
    sdrt_report_number(r, "resident_bytes", (double)run->resident, NULL, "", 0);
    sdrt_report_number(r, "peak_resident_bytes", (double)run->peak, NULL, "", 0);
    sdrt_report_number(r, "plan.total_mib", mib * (weights + arena), "planned", "MiB", 1);
    sdrt_report_number(r, "resident_mib", mib * (double)run->resident, "resident", "MiB", 1);
    sdrt_report_number(r, "peak_resident_mib", mib * (double)run->peak, "peak resident", "MiB", 1);
    if (isfinite(run->joules)) sdrt_report_number(r, "joules", run->joules, "energy", "J", 0);
    else sdrt_report_text(r, "energy", "n/a: no RAPL counter can be read", "energy");
}

static void add_rows(const struct run *run, struct sdrt_report *r)
{
    sdrt_report_table(r, "stages", columns, sizeof columns / sizeof columns[0]);
    for (int i = 0; i < ROWS; i++) {
        const struct sdrt_summary s = sdrt_bench_summary(&run->times[i]);
        const double rate = run->flop[i] > 0.0 ? run->flop[i] / s.median : NAN;
        sdrt_report_row(r, json_pack(
            "{s:s, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o}", "name", names[i], "first_ms",
            run->first[i] * 1e3, "ms", s.median * 1e3, "ms_min", s.min * 1e3, "spread",
            s.median > 0.0 ? s.spread : 0.0, "gflop", run->flop[i] * 1e-9, "tflops",
            sdrt_report_real(rate * 1e-12), "roof_share", sdrt_report_real(isnan(rate) ? NAN : run->least[i] / s.median),
            "samples_ms", sdrt_bench_samples(&run->times[i], 1e3)));
    }
}

/* What others count in, and what a preset's program does. */
static void add_rates(const struct run *run, const struct sdrt_bench_options *o,
                      const struct sdrt_request *request, struct sdrt_report *r)
{
    const double image = sdrt_bench_summary(&run->times[IMAGE]).median / request->batch;
    const double step = sdrt_bench_summary(&run->times[EVALUATION]).median;

    sdrt_report_number(r, "steps_per_second", 1.0 / step, "steps", "a second", 3);
    sdrt_report_number(r, "first_step_ms", run->first[EVALUATION] * 1e3, NULL, "", 6);
    sdrt_report_number(r, "images_per_minute", 60.0 / image, "images", "a minute", 3);
    sdrt_report_number(r, "first_image_s", run->first[IMAGE], "first image", "s, loading too", 2);
    sdrt_bench_told_spread(o, &run->times[IMAGE], r);
    if (!o->preset) return;
    sdrt_report_text(r, "preset", o->preset, "preset");
    if (!strncmp(o->preset, "mlperf", 6)) {
        sdrt_report_number(r, "samples_per_second", 1.0 / image, "offline", "samples/s", 5);
        sdrt_report_number(r, "latency_ms", image * request->batch * 1e3, "single stream", "ms", 0);
        return;
    }
    sdrt_report_number(r, "seconds_per_image", image, "each image", "s", 3);
    sdrt_report_number(r, "overall_seconds", PROCYON_IMAGES * image, "16 images", "s, by that", 1);
}

void sdrt_bench_request(struct sdrt_request *request, const struct sdrt_bench_options *o)
{
    sdrt_request_init(request);
    request->prompt = "a photo of a cat";
    request->width = o->width;
    request->height = o->height;
    request->steps = o->steps;
    request->batch = o->batch ? o->batch : 1;
    request->seed = 1;
    if (o->cfg_scale > 0.0) request->cfg_scale = (float)o->cfg_scale;
}

int sdrt_bench_generate(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    const int images = o->iterations ? o->iterations : 1;
    struct run run = { .joules = NAN };
    struct sdrt_request request;

    sdrt_bench_request(&request, o);
    const int more = images > 1 || o->until_spread > 0.0;
    int status = first_image(&run, o, &request, !more);
    if (status == SDRT_OK)
        status = sdrt_roof_create_on(&run.meter, run.context->session->queue, o->log);
    if (status == SDRT_OK) sdrt_roof_tries(run.meter, 3);
    const double start = sdrt_now();
    for (int i = 0;
         more && status == SDRT_OK && (i < images || sdrt_bench_go_on(o, &run.times[IMAGE], start));
         i++) {
        status = draw(&run, &request, 0.0, 1);
        sdrt_roof_tries(run.meter, 3);
    }
    if (status == SDRT_OK) {
        count_work(&run, more);
        add_facts(&run, o, run.times[IMAGE].n, r);
        add_rates(&run, o, &request, r);
        add_rows(&run, r);
    }
    sdrt_roof_free(&run.meter);
    sdrt_close(&run.context);
    return status;
}
