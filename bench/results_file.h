/* SPDX-License-Identifier: MIT
 *
 * Files that sdbench wrote, read again.
 */
#ifndef SDRT_BENCH_RESULTS_FILE_H
#define SDRT_BENCH_RESULTS_FILE_H

#include "runtime/base/error.h"

#include <jansson.h>

/* Reads a file of any form but Markdown into an array of documents as report.h describes them: of
 * .json one or an array of them, of .jsonl one a line, of .csv those that its rows were of, with the
 * facts that rows begin with.  The caller drops *out, NULL after a failure.  SDRT_E_FORMAT with a line
 * that says where; errors of reading. */
int sdrt_results_load(json_t **out, const char *path, const struct sdrt_log *log);

/* Facts of a document: a text ("unknown" where it has none), a number (NAN); group may be NULL. */
const char *sdrt_result_text(const json_t *document, const char *group, const char *key);
double sdrt_result_number(const json_t *document, const char *group, const char *key);

#endif
