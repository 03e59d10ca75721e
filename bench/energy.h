/* SPDX-License-Identifier: MIT */
#ifndef SDRT_BENCH_ENERGY_H
#define SDRT_BENCH_ENERGY_H

/* Energy counters of the processor packages, from RAPL; packages is 0 where none can be read. */
enum { SDRT_ENERGY_PACKAGES = 16 };
struct sdrt_energy {
    int packages;
    double joules[SDRT_ENERGY_PACKAGES], range[SDRT_ENERGY_PACKAGES]; /* counts 0 .. range */
};
/* root is "/sys"; a test names another folder. */
void sdrt_energy_read(const char *root, struct sdrt_energy *energy);

/* Joules used from before to after, during which no counter wrapped twice; NAN where unknown. */
double sdrt_energy_used(const struct sdrt_energy *before, const struct sdrt_energy *after);

#endif
