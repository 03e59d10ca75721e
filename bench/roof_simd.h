/* SPDX-License-Identifier: MIT
 *
 * The roof's loops for one vector width.  The including file defines vec and ivec (its vectors of
 * float and of integers), LANES (floats in one), and SIMD(name), its intrinsic of that name.
 */
/* Latency 4 to 5 times two units: ten chains keep both busy. */
enum { CHAINS = 12 };

/* The factor is below one, so that the sums stay finite however long the loop runs. */
static double f32(long rounds, const void *data)
{
    const vec *x = data;
    vec a[CHAINS];
    const vec m = x[0], c = x[1];

    for (int i = 0; i < CHAINS; i++) a[i] = x[i + 2];
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) {
            vec next = SIMD(fmadd_ps)(a[i], m, c);
            __asm__("" : "+v"(next)); /* keeps the chain from being folded */
            a[i] = next;
        }
    for (int i = 1; i < CHAINS; i++) a[0] = SIMD(add_ps)(a[0], a[i]);
    __asm__ volatile("" : : "v"(a[0]));
    return 2.0 * LANES * CHAINS * (double)rounds;
}

static double int16(long rounds, const void *data)
{
    const ivec *x = data;
    ivec a[CHAINS];
    const ivec m = x[0];

    for (int i = 0; i < CHAINS; i++) a[i] = x[i + 1];
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) {
            ivec next = SIMD(madd_epi16)(a[i], m);
            __asm__("" : "+v"(next));
            a[i] = next;
        }
    for (int i = 1; i < CHAINS; i++) a[0] = SIMD(add_epi32)(a[0], a[i]);
    __asm__ volatile("" : : "v"(a[0]));
    return 2.0 * 2 * LANES * CHAINS * (double)rounds;
}

static double int8(long rounds, const void *data)
{
    const ivec *x = data;
    ivec a[CHAINS];
    const ivec m = x[0];

    for (int i = 0; i < CHAINS; i++) a[i] = x[i + 1];
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) {
            ivec next = SIMD(maddubs_epi16)(a[i], m);
            __asm__("" : "+v"(next));
            a[i] = next;
        }
    for (int i = 1; i < CHAINS; i++) a[0] = SIMD(add_epi16)(a[0], a[i]);
    __asm__ volatile("" : : "v"(a[0]));
    return 2.0 * 4 * LANES * CHAINS * (double)rounds;
}

/* Eight sums, so that the additions' latency does not hide the loads. */
static double read_all(const float *x, long n)
{
    vec s[8];

    for (int j = 0; j < 8; j++) s[j] = SIMD(setzero_ps)();
    for (long i = 0; i < n; i += 8 * LANES)
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) s[j] = SIMD(add_ps)(s[j], SIMD(load_ps)(x + i + LANES * j));
    for (int j = 1; j < 8; j++) s[0] = SIMD(add_ps)(s[0], s[j]);
    __asm__ volatile("" : : "v"(s[0]));
    return 4.0 * (double)n;
}
