/* SPDX-License-Identifier: MIT
 *
 * sdfetch: weights from where they are published, checked.
 */
#include <config.h>

#include "cli/options.h"
#include "cli/process.h"
#include "tools/fetch.h"
#include "tools/fetch_table.h"
#include "tools/fetch_url.h"
#include "runtime/files/path.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2, EXIT_SIGNAL = 128 };

/* All strings are borrowed from argv or the environment. */
struct session {
    struct sdrt_log log;
    struct progress progress;
    const char *name; /* what to fetch */
    const char *output, *dir, *hub, *revision, *token;
    char sha256[FETCH_SHA256_TEXT];
    int force, retries, timeout, quiet;
    double wait;
};

static volatile sig_atomic_t caught;

static void on_signal(int number) { caught = number; }

static void on_log(void *user, enum sdrt_log_level level, const char *text)
{
    static const char *const prefix[] = { "error: ", "warning: ", "" };
    struct session *s = user;

    if (level == SDRT_LOG_INFO && s->quiet) return;
    progress_clear(&s->progress);
    fprintf(stderr, "sdfetch: %s%s\n", prefix[level], text);
}

static int take_sha256(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    if (fetch_read_sha256(((struct session *)into)->sha256, text)) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected 64 hexadecimal digits", name, text);
}

static int print_list(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    (void)into;
    (void)name;
    (void)text;
    (void)log;
    printf("%-17s %5s  LICENCE\n", "NAME", "GiB");
    for (const struct fetch_model *m = fetch_models; m->name; m++) {
        uint64_t size = 0;
        int known = 1;
        for (int i = 0; i < fetch_count_files(m); i++) {
            size += m->files[i].size;
            known = known && m->files[i].size;
        }
        printf("%-17s ", m->name);
        if (known) printf("%5.1f", (double)size / (1 << 30));
        else printf("%5s", "");
        printf("  %-31s %s%s\n", m->licence, m->title, m->gated ? " (gated)" : "");
    }
    return 1;
}

#define AT(member) .where = offsetof(struct session, member)

static const struct cli_option table[] = {
    { "output", 'o', CLI_TEXT, "FILE", "where to (the file's own name)", AT(output) },
    { "dir", 'd', CLI_TEXT, "DIR", "the folder for it (this one)", AT(dir) },
    { "hub", 0, CLI_TEXT, "URL",
      "where OWNER/REPOSITORY is ($HF_ENDPOINT, "
      "https://huggingface.co)",
      AT(hub) },
    { "revision", 0, CLI_TEXT, "NAME", "a branch or commit of OWNER/REPOSITORY (main)",
      AT(revision) },
    { "sha256", 0, CLI_CALL, "HEX", "what the file must have (as listed, or as the hub says)",
      .call = take_sha256 },
    { "force", 0, CLI_FLAG, NULL, "replace a file that is there", AT(force) },
    { "retries", 0, CLI_WHOLE, "N", "tries in vain before giving up (5)", AT(retries), 0, 1000 },
    { "retry-wait", 0, CLI_NUMBER, "S", "seconds before the first, then twice as long (1)",
      AT(wait), 0, 3600 },
    { "timeout", 0, CLI_WHOLE, "S", "seconds without a byte that count as a cut connection (60)",
      AT(timeout), 1, 86400 },
    { "list", 0, CLI_CALL, NULL, "print the names that are known", .call = print_list },
    { "quiet", 0, CLI_FLAG, NULL, "errors and warnings only", AT(quiet) },
    { "version", 0, CLI_VERSION, NULL, "print the version", .where = 0 },
    { "help", 0, CLI_HELP, NULL, "print this", .where = 0 },
    { .name = NULL },
};

