/* SPDX-License-Identifier: MIT */
#include "model/text/mojibake_bytes.h"

#include <string.h>

static bool is_continuation(uint8_t byte)
{
    return byte >= 0x80 && byte <= 0xBF;
}

/* The continuation bytes that ftfy believes in next to a space that was an A0: not A0
 * itself, and not 85, which is as often a lost ellipsis. */
static bool is_altered_neighbour(uint8_t byte)
{
    return is_continuation(byte) && byte != 0x85 && byte != 0xA0;
}

/* Length of the match of ftfy's ALTERED_UTF8_RE at the start of bytes, 0 for none. */
static size_t altered_length(const uint8_t *bytes, size_t size)
{
    uint8_t lead = bytes[0];
    int spaces = 0, others = 0;

    if (size >= 2 && lead != 0 && memchr("\xC2\xC3\xC5\xCE\xD0\xD9", lead, 6))
        return bytes[1] == ' ' ? 2 : 0;
    if (size >= 3 && lead >= 0xE0 && lead <= 0xE3) {
        if (is_altered_neighbour(bytes[1]) && bytes[2] == ' ')
            return 3;
        return lead >= 0xE2 && bytes[1] == ' ' && is_altered_neighbour(bytes[2]) ? 3 : 0;
    }
    if (size >= 4 && lead == 0xF0) {
        for (int i = 1; i < 4; i++) {
            spaces += bytes[i] == ' ';
            others += is_continuation(bytes[i]);
        }
        return spaces == 1 && others == 2 ? 4 : 0;
    }
    return 0;
}

static bool begins_with(const uint8_t *bytes, size_t size, const char *text)
{
    size_t length = strlen(text);

    return size >= length && memcmp(bytes, text, length) == 0;
}

/* ftfy's A_GRAVE_WORD_RE, "C3 space" as the word à of its own, at the start of bytes. */
static bool is_a_grave_word(const uint8_t *bytes, size_t size)
{
    static const char *const continuations[] = {" ", "quele", "quela", "quilo", "s "};

    if (!begins_with(bytes, size, "\xC3 "))
        return false;
    for (size_t i = 0; i < sizeof continuations / sizeof *continuations; i++) {
        if (begins_with(bytes + 2, size - 2, continuations[i]))
            return false;
    }
    return true;
}

size_t sdrt_mojibake_restore_a0(const uint8_t *bytes, size_t size, uint8_t *restored)
{
    size_t i = 0, count = 0, length;

    while (i < size && altered_length(bytes + i, size - i) == 0)
        i++;
    if (i == size) {
        memcpy(restored, bytes, size);
        return size;
    }
    for (i = 0; i < size; i++) {
        restored[count++] = bytes[i];
        if (is_a_grave_word(bytes + i, size - i))
            restored[count++] = 0xA0;
    }
    for (i = 0; i < count; i += length ? length : 1) {
        length = altered_length(restored + i, count - i);
        for (size_t k = 0; k < length; k++) {
            if (restored[i + k] == ' ')
                restored[i + k] = 0xA0;
        }
    }
    return count;
}

/* Kinds of bytes that ftfy's LOSSY_UTF8_RE tells apart; a byte can be of several. */
enum {
    LEAD_2     = 1 << 0, /* C2..DF */
    LEAD_LATIN = 1 << 1, /* C2..C3 */
    LEAD_3     = 1 << 2, /* E0..EF */
    LEAD_4     = 1 << 3, /* F0..F4 */
    BYTE_ED    = 1 << 4,
    HIGH_HALF  = 1 << 5, /* A0..AF, in a high surrogate */
    LOW_HALF   = 1 << 6, /* B0..BF, in a low surrogate */
    CONT       = 1 << 7, /* 80..BF */
    LOST       = 1 << 8, /* 1A, where U+FFFD stood */
    QUESTION   = 1 << 9,
};

