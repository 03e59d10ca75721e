/* SPDX-License-Identifier: MIT
 *
 * Makes the bytes of safetensors files, good and bad, from a header's text.
 */
#ifndef SDRT_TESTS_SAFETENSORS_FILES_H
#define SDRT_TESTS_SAFETENSORS_FILES_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* length + header + bytes of data, each data byte its own index; returns the size. */
static inline size_t safetensors_bytes(unsigned char *out, uint64_t length, const char *header,
                                       size_t header_bytes, size_t data_bytes)
{
    for (int i = 0; i < 8; i++) out[i] = (unsigned char)(length >> (8 * i));
    memcpy(out + 8, header, header_bytes);
    for (size_t i = 0; i < data_bytes; i++) out[8 + header_bytes + i] = (unsigned char)i;
    return 8 + header_bytes + data_bytes;
}

#endif
