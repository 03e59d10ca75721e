/* SPDX-License-Identifier: MIT
 *
 * Ranks that are MPI's, as a part that is loaded when they are asked for: nothing else here knows MPI.
 * It needs no symbol of the program that loads it.
 */
#include "runtime/base/clock.h"
#include "runtime/ranks/ranks.h"

#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* MPI counts in int: larger messages go in pieces. */
enum { PIECE = 1 << 30, POLLS = 200, FEW = 64 };

/* A copy that is on its way. */
struct posted {
    struct posted *next;
    MPI_Request request;
    unsigned char data[];
};

struct own {
    MPI_Comm world;
    struct posted *posted;
    int *nodes;
    char name[MPI_MAX_LIBRARY_VERSION_STRING];
};

static int fault(struct sdrt_ranks *r, const char *what, int code)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;

    if (code) MPI_Error_string(code, text, &n);
    if (!r->fault[0])
        snprintf(r->fault, sizeof r->fault, "%.60s%s%.90s", what, n ? ": " : "", text);
    return -1;
}

/* Looks often at first, then lets others have the processor, who may be what it waits for. */
static void rest(int polls)
{
    static const struct timespec nap = { 0, 100000 };

    if (polls > POLLS) nanosleep(&nap, NULL);
}

/* Whom the exchange still waits for. */
static int stalled(struct sdrt_ranks *r, const struct sdrt_message *m, int n,
                   const MPI_Request *requests, const int *of)
{
    char what[80];

    for (int i = 0; i < n; i++) {
        if (requests[i] == MPI_REQUEST_NULL) continue;
        snprintf(what, sizeof what, "rank %d has not answered for %.3g s", m[of[i]].with,
                 r->timeout);
        return fault(r, what, 0);
    }
    return fault(r, "time is up", 0);
}

/* MPICH's word for no statuses is an address that GCC takes for an array of none. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#endif
static int wait_all(struct sdrt_ranks *r, const struct sdrt_message *m, int n,
                    MPI_Request *requests, const int *of)
{
    const double until = sdrt_now() + r->timeout;
    int done = 0, code;

    for (int polls = 0; !done; polls++) {
        code = MPI_Testall(n, requests, &done, MPI_STATUSES_IGNORE);
        if (code) return fault(r, "messages failed", code);
        if (!done && polls > POLLS && sdrt_now() > until) return stalled(r, m, n, requests, of);
        if (!done) rest(polls);
    }
    return 0;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

static int begin(const struct own *o, const struct sdrt_message *m, size_t at, MPI_Request *request)
{
    const size_t left = m->bytes - at;
    const int bytes = (int)(left < PIECE ? left : PIECE);
    unsigned char *data = (unsigned char *)m->data + at;

    return m->receives ? MPI_Irecv(data, bytes, MPI_BYTE, m->with, m->tag, o->world, request)
                       : MPI_Isend(data, bytes, MPI_BYTE, m->with, m->tag, o->world, request);
}

static int mpi_exchange(struct sdrt_ranks *r, const struct sdrt_message *messages, int n)
{
    const struct own *o = r->own;
    int pieces = 0, at = 0, code = 0, *of;
    MPI_Request few[FEW], *requests = few;
    int of_few[FEW];

    of = of_few;
    for (int i = 0; i < n; i++) pieces += (int)(messages[i].bytes / PIECE) + 1;
    if (pieces > FEW) {
        requests = malloc((size_t)pieces * sizeof *requests);
        of = malloc((size_t)pieces * sizeof *of);
    }
    if (!requests || !of) {
        free(requests);
        free(of);
        return fault(r, "out of memory for messages", 0);
    }
    /* What is received first, so that it has a place when it comes. */
    for (int receives = 1; receives >= 0; receives--)
        for (int i = 0; i < n && !code; i++)
            for (size_t k = 0; messages[i].receives == receives && k < messages[i].bytes && !code;
                 k += PIECE) {
                of[at] = i;
                code = begin(o, &messages[i], k, &requests[at++]);
            }
    const int failed = code ? fault(r, "a message failed", code)
                            : wait_all(r, messages, at, requests, of);
    /* After a failure MPI may still write to what it was given: it ends with the process. */
    if (!failed && requests != few) free(requests);
    if (of != of_few) free(of);
    return failed;
}

/* Frees what has been sent. */
static int sweep(struct sdrt_ranks *r)
{
    struct own *o = r->own;

    for (struct posted **p = &o->posted; *p;) {
        struct posted *this = *p;
        int done = 0;
        const int code = MPI_Test(&this->request, &done, MPI_STATUS_IGNORE);
        if (code) return fault(r, "a message failed", code);
        if (done) {
            *p = this->next;
            free(this);
        } else {
            p = &this->next;
        }
    }
    return 0;
}

