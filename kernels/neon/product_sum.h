/* SPDX-License-Identifier: MIT
 *
 * The loop over k of product.h, for values and for slots.  The including file defines v_by_lane(),
 * the product by an element, and v_by_all(), by whole vectors.
 */

/* acc[i][j] += sum over k of a[row[i] + k] * w[k][j], for mr rows and nv vectors, the rows of acc
 * ld vectors apart. */
SDRT_ALWAYS_INLINE void product_sum(const int mr, const int nv, const int ld, vf *acc,
                                    const float *a, const ptrdiff_t *row, int k, const float *w)
{
    const float *const end = a + k;

    for (; a + 4 <= end; a += 4, w += 4 * nv * VL) {
        float32x4_t x[6];
        SDRT_UNROLL(6)
        for (int i = 0; i < mr; i++) x[i] = vld1q_f32(a + row[i]);
        SDRT_UNROLL(4)
        for (int lane = 0; lane < 4; lane++) {
            SDRT_UNROLL(3)
            for (int j = 0; j < nv; j++) {
                const float *const p = w + (lane * nv + j) * VL;
                const float32x4_t lo = vld1q_f32(p);
                SDRT_UNROLL(6)
                for (int i = 0; i < mr; i++)
                    acc[i * ld + j].lo = v_by_lane(acc[i * ld + j].lo, lo, x[i], lane);
                const float32x4_t hi = vld1q_f32(p + 4);
                SDRT_UNROLL(6)
                for (int i = 0; i < mr; i++)
                    acc[i * ld + j].hi = v_by_lane(acc[i * ld + j].hi, hi, x[i], lane);
            }
        }
    }
    for (; a < end; a++, w += nv * VL) {
        vf b[3];
        SDRT_UNROLL(3)
        for (int j = 0; j < nv; j++) b[j] = v_load(w + j * VL);
        SDRT_UNROLL(6)
        for (int i = 0; i < mr; i++) {
            const vf x = v_bcast(a + row[i]);
            SDRT_UNROLL(3)
            for (int j = 0; j < nv; j++) acc[i * ld + j] = v_by_all(x, b[j], acc[i * ld + j]);
        }
    }
}
