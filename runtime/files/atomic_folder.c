/* SPDX-License-Identifier: MIT */
#include "runtime/files/atomic_folder.h"

#include "runtime/base/grow.h"
#include "runtime/files/unfinished.h"
#include "runtime/files/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct sdrt_atomic_folder {
    const struct sdrt_log *log; /* borrowed */
    char *target, *temp;        /* owned, as all below; temp is NULL once it is in its place */
    char **made;                /* folders and files in it, in the order in which they were named */
    size_t n, cap;
};

static void destroy(struct sdrt_atomic_folder **folder)
{
    struct sdrt_atomic_folder *f = *folder;

    if (!f) return;
    for (size_t i = f->n; i-- > 0;) {
        if (f->temp) remove(f->made[i]);
        sdrt_unfinished_done(f->made[i]);
        free(f->made[i]);
    }
    if (f->temp) rmdir(f->temp);
    sdrt_unfinished_done(f->temp);
    free(f->made);
    free(f->temp);
    free(f->target);
    free(f);
    *folder = NULL;
}

static int out_of_memory(const struct sdrt_atomic_folder *f)
{
    return sdrt_fail(f->log, SDRT_E_NOMEM, "%s: no memory for its paths", f->target);
}

/* 1 when there is nothing at path, or a folder without entries. */
static int is_free(const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *e;
    int entries = 0;

    if (!d) return errno == ENOENT;
    while (!entries && (e = readdir(d)))
        entries += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return !entries;
}

/* ".sdrt-<process>-<attempt>.tmp" beside the target, made. */
static int make_temp(struct sdrt_atomic_folder *f)
{
    const char *slash = strrchr(f->target, '/');
    const size_t folder = slash ? (size_t)(slash - f->target) + 1 : 0, room = folder + 48;

    f->temp = malloc(room);
    if (!f->temp) return out_of_memory(f);
    memcpy(f->temp, f->target, folder);
    for (int attempt = 0; attempt < 100; attempt++) {
        snprintf(f->temp + folder, room - folder, ".sdrt-%ld-%d.tmp", (long)getpid(), attempt);
        sdrt_unfinished_add(f->temp); /* first: a signal may come as soon as it is there */
        if (mkdir(f->temp, 0777) == 0) return SDRT_OK;
        sdrt_unfinished_done(f->temp);
        if (errno != EEXIST) break;
    }
    free(f->temp);
    f->temp = NULL;
    return SDRT_E_IO;
}

int sdrt_atomic_folder_open(struct sdrt_atomic_folder **out, const char *path,
                            const struct sdrt_log *log)
{
    struct sdrt_atomic_folder *f = calloc(1, sizeof *f);
    size_t length = strlen(path);
    int status;

    *out = NULL;
    while (length > 1 && path[length - 1] == '/') length--;
    if (f) {
        f->log = log;
        f->target = realpath(path, NULL);
        if (!f->target) f->target = strndup(path, length);
    }
    if (!f || !f->target) {
        free(f);
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to write it", path);
    }
    if (!is_free(f->target)) {
        status = sdrt_fail(log, SDRT_E_IO,
                           "%s: is there already: expected a new name or an empty "
                           "folder",
                           path);
        goto out;
    }
    status = make_temp(f);
    if (status == SDRT_E_IO)
        sdrt_fail(log, status, "%s: cannot be written: %s", path, strerror(errno));
    if (status != SDRT_OK) goto out;
    *out = f;
    f = NULL;
out:
    destroy(&f);
    return status;
}

/* Keeps a path, which is taken over. */
static const char *keep(struct sdrt_atomic_folder *f, char *path)
{
    char **made = path ? sdrt_grow(f->made, f->n, &f->cap, sizeof *made) : NULL;

    if (!made) {
        free(path);
        out_of_memory(f);
        return NULL;
    }
    f->made = made;
    sdrt_unfinished_add(path);
    return f->made[f->n++] = path;
}

const char *sdrt_atomic_folder_file(struct sdrt_atomic_folder *f, const char *name)
{
    const char *slash = strchr(name, '/');
    char *inner = slash ? strndup(name, (size_t)(slash - name)) : NULL;

    if (slash && !inner) {
        out_of_memory(f);
        return NULL;
    }
    if (inner) {
        char *path = sdrt_path_join(f->temp, inner);
        free(inner);
        if (!path || sdrt_path_is_folder(path)) {
            free(path);
        } else if (!keep(f, path)) {
            return NULL;
        } else if (mkdir(path, 0777) != 0) {
            sdrt_fail(f->log, SDRT_E_IO, "%s: cannot be made: %s", path, strerror(errno));
            return NULL;
        }
    }
    return keep(f, sdrt_path_join(f->temp, name));
}

/* A new name itself survives a power cut, where the file system can. */
static void sync_folder(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

int sdrt_atomic_folder_commit(struct sdrt_atomic_folder **folder)
{
    struct sdrt_atomic_folder *f = *folder;
    int status = SDRT_OK;

    sync_folder(f->temp);
    if (rename(f->temp, f->target) != 0) {
        status = sdrt_fail(f->log, SDRT_E_IO, "%s: could not be written: %s", f->target,
                           strerror(errno));
    } else {
        char *slash = strrchr(f->target, '/');
        sdrt_unfinished_done(f->temp);
        free(f->temp);
        f->temp = NULL;
        if (slash) slash[slash == f->target] = 0;
        sync_folder(slash ? f->target : ".");
    }
    destroy(folder);
    return status;
}

void sdrt_atomic_folder_abort(struct sdrt_atomic_folder **folder) { destroy(folder); }
