/* SPDX-License-Identifier: MIT
 *
 * The published models planned for a GPU that nobody has: bytes of its memory, and how many launches a
 * guided step takes, counted by a stream that does nothing else.
 */
#include "kernels/stream.h"
#include "model/pipeline/session.h"
#include "runtime/graph/program_internal.h"
#include "runtime/weights/weight_store_internal.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(gpu_plans, .init = temp_folder_make, .fini = temp_folder_remove);

static int launches, splits; /* splits: those whose blocks share tiles */

static int count(struct sdrt_stream *stream, const struct sdrt_launch *launch)
{
    (void)stream;
    cr_assert(launch->grid_x && launch->grid_y && launch->grid_z);
    cr_assert(launch->grid_z == 1 || launch->grid_x * launch->grid_y <= SDRT_STREAM_COUNTERS);
    launches++;
    splits += launch->grid_z > 1;
    return 0;
}

/* What a tensor map is asked for is in the launch that has it. */
static int map(struct sdrt_stream *stream, struct sdrt_tensor_map *out, const void *base, int rank,
               const uint64_t *dims, const uint64_t *strides, const uint32_t *box,
               const uint32_t *steps)
{
    (void)stream;
    (void)out;
    (void)base;
    (void)dims;
    (void)strides;
    (void)box;
    (void)steps;
    return rank >= 3 && rank <= 5 ? 0 : -1;
}

/* Launches of one run of a program, whose operands lie anywhere: nothing reads them. */
static int launches_of(struct sdrt_program *p, int capability)
{
    struct sdrt_stream stream = { .launch = count,
                                  .tensor_map = map,
                                  .counters = (void *)(uintptr_t)(1 << 20),
                                  .capability = capability,
                                  .multiprocessors = 132 };

    launches = splits = 0;
    cr_assert_eq(sdrt_program_link(p, (void *)(uintptr_t)(1 << 20)), SDRT_OK, "%s", kept_text);
    for (int i = 0; i < p->n_steps; i++) {
        const struct sdrt_device_step *s = &p->device_steps[i];
        struct sdrt_exec ex = { .nparts = s->nparts, .scratch = s->scratch, .stream = &stream };
        for (; ex.part < s->nparts; ex.part++)
            cr_assert_eq(s->run(s->arg, &ex), 0, "%s", p->steps[i].n->name);
    }
    return launches;
}

/* Slots anywhere too. */
static void bind(struct sdrt_program *p)
{
    struct sdrt_external e;

    for (int i = 0; sdrt_program_external(p, i, &e); i++)
        sdrt_program_bind(p, e.tensor, (void *)(uintptr_t)(1 << 20));
}

struct plan {
    const char *arch;
    int size;
    double gib;            /* at most: weights and arena */
    int f8;                /* 1: its weights are stored in 8 bits */
    int launches[2];       /* at most, a guided step on a GPU of capability 8.0 and on one of 9.0 */
    const char *precision; /* "f16": one of 7.5 in the place of 8.0; or NULL */
};

static void check(const struct plan *plan)
{
    struct sdrt_context *c;
    struct sdrt_options o;
    struct sdrt_request r;
    struct sdrt_memory m;

    sdrt_options_init(&o);
    sdrt_request_init(&r);
    o.random_weights = o.plan_only = 1;
    o.arch = plan->arch;
    o.device = "cuda";
    o.precision = plan->precision;
    o.log = &kept_log;
    r.width = r.height = plan->size;
    expect_quiet(sdrt_open(&c, &o), plan->arch);
    if (plan->f8)
        c->session->model->parts[SDRT_PART_BASE].store->fixed =
            SDRT_F8_E4M3; /* before anything is declared */
    expect_quiet(sdrt_measure(c, &r, &m), plan->arch);
    const double gib = (double)(m.weights_bytes + m.arena_bytes) / (1 << 30);
    const int step = sdrt_session_find_when(c->session, SDRT_PART_BASE, SDRT_EACH_EVALUATION);
    struct sdrt_program *p = c->session->programs[step];
    bind(p);
    const int n = launches_of(p, plan->precision ? 75 : 80), n_splits = splits;
    const int n90 = plan->precision ? 0 : launches_of(p, 90);
    printf(
        "%s %dx%d: %.2f GiB (weights %.2f, arena %.2f), %d launches a step, %d on sm_90, of which "
        "%d and %d split k\n",
        plan->arch, plan->size, plan->size, gib, (double)m.weights_bytes / (1 << 30),
        (double)m.arena_bytes / (1 << 30), n, n90, n_splits, plan->precision ? 0 : splits);
    cr_expect_leq(gib, plan->gib, "%s takes %.2f GiB", plan->arch, gib);
    cr_expect_leq(n, plan->launches[0], "%s takes %d launches", plan->arch, n);
    cr_expect_leq(n90, plan->launches[1], "%s takes %d launches on sm_90", plan->arch, n90);
    cr_expect_eq(sdrt_program_peak(p), sdrt_program_lower_bound(p));
    sdrt_close(&c);
}

/* What they take now; less is better, more is a step back. */
Test(gpu_plans, sd15) { check(&(struct plan){ "sd15", 512, 2.13, 0, { 335, 338 }, NULL }); }
Test(gpu_plans, sdxl) { check(&(struct plan){ "sdxl", 1024, 6.3, 0, { 889, 894 }, NULL }); }
Test(gpu_plans, sd15_f16) { check(&(struct plan){ "sd15", 512, 2.47, 0, { 335, 0 }, "f16" }); }
Test(gpu_plans, sd35_medium)
{
    check(&(struct plan){ "sd35-medium", 1024, 4.95, 0, { 850, 850 }, NULL });
}
Test(gpu_plans, sd35_large)
{
    check(&(struct plan){ "sd35-large", 1024, 12.3, 0, { 1180, 1180 }, NULL });
}
Test(gpu_plans, sd35_large_f8)
{
    check(&(struct plan){ "sd35-large", 1024, 7.3, 1, { 1180, 1180 }, NULL });
}
Test(gpu_plans, sdxl_f8) { check(&(struct plan){ "sdxl", 1024, 4.2, 1, { 889, 889 }, NULL }); }
