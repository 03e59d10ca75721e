/* SPDX-License-Identifier: MIT
 *
 * The pictures that sdgen is given.
 */
#ifndef SDRT_TOOLS_PICTURES_H
#define SDRT_TOOLS_PICTURES_H

#include "runtime/files/picture_file.h"
#include "tools/options.h"

/* Set to zero at first, ended by pictures_free(). */
struct pictures {
    struct sdrt_picture_file init_file, mask_file; /* owned */
    struct sdrt_picture_file control_files[SDGEN_MAX_CONTROLS];
    struct sdrt_picture_file ip_files[SDGEN_MAX_IPS];
    struct sdrt_picture init, mask; /* the same, for the request */
    struct sdrt_picture controls[SDGEN_MAX_CONTROLS], ips[SDGEN_MAX_IPS];
};

/* Reads what the options name and lets the request point to it.  Errors of
 * sdrt_picture_file_read(). */
int pictures_read(struct pictures *pictures, struct sdgen_options *options,
                  const struct sdrt_log *log);
void pictures_free(struct pictures *pictures);

#endif
