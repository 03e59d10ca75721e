/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/lora/by_weight.h"
#include "runtime/weights/low_rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int sdrt_lora_is_by_weight(const struct sdrt_lora_module *m)
{
    return m->kind == SDRT_KIND_GLORA || m->kind == SDRT_KIND_OFT || m->kind == SDRT_KIND_BOFT ||
           m->kind == SDRT_KIND_IA3;
}

static size_t size_of(const struct sdrt_lora_weight *w)
{
    return (size_t)w->rows * (size_t)w->cols * (size_t)w->taps;
}

/* ---- GLoRA ---- */

/* from [n][a][b] to [n][b][a]. */
static void turn(const float *from, int n, int a, int b, float *to)
{
    for (int o = 0; o < n; o++)
        for (int i = 0; i < a; i++)
            for (int k = 0; k < b; k++)
                to[((size_t)o * b + k) * a + i] = from[((size_t)o * a + i) * b + k];
}

/* y[rows][cols][taps] += W a1 a2 over the columns. */
static int add_weight_product(const struct sdrt_lora_merge *m, const struct sdrt_lora_weight *w,
                              float *y)
{
    const struct sdrt_lora_engine *e = m->engine;
    const int lines = w->rows * w->taps, rank = m->module->rank;
    const size_t n = size_of(w);
    float *a1 = NULL, *a2 = NULL, *turned = sdrt_lora_zeros(n), *product = sdrt_lora_zeros(n);
    float *thin = sdrt_lora_zeros((size_t)lines * (size_t)rank);
    int status = turned && product && thin ? SDRT_OK : sdrt_lora_out_of_memory(m);

    if (status == SDRT_OK) status = sdrt_lora_values(m, SDRT_GLORA_A1, w->cols, rank, &a1);
    if (status == SDRT_OK) status = sdrt_lora_values(m, SDRT_GLORA_A2, rank, w->cols, &a2);
    if (status == SDRT_OK) {
        turn(w->data, w->rows, w->cols, w->taps, turned);
        status = sdrt_low_rank_add(e->queue, thin, lines, rank, turned, a1, w->cols, e->log);
    }
    if (status == SDRT_OK)
        status = sdrt_low_rank_add(e->queue, product, lines, w->cols, thin, a2, rank, e->log);
    if (status == SDRT_OK) {
        turn(product, w->rows, w->taps, w->cols, turned);
        for (size_t i = 0; i < n; i++) y[i] += turned[i];
    }
    free(a1);
    free(a2);
    free(turned);
    free(product);
    free(thin);
    return status;
}

static int change_glora(const struct sdrt_lora_merge *m, double scale,
                        const struct sdrt_lora_weight *w, float *y)
{
    const struct sdrt_lora_factors b = { SDRT_GLORA_B1, SDRT_GLORA_B2, SDRT_GLORA_BM,
                                         m->module->role[SDRT_GLORA_BM] != NULL, 0 };
    const float factor = (float)(scale * m->module->alpha / m->module->rank);
    int status = add_weight_product(m, w, y);

    if (status == SDRT_OK) status = sdrt_lora_add_product(m, &b, y, w->rows, w->cols, w->taps);
    for (size_t i = 0; status == SDRT_OK && i < size_of(w); i++) y[i] *= factor;
    return status;
}

/* ---- (IA)3 ---- */

/* Whether the vector of n values goes by columns; -1 where nothing tells. */
static int goes_by_columns(const struct sdrt_lora_module *m, const struct sdrt_lora_weight *w)
{
    const struct sdrt_file_tensor *t = m->role[SDRT_IA3_PEFT];

    if (!t) return m->on_input;
    if (t->rank == 2) return t->shape[0] == 1 && t->shape[1] == w->cols;
    if (w->rows == w->cols) return -1;
    return t->rank > 1 && t->shape[1] == w->cols;
}

/* The n factors that are added to 1, into *out, owned by the caller. */
static int read_factors(const struct sdrt_lora_merge *m, int n, float **out)
{
    const int peft = m->module->role[SDRT_IA3_PEFT] != NULL;
    const enum sdrt_lora_role role = peft ? SDRT_IA3_PEFT : SDRT_IA3_WEIGHT;
    const struct sdrt_file_tensor *t = m->module->role[role];
    const int first = t->rank > 0 && t->shape[0] == 1 ? 1 : n;
    const int status = sdrt_lora_values(m, role, first, first == 1 ? n : 1, out);

    for (int i = 0; status == SDRT_OK && peft && i < n; i++) (*out)[i] -= 1.0f;
    return status;
}

