/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* asprintf */
#endif
#include "runtime/machine/control_group.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST_GROUP = 64, FIELD_LINE = 256 };

/* ---- small files ---- */

static FILE *open_in(const char *folder, const char *name)
{
    char *path;
    FILE *f = NULL;

    if (asprintf(&path, "%s/%s", folder, name) < 0) return NULL;
    f = fopen(path, "re");
    free(path);
    return f;
}

int sdrt_group_line(const char *folder, const char *name, char *line, size_t size)
{
    FILE *f = open_in(folder, name);

    if (!f) return 0;
    const int found = fgets(line, (int)size, f) != NULL;
    fclose(f);
    return found;
}

int sdrt_group_number(const char *folder, const char *name, uint64_t *value)
{
    char line[FIELD_LINE];

    return sdrt_group_line(folder, name, line, sizeof line) &&
           sscanf(line, "%" SCNu64, value) == 1;
}

int sdrt_group_field(const char *folder, const char *name, const char *key, uint64_t *value)
{
    const size_t length = strlen(key);
    char line[FIELD_LINE];
    int found = 0;
    FILE *f = open_in(folder, name);

    if (!f) return 0;
    while (!found && fgets(line, sizeof line, f))
        if (!strncmp(line, key, length) && strchr(": \t", line[length]))
            found = sscanf(line + length + 1, "%" SCNu64, value) == 1;
    fclose(f);
    return found;
}

/* ---- finding the group ---- */

/* Whether word is in a list with commas between. */
static int has_word(const char *list, const char *word)
{
    const size_t length = strlen(word);

    for (const char *c = list; c; c = strchr(c, ',') ? strchr(c, ',') + 1 : NULL)
        if (!strncmp(c, word, length) && (!c[length] || c[length] == ',')) return 1;
    return 0;
}

/* The n-th word of a line (from 0), cut out of it; NULL where there are fewer. */
static char *cut_word(char *line, int n)
{
    char *word, *rest = line;

    do word = strsep(&rest, " \n");
    while (word && n--);
    return word;
}

/* Calls fn with each line of the file name of this process, until that returns 0. */
static void each_line(const char *root, const char *name, int (*fn)(void *user, char *line),
                      void *user)
{
    char *folder, *line = NULL;
    size_t size = 0;
    FILE *f;

    if (asprintf(&folder, "%s/proc/self", root) < 0) return;
    f = open_in(folder, name);
    free(folder);
    if (!f) return;
    while (getline(&line, &size, f) > 0 && fn(user, line)) continue;
    free(line);
    fclose(f);
}

struct place {
    const char *controller;
    int   version;
    char *mount; /* where the hierarchy is mounted */
    char *shown; /* which of its groups that mount shows as its root: a container often sees only its
                  * own */
    char *group; /* the process's */
};

/* Fields of mountinfo, as in proc(5): the group and the mount are the 4th and 5th, and behind
 * " - " stand the type, the source and the options. */
static int read_mount(void *user, char *line)
{
    struct place *p = user;
    char *tail = strstr(line, " - ");

    if (!tail) return 1;
    *tail = '\0';
    tail += 3;
    char *options = strdup(tail);
    const char *words = options ? cut_word(options, 2) : NULL, *type = cut_word(tail, 0);
    const int right = p->version == 2 ? !strcmp(type, "cgroup2")
                    : !strcmp(type, "cgroup") && words && has_word(words, p->controller);
    free(options);
    if (!right) return 1;
    char *again = strdup(line);
    const char *shown = again ? cut_word(again, 3) : NULL, *mount = cut_word(line, 4);
    if (shown && mount) {
        p->shown = strdup(shown);
        p->mount = strdup(mount);
    }
    free(again);
    return 0;
}

/* "0::/path" in version 2, "4:cpu,cpuacct:/path" in version 1. */
static int read_group(void *user, char *line)
{
    struct place *p = user;
    char *rest = line;

    strsep(&rest, ":");
    const char *controllers = strsep(&rest, ":"), *path = strsep(&rest, "\n");
    if (!path || (p->version == 2 ? *controllers : !has_word(controllers, p->controller))) return 1;
    p->group = strdup(path);
    return 0;
}

/* ---- walking ---- */

static void walk_up(const char *root, const struct place *p, sdrt_group_fn *fn, void *user)
{
    const size_t length = strcmp(p->shown, "/") ? strlen(p->shown) : 0;
    const int below = !strncmp(p->group, p->shown, length) && strchr("/", p->group[length]);
    char *folder;

    if (asprintf(&folder, "%s%s%s", root, p->mount, p->group + (below ? length : 0)) < 0) return;
    const size_t top = strlen(root) + strlen(p->mount);
    for (int depth = 0; depth < DEEPEST_GROUP; depth++) {
        fn(user, folder, p->version);
        char *slash = strrchr(folder + top, '/');
        if (!slash) break;
        *slash = '\0';
    }
    free(folder);
}

void sdrt_control_groups(const char *root, const char *controller, sdrt_group_fn *fn, void *user)
{
    for (int version = 1; version <= 2; version++) {
        struct place p = { .controller = controller, .version = version };
        each_line(root, "mountinfo", read_mount, &p);
        each_line(root, "cgroup", read_group, &p);
        if (p.mount && p.shown && p.group) walk_up(root, &p, fn, user);
        free(p.mount);
        free(p.shown);
        free(p.group);
    }
}
