/* SPDX-License-Identifier: MIT */
#include "runtime/weights/commons.h"
#include "runtime/base/clock.h"
#include "runtime/machine/memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 256, NAP_NS = 5 * 1000 * 1000 };

static const double patience = 60.0; /* seconds, for one that stands still */

enum state {
    EMPTY,
    FILLING,
    WHOLE,
    BROKEN, /* its filling failed: nobody else takes it */
};

struct slot {
    uint64_t key, at, bytes;
    int64_t filler;
    atomic_ullong beats; /* of its filling */
    int state, uses;
};

/* What lies at the beginning of the memory, zero at first. */
struct head {
    atomic_llong lock; /* 0, or the process that holds it */
    uint64_t end;      /* of all blocks so far: a block's place is not used again */
    struct slot slots[SLOTS];
};

struct sdrt_commons {
    int file;
    uint64_t token;
    struct sdrt_common_map map;
    struct head *head;
};

static void nap(void)
{
    static const struct timespec t = { 0, NAP_NS };

    nanosleep(&t, NULL);
}

/* Held for moments only: whoever has it for a minute is stopped.  0, or -1. */
static int lock(struct head *h)
{
    const double until = sdrt_now() + patience;

    for (;;) {
        long long owner = 0;
        if (atomic_compare_exchange_strong(&h->lock, &owner, getpid())) return 0;
        if (!sdrt_process_lives(owner) &&
            atomic_compare_exchange_strong(&h->lock, &owner, getpid()))
            return 0;
        if (sdrt_now() > until) return -1;
        nap();
    }
}

static void unlock(struct head *h) { atomic_store(&h->lock, 0); }

static int begin(struct sdrt_commons **out, int file, uint64_t token)
{
    struct sdrt_commons *c = calloc(1, sizeof *c);
    int failed = file < 0 || !c;

    if (!failed) failed = sdrt_common_grow(file, sdrt_memory_huge_page());
    if (!failed) failed = sdrt_common_map(file, 0, sizeof *c->head, 1, &c->map);
    if (failed) {
        const int why = errno, memory = !c;
        if (file >= 0) close(file);
        free(c);
        errno = why;
        return memory ? SDRT_E_NOMEM : SDRT_E_UNSUPPORTED;
    }
    c->file = file;
    c->token = token;
    c->head = (struct head *)(void *)c->map.base;
    *out = c;
    return SDRT_OK;
}

int sdrt_commons_create(struct sdrt_commons **out, uint64_t token)
{
    *out = NULL;
    return begin(out, sdrt_common_create(token), token);
}

int sdrt_commons_open(struct sdrt_commons **out, struct sdrt_commons_place place)
{
    *out = NULL;
    return begin(out, sdrt_common_open(place.pid, (int)place.file, place.token), place.token);
}

struct sdrt_commons_place sdrt_commons_place(const struct sdrt_commons *c)
{
    return (struct sdrt_commons_place){ getpid(), c->file, c->token };
}

void sdrt_commons_close(struct sdrt_commons **commons)
{
    struct sdrt_commons *c = commons ? *commons : NULL;

    if (!c) return;
    sdrt_common_unmap(&c->map);
    close(c->file);
    free(c);
    *commons = NULL;
}

/* ---- blocks ---- */

static struct slot *find(struct head *h, uint64_t key, size_t bytes)
{
    for (int i = 0; i < SLOTS; i++) {
        struct slot *s = &h->slots[i];
        if ((s->state == FILLING || s->state == WHOLE) && s->key == key && s->bytes == bytes)
            return s;
    }
    return NULL;
}

/* An empty one with room in the memory; NULL. */
static struct slot *add(struct sdrt_commons *c, uint64_t key, size_t bytes)
{
    const uint64_t huge = sdrt_memory_huge_page();
    struct head *h = c->head;
    size_t available;
    int i = 0;

