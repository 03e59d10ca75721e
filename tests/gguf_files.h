/* SPDX-License-Identifier: MIT
 *
 * Puts the bytes of GGUF files together, good and bad.
 */
#ifndef SDRT_TESTS_GGUF_FILES_H
#define SDRT_TESTS_GGUF_FILES_H

#include <stdint.h>
#include <string.h>

enum { GGUF_MAX = 8192 };

struct gguf_bytes {
    unsigned char b[GGUF_MAX];
    size_t n;
};

static inline void gguf_put(struct gguf_bytes *g, const void *p, size_t n)
{
    if (g->n >= GGUF_MAX || n > GGUF_MAX - g->n) return;
    memcpy(g->b + g->n, p, n);
    g->n += n;
}

static inline void gguf_u32(struct gguf_bytes *g, uint32_t v) { gguf_put(g, &v, sizeof v); }

static inline void gguf_u64(struct gguf_bytes *g, uint64_t v) { gguf_put(g, &v, sizeof v); }

static inline void gguf_text(struct gguf_bytes *g, const char *text)
{
    gguf_u64(g, strlen(text));
    gguf_put(g, text, strlen(text));
}

static inline void gguf_start(struct gguf_bytes *g, uint32_t version, uint64_t tensors,
                              uint64_t values)
{
    g->n = 0;
    gguf_put(g, "GGUF", 4);
    gguf_u32(g, version);
    gguf_u64(g, tensors);
    gguf_u64(g, values);
}

/* A value's key and type; what follows is the caller's. */
static inline void gguf_key(struct gguf_bytes *g, const char *key, uint32_t type)
{
    gguf_text(g, key);
    gguf_u32(g, type);
}

/* A tensor of rank dimensions, outermost first, of ggml's type, at a byte of the data. */
static inline void gguf_tensor(struct gguf_bytes *g, const char *name, int rank,
                               const uint64_t *shape, uint32_t type, uint64_t at)
{
    gguf_text(g, name);
    gguf_u32(g, (uint32_t)rank);
    for (int i = rank - 1; i >= 0; i--) gguf_u64(g, shape[i]);
    gguf_u32(g, type);
    gguf_u64(g, at);
}

/* The data: zeros up to a multiple of alignment, then bytes that each are their own index. */
static inline void gguf_data(struct gguf_bytes *g, size_t alignment, size_t bytes)
{
    while (g->n % alignment) gguf_put(g, "", 1);
    for (size_t i = 0; i < bytes; i++) {
        const unsigned char byte = (unsigned char)i;
        gguf_put(g, &byte, 1);
    }
}

#endif
