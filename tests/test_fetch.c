/* SPDX-License-Identifier: MIT
 *
 * The pieces of sdfetch that need no server: headers, addresses, the table of models.
 */
#include "tools/fetch_reply.h"
#include "tools/fetch_table.h"
#include "tools/fetch_url.h"

#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEX "6ce0161689b3853acaa03779ec93eafe75a02f4ced659bee03f50797806fa2fa"
#define HEX_UPPER "6CE0161689B3853ACAA03779EC93EAFE75A02F4CED659BEE03F50797806FA2FA"

TestSuite(fetch, .init = temp_folder_make, .fini = temp_folder_remove);

/* Lines up to a NULL, each with its line end. */
static struct fetch_reply read_lines(const char *const *lines)
{
    struct fetch_reply reply;

    fetch_reply_reset(&reply);
    for (; *lines; lines++) fetch_reply_line(&reply, *lines, strlen(*lines));
    return reply;
}

Test(fetch, reads_headers)
{
    const struct fetch_reply r = read_lines((const char *const[]){
        "HTTP/1.1 206 Partial Content\r\n", "content-length: 50\r\n",
        "CONTENT-RANGE:bytes 50-99/100\r\n", "ETag: \"a b\"\r\n", "Retry-After:  7 \r\n",
        "X-Error-Code: GatedRepo\r\n", "X-Linked-Size: 12345678901\r\n", "\r\n", NULL });

    cr_expect_eq(r.status, 206);
    cr_expect_eq(r.length, 50);
    cr_expect_eq(r.range_start, 50);
    cr_expect_eq(r.range_total, 100);
    cr_expect_eq(fetch_reply_total(&r), 100);
    cr_expect_str_eq(r.etag, "\"a b\"");
    cr_expect_eq(r.retry_after, 7);
    cr_expect_str_eq(r.error_code, "GatedRepo");
    cr_expect_eq(r.linked_size, 12345678901u);
}

Test(fetch, a_status_line_begins_anew)
{
    const struct fetch_reply r = read_lines((const char *const[]){
        "HTTP/1.1 200 OK\r\n", "Content-Length: 5\r\n", "ETag: \"x\"\r\n", "\r\n",
        "HTTP/2 404\r\n", "\r\n", NULL });

    cr_expect_eq(r.status, 404);
    cr_expect_eq(r.length, -1);
    cr_expect_str_eq(r.etag, "");
}

Test(fetch, odd_headers_say_nothing)
{
    const struct fetch_reply r = read_lines((const char *const[]){
        "HTTP/1.1 200 OK\r\n", "Content-Length: -5\r\n", "X-Linked-Size: 99999999999999999999\r\n",
        "Content-Range: bytes */*\r\n", "ETag: W/\"x\"\r\n", "Retry-After: Fri, 31 Dec\r\n",
        "X-Error-Code: a\tb\r\n", "no colon\r\n", ": no name\r\n", "", "\r\n", NULL });
    struct fetch_reply long_one;
    char line[3000] = "ETag: \"";

    cr_expect_eq(r.status, 200);
    cr_expect_eq(r.length, -1);
    cr_expect_eq(r.linked_size, 0);
    cr_expect_eq(r.range_start, -1);
    cr_expect_eq(r.range_total, -1);
    cr_expect_eq(fetch_reply_total(&r), -1);
    cr_expect_str_eq(r.etag, "");
    cr_expect_eq(r.retry_after, -1);
    cr_expect_str_eq(r.error_code, "");
    for (size_t n = 250; n < sizeof line - 1; n += 100) {
        memset(line + 7, 'x', n - 8);
        line[n - 1] = '"';
        fetch_reply_reset(&long_one);
        fetch_reply_line(&long_one, line, n);
        cr_expect_eq(strlen(long_one.etag), n - 6 < sizeof long_one.etag ? n - 6 : 0, "%zu", n);
    }
    fetch_reply_reset(&long_one);
    fetch_reply_line(&long_one, "ETag: \"a\0b\"", 11);
    cr_expect_str_eq(long_one.etag, "");
}

Test(fetch, finds_the_hubs_digest)
{
    char digest[FETCH_SHA256_TEXT];
    struct fetch_reply r = read_lines((const char *const[]){
        "HTTP/1.1 302 Found\r\n", "X-Linked-ETag: \"" HEX_UPPER "\"\r\n", "ETag: \"1\"\r\n",
        NULL });

    fetch_hub_sha256(digest, &r);
    cr_expect_str_eq(digest, HEX);
    r = read_lines((const char *const[]){ "HTTP/1.1 200 OK\r\n", "ETag: \"" HEX "\"\r\n", NULL });
    fetch_hub_sha256(digest, &r);
    cr_expect_str_eq(digest, HEX);
    /* Files that the hub keeps in git have the git hash, which is none of the file's bytes. */
    r = read_lines((const char *const[]){
        "HTTP/1.1 200 OK\r\n", "ETag: \"699cce92eb7c122e2eb7dfdea78e6187fda76a5e\"\r\n", NULL });
    fetch_hub_sha256(digest, &r);
    cr_expect_str_eq(digest, "");
    cr_expect_eq(fetch_read_sha256(digest, HEX "0"), 0);
    cr_expect_eq(fetch_read_sha256(digest, "x" HEX), 0);
    cr_expect_eq(fetch_read_sha256(digest, ""), 0);
    cr_expect_str_eq(digest, "");
}

