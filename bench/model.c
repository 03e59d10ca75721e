/* SPDX-License-Identifier: MIT
 *
 * One pass of one network: the U-Net's guided step, the VAE's decoder, the text encoder.
 */
#include "bench/harness.h"
#include "bench/roof.h"
#include "bench/sdbench.h"
#include "model/pipeline.h"

#include <stdio.h>
#include <string.h>

struct report {
    struct sdrt_roof roof;
    struct sdrt_summary times;
    double flop;
    struct { double seconds, flop; } classes[SDRT_CLASSES]; /* of one pass, mean */
    long mallocs; /* the most in one pass */
};

static enum sdrt_program_id program_of(const char *command)
{
    return !strcmp(command, "vae") ? SDRT_PROGRAM_DECODE
         : !strcmp(command, "text") ? SDRT_PROGRAM_TEXT : SDRT_PROGRAM_STEP;
}

/* Inputs like a real run's: unit noise, the tokens of an empty prompt, timestep 500. */
static int prepare(struct sdrt_context *c, enum sdrt_program_id id)
{
    const size_t pair = (size_t)sdrt_shape_unet_batch(&c->shape);
    const size_t pixels = (size_t)c->shape.h * (size_t)c->shape.w;
    struct sdrt_rng rng;
    int status = SDRT_OK;

    sdrt_rng_seed(&rng, SDRT_RNG_CPU, 1);
    sdrt_rng_normal(&rng, c->model_in, pair * pixels * 4);
    sdrt_rng_normal(&rng, c->vae_in, pixels * 4);
    for (size_t i = 0; i < pair && status == SDRT_OK; i++) {
        int dropped;
        status = sdrt_tokenizer_encode_padded(c->tokenizer, "", SDRT_TOKENIZER_LENGTH,
                                              sdrt_tokenizer_eos(c->tokenizer),
                                              c->ids + i * SDRT_TOKENIZER_LENGTH, &dropped);
    }
    c->timesteps[0] = 500.0f;
    const enum sdrt_program_id before[] = { SDRT_PROGRAM_TEXT, SDRT_PROGRAM_PROMPT,
                                            SDRT_PROGRAM_SCHEDULE };
    for (int i = 0; i < 3 && status == SDRT_OK && id == SDRT_PROGRAM_STEP; i++) {
        status = sdrt_program_load(c->programs[before[i]], NULL, NULL);
        if (status == SDRT_OK) status = sdrt_program_run(c->programs[before[i]], c->team, NULL, NULL);
    }
    memcpy(c->time_row, c->time_table, (size_t)c->parts.time_channels * sizeof *c->time_row);
    return status;
}

/* A pass runs the program repeats times. */
static int measure(struct sdrt_context *c, struct sdrt_program *p, int iterations, int repeats,
                   struct report *r)
{
    struct sdrt_times times = { .n = 0 };
    struct sdrt_step_info info;
    int status = sdrt_program_run(p, c->team, NULL, NULL); /* touches all pages */

    sdrt_program_reset_times(p);
    sdrt_roof_try(&r->roof, c->team, c->isa);
    for (int i = 0; i < iterations && status == SDRT_OK; i++) {
        const long before = sdrt_bench_allocations();
        const double start = sdrt_bench_now();
        for (int k = 0; k < repeats && status == SDRT_OK; k++)
            status = sdrt_program_run(p, c->team, NULL, NULL);
        sdrt_bench_add(&times, sdrt_bench_now() - start);
        const long mallocs = sdrt_bench_allocations() - before;
        if (mallocs > r->mallocs) r->mallocs = mallocs;
        sdrt_roof_try(&r->roof, c->team, c->isa);
    }
    r->times = sdrt_bench_summary(&times);
    for (int i = 0; i < sdrt_program_steps(p); i++) {
        sdrt_program_step(p, i, &info);
        r->flop += info.flop * repeats;
        r->classes[info.class_].flop += info.flop * repeats;
        r->classes[info.class_].seconds += info.seconds / iterations;
    }
    return status;
}

static double share(double flop, double seconds, double roof)
{
    return seconds > 0.0 && roof > 0.0 ? flop / seconds * 1e-9 / roof : 0.0;
}

