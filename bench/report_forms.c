/* SPDX-License-Identifier: MIT
 *
 * The forms of a report: for people, JSON, CSV, Markdown.
 */
#include "bench/report_internal.h"

#include <stdlib.h>
#include <string.h>

enum { CELL = 96 };

/* ---- JSON: the members of the document one a line, the rows of a table one a line ---- */

static void print_rows(const json_t *rows, FILE *f)
{
    size_t i;
    json_t *row;

    json_array_foreach(rows, i, row) {
        fputs(i ? ",\n  " : "\n  ", f);
        json_dumpf(row, f, JSON_REAL_PRECISION(7));
    }
}

static void print_json(const struct sdrt_report *r, FILE *f)
{
    const char *key, *comma = "{\n";
    json_t *value;

    json_object_foreach(r->document, key, value) {
        fprintf(f, "%s \"%s\": ", comma, key);
        comma = ",\n";
        if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
            fputc('[', f);
            print_rows(value, f);
            fputc(']', f);
        } else {
            json_dumpf(value, f, JSON_REAL_PRECISION(7) | JSON_ENCODE_ANY);
        }
    }
    fputs("\n}\n", f);
}

/* ---- tables ---- */

static void cell(const json_t *row, const struct sdrt_column *c, char text[CELL])
{
    const json_t *value = json_object_get(row, c->key);

    if (json_is_string(value)) snprintf(text, CELL, "%s", json_string_value(value));
    else if (json_is_number(value))
        snprintf(text, CELL, "%.*f", c->decimals,
                 json_number_value(value) * (c->scale != 0.0 ? c->scale : 1.0));
    else snprintf(text, CELL, "-");
}

/* Text is left-aligned, numbers and their titles right-aligned. */
static int is_text(const struct sdrt_report_table *t, int column)
{
    return json_is_string(json_object_get(json_array_get(t->rows, 0), t->columns[column].key));
}

static void widths(const struct sdrt_report_table *t, int *width)
{
    size_t i;
    json_t *row;
    char text[CELL];

    for (int c = 0; c < t->columns_n; c++) {
        width[c] = (int)strlen(t->columns[c].title);
        json_array_foreach(t->rows, i, row) {
            cell(row, &t->columns[c], text);
            if ((int)strlen(text) > width[c]) width[c] = (int)strlen(text);
        }
    }
}

static void print_line(const struct sdrt_report_table *t, const json_t *row, const int *width,
                       int markdown, FILE *f)
{
    for (int c = 0; c < t->columns_n; c++) {
        char text[CELL];
        if (row) cell(row, &t->columns[c], text);
        else snprintf(text, sizeof text, "%s", t->columns[c].title);
        const int left = is_text(t, c);
        if (markdown) fputs(c ? " | " : "| ", f);
        else if (c) fputs("  ", f);
        if (left && !markdown && c == t->columns_n - 1) fputs(text, f);
        else fprintf(f, "%*s", left ? -width[c] : width[c], text);
    }
    fputs(markdown ? " |\n" : "\n", f);
}

static void print_table(const struct sdrt_report_table *t, int markdown, FILE *f)
{
    int *width = calloc((size_t)t->columns_n, sizeof *width);
    size_t i;
    json_t *row;

    if (!width) return;
    widths(t, width);
    fputc('\n', f);
    print_line(t, NULL, width, markdown, f);
    for (int c = 0; markdown && c < t->columns_n; c++) {
        fputs(c ? " " : "|", f);
        if (is_text(t, c)) fputs("---|", f);
        else fputs("---:|", f);
    }
    if (markdown) fputc('\n', f);
    json_array_foreach(t->rows, i, row) print_line(t, row, width, markdown, f);
    free(width);
}

static void print_people(const struct sdrt_report *r, int markdown, FILE *f)
{
    if (markdown) fprintf(f, "### sdbench %s\n\n", r->o->command);
    for (int i = 0; i < r->facts_n; i++)
        if (markdown) fprintf(f, "- %s: %s\n", r->facts[i].label, r->facts[i].text);
        else fprintf(f, "%-16s %s\n", r->facts[i].label, r->facts[i].text);
    for (int i = 0; i < r->tables_n; i++) print_table(&r->tables[i], markdown, f);
    if (markdown) fputc('\n', f);
}

/* ---- CSV: the facts of the run as comments, then the first table ---- */

static void print_csv_field(const json_t *value, FILE *f)
{
    if (json_is_number(value)) {
        fprintf(f, "%.9g", json_number_value(value));
    } else if (json_is_string(value)) {
        const char *s = json_string_value(value);
        const int quoted = strpbrk(s, ",\"\n") != NULL;
        if (quoted) fputc('"', f);
        for (; *s; s++) {
            if (*s == '"') fputc('"', f);
            fputc(*s, f);
        }
        if (quoted) fputc('"', f);
    }
}

static void print_csv(const struct sdrt_report *r, FILE *f)
{
    const struct sdrt_report_table *t = &r->tables[0];
    size_t i;
    json_t *row;

    for (int k = 0; k < r->facts_n; k++)
        fprintf(f, "# %s: %s\n", r->facts[k].label, r->facts[k].text);
    if (!r->tables_n) return;
    for (int c = 0; c < t->columns_n; c++) fprintf(f, "%s%s", c ? "," : "", t->columns[c].key);
    fputc('\n', f);
    json_array_foreach(t->rows, i, row) {
        for (int c = 0; c < t->columns_n; c++) {
            if (c) fputc(',', f);
            print_csv_field(json_object_get(row, t->columns[c].key), f);
        }
        fputc('\n', f);
    }
}

void sdrt_report_print(const struct sdrt_report *r, enum sdrt_bench_format format, FILE *f)
{
    switch (format) {
    case SDRT_FORMAT_JSON: print_json(r, f); break;
    case SDRT_FORMAT_CSV: print_csv(r, f); break;
    case SDRT_FORMAT_MARKDOWN: print_people(r, 1, f); break;
    case SDRT_FORMAT_TABLE: print_people(r, 0, f); break;
    }
}
