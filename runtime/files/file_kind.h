/* SPDX-License-Identifier: MIT
 *
 * Guesses from its first bytes what a file is, to tell people what they passed.
 */
#ifndef SDRT_RUNTIME_FILES_FILE_KIND_H
#define SDRT_RUNTIME_FILES_FILE_KIND_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SDRT_FILE_KIND_BYTES = 64,       /* as many first bytes as the guess of a binary file can use */
    SDRT_FILE_KIND_DESCRIBED = 1024, /* and as a description can */
    SDRT_FILE_KIND_ROOM = 200        /* of a description */
};

/* A phrase with its article ("a PNG image"), constant, or NULL when the bytes look like
 * nothing known.  size may be anything, also 0. */
const char *sdrt_file_kind(const void *bytes, size_t size);

/* The same into out, and of a text how it begins: what a server says in the place of a file.
 * Returns 0, and leaves out empty, when the bytes look like nothing known. */
int sdrt_file_describe(char out[SDRT_FILE_KIND_ROOM], const void *bytes, size_t size);

#ifdef __cplusplus
}
#endif

#endif
