/* SPDX-License-Identifier: MIT */
#include "bench/kernel_trial.h"
#include "bench/oracle/attention.h"
#include "bench/oracle/conv.h"
#include "bench/oracle/elementwise.h"
#include "bench/oracle/gemm.h"
#include "bench/oracle/norm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PERIOD = 65521 /* a prime: large weights repeat, but no two rows are alike */ };

static const char *const names[SDRT_FAMILIES][SDRT_TRIAL_BUFFERS] = {
    [SDRT_FAMILY_ATTENTION] = { "q", "k", "v", "w", "bias", "", "", "o", "scratch", "scratch" },
    [SDRT_FAMILY_CONV] = { "x", "x2", "msb", "w", "bias", "chan", "residual", "y", "scratch",
                           "scratch" },
    [SDRT_FAMILY_GEMM] = { "a", "", "", "w", "bias", "gate", "residual", "y", "scratch",
                           "scratch" },
    [SDRT_FAMILY_GN_SUMS] = { "x", "x2", "", "", "", "", "", "sums", "", "" },
    [SDRT_FAMILY_GN_FOLD] = { "x", "x2", "sums", "", "beta", "gamma", "", "msb", "", "" },
    [SDRT_FAMILY_ELEMENTWISE] = { "x", "x2", "x3", "", "ids", "", "", "y", "", "" },
    [SDRT_FAMILY_LAYER_NORM] = { "x", "", "", "", "beta", "gamma", "", "y", "", "" },
    [SDRT_FAMILY_RMS_NORM] = { "x", "", "", "", "", "gamma", "", "y", "", "" },
};

static const float norm_mean = 30.0f; /* so that a variance of squares alone shows */

static size_t pixels_in(const struct sdrt_conv_shape *s)
{
    return (size_t)s->batch * (size_t)s->in_h * (size_t)s->in_w;
}

static const struct sdrt_weight_shape *weights_of(const struct sdrt_job *j)
{
    return j->family == SDRT_FAMILY_CONV   ? &j->u.conv.w
           : j->family == SDRT_FAMILY_GEMM ? &j->u.gemm.w
                                           : NULL;
}

static int residual_pitch(const struct sdrt_trial *t)
{
    const struct sdrt_job *j = &t->job;
    return j->family == SDRT_FAMILY_CONV ? j->u.conv.residual_pitch : j->u.gemm.residual_pitch;
}

static size_t pixels_of(const struct sdrt_gn_shape *s)
{
    return (size_t)s->batch * (size_t)s->pixels;
}

static const struct sdrt_ew_kind *kind_of(const struct sdrt_trial *t)
{
    return &sdrt_ew_kinds[t->job.u.ew.op];
}

static struct sdrt_ew_extent extent_of(const struct sdrt_trial *t)
{
    struct sdrt_ew_extent e;

    sdrt_ew_measure(&t->job.u.ew, &e);
    return e;
}

static void sizes_of_elementwise(const struct sdrt_trial *t, size_t floats[SDRT_TRIAL_BUFFERS])
{
    const struct sdrt_ew_extent e = extent_of(t);
    const size_t size = sdrt_dtype_size(t->job.u.ew.from);

    floats[SDRT_TRIAL_X] = (e.x * size + 3) / sizeof(float);
    floats[SDRT_TRIAL_X2] = (e.x2 * size + 3) / sizeof(float);
    floats[SDRT_TRIAL_X3] = e.x3;
    floats[SDRT_TRIAL_BIAS] = e.ids;
}

