/* SPDX-License-Identifier: MIT
 *
 * SiLU and GELU in few operations: tile loads take vector slots too, and a division keeps a
 * vector port busy for as long as a product keeps the tiles.
 */
#ifndef SDRT_KERNELS_AMX_MATH_H
#define SDRT_KERNELS_AMX_MATH_H

#include "kernels/amx/tile.h"
#include "kernels/simd/math.h"

/* 1 / x to 2^-27, for 2^-126 <= x <= 2^126. */
SDRT_ALWAYS_INLINE vf reciprocal(vf x)
{
    const vf r = _mm512_rcp14_ps(x);

    return v_mul(r, v_fnma(x, r, v_set1(2.0f)));
}

/* x / (1 + exp(-x)), to 4e-7 of it; where that is below 2^-126, 0 to within 2^-119. */
SDRT_ALWAYS_INLINE vf silu_by_reciprocal(vf x)
{
    const vf e = v_exp2(v_min(v_set1(126.0f), v_mul(x, v_set1(-1.44269504f))));

    return v_mul(x, reciprocal(v_add(v_set1(1.0f), e)));
}

/* Phi(-a), the normal distribution's tail, by a quadratic for each 32nd of 0 <= a <= 5 through its
 * values at three Chebyshev nodes. */
struct tail {
    __m512 low[3], high[3]; /* of degree 0, 1, 2: the first 16 pieces, and the others */
};

SDRT_ALWAYS_INLINE struct tail tail_table(void)
{
    static const float t[3][32] = {
        {
            5.0000000e-01f, 4.3791798e-01f, 3.7733028e-01f, 3.1962417e-01f, 2.6598553e-01f,
            2.1732774e-01f, 1.7425071e-01f, 1.3703232e-01f, 1.0564977e-01f, 7.9824951e-02f,
            5.9085123e-02f, 4.2829952e-02f, 3.0396362e-02f, 2.1114820e-02f, 1.4353022e-02f,
            9.5454815e-03f, 6.2096653e-03f, 3.9507507e-03f, 2.4579012e-03f, 1.4950688e-03f,
            8.8902530e-04f, 5.1674048e-04f, 2.9355536e-04f, 1.6297630e-04f, 8.8417285e-05f,
            4.6869765e-05f, 2.4274974e-05f, 1.2283024e-05f, 6.0716239e-06f, 2.9317849e-06f,
            1.3828135e-06f, 6.3705615e-07f,
        },
        {
            -6.2287206e-02f, -6.1532632e-02f, -5.9323314e-02f, -5.5815985e-02f, -5.1251320e-02f,
            -4.5926652e-02f, -4.0164076e-02f, -3.4278677e-02f, -2.8551148e-02f, -2.3207927e-02f,
            -1.8410363e-02f, -1.4252847e-02f, -1.0768473e-02f, -7.9399878e-03f, -5.7134544e-03f,
            -4.0122770e-03f, -2.7497692e-03f, -1.8391399e-03f, -1.2004566e-03f, -7.6470037e-04f,
            -4.7538919e-04f, -2.8841672e-04f, -1.7076729e-04f, -9.8673840e-05f, -5.5643247e-05f,
            -3.0622171e-05f, -1.6446464e-05f, -8.6202951e-06f, -4.4094533e-06f, -2.2012043e-06f,
            -1.0723806e-06f, -5.0985947e-07f,
        },
        {
            1.2819751e-16f, 7.5083728e-04f, 1.4477168e-03f, 2.0430917e-03f, 2.5011790e-03f,
            2.8014195e-03f, 2.9395981e-03f, 2.9266346e-03f, 2.7854759e-03f, 2.5468072e-03f,
            2.2444135e-03f, 1.9109533e-03f, 1.5747019e-03f, 1.2575502e-03f, 9.7427173e-04f,
            7.3285590e-04f, 5.3558420e-04f, 3.8048919e-04f, 2.6287950e-04f, 1.7669888e-04f,
            1.1558763e-04f, 7.3604946e-05f, 4.5637505e-05f, 2.7557749e-05f, 1.6208730e-05f,
            9.2876275e-06f, 5.1852574e-06f, 2.8209675e-06f, 1.4956668e-06f, 7.7289857e-07f,
            3.8931272e-07f, 1.9116000e-07f,
        },
    };
    struct tail r;

#pragma GCC unroll 3
    for (int i = 0; i < 3; i++) {
        r.low[i] = v_load(t[i]);
        r.high[i] = v_load(t[i] + VL);
    }
    return r;
}

/* x Phi(x) = max(x, 0) - |x| Phi(-|x|), to 7e-6, and for x > -3 to 5e-4 of it: a third of the
 * operations of v_gelu(), which take longer than the products of 320 channels.  Beyond
 * 4.9 Phi(-a) is nothing; the bound comes first so that NaN passes and infinity gives no NaN. */
SDRT_ALWAYS_INLINE vf gelu_by_table(const struct tail *t, vf x)
{
    const vf a = v_min(v_set1(4.92f), v_abs(x)), scale = v_set1(6.4f), magic = v_set1(0x1.8p23f);
    const vf piece = v_fma(a, scale, magic); /* its number is in the lowest bits */
    const vf d = v_fma(a, scale, v_sub(magic, piece));
    const __m512i n = _mm512_castps_si512(piece);
    vf p = _mm512_permutex2var_ps(t->low[2], n, t->high[2]);

    p = v_fma(p, d, _mm512_permutex2var_ps(t->low[1], n, t->high[1]));
    p = v_fma(p, d, _mm512_permutex2var_ps(t->low[0], n, t->high[0]));
    return v_fnma(a, p, v_max(x, v_zero()));
}

#endif
