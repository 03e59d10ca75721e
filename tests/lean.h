/* SPDX-License-Identifier: MIT
 *
 * Whether steps allocate nothing and plans are as small as their bounds, of drawings that a test makes
 * anyway.  Its program counts allocations (COUNT_ALLOCATIONS).
 */
#ifndef SDRT_TESTS_LEAN_H
#define SDRT_TESTS_LEAN_H

#include "model/pipeline/session.h"

struct lean {
    long first, allocated; /* from the first step's end to the last's, of all runs of steps */
    int runs;
};

/* The progress of a request whose user is a struct lean, zeros at first. */
int lean_count(void *user, enum sdrt_stage stage, int done, int total);

/* After the drawing: fails the test unless it had steps that allocated nothing, and every program's plan is
 * its lower bound. */
void expect_lean(struct sdrt_context *c, const struct lean *lean, const char *name);

#endif
