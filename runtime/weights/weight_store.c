/* SPDX-License-Identifier: MIT */
#include "runtime/base/grow.h"
#include "runtime/weights/weight_store_internal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = SDRT_STORE_SHOWN, NAME = SDRT_STORE_NAME };

int sdrt_weight_store_create(struct sdrt_weight_store **out,
                             const struct sdrt_weights_provider *provider, enum sdrt_dtype fixed,
                             const struct sdrt_log *log)
{
    struct sdrt_weight_store *s = *out = calloc(1, sizeof *s);

    if (!s) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for the weight store");
    s->provider = *provider;
    s->fixed = fixed;
    s->packed = SDRT_DTYPES;
    s->log = log;
    return SDRT_OK;
}

/* The whole pages of an entry go back at once, the rest when nothing is left in the region. */
void sdrt_store_leave(struct sdrt_store_entry *e)
{
    struct sdrt_store_region *r = e->region;

    e->region = NULL;
    if (--r->entries == 0) {
        sdrt_device_free(&r->memory);
        free(r);
    } else {
        sdrt_device_discard(r->memory, (size_t)((unsigned char *)e->data - r->memory->base),
                            e->bytes);
    }
}

static void free_entry(struct sdrt_weight_store *s, struct sdrt_store_entry *e)
{
    if (e->region) sdrt_store_leave(e);
    else if (e->data) s->provider.release(s->provider.self, e->name + 2);
    free(e->name);
}

void sdrt_weight_store_forget(struct sdrt_weight_store *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n_entries; i++) {
        if (s->entries[i].data) s->entries[kept++] = s->entries[i];
        else free_entry(s, &s->entries[i]);
    }
    s->n_entries = kept;
}

void sdrt_weight_store_release(struct sdrt_weight_store *s, const char *prefix)
{
    const size_t length = strlen(prefix);
    size_t kept = 0;

    for (size_t i = 0; i < s->n_entries; i++) {
        if (strncmp(s->entries[i].name + 2, prefix, length)) s->entries[kept++] = s->entries[i];
        else free_entry(s, &s->entries[i]);
    }
    s->n_entries = kept;
}

void sdrt_weight_store_free(struct sdrt_weight_store **store)
{
    struct sdrt_weight_store *s = *store;

    if (!s) return;
    for (size_t i = 0; i < s->n_entries; i++) free_entry(s, &s->entries[i]);
    for (size_t i = 0; i < s->n_declared; i++) free(s->declared[i].name);
    free(s->entries);
    free(s->declared);
    free(s);
    *store = NULL;
}

