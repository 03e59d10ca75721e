/* SPDX-License-Identifier: MIT */
#include "tools/fetch_part.h"

#include "runtime/files/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char *with_suffix(const char *name, const char *suffix)
{
    const size_t room = strlen(name) + strlen(suffix) + 1;
    char *text = malloc(room);

    if (text) snprintf(text, room, "%s%s", name, suffix);
    return text;
}

/* What follows "key " on a line, or NULL. */
static const char *field(const char *line, const char *key)
{
    const size_t n = strlen(key);

    return strncmp(line, key, n) == 0 && line[n] == ' ' ? line + n + 1 : NULL;
}

/* Whether the bytes there came from url; takes over what else the tag says. */
static int read_tag(struct fetch_part *part, const char *url)
{
    const int fd = open(part->tag, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    char *line = NULL;
    size_t room = 0;
    int same = 0;

    if (!file) {
        if (fd >= 0) close(fd);
        return 0;
    }
    while (getline(&line, &room, file) > 0) {
        const char *value;
        line[strcspn(line, "\n")] = 0;
        if ((value = field(line, "url"))) same = strcmp(value, url) == 0;
        else if ((value = field(line, "etag")) && strlen(value) < sizeof part->etag)
            snprintf(part->etag, sizeof part->etag, "%s", value);
        else if ((value = field(line, "sha256"))) fetch_read_sha256(part->sha256, value);
    }
    free(line);
    fclose(file);
    return same;
}

/* Opens and locks the file; whoever held it before may have renamed it meanwhile. */
static int open_locked(struct fetch_part *part, const struct sdrt_log *log)
{
    struct stat mine, there;

    /* A link there is somebody else's. */
    part->fd = open(part->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (part->fd < 0)
        return sdrt_fail(log, SDRT_E_IO, "%s: cannot be written: %s", part->path, strerror(errno));
    if (flock(part->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return sdrt_fail(log, SDRT_E_IO, "%s: another program is fetching it", part->path);
    if (fstat(part->fd, &mine) != 0 || stat(part->path, &there) != 0 ||
        mine.st_ino != there.st_ino || !S_ISREG(mine.st_mode))
        return sdrt_fail(log, SDRT_E_IO, "%s: expected a plain file that nobody else moves",
                         part->path);
    part->size = (uint64_t)mine.st_size;
    return SDRT_OK;
}

int fetch_part_open(struct fetch_part **out, const char *target, const char *url,
                    const struct sdrt_log *log)
{
    struct fetch_part *part = calloc(1, sizeof *part);
    int status;

    *out = NULL;
    if (part) {
        part->fd = -1;
        part->target = strdup(target);
        part->path = with_suffix(target, ".part");
        part->tag = with_suffix(target, ".part.tag");
    }
    if (!part || !part->target || !part->path || !part->tag) {
        status = sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to fetch it", target);
        goto out;
    }
    status = open_locked(part, log);
    if (status) {
        /* The bytes there may be another program's. */
        if (part->fd >= 0) close(part->fd);
        part->fd = -1;
        goto out;
    }
    if (part->size && access(part->tag, F_OK) != 0) {
        status = sdrt_fail(log, SDRT_E_IO,
                           "%s: is there without %s.tag, so another program's: expected it to be "
                           "moved away",
                           part->path, part->path);
        close(part->fd);
        part->fd = -1;
        goto out;
    }
    if (part->size && !read_tag(part, url)) status = fetch_part_restart(part, log);
    if (status) goto out;
    *out = part;
    part = NULL;
out:
    fetch_part_close(&part);
    return status;
}

int fetch_part_restart(struct fetch_part *part, const struct sdrt_log *log)
{
    part->etag[0] = part->sha256[0] = 0;
    if (ftruncate(part->fd, 0) != 0 || lseek(part->fd, 0, SEEK_SET) != 0)
        return sdrt_fail(log, SDRT_E_IO, "%s: cannot be emptied: %s", part->path, strerror(errno));
    part->size = 0;
    return SDRT_OK;
}

int fetch_part_remember(const struct fetch_part *part, const char *url, const struct sdrt_log *log)
{
    struct sdrt_atomic_file *file;
    const int status = sdrt_atomic_open(&file, part->tag, log);

    if (status) return status;
    sdrt_atomic_printf(file, "url %s\n", url);
    if (part->etag[0]) sdrt_atomic_printf(file, "etag %s\n", part->etag);
    if (part->sha256[0]) sdrt_atomic_printf(file, "sha256 %s\n", part->sha256);
    return sdrt_atomic_commit(&file, log);
}

int fetch_part_append(struct fetch_part *part, const void *data, size_t size,
                      const struct sdrt_log *log)
{
    const char *from = data;

    while (size) {
        const ssize_t n = pwrite(part->fd, from, size, (off_t)part->size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return sdrt_fail(log, SDRT_E_IO, "%s: could not be written: %s; what has come is kept",
                             part->path, strerror(n < 0 ? errno : EIO));
        from += n;
        size -= (size_t)n;
        part->size += (uint64_t)n;
    }
    return SDRT_OK;
}

int fetch_part_check_room(const struct fetch_part *part, uint64_t needed,
                          const struct sdrt_log *log)
{
    struct statvfs disk;
    uint64_t there;

    if (fstatvfs(part->fd, &disk) != 0 || !disk.f_frsize) return SDRT_OK;
    if (__builtin_mul_overflow((uint64_t)disk.f_bavail, (uint64_t)disk.f_frsize, &there) ||
        needed <= there)
        return SDRT_OK;
    return sdrt_fail(log, SDRT_E_IO,
                     "%s: needs %" PRIu64 " MiB more, but its disk has %" PRIu64 " MiB free",
                     part->target, needed / (1 << 20) + 1, there / (1 << 20));
}

int fetch_part_commit(struct fetch_part *part, const struct sdrt_log *log)
{
    if (fsync(part->fd) != 0)
        return sdrt_fail(log, SDRT_E_IO, "%s: could not be written: %s", part->path,
                         strerror(errno));
    if (rename(part->path, part->target) != 0)
        return sdrt_fail(log, SDRT_E_IO, "%s: cannot be put in place: %s", part->target,
                         strerror(errno));
    unlink(part->tag);
    close(part->fd);
    part->fd = -1;
    return SDRT_OK;
}

void fetch_part_discard(struct fetch_part *part)
{
    unlink(part->path);
    unlink(part->tag);
    close(part->fd);
    part->fd = -1;
}

void fetch_part_close(struct fetch_part **part)
{
    struct fetch_part *p = *part;

    if (!p) return;
    if (p->fd >= 0 && !p->size) fetch_part_discard(p);
    if (p->fd >= 0) close(p->fd);
    free(p->target);
    free(p->path);
    free(p->tag);
    free(p);
    *part = NULL;
}

/* Reads the file through; the log hears of failures. */
static int digest_file(EVP_MD_CTX *context, unsigned char *block, size_t room, int fd,
                       const char *path, struct progress *progress,
                       const volatile sig_atomic_t *stop, const struct sdrt_log *log)
{
    struct stat info;
    uint64_t done = 0;

    if (fstat(fd, &info) != 0) info.st_size = 0;
    progress_bytes_start(progress, 0);
    for (;;) {
        const ssize_t n = read(fd, block, room);
        if (*stop) return SDRT_E_CANCELLED;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return sdrt_fail(log, SDRT_E_IO, "%s: cannot be read: %s", path, strerror(errno));
        if (n == 0) return SDRT_OK;
        if (EVP_DigestUpdate(context, block, (size_t)n) != 1)
            return sdrt_fail(log, SDRT_E_IO, "%s: its SHA-256 could not be computed", path);
        done += (uint64_t)n;
        progress_bytes(progress, "check", done, (uint64_t)info.st_size);
    }
}

int fetch_digest(char out[FETCH_SHA256_TEXT], const char *path, struct progress *progress,
                 const volatile sig_atomic_t *stop, const struct sdrt_log *log)
{
    const size_t room = (size_t)1 << 20;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char *block = malloc(room), digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    int status;

    if (fd < 0) {
        status = sdrt_fail(log, SDRT_E_IO, "%s: cannot be read: %s", path, strerror(errno));
        goto out;
    }
    if (!context || !block || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        status = sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to check it", path);
        goto out;
    }
    status = digest_file(context, block, room, fd, path, progress, stop, log);
    progress_clear(progress);
    if (status) goto out;
    if (EVP_DigestFinal_ex(context, digest, &length) != 1 || length * 2 != FETCH_SHA256_TEXT - 1) {
        status = sdrt_fail(log, SDRT_E_IO, "%s: its SHA-256 could not be computed", path);
        goto out;
    }
    for (unsigned int i = 0; i < length; i++) snprintf(out + 2 * i, 3, "%02x", digest[i]);
out:
    if (fd >= 0) close(fd);
    EVP_MD_CTX_free(context);
    free(block);
    return status;
}
