/* SPDX-License-Identifier: MIT */
#include "runtime/files/json_reader.h"

#include "runtime/base/numbers.h"
#include "runtime/base/printable.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What may come next. */
enum { VALUE, VALUE_OR_END, KEY, KEY_OR_END, COLON, COMMA_OR_END, NOTHING };

void sdrt_json_reader_start(struct sdrt_json_reader *r, char *text, size_t size, const char *where,
                            const struct sdrt_log *log)
{
    *r = (struct sdrt_json_reader){ .text = text,
                                    .size = size,
                                    .line = 1,
                                    .expected = VALUE,
                                    .where = where,
                                    .log = log };
}

int sdrt_json_complain(const struct sdrt_json_reader *r, const char *reason)
{
    return sdrt_fail(r->log, SDRT_E_FORMAT, "%s:%d:%zu: bad JSON: %s", r->where, r->line,
                     r->at - r->line_start, reason);
}

static void skip_space(struct sdrt_json_reader *r)
{
    for (; r->at < r->size; r->at++) {
        const char c = r->text[r->at];
        if (c == '\n') {
            r->line++;
            r->line_start = r->at + 1;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
    }
}

/* ---- strings ---- */

/* Four hexadecimal digits at *at; -1 for others. */
static long read_hex(const struct sdrt_json_reader *r, size_t at)
{
    long value = 0;

    if (r->size - at < 4) return -1;
    for (size_t i = at; i < at + 4; i++) {
        const char c = r->text[i];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* \uXXXX, of which r->at is behind the u, or two of them; what they mean, -1 for what is none. */
static long read_unicode(struct sdrt_json_reader *r)
{
    const long first = read_hex(r, r->at);

    if (first < 0 || (first >= 0xdc00 && first < 0xe000)) return -1;
    r->at += 4;
    if (first < 0xd800 || first >= 0xdc00) return first;
    if (r->size - r->at < 6 || r->text[r->at] != '\\' || r->text[r->at + 1] != 'u') return -1;
    const long second = read_hex(r, r->at + 2);
    if (second < 0xdc00 || second >= 0xe000) return -1;
    r->at += 6;
    return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

/* UTF-8, never longer than the escape was. */
static size_t write_utf8(long c, char *out)
{
    const size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    if (n == 1) {
        *out = (char)c;
        return 1;
    }
    for (size_t i = n; i-- > 1; c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    *out = (char)((0xf0 << (4 - n)) | c);
    return n;
}

/* Behind a backslash; the bytes written to out, 0 after a line. */
static size_t read_escape(struct sdrt_json_reader *r, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char c = r->at < r->size ? r->text[r->at++] : '\0';
    const char *known = c ? strchr(from, c) : NULL;

    if (known) {
        *out = to[known - from];
        return 1;
    }
    const long code = c == 'u' ? read_unicode(r) : -1;
    if (code > 0) return write_utf8(code, out);
    sdrt_json_complain(r, code == 0 ? "a NUL in a string" : "a bad escape in a string");
    return 0;
}

/* Behind the opening quote.  The 0 takes the closing one's place at the latest. */
static int read_string(struct sdrt_json_reader *r)
{
    char *out = r->string = r->text + r->at;
    uint32_t code;

    while (r->at < r->size) {
        const unsigned char c = (unsigned char)r->text[r->at];
        if (c == '"') {
            r->at++;
            *out = '\0';
            r->length = (size_t)(out - r->string);
            return SDRT_OK;
        }
        if (c == '\\') {
            r->at++;
            const size_t n = read_escape(r, out);
            if (!n) return SDRT_E_FORMAT;
            out += n;
            continue;
        }
        if (c < 0x20) return sdrt_json_complain(r, "a control character in a string");
        const size_t n = sdrt_text_character(r->text + r->at, r->size - r->at, &code);
        if (!n) return sdrt_json_complain(r, "cannot decode byte: UTF-8 is expected");
        memmove(out, r->text + r->at, n);
        out += n;
        r->at += n;
    }
    return sdrt_json_complain(r, "the end within a string");
}

/* ---- numbers ---- */

static size_t digits_at(const struct sdrt_json_reader *r, size_t at)
{
    size_t n = 0;

    while (at + n < r->size && r->text[at + n] >= '0' && r->text[at + n] <= '9') n++;
    return n;
}

/* The number's bytes, 0 for none; *whole: it has neither a fraction nor an exponent. */
static size_t number_length(const struct sdrt_json_reader *r, int *whole)
{
    size_t at = r->at + (r->text[r->at] == '-'), n = digits_at(r, at);

    *whole = 1;
    if (!n || (n > 1 && r->text[at] == '0')) return 0;
    at += n;
    if (at < r->size && r->text[at] == '.') {
        *whole = 0;
        n = digits_at(r, at + 1);
        if (!n) return 0;
        at += 1 + n;
    }
    if (at < r->size && (r->text[at] | 0x20) == 'e') {
        *whole = 0;
        at++;
        if (at < r->size && (r->text[at] == '+' || r->text[at] == '-')) at++;
        n = digits_at(r, at);
        if (!n) return 0;
        at += n;
    }
    return at - r->at;
}

static int read_number(struct sdrt_json_reader *r)
{
    int whole;
    const size_t n = number_length(r, &whole), begin = r->at;
    const int negative = r->text[begin] == '-';
    int64_t value = 0;

    if (!n) return sdrt_json_complain(r, "a number, a string, a list or an object is expected");
    r->at += n;
    if (!whole) {
        /* The text goes on behind it with what belongs to no number. */
        r->token = SDRT_JSON_REAL;
        r->real = sdrt_parse_number(r->text + begin, NULL);
        return isfinite(r->real) ? SDRT_OK : sdrt_json_complain(r, "a number that is too large");
    }
    for (size_t i = begin + (size_t)negative; i < begin + n; i++) {
        const int digit = r->text[i] - '0';
        if (__builtin_mul_overflow(value, (int64_t)10, &value) ||
            __builtin_add_overflow(value, (int64_t)(negative ? -digit : digit), &value))
            return sdrt_json_complain(r, "an integer of more than 64 bits");
    }
    r->token = SDRT_JSON_INTEGER;
    r->integer = value;
    r->real = (double)value;
    return SDRT_OK;
}

/* ---- structure ---- */

/* What is expected behind a value. */
static int behind_value(const struct sdrt_json_reader *r)
{
    return r->depth ? COMMA_OR_END : NOTHING;
}

static int begin_level(struct sdrt_json_reader *r, int is_object)
{
    if (r->depth == SDRT_JSON_MAX_DEPTH)
        return sdrt_fail(r->log, SDRT_E_FORMAT, "%s: JSON nested deeper than %d levels", r->where,
                         SDRT_JSON_MAX_DEPTH);
    r->at++;
    r->objects &= ~(UINT32_C(1) << r->depth);
    r->objects |= (uint32_t)is_object << r->depth;
    r->depth++;
    r->token = is_object ? SDRT_JSON_OBJECT : SDRT_JSON_ARRAY;
    r->expected = is_object ? KEY_OR_END : VALUE_OR_END;
    return SDRT_OK;
}

static int in_object(const struct sdrt_json_reader *r)
{
    return (int)(r->objects >> (r->depth - 1) & 1);
}

static int end_level(struct sdrt_json_reader *r)
{
    r->token = in_object(r) ? SDRT_JSON_OBJECT_END : SDRT_JSON_ARRAY_END;
    r->at++;
    r->depth--;
    r->expected = behind_value(r);
    return SDRT_OK;
}

static int read_word(struct sdrt_json_reader *r)
{
    static const struct {
        const char *word;
        enum sdrt_json_token token;
    } words[] = { { "true", SDRT_JSON_TRUE },
                  { "false", SDRT_JSON_FALSE },
                  { "null", SDRT_JSON_NULL } };

    for (int i = 0; i < 3; i++) {
        const size_t n = strlen(words[i].word);
        if (r->size - r->at < n || memcmp(r->text + r->at, words[i].word, n)) continue;
        r->at += n;
        r->token = words[i].token;
        return SDRT_OK;
    }
    return sdrt_json_complain(r, "a value is expected");
}

static int read_value(struct sdrt_json_reader *r)
{
    const char c = r->text[r->at];
    int status;

    if (c == '{' || c == '[') return begin_level(r, c == '{');
    if (c == '"') {
        r->at++;
        r->token = SDRT_JSON_STRING;
        status = read_string(r);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        status = read_number(r);
    } else {
        status = read_word(r);
    }
    r->expected = behind_value(r);
    return status;
}

static int read_key(struct sdrt_json_reader *r)
{
    if (r->text[r->at] != '"') return sdrt_json_complain(r, "a key in quotes is expected");
    r->at++;
    const int status = read_string(r);
    if (status != SDRT_OK) return status;
    r->token = SDRT_JSON_KEY;
    r->expected = COLON;
    return SDRT_OK;
}

int sdrt_json_next(struct sdrt_json_reader *r)
{
    skip_space(r);
    if (r->at == r->size) {
        r->token = SDRT_JSON_END;
        return r->expected == NOTHING ? SDRT_OK : sdrt_json_complain(r, "the end is too early");
    }
    const char c = r->text[r->at], end = r->depth && in_object(r) ? '}' : ']';
    switch (r->expected) {
    case NOTHING: return sdrt_json_complain(r, "more than one value");
    case VALUE: return read_value(r);
    case VALUE_OR_END: return c == end ? end_level(r) : read_value(r);
    case KEY_OR_END: return c == end ? end_level(r) : read_key(r);
    case KEY: return read_key(r);
    case COLON:
        if (c != ':') return sdrt_json_complain(r, "a colon is expected");
        r->at++;
        r->expected = VALUE;
        return sdrt_json_next(r);
    default: break;
    }
    if (c == end) return end_level(r);
    if (c != ',') return sdrt_json_complain(r, "a comma or the end of the list is expected");
    r->at++;
    r->expected = in_object(r) ? KEY : VALUE;
    return sdrt_json_next(r);
}

int sdrt_json_skip(struct sdrt_json_reader *r)
{
    const int depth = r->depth;
    int status = SDRT_OK;

    if (r->token != SDRT_JSON_OBJECT && r->token != SDRT_JSON_ARRAY) return SDRT_OK;
    while (status == SDRT_OK && r->depth >= depth) status = sdrt_json_next(r);
    return status;
}
