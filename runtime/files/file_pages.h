/* SPDX-License-Identifier: MIT
 *
 * A file's bytes at addresses of their own, read as they are asked for: what a map is, but that a file
 * that is cut meanwhile is an error and not a SIGBUS, and that what nobody asked for is not there.
 * For headers; one thread at a time.
 */
#ifndef SDRT_RUNTIME_FILES_FILE_PAGES_H
#define SDRT_RUNTIME_FILES_FILE_PAGES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_file_pages {
    int fd;         /* borrowed */
    char *base;     /* NULL, or addresses for the whole file: forbidden until they are read */
    size_t size;    /* bytes of the file */
    uint64_t *read; /* owned: a bit a block */
    int failed;     /* SDRT_E_IO, SDRT_E_NOMEM or SDRT_E_CANCELLED once a need was not met */
};

/* Reserves addresses for the size (1 at least) bytes of fd.  0, or -1 without memory.  Close it after a
 * failure too. */
int sdrt_file_pages_open(struct sdrt_file_pages *pages, int fd, size_t size);

/* Lets n bytes at a place behind base be read, all of them inside the file when it was opened: memory
 * for those and a block around them.  0, or -1 with pages->failed set when the file has become
 * shorter, cannot be read, memory is lacking, or sdrt_stop_asked() says so. */
int sdrt_file_pages_need(struct sdrt_file_pages *pages, const char *at, size_t n);

/* Copies n bytes from a place behind base to out, and leaves nothing readable.  Like need. */
int sdrt_file_pages_copy(struct sdrt_file_pages *pages, const char *at, size_t n, void *out);

/* Reads bytes at .. at+n-1 of fd into out; -1 when the file ends before or cannot be read. */
int sdrt_file_read_at(int fd, size_t at, size_t n, void *out);

/* Gives up the addresses, or leaves them to the caller, who has put something else there. */
void sdrt_file_pages_close(struct sdrt_file_pages *pages);
char *sdrt_file_pages_leave(struct sdrt_file_pages *pages);

#ifdef __cplusplus
}
#endif

#endif
