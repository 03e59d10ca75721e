/* SPDX-License-Identifier: MIT
 *
 * Whether shares are many and equal enough that no worker has nothing to do: each share of a
 * product is run alone, what it writes is counted, and the team's way of taking shares is played
 * with these counts as times.  Few channels come in, since they do not decide how a layer is cut.
 */
#include "kernels/conv.h"
#include "kernels/gemm.h"
#include "tests/emulated.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 16, MOST_SHARES = 8192, MOST_WORKERS = 64, TEAMS = 4, MANY = 30 };

/* The last ones, slow of them, work at half the speed of the others. */
static const struct {
    int workers, slow;
} teams[TEAMS] = { { 2, 0 }, { 8, 0 }, { 64, 0 }, { 6, 2 } };

/* The levels without vectors cut their work by rows, for no machine's sake. */
static void skip_without_vectors(const char *isa)
{
    if (!(sdrt_isa_find(isa)->flags & ~(unsigned)SDRT_ISA_BLAS)) cr_skip_test("%s has no vectors", isa);
}

/* ---- the team ---- */

/* As sdrt_team_next_share() does it: a worker's own stretch, as long as the worker is fast, from the
 * front, then the others' from their ends. */
struct lane {
    int front, end;
    double free_at;
};

static int take(struct lane *lanes, int worker, int workers, int *helped)
{
    for (int k = 0; k < workers; k++) {
        struct lane *owner = &lanes[(worker + k) % workers];
        *helped += k > 0 && owner->front < owner->end;
        if (owner->front < owner->end) return k ? --owner->end : owner->front++;
    }
    return -1;
}

/* The share that is done of what all workers could do in the time that they take; *helped are the
 * shares that others than their stretches' workers did. */
static double busy(const double *work, int shares, int workers, int slow, int *helped)
{
    const int fast = workers - slow, speed = 2 * fast + slow;
    struct lane lanes[MOST_WORKERS];
    double all = 0.0, last = 0.0;

    for (int w = 0, before = 0; w < workers; w++) {
        lanes[w] = (struct lane){ .front = (int)((long)shares * before / speed) };
        before += w < fast ? 2 : 1;
        lanes[w].end = (int)((long)shares * before / speed);
    }
    for (int done = 0; done < shares; done++) {
        int first = 0;
        for (int w = 1; w < workers; w++)
            if (lanes[w].free_at < lanes[first].free_at) first = w;
        const int share = take(lanes, first, workers, helped);
        cr_assert(share >= 0 && share < shares);
        all += work[share];
        lanes[first].free_at += work[share] / (first < fast ? 2.0 : 1.0);
        if (lanes[first].free_at > last) last = lanes[first].free_at;
    }
    return all / (last * speed);
}

/* ---- shares ---- */

static double count_written(float *y, size_t n)
{
    size_t written = 0;

    for (size_t i = 0; i < n; i++) {
        if (isnan(y[i])) continue;
        written++;
        y[i] = NAN;
    }
    return (double)written;
}

/* Does one share of a layer. */
typedef void do_share(void *layer, const struct sdrt_exec *ex);

/* run writes into y, n floats that are NaN. */
static void expect_busy(const char *isa, const char *name, int team, int nparts, do_share *run,
                        void *layer, void *scratch, float *y, size_t n, double least)
{
    static double work[MOST_SHARES];
    double all = 0.0;

    cr_assert(nparts >= 1 && nparts <= MOST_SHARES, "%s: %d shares", name, nparts);
    for (int part = 0; part < nparts; part++) {
        const struct sdrt_exec ex = { .part = part, .nparts = nparts, .scratch = scratch };
        run(layer, &ex);
        all += work[part] = count_written(y, n);
    }
    cr_expect(all >= (double)n && all <= (double)n, "%s: %g of %zu written", name, all, n);
    int helped = 0;
    const double share = busy(work, nparts, teams[team].workers, teams[team].slow, &helped);
    cr_expect_geq(share, least,
                  "%s, %s, %d workers, %d slow: busy for %.0f %% of the time, expected %.0f", isa,
                  name, teams[team].workers, teams[team].slow, 100.0 * share, 100.0 * least);
    /* A cut that knew nothing of speed left slow workers' stretches to others: 14 to 20 %. */
    if (teams[team].slow && nparts >= MANY)
        cr_expect(10 * helped <= nparts, "%s, %s: %d of %d shares done by helpers", isa, name,
                  helped, nparts);
}