static void sizes_of_norm(const struct sdrt_trial *t, size_t floats[SDRT_TRIAL_BUFFERS])
{
    const struct sdrt_gn_shape *gn = &t->job.u.gn;
    const int fold = t->job.family == SDRT_FAMILY_GN_FOLD;

    switch (t->job.family) {
    case SDRT_FAMILY_LAYER_NORM:
        floats[SDRT_TRIAL_X] = t->rows * (size_t)t->job.u.ln.x_pitch;
        floats[SDRT_TRIAL_BIAS] = floats[SDRT_TRIAL_MORE] = (size_t)t->width;
        break;
    case SDRT_FAMILY_RMS_NORM:
        floats[SDRT_TRIAL_X] = t->rows * (size_t)t->job.u.rms.x_pitch;
        floats[SDRT_TRIAL_MORE] = (size_t)t->job.u.rms.width;
        break;
    default:
        floats[SDRT_TRIAL_X] = pixels_of(gn) * (size_t)gn->x_pitch;
        floats[SDRT_TRIAL_X2] = gn->c2 ? pixels_of(gn) * (size_t)gn->x2_pitch : 0;
        floats[SDRT_TRIAL_X3] = fold ? sdrt_gn_sums_bytes(gn) / sizeof(float) : 0;
        floats[SDRT_TRIAL_BIAS] = floats[SDRT_TRIAL_MORE] = fold ? (size_t)t->width : 0;
    }
}

/* Floats of each operand; of scratch and packed weights too. */
static void sizes_of(const struct sdrt_trial *t, size_t floats[SDRT_TRIAL_BUFFERS])
{
    const struct sdrt_conv_shape *c = &t->job.u.conv;
    const struct sdrt_gemm_shape *g = &t->job.u.gemm;
    const struct sdrt_attention_shape *a = &t->job.u.attention;
    const size_t keys = (size_t)a->batch * (size_t)a->kv_len;

    memset(floats, 0, SDRT_TRIAL_BUFFERS * sizeof *floats);
    floats[SDRT_TRIAL_Y] = t->rows * (size_t)t->pitch * (t->wide ? 2 : 1);
    switch (t->job.family) {
    case SDRT_FAMILY_CONV:
        floats[SDRT_TRIAL_X] = pixels_in(c) * (size_t)c->x_pitch;
        floats[SDRT_TRIAL_X2] = c->in_c2 ? pixels_in(c) * (size_t)c->x2_pitch : 0;
        floats[SDRT_TRIAL_X3] = c->prologue ? (size_t)c->batch * 3 * (size_t)c->w.k : 0;
        floats[SDRT_TRIAL_WEIGHTS] = t->ops->conv.pack_bytes(&c->w) / sizeof(float);
        floats[SDRT_TRIAL_BIAS] = t->bias ? (size_t)c->out_c : 0;
        floats[SDRT_TRIAL_MORE] = !t->more        ? 0
                                  : c->chan_pitch ? (size_t)c->batch * (size_t)c->chan_pitch
                                                  : (size_t)c->out_c;
        floats[SDRT_TRIAL_SCRATCH] = t->ops->conv.scratch(c) / sizeof(float);
        break;
    case SDRT_FAMILY_GEMM:
        floats[SDRT_TRIAL_X] = (size_t)g->m * (size_t)g->a_pitch;
        floats[SDRT_TRIAL_WEIGHTS] = t->ops->gemm.pack_bytes(&g->w) / sizeof(float);
        floats[SDRT_TRIAL_BIAS] = t->bias ? (size_t)g->n * (g->w.gated ? 2 : 1) : 0;
        floats[SDRT_TRIAL_MORE] = t->more ? (size_t)g->n : 0;
        floats[SDRT_TRIAL_SCRATCH] = t->ops->gemm.scratch(g) / sizeof(float);
        break;
    case SDRT_FAMILY_GN_SUMS:
    case SDRT_FAMILY_GN_FOLD:
    case SDRT_FAMILY_LAYER_NORM:
    case SDRT_FAMILY_RMS_NORM: sizes_of_norm(t, floats); break;
    case SDRT_FAMILY_ELEMENTWISE: sizes_of_elementwise(t, floats); break;
    default:
        floats[SDRT_TRIAL_X] = t->rows * (size_t)a->q_pitch;
        floats[SDRT_TRIAL_X2] = keys * (size_t)a->k_pitch;
        floats[SDRT_TRIAL_X3] = keys * (size_t)a->v_pitch;
        floats[SDRT_TRIAL_BIAS] = a->biased
                                      ? (size_t)a->heads * (size_t)a->q_len * (size_t)a->kv_len
                                      : 0;
        floats[SDRT_TRIAL_SCRATCH] = t->ops->attention.scratch(a) / sizeof(float);
    }
    floats[SDRT_TRIAL_RESIDUAL] = t->residual ? t->rows * (size_t)residual_pitch(t) : 0;
    floats[SDRT_TRIAL_SCRATCH2] = floats[SDRT_TRIAL_SCRATCH];
}