static const struct cli_program program = {
    .name = "sdfetch",
    .version = PACKAGE_VERSION,
    .column = 24,
    .options = table,
    .before = "usage: sdfetch NAME\n"
              "       sdfetch OWNER/REPOSITORY/FILE | URL\n"
              "       sdfetch --list\n"
              "\n"
              "Fetches weights, checks them, and goes on where a cut download ended.\n"
              "\n",
    .after = "\n"
             "A gated model needs an account that has accepted its licence, and that account's\n"
             "token in $HF_TOKEN, which is sent to the hub and to no other host.\n"
             "Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.\n",
};

/* A token goes into a header line, which must stay one. */
static int take_token(struct session *s)
{
    const char *token = getenv("HF_TOKEN");

    if (!token || !*token) return SDRT_OK;
    for (const char *c = token; *c; c++)
        if (*c <= ' ' || *c > '~')
            return sdrt_fail(&s->log, SDRT_E_ARG, "HF_TOKEN: expected a token without blanks");
    s->token = token;
    if (!fetch_is_private(s->hub))
        sdrt_note(&s->log, SDRT_LOG_WARNING,
                  "HF_TOKEN is not sent to %s: without https anyone on the way could read it",
                  s->hub);
    return SDRT_OK;
}

/* What no single option can know. */
static int check_together(struct session *s, int words, char **word)
{
    const char *endpoint = getenv("HF_ENDPOINT");
    const struct fetch_model *model;

    if (!words)
        return sdrt_fail(&s->log, SDRT_E_ARG, "nothing to fetch: expected a name; see --list");
    if (words > 1) return sdrt_fail(&s->log, SDRT_E_ARG, "'%s': expected one name only", word[1]);
    s->name = word[0];
    if (!s->hub) s->hub = endpoint && *endpoint ? endpoint : "https://huggingface.co";
    if (s->output && s->dir)
        return sdrt_fail(&s->log, SDRT_E_ARG, "--output, --dir: expected one of them");
    model = fetch_find_model(s->name);
    if (model && s->revision)
        return sdrt_fail(&s->log, SDRT_E_ARG,
                         "--revision: expected OWNER/REPOSITORY/FILE with it; "
                         "%s has its own",
                         s->name);
    if (model && fetch_count_files(model) > 1 && (s->output || s->sha256[0]))
        return sdrt_fail(&s->log, SDRT_E_ARG,
                         "%s: has several files; expected --dir, and no "
                         "--output or --sha256",
                         s->name);
    if (fetch_check_hub(s->hub, &s->log)) return SDRT_E_ARG;
    return take_token(s);
}

static int finish_stdout(const struct session *s)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return SDRT_OK;
    return sdrt_fail(&s->log, SDRT_E_IO, "standard output: could not be written: %s",
                     strerror(errno ? errno : EIO));
}

/* SDRT_OK: go on.  *shown: something was printed and nothing is left to do. */
static int parse(struct session *s, int argc, char **argv, int *shown)
{
    int rest = 0;
    const enum cli_parsed parsed = cli_parse(&program, s, argc, argv, &rest, &s->log);

    *shown = parsed == CLI_SHOWN;
    if (parsed == CLI_USAGE || parsed == CLI_FAILED) return SDRT_E_ARG;
    return *shown ? finish_stdout(s) : check_together(s, argc - rest, argv + rest);
}

/* The file to make of path: what --output says, else its last part in the folder asked for.
 * free() it. */
static char *target_name(const struct session *s, const char *path)
{
    char *base = s->output ? NULL : fetch_base_name(path), *target = NULL;
    const char *dir = s->dir && *s->dir ? s->dir : ".";

    if (s->output) return strdup(s->output);
    if (!base || !s->dir) return base;
    target = sdrt_path_join(dir, base);
    free(base);
    return target;
}

/* How much and how sure; what is no proof is a warning. */
static void tell_result(const struct session *s, const char *target, enum fetch_proof proof,
                        uint64_t size)
{
    static const char *const how[] = {
        "SHA-256 right", "SHA-256 as the hub says",
        "no SHA-256 is known for it: only its length was checked",
        "neither SHA-256 nor length are known for it: nothing was checked"
    };

    sdrt_note(&s->log, proof < FETCH_BY_LENGTH ? SDRT_LOG_INFO : SDRT_LOG_WARNING,
              "%s: %.1f MiB, %s", target, (double)size / (1 << 20), how[proof]);
}

