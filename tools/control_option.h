/* SPDX-License-Identifier: MIT
 *
 * The option that names a control net and its picture.
 */
#ifndef SDRT_TOOLS_CONTROL_OPTION_H
#define SDRT_TOOLS_CONTROL_OPTION_H

#include "model/sdrt.h"

/* Reads "NET=IMAGE", "NET=IMAGE:0.8" or "NET=IMAGE:0.8:0.2-0.7", net and picture, strength, and the share
 * of the steps, into *out, whose net is the caller's to free, and *image, likewise; and "NET=canny:IMAGE"
 * into *map too, a name of SDRT_LIST_CONTROL_MAPS or NULL.  SDRT_E_ARG, with one
 * line that names the option; SDRT_E_NOMEM. */
int control_option_read(struct sdrt_control *out, const char **map, char **image,
                        const char *option, const char *text, const struct sdrt_log *log);

#endif
