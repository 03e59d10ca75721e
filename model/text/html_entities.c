/* SPDX-License-Identifier: MIT */
#include "model/text/html_entities.h"

#include <string.h>

struct entity {
    const char *name;      /* without the ampersand, with its semicolon where it has one */
    uint32_t    points[3]; /* what it stands for, ends at a 0 */
};

#include "model/text/data/html_entities.inc"

enum { MAX_NAME = 33 }; /* 32 characters and a semicolon, as Python's pattern has it */

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The entity called exactly name[0 .. length-1], or NULL. */
static const struct entity *find(const struct entity *table, size_t count, const uint32_t *name,
                                 size_t length)
{
    char key[MAX_NAME + 1];
    size_t low = 0, high = count;

    if (length > MAX_NAME)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        if (name[i] == 0 || name[i] >= 0x80)
            return NULL;
        key[i] = (char)name[i];
    }
    key[length] = '\0';
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(key, table[middle].name);

        if (order == 0)
            return &table[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static void append_entity(struct sdrt_codepoints *out, const struct entity *entity)
{
    for (size_t i = 0; i < COUNT(entity->points) && entity->points[i] != 0; i++)
        sdrt_codepoints_append(out, entity->points[i]);
}

static int digit_value(uint32_t c, uint32_t base)
{
    if (c >= '0' && c <= '9')
        return (int)(c - '0');
    if (base == 16 && (c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (int)((c | 0x20) - 'a' + 10);
    return -1;
}

/* What a numeric reference stands for, by HTML 5's numeric-character-reference-end state;
 * false when it stands for nothing at all. */
static bool numeric_value(uint32_t number, uint32_t *codepoint)
{
    static const uint16_t windows_1252[32] = {
        0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
        0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
        0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178,
    };

    *codepoint = number;
    if (number >= 0x80 && number <= 0x9F)
        *codepoint = windows_1252[number - 0x80];
    else if (number == 0 || number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF))
        *codepoint = SDRT_REPLACEMENT_CHARACTER;
    else if (number < 0x20)
        return number == '\t' || number == '\n' || number == '\f' || number == '\r';
    else if (number == 0x7F || (number >= 0xFDD0 && number <= 0xFDEF))
        return false;
    else
        return (number & 0xFFFE) != 0xFFFE;
    return true;
}

/* Decodes the numeric reference whose '&' is text[0] into out.  Returns how much of text it
 * takes, 0 when there is none. */
static size_t decode_numeric(const uint32_t *text, size_t size, struct sdrt_codepoints *out)
{
    size_t at = 2, first;
    uint32_t base = 10, number = 0, codepoint;

    if (size < 3 || text[1] != '#')
        return 0;
    if (text[2] == 'x' || text[2] == 'X') {
        base = 16;
        at = 3;
    }
    for (first = at; at < size && digit_value(text[at], base) >= 0; at++) {
        if (number <= 0x10FFFF)
            number = number * base + (uint32_t)digit_value(text[at], base);
    }
    if (at == first)
        return 0;
    if (numeric_value(number, &codepoint))
        sdrt_codepoints_append(out, codepoint);
    return at < size && text[at] == ';' ? at + 1 : at;
}

static bool ends_name(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\f' || c == ' ' || c == '<' || c == '&' || c == '#' ||
           c == ';';
}

/* The same for a named reference: the longest known beginning of what follows the '&'. */
static size_t decode_named(const uint32_t *text, size_t size, struct sdrt_codepoints *out)
{
    size_t length = 0;

    while (length < MAX_NAME - 1 && 1 + length < size && !ends_name(text[1 + length]))
        length++;
    if (length == 0)
        return 0;
    if (1 + length < size && text[1 + length] == ';')
        length++;
    for (; length >= 2; length--) {
        const struct entity *entity =
            find(html5_entities, COUNT(html5_entities), text + 1, length);

        if (entity) {
            append_entity(out, entity);
            return 1 + length;
        }
    }
    return 0;
}

typedef size_t decode_fn(const uint32_t *text, size_t size, struct sdrt_codepoints *out);

static void replace_references(struct sdrt_codepoints *text, decode_fn *decode)
{
    struct sdrt_codepoints out = {0};
    size_t i = 0;

    for (i = 0; i < text->count && text->at[i] != '&'; i++)
        ;
    if (text->failed || i == text->count)
        return;
    sdrt_codepoints_append_many(&out, text->at, i);
    while (i < text->count) {
        size_t used = text->at[i] == '&' ? decode(text->at + i, text->count - i, &out) : 0;

        if (used == 0) {
            sdrt_codepoints_append(&out, text->at[i]);
            used = 1;
        }
        i += used;
    }
    sdrt_codepoints_move(text, &out);
}

static size_t decode_any(const uint32_t *text, size_t size, struct sdrt_codepoints *out)
{
    size_t used = decode_numeric(text, size, out);

    return used > 0 ? used : decode_named(text, size, out);
}

static bool is_alphanumeric(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* ftfy's "&#?[0-9A-Za-z]{1,24};", or nothing. */
static size_t decode_cautiously(const uint32_t *text, size_t size, struct sdrt_codepoints *out)
{
    size_t first = size > 1 && text[1] == '#' ? 2 : 1, end = first, count = out->count;
    const struct entity *entity;

    while (end < size && end - first < 24 && is_alphanumeric(text[end]))
        end++;
    if (end == first || end == size || text[end] != ';')
        return 0;
    end++;
    if (first == 2) {
        /* ftfy asks for a result without a semicolon, so "&#59;" stays what it is. */
        if (decode_numeric(text, end, out) == end &&
            (out->count == count || out->at[out->count - 1] != ';'))
            return end;
        out->count = count;
        return 0;
    }
    entity = find(html5_entities, COUNT(html5_entities), text + 1, end - 1);
    if (!entity)
        entity = find(upper_entities, COUNT(upper_entities), text + 1, end - 1);
    if (!entity)
        return 0;
    append_entity(out, entity);
    return end;
}

void sdrt_html_unescape(struct sdrt_codepoints *text)
{
    replace_references(text, decode_any);
}

void sdrt_html_unescape_cautiously(struct sdrt_codepoints *text)
{
    replace_references(text, decode_cautiously);
}
