/* SPDX-License-Identifier: MIT
 *
 * sdbench kernels: every family over the shapes that the models run, at one level or at all that
 * the machine has, beside other libraries, or a kernel of a file beside all of them.  A kernel is
 * compared with the generic level, on fewer rows of the same shape, before it is timed; one of a
 * file is first checked against the oracle.
 */
#include "bench/kernel_contest.h"
#include "bench/machine.h"
#include "bench/rivals.h"
#include "bench/shape_list.h"
#include "model/pipeline/lists.h"
#include "runtime/device/cpu.h"

#include <string.h>
#include <time.h>

enum { FIRST_TRIES = 3 };

/* bf16 keeps 8 bits of each factor, int16 some 12 to 14; of f16's 11 the sums lose some. */
static const struct sdrt_bench_precision precisions[] = {
    { "f32", SDRT_F32, 1e-4 },
    { "bf16", SDRT_BF16, 2e-2 },
    { "int16", SDRT_F32, 3e-3 },
    { "int8", SDRT_I8, 5e-2 },
    { "f16", SDRT_F16, 5e-3 },
};

static const struct sdrt_column columns[] = {
    { "family", "family", 0, 0 },     { "shape", "shape", 0, 0 },
    { "isa", "isa", 0, 0 },           { "calls", "calls", 0, 0 },
    { "ms", "ms", 3, 0 },             { "ms_min", "min ms", 3, 0 },
    { "spread", "spread %", 1, 100 }, { "cold_ms", "cold ms", 3, 0 },
    { "gflops", "GFLOP/s", 1, 0 },    { "gbs", "GB/s", 1, 0 },
    { "bound", "bound by", 0, 0 },    { "roof_share", "of roof %", 1, 100 },
    { "over_generic", "x generic", 1, 0 }, { "over_openblas", "x OpenBLAS", 2, 0 },
    { "over_onednn", "x oneDNN", 2, 0 },
};

/* A kernel of a file is in one contest with all levels; these alone each have their own, since the
 * operands of all at once take much memory. */
static int run_shape(const struct sdrt_kernel_bench *b, const struct sdrt_job *shape)
{
    int status = SDRT_OK;

    if (b->o->kernel) return sdrt_kernel_contest(b, shape, 0, b->n_levels);
    for (int i = 0; i < b->n_levels && status == SDRT_OK; i++)
        status = sdrt_kernel_contest(b, shape, i, 1);
    return status;
}

/* ---- which ---- */

/* The one asked for, or the level's own. */
static const struct sdrt_bench_precision *precision_of(const char *name, unsigned flag)
{
    const struct sdrt_bench_precision *p = precisions;
    const char *const own = flag & SDRT_ISA_ANY_BF16    ? "bf16"
                            : flag & SDRT_ISA_ANY_INT16 ? "int16"
                            : flag & SDRT_ISA_ANY_F16   ? "f16"
                                                        : "f32";

    while (strcmp(p->name, name ? name : own)) p++;
    return p;
}

static int add_level(struct sdrt_kernel_bench *b, const struct sdrt_isa_level *isa)
{
    struct sdrt_bench_level *level = &b->levels[b->n_levels];

    level->name = isa->name;
    level->isa = isa;
    level->precision = precision_of(b->o->precision, isa->own);
    sdrt_ops_init(&level->ops, isa->flags);
    const int status = sdrt_roof_create(&level->meter, sdrt_cpu_team(b->queue),
                                        sdrt_cpu_topology(b->device), isa->name, b->o->log);
    if (status != SDRT_OK) return status;
    b->n_levels++;
    sdrt_roof_tries(level->meter, FIRST_TRIES);
    return SDRT_OK;
}

/* That of the file, beside which the best level's roof stands. */
static int add_file(struct sdrt_kernel_bench *b)
{
    static const char
        *const names[] = { [SDRT_F32] = "f32", [SDRT_F16] = "f16", [SDRT_BF16] = "bf16" };
    struct sdrt_bench_level *level = &b->levels[b->n_levels];
    int status = sdrt_kernel_load(&b->file, b->o->kernel, b->o->log);

    if (status == SDRT_OK) status = add_level(b, sdrt_isa_best(sdrt_isa_detect()));
    level->name = b->file.name;
    level->foreign = 1;
    level->ops = b->file.ops;
    level->precision = precision_of(names[b->file.operand], 0);
    return status;
}

