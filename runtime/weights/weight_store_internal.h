/* SPDX-License-Identifier: MIT
 *
 * The inside of a weight store, shared by its lists and by the filling.
 */
#ifndef SDRT_RUNTIME_WEIGHTS_WEIGHT_STORE_INTERNAL_H
#define SDRT_RUNTIME_WEIGHTS_WEIGHT_STORE_INTERNAL_H

#include "runtime/weights/weight_store.h"

enum { SDRT_STORE_SHOWN = 3, SDRT_STORE_NAME = 160 };

/* Memory of everything that one filling made; freed with the last entry in it. */
struct sdrt_store_region {
    struct sdrt_device_memory *memory;
    size_t entries;
};

struct sdrt_store_entry {
    char    *name; /* of its first tensor, with the family's letter and a colon in front */
    uint64_t hash; /* of name */
    void    *data; /* NULL: asked for, not made yet */
    size_t   bytes;
    struct sdrt_store_region *region; /* where data is; NULL for a table, which is borrowed */
    struct sdrt_weight_view view;     /* of a table */
    struct sdrt_packing packing;      /* rows is NULL for a vector */
    struct sdrt_weight_shape shape;   /* of a matrix */
    /* What it is made of; all but n_names borrowed until it is made. */
    const char *const *names;
    const int *rows;
    int n_names;
};

struct sdrt_store_declared {
    char  *name;
    size_t bytes;
    enum sdrt_dtype type;
};

struct sdrt_weight_store {
    struct sdrt_weights_provider provider;
    enum sdrt_dtype fixed;
    enum sdrt_dtype packed; /* of all matrices, or SDRT_DTYPES: as the files have them */
    const struct sdrt_log *log;
    struct sdrt_store_entry *entries;
    size_t n_entries, entries_cap;
    struct sdrt_store_declared *declared; /* sorted by name */
    size_t n_declared, declared_cap;
    int  missing, misshapen;
    char bad[SDRT_STORE_SHOWN][SDRT_STORE_NAME];
};

/* Describes or gets a tensor of rows x rest values; data that come with it are the caller's to
 * release.  Errors of the provider; SDRT_E_MISSING, SDRT_E_FORMAT, logged. */
int sdrt_store_open(struct sdrt_weight_store *s, const char *name, int64_t rows, int64_t rest,
                    struct sdrt_weight_view *v);

/* One entry less in its region. */
void sdrt_store_leave(struct sdrt_store_entry *e);

#endif
