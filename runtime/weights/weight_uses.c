/* SPDX-License-Identifier: MIT
 *
 * What is packed: found or added for who asks, held by counts, freed with the last of them.
 */
#include "runtime/base/grow.h"
#include "runtime/base/hash.h"
#include "runtime/weights/weight_store_internal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- going ---- */

void sdrt_store_region_free(struct sdrt_store_region **region)
{
    struct sdrt_store_region *r = *region;

    if (!r) return;
    sdrt_commons_leave(&r->common);
    sdrt_device_free(&r->memory);
    free(r);
    *region = NULL;
}

/* Whole pages of an entry go back at once, the rest when nothing is left in the region. */
static void leave(const struct sdrt_store_entry *e)
{
    struct sdrt_store_region *r = e->region;

    if (--r->entries == 0) {
        sdrt_store_region_free(&r);
    } else if (r->memory) {
        sdrt_device_discard(r->memory, (size_t)((unsigned char *)e->data - r->memory->base),
                            e->bytes);
    }
}

static void drop_data(struct sdrt_weight_store *s, struct sdrt_store_entry *e)
{
    if (e->region) leave(e);
    else if (e->data) sdrt_store_close(s, e->name + 2);
    e->data = NULL;
    e->region = NULL;
    e->view = (struct sdrt_weight_view){ .data = NULL };
}

void sdrt_store_sweep(struct sdrt_weight_store *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n_entries; i++) {
        struct sdrt_store_entry *e = s->entries[i];
        if (!e->gone) {
            s->entries[kept++] = e;
            continue;
        }
        drop_data(s, e);
        free(e->name);
        free(e);
    }
    s->n_entries = kept;
}

void sdrt_weight_store_give_back(struct sdrt_weight_store *s, struct sdrt_weight_uses *uses,
                                 enum sdrt_weight_keep keep)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < uses->n; i++) {
        struct sdrt_store_entry *e = uses->list[i].entry;
        e->gone = --e->uses == 0 && (keep == SDRT_WEIGHTS_FREE || e->outdated || !e->data);
    }
    sdrt_store_sweep(s);
    pthread_mutex_unlock(&s->lock);
    free(uses->list);
    *uses = (struct sdrt_weight_uses){ .list = NULL };
}

void sdrt_weight_store_outdate(struct sdrt_weight_store *s, const char *prefix)
{
    const size_t length = strlen(prefix);

    pthread_mutex_lock(&s->lock);
    s->commons = NULL;
    for (size_t i = 0; i < s->n_entries; i++) {
        struct sdrt_store_entry *e = s->entries[i];
        if (strncmp(e->name + 2, prefix, length)) continue;
        e->outdated = 1;
        e->gone = !e->uses;
    }
    sdrt_store_sweep(s);
    pthread_mutex_unlock(&s->lock);
}

void sdrt_weight_store_drop_outdated(struct sdrt_weight_store *s)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_entries; i++)
        if (s->entries[i]->outdated) drop_data(s, s->entries[i]);
    pthread_mutex_unlock(&s->lock);
}

int sdrt_weight_store_current(struct sdrt_weight_store *s, const struct sdrt_weight_uses *uses)
{
    int outdated = 0;

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < uses->n; i++) outdated |= uses->list[i].entry->outdated;
    pthread_mutex_unlock(&s->lock);
    return !outdated;
}

/* ---- coming ---- */

static uint64_t hash_of(char family, const char *name)
{
    const char prefix[] = { family, ':' };

    return sdrt_hash(sdrt_hash(SDRT_HASH_START, prefix, sizeof prefix), name, strlen(name));
}

static int is_named(const struct sdrt_store_entry *e, char family, const char *name)
{
    return e->name[0] == family && !strcmp(e->name + 2, name);
}

static struct sdrt_store_entry *find(const struct sdrt_weight_store *s, char family,
                                     const char *name, uint64_t hash)
{
    for (size_t i = 0; i < s->n_entries; i++) {
        struct sdrt_store_entry *e = s->entries[i];
        if (e->hash == hash && !e->outdated && is_named(e, family, name)) return e;
    }
    return NULL;
}

/* Of what is held already, outdated or not: it is answered until it is given back. */
static struct sdrt_store_entry *find_held(const struct sdrt_weight_uses *uses, char family,
                                          const char *name, uint64_t hash)
{
    for (size_t i = 0; i < uses->n; i++)
        if (uses->list[i].hash == hash && is_named(uses->list[i].entry, family, name))
            return uses->list[i].entry;
    return NULL;
}

