/* SPDX-License-Identifier: MIT */
#include "bench/rivals.h"
#include "kernels/blas/library.h"
#include "kernels/blas/threads.h"
#include "kernels/isa.h"
#include "runtime/random/rng.h"

#include <stdlib.h>

/* A matrix product, or a job of the blas level. */
struct sdrt_rival_work {
    struct sdrt_queue *queue;
    int m, n, k, a_pitch;
    const float *a;
    float *w, *y;
    struct sdrt_ops ops;
    struct sdrt_job job; /* a conv's */
};

static void release(struct sdrt_rival_work **work)
{
    if (!*work) return;
    sdrt_job_release(&(*work)->job);
    free((*work)->w);
    free((*work)->y);
    free(*work);
    *work = NULL;
}

static int set_product(struct sdrt_rival_work *r, const struct sdrt_job *j)
{
    const struct sdrt_gemm_shape *s = &j->u.gemm;
    struct sdrt_rng rng;

    r->m = s->m;
    r->n = s->n * (s->w.gated ? 2 : 1);
    r->k = s->k;
    r->a = j->x;
    r->a_pitch = s->a_pitch;
    sdrt_rng_seed(&rng, SDRT_RNG_CPU, 2);
    r->w = sdrt_job_numbers(&rng, (size_t)r->n * (size_t)r->k);
    r->y = sdrt_job_numbers(NULL, (size_t)r->m * (size_t)r->n);
    return r->w && r->y;
}

static int set_conv(struct sdrt_rival_work *r, const struct sdrt_job *j)
{
    sdrt_ops_init(&r->ops, SDRT_ISA_BLAS);
    r->job.family = j->family;
    r->job.u = j->u;
    r->job.u.conv.w.stored = SDRT_F32;
    return sdrt_job_set(&r->job, &r->ops, j->queue);
}

static struct sdrt_rival_work *set(const struct sdrt_job *j, int bf16)
{
    struct sdrt_rival_work *r = NULL;

    (void)bf16; /* it has f32 only that is fast */
    if (j->family != SDRT_FAMILY_GEMM && j->family != SDRT_FAMILY_CONV) return NULL;
    r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->queue = j->queue;
    if (!(j->family == SDRT_FAMILY_GEMM ? set_product(r, j) : set_conv(r, j))) release(&r);
    return r;
}

/* The longer side is split, so that short matrices keep all workers busy too. */
static void multiply(void *arg, int worker, int part)
{
    const struct sdrt_rival_work *r = arg;
    const int parts = r->queue->workers;
    const int by_rows = r->m >= r->n, all = by_rows ? r->m : r->n;
    const int begin = sdrt_row_begin(all, part, parts);
    const int count = sdrt_row_begin(all, part + 1, parts) - begin;
    const size_t row = by_rows ? (size_t)begin : 0, column = by_rows ? 0 : (size_t)begin;

    (void)worker;
    if (!count) return;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, by_rows ? count : r->m,
                by_rows ? r->n : count, r->k, 1.0f, r->a + row * (size_t)r->a_pitch, r->a_pitch,
                r->w + column * (size_t)r->k, r->k, 0.0f, r->y + row * (size_t)r->n + column, r->n);
}

static void run(struct sdrt_rival_work *r)
{
    if (r->job.ops) sdrt_job_run(&r->job);
    else sdrt_queue_each(r->queue, r->queue->workers, multiply, r);
}

const struct sdrt_rival sdrt_rival_openblas = { SDRT_BLAS_NAME, set, run, release };

void sdrt_rivals_start(int threads)
{
    sdrt_blas_hold(); /* for good: the team's workers are its threads */
    if (sdrt_rival_onednn) sdrt_onednn_start(threads);
}
