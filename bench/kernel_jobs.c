/* SPDX-License-Identifier: MIT */
#include "bench/kernel_jobs.h"
#include "bench/shapes_attention.h"
#include "bench/shapes_conv.h"
#include "bench/shapes_gemm.h"
#include "bench/shapes_norm.h"
#include "runtime/random/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const sdrt_family_names[SDRT_FAMILIES] = {
    "attention", "conv", "gemm", "gn_sums", "gn_fold", "layer_norm", "rms_norm",
    "elementwise",
};

/* SD 1.5 at 512x512, a guided pair; calls as in the other lists.  Then what others have: SD 3.5's
 * squares of pixels, T5-XXL's bias, TAESD's activation and FreeU at 512x512. */
static const struct {
    const char *name;
    int calls;
    enum sdrt_elementwise_op op;
    int size[SDRT_EW_SIZES];
} elementwise_shapes[] = {
    { "schedule_timestep_20x320", 1, SDRT_EW_TIMESTEP, { 20, 320 } },
    { "text_embed_154x768", 1, SDRT_EW_EMBED, { 154, 77, 768, 1000 } },
    { "schedule_silu_of_sums_20x2x1280", 1, SDRT_EW_SILU_OF_SUMS, { 20, 2, 1280 } },
    { "guide_4096x4", 1, SDRT_EW_GUIDE, { 1, 4096, 4 } },
    { "to_nhwc_4096x4", 1, SDRT_EW_TO_NHWC, { 1, 4096, 4 } },
    { "to_nchw_4096x4", 1, SDRT_EW_TO_NCHW, { 1, 4096, 4 } },
    { "mmdit_to_patches_128x128x16", 1, SDRT_EW_TO_PATCHES, { 2, 128, 128, 16, 2 } },
    { "mmdit_from_patches_128x128x16", 1, SDRT_EW_FROM_PATCHES, { 2, 128, 128, 16, 2 } },
    { "t5_relative_bias_256x64", 1, SDRT_EW_RELATIVE_BIAS, { 256, 64, 32, 128 } },
    { "taesd_relu_65536x64", 1, SDRT_EW_RELU, { 65536, 64 } },
    { "silu_65536x64", 1, SDRT_EW_SILU, { 65536, 64 } },
    { "blend_65536x64", 1, SDRT_EW_BLEND, { 65536, 64 } },
    { "halve_64x64x320", 1, SDRT_EW_HALVE, { 2, 64, 64, 320 } },
    { "freeu_low_frequencies_16x16x1280", 3, SDRT_EW_LOW_FREQUENCIES, { 2, 16, 16, 1280 } },
};
enum { ELEMENTWISE_SHAPES = sizeof elementwise_shapes / sizeof elementwise_shapes[0] };

int sdrt_job_count(enum sdrt_family family)
{
    static const int counts[SDRT_FAMILIES] = {
        SDRT_ATTENTION_MODEL_SHAPES, SDRT_CONV_MODEL_SHAPES, SDRT_GEMM_MODEL_SHAPES,
        SDRT_GN_MODEL_SHAPES, SDRT_GN_MODEL_SHAPES, SDRT_LN_MODEL_SHAPES, SDRT_RMS_MODEL_SHAPES,
        ELEMENTWISE_SHAPES,
    };
    return counts[family];
}

/* Entries of all lists have a name, calls and a shape s. */
#define GET(list, member) \
    (j->name = (list)[i].name, j->calls = (list)[i].calls, j->u.member = (list)[i].s)

void sdrt_job_get(struct sdrt_job *j, enum sdrt_family family, int i)
{
    *j = (struct sdrt_job){ .family = family };
    switch (family) {
    case SDRT_FAMILY_ATTENTION:  GET(sdrt_attention_model_shapes, attention); break;
    case SDRT_FAMILY_CONV:       GET(sdrt_conv_model_shapes, conv); break;
    case SDRT_FAMILY_GEMM:       GET(sdrt_gemm_model_shapes, gemm); break;
    case SDRT_FAMILY_GN_SUMS:
    case SDRT_FAMILY_GN_FOLD:    GET(sdrt_gn_model_shapes, gn); break;
    case SDRT_FAMILY_LAYER_NORM: GET(sdrt_ln_model_shapes, ln); break;
    case SDRT_FAMILY_RMS_NORM:   GET(sdrt_rms_model_shapes, rms); break;
    case SDRT_FAMILY_ELEMENTWISE:
    case SDRT_FAMILIES:
        j->name = elementwise_shapes[i].name;
        j->calls = elementwise_shapes[i].calls;
        j->u.ew.op = elementwise_shapes[i].op;
        memcpy(j->u.ew.size, elementwise_shapes[i].size, sizeof j->u.ew.size);
        sdrt_ew_usual(&j->u.ew);
        break;
    }
}

