/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "bench/roof.h"
#include "bench/roof_gpu.h"
#include "kernels/isa.h"
#include "runtime/device/cpu.h"
#include "runtime/machine/memory.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CHUNK = 4096 /* stretches are multiples of it */, LEVELS = 4 };

const struct sdrt_roof_name sdrt_roof_names[SDRT_ROOF_KINDS] = {
    [SDRT_ROOF_F32]       = { "f32_gflops", "f32", "GFLOP/s" },
    [SDRT_ROOF_F32_DATA]  = { "f32_data_gflops", "f32 on data", "GFLOP/s" },
    [SDRT_ROOF_BF16]      = { "bf16_gflops", "bf16", "GFLOP/s" },
    [SDRT_ROOF_BF16_DATA] = { "bf16_data_gflops", "bf16 on data", "GFLOP/s" },
    [SDRT_ROOF_F16]       = { "f16_gflops", "f16", "GFLOP/s" },
    [SDRT_ROOF_F16_DATA]  = { "f16_data_gflops", "f16 on data", "GFLOP/s" },
    [SDRT_ROOF_INT16]     = { "int16_gops", "int16", "GOP/s" },
    [SDRT_ROOF_INT16_DATA] = { "int16_data_gops", "int16 on data", "GOP/s" },
    [SDRT_ROOF_INT8]      = { "int8_gops", "int8", "GOP/s" },
    [SDRT_ROOF_INT8_DATA] = { "int8_data_gops", "int8 on data", "GOP/s" },
    [SDRT_ROOF_L1]        = { "l1_gbs", "L1 read", "GB/s" },
    [SDRT_ROOF_L2]        = { "l2_gbs", "L2 read", "GB/s" },
    [SDRT_ROOF_L3]        = { "l3_gbs", "L3 read", "GB/s" },
    [SDRT_ROOF_MEMORY]    = { "read_gbs", "memory read", "GB/s" },
    [SDRT_ROOF_CLOCK]     = { "ghz", "clock", "GHz" },
};

struct sdrt_roof_meter {
    struct sdrt_roof roof;
    struct sdrt_roof_gpu *gpu; /* then it is all that is used; owned */
    const struct sdrt_roof_loops *loops;
    struct sdrt_team *team;
    float *memory;            /* stretch[LEVELS - 1] bytes for each worker */
    size_t mapped;
    double divisor;           /* of the work of a try */
    size_t stretch[LEVELS];   /* bytes that a worker reads again and again; 0: no such level */
    struct { double work, start, end; } worker[SDRT_TEAM_MAX_WORKERS];
    enum sdrt_roof_kind kind; /* being measured */
    _Alignas(64) unsigned char constant[SDRT_ROOF_DATA], random[SDRT_ROOF_DATA];
};

/* A level without instructions of its own (generic, blas) is measured against all that the
 * machine has, which is what a BLAS uses. */
static const struct sdrt_roof_loops *loops_of(const char *isa)
{
    const struct sdrt_isa_level *level = sdrt_isa_find(isa);
    unsigned flags = level ? level->flags : 0;

    if (!(flags & ~(unsigned)SDRT_ISA_BLAS)) flags = sdrt_isa_detect();
#if HAVE_NEONF16
    if (level && level->own == SDRT_ISA_NEONF16) return &sdrt_roof_neonf16;
#endif
#if HAVE_NEONMMLA
    if (flags & SDRT_ISA_NEONMMLA) return &sdrt_roof_neonmmla;
#endif
#if HAVE_NEONBF16
    if (flags & SDRT_ISA_NEONBF16) return &sdrt_roof_neonbf16;
#endif
#if HAVE_NEON
    if (flags & SDRT_ISA_NEON) return &sdrt_roof_neon;
#endif
#if HAVE_AMX
    if (flags & SDRT_ISA_AMX) return &sdrt_roof_amx;
#endif
#if HAVE_AVX512BF16
    if (flags & SDRT_ISA_AVX512BF16) return &sdrt_roof_avx512bf16;
#endif
#if HAVE_AVX512
    if (flags & SDRT_ISA_AVX512) return &sdrt_roof_avx512;
#endif
#if HAVE_AVX2
    if (flags & SDRT_ISA_AVX2) return &sdrt_roof_avx2;
#endif
    return &sdrt_roof_generic;
}