static unsigned byte_kinds(uint8_t byte)
{
    unsigned kinds = 0;

    kinds |= byte >= 0xC2 && byte <= 0xDF ? LEAD_2 : 0;
    kinds |= byte >= 0xC2 && byte <= 0xC3 ? LEAD_LATIN : 0;
    kinds |= byte >= 0xE0 && byte <= 0xEF ? LEAD_3 : 0;
    kinds |= byte >= 0xF0 && byte <= 0xF4 ? LEAD_4 : 0;
    kinds |= byte == 0xED ? BYTE_ED : 0;
    kinds |= byte >= 0xA0 && byte <= 0xAF ? HIGH_HALF : 0;
    kinds |= byte >= 0xB0 && byte <= 0xBF ? LOW_HALF : 0;
    kinds |= is_continuation(byte) ? CONT : 0;
    kinds |= byte == 0x1A ? LOST : 0;
    kinds |= byte == '?' ? QUESTION : 0;
    return kinds;
}

/* Length of the match of LOSSY_UTF8_RE at the start of bytes, 0 for none.  The order of the
 * rows matters: the six-byte ones come before their first halves. */
static size_t lossy_length(const uint8_t *bytes, size_t size)
{
    static const uint16_t rules[][6] = {
        {LEAD_2, LOST},
        {LEAD_LATIN, QUESTION},
        {BYTE_ED, HIGH_HALF, LOST | QUESTION, BYTE_ED, LOW_HALF, LOST | QUESTION | CONT},
        {BYTE_ED, HIGH_HALF, LOST | QUESTION | CONT, BYTE_ED, LOW_HALF, LOST | QUESTION},
        {LEAD_3, LOST | QUESTION, LOST | CONT},
        {LEAD_3, LOST | CONT, LOST | QUESTION},
        {LEAD_4, LOST | QUESTION, LOST | CONT, LOST | CONT},
        {LEAD_4, LOST | CONT, LOST | QUESTION, LOST | CONT},
        {LEAD_4, LOST | CONT, LOST | CONT, LOST | QUESTION},
        {LOST},
    };

    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
        size_t length = 0;

        while (length < 6 && length < size && (byte_kinds(bytes[length]) & rules[r][length]))
            length++;
        if (length == 6 || rules[r][length] == 0)
            return length;
    }
    return 0;
}

size_t sdrt_mojibake_replace_lossy(const uint8_t *bytes, size_t size, uint8_t *replaced)
{
    size_t count = 0, length;

    for (size_t i = 0; i < size; i += length ? length : 1) {
        length = lossy_length(bytes + i, size - i);
        if (length > 0) {
            memcpy(replaced + count, "\xEF\xBF\xBD", 3);
            count += 3;
        } else {
            replaced[count++] = bytes[i];
        }
    }
    return count;
}

/* Length of one of the variants at the start of bytes, 0 for none.  A newline that ends the
 * text passes for the last byte of either, because "$" in ftfy's patterns matches before it. */
static size_t decode_variant(const uint8_t *bytes, size_t size, uint32_t *codepoint)
{
    if (size >= 2 && bytes[0] == 0xC0 && (bytes[1] == 0x80 || (bytes[1] == '\n' && size == 2))) {
        *codepoint = 0;
        return 2;
    }
    if (size >= 6 && bytes[0] == 0xED && (byte_kinds(bytes[1]) & HIGH_HALF) &&
        is_continuation(bytes[2]) && bytes[3] == 0xED && (byte_kinds(bytes[4]) & LOW_HALF) &&
        (is_continuation(bytes[5]) || (bytes[5] == '\n' && size == 6))) {
        *codepoint = 0x10000u + ((bytes[1] & 0x0Fu) << 16) + ((bytes[2] & 0x3Fu) << 10) +
                     ((bytes[4] & 0x0Fu) << 6) + (bytes[5] & 0x3Fu);
        return 6;
    }
    return 0;
}

bool sdrt_mojibake_decode(struct sdrt_codepoints *text, const uint8_t *bytes, size_t size)
{
    const bool variants = memchr(bytes, 0xED, size) || memchr(bytes, 0xC0, size);
    uint32_t codepoint = 0;

    for (size_t i = 0; i < size;) {
        size_t used = variants ? decode_variant(bytes + i, size - i, &codepoint) : 0;

        if (used == 0) {
            int length = sdrt_utf8_decode(bytes + i, size - i, &codepoint);

            if (length < 0)
                return false;
            used = (size_t)length;
        }
        sdrt_codepoints_append(text, codepoint);
        i += used;
    }
    return true;
}
