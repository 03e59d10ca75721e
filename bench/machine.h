/* SPDX-License-Identifier: MIT
 *
 * On what, with what and when something was measured, and what else the machine did meanwhile.
 */
#ifndef SDRT_BENCH_MACHINE_H
#define SDRT_BENCH_MACHINE_H

#include "runtime/machine/topology.h"

struct sdrt_report;

/* Writes commit, compiler, flags, CPU, system, date, level, precision, threads and pinning.
 * Called while the team of that many workers is there, since its pinning is looked at.
 * precision NULL: it plays no part. */
void sdrt_machine_facts(struct sdrt_report *r, const struct sdrt_topology *topology,
                        const char *isa, const char *precision, int threads);

/* Commit, compiler and date alone. */
void sdrt_build_facts(struct sdrt_report *r);

/* CPU time that others took, between begin and end, in CPUs: 0.5 is half of one processor. */
struct sdrt_load {
    double wall, own, busy, steal; /* seconds, when it began; busy and steal of all processors */
};
void sdrt_load_begin(struct sdrt_load *load);
/* Writes run.load.* and warns when others took more than a twentieth of a processor. */
void sdrt_load_end(const struct sdrt_load *load, struct sdrt_report *r);

/* Energy counters of the processor packages, from RAPL; packages is 0 where none can be read. */
enum { SDRT_ENERGY_PACKAGES = 16 };
struct sdrt_energy {
    int    packages;
    double joules[SDRT_ENERGY_PACKAGES], range[SDRT_ENERGY_PACKAGES]; /* counts 0 .. range */
};
/* root is "/sys"; a test names another folder. */
void sdrt_energy_read(const char *root, struct sdrt_energy *energy);

/* Joules used from before to after, during which no counter wrapped twice; NAN where unknown. */
double sdrt_energy_used(const struct sdrt_energy *before, const struct sdrt_energy *after);

#endif
