/* SPDX-License-Identifier: MIT
 *
 * On what, with what and when something was measured.
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

#endif
