/* SPDX-License-Identifier: MIT
 *
 * Filling a weight store: tensors are cut into pieces of some rows, which the workers take
 * one by one, read into a buffer that a cache holds, check and pack.  On one NUMA node each page of
 * packed weights is first touched by the worker that fills it; over several they are spread.
 *
 * For a device whose memory the host does not reach, whole matrices and vectors are packed behind
 * each other in a stage of the host's, as they are to lie there, and copied.
 */
#include "runtime/base/grow.h"
#include "runtime/base/hash.h"
#include "runtime/weights/weight_store_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PIECE = 512 << 10, /* bytes of source in one piece, for an L2 */
    ROWS  = 16,        /* rows come in multiples of it, so that packing finds whole panels */
    LINE  = 64,
};
/* Bytes of source between two looks at the progress, and the most that a provider without read
 * holds at once beside one tensor. */
static const size_t WINDOW = (size_t)64 << 20;

/* One tensor on its way. */
struct source {
    struct sdrt_store_entry *entry;
    const char *name; /* borrowed from who asked */
    int    row0, rows; /* in the matrix or vector */
    size_t rest;       /* values of a row */
    void  *dst;        /* the whole packed matrix or vector, as the kernels will find it */
    void  *packed;     /* where it is packed: dst, or in the stage */
    int    last;       /* of its entry */
    struct sdrt_weight_view view;
};

struct piece {
    const struct source *source;
    int    row, rows; /* of the tensor */
    int    status;
    size_t bad; /* index of a value that is not finite */
};

struct filling {
    struct sdrt_weight_store *store;
    const struct sdrt_weight_uses *uses;
    struct sdrt_queue *queue;
    struct sdrt_device
        *copied_by; /* what it fills is kept in the host's memory for that device, or NULL */
    struct sdrt_store_region *region;
    struct source *sources;
    size_t n_sources, prefetched, ahead; /* prefetched: sources; ahead: their bytes, about */
    size_t total, done;                  /* values */
    struct piece *pieces;
    size_t n_pieces, pieces_cap;
    unsigned char *buffers; /* one for each worker */
    size_t buffer_bytes;
    unsigned char *stage; /* of the entries of one window; NULL where they are packed in place */
    size_t stage_bytes;
    int (*progress)(void *user, double share);
    void *user;
};

/* ---- lists ---- */

static size_t rest_of(const struct sdrt_store_entry *e)
{
    return e->packing.rows ? (size_t)e->shape.k * (size_t)e->shape.taps : 1;
}

static size_t place_bytes(const struct sdrt_store_entry *e)
{
    return (e->bytes + LINE - 1) / LINE * LINE;
}

static int is_table(const struct sdrt_weight_held *held) { return !held->rows; }

/* Whether this filling makes it. */
static int is_wanted(const struct filling *f, const struct sdrt_weight_held *held)
{
    const struct sdrt_store_entry *e = held->entry;

    return !e->data && !is_table(held) && e->packing.beside == (f->copied_by != NULL);
}

/* Sources of all matrices and vectors held that are not made, with their places from base on.  Only
 * counts and measures while there is no list.  Nobody else makes entries meanwhile, so that data is
 * read without the lock. */
static size_t list_sources(struct filling *f, unsigned char *base)
{
    size_t at = 0;

    f->n_sources = 0;
    for (size_t i = 0; i < f->uses->n; i++) {
        const struct sdrt_weight_held *held = &f->uses->list[i];
        struct sdrt_store_entry *e = held->entry;
        int row = 0;
        if (!is_wanted(f, held)) continue;
        for (int k = 0; k < e->n_names; k++) {
            if (f->sources)
                f->sources[f->n_sources] = (struct source){
                    .entry = e, .name = held->names[k], .row0 = row, .rows = held->rows[k],
                    .rest = rest_of(e), .dst = base + at, .packed = base + at,
                    .last = k + 1 == e->n_names,
                };
            row += held->rows[k];
            f->n_sources++;
        }
        at += place_bytes(e);
    }
    return at;
}

