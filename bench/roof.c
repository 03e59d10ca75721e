/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "bench/harness.h"
#include "bench/roof.h"
#include "kernels/isa.h"

#include <sys/mman.h>

/* A level without instructions of its own (generic, blas) is measured against all that the
 * machine has, which is what a BLAS uses. */
static const struct sdrt_roof_loops *loops_of(const char *isa)
{
    const struct sdrt_isa_level *level = sdrt_isa_find(isa);
    unsigned flags = level ? level->flags : 0;

    if (!(flags & ~(unsigned)SDRT_ISA_BLAS)) flags = sdrt_isa_detect();
#if HAVE_AVX512
    if (flags & SDRT_ISA_AVX512) return &sdrt_roof_avx512;
#endif
#if HAVE_AVX2
    if (flags & SDRT_ISA_AVX2) return &sdrt_roof_avx2;
#endif
    return &sdrt_roof_generic;
}

struct attempt {
    const struct sdrt_roof_loops *loops;
    struct sdrt_team *team;
    float *memory;
    long rounds, floats;     /* floats of memory for each worker */
    double work[3][SDRT_TEAM_MAX_WORKERS];
    double seconds[3];
};

static void body(void *arg, int worker, int workers)
{
    struct attempt *t = arg;
    double start = 0.0;

    (void)workers;
    for (int what = 0; what < 3; what++) {
        sdrt_team_barrier(t->team, worker);
        if (worker == 0) start = sdrt_bench_now();
        double done = 0.0;
        if (what == 0) done = t->loops->f32(t->rounds);
        if (what == 1 && t->loops->int8) done = t->loops->int8(t->rounds);
        if (what == 2 && t->memory)
            done = t->loops->read(t->memory + (size_t)worker * (size_t)t->floats, t->floats);
        t->work[what][worker] = done;
        sdrt_team_barrier(t->team, worker);
        if (worker == 0) t->seconds[what] = sdrt_bench_now() - start;
    }
}

/* Each worker its own stretch, so that pages lie near the core that reads them. */
static void touch(void *arg, int worker, int workers)
{
    const struct attempt *t = arg;
    float *mine = t->memory + (size_t)worker * (size_t)t->floats;

    (void)workers;
    for (long i = 0; i < t->floats; i++) mine[i] = 1.0f;
}

static double rate(const struct attempt *t, int what, double best)
{
    double work = 0.0;

    for (int w = 0; w < sdrt_team_workers(t->team); w++) work += t->work[what][w];
    const double r = work / t->seconds[what] * 1e-9;
    return r > best ? r : best;
}

void sdrt_roof_try(struct sdrt_roof *roof, struct sdrt_team *team, const char *isa)
{
    enum { FLOATS = 32 << 20 }; /* 128 MiB for each worker, beyond any cache */
    static float *memory;
    static size_t mapped;
    struct attempt t = { .loops = loops_of(isa), .team = team, .rounds = 2000000, .floats = FLOATS };
    const size_t bytes = (size_t)sdrt_team_workers(team) * FLOATS * sizeof *memory;

    if (mapped < bytes) {
        if (memory) munmap(memory, mapped);
        mapped = bytes;
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) memory = NULL;
        t.memory = memory;
        if (memory) sdrt_team_run(team, touch, &t);
    }
    t.memory = memory;
    sdrt_team_run(team, body, &t);
    roof->f32_gflops = rate(&t, 0, roof->f32_gflops);
    roof->bf16_gflops = roof->f32_gflops;
    roof->int8_gops = rate(&t, 1, roof->int8_gops);
    roof->read_gbs = rate(&t, 2, roof->read_gbs);
}