static void set_result(struct sdrt_trial *t)
{
    const struct sdrt_conv_shape *c = &t->job.u.conv;
    const struct sdrt_gemm_shape *g = &t->job.u.gemm;
    const struct sdrt_attention_shape *a = &t->job.u.attention;
    const struct sdrt_gn_shape *gn = &t->job.u.gn;
    struct sdrt_ew_extent e;

    t->wide = t->job.family == SDRT_FAMILY_GN_SUMS;
    switch (t->job.family) {
    case SDRT_FAMILY_CONV:
        t->rows = (size_t)c->batch * (size_t)c->out_h * (size_t)c->out_w;
        t->width = c->out_c;
        t->pitch = c->y_pitch;
        break;
    case SDRT_FAMILY_GEMM:
        t->rows = (size_t)g->m;
        t->width = g->n;
        t->pitch = g->y_pitch;
        break;
    case SDRT_FAMILY_GN_SUMS:
    case SDRT_FAMILY_GN_FOLD:
        t->rows = (size_t)gn->batch * (t->wide ? 2 * (size_t)sdrt_gn_parts(gn) : 3);
        t->width = t->pitch = gn->c + gn->c2;
        break;
    case SDRT_FAMILY_ELEMENTWISE:
        e = extent_of(t);
        t->rows = e.rows;
        t->width = e.width;
        t->pitch = e.pitch;
        break;
    case SDRT_FAMILY_LAYER_NORM:
        t->rows = (size_t)t->job.u.ln.rows;
        t->width = t->job.u.ln.c;
        t->pitch = t->job.u.ln.y_pitch;
        break;
    case SDRT_FAMILY_RMS_NORM:
        t->rows = (size_t)t->job.u.rms.rows;
        t->width = t->job.u.rms.groups * t->job.u.rms.width;
        t->pitch = t->job.u.rms.y_pitch;
        break;
    default:
        t->rows = (size_t)a->batch * (size_t)a->q_len;
        t->width = a->heads * a->head_dim;
        t->pitch = a->o_pitch;
    }
}

int sdrt_trial_create(struct sdrt_trial *t, const struct sdrt_ops *ops, int at_end)
{
    const struct sdrt_weight_shape *w = weights_of(&t->job);
    size_t floats[SDRT_TRIAL_BUFFERS];
    int ok = 1;

    t->ops = ops;
    set_result(t);
    sizes_of(t, floats);
    for (int i = 0; i < SDRT_TRIAL_BUFFERS; i++)
        ok &= sdrt_guarded_create(&t->buffer[i], names[t->job.family][i], floats[i] * sizeof(float),
                                  at_end);
    if (w)
        t->values = malloc((size_t)w->n * (w->gated ? 2 : 1) * (size_t)w->k * (size_t)w->taps *
                           sizeof *t->values);
    if (t->residual) t->residuals = malloc(t->rows * (size_t)t->width * sizeof *t->residuals);
    t->want = malloc(t->rows * (size_t)t->width * sizeof *t->want);
    return ok && (!w || t->values) && (!t->residual || t->residuals) && t->want;
}

void sdrt_trial_free(struct sdrt_trial *t)
{
    for (int i = 0; i < SDRT_TRIAL_BUFFERS; i++) sdrt_guarded_free(&t->buffer[i]);
    free(t->values);
    free(t->residuals);
    free(t->want);
    t->values = t->residuals = t->want = NULL;
}

/* ---- numbers ---- */