/* ---- in common with other processes ---- */

/* What a block in common holds: of which tensors, in which packing, for which store. */
static uint64_t key_of(const struct filling *f)
{
    /* Where a function lies in a program that is loaded anywhere. */
    const uintptr_t here = (uintptr_t)sdrt_weight_store_fill;
    uint64_t key = sdrt_hash(SDRT_HASH_START, &f->store->id, sizeof f->store->id);

    for (size_t i = 0; i < f->uses->n; i++) {
        const struct sdrt_weight_held *held = &f->uses->list[i];
        const struct sdrt_store_entry *e = held->entry;
        if (!is_wanted(f, held)) continue;
        const int facts[] = { e->shape.n,      e->shape.k,           e->shape.taps, e->shape.gated,
                              e->shape.stride, (int)e->shape.stored, e->shape.rotated };
        const uintptr_t packing = e->packing.rows ? (uintptr_t)e->packing.rows - here : 0;
        key = sdrt_hash(key, e->name, strlen(e->name) + 1);
        key = sdrt_hash(key, facts, sizeof facts);
        key = sdrt_hash(key, &packing, sizeof packing);
        for (int k = 0; k < e->n_names; k++) {
            key = sdrt_hash(key, held->names[k], strlen(held->names[k]) + 1);
            key = sdrt_hash(key, &held->rows[k], sizeof held->rows[k]);
        }
    }
    return key;
}

static int is_ended(void *user)
{
    const struct filling *f = user;

    return sdrt_queue_cancelled(f->queue) || (f->progress && f->progress(f->user, 0.0));
}

/* Not SDRT_OK where each packs its own, or who waits is cancelled. */
static int take_common(struct filling *f, size_t bytes)
{
    struct sdrt_weight_store *s = f->store;

    if (!s->commons || f->copied_by || !sdrt_device_is_host(f->queue->device))
        return SDRT_E_UNSUPPORTED;
    const int status = sdrt_commons_take(s->commons, key_of(f), bytes, is_ended, f,
                                         &f->region->common);
    if (status == SDRT_E_UNSUPPORTED) {
        s->commons = NULL;
        sdrt_note(s->log, SDRT_LOG_WARNING,
                  "%zu MiB of weights cannot be shared with other processes: packed for this one",
                  bytes >> 20);
    }
    return status;
}

/* Whether another process has filled it. */
static int is_given(const struct filling *f)
{
    return f->region && f->region->common.commons && !f->region->common.fills;
}

/* Makes entries of what another process has filled. */
static void adopt(struct filling *f)
{
    pthread_mutex_lock(&f->store->lock);
    for (size_t i = 0; i < f->n_sources; i++) {
        const struct source *s = &f->sources[i];
        if (!s->last) continue;
        s->entry->data = s->dst;
        s->entry->region = f->region;
        f->region->entries++;
    }
    pthread_mutex_unlock(&f->store->lock);
}

static int make_room(struct filling *f)
{
    struct sdrt_weight_store *s = f->store;
    const size_t bytes = list_sources(f, NULL);
    int status;

    if (!f->n_sources) return SDRT_OK;
    f->sources = calloc(f->n_sources, sizeof *f->sources);
    f->region = calloc(1, sizeof *f->region);
    if (!f->sources || !f->region)
        return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for a list of weights");
    status = take_common(f, bytes ? bytes : 1);
    if (status == SDRT_E_CANCELLED) return status;
    if (status != SDRT_OK)
        status = sdrt_device_alloc(&f->region->memory, f->queue->device, bytes ? bytes : 1,
                                   f->queue, s->log);
    if (status != SDRT_OK) return status;
    if (f->copied_by) sdrt_device_pin(f->copied_by, f->region->memory);
    list_sources(f, f->region->memory ? f->region->memory->base : f->region->common.map.base);
    for (size_t i = 0; i < f->n_sources; i++)
        f->total += (size_t)f->sources[i].rows * f->sources[i].rest;
    return SDRT_OK;
}

