/* SPDX-License-Identifier: MIT
 *
 * AVX-512 by AVX2 halves and by plain loops.  Include immintrin.h instead.
 */
#ifndef SDRT_TESTS_EMULATION_AVX512_H
#define SDRT_TESTS_EMULATION_AVX512_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define EMU static inline __attribute__((always_inline, unused))

/* One register, by lanes and by AVX2 halves. */
union emu {
    __m512   ps;
    __m512i  si;
    __m512bh bh;
    __m512d  pd;
    __m256   ps_half[2];
    __m256i  si_half[2];
    __m256d  pd_half[2];
    __m128   ps_quarter[4];
    float    f[16];
    int32_t  i32[16];
    uint32_t u32[16];
    uint16_t u16[32];
    uint8_t  u8[64];
};

EMU union emu emu_ps(__m512 v) { return (union emu){ .ps = v }; }
EMU union emu emu_si(__m512i v) { return (union emu){ .si = v }; }

/* ---- AVX-512F, float: by halves ---- */

#define EMU_HALVES_1(name, half)                                                      \
    EMU __m512 emu_##name(__m512 a)                                                   \
    {                                                                                 \
        const union emu x = emu_ps(a);                                                \
        return (union emu){ .ps_half = { half(x.ps_half[0]), half(x.ps_half[1]) } }.ps; \
    }
#define EMU_HALVES_2(name, half)                                                      \
    EMU __m512 emu_##name(__m512 a, __m512 b)                                         \
    {                                                                                 \
        const union emu x = emu_ps(a), y = emu_ps(b);                                 \
        return (union emu){ .ps_half = { half(x.ps_half[0], y.ps_half[0]),            \
                                         half(x.ps_half[1], y.ps_half[1]) } }.ps;     \
    }
#define EMU_HALVES_3(name, half)                                                      \
    EMU __m512 emu_##name(__m512 a, __m512 b, __m512 c)                               \
    {                                                                                 \
        const union emu x = emu_ps(a), y = emu_ps(b), z = emu_ps(c);                  \
        return (union emu){ .ps_half = { half(x.ps_half[0], y.ps_half[0], z.ps_half[0]), \
                                         half(x.ps_half[1], y.ps_half[1], z.ps_half[1]) } }.ps; \
    }

