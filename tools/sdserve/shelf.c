/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/shelf.h"

#include "runtime/base/text.h"
#include "runtime/files/path.h"
#include "tools/sdserve/options.h"

#include <dirent.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *folder; /* borrowed; NULL for none */
    struct checkpoint list[SHELF_MOST];
    int n, current;
};

struct shelf {
    pthread_mutex_t lock;
    struct row rows[SHELF_KINDS];
};

static const char *const endings[] = { ".safetensors", ".ckpt", ".gguf", ".pt", ".pth", ".bin" };

/* How long name is without an ending of weights; 0 where it has none. */
static size_t stem_of(const char *name)
{
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (sdrt_ends_with(name, endings[i])) return strlen(name) - strlen(endings[i]);
    return 0;
}

/* ---- listings ---- */

static int is_seen(const struct dirent *e) { return e->d_name[0] != '.'; }

static void each_in(const char *folder, shelf_name_fn *call, void *user)
{
    struct dirent **entries = NULL;
    const int n = folder ? scandir(folder, &entries, is_seen, alphasort) : 0;

    for (int i = 0; i < n; i++) {
        char *path = sdrt_path_join(folder, entries[i]->d_name);
        if (path) call(user, entries[i]->d_name, path);
        free(path);
        free(entries[i]);
    }
    free(entries);
}

struct listing {
    shelf_name_fn *call;
    void *user;
};

static void list_weights(void *user, const char *name, const char *path)
{
    const struct listing *l = user;
    const size_t stem = stem_of(name);
    char *cut = stem && sdrt_path_is_file(path) ? strndup(name, stem) : NULL;

    if (cut) l->call(l->user, cut, path);
    free(cut);
}

void shelf_list(const char *folder, shelf_name_fn *call, void *user)
{
    struct listing l = { call, user };

    each_in(folder, list_weights, &l);
}

struct search {
    const char *name;
    size_t size;
    char *path;
};

static void find_path(void *user, const char *name, const char *path)
{
    struct search *s = user;

    if (!s->path && strlen(name) == s->size && !memcmp(s->name, name, s->size))
        s->path = strdup(path);
}

char *shelf_path(const char *folder, const char *name, size_t size)
{
    struct search s = { name, size, NULL };

    shelf_list(folder, find_path, &s);
    return s.path;
}

/* ---- checkpoints and VAEs ---- */

/* With the lock, or before there are threads. */
static void add(struct row *row, const char *title, const char *path)
{
    const size_t stem = stem_of(title);
    struct checkpoint *c = &row->list[row->n];

    for (int i = 0; i < row->n && *path; i++)
        if (!strcmp(row->list[i].path, path)) return;
    if (row->n == SHELF_MOST) return;
    *c = (struct checkpoint){ strdup(title), strndup(title, stem ? stem : strlen(title)),
                              strdup(path) };
    if (c->title && c->name && c->path) row->n++;
    else free(c->title), free(c->name), free(c->path);
}

static void add_checkpoint(void *user, const char *name, const char *path)
{
    char index[4096];

    snprintf(index, sizeof index, "%s/model_index.json", path);
    if ((stem_of(name) && sdrt_path_is_file(path)) || sdrt_path_is_file(index))
        add(user, name, path);
}

static void add_vae(void *user, const char *name, const char *path)
{
    if (stem_of(name) && sdrt_path_is_file(path)) add(user, name, path);
}

void shelf_refresh(struct shelf *s)
{
    pthread_mutex_lock(&s->lock);
    each_in(s->rows[SHELF_MODELS].folder, add_checkpoint, &s->rows[SHELF_MODELS]);
    each_in(s->rows[SHELF_VAES].folder, add_vae, &s->rows[SHELF_VAES]);
    pthread_mutex_unlock(&s->lock);
}

struct shelf *shelf_make(const struct serve_options *o)
{
    struct shelf *s = calloc(1, sizeof *s);
    char *path = s ? realpath(o->model.model, NULL) : NULL;
    const char *slash = path ? strrchr(path, '/') : NULL;

    if (!s) return NULL;
    pthread_mutex_init(&s->lock, NULL);
    s->rows[SHELF_MODELS].folder = o->models;
    s->rows[SHELF_VAES].folder = o->vaes;
    add(&s->rows[SHELF_MODELS], slash && slash[1] ? slash + 1 : o->model.model, o->model.model);
    free(path);
    add(&s->rows[SHELF_VAES], "Automatic", "");
    add(&s->rows[SHELF_VAES], "None", "");
    if (!s->rows[SHELF_MODELS].n || s->rows[SHELF_VAES].n < 2) shelf_free(&s);
    else shelf_refresh(s);
    return s;
}

void shelf_free(struct shelf **shelf)
{
    struct shelf *s = *shelf;

    *shelf = NULL;
    if (!s) return;
    for (int k = 0; k < SHELF_KINDS; k++) {
        for (int i = 0; i < s->rows[k].n; i++) {
            free(s->rows[k].list[i].title);
            free(s->rows[k].list[i].name);
            free(s->rows[k].list[i].path);
        }
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int shelf_count(struct shelf *s, enum shelf_kind kind)
{
    pthread_mutex_lock(&s->lock);
    const int n = s->rows[kind].n;
    pthread_mutex_unlock(&s->lock);
    return n;
}

struct checkpoint shelf_at(struct shelf *s, enum shelf_kind kind, int i)
{
    pthread_mutex_lock(&s->lock);
    const struct checkpoint c = s->rows[kind].list[i];
    pthread_mutex_unlock(&s->lock);
    return c;
}

int shelf_find(struct shelf *s, enum shelf_kind kind, const char *title)
{
    const char *hash = strstr(title, " [");
    const size_t n = hash && sdrt_ends_with(title, "]") ? (size_t)(hash - title) : strlen(title);
    int found = -1;

    pthread_mutex_lock(&s->lock);
    for (int i = s->rows[kind].n - 1; i >= 0; i--) {
        const struct checkpoint *c = &s->rows[kind].list[i];
        if ((strlen(c->title) == n && !memcmp(c->title, title, n)) ||
            (strlen(c->name) == n && !memcmp(c->name, title, n)))
            found = i;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

int shelf_current(struct shelf *s, enum shelf_kind kind)
{
    pthread_mutex_lock(&s->lock);
    const int i = s->rows[kind].current;
    pthread_mutex_unlock(&s->lock);
    return i;
}

void shelf_choose(struct shelf *s, enum shelf_kind kind, int i)
{
    pthread_mutex_lock(&s->lock);
    s->rows[kind].current = i;
    pthread_mutex_unlock(&s->lock);
}
