/* SPDX-License-Identifier: MIT
 *
 * What is the same for all formats, and the table of them.
 */
#include "runtime/base/stop.h"
#include "runtime/base/text.h"
#include "runtime/files/file_kind.h"
#include "runtime/files/tensor_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first that claims a file reads it; where none does, its kind is told, and of a file that
 * begins nearly as one of the first the first says what is wrong. */
static const struct sdrt_tensor_format *const formats[] = {
    &sdrt_format_safetensors,
    &sdrt_format_gguf,
    &sdrt_format_pickle_zip,
    &sdrt_format_pickle,
    &sdrt_format_pickle_tar,
};
enum { FORMATS = sizeof formats / sizeof formats[0] };

static const char wanted[] = "a safetensors, GGUF or PyTorch file";
const char sdrt_tensor_file_extensions[] = ".safetensors, .gguf, .ckpt, .pt or .bin";

static int open_file(struct sdrt_tensor_file *f, const struct sdrt_log *log)
{
    struct stat info;

    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0)
        return sdrt_fail(log, errno == ENOENT ? SDRT_E_MISSING : SDRT_E_IO,
                         "%s: cannot be opened: %s", f->path, strerror(errno));
    if (fstat(f->fd, &info) != 0)
        return sdrt_fail(log, SDRT_E_IO, "%s: cannot be read: %s", f->path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return sdrt_fail(log, SDRT_E_IO, "%s: is %s, %s is expected", f->path,
                         S_ISDIR(info.st_mode) ? "a folder" : "not a regular file", wanted);
    if (info.st_size == 0)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: is empty, %s is expected", f->path, wanted);
    if ((uintmax_t)info.st_size > SIZE_MAX)
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: is larger than the address space", f->path);
    f->size = (size_t)info.st_size;
    if (sdrt_file_pages_open(&f->pages, f->fd, f->size))
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to open it", f->path);
    return SDRT_OK;
}

/* Reads bytes at .. at+n-1, all inside the file when it was opened; -1 when it is cut, or fails. */
int sdrt_tensor_file_bytes(const struct sdrt_tensor_file *f, size_t at, size_t n, void *out)
{
    return sdrt_file_read_at(f->fd, at, n, out);
}

int sdrt_tensor_file_shorter(const struct sdrt_tensor_file *f, const struct sdrt_log *log)
{
    return sdrt_fail(log, SDRT_E_IO,
                     "%s: has become shorter since it was opened, or its disk fails", f->path);
}

static int choose_format(struct sdrt_tensor_file *f, const struct sdrt_log *log)
{
    enum { SHOWN = 8 }; /* first bytes: a safetensors file's length, before a brace */
    char kind[SDRT_FILE_KIND_ROOM], front[SDRT_TENSOR_FILE_FRONT] = "";

    if (sdrt_tensor_file_bytes(f, 0, f->size < sizeof front ? f->size : sizeof front, front))
        return sdrt_tensor_file_shorter(f, log);
    for (int i = 0; i < FORMATS && !f->format; i++)
        if (formats[i]->claims(front, f->size)) f->format = formats[i];
    if (f->format) return SDRT_OK;
    if (sdrt_file_describe(kind, front, f->size < sizeof front ? f->size : sizeof front))
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: seems to be %s; model files must be %s",
                         f->path, kind, sdrt_tensor_file_extensions);
    uint64_t length = 0;
    if (f->size > SHOWN) memcpy(&length, front, SHOWN);
    if (length > f->size && front[SHOWN] != '{') {
        const unsigned char *b = (const unsigned char *)front;
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: is of no kind that is known: it begins with the bytes %02x %02x %02x "
                         "%02x %02x %02x %02x %02x; model files must be %s",
                         f->path, b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7],
                         sdrt_tensor_file_extensions);
    }
    f->format = formats[0];
    return SDRT_OK;
}

/* An error of a parser, until it is known whether it is the file's or the disk's. */
struct held_line {
    char text[1024];
};

static void hold(void *user, enum sdrt_log_level level, const char *text)
{
    struct held_line *held = user;

    (void)level;
    snprintf(held->text, sizeof held->text, "%s", text);
}

static int parse(struct sdrt_tensor_file *f, const struct sdrt_log *log)
{
    struct held_line held = { "" };
    const int status = f->format->parse(f, &(struct sdrt_log){ .fn = hold, .user = &held });

    if (f->pages.failed == SDRT_E_CANCELLED) return SDRT_E_CANCELLED;
    if (f->pages.failed == SDRT_E_NOMEM)
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its header", f->path);
    if (f->pages.failed) return sdrt_tensor_file_shorter(f, log);
    return status == SDRT_OK ? SDRT_OK : sdrt_fail(log, status, "%s", held.text);
}

/* The places of data become those of a map. */
static int map_file(struct sdrt_tensor_file *f, const struct sdrt_log *log)
{
    if (mmap(f->pages.base, f->size, PROT_READ, MAP_PRIVATE | MAP_FIXED, f->fd, 0) == MAP_FAILED)
        return sdrt_fail(log, errno == ENOMEM ? SDRT_E_NOMEM : SDRT_E_IO,
                         "%s: cannot be mapped: %s", f->path, strerror(errno));
    f->map = sdrt_file_pages_leave(&f->pages);
    return SDRT_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct sdrt_file_tensor *x = a, *y = b;

    return strcmp(x->name, y->name);
}