static size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64 + 64; }

float *sdrt_job_numbers(struct sdrt_rng *rng, size_t floats)
{
    float *p = aligned_alloc(64, rounded(floats * sizeof *p));

    if (!p) return NULL;
    memset(p, 0, rounded(floats * sizeof *p));
    if (rng) sdrt_rng_normal(rng, p, floats);
    return p;
}

void sdrt_job_release(struct sdrt_job *j)
{
    void *const all[] = { j->x, j->x2, j->x3, j->y, j->bias, j->sums, j->w, j->scratch };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
    j->x = j->x2 = j->x3 = j->y = j->bias = NULL;
    j->sums = NULL;
    j->w = j->scratch = NULL;
}

/* ---- operands ---- */

/* Packs random weights whose products have about unit size. */
static int pack(struct sdrt_job *j, struct sdrt_rng *rng, const struct sdrt_weight_shape *w)
{
    const int rows = w->n * (w->gated ? 2 : 1), conv = j->family == SDRT_FAMILY_CONV;
    const size_t row = (size_t)w->k * (size_t)w->taps;
    float *src = sdrt_job_numbers(rng, row * (size_t)rows);

    j->w = sdrt_job_numbers(NULL, (conv ? j->ops->conv.pack_bytes(w)
                                        : j->ops->gemm.pack_bytes(w)) / sizeof(float));
    j->weight_bytes = (double)row * rows * (double)sdrt_dtype_size(w->stored);
    j->bytes += j->weight_bytes;
    if (src && j->w) {
        for (size_t i = 0; i < row * (size_t)rows; i++) src[i] /= sqrtf((float)row);
        if (conv) j->ops->conv.pack_rows(w, 0, rows, src, SDRT_F32, j->w);
        else j->ops->gemm.pack_rows(w, 0, rows, src, SDRT_F32, j->w);
    }
    const int ok = src && j->w;
    free(src);
    return ok;
}

static int set_conv(struct sdrt_job *j, struct sdrt_rng *rng)
{
    const struct sdrt_conv_shape *s = &j->u.conv;
    const size_t in = (size_t)s->batch * (size_t)s->in_h * (size_t)s->in_w;
    const double out = (double)s->batch * s->out_h * s->out_w;

    j->y_floats = (size_t)out * (size_t)s->out_c;
    j->flop = 2.0 * out * s->out_c * s->w.k * s->w.taps;
    j->bytes = 4.0 * ((double)in * s->w.k + out * s->out_c);
    j->x = sdrt_job_numbers(rng, in * (size_t)s->in_c);
    j->x2 = sdrt_job_numbers(rng, in * (size_t)s->in_c2 + 1);
    j->bias = sdrt_job_numbers(rng, (size_t)s->out_c);
    j->x3 = sdrt_job_numbers(rng, (size_t)s->batch * 3 * (size_t)s->w.k);
    j->scratch_each = j->ops->conv.scratch(s);
    j->nparts = j->ops->conv.parts(s, j->queue->workers);
    return pack(j, rng, &s->w) && j->x && j->x2 && j->bias && j->x3;
}

static int set_gemm(struct sdrt_job *j, struct sdrt_rng *rng)
{
    const struct sdrt_gemm_shape *s = &j->u.gemm;
    const int rows = s->n * (s->w.gated ? 2 : 1);

    j->y_floats = (size_t)s->m * (size_t)s->y_pitch;
    j->flop = 2.0 * s->m * rows * (double)s->k;
    j->bytes = 4.0 * ((double)s->m * s->k + (double)s->m * s->n);
    j->x = sdrt_job_numbers(rng, (size_t)s->m * (size_t)s->a_pitch);
    j->bias = sdrt_job_numbers(rng, (size_t)rows);
    j->scratch_each = j->ops->gemm.scratch(s);
    j->nparts = j->ops->gemm.parts(s, j->queue->workers);
    return pack(j, rng, &s->w) && j->x && j->bias;
}