static size_t declared_at(const struct sdrt_weight_store *s, const char *name)
{
    size_t lo = 0, hi = s->n_declared;

    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (strcmp(s->declared[mid].name, name) < 0) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

static void note_bad(struct sdrt_weight_store *s, const char *name, int *counter)
{
    const int seen = s->missing + s->misshapen;

    if (seen < SHOWN) snprintf(s->bad[seen], NAME, "%s", name);
    ++*counter;
}

/* All values of 8 bits are values of bf16 too. */
static enum sdrt_dtype packed_type(enum sdrt_dtype from)
{
    if (from == SDRT_F8_E4M3 || from == SDRT_F8_E5M2) return SDRT_BF16;
    return from == SDRT_F16 || from == SDRT_BF16 ? from : SDRT_F32;
}

/* The type of a tensor in the files; missing or misshapen ones are counted. */
static enum sdrt_dtype look_up(struct sdrt_weight_store *s, const char *name, int rows,
                               size_t count)
{
    struct sdrt_weight_view v;
    enum sdrt_dtype type = SDRT_F32;

    if (s->fixed != SDRT_DTYPES) return packed_type(s->fixed);
    const int describes = s->provider.describe != NULL;
    if ((describes ? s->provider.describe : s->provider.get)(s->provider.self, name, -1, NULL,
                                                             &v) != SDRT_OK) {
        note_bad(s, name, &s->missing);
        return type;
    }
    if (sdrt_weight_elements(&v) != count || (v.rank > 0 && v.shape[0] != rows))
        note_bad(s, name, &s->misshapen);
    type = packed_type(v.dtype);
    if (!describes || v.data) s->provider.release(s->provider.self, name);
    return type;
}

void sdrt_weight_store_pack_as(struct sdrt_weight_store *s, enum sdrt_dtype type)
{
    s->packed = type;
}

static enum sdrt_dtype declare(struct sdrt_weight_store *s, const char *name, int rows,
                               size_t count, int table)
{
    const size_t at = declared_at(s, name);

    if (at < s->n_declared && !strcmp(s->declared[at].name, name)) return s->declared[at].type;
    enum sdrt_dtype type = look_up(s, name, rows, count);
    if (!table && s->packed != SDRT_DTYPES) type = s->packed;
    char *copy = strdup(name);
    struct sdrt_store_declared *list = sdrt_grow(s->declared, s->n_declared, &s->declared_cap,
                                                 sizeof *list);
    if (list) s->declared = list;
    if (!copy || !list) {
        /* Nothing can be remembered; packing will meet the same shortage and report it. */
        free(copy);
        return type;
    }
    memmove(s->declared + at + 1, s->declared + at, (s->n_declared - at) * sizeof *s->declared);
    const int vector = count == (size_t)rows;
    s->declared[at] = (struct sdrt_store_declared){
        .name = copy, .type = type,
        .bytes = count * (vector ? sizeof(float) : sdrt_dtype_size(type)),
    };
    s->n_declared++;
    return type;
}

enum sdrt_dtype sdrt_weight_store_declare(struct sdrt_weight_store *s, const char *name, int rows,
                                          size_t count)
{
    return declare(s, name, rows, count, 0);
}

void sdrt_weight_store_declare_table(struct sdrt_weight_store *s, const char *name, int rows,
                                     size_t count)
{
    declare(s, name, rows, count, 1);
}

void sdrt_weight_store_each_declared(const struct sdrt_weight_store *s,
                                     void (*fn)(void *user, const char *name), void *user)
{
    for (size_t i = 0; i < s->n_declared; i++) fn(user, s->declared[i].name);
}

int sdrt_weight_store_check(struct sdrt_weight_store *s)
{
    const int missing = s->missing, bad = s->missing + s->misshapen;
    char list[SHOWN * (NAME + 2) + 1] = "";

    s->missing = s->misshapen = 0;
    if (!bad) return SDRT_OK;
    for (int i = 0; i < bad && i < SHOWN; i++) {
        if (i) strcat(list, ", ");
        strcat(list, s->bad[i]);
    }
    char rest[48] = "";
    if (bad > SHOWN) snprintf(rest, sizeof rest, " and %d more", bad - SHOWN);
    if (missing == bad)
        return sdrt_fail(s->log, SDRT_E_MISSING, "the checkpoint lacks %d tensor%s: %s%s", bad,
                         bad == 1 ? "" : "s", list, rest);
    return sdrt_fail(s->log, SDRT_E_FORMAT,
                     "the checkpoint has %d tensor%s missing or of another shape: %s%s", bad,
                     bad == 1 ? "" : "s", list, rest);
}

size_t sdrt_weight_store_bytes(const struct sdrt_weight_store *s, const char *prefix)
{
    const size_t length = strlen(prefix);
    size_t sum = 0;

    for (size_t i = 0; i < s->n_declared; i++)
        if (!strncmp(s->declared[i].name, prefix, length)) sum += s->declared[i].bytes;
    return sum;
}

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/, of family, a colon, name. */
static uint64_t hash_of(char family, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;

    hash = (hash ^ (unsigned char)family) * 0x100000001b3u;
    hash = (hash ^ ':') * 0x100000001b3u;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

static struct sdrt_store_entry *find(struct sdrt_weight_store *s, char family, const char *name)
{
    const uint64_t hash = hash_of(family, name);

    for (size_t i = 0; i < s->n_entries; i++) {
        struct sdrt_store_entry *e = &s->entries[i];
        if (e->hash == hash && e->name[0] == family && !strcmp(e->name + 2, name)) return e;
    }
    return NULL;
}

/* A new entry, not made yet. */
static int add(struct sdrt_weight_store *s, char family, const struct sdrt_store_entry *as,
               struct sdrt_store_entry **out)
{
    const size_t length = strlen(as->names[0]) + 3;
    struct sdrt_store_entry *list = sdrt_grow(s->entries, s->n_entries, &s->entries_cap,
                                              sizeof *list);
    char *key = malloc(length);

    if (list) s->entries = list;
    if (!key || !list) {
        free(key);
        return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for weight %s", as->names[0]);
    }
    snprintf(key, length, "%c:%s", family, as->names[0]);
    *out = &s->entries[s->n_entries++];
    **out = *as;
    (*out)->name = key;
    (*out)->hash = hash_of(family, as->names[0]);
    return SDRT_OK;
}

static int same(const struct sdrt_store_entry *a, const struct sdrt_store_entry *b)
{
    const struct sdrt_weight_shape *x = &a->shape, *y = &b->shape;

    return a->packing.bytes == b->packing.bytes && a->packing.rows == b->packing.rows &&
           x->n == y->n && x->k == y->k && x->taps == y->taps && x->gated == y->gated &&
           x->stored == y->stored && a->n_names == b->n_names && a->bytes == b->bytes;
}

/* The entry that is like want, found or added; *out is its data. */
static int ask(struct sdrt_weight_store *s, char family, const struct sdrt_store_entry *want,
               const void **out)
{
    struct sdrt_store_entry *e = find(s, family, want->names[0]);
    int status = SDRT_OK;

    *out = NULL;
    if (!e) status = add(s, family, want, &e);
    else if (!same(e, want))
        status = sdrt_fail(s->log, SDRT_E_ARG, "weight %s is asked for in two shapes or packings",
                           want->names[0]);
    if (status == SDRT_OK) *out = e->data;
    return status;
}

int sdrt_weight_store_matrix(struct sdrt_weight_store *s, const struct sdrt_packing *packing,
                             const char *const *names, const int *rows, int n_names,
                             const struct sdrt_weight_shape *w, const void **out)
{
    const struct sdrt_store_entry want = {
        .bytes = packing->bytes(w), .packing = *packing, .shape = *w, .names = names,
        .rows = rows, .n_names = n_names,
    };

    return ask(s, w->taps == 1 ? 'm' : 'c', &want, out);
}

int sdrt_weight_store_vector(struct sdrt_weight_store *s, const char *const *names,
                             const int *rows, int n_names, const float **out)
{
    struct sdrt_store_entry want = { .names = names, .rows = rows, .n_names = n_names };
    const void *data;

    for (int i = 0; i < n_names; i++) want.bytes += (size_t)rows[i] * sizeof(float);
    const int status = ask(s, 'v', &want, &data);
    *out = data;
    return status;
}

int sdrt_store_open(struct sdrt_weight_store *s, const char *name, int64_t rows, int64_t rest,
                    struct sdrt_weight_view *v)
{
    const struct sdrt_weights_provider *p = &s->provider;
    const int64_t shape[2] = { rows, rest };
    const int rank = rest == 1 ? 1 : 2;
    const int status = (p->describe ? p->describe : p->get)(p->self, name, rank, shape, v);

    if (status == SDRT_E_MISSING)
        return sdrt_fail(s->log, status, "the checkpoint lacks tensor %s", name);
    if (status != SDRT_OK) return status;
    if (sdrt_weight_elements(v) == (size_t)(rows * rest) && (!v->rank || v->shape[0] == rows))
        return SDRT_OK;
    if (v->data) p->release(p->self, name);
    return sdrt_fail(s->log, SDRT_E_FORMAT, "tensor %s: expected %lld x %lld values", name,
                     (long long)rows, (long long)rest);
}

/* Got at once, since it is used as it is. */
static int fetch_table(struct sdrt_weight_store *s, const char *name, int rows, int cols,
                       struct sdrt_weight_view *v)
{
    const struct sdrt_weights_provider *p = &s->provider;
    const int64_t shape[2] = { rows, cols };
    int status = sdrt_store_open(s, name, rows, cols, v);

    if (status != SDRT_OK) return status;
    if (!v->data) status = p->get(p->self, name, cols == 1 ? 1 : 2, shape, v);
    if (status != SDRT_OK) return status;
    status = sdrt_weight_check_finite(v, name, s->log);
    if (status != SDRT_OK) p->release(p->self, name);
    return status;
}

int sdrt_weight_store_table(struct sdrt_weight_store *s, const char *name, int rows, int cols,
                            struct sdrt_weight_view *out)
{
    const struct sdrt_store_entry want = { .names = &name, .n_names = 1 };
    struct sdrt_store_entry *e = find(s, 't', name);

    if (!e) {
        struct sdrt_weight_view v;
        int status = fetch_table(s, name, rows, cols, &v);
        if (status == SDRT_OK) status = add(s, 't', &want, &e);
        if (status != SDRT_OK) return status;
        e->view = v;
        e->data = (void *)(uintptr_t)v.data;
    } else if (sdrt_weight_elements(&e->view) != (size_t)rows * (size_t)cols) {
        return sdrt_fail(s->log, SDRT_E_ARG, "weight %s is asked for in two shapes", name);
    }
    *out = e->view;
    return SDRT_OK;
}
