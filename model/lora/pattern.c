/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/lora/pattern.h"

#ifdef HAVE_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

/* How many characters of a name a simple pattern takes; -1 for one that is not simple. */
static long simple_length(const char *pattern)
{
    long n = 0;

    for (; *pattern; pattern++, n++) {
        if (pattern[0] == '\\' && pattern[1] == '.') pattern++;
        else if (!is_plain(*pattern)) return -1;
    }
    return n;
}

/* Names are ASCII, so a character is a byte. */
static int simple_fits(const char *pattern, const char *text)
{
    for (; *pattern; pattern++, text++) {
        if (*pattern == '\\') pattern++;
        else if (*pattern == '.' && *text) continue;
        if (*pattern != *text) return 0;
    }
    return !*text;
}

#ifdef HAVE_PCRE2
static int matches(const pcre2_code *code, const char *name, const char *pattern, const char *where,
                   const struct sdrt_log *log)
{
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    int found;

    if (!data) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its patterns", where);
    found = pcre2_match(code, (PCRE2_SPTR)name, strlen(name), 0, 0, data, NULL);
    pcre2_match_data_free(data);
    if (found >= 0) return 1;
    if (found == PCRE2_ERROR_NOMATCH) return 0;
    return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: \"%s\": this pattern takes too long", where,
                     pattern);
}

static int regular_fits(const char *pattern, const char *name, const char *where,
                        const struct sdrt_log *log)
{
    static const char format[] = "(.*\\.)?(%s)$";
    const size_t size = strlen(pattern) + sizeof format;
    char *text = malloc(size);
    PCRE2_UCHAR why[128];
    PCRE2_SIZE at;
    int number, status;

    if (!text) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its patterns", where);
    snprintf(text, size, format, pattern);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_ANCHORED,
                                     &number, &at, NULL);
    free(text);
    if (!code) {
        pcre2_get_error_message(number, why, sizeof why);
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: \"%s\": expected a regular expression: %s", where,
                         pattern, (const char *)why);
    }
    status = matches(code, name, pattern, where, log);
    pcre2_code_free(code);
    return status;
}
#else
static int regular_fits(const char *pattern, const char *name, const char *where,
                        const struct sdrt_log *log)
{
    (void)name;
    return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                     "%s: \"%s\": such patterns take PCRE2, which this build is without", where,
                     pattern);
}
#endif

int sdrt_lora_pattern_fits(const char *pattern, const char *name, const char *where,
                           const struct sdrt_log *log)
{
    const int from_start = *pattern == '^';
    const size_t length = strlen(name);
    const long wanted = simple_length(pattern + from_start);

    if (wanted < 0) return regular_fits(pattern, name, where, log);
    if ((size_t)wanted > length) return 0;
    const char *end = name + length - (size_t)wanted;
    if (end > name && (from_start || end[-1] != '.')) return 0;
    return simple_fits(pattern + from_start, end);
}
