/* SPDX-License-Identifier: MIT
 *
 * The history of shared memory, two bytes a cell, and the bounds of device memory.
 *
 * An access is in order when all that conflicts with it is in its thread's past, by clocks that
 * barriers pass on.  Flanagan and Freund, "FastTrack: efficient and precise dynamic race
 * detection", 2009; the readers of a cell are kept one by one.
 */
#include "tests/emulation/cuda/internal.h"

#include <algorithm>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

namespace shim {

enum { CELL = 2, CELLS = SHARED_BYTES / CELL, PAGE = 4096, INDEX_BITS = 11 };
static const uint32_t LIST = 1u << 31;

alignas(1024) static unsigned char shared[SHARED_BYTES];
static cell cells[CELLS];
static std::vector<std::vector<uint32_t>> lists;
static std::vector<uint32_t> free_lists;

unsigned char *shared_bytes(void) { return shared; }

static uint32_t stamp(const actor &a) { return a.epoch << INDEX_BITS | (uint32_t)a.index; }
static uint32_t index_of(uint32_t s) { return s & ((1u << INDEX_BITS) - 1); }
static uint32_t epoch_of(uint32_t s) { return s >> INDEX_BITS; }

/* The highest bit of a stamp must stay free, so an epoch has 20 bits. */
static int known(uint32_t s, const vector_clock &c) { return epoch_of(s) <= c[index_of(s)]; }

actor actor_of(int i)
{
    const thread &t = now->thread_[(size_t)i];

    return { i, t.clock[(size_t)i], &t.clock, 0 };
}

void shadow_begin(uint32_t bytes)
{
    if (bytes > SHARED_BYTES) abort();
    memset(shared, 0xff, bytes);
    memset(cells, 0, (bytes + CELL - 1) / CELL * sizeof *cells);
    lists.clear();
    free_lists.clear();
}

static int in_bounds(uint32_t at, uint32_t bytes)
{
    if (at <= now->launch->shared_bytes && bytes <= now->launch->shared_bytes - at) return 1;
    fault(SHIM_BOUNDS, "%u bytes of shared memory at %u of %u", bytes, at,
          now->launch->shared_bytes);
    return 0;
}

static const char *name_of(uint32_t s, char *text, size_t size)
{
    const uint32_t i = index_of(s), n = (uint32_t)now->threads;

    if (i < n) snprintf(text, size, "thread %u", i);
    else if (i < n + WARP_AGENT) snprintf(text, size, "the copy engine");
    else snprintf(text, size, "warp %u's products", i - n - WARP_AGENT);
    return text;
}

static int race(const char *what, uint32_t at, const char *before, uint32_t s)
{
    char text[32];

    fault(SHIM_RACE, "%s shared memory at %u, which %s %s, with no barrier between", what, at,
          name_of(s, text, sizeof text), before);
    return 0;
}

static void forget_readers(cell &c)
{
    if (c.read & LIST) free_lists.push_back(c.read & ~LIST);
    c.read = 0;
}

static void add_reader(cell &c, const actor &who)
{
    const uint32_t s = stamp(who);

    if (!c.read ||
        (!(c.read & LIST) && (index_of(c.read) == index_of(s) || known(c.read, *who.clock)))) {
        c.read = s;
        return;
    }
    if (!(c.read & LIST)) {
        uint32_t n = (uint32_t)lists.size();
        if (free_lists.empty()) lists.emplace_back();
        else {
            n = free_lists.back();
            free_lists.pop_back();
        }
        lists[n].assign(1, c.read);
        c.read = LIST | n;
    }
    std::vector<uint32_t> &list = lists[c.read & ~LIST];
    for (uint32_t &r : list)
        if (index_of(r) == index_of(s) || known(r, *who.clock)) {
            r = s;
            return;
        }
    list.push_back(s);
}

static int read_cell(const actor &who, uint32_t at)
{
    cell &c = cells[at / CELL];

    if (c.in_flight) {
        fault(SHIM_IN_FLIGHT, "reads shared memory at %u before the copy to it is waited for", at);
        return 0;
    }
    if (!c.written) {
        fault(SHIM_UNWRITTEN, "reads shared memory at %u, which nobody has written", at);
        return 0;
    }
    if (!known(c.written, *who.clock)) return race("reads", at, "wrote", c.written);
    if (who.async && c.generic && index_of(c.written) < (uint32_t)now->threads &&
        epoch_of(c.written) > now->thread_[index_of(c.written)].fenced) {
        fault(SHIM_PROXY,
              "the async proxy reads shared memory at %u, which thread %u stored "
              "without a fence",
              at, index_of(c.written));
        return 0;
    }
    add_reader(c, who);
    return 1;
}

static int free_to_write(const actor &who, uint32_t at)
{
    const cell &c = cells[at / CELL];

    if (c.in_flight || c.reading) {
        fault(SHIM_IN_FLIGHT, "writes shared memory at %u, which %s", at,
              c.reading ? "products under way still read" : "a copy under way writes");
        return 0;
    }
    if (c.written && !known(c.written, *who.clock)) return race("writes", at, "wrote", c.written);
    if (c.read & LIST) {
        for (uint32_t r : lists[c.read & ~LIST])
            if (!known(r, *who.clock)) return race("writes", at, "read", r);
    } else if (c.read && !known(c.read, *who.clock)) {
        return race("writes", at, "read", c.read);
    }
    return 1;
}

static void set_written(const actor &who, uint32_t at)
{
    cell &c = cells[at / CELL];

    forget_readers(c);
    c.written = stamp(who);
    c.generic = !who.async;
    c.in_flight = 0;
}

int shared_read(const actor &who, uint32_t at, uint32_t bytes)
{
    if (!in_bounds(at, bytes)) return 0;
    for (uint32_t i = at / CELL * CELL; i < at + bytes; i += CELL)
        if (!read_cell(who, i)) return 0;
    return 1;
}

int shared_write(const actor &who, uint32_t at, uint32_t bytes)
{
    int fine = in_bounds(at, bytes);

    if (!fine) return 0;
    for (uint32_t i = at / CELL * CELL; i < at + bytes; i += CELL) {
        if (fine) fine = free_to_write(who, i);
        set_written(who, i);
    }
    return fine;
}

int flight_begin(const actor &who, uint32_t at, uint32_t bytes)
{
    int fine = in_bounds(at, bytes);

    if (!fine) return 0;
    for (uint32_t i = at / CELL * CELL; i < at + bytes; i += CELL) {
        if (fine) fine = free_to_write(who, i);
        cells[i / CELL].in_flight = 1;
    }
    return 1;
}

void flight_end(const actor &who, uint32_t at, uint32_t bytes)
{
    for (uint32_t i = at / CELL * CELL; i < at + bytes; i += CELL) set_written(who, i);
}

void reading_begin(uint32_t at, uint32_t bytes)
{
    for (uint32_t i = at / CELL * CELL; i < at + bytes; i += CELL) cells[i / CELL].reading++;
}

void reading_end(const actor &who, uint32_t at, uint32_t bytes)
{
    for (uint32_t i = at / CELL * CELL; i < at + bytes; i += CELL) {
        cells[i / CELL].reading--;
        add_reader(cells[i / CELL], who);
    }
}

/* ---- device memory ---- */

struct piece {
    size_t bytes;
    unsigned char *base; /* with the guard before it */
    size_t mapped;
    struct writer *writers; /* the last ones, by two bytes */
    size_t writers_bytes;
};

struct writer {
    uint32_t block, stamp; /* stamp 0: an atomic operation */
};

static const size_t RANGE = (size_t)1 << 38;
static unsigned char *range_base, *range_next;
static std::map<const unsigned char *, piece> pieces;

int in_device(const void *p)
{
    const unsigned char *c = (const unsigned char *)p;

    return range_base && c >= range_base && c < range_base + RANGE;
}

/* Whether another block's store is in the past of the current thread: by a fence after it, an atomic
 * operation, one here on the same word, and a fence again. */
static int in_order(const writer &w)
{
    if (!w.stamp || now->current < 0) return 0;
    const vector_clock &mine = now->thread_[(size_t)now->current].clock;
    for (const acquired &a : now->acquired_)
        if (a.block == w.block && mine[(size_t)a.thread] >= a.epoch && known(w.stamp, a.clock))
            return 1;
    return 0;
}

/* Of the first cell of an access; NULL after a fault. */
static writer *cells_of(const void *p, size_t bytes, int write)
{
    const unsigned char *c = (const unsigned char *)p;
    auto e = pieces.upper_bound(c);

    if (e == pieces.begin() || c + bytes > (--e)->first + e->second.bytes) {
        fault(SHIM_BOUNDS,
              "%s %zu bytes of device memory, %ld bytes past the end of the piece "
              "before",
              write ? "writes" : "reads", bytes,
              e == pieces.end() ? -1L : (long)(c + bytes - (e->first + e->second.bytes)));
        return nullptr;
    }
    return e->second.writers + (size_t)(c - e->first) / CELL;
}

int has_waited(int i)
{
    const vector_clock &mine = now->thread_[(size_t)i].clock;

    for (const auto &w : now->waits)
        if (w.first == i || mine[(size_t)w.first] >= w.second) return 1;
    return 0;
}

/* Whether a dependent launch comes to a byte too early: to what one before it wrote, or to store at all, since
 * one before it may still read there. */
static int is_early(const writer &w, int write)
{
    if (!now->previous || (!write && (w.block < now->previous || w.block >= now->first))) return 0;
    return now->current < 0 ? !now->engine_waited : !has_waited(now->current);
}

static int tell_early(int write)
{
    fault(SHIM_PREVIOUS, "%s device memory before it has waited for the launch before",
          write ? "writes" : "reads");
    return 0;
}

static int is_others(const writer &w) { return w.block >= now->first && w.block != now->number; }

static int tell_block(const writer &w, const char *what)
{
    fault(SHIM_BLOCKS, "%s what block number %u wrote in this launch", what, w.block - now->first);
    return 0;
}

int device_access(const void *p, size_t bytes, int write)
{
    writer *w = cells_of(p, bytes, write);
    const size_t cells_there = ((uintptr_t)p % CELL + bytes + CELL - 1) / CELL;
    const uint32_t s = now->current < 0 ? 0 : stamp(actor_of(now->current));

    if (!w) return 0;
    for (size_t i = 0; i < cells_there; i++) {
        if (is_early(w[i], write)) return tell_early(write);
        if (is_others(w[i]) && !in_order(w[i])) return tell_block(w[i], write ? "writes" : "reads");
        if (write) w[i] = { now->number, s };
    }
    return 1;
}

/* By word, what blocks had published when they came to it. */
static std::map<const void *, std::map<uint32_t, vector_clock>> words;

void shadow_launch(void) { words.clear(); }

static void meet_at(const void *word)
{
    thread &t = now->thread_[(size_t)now->current];
    std::map<uint32_t, vector_clock> &blocks = words[word];

    for (const auto &b : blocks)
        if (b.first != now->number) t.seen[b.first] = b.second;
    if (t.published.empty()) return;
    vector_clock &mine = blocks[now->number];
    if (mine.empty()) mine = t.published;
    else join(mine, t.published);
}

} // namespace shim

