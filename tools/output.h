/* SPDX-License-Identifier: MIT
 *
 * Where sdgen's images go: names, formats, and what is never overwritten.
 *
 * Without -o they are sdrt-0001.png and so on, each number one above the highest that is there; a
 * folder as -o has the same in it.  A name may be a pattern: %d, %04d stand for such a number,
 * [seed], [date], [time], [width], [height], [steps], [cfg], [sampler] and [n] for what they say.
 */
#ifndef SDRT_TOOLS_OUTPUT_H
#define SDRT_TOOLS_OUTPUT_H

#include "model/sdrt.h"
#include "runtime/files/picture_file.h"

/* What names depend on; strings are borrowed. */
struct output {
    const char *name; /* of -o; NULL: numbers */
    int force;        /* a file that is there may be replaced */
    int quality;      /* of JPEG and WebP */
    int total;        /* images of the whole run */
    uint64_t seed;    /* of the first */
    const struct sdrt_request *request;
    const struct sdrt_log *log;
};

/* Whether images go to standard output. */
int output_is_stdout(const struct output *output);

/* Before anything is drawn: SDRT_E_ARG for an ending that is none of a picture's, a pattern that
 * cannot be, several images on standard output; SDRT_E_IO where a name cannot be written or, without
 * force, is there already. */
int output_check(const struct output *output);

/* The name of image k of the run, which is not there yet or may be replaced; the caller's.  NULL
 * after a line. */
char *output_name(const struct output *output, int k);

/* The name that image k of the run is to have when all before it are there, which is the caller's: for
 * runs whose images are not written in their order.  NULL after a line. */
char *output_name_ahead(const struct output *output, int k);

/* The format of path, or of what goes to standard output or a device: PNG.  SDRT_E_ARG,
 * SDRT_E_UNSUPPORTED. */
int output_format(const struct output *output, const char *path, enum sdrt_picture_format *format);

/* Writes a picture's file to path, whole or not at all, or to standard output for "-".  SDRT_E_IO. */
int output_put(const struct output *output, const uint8_t *bytes, size_t size, const char *path);

/* Writes image i of the session to path, whole or not at all, or to standard output for "-". */
int output_write(const struct output *output, struct sdrt_session *session, int i,
                 const char *path);

#endif
