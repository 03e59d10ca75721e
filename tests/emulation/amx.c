/* SPDX-License-Identifier: MIT */
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64 };

struct config {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
};

static _Thread_local struct config config;
static _Thread_local uint8_t tiles[TILES][ROWS][ROW_BYTES] __attribute__((aligned(64)));

static void need(int holds)
{
    if (!holds) abort();
}

void temulated_loadconfig(const void *p)
{
    memcpy(&config, p, sizeof config);
    memset(tiles, 0, sizeof tiles);
    need(config.palette == 1 && config.start == 0);
    for (int i = 0; i < TILES; i++) need(config.rows[i] <= ROWS && config.bytes[i] <= ROW_BYTES);
}

void temulated_release(void) { memset(&config, 0, sizeof config); }

void temulated_zero(int t)
{
    need(config.palette == 1);
    memset(tiles[t], 0, sizeof tiles[t]);
}

void temulated_load(int t, const void *p, ptrdiff_t stride)
{
    need(config.palette == 1 && config.rows[t]);
    memset(tiles[t], 0, sizeof tiles[t]);
    for (int r = 0; r < config.rows[t]; r++)
        memcpy(tiles[t][r], (const char *)p + r * stride, config.bytes[t]);
}

void temulated_store(int t, void *p, ptrdiff_t stride)
{
    need(config.palette == 1 && config.rows[t]);
    for (int r = 0; r < config.rows[t]; r++)
        memcpy((char *)p + r * stride, tiles[t][r], config.bytes[t]);
}

/* Row m of the product, as the manual of TDPBF16PS has it: even and odd values of k are summed
 * apart from zero, each by a fused multiply-add, then both sums together join what is there. */
static void one_row(float *to, const uint32_t *a, int pairs, int b)
{
    const __m256i odd = _mm256_set1_epi32((int)0xffff0000);
    __m256 e[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() }, o[2] = { e[0], e[0] };

    for (int k = 0; k < pairs; k++) {
        const __m256i pair = _mm256_set1_epi32((int)a[k]);
        const __m256 ae = _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16));
        const __m256 ao = _mm256_castsi256_ps(_mm256_and_si256(pair, odd));
        for (int h = 0; h < 2; h++) {
            const __m256i w = _mm256_load_si256((const __m256i *)(void *)(tiles[b][k] + 32 * h));
            e[h] = _mm256_fmadd_ps(ae, _mm256_castsi256_ps(_mm256_slli_epi32(w, 16)), e[h]);
            o[h] = _mm256_fmadd_ps(ao, _mm256_castsi256_ps(_mm256_and_si256(w, odd)), o[h]);
        }
    }
    for (int h = 0; h < 2; h++)
        _mm256_storeu_ps(to + 8 * h,
                         _mm256_add_ps(_mm256_loadu_ps(to + 8 * h), _mm256_add_ps(e[h], o[h])));
}

/* Whether tile c may take the product of a, of so many values of 32 bits in a row, and b. */
static void need_shapes(int c, int a, int b)
{
    need(config.palette == 1 && config.rows[a] == config.rows[c] &&
         config.rows[b] == config.bytes[a] / 4 && config.bytes[b] == config.bytes[c] && c != a &&
         c != b && a != b);
}

/* To nearest, subnormals to zero: MXCSR is neither asked nor changed. */
void temulated_dpbf16ps(int c, int a, int b)
{
    const unsigned kept = _mm_getcsr();
    const int pairs = config.bytes[a] / 4;

    need_shapes(c, a, b);
    _mm_setcsr(0x9fc0);
    for (int m = 0; m < config.rows[c]; m++)
        one_row((float *)(void *)tiles[c][m], (const uint32_t *)(const void *)tiles[a][m], pairs,
                b);
    _mm_setcsr(kept);
}

/* Signed by signed, four to a sum; it wraps. */
void temulated_dpbssd(int c, int a, int b)
{
    need_shapes(c, a, b);
    for (int m = 0; m < config.rows[c]; m++) {
        uint32_t *const to = (uint32_t *)(void *)tiles[c][m];
        const int8_t *row = (const int8_t *)tiles[a][m];
        for (int k = 0; k < config.bytes[a] / 4; k++)
            for (int n = 0; n < config.bytes[c] / 4; n++) {
                const int8_t *w = (const int8_t *)tiles[b][k] + 4 * n;
                for (int i = 0; i < 4; i++) to[n] += (uint32_t)(row[4 * k + i] * w[i]);
            }
    }
}
