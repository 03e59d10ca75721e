#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Writes tests/golden/gguf/q4_k.bin by ggml's own reference: 2048 f32, then 8 blocks of Q4_K and 64 of
# Q8_0 that quantize_row_q4_K_ref() and quantize_row_q8_0_ref() make of them.
#     make_q4_k_golden.sh GGML_CHECKOUT tests/golden/gguf/q4_k.bin
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The functions alone: the file's includes want the whole of ggml.
awk '/^(static inline |static |)(int|float|void) (nearest_int|make_qkx2_quants|get_scale_min_k4|quantize_row_q4_K_ref|quantize_row_q8_0_ref)\(/ { on = 1 }
     on { print } on && /^}/ { on = 0 }' "$1/src/ggml-quants.c" > "$work/part.h"
cat > "$work/make.c" <<'C'
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define GGML_RESTRICT restrict
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define QK_K 256
#define QK8_0 32
typedef struct { _Float16 d, dmin; uint8_t scales[12], qs[128]; } block_q4_K;
typedef struct { _Float16 d; int8_t qs[32]; } block_q8_0;
#define GGML_FP32_TO_FP16(x) ((_Float16)(x))
#define GGML_FP16_TO_FP32(x) ((float)(x))
#include "part.h"
int main(void)
{
    static float x[2048];
    static block_q4_K k[8];
    static block_q8_0 q[64];
    unsigned long long s = 1;
    for (int i = 0; i < 2048; i++) {
        double sum = 0;
        for (int j = 0; j < 4; j++) {
            s = s * 6364136223846793005ull + 1442695040888963407ull;
            sum += (double)(s >> 40) / (1 << 24) - 0.5;
        }
        x[i] = (float)(sum * 0.05 * (1 + i / 256));
        if (i / 32 == 9) x[i] = 0.0f;             /* a group of zeros */
        if (i / 32 == 10) x[i] = 0.25f;           /* of one value */
        if (i / 256 == 2) x[i] = fabsf(x[i]);     /* a block without negative ones */
        if (i / 256 == 3) x[i] *= i % 97 ? 1 : 50; /* with outliers */
        if (i / 256 == 4) x[i] = 0.0f;            /* of zeros */
        if (i / 256 == 5) x[i] *= 1e-6f;          /* whose scale is below f16's smallest */
    }
    quantize_row_q4_K_ref(x, k, 2048);
    quantize_row_q8_0_ref(x, q, 2048);
    fwrite(x, sizeof x, 1, stdout);
    fwrite(k, sizeof k, 1, stdout);
    fwrite(q, sizeof q, 1, stdout);
    return 0;
}
C
${CC:-cc} -O2 -ffp-contract=off -I"$work" -o "$work/make" "$work/make.c" -lm
"$work/make" > "$2"
