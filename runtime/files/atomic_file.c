/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_TMPFILE */
#endif
#include "runtime/files/atomic_file.h"

#include "runtime/files/unfinished.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct sdrt_atomic_file {
    FILE *stream;
    char *target; /* symbolic links resolved, for rename */
    char *temp;   /* NULL when the target is written directly, or has no name yet */
    char *path;   /* as the caller wrote it, for messages */
    int   error;  /* errno of the first failed write, or 0 */
    int   unnamed; /* until commit, which gives it the name temp */
};

static void destroy(struct sdrt_atomic_file **file)
{
    struct sdrt_atomic_file *f = *file;

    if (!f) return;
    if (f->stream) fclose(f->stream);
    if (f->temp) unlink(f->temp);
    sdrt_unfinished_done(f->temp);
    free(f->temp);
    free(f->target);
    free(f->path);
    free(f);
    *file = NULL;
}

/* ".sdrt-<16 digits>.tmp" beside target; NULL without memory.  The name does not build
 * on the target's, which may have the longest length a folder allows. */
static char *temp_name(const char *target, unsigned attempt)
{
    static unsigned serial;
    const char *slash = strrchr(target, '/');
    const size_t folder = slash ? (size_t)(slash - target) + 1 : 0;
    const size_t room = sizeof ".sdrt-0123456789abcdef.tmp";
    char *name = malloc(folder + room);
    struct timespec now;
    uint64_t mix;

    if (!name) return NULL;
    clock_gettime(CLOCK_REALTIME, &now);
    mix = (uint64_t)now.tv_nsec + ((uint64_t)getpid() << 32) + attempt +
          ((uint64_t)__atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED) << 48);
    mix *= 0x9e3779b97f4a7c15u;
    mix ^= mix >> 29;
    memcpy(name, target, folder);
    snprintf(name + folder, room, ".sdrt-%016llx.tmp", (unsigned long long)mix);
    return name;
}

enum { MOST_ATTEMPTS = 100 };

/* The link that the system keeps to an open file. */
static void link_of(int fd, char *link, size_t size) { snprintf(link, size, "/proc/self/fd/%d", fd); }

/* Opens a file in target's folder that has no name, so that even a process that is killed leaves none;
 * -1 where the system or the file system has no such files. */
static int open_unnamed(const char *target)
{
    int fd = -1;
#ifdef O_TMPFILE
    const char *slash = strrchr(target, '/');
    char *folder = slash ? strndup(target, (size_t)(slash - target) + 1) : strdup(".");
    char link[48];

    if (folder) fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0666);
    free(folder);
    if (fd < 0) return -1;
    link_of(fd, link, sizeof link);
    if (access(link, F_OK) != 0) { /* without /proc it never gets a name */
        close(fd);
        fd = -1;
    }
#else
    (void)target;
#endif
    return fd;
}

/* Links the file without a name to a temporary one.  Returns an errno or 0. */
static int give_name(struct sdrt_atomic_file *f, int fd)
{
    char link[48];
    int error = EEXIST;

    link_of(fd, link, sizeof link);
    for (unsigned attempt = 0; error == EEXIST && attempt < MOST_ATTEMPTS; attempt++) {
        f->temp = temp_name(f->target, attempt);
        if (!f->temp) return ENOMEM;
        sdrt_unfinished_add(f->temp);
        if (linkat(AT_FDCWD, link, AT_FDCWD, f->temp, AT_SYMLINK_FOLLOW) == 0) return 0;
        error = errno;
        sdrt_unfinished_done(f->temp);
        free(f->temp);
        f->temp = NULL;
    }
    return error;
}

/* Opens a new file with a temporary name.  Returns a descriptor, or -1 with errno. */
static int open_named(struct sdrt_atomic_file *f)
{
    for (unsigned attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
        f->temp = temp_name(f->target, attempt);
        if (!f->temp) {
            errno = ENOMEM;
            return -1;
        }
        sdrt_unfinished_add(f->temp); /* first: a signal may come as soon as it is there */
        const int fd = open(f->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) return fd;
        const int error = errno;
        sdrt_unfinished_done(f->temp);
        free(f->temp);
        f->temp = NULL;
        errno = error;
        if (error != EEXIST) break;
    }
    return -1;
}

/* Copies the file without a name to a temporary one, where the system gives it none: to lose what was
 * minutes of work is worse.  Returns an errno or 0. */
static int copy_named(struct sdrt_atomic_file *f, int from)
{
    char bytes[4096];
    struct stat info;
    const int to = fstat(from, &info) == 0 ? open_named(f) : -1;
    int error = to < 0 ? errno : 0;
    ssize_t n = 0;

    for (off_t at = 0; !error && (n = pread(from, bytes, sizeof bytes, at)) > 0; at += n)
        for (ssize_t done = 0, written; !error && done < n; done += written)
            if ((written = write(to, bytes + done, (size_t)(n - done))) < 0) error = errno;
    if (!error && n < 0) error = errno;
    if (to < 0) return error;
    if (!error && fchmod(to, info.st_mode & 0777) != 0) errno = 0;
    if (!error && fsync(to) != 0 && errno != EINVAL) error = errno;
    if (close(to) != 0 && !error) error = errno;
    return error;
}

/* Opens a new temporary file, with the permissions of a file the user makes (umask)
 * or of the one it will replace.  Returns a descriptor, or -1 with errno. */
static int open_temp(struct sdrt_atomic_file *f, const struct stat *old)
{
    int fd = open_unnamed(f->target);

    f->unnamed = fd >= 0;
    if (fd < 0) fd = open_named(f);
    /* Keeping the old permissions is a courtesy; some file systems have none. */
    if (fd >= 0 && old && fchmod(fd, old->st_mode & 0777) != 0) errno = 0;
    return fd;
}

