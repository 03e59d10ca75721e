/* SPDX-License-Identifier: MIT */
#include "model/text/mojibake.h"

#include "model/text/mojibake_bytes.h"

#include <stdlib.h>

enum {
    CLASS_WORD  = 0, /* Python's \w and \s; all other classes are stretches of code points */
    CLASS_SPACE = 1,
    MAX_RULE    = 7,
    CODEC_LATIN_1      = 0,
    CODEC_WINDOWS_1252 = 1,
    /* How often repaired text may hold a piece that needs its own repair.  Every such
     * level shortens the text, so honest text nests two or three deep. */
    MAX_NESTING = 32,
};

struct class_stretch {
    uint32_t first;
    uint64_t classes[2]; /* bit n of the 128: belongs to class n */
};

struct badness_rule {
    uint8_t at_start; /* only at the beginning of the text */
    uint8_t length;
    uint8_t classes[MAX_RULE]; /* one for each character */
};

struct codec {
    bool     sloppy;        /* has byte 1A for U+FFFD, and its unassigned bytes as Latin-1 */
    bool     restores_a0;   /* a space may stand for byte A0 */
    uint16_t high[128];     /* bytes 80 to FF */
};

#include "model/text/data/mojibake_tables.inc"

#define COUNT(array) (sizeof(array) / sizeof *(array))

typedef struct {
    uint64_t bits[2];
} class_set;

/* Every class that a character belongs to. */
static class_set classes_of(uint32_t c)
{
    size_t low = 0, high = COUNT(class_stretches);
    class_set set;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (class_stretches[middle].first <= c)
            low = middle;
        else
            high = middle;
    }
    set.bits[0] = class_stretches[low].classes[0];
    set.bits[1] = class_stretches[low].classes[1];
    if (c == '_' || sdrt_is_letter(c) || sdrt_is_number(c))
        set.bits[0] |= UINT64_C(1) << CLASS_WORD;
    if (sdrt_is_space(c))
        set.bits[0] |= UINT64_C(1) << CLASS_SPACE;
    return set;
}

static bool has_class(class_set set, unsigned number)
{
    return set.bits[number / 64] >> (number % 64) & 1;
}

static bool is_in(uint32_t c, unsigned number)
{
    return has_class(classes_of(c), number);
}

/* window[0 .. count-1] are the classes of the characters from one place on. */
static bool is_bad_here(const class_set *window, size_t count, bool at_start)
{
    for (size_t r = 0; r < COUNT(badness_rules); r++) {
        const struct badness_rule *rule = &badness_rules[r];
        size_t k = 0;

        if (rule->length > count || (rule->at_start && !at_start))
            continue;
        while (k < rule->length && has_class(window[k], rule->classes[k]))
            k++;
        if (k == rule->length)
            return true;
    }
    return false;
}

/* ftfy's is_bad(): does any unlikely sequence of characters occur? */
static bool is_bad(const uint32_t *text, size_t count)
{
    class_set window[MAX_RULE];
    size_t filled = 0;

    for (size_t i = 0; i < count; i++) {
        for (; filled < MAX_RULE && i + filled < count; filled++)
            window[filled] = classes_of(text[i + filled]);
        if (is_bad_here(window, filled, i == 0))
            return true;
        filled--;
        for (size_t k = 0; k < filled; k++)
            window[k] = window[k + 1];
    }
    return false;
}

static bool is_ascii(const struct sdrt_codepoints *text)
{
    for (size_t i = 0; i < text->count; i++) {
        if (text->at[i] >= 0x80)
            return false;
    }
    return true;
}

/* Writes one byte for each character; false when one has none in this codec. */
static bool encode(const struct codec *codec, const struct sdrt_codepoints *text, uint8_t *bytes)
{
    for (size_t i = 0; i < text->count; i++) {
        uint32_t c = text->at[i];
        size_t k = 0;

        if (codec->sloppy && c == SDRT_REPLACEMENT_CHARACTER) {
            bytes[i] = 0x1A;
            continue;
        }
        if (c < 0x80) {
            if (codec->sloppy && c == 0x1A)
                return false;
            bytes[i] = (uint8_t)c;
            continue;
        }
        while (k < COUNT(codec->high) && codec->high[k] != c)
            k++;
        if (k == COUNT(codec->high))
            return false;
        bytes[i] = (uint8_t)(0x80 + k);
    }
    return true;
}

/* Is text UTF-8 that was decoded with this codec?  Then fixed is what it meant. */
static bool decode_as(const struct codec *codec, const struct sdrt_codepoints *text,
                      uint8_t *bytes, uint8_t *scratch, struct sdrt_codepoints *fixed)
{
    size_t size = text->count;
    uint8_t *swap;

    if (!encode(codec, text, bytes))
        return false;
    if (codec->restores_a0) {
        size = sdrt_mojibake_restore_a0(bytes, size, scratch);
        swap = bytes;
        bytes = scratch;
        scratch = swap;
    }
    if (codec->sloppy) {
        size = sdrt_mojibake_replace_lossy(bytes, size, scratch);
        bytes = scratch;
    }
    fixed->count = 0;
    return sdrt_mojibake_decode(fixed, bytes, size);
}