static int set_attention(struct sdrt_job *j, struct sdrt_rng *rng)
{
    const struct sdrt_attention_shape *s = &j->u.attention;
    const size_t kv = (size_t)s->batch * (size_t)s->kv_len;

    j->y_floats = (size_t)s->batch * (size_t)s->q_len * (size_t)s->o_pitch;
    j->flop = 4.0 * s->batch * (double)s->q_len * s->kv_len * s->heads * s->head_dim;
    j->bytes = 8.0 * s->batch * (double)(s->q_len + s->kv_len) * s->heads * s->head_dim;
    j->x = sdrt_job_numbers(rng, (size_t)s->batch * (size_t)s->q_len * (size_t)s->q_pitch);
    j->x2 = sdrt_job_numbers(rng, kv * (size_t)s->k_pitch);
    j->x3 = sdrt_job_numbers(rng, kv * (size_t)s->v_pitch);
    j->bias = sdrt_job_numbers(rng, (size_t)(s->biased ? s->heads : 0) * (size_t)s->q_len *
                                        (size_t)s->kv_len + 1);
    j->scratch_each = j->ops->attention.scratch(s);
    j->nparts = j->ops->attention.parts(s, j->queue->workers);
    return j->x && j->x2 && j->x3 && j->bias;
}

static int set_gn(struct sdrt_job *j, struct sdrt_rng *rng)
{
    const struct sdrt_gn_shape *s = &j->u.gn;
    const size_t pixels = (size_t)s->batch * (size_t)s->pixels, c = (size_t)(s->c + s->c2);

    j->sums_doubles = sdrt_gn_sums_bytes(s) / sizeof *j->sums;
    j->x = sdrt_job_numbers(rng, pixels * (size_t)s->x_pitch);
    j->x2 = sdrt_job_numbers(rng, pixels * (size_t)s->x2_pitch + 1);
    j->bias = sdrt_job_numbers(rng, 2 * c); /* gamma, beta */
    j->sums = (double *)(void *)sdrt_job_numbers(NULL, 2 * j->sums_doubles);
    j->nparts = sdrt_gn_parts(s);
    j->flop = 3.0 * (double)pixels * (double)c;
    j->bytes = 4.0 * (double)pixels * (double)c;
    if (!j->x || !j->x2 || !j->bias || !j->sums) return 0;
    if (j->family == SDRT_FAMILY_GN_SUMS) return 1;
    for (int part = 0; part < j->nparts; part++) {
        const struct sdrt_exec ex = { .part = part, .nparts = j->nparts };
        j->ops->norm.gn_sums(&ex, s, j->x, s->c2 ? j->x2 : NULL, j->sums);
    }
    j->y_floats = sdrt_gn_msb_bytes(s) / sizeof *j->y;
    j->nparts = s->batch;
    j->flop = 0.0;
    j->bytes = (double)(sdrt_gn_sums_bytes(s) + sdrt_gn_msb_bytes(s));
    return 1;
}

/* Rows are cut as a program cuts them (runtime/graph/operations.c). */
static int row_parts(const struct sdrt_job *j, int rows)
{
    const int parts = 4 * j->queue->workers;

    return rows < parts ? 1 : parts;
}

static int set_layer_norm(struct sdrt_job *j, struct sdrt_rng *rng)
{
    const struct sdrt_ln_shape *s = &j->u.ln;

    j->y_floats = (size_t)s->rows * (size_t)s->y_pitch;
    j->x = sdrt_job_numbers(rng, (size_t)s->rows * (size_t)s->x_pitch);
    j->bias = sdrt_job_numbers(rng, 2 * (size_t)s->c); /* gamma, beta */
    j->nparts = row_parts(j, s->rows);
    j->flop = 8.0 * s->rows * s->c;
    j->bytes = 8.0 * s->rows * s->c;
    return j->x && j->bias;
}

static int set_rms_norm(struct sdrt_job *j, struct sdrt_rng *rng)
{
    const struct sdrt_rms_shape *s = &j->u.rms;
    const double values = (double)s->rows * s->groups * s->width;

    j->y_floats = (size_t)s->rows * (size_t)s->y_pitch;
    j->x = sdrt_job_numbers(rng, (size_t)s->rows * (size_t)s->x_pitch);
    j->bias = sdrt_job_numbers(rng, (size_t)s->width); /* gamma */
    j->nparts = row_parts(j, s->rows);
    j->flop = 4.0 * values;
    j->bytes = 8.0 * values;
    return j->x && j->bias;
}

