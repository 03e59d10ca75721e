/* SPDX-License-Identifier: MIT
 *
 * From f32 to the types of files: against golden/gguf/q4_k.bin, which ggml's reference made
 * (tests/oracle/make_q4_k_golden.sh), and against what sdrt_to_f32() makes of every code.
 */
#include "kernels/pack.h"
#include "kernels/store.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 2048, Q4_BYTES = VALUES / 256 * 144, Q8_BYTES = VALUES / 32 * 34 };

Test(store, blocks_are_ggmls_to_the_bit)
{
    static unsigned char want_q4[Q4_BYTES], want_q8[Q8_BYTES], got[Q8_BYTES];
    const char *root = getenv("SDRT_TESTDATA");
    static float x[VALUES];
    char path[512];

    snprintf(path, sizeof path, "%s/golden/gguf/q4_k.bin", root ? root : "tests");
    FILE *f = fopen(path, "rb");
    cr_assert(f && fread(x, sizeof x, 1, f) == 1 && fread(want_q4, Q4_BYTES, 1, f) == 1 &&
              fread(want_q8, Q8_BYTES, 1, f) == 1);
    fclose(f);
    cr_expect_eq(sdrt_from_f32(x, SDRT_Q4_K, got, VALUES), VALUES);
    for (int i = 0; i < Q4_BYTES; i++)
        cr_assert(got[i] == want_q4[i], "Q4_K: block %d, byte %d", i / 144, i % 144);
    cr_expect_eq(sdrt_from_f32(x, SDRT_Q8_0, got, VALUES), VALUES);
    for (int i = 0; i < Q8_BYTES; i++)
        cr_assert(got[i] == want_q8[i], "Q8_0: block %d, byte %d", i / 34, i % 34);
}

/* Every finite code of a type is stored as itself; halfway between two neighbours goes
 * to the even one, a little beyond to the upper one. */
static void check_codes(enum sdrt_dtype type, unsigned codes)
{
    int bad = 0;

    for (unsigned code = 0; code < 2 * codes; code++) {
        unsigned got[3] = { 0, 0, 0 };
        const unsigned next = code + 1;
        float x[3], low, high;
        cr_assert_eq(sdrt_to_f32(&code, type, &low, 1), 0);
        cr_assert_eq(sdrt_to_f32(&next, type, &high, 1), 0);
        if (!isfinite(low)) continue;
        x[0] = low;
        x[1] = low + (high - low) / 2.0f;
        x[2] = nextafterf(x[1], high);
        const int last = !isfinite(high) || next == codes || next == 2 * codes;
        for (int i = 0; i < (last ? 1 : 3); i++) bad += sdrt_from_f32(&x[i], type, &got[i], 1) != 1;
        bad += got[0] != code;
        if (!last) bad += (got[1] != (code & 1 ? next : code)) + (got[2] != next);
    }
    cr_expect(bad == 0, "%s: %d wrong", sdrt_dtype_name(type), bad);
}

Test(store, floats_are_rounded_to_nearest_even)
{
    check_codes(SDRT_F8_E4M3, 0x80);
    check_codes(SDRT_F8_E5M2, 0x80);
    check_codes(SDRT_F16, 0x8000);
    check_codes(SDRT_BF16, 0x8000);
}

Test(store, what_a_type_has_not_is_found)
{
    static const struct {
        enum sdrt_dtype type;
        float bad;
    } cases[] = {
        { SDRT_F16, 65536.0f },     { SDRT_F16, NAN },       { SDRT_F8_E4M3, 465.0f },
        { SDRT_F8_E5M2, 61441.0f }, { SDRT_BF16, INFINITY }, { SDRT_F32, -INFINITY },
        { SDRT_Q8_0, NAN },         { SDRT_Q4_K, 1e9f },
    };
    unsigned char out[1024];
    float x[256] = { 1.0f };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(sdrt_from_f32(x, cases[i].type, out, 256), 256);
        x[100] = cases[i].bad;
        cr_expect_eq(sdrt_from_f32(x, cases[i].type, out, 256), 100, "case %zu", i);
        x[100] = 0.0f;
    }
    for (int t = 0; t < SDRT_DTYPES; t++)
        if (!sdrt_can_store((enum sdrt_dtype)t))
            cr_expect_eq(sdrt_from_f32(x, (enum sdrt_dtype)t, out, 1), 0, "type %d", t);
}
