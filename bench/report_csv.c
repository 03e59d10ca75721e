/* SPDX-License-Identifier: MIT
 *
 * A report as CSV: the facts for people as comments, then all tables in one.  A row says which run it
 * is of (its own figure where a column is a fact's), which table, and has the columns of all tables, of
 * which those of others are empty; its samples are numbers with blanks between, in the last column.
 */
#include "bench/report_internal.h"

#include <string.h>

enum { COLUMNS = 64 };

/* Facts that each row begins with, by their keys. */
static const char *const facts[] = {
    "command",
    "machine",
    "run.commit",
    "run.date",
    "network",
    "weights",
    "arch",
    "size",
    "batch",
    "steps",
    "isa",
    "precision",
    "threads",
    "roof.f32_gflops",
    "run.load.other_cpus",
    "run.load.stolen_cpus",
};
enum { FACTS = sizeof facts / sizeof *facts };

static void print_text(const char *s, FILE *f)
{
    const int quoted = strpbrk(s, ",\"\r\n") != NULL;

    if (quoted) fputc('"', f);
    for (; *s; s++) {
        if (*s == '"') fputc('"', f);
        fputc(*s, f);
    }
    if (quoted) fputc('"', f);
}

static void print_field(const json_t *value, FILE *f)
{
    if (json_is_number(value)) fprintf(f, "%.9g", json_number_value(value));
    else if (json_is_string(value)) print_text(json_string_value(value), f);
}

static const json_t *fact(const json_t *document, const char *key)
{
    const char *dot;
    char part[64];

    while ((dot = strchr(key, '.'))) {
        snprintf(part, sizeof part, "%.*s", (int)(dot - key), key);
        document = json_object_get(document, part);
        key = dot + 1;
    }
    return json_object_get(document, key);
}

static int is_fact(const char *key)
{
    for (int k = 0; k < FACTS; k++)
        if (!strcmp(facts[k], key)) return 1;
    return 0;
}

/* Keys of all tables' columns, each once; "name" first, which some tables do not show. */
static int all_columns(const struct sdrt_report *r, const char *keys[COLUMNS])
{
    int n = 0;

    keys[n++] = "name";
    for (int t = 0; t < r->tables_n; t++)
        for (int c = 0; c < r->tables[t].columns_n; c++) {
            int k = 0;
            while (k < n && strcmp(keys[k], r->tables[t].columns[c].key)) k++;
            if (k == n && n < COLUMNS && !is_fact(r->tables[t].columns[c].key))
                keys[n++] = r->tables[t].columns[c].key;
        }
    return n;
}

static void print_samples(const json_t *row, FILE *f)
{
    const json_t *ms = json_object_get(row, "samples_ms"),
                 *rate = json_object_get(row, "samples_rate");
    const json_t *list = ms ? ms : rate;
    size_t i;
    json_t *value;

    fprintf(f, ",%s,", ms ? "ms" : rate ? "rate" : "");
    json_array_foreach(list, i, value) fprintf(f, "%s%.7g", i ? " " : "", json_number_value(value));
}

void sdrt_report_print_csv(const struct sdrt_report *r, FILE *f)
{
    const char *keys[COLUMNS];
    const int n = all_columns(r, keys);
    size_t i;
    json_t *row;

    for (int k = 0; k < r->facts_n; k++)
        fprintf(f, "# %s: %s\n", r->facts[k].label, r->facts[k].text);
    for (int k = 0; k < FACTS; k++) fprintf(f, "%s,", facts[k]);
    fputs("table", f);
    for (int k = 0; k < n; k++) fprintf(f, ",%s", keys[k]);
    fputs(",samples_of,samples\n", f);
    for (int t = 0; t < r->tables_n; t++)
        json_array_foreach(r->tables[t].rows, i, row) {
            for (int k = 0; k < FACTS; k++) {
                const json_t *own = json_object_get(row, facts[k]);
                print_field(own ? own : fact(r->document, facts[k]), f);
                fputc(',', f);
            }
            fputs(r->tables[t].key, f);
            for (int k = 0; k < n; k++) {
                fputc(',', f);
                print_field(json_object_get(row, keys[k]), f);
            }
            print_samples(row, f);
            fputc('\n', f);
        }
}