/* ---- linear layers ---- */

struct linear {
    const struct sdrt_gemm_ops *ops;
    struct sdrt_gemm_shape s;
    struct sdrt_gemm_args  a;
};

static void run_linear(void *layer, const struct sdrt_exec *ex)
{
    const struct linear *l = layer;

    cr_assert_eq(l->ops->gemm(ex, &l->s, &l->a), 0);
}

/* least[i] for teams[i].  Little remains to be cut in the last ones: 77 rows by 320 columns
 * are 20 panels. */
static const struct {
    int m, n, gated;
    double least[TEAMS];
} linears[] = {
    { 64, 10240, 0, { 0.99, 0.99, 0.95, 0.90 } },  { 512, 1280, 0, { 0.99, 0.99, 0.80, 0.85 } },
    { 512, 1280, 1, { 0.99, 0.99, 0.80, 0.90 } },  { 2048, 640, 0, { 0.95, 0.95, 0.80, 0.85 } },
    { 4096, 320, 0, { 0.95, 0.95, 0.80, 0.85 } },  { 128, 1280, 0, { 0.99, 0.99, 0.60, 0.50 } },
    { 154, 768, 0, { 0.99, 0.90, 0.35, 0.50 } },   { 20, 1280, 0, { 0.95, 0.95, 0.60, 0.50 } },
    { 77, 1280, 0, { 0.95, 0.95, 0.60, 0.50 } },   { 77, 640, 0, { 0.95, 0.80, 0.30, 0.45 } },
    { 77, 320, 0, { 0.95, 0.60, 0.15, 0.45 } },    { 2, 20160, 0, { 0.99, 0.95, 0.80, 0.90 } },
};

static void check_linears(const char *isa)
{
    struct sdrt_gemm_ops ops = { 0 };
    uint64_t seed = trand_seed();

    skip_without_vectors(isa);
    tgemm_init(&ops, isa);
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++) {
        const int m = linears[i].m, n = linears[i].n, gated = linears[i].gated;
        struct linear l = { .ops = &ops };
        char name[48];
        l.s = (struct sdrt_gemm_shape){
            .m = m, .n = n, .k = CHANNELS, .a_pitch = CHANNELS, .y_pitch = n,
            .w = { .n = n, .k = CHANNELS, .taps = 1, .gated = gated, .stored = SDRT_F32 },
        };
        struct tbuf x = tbuf_floats((size_t)m * CHANNELS), y = tbuf_floats((size_t)m * (size_t)n);
        struct tbuf scratch = tbuf_bytes(ops.scratch(&l.s)), w = tbuf_bytes(ops.pack_bytes(&l.s.w));
        struct tbuf raw = tbuf_floats((size_t)n * CHANNELS * (gated ? 2 : 1));
        trand_rows(&seed, x.v, (size_t)m, CHANNELS, CHANNELS, 1.0f);
        trand_rows(&seed, raw.v, (size_t)n * (gated ? 2 : 1), CHANNELS, CHANNELS, 1.0f);
        cr_assert_eq(ops.pack_rows(&l.s.w, 0, n * (gated ? 2 : 1), raw.p, SDRT_F32, w.p), 0);
        l.a = (struct sdrt_gemm_args){ .a = x.v, .w = w.p, .y = y.v };
        snprintf(name, sizeof name, "%d rows of %d%s", m, n, gated ? ", gated" : "");
        for (int t = 0; t < TEAMS; t++)
            expect_busy(isa, name, t, ops.parts(&l.s, teams[t].workers), run_linear, &l, scratch.p,
                        y.v, (size_t)m * (size_t)n, linears[i].least[t]);
        struct tbuf *all[] = { &x, &y, &scratch, &w, &raw };
        for (int k = 0; k < 5; k++) tbuf_free(all[k]);
    }
}

