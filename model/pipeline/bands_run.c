/* SPDX-License-Identifier: MIT
 *
 * Bands on their way through the passes, and the statistics of norms over all of them.
 */
#include "model/pipeline/bands_internal.h"
#include "runtime/graph/graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double EPS = 1e-6;

/* ---- statistics ---- */

struct summing {
    const struct sdrt_bands *b;
    const float *x;
    struct sdrt_gn_shape shape;
    int shares;
};

static void sum_share(void *arg, int worker, int i)
{
    const struct summing *s = arg;
    const struct sdrt_exec ex = { .part = i, .nparts = s->shares };

    (void)worker;
    s->b->ops->norm.gn_sums(&ex, &s->shape, s->x, NULL, s->b->sums);
}

/* Joins a band of n pixels to the before ones so far.  Chan, Golub and LeVeque 1979. */
static void merge(struct sdrt_bands *b, const struct summing *s, double before)
{
    const int c = s->shape.c;
    const double n = s->shape.pixels, all = before + n;

    for (int k = 0; k < c; k++) {
        double t = 0.0, q = 0.0;
        for (int i = 0; i < s->shares; i++) {
            t += b->sums[(size_t)(2 * i) * (size_t)c + (size_t)k];
            q += b->sums[(size_t)(2 * i + 1) * (size_t)c + (size_t)k];
        }
        double *mean = &b->moments[k], *m2 = &b->moments[c + k];
        const double off = (double)s->x[k] + t / n - (before > 0.0 ? *mean : 0.0);
        const double own = q - t * t / n;
        *m2 = before > 0.0 ? *m2 + own + off * off * before * n / all : own;
        *mean = before > 0.0 ? *mean + off * n / all : off;
    }
}

static void add_band(struct sdrt_bands *b, struct sdrt_queue *queue, const struct sdrt_band_step *s,
                     const float *x, int rows, int before)
{
    struct summing sum = { .b = b, .x = x };
    const int c = s->pass.out_c;

    sum.shape = (struct sdrt_gn_shape){ .batch = 1,
                                        .pixels = rows * s->w,
                                        .c = c,
                                        .x_pitch = c,
                                        .groups = b->config.norm_groups };
    sum.shares = sdrt_gn_parts(&sum.shape);
    sdrt_queue_each(queue, sum.shares, sum_share, &sum);
    merge(b, &sum, (double)before * s->w);
}

/* Mean, scale and shift of each channel, as kernels/norm.h has them. */
static void fold(const struct sdrt_bands *b, const struct sdrt_band_step *s, float *norm)
{
    const int c = s->pass.out_c, per = c / b->config.norm_groups;
    const double pixels = (double)s->h * s->w;

    for (int k0 = 0; k0 < c; k0 += per) {
        double mean = 0.0, m2 = 0.0;
        for (int k = k0; k < k0 + per; k++) mean += b->moments[k] / per;
        for (int k = k0; k < k0 + per; k++) {
            const double off = b->moments[k] - mean;
            m2 += b->moments[c + k] + off * off * pixels;
        }
        const double scale = 1.0 / sqrt(m2 / (pixels * per) + EPS);
        for (int k = k0; k < k0 + per; k++) {
            norm[k] = (float)mean;
            norm[c + k] = (float)((double)s->gamma[k] * scale);
            norm[2 * c + k] = s->beta[k];
        }
    }
}

/* ---- weights of norms ---- */

/* The store reads names and widths until it is filled. */
static int ask_norms(struct sdrt_bands *b)
{
    int status = SDRT_OK;

    for (int i = 0; i < b->n && status == SDRT_OK; i++) {
        struct sdrt_band_step *s = &b->steps[i];
        const float **const to[2] = { &s->gamma, &s->beta };
        static const char *const leaves[2] = { "weight", "bias" };
        if (s->pass.statistics < 0) continue;
        for (int k = 0; k < 2 && status == SDRT_OK; k++) {
            snprintf(s->vectors[k], sizeof s->vectors[k], "%s.%s", s->pass.next, leaves[k]);
            s->names[k] = s->vectors[k];
            if (sdrt_weight_store_declare(b->store, s->names[k], s->pass.out_c,
                                          (size_t)s->pass.out_c) == SDRT_DTYPES)
                return sdrt_fail(b->log, SDRT_E_NOMEM, "out of memory for %s", s->names[k]);
            status = sdrt_weight_store_vector(b->store, &b->uses, &s->names[k], &s->pass.out_c, 1,
                                              to[k]);
        }
    }
    return status;
}

