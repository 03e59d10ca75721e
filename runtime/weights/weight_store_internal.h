/* SPDX-License-Identifier: MIT
 *
 * The inside of a weight store, shared by its lists and by the filling.
 */
#ifndef SDRT_RUNTIME_WEIGHTS_WEIGHT_STORE_INTERNAL_H
#define SDRT_RUNTIME_WEIGHTS_WEIGHT_STORE_INTERNAL_H

#include "runtime/weights/commons.h"
#include "runtime/weights/weight_store.h"

#include <pthread.h>

/* Memory of everything that one filling made; freed with the last entry in it. */
struct sdrt_store_region {
    struct sdrt_device_memory *memory; /* NULL where it is common */
    struct sdrt_commons_block common;
    size_t entries;
};

struct sdrt_store_entry {
    char    *name; /* of its first tensor, with the family's letter and a colon in front */
    uint64_t hash; /* of name */
    size_t   uses;
    int      outdated; /* not handed out again; goes with the last use */
    int      gone;     /* is about to be removed */
    void    *data; /* NULL: asked for, not made yet; or outdated and dropped */
    size_t   bytes;
    struct sdrt_store_region *region; /* where data is; NULL for a table, which is borrowed */
    struct sdrt_weight_view view;     /* of a table */
    struct sdrt_packing packing;      /* rows is NULL for a vector and a table */
    struct sdrt_weight_shape shape;   /* of a matrix; of a table n rows of k */
    int n_names;                      /* tensors that it is made of */
};

/* A use of an entry, and what the entry is made of, borrowed from who asked. */
struct sdrt_weight_held {
    struct sdrt_store_entry *entry;
    uint64_t hash; /* the entry's */
    const char *const *names;
    const int *rows; /* NULL for a table */
};

struct sdrt_store_declared {
    char  *name;
    size_t bytes;
    enum sdrt_dtype type;
    int    fault; /* SDRT_OK, SDRT_E_MISSING or SDRT_E_FORMAT */
};

struct sdrt_weight_store {
    struct sdrt_weights_provider provider;
    enum sdrt_dtype fixed;
    sdrt_packing_policy *policy;
    const char *globs; /* of what is I8 by the policy and stays wider; NULL: nothing */
    int rotated;       /* what is I8 */
    uint64_t widened;  /* bit i: glob i has kept something wider; guarded by lock */
    const struct sdrt_log *log;
    pthread_mutex_t lock;   /* for all that follows, and for what is in entries */
    pthread_mutex_t asking; /* for the provider, but for its read; may be taken inside the lock */
    pthread_cond_t  filled;
    int filling;            /* a thread is; only that one makes entries */
    struct sdrt_store_entry **entries;
    size_t n_entries, entries_cap;
    struct sdrt_store_declared *declared; /* sorted by name */
    size_t n_declared, declared_cap;
    struct sdrt_commons *commons; /* borrowed; NULL: it has none, or its weights are no longer others' */
    uint64_t id;                  /* there */
};

/* The type of a tensor that is to have rows and count values; *fault is SDRT_OK, SDRT_E_MISSING or,
 * where it has others, SDRT_E_FORMAT.  Logs nothing. */
enum sdrt_dtype sdrt_store_look_up(struct sdrt_weight_store *s, const char *name, int rows,
                                   size_t count, int *fault);

/* Describes or gets a tensor of rows x rest values; data that come with it are released by
 * sdrt_store_close().  Errors of the provider; SDRT_E_MISSING, SDRT_E_FORMAT, logged. */
int sdrt_store_open(struct sdrt_weight_store *s, const char *name, int64_t rows, int64_t rest,
                    struct sdrt_weight_view *v);
void sdrt_store_close(struct sdrt_weight_store *s, const char *name);

/* The whole tensor, mapped, checked for NaN and infinity; released likewise. */
int sdrt_store_fetch(struct sdrt_weight_store *s, const char *name, int64_t rows, int64_t rest,
                     struct sdrt_weight_view *v);

/* Frees a region without entries; *region is then NULL. */
void sdrt_store_region_free(struct sdrt_store_region **region);

/* Takes entries whose gone is set out of the store and frees them, under the lock. */
void sdrt_store_sweep(struct sdrt_weight_store *s);

#endif
