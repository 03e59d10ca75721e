/* SPDX-License-Identifier: MIT
 *
 * The inside of a report, shared by what fills it and what writes it.
 */
#ifndef SDRT_BENCH_REPORT_INTERNAL_H
#define SDRT_BENCH_REPORT_INTERNAL_H

#include "bench/load.h"
#include "bench/report.h"

#include <stdio.h>

enum { SDRT_REPORT_TABLES = 4 };

/* A line for people. */
struct sdrt_fact {
    const char *label;
    char *text;
};

struct sdrt_report_table {
    const char *key;
    const struct sdrt_column *columns;
    int columns_n;
    json_t *rows; /* borrowed from the document */
};

struct sdrt_report {
    const struct sdrt_bench_options *o;
    json_t *document;
    struct sdrt_fact *facts;
    int facts_n, facts_cap;
    char *last; /* line, or NULL */
    struct sdrt_report_table tables[SDRT_REPORT_TABLES];
    int tables_n;
    struct sdrt_load load;
    int failed; /* out of memory */
};

/* Writes the document in one form to an open stream. */
void sdrt_report_print(const struct sdrt_report *r, enum sdrt_bench_format format, FILE *f);

void sdrt_report_print_csv(const struct sdrt_report *r, FILE *f);

#endif