/* Random weights whose products have about unit size, in two calls, the last rows first. */
static const char *pack(struct sdrt_trial *t, uint64_t *rng)
{
    const struct sdrt_weight_shape *w = weights_of(&t->job);
    const struct sdrt_guarded *packed = &t->buffer[SDRT_TRIAL_WEIGHTS];
    const int rows = w->gated ? 2 * w->n : w->n, half = rows / 2;
    const size_t row = (size_t)w->k * (size_t)w->taps, n = row * (size_t)rows;
    const float scale = 3.0f / sqrtf((float)row);
    float *source = malloc(n * sizeof *source);
    int failed;

    if (!source) return "out of memory for weights";
    for (size_t i = 0; i < n; i++) {
        source[i] = i < PERIOD ? scale * trand(rng) : source[i - PERIOD];
        t->values[i] = i < PERIOD ? tround((double)source[i], w->stored) : t->values[i - PERIOD];
    }
    memset(packed->p, 0, packed->bytes);
    if (t->job.family == SDRT_FAMILY_CONV)
        failed = t->ops->conv.pack_rows(w, half, rows - half, source + (size_t)half * row, SDRT_F32,
                                        packed->p) != 0 ||
                 (half && t->ops->conv.pack_rows(w, 0, half, source, SDRT_F32, packed->p) != 0);
    else
        failed = t->ops->gemm.pack_rows(w, half, rows - half, source + (size_t)half * row, SDRT_F32,
                                        packed->p) != 0 ||
                 (half && t->ops->gemm.pack_rows(w, 0, half, source, SDRT_F32, packed->p) != 0);
    free(source);
    return failed ? "pack_rows did not return 0"
           : !sdrt_guarded_intact(packed)
               ? "pack_rows wrote outside the bytes that pack_bytes asks for"
               : NULL;
}

static struct sdrt_ew_operands operands_of(const struct sdrt_trial *t)
{
    const struct sdrt_guarded *b = t->buffer;

    return (struct sdrt_ew_operands){
        .x = b[SDRT_TRIAL_X].p,
        .x2 = b[SDRT_TRIAL_X2].bytes ? b[SDRT_TRIAL_X2].p : NULL,
        .x3 = b[SDRT_TRIAL_X3].bytes ? b[SDRT_TRIAL_X3].p : NULL,
        .ids = b[SDRT_TRIAL_BIAS].p,
        .y = b[SDRT_TRIAL_Y].v,
    };
}

static void expect(struct sdrt_trial *t)
{
    const struct sdrt_ew_operands elementwise = operands_of(t);
    const struct sdrt_guarded *b = t->buffer;
    const float *bias = t->bias ? b[SDRT_TRIAL_BIAS].v : NULL;
    const float *more = t->more ? b[SDRT_TRIAL_MORE].v : NULL;
    const struct sdrt_conv_args conv = {
        .x = b[SDRT_TRIAL_X].v,
        .x2 = b[SDRT_TRIAL_X2].v,
        .msb = b[SDRT_TRIAL_X3].v,
        .bias = bias,
        .chan = more,
    };

    for (size_t i = 0; t->residual && i < t->rows * (size_t)t->width; i++)
        t->residuals[i] =
            (double)b[SDRT_TRIAL_RESIDUAL]
                .v[i / (size_t)t->width * (size_t)residual_pitch(t) + i % (size_t)t->width];
    switch (t->job.family) {
    case SDRT_FAMILY_CONV:
        oracle_conv(&t->job.u.conv, &conv, t->values, SDRT_F32, t->residuals, t->step, t->want);
        break;
    case SDRT_FAMILY_GEMM:
        oracle_gemm(&t->job.u.gemm, conv.x, t->values, bias, more, t->residuals, t->step, t->want);
        break;
    case SDRT_FAMILY_ELEMENTWISE: oracle_elementwise(&t->job.u.ew, &elementwise, t->want); break;
    case SDRT_FAMILY_GN_SUMS: oracle_group_sums(&t->job.u.gn, conv.x, conv.x2, t->want); break;
    case SDRT_FAMILY_GN_FOLD:
        oracle_group_fold(&t->job.u.gn, conv.x, conv.x2, b[SDRT_TRIAL_MORE].v, b[SDRT_TRIAL_BIAS].v,
                          t->want);
        break;
    case SDRT_FAMILY_LAYER_NORM:
        oracle_layer_norm(&t->job.u.ln, conv.x, b[SDRT_TRIAL_MORE].v, b[SDRT_TRIAL_BIAS].v,
                          t->want);
        break;
    case SDRT_FAMILY_RMS_NORM:
        oracle_rms_norm(&t->job.u.rms, conv.x, b[SDRT_TRIAL_MORE].v, t->want);
        break;
    default:
        oracle_attention(&t->job.u.attention, conv.x, conv.x2, conv.msb,
                         t->job.u.attention.biased ? b[SDRT_TRIAL_BIAS].v : NULL, t->step, t->want);
    }
}

