/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/gallery.h"

#include "runtime/base/error.h"
#include "runtime/files/file_time.h"
#include "runtime/files/path.h"
#include "runtime/files/picture_file.h"
#include "runtime/files/read_file.h"
#include "tools/sdserve/page_files.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_SHOWN = 500, MOST_BYTES = 1 << 28 };

/* ---- the page ---- */

enum MHD_Result page_answer(struct call *c)
{
    if (!strcmp(c->path, "/style.css"))
        return answer_constant(c, "text/css; charset=utf-8", page_style, page_style_size);
    if (!strcmp(c->path, "/page.js"))
        return answer_constant(c, "text/javascript; charset=utf-8", page_script, page_script_size);
    return answer_constant(c, "text/html; charset=utf-8", page_index, page_index_size);
}

/* ---- the output folder ---- */

struct entry {
    char *name; /* owned */
    struct timespec time;
};

/* The type of a picture by its name; NULL for what is none. */
static const char *type_of(const char *name)
{
    static const char *const types[] = { "image/png", "image/jpeg", "image/webp" };
    enum sdrt_picture_format format;

    if (*name == '.' || strchr(name, '/') || sdrt_picture_format_of(&format, name, NULL))
        return NULL;
    return types[format];
}

/* Its path, the caller's, where name is a picture that lies in the folder and is no link. */
static char *path_of(const char *folder, const char *name, struct stat *s)
{
    char *path = folder && type_of(name) ? sdrt_path_join(folder, name) : NULL;

    if (path && !lstat(path, s) && S_ISREG(s->st_mode)) return path;
    free(path);
    return NULL;
}

static int newer(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->time.tv_sec != y->time.tv_sec) return x->time.tv_sec < y->time.tv_sec ? 1 : -1;
    if (x->time.tv_nsec != y->time.tv_nsec) return x->time.tv_nsec < y->time.tv_nsec ? 1 : -1;
    return strcmp(y->name, x->name);
}

/* Adds an entry to *n of them; 0 without memory. */
static int add(struct entry **list, size_t *n, const char *name, const struct stat *s)
{
    struct entry *more = realloc(*list, (*n + 1) * sizeof *more);

    if (!more) return 0;
    *list = more;
    more[*n].name = strdup(name);
    more[*n].time = sdrt_file_time(s);
    return more[*n].name ? (int)++*n : 0;
}

enum MHD_Result gallery_list(struct call *c)
{
    const char *folder = c->server->options.output;
    DIR *dir = folder ? opendir(folder) : NULL;
    json_t *names = json_array();
    struct entry *list = NULL;
    const struct dirent *e;
    struct stat s;
    size_t n = 0;

    while (dir && (e = readdir(dir))) {
        char *path = path_of(folder, e->d_name, &s);
        if (path && !add(&list, &n, e->d_name, &s)) break;
        free(path);
    }
    if (dir) closedir(dir);
    if (n) qsort(list, n, sizeof *list, newer);
    for (size_t i = 0; i < n; i++) {
        if (i < MOST_SHOWN) json_array_append_new(names, json_string(list[i].name));
        free(list[i].name);
    }
    free(list);
    return answer_json(c, MHD_HTTP_OK, json_pack("{so}", "images", names));
}

enum MHD_Result gallery_get(struct call *c)
{
    struct stat s;
    char *path = path_of(c->server->options.output, c->tail, &s), *bytes = NULL;
    size_t size;
    const int status = path ? sdrt_read_file(path, MOST_BYTES, &bytes, &size, &c->log)
                            : SDRT_E_MISSING;

    free(path);
    if (status != SDRT_OK)
        return answer_error(c, MHD_HTTP_NOT_FOUND, NULL, "there is no such image");
    return answer_bytes(c, MHD_HTTP_OK, type_of(c->tail), bytes, size);
}