/* Fetches url, of repository where it is on the hub, as a file of path's name. */
static int fetch_one(struct session *s, const char *url, const char *repository, const char *path,
                     const char *sha256, uint64_t size)
{
    char *target = target_name(s, path);
    enum fetch_proof proof;
    struct fetch_request r = { .url = url,
                               .target = target,
                               .label = target,
                               .hub = s->hub,
                               .repository = repository,
                               .token = s->token,
                               .agent = "sdfetch/" PACKAGE_VERSION,
                               .size = size,
                               .replace = s->force,
                               .retries = s->retries,
                               .wait = s->wait,
                               .timeout = s->timeout,
                               .progress = &s->progress,
                               .stop = &caught,
                               .log = &s->log };
    int status;

    if (!target)
        return sdrt_fail(&s->log, SDRT_E_ARG, "'%s': names no file; expected --output FILE", path);
    if (sha256) snprintf(r.sha256, sizeof r.sha256, "%s", sha256);
    status = fetch_file(&r, &proof, &size);
    if (!status) tell_result(s, target, proof, size);
    free(target);
    return status;
}

static int fetch_model(struct session *s, const struct fetch_model *model)
{
    int status = SDRT_OK;

    sdrt_note(&s->log, SDRT_LOG_INFO, "%s: %s; licence: %s, at %s/%s%s", model->name, model->title,
              model->licence, s->hub, model->files[0].repository,
              model->gated ? "; gated: accept it there, and put a token into HF_TOKEN" : "");
    for (int i = 0; i < fetch_count_files(model) && !status && !caught; i++) {
        const struct fetch_entry *e = &model->files[i];
        char *url = fetch_hub_url(s->hub, e->repository, e->revision, e->path);
        status = url ? fetch_one(s, url, e->repository, e->path,
                                 s->sha256[0] ? s->sha256 : e->sha256, e->size)
                     : sdrt_fail(&s->log, SDRT_E_NOMEM, "no memory for an address");
        free(url);
    }
    return status;
}

static int fetch_named(struct session *s)
{
    char *url, *repository;
    int status = fetch_named_url(&url, &repository, s->name, s->hub,
                                 s->revision ? s->revision : "main", &s->log);

    if (!status && repository)
        sdrt_note(&s->log, SDRT_LOG_INFO, "licence: as %s/%s says", s->hub, repository);
    if (!status)
        status = fetch_one(s, url, repository, s->name, s->sha256[0] ? s->sha256 : NULL, 0);
    free(url);
    free(repository);
    return status;
}

int main(int argc, char **argv)
{
    struct session s;
    const struct fetch_model *model;
    int status, shown;

    cli_open_standard();
    memset(&s, 0, sizeof s);
    s.log.fn = on_log;
    s.log.user = &s;
    s.retries = 5;
    s.wait = 1;
    s.timeout = 60;
    status = parse(&s, argc, argv, &shown);
    if (status || shown)
        return !status ? EXIT_SUCCESS : status == SDRT_E_ARG ? EXIT_USAGE : EXIT_FAILURE;
    progress_init(&s.progress, "sdfetch", s.quiet);
    cli_catch_signals(on_signal);
    signal(SIGPIPE, SIG_IGN); /* a failed write, which is told */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        sdrt_fail(&s.log, SDRT_E_NOMEM, "libcurl does not start");
        return EXIT_FAILURE;
    }
    model = fetch_find_model(s.name);
    status = model ? fetch_model(&s, model) : fetch_named(&s);
    curl_global_cleanup();
    if (caught) {
        fputs("sdfetch: interrupted\n", stderr);
        return EXIT_SIGNAL + caught;
    }
    return !status ? EXIT_SUCCESS : status == SDRT_E_ARG ? EXIT_USAGE : EXIT_FAILURE;
}