static int change_ia3(const struct sdrt_lora_merge *m, double scale,
                      const struct sdrt_lora_weight *w, float *y)
{
    const int columns = goes_by_columns(m->module, w);
    float *factors;
    int status;

    if (columns < 0)
        return sdrt_fail(m->engine->log, SDRT_E_UNSUPPORTED,
                         "%s: %s: (IA)3 of a square convolution does not say whether it goes by "
                         "rows or by columns",
                         m->path, m->module->sample);
    status = read_factors(m, columns ? w->cols : w->rows, &factors);
    if (status != SDRT_OK) return status;
    for (int o = 0; o < w->rows; o++)
        for (int i = 0; i < w->cols; i++) {
            const size_t at = ((size_t)o * w->cols + i) * w->taps;
            const float f = (float)scale * factors[columns ? i : o];
            for (int t = 0; t < w->taps; t++) y[at + t] = f * w->data[at + t];
        }
    free(factors);
    return SDRT_OK;
}

int sdrt_lora_scale_bias(const struct sdrt_lora_merge *m, double scale, float *bias, int rows)
{
    const struct sdrt_file_tensor *t = m->module->role[SDRT_IA3_PEFT];
    float *factors;

    /* By columns, or by rows of a convolution, where PEFT writes [1][rows][1][1]. */
    if (!t || t->rank < 1 || (t->rank == 2 && t->shape[0] == 1) ||
        (t->rank > 2 && t->shape[1] != rows))
        return SDRT_OK;
    const int status = read_factors(m, rows, &factors);
    if (status != SDRT_OK) return status;
    for (int i = 0; i < rows; i++) bias[i] += (float)scale * factors[i] * bias[i];
    free(factors);
    return SDRT_OK;
}

/* ---- OFT and BOFT ---- */

/* x = (i_minus_q)^-1 x, both [n][n]; what is inverted is changed.  Its symmetric part is the
 * identity, so no pivot is needed. */
static void solve(double *a, double *x, int n)
{
    for (int p = 0; p < n; p++)
        for (int r = p + 1; r < n; r++) {
            const double f = a[(size_t)r * n + p] / a[(size_t)p * n + p];
            for (int c = p; c < n; c++) a[(size_t)r * n + c] -= f * a[(size_t)p * n + c];
            for (int c = 0; c < n; c++) x[(size_t)r * n + c] -= f * x[(size_t)p * n + c];
        }
    for (int p = n - 1; p >= 0; p--)
        for (int c = 0; c < n; c++) {
            double sum = x[(size_t)p * n + c];
            for (int r = p + 1; r < n; r++) sum -= a[(size_t)p * n + r] * x[(size_t)r * n + c];
            x[(size_t)p * n + c] = sum / a[(size_t)p * n + p];
        }
}

/* What Q of all blocks is multiplied with, so that its norm keeps to the bound. */
static double bound_factor(const float *blocks, size_t count, int n, double bound)
{
    double sum = 0.0;

    if (!(bound > 0.0)) return 1.0;
    for (size_t k = 0; k < count; k++)
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                const float *b = blocks + k * (size_t)n * (size_t)n;
                const double q = (double)b[(size_t)i * n + j] - b[(size_t)j * n + i];
                sum += q * q;
            }
    const double norm = sqrt(sum) + 1e-8;
    return norm > bound ? bound / norm : 1.0;
}

/* Turns a block into the rotation of its Cayley transform, at scale; turned: its transpose.  room
 * is for 2 n n values. */
static void rotation(float *block, int n, double factor, double scale, int turned, double *room)
{
    double *minus = room, *plus = room + (size_t)n * n;

    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            const double q = factor * ((double)block[(size_t)i * n + j] - block[(size_t)j * n + i]);
            plus[(size_t)i * n + j] = (i == j) + q;
            minus[(size_t)i * n + j] = (i == j) - q;
        }
    solve(minus, plus, n);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            const double r = scale * plus[(size_t)i * n + j] + (i == j) * (1.0 - scale);
            block[turned ? (size_t)j * n + i : (size_t)i * n + j] = (float)r;
        }
}

