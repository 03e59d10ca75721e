/* SPDX-License-Identifier: MIT
 *
 * SHA-256 of files, kept in a text file once it is known: a line each of kind, size, time and digest, and the
 * path, which a later line of the same path replaces.
 */
#ifndef SDRT_RUNTIME_FILES_FILE_HASH_H
#define SDRT_RUNTIME_FILES_FILE_HASH_H

#include "runtime/base/error.h"
#include "runtime/base/sha256.h"

#ifdef __cplusplus
extern "C" {
#endif

enum sdrt_file_hash_kind {
    SDRT_FILE_HASH_WHOLE, /* the web UI's of checkpoints; its first ten digits are Civitai's AutoV2 */
    SDRT_FILE_HASH_TENSORS /* of a safetensors file without its header, which trainers change; the first
                            * twelve digits are Civitai's AutoV3.  Of others the whole */
};

/* The digest of path, a file: from cache, a path, where that has it for the file's size and time, else, with
 * compute not 0, from the file, and it is added to cache, whose folder is made; that it cannot be is no error.
 * cache NULL: none.  SDRT_E_MISSING without a line where it is not known; SDRT_E_IO where path cannot be
 * read; SDRT_E_CANCELLED, with no line, where sdrt_stop_asked() says so. */
int sdrt_file_hash(char digest[SDRT_SHA256_TEXT], const char *path, enum sdrt_file_hash_kind kind,
                   const char *cache, int compute, const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
