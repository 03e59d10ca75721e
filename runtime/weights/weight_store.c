/* SPDX-License-Identifier: MIT
 *
 * A store, and what is declared in it.
 */
#include "runtime/base/grow.h"
#include "runtime/weights/weight_store_internal.h"

#include <stdlib.h>
#include <string.h>

int sdrt_weight_store_create(struct sdrt_weight_store **out,
                             const struct sdrt_weights_provider *provider, enum sdrt_dtype fixed,
                             sdrt_packing_policy *policy, const struct sdrt_log *log)
{
    struct sdrt_weight_store *s = *out = calloc(1, sizeof *s);

    if (!s) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for the weight store");
    s->provider = *provider;
    s->fixed = fixed;
    s->policy = policy;
    s->log = log;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->asking, NULL);
    pthread_cond_init(&s->filled, NULL);
    return SDRT_OK;
}

void sdrt_weight_store_share(struct sdrt_weight_store *s, struct sdrt_commons *commons, uint64_t id)
{
    s->commons = commons;
    s->id = id;
}

void sdrt_weight_store_widen(struct sdrt_weight_store *s, const char *globs) { s->globs = globs; }
void sdrt_weight_store_rotate(struct sdrt_weight_store *s, int rotated) { s->rotated = rotated; }
int sdrt_weight_store_rotates(const struct sdrt_weight_store *s) { return s->rotated; }

uint64_t sdrt_weight_store_widened(struct sdrt_weight_store *s)
{
    pthread_mutex_lock(&s->lock);
    const uint64_t widened = s->widened;
    pthread_mutex_unlock(&s->lock);
    return widened;
}

void sdrt_weight_store_free(struct sdrt_weight_store **store)
{
    struct sdrt_weight_store *s = *store;

    if (!s) return;
    for (size_t i = 0; i < s->n_entries; i++) s->entries[i]->gone = 1;
    sdrt_store_sweep(s);
    for (size_t i = 0; i < s->n_declared; i++) free(s->declared[i].name);
    free(s->entries);
    free(s->declared);
    pthread_cond_destroy(&s->filled);
    pthread_mutex_destroy(&s->asking);
    pthread_mutex_destroy(&s->lock);
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

/* Under the lock. */
static struct sdrt_store_declared *declared(const struct sdrt_weight_store *s, const char *name)
{
    const size_t at = declared_at(s, name);

    return at < s->n_declared && !strcmp(s->declared[at].name, name) ? &s->declared[at] : NULL;
}

/* Remembers it under the lock, unless another thread did in the meantime; 0 without memory. */
static int remember(struct sdrt_weight_store *s, const struct sdrt_store_declared *d)
{
    const size_t at = declared_at(s, d->name);

    if (declared(s, d->name)) return 1;
    struct sdrt_store_declared *list = sdrt_grow(s->declared, s->n_declared, &s->declared_cap,
                                                 sizeof *list);
    if (list) s->declared = list;
    char *copy = strdup(d->name);
    if (!copy || !list) {
        free(copy);
        return 0;
    }
    memmove(s->declared + at + 1, s->declared + at, (s->n_declared - at) * sizeof *s->declared);
    s->declared[at] = *d;
    s->declared[at].name = copy;
    s->n_declared++;
    return 1;
}

/* As what type a matrix is packed; *globs are those that keep it wider than I8. */
static enum sdrt_dtype pack_type(const struct sdrt_weight_store *s,
                                 const struct sdrt_packed_matrix *m, uint64_t *globs)
{
    const enum sdrt_dtype type = s->policy(m);

    *globs = type == SDRT_I8 ? sdrt_packing_match(s->globs, m->name) : 0;
    if (!*globs) return type;
    struct sdrt_packed_matrix wide = *m;
    wide.wide = 1;
    return s->policy(&wide);
}

static enum sdrt_dtype declare(struct sdrt_weight_store *s, const char *name, int rows,
                               size_t count, int table)
{
    const int vector = count == (size_t)rows;
    struct sdrt_store_declared d = { .name = (char *)(uintptr_t)name };

    pthread_mutex_lock(&s->lock);
    const struct sdrt_store_declared *known = declared(s, name);
    if (known) d = *known;
    pthread_mutex_unlock(&s->lock);
    if (known) return d.type;
    const struct sdrt_packed_matrix m = {
        .name = name,
        .rows = rows,
        .cols = rows ? count / (size_t)rows : 0,
        .from = sdrt_store_look_up(s, name, rows, count, &d.fault),
    };
    uint64_t globs = 0;
    d.type = table ? sdrt_packing_as_stored(&m) : pack_type(s, &m, &globs);
    d.bytes = sdrt_dtype_bytes(vector ? SDRT_F32 : d.type, count);
    pthread_mutex_lock(&s->lock);
    const int kept = remember(s, &d);
    s->widened |= globs;
    pthread_mutex_unlock(&s->lock);
    return kept ? d.type : SDRT_DTYPES;
}

enum sdrt_dtype sdrt_weight_store_declare(struct sdrt_weight_store *s, const char *name, int rows,
                                          size_t count)
{
    return declare(s, name, rows, count, 0);
}

enum sdrt_dtype sdrt_weight_store_declare_table(struct sdrt_weight_store *s, const char *name,
                                                int rows, size_t count)
{
    return declare(s, name, rows, count, 1);
}

void sdrt_weight_store_each_declared(struct sdrt_weight_store *s,
                                     void (*fn)(void *user, const char *name), void *user)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_declared; i++) fn(user, s->declared[i].name);
    pthread_mutex_unlock(&s->lock);
}

int sdrt_weight_store_fault(struct sdrt_weight_store *s, const char *name)
{
    pthread_mutex_lock(&s->lock);
    const struct sdrt_store_declared *d = declared(s, name);
    const int fault = d ? d->fault : SDRT_OK;
    pthread_mutex_unlock(&s->lock);
    return fault;
}

size_t sdrt_weight_store_bytes(struct sdrt_weight_store *s, const char *prefix)
{
    const size_t length = strlen(prefix);
    size_t sum = 0;

    pthread_mutex_lock(&s->lock);
    for (size_t i = declared_at(s, prefix); i < s->n_declared; i++) {
        if (strncmp(s->declared[i].name, prefix, length)) break;
        sum += s->declared[i].bytes;
    }
    pthread_mutex_unlock(&s->lock);
    return sum;
}
