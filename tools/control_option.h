/* SPDX-License-Identifier: MIT
 *
 * The option that names a control net and its picture.
 */
#ifndef SDRT_TOOLS_CONTROL_OPTION_H
#define SDRT_TOOLS_CONTROL_OPTION_H

#include "model/sdrt.h"

/* What stands beside a control net on the command line. */
struct control_option {
    struct sdrt_control control; /* its net is the caller's to free */
    const char *map, *type;      /* names of SDRT_LIST_CONTROL_MAPS and _TYPES, or NULL */
    char *image;                 /* the picture's file, the caller's to free */
};

/* Reads "NET=IMAGE", "NET=IMAGE:0.8" or "NET=IMAGE:0.8:0.2-0.7", net and picture, strength, and the share
 * of the steps, into *out; "NET=canny:IMAGE" with a map, "NET:canny=IMAGE" with the type that a union of nets is
 * told.  SDRT_E_ARG, with one line that names the option; SDRT_E_NOMEM. */
int control_option_read(struct control_option *out, const char *option, const char *text,
                        const struct sdrt_log *log);

/* The same of an IP-Adapter: "FILE=IMAGE" or "FILE=IMAGE:0.8"; the file and *image are the caller's to free. */
int ip_option_read(struct sdrt_ip_adapter *out, char **image, const char *option, const char *text,
                   const struct sdrt_log *log);

#endif
