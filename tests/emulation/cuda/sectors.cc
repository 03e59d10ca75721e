/* SPDX-License-Identifier: MIT
 *
 * How much of device memory's 32-byte sectors a launch moves, and how much of that it uses.  The
 * accesses that lanes of a warp make at one instruction are one transfer, which moves each sector that
 * it touches once, as a GPU's load and store units do.
 */
#include "tests/emulation/cuda/internal.h"

#include <tuple>
#include <unordered_map>

namespace shim {

enum { SECTOR = 32, NEAR = 8, KEPT = 1 << 16 };

/* The bytes of a sector, one bit each, that transfers up to number `last` have moved. */
struct moved {
    uint32_t bytes;
    long last;
};

struct transfer {
    int write;
    uint64_t at[LANES];
    uint8_t bytes[LANES]; /* 0: an idle lane */
};

/* Where lanes meet, though some idle: meetings of the whole warp so far, an instruction, and how many times
 * a lane has come to it since the last meeting. */
typedef std::tuple<uint32_t, const void *, uint32_t> place;

struct tally {
    std::map<place, size_t> places;
    std::vector<transfer> transfers;
    std::unordered_map<uint64_t, moved> read, written;
    long number;
};

struct lane {
    uint32_t meetings;
    std::map<const void *, uint32_t> times; /* at an instruction since the last meeting */
};

static int counting;
static std::vector<tally> tallies;
static std::vector<lane> lanes;
static std::unordered_map<uint64_t, uint32_t> box; /* bytes of sectors that one copy has read */

void sectors_begin(int threads)
{
    if (!counting) return;
    tallies.assign((size_t)(threads / LANES), tally());
    lanes.assign((size_t)threads, lane());
}

void sectors_meet(int thread)
{
    if (!counting) return;
    lanes[(size_t)thread].meetings++;
    lanes[(size_t)thread].times.clear();
}

/* A read sector stays in the first cache for the warp's next NEAR transfers; a written one goes on
 * at once, each time. */
static void touch(tally &t, int write, uint64_t at, size_t bytes)
{
    std::unordered_map<uint64_t, moved> &known = write ? t.written : t.read;

    for (; bytes; at++, bytes--) {
        const auto found = known.try_emplace(at / SECTOR, moved{ 0, -NEAR - 1 }).first;
        moved &m = found->second;
        const uint32_t bit = 1u << at % SECTOR;
        if (m.last < t.number - (write ? 0 : NEAR)) {
            m.bytes = 0;
            now->result->sectors++;
        }
        m.last = t.number;
        now->result->sector_bytes += !(m.bytes & bit);
        m.bytes |= bit;
    }
}

static void flush(tally &t)
{
    for (const transfer &x : t.transfers) {
        t.number++;
        for (int i = 0; i < LANES; i++) touch(t, x.write, x.at[i], x.bytes[i]);
        if (t.read.size() > KEPT) t.read.clear();
        if (t.written.size() > KEPT) t.written.clear();
    }
    t.transfers.clear();
    t.places.clear();
}

void sectors_end(void)
{
    if (!counting) return;
    for (tally &t : tallies) flush(t);
}

void count_transfer(const void *instruction, const void *p, size_t bytes, int write)
{
    if (!counting || now->current < 0 || !in_device(p)) return;
    const size_t self = (size_t)now->current;
    tally &t = tallies[self / LANES];
    lane &l = lanes[self];
    const place here(l.meetings, instruction, l.times[instruction]++);

    if (t.transfers.size() > KEPT) flush(t);
    const auto found = t.places.try_emplace(here, t.transfers.size());
    if (found.second) {
        t.transfers.push_back(transfer());
        t.transfers.back().write = write;
    }
    transfer &x = t.transfers[found.first->second];
    x.at[self % LANES] = (uint64_t)(uintptr_t)p;
    x.bytes[self % LANES] = (uint8_t)bytes;
}

void count_element(const void *p, size_t bytes)
{
    const uint64_t at = (uint64_t)(uintptr_t)p;

    if (counting) box[at / SECTOR] |= ((1u << bytes) - 1) << at % SECTOR;
}

void count_box(void)
{
    for (const auto &sector : box) now->result->sector_bytes += __builtin_popcount(sector.second);
    now->result->sectors += (long)box.size();
    box.clear();
}

} // namespace shim

extern "C" void shim_count_sectors(int on) { shim::counting = on; }
