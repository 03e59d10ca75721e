/* SPDX-License-Identifier: MIT
 *
 * How a kernel is called: which share of one step it does, and where its scratch is.
 */
#ifndef SDRT_KERNELS_EXEC_H
#define SDRT_KERNELS_EXEC_H

#include <stddef.h>

struct sdrt_stream;

struct sdrt_exec {
    int   part;    /* 0 .. nparts-1: the share to do */
    int   nparts;
    void *scratch; /* this worker's own, 64-byte aligned, of the published size */
    struct sdrt_stream *stream; /* where the step is enqueued (stream.h); NULL on the CPU */
};

/* First of n rows that part does: an even split, the same on every thread count. */
static inline int sdrt_row_begin(int n, int part, int nparts)
{
    return (int)((long long)n * part / nparts);
}

#endif
