/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/lora/folder.h"
#include "runtime/files/path.h"
#include "runtime/files/tensor_files.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEPTH = 8 /* of folders, against links that lead in circles */ };

/* How well a file fits a name. */
enum fit { NOT, OTHER_CASE, INNER, EXACT };

struct search {
    const char *name;
    size_t root; /* bytes of a path that are the folder's, with the slash */
    enum fit fit;
    char *best, *rival; /* owned; a rival fits as well */
};

/* Whether the end of path, n bytes long, is name, from its beginning or behind a slash. */
static enum fit fit_of(const struct search *s, const char *path, size_t n)
{
    const size_t length = strlen(s->name);
    const char *at = path + n - length;

    if (length > n || (at > path && at[-1] != '/')) return NOT;
    if (!strncmp(at, s->name, length)) return at == path ? EXACT : INNER;
    return strncasecmp(at, s->name, length) ? NOT : OTHER_CASE;
}

/* Takes path, owned, if it fits as well as what is there. */
static void consider(struct search *s, char *path)
{
    const char *inner = path + s->root, *dot = sdrt_tensor_file_extension(inner);
    const enum fit whole = dot ? fit_of(s, inner, strlen(inner)) : NOT;
    const enum fit stem = dot ? fit_of(s, inner, (size_t)(dot - inner)) : NOT;
    const enum fit fit = whole > stem ? whole : stem;

    if (fit == NOT || fit < s->fit) {
        free(path);
        return;
    }
    if (fit > s->fit) {
        free(s->best);
        free(s->rival);
        s->best = s->rival = NULL;
    }
    s->fit = fit;
    if (!s->best) s->best = path;
    else if (!s->rival) s->rival = path;
    else free(path);
}

/* SDRT_E_NOMEM, not logged. */
static int walk(struct search *s, const char *folder, int depth)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    int status = SDRT_OK;

    if (!d) return SDRT_OK;
    while (status == SDRT_OK && (e = readdir(d))) {
        if (e->d_name[0] == '.') continue;
        char *path = sdrt_path_join(folder, e->d_name);
        if (!path) {
            status = SDRT_E_NOMEM;
        } else if (sdrt_path_is_folder(path)) {
            if (depth < DEPTH) status = walk(s, path, depth + 1);
            free(path);
        } else {
            consider(s, path);
        }
    }
    closedir(d);
    return status;
}

int sdrt_lora_folder_find(char **path, const char *folder, const char *name,
                          const struct sdrt_log *log)
{
    struct search s = { .name = name, .root = strlen(folder) + 1 };
    int status = walk(&s, folder, 0);

    *path = NULL;
    if (status != SDRT_OK) {
        sdrt_fail(log, status, "no memory for the names of LoRAs");
    } else if (s.rival) {
        status = sdrt_fail(log, SDRT_E_ARG,
                           "prompt: '%s' is both %s and %s: expected one name for "
                           "one file",
                           name, s.best, s.rival);
    } else if (!s.best) {
        status = sdrt_fail(log, SDRT_E_MISSING, "prompt: %s and its folders have no LoRA '%s' (%s)",
                           folder, name, sdrt_tensor_file_extensions);
    } else {
        *path = s.best;
        s.best = NULL;
    }
    free(s.best);
    free(s.rival);
    return status;
}
