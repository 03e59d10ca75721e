/* SPDX-License-Identifier: MIT */
#include "tools/fetch_reply.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void fetch_reply_reset(struct fetch_reply *reply)
{
    memset(reply, 0, sizeof *reply);
    reply->length = reply->range_start = reply->range_total = -1;
    reply->retry_after = -1;
}

/* A number without a sign up to end (or the 0); -1 when it is none or too large. */
static int64_t read_number(const char *text, char end)
{
    char *stop;

    if (!isdigit((unsigned char)*text)) return -1;
    errno = 0;
    const long long value = strtoll(text, &stop, 10);
    return errno || (*stop && *stop != end) ? -1 : value;
}

/* Copies a value of printable characters that fits. */
static void keep(char *out, size_t room, const char *value)
{
    const size_t length = strlen(value);

    for (size_t i = 0; i < length; i++)
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f) return;
    if (length < room) memcpy(out, value, length + 1);
}

/* "bytes 100-199/200"; the total may be a star, and after 416 the range is one. */
static void read_range(struct fetch_reply *reply, const char *value)
{
    const char *slash = strchr(value, '/');

    if (strncasecmp(value, "bytes ", 6) != 0 || !slash) return;
    reply->range_start = read_number(value + 6, '-');
    reply->range_total = read_number(slash + 1, 0);
}

static void strip_quotes(char *text)
{
    const size_t length = strlen(text);

    if (length < 2 || text[0] != '"' || text[length - 1] != '"') return;
    memmove(text, text + 1, length - 2);
    text[length - 2] = 0;
}

static void read_field(struct fetch_reply *reply, const char *name, const char *value)
{
    int64_t number;

    if (strcasecmp(name, "etag") == 0) {
        /* A weak one, W/"...", does not promise the same bytes. */
        if (*value == '"') keep(reply->etag, sizeof reply->etag, value);
    } else if (strcasecmp(name, "x-linked-etag") == 0) {
        keep(reply->linked_etag, sizeof reply->linked_etag, value);
        strip_quotes(reply->linked_etag);
    } else if (strcasecmp(name, "x-linked-size") == 0) {
        number = read_number(value, 0);
        if (number > 0) reply->linked_size = (uint64_t)number;
    } else if (strcasecmp(name, "content-length") == 0) {
        reply->length = read_number(value, 0);
    } else if (strcasecmp(name, "content-range") == 0) {
        read_range(reply, value);
    } else if (strcasecmp(name, "retry-after") == 0) {
        number = read_number(value, 0);
        if (number >= 0 && number <= 3600) reply->retry_after = (int)number;
    } else if (strcasecmp(name, "x-error-code") == 0) {
        keep(reply->error_code, sizeof reply->error_code, value);
    }
}

void fetch_reply_line(struct fetch_reply *reply, const char *line, size_t size)
{
    char text[1024];

    while (size && isspace((unsigned char)line[size - 1])) size--;
    if (size >= sizeof text || memchr(line, 0, size)) return;
    memcpy(text, line, size);
    text[size] = 0;
    if (strncasecmp(text, "HTTP/", 5) == 0) {
        const char *space = strchr(text, ' ');
        const int64_t status = space ? read_number(space + 1, ' ') : -1;
        fetch_reply_reset(reply);
        reply->status = status > 0 && status < 1000 ? (int)status : 0;
        return;
    }
    char *value = strchr(text, ':');
    if (!value) return;
    *value++ = 0;
    value += strspn(value, " \t");
    read_field(reply, text, value);
}

int fetch_read_sha256(char out[FETCH_SHA256_TEXT], const char *text)
{
    if (strlen(text) != FETCH_SHA256_TEXT - 1) return 0;
    for (int i = 0; i < FETCH_SHA256_TEXT - 1; i++)
        if (!isxdigit((unsigned char)text[i])) return 0;
    for (int i = 0; i < FETCH_SHA256_TEXT; i++) out[i] = (char)tolower((unsigned char)text[i]);
    return 1;
}

void fetch_hub_sha256(char out[FETCH_SHA256_TEXT], const struct fetch_reply *reply)
{
    char etag[sizeof reply->etag];

    out[0] = 0;
    if (fetch_read_sha256(out, reply->linked_etag)) return;
    memcpy(etag, reply->etag, sizeof etag);
    strip_quotes(etag);
    fetch_read_sha256(out, etag);
}

int64_t fetch_reply_total(const struct fetch_reply *reply)
{
    return reply->status == 206 ? reply->range_total : reply->length;
}
