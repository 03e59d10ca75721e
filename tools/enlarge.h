/* SPDX-License-Identifier: MIT
 *
 * sdgen --upscale: a picture of a file, or images as they are drawn, enlarged by a network.
 */
#ifndef SDRT_TOOLS_ENLARGE_H
#define SDRT_TOOLS_ENLARGE_H

#include "tools/options.h"
#include "tools/output.h"

/* Set to zero at first, ended by enlarge_close(). */
struct enlarge {
    struct sdrt_upscaler *upscaler; /* owned */
    const char *name;               /* of its file, borrowed from the options */
    int tile;
    sdrt_upscaler_progress_fn *progress; /* may be NULL */
    void *user;
};

/* The parameters of a picture (NULL: it has none), and A1111's words for how many times larger a network
 * of a file's name made it; the caller's.  NULL without memory. */
char *enlarge_parameters(const char *name, double scale, const char *parameters);

/* Opens what --upscale names.  Errors of sdrt_upscaler_open(). */
int enlarge_open(struct enlarge *e, const struct sdgen_options *options);
void enlarge_close(struct enlarge *e);

/* Enlarges image i of the session and writes it as path, with its parameters and how much larger it
 * is.  Errors of sdrt_upscaler_run() and output_put(). */
int enlarge_image(const struct enlarge *e, const struct output *output,
                  const struct sdrt_session *session, int i, const char *path);

/* The same for a picture that was read, with the parameters that it had. */
int enlarge_file(const struct enlarge *e, const struct output *output,
                 const struct sdrt_picture_file *file, const char *path);

#endif
