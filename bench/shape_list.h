/* SPDX-License-Identifier: MIT
 *
 * Which shapes sdbench times: the models', those of a JSON file, or one that was written out.
 */
#ifndef SDRT_BENCH_SHAPE_LIST_H
#define SDRT_BENCH_SHAPE_LIST_H

#include "bench/kernel_jobs.h"
#include "bench/sdbench.h"

#include <jansson.h>

struct sdrt_shape_list {
    struct sdrt_job *job; /* family, shape, calls and name, which the list keeps */
    int n;
    json_t *file;
};

/* Whether a word names the family, or (norm) a group that it is of; NULL names all. */
int sdrt_shape_wanted(const char *what, enum sdrt_family family);

/* What --shape, --shapes and the family after the command ask for, each name of a family once.  A
 * file is {"shapes": [{"shape": TEXT, "name": TEXT, "calls": N}, ...]}, of which shape alone is
 * needed, as in shape_text.h.  SDRT_E_ARG when none is left. */
int sdrt_shape_list_create(struct sdrt_shape_list *list, const struct sdrt_bench_options *o);
void sdrt_shape_list_free(struct sdrt_shape_list *list);

#endif
