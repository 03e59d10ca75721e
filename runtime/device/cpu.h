/* SPDX-License-Identifier: MIT
 *
 * The processor as a device: memory is an arena, a queue a team of workers that walk the steps
 * together, the calling thread among them.
 */
#ifndef SDRT_RUNTIME_DEVICE_CPU_H
#define SDRT_RUNTIME_DEVICE_CPU_H

#include "runtime/device/device.h"
#include "runtime/machine/topology.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Opens it with the kernels that the sdrt_isa flags allow, under name, which must outlive it.
 * pinning says which queues' workers are held on one PU each.  *out belongs to the caller, NULL
 * after a failure.  Errors of sdrt_topology_create(); SDRT_E_NOMEM. */
int sdrt_cpu_device_open(struct sdrt_device **out, unsigned isa, const char *name,
                         enum sdrt_pinning pinning, const struct sdrt_log *log);

/* What the device and a queue of it stand on, borrowed: for reports about the machine and for
 * measuring it, not for running programs. */
const struct sdrt_topology *sdrt_cpu_topology(const struct sdrt_device *device);
struct sdrt_team *sdrt_cpu_team(const struct sdrt_queue *queue);

#ifdef __cplusplus
}
#endif

#endif
