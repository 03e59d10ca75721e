/* SPDX-License-Identifier: MIT */
#include "bench/sweep.h"
#include "runtime/files/atomic_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STREAMS = SDRT_BENCH_OUTPUTS + 1 /* standard output, where it is no table */ };

struct sweep {
    const struct sdrt_bench_options *o;
    int (*run)(const struct sdrt_bench_options *o);
    FILE *streams[STREAMS];
    char *texts[STREAMS];
    size_t sizes[STREAMS];
    int done; /* combinations */
};

int sdrt_bench_is_sweep(const struct sdrt_bench_options *o)
{
    return o->sizes || o->precisions || o->thread_counts;
}

/* The i-th word of a list between commas into text; 0 when there is none. */
static int item(const char *list, int i, char text[32])
{
    const char *p = list;

    for (; i > 0 && p; i--) {
        p = strchr(p, ',');
        if (p) p++;
    }
    if (!p) return 0;
    snprintf(text, 32, "%.*s", (int)strcspn(p, ","), p);
    return 1;
}

static enum sdrt_bench_format format_of(const struct sdrt_bench_options *o, int stream)
{
    return stream < o->outputs_n ? o->outputs[stream].format : o->format;
}

/* Puts one document's text behind those that are there. */
static void append(struct sweep *s, int stream, char *text)
{
    FILE *f = s->streams[stream];

    switch (format_of(s->o, stream)) {
    case SDRT_FORMAT_JSON: fputs(s->done ? ",\n" : "[\n", f); break;
    case SDRT_FORMAT_CSV: /* one line with names is enough */
        while (s->done && *text == '#') text += strcspn(text, "\n") + 1;
        if (s->done) text += strcspn(text, "\n") + 1;
        break;
    case SDRT_FORMAT_TABLE:
    case SDRT_FORMAT_HTML:
    case SDRT_FORMAT_JSONL:
    case SDRT_FORMAT_MARKDOWN: break;
    }
    fputs(text, f);
}

/* What a child sends: for each stream a size, then so many bytes. */
static void collect(struct sweep *s, FILE *from, int streams)
{
    for (int i = 0; i < streams; i++) {
        size_t size;
        if (fread(&size, sizeof size, 1, from) != 1) return;
        char *text = malloc(size + 1);
        if (!text || fread(text, 1, size, from) != size) {
            free(text);
            return;
        }
        text[size] = '\0';
        append(s, i, text);
        free(text);
    }
    s->done++;
}

static int run_one(struct sweep *s, struct sdrt_bench_options *o, int streams)
{
    int ends[2], result = 0;

    if (pipe(ends) != 0) {
        sdrt_fail(o->log, SDRT_E_IO, "cannot make a pipe: %s", strerror(errno));
        return 1;
    }
    fflush(NULL);
    const pid_t id = fork();
    if (id == 0) {
        close(ends[0]);
        o->sink = ends[1];
        result = s->run(o);
        fflush(NULL);
        _exit(result);
    }
    close(ends[1]);
    FILE *from = id > 0 ? fdopen(ends[0], "rb") : NULL;
    if (from) collect(s, from, streams);
    if (from) fclose(from);
    if (id < 0) {
        sdrt_fail(o->log, SDRT_E_IO, "cannot start a process: %s", strerror(errno));
        return 1;
    }
    waitpid(id, &result, 0);
    if (WIFEXITED(result)) return WEXITSTATUS(result);
    sdrt_fail(o->log, SDRT_E_IO, "a run ended by signal %d", WTERMSIG(result));
    return 1;
}

static int run_all(struct sweep *s, int streams)
{
    char size[32], precision[32], threads[32];
    int status = 0;

    for (int i = 0; !status && (s->o->sizes ? item(s->o->sizes, i, size) : !i); i++)
        for (int k = 0; !status && (s->o->precisions ? item(s->o->precisions, k, precision) : !k);
             k++)
            for (int n = 0;
                 !status && (s->o->thread_counts ? item(s->o->thread_counts, n, threads) : !n);
                 n++) {
                struct sdrt_bench_options o = *s->o;
                if (s->o->sizes) sscanf(size, "%dx%d", &o.width, &o.height);
                if (s->o->precisions) o.precision = precision;
                if (s->o->thread_counts) o.threads = atoi(threads);
                status = run_one(s, &o, streams);
            }
    return status;
}

static int write_out(struct sweep *s, int stream)
{
    struct sdrt_atomic_file *file = NULL;

    if (stream >= s->o->outputs_n) {
        fwrite(s->texts[stream], 1, s->sizes[stream], stdout);
        return SDRT_OK;
    }
    int status = sdrt_atomic_open(&file, s->o->outputs[stream].path, s->o->log);
    if (status != SDRT_OK) return status;
    sdrt_atomic_write(file, s->texts[stream], s->sizes[stream]);
    return sdrt_atomic_commit(&file, s->o->log);
}

int sdrt_bench_sweep(const struct sdrt_bench_options *o,
                     int (*run)(const struct sdrt_bench_options *o))
{
    const int streams = o->outputs_n + (o->format != SDRT_FORMAT_TABLE);
    struct sweep s = { .o = o, .run = run };
    int status = 0, written = SDRT_OK;

    for (int i = 0; i < streams; i++) {
        s.streams[i] = open_memstream(&s.texts[i], &s.sizes[i]);
        if (!s.streams[i]) {
            sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory");
            status = 1;
        }
    }
    if (!status) status = run_all(&s, streams);
    for (int i = 0; i < streams; i++) {
        if (!s.streams[i]) continue;
        if (s.done && format_of(o, i) == SDRT_FORMAT_JSON) fputs("]\n", s.streams[i]);
        if (fclose(s.streams[i]) != 0) written = sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory");
        else if (s.done && written == SDRT_OK) written = write_out(&s, i);
        free(s.texts[i]);
    }
    return status ? status : written == SDRT_OK ? 0 : 1;
}