static void fill_rows(struct sdrt_guarded *g, uint64_t *rng, size_t rows, int width, int pitch,
                      float mean)
{
    trand_rows(rng, g->v, rows, width, pitch, 1.0f);
    for (size_t r = 0; r < rows; r++)
        for (int c = 0; c < width; c++) g->v[r * (size_t)pitch + (size_t)c] += mean;
}

static void fill_group_norm(struct sdrt_trial *t, uint64_t *rng)
{
    const struct sdrt_gn_shape *s = &t->job.u.gn;
    struct sdrt_guarded *b = t->buffer;

    fill_rows(&b[SDRT_TRIAL_X], rng, pixels_of(s), s->c, s->x_pitch, norm_mean);
    if (s->c2) fill_rows(&b[SDRT_TRIAL_X2], rng, pixels_of(s), s->c2, s->x2_pitch, norm_mean);
    if (t->job.family == SDRT_FAMILY_GN_SUMS) return;
    trand_rows(rng, b[SDRT_TRIAL_MORE].v, 1, t->width, t->width, 1.0f);
    oracle_group_sums(s, b[SDRT_TRIAL_X].v, b[SDRT_TRIAL_X2].v, b[SDRT_TRIAL_X3].p);
}

static void fill_norm(struct sdrt_trial *t, uint64_t *rng, int pitch, float mean)
{
    struct sdrt_guarded *b = t->buffer;
    const int gammas = (int)(b[SDRT_TRIAL_MORE].bytes / sizeof(float));

    fill_rows(&b[SDRT_TRIAL_X], rng, t->rows, t->width, pitch, mean);
    trand_rows(rng, b[SDRT_TRIAL_MORE].v, 1, gammas, gammas, 1.0f);
}

/* Times are of a schedule, words any. */
static void fill_elementwise(struct sdrt_trial *t, uint64_t *rng)
{
    const struct sdrt_ew_extent e = extent_of(t);
    const struct sdrt_ew_shape *s = &t->job.u.ew;
    struct sdrt_guarded *b = t->buffer;
    int32_t *ids = b[SDRT_TRIAL_BIAS].p;

    for (size_t i = 0; i < e.x; i++) {
        const double v = s->op == SDRT_EW_TIMESTEP ? 500.0 * (1.0 + (double)trand(rng))
                                                   : 2.0 * (double)trand(rng);
        tencode(v, s->from, b[SDRT_TRIAL_X].p, i);
    }
    for (size_t i = 0; i < e.x2; i++)
        tencode(2.0 * (double)trand(rng), s->from, b[SDRT_TRIAL_X2].p, i);
    for (size_t i = 0; i < e.x3; i++) b[SDRT_TRIAL_X3].v[i] = trand(rng);
    for (size_t i = 0; i < e.ids; i++) ids[i] = i ? trand_int(rng, e.id_bound) : e.id_bound - 1;
}

