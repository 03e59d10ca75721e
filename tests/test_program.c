/* SPDX-License-Identifier: MIT
 *
 * From graphs to programs: the memory that they share against memory that nothing shares, on
 * random small graphs; allocations in a run; and the plans of SD 1.5 at full size.
 */
#include "bench/allocations.h"
#include "model/pipeline/session.h"
#include "runtime/device/cpu.h"
#include "runtime/graph/program_internal.h"
#include "runtime/weights/weight_store_internal.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_line(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    fprintf(stderr, "%s\n", text);
}

static const struct sdrt_log to_stderr = { print_line, NULL };

/* ---- random graphs ---- */

enum { H = 5, W = 6, C = 32, MAX_NODES = 24, WORKERS = 2 };

struct world {
    struct sdrt_random_weights *random;
    struct sdrt_weight_store   *store;
    struct sdrt_device *device;
    struct sdrt_queue  *queue;
    struct sdrt_program *program;
    int round; /* part of the weights' names, since each name has one shape in a store */
    sdrt_tensor in, time, out;
    float *in_at, *time_at, *out_at; /* out: [H][W][C] */
};

static void world_open(struct world *w, unsigned isa)
{
    memset(w, 0, sizeof *w);
    cr_assert_eq(sdrt_random_weights_create(&w->random, SDRT_F32, 3, &to_stderr), SDRT_OK);
    const struct sdrt_weights_provider p = sdrt_random_weights_provider(w->random);
    cr_assert_eq(sdrt_weight_store_create(&w->store, &p, SDRT_F32,
                                          isa & SDRT_ISA_ANY_BF16 ? sdrt_packing_bf16
                                                                  : sdrt_packing_as_stored,
                                          &to_stderr), SDRT_OK);
    cr_assert_eq(sdrt_cpu_device_open(&w->device, isa, "test", SDRT_PIN_NEVER, &to_stderr),
                 SDRT_OK);
    cr_assert_eq(sdrt_queue_open(&w->queue, w->device, WORKERS, &to_stderr), SDRT_OK);
    w->in_at = aligned_alloc(64, H * W * C * sizeof(float));
    w->time_at = aligned_alloc(64, C * sizeof(float));
    w->out_at = aligned_alloc(64, H * W * C * sizeof(float));
    cr_assert(w->in_at && w->time_at && w->out_at);
}

static void world_close(struct world *w)
{
    sdrt_program_free(&w->program);
    sdrt_weight_store_free(&w->store);
    sdrt_queue_close(&w->queue);
    sdrt_device_close(&w->device);
    sdrt_random_weights_free(&w->random);
    free(w->in_at);
    free(w->time_at);
    free(w->out_at);
}

/* Two sequences in one tensor attend to each other; of the first a part goes on, modulated. */
static sdrt_tensor joint_attention(struct sdrt_graph *g, sdrt_tensor x, sdrt_tensor other,
                                   const struct world *w, const char *name, const char *norm)
{
    struct sdrt_gemm_spec gemm = sdrt_gemm_defaults;
    const sdrt_tensor qkv = sdrt_graph_tensor(g, name, 1, 1, 2 * H * W, 3 * C);
    const sdrt_tensor normed = sdrt_graph_ada_norm(g, x, norm, w->time, w->time, 1e-6f);
    char second[40], out[40];

    snprintf(second, sizeof second, "%s.second", name);
    snprintf(out, sizeof out, "%s.out", name);
    gemm.n = 3 * C;
    gemm.name = name;
    gemm.into = sdrt_graph_rows(g, qkv, H * W, H * W);
    sdrt_graph_gemm(g, other, &gemm);
    gemm.name = second;
    gemm.into = sdrt_graph_rows(g, qkv, 0, H * W);
    sdrt_graph_gemm(g, normed, &gemm);
    const sdrt_tensor keys = sdrt_graph_slice(g, gemm.into, C, C);
    sdrt_graph_rms_norm(g, keys, norm, 4, 1e-6f, keys);
    const sdrt_tensor o = sdrt_graph_attention(g, norm, sdrt_graph_slice(g, qkv, 0, C),
                                               sdrt_graph_slice(g, qkv, C, C),
                                               sdrt_graph_slice(g, qkv, 2 * C, C), 2, 0);
    gemm = sdrt_gemm_defaults;
    gemm.name = out;
    gemm.n = C;
    gemm.gate = w->time;
    gemm.residual = x;
    return sdrt_graph_gemm(g, sdrt_graph_rows(g, o, 0, H * W), &gemm);
}

