/* SPDX-License-Identifier: MIT
 *
 * What else the machine does while something is measured.
 */
#ifndef SDRT_BENCH_LOAD_H
#define SDRT_BENCH_LOAD_H

struct sdrt_load {
    double wall, own, busy, steal; /* seconds, when it began; busy and steal of all processors */
};

/* CPU time that others took meanwhile, in processors: 0.5 is half of one.  NAN where unknown, as
 * after less than half a second. */
struct sdrt_load_share {
    double seconds; /* since it began */
    double other;   /* other programs */
    double stolen;  /* other virtual machines */
    double average; /* the system's own count of the last minute */
};

void sdrt_load_begin(struct sdrt_load *load);
struct sdrt_load_share sdrt_load_since(const struct sdrt_load *load);

#endif