static int add_levels(struct sdrt_kernel_bench *b)
{
    const unsigned have = sdrt_isa_detect();
    const int all = b->o->isa ? !strcmp(b->o->isa, "all") : b->o->kernel != NULL;
    int status = SDRT_OK;

    if (!all) status = add_level(b, b->o->isa ? sdrt_isa_find(b->o->isa) : sdrt_isa_best(have));
    for (const struct sdrt_isa_level *l = sdrt_isa_levels; all && l->name && status == SDRT_OK; l++)
        if ((l->flags & have) == l->flags) status = add_level(b, l);
    if (status == SDRT_OK && b->o->kernel) status = add_file(b);
    return status;
}

/* A loop is text of its own, of one shape at one level on one thread. */
static int check_assembly(const struct sdrt_bench_options *o)
{
    if (!o->assembly) return SDRT_OK;
    if (o->shape)
        return sdrt_fail(o->log, SDRT_E_ARG,
                         "--asm \"%s\" is the shape: expected no --shape beside it", o->assembly);
    if (o->threads > 1)
        return sdrt_fail(o->log, SDRT_E_ARG, "--asm times one thread: expected no --threads %d",
                         o->threads);
    if (o->isa && !strcmp(o->isa, "all"))
        return sdrt_fail(o->log, SDRT_E_ARG, "--asm with --isa all: expected one instruction set");
    if (o->outputs_n || o->format != SDRT_FORMAT_TABLE)
        return sdrt_fail(o->log, SDRT_E_ARG,
                         "--asm writes assembly: expected no other form beside it");
    return SDRT_OK;
}

static int check_kernel(const struct sdrt_bench_options *o)
{
    if (o->seed && !o->kernel)
        return sdrt_fail(o->log, SDRT_E_ARG, "--seed plays a part only with --kernel");
    if (!o->kernel) return SDRT_OK;
    for (int i = 0; i < SDRT_FAMILIES; i++)
        if (o->what && !strcmp(o->what, sdrt_family_names[i])) return SDRT_OK;
    return sdrt_fail(
        o->log, SDRT_E_ARG,
        "kernels%s%s --kernel: expected its family, conv, gemm, attention, gn_sums, gn_fold, "
        "layer_norm, rms_norm or elementwise",
        o->what ? " " : "", o->what ? o->what : "");
}

static int check(const struct sdrt_bench_options *o)
{
    const struct sdrt_isa_level *level = o->isa ? sdrt_isa_find(o->isa) : NULL;
    char names[SDRT_CHOICES];

    if (sdrt_bench_on_gpu(o))
        return sdrt_fail(o->log, SDRT_E_UNSUPPORTED,
                         "kernels on device \"%s\": expected device cpu; layers "
                         "times each on a GPU",
                         o->device);
    if (o->isa && strcmp(o->isa, "all") &&
        (!level || (level->flags & sdrt_isa_detect()) != level->flags))
        return sdrt_fail(o->log, SDRT_E_ARG, "instruction set \"%s\": unknown, or not on this "
                         "machine", o->isa);
    if (o->precision && sdrt_choice(sdrt_precision_name, o->precision) < 0)
        return sdrt_fail(o->log, SDRT_E_ARG, "unknown precision \"%s\": expected %s", o->precision,
                         sdrt_choices(names, sdrt_precision_name));
    return check_assembly(o) == SDRT_OK ? check_kernel(o) : SDRT_E_ARG;
}