int sdrt_tensor_file_open(struct sdrt_tensor_file **out, const char *path,
                          const struct sdrt_log *log)
{
    struct sdrt_tensor_file *f = calloc(1, sizeof *f);
    int status = SDRT_OK;

    *out = NULL;
    if (f) {
        f->fd = -1;
        f->users = 1;
        f->path = strdup(path);
    }
    if (!f || !f->path) status = sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to open it", path);
    if (status == SDRT_OK && sdrt_stop_asked()) status = SDRT_E_CANCELLED;
    if (status == SDRT_OK) status = open_file(f, log);
    if (status == SDRT_OK) status = choose_format(f, log);
    if (status == SDRT_OK) status = parse(f, log);
    if (status == SDRT_OK) status = map_file(f, log);
    if (f) sdrt_file_pages_close(&f->pages);
    if (status != SDRT_OK) {
        sdrt_tensor_file_close(&f);
        return status;
    }
    if (f->count) qsort(f->tensors, f->count, sizeof *f->tensors, by_name);
    *out = f;
    return SDRT_OK;
}

struct sdrt_tensor_file *sdrt_tensor_file_share(struct sdrt_tensor_file *file)
{
    __atomic_add_fetch(&file->users, 1, __ATOMIC_RELAXED);
    return file;
}

void sdrt_tensor_file_close(struct sdrt_tensor_file **file)
{
    struct sdrt_tensor_file *f = *file;

    *file = NULL;
    if (!f || __atomic_sub_fetch(&f->users, 1, __ATOMIC_ACQ_REL)) return;
    if (f->format) f->format->free_header(f->header);
    if (f->map) munmap(f->map, f->size);
    if (f->fd >= 0) close(f->fd);
    free(f->tensors);
    free(f->path);
    free(f);
}

const char *sdrt_tensor_file_path(const struct sdrt_tensor_file *file)
{
    return file->path;
}

size_t sdrt_tensor_file_count(const struct sdrt_tensor_file *file)
{
    return file->count;
}

const struct sdrt_file_tensor *sdrt_tensor_file_at(const struct sdrt_tensor_file *file,
                                                          size_t i)
{
    return &file->tensors[i];
}

int sdrt_tensor_file_find(const struct sdrt_tensor_file *file, const char *name,
                          const struct sdrt_file_tensor **out, const struct sdrt_log *log)
{
    const struct sdrt_file_tensor key = { .name = name };
    const struct sdrt_file_tensor *t;

    *out = NULL;
    t = bsearch(&key, file->tensors, file->count, sizeof key, by_name);
    if (!t) return SDRT_E_MISSING;
    if (!t->known)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: %s: its dtype %s is not supported",
                         file->path, name, t->dtype_name);
    *out = t;
    return SDRT_OK;
}

/* Data that a format had to copy lie elsewhere. */
static int in_map(const struct sdrt_tensor_file *file, const struct sdrt_file_tensor *tensor)
{
    const uintptr_t data = (uintptr_t)tensor->data, map = (uintptr_t)file->map;

    return data >= map && data - map <= file->size;
}

int sdrt_tensor_file_read(const struct sdrt_tensor_file *file,
                          const struct sdrt_file_tensor *tensor, size_t at, size_t bytes,
                          void *out)
{
    if (!in_map(file, tensor)) {
        memcpy(out, (const char *)tensor->data + at, bytes);
        return SDRT_OK;
    }
    const size_t begin = (size_t)((const char *)tensor->data - file->map) + at;

    return sdrt_tensor_file_bytes(file, begin, bytes, out) ? SDRT_E_IO : SDRT_OK;
}

const char *sdrt_tensor_file_metadata(const struct sdrt_tensor_file *file, const char *key)
{
    return file->format->metadata(file, key);
}

void sdrt_tensor_file_release(const struct sdrt_tensor_file *file,
                              const struct sdrt_file_tensor *tensor)
{
    if (!in_map(file, tensor)) return;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t at = (size_t)((const char *)tensor->data - file->map);
    /* Inward: pages shared with a neighbour stay. */
    const size_t begin = (at + page - 1) / page * page;
    const size_t end = (at + tensor->bytes) / page * page;

    if (begin < end) madvise(file->map + begin, end - begin, MADV_DONTNEED);
}

void sdrt_tensor_file_prefetch(const struct sdrt_tensor_file *file,
                               const struct sdrt_file_tensor *tensor)
{
    if (!in_map(file, tensor)) return;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t at = (size_t)((const char *)tensor->data - file->map);
    const size_t begin = at / page * page;

    if (tensor->bytes) madvise(file->map + begin, at + tensor->bytes - begin, MADV_WILLNEED);
}

const char *sdrt_tensor_file_extension(const char *name)
{
    const size_t length = strlen(name);

    for (int i = 0; i < FORMATS; i++)
        for (const char *const *e = formats[i]->extensions; *e; e++)
            if (length > strlen(*e) && sdrt_ends_with(name, *e)) return name + length - strlen(*e);
    return NULL;
}
