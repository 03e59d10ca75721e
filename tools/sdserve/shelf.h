/* SPDX-License-Identifier: MIT
 *
 * The files that requests may name: checkpoints, VAEs, LoRAs, embeddings.  A name is one that a listing of a
 * folder has, so that none leads out of it.
 */
#ifndef SDRT_TOOLS_SDSERVE_SHELF_H
#define SDRT_TOOLS_SDSERVE_SHELF_H

#include "runtime/base/error.h"

#include <stddef.h>

enum { SHELF_MOST = 4096 /* of a kind */ };

/* Of VAEs number 0 is "Automatic": the one of the options, else the model's own; 1 is "None": that. */
enum shelf_kind { SHELF_MODELS, SHELF_VAES, SHELF_KINDS };

struct shelf;
struct serve_options;

struct checkpoint {
    char *title; /* the file's name, or the folder's */
    char *name;  /* the same without its ending */
    char *path;  /* "" of VAEs that are no file */
};

/* Lists the model and the folders of the options; the caller's.  NULL without memory.  Number 0 is the
 * model. */
struct shelf *shelf_make(const struct serve_options *options);
void shelf_free(struct shelf **shelf);

/* Looks into the folders again; what is gone keeps its number.  [any] */
void shelf_refresh(struct shelf *shelf);

/* How many there are of a kind, and number i, a constant until the shelf is freed.  [any] */
int shelf_count(struct shelf *shelf, enum shelf_kind kind);
struct checkpoint shelf_at(struct shelf *shelf, enum shelf_kind kind, int i);

/* The number of a title or name, also with A1111's " [hash]" behind; -1 for none.  [any] */
int shelf_find(struct shelf *shelf, enum shelf_kind kind, const char *title);

/* The one that requests without a name are drawn with.  [any] */
int shelf_current(struct shelf *shelf, enum shelf_kind kind);
void shelf_choose(struct shelf *shelf, enum shelf_kind kind, int i);

/* Calls back with each name in folder that ends in one of A1111's endings of weights, in the
 * alphabet's order, the ending cut off.  folder may be NULL. */
typedef void shelf_name_fn(void *user, const char *name, const char *path);
void shelf_list(const char *folder, shelf_name_fn *call, void *user);

/* The path of the file in folder that is listed by that name, up to name's size bytes; the caller's, NULL
 * for none. */
char *shelf_path(const char *folder, const char *name, size_t size);

#endif
