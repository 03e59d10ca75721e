/* SPDX-License-Identifier: MIT
 *
 * A file of tensors, or a picture, cut and damaged, again and again:
 *
 *     cut_files FILE STEP BODY FLIPS [FORMAT]
 *
 * cuts a copy at every STEP-th byte of its header, at BODY places behind it, and turns FLIPS bits of
 * it.  A cut file is refused in one line, or what it holds is all there, where only what fills it up is
 * gone.  A damaged one is refused so, or opened, and then its values can be read.  FORMAT, jpeg or webp:
 * a picture is made one of those first.  Ends with the counts.
 */
#include "runtime/base/hash.h"
#include "runtime/files/picture_file.h"
#include "runtime/files/tensor_files.h"
#include "tests/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "cut-files-XXXXXX";
static char *bytes;
static size_t size, start, tried, opened, bad; /* start: of what is behind the header */
static uint64_t whole;                         /* a hash of what it holds */
static int fd, picture;

static uint64_t hash_of(const void *data, size_t n)
{
    static const uint64_t key[2] = { 19, 25 };

    return sdrt_hash_keyed(key, data, n);
}

/* Opens path as tensors and reads them all; *hash is of what they are. */
static int read_tensors(const char *from, uint64_t *hash)
{
    struct sdrt_tensor_file *file;
    int status = sdrt_tensor_file_open(&file, from, &fuzz_log);

    *hash = 0;
    if (status != SDRT_OK && file) abort();
    for (size_t i = 0; status == SDRT_OK && i < sdrt_tensor_file_count(file); i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(file, i);
        char *values = malloc(t->bytes + 1);
        if (!values) abort();
        status = sdrt_tensor_file_read(file, t, 0, t->bytes, values);
        *hash = *hash * 31 + hash_of(t->name, strlen(t->name)) + hash_of(values, t->bytes) +
                (uint64_t)t->dtype + hash_of(t->shape, sizeof *t->shape * (size_t)t->rank);
        free(values);
    }
    sdrt_tensor_file_close(&file);
    return status;
}

static int read_picture(const char *from, uint64_t *hash)
{
    struct sdrt_picture_file file = { 0 };
    const int status = sdrt_picture_file_read(&file, from, &fuzz_log);

    *hash = 0;
    if (status == SDRT_OK)
        *hash = hash_of(file.pixels,
                        (size_t)file.width * (size_t)file.height * (size_t)file.channels);
    else if (file.pixels) abort();
    sdrt_picture_file_free(&file);
    return status;
}

static void look(int cut, const char *what, size_t at)
{
    uint64_t hash;

    fuzz_lines = 0;
    const int status = picture ? read_picture(path, &hash) : read_tensors(path, &hash);
    const int good = status == SDRT_OK ? (!cut || hash == whole) && !fuzz_lines : fuzz_lines == 1;
    opened += status == SDRT_OK;
    tried++;
    if (good) return;
    if (!bad++) printf("%s at byte %zu: status %d, %d lines\n", what, at, status, fuzz_lines);
}

static void cut(size_t at)
{
    if (ftruncate(fd, (off_t)at) != 0) abort();
    look(1, "cut", at);
    /* Zeros behind the header are values as good as others, but not in pictures. */
    const size_t end = picture ? size : start, n = at < end ? end - at : 0;
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

/* The picture's bytes in another format instead of its own. */
static int encode(const char *name, const char *format)
{
    struct sdrt_picture_file file = { 0 };
    enum sdrt_picture_format to = strcmp(format, "webp") ? SDRT_JPEG : SDRT_WEBP;
    int status = sdrt_picture_file_read(&file, name, &fuzz_log);
    uint8_t *made = NULL;

    if (status == SDRT_OK && file.channels == 3)
        status = sdrt_picture_encode(to, 90, &made, &size, name, file.pixels, file.width,
                                     file.height, "a cat", &fuzz_log);
    sdrt_picture_file_free(&file);
    bytes = (char *)made;
    return made && status == SDRT_OK;
}

/* Where the header ends: of a safetensors file by its length, else nobody knows. */
static size_t header_end(void)
{
    uint64_t header = size;

    if (!picture && size > sizeof header && bytes[sizeof header] == '{')
        memcpy(&header, bytes, sizeof header);
    return header < size - sizeof header ? sizeof header + (size_t)header : size;
}

int main(int argc, char **argv)
{
    enum sdrt_picture_format format;

    picture = argc > 1 && sdrt_picture_format_of(&format, argv[1], NULL) == SDRT_OK;
    if (argc < 5 || argc > 6 || !(argc == 6 ? encode(argv[1], argv[5]) : read_whole(argv[1])) ||
        size < sizeof(uint64_t)) {
        fputs("usage: cut_files FILE STEP BODY FLIPS [jpeg|webp]\n", stderr);
        return 2;
    }
    const size_t step = strtoul(argv[2], NULL, 10), body = strtoul(argv[3], NULL, 10);
    const size_t flips = strtoul(argv[4], NULL, 10);
    start = header_end();
    fd = mkstemp(path);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) return 2;
    if ((picture ? read_picture : read_tensors)(path, &whole) != SDRT_OK) return 2;
    fuzz_state = 19;
    for (size_t at = 0; at < start && step; at += step) cut(at);
    for (size_t i = 0; i < body && start < size; i++) cut(start + (size - start) * i / body);
    for (size_t i = 0; i < flips; i++) flip(fuzz_below((uint32_t)(i % 4 ? start : size)));
    unlink(path);
    printf("cut_files: %zu tried, %zu opened, %zu bad\n", tried, opened, bad);
    return bad != 0;
}