/* ---- one window ---- */

static size_t source_bytes(const struct source *s)
{
    return sdrt_dtype_bytes(s->view.dtype, (size_t)s->rows * s->rest);
}

static int cut(struct filling *f, const struct source *s)
{
    const size_t row_bytes = sdrt_dtype_bytes(s->view.dtype, s->rest);
    size_t step = PIECE / (row_bytes ? row_bytes : 1) / ROWS * ROWS;

    if (step < ROWS) step = ROWS;
    for (size_t row = 0; row < (size_t)s->rows; row += step) {
        const size_t left = (size_t)s->rows - row, rows = left < step ? left : step;
        struct piece *list = sdrt_grow(f->pieces, f->n_pieces, &f->pieces_cap, sizeof *list);
        if (!list) return SDRT_E_NOMEM;
        f->pieces = list;
        f->pieces[f->n_pieces++] = (struct piece){ .source = s, .row = (int)row,
                                                   .rows = (int)rows };
        if (!s->view.data && rows * row_bytes > f->buffer_bytes) {
            free(f->buffers);
            f->buffers = NULL;
            f->buffer_bytes = (rows * row_bytes + LINE - 1) / LINE * LINE;
        }
    }
    return SDRT_OK;
}

static void do_piece(void *arg, int worker, int i)
{
    const struct filling *f = arg;
    struct piece *p = &f->pieces[i];
    void *buffer = f->buffers ? f->buffers + (size_t)worker * f->buffer_bytes : NULL;
    const struct source *s = p->source;
    const struct sdrt_weights_provider *provider = &f->store->provider;
    const struct sdrt_store_entry *e = s->entry;
    const enum sdrt_dtype type = s->view.dtype;
    const size_t first = (size_t)p->row * s->rest, count = (size_t)p->rows * s->rest;
    const void *values = buffer;

    /* Half a second of a slow disk is in a window. */
    if (sdrt_queue_cancelled(f->queue)) {
        p->status = SDRT_E_CANCELLED;
        return;
    }
    if (s->view.data)
        values = (const char *)s->view.data + sdrt_dtype_bytes(type, first);
    else
        p->status = provider->read(provider->self, s->name, &s->view, first, count, buffer);
    if (p->status != SDRT_OK) return;
    const int to_f16 = e->packing.rows && e->shape.stored == SDRT_F16;
    const size_t bad = sdrt_weight_first_bad(type, values, count);
    const size_t beyond = to_f16 ? sdrt_weight_first_beyond_f16(type, values, count) : count;
    if (bad < count || beyond < count) {
        p->status = bad < count ? SDRT_E_NUMERIC : SDRT_E_ARG;
        p->bad = first + (bad < count ? bad : beyond);
        return;
    }
    const int row = s->row0 + p->row;
    const int failed = e->packing.rows
                       ? e->packing.rows(&e->shape, row, p->rows, values, type, s->packed)
                       : sdrt_to_f32(values, type, (float *)s->packed + row, count);
    if (failed) p->status = SDRT_E_UNSUPPORTED;
}

static int tell(const struct filling *f, const struct piece *p)
{
    const struct sdrt_log *log = f->store->log;
    const char *name = p->source->name;

    switch (p->status) {
    case SDRT_E_CANCELLED: return p->status;
    case SDRT_E_NUMERIC:
        return sdrt_fail(log, p->status,
                         "%s: value %zu of %zu is NaN or infinite, the file is damaged", name,
                         p->bad, (size_t)p->source->rows * p->source->rest);
    case SDRT_E_ARG:
        return sdrt_fail(log, p->status,
                         "%s: value %zu of %zu is beyond f16, which ends at 65504: expected "
                         "precision f32 or bf16", name,
                         p->bad, (size_t)p->source->rows * p->source->rest);
    case SDRT_E_UNSUPPORTED:
        return sdrt_fail(log, p->status, "tensor %s: weights of type %s are not supported", name,
                         sdrt_dtype_name(p->source->view.dtype));
    default:
        return sdrt_fail(log, p->status, "tensor %s cannot be read: the file has become shorter "
                         "or its disk fails", name);
    }
}

