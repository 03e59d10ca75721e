/* SPDX-License-Identifier: MIT
 *
 * What a command found, as one document: facts (single figures) and tables.  Every command
 * fills one; the form it leaves in (table, JSON, CSV, Markdown) is chosen here and nowhere else.
 *
 * In JSON a fact "roof.f32_gflops" is the member f32_gflops of the object roof, and a table is
 * an array of objects.  A row that `sdbench compare` can use has a unique "name" and its samples:
 * "samples_ms", where less is better, or "samples_rate", where more is.
 */
#ifndef SDRT_BENCH_REPORT_H
#define SDRT_BENCH_REPORT_H

#include "bench/sdbench.h"

#include <jansson.h>

struct sdrt_report;

/* A column of a table.  JSON has all members of a row, shown or not. */
struct sdrt_column {
    const char *key;   /* member of the row's object */
    const char *title; /* over the column */
    int decimals;      /* of a number; ignored for text */
    double scale;      /* the figure is shown times this, in CSV and JSON as it is; 0: 1 */
};

/* *out belongs to the caller; notes when the run began and how busy the machine is from now on.
 * SDRT_E_NOMEM. */
int sdrt_report_create(struct sdrt_report **out, const struct sdrt_bench_options *o);
void sdrt_report_free(struct sdrt_report **report);

/* Facts.  label and unit make the line for people; label NULL: JSON only.  A number that is not
 * finite becomes null, and "n/a" for people.  Running out of memory is told by the write. */
void sdrt_report_number(struct sdrt_report *r, const char *key, double value, const char *label,
                        const char *unit, int decimals);
void sdrt_report_text(struct sdrt_report *r, const char *key, const char *value, const char *label);
/* Takes value over. */
void sdrt_report_value(struct sdrt_report *r, const char *key, json_t *value);

/* A line that people should not overlook; also in the member "warnings". */
void sdrt_report_warn(struct sdrt_report *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A fact whose value is also the last line of what people see. */
void sdrt_report_last(struct sdrt_report *r, const char *key, const char *line);

/* Begins a table; the columns are borrowed until the report is freed. */
void sdrt_report_table(struct sdrt_report *r, const char *key, const struct sdrt_column *columns,
                       int count);
/* Adds a row to the last table and takes it over. */
void sdrt_report_row(struct sdrt_report *r, json_t *row);

/* Writes to standard output and to the files that the options name.  SDRT_E_NOMEM, SDRT_E_IO. */
int sdrt_report_write(struct sdrt_report *r);

/* null when x is not finite. */
json_t *sdrt_report_real(double x);

#endif
