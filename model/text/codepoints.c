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

void sdrt_codepoints_append_many(struct sdrt_codepoints *text, const uint32_t *more,
                                 size_t count)
{
    if (count > 0 && reserve(text, count)) {
        memcpy(text->at + text->count, more, count * sizeof *more);
        text->count += count;
    }
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

bool sdrt_codepoints_equal(const struct sdrt_codepoints *a, const struct sdrt_codepoints *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->at, b->at, a->count * sizeof *a->at) == 0);
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

void sdrt_codepoints_compose(struct sdrt_codepoints *text)
{
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    struct sdrt_codepoints composed = {0};
    uint8_t *utf8 = NULL;
    utf8proc_ssize_t size = 0, count;

    if (text->failed || is_surely_composed(text))
        return;
    utf8 = malloc(4 * text->count);
    if (!utf8) {
        text->failed = true;
        return;
    }
    for (size_t i = 0; i < text->count; i++)
        size += sdrt_utf8_encode(text->at[i], utf8 + size);

    count = utf8proc_decompose(utf8, size, NULL, 0, options);
    if (count < 0 || !reserve(&composed, (size_t)count))
        goto out;
    count = utf8proc_decompose(utf8, size, (utf8proc_int32_t *)composed.at, count, options);
    if (count >= 0)
        count = utf8proc_normalize_utf32((utf8proc_int32_t *)composed.at, count, options);
    if (count >= 0) {
        composed.count = (size_t)count;
        sdrt_codepoints_move(text, &composed);
    }
out:
    if (count < 0 || composed.failed)
        text->failed = true;
    sdrt_codepoints_clear(&composed);
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
        return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
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

/* Unicode's Case_Ignorable: some categories and the punctuation inside words. */
static bool is_case_ignorable(uint32_t c)
{
    static const uint16_t inside_words[] = {
        0x27, 0x2E, 0x3A, 0xB7, 0x387, 0x55F, 0x5F4, 0x2018, 0x2019,
        0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A,
    };

    switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        break;
    }
    for (size_t i = 0; i < sizeof inside_words / sizeof *inside_words; i++) {
        if (c == inside_words[i])
            return true;
    }
    return false;
}

/* Unicode's Cased, for characters that are not case-ignorable. */
static bool is_cased(uint32_t c)
{
    utf8proc_category_t kind = category(c);

    return kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL ||
           kind == UTF8PROC_CATEGORY_LT || c == 0xAA || c == 0xBA ||
           (c >= 0x2160 && c <= 0x217F) || (c >= 0x24B6 && c <= 0x24E9) ||
           (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
           (c >= 0x1F170 && c <= 0x1F189);
}

/* SpecialCasing.txt's Final_Sigma: a cased letter before it and none after it. */
static bool is_final_sigma(const struct sdrt_codepoints *text, size_t at)
{
    size_t before = at, after = at + 1;

    while (before > 0 && is_case_ignorable(text->at[before - 1]))
        before--;
    if (before == 0 || !is_cased(text->at[before - 1]))
        return false;
    while (after < text->count && is_case_ignorable(text->at[after]))
        after++;
    return after == text->count || !is_cased(text->at[after]);
}

void sdrt_codepoints_lower(struct sdrt_codepoints *text)
{
    struct sdrt_codepoints lower = {0};

    for (size_t i = 0; i < text->count && !text->failed; i++) {
        uint32_t c = text->at[i];

        if (c == 0x3A3) {
            sdrt_codepoints_append(&lower, is_final_sigma(text, i) ? 0x3C2 : 0x3C3);
        } else if (c == 0x130) {
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
