/* SPDX-License-Identifier: MIT */
#include "tools/fetch_url.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Parts of an address; all NULL when it is none.  Freed with origin_free(). */
struct origin {
    CURLU *url;
    char *scheme, *host, *port, *path;
};

static void origin_free(struct origin *o)
{
    curl_free(o->scheme);
    curl_free(o->host);
    curl_free(o->port);
    curl_free(o->path);
    curl_url_cleanup(o->url);
}

/* Whether text is an http or https address. */
static int origin_read(struct origin *o, const char *text)
{
    memset(o, 0, sizeof *o);
    o->url = curl_url();
    if (!o->url || curl_url_set(o->url, CURLUPART_URL, text, 0) != CURLUE_OK ||
        curl_url_get(o->url, CURLUPART_SCHEME, &o->scheme, 0) != CURLUE_OK ||
        curl_url_get(o->url, CURLUPART_HOST, &o->host, 0) != CURLUE_OK ||
        curl_url_get(o->url, CURLUPART_PORT, &o->port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        curl_url_get(o->url, CURLUPART_PATH, &o->path, 0) != CURLUE_OK)
        return 0;
    return strcasecmp(o->scheme, "https") == 0 || strcasecmp(o->scheme, "http") == 0;
}

int fetch_check_hub(const char *hub, const struct sdrt_log *log)
{
    struct origin o;
    const int good = origin_read(&o, hub);

    origin_free(&o);
    if (good) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_ARG, "hub '%s': expected an address such as https://host", hub);
}

/* path with each of its parts escaped; free() it. */
static char *escape(const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-._~/";
    char *text = malloc(3 * strlen(path) + 1), *to = text;

    if (!text) return NULL;
    for (; *path; path++) {
        if (strchr(plain, *path)) *to++ = *path;
        else to += sprintf(to, "%%%02X", (unsigned char)*path);
    }
    *to = 0;
    return text;
}

char *fetch_hub_url(const char *hub, const char *repository, const char *revision, const char *path)
{
    static const char form[] = "%.*s/%s/resolve/%s/%s";
    size_t base = strlen(hub);
    char *parts[] = { escape(repository), escape(revision), escape(path) };
    char *url = NULL;

    while (base && hub[base - 1] == '/') base--;
    if (parts[0] && parts[1] && parts[2]) {
        const size_t room = base + strlen(parts[0]) + strlen(parts[1]) + strlen(parts[2]) +
                            sizeof form;
        url = malloc(room);
        if (url) snprintf(url, room, form, (int)base, hub, parts[0], parts[1], parts[2]);
    }
    for (int i = 0; i < 3; i++) free(parts[i]);
    return url;
}

/* Turns the address of a page about a file into the address of the file itself. */
static char *page_to_file(const char *name)
{
    const char *page = strstr(name, "/blob/");
    const size_t room = strlen(name) + sizeof "resolve";
    char *url = malloc(room);

    if (!url) return NULL;
    if (page)
        snprintf(url, room, "%.*s/resolve/%s", (int)(page - name), name, page + strlen("/blob/"));
    else snprintf(url, room, "%s", name);
    return url;
}

/* "owner/name" of an address on the hub; NULL for another form, or without memory. */
static char *repository_of(const char *url)
{
    struct origin o;
    char *repository = NULL;

    if (origin_read(&o, url)) {
        const char *end = strstr(o.path, "/resolve/");
        if (end && end > o.path + 1) repository = strndup(o.path + 1, (size_t)(end - o.path) - 1);
    }
    origin_free(&o);
    return repository;
}

static int address_url(char **url, char **repository, const char *name, const char *hub,
                       const struct sdrt_log *log)
{
    struct origin o;
    const int good = origin_read(&o, name);

    origin_free(&o);
    if (!good) return sdrt_fail(log, SDRT_E_ARG, "'%s': expected an http or https address", name);
    const int on_hub = fetch_same_origin(name, hub);
    *url = on_hub ? page_to_file(name) : strdup(name);
    if (!*url) return sdrt_fail(log, SDRT_E_NOMEM, "no memory for an address");
    *repository = on_hub ? repository_of(*url) : NULL;
    return SDRT_OK;
}

int fetch_named_url(char **url, char **repository, const char *name, const char *hub,
                    const char *revision, const struct sdrt_log *log)
{
    *url = *repository = NULL;
    if (strstr(name, "://")) return address_url(url, repository, name, hub, log);
    const char *slash = strchr(name, '/');
    const char *second = slash ? strchr(slash + 1, '/') : NULL;
    if (!second || slash == name || second == slash + 1 || !second[1] || strstr(name, "//") ||
        strstr(name, "..") || name[strlen(name) - 1] == '/')
        return sdrt_fail(log, SDRT_E_ARG,
                         "'%s': expected a name that --list shows, "
                         "OWNER/REPOSITORY/FILE on the hub, or an address",
                         name);
    *repository = strndup(name, (size_t)(second - name));
    if (*repository) *url = fetch_hub_url(hub, *repository, revision, second + 1);
    if (!*url) return sdrt_fail(log, SDRT_E_NOMEM, "no memory for an address");
    return SDRT_OK;
}

int fetch_same_origin(const char *a, const char *b)
{
    struct origin one, two;
    const int good = origin_read(&one, a), also = origin_read(&two, b);
    const int same = good && also && strcasecmp(one.scheme, two.scheme) == 0 &&
                     strcasecmp(one.host, two.host) == 0 && strcmp(one.port, two.port) == 0;

    origin_free(&one);
    origin_free(&two);
    return same;
}

int fetch_is_private(const char *url)
{
    struct origin o;
    const int good = origin_read(&o, url);
    const int here = good &&
                     (strcasecmp(o.scheme, "https") == 0 || strcasecmp(o.host, "localhost") == 0 ||
                      strcmp(o.host, "127.0.0.1") == 0 || strcmp(o.host, "[::1]") == 0);

    origin_free(&o);
    return here;
}

int fetch_may_follow(const char *from, const char *url)
{
    struct origin old, next;
    const int good = origin_read(&old, from), also = origin_read(&next, url);
    const int may = good && also &&
                    (strcasecmp(old.scheme, "https") != 0 || strcasecmp(next.scheme, "https") == 0);

    origin_free(&old);
    origin_free(&next);
    return may;
}

char *fetch_base_name(const char *path)
{
    const char *scheme = strstr(path, "://");
    const size_t length = scheme ? strcspn(path, "?#") : strlen(path);
    size_t start = length;

    while (start && path[start - 1] != '/') start--;
    if (start == length || (scheme && path + start <= scheme + 3)) return NULL;
    return strndup(path + start, length - start);
}
