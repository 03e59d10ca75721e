/* SPDX-License-Identifier: MIT
 *
 * The kernel of bench/plugin with one fault, which sdbench has to find; tests/check_kernels.sh names
 * it by -DFAULT=.
 */
#include <sdrt_kernel.h>

#define sdrt_kernel_fill fill_right
int sdrt_kernel_fill(struct sdrt_kernel *k);
#include "bench/plugin/kernel.c"
#undef sdrt_kernel_fill

#include <stdlib.h>

enum fault {
    NONE,
    RETURNS_EARLY, /* the last part does nothing */
    KEEPS_RESULTS, /* what it gave for this shape last time, without a look at the input */
    READS_PAST,    /* one float after the input's last, which changes nothing */
    READS_BEFORE,
    SKIPS_A_TAIL, /* the last channel of an odd number */
    WRITES_INPUT,
    WRITES_GAPS, /* between the rows of the result */
    WRITES_PAST,
    SHARES_SCRATCH, /* of all threads */
    TRUSTS_SCRATCH, /* to hold zeros */
    DEPENDS_ON_PARTS,
    LEAVES, /* the process, as if all were well */
    HAS_OTHER_ABI,
    FILLS_NOTHING,
    GROWS_LAZY, /* does less after many calls of one shape, which is how timing looks */
};

static struct sdrt_conv_ops right;
static float kept[1 << 20], common[1 << 20];

static size_t last_float(const struct sdrt_conv_shape *s)
{
    return (size_t)s->batch * (size_t)s->in_h * (size_t)s->in_w * (size_t)s->x_pitch;
}

static int keeps(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                 const struct sdrt_conv_args *a)
{
    static struct sdrt_conv_shape before;
    static const void *place;
    const size_t floats = (size_t)s->batch * (size_t)s->out_h * (size_t)s->out_w *
                          (size_t)s->y_pitch;

    if (ex->part) return 0;
    if (place == a->y && !memcmp(&before, s, sizeof before) &&
        floats <= sizeof kept / sizeof *kept) {
        memcpy(a->y, kept, floats * sizeof *kept);
        return 0;
    }
    const struct sdrt_exec all = { .part = 0, .nparts = 1, .scratch = ex->scratch };
    right.conv2d(&all, s, a);
    before = *s;
    place = a->y;
    if (floats <= sizeof kept / sizeof *kept) memcpy(kept, a->y, floats * sizeof *kept);
    return 0;
}

static int wrong(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                 const struct sdrt_conv_args *a)
{
    static struct sdrt_conv_shape before;
    static long calls;
    const volatile float *x = a->x;
    struct sdrt_exec other = *ex;
    struct sdrt_conv_args args = *a;

    if (FAULT == RETURNS_EARLY && ex->part == ex->nparts - 1) return 0;
    if (FAULT == KEEPS_RESULTS) return keeps(ex, s, a);
    if (FAULT == GROWS_LAZY) {
        calls = memcmp(&before, s, sizeof before) ? 0 : calls + 1;
        before = *s;
        if (calls > 100 && ex->part == 0) return 0;
    }
    if (FAULT == SHARES_SCRATCH && right.scratch(s) <= sizeof common) other.scratch = common;
    if (FAULT == WRITES_INPUT) *(volatile float *)a->x = a->x[0];
    if (FAULT == LEAVES) exit(0);
    if (FAULT == TRUSTS_SCRATCH && s->out_c > 1) args.bias = ex->scratch;
    if (FAULT == READS_PAST) (void)x[last_float(s) + 15];
    if (FAULT == READS_BEFORE) (void)x[-1];
    const int result = right.conv2d(&other, s, &args);
    float *y = a->y;
    if (FAULT == SKIPS_A_TAIL && s->out_c % 2 && ex->part == 0) y[s->out_c - 1] *= 0.999f;
    if (FAULT == WRITES_GAPS && s->y_pitch > s->out_c && ex->part == 0) y[s->out_c] = 0.0f;
    if (FAULT == WRITES_PAST && ex->part == 0)
        y[(size_t)s->batch * (size_t)s->out_h * (size_t)s->out_w * (size_t)s->y_pitch] = 0.0f;
    if (FAULT == DEPENDS_ON_PARTS && ex->part == 0 && ex->nparts > 2) y[0] *= 1.0000002f;
    return result;
}

int sdrt_kernel_fill(struct sdrt_kernel *k)
{
    if (FAULT == HAS_OTHER_ABI) return SDRT_KERNEL_ABI + 1;
    if (FAULT == FILLS_NOTHING) return SDRT_KERNEL_ABI;
    fill_right(k);
    right = *k->conv;
    k->conv->conv2d = wrong;
    return SDRT_KERNEL_ABI;
}
