/* SPDX-License-Identifier: MIT */
#include "model/text/clean.h"

#include "model/text/html_entities.h"
#include "model/text/mojibake.h"
#include "runtime/base/error.h"

#include <string.h>
#include <utf8proc.h>

/* Writes what a Latin ligature is made of and returns how many characters that is, 0 for
 * everything else.  Only those ligatures that carry no meaning of their own. */
static size_t split_ligature(uint32_t c, uint32_t parts[3])
{
    static const struct {
        uint16_t ligature;
        uint16_t parts[3];
    } ligatures[] = {
        {0x132, {'I', 'J'}},        {0x133, {'i', 'j'}},        {0x149, {0x2BC, 'n'}},
        {0x1F1, {'D', 'Z'}},        {0x1F2, {'D', 'z'}},        {0x1F3, {'d', 'z'}},
        {0x1C4, {'D', 0x17D}},      {0x1C5, {'D', 0x17E}},      {0x1C6, {'d', 0x17E}},
        {0x1C7, {'L', 'J'}},        {0x1C8, {'L', 'j'}},        {0x1C9, {'l', 'j'}},
        {0x1CA, {'N', 'J'}},        {0x1CB, {'N', 'j'}},        {0x1CC, {'n', 'j'}},
        {0xFB00, {'f', 'f'}},       {0xFB01, {'f', 'i'}},       {0xFB02, {'f', 'l'}},
        {0xFB03, {'f', 'f', 'i'}},  {0xFB04, {'f', 'f', 'l'}},  {0xFB05, {0x17F, 't'}},
        {0xFB06, {'s', 't'}},
    };

    for (size_t i = 0; i < sizeof ligatures / sizeof *ligatures; i++) {
        size_t count = 0;

        if (ligatures[i].ligature != c)
            continue;
        for (; count < 3 && ligatures[i].parts[count] != 0; count++)
            parts[count] = ligatures[i].parts[count];
        return count;
    }
    return 0;
}

/* Appends c in its usual width: ideographic space, full-width and half-width forms. */
static void append_usual_width(struct sdrt_codepoints *out, uint32_t c)
{
    utf8proc_int32_t parts[8];
    utf8proc_ssize_t count;
    int boundary = 0;

    if (c == 0x3000) {
        sdrt_codepoints_append(out, ' ');
        return;
    }
    if (c < 0xFF01 || c > 0xFFEF) {
        sdrt_codepoints_append(out, c);
        return;
    }
    /* No character of this block decomposes into something that would compose again, so
     * its compatibility decomposition is its NFKC. */
    count = utf8proc_decompose_char((utf8proc_int32_t)c, parts, 8,
                                    UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &boundary);
    for (utf8proc_ssize_t i = 0; i < count && i < 8; i++)
        sdrt_codepoints_append(out, (uint32_t)parts[i]);
}

static uint32_t uncurl_quote(uint32_t c)
{
    if (c == 0x2BC || (c >= 0x2018 && c <= 0x201B))
        return '\'';
    if (c >= 0x201C && c <= 0x201F)
        return '"';
    return c;
}

/* ftfy's fixers of single characters, one after the other. */
static void fix_characters(struct sdrt_codepoints *text)
{
    struct sdrt_codepoints out = {0};

    for (size_t i = 0; i < text->count; i++) {
        uint32_t parts[3] = {sdrt_mojibake_fix_c1(text->at[i])};
        size_t count = split_ligature(parts[0], parts);

        for (size_t k = 0; k < (count ? count : 1); k++)
            append_usual_width(&out, parts[k]);
    }
    for (size_t i = 0; i < out.count; i++)
        out.at[i] = uncurl_quote(out.at[i]);
    out.failed |= text->failed;
    sdrt_codepoints_move(text, &out);
}

/* CRLF, CR, and Unicode's line and paragraph separators become a newline. */
static void fix_line_breaks(struct sdrt_codepoints *text)
{
    size_t kept = 0;

    for (size_t i = 0; i < text->count; i++) {
        uint32_t c = text->at[i];

        if (c == '\r' && i + 1 < text->count && text->at[i + 1] == '\n')
            continue;
        text->at[kept++] = c == '\r' || c == 0x2028 || c == 0x2029 || c == 0x85 ? '\n' : c;
    }
    text->count = kept;
}

static bool is_decimal_digit(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ND;
}

