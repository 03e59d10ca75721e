/* SPDX-License-Identifier: MIT
 *
 * The weights that sdfetch knows by name, and where they are published.
 */
#ifndef SDRT_TOOLS_FETCH_TABLE_H
#define SDRT_TOOLS_FETCH_TABLE_H

#include <stdint.h>

enum { FETCH_MAX_FILES = 3 };

/* One file on the hub.  All strings are constants. */
struct fetch_entry {
    const char *repository; /* owner/name */
    const char *revision;   /* a commit, or a branch */
    const char *path;       /* within the repository; its last part names the file here */
    const char *sha256;     /* 64 hexadecimal digits; NULL where none is known in advance */
    uint64_t size;          /* bytes; 0 where not known in advance */
};

struct fetch_model {
    const char *name;
    const char *title;
    const char *licence;
    int gated; /* the hub gives it to accounts that have accepted the licence */
    struct fetch_entry files[FETCH_MAX_FILES]; /* up to the first without a repository */
};

/* Every name, in the order of --list, up to the first whose name is NULL. */
extern const struct fetch_model fetch_models[];

/* NULL when no model has that name. */
const struct fetch_model *fetch_find_model(const char *name);

/* How many files a model has. */
int fetch_count_files(const struct fetch_model *model);

#endif
