/* SPDX-License-Identifier: MIT */
#include "runtime/files/png_text.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { REPLACEMENT = 0xfffd };

/* The next character of text, which has left bytes, and the bytes it took. */
static utf8proc_int32_t next(const char *text, size_t left, size_t *took)
{
    utf8proc_int32_t character;
    const utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)left, &character);

    *took = n > 0 ? (size_t)n : 1;
    return n > 0 ? character : REPLACEMENT;
}

char *sdrt_png_text_encode(const char *text, int *is_latin1)
{
    const size_t size = strlen(text);
    char *copy = malloc(3 * size + 1); /* a bad byte becomes three */
    size_t took, used = 0;

    if (!copy) return NULL;
    *is_latin1 = 1;
    for (size_t i = 0; i < size; i += took)
        if (next(text + i, size - i, &took) > 0xff) *is_latin1 = 0;
    for (size_t i = 0; i < size; i += took) {
        const utf8proc_int32_t character = next(text + i, size - i, &took);
        if (*is_latin1)
            copy[used++] = (char)(unsigned char)character;
        else
            used += (size_t)utf8proc_encode_char(character, (utf8proc_uint8_t *)copy + used);
    }
    copy[used] = '\0';
    return copy;
}

char *sdrt_png_text_from_latin1(const char *latin1)
{
    const size_t size = strlen(latin1);
    char *copy = malloc(2 * size + 1);
    size_t used = 0;

    if (!copy) return NULL;
    for (size_t i = 0; i < size; i++)
        used += (size_t)utf8proc_encode_char((unsigned char)latin1[i],
                                             (utf8proc_uint8_t *)copy + used);
    copy[used] = '\0';
    return copy;
}

char *sdrt_png_text_utf8(const char *text)
{
    const size_t size = strlen(text);
    utf8proc_int32_t character;

    for (size_t i = 0; i < size;) {
        const utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
                                                    (utf8proc_ssize_t)(size - i), &character);
        if (n <= 0) return sdrt_png_text_from_latin1(text);
        i += (size_t)n;
    }
    return strdup(text);
}
