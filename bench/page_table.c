/* SPDX-License-Identifier: MIT */
#include "bench/page_parts.h"
#include "bench/report.h"
#include "bench/results_file.h"

#include <math.h>
#include <string.h>

enum { BAR = 220, LONG = 40 /* rows that are not folded up */ };

/* Titles and units as in the report's own tables; other members keep their name and four digits. */
static const struct sdrt_column known[] = {
    { "ms", "ms", 3, 0 },
    { "ms_min", "min ms", 3, 0 },
    { "first_ms", "first ms", 1, 0 },
    { "cold_ms", "cold ms", 3, 0 },
    { "least_ms", "least ms", 3, 0 },
    { "spread", "spread %", 1, 100 },
    { "share", "share %", 2, 100 },
    { "gflop", "GFLOP", 2, 0 },
    { "gflops", "GFLOP/s", 1, 0 },
    { "tflops", "TFLOP/s", 4, 0 },
    { "gbs", "GB/s", 1, 0 },
    { "bytes", "MB", 3, 1e-6 },
    { "weight_bytes", "weights MB", 3, 1e-6 },
    { "received_bytes", "received MB", 3, 1e-6 },
    { "peak_bytes", "peak MiB", 1, 1.0 / (1 << 20) },
    { "resident_bytes", "resident MiB", 1, 1.0 / (1 << 20) },
    { "pss_bytes", "proportional MiB", 1, 1.0 / (1 << 20) },
    { "intensity", "FLOP/B", 1, 0 },
    { "bound", "bound by", 0, 0 },
    { "roof_share", "of roof %", 1, 100 },
    { "joules", "J", 1, 0 },
    { "over_generic", "x generic", 1, 0 },
    { "over_openblas", "x OpenBLAS", 2, 0 },
    { "over_onednn", "x oneDNN", 2, 0 },
    { "value", "best", 2, 0 },
    { "median", "median", 2, 0 },
};

static const struct sdrt_column *find(const char *key)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].key, key)) return &known[i];
    return NULL;
}

/* A kernel's name is its family, shape and level, which have columns of their own. */
static int is_column(const char *key, const json_t *value, const json_t *row)
{
    return (json_is_string(value) || json_is_number(value)) && strcmp(key, "print") != 0 &&
           (strcmp(key, "name") != 0 || !json_object_get(row, "shape"));
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

static void print_number(const struct sdrt_column *c, double x, FILE *f)
{
    if (c) fprintf(f, "%.*f", c->decimals, x * (c->scale != 0.0 ? c->scale : 1.0));
    else fprintf(f, "%.4g", x);
}

/* keys: of all columns, true where it is text. */
static void print_row(json_t *keys, const json_t *row, double most, FILE *f)
{
    const double ms = json_number_value(json_object_get(row, "ms"));
    const char *key;
    json_t *text;

    fputs("<tr>", f);
    json_object_foreach(keys, key, text) {
        const json_t *value = json_object_get(row, key);
        fputs(json_is_true(text) ? "<td class=\"t\">" : "<td>", f);
        if (json_is_string(value)) sdrt_page_text(f, json_string_value(value));
        else if (json_is_number(value)) print_number(find(key), json_number_value(value), f);
        fputs("</td>", f);
    }
    if (most > 0.0)
        fprintf(
            f,
            "<td><svg width=\"%d\" height=\"10\"><rect width=\"%.1f\" height=\"10\"/></svg></td>",
            BAR, BAR * ms / most);
    fputs("</tr>\n", f);
}

static void print_titles(json_t *keys, FILE *f)
{
    const char *key;
    json_t *text;

    fputs("<table><tr>", f);
    json_object_foreach(keys, key, text) {
        const struct sdrt_column *c = find(key);
        fputs(json_is_true(text) ? "<th class=\"t\">" : "<th>", f);
        sdrt_page_text(f, c ? c->title : key);
        fputs("</th>", f);
    }
    fputs("</tr>\n", f);
}

void sdrt_page_table(const char *name, const json_t *rows, FILE *f)
{
    const size_t n = json_array_size(rows);
    const double most = longest(rows);
    json_t *keys = json_object(), *row, *value;
    const char *key;
    size_t i;

    json_array_foreach(rows, i, row)
        json_object_foreach(row, key, value)
            if (is_column(key, value, row) && !json_object_get(keys, key))
                json_object_set_new(keys, key, json_boolean(json_is_string(value)));
    fputs(n > LONG ? "<details><summary>" : "<h4>", f);
    sdrt_page_text(f, name);
    if (n > LONG) fprintf(f, ", %zu rows</summary>\n", n);
    else fputs("</h4>\n", f);
    print_titles(keys, f);
    json_array_foreach(rows, i, row) print_row(keys, row, most, f);
    fputs(n > LONG ? "</table></details>\n" : "</table>\n", f);
    json_decref(keys);
}
