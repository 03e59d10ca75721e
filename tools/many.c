/* SPDX-License-Identifier: MIT */
#include "tools/many.h"
#include "cli/mpi_part.h"
#include "model/pipeline/share.h"
#include "runtime/ranks/cores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A process on a core that is not its own alone is not to hold it. */
static int take_cores(struct many *m, struct sdgen_options *o)
{
    enum sdrt_cores cores;
    const int status = sdrt_ranks_take_cores(m->ranks, &cores, m->log);

    if (status != SDRT_OK || cores == SDRT_CORES_OWN) return status;
    o->model.no_pin = 1;
    if (!o->model.threads) o->model.threads = 1;
    return SDRT_OK;
}

int many_open(struct many *m, struct sdgen_options *o, int argc, char **argv,
              const struct sdrt_log *log)
{
    char path[CLI_PATH];
    int status;

    if (!o->mpi) return SDRT_OK;
    m->log = log;
    m->together = strcmp(o->mpi, "images") != 0;
    status = sdrt_ranks_open(&m->ranks, cli_mpi_part(path), log);
    if (status != SDRT_OK) return status;
    if (o->mpi_timeout > 0.0) m->ranks->timeout = o->mpi_timeout;
    o->sharers = m->ranks->node_size;
    status = sdrt_ranks_broadcast(m->ranks, &o->request.seed, sizeof o->request.seed);
    if (status != SDRT_OK) return sdrt_ranks_fail(m->ranks, status, log);
    if (many_first(m))
        sdrt_note(log, SDRT_LOG_INFO, "%d ranks of %s", m->ranks->size, m->ranks->name);
    status = take_cores(m, o);
    return status == SDRT_OK ? cli_commons_open(&m->commons, m->ranks, argc, argv, log) : status;
}

int many_first(const struct many *m) { return !m->ranks || m->ranks->rank == 0; }

/* ---- names ---- */

/* All names, each with its end, on rank 0. */
static int make_names(struct many *m, const struct output *output, size_t *size)
{
    FILE *f = open_memstream(&m->names_text, size);
    int status = f ? SDRT_OK : SDRT_E_NOMEM;

    for (int k = 0; k < output->total && status == SDRT_OK; k++) {
        char *name = output_name_ahead(output, k);
        if (!name) status = SDRT_E_NOMEM;
        else fwrite(name, 1, strlen(name) + 1, f);
        free(name);
    }
    if (f && fclose(f)) status = SDRT_E_NOMEM;
    if (status != SDRT_OK) sdrt_fail(m->log, status, "no memory for the images' names");
    return status;
}

static int index_names(struct many *m, int total)
{
    const char *at = m->names_text;

    m->names = calloc((size_t)total, sizeof *m->names);
    if (!m->names) return sdrt_fail(m->log, SDRT_E_NOMEM, "no memory for the images' names");
    for (int k = 0; k < total; k++, at += strlen(at) + 1) m->names[k] = at;
    m->n_names = total;
    return SDRT_OK;
}

int many_begin(struct many *m, const struct output *output, int each, int status,
               const volatile sig_atomic_t *stop)
{
    struct {
        int64_t status;
        uint64_t size;
    } head = { status, 0 };
    size_t size = 0;

    if (!m->ranks) return status;
    if (many_first(m) && status == SDRT_OK) head.status = make_names(m, output, &size);
    head.size = size;
    if (sdrt_ranks_broadcast(m->ranks, &head, sizeof head) != SDRT_OK)
        return sdrt_ranks_fail(m->ranks, SDRT_E_IO, m->log);
    if (head.status != SDRT_OK) return many_first(m) ? (int)head.status : SDRT_E_CANCELLED;
    if (!many_first(m)) m->names_text = malloc(head.size + 1);
    if (!m->names_text) return sdrt_fail(m->log, SDRT_E_NOMEM, "no memory for the images' names");
    if (sdrt_ranks_broadcast(m->ranks, m->names_text, head.size) != SDRT_OK)
        return sdrt_ranks_fail(m->ranks, SDRT_E_IO, m->log);
    status = index_names(m, output->total);
    m->each = each;
    if (status != SDRT_OK || m->together) return status;
    if (output->total == each && m->ranks->size > 1 && many_first(m))
        sdrt_note(m->log, SDRT_LOG_WARNING,
                  "MPI: one batch, which one rank draws; --batch-count deals out several");
    return sdrt_deal_open(&m->deal, m->ranks, output->total / each, stop, m->log);
}