/* ---- sizes ---- */

/* How many workers share one core's caches. */
static size_t workers_a_core(const struct sdrt_topology *t, int workers)
{
    int most = 0;

    for (int w = 0; w < workers; w++)
        if (sdrt_topology_core(t, w) > most) most = sdrt_topology_core(t, w);
    return (size_t)((workers + most) / (most + 1));
}

/* Half a cache is sure to stay in it.  The last cache is shared by all, at worst: by other virtual
 * machines too, so that of hundreds of MiB no more is tried than MOST times an L2. */
static void choose_stretches(struct sdrt_roof_meter *m, const struct sdrt_topology *t)
{
    enum { MOST = 16 };
    const size_t workers = (size_t)sdrt_team_workers(m->team);
    const size_t on_core = workers_a_core(t, (int)workers);
    const size_t l1 = sdrt_topology_cache(t, 1) / on_core, l2 = sdrt_topology_cache(t, 2) / on_core;
    const size_t l3 = sdrt_topology_cache(t, 3), last = l3 ? l3 : l2, least = (size_t)64 << 20;
    size_t available, memory = 2 * last > least ? 2 * last : least;

    /* A try should not push the machine into swapping. */
    if (sdrt_memory_available(&available) == SDRT_OK && memory > available / 4 / workers)
        memory = available / 4 / workers;
    m->stretch[0] = l1 / 2;
    m->stretch[1] = l2 / 2;
    m->stretch[2] = l3 / workers / 2 > l2 ? l3 / workers / 2 : 0;
    if (l2 && m->stretch[2] > MOST * l2) m->stretch[2] = MOST * l2;
    m->stretch[3] = memory;
    for (int i = 0; i < LEVELS; i++) m->stretch[i] = m->stretch[i] / CHUNK * CHUNK;
}

/* Words that are numbers between a quarter and one as f32, in both halves as bf16, between 1 and 2 as
 * f16, and whose bytes are anything. */
static void choose_data(struct sdrt_roof_meter *m)
{
    uint16_t *constant = (uint16_t *)(void *)m->constant, *random = (uint16_t *)(void *)m->random;
    uint32_t state = 1;

    for (size_t i = 0; i < SDRT_ROOF_DATA / sizeof *random; i++) {
        state = state * 1664525u + 1013904223u; /* Numerical Recipes, 7.1 */
        constant[i] = 0x3f00;                   /* 0.5 */
        random[i] = (uint16_t)((state >> 16 & 0x8000) + 0x3e80 + (state >> 16 & 0xff));
    }
}

/* Each worker its own stretch, so that pages lie near the core that reads them. */
static void touch(void *arg, int worker, int workers)
{
    const struct sdrt_roof_meter *m = arg;
    const size_t n = m->stretch[LEVELS - 1] / sizeof *m->memory;
    float *mine = m->memory + (size_t)worker * n;

    (void)workers;
    for (size_t i = 0; i < n; i++) mine[i] = 1.0f;
}

/* SDRT_ROOF_DIVISOR, of the work of a try: for tests of what is told, not of how fast. */
static double work_divisor(void)
{
    const char *text = getenv("SDRT_ROOF_DIVISOR");
    const long n = text ? strtol(text, NULL, 10) : 1;

    return n >= 1 && n <= 1000000 ? (double)n : 1.0;
}

int sdrt_roof_create(struct sdrt_roof_meter **out, struct sdrt_team *team,
                     const struct sdrt_topology *topology, const char *isa,
                     const struct sdrt_log *log)
{
    const size_t size = (sizeof(struct sdrt_roof_meter) + 63) / 64 * 64;
    struct sdrt_roof_meter *m = *out = aligned_alloc(64, size);

    if (!m) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for measuring the roof");
    memset(m, 0, size);
    m->loops = loops_of(isa);
    m->divisor = work_divisor();
    m->team = team;
    choose_stretches(m, topology);
    choose_data(m);
    m->mapped = m->stretch[LEVELS - 1] * (size_t)sdrt_team_workers(team);
    void *p = mmap(NULL, m->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        free(m);
        *out = NULL;
        return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for measuring the memory's bandwidth");
    }
    sdrt_memory_want_huge(p, m->mapped); /* the arena has them too */
    m->memory = p;
    sdrt_team_run(team, touch, m);
    return SDRT_OK;
}

