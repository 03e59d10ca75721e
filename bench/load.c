/* SPDX-License-Identifier: MIT */
#include "bench/load.h"
#include "bench/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static void all_processors(double *busy, double *steal)
{
    unsigned long long t[8] = { 0 };
    FILE *f = fopen("/proc/stat", "r");

    *busy = *steal = NAN;
    if (!f) return;
    const int n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2],
                         &t[3], &t[4], &t[5], &t[6], &t[7]);
    fclose(f);
    if (n != 8) return;
    const double hz = (double)sysconf(_SC_CLK_TCK);
    *busy = (double)(t[0] + t[1] + t[2] + t[5] + t[6]) / hz; /* all but idle, waiting, stolen */
    *steal = (double)t[7] / hz;
}

static double own_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

void sdrt_load_begin(struct sdrt_load *load)
{
    load->wall = sdrt_now();
    load->own = own_seconds();
    all_processors(&load->busy, &load->steal);
}

struct sdrt_load_share sdrt_load_since(const struct sdrt_load *load)
{
    const double shortest = 0.5; /* the system counts in hundredths of a second */
    const double own = own_seconds() - load->own;
    struct sdrt_load_share share = { sdrt_now() - load->wall, NAN, NAN, NAN };
    double busy, steal;

    all_processors(&busy, &steal);
    if (share.seconds > shortest) {
        share.other = fmax(0.0, (busy - load->busy - own) / share.seconds);
        share.stolen = (steal - load->steal) / share.seconds;
    }
    if (getloadavg(&share.average, 1) != 1) share.average = NAN;
    return share;
}
