/* SPDX-License-Identifier: MIT */
#include "tools/fetch.h"

#include "runtime/files/atomic_file.h"
#include "tools/fetch_part.h"
#include "tools/fetch_url.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_REDIRECTS = 10, MAX_RESTARTS = 3, CONNECT_SECONDS = 30, MAX_IGNORED = 1 << 16 };

/* What a try came to, beside the negative status codes of failures that no other try mends. */
enum { DONE = 0, AGAIN = 1, RESTART = 2 };

/* A file's way here, over all its tries. */
struct transfer {
    const struct fetch_request *request;
    CURL *curl;
    struct fetch_part *part;
    struct fetch_reply reply; /* of the hop at hand */
    /* What the hub itself said in this try; the hosts it leads to need not know. */
    char hub_sha256[FETCH_SHA256_TEXT]; /* "" nothing */
    uint64_t hub_size;                  /* 0 unknown */
    int at_hub;                         /* the hop at hand is to the hub */
    int64_t total;                      /* bytes of the whole file; -1 unknown */
    int begun;                          /* the body of the last reply has been judged */
    int judgement;                      /* and how; DONE: it is taken */
    int token_sent;                     /* with the request of the hop at hand */
    size_t ignored;                     /* bytes of a body that is no file */
    char trouble[CURL_ERROR_SIZE + 64]; /* why to try again */
};

/* Whether the reply is of the file that was asked for, so far as headers tell. */
static int check_same_file(struct transfer *t)
{
    const struct fetch_request *r = t->request;

    if (r->sha256[0] && t->hub_sha256[0] && strcmp(r->sha256, t->hub_sha256) != 0)
        return sdrt_fail(r->log, SDRT_E_FORMAT,
                         "%s: the hub has another file now: its SHA-256 is %s, expected %s",
                         r->label, t->hub_sha256, r->sha256);
    const uint64_t has = t->total >= 0 ? (uint64_t)t->total : t->hub_size;
    if (r->size && has && has != r->size)
        return sdrt_fail(r->log, SDRT_E_FORMAT,
                         "%s: the server has %" PRIu64 " bytes, expected %" PRIu64, r->label, has,
                         r->size);
    return DONE;
}

/* Whether the bytes that are here and those that come belong together. */
static int check_continues(const struct transfer *t)
{
    const struct fetch_part *part = t->part;

    if (t->reply.range_start < 0 || (uint64_t)t->reply.range_start != part->size) return 0;
    if (part->sha256[0] && t->hub_sha256[0]) return strcmp(part->sha256, t->hub_sha256) == 0;
    return !part->etag[0] || !t->reply.etag[0] || strcmp(part->etag, t->reply.etag) == 0;
}

/* Judges a reply of status 200 or 206 before its first byte is kept. */
static int begin_body(struct transfer *t)
{
    const struct fetch_request *r = t->request;
    struct fetch_part *part = t->part;
    int status;

    t->total = fetch_reply_total(&t->reply);
    if (t->total < 0 && t->hub_size) t->total = (int64_t)t->hub_size;
    status = check_same_file(t);
    if (status) return status;
    if (t->reply.status == 206 && !check_continues(t)) {
        snprintf(t->trouble, sizeof t->trouble, "the file has changed on the server");
        return RESTART;
    }
    if (t->reply.status == 200 && part->size) {
        sdrt_note(r->log, SDRT_LOG_INFO, "%s: the server sends it from the start again", r->label);
        status = fetch_part_restart(part, r->log);
        if (status) return status;
    }
    if (t->total >= 0 && (uint64_t)t->total > part->size) {
        status = fetch_part_check_room(part, (uint64_t)t->total - part->size, r->log);
        if (status) return status;
    }
    snprintf(part->etag, sizeof part->etag, "%s", t->reply.etag);
    snprintf(part->sha256, sizeof part->sha256, "%s", t->hub_sha256);
    progress_bytes_start(r->progress, part->size);
    return fetch_part_remember(part, r->url, r->log);
}

static int is_body(const struct transfer *t)
{
    return t->reply.status == 200 || t->reply.status == 206;
}

/* A body of chunks says nowhere how long it is, but the file is known to have so many bytes. */
static int check_length(struct transfer *t, size_t more)
{
    const uint64_t most = t->total >= 0 ? (uint64_t)t->total : t->request->size;

    if (!most || more <= most - t->part->size) return DONE;
    const int status = fetch_part_restart(t->part, t->request->log);
    if (status) return status;
    return sdrt_fail(t->request->log, SDRT_E_FORMAT,
                     "%s: the server sends more than the %" PRIu64 " bytes that the file has",
                     t->request->label, most);
}

