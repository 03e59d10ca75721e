/* SPDX-License-Identifier: MIT
 *
 * What a format of tensor files brings: how its files begin, and how its header is read.  Opening,
 * finding, reading and residency are the same for all.  A new format is a file with one of these
 * and a row in tensor_files.c.
 */
#ifndef SDRT_RUNTIME_FILES_TENSOR_FORMAT_H
#define SDRT_RUNTIME_FILES_TENSOR_FORMAT_H

#include "runtime/files/file_pages.h"
#include "runtime/files/tensor_files.h"

enum { SDRT_TENSOR_FILE_FRONT = 4096 };

struct sdrt_tensor_format {
    const char *const *extensions; /* ".safetensors", NULL behind the last */
    /* Whether a file of this size (1 at least) that begins so is meant to be of this format: front has
     * SDRT_TENSOR_FILE_FRONT bytes, zeros behind the file's end. */
    int (*claims)(const char *front, size_t size);
    /* Reads the header of file, whose path, pages and size are set, and sets header, tensors and
     * count; what is set after a failure is freed like after a success.  Every tensor lies inside
     * the pages, of which nothing else stays, and names differ.  What is read there is asked for by
     * sdrt_file_pages_need(); where that fails any error serves, the caller tells the right one.
     * Errors of sdrt_tensor_file_open(), logged. */
    int (*parse)(struct sdrt_tensor_file *file, const struct sdrt_log *log);
    const char *(*metadata)(const struct sdrt_tensor_file *file, const char *key);
    void (*free_header)(void *header); /* NULL is allowed */
};

struct sdrt_tensor_file {
    const struct sdrt_tensor_format *format;
    char   *path;
    int fd;         /* what data are read from */
    struct sdrt_file_pages pages; /* while it is parsed; data are places in them */
    char *map; /* NULL or, once it is open, the whole file at the same addresses */
    size_t  size;
    void   *header; /* of the format; owns what tensors point to outside the map */
    struct sdrt_file_tensor *tensors; /* sorted by name once the file is open; freed with it */
    size_t  count;
    int users; /* how many closes end it */
};

/* Reads bytes at .. at+n-1 of the file, all inside it when it was opened, past the map.  0, or -1 when
 * it has become shorter or cannot be read, for which the other has the line: SDRT_E_IO. */
int sdrt_tensor_file_bytes(const struct sdrt_tensor_file *file, size_t at, size_t n, void *out);
int sdrt_tensor_file_shorter(const struct sdrt_tensor_file *file, const struct sdrt_log *log);

extern const struct sdrt_tensor_format sdrt_format_safetensors;
extern const struct sdrt_tensor_format sdrt_format_gguf;
extern const struct sdrt_tensor_format sdrt_format_pickle_zip; /* what torch.save() writes */
extern const struct sdrt_tensor_format sdrt_format_pickle;     /* and wrote before PyTorch 1.6 */
extern const struct sdrt_tensor_format sdrt_format_pickle_tar; /* and before 0.1.10 */

#endif
