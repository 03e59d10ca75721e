/* SPDX-License-Identifier: MIT
 *
 * The linear layers on OpenBLAS, for CPUs that have no kernels of their own.
 */
#include "kernels/blas/weights.h"
#include "kernels/gemm.h"
#include "kernels/generic/scalar.h"

enum {
    ROWS    = 512, /* many, because each unit converts its weights to f32 */
    COLUMNS = 128, /* its sums are 256 KiB, which an L2 holds */
};

static int blocks_down(const struct sdrt_gemm_shape *s) { return (s->m + ROWS - 1) / ROWS; }
static int blocks_across(const struct sdrt_gemm_shape *s) { return (s->n + COLUMNS - 1) / COLUMNS; }

static int parts(const struct sdrt_gemm_shape *s, int workers)
{
    const int units = blocks_down(s) * blocks_across(s), most = 8 * workers;

    return units < most ? units : most;
}

static int takes(const struct sdrt_gemm_shape *s)
{
    return s->a_type == SDRT_F32 && s->y_type == SDRT_F32;
}

/* Sums, twice when gated (values, then gates), and weights as f32. */
static size_t scratch(const struct sdrt_gemm_shape *s)
{
    const size_t rows = (size_t)(s->m < ROWS ? s->m : ROWS);

    return sizeof(float) * COLUMNS * (rows * (s->w.gated ? 2 : 1) + (size_t)s->k);
}

static void finish_row(const struct sdrt_gemm_shape *s, const struct sdrt_gemm_args *a, int row,
                       int column, int columns, const float *value, const float *gate)
{
    float *y = (float *)a->y + (size_t)row * (size_t)s->y_pitch + column;
    const float *bias = a->bias ? a->bias + column : NULL, *residual = NULL;
    const float *ada = a->gate ? a->gate + column : NULL;

    if (a->residual) residual = a->residual + (size_t)row * (size_t)s->residual_pitch + column;
    for (int j = 0; j < columns; j++) {
        const float t = value[j] + (bias ? bias[j] : 0.0f);
        if (gate) y[j] = t * scalar_act(gate[j] + (bias ? bias[s->n + j] : 0.0f), s->act);
        else y[j] = scalar_act(t, s->act) * (ada ? ada[j] : 1.0f) + (residual ? residual[j] : 0.0f);
    }
}

static int gemm(const struct sdrt_exec *ex, const struct sdrt_gemm_shape *s,
                const struct sdrt_gemm_args *a)
{
    const int across = blocks_across(s), units = blocks_down(s) * across;
    const int end = sdrt_row_begin(units, ex->part + 1, ex->nparts);
    const int most = s->m < ROWS ? s->m : ROWS;
    float *values = ex->scratch, *gates = values + (size_t)most * COLUMNS;
    float *weights = s->w.gated ? gates + (size_t)most * COLUMNS : gates;

    for (int u = sdrt_row_begin(units, ex->part, ex->nparts); u < end; u++) {
        const int row = u / across * ROWS, column = u % across * COLUMNS;
        const int rows = s->m - row < ROWS ? s->m - row : ROWS;
        const int columns = s->n - column < COLUMNS ? s->n - column : COLUMNS;
        const float *from = (const float *)a->a + (size_t)row * (size_t)s->a_pitch;
        blas_product(&s->w, a->w, 0, column, rows, columns, from, s->a_pitch, 0, weights, values,
                     COLUMNS);
        if (s->w.gated)
            blas_product(&s->w, a->w, 0, s->n + column, rows, columns, from, s->a_pitch, 0, weights,
                         gates, COLUMNS);
        for (int r = 0; r < rows; r++)
            finish_row(s, a, row + r, column, columns, values + (size_t)r * COLUMNS,
                       s->w.gated ? gates + (size_t)r * COLUMNS : NULL);
    }
    return 0;
}

void sdrt_gemm_init_blas(struct sdrt_gemm_ops *ops)
{
    ops->pack_bytes = blas_pack_bytes;
    ops->pack_rows = blas_pack_rows;
    ops->takes = takes;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->gemm = gemm;
}