static bool decode_whole(const struct sdrt_codepoints *text, struct sdrt_codepoints *fixed)
{
    /* Restoring can double the text and marking losses can treble that. */
    size_t room = 6 * text->count;
    uint8_t *bytes = malloc(2 * room);
    bool done = false;

    if (!bytes) {
        fixed->failed = true;
        return false;
    }
    for (size_t i = 0; i < COUNT(codecs) && !done; i++)
        done = decode_as(&codecs[i], text, bytes, bytes + room, fixed);
    free(bytes);
    return done;
}

/* Length of the match of ftfy's UTF8_DETECTOR_RE at text[at], without its look-behind: a
 * chain of what UTF-8 sequences of 2, 3 or 4 bytes look like in single-byte codecs. */
static size_t detector_length(const uint32_t *text, size_t at, size_t count)
{
    static const uint8_t leads[] = {
        CLASS_UTF8_FIRST_OF_2, CLASS_UTF8_FIRST_OF_3, CLASS_UTF8_FIRST_OF_4,
    };
    size_t first = at;

    for (;;) {
        class_set set;
        size_t length = 0;

        if (at == count)
            return at - first;
        set = classes_of(text[at]);
        for (size_t kind = 0; kind < COUNT(leads) && length == 0; kind++) {
            size_t follow = 0;

            if (!has_class(set, leads[kind]))
                continue;
            while (follow < kind + 1 && at + follow + 1 < count &&
                   is_in(text[at + follow + 1], CLASS_UTF8_CONTINUATION))
                follow++;
            if (follow == kind + 1)
                length = 1 + follow;
        }
        if (length == 0)
            return at - first;
        at += length;
    }
}

static void fix_nested(struct sdrt_codepoints *text, int nesting);

/* ftfy's decode_inconsistent_utf8(): repairs the bad pieces each by itself. */
static void fix_pieces(const struct sdrt_codepoints *text, struct sdrt_codepoints *fixed,
                       int nesting)
{
    size_t i = 0;

    fixed->count = 0;
    while (i < text->count) {
        struct sdrt_codepoints piece = {0};
        size_t length = 0;

        if (i == 0 || !is_in(text->at[i - 1], CLASS_UTF8_CONTINUATION_STRICT))
            length = detector_length(text->at, i, text->count);
        if (length == 0) {
            sdrt_codepoints_append(fixed, text->at[i++]);
            continue;
        }
        sdrt_codepoints_append_many(&piece, text->at + i, length);
        if (length < text->count && is_bad(text->at + i, length))
            fix_nested(&piece, nesting + 1);
        sdrt_codepoints_append_many(fixed, piece.at, piece.count);
        fixed->failed |= piece.failed;
        sdrt_codepoints_clear(&piece);
        i += length;
    }
}

uint32_t sdrt_mojibake_fix_c1(uint32_t c)
{
    return c >= 0x80 && c <= 0x9F ? codecs[CODEC_WINDOWS_1252].high[c - 0x80] : c;
}

/* The last resorts: C1 controls were meant as Windows-1252.  ftfy first tries that on the
 * whole text if it is Latin-1 and none of its bytes is unassigned, then on the controls
 * alone; since the two sets differ in nothing but the controls, both give the same. */
static void fix_controls(const struct sdrt_codepoints *text, struct sdrt_codepoints *fixed)
{
    fixed->count = 0;
    for (size_t i = 0; i < text->count; i++)
        sdrt_codepoints_append(fixed, sdrt_mojibake_fix_c1(text->at[i]));
}

/* One round of repair from text into fixed, which may come out equal. */
static void fix_once(const struct sdrt_codepoints *text, struct sdrt_codepoints *fixed,
                     int nesting)
{
    if (!is_ascii(text) && is_bad(text->at, text->count)) {
        if (decode_whole(text, fixed) || fixed->failed)
            return;
        fix_pieces(text, fixed, nesting);
        if (fixed->failed || !sdrt_codepoints_equal(text, fixed))
            return;
        fix_controls(text, fixed);
        return;
    }
    fixed->count = 0;
    sdrt_codepoints_append_many(fixed, text->at, text->count);
}

static void fix_nested(struct sdrt_codepoints *text, int nesting)
{
    struct sdrt_codepoints fixed = {0};
    bool settled = nesting > MAX_NESTING;

    while (!settled && !text->failed) {
        fix_once(text, &fixed, nesting);
        settled = !fixed.failed && sdrt_codepoints_equal(text, &fixed);
        sdrt_codepoints_move(text, &fixed);
    }
    sdrt_codepoints_clear(&fixed);
}

void sdrt_mojibake_fix(struct sdrt_codepoints *text)
{
    fix_nested(text, 0);
}
