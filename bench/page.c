/* SPDX-License-Identifier: MIT */
#include "bench/page.h"
#include "bench/results_file.h"
#include "bench/sdbench.h"
#include "runtime/files/atomic_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BAR = 220, WIDTH = 760, HEIGHT = 380, LEFT = 60, TOP = 20, MOST_ROWS = 400 };

static void put(FILE *f, const char *text)
{
    for (; *text; text++)
        if (*text == '&') fputs("&amp;", f);
        else if (*text == '<') fputs("&lt;", f);
        else if (*text == '>') fputs("&gt;", f);
        else if (*text == '"') fputs("&quot;", f);
        else if ((unsigned char)*text < ' ') fputc(' ', f);
        else fputc(*text, f);
}

/* ---- pictures ---- */

struct axes {
    double x0, x1, y0, y1; /* decades */
};

static double across(const struct axes *a, double x)
{
    const double d = fmin(fmax(log10(x), a->x0), a->x1);
    return LEFT + (WIDTH - LEFT) * (d - a->x0) / (a->x1 - a->x0);
}

static double down(const struct axes *a, double y)
{
    const double d = fmin(fmax(log10(y), a->y0), a->y1);
    return TOP + HEIGHT * (a->y1 - d) / (a->y1 - a->y0);
}

static void draw_roof(const struct axes *a, const char *name, double rate, FILE *f)
{
    if (!(rate > 0.0)) return;
    fprintf(
        f,
        "<path d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s, %.4g GFLOP/s</text>\n",
        LEFT, down(a, rate), WIDTH, WIDTH - 4, down(a, rate) - 4, name, rate);
}

static const char *colour_of(const char *class)
{
    static const struct {
        const char *name, *colour;
    } colours[] = { { "conv", "#3b8ed6" },
                    { "gemm", "#e0872b" },
                    { "attention", "#2fa36b" },
                    { "norm", "#c65fc0" } };

    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (!strcmp(colours[i].name, class)) return colours[i].colour;
    return "#8a8a8a";
}

/* Every layer with arithmetic as a dot whose area is its time, under the document's roofs. */
static void draw_layers(const json_t *document, const json_t *layers, FILE *f)
{
    const double top = fmax(sdrt_result_number(document, "roof", "f32_gflops"),
                            fmax(0.0, sdrt_result_number(document, "roof", "bf16_gflops")));
    const struct axes a = { -1.0, 3.0, 0.0, ceil(log10(fmax(top, 10.0) * 1.2)) };
    const double read = sdrt_result_number(document, "roof", "read_gbs");
    size_t i;
    json_t *row;

    fprintf(f, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\"><title>roofline</title>\n",
            WIDTH + 10, TOP + HEIGHT + 40, WIDTH + 10);
    for (int d = (int)a.x0; d <= (int)a.x1; d++)
        fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n",
                across(&a, pow(10, d)), TOP + HEIGHT + 16, pow(10, d));
    for (int d = (int)a.y0; d <= (int)a.y1; d++)
        fprintf(f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", LEFT - 6,
                down(&a, pow(10, d)) + 4, pow(10, d));
    fprintf(f, "<text x=\"%d\" y=\"%d\">FLOP per byte; GFLOP/s upwards</text>\n", LEFT,
            TOP + HEIGHT + 34);
    draw_roof(&a, "f32", sdrt_result_number(document, "roof", "f32_gflops"), f);
    draw_roof(&a, "bf16", sdrt_result_number(document, "roof", "bf16_gflops"), f);
    if (read > 0.0 && top > 0.0)
        fprintf(f, "<path d=\"M%.1f %.1fL%.1f %.1f\"/>\n", across(&a, 0.1), down(&a, 0.1 * read),
                across(&a, top / read), down(&a, top));
    json_array_foreach(layers, i, row) {
        const double gflop = sdrt_result_number(row, NULL, "gflop"),
                     ms = sdrt_result_number(row, NULL, "ms");
        const double intensity = sdrt_result_number(row, NULL, "intensity");
        const double share = sdrt_result_number(row, NULL, "share");
        if (!(gflop > 0.0 && ms > 0.0 && intensity > 0.0)) continue;
        fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"><title>",
                across(&a, intensity), down(&a, gflop / ms * 1e3),
                fmax(1.5, 60.0 * sqrt(fmax(share, 0.0))),
                colour_of(sdrt_result_text(row, NULL, "class")));
        put(f, sdrt_result_text(row, NULL, "name"));
        fprintf(f, ": %.2f ms, %.1f GFLOP/s</title></circle>\n", ms, gflop / ms * 1e3);
    }
    fputs("</svg>\n", f);
}