static int load_norms(struct sdrt_bands *b, struct sdrt_queue *queue)
{
    int status = ask_norms(b);

    if (status == SDRT_OK) status = sdrt_weight_store_fill(b->store, &b->uses, queue, NULL, NULL);
    return status == SDRT_OK ? ask_norms(b) : status;
}

/* ---- bands ---- */

/* A pass at work. */
struct passing {
    struct sdrt_bands *b;
    const struct sdrt_band_step *s;
    unsigned char *arena;
    size_t from_row, to_row; /* bytes */
};

static struct passing passing_of(struct sdrt_bands *b, const struct sdrt_band_step *s,
                                 unsigned char *arena)
{
    return (struct passing){
        .b = b,
        .s = s,
        .arena = arena,
        .from_row = (size_t)(s->w * s->halves / s->times) * (size_t)s->pass.in_c * sizeof(float),
        .to_row = (size_t)s->w * (size_t)s->pass.out_c * sizeof(float),
    };
}

static unsigned char *in_arena(const struct passing *g, enum sdrt_band_place place)
{
    switch (place) {
    case SDRT_BAND_ENTRY: return g->arena + g->b->entry;
    case SDRT_BAND_RESULT: return g->arena + g->b->result;
    case SDRT_BAND_BESIDE: return g->arena + g->s->keys;
    case SDRT_BAND_SMALL: return g->arena + g->b->fixed_bytes;
    default: return NULL;
    }
}

/* Bytes n at byte `at` of what a place holds. */
static int take(const struct passing *g, enum sdrt_band_place place, size_t at, void *to, size_t n)
{
    const unsigned char *whole = in_arena(g, place);

    if (!whole)
        return sdrt_spill_read(g->b->spill, g->b->spilled[place - SDRT_BAND_SPILL_0] + at, to, n);
    memcpy(to, whole + at, n);
    return SDRT_OK;
}

static int leave(const struct passing *g, enum sdrt_band_place place, size_t at, const void *from,
                 size_t n)
{
    unsigned char *whole = in_arena(g, place);

    if (!whole)
        return sdrt_spill_write(g->b->spill, g->b->spilled[place - SDRT_BAND_SPILL_0] + at, from,
                                n);
    memcpy(whole + at, from, n);
    return SDRT_OK;
}

static int bind(const struct passing *g)
{
    const struct sdrt_band_step *s = g->s;
    const struct {
        const char *name;
        size_t at;
    } externals[] = { { "band_in", s->in },
                      { "band_out", s->out },
                      { "keys", s->keys },
                      { "norm0", 0 },
                      { "norm1", g->b->norm_bytes } };
    struct sdrt_external x;

    for (size_t i = 0; i < sizeof externals / sizeof *externals; i++)
        if (sdrt_program_find(s->program, externals[i].name, &x))
            sdrt_program_bind(s->program, x.tensor, g->arena + externals[i].at);
    return sdrt_program_link(s->program, g->arena + s->work);
}

/* Rows first .. of what is read, the last halo of them above row y0 as they were before the band above
 * was written in their place. */
static int fill(const struct passing *g, int first, int y0)
{
    const struct sdrt_band_step *s = g->s;
    const int rows = s->window * s->halves / s->times, above = y0 - first;
    unsigned char *in = g->arena + s->in;
    const int status = take(g, s->from, (size_t)first * g->from_row, in,
                            (size_t)rows * g->from_row);

    if (s->from != s->to || !y0) return status;
    const int saved = above < s->pass.halo ? above : s->pass.halo;
    memcpy(in + (size_t)(above - saved) * g->from_row,
           g->arena + s->saved + (size_t)(s->pass.halo - saved) * g->from_row,
           (size_t)saved * g->from_row);
    return status;
}

