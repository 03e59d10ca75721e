/* SPDX-License-Identifier: MIT */
#include "runtime/weights/packing.h"

enum sdrt_dtype sdrt_packing_as_stored(const struct sdrt_packed_matrix *matrix)
{
    const enum sdrt_dtype from = matrix->from;

    if (from == SDRT_F8_E4M3 || from == SDRT_F8_E5M2) return SDRT_BF16;
    return from == SDRT_F16 || from == SDRT_BF16 ? from : SDRT_F32;
}

enum sdrt_dtype sdrt_packing_bf16(const struct sdrt_packed_matrix *matrix)
{
    (void)matrix;
    return SDRT_BF16;
}
