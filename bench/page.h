/* SPDX-License-Identifier: MIT
 *
 * Results files as one static HTML page: no script, nothing from the network.
 */
#ifndef SDRT_BENCH_PAGE_H
#define SDRT_BENCH_PAGE_H

#include <jansson.h>
#include <stdio.h>

/* Writes the page of n files' documents (results_file.h) to an open stream: all side by side, then what
 * each was made on, its warnings, its tables with bars for times, and for a pass by layers the roofline
 * picture.
 * names are the files'; both are borrowed. */
void sdrt_page_print(json_t *const *files, const char *const *names, int n, FILE *f);

#endif
