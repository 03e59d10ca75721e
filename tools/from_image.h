/* SPDX-License-Identifier: MIT
 *
 * A request read back from the parameters in an image, sdrt's or A1111's.
 */
#ifndef SDRT_TOOLS_FROM_IMAGE_H
#define SDRT_TOOLS_FROM_IMAGE_H

#include "tools/options.h"

/* The file that the last --from-image in argv names; NULL without. */
const char *from_image_find(int argc, char **argv);

/* Sets what the parameters of path say as if the options for it stood first in the command line, and
 * says in one line what of it is not repeated.  *text owns what the options then point to and is the
 * caller's, also after a failure.  Errors of sdrt_picture_file_read(); SDRT_E_FORMAT where it has no
 * parameters, or a value that no option would take. */
int from_image_apply(struct sdgen_options *options, const char *path, char **text,
                     const struct sdrt_log *log);

#endif
