/* SPDX-License-Identifier: MIT */
#include "runtime/files/ggml_types.h"

#define OURS(dtype)                \
    {                              \
#dtype, SDRT_##dtype, 0, 0 \
    } /* its block is known */
#define THEIRS(name, values, bytes)      \
    {                                    \
        name, SDRT_DTYPES, values, bytes \
    }

/* By number: enum ggml_type of ggml.h; blocks as ggml-common.h has them. */
static const struct sdrt_ggml_type types[] = {
    [0] = OURS(F32),
    [1] = OURS(F16),
    [2] = OURS(Q4_0),
    [3] = OURS(Q4_1),
    [6] = OURS(Q5_0),
    [7] = OURS(Q5_1),
    [8] = OURS(Q8_0),
    [9] = THEIRS("Q8_1", 32, 36),
    [10] = OURS(Q2_K),
    [11] = OURS(Q3_K),
    [12] = OURS(Q4_K),
    [13] = OURS(Q5_K),
    [14] = OURS(Q6_K),
    [15] = THEIRS("Q8_K", 256, 292),
    [16] = THEIRS("IQ2_XXS", 256, 66),
    [17] = THEIRS("IQ2_XS", 256, 74),
    [18] = THEIRS("IQ3_XXS", 256, 98),
    [19] = THEIRS("IQ1_S", 256, 50),
    [20] = THEIRS("IQ4_NL", 32, 18),
    [21] = THEIRS("IQ3_S", 256, 110),
    [22] = THEIRS("IQ2_S", 256, 82),
    [23] = THEIRS("IQ4_XS", 256, 136),
    [24] = OURS(I8),
    [25] = THEIRS("I16", 1, 2),
    [26] = OURS(I32),
    [27] = OURS(I64),
    [28] = OURS(F64),
    [29] = THEIRS("IQ1_M", 256, 56),
    [30] = OURS(BF16),
    [34] = THEIRS("TQ1_0", 256, 54),
    [35] = THEIRS("TQ2_0", 256, 66),
    [39] = THEIRS("MXFP4", 32, 17),
    [40] = THEIRS("NVFP4", 64, 36),
    [41] = THEIRS("Q1_0", 128, 18),
    [42] = THEIRS("Q2_0", 64, 18),
};

enum { TYPES = sizeof types / sizeof *types };

int sdrt_ggml_type(uint32_t number, struct sdrt_ggml_type *out)
{
    if (number >= TYPES || !types[number].name) return -1;
    *out = types[number];
    if (out->dtype == SDRT_DTYPES) return 0;
    const struct sdrt_dtype_block block = sdrt_dtype_block(out->dtype);
    out->values = block.values;
    out->bytes = block.bytes;
    return 0;
}

int sdrt_ggml_number(enum sdrt_dtype dtype)
{
    for (int i = 0; i < TYPES; i++)
        if (types[i].name && types[i].dtype == dtype && dtype != SDRT_DTYPES) return i;
    return -1;
}