/* One node, or a few, on tensors picked from the pool, all of which are [1][H][W][C]. */
static sdrt_tensor random_node(struct sdrt_graph *g, uint64_t *rng, const sdrt_tensor *pool, int n,
                               const struct world *w, int id)
{
    struct sdrt_conv_spec conv = sdrt_conv_defaults;
    struct sdrt_gemm_spec gemm = sdrt_gemm_defaults;
    const sdrt_tensor x = pool[trand_int(rng, n)];
    /* Often x itself, or one that other nodes read too. */
    const sdrt_tensor other = trand_int(rng, 3) ? pool[trand_int(rng, n)] : SDRT_NO_TENSOR;
    char name[32], norm[32];

    snprintf(name, sizeof name, "node%d.%d", w->round, id);
    snprintf(norm, sizeof norm, "norm%d.%d", w->round, id);
    switch (trand_int(rng, 6)) {
    case 0:
        return sdrt_graph_layer_norm(g, x, name, 1e-5f, SDRT_NO_TENSOR);
    case 1:
        /* In place too, but not over what the next run reads. */
        return sdrt_graph_rms_norm(g, x, name, 4, 1e-6f,
                                   x != w->in && trand_int(rng, 2) ? x : SDRT_NO_TENSOR);
    case 2:
        gemm.name = name;
        gemm.n = C;
        gemm.residual = other;
        return sdrt_graph_gemm(g, x, &gemm);
    case 3:
        gemm.name = name;
        gemm.n = 3 * C;
        const sdrt_tensor qkv = sdrt_graph_gemm(g, x, &gemm);
        return sdrt_graph_attention(g, norm, sdrt_graph_slice(g, qkv, 0, C),
                                    sdrt_graph_slice(g, qkv, C, C),
                                    sdrt_graph_slice(g, qkv, 2 * C, C), 2, 0);
    case 4:
        return joint_attention(g, x, other < 0 ? x : other, w, name, norm);
    default:
        conv.name = name;
        conv.out_c = C;
        conv.kernel = trand_int(rng, 2) ? 3 : 1;
        conv.pad = conv.kernel / 2;
        conv.residual = other;
        if (trand_int(rng, 2)) {
            conv.norm = norm;
            conv.groups = 8;
            conv.eps = 1e-5f;
            conv.silu = 1;
        }
        if (trand_int(rng, 2)) conv.chan = w->time;
        if (trand_int(rng, 2)) conv.skip = pool[trand_int(rng, n)];
        return sdrt_graph_conv(g, x, &conv);
    }
}

/* Makes w->program of up to MAX_NODES nodes; the last one reads into the output. */
static void random_program(struct world *w, uint64_t *rng)
{
    sdrt_tensor pool[MAX_NODES + 1];
    struct sdrt_graph *g = NULL;
    struct sdrt_gemm_spec last = sdrt_gemm_defaults;
    const int nodes = 2 + trand_int(rng, MAX_NODES - 1);
    int n = 0;

    w->round++;
    cr_assert_eq(sdrt_graph_create(&g, "random", w->store, w->device->ops, &to_stderr), SDRT_OK);
    w->in = sdrt_graph_external(g, "in", SDRT_F32, 1, H, W, C);
    w->time = sdrt_graph_external(g, "time", SDRT_F32, 1, 1, 1, C);
    w->out = sdrt_graph_external(g, "out", SDRT_F32, 1, H, W, C);
    pool[n++] = w->in;
    for (int i = 0; i < nodes; i++) {
        /* The newest few, as in real networks, so that lives end. */
        const int recent = n < 4 ? n : 4;
        pool[n] = random_node(g, rng, pool + n - recent, recent, w, i);
        n++;
    }
    last.name = "last";
    last.n = C;
    last.residual = pool[n - 2];
    last.into = w->out;
    sdrt_graph_gemm(g, pool[n - 1], &last);
    sdrt_program_free(&w->program);
    cr_assert_eq(sdrt_program_create(&w->program, &g, w->device, WORKERS, &to_stderr),
                 SDRT_OK);
    sdrt_program_bind(w->program, w->in, w->in_at);
    sdrt_program_bind(w->program, w->time, w->time_at);
    sdrt_program_bind(w->program, w->out, w->out_at);
}

