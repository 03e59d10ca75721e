/* SPDX-License-Identifier: MIT
 *
 * Runs a program in a process of its own and keeps how it ended.  Needs a temporary folder.
 */
#ifndef SDRT_TESTS_RUN_PROGRAM_H
#define SDRT_TESTS_RUN_PROGRAM_H

#include <sys/types.h>

/* How the last program ended and what it said. */
extern struct ended {
    int status; /* its exit status; 1000 and the number of the signal that ended it */
    int lines;
    char text[4096]; /* standard error */
} ended;

/* Starts arguments[0] with arguments up to a NULL, in an environment of PATH and, where token
 * is not NULL, HF_TOKEN.  It can write files of at most file_limit bytes; 0: no limit. */
pid_t program_start(const char *token, unsigned long file_limit, char *const *arguments);

/* Waits for it and fills in ended. */
void program_finish(pid_t child);

#endif
