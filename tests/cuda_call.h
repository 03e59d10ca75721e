/* SPDX-License-Identifier: MIT
 *
 * One call of a kernel in the execution model, with operands of the host (tests/cuda_level.h).
 */
#ifndef SDRT_TESTS_CUDA_CALL_H
#define SDRT_TESTS_CUDA_CALL_H

#include "kernels/ops.h"

enum { TCUDA_OPERANDS = 12 };

/* The device's copies of one call's operands. */
struct tcuda_call {
    struct sdrt_exec ex;
    int n;
    void *pieces[TCUDA_OPERANDS];
};

/* Begins a call with so many bytes of scratch, copied from ex's. */
struct tcuda_call tcuda_begin(const struct sdrt_exec *ex, size_t scratch);

/* The device's copy of bytes of the host, which tcuda_end frees; NULL of NULL. */
void *tcuda_copied(struct tcuda_call *c, const void *host, size_t bytes);
void *tcuda_copied_rows(struct tcuda_call *c, const void *host, size_t rows, int width, int pitch,
                        enum sdrt_dtype type);

/* Of rows that begin pitch elements apart, to the end of the last one. */
size_t tcuda_rows_bytes(size_t rows, int width, int pitch, enum sdrt_dtype type);

/* Expects no bank conflicts of it and counters that are 0, and frees the copies. */
void tcuda_end(struct tcuda_call *c);

/* Entries that take operands of the host and run those of device, which must outlive them. */
void tcuda_elementwise_init(struct sdrt_elementwise_ops *ops,
                            const struct sdrt_elementwise_ops *device);

#endif