/* Length of an ANSI escape sequence such as "ESC [ 1 ; 31 m" at text[at], 0 for none. */
static size_t terminal_escape_length(const struct sdrt_codepoints *text, size_t at)
{
    size_t end = at + 2;

    if (text->count - at < 3 || text->at[at] != 0x1B || text->at[at + 1] != '[')
        return 0;
    while (end < text->count && (text->at[end] == ';' || is_decimal_digit(text->at[end])))
        end++;
    if (end == text->count || text->at[end] >= 0x80 || !sdrt_is_letter(text->at[end]))
        return 0;
    return end + 1 - at;
}

static void remove_terminal_escapes(struct sdrt_codepoints *text)
{
    size_t kept = 0;

    for (size_t i = 0; i < text->count;) {
        size_t length = terminal_escape_length(text, i);

        if (length == 0)
            text->at[kept++] = text->at[i++];
        i += length;
    }
    text->count = kept;
}

/* Controls without a use in text.  ftfy keeps the C1 ones, joiners, direction marks. */
static bool is_unwanted_control(uint32_t c)
{
    return c <= 0x08 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
           (c >= 0x206A && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

static void remove_control_characters(struct sdrt_codepoints *text)
{
    size_t kept = 0;

    for (size_t i = 0; i < text->count; i++) {
        if (!is_unwanted_control(text->at[i]))
            text->at[kept++] = text->at[i];
    }
    text->count = kept;
}

/* ftfy.fix_and_explain() for one line: all fixes again until nothing changes.  Its fix for
 * surrogates has no counterpart here, because decoding UTF-8 yields none. */
static void fix_line(struct sdrt_codepoints *line, bool unescape)
{
    struct sdrt_codepoints before = {0};
    /* "&amp;amp;" takes a round for each level and no known line takes more than that; the
     * bound only makes sure that no line can go round for ever. */
    size_t rounds = line->count + 8;
    bool settled = false;

    while (!settled && !line->failed && rounds-- > 0) {
        before.count = 0;
        sdrt_codepoints_append_many(&before, line->at, line->count);
        line->failed |= before.failed;
        if (unescape)
            sdrt_html_unescape_cautiously(line);
        sdrt_mojibake_fix(line);
        fix_characters(line);
        fix_line_breaks(line);
        remove_terminal_escapes(line);
        remove_control_characters(line);
        sdrt_codepoints_compose(line);
        settled = !line->failed && sdrt_codepoints_equal(&before, line);
    }
    sdrt_codepoints_clear(&before);
}

void sdrt_text_fix(struct sdrt_codepoints *text)
{
    struct sdrt_codepoints out = {0};
    bool unescape = true;
    size_t start = 0;

    while (start < text->count && !text->failed && !out.failed) {
        struct sdrt_codepoints line = {0};
        size_t end = start;

        while (end < text->count && text->at[end] != '\n')
            end++;
        end += end < text->count;
        sdrt_codepoints_append_many(&line, text->at + start, end - start);
        /* A '<' says that this is HTML, whose entities are meant; for the rest of the
         * text too. */
        for (size_t i = start; i < end; i++)
            unescape = unescape && text->at[i] != '<';
        fix_line(&line, unescape);
        sdrt_codepoints_append_many(&out, line.at, line.count);
        out.failed |= line.failed;
        sdrt_codepoints_clear(&line);
        start = end;
    }
    out.failed |= text->failed;
    sdrt_codepoints_move(text, &out);
}

/* Strips white space from both ends and makes one blank of each stretch inside. */
static void clean_white_space(struct sdrt_codepoints *text)
{
    size_t kept = 0;
    bool pending = false;

    for (size_t i = 0; i < text->count; i++) {
        if (sdrt_is_space(text->at[i])) {
            pending = kept > 0;
            continue;
        }
        if (pending)
            text->at[kept++] = ' ';
        text->at[kept++] = text->at[i];
        pending = false;
    }
    text->count = kept;
}

int sdrt_text_clean(struct sdrt_codepoints *text, const char *utf8, size_t size)
{
    memset(text, 0, sizeof *text);
    sdrt_codepoints_append_utf8(text, utf8, size);
    sdrt_text_fix(text);
    sdrt_html_unescape(text);
    sdrt_html_unescape(text);
    clean_white_space(text);
    sdrt_codepoints_lower(text);
    return text->failed ? SDRT_E_NOMEM : SDRT_OK;
}