static void fill_operands(struct sdrt_trial *t, uint64_t *rng)
{
    const struct sdrt_conv_shape *c = &t->job.u.conv;
    const struct sdrt_gemm_shape *g = &t->job.u.gemm;
    const struct sdrt_attention_shape *a = &t->job.u.attention;
    struct sdrt_guarded *b = t->buffer;
    const size_t keys = (size_t)a->batch * (size_t)a->kv_len;

    switch (t->job.family) {
    case SDRT_FAMILY_CONV:
        trand_rows(rng, b[SDRT_TRIAL_X].v, pixels_in(c), c->in_c, c->x_pitch, 1.0f);
        if (c->in_c2)
            trand_rows(rng, b[SDRT_TRIAL_X2].v, pixels_in(c), c->in_c2, c->x2_pitch, 1.0f);
        for (size_t i = 0; c->prologue && i < 3u * (size_t)(c->batch * c->w.k); i++)
            b[SDRT_TRIAL_X3].v[i] = i / (size_t)c->w.k % 3 == 1 ? 1.5f + trand(rng) : trand(rng);
        if (t->more && c->chan_pitch)
            trand_rows(rng, b[SDRT_TRIAL_MORE].v, (size_t)c->batch, c->out_c, c->chan_pitch, 1.0f);
        else if (t->more) trand_rows(rng, b[SDRT_TRIAL_MORE].v, 1, c->out_c, c->out_c, 1.0f);
        break;
    case SDRT_FAMILY_GEMM:
        trand_rows(rng, b[SDRT_TRIAL_X].v, (size_t)g->m, g->k, g->a_pitch, 1.0f);
        if (t->more) trand_rows(rng, b[SDRT_TRIAL_MORE].v, 1, g->n, g->n, 1.0f);
        break;
    case SDRT_FAMILY_ELEMENTWISE: fill_elementwise(t, rng); return;
    case SDRT_FAMILY_GN_SUMS:
    case SDRT_FAMILY_GN_FOLD: fill_group_norm(t, rng); break;
    case SDRT_FAMILY_LAYER_NORM: fill_norm(t, rng, t->job.u.ln.x_pitch, norm_mean); break;
    case SDRT_FAMILY_RMS_NORM: fill_norm(t, rng, t->job.u.rms.x_pitch, 0.0f); break;
    default:
        trand_rows(rng, b[SDRT_TRIAL_X].v, t->rows, t->width, a->q_pitch, 1.0f);
        trand_rows(rng, b[SDRT_TRIAL_X2].v, keys, t->width, a->k_pitch, 1.5f);
        trand_rows(rng, b[SDRT_TRIAL_X3].v, keys, t->width, a->v_pitch, 1.0f);
    }
    const size_t biases = b[SDRT_TRIAL_BIAS].bytes / sizeof(float);
    for (size_t i = 0; i < biases; i++) b[SDRT_TRIAL_BIAS].v[i] = trand(rng);
    if (t->residual)
        trand_rows(rng, b[SDRT_TRIAL_RESIDUAL].v, t->rows, t->width, residual_pitch(t), 1.0f);
}

const char *sdrt_trial_fill(struct sdrt_trial *t, uint64_t *rng)
{
    const char *wrong = NULL;

    for (int i = 0; i < SDRT_TRIAL_READ; i++) sdrt_guarded_lock(&t->buffer[i], 0);
    fill_operands(t, rng);
    if (weights_of(&t->job)) wrong = pack(t, rng);
    for (int i = 0; i < SDRT_TRIAL_READ; i++) sdrt_guarded_lock(&t->buffer[i], 1);
    if (!wrong) expect(t);
    return wrong;
}

double sdrt_trial_value(const struct sdrt_trial *t, size_t i)
{
    const struct sdrt_guarded *y = &t->buffer[SDRT_TRIAL_Y];
    const size_t at = i / (size_t)t->width * (size_t)t->pitch + i % (size_t)t->width;

    return t->wide ? ((const double *)y->p)[at] : (double)y->v[at];
}

size_t sdrt_trial_unwritten(const struct sdrt_trial *t)
{
    const uint64_t poison = UINT64_MAX;
    const size_t width = (size_t)t->width, size = t->wide ? sizeof(double) : sizeof(float);
    const char *y = t->buffer[SDRT_TRIAL_Y].p;
    size_t n = 0;

    for (size_t i = 0; i < t->rows * width; i++)
        n += !memcmp(y + (i / width * (size_t)t->pitch + i % width) * size, &poison, size);
    return n;
}

/* ---- running ---- */

