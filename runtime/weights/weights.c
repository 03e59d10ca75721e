/* SPDX-License-Identifier: MIT */
#include "runtime/weights/weights.h"

#include <stdio.h>
#include <string.h>

size_t sdrt_weight_elements(const struct sdrt_weight_view *view)
{
    size_t product = 1;

    for (int i = 0; i < view->rank; i++) product *= (size_t)view->shape[i];
    return product;
}

size_t sdrt_weight_bytes(const struct sdrt_weight_view *view)
{
    return sdrt_dtype_bytes(view->dtype, sdrt_weight_elements(view));
}

enum { SHAPE_TEXT = SDRT_WEIGHT_MAX_RANK * 21 + 3 };

static const char *shape_text(int rank, const int64_t *shape, char text[SHAPE_TEXT])
{
    size_t used = 1;

    strcpy(text, "[");
    for (int i = 0; i < rank && i < SDRT_WEIGHT_MAX_RANK; i++)
        used += (size_t)snprintf(text + used, SHAPE_TEXT - used, "%s%lld", i ? "," : "",
                                 (long long)shape[i]);
    snprintf(text + used, SHAPE_TEXT - used, "]");
    return text;
}

int sdrt_weight_check_shape(const struct sdrt_weight_view *view, const char *name, int rank,
                            const int64_t *shape, const struct sdrt_log *log)
{
    char have[SHAPE_TEXT], want[SHAPE_TEXT];
    int same = view->rank == rank;

    for (int i = 0; same && i < rank; i++) same = view->shape[i] == shape[i];
    if (same) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_FORMAT, "%s: has the shape %s, %s is expected", name,
                     shape_text(view->rank, view->shape, have), shape_text(rank, shape, want));
}

/* NaN and infinity are the values whose exponent bits are all ones, so the test is one
 * integer comparison.  Blocks of a constant size let the compiler use vectors. */
enum { BLOCK = 1024 };

#define DEFINE_FIRST_BAD(suffix, word, mask, limit)                                 \
    static size_t first_bad_##suffix(const word *v, size_t n)                       \
    {                                                                               \
        size_t i = 0;                                                               \
        for (; i + BLOCK <= n; i += BLOCK) {                                        \
            word bad = 0;                                                           \
            for (int j = 0; j < BLOCK; j++)                                         \
                bad |= (word)((v[i + j] & (word)(mask)) >= (word)(limit));          \
            if (bad) break;                                                         \
        }                                                                           \
        while (i < n && (v[i] & (word)(mask)) < (word)(limit)) i++;                 \
        return i;                                                                   \
    }

DEFINE_FIRST_BAD(f64, uint64_t, 0x7fffffffffffffff, 0x7ff0000000000000)
DEFINE_FIRST_BAD(f32, uint32_t, 0x7fffffff, 0x7f800000)
DEFINE_FIRST_BAD(f16, uint16_t, 0x7fff, 0x7c00)
DEFINE_FIRST_BAD(bf16, uint16_t, 0x7fff, 0x7f80)
DEFINE_FIRST_BAD(e5m2, uint8_t, 0x7f, 0x7c)
DEFINE_FIRST_BAD(e4m3, uint8_t, 0x7f, 0x7f)

/* 65520 and 65536, where f16 rounds to infinity. */
DEFINE_FIRST_BAD(f32_for_f16, uint32_t, 0x7fffffff, 0x477ff000)
DEFINE_FIRST_BAD(bf16_for_f16, uint16_t, 0x7fff, 0x4780)

size_t sdrt_weight_first_beyond_f16(enum sdrt_dtype dtype, const void *values, size_t n)
{
    if (dtype == SDRT_F32) return first_bad_f32_for_f16(values, n);
    return dtype == SDRT_BF16 ? first_bad_bf16_for_f16(values, n) : n;
}

size_t sdrt_weight_first_bad(enum sdrt_dtype dtype, const void *values, size_t n)
{
    switch (dtype) {
    case SDRT_F64:     return first_bad_f64(values, n);
    case SDRT_F32:     return first_bad_f32(values, n);
    case SDRT_F16:     return first_bad_f16(values, n);
    case SDRT_BF16:    return first_bad_bf16(values, n);
    case SDRT_F8_E5M2: return first_bad_e5m2(values, n);
    case SDRT_F8_E4M3: return first_bad_e4m3(values, n);
    default:           return n;
    }
}

int sdrt_weight_check_finite(const struct sdrt_weight_view *view, const char *name,
                             const struct sdrt_log *log)
{
    const size_t n = sdrt_weight_elements(view);
    const size_t at = sdrt_weight_first_bad(view->dtype, view->data, n);

    if (at == n) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_NUMERIC,
                     "%s: value %zu of %zu is NaN or infinite, the file is damaged", name, at, n);
}
