/* SPDX-License-Identifier: MIT
 *
 * What the tests of teams share.
 */
#ifndef SDRT_TESTS_TEAMS_H
#define SDRT_TESTS_TEAMS_H

#include "runtime/machine/team.h"

#include <criterion/criterion.h>
#include <time.h>

enum { STEPS = 400, MOST_PARTS = 97, MOST_WORKERS = 16 };

/* A team of this machine's; the caller frees it. */
static inline struct sdrt_team *tteam_make(int workers)
{
    struct sdrt_team *team;

    cr_assert_eq(sdrt_team_create(&team, workers, NULL, NULL), SDRT_OK);
    cr_assert_eq(sdrt_team_workers(team), workers);
    return team;
}

/* 0.2 ms of doing nothing. */
static inline void tdawdle(void)
{
    const struct timespec t = { 0, 200000 };

    nanosleep(&t, NULL);
}

#endif