void sdrt_trial_clear(struct sdrt_trial *t)
{
    struct sdrt_guarded *y = &t->buffer[SDRT_TRIAL_Y];

    sdrt_guarded_poison(y);
    if (t->job.family == SDRT_FAMILY_ELEMENTWISE) {
        const struct sdrt_ew_extent e = extent_of(t);
        for (size_t r = 0; e.x_pitch && r < t->rows; r++)
            memcpy(y->v + r * (size_t)t->pitch, t->buffer[SDRT_TRIAL_X].v + r * (size_t)e.x_pitch,
                   (size_t)t->width * sizeof(float));
        return;
    }
    if (t->residual != SDRT_TRIAL_IN_PLACE) return;
    for (size_t r = 0; r < t->rows; r++)
        memcpy(y->v + r * (size_t)t->pitch,
               t->buffer[SDRT_TRIAL_RESIDUAL].v + r * (size_t)residual_pitch(t),
               (size_t)t->width * sizeof(float));
}

int sdrt_trial_part(struct sdrt_trial *t, int part, int nparts, int thread)
{
    struct sdrt_guarded *b = t->buffer, *scratch = &b[SDRT_TRIAL_SCRATCH + thread];
    const struct sdrt_exec ex = { .part = part, .nparts = nparts, .scratch = scratch->p };
    const float *bias = t->bias ? b[SDRT_TRIAL_BIAS].v : NULL;
    const float *more = t->more ? b[SDRT_TRIAL_MORE].v : NULL;
    const float *residual = t->residual == SDRT_TRIAL_IN_PLACE ? b[SDRT_TRIAL_Y].v
                            : t->residual                      ? b[SDRT_TRIAL_RESIDUAL].v
                                                               : NULL;
    const struct sdrt_ew_operands elementwise = operands_of(t);

    sdrt_guarded_poison(scratch);
    switch (t->job.family) {
    case SDRT_FAMILY_CONV:
        return t->ops->conv.conv2d(&ex, &t->job.u.conv,
                                   &(struct sdrt_conv_args){
                                       .x = b[SDRT_TRIAL_X].v,
                                       .x2 = t->job.u.conv.in_c2 ? b[SDRT_TRIAL_X2].v : NULL,
                                       .msb = t->job.u.conv.prologue ? b[SDRT_TRIAL_X3].v : NULL,
                                       .w = b[SDRT_TRIAL_WEIGHTS].p,
                                       .bias = bias,
                                       .chan = more,
                                       .residual = residual,
                                       .y = b[SDRT_TRIAL_Y].p });
    case SDRT_FAMILY_GEMM:
        return t->ops->gemm.gemm(&ex, &t->job.u.gemm,
                                 &(struct sdrt_gemm_args){ .a = b[SDRT_TRIAL_X].p,
                                                           .w = b[SDRT_TRIAL_WEIGHTS].p,
                                                           .bias = bias,
                                                           .gate = more,
                                                           .residual = residual,
                                                           .y = b[SDRT_TRIAL_Y].p });
    case SDRT_FAMILY_ELEMENTWISE:
        return kind_of(t)->run(&t->ops->elementwise, &ex, &t->job.u.ew, &elementwise);
    case SDRT_FAMILY_GN_SUMS:
        return t->ops->norm.gn_sums(&ex, &t->job.u.gn, b[SDRT_TRIAL_X].v,
                                    t->job.u.gn.c2 ? b[SDRT_TRIAL_X2].v : NULL, b[SDRT_TRIAL_Y].p);
    case SDRT_FAMILY_GN_FOLD:
        return t->ops->norm.gn_fold(&ex, &t->job.u.gn, b[SDRT_TRIAL_X].v,
                                    t->job.u.gn.c2 ? b[SDRT_TRIAL_X2].v : NULL,
                                    b[SDRT_TRIAL_MORE].v, b[SDRT_TRIAL_BIAS].v, b[SDRT_TRIAL_X3].p,
                                    b[SDRT_TRIAL_Y].v);
    case SDRT_FAMILY_LAYER_NORM:
        return t->ops->norm.layer_norm(&ex, &t->job.u.ln, b[SDRT_TRIAL_X].v, b[SDRT_TRIAL_MORE].v,
                                       b[SDRT_TRIAL_BIAS].v, b[SDRT_TRIAL_Y].p);
    case SDRT_FAMILY_RMS_NORM:
        return t->ops->norm.rms_norm(&ex, &t->job.u.rms, b[SDRT_TRIAL_X].v, b[SDRT_TRIAL_MORE].v,
                                     b[SDRT_TRIAL_Y].p);
    default:
        return t->ops->attention.attention(
            &ex, &t->job.u.attention,
            &(struct sdrt_attention_args){ .q = b[SDRT_TRIAL_X].p,
                                           .k = b[SDRT_TRIAL_X2].p,
                                           .v = b[SDRT_TRIAL_X3].p,
                                           .o = b[SDRT_TRIAL_Y].p,
                                           .bias = t->job.u.attention.biased ? b[SDRT_TRIAL_BIAS].v
                                                                             : NULL });
    }
}

