/* SPDX-License-Identifier: MIT
 *
 * What the machine can do at most, measured.
 */
#ifndef SDRT_BENCH_ROOF_H
#define SDRT_BENCH_ROOF_H

#include "runtime/team.h"

struct sdrt_roof {
    double f32_gflops;  /* multiply-adds in registers, counted as two */
    double bf16_gflops; /* the f32 figure where no bf16 arithmetic is used */
    double int8_gops;   /* 8-bit products summed to 16 bits; 0 where no level has them */
    double read_gbs;    /* from memory, 1 GB = 1e9 bytes */
};

/* One short try of everything on all workers at the level named isa; keeps the best of *roof and
 * the new figures, so that a try before and after each measurement finds the machine's best. */
void sdrt_roof_try(struct sdrt_roof *roof, struct sdrt_team *team, const char *isa);

/* Loops of one level: n rounds, the operations of all of them returned.  A level without its own
 * uses the plain one. */
struct sdrt_roof_loops {
    double (*f32)(long rounds);
    double (*int8)(long rounds); /* NULL: none */
    double (*read)(const float *x, long n); /* bytes read; n a multiple of 256 */
};
extern const struct sdrt_roof_loops sdrt_roof_generic, sdrt_roof_avx2, sdrt_roof_avx512;

#endif