/* A new entry, not made yet.  NULL without memory. */
static struct sdrt_store_entry *add(struct sdrt_weight_store *s, char family, const char *name,
                                    const struct sdrt_store_entry *as)
{
    const size_t length = strlen(name) + 3;
    struct sdrt_store_entry **list = sdrt_grow(s->entries, s->n_entries, &s->entries_cap,
                                               sizeof *list);
    struct sdrt_store_entry *e = malloc(sizeof *e);
    char *key = malloc(length);

    if (list) s->entries = list;
    if (!e || !key || !list) {
        free(e);
        free(key);
        return NULL;
    }
    snprintf(key, length, "%c:%s", family, name);
    *e = *as;
    e->name = key;
    return s->entries[s->n_entries++] = e;
}

static int same(const struct sdrt_store_entry *a, const struct sdrt_store_entry *b)
{
    const struct sdrt_weight_shape *x = &a->shape, *y = &b->shape;

    return a->packing.bytes == b->packing.bytes && a->packing.rows == b->packing.rows &&
           x->n == y->n && x->k == y->k && x->taps == y->taps && x->gated == y->gated &&
           x->stored == y->stored && x->rotated == y->rotated && a->n_names == b->n_names &&
           a->bytes == b->bytes;
}

/* The entry that is like want, found or added, and held; under the lock. */
static int hold(struct sdrt_weight_store *s, struct sdrt_weight_uses *uses, char family,
                const struct sdrt_store_entry *want, const char *const *names, const int *rows,
                struct sdrt_store_entry **out)
{
    struct sdrt_store_entry *e = find_held(uses, family, names[0], want->hash);

    *out = e;
    if (!e) e = find(s, family, names[0], want->hash);
    if (e && !same(e, want))
        return sdrt_fail(s->log, SDRT_E_ARG, "weight %s is asked for in two shapes or packings",
                         names[0]);
    if (*out) return SDRT_OK;
    struct sdrt_weight_held *list = sdrt_grow(uses->list, uses->n, &uses->cap, sizeof *list);
    if (list) uses->list = list;
    if (list && !e) e = add(s, family, names[0], want);
    if (!list || !e)
        return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for weight %s", names[0]);
    e->uses++;
    uses->list[uses->n++] =
        (struct sdrt_weight_held){ .entry = e, .hash = e->hash, .names = names, .rows = rows };
    *out = e;
    return SDRT_OK;
}

/* *data and *view (one of them may be NULL) are what there is, or NULL and a view without data. */
static int ask(struct sdrt_weight_store *s, struct sdrt_weight_uses *uses, char family,
               struct sdrt_store_entry *want, const char *const *names, const int *rows,
               const void **data, struct sdrt_weight_view *view)
{
    struct sdrt_store_entry *e;

    want->hash = hash_of(family, names[0]);
    pthread_mutex_lock(&s->lock);
    const int status = hold(s, uses, family, want, names, rows, &e);
    if (data) *data = status == SDRT_OK ? e->data : NULL;
    if (view && status == SDRT_OK) *view = e->view;
    pthread_mutex_unlock(&s->lock);
    return status;
}

int sdrt_weight_store_matrix(struct sdrt_weight_store *s, struct sdrt_weight_uses *uses,
                             const struct sdrt_packing *packing, const char *const *names,
                             const int *rows, int n_names, const struct sdrt_weight_shape *w,
                             const void **out)
{
    struct sdrt_store_entry want = { .bytes = packing->bytes(w),
                                     .packing = *packing,
                                     .shape = *w,
                                     .n_names = n_names };

    const char family = w->taps == 1 ? packing->beside ? 'M' : 'm' : packing->beside ? 'C' : 'c';

    return ask(s, uses, family, &want, names, rows, out, NULL);
}

int sdrt_weight_store_vector(struct sdrt_weight_store *s, struct sdrt_weight_uses *uses,
                             const char *const *names, const int *rows, int n_names,
                             const float **out)
{
    struct sdrt_store_entry want = { .n_names = n_names };
    const void *data;

    for (int i = 0; i < n_names; i++) want.bytes += (size_t)rows[i] * sizeof(float);
    const int status = ask(s, uses, 'v', &want, names, rows, &data, NULL);
    *out = data;
    return status;
}

int sdrt_weight_store_table(struct sdrt_weight_store *s, struct sdrt_weight_uses *uses,
                            const char *const *name, int rows, int cols,
                            struct sdrt_weight_view *out)
{
    struct sdrt_store_entry want = { .shape = { .n = rows, .k = cols }, .n_names = 1 };

    *out = (struct sdrt_weight_view){ .data = NULL };
    return ask(s, uses, 't', &want, name, NULL, NULL, out);
}