/* ---- together ---- */

int many_agree(struct many *m, int status)
{
    int all[SDRT_RANKS_MOST];

    if (!m->together) return status;
    all[m->ranks->rank] = status;
    const int failed = sdrt_ranks_gather(m->ranks, all, sizeof *all);
    m->agreed = 1;
    if (m->late && (failed || all[0] == SDRT_OK)) sdrt_note(m->log, SDRT_LOG_ERROR, "%s", m->late);
    if (failed) return sdrt_ranks_fail(m->ranks, SDRT_E_IO, m->log);
    for (int i = 0; i < m->ranks->size && status == SDRT_OK; i++)
        if (all[i] != SDRT_OK) status = SDRT_E_CANCELLED;
    return status;
}

int many_share(struct many *m, struct sdrt_context *context, const struct sdgen_options *o,
               int status)
{
    const enum sdrt_sharing how = o->mpi && !strcmp(o->mpi, "rows") ? SDRT_SHARE_ROWS
                                                                    : SDRT_SHARE_GUIDANCE;

    if (status == SDRT_OK && m->commons)
        sdrt_model_share_weights(sdrt_session_of(context)->model, m->commons);
    if (!m->together) return status;
    if (status == SDRT_OK && o->request.hires != 0.0f)
        status = sdrt_fail(m->log, SDRT_E_ARG, "--mpi=%s, --hires: expected one of them", o->mpi);
    if (status == SDRT_OK) status = sdrt_session_share(sdrt_session_of(context), m->ranks, how);
    status = many_agree(m, status);
    m->agreed = status != SDRT_OK; /* until the request is read too */
    return status;
}

int many_keeps(struct many *m, const char *text)
{
    if (!m->together || !m->ranks || many_first(m) || m->agreed) return 0;
    if (!m->late) m->late = strdup(text);
    return 1;
}

int many_writes(const struct many *m) { return !m->together || many_first(m); }

/* ---- batches ---- */

int many_next(struct many *m, int i, int total, int status)
{
    if (m->deal)
        return sdrt_deal_next(m->deal, i < 0    ? SDRT_DEALT_NONE
                                       : status ? SDRT_DEALT_FAILED
                                                : SDRT_DEALT_DONE);
    return status == SDRT_OK && i + 1 < total ? i + 1 : -1;
}

/* The images of batches that nobody has drawn; where rank 0 alone knew, those that are not there. */
static int name_missing(const struct many *m, const unsigned char *done)
{
    char *text = NULL;
    size_t size;
    int n = 0;
    FILE *f = open_memstream(&text, &size);

    for (int k = 0; k < m->n_names && f; k++)
        if (many_first(m) ? !done[k / m->each] : access(m->names[k], F_OK) != 0)
            fprintf(f, "%s%s", n++ ? ", " : "", m->names[k]);
    if (f) fclose(f);
    if (n)
        sdrt_note(m->log, SDRT_LOG_WARNING, "MPI: not drawn%s: %s", many_first(m) ? "" : " so far",
                  text ? text : "");
    free(text);
    return n ? SDRT_E_IO : SDRT_OK;
}

int many_end(struct many *m, int status)
{
    unsigned char *done;
    int ended, missing = SDRT_OK;

    if (!m->deal) return status;
    done = calloc((size_t)m->n_names, 1);
    ended = sdrt_deal_close(&m->deal, done);
    m->lost = ended != SDRT_OK;
    if (done && (many_first(m) || m->lost)) missing = name_missing(m, done);
    free(done);
    if (status != SDRT_OK) return status;
    /* What a lost rank had is drawn by others: told, and no failure. */
    return many_first(m) ? missing : ended;
}

/* Nobody can leave MPI together any more.  Without rank 0, who does not know when the others are done
 * gives them as long again as they had. */
static void end_all(struct many *m, int exit_status)
{
    if (!many_first(m)) sleep((unsigned)m->ranks->timeout + 1);
    fflush(NULL);
    m->ranks->calls->abort(m->ranks, exit_status);
}

void many_close(struct many *m, int exit_status)
{
    if (m->ranks && m->lost) end_all(m, exit_status);
    sdrt_commons_close(&m->commons);
    sdrt_ranks_close(&m->ranks);
    free(m->late);
    free(m->names_text);
    free(m->names);
}