static size_t on_body(char *data, size_t one, size_t n, void *user)
{
    struct transfer *t = user;

    if (!is_body(t)) {
        t->ignored += one * n;
        return t->ignored <= MAX_IGNORED ? one * n : 0;
    }
    if (!t->begun) {
        t->begun = 1;
        t->judgement = begin_body(t);
    }
    if (!t->judgement) t->judgement = check_length(t, one * n);
    if (!t->judgement) t->judgement = fetch_part_append(t->part, data, one * n, t->request->log);
    return t->judgement ? 0 : one * n;
}

static size_t on_header(char *line, size_t one, size_t n, void *user)
{
    struct transfer *t = user;

    fetch_reply_line(&t->reply, line, one * n);
    /* The empty line that ends the headers; after it comes the body. */
    if (t->at_hub && n && (*line == '\r' || *line == '\n')) {
        if (!t->hub_sha256[0]) fetch_hub_sha256(t->hub_sha256, &t->reply);
        if (t->reply.linked_size) t->hub_size = t->reply.linked_size;
    }
    return one * n;
}

static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    struct transfer *t = user;

    (void)total;
    (void)now;
    (void)up_total;
    (void)up_now;
    if (t->begun)
        progress_bytes(t->request->progress, "fetch", t->part->size,
                       t->total > 0 ? (uint64_t)t->total : 0);
    return *t->request->stop != 0;
}

/* Adds a header; on failure the list stays as it is. */
static int add_header(struct curl_slist **list, const char *name, const char *value)
{
    const size_t room = strlen(name) + strlen(value) + 1;
    char *line = malloc(room);
    struct curl_slist *longer = NULL;

    if (line) {
        snprintf(line, room, "%s%s", name, value);
        longer = curl_slist_append(*list, line);
    }
    free(line);
    if (longer) *list = longer;
    return longer ? SDRT_OK : SDRT_E_NOMEM;
}

/* What goes with the request of one hop.  The token is for the hub's own host only. */
static int make_headers(struct transfer *t, const char *url, struct curl_slist **list)
{
    const struct fetch_request *r = t->request;
    char range[48];
    int status = SDRT_OK;

    *list = NULL;
    t->at_hub = fetch_same_origin(url, r->hub);
    t->token_sent = r->token && t->at_hub && fetch_is_private(url);
    if (t->token_sent) status = add_header(list, "Authorization: Bearer ", r->token);
    if (!status && t->part->size) {
        snprintf(range, sizeof range, "bytes=%" PRIu64 "-", t->part->size);
        status = add_header(list, "Range: ", range);
        if (!status && t->part->etag[0]) status = add_header(list, "If-Range: ", t->part->etag);
    }
    if (status) {
        curl_slist_free_all(*list);
        *list = NULL;
        return sdrt_fail(r->log, SDRT_E_NOMEM, "%s: no memory to ask for it", r->label);
    }
    return SDRT_OK;
}

static int is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* One request and its reply, of whatever status; *code is libcurl's verdict. */
static int ask(struct transfer *t, const char *url, CURLcode *code)
{
    struct curl_slist *headers;
    const int status = make_headers(t, url, &headers);

    if (status) return status;
    fetch_reply_reset(&t->reply);
    t->begun = 0;
    t->judgement = DONE;
    t->ignored = 0;
    t->trouble[0] = 0;
    curl_easy_setopt(t->curl, CURLOPT_URL, url);
    curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
    *code = curl_easy_perform(t->curl);
    curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    if (*code == CURLE_WRITE_ERROR && t->ignored > MAX_IGNORED) *code = CURLE_OK;
    return SDRT_OK;
}