static int run_pieces(struct filling *f)
{
    if (!f->buffers && f->buffer_bytes) {
        f->buffers = aligned_alloc(LINE, (size_t)f->queue->workers * f->buffer_bytes);
        if (!f->buffers)
            return sdrt_fail(f->store->log, SDRT_E_NOMEM, "out of memory for reading weights");
    }
    sdrt_queue_each(f->queue, (int)f->n_pieces, do_piece, f);
    for (size_t i = 0; i < f->n_pieces; i++)
        if (f->pieces[i].status != SDRT_OK) return tell(f, &f->pieces[i]);
    return SDRT_OK;
}

/* Asks for what comes after the window that is about to be read. */
static void prefetch(struct filling *f, size_t until)
{
    const struct sdrt_weights_provider *p = &f->store->provider;

    while (f->prefetched < f->n_sources && f->ahead < until) {
        const struct source *s = &f->sources[f->prefetched++];
        f->ahead += (size_t)s->rows * s->rest * sizeof(uint16_t);
        pthread_mutex_lock(&f->store->asking);
        p->prefetch(p->self, s->name);
        pthread_mutex_unlock(&f->store->asking);
    }
}

/* ---- the stage ---- */

static size_t staged_bytes(const struct filling *f, size_t first, size_t end)
{
    const unsigned char *begin = f->sources[first].dst, *last = f->sources[end - 1].dst;

    return (size_t)(last - begin) + place_bytes(f->sources[end - 1].entry);
}

/* Zeroed room for the whole entries of the sources first .. end-1, which lie behind each other. */
static int stage(struct filling *f, size_t first, size_t end)
{
    const size_t bytes = staged_bytes(f, first, end);

    if (bytes > f->stage_bytes) {
        free(f->stage);
        f->stage = aligned_alloc(LINE, bytes);
        f->stage_bytes = f->stage ? bytes : 0;
    }
    if (!f->stage)
        return sdrt_fail(f->store->log, SDRT_E_NOMEM, "out of memory for packing %zu bytes of "
                         "weights", bytes);
    memset(f->stage, 0, bytes);
    for (size_t i = first; i < end; i++)
        f->sources[i].packed = f->stage + ((unsigned char *)f->sources[i].dst -
                                           (unsigned char *)f->sources[first].dst);
    return SDRT_OK;
}

/* What the device says of copies to it. */
static int wait_for_copies(const struct filling *f)
{
    const int status = sdrt_queue_wait(f->queue);

    return status == SDRT_E_UNSUPPORTED
               ? sdrt_fail(f->store->log, status, "copying weights to the device: %s",
                           sdrt_queue_fault(f->queue))
               : SDRT_OK; /* whoever has cancelled is heard elsewhere */
}

static int copy_staged(const struct filling *f, size_t first, size_t end)
{
    sdrt_queue_write(f->queue, f->sources[first].dst, f->stage, staged_bytes(f, first, end));
    return wait_for_copies(f);
}

/* Whether a window that ends before source i cuts no entry that has to be whole. */
static int may_end(const struct filling *f, size_t i)
{
    return sdrt_device_is_host(f->queue->device) || f->sources[i - 1].last;
}

