/* SPDX-License-Identifier: MIT
 *
 * What a GPU can do at most, measured by kernels that do nothing else (kernels/cuda/probe.cu).
 */
#ifndef SDRT_BENCH_ROOF_GPU_H
#define SDRT_BENCH_ROOF_GPU_H

#include "bench/roof.h"

struct sdrt_roof_gpu;

/* On a queue of a GPU, borrowed; divisor of the work of a try, for tests.  Takes a quarter of a GiB of
 * its memory.  *out belongs to the caller; SDRT_E_NOMEM, SDRT_E_UNSUPPORTED. */
int sdrt_roof_gpu_create(struct sdrt_roof_gpu **out, struct sdrt_queue *queue, double divisor,
                         const struct sdrt_log *log);
void sdrt_roof_gpu_free(struct sdrt_roof_gpu **gpu);

/* One short try of everything, added to roof: matrix units in bf16, f32 multiplications and
 * additions, and memory, whose bytes are those read and those written. */
void sdrt_roof_gpu_try(struct sdrt_roof_gpu *gpu, struct sdrt_roof *roof);

/* Copies so much that nothing of before is left in the L2. */
void sdrt_roof_gpu_evict(struct sdrt_roof_gpu *gpu);

/* Of a kernel that does nothing, by the median of tries; dependent ones NAN where the device has none. */
struct sdrt_launch_gaps sdrt_roof_gpu_gaps(struct sdrt_roof_gpu *gpu);

#endif
