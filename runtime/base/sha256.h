/* SPDX-License-Identifier: MIT
 *
 * SHA-256 (FIPS 180-4), by which the web UI and Civitai tell files.
 */
#ifndef SDRT_RUNTIME_BASE_SHA256_H
#define SDRT_RUNTIME_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SDRT_SHA256_TEXT = 65 /* in hexadecimal digits, with the 0 at the end */ };

struct sdrt_sha256 {
    uint32_t state[8];
    uint64_t size;     /* bytes so far */
    uint8_t block[64]; /* what of them is in no whole block */
};

void sdrt_sha256_begin(struct sdrt_sha256 *h);
void sdrt_sha256_add(struct sdrt_sha256 *h, const void *bytes, size_t n);

/* Writes the digest in small hexadecimal digits; h is then of no use. */
void sdrt_sha256_end(struct sdrt_sha256 *h, char text[SDRT_SHA256_TEXT]);

#ifdef __cplusplus
}
#endif

#endif