/* ---- tables ---- */

static int is_column(const char *key, const json_t *value)
{
    return strcmp(key, "print") && strncmp(key, "samples", 7) && strncmp(key, "cold_samples", 12) &&
           !json_is_array(value) && !json_is_object(value);
}

static double longest(const json_t *rows)
{
    double most = 0.0;
    size_t i;
    json_t *row;

    json_array_foreach(rows, i, row)
        most = fmax(most, json_number_value(json_object_get(row, "ms")));
    return most;
}

static void print_row(json_t *keys, const json_t *row, double most, FILE *f)
{
    const double ms = json_number_value(json_object_get(row, "ms"));
    const char *key;
    json_t *unused;

    fputs("<tr>", f);
    json_object_foreach(keys, key, unused) {
        const json_t *value = json_object_get(row, key);
        fputs("<td>", f);
        if (json_is_string(value)) put(f, json_string_value(value));
        else if (json_is_number(value)) fprintf(f, "%.4g", json_number_value(value));
        fputs("</td>", f);
    }
    if (most > 0.0)
        fprintf(
            f,
            "<td><svg width=\"%d\" height=\"10\"><rect width=\"%.1f\" height=\"10\"/></svg></td>",
            BAR, BAR * ms / most);
    fputs("</tr>\n", f);
}

static void print_table(const char *name, json_t *rows, FILE *f)
{
    json_t *keys = json_object(), *row, *value;
    const double most = longest(rows);
    const char *key;
    size_t i;

    json_array_foreach(rows, i, row)
        json_object_foreach(row, key, value)
            if (is_column(key, value)) json_object_set_new(keys, key, json_true());
    fputs("<h3>", f);
    put(f, name);
    fputs("</h3>\n<table><tr>", f);
    json_object_foreach(keys, key, value) {
        fputs("<th>", f);
        put(f, key);
        fputs("</th>", f);
    }
    fputs("</tr>\n", f);
    json_array_foreach(rows, i, row)
        if (i < MOST_ROWS) print_row(keys, row, most, f);
    fputs("</table>\n", f);
    if (json_array_size(rows) > MOST_ROWS)
        fprintf(f, "<p>and %zu more rows</p>\n", json_array_size(rows) - MOST_ROWS);
    json_decref(keys);
}

static void print_document(json_t *document, FILE *f)
{
    static const char *const facts[] = { "machine", "isa",  "precision", "network",
                                         "weights", "arch", "size" };
    const char *key;
    json_t *value;

    fputs("<h2>", f);
    put(f, sdrt_result_text(document, NULL, "command"));
    fputs("</h2>\n<p>", f);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        if (json_is_string(json_object_get(document, facts[i]))) {
            put(f, sdrt_result_text(document, NULL, facts[i]));
            fputs("; ", f);
        }
    fputs("commit ", f);
    put(f, sdrt_result_text(document, "run", "commit"));
    fputs(", ", f);
    put(f, sdrt_result_text(document, "run", "date"));
    fputs("</p>\n", f);
    json_object_foreach(document, key, value) {
        if (!json_is_array(value) || !json_is_object(json_array_get(value, 0))) continue;
        if (!strcmp(key, "layers")) draw_layers(document, value, f);
        print_table(key, value, f);
    }
}

void sdrt_page_print(json_t *const *files, const char *const *names, int n, FILE *f)
{
    size_t i;
    json_t *document;

    fputs(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>sdbench</title>\n<style>"
        "body{font:15px sans-serif;margin:2em;color-scheme:light dark}table{border-collapse:collapse}"
        "td,th{padding:1px 8px;text-align:right}td:first-child,th:first-child{text-align:left}"
        "rect{fill:#3b8ed6}text{fill:#777;font-size:12px}path{fill:none;stroke:#777}"
        "circle{fill-opacity:.5}</style></head><body>\n<h1>sdbench</h1>\n",
        f);
    for (int k = 0; k < n; k++) {
        fputs("<h1>", f);
        put(f, names[k]);
        fputs("</h1>\n", f);
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
