/* SPDX-License-Identifier: MIT
 *
 * Those who draw: a thread with a session each.
 */
#ifndef SDRT_TOOLS_SDSERVE_DRAW_H
#define SDRT_TOOLS_SDSERVE_DRAW_H

#include "tools/sdserve/server.h"

struct drawers;

/* Starts options.sessions of them; the caller's.  NULL without memory or threads. */
struct drawers *drawers_start(struct server *server);

/* Ends what they draw at once, so that drawers_join() soon returns.  [any] */
void drawers_cancel(struct drawers *drawers);

/* Waits for all, whom queue_stop() ends, and frees them. */
void drawers_join(struct drawers **drawers);

/* The last error that the calling thread's log was told, and "" from then on. */
const char *draw_error(void);

/* The log of the server: to standard error, and what draw_error() tells. */
void draw_log(void *user, enum sdrt_log_level level, const char *text);

#endif
