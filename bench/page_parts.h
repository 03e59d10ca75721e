/* SPDX-License-Identifier: MIT
 *
 * Parts of the page (page.h).  Each writes to an open stream; what it is given is borrowed.
 */
#ifndef SDRT_BENCH_PAGE_PARTS_H
#define SDRT_BENCH_PAGE_PARTS_H

#include <jansson.h>
#include <stdio.h>

/* Text of a file, in which nothing is a tag. */
void sdrt_page_text(FILE *f, const char *text);

/* The files side by side: a row for each kind of work in each (arch, size, instruction set, precision,
 * threads), with a step, a decode, an image and the machine's roof.  Nothing where no file has any. */
void sdrt_page_overview(json_t *const *files, const char *const *names, int n, FILE *f);

/* An array of objects as a table of the name, with titles and units as the report has them, and a bar
 * for each row's "ms"; a long one is folded up. */
void sdrt_page_table(const char *name, const json_t *rows, FILE *f);

/* The roofline picture of a document of `layers` with its rows; nothing where it tells no roof. */
void sdrt_page_picture(const json_t *document, const json_t *layers, FILE *f);

#endif
