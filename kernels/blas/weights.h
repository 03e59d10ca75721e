/* SPDX-License-Identifier: MIT
 *
 * Weights as OpenBLAS reads them: [row][tap][k] of the stored type, rows padded to 64 bytes,
 * which is a panel layout of one lane.
 */
#ifndef SDRT_KERNELS_BLAS_WEIGHTS_H
#define SDRT_KERNELS_BLAS_WEIGHTS_H

#include "kernels/blas/library.h"
#include "kernels/pack.h"

/* The same rows without the pairing of values and gates, which need not be neighbours here. */
static inline struct sdrt_weight_shape blas_plain(const struct sdrt_weight_shape *w)
{
    struct sdrt_weight_shape plain = *w;

    if (w->gated) plain.n = 2 * w->n;
    plain.gated = 0;
    return plain;
}

static inline struct sdrt_panel_layout blas_layout(const struct sdrt_weight_shape *w)
{
    return (struct sdrt_panel_layout){ .panel = 1, .chunk = w->k };
}

static size_t blas_pack_bytes(const struct sdrt_weight_shape *w)
{
    const struct sdrt_weight_shape plain = blas_plain(w);
    const struct sdrt_panel_layout l = blas_layout(w);

    return sdrt_panel_bytes(&l, &plain);
}

static int blas_pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                          enum sdrt_dtype from, void *dst)
{
    const struct sdrt_weight_shape plain = blas_plain(w);
    const struct sdrt_panel_layout l = blas_layout(w);

    return sdrt_panel_pack(&l, &plain, row0, count, src, from, dst);
}

/* y [m][ldy] (+)= a [m][lda] times one tap of rows row .. row+n-1 of the packed weight.
 * weights [n][k] is scratch for those that are not f32. */
static void blas_product(const struct sdrt_weight_shape *w, const void *packed, int tap, int row,
                         int m, int n, const float *a, int lda, int accumulate, float *weights,
                         float *y, int ldy)
{
    const struct sdrt_weight_shape plain = blas_plain(w);
    const struct sdrt_panel_layout l = blas_layout(w);
    const size_t size = sdrt_dtype_size(w->stored), k = (size_t)w->k;
    const size_t pitch = sdrt_panel_offset(&l, &plain, 1, 0);
    const char *from = (const char *)packed + (size_t)row * pitch + (size_t)tap * k * size;
    const float *b = weights;
    int ldb = w->k;

    if (w->stored == SDRT_F32) {
        b = (const float *)from;
        ldb = (int)(pitch / size);
    } else {
        for (int i = 0; i < n; i++)
            sdrt_to_f32(from + (size_t)i * pitch, w->stored, weights + (size_t)i * k, k);
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, w->k, 1.0f, a, lda, b, ldb,
                accumulate ? 1.0f : 0.0f, y, ldy);
}

#endif
