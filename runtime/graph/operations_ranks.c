/* SPDX-License-Identifier: MIT
 *
 * Nodes between ranks at work.  A step of one share does what crosses, so that whichever worker takes it
 * is the only one that uses the ranks.
 */
#include "runtime/graph/operations_ranks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TAG_UP = 32, TAG_DOWN, TAG_ROWS, TAG_SUMS, MOST = 32 /* messages at once */ };

static size_t size_of(enum sdrt_dtype type, size_t count) { return sdrt_dtype_bytes(type, count); }

/* Messages that are collected and begun when there are many, or at the end. */
struct mail {
    struct sdrt_ranks *ranks;
    struct sdrt_message m[MOST];
    int n, failed;
};

static void flush(struct mail *mail)
{
    if (mail->n && !mail->failed)
        mail->failed = sdrt_ranks_exchange(mail->ranks, mail->m, mail->n) != SDRT_OK;
    mail->n = 0;
}

/* To a rank and from it in turn, so that no flush of one side waits for one of the other that is later. */
static void add(struct mail *mail, int with, int tag, int receives, void *data, size_t bytes)
{
    mail->m[mail->n++] = (struct sdrt_message){ with, tag, receives, data, bytes };
    if (mail->n == MOST) flush(mail);
}

/* ---- neighbours ---- */

/* The band's own rows into the larger tensor, each value times by times where it is upsampled. */
static int run_own_rows(const struct sdrt_step *st, const struct sdrt_exec *ex)
{
    const struct sdrt_exchange_shape *s = &st->n->u.exchange;
    const float *x = st->x.data;
    float *y = st->y.data;
    const size_t c = (size_t)s->c, width = (size_t)(s->w * s->times) * c;
    const int own = s->h * s->times, high = own + s->above + s->below, all = s->batch * own;
    const int end = (int)((long)all * (ex->part + 1) / ex->nparts);

    for (int i = (int)((long)all * ex->part / ex->nparts); i < end; i++) {
        const int image = i / own, row = i % own;
        const float *from = x + (size_t)(image * s->h + row / s->times) * (size_t)s->w *
                                    (size_t)s->x_pitch;
        float *to = y + (size_t)(image * high + s->above + row) * width;
        for (int k = 0; k < s->w * s->times; k++)
            memcpy(to + (size_t)k * c, from + (size_t)(k / s->times) * (size_t)s->x_pitch,
                   c * sizeof *to);
    }
    return 0;
}

/* The first and last own rows to the neighbours, and theirs beside them.  A neighbour asks for what
 * is below its band as this rank does. */
static int run_exchange(const struct sdrt_step *st, const struct sdrt_exec *ex)
{
    const struct sdrt_exchange_shape *s = &st->n->u.exchange;
    struct sdrt_ranks *r = st->n->ranks;
    struct mail mail = { .ranks = r };
    const size_t row = (size_t)(s->w * s->times) * (size_t)s->c, bytes = row * sizeof(float);
    const int own = s->h * s->times, high = own + s->above + s->below;
    const int last = r->rank + 1 == r->size;

    (void)ex;
    for (int b = 0; b < s->batch; b++) {
        float *image = (float *)st->y.data + (size_t)(b * high) * row;
        float *first = image + (size_t)s->above * row, *end = first + (size_t)(own - 1) * row;
        if (s->above) add(&mail, r->rank - 1, TAG_DOWN, 1, image, bytes);
        if (!last) add(&mail, r->rank + 1, TAG_DOWN, 0, end, bytes);
        if (s->below) add(&mail, r->rank + 1, TAG_UP, 1, end + row, bytes);
        if (s->above && s->reads_below) add(&mail, r->rank - 1, TAG_UP, 0, first, bytes);
    }
    flush(&mail);
    return mail.failed;
}

/* ---- keys and values ---- */

static int rows_before(const struct sdrt_node *n, int rank)
{
    int before = 0;

    for (int i = 0; i < rank; i++)
        before += sdrt_graph_rank_rows(n->ranks, n->bands, n->u.gather.rows, i);
    return before;
}