/* What node i reads, as buffers; returns how many. */
static int reads(const struct sdrt_graph *g, int i, int out[6])
{
    const struct sdrt_node *n = &g->nodes[i];
    const sdrt_tensor all[] = { n->x, n->x2, n->x3, n->chan, n->residual, n->msb };
    int count = 0;

    for (int k = 0; k < 6; k++)
        if (all[k] >= 0) out[count++] = g->tensors[all[k]].buffer;
    return count;
}

static int writes(const struct sdrt_graph *g, int i, int out[3])
{
    const struct sdrt_node *n = &g->nodes[i];
    int count = 0;

    out[count++] = g->tensors[n->y].buffer;
    if (n->scratch >= 0) out[count++] = n->scratch;
    if (n->scratch_sums >= 0) out[count++] = g->tensors[n->scratch_sums].buffer;
    return count;
}

/* Of placed buffers. */
static int overlap(const struct sdrt_graph *g, int a, int b)
{
    const size_t ta = g->buffers[a].offset, tb = g->buffers[b].offset;

    if (a == b || g->buffers[a].external || g->buffers[b].external) return 0;
    return ta < tb + g->buffers[b].bytes && tb < ta + g->buffers[a].bytes;
}

/* Whether node i may write buffer y over buffer b, which dies there: only where b is read
 * element by element, before the same element is written, and by nothing else. */
static int may_replace(const struct sdrt_graph *g, int i, int y, int b)
{
    const struct sdrt_node *n = &g->nodes[i];
    const int norm = n->kind == SDRT_NODE_LAYER_NORM || n->kind == SDRT_NODE_RMS_NORM ||
                     n->kind == SDRT_NODE_ADA_NORM;
    const sdrt_tensor elementwise = norm ? n->x : n->residual;
    int read[6], uses = 0;

    for (int k = reads(g, i, read) - 1; k >= 0; k--) uses += read[k] == b;
    return elementwise >= 0 && g->tensors[elementwise].buffer == b && uses == 1 &&
           g->tensors[n->y].buffer == y &&
           g->buffers[sdrt_graph_root(g, y)].offset == g->buffers[sdrt_graph_root(g, b)].offset;
}

/* From addresses and the nodes' operands alone: no node writes over what it or a later node
 * still reads.  Returns the highest sum of live bytes. */
static size_t check_memory(struct sdrt_graph *g)
{
    size_t most = 0;
    int *first_written = malloc((size_t)g->n_buffers * sizeof *first_written);
    int *last_read = malloc((size_t)g->n_buffers * sizeof *last_read);

    cr_assert(first_written && last_read);
    for (int b = 0; b < g->n_buffers; b++) {
        g->buffers[b].offset = g->buffers[sdrt_graph_root(g, b)].offset;
        first_written[b] = g->n_nodes;
        last_read[b] = -1;
    }
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        int written[3], read[6];
        writes(g, i, written);
        first_written[written[0]] = i;
        for (int k = reads(g, i, read) - 1; k >= 0; k--)
            if (last_read[read[k]] < 0) last_read[read[k]] = i;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        int written[3];
        const int n_written = writes(g, i, written);
        size_t live = 0;
        for (int k = 0; k < n_written; k++) {
            const struct sdrt_buffer *b = &g->buffers[written[k]];
            if (!b->external) {
                live += (b->bytes + 63) / 64 * 64;
                cr_expect_leq(g->buffers[sdrt_graph_root(g, written[k])].offset + b->bytes, g->peak);
            }
            for (int l = 0; l < k; l++)
                cr_expect_not(overlap(g, written[k], written[l]), "node %d writes twice", i);
        }
        for (int b = 0; b < g->n_buffers; b++) {
            const int dies = last_read[b];
            if (first_written[b] >= i || dies < i || g->buffers[b].external) continue;
            int replaced = 0;
            for (int k = 0; k < n_written; k++)
                if (written[k] == b) { /* another piece of it */
                    replaced = 1;
                } else if (overlap(g, written[k], b)) {
                    replaced = 1;
                    cr_expect(dies == i && may_replace(g, i, written[k], b),
                              "node %d (%s) writes over %s, which is read until node %d", i,
                              g->nodes[i].name, g->buffers[b].name, dies);
                }
            if (!replaced) live += (g->buffers[b].bytes + 63) / 64 * 64;
        }
        if (live > most) most = live;
    }
    free(first_written);
    free(last_read);
    return most;
}

