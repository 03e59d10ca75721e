/* SPDX-License-Identifier: MIT
 *
 * CUDA's kernels for the tests of the families, by the execution model in the place of a driver
 * (tests/emulation/cuda).  Operands lie in the host's memory: each call copies them to pieces of
 * device memory that end where the operand ends, and copies back what was computed.  Calls take
 * turns in the order of their threads.
 */
#ifndef SDRT_TESTS_CUDA_LEVEL_H
#define SDRT_TESTS_CUDA_LEVEL_H

#include "kernels/ops.h"
#include "tests/emulation/cuda/shim.h"

struct sdrt_stream;

/* Opens the model of a device of capability 75, 80 or 90.  A process that opened 75 opens nothing else; one
 * that did not may change between the others.  Without it there is one of 80.  Launches of 90 are
 * dependent: each may begin before those before it are over. */
void tcuda_open(int capability);

/* The model as a library, loaded once. */
struct tcuda {
    void (*plant)(const char *fault);
    const struct shim_result *(*totals)(void);
    void (*clear)(void);
    void (*set_order)(enum shim_order order);
    void (*count_sectors)(int on);
    struct shim_sectors (*sectors_of)(const char *kernel);
};
const struct tcuda *tcuda_shim(void);

/* Device memory with these bytes in it; NULL stays NULL. */
void *tcuda_upload(const void *host, size_t bytes);
void tcuda_free(void *device);

/* What kernels are enqueued on. */
struct sdrt_stream *tcuda_stream(void);

/* How many of its counters are not zero, as launches must leave them; they are after that. */
int tcuda_counted(void);

/* All families, taking operands of the host. */
void tcuda_ops_init(struct sdrt_ops *ops);

#endif
