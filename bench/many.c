/* SPDX-License-Identifier: MIT */
#include "bench/many.h"
#include "cli/commons.h"
#include "cli/mpi_part.h"
#include "runtime/ranks/cores.h"

#include <stdlib.h>
#include <string.h>

/* Seconds: ranks wait while another opens a model or computes alone. */
static const double usual_timeout = 600.0;

int sdrt_bench_check_many(const struct sdrt_bench_options *o)
{
    const char *other = o->scaling                              ? "scaling"
                        : o->bands                              ? "bands"
                        : o->taesd                              ? "taesd"
                        : o->device && strcmp(o->device, "cpu") ? "device"
                        : o->sizes                              ? "size of a list"
                        : o->precisions                         ? "precision of a list"
                        : o->thread_counts                      ? "threads of a list"
                                                                : NULL;

    if (!o->mpi && o->mpi_timeout > 0.0)
        return sdrt_fail(o->log, SDRT_E_ARG, "--mpi-timeout %g: expected --mpi beside it",
                         o->mpi_timeout);
    if (!o->mpi) return SDRT_OK;
    if (other) return sdrt_fail(o->log, SDRT_E_ARG, "--mpi, --%s: expected one of them", other);
    if (!strcmp(o->command, "vae") && !strcmp(o->mpi, "guidance"))
        return sdrt_fail(o->log, SDRT_E_ARG,
                         "--mpi=guidance: expected step or generate, a VAE decodes without it");
    if (!strcmp(o->command, "step") && !strcmp(o->mpi, "guidance") && o->batch % 2)
        return sdrt_fail(o->log, SDRT_E_ARG, "--mpi=guidance, --batch %d: expected pairs",
                         o->batch);
    return SDRT_OK;
}

int sdrt_bench_many_open(struct sdrt_bench_many *m, struct sdrt_bench_options *o, int argc,
                         char **argv)
{
    enum sdrt_cores cores = SDRT_CORES_OWN;
    char path[CLI_PATH];
    int status;

    o->many = m;
    if (!o->mpi) return SDRT_OK;
    status = sdrt_ranks_open(&m->ranks, cli_mpi_part(path), o->log);
    if (status != SDRT_OK) return status;
    m->ranks->timeout = o->mpi_timeout > 0.0 ? o->mpi_timeout : usual_timeout;
    status = sdrt_ranks_take_cores(m->ranks, &cores, o->log);
    if (status == SDRT_OK) status = cli_commons_open(&m->commons, m->ranks, argc, argv, o->log);
    if (status != SDRT_OK || cores == SDRT_CORES_OWN) return status;
    m->shared_cores = o->no_pin = 1;
    if (!o->threads) o->threads = 1;
    return SDRT_OK;
}

int sdrt_bench_is_first(const struct sdrt_bench_many *m)
{
    return !m || !m->ranks || m->ranks->rank == 0;
}

int sdrt_bench_keeps(struct sdrt_bench_many *m, const char *text)
{
    if (sdrt_bench_is_first(m)) return 0;
    if (!m->late) m->late = strdup(text);
    return 1;
}

int sdrt_bench_agree(struct sdrt_bench_many *m, int status, const struct sdrt_log *log)
{
    int all[SDRT_RANKS_MOST];

    if (!m || !m->ranks) return status;
    all[m->ranks->rank] = status;
    if (sdrt_ranks_gather(m->ranks, all, sizeof *all) != SDRT_OK)
        return status != SDRT_OK ? status : sdrt_ranks_fail(m->ranks, SDRT_E_IO, log);
    m->failed = all[0] != SDRT_OK;
    for (int i = 0; i < m->ranks->size && status == SDRT_OK; i++)
        if (all[i] != SDRT_OK) status = SDRT_E_CANCELLED;
    return status;
}

void sdrt_bench_many_close(struct sdrt_bench_many *m, const struct sdrt_log *log)
{
    const int rank = m->ranks ? m->ranks->rank : 0;
    char *late = m->late;

    m->late = NULL;
    sdrt_commons_close(&m->commons);
    sdrt_ranks_close(&m->ranks);
    if (late && !m->failed) sdrt_note(log, SDRT_LOG_ERROR, "rank %d: %s", rank, late);
    free(late);
}