/* Asks for the file and follows where the reply leads. */
static int follow(struct transfer *t, CURLcode *code)
{
    const struct fetch_request *r = t->request;
    char *url = strdup(r->url);
    int status = url ? SDRT_OK : sdrt_fail(r->log, SDRT_E_NOMEM, "%s: no memory", r->label);

    t->hub_sha256[0] = 0;
    t->hub_size = 0;
    for (int hop = 0; !status; hop++) {
        char *next = NULL;
        status = ask(t, url, code);
        if (status) break;
        if (*code != CURLE_OK || !is_redirect(t->reply.status)) break;
        curl_easy_getinfo(t->curl, CURLINFO_REDIRECT_URL, &next);
        if (hop == MAX_REDIRECTS)
            status = sdrt_fail(r->log, SDRT_E_IO, "%s: more than %d redirects: %s", r->label,
                               MAX_REDIRECTS, r->url);
        else if (!next || !fetch_may_follow(url, next))
            status = sdrt_fail(r->log, SDRT_E_IO, "%s: a redirect leads to '%s': expected %s",
                               r->label, next ? next : "",
                               strncasecmp(url, "https", 5) == 0 ? "https" : "http");
        else status = check_same_file(t);
        if (status) break;
        char *copy = strdup(next);
        free(url);
        url = copy;
        if (!url) status = sdrt_fail(r->log, SDRT_E_NOMEM, "%s: no memory", r->label);
    }
    free(url);
    return status;
}

/* Failures of the line, which another try may not meet. */
static int is_transient(CURLcode code)
{
    switch (code) {
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: return 1;
    default: return 0;
    }
}

static int is_busy(int status)
{
    return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

/* 416: there is nothing behind the bytes that are here. */
static int judge_end(struct transfer *t)
{
    if (t->reply.range_total >= 0 && (uint64_t)t->reply.range_total == t->part->size) {
        t->total = t->reply.range_total;
        return check_same_file(t);
    }
    snprintf(t->trouble, sizeof t->trouble, "the file has changed on the server");
    return RESTART;
}

/* What one try came to. */
static int judge(struct transfer *t, CURLcode code, const char *detail)
{
    const struct fetch_request *r = t->request;

    if (*r->stop) return SDRT_E_CANCELLED;
    if (t->judgement) return t->judgement;
    if (code != CURLE_OK) {
        snprintf(t->trouble, sizeof t->trouble, "%s", *detail ? detail : curl_easy_strerror(code));
        if (is_transient(code)) return AGAIN;
        return sdrt_fail(r->log, SDRT_E_IO, "%s: %s: %s", r->label, t->trouble, r->url);
    }
    if (t->reply.status == 416 && t->part->size) return judge_end(t);
    if (is_busy(t->reply.status)) {
        snprintf(t->trouble, sizeof t->trouble, "the server answers %d", t->reply.status);
        return AGAIN;
    }
    if (!is_body(t)) return fetch_explain(r, &t->reply, t->token_sent);
    if (!t->begun) t->judgement = begin_body(t); /* an empty body */
    if (!t->judgement && t->total >= 0 && t->part->size != (uint64_t)t->total)
        return sdrt_fail(r->log, SDRT_E_FORMAT,
                         "%s: the server sent %" PRIu64 " bytes, expected %" PRId64, r->label,
                         t->part->size, t->total);
    return t->judgement;
}

static int try_once(struct transfer *t)
{
    const struct fetch_part *part = t->part;
    char detail[CURL_ERROR_SIZE] = "";
    CURLcode code = CURLE_OK;
    int status;

    t->total = -1;
    /* What nothing can recognise cannot be continued. */
    if (part->size && !part->etag[0] && !part->sha256[0] && !t->request->sha256[0]) {
        status = fetch_part_restart(t->part, t->request->log);
        if (status) return status;
    }
    curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, detail);
    status = follow(t, &code);
    curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, NULL);
    progress_clear(t->request->progress);
    if (*t->request->stop) return SDRT_E_CANCELLED;
    return status ? status : judge(t, code, detail);
}

/* Until the time is over or a signal asks to stop. */
static void pause_for(double seconds, const volatile sig_atomic_t *stop)
{
    struct timespec rest = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

    while (!*stop && nanosleep(&rest, &rest) != 0 && errno == EINTR) continue;
}

/* The line for what no further try is made for. */
static int give_up(const struct transfer *t)
{
    const struct fetch_request *r = t->request;

    if (t->part->size)
        return sdrt_fail(r->log, SDRT_E_IO,
                         "%s: %s; the %" PRIu64 " bytes that have come are kept "
                         "in %s, and the same command goes on from there",
                         r->label, t->trouble, t->part->size, t->part->path);
    return sdrt_fail(r->log, SDRT_E_IO, "%s: %s: %s", r->label, t->trouble, r->url);
}