/* Sources from first on, as many as make a window; *end is the first that is left. */
static int fill_window(struct filling *f, size_t first, size_t *end)
{
    struct sdrt_weight_store *store = f->store;
    size_t bytes = 0, i = first;
    int status = SDRT_OK;

    f->n_pieces = 0;
    for (; i < f->n_sources && (bytes < WINDOW || !may_end(f, i)) && status == SDRT_OK; i++) {
        struct source *s = &f->sources[i];
        /* A provider may merge for a long time. */
        if (sdrt_queue_cancelled(f->queue)) status = SDRT_E_CANCELLED;
        if (status != SDRT_OK) break;
        status = sdrt_store_open(store, s->name, s->rows, (int64_t)s->rest, &s->view);
        if (status != SDRT_OK) break;
        bytes += source_bytes(s);
        status = cut(f, s);
        if (status != SDRT_OK)
            sdrt_fail(store->log, status, "out of memory for a list of weights");
    }
    *end = i;
    const int staged = !sdrt_device_is_host(f->queue->device);
    if (status == SDRT_OK && staged) status = stage(f, first, *end);
    if (status == SDRT_OK) {
        prefetch(f, f->done * sizeof(uint16_t) + 2 * WINDOW);
        status = run_pieces(f);
    }
    if (status == SDRT_OK && staged) status = copy_staged(f, first, *end);
    if (f->region->common.commons) sdrt_commons_goes_on(&f->region->common);
    for (i = first; i < *end; i++) {
        const struct source *s = &f->sources[i];
        if (s->view.data) sdrt_store_close(store, s->name);
        f->done += (size_t)s->rows * s->rest;
        if (status != SDRT_OK || !s->last) continue;
        pthread_mutex_lock(&store->lock);
        s->entry->data = s->dst;
        s->entry->region = f->region;
        f->region->entries++;
        pthread_mutex_unlock(&store->lock);
    }
    return status;
}

/* Gives back the pages of what is not made, which is the end of the region. */
static void give_back(const struct filling *f)
{
    const struct sdrt_device_memory *memory = f->region->memory;
    size_t begin = memory ? memory->bytes : 0;

    if (!memory) return;

    for (size_t i = f->n_sources; i-- > 0 && !f->sources[i].entry->data;)
        begin = (size_t)((unsigned char *)f->sources[i].dst - memory->base);
    sdrt_device_discard(memory, begin, memory->bytes - begin);
}

/* A table in the device's memory, in a region of its own; v->data is then there. */
static int move_table(const struct filling *f, struct sdrt_store_entry *e, struct sdrt_weight_view *v)
{
    struct sdrt_store_region *r = calloc(1, sizeof *r);
    const size_t bytes = sdrt_weight_bytes(v);
    int status = r ? sdrt_device_alloc(&r->memory, f->queue->device, bytes, f->queue, f->store->log)
                   : sdrt_fail(f->store->log, SDRT_E_NOMEM, "out of memory for a table");

    if (status == SDRT_OK) {
        sdrt_queue_write(f->queue, r->memory->base, v->data, bytes);
        status = wait_for_copies(f);
    }
    sdrt_store_close(f->store, e->name + 2);
    if (status != SDRT_OK) {
        if (r) sdrt_device_free(&r->memory);
        free(r);
        return status;
    }
    r->entries = 1;
    e->region = r;
    v->data = r->memory->base;
    return SDRT_OK;
}

static int fetch_tables(struct filling *f)
{
    int status = SDRT_OK;

    for (size_t i = 0; i < f->uses->n && status == SDRT_OK; i++) {
        const struct sdrt_weight_held *held = &f->uses->list[i];
        struct sdrt_store_entry *e = held->entry;
        struct sdrt_weight_view v;
        if (e->data || !is_table(held)) continue;
        status = sdrt_store_fetch(f->store, held->names[0], e->shape.n, e->shape.k, &v);
        if (status == SDRT_OK && !sdrt_device_is_host(f->queue->device))
            status = move_table(f, e, &v);
        if (status != SDRT_OK) break;
        pthread_mutex_lock(&f->store->lock);
        e->view = v;
        e->data = (void *)(uintptr_t)v.data;
        pthread_mutex_unlock(&f->store->lock);
    }
    return status;
}

