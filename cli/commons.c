/* SPDX-License-Identifier: MIT */
#include "cli/commons.h"
#include "runtime/base/hash.h"
#include "runtime/random/entropy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What ranks tell each other. */
struct told {
    struct sdrt_commons_place place;
    uint64_t words; /* a hash of those by which it was started */
    int64_t why;    /* errno; 0: it has them */
};

static uint64_t hash_of(int argc, char **argv)
{
    uint64_t hash = SDRT_HASH_START;

    for (int i = 0; i < argc; i++) hash = sdrt_hash(hash, argv[i], strlen(argv[i]) + 1);
    return hash;
}

static void keep(struct told *told, int status, const struct sdrt_commons *c)
{
    told->why = status == SDRT_OK ? 0 : errno ? errno : ENOMEM;
    if (c) told->place = sdrt_commons_place(c);
}

static struct sdrt_commons *make(struct told *told)
{
    struct sdrt_commons *c = NULL;
    uint64_t token;

    errno = 0;
    const int status = sdrt_entropy(&token, sizeof token) ? sdrt_commons_create(&c, token) : -1;
    keep(told, status, c);
    return c;
}

static struct sdrt_commons *join(struct told *told, const struct told *first)
{
    struct sdrt_commons *c = NULL;

    errno = 0;
    if (first->why) told->why = first->why;
    else if (first->words != told->words) told->why = EINVAL;
    else {
        const int status = sdrt_commons_open(&c, first->place);
        keep(told, status, c);
    }
    return c;
}

/* The first rank of a machine that has none says so. */
static void tell(const struct sdrt_ranks *r, const struct told *all, const struct sdrt_log *log)
{
    for (int i = 0; i < r->rank; i++)
        if (all[i].why && r->nodes[i] == r->nodes[r->rank]) return;
    if (all[r->rank].why && r->node_size > 1)
        sdrt_note(log, SDRT_LOG_WARNING,
                  "MPI: rank %d shares no weights with the first of its machine: %s", r->rank,
                  all[r->rank].why == EINVAL ? "they were started by other words"
                                             : strerror((int)all[r->rank].why));
}

int cli_commons_open(struct sdrt_commons **out, struct sdrt_ranks *r, int argc, char **argv,
                     const struct sdrt_log *log)
{
    const int first = r->nodes[r->rank];
    struct told *all = calloc((size_t)r->size, sizeof *all);
    int status;

    *out = NULL;
    if (!all) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for the ranks");
    all[r->rank].words = hash_of(argc, argv);
    if (first == r->rank && r->node_size > 1) *out = make(&all[r->rank]);
    status = sdrt_ranks_gather(r, all, sizeof *all);
    if (status == SDRT_OK && first != r->rank) *out = join(&all[r->rank], &all[first]);
    if (status == SDRT_OK) status = sdrt_ranks_gather(r, all, sizeof *all);
    if (status != SDRT_OK) sdrt_ranks_fail(r, status, log);
    else tell(r, all, log);
    free(all);
    return status;
}