#define SDRT_F32_LEVEL(level, ...) Test(balance, linears_##level) { check_linears(#level); }
#include "kernels/levels.h"

/* ---- convolutions that are summed directly ---- */

struct conv {
    const struct sdrt_conv_ops *ops;
    struct sdrt_conv_shape s;
    struct sdrt_conv_args  a;
};

static void run_conv(void *layer, const struct sdrt_exec *ex)
{
    const struct conv *c = layer;

    cr_assert_eq(c->ops->conv2d(ex, &c->s, &c->a), 0);
}

static const struct {
    int side, out_c, kernel, stride; /* of the output */
    double least[TEAMS];
} convs[] = {
    { 64, 320, 1, 1, { 0.99, 0.99, 0.80, 0.90 } },  { 32, 640, 1, 1, { 0.99, 0.99, 0.80, 0.90 } },
    { 16, 1280, 1, 1, { 0.99, 0.99, 0.80, 0.80 } }, { 8, 1280, 1, 1, { 0.99, 0.90, 0.60, 0.50 } },
    { 32, 320, 3, 2, { 0.99, 0.90, 0.60, 0.85 } },  { 16, 640, 3, 2, { 0.99, 0.90, 0.60, 0.50 } },
};

static void check_convs(const char *isa)
{
    struct sdrt_conv_ops ops = { 0 };
    uint64_t seed = trand_seed();

    skip_without_vectors(isa);
    tconv_init(&ops, isa);
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) {
        const int out = convs[i].side, in = out * convs[i].stride, oc = convs[i].out_c;
        const int taps = convs[i].kernel * convs[i].kernel;
        struct conv c = { .ops = &ops };
        char name[64];
        c.s = (struct sdrt_conv_shape){
            .batch = 2, .in_h = in, .in_w = in, .in_c = CHANNELS, .out_h = out, .out_w = out,
            .out_c = oc, .kernel = convs[i].kernel, .stride = convs[i].stride, .upsample = 1,
            .pad = convs[i].kernel / 2, .x_pitch = CHANNELS, .y_pitch = oc,
            .w = { .n = oc, .k = CHANNELS, .taps = taps, .stored = SDRT_F32 },
        };
        const size_t n = 2 * (size_t)(out * out) * (size_t)oc;
        struct tbuf x = tbuf_floats(2 * (size_t)(in * in) * CHANNELS), y = tbuf_floats(n);
        struct tbuf scratch = tbuf_bytes(ops.scratch(&c.s)), w = tbuf_bytes(ops.pack_bytes(&c.s.w));
        struct tbuf raw = tbuf_floats((size_t)(oc * taps) * CHANNELS);
        trand_rows(&seed, x.v, 2 * (size_t)(in * in), CHANNELS, CHANNELS, 1.0f);
        trand_rows(&seed, raw.v, (size_t)oc, CHANNELS * taps, CHANNELS * taps, 1.0f);
        cr_assert_eq(ops.pack_rows(&c.s.w, 0, oc, raw.p, SDRT_F32, w.p), 0);
        c.a = (struct sdrt_conv_args){ .x = x.v, .w = w.p, .y = y.v };
        snprintf(name, sizeof name, "%dx%d of %d, %dx%d /%d", out, out, oc, convs[i].kernel,
                 convs[i].kernel, convs[i].stride);
        for (int t = 0; t < TEAMS; t++)
            expect_busy(isa, name, t, ops.parts(&c.s, teams[t].workers), run_conv, &c, scratch.p,
                        y.v, n, convs[i].least[t]);
        struct tbuf *all[] = { &x, &y, &scratch, &w, &raw };
        for (int k = 0; k < 5; k++) tbuf_free(all[k]);
    }
}

#define SDRT_F32_LEVEL(level, ...) Test(balance, convs_##level) { check_convs(#level); }
#include "kernels/levels.h"