Test(fetch, tells_hosts_apart)
{
    cr_expect(fetch_same_origin("https://huggingface.co", "https://HuggingFace.co:443/a/b"));
    cr_expect_not(fetch_same_origin("https://huggingface.co", "http://huggingface.co/"));
    cr_expect_not(fetch_same_origin("https://huggingface.co", "https://huggingface.co:444/"));
    cr_expect_not(fetch_same_origin("https://huggingface.co", "https://huggingface.co.evil.org/"));
    cr_expect_not(fetch_same_origin("https://huggingface.co", "https://huggingface.co@evil.org/"));
    cr_expect_not(fetch_same_origin("https://huggingface.co", "https://cdn.huggingface.co/"));
    cr_expect_not(fetch_same_origin("https://huggingface.co", ""));
    cr_expect_not(fetch_same_origin("", ""));
    cr_expect(fetch_is_private("https://host"));
    cr_expect(fetch_is_private("http://localhost:8080"));
    cr_expect(fetch_is_private("http://127.0.0.1:1/x"));
    cr_expect(fetch_is_private("http://[::1]:1/x"));
    cr_expect_not(fetch_is_private("http://127.0.0.1.evil.org/"));
    cr_expect_not(fetch_is_private("http://host"));
}

Test(fetch, follows_to_the_web_only)
{
    cr_expect(fetch_may_follow("https://a/", "https://b/"));
    cr_expect(fetch_may_follow("http://a/", "https://b/"));
    cr_expect(fetch_may_follow("http://a/", "http://b/"));
    cr_expect_not(fetch_may_follow("https://a/", "http://b/"));
    cr_expect_not(fetch_may_follow("https://a/", "file:///etc/passwd"));
    cr_expect_not(fetch_may_follow("http://a/", "ftp://b/"));
    cr_expect_not(fetch_may_follow("http://a/", ""));
}

static void expect_url(const char *name, const char *url, const char *repository)
{
    char *got, *owner;

    expect_quiet(fetch_named_url(&got, &owner, name, "https://hub/", "main", &kept_log), name);
    cr_assert(got, "%s", name);
    cr_expect_str_eq(got, url, "%s: %s", name, got);
    cr_expect_str_eq(owner ? owner : "", repository, "%s", name);
    free(got);
    free(owner);
}

Test(fetch, makes_addresses)
{
    expect_url("a/b/c.bin", "https://hub/a/b/resolve/main/c.bin", "a/b");
    expect_url("a/b/c/d e.bin", "https://hub/a/b/resolve/main/c/d%20e.bin", "a/b");
    expect_url("a/b/\xc3\xa4", "https://hub/a/b/resolve/main/%C3%A4", "a/b");
    expect_url("https://hub/a/b/blob/x/c", "https://hub/a/b/resolve/x/c", "a/b");
    expect_url("https://else/a/b/blob/x/c", "https://else/a/b/blob/x/c", "");
    expect_url("http://else/c?x=1", "http://else/c?x=1", "");
}

static void expect_base(const char *path, const char *base)
{
    char *got = fetch_base_name(path);

    cr_expect_str_eq(got ? got : "(none)", base, "%s", path);
    free(got);
}

Test(fetch, names_files)
{
    expect_base("c.bin", "c.bin");
    expect_base("a/b?/c#.bin", "c#.bin");
    expect_base("https://h/a/c.bin?x=/y", "c.bin");
    expect_base("https://h/a/c.bin#y", "c.bin");
    expect_base("https://h/a/", "(none)");
    expect_base("https://h/", "(none)");
    expect_base("https://h", "(none)");
    expect_base("", "(none)");
}

Test(fetch, the_table_is_in_order)
{
    int models = 0;

    for (const struct fetch_model *m = fetch_models; m->name; m++, models++) {
        cr_expect(fetch_find_model(m->name) == m, "%s is there twice", m->name);
        cr_expect(m->title && m->licence && fetch_count_files(m) > 0, "%s", m->name);
        for (int i = 0; i < fetch_count_files(m); i++) {
            const struct fetch_entry *e = &m->files[i];
            char digest[FETCH_SHA256_TEXT] = "";
            cr_expect(strchr(e->repository, '/'), "%s", m->name);
            cr_expect(e->revision && e->path && *e->path != '/', "%s", m->name);
            if (e->sha256)
                cr_expect(fetch_read_sha256(digest, e->sha256) && !strcmp(digest, e->sha256),
                          "%s: %s", m->name, e->sha256);
            for (int j = 0; j < i; j++)
                cr_expect_neq(strcmp(e->path, m->files[j].path), 0, "%s: %s", m->name, e->path);
        }
    }
    cr_expect_gt(models, 5);
    cr_expect_null(fetch_find_model(""));
}
