/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/lora/by_weight.h"
#include "model/lora/merge.h"
#include "model/lora/values.h"
#include "kernels/pack.h"
#include "runtime/weights/low_rank.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int sdrt_lora_out_of_memory(const struct sdrt_lora_merge *m)
{
    return sdrt_fail(m->engine->log, SDRT_E_NOMEM, "%s: no memory to merge %s", m->path,
                     m->module->sample);
}

float *sdrt_lora_zeros(size_t n) { return calloc(n ? n : 1, sizeof(float)); }

/* 0 for a type that is none of floats. */
static int to_f32(const void *from, enum sdrt_dtype type, float *to, size_t count)
{
    const double *wide = from;

    if (type != SDRT_F64) return sdrt_to_f32(from, type, to, count) == 0;
    for (size_t i = 0; i < count; i++) to[i] = (float)wide[i];
    return 1;
}

int sdrt_lora_values(const struct sdrt_lora_merge *m, enum sdrt_lora_role role, int64_t first,
                     int64_t rest, float **out)
{
    const struct sdrt_file_tensor *t = m->module->role[role];
    int64_t count = 1;
    void *aligned;
    int status;

    *out = NULL;
    if (!t->known)
        return sdrt_fail(m->engine->log, SDRT_E_UNSUPPORTED,
                         "%s: %s: expected floating-point values, found %s", m->path, t->name,
                         t->dtype_name);
    for (int i = 0; i < t->rank; i++) count *= t->shape[i]; /* checked when the file was opened */
    if (count != first * rest || (t->rank && t->shape[0] != first))
        return sdrt_fail(m->engine->log, SDRT_E_FORMAT,
                         "%s: %s: expected %lld x %lld values, to fit its module and the model",
                         m->path, t->name, (long long)first, (long long)rest);
    aligned = malloc(t->bytes ? t->bytes : 1);
    *out = malloc((size_t)count * sizeof **out + 1);
    if (!aligned || !*out) {
        status = sdrt_lora_out_of_memory(m);
        goto out;
    }
    if (sdrt_tensor_file_read(m->module->file, t, 0, t->bytes, aligned) != SDRT_OK) {
        status = sdrt_fail(m->engine->log, SDRT_E_IO,
                           "%s: %s: cannot be read: the file has become shorter or its disk fails",
                           m->path, t->name);
        goto out;
    }
    status = to_f32(aligned, t->dtype, *out, (size_t)count)
                 ? SDRT_OK
                 : sdrt_fail(m->engine->log, SDRT_E_UNSUPPORTED,
                             "%s: %s: expected floating-point values, found %s", m->path, t->name,
                             t->dtype_name);
out:
    free(aligned);
    if (status != SDRT_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

static float *turned(const float *a, int rank, int rows)
{
    float *out = malloc((size_t)rank * (size_t)rows * sizeof *out + 1);

    for (int i = 0; out && i < rank; i++)
        for (int o = 0; o < rows; o++) out[(size_t)o * rank + i] = a[(size_t)i * rows + o];
    return out;
}

/* core [ra][rb][taps] and b [rb][cols] to their product [ra][cols][taps]. */
static void apply_core(const float *core, const float *b, int ra, int rb, int cols, int taps,
                       float *out)
{
    memset(out, 0, (size_t)ra * (size_t)cols * (size_t)taps * sizeof *out);
    for (int i = 0; i < ra; i++)
        for (int j = 0; j < rb; j++) {
            const float *c = core + ((size_t)i * rb + j) * taps;
            for (int k = 0; k < cols; k++) {
                const float v = b[(size_t)j * cols + k];
                float *to = out + ((size_t)i * cols + k) * taps;
                for (int t = 0; t < taps; t++) to[t] += c[t] * v;
            }
        }
}

/* The inner rank is ra (of a) and, behind a core, rb (of b). */
int sdrt_lora_add_product(const struct sdrt_lora_merge *m, const struct sdrt_lora_factors *f,
                          float *y, int rows, int cols, int taps)
{
    const struct sdrt_lora_engine *e = m->engine;
    const struct sdrt_file_tensor *core_tensor = f->has_core ? m->module->role[f->core] : NULL;
    const struct sdrt_file_tensor *b_tensor = m->module->role[f->b];
    const int rb = b_tensor->rank ? (int)b_tensor->shape[0] : 1;
    const int ra = core_tensor && core_tensor->rank ? (int)core_tensor->shape[0] : rb;
    float *a = NULL, *b = NULL, *core = NULL, *wide = NULL, *swap = NULL;
    int status;

    if (f->has_core && f->a_turned) status = sdrt_lora_values(m, f->a, ra, rows, &a);
    else status = sdrt_lora_values(m, f->a, rows, ra, &a);
    if (status == SDRT_OK)
        status = sdrt_lora_values(m, f->b, rb, (int64_t)cols * (f->has_core ? 1 : taps), &b);
    if (status == SDRT_OK && f->has_core)
        status = sdrt_lora_values(m, f->core, ra, (int64_t)rb * taps, &core);
    if (status != SDRT_OK) goto out;
    if (f->has_core) {
        wide = malloc((size_t)ra * (size_t)cols * (size_t)taps * sizeof *wide + 1);
        if (f->a_turned) {
            swap = turned(a, ra, rows);
            free(a);
            a = swap;
        }
        if (!wide || !a) {
            status = sdrt_lora_out_of_memory(m);
            goto out;
        }
        apply_core(core, b, ra, rb, cols, taps, wide);
    }
    status = sdrt_low_rank_add(e->queue, y, rows, cols * taps, a, wide ? wide : b, ra, e->log);
out:
    free(a);
    free(b);
    free(core);
    free(wide);
    return status;
}

static int add_loha(const struct sdrt_lora_merge *m, float *y, const struct sdrt_lora_weight *w)
{
    const int core = m->module->role[SDRT_LOHA_T1] != NULL;
    const struct sdrt_lora_factors one = { SDRT_LOHA_W1_A, SDRT_LOHA_W1_B, SDRT_LOHA_T1, core, 1 };
    const struct sdrt_lora_factors two = { SDRT_LOHA_W2_A, SDRT_LOHA_W2_B, SDRT_LOHA_T2, core, 1 };
    const size_t n = (size_t)w->rows * (size_t)w->cols * (size_t)w->taps;
    float *other = sdrt_lora_zeros(n);
    int status = other ? SDRT_OK : sdrt_lora_out_of_memory(m);

    if (status == SDRT_OK) status = sdrt_lora_add_product(m, &one, y, w->rows, w->cols, w->taps);
    if (status == SDRT_OK)
        status = sdrt_lora_add_product(m, &two, other, w->rows, w->cols, w->taps);
    for (size_t i = 0; status == SDRT_OK && i < n; i++) y[i] *= other[i];
    free(other);
    return status;
}

/* One of LoKr's two blocks, [rows][cols][taps], whole or as a product, owned by the caller. */
static int read_block(const struct sdrt_lora_merge *m, enum sdrt_lora_role whole,
                      const struct sdrt_lora_factors *f, int rows, int cols, int taps, float **out)
{
    int status;

    if (m->module->role[whole]) return sdrt_lora_values(m, whole, rows, (int64_t)cols * taps, out);
    *out = sdrt_lora_zeros((size_t)rows * (size_t)cols * (size_t)taps);
    if (!*out) return sdrt_lora_out_of_memory(m);
    status = sdrt_lora_add_product(m, f, *out, rows, cols, taps);
    if (status != SDRT_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* Rows and columns of the first block, from its tensors; 0 when they say none. */
static void first_block(const struct sdrt_lora_module *m, int64_t *rows, int64_t *cols)
{
    const struct sdrt_file_tensor *whole = m->role[SDRT_LOKR_W1];
    const struct sdrt_file_tensor *a = whole ? whole : m->role[SDRT_LOKR_W1_A];
    const struct sdrt_file_tensor *b = whole ? whole : m->role[SDRT_LOKR_W1_B];

    *rows = a->rank > 0 ? a->shape[0] : 0;
    *cols = b->rank > 1 ? b->shape[1] : 0;
}

static int add_lokr(const struct sdrt_lora_merge *m, float *y, const struct sdrt_lora_weight *w)
{
    const struct sdrt_lora_factors one = { .a = SDRT_LOKR_W1_A, .b = SDRT_LOKR_W1_B };
    const struct sdrt_lora_factors two = { SDRT_LOKR_W2_A, SDRT_LOKR_W2_B, SDRT_LOKR_T2,
                                           m->module->role[SDRT_LOKR_T2] != NULL, 1 };
    float *small = NULL, *large = NULL;
    int64_t r1, c1;
    int status;

    first_block(m->module, &r1, &c1);
    if (r1 < 1 || c1 < 1 || w->rows % r1 || w->cols % c1)
        return sdrt_fail(m->engine->log, SDRT_E_FORMAT,
                         "%s: %s: a block of %lld x %lld does not divide the weight's %d x %d",
                         m->path, m->module->sample, (long long)r1, (long long)c1, w->rows,
                         w->cols);
    const int r2 = w->rows / (int)r1, c2 = w->cols / (int)c1, taps = w->taps;
    status = read_block(m, SDRT_LOKR_W1, &one, (int)r1, (int)c1, 1, &small);
    if (status == SDRT_OK) status = read_block(m, SDRT_LOKR_W2, &two, r2, c2, taps, &large);
    for (int o = 0; status == SDRT_OK && o < w->rows; o++)
        for (int i = 0; i < w->cols; i++) {
            const float s = small[(o / r2) * c1 + i / c2];
            const float *from = large + ((size_t)(o % r2) * c2 + i % c2) * taps;
            float *to = y + ((size_t)o * w->cols + i) * taps;
            for (int t = 0; t < taps; t++) to[t] = s * from[t];
        }
    free(small);
    free(large);
    return status;
}

/* The change D at scale 1, into y, which starts as zeros. */
static int add_change(const struct sdrt_lora_merge *m, float *y, const struct sdrt_lora_weight *w)
{
    static const struct sdrt_lora_factors lora = { .a = SDRT_LORA_UP, .b = SDRT_LORA_DOWN };
    static const struct sdrt_lora_factors mid = { SDRT_LORA_UP, SDRT_LORA_DOWN, SDRT_LORA_MID, 1,
                                                  0 };
    const size_t n = (size_t)w->rows * (size_t)w->cols * (size_t)w->taps;
    const struct sdrt_lora_module *module = m->module;
    float *values;
    int status;

    switch (module->kind) {
    case SDRT_KIND_LORA:
        status = sdrt_lora_add_product(m, module->role[SDRT_LORA_MID] ? &mid : &lora, y, w->rows,
                                       w->cols, w->taps);
        break;
    case SDRT_KIND_LOHA: status = add_loha(m, y, w); break;
    case SDRT_KIND_LOKR: status = add_lokr(m, y, w); break;
    default:
        status = sdrt_lora_values(m, SDRT_LORA_DIFF, w->rows, (int64_t)w->cols * w->taps, &values);
        if (status != SDRT_OK) return status;
        memcpy(y, values, n * sizeof *y);
        free(values);
    }
    if (status != SDRT_OK || module->rank == 0) return status;
    const float factor = (float)(module->alpha /
                                 (module->root_rank ? sqrt(module->rank) : module->rank));
    for (size_t i = 0; i < n; i++) y[i] *= factor;
    return SDRT_OK;
}

/* Whether a DoRA scales the norms of the rows: 1, or (older lycoris) of the input channels: 0. */
static int by_rows(const struct sdrt_lora_module *m, int rows)
{
    const struct sdrt_file_tensor *t = m->role[SDRT_LORA_DORA];

    return m->role[SDRT_LORA_DORA_ROW] || (t->rank > 0 && t->shape[0] == rows);
}

/* Turns W + D in y into m (W + D) / |W + D|. */
static int decompose(const struct sdrt_lora_merge *m, float *y, const struct sdrt_lora_weight *w)
{
    const enum sdrt_lora_role role = m->module->role[SDRT_LORA_DORA_ROW] ? SDRT_LORA_DORA_ROW
                                                                         : SDRT_LORA_DORA;
    const struct sdrt_file_tensor *t = m->module->role[role];
    const int rows = by_rows(m->module, w->rows), n = rows ? w->rows : w->cols;
    const int64_t first = t->rank > 0 ? t->shape[0] : 1;
    double *norm = calloc((size_t)n + 1, sizeof *norm);
    float *magnitude = NULL;
    int status = norm ? SDRT_OK : sdrt_lora_out_of_memory(m);

    if (status == SDRT_OK)
        status = sdrt_lora_values(m, role, first == 1 ? 1 : n, first == 1 ? n : 1, &magnitude);
    if (status != SDRT_OK) goto out;
    for (int o = 0; o < w->rows; o++)
        for (int i = 0; i < w->cols; i++)
            for (int k = 0; k < w->taps; k++) {
                const double v = y[((size_t)o * w->cols + i) * w->taps + k];
                norm[rows ? o : i] += v * v;
            }
    /* The epsilon that lycoris adds, against rows of zeros. */
    for (int i = 0; i < n; i++) norm[i] = magnitude[i] / (sqrt(norm[i]) + 1.1920929e-7);
    for (int o = 0; o < w->rows; o++)
        for (int i = 0; i < w->cols; i++)
            for (int k = 0; k < w->taps; k++)
                y[((size_t)o * w->cols + i) * w->taps + k] *= (float)norm[rows ? o : i];
out:
    free(norm);
    free(magnitude);
    return status;
}

int sdrt_lora_merge_weight(const struct sdrt_lora_engine *engine, const char *path,
                           const struct sdrt_lora_module *module, double scale,
                           const struct sdrt_lora_weight *w)
{
    const struct sdrt_lora_merge m = { engine, path, module };
    const size_t n = (size_t)w->rows * (size_t)w->cols * (size_t)w->taps;
    const int dora = module->role[SDRT_LORA_DORA] || module->role[SDRT_LORA_DORA_ROW];
    const int by_weight = sdrt_lora_is_by_weight(module);
    const float factor = by_weight ? 1.0f : (float)scale;
    float *change;
    int status;

    if (module->kind == SDRT_KIND_BIAS) return SDRT_OK;
    change = sdrt_lora_zeros(n);
    if (!change) return sdrt_lora_out_of_memory(&m);
    status = by_weight ? sdrt_lora_change_by_weight(&m, scale, w, change)
                       : add_change(&m, change, w);
    if (status == SDRT_OK && dora) {
        for (size_t i = 0; i < n; i++) change[i] += w->data[i];
        status = decompose(&m, change, w);
        for (size_t i = 0; i < n; i++) change[i] -= w->data[i];
    }
    for (size_t i = 0; status == SDRT_OK && i < n; i++) w->data[i] += factor * change[i];
    free(change);
    return status;
}

int sdrt_lora_merge_bias(const struct sdrt_lora_engine *engine, const char *path,
                         const struct sdrt_lora_module *module, double scale, float *bias, int rows)
{
    static const enum sdrt_lora_role roles[] = { SDRT_LORA_DIFF_BIAS, SDRT_LORA_UP_BIAS };
    const struct sdrt_lora_merge m = { engine, path, module };

    for (size_t r = 0; r < sizeof roles / sizeof *roles; r++) {
        float *values;
        double factor = scale;
        if (!module->role[roles[r]]) continue;
        const int status = sdrt_lora_values(&m, roles[r], rows, 1, &values);
        if (status != SDRT_OK) return status;
        if (roles[r] == SDRT_LORA_UP_BIAS && module->rank)
            factor *= module->alpha / (module->root_rank ? sqrt(module->rank) : module->rank);
        for (int i = 0; i < rows; i++) bias[i] += (float)factor * values[i];
        free(values);
    }
    return sdrt_lora_scale_bias(&m, scale, bias, rows);
}