static int set_elementwise(struct sdrt_job *j, struct sdrt_rng *rng)
{
    struct sdrt_ew_extent e;

    sdrt_ew_measure(&j->u.ew, &e);
    j->x = sdrt_job_numbers(rng, e.x + 1);
    j->x2 = sdrt_job_numbers(rng, e.x2 + 1);
    j->x3 = sdrt_job_numbers(rng, e.x3 + 1);
    j->bias = sdrt_job_numbers(NULL, e.ids + 1); /* all of the first word */
    j->y_floats = e.rows * (size_t)e.pitch;
    j->bytes = 4.0 * (double)((e.ids ? 0 : e.x) + e.x2 + e.x3 + j->y_floats);
    j->nparts = j->u.ew.op <= SDRT_EW_SILU_OF_SUMS ? 1 : j->queue->workers;
    return j->x && j->x2 && j->x3 && j->bias;
}

int sdrt_job_set(struct sdrt_job *j, const struct sdrt_ops *ops, struct sdrt_queue *queue)
{
    int (*const setters[SDRT_FAMILIES])(struct sdrt_job *, struct sdrt_rng *) = {
        set_attention, set_conv, set_gemm, set_gn, set_gn, set_layer_norm,
        set_rms_norm, set_elementwise,
    };
    struct sdrt_rng rng;

    j->ops = ops;
    j->queue = queue;
    sdrt_rng_seed(&rng, SDRT_RNG_CPU, 1);
    if (!setters[j->family](j, &rng)) return 0;
    j->scratch_each = (j->scratch_each + 63) / 64 * 64;
    j->y = sdrt_job_numbers(NULL, j->y_floats);
    j->scratch = sdrt_job_numbers(NULL, j->scratch_each / sizeof(float) *
                                            (size_t)queue->workers);
    return j->y && j->scratch;
}

/* ---- running ---- */

static void elementwise(const struct sdrt_job *j, const struct sdrt_exec *ex)
{
    const struct sdrt_ew_operands operands = { .x = j->x, .x2 = j->x2, .x3 = j->x3,
                                               .ids = (const int32_t *)(const void *)j->bias,
                                               .y = j->y };

    sdrt_ew_kinds[j->u.ew.op].run(&j->ops->elementwise, ex, &j->u.ew, &operands);
}

static void share(const struct sdrt_job *j, const struct sdrt_exec *ex)
{
    const struct sdrt_norm_ops *norm = &j->ops->norm;
    const struct sdrt_conv_args conv = {
        .x = j->x, .x2 = j->u.conv.in_c2 ? j->x2 : NULL, .msb = j->x3, .w = j->w, .bias = j->bias,
        .y = j->y,
    };
    const struct sdrt_gemm_args gemm = { .a = j->x, .w = j->w, .bias = j->bias, .y = j->y };
    const struct sdrt_attention_args attention = {
        .q = j->x, .k = j->x2, .v = j->x3, .o = j->y, .bias = j->bias,
    };
    const struct sdrt_gn_shape *gn = &j->u.gn;

    switch (j->family) {
    case SDRT_FAMILY_ATTENTION:  j->ops->attention.attention(ex, &j->u.attention, &attention); break;
    case SDRT_FAMILY_CONV:       j->ops->conv.conv2d(ex, &j->u.conv, &conv); break;
    case SDRT_FAMILY_GEMM:       j->ops->gemm.gemm(ex, &j->u.gemm, &gemm); break;
    case SDRT_FAMILY_GN_SUMS:
        norm->gn_sums(ex, gn, j->x, gn->c2 ? j->x2 : NULL, j->sums);
        break;
    case SDRT_FAMILY_GN_FOLD:
        norm->gn_fold(ex, gn, j->x, gn->c2 ? j->x2 : NULL, j->bias, j->bias + gn->c + gn->c2,
                      j->sums, j->y);
        break;
    case SDRT_FAMILY_LAYER_NORM:
        norm->layer_norm(ex, &j->u.ln, j->x, j->bias, j->bias + j->u.ln.c, j->y);
        break;
    case SDRT_FAMILY_RMS_NORM:   norm->rms_norm(ex, &j->u.rms, j->x, j->bias, j->y); break;
    case SDRT_FAMILY_ELEMENTWISE:
    case SDRT_FAMILIES:          elementwise(j, ex); break;
    }
}

int sdrt_job_parts(const struct sdrt_job *j, int workers)
{
    switch (j->family) {
    case SDRT_FAMILY_ATTENTION: return j->ops->attention.parts(&j->u.attention, workers);
    case SDRT_FAMILY_CONV: return j->ops->conv.parts(&j->u.conv, workers);
    case SDRT_FAMILY_GEMM: return j->ops->gemm.parts(&j->u.gemm, workers);
    default: return j->nparts;
    }
}