int sdrt_roof_create_on(struct sdrt_roof_meter **out, struct sdrt_queue *queue,
                        const struct sdrt_log *log)
{
    struct sdrt_roof_meter *m;

    if (sdrt_device_is_host(queue->device))
        return sdrt_roof_create(out, sdrt_cpu_team(queue), sdrt_cpu_topology(queue->device),
                                queue->device->isa, log);
    m = *out = calloc(1, sizeof *m);
    if (!m) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for measuring the roof");
    m->divisor = work_divisor();
    const int status = sdrt_roof_gpu_create(&m->gpu, queue, m->divisor, log);
    if (status != SDRT_OK) sdrt_roof_free(out);
    return status;
}

void sdrt_roof_free(struct sdrt_roof_meter **meter)
{
    if (!*meter) return;
    sdrt_roof_gpu_free(&(*meter)->gpu);
    if ((*meter)->memory) munmap((*meter)->memory, (*meter)->mapped);
    free(*meter);
    *meter = NULL;
}

/* ---- measuring ---- */

/* Dependent additions take a cycle each.  Both operands are registers, since some processors
 * add constants while they rename. */
static double clock_chain(double divisor)
{
    enum { ADDITIONS = 1 << 23, UNROLLED = 64 };
    const long turns = (long)(ADDITIONS / UNROLLED / divisor) + 1;
    unsigned long sum = 0, one = 1;

    __asm__ volatile("" : "+r"(one));
    for (long i = 0; i < turns; i++)
#pragma GCC unroll 64
        for (int j = 0; j < UNROLLED; j++) {
            sum += one;
            __asm__ volatile("" : "+r"(sum));
        }
    return (double)turns * UNROLLED;
}

/* Reads the stretch until enough bytes are read for a time of milliseconds. */
static double read_again(const struct sdrt_roof_meter *m, int level, const float *mine)
{
    static const double enough[LEVELS] = { 1e9, 5e8, 2e8, 1.0 };
    double bytes = 0.0;

    while (bytes < enough[level] / m->divisor)
        bytes += m->loops->read(mine, (long)(m->stretch[level] / sizeof *mine));
    return bytes;
}

static double measure(const struct sdrt_roof_meter *m, int worker)
{
    const long rounds = (long)(1500000 / m->divisor) + 1; /* about 5 ms */
    const float *mine = m->memory + (size_t)worker * (m->stretch[LEVELS - 1] / sizeof *m->memory);

    switch (m->kind) {
    case SDRT_ROOF_F32:       return m->loops->f32(rounds, m->constant);
    case SDRT_ROOF_F32_DATA:  return m->loops->f32(rounds, m->random);
    case SDRT_ROOF_BF16:      return m->loops->bf16(rounds, m->constant);
    case SDRT_ROOF_BF16_DATA: return m->loops->bf16(rounds, m->random);
    case SDRT_ROOF_F16:       return m->loops->f16(rounds, m->constant);
    case SDRT_ROOF_F16_DATA:  return m->loops->f16(rounds, m->random);
    case SDRT_ROOF_INT16:     return m->loops->int16(rounds, m->constant);
    case SDRT_ROOF_INT16_DATA: return m->loops->int16(rounds, m->random);
    case SDRT_ROOF_INT8:      return m->loops->int8(rounds, m->constant);
    case SDRT_ROOF_INT8_DATA: return m->loops->int8(rounds, m->random);
    case SDRT_ROOF_CLOCK:     return clock_chain(m->divisor) / sdrt_team_workers(m->team);
    case SDRT_ROOF_L1:
    case SDRT_ROOF_L2:
    case SDRT_ROOF_L3:
    case SDRT_ROOF_MEMORY:    return read_again(m, (int)m->kind - SDRT_ROOF_L1, mine);
    case SDRT_ROOF_KINDS:     break;
    }
    return 0.0;
}