static int mpi_post(struct sdrt_ranks *r, int to, int tag, const void *data, size_t bytes)
{
    struct own *o = r->own;
    struct posted *p = malloc(sizeof *p + bytes);

    if (!p) return fault(r, "out of memory for a message", 0);
    memcpy(p->data, data, bytes);
    const int code = MPI_Isend(p->data, (int)bytes, MPI_BYTE, to, tag, o->world, &p->request);
    if (code) {
        free(p);
        return fault(r, "a message failed", code);
    }
    p->next = o->posted;
    o->posted = p;
    return sweep(r);
}

static int mpi_poll(struct sdrt_ranks *r, int tag, void *data, size_t bytes, int *from)
{
    const struct own *o = r->own;
    MPI_Status status;
    int there = 0, code = MPI_Iprobe(MPI_ANY_SOURCE, tag, o->world, &there, &status);

    if (!code && there)
        code = MPI_Recv(data, (int)bytes, MPI_BYTE, status.MPI_SOURCE, tag, o->world, &status);
    if (code) return fault(r, "a message failed", code);
    if (there) *from = status.MPI_SOURCE;
    return sweep(r) ? -1 : there;
}

/* Finalizing waits for all ranks, also for one that is killed on the way there. */
static void *end_late(void *timeout)
{
    const double seconds = *(const double *)timeout;
    const struct timespec t = { (time_t)seconds,
                                (long)((seconds - (double)(time_t)seconds) * 1e9) };

    nanosleep(&t, NULL);
    fputs("MPI: not all ranks came to the end\n", stderr);
    _exit(EXIT_FAILURE);
}

static void mpi_close(struct sdrt_ranks *r, int clean)
{
    static double timeout;
    struct own *o = r->own;
    pthread_t watch;

    /* So those that lost one leave without it. */
    if (!clean) return;
    while (o->posted && sweep(r) == 0) rest(POLLS + 1);
    timeout = r->timeout;
    if (pthread_create(&watch, NULL, end_late, &timeout) == 0) pthread_detach(watch);
    MPI_Finalize();
    free(o->nodes);
    free(o);
}

static void mpi_abort(struct sdrt_ranks *r, int status)
{
    const struct own *o = r->own;

    MPI_Abort(o->world, status);
    _exit(status);
}

/* Which ranks are on one machine. */
static int find_nodes(struct sdrt_ranks *r)
{
    struct own *o = r->own;
    MPI_Comm node;
    int lowest, code;

    o->nodes = malloc((size_t)r->size * sizeof *o->nodes);
    if (!o->nodes) return fault(r, "out of memory for the ranks", 0);
    code = MPI_Comm_split_type(o->world, MPI_COMM_TYPE_SHARED, r->rank, MPI_INFO_NULL, &node);
    if (code) return fault(r, "the machines are not known", code);
    MPI_Comm_rank(node, &r->node_rank);
    MPI_Comm_size(node, &r->node_size);
    MPI_Allreduce(&r->rank, &lowest, 1, MPI_INT, MPI_MIN, node);
    MPI_Comm_free(&node);
    code = MPI_Allgather(&lowest, 1, MPI_INT, o->nodes, 1, MPI_INT, o->world);
    r->nodes = o->nodes;
    return code ? fault(r, "the machines are not known", code) : 0;
}

/* "Open MPI v4.1.4, package: ..." and "MPICH Version: 4.0.2\n..." to what they begin with. */
static void name_library(struct own *o)
{
    int n = 0;

    MPI_Get_library_version(o->name, &n);
    o->name[strcspn(o->name, ",\n")] = '\0';
    for (char *c = o->name; *c; c++)
        if (*c == '\t') *c = ' ';
}

static int mpi_open(struct sdrt_ranks *r)
{
    static const struct sdrt_ranks_calls calls = {
        mpi_exchange, mpi_post, mpi_poll, mpi_close, mpi_abort,
    };
    struct own *o = calloc(1, sizeof *o);
    int level, code;

    if (!o) return fault(r, "out of memory for the ranks", 0);
    code = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level);
    if (code || level < MPI_THREAD_SERIALIZED) {
        free(o);
        return fault(r, "expected one that more than one thread may call (MPI_THREAD_SERIALIZED)",
                     code);
    }
    o->world = MPI_COMM_WORLD;
    MPI_Comm_set_errhandler(o->world, MPI_ERRORS_RETURN);
    MPI_Comm_rank(o->world, &r->rank);
    MPI_Comm_size(o->world, &r->size);
    name_library(o);
    r->own = o;
    r->name = o->name;
    r->calls = &calls;
    if (r->size > SDRT_RANKS_MOST) return fault(r, "expected at most 4096 ranks", 0);
    return find_nodes(r);
}

extern const struct sdrt_ranks_part sdrt_ranks_part;
__attribute__((visibility("default")))
const struct sdrt_ranks_part sdrt_ranks_part = { SDRT_RANKS_ABI, mpi_open };