static int fill(struct filling *f, int (*progress)(void *user, double share), void *user)
{
    size_t next = 0;

    f->progress = progress;
    f->user = user;
    int status = make_room(f);

    if (status == SDRT_OK && !f->copied_by) status = fetch_tables(f);
    if (status == SDRT_OK && is_given(f)) {
        adopt(f);
        next = f->n_sources;
    }
    if (status == SDRT_OK && next < f->n_sources) prefetch(f, WINDOW);
    while (status == SDRT_OK && next < f->n_sources) {
        status = fill_window(f, next, &next);
        if (status == SDRT_OK && progress && progress(user, (double)f->done / (double)f->total))
            status = SDRT_E_CANCELLED;
    }
    if (f->region && f->region->common.fills)
        sdrt_commons_filled(&f->region->common, status == SDRT_OK);
    /* What is made is held by who asked for it, so the region is this thread's still. */
    if (f->region && f->region->entries) {
        if (status != SDRT_OK) give_back(f);
    } else {
        sdrt_store_region_free(&f->region);
    }
    free(f->sources);
    free(f->pieces);
    free(f->buffers);
    free(f->stage);
    return status;
}

/* Waits until no other thread fills; then this one does. */
static int begin(struct sdrt_weight_store *s, int (*progress)(void *user, double share),
                 void *user)
{
    enum { LOOK_NS = 50 * 1000 * 1000 }; /* how often progress is asked */
    int status = SDRT_OK;

    pthread_mutex_lock(&s->lock);
    while (s->filling && status == SDRT_OK) {
        struct timespec until;
        timespec_get(&until, TIME_UTC);
        until.tv_nsec += LOOK_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&s->filled, &s->lock, &until);
        if (!s->filling || !progress) continue;
        pthread_mutex_unlock(&s->lock);
        if (progress(user, 0.0)) status = SDRT_E_CANCELLED;
        pthread_mutex_lock(&s->lock);
    }
    if (status == SDRT_OK) s->filling = 1;
    pthread_mutex_unlock(&s->lock);
    return status;
}

static void end(struct sdrt_weight_store *s)
{
    pthread_mutex_lock(&s->lock);
    s->filling = 0;
    pthread_cond_broadcast(&s->filled);
    pthread_mutex_unlock(&s->lock);
}

/* Half of the way of a filling in two halves. */
struct half {
    int (*progress)(void *user, double share);
    void *user;
    double from;
};

static int tell_half(void *user, double share)
{
    const struct half *h = user;

    return h->progress ? h->progress(h->user, h->from + 0.5 * share) : 0;
}

/* What the device copies from, then what lies in its memory. */
static int fill_both(struct sdrt_weight_store *store, struct sdrt_weight_uses *uses,
                     struct sdrt_queue *queue, int (*progress)(void *user, double share),
                     void *user)
{
    struct filling near = { .store = store,
                            .uses = uses,
                            .queue = queue->host,
                            .copied_by = queue->device };
    struct filling far = { .store = store, .uses = uses, .queue = queue };
    struct half first = { progress, user, 0.0 }, second = { progress, user, 0.5 };
    const int status = fill(&near, tell_half, &first);

    return status == SDRT_OK ? fill(&far, tell_half, &second) : status;
}

int sdrt_weight_store_fill(struct sdrt_weight_store *store, struct sdrt_weight_uses *uses,
                           struct sdrt_queue *queue, int (*progress)(void *user, double share),
                           void *user)
{
    struct filling f = { .store = store, .uses = uses, .queue = queue };
    const struct sdrt_weights_provider *p = &store->provider;
    size_t beside = 0;
    int status = begin(store, progress, user);

    if (status != SDRT_OK) return status;
    pthread_mutex_lock(&store->asking);
    if (p->use_queue) p->use_queue(p->self, queue);
    pthread_mutex_unlock(&store->asking);
    for (size_t i = 0; i < uses->n; i++) beside += (size_t)uses->list[i].entry->packing.beside;
    status = beside ? fill_both(store, uses, queue, progress, user) : fill(&f, progress, user);
    end(store);
    return status;
}
