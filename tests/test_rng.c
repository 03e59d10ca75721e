/* SPDX-License-Identifier: MIT */
#include "runtime/random/rng.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DRAW = 1 << 16, ENDS = 6 };

static uint64_t fnv1a(const float *x, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, x + i, sizeof word);
        for (int byte = 0; byte < 4; byte++)
            h = (h ^ (word >> 8 * byte & 0xff)) * 0x100000001b3u;
    }
    return h;
}

static uint32_t word_at(const float *x, size_t i)
{
    uint32_t word;

    memcpy(&word, x + i, sizeof word);
    return word;
}

static FILE *open_golden(void)
{
    const char *folder = getenv("SDRT_TESTDATA");
    char path[4096];
    FILE *f;

    snprintf(path, sizeof path, "%s/golden/rng.txt", folder ? folder : "tests");
    f = fopen(path, "r");
    cr_assert_not_null(f, "%s cannot be opened", path);
    return f;
}

/* What torch and the published Philox gave: sizes around every tail, seeds around every word
 * size, and one generator drawn from again and again. */
Test(rng, golden)
{
    static float out[MAX_DRAW + 1];
    char kind[8], state[8];
    struct sdrt_rng rng;
    uint64_t seed, hash;
    uint32_t ends[ENDS];
    size_t n;
    int rows = 0;
    FILE *f = open_golden();

    while (fscanf(f, "%7s %" SCNu64 " %7s %zu %" SCNx64, kind, &seed, state, &n, &hash) == 5) {
        for (int i = 0; i < ENDS; i++)
            cr_assert(fscanf(f, "%" SCNx32, ends + i) == 1);
        cr_assert(n >= 1 && n <= MAX_DRAW);
        if (!strcmp(state, "new"))
            sdrt_rng_seed(&rng, strcmp(kind, "cpu") ? SDRT_RNG_CUDA : SDRT_RNG_CPU, seed);
        for (size_t i = 0; i <= n; i++)
            out[i] = NAN;
        sdrt_rng_normal(&rng, out, n);
        rows++;
        for (size_t i = 0; i < 3 && i < n; i++) {
            cr_expect(word_at(out, i) == ends[i], "%s seed %" PRIu64 " %s n %zu: [%zu] is %08x",
                      kind, seed, state, n, i, word_at(out, i));
            cr_expect(word_at(out, n - 1 - i) == ends[ENDS - 1 - i],
                      "%s seed %" PRIu64 " %s n %zu: [n-1-%zu] is %08x", kind, seed, state, n, i,
                      word_at(out, n - 1 - i));
        }
        cr_expect(fnv1a(out, n) == hash, "%s seed %" PRIu64 " %s n %zu: some number differs", kind,
                  seed, state, n);
        cr_expect(isnan(out[n]), "%s n %zu: wrote past the end", kind, n);
    }
    cr_expect(feof(f) && rows > 300, "only %d rows", rows);
    fclose(f);
}

/* Known answers of Random123's kat_vectors for philox4x32, 10 rounds. */
Test(rng, philox_known_answers)
{
    static const uint32_t kat[][10] = {
        { 0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 },
        { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
          0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd },
        { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0,
          0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 },
    };

    for (size_t i = 0; i < sizeof kat / sizeof *kat; i++) {
        uint32_t out[4];
        sdrt_philox4x32(kat[i], kat[i] + 4, out);
        cr_expect(!memcmp(out, kat[i] + 6, sizeof out), "vector %zu: %08x %08x %08x %08x", i,
                  out[0], out[1], out[2], out[3]);
    }
}

Test(rng, nothing_drawn_for_n_0)
{
    struct sdrt_rng a, b;
    float x[20], y[20];

    sdrt_rng_seed(&a, SDRT_RNG_CPU, 7);
    b = a;
    sdrt_rng_normal(&a, x, 0);
    sdrt_rng_normal(&a, x, 20);
    sdrt_rng_normal(&b, y, 20);
    cr_expect(!memcmp(x, y, sizeof x));
}

/* Mean 0 and variance 1 to five standard errors: catches what a wrong golden file would hide. */
Test(rng, moments)
{
    static float x[MAX_DRAW];

    for (int kind = SDRT_RNG_CPU; kind <= SDRT_RNG_CUDA; kind++) {
        struct sdrt_rng rng;
        double sum = 0, squares = 0;

        sdrt_rng_seed(&rng, (enum sdrt_rng_kind)kind, 1234);
        sdrt_rng_normal(&rng, x, MAX_DRAW);
        for (int i = 0; i < MAX_DRAW; i++) {
            sum += x[i];
            squares += (double)x[i] * x[i];
        }
        cr_expect(fabs(sum / MAX_DRAW) < 5 / 256.0, "kind %d: mean %g", kind, sum / MAX_DRAW);
        cr_expect(fabs(squares / MAX_DRAW - 1) < 5 * sqrt(2.0) / 256, "kind %d: variance %g", kind,
                  squares / MAX_DRAW);
    }
}
