/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* vasprintf */
#endif
#include "bench/report_internal.h"
#include "runtime/files/atomic_file.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

json_t *sdrt_report_real(double x) { return isfinite(x) ? json_real(x) : json_null(); }

int sdrt_report_create(struct sdrt_report **out, const struct sdrt_bench_options *o)
{
    struct sdrt_report *r = *out = calloc(1, sizeof *r);

    if (r) r->document = json_object();
    if (!r || !r->document) {
        sdrt_report_free(out);
        return sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory for the report");
    }
    r->o = o;
    sdrt_load_begin(&r->load);
    sdrt_report_text(r, "command", o->command, NULL);
    return SDRT_OK;
}

void sdrt_report_free(struct sdrt_report **report)
{
    struct sdrt_report *r = *report;

    if (!r) return;
    for (int i = 0; i < r->facts_n; i++) free(r->facts[i].text);
    free(r->facts);
    free(r->last);
    json_decref(r->document);
    free(r);
    *report = NULL;
}

/* ---- filling ---- */

void sdrt_report_value(struct sdrt_report *r, const char *key, json_t *value)
{
    json_t *object = r->document;
    const char *dot;

    while ((dot = strchr(key, '.'))) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(dot - key), key);
        json_t *inner = json_object_get(object, name);
        if (!inner && json_object_set_new(object, name, json_object()) == 0)
            inner = json_object_get(object, name);
        if (!inner) break;
        object = inner;
        key = dot + 1;
    }
    if (!value || dot || json_object_set_new(object, key, value) != 0) r->failed = 1;
}

static void add_line(struct sdrt_report *r, const char *label, char *text)
{
    if (r->facts_n == r->facts_cap) {
        const int cap = r->facts_cap ? 2 * r->facts_cap : 16;
        struct sdrt_fact *p = realloc(r->facts, (size_t)cap * sizeof *p);
        if (p) {
            r->facts = p;
            r->facts_cap = cap;
        }
    }
    if (!text || r->facts_n == r->facts_cap) {
        r->failed = 1;
        free(text);
        return;
    }
    r->facts[r->facts_n++] = (struct sdrt_fact){ label, text };
}

void sdrt_report_number(struct sdrt_report *r, const char *key, double value, const char *label,
                        const char *unit, int decimals)
{
    const int whole = fabs(value) < 9e15 && value == (double)(json_int_t)value && decimals == 0;
    char *text = NULL;

    sdrt_report_value(r, key, whole ? json_integer((json_int_t)value) : sdrt_report_real(value));
    if (!label) return;
    if (!isfinite(value)) text = strdup("n/a");
    else if (asprintf(&text, "%.*f%s%s", decimals, value, *unit ? " " : "", unit) < 0) text = NULL;
    add_line(r, label, text);
}

void sdrt_report_text(struct sdrt_report *r, const char *key, const char *value, const char *label)
{
    sdrt_report_value(r, key, json_string(value));
    if (label) add_line(r, label, strdup(value));
}

void sdrt_report_last(struct sdrt_report *r, const char *key, const char *line)
{
    sdrt_report_value(r, key, json_string(line));
    free(r->last);
    r->last = strdup(line);
    if (!r->last) r->failed = 1;
}

void sdrt_report_warn(struct sdrt_report *r, const char *format, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) text = NULL;
    va_end(args);
    json_t *list = json_object_get(r->document, "warnings");
    if (!list) {
        sdrt_report_value(r, "warnings", json_array());
        list = json_object_get(r->document, "warnings");
    }
    if (!text || !list || json_array_append_new(list, json_string(text)) != 0) r->failed = 1;
    add_line(r, "WARNING", text);
}

void sdrt_report_table(struct sdrt_report *r, const char *key, const struct sdrt_column *columns,
                       int count)
{
    json_t *rows = json_array();

    sdrt_report_value(r, key, rows);
    if (r->tables_n == SDRT_REPORT_TABLES) r->failed = 1;
    if (r->failed) return;
    r->tables[r->tables_n++] = (struct sdrt_report_table){ key, columns, count, rows };
}

void sdrt_report_row(struct sdrt_report *r, json_t *row)
{
    if (!row || r->tables_n == 0 ||
        json_array_append_new(r->tables[r->tables_n - 1].rows, row) != 0)
        r->failed = 1;
}

/* ---- writing ---- */

/* The text to a file, or with a sink behind its size into that. */
static int put_out(const struct sdrt_report *r, const char *path, const char *text, size_t size)
{
    struct sdrt_atomic_file *file = NULL;
    int status = SDRT_OK;

    if (r->o->sink) {
        FILE *sink = fdopen(dup(r->o->sink), "wb");
        const int ok = sink && fwrite(&size, sizeof size, 1, sink) == 1 &&
                       fwrite(text, 1, size, sink) == size;
        if (!sink || fclose(sink) != 0 || !ok)
            return sdrt_fail(r->o->log, SDRT_E_IO, "cannot write to the pipe of a sweep");
        return SDRT_OK;
    }
    status = sdrt_atomic_open(&file, path, r->o->log);
    if (status != SDRT_OK) return status;
    sdrt_atomic_write(file, text, size);
    return sdrt_atomic_commit(&file, r->o->log);
}

static int write_file(const struct sdrt_report *r, const char *path, enum sdrt_bench_format format)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    int status = SDRT_OK;

    if (f) sdrt_report_print(r, format, f);
    if (!f || fclose(f) != 0)
        status = sdrt_fail(r->o->log, SDRT_E_NOMEM, "out of memory for %s", path);
    if (status == SDRT_OK) status = put_out(r, path, text, size);
    free(text);
    return status;
}

static void add_load(struct sdrt_report *r)
{
    const struct sdrt_load_share load = sdrt_load_since(&r->load);

    sdrt_report_number(r, "run.load.seconds", load.seconds, NULL, "", 0);
    sdrt_report_number(r, "run.load.other_cpus", load.other, "others' load", "processors", 2);
    sdrt_report_number(r, "run.load.stolen_cpus", load.stolen, "stolen", "processors", 2);
    sdrt_report_number(r, "run.load.average", load.average, NULL, "", 0);
    if (load.other + load.stolen > 0.05)
        sdrt_report_warn(r,
                         "other programs and virtual machines took %.2f processors during this "
                         "run: times are too long, and the roof and shares of it uncertain",
                         load.other + load.stolen);
}

int sdrt_report_write(struct sdrt_report *r)
{
    int status = SDRT_OK;

    add_load(r);
    if (r->failed) return sdrt_fail(r->o->log, SDRT_E_NOMEM, "out of memory for the report");
    const int sent = r->o->sink && r->o->format != SDRT_FORMAT_TABLE;
    if (!sent) sdrt_report_print(r, r->o->format, stdout);
    for (int i = 0; i < r->o->outputs_n && status == SDRT_OK; i++)
        status = write_file(r, r->o->outputs[i].path, r->o->outputs[i].format);
    if (sent && status == SDRT_OK) status = write_file(r, "standard output", r->o->format);
    return status;
}
