/* SPDX-License-Identifier: MIT */
#include "runtime/weight_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SHOWN = 3, NAME = 160 };

struct entry {
    char  *name; /* of its first tensor, with the packing's identity in front */
    void  *data;
    size_t bytes;
    int    borrowed; /* data belongs to the provider */
    struct sdrt_weight_view view;
};

struct declared {
    char  *name;
    size_t bytes;
    enum sdrt_dtype type;
};

struct sdrt_weight_store {
    struct sdrt_weights_provider provider;
    enum sdrt_dtype fixed;
    enum sdrt_dtype packed; /* of all matrices, or SDRT_DTYPES: as the files have them */
    const struct sdrt_log *log;
    struct entry *entries;
    size_t n_entries, entries_cap;
    struct declared *declared; /* sorted by name */
    size_t n_declared, declared_cap;
    int  missing, misshapen;
    char bad[SHOWN][NAME];
};

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

static void free_entry(struct sdrt_weight_store *s, struct entry *e)
{
    if (e->borrowed) s->provider.release(s->provider.self, e->name + 2);
    else munmap(e->data, e->bytes);
    free(e->name);
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

/* Room for one more element of an array that doubles; 0 when there is no memory. */
static int grow(void **array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) return 1;
    const size_t more = *cap ? *cap * 2 : 256;
    void *p = realloc(*array, more * size);
    if (!p) return 0;
    *array = p;
    *cap = more;
    return 1;
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

static enum sdrt_dtype packed_type(enum sdrt_dtype from)
{
    return from == SDRT_F16 || from == SDRT_BF16 ? from : SDRT_F32;
}

/* The type of a tensor in the files; missing or misshapen ones are counted. */
static enum sdrt_dtype look_up(struct sdrt_weight_store *s, const char *name, int rows,
                               size_t count)
{
    struct sdrt_weight_view v;
    enum sdrt_dtype type = SDRT_F32;

    if (s->fixed != SDRT_DTYPES) return packed_type(s->fixed);
    if (s->provider.get(s->provider.self, name, -1, NULL, &v) != SDRT_OK) {
        note_bad(s, name, &s->missing);
        return type;
    }
    if (sdrt_weight_elements(&v) != count || (v.rank > 0 && v.shape[0] != rows))
        note_bad(s, name, &s->misshapen);
    type = packed_type(v.dtype);
    s->provider.release(s->provider.self, name);
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
    if (!copy || !grow((void **)&s->declared, s->n_declared, &s->declared_cap,
                       sizeof *s->declared)) {
        /* Nothing can be remembered; packing will meet the same shortage and report it. */
        free(copy);
        return type;
    }
    memmove(s->declared + at + 1, s->declared + at, (s->n_declared - at) * sizeof *s->declared);
    const int vector = count == (size_t)rows;
    s->declared[at] = (struct declared){
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

static struct entry *find(struct sdrt_weight_store *s, char family, const char *name)
{
    for (size_t i = 0; i < s->n_entries; i++)
        if (s->entries[i].name[0] == family && !strcmp(s->entries[i].name + 2, name))
            return &s->entries[i];
    return NULL;
}

/* A new entry; without bytes its data is the provider's.  Mapped memory starts zeroed, as
 * packing wants it, and goes back to the system as a whole. */
static int add(struct sdrt_weight_store *s, char family, const char *name, size_t bytes,
               struct entry **out)
{
    const size_t length = strlen(name) + 3;
    char *key = malloc(length);

    if (!key || !grow((void **)&s->entries, s->n_entries, &s->entries_cap, sizeof *s->entries))
        goto nomem;
    snprintf(key, length, "%c:%s", family, name);
    struct entry e = { .name = key, .bytes = bytes, .borrowed = bytes == 0 };
    if (bytes) {
        e.data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (e.data == MAP_FAILED) goto nomem;
#ifdef MADV_HUGEPAGE
        if (bytes >= 4u << 20) madvise(e.data, bytes, MADV_HUGEPAGE);
#endif
    }
    s->entries[s->n_entries] = e;
    *out = &s->entries[s->n_entries++];
    return SDRT_OK;
nomem:
    free(key);
    return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for %zu bytes of weight %s", bytes, name);
}

static void drop_last(struct sdrt_weight_store *s)
{
    struct entry *e = &s->entries[--s->n_entries];

    if (!e->borrowed) munmap(e->data, e->bytes);
    free(e->name);
}

static int fetch(struct sdrt_weight_store *s, const char *name, int64_t rows, int64_t rest,
                 struct sdrt_weight_view *v)
{
    const int64_t shape[2] = { rows, rest };
    const int rank = rest == 1 ? 1 : 2;
    const int status = s->provider.get(s->provider.self, name, rank, shape, v);

    if (status == SDRT_E_MISSING)
        return sdrt_fail(s->log, status, "the checkpoint lacks tensor %s", name);
    if (status != SDRT_OK) return status;
    if (sdrt_weight_elements(v) != (size_t)(rows * rest) || (v->rank && v->shape[0] != rows)) {
        s->provider.release(s->provider.self, name);
        return sdrt_fail(s->log, SDRT_E_FORMAT, "tensor %s: expected %lld x %lld values", name,
                         (long long)rows, (long long)rest);
    }
    const int finite = sdrt_weight_check_finite(v, name, s->log);
    if (finite != SDRT_OK) s->provider.release(s->provider.self, name);
    return finite;
}

static int bad_type(const struct sdrt_weight_store *s, const char *name, enum sdrt_dtype type)
{
    return sdrt_fail(s->log, SDRT_E_UNSUPPORTED, "tensor %s: weights of type %s are not supported",
                     name, sdrt_dtype_name(type));
}

int sdrt_weight_store_matrix(struct sdrt_weight_store *s, const struct sdrt_packing *packing,
                             const char *const *names, const int *rows, int n_names,
                             const struct sdrt_weight_shape *w, const void **out)
{
    const char family = w->taps == 1 ? 'm' : 'c';
    struct entry *e = find(s, family, names[0]);
    int status = SDRT_OK, row = 0;

    if (e) {
        *out = e->data;
        return SDRT_OK;
    }
    status = add(s, family, names[0], packing->bytes(w), &e);
    if (status != SDRT_OK) return status;
    for (int i = 0; i < n_names; i++) {
        struct sdrt_weight_view v;
        status = fetch(s, names[i], rows[i], (int64_t)w->k * w->taps, &v);
        if (status == SDRT_OK) {
            if (packing->rows(w, row, rows[i], v.data, v.dtype, e->data) != 0)
                status = bad_type(s, names[i], v.dtype);
            s->provider.release(s->provider.self, names[i]);
        }
        if (status != SDRT_OK) {
            drop_last(s);
            return status;
        }
        row += rows[i];
    }
    *out = e->data;
    return SDRT_OK;
}

int sdrt_weight_store_vector(struct sdrt_weight_store *s, const char *const *names,
                             const int *rows, int n_names, const float **out)
{
    struct entry *e = find(s, 'v', names[0]);
    size_t count = 0, at = 0;
    int status = SDRT_OK;

    if (e) {
        *out = e->data;
        return SDRT_OK;
    }
    for (int i = 0; i < n_names; i++) count += (size_t)rows[i];
    status = add(s, 'v', names[0], (count * sizeof(float) + 63) / 64 * 64, &e);
    if (status != SDRT_OK) return status;
    for (int i = 0; i < n_names && status == SDRT_OK; i++) {
        struct sdrt_weight_view v;
        status = fetch(s, names[i], rows[i], 1, &v);
        if (status != SDRT_OK) break;
        if (sdrt_to_f32(v.data, v.dtype, (float *)e->data + at, (size_t)rows[i]) != 0)
            status = bad_type(s, names[i], v.dtype);
        at += (size_t)rows[i];
        s->provider.release(s->provider.self, names[i]);
    }
    if (status != SDRT_OK) {
        drop_last(s);
        return status;
    }
    *out = e->data;
    return SDRT_OK;
}

int sdrt_weight_store_table(struct sdrt_weight_store *s, const char *name, int rows, int cols,
                            struct sdrt_weight_view *out)
{
    struct entry *e = find(s, 't', name);

    if (!e) {
        struct sdrt_weight_view v;
        int status = fetch(s, name, rows, cols, &v);
        if (status == SDRT_OK) status = add(s, 't', name, 0, &e);
        if (status != SDRT_OK) return status;
        e->view = v;
    }
    *out = e->view;
    return SDRT_OK;
}
