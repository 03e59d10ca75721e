/* SPDX-License-Identifier: MIT
 *
 * How a program begins, and how signals end it.
 */
#ifndef SDRT_CLI_PROCESS_H
#define SDRT_CLI_PROCESS_H

#ifdef __cplusplus
extern "C" {
#endif

/* Opens those of the descriptors 0 to 2 that are closed, on /dev/null, so that no file that is opened
 * later gets what is meant for them.  Standard output is then one that cannot be written to: what a
 * program has to say there is still told to be lost.  Before anything else, on the main thread. */
void cli_open_standard(void);

/* While line is set, nothing would be lost by an end: a first signal is as a second one, but for the
 * line, which it writes to standard error, and for the exit status, 128 and its number.  NULL: no more.
 * For what asks nobody whether to go on, as opening a model. */
void cli_end_at_once(const char *line);

/* Calls first with the first signal that asks to end (INT, TERM, HUP, XCPU), on whatever the main
 * thread does; no system call is begun again after it.  A second one, and QUIT at once, removes what
 * is half written and ends the process as the signal does.  HUP and QUIT stay ignored where they
 * are.  A file that outgrows its limit is a failed write. */
void cli_catch_signals(void (*first)(int number));

#ifdef __cplusplus
}
#endif

#endif
