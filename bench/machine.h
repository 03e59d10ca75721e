/* SPDX-License-Identifier: MIT
 *
 * On what, with what and when something was measured.
 */
#ifndef SDRT_BENCH_MACHINE_H
#define SDRT_BENCH_MACHINE_H

#include "runtime/device/device.h"
#include "runtime/machine/topology.h"

struct sdrt_report;

/* Writes commit, compiler, flags, CPU, system, date, level, precision, threads and pinning.
 * Called while the team of that many workers is there, since its pinning is looked at.
 * precision NULL: it plays no part. */
void sdrt_machine_facts(struct sdrt_report *r, const struct sdrt_topology *topology,
                        const char *isa, const char *precision, int threads);

/* The same of a queue's device: of a GPU its name and driver too, of the processor beside it what it is
 * and how many threads work there. */
void sdrt_device_facts(struct sdrt_report *r, const struct sdrt_queue *queue,
                       const char *precision);

/* Commit, compiler and date alone. */
void sdrt_build_facts(struct sdrt_report *r);

#endif
