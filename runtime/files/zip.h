/* SPDX-License-Identifier: MIT
 *
 * The directory of a zip archive whose entries are stored, not compressed, as PyTorch
 * writes it: an entry's bytes are used where they lie.  (APPNOTE.TXT of PKWARE 4.3 and 4.5.3;
 * libraries for archives hand out copies of entries, not their places.)
 */
#ifndef SDRT_RUNTIME_FILES_ZIP_H
#define SDRT_RUNTIME_FILES_ZIP_H

#include "runtime/base/error.h"
#include "runtime/files/file_pages.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All pointers are borrowed from the pages. */
struct sdrt_zip_entry {
    const char *name; /* without a 0 at its end */
    size_t name_size;
    uint64_t at;           /* of its local header in the archive */
    uint64_t size, packed; /* bytes, and what they take in the archive */
    uint32_t crc;
    uint16_t method, flags;
};

struct sdrt_zip {
    struct sdrt_file_pages *pages; /* borrowed, as the path */
    const char *path;
    size_t size;
    struct sdrt_zip_entry *entries; /* owned, sorted by name; names differ */
    size_t count;
};

/* Whether a file of this size that begins so is meant to be a zip archive. */
int sdrt_zip_claims(const char *map, size_t size);

/* Reads the directory of the archive in pages, which must outlive *out, as must path.  Allocates
 * less than 2 bytes for each byte of the directory.  *out belongs to the caller, who frees it with
 * sdrt_zip_free(); after a failure it is empty.  SDRT_E_FORMAT for a damaged or cut archive,
 * SDRT_E_NOMEM, SDRT_E_IO with nothing logged where the pages have failed. */
int sdrt_zip_open(struct sdrt_zip *out, struct sdrt_file_pages *pages, const char *path,
                  const struct sdrt_log *log);

/* Frees what it owns and leaves all zeros. */
void sdrt_zip_free(struct sdrt_zip *zip);

/* The entry of that name (size bytes), borrowed; NULL when there is none. */
const struct sdrt_zip_entry *sdrt_zip_find(const struct sdrt_zip *zip, const char *name,
                                           size_t size);

/* Where the entry's bytes begin, into *out, all of them inside the file, none read.  SDRT_E_UNSUPPORTED for an
 * entry that is compressed or encrypted, SDRT_E_FORMAT for one that is not where the directory
 * says, SDRT_E_IO as above. */
int sdrt_zip_data(const struct sdrt_zip *zip, const struct sdrt_zip_entry *entry, const char **out,
                  const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
