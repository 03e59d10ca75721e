/* SPDX-License-Identifier: MIT
 *
 * A check of linear layers in integers, whatever their width.
 */
#ifndef SDRT_TESTS_GEMM_NOT_FINITE_H
#define SDRT_TESTS_GEMM_NOT_FINITE_H

#include "kernels/gemm.h"
#include "tests/emulated.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

/* What is not finite does not become a number, and spoils no other row. */
static inline void tgemm_not_finite(const char *level, enum sdrt_dtype stored)
{
    enum { M = 3, N = 5, K = 40 };
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    const struct sdrt_gemm_shape s = { .m = M,
                                       .n = N,
                                       .k = K,
                                       .a_pitch = K,
                                       .y_pitch = N,
                                       .w = { .n = N, .k = K, .taps = 1, .stored = stored } };
    struct sdrt_gemm_ops ops = { 0 };

    tgemm_init(&ops, level);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        float rows[M * K], w[N * K], y[M * N];
        struct tbuf packed = tbuf_bytes(ops.pack_bytes(&s.w));
        struct tbuf scratch = tbuf_bytes(ops.scratch(&s));
        const struct sdrt_gemm_args a = { .a = rows, .w = packed.p, .y = y };
        for (int j = 0; j < M * K; j++) rows[j] = 1.0f;
        for (int j = 0; j < N * K; j++) w[j] = 1.0f;
        rows[K + 7] = bad[i];
        memset(packed.p, 0, packed.bytes);
        cr_assert_eq(ops.pack_rows(&s.w, 0, N, w, SDRT_F32, packed.p), 0);
        cr_assert_eq(ops.gemm(&(struct sdrt_exec){ .nparts = 1, .scratch = scratch.p }, &s, &a), 0);
        for (int j = 0; j < M * N; j++)
            cr_expect_eq(isfinite(y[j]) != 0, j / N != 1, "%s: %g made %g of row %d", level,
                         (double)bad[i], (double)y[j], j / N);
        tbuf_free(&packed), tbuf_free(&scratch);
    }
}

#endif
