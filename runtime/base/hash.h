/* SPDX-License-Identifier: MIT
 *
 * FNV-1a, for tables and seeds: http://www.isthe.com/chongo/tech/comp/fnv/
 */
#ifndef SDRT_RUNTIME_BASE_HASH_H
#define SDRT_RUNTIME_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define SDRT_HASH_START UINT64_C(0xCBF29CE484222325)

/* hash goes on with size bytes. */
static inline uint64_t sdrt_hash(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *b = bytes;

    for (size_t i = 0; i < size; i++) hash = (hash ^ b[i]) * UINT64_C(0x100000001B3);
    return hash;
}

#endif
