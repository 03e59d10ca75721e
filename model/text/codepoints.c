/* SPDX-License-Identifier: MIT */
#include "model/text/codepoints.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static bool reserve(struct sdrt_codepoints *text, size_t more)
{
    size_t capacity = text->capacity ? text->capacity : 64;
    uint32_t *grown;

    if (text->failed)
        return false;
    if (more <= text->capacity - text->count)
        return true;
    if (more > SIZE_MAX / (4 * sizeof *grown) - text->count) {
        text->failed = true;
        return false;
    }
    while (capacity < text->count + more)
        capacity *= 2;
    grown = realloc(text->at, capacity * sizeof *grown);
    if (!grown) {
        text->failed = true;
        return false;
    }
    text->at = grown;
    text->capacity = capacity;
    return true;
}

void sdrt_codepoints_append(struct sdrt_codepoints *text, uint32_t codepoint)
{
    if (reserve(text, 1))
        text->at[text->count++] = codepoint;
}

void sdrt_codepoints_clear(struct sdrt_codepoints *text)
{
    free(text->at);
    memset(text, 0, sizeof *text);
}

void sdrt_codepoints_move(struct sdrt_codepoints *to, struct sdrt_codepoints *from)
{
    free(to->at);
    *to = *from;
    memset(from, 0, sizeof *from);
}

int sdrt_utf8_decode(const uint8_t *bytes, size_t size, uint32_t *codepoint)
{
    uint8_t lead = bytes[0], low = 0x80, high = 0xBF;
    int length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t value = lead & (0x7F >> length);

    *codepoint = lead;
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return -1;
    /* The second byte's range is what keeps out overlong forms, surrogates and
     * everything above U+10FFFF (The Unicode Standard, table 3-7). */
    if (lead == 0xE0)
        low = 0xA0;
    else if (lead == 0xED)
        high = 0x9F;
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F;
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= size || bytes[i] < low || bytes[i] > high)
            return -i;
        value = value << 6 | (bytes[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    *codepoint = value;
    return length;
}

int sdrt_utf8_encode(uint32_t codepoint, uint8_t bytes[4])
{
    return (int)utf8proc_encode_char((utf8proc_int32_t)codepoint, bytes);
}

void sdrt_codepoints_append_utf8(struct sdrt_codepoints *text, const char *utf8, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)utf8;
    uint32_t codepoint;
    size_t i = 0;

    while (i < size) {
        int length = sdrt_utf8_decode(bytes + i, size - i, &codepoint);

        sdrt_codepoints_append(text, length > 0 ? codepoint : SDRT_REPLACEMENT_CHARACTER);
        i += (size_t)abs(length);
    }
}

/* Nothing below U+0300 composes or decomposes further, and that is most prompts. */
static bool is_surely_composed(const struct sdrt_codepoints *text)
{
    for (size_t i = 0; i < text->count; i++) {
        if (text->at[i] >= 0x300)
            return false;
    }
    return true;
}

/* Ranges that hold all combining marks and all parts of composed characters that are younger than
 * Unicode 9, and otherwise only characters that normalisation leaves alone.  U+11A7 is no Hangul
 * final, but utf8proc 2.8 composes it as one. */
static bool is_left_alone(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        {0x5C8, 0x5C9},     {0x7FD, 0x7FD},     {0x897, 0x8D3},     {0x9FE, 0x9FE},
        {0xC3C, 0xC3C},     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x11A7, 0x11A7},
        {0x1715, 0x1715},   {0x1ABF, 0x1AF0},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},
        {0x105D2, 0x105DA}, {0x10D24, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B},
        {0x113B8, 0x113D0}, {0x1145E, 0x1145E}, {0x11839, 0x11A99}, {0x11D42, 0x1612F},
        {0x16D67, 0x16FF1}, {0x1D127, 0x1D128}, {0x1D250, 0x1D281}, {0x1E08F, 0x1E6F5},
    };

    for (size_t i = 0; i < sizeof ranges / sizeof *ranges && c >= ranges[i][0]; i++) {
        if (c <= ranges[i][1])
            return true;
    }
    return false;
}

/* Appends count characters in normal form.  utf8 has room for 4 bytes for each of them. */
static void append_composed(struct sdrt_codepoints *out, const uint32_t *text, size_t count,
                            uint8_t *utf8)
{
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    utf8proc_ssize_t size = 0, parts;

    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        size += sdrt_utf8_encode(text[i], utf8 + size);
    parts = utf8proc_decompose(utf8, size, NULL, 0, options);
    if (parts >= 0 && reserve(out, (size_t)parts)) {
        utf8proc_int32_t *at = (utf8proc_int32_t *)out->at + out->count;

        parts = utf8proc_decompose(utf8, size, at, parts, options);
        if (parts >= 0)
            parts = utf8proc_normalize_utf32(at, parts, options);
        if (parts >= 0)
            out->count += (size_t)parts;
    }
    out->failed |= parts < 0;
}

void sdrt_codepoints_compose(struct sdrt_codepoints *text)
{
    struct sdrt_codepoints composed = {0};
    size_t start = 0;
    uint8_t *utf8;

    if (text->failed || is_surely_composed(text))
        return;
    utf8 = malloc(4 * text->count);
    composed.failed = !utf8;
    for (size_t i = 0; i < text->count && !composed.failed; i++) {
        if (is_left_alone(text->at[i])) {
            append_composed(&composed, text->at + start, i - start, utf8);
            sdrt_codepoints_append(&composed, text->at[i]);
            start = i + 1;
        }
    }
    if (!composed.failed)
        append_composed(&composed, text->at + start, text->count - start, utf8);
    sdrt_codepoints_move(text, &composed);
    free(utf8);
}

static utf8proc_category_t category(uint32_t codepoint)
{
    return utf8proc_category((utf8proc_int32_t)codepoint);
}

bool sdrt_is_space(uint32_t c)
{
    utf8proc_category_t kind;

    if (c < 0x80)
        return c == ' ' || (c >= 0x09 && c <= 0x0D);
    kind = category(c);
    return c == 0x85 || kind == UTF8PROC_CATEGORY_ZS || kind == UTF8PROC_CATEGORY_ZL ||
           kind == UTF8PROC_CATEGORY_ZP;
}

bool sdrt_is_letter(uint32_t c)
{
    utf8proc_category_t kind;

    if (c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    kind = category(c);
    return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool sdrt_is_number(uint32_t c)
{
    utf8proc_category_t kind;

    if (c < 0x80)
        return c >= '0' && c <= '9';
    kind = category(c);
    return kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO;
}

void sdrt_codepoints_lower(struct sdrt_codepoints *text)
{
    struct sdrt_codepoints lower = {0};

    for (size_t i = 0; i < text->count && !text->failed; i++) {
        uint32_t c = text->at[i];

        if (c == 0x130) {
            sdrt_codepoints_append(&lower, 'i');
            sdrt_codepoints_append(&lower, 0x307);
        } else {
            sdrt_codepoints_append(&lower,
                                   (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
        }
    }
    lower.failed |= text->failed;
    sdrt_codepoints_move(text, &lower);
}
