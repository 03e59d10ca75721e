/* SPDX-License-Identifier: MIT */
#include "bench/kernel_trial.h"
#include "bench/oracle/attention.h"
#include "bench/oracle/conv.h"
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

/* Floats of each operand; of scratch and packed weights too. */
static void sizes_of(const struct sdrt_trial *t, size_t floats[SDRT_TRIAL_BUFFERS])
{
    const struct sdrt_conv_shape *c = &t->job.u.conv;
    const struct sdrt_gemm_shape *g = &t->job.u.gemm;
    const struct sdrt_attention_shape *a = &t->job.u.attention;
    const size_t keys = (size_t)a->batch * (size_t)a->kv_len;

    memset(floats, 0, SDRT_TRIAL_BUFFERS * sizeof *floats);
    floats[SDRT_TRIAL_Y] = t->rows * (size_t)t->pitch;
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
    case SDRT_FAMILY_LAYER_NORM:
        floats[SDRT_TRIAL_X] = t->rows * (size_t)t->job.u.ln.x_pitch;
        floats[SDRT_TRIAL_BIAS] = floats[SDRT_TRIAL_MORE] = (size_t)t->width;
        break;
    case SDRT_FAMILY_RMS_NORM:
        floats[SDRT_TRIAL_X] = t->rows * (size_t)t->job.u.rms.x_pitch;
        floats[SDRT_TRIAL_MORE] = (size_t)t->job.u.rms.width;
        break;
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

static void expect(struct sdrt_trial *t)
{
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

static void fill_norm(struct sdrt_trial *t, uint64_t *rng, int pitch, float mean)
{
    struct sdrt_guarded *b = t->buffer;
    const int gammas = (int)(b[SDRT_TRIAL_MORE].bytes / sizeof(float));

    trand_rows(rng, b[SDRT_TRIAL_X].v, t->rows, t->width, pitch, 1.0f);
    for (size_t r = 0; r < t->rows; r++)
        for (int c = 0; c < t->width; c++) b[SDRT_TRIAL_X].v[r * (size_t)pitch + (size_t)c] += mean;
    trand_rows(rng, b[SDRT_TRIAL_MORE].v, 1, gammas, gammas, 1.0f);
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

/* ---- running ---- */

void sdrt_trial_clear(struct sdrt_trial *t)
{
    struct sdrt_guarded *y = &t->buffer[SDRT_TRIAL_Y];

    sdrt_guarded_poison(y);
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
    const int norm = t->job.family == SDRT_FAMILY_LAYER_NORM ||
                     t->job.family == SDRT_FAMILY_RMS_NORM;

    *nmse_limit = operand == SDRT_BF16 ? 5e-5 : operand == SDRT_F16 ? 5e-6 : 1e-10;
    return tcompare(t->buffer[SDRT_TRIAL_Y].v, t->want, t->rows, t->width, t->pitch,
                    limit_of(t, operand),
                    norm                  ? 5e-6
                    : operand == SDRT_F32 ? 2.4e-5
                                          : 0.0);
}
