/* SPDX-License-Identifier: MIT */
#include "runtime/ranks/ranks.h"
#include "runtime/base/clock.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEW = 32 /* ranks, for which no memory is taken */ };
enum { TAG_BROADCAST = 1, TAG_GATHER, TAG_BARRIER };

int sdrt_ranks_open(struct sdrt_ranks **out, const char *path, const struct sdrt_log *log)
{
    struct sdrt_ranks *r;
    void *part;

    *out = NULL;
    /* Global: what carries messages loads parts of its own, which look for its symbols. */
    part = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!part)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "MPI: no part to load (%s): expected a build with it, see README.md",
                         dlerror());
    const struct sdrt_ranks_part *p = dlsym(part, "sdrt_ranks_part");
    if (!p || p->abi != SDRT_RANKS_ABI)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: expected the part for MPI of this version",
                         path);
    r = calloc(1, sizeof *r);
    if (!r) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for the ranks");
    r->timeout = SDRT_RANKS_TIMEOUT;
    if (p->open(r) != 0) {
        const int status = sdrt_ranks_fail(r, SDRT_E_UNSUPPORTED, log);
        free(r);
        return status;
    }
    *out = r;
    return SDRT_OK;
}

void sdrt_ranks_close(struct sdrt_ranks **ranks)
{
    struct sdrt_ranks *r = ranks ? *ranks : NULL;

    if (!r) return;
    r->calls->close(r, !r->fault[0]);
    free(r);
    *ranks = NULL;
}

int sdrt_ranks_fail(const struct sdrt_ranks *r, int status, const struct sdrt_log *log)
{
    return sdrt_fail(log, status, "MPI: %s", r->fault[0] ? r->fault : "failed");
}

int sdrt_ranks_exchange(struct sdrt_ranks *r, const struct sdrt_message *messages, int n)
{
    const double begin = sdrt_now();
    int failed;

    if (r->fault[0]) return SDRT_E_IO;
    failed = n ? r->calls->exchange(r, messages, n) : 0;
    r->seconds += sdrt_now() - begin;
    r->exchanges++;
    for (int i = 0; i < n && !failed; i++)
        *(messages[i].receives ? &r->bytes_in : &r->bytes_out) += messages[i].bytes;
    return failed ? SDRT_E_IO : SDRT_OK;
}

/* A tree: a rank has the bytes from the one that lacks its highest bit, and hands them on to those that
 * have a higher one more. */
int sdrt_ranks_broadcast(struct sdrt_ranks *r, void *data, size_t bytes)
{
    int bit = 1, status = SDRT_OK;

    while (bit <= r->rank) bit *= 2;
    if (r->rank) {
        const struct sdrt_message from = { r->rank - bit / 2, TAG_BROADCAST, 1, data, bytes };
        status = sdrt_ranks_exchange(r, &from, 1);
    }
    for (; r->rank + bit < r->size && status == SDRT_OK; bit *= 2) {
        const struct sdrt_message to = { r->rank + bit, TAG_BROADCAST, 0, data, bytes };
        status = sdrt_ranks_exchange(r, &to, 1);
    }
    return status;
}

/* Each rank's own bytes to everybody, in one exchange. */
static int gather(struct sdrt_ranks *r, unsigned char *all, const size_t *at, const size_t *bytes,
                  size_t each, int tag)
{
    struct sdrt_message few[2 * FEW] = { { .with = 0 } };
    struct sdrt_message *m = r->size <= FEW ? few : malloc(2 * (size_t)r->size * sizeof *m);
    int n = 0;

    if (!m) {
        snprintf(r->fault, sizeof r->fault, "out of memory for messages");
        return SDRT_E_IO;
    }
    for (int k = 1; k < r->size; k++) {
        const int to = (r->rank + k) % r->size, from = (r->rank + r->size - k) % r->size,
                  me = r->rank;
        const size_t in = bytes ? bytes[from] : each, mine = bytes ? bytes[me] : each;
        if (in)
            m[n++] = (struct sdrt_message){ from, tag, 1,
                                            all + (at ? at[from] : each * (size_t)from), in };
        if (mine)
            m[n++] = (struct sdrt_message){ to, tag, 0, all + (at ? at[me] : each * (size_t)me),
                                            mine };
    }
    const int status = sdrt_ranks_exchange(r, m, n);
    if (m != few) free(m);
    return status;
}

int sdrt_ranks_gather(struct sdrt_ranks *r, void *all, size_t bytes)
{
    return gather(r, all, NULL, NULL, bytes, TAG_GATHER);
}

int sdrt_ranks_gather_parts(struct sdrt_ranks *r, void *all, const size_t *at, const size_t *bytes)
{
    return gather(r, all, at, bytes, 0, TAG_GATHER);
}

int sdrt_ranks_barrier(struct sdrt_ranks *r)
{
    unsigned char *all = calloc((size_t)r->size, 1);
    const int status = all ? gather(r, all, NULL, NULL, 1, TAG_BARRIER) : SDRT_E_IO;

    free(all);
    return status;
}
