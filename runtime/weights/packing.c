/* SPDX-License-Identifier: MIT */
#include "runtime/weights/packing.h"

#include <fnmatch.h>
#include <string.h>

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

uint64_t sdrt_packing_match(const char *globs, const char *name)
{
    char glob[SDRT_PACKING_GLOB];
    uint64_t found = 0;
    int i = 0;

    for (const char *at = globs; at; i++) {
        const size_t n = strcspn(at, "+");
        if (n < sizeof glob) {
            memcpy(glob, at, n);
            glob[n] = '\0';
            if (fnmatch(glob, name, 0) == 0) found |= (uint64_t)1 << i;
        }
        at = at[n] ? at + n + 1 : NULL;
    }
    return found;
}