using namespace shim;

void *shim_alloc(size_t bytes)
{
    if (!range_base) {
        void *p = mmap(NULL, RANGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) abort();
        range_base = range_next = (unsigned char *)p;
    }
    const size_t mapped = ((bytes + PAGE - 1) / PAGE + 2) * PAGE;
    unsigned char *base = range_next, *p = base + PAGE;
    if (mprotect(base, mapped, PROT_READ | PROT_WRITE)) abort();
    range_next += mapped;
    memset(base, 0xff, mapped);
    const size_t writers_bytes = (bytes / CELL + 2) * sizeof(writer);
    void *writers = mmap(NULL, writers_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (writers == MAP_FAILED) abort();
    pieces[p] = { bytes, base, mapped, (writer *)writers, writers_bytes };
    return p;
}

void shim_free(void *p)
{
    auto e = pieces.find((const unsigned char *)p);

    if (!p || e == pieces.end()) return;
    (void)mmap(e->second.base, e->second.mapped, PROT_NONE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    (void)munmap(e->second.writers, e->second.writers_bytes);
    pieces.erase(e);
}

/* What the thread knows is for whoever meets it at a word from now on, and what it has seen at words is
 * for those that hear of it. */
void shim_device_fence(void)
{
    const int self = now->current;
    thread &t = now->thread_[(size_t)self];

    t.published = t.clock;
    t.clock[(size_t)self]++;
    for (const auto &b : t.seen)
        now->acquired_.push_back({ self, t.clock[(size_t)self], b.first, b.second });
    t.seen.clear();
}

uint32_t shim_atomic_inc(uint32_t *p, uint32_t most)
{
    if ((uintptr_t)p % 4) fault(SHIM_ALIGNMENT, "an atomic operation at %p", (void *)p);
    writer *w = in_device(p) ? cells_of(p, 4, 1) : nullptr;
    if (!w) {
        if (!in_device(p)) fault(SHIM_BOUNDS, "an atomic operation outside device memory");
        return 0;
    }
    for (int i = 0; i < 4 / CELL; i++) {
        if (is_early(w[i], 1)) tell_early(1);
        if (is_others(w[i]) && w[i].stamp) tell_block(w[i], "changes at once");
        w[i] = { now->number, 0 };
    }
    meet_at(p);
    const uint32_t old = *p;
    *p = old >= most ? 0 : old + 1;
    return old;
}
