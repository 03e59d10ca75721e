/* SPDX-License-Identifier: MIT
 *
 * FNV-1a, for seeds and for names of our own: http://www.isthe.com/chongo/tech/comp/fnv/
 * SipHash-1-3, for tables of what files bring: nobody who does not know the key can make names
 * that fall into one place (Aumasson, Bernstein: SipHash, 2012).
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

static inline uint64_t sdrt_hash_turn(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

static inline void sdrt_hash_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = sdrt_hash_turn(v[1], 13) ^ v[0];
    v[0] = sdrt_hash_turn(v[0], 32);
    v[2] += v[3];
    v[3] = sdrt_hash_turn(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = sdrt_hash_turn(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = sdrt_hash_turn(v[1], 17) ^ v[2];
    v[2] = sdrt_hash_turn(v[2], 32);
}

/* The hash of size bytes under a key that was drawn for the table. */
static inline uint64_t sdrt_hash_keyed(const uint64_t key[2], const void *bytes, size_t size)
{
    uint64_t v[4] = { key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                      key[0] ^ UINT64_C(0x6c7967656e657261),
                      key[1] ^ UINT64_C(0x7465646279746573) };
    const unsigned char *b = bytes;

    for (size_t at = 0; at <= size; at += 8) {
        const size_t n = size - at < 8 ? size - at : 8;
        uint64_t word = n < 8 ? (uint64_t)size << 56 : 0;
        for (size_t i = 0; i < n; i++) word |= (uint64_t)b[at + i] << 8 * i;
        v[3] ^= word;
        sdrt_hash_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sdrt_hash_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