/* Tries until all bytes are here; those that bring nothing new are counted. */
static int fetch_bytes(struct transfer *t)
{
    const struct fetch_request *r = t->request;
    int vain = 0, restarts = 0, came = 0;
    double wait = r->wait;

    for (;;) {
        const uint64_t before = t->part->size;
        const int status = try_once(t);
        if (status != AGAIN && status != RESTART) return status;
        if (status == RESTART) {
            if (++restarts > MAX_RESTARTS) return give_up(t);
            const int failed = fetch_part_restart(t->part, r->log);
            if (failed) return failed;
            continue;
        }
        if (t->part->size > before) {
            came = 1;
            vain = 0;
            wait = r->wait;
        }
        /* A host that has never answered is more likely a wrong name than a cut line. */
        if (vain++ >= r->retries || (!came && !t->reply.status && !before)) return give_up(t);
        if (t->reply.retry_after > wait && t->reply.retry_after <= 60) wait = t->reply.retry_after;
        sdrt_note(r->log, SDRT_LOG_INFO, "%s: %s; trying again in %.0f s", r->label, t->trouble,
                  wait);
        pause_for(wait, r->stop);
        wait = wait < 30 ? 2 * wait : wait;
    }
}

/* What all requests have in common. */
static CURL *make_handle(struct transfer *t)
{
    CURL *curl = curl_easy_init();

    if (!curl) return NULL;
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, t->request->agent);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)t->request->timeout);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    return curl;
}

/* Compares the whole file with what it must be, and throws it away when it is not. */
static int check_digest(struct transfer *t, enum fetch_proof *proof)
{
    const struct fetch_request *r = t->request;
    const char *expected = r->sha256[0] ? r->sha256 : t->part->sha256;
    char digest[FETCH_SHA256_TEXT];
    int status;

    *proof = r->sha256[0]    ? FETCH_BY_CALLER
             : expected[0]   ? FETCH_BY_HUB
             : t->total >= 0 ? FETCH_BY_LENGTH
                             : FETCH_BY_NOTHING;
    if (!expected[0]) return SDRT_OK;
    status = fetch_digest(digest, t->part->path, r->progress, r->stop, r->log);
    if (status || strcmp(digest, expected) == 0) return status;
    status = sdrt_fail(r->log, SDRT_E_FORMAT, "%s: the SHA-256 is %s, expected %s; nothing is kept",
                       r->label, digest, expected);
    fetch_part_discard(t->part);
    return status;
}

/* Looks at what is in the target's place.  *there: it is the file already. */
static int check_target(const struct fetch_request *r, int *there, uint64_t *size)
{
    char digest[FETCH_SHA256_TEXT];
    struct stat info;
    int status = sdrt_atomic_check(r->target, r->log);

    *there = 0;
    if (status || stat(r->target, &info) != 0) return status;
    if (!S_ISREG(info.st_mode))
        return sdrt_fail(r->log, SDRT_E_IO, "%s: expected a plain file or none", r->target);
    if (r->replace) return SDRT_OK;
    if (!r->sha256[0])
        return sdrt_fail(r->log, SDRT_E_IO, "%s: is there already; expected --force to replace it",
                         r->target);
    status = fetch_digest(digest, r->target, r->progress, r->stop, r->log);
    if (status) return status;
    if (strcmp(digest, r->sha256) != 0)
        return sdrt_fail(r->log, SDRT_E_FORMAT,
                         "%s: is there already and is another file (SHA-256 "
                         "%s); expected --force to replace it",
                         r->target, digest);
    *size = (uint64_t)info.st_size;
    *there = 1;
    return SDRT_OK;
}

int fetch_file(const struct fetch_request *request, enum fetch_proof *proof, uint64_t *size)
{
    struct transfer t;
    int there, status;

    memset(&t, 0, sizeof t);
    t.request = request;
    *proof = FETCH_BY_CALLER;
    status = check_target(request, &there, size);
    if (status || there) return status;
    t.curl = make_handle(&t);
    if (!t.curl) {
        status = sdrt_fail(request->log, SDRT_E_NOMEM, "%s: no memory to fetch it", request->label);
        goto out;
    }
    status = fetch_part_open(&t.part, request->target, request->url, request->log);
    if (!status) status = fetch_bytes(&t);
    if (!status) status = check_digest(&t, proof);
    if (!status) {
        *size = t.part->size;
        status = fetch_part_commit(t.part, request->log);
    }
out:
    fetch_part_close(&t.part);
    curl_easy_cleanup(t.curl);
    return status;
}