static int run_own_keys(const struct sdrt_step *st, const struct sdrt_exec *ex)
{
    const struct sdrt_gather_shape *s = &st->n->u.gather;
    const size_t c = (size_t)s->c, x_rows = (size_t)(s->rows + s->common),
                 y_rows = (size_t)(s->all + s->common);
    const int before = rows_before(st->n, st->n->ranks->rank), all = s->batch * (int)x_rows;
    const int end = (int)((long)all * (ex->part + 1) / ex->nparts);

    for (int i = (int)((long)all * ex->part / ex->nparts); i < end; i++) {
        const size_t image = (size_t)i / x_rows;
        const int row = (int)((size_t)i % x_rows);
        const int to = row < s->rows ? before + row : s->all + row - s->rows;
        memcpy(sdrt_element(st->y.data, st->y.type, (image * y_rows + (size_t)to) * c),
               sdrt_element(st->x.data, st->x.type, (size_t)i * (size_t)s->x_pitch),
               size_of(st->y.type, c));
    }
    return 0;
}

static int run_gather(const struct sdrt_step *st, const struct sdrt_exec *ex)
{
    const struct sdrt_gather_shape *s = &st->n->u.gather;
    struct sdrt_ranks *r = st->n->ranks;
    struct mail mail = { .ranks = r };
    const size_t c = (size_t)s->c, y_rows = (size_t)(s->all + s->common);
    const size_t mine = size_of(st->y.type, (size_t)s->rows * c);

    (void)ex;
    for (int b = 0; b < s->batch; b++)
        for (int k = 1; k < r->size; k++) {
            const int to = (r->rank + k) % r->size, from = (r->rank + r->size - k) % r->size;
            const int rows = sdrt_graph_rank_rows(r, st->n->bands, s->rows, from);
            const size_t image = (size_t)b * y_rows;
            add(&mail, from, TAG_ROWS, 1,
                sdrt_element(st->y.data, st->y.type,
                             (image + (size_t)rows_before(st->n, from)) * c),
                size_of(st->y.type, (size_t)rows * c));
            add(&mail, to, TAG_ROWS, 0,
                sdrt_element(st->y.data, st->y.type,
                             (image + (size_t)rows_before(st->n, r->rank)) * c),
                mine);
        }
    flush(&mail);
    return mail.failed;
}

/* ---- group norms ---- */

/* Mean, and sum of squares about it, of each channel of the band's own pixels, from gn_sums' parts. */
static void own_moments(const struct sdrt_step *st, double *moments)
{
    const struct sdrt_gn_shape *s = &st->n->u.gn;
    const double *sums = st->sums.data;
    const size_t all = (size_t)(s->c + s->c2), batch = (size_t)s->batch;
    const double n = s->pixels;

    for (size_t b = 0; b < batch; b++)
        for (size_t k = 0; k < all; k++) {
            const int second = k >= (size_t)s->c;
            const float *x = second ? st->x2.data : st->x.data;
            const size_t pitch = (size_t)(second ? s->x2_pitch : s->x_pitch);
            double t = 0.0, q = 0.0;
            for (int i = 0; i < sdrt_gn_parts(s); i++) {
                const double *part = sums + ((size_t)i * batch + b) * 2 * all;
                t += part[k];
                q += part[all + k];
            }
            moments[(2 * b) * all + k] =
                (double)x[b * (size_t)s->pixels * pitch + k - (second ? (size_t)s->c : 0)] + t / n;
            moments[(2 * b + 1) * all + k] = q - t * t / n;
        }
}

/* Joins what the ranks found of a channel.  Chan, Golub and LeVeque 1979. */
static void join(const struct sdrt_node *n, const double *moments, size_t each, size_t at,
                 size_t all, double *mean, double *m2)
{
    double before = 0.0;

    *mean = *m2 = 0.0;
    for (int i = 0; i < n->ranks->size; i++) {
        const double *theirs = moments + (size_t)i * each + at;
        const double pixels = sdrt_graph_rank_rows(n->ranks, n->bands, n->u.gn.pixels, i);
        const double sum = before + pixels, off = theirs[0] - *mean;
        *m2 += theirs[all] + off * off * before * pixels / sum;
        *mean += off * pixels / sum;
        before = sum;
    }
}

/* One image's mean, scale and shift of each channel, as kernels/norm.h has them. */
static void fold(const struct sdrt_step *st, const double *moments, size_t each, size_t b,
                 double pixels)
{
    const struct sdrt_gn_shape *s = &st->n->u.gn;
    const size_t all = (size_t)(s->c + s->c2), per = all / (size_t)s->groups;
    float *msb = (float *)st->y.data + b * 3 * all;

    for (size_t k0 = 0; k0 < all; k0 += per) {
        double mean = 0.0, sum = 0.0, own, squares;
        for (size_t k = k0; k < k0 + per; k++) {
            join(st->n, moments, each, 2 * b * all + k, all, &own, &squares);
            mean += own / (double)per;
        }
        for (size_t k = k0; k < k0 + per; k++) {
            join(st->n, moments, each, 2 * b * all + k, all, &own, &squares);
            sum += squares + (own - mean) * (own - mean) * pixels;
        }
        const double variance = sum / (pixels * (double)per);
        for (size_t k = k0; k < k0 + per; k++) {
            msb[k] = (float)mean;
            msb[all + k] = (float)((double)st->gamma[k] / sqrt(variance + (double)s->eps));
            msb[2 * all + k] = st->beta[k];
        }
    }
}