/* Opens what the bytes go to; -1 with errno. */
static int open_for(struct sdrt_atomic_file *f)
{
    struct stat old;
    const int exists = stat(f->target, &old) == 0;

    if (exists && S_ISDIR(old.st_mode)) {
        errno = EISDIR;
        return -1;
    }
    if (exists && !S_ISREG(old.st_mode)) return open(f->target, O_WRONLY | O_CLOEXEC);
    /* A file made read-only on purpose is not replaced, though the folder would allow it. */
    if (exists && access(f->target, W_OK) != 0) return -1;
    return open_temp(f, exists ? &old : NULL);
}

/* Where a symbolic link that leads to nothing yet leads, beside it; NULL where name is none. */
static char *follow(const char *name)
{
    enum { MOST = 4096 };
    char *to = malloc(MOST), *path = NULL;
    const ssize_t n = to ? readlink(name, to, MOST) : -1;
    const char *slash = strrchr(name, '/');
    const size_t folder = slash && n > 0 && *to != '/' ? (size_t)(slash - name) + 1 : 0;

    if (n > 0 && n < MOST) path = malloc(folder + (size_t)n + 1);
    if (path) {
        memcpy(path, name, folder);
        memcpy(path + folder, to, (size_t)n);
        path[folder + (size_t)n] = '\0';
    }
    free(to);
    return path;
}

/* path without symbolic links, so that a rename replaces none; NULL without memory. */
static char *resolve(const char *path)
{
    enum { MOST_LINKS = 40 };
    char *name = strdup(path), *found = realpath(path, NULL), *next;

    for (int i = 0; !found && name && i < MOST_LINKS && (next = follow(name)); i++) {
        free(name);
        name = next;
        found = realpath(name, NULL);
    }
    if (!found) return name;
    free(name);
    return found;
}

int sdrt_atomic_open(struct sdrt_atomic_file **out, const char *path, const struct sdrt_log *log)
{
    struct sdrt_atomic_file *f;
    int status = SDRT_OK, fd = -1;

    *out = NULL;
    if (!*path) return sdrt_fail(log, SDRT_E_IO, "the name of a file to write is empty");
    f = calloc(1, sizeof *f);
    if (f) {
        f->path = strdup(path);
        f->target = resolve(path);
    }
    if (!f || !f->path || !f->target) {
        status = sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to open it", path);
        goto out;
    }
    fd = open_for(f);
    if (fd < 0) {
        status = sdrt_fail(log, SDRT_E_IO, "%s: cannot be written: %s", path, strerror(errno));
        goto out;
    }
    f->stream = fdopen(fd, "wb");
    if (!f->stream) {
        close(fd);
        status = sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to open it", path);
        goto out;
    }
    *out = f;
    f = NULL;
out:
    destroy(&f);
    return status;
}

int sdrt_atomic_write(struct sdrt_atomic_file *file, const void *data, size_t size)
{
    if (file->error) return SDRT_E_IO;
    errno = 0;
    if (size && fwrite(data, 1, size, file->stream) != size)
        file->error = errno ? errno : EIO;
    return file->error ? SDRT_E_IO : SDRT_OK;
}

int sdrt_atomic_printf(struct sdrt_atomic_file *file, const char *format, ...)
{
    va_list args;

    if (file->error) return SDRT_E_IO;
    errno = 0;
    va_start(args, format);
    if (vfprintf(file->stream, format, args) < 0) file->error = errno ? errno : EIO;
    va_end(args);
    return file->error ? SDRT_E_IO : SDRT_OK;
}

/* Makes the new name itself survive a power cut, where the file system can. */
static void sync_folder(const char *target)
{
    const char *slash = strrchr(target, '/');
    char *folder = slash ? strndup(target, (size_t)(slash - target) + 1) : strdup(".");
    const int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

/* Every step through which bytes can still be lost; returns an errno or 0. */
static int finish(struct sdrt_atomic_file *f)
{
    FILE *stream = f->stream;
    int error = f->error;

    if (!error && fflush(stream) != 0) error = errno;
    /* Pipes and some file systems know no fsync and say EINVAL. */
    if (!error && (f->temp || f->unnamed) && fsync(fileno(stream)) != 0 && errno != EINVAL)
        error = errno;
    if (!error && f->unnamed && give_name(f, fileno(stream)) != 0)
        error = copy_named(f, fileno(stream));
    f->stream = NULL;
    if (fclose(stream) != 0 && !error) error = errno;
    if (!error && f->temp && rename(f->temp, f->target) != 0) error = errno;
    if (!error && f->temp) {
        sdrt_unfinished_done(f->temp);
        free(f->temp);
        f->temp = NULL;
        sync_folder(f->target);
    }
    return error;
}

int sdrt_atomic_commit(struct sdrt_atomic_file **file, const struct sdrt_log *log)
{
    const int error = finish(*file);
    int status = SDRT_OK;

    if (error)
        status = sdrt_fail(log, SDRT_E_IO, "%s: could not be written: %s", (*file)->path,
                       strerror(error));
    destroy(file);
    return status;
}

void sdrt_atomic_abort(struct sdrt_atomic_file **file)
{
    destroy(file);
}

int sdrt_atomic_check(const char *path, const struct sdrt_log *log)
{
    struct sdrt_atomic_file *file;
    struct stat info;
    int status;

    /* Opening a pipe would wait for its reader, and some devices act on being opened. */
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) {
        if (access(path, W_OK) == 0) return SDRT_OK;
        return sdrt_fail(log, SDRT_E_IO, "%s: cannot be written: %s", path, strerror(errno));
    }
    status = sdrt_atomic_open(&file, path, log);
    sdrt_atomic_abort(&file);
    return status;
}
