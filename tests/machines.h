/* SPDX-License-Identifier: MIT
 *
 * Machines whose cores are not alike, for sdrt_topology_create().
 */
#ifndef SDRT_TESTS_MACHINES_H
#define SDRT_TESTS_MACHINES_H

/* PUs first .. last are of one kind, of which the system tells that.  A number of 0, and an order
 * of -1, is not told. */
struct tmachine_kind {
    int first, last;
    int capacity, mhz, order;
};

/* hwloc's words with kinds, as XML; of the PUs first_gone, first_gone + step_gone and so on up to
 * last_gone the machine has none (step_gone 0: all are there).  The text is the caller's. */
char *tmachine_xml(const char *words, const struct tmachine_kind *kinds, int n, int first_gone,
                   int last_gone, int step_gone);

/* Four cores beside which two more have half the speed. */
char *tmachine_four_two(void);

#endif
