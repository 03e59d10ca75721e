/* SPDX-License-Identifier: MIT
 *
 * Whether a checkpoint has what programs need, told in one line.
 */
#include "runtime/graph/program_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 3, NAME = 160 };

struct faults {
    const char **names; /* borrowed from the graphs, each once */
    int n, missing;
};

static size_t count_weights(const struct sdrt_graph *g)
{
    size_t sum = 0;

    for (int i = 0; i < g->n_nodes; i++) sum += 2 * (size_t)g->nodes[i].n_weights;
    return sum;
}

static void note(struct faults *f, struct sdrt_weight_store *store, const char *name)
{
    const int fault = sdrt_weight_store_fault(store, name);

    if (fault == SDRT_OK) return;
    for (int i = 0; i < f->n; i++)
        if (!strcmp(f->names[i], name)) return;
    f->names[f->n++] = name;
    f->missing += fault == SDRT_E_MISSING;
}

static void note_program(struct faults *f, const struct sdrt_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct sdrt_node *n = &g->nodes[i];
        for (int k = 0; k < n->n_weights; k++) {
            note(f, g->store, n->weights[k]);
            if (n->biases) note(f, g->store, n->biases[k]);
        }
    }
}

static int tell(const struct faults *f, const struct sdrt_log *log)
{
    char list[SHOWN * (NAME + 2) + 1] = "", rest[48] = "";
    const char *many = f->n == 1 ? "" : "s";

    for (int i = 0; i < f->n && i < SHOWN; i++) {
        const size_t at = strlen(list);
        snprintf(list + at, sizeof list - at, "%s%.*s", i ? ", " : "", NAME - 1, f->names[i]);
    }
    if (f->n > SHOWN) snprintf(rest, sizeof rest, " and %d more", f->n - SHOWN);
    if (f->missing == f->n)
        return sdrt_fail(log, SDRT_E_MISSING, "the checkpoint lacks %d tensor%s: %s%s", f->n, many,
                         list, rest);
    return sdrt_fail(log, SDRT_E_FORMAT,
                     "the checkpoint has %d tensor%s missing or of another shape: %s%s", f->n, many,
                     list, rest);
}

int sdrt_programs_check(struct sdrt_program *const *programs, int n, const struct sdrt_log *log)
{
    struct faults f = { .n = 0 };
    size_t most = 1;
    int status = SDRT_OK;

    for (int i = 0; i < n; i++)
        if (programs[i]) most += count_weights(programs[i]->graph);
    f.names = calloc(most, sizeof *f.names);
    if (!f.names) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a list of weights");
    for (int i = 0; i < n; i++)
        if (programs[i]) note_program(&f, programs[i]->graph);
    if (f.n) status = tell(&f, log);
    free(f.names);
    return status;
}
