/* SPDX-License-Identifier: MIT */
#include "runtime/weights/low_rank.h"

#include "kernels/ops.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

struct product {
    const struct sdrt_ops  *ops;
    struct sdrt_gemm_shape shape;
    struct sdrt_gemm_args  args;
    unsigned char *scratch;
    size_t scratch_each;
    int    nparts;
};

static void multiply(void *arg, int worker, int part)
{
    const struct product *p = arg;
    const struct sdrt_exec ex = { .part = part, .nparts = p->nparts,
                                  .scratch = p->scratch + (size_t)worker * p->scratch_each };

    p->ops->gemm.gemm(&ex, &p->shape, &p->args);
}

/* A kernel's weight has its inner dimension last: [cols][rank]. */
static void transpose(const float *b, int rank, int cols, float *out)
{
    for (int r = 0; r < rank; r++)
        for (int c = 0; c < cols; c++) out[(size_t)c * (size_t)rank + r] = b[(size_t)r * cols + c];
}

static void *aligned_memory(size_t bytes)
{
    void *p = NULL;

    return posix_memalign(&p, ALIGNMENT, bytes ? bytes : ALIGNMENT) == 0 ? p : NULL;
}

int sdrt_low_rank_add(struct sdrt_queue *queue, float *y, int rows, int cols, const float *a,
                      const float *b, int rank, const struct sdrt_log *log)
{
    const struct sdrt_ops *ops = queue->device->host->f32_ops;
    struct product p = {
        .ops = ops,
        .shape = { .m = rows, .n = cols, .k = rank, .a_pitch = rank, .y_pitch = cols,
                   .residual_pitch = cols, .act = SDRT_ACT_NONE,
                   .w = { .n = cols, .k = rank, .taps = 1, .stored = SDRT_F32 } },
    };
    const size_t packed_bytes = ops->gemm.pack_bytes(&p.shape.w);
    float *turned = aligned_memory((size_t)cols * (size_t)rank * sizeof *turned);
    void *packed = aligned_memory(packed_bytes);
    int status = SDRT_OK;

    p.nparts = ops->gemm.parts(&p.shape, queue->workers);
    p.scratch_each = (ops->gemm.scratch(&p.shape) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    p.scratch = aligned_memory(p.scratch_each * (size_t)queue->workers);
    if (!turned || !packed || !p.scratch) {
        status = sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a product of %d x %d x %d", rows,
                           rank, cols);
        goto out;
    }
    transpose(b, rank, cols, turned);
    memset(packed, 0, packed_bytes);
    ops->gemm.pack_rows(&p.shape.w, 0, cols, turned, SDRT_F32, packed);
    p.args = (struct sdrt_gemm_args){ .a = a, .w = packed, .residual = y, .y = y };
    sdrt_queue_each(queue, p.nparts, multiply, &p);
out:
    free(turned);
    free(packed);
    free(p.scratch);
    return status;
}
