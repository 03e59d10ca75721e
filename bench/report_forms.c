/* SPDX-License-Identifier: MIT
 *
 * The forms of a report: for people, JSON, Markdown; CSV is in report_csv.c.
 */
#include "bench/report_internal.h"

#include <stdlib.h>
#include <string.h>

enum { CELL = 192 };

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

/* Beyond it a median is marked. */
static const double most_spread = 0.1;

static int is_uneven(const json_t *row)
{
    return json_number_value(json_object_get(row, "spread")) > most_spread;
}

static void cell(const json_t *row, const struct sdrt_column *c, char text[CELL])
{
    const json_t *value = json_object_get(row, c->key);

    if (json_is_string(value)) snprintf(text, CELL, "%s", json_string_value(value));
    else if (json_is_number(value))
        snprintf(text, CELL, "%.*f%s", c->decimals,
                 json_number_value(value) * (c->scale != 0.0 ? c->scale : 1.0),
                 is_uneven(row) && !strcmp(c->key, "ms") ? "~" : "");
    else snprintf(text, CELL, "-");
    for (char *p = text; *p; p++) /* names come from files too */
        if ((unsigned char)*p < ' ' || *p == 0x7f) *p = '?';
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

static int any_uneven(const struct sdrt_report *r)
{
    size_t i;
    json_t *row;

    for (int t = 0; t < r->tables_n; t++)
        for (int c = 0; c < r->tables[t].columns_n; c++)
            if (!strcmp(r->tables[t].columns[c].key, "ms"))
                json_array_foreach(r->tables[t].rows, i, row)
                    if (is_uneven(row)) return 1;
    return 0;
}

static void print_people(const struct sdrt_report *r, int markdown, FILE *f)
{
    if (markdown) fprintf(f, "### sdbench %s\n\n", r->o->command);
    for (int i = 0; i < r->facts_n; i++)
        if (markdown) fprintf(f, "- %s: %s\n", r->facts[i].label, r->facts[i].text);
        else fprintf(f, "%-16s %s\n", r->facts[i].label, r->facts[i].text);
    for (int i = 0; i < r->tables_n; i++) print_table(&r->tables[i], markdown, f);
    if (any_uneven(r)) fputs("\n~ uneven: the spread is above 10 %\n", f);
    if (r->last) fprintf(f, markdown ? "\n    %s\n" : "\n%s\n", r->last);
    if (markdown) fputc('\n', f);
}

void sdrt_report_print(const struct sdrt_report *r, enum sdrt_bench_format format, FILE *f)
{
    switch (format) {
    case SDRT_FORMAT_JSON: print_json(r, f); break;
    case SDRT_FORMAT_JSONL:
        json_dumpf(r->document, f, JSON_COMPACT | JSON_REAL_PRECISION(7));
        fputc('\n', f);
        break;
    case SDRT_FORMAT_CSV: sdrt_report_print_csv(r, f); break;
    case SDRT_FORMAT_MARKDOWN: print_people(r, 1, f); break;
    case SDRT_FORMAT_HTML: break; /* page.c */
    case SDRT_FORMAT_TABLE: print_people(r, 0, f); break;
    }
}
