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
    SDRT_Q8_0,   /* 32 values: an f16 scale, then 32 int8 that it multiplies (ggml) */
    SDRT_Q4_0,   /* ggml's others, whose layouts are in kernels/generic/blocks.c */
    SDRT_Q4_1,
    SDRT_Q5_0,
    SDRT_Q5_1,
    SDRT_Q2_K,
    SDRT_Q3_K,
    SDRT_Q4_K,
    SDRT_Q5_K,
    SDRT_Q6_K,
    SDRT_DTYPES  /* how many there are */
};

/* A type's values lie in blocks: so many together take so many bytes.  Most blocks are of one. */
struct sdrt_dtype_block {
    const char    *name; /* the one that safetensors headers use ("F32"), or ggml's */
    unsigned short values, bytes;
};

/* Of a value outside the enum: "?", no values and no bytes. */
static inline struct sdrt_dtype_block sdrt_dtype_block(enum sdrt_dtype dtype)
{
    static const struct sdrt_dtype_block blocks[SDRT_DTYPES + 1] = {
        { "F32", 1, 4 }, { "F16", 1, 2 }, { "BF16", 1, 2 }, { "F64", 1, 8 }, { "I64", 1, 8 },
        { "I32", 1, 4 }, { "U8", 1, 1 }, { "I8", 1, 1 }, { "BOOL", 1, 1 }, { "F8_E4M3", 1, 1 },
        { "F8_E5M2", 1, 1 }, { "Q8_0", 32, 34 }, { "Q4_0", 32, 18 }, { "Q4_1", 32, 20 },
        { "Q5_0", 32, 22 }, { "Q5_1", 32, 24 }, { "Q2_K", 256, 84 }, { "Q3_K", 256, 110 },
        { "Q4_K", 256, 144 }, { "Q5_K", 256, 176 }, { "Q6_K", 256, 210 }, { "?", 0, 0 },
    };

    return blocks[(unsigned)dtype < SDRT_DTYPES ? (unsigned)dtype : (unsigned)SDRT_DTYPES];
}

static inline const char *sdrt_dtype_name(enum sdrt_dtype dtype)
{
    return sdrt_dtype_block(dtype).name;
}

/* Bytes of count values, which are whole blocks; 0 for a value outside the enum. */
static inline size_t sdrt_dtype_bytes(enum sdrt_dtype dtype, size_t count)
{
    const struct sdrt_dtype_block b = sdrt_dtype_block(dtype);

    return b.values ? count / b.values * b.bytes : 0;
}

/* Bytes of one element, where each has an address of its own: 0 for a type of larger blocks, and
 * for a value outside the enum. */
static inline size_t sdrt_dtype_size(enum sdrt_dtype dtype)
{
    const struct sdrt_dtype_block b = sdrt_dtype_block(dtype);

    return b.values == 1 ? b.bytes : 0;
}

/* Where element i of a row at p lies; NULL where p is.  i is a whole number of blocks. */
static inline void *sdrt_element(const void *p, enum sdrt_dtype dtype, size_t i)
{
    return p ? (char *)p + sdrt_dtype_bytes(dtype, i) : (void *)0;
}

#ifdef __cplusplus
}
#endif

#endif