int sdrt_trial_parts(const struct sdrt_trial *t, int workers)
{
    const struct sdrt_job *j = &t->job;

    switch (j->family) {
    case SDRT_FAMILY_CONV: return t->ops->conv.parts(&j->u.conv, workers);
    case SDRT_FAMILY_GEMM: return t->ops->gemm.parts(&j->u.gemm, workers);
    case SDRT_FAMILY_ATTENTION: return t->ops->attention.parts(&j->u.attention, workers);
    case SDRT_FAMILY_GN_SUMS: return sdrt_gn_parts(&j->u.gn);
    case SDRT_FAMILY_GN_FOLD: return j->u.gn.batch;
    default: return 4 * workers; /* of rows, as many as the program has */
    }
}

/* ---- judging ---- */

/* In f32 the rounding of all products, with a digit more for Winograd's transforms; in 16 bits that
 * of each operand, several sigmas of it. */
static double limit_of(const struct sdrt_trial *t, enum sdrt_dtype operand)
{
    const struct sdrt_weight_shape *w = weights_of(&t->job);
    const double inputs = w ? (double)w->k * w->taps : 0.0, both = w && w->gated ? 2.0 : 1.0;

    /* Sums of so many differences, which may be added up in f32; below, means that are f32's. */
    if (t->job.family == SDRT_FAMILY_GN_SUMS)
        return 2e-5 * sqrt((double)t->job.u.gn.pixels / sdrt_gn_parts(&t->job.u.gn));
    if (t->job.family == SDRT_FAMILY_GN_FOLD) return 4e-6;
    /* Rounding, and half the last bit of a mean in f32, of deviations of 1 / sqrt(3). */
    if (t->job.family == SDRT_FAMILY_LAYER_NORM)
        return 5e-6 + 2.4e-7 * (double)norm_mean * sqrt(3.0);
    if (t->job.family == SDRT_FAMILY_RMS_NORM) return 5e-6;
    if (operand == SDRT_BF16) return w ? 4e-2 * both : 1.2e-2;
    if (operand == SDRT_F16) return 1.5e-2 * both;
    return t->job.family == SDRT_FAMILY_CONV   ? 8.0 * (4e-6 + 2e-7 * sqrt(inputs))
           : t->job.family == SDRT_FAMILY_GEMM ? 2.0 * both * (3e-6 + 1.5e-7 * sqrt(inputs))
                                               : 1e-5;
}

struct tdiff sdrt_trial_compare(const struct sdrt_trial *t, enum sdrt_dtype operand,
                                double *nmse_limit)
{
    const int norm = t->job.family >= SDRT_FAMILY_GN_SUMS && t->job.family <= SDRT_FAMILY_RMS_NORM;

    *nmse_limit = operand == SDRT_BF16 ? 5e-5 : operand == SDRT_F16 ? 5e-6 : 1e-10;
    if (t->job.family == SDRT_FAMILY_ELEMENTWISE) {
        *nmse_limit = 1e-8; /* each value has its limit */
        return tcompare(t->buffer[SDRT_TRIAL_Y].v, t->want, t->rows, t->width, t->pitch,
                        kind_of(t)->atol, kind_of(t)->rtol);
    }
    if (t->wide)
        return tcompare_doubles(t->buffer[SDRT_TRIAL_Y].p, t->want, t->rows * (size_t)t->width,
                                limit_of(t, operand), 1e-5);
    return tcompare(t->buffer[SDRT_TRIAL_Y].v, t->want, t->rows, t->width, t->pitch,
                    limit_of(t, operand),
                    norm                  ? 5e-6
                    : operand == SDRT_F32 ? 2.4e-5
                                          : 0.0);
}
