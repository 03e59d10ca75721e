/* SPDX-License-Identifier: MIT */
#include "bench/page.h"
#include "bench/page_parts.h"
#include "bench/results_file.h"
#include "bench/sdbench.h"
#include "runtime/files/atomic_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char style[] =
    "body{font:15px sans-serif;margin:2em;color-scheme:light dark}"
    "table{border-collapse:collapse;margin:.5em 0}"
    "td,th{padding:1px 8px;text-align:right;vertical-align:bottom}td{white-space:nowrap}.t{text-align:left}.o{font-size:14px}.o td{white-space:normal;vertical-align:top}"
    "tr:hover{background:#8882}h2{margin-top:2em;border-top:1px solid #888;padding-top:1em}"
    "summary{cursor:pointer}dl{display:grid;grid-template-columns:max-content auto;gap:1px 1em}"
    "dt{color:#777}dd{margin:0}.w{color:#c0392b}svg{max-width:100%;height:auto}td svg{max-width:none;height:10px}rect{fill:#3b8ed6}";

void sdrt_page_text(FILE *f, const char *text)
{
    for (; *text; text++)
        if (*text == '&') fputs("&amp;", f);
        else if (*text == '<') fputs("&lt;", f);
        else if (*text == '>') fputs("&gt;", f);
        else if (*text == '"') fputs("&quot;", f);
        else if ((unsigned char)*text < ' ') fputc(' ', f);
        else fputc(*text, f);
}

/* ---- one document ---- */

/* Facts worth a line, those of the machine apart: group (NULL: none), member, label, unit. */
static const struct fact {
    const char *group, *key, *label, *unit;
    int decimals;
} facts[] = {
    { NULL, "preset", "preset", "", 0 },
    { "score", "line", "score", "", 0 },
    { NULL, "images_per_minute", "images", " a minute", 3 },
    { NULL, "steps_per_second", "steps", " a second", 3 },
    { NULL, "first_step_ms", "first step", " ms", 1 },
    { NULL, "first_image_s", "first image", " s, loading too", 2 },
    { "plan", "peak_mib", "plan: peak", " MiB", 1 },
    { "plan", "total_mib", "planned", " MiB", 1 },
    { NULL, "resident_mib", "resident", " MiB", 1 },
    { NULL, "peak_resident_mib", "peak resident", " MiB", 1 },
    { "roof", "text", "roof", "", 0 },
    { NULL, "barrier_text", "at barriers", "", 0 },
    { "counters", "text", "counters", "", 0 },
    { NULL, "energy", "energy", "", 0 },
    { NULL, "joules", "energy", " J", 1 },
};

static void print_facts(const json_t *document, FILE *f)
{
    static const char *const same[] = { "isa", "precision", "network", "weights", "arch", "size" };
    const double threads = sdrt_result_number(document, NULL, "threads");
    const json_t *warnings = json_object_get(document, "warnings");
    json_t *warning;
    size_t k;

    fputs("<p>", f);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (json_is_string(json_object_get(document, same[i]))) {
            sdrt_page_text(f, sdrt_result_text(document, NULL, same[i]));
            fputs("; ", f);
        }
    if (isfinite(threads)) fprintf(f, "%.0f threads; ", threads);
    fputs("commit ", f);
    sdrt_page_text(f, sdrt_result_text(document, "run", "commit"));
    fputs(", ", f);
    sdrt_page_text(f, sdrt_result_text(document, "run", "date"));
    fputs("</p>\n", f);
    json_array_foreach(warnings, k, warning) {
        if (!json_is_string(warning)) continue;
        fputs("<p class=\"w\">", f);
        sdrt_page_text(f, json_string_value(warning));
        fputs("</p>\n", f);
    }
    fputs("<dl>", f);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        const json_t *object = facts[i].group ? json_object_get(document, facts[i].group)
                                              : document;
        const json_t *value = json_object_get(object, facts[i].key);
        if (!json_is_string(value) && !json_is_number(value)) continue;
        fprintf(f, "<dt>%s</dt><dd>", facts[i].label);
        if (json_is_string(value)) sdrt_page_text(f, json_string_value(value));
        else fprintf(f, "%.*f%s", facts[i].decimals, json_number_value(value), facts[i].unit);
        fputs("</dd>\n", f);
    }
    fputs("</dl>\n", f);
}

static void print_document(json_t *document, FILE *f)
{
    const char *key;
    json_t *value;

    fputs("<h3>", f);
    sdrt_page_text(f, sdrt_result_text(document, NULL, "command"));
    fputs("</h3>\n", f);
    print_facts(document, f);
    json_object_foreach(document, key, value) {
        if (!json_is_array(value) || !json_is_object(json_array_get(value, 0))) continue;
        if (!strcmp(key, "layers")) sdrt_page_picture(document, value, f);
        sdrt_page_table(key, value, f);
    }
}

/* ---- the page ---- */

static void print_name(const char *path, FILE *f)
{
    const char *name = strrchr(path, '/');

    sdrt_page_text(f, name ? name + 1 : path);
}

void sdrt_page_print(json_t *const *files, const char *const *names, int n, FILE *f)
{
    size_t i;
    json_t *document;

    fprintf(
        f,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>sdbench</title>\n"
        "<style>%s</style></head><body>\n<h1>sdbench</h1>\n",
        style);
    sdrt_page_overview(files, names, n, f);
    for (int k = 0; k < n; k++) {
        fprintf(f, "<h2 id=\"f%d\">", k);
        print_name(names[k], f);
        fputs("</h2>\n<p>", f);
        sdrt_page_text(f, sdrt_result_text(json_array_get(files[k], 0), NULL, "machine"));
        fputs("</p>\n", f);
        json_array_foreach(files[k], i, document) print_document(document, f);
    }
    fputs("</body></html>\n", f);
}

/* ---- sdbench page ---- */

static int write_page(const struct sdrt_bench_options *o, json_t *const *files)
{
    struct sdrt_atomic_file *file = NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    int status = SDRT_OK;

    if (f) sdrt_page_print(files, (const char *const *)o->words, o->words_n, f);
    if (!f || fclose(f) != 0)
        status = sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory for the page");
    if (status == SDRT_OK && !o->outputs_n) fwrite(text, 1, size, stdout);
    for (int i = 0; i < o->outputs_n && status == SDRT_OK; i++) {
        status = sdrt_atomic_open(&file, o->outputs[i].path, o->log);
        if (status != SDRT_OK) break;
        sdrt_atomic_write(file, text, size);
        status = sdrt_atomic_commit(&file, o->log);
    }
    free(text);
    return status;
}

int sdrt_bench_page(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    json_t **files = calloc((size_t)o->words_n, sizeof *files);
    int status = files ? SDRT_OK : sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory for the page");

    (void)r;
    for (int i = 0; i < o->words_n && status == SDRT_OK; i++)
        status = sdrt_results_load(&files[i], o->words[i], o->log);
    if (status == SDRT_OK) status = write_page(o, files);
    for (int i = 0; files && i < o->words_n; i++) json_decref(files[i]);
    free(files);
    return status;
}