size_t sdrt_rank_sums_count(const struct sdrt_gn_shape *s, int ranks)
{
    return (size_t)ranks * (size_t)s->batch * 2 * (size_t)(s->c + s->c2);
}

/* All ranks' moments lie behind the band's own sums. */
int sdrt_run_gn_ranks(const struct sdrt_step *st, const struct sdrt_exec *ex)
{
    const struct sdrt_gn_shape *s = &st->n->u.gn;
    struct sdrt_ranks *r = st->n->ranks;
    const size_t each = sdrt_rank_sums_count(s, 1);
    double *moments = (double *)st->sums.data + sdrt_gn_sums_bytes(s) / sizeof(double);
    double pixels = 0.0;

    (void)ex;
    own_moments(st, moments + (size_t)r->rank * each);
    if (sdrt_ranks_gather(r, moments, each * sizeof(double)) != SDRT_OK) return 1;
    for (int i = 0; i < r->size; i++) pixels += sdrt_graph_rank_rows(r, st->n->bands, s->pixels, i);
    for (int b = 0; b < s->batch; b++) fold(st, moments, each, (size_t)b, pixels);
    return 0;
}

/* ---- as steps ---- */

int sdrt_steps_exchange(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_exchange_shape *e = &s->n->u.exchange;
    const double row = (double)(e->w * e->times) * e->c * sizeof(float) * e->batch;

    s[1] = s[0];
    s[0].run = run_own_rows;
    s[0].nparts = p->workers;
    s[0].bytes = 2.0 * row * e->h * e->times;
    snprintf(s[0].kernel, sizeof s[0].kernel, "own rows");
    s[1].run = run_exchange;
    s[1].nparts = 1;
    s[1].bytes = row * (e->above + e->below);
    snprintf(s[1].kernel, sizeof s[1].kernel, "exchange of rows");
    s[0].class_ = s[1].class_ = SDRT_CLASS_OTHER;
    return 2;
}

int sdrt_steps_gather(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_gather_shape *e = &s->n->u.gather;
    const double row = (double)e->c * (double)sdrt_dtype_size(sdrt_graph_type(p->graph, s->n->y)) *
                       e->batch;

    s[1] = s[0];
    s[0].run = run_own_keys;
    s[0].nparts = p->workers;
    s[0].bytes = 2.0 * row * (e->rows + e->common);
    snprintf(s[0].kernel, sizeof s[0].kernel, "own keys");
    s[1].run = run_gather;
    s[1].nparts = 1;
    s[1].bytes = row * (e->all - e->rows);
    snprintf(s[1].kernel, sizeof s[1].kernel, "gather of keys");
    s[0].class_ = s[1].class_ = SDRT_CLASS_OTHER;
    return 2;
}

/* ---- reports ---- */

struct sdrt_crossing sdrt_program_crossing(const struct sdrt_program *p)
{
    struct sdrt_crossing sum = { 0.0, 0.0, 0 };

    for (int i = 0; i < p->graph->n_nodes; i++) {
        const struct sdrt_node *n = &p->graph->nodes[i];
        const struct sdrt_exchange_shape *e = &n->u.exchange;
        const struct sdrt_gather_shape *k = &n->u.gather;
        const struct sdrt_gn_shape *gn = &n->u.gn;
        double bytes, least;
        if (!n->ranks) continue;
        if (n->kind == SDRT_NODE_EXCHANGE) {
            least = (double)e->batch * (e->above + e->below) * e->w * e->c * sizeof(float);
            bytes = least * e->times;
        } else if (n->kind == SDRT_NODE_GATHER) {
            bytes = least = (double)k->batch * (k->all - k->rows) * k->c *
                            (double)sdrt_dtype_size(sdrt_graph_type(p->graph, n->y));
        } else {
            bytes = (double)sdrt_rank_sums_count(gn, n->ranks->size - 1) * sizeof(double);
            least = bytes * gn->groups / (gn->c + gn->c2);
        }
        sum.bytes += bytes;
        sum.least += least;
        sum.exchanges++;
    }
    return sum;
}