EMU __m256 emu_nearest(__m256 a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
EMU __m256 emu_absolute(__m256 a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }

EMU_HALVES_1(round_ps, emu_nearest)
EMU_HALVES_1(abs_ps, emu_absolute)
EMU_HALVES_2(add_ps, _mm256_add_ps)
EMU_HALVES_2(sub_ps, _mm256_sub_ps)
EMU_HALVES_2(mul_ps, _mm256_mul_ps)
EMU_HALVES_2(div_ps, _mm256_div_ps)
EMU_HALVES_2(max_ps, _mm256_max_ps)
EMU_HALVES_2(min_ps, _mm256_min_ps)
EMU_HALVES_2(and_ps, _mm256_and_ps)
EMU_HALVES_2(or_ps, _mm256_or_ps)
EMU_HALVES_2(andnot_ps, _mm256_andnot_ps)
EMU_HALVES_2(unpacklo_ps, _mm256_unpacklo_ps)
EMU_HALVES_2(unpackhi_ps, _mm256_unpackhi_ps)
EMU_HALVES_3(fmadd_ps, _mm256_fmadd_ps)
EMU_HALVES_3(fnmadd_ps, _mm256_fnmadd_ps)

EMU __m512 emu_set1_ps(float x)
{
    return (union emu){ .ps_half = { _mm256_set1_ps(x), _mm256_set1_ps(x) } }.ps;
}
EMU __m512 emu_setzero_ps(void) { return emu_set1_ps(0.0f); }
EMU __m512 emu_loadu_ps(const void *p)
{
    const float *f = p;
    return (union emu){ .ps_half = { _mm256_loadu_ps(f), _mm256_loadu_ps(f + 8) } }.ps;
}
EMU void emu_storeu_ps(void *p, __m512 v) { memcpy(p, &v, sizeof v); }
EMU __m512 emu_maskz_loadu_ps(__mmask16 m, const void *p)
{
    union emu r = { .ps = emu_setzero_ps() };
    for (int i = 0; i < 16; i++)
        if (m >> i & 1) r.f[i] = ((const float *)p)[i];
    return r.ps;
}
EMU void emu_mask_storeu_ps(void *p, __mmask16 m, __m512 v)
{
    const union emu x = emu_ps(v);
    for (int i = 0; i < 16; i++)
        if (m >> i & 1) ((float *)p)[i] = x.f[i];
}
EMU __m512 emu_maskz_mov_ps(__mmask16 m, __m512 v)
{
    union emu r = { .ps = v };
    for (int i = 0; i < 16; i++)
        if (!(m >> i & 1)) r.f[i] = 0.0f;
    return r.ps;
}
/* A reciprocal to 2^-14, as the instruction promises: what it leaves in lower bits differs from
 * processor to processor. */
EMU __m512 emu_rcp14_ps(__m512 a)
{
    union emu r = { .ps = a };
    for (int i = 0; i < 16; i++) {
        const float x = 1.0f / r.f[i];
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        if (isfinite(x)) bits &= ~0x1ffu;
        memcpy(&r.f[i], &bits, sizeof bits);
    }
    return r.ps;
}
EMU __m512 emu_scalef_ps(__m512 a, __m512 b)
{
    const union emu x = emu_ps(a), y = emu_ps(b);
    union emu r;
    for (int i = 0; i < 16; i++) {
        const int e = isnan(y.f[i]) ? 0 : (int)fminf(fmaxf(floorf(y.f[i]), -1000.0f), 1000.0f);
        r.f[i] = isnan(y.f[i]) ? y.f[i] : ldexpf(x.f[i], e);
    }
    return r.ps;
}
EMU __mmask16 emu_cmplt_ps(__m512 a, __m512 b)
{
    const union emu x = emu_ps(a), y = emu_ps(b);
    unsigned m = 0;
    for (int i = 0; i < 16; i++) m |= (unsigned)(x.f[i] < y.f[i]) << i;
    return (__mmask16)m;
}
EMU __m512 emu_mask_blend_ps(__mmask16 m, __m512 a, __m512 b)
{
    const union emu x = emu_ps(a), y = emu_ps(b);
    union emu r;
    for (int i = 0; i < 16; i++) r.f[i] = m >> i & 1 ? y.f[i] : x.f[i];
    return r.ps;
}
/* Pairs of halves first, as the compiler's header does. */
EMU float emu_reduce_add_ps(__m512 a)
{
    union emu x = emu_ps(a);
    for (int n = 8; n; n /= 2)
        for (int i = 0; i < n; i++) x.f[i] += x.f[i + n];
    return x.f[0];
}
EMU float emu_reduce_max_ps(__m512 a)
{
    const union emu x = emu_ps(a);
    float r = x.f[0];
    for (int i = 1; i < 16; i++) r = x.f[i] > r ? x.f[i] : r;
    return r;
}
EMU __m512 emu_shuffle_ps(__m512 a, __m512 b, int imm)
{
    const union emu x = emu_ps(a), y = emu_ps(b);
    union emu r;
    for (int i = 0; i < 16; i += 4) {
        r.f[i] = x.f[i + (imm & 3)];
        r.f[i + 1] = x.f[i + (imm >> 2 & 3)];
        r.f[i + 2] = y.f[i + (imm >> 4 & 3)];
        r.f[i + 3] = y.f[i + (imm >> 6 & 3)];
    }
    return r.ps;
}
EMU __m512 emu_shuffle_f32x4(__m512 a, __m512 b, int imm)
{
    const union emu x = emu_ps(a), y = emu_ps(b);
    return (union emu){ .ps_quarter = { x.ps_quarter[imm & 3], x.ps_quarter[imm >> 2 & 3],
                                        y.ps_quarter[imm >> 4 & 3],
                                        y.ps_quarter[imm >> 6 & 3] } }.ps;
}
EMU __m128 emu_low_ps128(__m512 a) { return emu_ps(a).ps_quarter[0]; }
EMU __m256 emu_low_ps256(__m512 a) { return emu_ps(a).ps_half[0]; }
EMU __m256 emu_extractf32x8_ps(__m512 a, int i) { return emu_ps(a).ps_half[i]; }
EMU __m512 emu_castsi512_ps(__m512i a) { return emu_si(a).ps; }

/* ---- double, half and integer ---- */

EMU __m512d emu_cvtps_pd(__m256 a)
{
    return (union emu){ .pd_half = { _mm256_cvtps_pd(_mm256_castps256_ps128(a)),
                                     _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)) } }.pd;
}
EMU __m512d emu_loadu_pd(const void *p)
{
    union emu r;
    memcpy(&r, p, sizeof r);
    return r.pd;
}
EMU void emu_storeu_pd(void *p, __m512d v) { memcpy(p, &v, sizeof v); }
EMU __m512d emu_add_pd(__m512d a, __m512d b)
{
    const union emu x = { .pd = a }, y = { .pd = b };
    return (union emu){ .pd_half = { _mm256_add_pd(x.pd_half[0], y.pd_half[0]),
                                     _mm256_add_pd(x.pd_half[1], y.pd_half[1]) } }.pd;
}
EMU __m512 emu_cvtph_ps(__m256i h)
{
    return (union emu){ .ps_half = { _mm256_cvtph_ps(_mm256_castsi256_si128(h)),
                                     _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1)) } }.ps;
}
EMU __m512i emu_cvtepu16_epi32(__m256i h)
{
    return (union emu){ .si_half = { _mm256_cvtepu16_epi32(_mm256_castsi256_si128(h)),
                                     _mm256_cvtepu16_epi32(_mm256_extracti128_si256(h, 1)) } }.si;
}
EMU __m512i emu_slli_epi32(__m512i a, unsigned n)
{
    const union emu x = emu_si(a);
    return (union emu){ .si_half = { _mm256_slli_epi32(x.si_half[0], (int)n),
                                     _mm256_slli_epi32(x.si_half[1], (int)n) } }.si;
}

