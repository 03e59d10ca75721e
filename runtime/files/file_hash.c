/* SPDX-License-Identifier: MIT */
#include "runtime/files/file_hash.h"
#include "runtime/base/stop.h"
#include "runtime/files/file_time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

/* What a line of the cache begins with: the file as it is now. */
static void describe(char *text, size_t size, enum sdrt_file_hash_kind kind, const struct stat *st)
{
    const struct timespec time = sdrt_file_time(st);

    /* A file that replaces another of its size within a second differs in the rest. */
    snprintf(text, size, "%c %lld %lld.%09ld ", kind == SDRT_FILE_HASH_WHOLE ? 'w' : 't',
             (long long)st->st_size, (long long)time.tv_sec, (long)time.tv_nsec);
}

/* Whether the cache has the file; the last line of it counts. */
static int look_up(char digest[SDRT_SHA256_TEXT], const char *cache, const char *what,
                   const char *path)
{
    FILE *f = cache ? fopen(cache, "r") : NULL;
    const size_t n = strlen(what);
    char *line = NULL;
    size_t room = 0;
    int found = 0;

    while (f && getline(&line, &room, f) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        const char *at = line + n;
        if (strlen(line) < n + SDRT_SHA256_TEXT || strncmp(line, what, n) ||
            at[SDRT_SHA256_TEXT - 1] != ' ' || strcmp(at + SDRT_SHA256_TEXT, path) ||
            strspn(at, "0123456789abcdef") != SDRT_SHA256_TEXT - 1)
            continue;
        memcpy(digest, at, SDRT_SHA256_TEXT - 1);
        digest[SDRT_SHA256_TEXT - 1] = '\0';
        found = 1;
    }
    free(line);
    if (f) fclose(f);
    return found;
}

/* One write, so that lines of several programs do not mix. */
static void keep(const char *cache, const char *what, const char *digest, const char *path)
{
    const size_t size = strlen(what) + strlen(path) + SDRT_SHA256_TEXT + 2;
    char *line = malloc(size), *folder = cache ? strdup(cache) : NULL;

    if (line && folder && !strchr(path, '\n')) {
        for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
            *slash = '\0';
            mkdir(folder, 0700);
            *slash = '/';
        }
        const int fd = open(cache, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        const int length = snprintf(line, size, "%s%s %s\n", what, digest, path);
        if (fd >= 0 && write(fd, line, (size_t)length) != length) { /* it is computed again then */
        }
        if (fd >= 0) close(fd);
    }
    free(line);
    free(folder);
}

/* Where the tensors of a safetensors file begin; 0 where it is none. */
static off_t header_of(int fd, off_t size)
{
    unsigned char bytes[9];
    uint64_t length = 0;

    if (pread(fd, bytes, sizeof bytes, 0) != sizeof bytes || bytes[8] != '{') return 0;
    for (int i = 7; i >= 0; i--) length = length << 8 | bytes[i];
    return length < (uint64_t)size ? (off_t)(length + 8) : 0;
}

static int digest_of(char digest[SDRT_SHA256_TEXT], int fd, off_t from)
{
    unsigned char *block = malloc(BLOCK);
    struct sdrt_sha256 h;
    ssize_t n = 0;
    int stop = 0;

    if (!block) return SDRT_E_NOMEM;
    sdrt_sha256_begin(&h);
    while (!(stop = sdrt_stop_asked()) &&
           ((n = pread(fd, block, BLOCK, from)) > 0 || (n < 0 && errno == EINTR))) {
        if (n < 0) continue;
        sdrt_sha256_add(&h, block, (size_t)n);
        from += n;
    }
    sdrt_sha256_end(&h, digest);
    free(block);
    return stop ? SDRT_E_CANCELLED : n < 0 ? SDRT_E_IO : SDRT_OK;
}

int sdrt_file_hash(char digest[SDRT_SHA256_TEXT], const char *path, enum sdrt_file_hash_kind kind,
                   const char *cache, int compute, const struct sdrt_log *log)
{
    char *real = realpath(path, NULL), what[64];
    struct stat st;
    int status = SDRT_E_MISSING, fd = -1;

    if (!real || stat(real, &st) || !S_ISREG(st.st_mode)) goto out;
    describe(what, sizeof what, kind, &st);
    status = SDRT_OK;
    if (look_up(digest, cache, what, real)) goto out;
    status = SDRT_E_MISSING;
    if (!compute) goto out;
    fd = open(real, O_RDONLY | O_CLOEXEC);
    status = fd < 0 ? SDRT_E_IO
                    : digest_of(digest, fd,
                                kind == SDRT_FILE_HASH_TENSORS ? header_of(fd, st.st_size) : 0);
    if (status == SDRT_OK) keep(cache, what, digest, real);
    else if (status != SDRT_E_CANCELLED)
        sdrt_fail(log, status, "%s: cannot be read to its end for its hash", path);
out:
    if (fd >= 0) close(fd);
    free(real);
    return status;
}
