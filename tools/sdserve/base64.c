/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/base64.h"

#include <stdlib.h>
#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of a letter, -1 for what is none. */
static int value_of(char c)
{
    const char *at = c ? strchr(letters, c) : NULL;

    return at ? (int)(at - letters) : -1;
}

uint8_t *base64_decode(const char *text, size_t n, size_t most, size_t *size)
{
    signed char values[256];
    uint32_t bits = 0;
    size_t count = 0, padding = 0, used = 0;

    *size = 0;
    if (n / 4 > most / 3 + 1 + most / 57) return NULL;
    uint8_t *bytes = malloc(n / 4 * 3 + 4);
    if (!bytes) return NULL;
    for (int i = 0; i < 256; i++) values[i] = (signed char)value_of((char)i);
    for (size_t i = 0; i < n; i++) {
        const char c = text[i];
        if (c == '\r' || c == '\n') continue;
        if (c == '=' && count % 4 >= 2 && padding < 2) {
            padding++;
            continue;
        }
        if (values[(unsigned char)c] < 0 || padding) goto bad;
        bits = bits << 6 | (uint32_t)values[(unsigned char)c];
        if (++count % 4) continue;
        bytes[used++] = (uint8_t)(bits >> 16);
        bytes[used++] = (uint8_t)(bits >> 8);
        bytes[used++] = (uint8_t)bits;
    }
    if (count % 4 == 1 || (padding && (count + padding) % 4)) goto bad;
    if (count % 4 == 2) bytes[used++] = (uint8_t)(bits >> 4);
    if (count % 4 == 3) {
        bytes[used++] = (uint8_t)(bits >> 10);
        bytes[used++] = (uint8_t)(bits >> 2);
    }
    if (used > most) goto bad;
    bytes[used] = 0;
    *size = used;
    return bytes;
bad:
    free(bytes);
    return NULL;
}

char *base64_encode(const char *front, const uint8_t *bytes, size_t size)
{
    const size_t n = strlen(front);
    char *text = malloc(n + (size + 2) / 3 * 4 + 1), *to = text + n;

    if (!text) return NULL;
    memcpy(text, front, n);
    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const uint32_t bits = (uint32_t)bytes[i] << 16 |
                              (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                              (left > 2 ? bytes[i + 2] : 0);
        *to++ = letters[bits >> 18];
        *to++ = letters[bits >> 12 & 63];
        *to++ = left > 1 ? letters[bits >> 6 & 63] : '=';
        *to++ = left > 2 ? letters[bits & 63] : '=';
    }
    *to = '\0';
    return text;
}
