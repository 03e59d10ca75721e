/* SPDX-License-Identifier: MIT
 *
 * Element types of tensors, in memory and in files.
 */
#ifndef SDRT_KERNELS_DTYPE_H
#define SDRT_KERNELS_DTYPE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sdrt_dtype {
    SDRT_F32,
    SDRT_F16,
    SDRT_BF16,
    SDRT_F64,
    SDRT_I64,
    SDRT_I32,
    SDRT_U8,
    SDRT_I8,
    SDRT_BOOL,
    SDRT_F8_E4M3, /* no infinities, NaN is 0x7f and 0xff */
    SDRT_F8_E5M2,
    SDRT_DTYPES /* how many there are */
};

/* Bytes of one element, 0 for a value outside the enum. */
static inline size_t sdrt_dtype_size(enum sdrt_dtype dtype)
{
    static const unsigned char bytes[SDRT_DTYPES] = { 4, 2, 2, 8, 8, 4, 1, 1, 1, 1, 1 };

    return (unsigned)dtype < SDRT_DTYPES ? bytes[dtype] : 0;
}

/* The name that safetensors headers use ("F32"), "?" for a value outside the enum. */
static inline const char *sdrt_dtype_name(enum sdrt_dtype dtype)
{
    static const char *const names[SDRT_DTYPES] = { "F32", "F16", "BF16", "F64",     "I64",    "I32",
                                                    "U8",  "I8",  "BOOL", "F8_E4M3", "F8_E5M2" };

    return (unsigned)dtype < SDRT_DTYPES ? names[dtype] : "?";
}

#ifdef __cplusplus
}
#endif

#endif
