/* SPDX-License-Identifier: MIT */
#include "runtime/base/printable.h"

#include <stdint.h>
#include <string.h>

/* The bytes of the UTF-8 character at p, of which there are size, and its code point; 0 when it is
 * none (RFC 3629). */
static size_t read_character(const unsigned char *p, size_t size, uint32_t *code)
{
    const size_t n = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
    static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };

    *code = n == 1 ? *p : *p & (0x7f >> n);
    if (n == 1) return 1;
    if (*p < 0xc2 || *p > 0xf4 || size < n) return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        *code = *code << 6 | (p[i] & 0x3f);
    }
    const int surrogate = *code >= 0xd800 && *code < 0xe000;
    return *code >= lowest[n] && *code < 0x110000 && !surrogate ? n : 0;
}

size_t sdrt_text_character(const char *text, size_t size, uint32_t *code)
{
    return size ? read_character((const unsigned char *)text, size, code) : 0;
}

static int is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

void sdrt_text_printable(char *text, int lines)
{
    size_t left = strlen(text);

    while (left) {
        uint32_t code;
        const size_t n = read_character((const unsigned char *)text, left, &code);
        const size_t step = n ? n : 1;
        if (!n || (is_control(code) && !(lines && code == '\n'))) memset(text, '?', step);
        text += step;
        left -= step;
    }
}

int sdrt_text_is_plain(const char *text, size_t size)
{
    enum { LONGEST = 4 };

    while (size) {
        uint32_t code;
        const size_t n = read_character((const unsigned char *)text, size, &code);
        if (!n) return size < LONGEST && (*text & 0xc0) == 0xc0;
        if (is_control(code) && !strchr("\t\r\n", (int)code)) return 0;
        if (!code) return 0;
        text += n;
        size -= n;
    }
    return 1;
}