/* Keys and values of each pixel, without its query. */
static void put_keys(const struct passing *g, int first, int y0, int y1)
{
    const struct sdrt_band_step *s = g->s;
    const size_t c = (size_t)s->pass.in_c * sizeof(float);
    const unsigned char *from = g->arena + s->out + (size_t)(y0 - first) * g->to_row + c;
    unsigned char *to = g->arena + s->keys + (size_t)y0 * (size_t)s->w * 2 * c;

    for (int i = 0; i < (y1 - y0) * s->w; i++, from += 3 * c, to += 2 * c) memcpy(to, from, 2 * c);
}

/* Keeps the last halo rows above y1, which the next band reads, and puts the band in its place. */
static int put(const struct passing *g, int first, int y0, int y1)
{
    const struct sdrt_band_step *s = g->s;
    const int kept = y1 < s->pass.halo ? y1 : s->pass.halo;

    if (s->from == s->to)
        memcpy(g->arena + s->saved + (size_t)(s->pass.halo - kept) * g->from_row,
               g->arena + s->in + (size_t)(y1 - kept - first) * g->from_row,
               (size_t)kept * g->from_row);
    if (s->to == SDRT_BAND_NOWHERE) return SDRT_OK;
    if (s->to != SDRT_BAND_BESIDE)
        return leave(g, s->to, (size_t)y0 * g->to_row,
                     g->arena + s->out + (size_t)(y0 - first) * g->to_row,
                     (size_t)(y1 - y0) * g->to_row);
    put_keys(g, first, y0, y1);
    return SDRT_OK;
}

static int run_band(const struct passing *g, struct sdrt_queue *queue, int y0)
{
    const struct sdrt_band_step *s = g->s;
    const int y1 = y0 + s->core < s->h ? y0 + s->core : s->h;
    int first = y0 > s->pass.halo ? y0 - s->pass.halo : 0;

    if (first > s->h - s->window) first = s->h - s->window;
    int status = fill(g, first * s->halves / s->times, y0);
    if (status == SDRT_OK) status = sdrt_program_run(s->program, queue, NULL, NULL);
    if (status != SDRT_OK) return status;
    if (s->pass.statistics >= 0)
        add_band(g->b, queue, s,
                 (const float *)(void *)(g->arena + s->out + (size_t)(y0 - first) * g->to_row),
                 y1 - y0, y0);
    return put(g, first, y0, y1);
}

/* Whether no later pass of this run reads the weights of one of this kind. */
static int is_last_use(const struct sdrt_bands *b, enum sdrt_band_kind kind)
{
    return !b->spec.kept && kind != SDRT_BAND_UP && kind != SDRT_BAND_FIRST &&
           kind != SDRT_BAND_KEYS;
}

static int run_pass(const struct passing *g, struct sdrt_queue *queue)
{
    const struct sdrt_band_step *s = g->s;
    int status = sdrt_program_load(s->program, queue, NULL, NULL);

    if (status == SDRT_OK) status = bind(g);
    for (int y0 = 0; y0 < s->h && status == SDRT_OK; y0 += s->core) status = run_band(g, queue, y0);
    if (is_last_use(g->b, s->pass.kind)) sdrt_program_release(s->program);
    else sdrt_program_unload(s->program);
    return status;
}

int sdrt_bands_run(struct sdrt_bands *b, unsigned char *arena, struct sdrt_queue *queue,
                   int (*progress)(void *user, int done, int total), void *user)
{
    int status = load_norms(b, queue);

    for (int i = 0; i < b->n && status == SDRT_OK; i++) {
        const struct sdrt_band_step *s = &b->steps[i];
        const struct passing g = passing_of(b, s, arena);
        if (progress && progress(user, i, b->n)) status = SDRT_E_CANCELLED;
        if (status == SDRT_OK) status = run_pass(&g, queue);
        if (status == SDRT_OK && s->pass.statistics >= 0)
            fold(b, s, (float *)(void *)(arena + (size_t)s->pass.statistics * b->norm_bytes));
    }
    sdrt_weight_store_give_back(b->store, &b->uses,
                                b->spec.kept ? SDRT_WEIGHTS_KEEP : SDRT_WEIGHTS_FREE);
    return status;
}