/* Runs the program in an arena of NaN. */
static void run(struct world *w, size_t bytes)
{
    struct tbuf arena = tbuf_bytes(bytes + 64);

    tbuf_nan(&arena);
    for (int i = 0; i < H * W * C; i++) w->out_at[i] = NAN;
    cr_assert_eq(sdrt_program_link(w->program, arena.p), SDRT_OK);
    cr_assert_eq(sdrt_program_load(w->program, w->queue, NULL, NULL), SDRT_OK);
    cr_assert_eq(sdrt_program_run(w->program, w->queue, NULL, NULL), SDRT_OK);
    cr_expect(tbuf_ok(&arena), "written outside of the arena");
    tbuf_free(&arena);
}

/* Takes all sharing back: every buffer gets memory of its own.  Returns the bytes. */
static size_t unshare(struct sdrt_graph *g)
{
    size_t at = 0;

    for (int i = 0; i < g->n_buffers; i++) {
        g->buffers[i].alias = -1;
        g->buffers[i].offset = at;
        at += (g->buffers[i].bytes + 63) / 64 * 64;
    }
    return at;
}

static void random_graphs(const char *isa, int rounds)
{
    float first[H * W * C];
    uint64_t rng = trand_seed();
    struct world w;
    int aliased = 0;

    world_open(&w, tlevel(isa));
    for (int i = 0; i < H * W * C; i++) w.in_at[i] = trand(&rng);
    for (int i = 0; i < C; i++) w.time_at[i] = trand(&rng);
    for (int round = 0; round < rounds; round++) {
        random_program(&w, &rng);
        struct sdrt_graph *g = w.program->graph;
        const size_t live = check_memory(g);
        cr_expect_geq(sdrt_program_peak(w.program), sdrt_program_lower_bound(w.program));
        cr_expect_geq(sdrt_program_lower_bound(w.program), live, "round %d: the bound is too low",
                      round);
        for (int i = 0; i < g->n_buffers; i++) aliased += g->buffers[i].alias >= 0;
        run(&w, sdrt_program_peak(w.program));
        memcpy(first, w.out_at, sizeof first);
        for (int i = 0; i < H * W * C; i++) cr_assert(isfinite(first[i]), "round %d", round);
        run(&w, unshare(g));
        cr_expect_eq(memcmp(first, w.out_at, sizeof first), 0,
                     "%s, round %d: memory of its own gives another result", isa, round);
    }
    cr_expect_gt(aliased, rounds / 4, "in-place reuse was hardly ever tried: %d", aliased);
    world_close(&w);
}