/* Reads the blocks, factors x count of n x n, as rotations; *out belongs to the caller. */
static int read_rotations(const struct sdrt_lora_merge *m, double scale, int rows, float **out)
{
    const struct sdrt_file_tensor *t = m->module->role[SDRT_OFT_BLOCKS];
    const int boft = m->module->kind == SDRT_KIND_BOFT;
    const int64_t *shape = t->shape + boft;
    const int64_t factors = boft ? t->shape[0] : 1, n = t->rank < 3 ? 0 : shape[1];
    int status;

    if (t->rank != 3 + boft || n < 1 || shape[2] != n || shape[0] * n != rows || factors < 1 ||
        factors > 30 || (boft && (n % 2 || rows % (n << (factors - 1)))))
        return sdrt_fail(m->engine->log, SDRT_E_FORMAT,
                         "%s: %s: its blocks do not divide the weight's %d rows", m->path, t->name,
                         rows);
    double *room = malloc(2 * (size_t)n * (size_t)n * sizeof *room);
    if (!room) return sdrt_lora_out_of_memory(m);
    status = sdrt_lora_values(m, SDRT_OFT_BLOCKS, t->shape[0], factors * rows * n / t->shape[0],
                              out);
    if (status == SDRT_OK) {
        const size_t count = (size_t)(factors * shape[0]);
        const double factor = bound_factor(*out, count, (int)n, m->module->alpha * rows);
        for (size_t k = 0; k < count; k++)
            rotation(*out + k * (size_t)(n * n), (int)n, factor, scale, !boft, room);
    }
    free(room);
    return status;
}

/* y[rows][line] = the rotations, each n x n, times x's rows. */
static int rotate(const struct sdrt_lora_merge *m, const float *rotations, int n, const float *x,
                  int rows, int line, float *y)
{
    const struct sdrt_lora_engine *e = m->engine;
    int status = SDRT_OK;

    memset(y, 0, (size_t)rows * (size_t)line * sizeof *y);
    for (int r = 0; r < rows && status == SDRT_OK; r += n)
        status = sdrt_low_rank_add(e->queue, y + (size_t)r * line, n, line,
                                   rotations + (size_t)r * n, x + (size_t)r * line, n, e->log);
    return status;
}

/* Rows (c, g, k) of g = 2 halves to (c, k, g), or back. */
static void shuffle(const float *from, int rows, int line, int k, int back, float *to)
{
    for (int r = 0; r < rows; r++) {
        const int c = r / (2 * k), half = r % (2 * k) / k, at = r % k;
        const int s = (c * k + at) * 2 + half;
        memcpy(to + (size_t)(back ? r : s) * line, from + (size_t)(back ? s : r) * line,
               (size_t)line * sizeof *to);
    }
}

/* y = the weight behind all rotations; room is as large. */
static int butterfly(const struct sdrt_lora_merge *m, const float *rotations,
                     const struct sdrt_lora_weight *w, float *room, float *y)
{
    const struct sdrt_file_tensor *t = m->module->role[SDRT_OFT_BLOCKS];
    const int n = (int)t->shape[t->rank - 1], line = w->cols * w->taps;
    const int factors = t->rank == 4 ? (int)t->shape[0] : 1;
    int status = SDRT_OK;

    if (t->rank == 3) return rotate(m, rotations, n, w->data, w->rows, line, y);
    memcpy(y, w->data, size_of(w) * sizeof *y);
    for (int i = 0; i < factors && status == SDRT_OK; i++) {
        const int k = (n / 2) << i;
        shuffle(y, w->rows, line, k, 0, room);
        status = rotate(m, rotations + (size_t)i * w->rows * n, n, room, w->rows, line, y);
        memcpy(room, y, size_of(w) * sizeof *y);
        shuffle(room, w->rows, line, k, 1, y);
    }
    return status;
}

static int change_oft(const struct sdrt_lora_merge *m, double scale,
                      const struct sdrt_lora_weight *w, float *y)
{
    const size_t line = (size_t)w->cols * (size_t)w->taps;
    float *rotations = NULL, *rescale = NULL, *room = sdrt_lora_zeros(size_of(w));
    int status = room ? SDRT_OK : sdrt_lora_out_of_memory(m);

    if (status == SDRT_OK) status = read_rotations(m, scale, w->rows, &rotations);
    if (status == SDRT_OK && m->module->role[SDRT_OFT_RESCALE])
        status = sdrt_lora_values(m, SDRT_OFT_RESCALE, w->rows, 1, &rescale);
    if (status == SDRT_OK) status = butterfly(m, rotations, w, room, y);
    for (size_t i = 0; status == SDRT_OK && i < size_of(w); i++)
        y[i] = (rescale ? rescale[i / line] : 1.0f) * y[i] - w->data[i];
    free(rotations);
    free(rescale);
    free(room);
    return status;
}

int sdrt_lora_change_by_weight(const struct sdrt_lora_merge *m, double scale,
                               const struct sdrt_lora_weight *w, float *y)
{
    switch (m->module->kind) {
    case SDRT_KIND_GLORA: return change_glora(m, scale, w, y);
    case SDRT_KIND_IA3: return change_ia3(m, scale, w, y);
    default: return change_oft(m, scale, w, y);
    }
}