void sdrt_job_run_part(struct sdrt_job *j, int part, int nparts)
{
    const struct sdrt_exec ex = { .part = part, .nparts = nparts, .scratch = j->scratch };

    share(j, &ex);
}

static void do_part(void *arg, int worker, int part)
{
    const struct sdrt_job *j = arg;
    const struct sdrt_exec ex = {
        .part = part, .nparts = j->nparts,
        .scratch = (char *)j->scratch + (size_t)worker * j->scratch_each,
    };

    share(j, &ex);
}

void sdrt_job_set_precision(struct sdrt_job *j, enum sdrt_dtype stored)
{
    if (j->family == SDRT_FAMILY_CONV) j->u.conv.w.stored = stored == SDRT_I8 ? SDRT_F32 : stored;
    if (j->family == SDRT_FAMILY_GEMM) j->u.gemm.w.stored = stored;
}

void sdrt_job_prepare(struct sdrt_job *j)
{
    struct sdrt_ew_extent e;

    if (j->family != SDRT_FAMILY_ELEMENTWISE) return;
    sdrt_ew_measure(&j->u.ew, &e);
    for (size_t r = 0; e.x_pitch && r < e.rows; r++)
        memcpy(j->y + r * (size_t)e.pitch, j->x + r * (size_t)e.x_pitch,
               (size_t)e.width * sizeof *j->y);
}

void sdrt_job_run(struct sdrt_job *j) { sdrt_queue_each(j->queue, j->nparts, do_part, j); }

/* ---- checking ---- */

static void at_most(int *value, int most)
{
    if (*value > most) *value = most;
}

static void shorten_conv(struct sdrt_conv_shape *c)
{
    const int rows = c->in_h < 3 ? c->in_h : 3;

    c->out_h = c->upsample == 2 ? 2 * rows : c->stride == 2 ? (rows + 1) / 2 : rows;
    c->in_h = rows;
    c->batch = 1;
}

static void shorten_attention(struct sdrt_attention_shape *a)
{
    if (!a->causal) at_most(&a->q_len, 64);
    at_most(&a->kv_len, 300);
    a->batch = 1;
}

void sdrt_job_shorten(struct sdrt_job *j)
{
    switch (j->family) {
    case SDRT_FAMILY_ATTENTION:  shorten_attention(&j->u.attention); break;
    case SDRT_FAMILY_CONV:       shorten_conv(&j->u.conv); break;
    case SDRT_FAMILY_GEMM:       at_most(&j->u.gemm.m, 29); break;
    case SDRT_FAMILY_GN_SUMS:
    case SDRT_FAMILY_GN_FOLD:    at_most(&j->u.gn.pixels, 4096); break;
    case SDRT_FAMILY_LAYER_NORM: at_most(&j->u.ln.rows, 512); break;
    case SDRT_FAMILY_RMS_NORM:   at_most(&j->u.rms.rows, 512); break;
    case SDRT_FAMILY_ELEMENTWISE:
    case SDRT_FAMILIES:          break;
    }
}

void *sdrt_job_result(const struct sdrt_job *j, size_t *bytes)
{
    const int sums = j->family == SDRT_FAMILY_GN_SUMS;

    *bytes = sums ? j->sums_doubles * sizeof *j->sums : j->y_floats * sizeof *j->y;
    return sums ? (void *)j->sums : j->y;
}

double sdrt_result_distance(const struct sdrt_job *shape, const void *a, const void *b)
{
    const int sums = shape->family == SDRT_FAMILY_GN_SUMS;
    const size_t n = sums ? shape->sums_doubles : shape->y_floats;
    double error = 0.0, size = 0.0;

    for (size_t i = 0; i < n; i++) {
        const double p = sums ? ((const double *)a)[i] : (double)((const float *)a)[i];
        const double q = sums ? ((const double *)b)[i] : (double)((const float *)b)[i];
        error += (p - q) * (p - q);
        size += q * q;
    }
    return sqrt(error / (size > 0.0 ? size : 1.0));
}

double sdrt_job_distance(const struct sdrt_job *a, const struct sdrt_job *b)
{
    size_t bytes;

    return sdrt_result_distance(a, sdrt_job_result(a, &bytes), sdrt_job_result(b, &bytes));
}