#define SDRT_LEVEL(level, ...) \
    Test(program, random_graphs_##level) { random_graphs(#level, 60); }
#include "kernels/levels.h"
#include "tests/any_level.h"

Test(program, runs_without_allocating)
{
    uint64_t rng = trand_seed();
    struct world w;

    world_open(&w, sdrt_isa_best(sdrt_isa_detect())->flags);
    for (int i = 0; i < H * W * C; i++) w.in_at[i] = 1.0f;
    for (int i = 0; i < C; i++) w.time_at[i] = 1.0f;
    random_program(&w, &rng);
    struct tbuf arena = tbuf_bytes(sdrt_program_peak(w.program) + 64);
    cr_assert_eq(sdrt_program_link(w.program, arena.p), SDRT_OK);
    cr_assert_eq(sdrt_program_load(w.program, w.queue, NULL, NULL), SDRT_OK);
    const long before = sdrt_allocations();
    cr_assert_gt(before, 0, "the counter counts nothing");
    for (int i = 0; i < 3; i++)
        cr_assert_eq(sdrt_program_run(w.program, w.queue, NULL, NULL), SDRT_OK);
    cr_expect_eq(sdrt_allocations(), before);
    tbuf_free(&arena);
    world_close(&w);
}

/* Queries of some rows of each image, in place: as if these rows were a tensor of their own, and
 * nothing else changes. */
Test(program, rms_norm_of_rows)
{
    enum { IMAGES = 2, ROWS = 7, ROW0 = 2, SOME = 4 };
    const size_t pitch = 3 * C, all = IMAGES * ROWS * pitch;
    float *joint = aligned_alloc(64, all * sizeof *joint);
    float *apart = aligned_alloc(64, IMAGES * SOME * C * sizeof *apart);
    struct sdrt_graph *g = NULL;
    uint64_t rng = trand_seed();
    struct world w;

    world_open(&w, tlevel("generic"));
    cr_assert(joint && apart);
    for (size_t i = 0; i < all; i++) joint[i] = trand(&rng);
    for (size_t i = 0; i < IMAGES * SOME * C; i++) {
        const size_t row = i / C / SOME * ROWS + ROW0 + i / C % SOME;
        apart[i] = joint[row * pitch + C + i % C];
    }
    cr_assert_eq(sdrt_graph_create(&g, "rows", w.store, w.device->ops, &to_stderr), SDRT_OK);
    w.in = sdrt_graph_external(g, "joint", SDRT_F32, IMAGES, 1, ROWS, (int)pitch);
    w.out = sdrt_graph_external(g, "apart", SDRT_F32, IMAGES, 1, SOME, C);
    const sdrt_tensor x = sdrt_graph_rows(g, sdrt_graph_slice(g, w.in, C, C), ROW0, SOME);
    cr_expect_eq(sdrt_graph_rms_norm(g, x, "norm", 4, 1e-6f, x), x);
    cr_expect_eq(sdrt_graph_rms_norm(g, w.out, "norm", 4, 1e-6f, w.out), w.out);
    cr_assert_eq(sdrt_program_create(&w.program, &g, w.device, WORKERS, &to_stderr), SDRT_OK);
    sdrt_program_bind(w.program, w.in, joint);
    sdrt_program_bind(w.program, w.out, apart);
    cr_assert_eq(sdrt_program_link(w.program, NULL), SDRT_OK);
    cr_assert_eq(sdrt_program_load(w.program, w.queue, NULL, NULL), SDRT_OK);
    cr_assert_eq(sdrt_program_run(w.program, w.queue, NULL, NULL), SDRT_OK);
    rng = trand_seed();
    for (size_t i = 0; i < all; i++) {
        const size_t row = i / pitch % ROWS, c = i % pitch;
        const float was = trand(&rng);
        const int in = row >= ROW0 && row < ROW0 + SOME && c >= C && c < 2 * C;
        const size_t at = (i / pitch / ROWS * SOME + row - ROW0) * C + c - C;
        cr_expect_eq(joint[i], in ? apart[at] : was, "row %zu, channel %zu", row, c);
        cr_expect(!in || apart[at] != was);
    }
    world_close(&w);
    free(joint);
    free(apart);
}

/* ---- misuse ---- */

/* As text encoders are: packed again when they are next wanted, with the same result. */
Test(program, weights_released_and_packed_again)
{
    float first[H * W * C];
    uint64_t rng = trand_seed();
    struct world w;

    world_open(&w, tlevel("generic"));
    for (int i = 0; i < H * W * C; i++) w.in_at[i] = trand(&rng);
    for (int i = 0; i < C; i++) w.time_at[i] = trand(&rng);
    random_program(&w, &rng);
    run(&w, sdrt_program_peak(w.program));
    memcpy(first, w.out_at, sizeof first);
    sdrt_program_unload(w.program);
    const size_t kept = w.store->n_entries;
    cr_expect_gt(kept, 0);
    sdrt_weight_store_outdate(w.store, "no such part");
    cr_expect_eq(w.store->n_entries, kept);
    sdrt_weight_store_outdate(w.store, "node");
    sdrt_weight_store_outdate(w.store, "");
    cr_expect_eq(w.store->n_entries, 0);
    cr_expect_eq(sdrt_program_run(w.program, w.queue, NULL, NULL), SDRT_E_ARG);
    run(&w, sdrt_program_peak(w.program));
    cr_expect_eq(memcmp(first, w.out_at, sizeof first), 0);
    sdrt_program_release(w.program);
    cr_expect_eq(w.store->n_entries, 0);
    cr_expect_eq(sdrt_program_run(w.program, w.queue, NULL, NULL), SDRT_E_ARG);
    run(&w, sdrt_program_peak(w.program));
    cr_expect_eq(memcmp(first, w.out_at, sizeof first), 0);
    cr_expect_eq(sdrt_program_weight_bytes(w.program), sdrt_weight_store_bytes(w.store, ""));
    world_close(&w);
}

Test(program, refuses_to_run_unprepared)
{
    uint64_t rng = trand_seed();
    struct world w;

    world_open(&w, 0);
    random_program(&w, &rng);
    struct tbuf arena = tbuf_bytes(sdrt_program_peak(w.program) + 64);
    cr_expect_eq(sdrt_program_run(w.program, w.queue, NULL, NULL), SDRT_E_ARG);
    sdrt_program_bind(w.program, w.out, NULL);
    cr_expect_eq(sdrt_program_link(w.program, arena.p), SDRT_E_ARG);
    tbuf_free(&arena);
    world_close(&w);
}

/* The first failure stays; what is built after it does nothing. */
Test(program, graph_keeps_its_first_failure)
{
    struct sdrt_conv_spec conv = sdrt_conv_defaults;
    struct sdrt_program *program = NULL;
    struct sdrt_graph *g = NULL;
    struct world w;

    world_open(&w, 0);
    cr_assert_eq(sdrt_graph_create(&g, "bad", w.store, w.device->ops, &to_stderr), SDRT_OK);
    const sdrt_tensor x = sdrt_graph_external(g, "x", SDRT_F32, 1, H, W, C);
    conv.name = "conv";
    conv.norm = "norm";
    conv.groups = 7; /* does not divide 32 */
    conv.out_c = C;
    conv.kernel = 1;
    const sdrt_tensor y = sdrt_graph_conv(g, x, &conv);
    cr_expect_eq(y, SDRT_NO_TENSOR);
    conv.groups = 8;
    cr_expect_eq(sdrt_graph_conv(g, y, &conv), SDRT_NO_TENSOR);
    cr_expect_eq(sdrt_graph_status(g), SDRT_E_ARG);
    cr_expect_eq(sdrt_program_create(&program, &g, w.device, 1, &to_stderr), SDRT_E_ARG);
    cr_expect_null(program);
    cr_expect_null(g);
    world_close(&w);
}

/* ---- whole models ---- */

static void check_plans(const char *arch, const int (*sizes)[2], size_t n)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options o;

    sdrt_options_init(&o);
    o.random_weights = 1;
    o.arch = arch;
    o.isa = tany_level();
    o.threads = 2;
    o.log = &to_stderr;
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK);
    for (size_t i = 0; i < n; i++) {
        const struct sdrt_shape shape = { .batch = 1, .guided = 1, .h = sizes[i][0],
                                          .w = sizes[i][1], .evaluations = { 20 } };
        cr_assert_eq(sdrt_session_plan(c->session, &shape), SDRT_OK);
        printf("%s %dx%d: all programs built and planned in %.1f ms;", arch, 8 * shape.w,
               8 * shape.h, 1e3 * c->session->plan_seconds);
        for (int k = 0; k < c->session->n_passes; k++) {
            const struct sdrt_program *program = c->session->programs[k];
            if (!program) continue;
            const size_t peak = sdrt_program_peak(program);
            const size_t bound = sdrt_program_lower_bound(program);
            printf(" %s %zu of %zu bytes (%+.2f %%)", sdrt_program_name(program), peak, bound,
                   bound ? 100.0 * ((double)peak / (double)bound - 1.0) : 0.0);
            cr_expect_geq(peak, bound);
            cr_expect_leq((double)peak, 1.05 * (double)bound);
            check_memory(program->graph);
        }
        printf("\n");
    }
    sdrt_close(&c);
}

Test(program, full_size_plans_meet_their_bound)
{
    static const int small[][2] = { { 64, 64 }, { 64, 96 }, { 128, 128 }, { 57, 41 } };
    static const int large[][2] = { { 128, 128 }, { 104, 152 } };

    check_plans("sd15", small, 4);
    check_plans("sd21", large, 2);
    check_plans("sdxl", large, 2);
    check_plans("sd35-medium", large, 2);
    check_plans("sd35-large", large, 2);
}
