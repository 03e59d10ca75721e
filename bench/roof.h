/* SPDX-License-Identifier: MIT
 *
 * What the machine can do at most, measured.
 */
#ifndef SDRT_BENCH_ROOF_H
#define SDRT_BENCH_ROOF_H

#include "bench/harness.h"
#include "bench/report.h"
#include "runtime/device/device.h"
#include "runtime/graph/program.h"
#include "runtime/machine/team.h"

/* Operations are multiplications and additions in registers; those that are "on data" have
 * random operands instead of constant ones, for which some processors must lower their clock. */
enum sdrt_roof_kind {
    SDRT_ROOF_F32,
    SDRT_ROOF_F32_DATA,
    SDRT_ROOF_BF16,
    SDRT_ROOF_BF16_DATA,
    SDRT_ROOF_F16,
    SDRT_ROOF_F16_DATA,
    SDRT_ROOF_INT16, /* 16-bit products summed to 32 bits */
    SDRT_ROOF_INT16_DATA,
    SDRT_ROOF_INT8, /* 8-bit products summed to 16 bits, with AMX to 32 */
    SDRT_ROOF_INT8_DATA,
    SDRT_ROOF_L1,   /* reads from a cache or from memory, 1 GB = 1e9 bytes */
    SDRT_ROOF_L2,
    SDRT_ROOF_L3,
    SDRT_ROOF_MEMORY,
    SDRT_ROOF_CLOCK, /* of one worker, found by a chain of dependent additions */
    SDRT_ROOF_KINDS
};

struct sdrt_roof_name {
    const char *key, *label, *unit;
};
extern const struct sdrt_roof_name sdrt_roof_names[SDRT_ROOF_KINDS];

/* Samples in units of 1e9 a second, and the best of them: 0 where this level or machine does
 * not have it (no bf16 or f16 arithmetic, no third cache). */
struct sdrt_roof {
    struct sdrt_times samples[SDRT_ROOF_KINDS];
    double best[SDRT_ROOF_KINDS];
};

struct sdrt_roof_meter;

/* For all workers of team, at the level named isa.  team, topology and log are borrowed.  Takes
 * memory several times as large as the last cache.  *out belongs to the caller; SDRT_E_NOMEM. */
int sdrt_roof_create(struct sdrt_roof_meter **out, struct sdrt_team *team,
                     const struct sdrt_topology *topology, const char *isa,
                     const struct sdrt_log *log);

/* The same for a queue and its device, which may be a GPU, whose roofs are arithmetic and memory. */
int sdrt_roof_create_on(struct sdrt_roof_meter **out, struct sdrt_queue *queue,
                        const struct sdrt_log *log);
void sdrt_roof_free(struct sdrt_roof_meter **meter);

/* One short try of everything, about a tenth of a second, so that a try before and after each
 * measurement finds the machine's best. */
void sdrt_roof_try(struct sdrt_roof_meter *meter);
void sdrt_roof_tries(struct sdrt_roof_meter *meter, int count);

/* Reads so much that nothing of before is left in a cache. */
void sdrt_roof_evict(struct sdrt_roof_meter *meter);

/* Microseconds from one launch of a GPU's to the next; NAN elsewhere. */
struct sdrt_launch_gaps {
    double plain, in_graph; /* one by one, and as one graph */
    /* The same where each may begin before the one before it is over. */
    double dependent, dependent_in_graph;
};
struct sdrt_launch_gaps sdrt_roof_gaps(struct sdrt_roof_meter *meter);

const struct sdrt_roof *sdrt_roof_of(const struct sdrt_roof_meter *meter);

/* What binds the arithmetic of a step of that class in that precision ("f32", "bf16", "f16", "int16",
 * "int8") at the roof's level.  stored: the type of its weights, which is I8 where a linear layer
 * computes in 8-bit integers; the other layers of int8 compute as those of int16, or in bf16 where
 * the level has tiles of it, and attention in bf16 before 16-bit integers. */
enum sdrt_roof_kind sdrt_roof_arithmetic(const struct sdrt_roof *roof, const char *precision,
                                         enum sdrt_step_class class_, enum sdrt_dtype stored);

/* What convolutions compute at, in GFLOP/s. */
double sdrt_roof_compute(const struct sdrt_roof *roof, const char *precision);

/* Seconds that the arithmetic of one run of the program, or of one of its steps, takes at the
 * least. */
double sdrt_roof_seconds(const struct sdrt_roof *roof, const char *precision,
                         const struct sdrt_program *program);
double sdrt_roof_step_seconds(const struct sdrt_roof *roof, const char *precision,
                              const struct sdrt_step_info *step);

/* Facts prefix.f32_gflops and so on; label NULL: for scripts only. */
void sdrt_roof_facts(const struct sdrt_roof *roof, struct sdrt_report *r, const char *prefix,
                     const char *label);

/* Loops of one level.  The arithmetic ones do n rounds of about the same length on data of
 * SDRT_ROOF_DATA bytes, read before the loop, and return the operations done. */
enum { SDRT_ROOF_DATA = 4096 };
struct sdrt_roof_loops {
    double (*f32)(long rounds, const void *data);
    double (*bf16)(long rounds, const void *data); /* NULL: none */
    double (*f16)(long rounds, const void *data);  /* NULL: none */
    double (*int16)(long rounds, const void *data); /* NULL: none */
    double (*int8)(long rounds, const void *data);  /* NULL: none */
    double (*read)(const float *x, long n); /* bytes read; n a multiple of 256 */
};
extern const struct sdrt_roof_loops sdrt_roof_generic, sdrt_roof_avx2, sdrt_roof_avx512,
                                    sdrt_roof_avx512bf16, sdrt_roof_amx, sdrt_roof_neon,
                                    sdrt_roof_neonbf16, sdrt_roof_neonmmla, sdrt_roof_neonf16;

#endif