static void print_json(const struct sdrt_bench_options *o, const struct sdrt_context *c,
                       const struct sdrt_program *p, const struct report *r)
{
    printf("{\"command\": \"%s\", \"size\": \"%dx%d\", \"batch\": %d, \"machine\": \"%s\",\n"
           " \"roof\": {\"f32_gflops\": %.2f, \"bf16_gflops\": %.2f, \"int8_gops\": %.2f, "
           "\"read_gbs\": %.2f},\n", o->command, o->width, o->height, o->batch,
           sdrt_topology_text(c->topology), r->roof.f32_gflops, r->roof.bf16_gflops,
           r->roof.int8_gops, r->roof.read_gbs);
    printf(" \"ms\": %.3f, \"ms_min\": %.3f, \"spread\": %.4f, \"gflop\": %.3f, \"gflops\": %.2f, "
           "\"roof_share\": %.4f,\n \"isa\": \"%s\", \"precision\": \"%s\", \"threads\": %d, "
           "\"plan\": {\"peak_bytes\": %zu, \"lower_bound_bytes\": %zu}, "
           "\"mallocs_per_step\": %ld,\n \"classes\": {", r->times.median * 1e3, r->times.min * 1e3,
           r->times.spread, r->flop * 1e-9, r->flop / r->times.median * 1e-9,
           share(r->flop, r->times.median, r->roof.f32_gflops), c->isa, c->precision, c->threads,
           sdrt_program_peak(p), sdrt_program_lower_bound(p), r->mallocs);
    for (int i = 0; i < SDRT_CLASSES; i++)
        printf("%s\"%s\": {\"ms\": %.3f, \"gflop\": %.3f, \"roof_share\": %.4f}", i ? ",\n  " : "",
               sdrt_step_class_names[i], r->classes[i].seconds * 1e3, r->classes[i].flop * 1e-9,
               share(r->classes[i].flop, r->classes[i].seconds, r->roof.f32_gflops));
    printf("}}\n");
}

static void print_table(const struct sdrt_bench_options *o, const struct sdrt_context *c,
                        const struct sdrt_program *p, const struct report *r)
{
    double all = 0.0;

    printf("%s\n%s %dx%d, batch %d, %s, f32, %d thread%s\n", sdrt_topology_text(c->topology),
           o->command, o->width, o->height, o->batch, c->isa, c->threads, c->threads == 1 ? "" : "s");
    printf("roof: f32 %.1f GFLOP/s, memory read %.1f GB/s\n", r->roof.f32_gflops, r->roof.read_gbs);
    printf("median %.1f ms, min %.1f ms, spread %.1f %%; %.1f GFLOP, %.1f GFLOP/s, %.1f %% of the "
           "roof\n", r->times.median * 1e3, r->times.min * 1e3, r->times.spread * 100,
           r->flop * 1e-9, r->flop / r->times.median * 1e-9,
           100 * share(r->flop, r->times.median, r->roof.f32_gflops));
    printf("plan: peak %.1f MiB, lower bound %.1f MiB; %ld mallocs a pass\n",
           (double)sdrt_program_peak(p) / (1 << 20), (double)sdrt_program_lower_bound(p) / (1 << 20),
           r->mallocs);
    for (int i = 0; i < SDRT_CLASSES; i++) all += r->classes[i].seconds;
    printf("%-12s %10s %8s %10s %8s\n", "class", "ms", "share", "GFLOP", "of roof");
    for (int i = 0; i < SDRT_CLASSES; i++)
        printf("%-12s %10.2f %7.1f%% %10.2f %7.1f%%\n", sdrt_step_class_names[i],
               r->classes[i].seconds * 1e3, 100 * r->classes[i].seconds / all,
               r->classes[i].flop * 1e-9,
               100 * share(r->classes[i].flop, r->classes[i].seconds, r->roof.f32_gflops));
}

int sdrt_bench_model(const struct sdrt_bench_options *o)
{
    const enum sdrt_program_id id = program_of(o->command);
    const int images = o->batch > 0 ? o->batch : id == SDRT_PROGRAM_STEP ? 2 : 1;
    /* The decoder takes one image at a time. */
    const int repeats = id == SDRT_PROGRAM_DECODE ? images : 1;
    struct sdrt_bench_options shown = *o;
    struct sdrt_context *c = NULL;
    struct sdrt_options options;
    struct report r = { .flop = 0.0 };

    sdrt_options_init(&options);
    options.model = o->model;
    options.random_weights = !o->model;
    options.threads = o->threads;
    options.isa = o->isa;
    options.precision = o->precision;
    options.log = o->log;
    shown.batch = images;
    int status = sdrt_open(&c, &options);
    if (status != SDRT_OK) return status;
    const int unit = 1 << (c->config.vae.levels - 1);
    /* The batch of the networks is what is asked for, so no pair is made of it. */
    const struct sdrt_shape shape = { .batch = images, .guided = 0, .h = o->height / unit,
                                      .w = o->width / unit, .evaluations = 1 };
    if (o->width % unit || o->height % unit || o->width < unit || o->height < unit)
        status = sdrt_fail(o->log, SDRT_E_ARG, "size %dx%d: expected multiples of %d", o->width,
                           o->height, unit);
    if (status == SDRT_OK && images > SDRT_MAX_BATCH)
        status = sdrt_fail(o->log, SDRT_E_ARG, "batch %d: expected 1 to %d", images,
                           SDRT_MAX_BATCH);
    if (status == SDRT_OK) status = sdrt_context_plan(c, &shape);
    if (status == SDRT_OK) status = sdrt_context_place(c);
    if (status == SDRT_OK) status = prepare(c, id);
    if (status == SDRT_OK) status = sdrt_program_load(c->programs[id], NULL, NULL);
    if (status == SDRT_OK) status = measure(c, c->programs[id], o->iterations, repeats, &r);
    if (status == SDRT_OK) {
        if (o->json) print_json(&shown, c, c->programs[id], &r);
        else print_table(&shown, c, c->programs[id], &r);
    }
    sdrt_close(&c);
    return status;
}