    if (sdrt_memory_available(&available) == SDRT_OK && bytes > available) return NULL;
    while (i < SLOTS && h->slots[i].state != EMPTY) i++;
    if (i == SLOTS) return NULL;
    if (h->end < huge) h->end = huge;
    if (sdrt_common_grow(c->file, h->end + bytes) != 0) return NULL;
    h->slots[i] = (struct slot){ .key = key, .at = h->end, .bytes = bytes, .state = FILLING };
    h->end = (h->end + bytes + huge - 1) / huge * huge;
    return &h->slots[i];
}

/* What another fills, as this process sees it. */
struct watch {
    uint64_t at;
    unsigned long long beats;
    double since;
};

static int stands_still(struct watch *w, struct slot *s)
{
    const double now = sdrt_now();

    const unsigned long long beats = atomic_load(&s->beats);

    if (w->since > 0.0 && w->at == s->at && w->beats == beats) return now - w->since > patience;
    *w = (struct watch){ s->at, beats, now };
    return 0;
}

/* A slot that is used from now on, under the lock; NULL with *status, SDRT_OK where it is to be asked for again. */
static struct slot *use(struct sdrt_commons *c, uint64_t key, size_t bytes, struct watch *w,
                        int *status)
{
    struct slot *s = find(c->head, key, bytes);

    *status = SDRT_OK;
    if (s && s->state == FILLING && sdrt_process_lives(s->filler)) {
        if (stands_still(w, s)) *status = SDRT_E_UNSUPPORTED;
        return NULL;
    }
    if (!s) s = add(c, key, bytes);
    if (!s) *status = SDRT_E_UNSUPPORTED;
    else if (s->state == FILLING)
        s->filler = getpid(); /* a new one, or one whose filler has died */
    if (s && (s->state == WHOLE || s->uses == 0)) s->uses++;
    return s;
}

static void drop(const struct sdrt_commons *c, struct slot *s)
{
    if (--s->uses > 0) return;
    sdrt_common_discard(c->file, s->at, s->bytes);
    *s = (struct slot){ .state = EMPTY };
}

int sdrt_commons_take(struct sdrt_commons *c, uint64_t key, size_t bytes, int (*stop)(void *user),
                      void *user, struct sdrt_commons_block *out)
{
    struct watch w = { .since = 0.0 };
    struct slot *s = NULL;
    int status = SDRT_OK;

    *out = (struct sdrt_commons_block){ .commons = NULL };
    while (!s && status == SDRT_OK) {
        if (lock(c->head) != 0) return SDRT_E_UNSUPPORTED;
        s = use(c, key, bytes, &w, &status);
        if (s) break;
        unlock(c->head);
        if (status == SDRT_OK && stop(user)) status = SDRT_E_CANCELLED;
        nap();
    }
    if (!s) return status;
    const int fills = s->state == FILLING;
    if (sdrt_common_map(c->file, s->at, bytes, fills, &out->map) != 0) {
        if (fills) s->state = BROKEN;
        drop(c, s);
        status = SDRT_E_UNSUPPORTED;
    } else {
        out->commons = c;
        out->slot = (int)(s - c->head->slots);
        out->fills = fills;
    }
    unlock(c->head);
    return status;
}

void sdrt_commons_goes_on(const struct sdrt_commons_block *b)
{
    atomic_fetch_add(&b->commons->head->slots[b->slot].beats, 1);
}

void sdrt_commons_filled(struct sdrt_commons_block *b, int whole)
{
    struct head *h = b->commons->head;

    b->fills = 0;
    if (lock(h) != 0) return;
    h->slots[b->slot].state = whole ? WHOLE : BROKEN;
    unlock(h);
}

void sdrt_commons_leave(struct sdrt_commons_block *b)
{
    struct sdrt_commons *c = b->commons;

    if (!c) return;
    sdrt_common_unmap(&b->map);
    if (lock(c->head) == 0) {
        drop(c, &c->head->slots[b->slot]);
        unlock(c->head);
    }
    *b = (struct sdrt_commons_block){ .commons = NULL };
}
