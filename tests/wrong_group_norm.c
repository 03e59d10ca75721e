/* SPDX-License-Identifier: MIT
 *
 * The group norm of bench/plugin with one fault, which sdbench has to find; tests/check_kernels.sh
 * names it by -DFAULT=.
 */
#include <sdrt_kernel.h>

#define sdrt_kernel_fill fill_right
int sdrt_kernel_fill(struct sdrt_kernel *k);
#include "bench/plugin/group_norm.c"
#undef sdrt_kernel_fill

#include <string.h>

enum fault {
    NONE,
    FORGETS_A_PART,    /* gn_sums: the last one is left as it was */
    SUMS_VALUES,       /* not their differences from pixel 0 */
    ADDS_UP,           /* to what is there */
    SKIPS_X2,          /* nothing of the second source */
    READS_ONE_PAST,    /* the channel behind the last of the last pixel */
    KEEPS_SUMS,        /* those of the last call of the same shape in the same place */
    FORGETS_EPS,       /* gn_fold: next to a small variance it shows */
    FOLDS_BETA,        /* into the mean, as x * a + b */
    SHARES_A_VARIANCE, /* the first image's for all */
    WRITES_SUMS,       /* which are an input */
};

static struct sdrt_norm_ops right;

static int keeps(const struct sdrt_exec *ex, const struct sdrt_gn_shape *s, const float *x,
                 const float *x2, double *sums)
{
    static struct sdrt_gn_shape before;
    static const double *place;
    static double kept[1 << 18];
    const size_t n = (size_t)ex->nparts * (size_t)s->batch * 2 * (size_t)(s->c + s->c2);

    if (ex->part) return 0;
    if (place == sums && !memcmp(&before, s, sizeof before)) {
        memcpy(sums, kept, n * sizeof *sums);
        return 0;
    }
    for (int part = 0; part < ex->nparts; part++) {
        const struct sdrt_exec one = { .part = part, .nparts = ex->nparts };
        right.gn_sums(&one, s, x, x2, sums);
    }
    if (n > sizeof kept / sizeof *kept) return 0;
    memcpy(kept, sums, n * sizeof *sums);
    before = *s;
    place = sums;
    return 0;
}

static int wrong_sums(const struct sdrt_exec *ex, const struct sdrt_gn_shape *s, const float *x,
                      const float *x2, double *sums)
{
    struct sdrt_gn_shape other = *s;
    const int all = s->c + s->c2;

    if (FAULT == KEEPS_SUMS) return keeps(ex, s, x, x2, sums);
    if (FAULT == FORGETS_A_PART && ex->part && ex->part == ex->nparts - 1) return 0;
    if (FAULT == READS_ONE_PAST) {
        const size_t last = (size_t)s->batch * (size_t)s->pixels * (size_t)s->x_pitch;
        (void)((const volatile float *)x)[last + 15];
    }
    double *own = sums + (size_t)ex->part * (size_t)s->batch * 2 * (size_t)all;
    const double first = *own;
    right.gn_sums(ex, &other, x, x2, sums);
    if (FAULT == ADDS_UP) *own += first;
    for (int b = 0; FAULT == SKIPS_X2 && b < s->batch; b++)
        for (int c = s->c; c < all; c++) own[2 * b * all + c] = 0.0;
    const int rows = sdrt_row_begin(s->pixels, ex->part + 1, ex->nparts) -
                     sdrt_row_begin(s->pixels, ex->part, ex->nparts);
    for (int b = 0; FAULT == SUMS_VALUES && b < s->batch; b++)
        for (int c = 0; c < s->c; c++)
            own[2 * b * all + c] +=
                rows * (double)x[(size_t)b * (size_t)s->pixels * (size_t)s->x_pitch + (size_t)c];
    return 0;
}

static int wrong_fold(const struct sdrt_exec *ex, const struct sdrt_gn_shape *s, const float *x,
                      const float *x2, const float *gamma, const float *beta, const double *sums,
                      float *msb)
{
    const int all = s->c + s->c2, begin = sdrt_row_begin(s->batch, ex->part, ex->nparts),
              end = sdrt_row_begin(s->batch, ex->part + 1, ex->nparts);
    struct sdrt_gn_shape other = *s;

    if (FAULT == FORGETS_EPS) other.eps = 0.0f;
    if (FAULT == WRITES_SUMS) *(volatile double *)(double *)(size_t)sums = sums[0];
    right.gn_fold(ex, &other, x, x2, gamma, beta, sums, msb);
    for (int b = begin; b < end; b++) {
        float *to = msb + (size_t)b * 3 * (size_t)all;
        if (FAULT == SHARES_A_VARIANCE && b) {
            const struct sdrt_exec one = { .part = 0, .nparts = s->batch };
            float image[1 << 12];
            if ((size_t)3 * (size_t)all > sizeof image / sizeof *image) continue;
            right.gn_fold(&one, s, x, x2, gamma, beta, sums, image);
            memcpy(to + all, image + all, (size_t)all * sizeof *to);
        }
        for (int c = 0; FAULT == FOLDS_BETA && c < all; c++) {
            to[2 * all + c] -= to[c] * to[all + c];
            to[c] = 0.0f;
        }
    }
    return 0;
}

int sdrt_kernel_fill(struct sdrt_kernel *k)
{
    fill_right(k);
    right = *k->norm;
    k->norm->gn_sums = wrong_sums;
    k->norm->gn_fold = wrong_fold;
    return SDRT_KERNEL_ABI;
}