static void add_facts(const struct sdrt_kernel_bench *b, int checked)
{
    const struct sdrt_bench_level *best = &b->levels[b->n_levels - 1];
    char text[160];

    sdrt_machine_facts(b->report, sdrt_cpu_topology(b->device),
                       b->n_levels > 1 ? "all" : best->isa->name, best->precision->name,
                       b->queue->workers);
    sdrt_roof_facts(sdrt_roof_of(best->meter), b->report, "roof", "roof");
    if (!sdrt_rival_onednn)
        sdrt_report_text(b->report, "onednn", "n/a: sdbench was built without it", "oneDNN");
    if (!b->o->kernel) return;
    snprintf(text, sizeof text, "%s, right at %d shapes in double precision, --seed %llu",
             b->file.name, checked, (unsigned long long)b->seed);
    sdrt_report_text(b->report, "kernel.file", b->o->kernel, NULL);
    sdrt_report_text(b->report, "kernel.text", text, "kernel");
    sdrt_report_number(b->report, "kernel.shapes_checked", checked, NULL, "", 0);
    sdrt_report_number(b->report, "kernel.seed", (double)b->seed, NULL, "", 0);
}

/* Another one each time, of 6 digits: a kernel that knows the numbers is no kernel. */
static uint64_t fresh_seed(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return 1 + (uint64_t)(t.tv_nsec / 1000 ^ t.tv_sec) % 999999;
}

static int open_queue(struct sdrt_kernel_bench *b)
{
    const struct sdrt_bench_options *o = b->o;
    struct sdrt_binding before;
    int status = sdrt_cpu_device_open(&b->device, 0, "generic", SDRT_PIN_ALWAYS, o->log);

    if (status != SDRT_OK) return status;
    const int workers = o->assembly ? 1 : o->threads ? o->threads : b->device->workers;
    sdrt_rivals_start(workers);
    status = sdrt_queue_open(&b->queue, b->device, workers, o->log);
    /* For good, so that runs of some microseconds need not. */
    sdrt_topology_bind(sdrt_cpu_topology(b->device), 0, workers, &before);
    return status;
}

/* Of the one shape that --asm names. */
static int write_loop(const struct sdrt_kernel_bench *b, const struct sdrt_shape_list *list)
{
    if (list->n > 1)
        return sdrt_fail(b->o->log, SDRT_E_ARG,
                         "--asm \"%s\": %d shapes hold it: expected one, as %s or %s",
                         b->o->assembly, list->n, list->job[0].name, list->job[1].name);
    return sdrt_kernel_loop(b, &list->job[0]);
}

int sdrt_bench_kernels(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    struct sdrt_bench_options wanted = *o;
    static struct sdrt_kernel_bench b; /* of some KiB, for the one call that there is */
    struct sdrt_shape_list list = { .n = 0 };
    int checked = 0, status = check(o);

    b = (struct sdrt_kernel_bench){ .o = o,
                                    .report = r,
                                    .seed = o->seed ? (uint64_t)o->seed : fresh_seed() };
    if (o->assembly) wanted.shape = o->assembly;
    if (status == SDRT_OK) status = sdrt_shape_list_create(&list, &wanted);
    /* While there is one thread. */
    if (status == SDRT_OK && o->kernel)
        status = sdrt_kernel_check(o->kernel, list.job[0].family, list.job, list.n, b.seed,
                                   &checked, o->log);
    /* Each level brings its own kernels; the device has the workers. */
    if (status == SDRT_OK) status = open_queue(&b);
    if (status == SDRT_OK) status = add_levels(&b);
    sdrt_report_table(r, "kernels", columns, sizeof columns / sizeof columns[0]);
    if (status == SDRT_OK && o->assembly) status = write_loop(&b, &list);
    for (int i = 0; i < list.n && status == SDRT_OK && !o->assembly; i++)
        if (!o->kernel || sdrt_kernel_has(&b.file, &list.job[i]))
            status = run_shape(&b, &list.job[i]);
    sdrt_kernel_told();
    if (status == SDRT_OK) add_facts(&b, checked);
    for (int i = 0; i < b.n_levels; i++) sdrt_roof_free(&b.levels[i].meter);
    sdrt_queue_close(&b.queue);
    sdrt_device_close(&b.device);
    sdrt_shape_list_free(&list);
    return status;
}
