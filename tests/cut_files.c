/* SPDX-License-Identifier: MIT
 *
 * A file of tensors cut and damaged, again and again:
 *
 *     cut_files FILE STEP BODY FLIPS
 *
 * cuts a copy at every STEP-th byte of its header, at BODY places behind it, and turns FLIPS bits of
 * it.  A cut file is refused in one line.  A damaged one is refused so, or opened, and then its values
 * can be read.  Ends with the counts.
 */
#include "runtime/files/tensor_files.h"
#include "tests/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "cut-files-XXXXXX";
static char *bytes;
static size_t size, start, tried, opened, bad; /* start: of what is behind the header */
static int fd;

/* Opens what is there and reads it all; must_fail: it may not open. */
static void look(int must_fail, const char *what, size_t at)
{
    struct sdrt_tensor_file *file;
    int good;

    fuzz_lines = 0;
    const int status = sdrt_tensor_file_open(&file, path, &fuzz_log);
    good = status == SDRT_OK ? !must_fail && !fuzz_lines : fuzz_lines == 1 && !file;
    opened += status == SDRT_OK;
    for (size_t i = 0; status == SDRT_OK && i < sdrt_tensor_file_count(file); i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(file, i);
        void *values = malloc(t->bytes ? t->bytes : 1);
        if (!values || sdrt_tensor_file_read(file, t, 0, t->bytes, values) != SDRT_OK) good = 0;
        free(values);
    }
    sdrt_tensor_file_close(&file);
    tried++;
    if (good) return;
    if (!bad++) printf("%s at byte %zu: status %d, %d lines\n", what, at, status, fuzz_lines);
}

static void cut(size_t at)
{
    if (ftruncate(fd, (off_t)at) != 0) abort();
    look(1, "cut", at);
    /* Zeros behind the header are values as good as others. */
    const size_t n = at < start ? start - at : 0;
    if (pwrite(fd, bytes + at, n, (off_t)at) != (ssize_t)n || ftruncate(fd, (off_t)size) != 0)
        abort();
}

static void flip(size_t at)
{
    const char damaged = (char)(bytes[at] ^ 1 << fuzz_below(8));

    if (pwrite(fd, &damaged, 1, (off_t)at) != 1) abort();
    look(0, "a bit turned", at);
    if (pwrite(fd, bytes + at, 1, (off_t)at) != 1) abort();
}

static int read_whole(const char *name)
{
    struct stat info;
    const int from = open(name, O_RDONLY);

    if (from < 0 || fstat(from, &info) != 0 || !info.st_size) return 0;
    size = (size_t)info.st_size;
    bytes = malloc(size);
    const int good = bytes && read(from, bytes, size) == (ssize_t)size;
    close(from);
    return good;
}

int main(int argc, char **argv)
{
    uint64_t header = 0;

    if (argc != 5 || !read_whole(argv[1]) || size < sizeof header) {
        fputs("usage: cut_files FILE STEP BODY FLIPS\n", stderr);
        return 2;
    }
    const size_t step = strtoul(argv[2], NULL, 10), body = strtoul(argv[3], NULL, 10);
    const size_t flips = strtoul(argv[4], NULL, 10);
    memcpy(&header, bytes, sizeof header);
    start = sizeof header + (header < size - sizeof header ? (size_t)header : 0);
    fd = mkstemp(path);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) return 2;
    fuzz_state = 19;
    for (size_t at = 0; at < start && step; at += step) cut(at);
    for (size_t i = 0; i < body && start < size; i++) cut(start + (size - start) * i / body);
    for (size_t i = 0; i < flips; i++) flip(fuzz_below((uint32_t)(i % 4 ? start : size)));
    unlink(path);
    printf("cut_files: %zu tried, %zu opened, %zu bad\n", tried, opened, bad);
    return bad != 0;
}
