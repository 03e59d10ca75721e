/* SPDX-License-Identifier: MIT
 *
 * Addresses of files on a hub.
 */
#ifndef SDRT_TOOLS_FETCH_URL_H
#define SDRT_TOOLS_FETCH_URL_H

#include "runtime/base/error.h"

/* Whether hub is an http or https address; without a slash at its end it gets repositories
 * appended.  SDRT_E_ARG. */
int fetch_check_hub(const char *hub, const struct sdrt_log *log);

/* The address of a file: hub/repository/resolve/revision/path, with what needs it escaped.
 * free() it; NULL without memory. */
char *fetch_hub_url(const char *hub, const char *repository, const char *revision,
                    const char *path);

/* The address for what a caller named: an address itself (of a hub's page about a file, that
 * of the file), or owner/name/path of a file on the hub.  *url belongs to the caller, as does
 * *repository (owner/name, NULL for an address elsewhere).  SDRT_E_ARG, SDRT_E_NOMEM. */
int fetch_named_url(char **url, char **repository, const char *name, const char *hub,
                    const char *revision, const struct sdrt_log *log);

/* Whether a and b have the same scheme, host and port; 0 when one is no address. */
int fetch_same_origin(const char *a, const char *b);

/* Whether what is sent to url can be read by its host alone: https, or http to this machine. */
int fetch_is_private(const char *url);

/* Whether url is one that a redirect from from may lead to: http or https, and not from the
 * second to the first. */
int fetch_may_follow(const char *from, const char *url);

/* The last part of a path or of an address without its query, what the file is to be called;
 * free() it.  NULL when there is none, or without memory. */
char *fetch_base_name(const char *path);

#endif