EMU void emu_storeu_si512(void *p, __m512i v) { memcpy(p, &v, sizeof v); }

/* AVX512-BF16: to nearest even, subnormals to zero on both sides, whatever MXCSR says. */
EMU uint16_t emu_to_bf16(uint32_t u)
{
    const uint32_t a = u & 0x7fffffff;

    if (a > 0x7f800000) return (uint16_t)(u >> 16 | 0x40);
    if (a < 0x00800000) return (uint16_t)(u >> 16 & 0x8000);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
EMU __m512bh emu_cvtne2ps_pbh(__m512 high, __m512 low)
{
    const union emu h = emu_ps(high), l = emu_ps(low);
    union emu r;
    for (int i = 0; i < 16; i++) {
        r.u16[i] = emu_to_bf16(l.u32[i]);
        r.u16[i + 16] = emu_to_bf16(h.u32[i]);
    }
    return r.bh;
}

EMU __m512i emu_loadu_si512(const void *p)
{
    union emu r;
    memcpy(&r, p, sizeof r);
    return r.si;
}
EMU __m512i emu_setzero_si512(void)
{
    return (union emu){ .si_half = { _mm256_setzero_si256(), _mm256_setzero_si256() } }.si;
}
EMU __m512i emu_cvtps_epi32(__m512 a)
{
    const union emu x = emu_ps(a);
    return (union emu){ .si_half = { _mm256_cvtps_epi32(x.ps_half[0]),
                                     _mm256_cvtps_epi32(x.ps_half[1]) } }.si;
}

#define EMU_INTEGER_2(name, half)                                                      \
    EMU __m512i emu_##name(__m512i a, __m512i b)                                      \
    {                                                                                 \
        const union emu x = emu_si(a), y = emu_si(b);                                 \
        return (union emu){ .si_half = { half(x.si_half[0], y.si_half[0]),            \
                                         half(x.si_half[1], y.si_half[1]) } }.si;     \
    }
EMU_INTEGER_2(packus_epi32, _mm256_packus_epi32)
EMU_INTEGER_2(packs_epi32, _mm256_packs_epi32)
EMU_INTEGER_2(packs_epi16, _mm256_packs_epi16)
EMU_INTEGER_2(max_epu16, _mm256_max_epu16)
EMU_INTEGER_2(and_si512, _mm256_and_si256)
EMU_INTEGER_2(avg_epu16, _mm256_avg_epu16)
EMU_INTEGER_2(subs_epu16, _mm256_subs_epu16)

EMU_INTEGER_2(add_epi16, _mm256_add_epi16)
EMU_INTEGER_2(sub_epi16, _mm256_sub_epi16)
EMU_INTEGER_2(mulhrs_epi16, _mm256_mulhrs_epi16)
EMU_INTEGER_2(max_epi32, _mm256_max_epi32)
EMU_INTEGER_2(add_epi32, _mm256_add_epi32)
EMU_INTEGER_2(sub_epi32, _mm256_sub_epi32)

EMU __m512i emu_set1_epi16(short x)
{
    return (union emu){ .si_half = { _mm256_set1_epi16(x), _mm256_set1_epi16(x) } }.si;
}
EMU __m512i emu_set1_epi32(int x)
{
    return (union emu){ .si_half = { _mm256_set1_epi32(x), _mm256_set1_epi32(x) } }.si;
}
EMU __m512i emu_castps_si512(__m512 a) { return emu_ps(a).si; }
EMU __m512 emu_cvtepi32_ps(__m512i a)
{
    const union emu x = emu_si(a);
    return (union emu){ .ps_half = { _mm256_cvtepi32_ps(x.si_half[0]),
                                     _mm256_cvtepi32_ps(x.si_half[1]) } }.ps;
}
EMU int emu_reduce_add_epi32(__m512i a)
{
    const union emu x = emu_si(a);
    uint32_t sum = 0;
    for (int i = 0; i < 16; i++) sum += x.u32[i];
    return (int)sum;
}
EMU int emu_reduce_max_epi32(__m512i a)
{
    const union emu x = emu_si(a);
    int r = x.i32[0];
    for (int i = 1; i < 16; i++) r = x.i32[i] > r ? x.i32[i] : r;
    return r;
}
/* The low halves. */
EMU __m256i emu_cvtepi32_epi16(__m512i a)
{
    const union emu x = emu_si(a);
    union emu r = { .si = emu_setzero_si512() };
    for (int i = 0; i < 16; i++) r.u16[i] = (uint16_t)x.u32[i];
    return r.si_half[0];
}
/* AVX512-VNNI: sums wrap. */
EMU __m512i emu_dpwssd_epi32(__m512i c, __m512i a, __m512i b)
{
    const union emu x = emu_si(a), y = emu_si(b), z = emu_si(c);
    return (union emu){ .si_half = {
        _mm256_add_epi32(z.si_half[0], _mm256_madd_epi16(x.si_half[0], y.si_half[0])),
        _mm256_add_epi32(z.si_half[1], _mm256_madd_epi16(x.si_half[1], y.si_half[1])) } }.si;
}

/* The low bytes. */
EMU __m128i emu_cvtepi32_epi8(__m512i a)
{
    const union emu x = emu_si(a);
    uint8_t r[16];
    for (int i = 0; i < 16; i++) r[i] = (uint8_t)x.u32[i];
    return _mm_loadu_si128((const __m128i *)(const void *)r);
}
/* AVX512-VNNI: four products to a sum of 32 bits, none saturates. */
EMU __m512i emu_dpbusd_epi32(__m512i c, __m512i a, __m512i b)
{
    const union emu x = emu_si(a), y = emu_si(b);
    union emu z = emu_si(c);
    for (int i = 0; i < 64; i++) z.u32[i / 4] += (uint32_t)(x.u8[i] * (int8_t)y.u8[i]);
    return z.si;
}

/* AVX-VNNI, likewise of 256 bits. */
EMU __m256i emu_dpwssd_avx_epi32(__m256i c, __m256i a, __m256i b)
{
    return _mm256_add_epi32(c, _mm256_madd_epi16(a, b));
}
EMU __m256i emu_dpbusd_avx_epi32(__m256i c, __m256i a, __m256i b)
{
    const __m256i even = _mm256_set1_epi16(0xff), ones = _mm256_set1_epi16(1);
    const __m256i low = _mm256_mullo_epi16(_mm256_and_si256(a, even),
                                           _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
    const __m256i high = _mm256_mullo_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
    return _mm256_add_epi32(c, _mm256_add_epi32(_mm256_madd_epi16(low, ones),
                                                _mm256_madd_epi16(high, ones)));
}

EMU __m512i emu_srli_epi16(__m512i a, unsigned n)
{
    const union emu x = emu_si(a);
    return (union emu){ .si_half = { _mm256_srli_epi16(x.si_half[0], (int)n),
                                     _mm256_srli_epi16(x.si_half[1], (int)n) } }.si;
}
EMU __m512i emu_maskz_permutexvar_epi8(__mmask64 m, __m512i index, __m512i a)
{
    const union emu at = emu_si(index), x = emu_si(a);
    union emu r = { .si = emu_setzero_si512() };
    for (int i = 0; i < 64; i++)
        if (m >> i & 1) r.u8[i] = x.u8[at.u8[i] % 64];
    return r.si;
}
EMU __m512i emu_permutexvar_epi16(__m512i index, __m512i a)
{
    const union emu at = emu_si(index), x = emu_si(a);
    union emu r;
    for (int i = 0; i < 32; i++) r.u16[i] = x.u16[at.u16[i] % 32];
    return r.si;
}

EMU __m512 emu_permutex2var_ps(__m512 a, __m512i index, __m512 b)
{
    const union emu x = { .ps = a }, y = { .ps = b }, n = { .si = index };
    union emu r;
    for (int i = 0; i < 16; i++) {
        const unsigned at = n.u32[i] % 32;
        r.f[i] = at < 16 ? x.f[at] : y.f[at - 16];
    }
    return r.ps;
}
EMU __m512i emu_permutex2var_epi16(__m512i a, __m512i index, __m512i b)
{
    const union emu at = emu_si(index), x = emu_si(a), y = emu_si(b);
    union emu r;
    for (int i = 0; i < 32; i++) r.u16[i] = (at.u16[i] & 32 ? y : x).u16[at.u16[i] % 32];
    return r.si;
}
/* All three's bits: the only function in use. */
EMU __m512i emu_or3_epi32(__m512i a, __m512i b, __m512i c)
{
    const union emu x = emu_si(a), y = emu_si(b), z = emu_si(c);
    union emu r;
    for (int i = 0; i < 16; i++) r.u32[i] = x.u32[i] | y.u32[i] | z.u32[i];
    return r.si;
}
EMU __mmask16 emu_cmpgt_epi32_mask(__m512i a, __m512i b)
{
    const union emu x = emu_si(a), y = emu_si(b);
    __mmask16 m = 0;
    for (int i = 0; i < 16; i++) m |= (__mmask16)((x.i32[i] > y.i32[i]) << i);
    return m;
}

/* Odd products join first, then even ones, fused, subnormals as zeros on the way in; no test
 * makes any on the way out. */
EMU __m512 emu_dpbf16_ps(__m512 c, __m512bh a, __m512bh b)
{
    const union emu x = { .bh = a }, y = { .bh = b };
    union emu r = { .ps = c };
    for (int odd = 1; odd >= 0; odd--)
        for (int i = 0; i < 16; i++) {
            union { uint32_t u; float f; } p = { (uint32_t)x.u16[2 * i + odd] << 16 };
            union { uint32_t u; float f; } q = { (uint32_t)y.u16[2 * i + odd] << 16 };
            if (!(p.u & 0x7f800000)) p.u &= 0x80000000;
            if (!(q.u & 0x7f800000)) q.u &= 0x80000000;
            r.f[i] = fmaf(p.f, q.f, r.f[i]);
        }
    return r.ps;
}

EMU __m256 emu_dpbf16_ps_256(__m256 c, __m256bh a, __m256bh b)
{
    union emu x = { .si = emu_setzero_si512() }, y = x, z = x;
    x.si_half[0] = (__m256i)a;
    y.si_half[0] = (__m256i)b;
    z.ps_half[0] = c;
    return (union emu){ .ps = emu_dpbf16_ps(z.ps, x.bh, y.bh) }.ps_half[0];
}

EMU __m512i emu_maskz_loadu_epi16(uint32_t m, const void *p)
{
    union emu r = { .si = emu_setzero_si512() };
    for (int i = 0; i < 32; i++)
        if (m >> i & 1) memcpy(&r.u16[i], (const char *)p + 2 * i, 2);
    return r.si;
}

#define _mm512_add_epi16 emu_add_epi16
#define _mm512_sub_epi16 emu_sub_epi16
#define _mm512_mulhrs_epi16 emu_mulhrs_epi16
#define _mm512_max_epi32 emu_max_epi32
#define _mm512_add_epi32 emu_add_epi32
#define _mm512_sub_epi32 emu_sub_epi32
#define _mm512_reduce_add_epi32 emu_reduce_add_epi32
#define _mm512_set1_epi16 emu_set1_epi16
#define _mm512_set1_epi32 emu_set1_epi32
#define _mm512_castps_si512 emu_castps_si512
#define _mm512_cvtepi32_ps emu_cvtepi32_ps
#define _mm512_reduce_max_epi32 emu_reduce_max_epi32
#define _mm512_cvtepi32_epi16 emu_cvtepi32_epi16
#define _mm512_cvtepi32_epi8 emu_cvtepi32_epi8
#define _mm512_dpwssd_epi32 emu_dpwssd_epi32
#define _mm512_dpbusd_epi32 emu_dpbusd_epi32
#undef _mm256_dpwssd_avx_epi32
#define _mm256_dpwssd_avx_epi32 emu_dpwssd_avx_epi32
#undef _mm256_dpbusd_avx_epi32
#define _mm256_dpbusd_avx_epi32 emu_dpbusd_avx_epi32
#define _mm512_maskz_loadu_epi16 emu_maskz_loadu_epi16
#define _mm512_loadu_si512 emu_loadu_si512
#define _mm512_setzero_si512 emu_setzero_si512
#define _mm512_cvtps_epi32 emu_cvtps_epi32
#define _mm512_packus_epi32 emu_packus_epi32
#define _mm512_packs_epi32 emu_packs_epi32
#define _mm512_packs_epi16 emu_packs_epi16
#define _mm512_max_epu16 emu_max_epu16
#define _mm512_and_si512 emu_and_si512
#define _mm512_avg_epu16 emu_avg_epu16
#define _mm512_subs_epu16 emu_subs_epu16
#undef _mm512_srli_epi16
#define _mm512_srli_epi16 emu_srli_epi16
#define _mm512_maskz_permutexvar_epi8 emu_maskz_permutexvar_epi8
#define _mm512_permutexvar_epi16 emu_permutexvar_epi16
#define _mm512_permutex2var_ps emu_permutex2var_ps
#define _mm512_permutex2var_epi16 emu_permutex2var_epi16
#undef _mm512_ternarylogic_epi32
#define _mm512_ternarylogic_epi32(a, b, c, imm) emu_or3_epi32(a, b, c)
#undef _mm512_cmpgt_epi32_mask
#define _mm512_cmpgt_epi32_mask emu_cmpgt_epi32_mask
#define _mm256_dpbf16_ps emu_dpbf16_ps_256
#define _mm512_dpbf16_ps emu_dpbf16_ps
#define _mm512_setzero_ps emu_setzero_ps
#define _mm512_set1_ps emu_set1_ps
#define _mm512_loadu_ps emu_loadu_ps
#define _mm512_load_ps emu_loadu_ps
#define _mm512_storeu_ps emu_storeu_ps
#define _mm512_store_ps emu_storeu_ps
#define _mm512_maskz_loadu_ps emu_maskz_loadu_ps
#define _mm512_mask_storeu_ps emu_mask_storeu_ps
#define _mm512_add_ps emu_add_ps
#define _mm512_sub_ps emu_sub_ps
#define _mm512_mul_ps emu_mul_ps
#define _mm512_div_ps emu_div_ps
#define _mm512_max_ps emu_max_ps
#define _mm512_min_ps emu_min_ps
#define _mm512_and_ps emu_and_ps
#define _mm512_or_ps emu_or_ps
#define _mm512_andnot_ps emu_andnot_ps
#define _mm512_abs_ps emu_abs_ps
#define _mm512_fmadd_ps emu_fmadd_ps
#define _mm512_fnmadd_ps emu_fnmadd_ps
#define _mm512_scalef_ps emu_scalef_ps
#define _mm512_maskz_mov_ps emu_maskz_mov_ps
#define _mm512_rcp14_ps emu_rcp14_ps
#undef _mm512_roundscale_ps
#define _mm512_roundscale_ps(a, imm) emu_round_ps(a) /* to nearest, the only one in use */
#undef _mm512_cmp_ps_mask
#define _mm512_cmp_ps_mask(a, b, op) emu_cmplt_ps(a, b) /* _CMP_LT_OQ, likewise */
#define _mm512_mask_blend_ps emu_mask_blend_ps
#define _mm512_reduce_add_ps emu_reduce_add_ps
#define _mm512_reduce_max_ps emu_reduce_max_ps
#define _mm512_unpacklo_ps emu_unpacklo_ps
#define _mm512_unpackhi_ps emu_unpackhi_ps
#undef _mm512_shuffle_ps
#define _mm512_shuffle_ps emu_shuffle_ps
#undef _mm512_shuffle_f32x4
#define _mm512_shuffle_f32x4 emu_shuffle_f32x4
#define _mm512_castps512_ps128 emu_low_ps128
#define _mm512_castps512_ps256 emu_low_ps256
#undef _mm512_extractf32x8_ps
#define _mm512_extractf32x8_ps emu_extractf32x8_ps
#define _mm512_castsi512_ps emu_castsi512_ps
#define _mm512_cvtps_pd emu_cvtps_pd
#define _mm512_loadu_pd emu_loadu_pd
#define _mm512_storeu_pd emu_storeu_pd
#define _mm512_add_pd emu_add_pd
#define _mm512_cvtph_ps emu_cvtph_ps
#define _mm512_cvtepu16_epi32 emu_cvtepu16_epi32
#undef _mm512_slli_epi32
#define _mm512_slli_epi32 emu_slli_epi32
#define _mm512_storeu_si512 emu_storeu_si512
#define _mm512_cvtne2ps_pbh emu_cvtne2ps_pbh

#endif