static int available(const struct sdrt_roof_meter *m, enum sdrt_roof_kind kind)
{
    if (kind == SDRT_ROOF_BF16 || kind == SDRT_ROOF_BF16_DATA) return m->loops->bf16 != NULL;
    if (kind == SDRT_ROOF_F16 || kind == SDRT_ROOF_F16_DATA) return m->loops->f16 != NULL;
    if (kind == SDRT_ROOF_INT16 || kind == SDRT_ROOF_INT16_DATA) return m->loops->int16 != NULL;
    if (kind == SDRT_ROOF_INT8 || kind == SDRT_ROOF_INT8_DATA) return m->loops->int8 != NULL;
    if (kind >= SDRT_ROOF_L1 && kind <= SDRT_ROOF_MEMORY) return m->stretch[kind - SDRT_ROOF_L1] > 0;
    return 1;
}

static void body(void *arg, int worker, int workers)
{
    struct sdrt_roof_meter *m = arg;

    (void)workers;
    sdrt_team_barrier(m->team, worker);
    m->worker[worker].start = sdrt_now();
    m->worker[worker].work = measure(m, worker);
    m->worker[worker].end = sdrt_now();
}

/* From the first that began to the last that ended, so that workers which the system did not run
 * at once never look faster than the machine is. */
static double rate(const struct sdrt_roof_meter *m)
{
    double work = 0.0, start = m->worker[0].start, end = m->worker[0].end;

    for (int w = 0; w < sdrt_team_workers(m->team); w++) {
        work += m->worker[w].work;
        if (m->worker[w].start < start) start = m->worker[w].start;
        if (m->worker[w].end > end) end = m->worker[w].end;
    }
    return 1e-9 * work / (end - start);
}

void sdrt_roof_try(struct sdrt_roof_meter *m)
{
    if (m->gpu) {
        sdrt_roof_gpu_try(m->gpu, &m->roof);
        return;
    }
    for (int k = 0; k < SDRT_ROOF_KINDS; k++) {
        m->kind = (enum sdrt_roof_kind)k;
        if (!available(m, m->kind)) continue;
        sdrt_team_run(m->team, body, m);
        const double r = rate(m);
        sdrt_bench_add(&m->roof.samples[k], r);
        if (r > m->roof.best[k]) m->roof.best[k] = r;
    }
}

void sdrt_roof_tries(struct sdrt_roof_meter *m, int count)
{
    for (int i = 0; i < count; i++) sdrt_roof_try(m);
}

void sdrt_roof_evict(struct sdrt_roof_meter *m)
{
    if (m->gpu) {
        sdrt_roof_gpu_evict(m->gpu);
        return;
    }
    m->kind = SDRT_ROOF_MEMORY;
    sdrt_team_run(m->team, body, m);
}

struct sdrt_launch_gaps sdrt_roof_gaps(struct sdrt_roof_meter *m)
{
    const struct sdrt_launch_gaps none = { NAN, NAN, NAN, NAN };

    return m->gpu ? sdrt_roof_gpu_gaps(m->gpu) : none;
}

/* ---- telling ---- */

const struct sdrt_roof *sdrt_roof_of(const struct sdrt_roof_meter *m) { return &m->roof; }

void sdrt_roof_facts(const struct sdrt_roof *roof, struct sdrt_report *r, const char *prefix,
                     const char *label)
{
    char key[64], text[160];
    int at = 0;

    for (int k = 0; k < SDRT_ROOF_KINDS; k++) {
        const struct sdrt_roof_name *n = &sdrt_roof_names[k];
        snprintf(key, sizeof key, "%s.%s", prefix, n->key);
        sdrt_report_number(r, key, roof->best[k] > 0.0 ? roof->best[k] : NAN, NULL, "", 0);
        if (k != SDRT_ROOF_F32 && k != SDRT_ROOF_BF16 && k != SDRT_ROOF_F16 &&
            k != SDRT_ROOF_INT16 && k != SDRT_ROOF_INT8 && k != SDRT_ROOF_MEMORY &&
            k != SDRT_ROOF_CLOCK)
            continue;
        if (roof->best[k] > 0.0)
            at += snprintf(text + at, sizeof text - (size_t)at, "%s%s %.*f %s", at ? ", " : "",
                           n->label, k == SDRT_ROOF_CLOCK ? 2 : 1, roof->best[k], n->unit);
    }
    snprintf(key, sizeof key, "%s.text", prefix);
    if (label) sdrt_report_text(r, key, text, label);
}
