/* SPDX-License-Identifier: MIT
 *
 * Energy counters of Linux's powercap interface: Documentation/power/powercap/powercap.rst.
 */
#include "bench/energy.h"

#include <math.h>
#include <stdio.h>

/* A number in millionths, or NAN. */
static double read_number(const char *root, int package, const char *file)
{
    char path[512];
    double x = NAN;

    snprintf(path, sizeof path, "%s/class/powercap/intel-rapl:%d/%s", root, package, file);
    FILE *f = fopen(path, "r");
    if (!f) return NAN;
    if (fscanf(f, "%lf", &x) != 1) x = NAN;
    fclose(f);
    return 1e-6 * x;
}

void sdrt_energy_read(const char *root, struct sdrt_energy *e)
{
    e->packages = 0;
    for (int i = 0; i < SDRT_ENERGY_PACKAGES; i++) {
        e->joules[i] = read_number(root, i, "energy_uj");
        e->range[i] = read_number(root, i, "max_energy_range_uj");
        if (isnan(e->joules[i])) break;
        e->packages++;
    }
}

double sdrt_energy_used(const struct sdrt_energy *before, const struct sdrt_energy *after)
{
    double sum = 0.0;

    if (!before->packages || before->packages != after->packages) return NAN;
    for (int i = 0; i < before->packages; i++) {
        const double used = after->joules[i] - before->joules[i];
        sum += used >= 0.0 ? used : used + after->range[i];
    }
    return sum;
}
