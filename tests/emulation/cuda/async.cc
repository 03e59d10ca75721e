/* SPDX-License-Identifier: MIT
 *
 * What works beside the threads: asynchronous copies, barriers in shared memory, the copy engine
 * and the products of warpgroups.  All of it happens as late as the kernel lets it.
 */
#include "tests/emulation/cuda/internal.h"

#include <algorithm>

namespace shim {

/* ---- tensor maps ---- */

/* Lives in the 128 bytes of a tensor_map. */
struct map_inside {
    const unsigned char *base;
    uint32_t dims[5];
    uint64_t strides[4]; /* bytes, of dimensions 1 .. 4 */
    uint16_t box[5], steps[5];
    int32_t rank;
};
static_assert(sizeof(map_inside) <= sizeof(tensor_map), "a tensor map holds it");

static const map_inside *inside(const tensor_map *m) { return (const map_inside *)(const void *)m; }

static uint32_t taken(const map_inside *m, int d)
{
    return ((uint32_t)m->box[d] + m->steps[d] - 1u) / m->steps[d];
}

/* 16-byte pieces change places by the address bits above them: TMA's 128-byte swizzle, which the
 * warpgroup's operands undo. */
static uint32_t swizzled(uint32_t at) { return at ^ (at >> 7 & 7) << 4; }

/* Element i of the box (in units of those taken, innermost first), or zero outside. */
static uint16_t element(const tma &t, const uint32_t *i)
{
    const map_inside *m = inside(t.map);
    const unsigned char *p = m->base;
    uint16_t v;

    for (int d = 0; d < t.rank; d++) {
        const int64_t at = (int64_t)t.at[d] + (int64_t)i[d] * m->steps[d];
        if (at < 0 || at >= (int64_t)m->dims[d]) return 0;
        p += at * (d ? (int64_t)m->strides[d - 1] : 2);
    }
    count_element(p, 2);
    if (!device_access(p, 2, 0)) return 0xffff;
    memcpy(&v, p, 2);
    return v;
}

static void copy_box(const tma &t)
{
    const map_inside *m = inside(t.map);
    uint32_t i[5] = { 0 }, n = t.bytes / 2;

    for (uint32_t k = 0; k < n; k++) {
        const uint16_t v = element(t, i);
        memcpy(shared_bytes() + swizzled(t.dst + k * 2), &v, 2);
        for (int d = 0; d < t.rank && ++i[d] == taken(m, d); d++) i[d] = 0;
    }
    count_box();
}

/* ---- barriers in shared memory ---- */

static mbarrier *find_barrier(uint32_t at)
{
    auto e = now->mbarriers.find(at);

    if (e != now->mbarriers.end()) return &e->second;
    fault(SHIM_MISUSE, "there is no barrier at %u of shared memory", at);
    give_up();
}

static void complete_phase(mbarrier &b)
{
    if (b.pending || b.bytes) return;
    b.phase++;
    b.pending = b.count;
    join(b.complete, b.gathered);
    for (int i = 0; i < now->threads; i++)
        if (now->thread_[(size_t)i].state == thread::BLOCKED &&
            !strcmp(now->thread_[(size_t)i].waits_for, "a barrier in shared memory"))
            make_ready(i);
}

int perform_tma(void)
{
    if (now->tmas.empty()) return 0;
    size_t i = 0;
    if (now->launch->order == SHIM_BACKWARD) i = now->tmas.size() - 1;
    if (now->launch->order == SHIM_SHUFFLED) i = random_below(now->tmas.size());
    const tma t = now->tmas[i];
    now->tmas.erase(now->tmas.begin() + (long)i);
    now->engine_waited = t.waited;
    copy_box(t);
    mbarrier &b = now->mbarriers.find(t.bar)->second;
    const int index = now->threads + b.agent;
    const actor engine = { index, ++now->agent_epochs[(size_t)b.agent], nullptr, 1 };
    flight_end(engine, t.dst, t.bytes);
    b.gathered[(size_t)index] = engine.epoch;
    b.bytes -= t.bytes;
    now->result->tma_bytes += t.bytes;
    complete_phase(b);
    return 1;
}

/* ---- products of warpgroups ---- */

static uint32_t start_of(uint64_t operand) { return (uint32_t)(operand & 0x3fff) << 4; }

/* Row r, columns 2 * k bytes on: groups of 8 rows a stride apart, the swizzle on the address. */
static uint32_t address_of(uint64_t operand, int r, int k)
{
    const uint32_t stride = (uint32_t)(operand >> 32 & 0x3fff) << 4;

    return swizzled(start_of(operand) + (uint32_t)(r / 8) * stride + (uint32_t)(r % 8) * 128 +
                    (uint32_t)k * 2);
}

/* The same of an operand whose rows are of k: 64 columns a row, the next 64 a first stride apart. */
static uint32_t address_across(uint64_t operand, int column, int k)
{
    const uint32_t stride = (uint32_t)(operand >> 32 & 0x3fff) << 4;
    const uint32_t apart = (uint32_t)(operand >> 16 & 0x3fff) << 4;

    return swizzled(start_of(operand) + (uint32_t)(column / 64) * apart +
                    (uint32_t)(k / 8) * stride + (uint32_t)(k % 8) * 128 +
                    (uint32_t)(column % 64) * 2);
}

static uint32_t address_of_b(const product &p, int column, int k)
{
    return p.across ? address_across(p.b, column, k) : address_of(p.b, column, k);
}

static void check_operand(uint64_t operand, const char *name)
{
    if (operand >> 62 == 1 && now->launch->unproven) return;
    if (operand >> 62 != 1 || (operand >> 32 & 0x3fff) != 1024 >> 4 || start_of(operand) / 128 % 8)
        fault(SHIM_MISUSE,
              "operand %s of a product is no 128-byte swizzled tile at a multiple of "
              "1024",
              name);
}

static void check_operand_across(uint64_t operand, int n)
{
    const uint32_t apart = (uint32_t)(operand >> 16 & 0x3fff) << 4;

    check_operand(operand, "b");
    if (start_of(operand) % 1024 || (n > 64 && (!apart || apart % 1024)))
        fault(SHIM_MISUSE,
              "operand b of a product does not begin with a row, at multiples of 1024");
}

/* Calls fn for each 16-byte piece that warp w reads: its 16 rows of a, all rows of b. */
template <class Fn> static void each_piece(const product &p, int w, Fn fn)
{
    if (!p.rows[0])
        for (int r = 0; r < 16; r++)
            for (int k = 0; k < 16; k += 8) fn(address_of(p.a, w * 16 + r, k));
    for (int c = 0; c < p.n; c += p.across ? 8 : 1)
        for (int k = 0; k < 16; k += p.across ? 1 : 8) fn(address_of_b(p, c, k));
}

static float value_at(uint32_t at)
{
    uint16_t v;

    memcpy(&v, shared_bytes() + at, 2);
    return shim_float((uint32_t)v << 16);
}

/* Row r of warp w's 16. */
static float value_of_a(const product &p, int w, int r, int k)
{
    if (!p.rows[0]) return value_at(address_of(p.a, w * 16 + r, k));
    const uint32_t two = p.rows[w * LANES + r % 8 * 4 + k % 8 / 2][r / 8 + k / 8 * 2];
    return shim_float(k % 2 ? two & 0xffff0000u : two << 16);
}

static void multiply_warp(const product &p, int w)
{
    std::vector<float> b((size_t)p.n * 16);

    for (int c = 0; c < p.n; c++)
        for (int k = 0; k < 16; k++) b[(size_t)(c * 16 + k)] = value_at(address_of_b(p, c, k));
    for (int r = 0; r < 16; r++) {
        float a[16];
        for (int k = 0; k < 16; k++) a[k] = value_of_a(p, w, r, k);
        for (int c = 0; c < p.n; c++) {
            float *d = p.d[w * LANES + r % 8 * 4 + c % 8 / 2] + c / 8 * 4 + r / 8 * 2 + c % 2;
            double sum = p.accumulate ? (double)*d : 0.0;
            for (int k = 0; k < 16; k++) sum += (double)a[k] * (double)b[(size_t)(c * 16 + k)];
            *d = (float)sum;
        }
    }
    now->result->products += 16l * p.n * 16;
}

static void forget_register(thread &t, const void *what)
{
    for (size_t k = 0; k < t.registers.size(); k++)
        if (t.registers[k].p == what) {
            t.registers.erase(t.registers.begin() + (long)k);
            return;
        }
}

/* Warp w (of its group, the first of whose warps is first) has waited for p. */
static void finish_for_warp(product &p, int w, int first)
{
    warp &mine = now->warps[(size_t)(first + w)];
    const int index = now->threads + WARP_AGENT + first + w;
    const actor reader = { index, ++mine.epoch, nullptr, 1 };

    multiply_warp(p, w);
    /* add_reader looks at the reader's clock for what it makes superfluous: at its lane 0's. */
    actor lane = reader;
    lane.clock = &now->thread_[(size_t)(first + w) * LANES].clock;
    each_piece(p, w, [&](uint32_t at) { reading_end(lane, at, 16); });
    p.left &= ~(1u << w);
    for (int i = 0; i < LANES; i++) {
        thread &t = now->thread_[(size_t)((first + w) * LANES + i)];
        t.clock[(size_t)index] = reader.epoch;
        forget_register(t, p.d[w * LANES + i]);
        forget_register(t, p.rows[w * LANES + i]);
    }
}

struct factors {
    float *d;
    const uint32_t *rows;
    uint64_t a, b;
    int n, accumulate;
};

/* All threads of the group name one product, each its own registers. */
static product product_of(const warpgroup &g, int first)
{
    const factors *f = (const factors *)g.here.args[0];
    product p = {};

    p.a = f->a;
    p.b = f->b;
    p.n = f->n;
    p.accumulate = f->accumulate;
    p.across = f->rows != nullptr;
    p.group = now->warps[(size_t)first].commits;
    p.left = 15;
    for (int i = 0; i < GROUP; i++) {
        const factors *other = (const factors *)g.here.args[i];
        p.d[i] = other->d;
        p.rows[i] = other->rows;
        if (other->a != f->a || other->b != f->b)
            fault(SHIM_DIVERGENCE, "threads of a warpgroup name different operands");
    }
    return p;
}

/* What warp w reads from now on. */
static void begin_reading(const product &p, int w, int first)
{
    actor who = actor_of((first + w) * LANES);
    int fine = 1;

    if (!now->warps[(size_t)(first + w)].fenced)
        fault(SHIM_MISUSE, "a product without a warpgroup fence before");
    who.async = 1;
    each_piece(p, w, [&](uint32_t at) { fine = fine && shared_read(who, at, 16); });
    if (now->result->faults[SHIM_BOUNDS]) give_up();
    each_piece(p, w, [&](uint32_t at) { reading_begin(at, 16); });
}

static void begin_product(warpgroup &g, int first)
{
    const product p = product_of(g, first);

    if (p.across) check_operand_across(p.b, p.n);
    else {
        check_operand(p.a, "a");
        check_operand(p.b, "b");
    }
    for (int w = 0; w < 4; w++) begin_reading(p, w, first);
    for (int i = 0; i < GROUP; i++) {
        thread &t = now->thread_[(size_t)(first * LANES + i)];
        t.registers.push_back({ p.d[i], (size_t)p.n / 2 * sizeof(float) });
        if (p.rows[i]) t.registers.push_back({ p.rows[i], 4 * sizeof(uint32_t) });
    }
    g.products.push_back(p);
}

} // namespace shim

using namespace shim;

/* ---- copies of threads ---- */

void shim_copy_async_16(uint32_t dst, const void *src, int bytes)
{
    thread &t = now->thread_[(size_t)now->current];

    if (dst % 16 || (uintptr_t)src % 16)
        fault(SHIM_ALIGNMENT, "an asynchronous copy to %u from %p", dst, src);
    if (bytes < 0 || bytes > 16) fault(SHIM_MISUSE, "an asynchronous copy of %d bytes", bytes);
    if (bytes) count_transfer(CALLER, src, (size_t)bytes, 0);
    if (bytes && !device_access(src, (size_t)bytes, 0)) bytes = 0;
    if (flight_begin(actor_of(now->current), dst, 16))
        t.copies.push_back({ dst, src, bytes, t.commits });
}

void shim_copy_async_commit(void) { now->thread_[(size_t)now->current].commits++; }

void shim_copy_async_wait(int left)
{
    thread &t = now->thread_[(size_t)now->current];
    size_t n = 0;

    for (; n < t.copies.size() && t.copies[n].group < t.commits - left; n++) {
        const copy &c = t.copies[n];
        memset(shared_bytes() + c.dst, 0, 16);
        memcpy(shared_bytes() + c.dst, c.src, (size_t)c.bytes);
        flight_end(actor_of(now->current), c.dst, 16);
    }
    t.copies.erase(t.copies.begin(), t.copies.begin() + (long)n);
}

/* ---- sm_90a ---- */

void shim_barrier_init(uint32_t bar, uint32_t arrivals)
{
    mbarrier b = {};

    if (bar % 8 || !arrivals || now->mbarriers.size() == MBARRIERS ||
        bar + 8 > now->launch->shared_bytes)
        fault(SHIM_MISUSE, "a barrier of %u arrivals at %u of shared memory", arrivals, bar);
    b.agent = (int)now->mbarriers.size();
    b.count = b.pending = arrivals;
    b.gathered.assign((size_t)now->threads + AGENTS, 0);
    b.complete = b.gathered;
    now->mbarriers[bar] = b;
}

void shim_barrier_init_fence(void)
{
    for (auto &b : now->mbarriers) b.second.fenced = 1;
}

void shim_barrier_arrive(uint32_t bar, uint32_t bytes)
{
    mbarrier *b = find_barrier(bar);

    release(now->current, b->gathered);
    b->bytes += bytes;
    if (!b->pending) {
        fault(SHIM_MISUSE, "more arrivals at a barrier than it was made for");
        give_up();
    }
    b->pending--;
    complete_phase(*b);
}

void shim_barrier_wait(uint32_t bar, uint32_t parity)
{
    mbarrier *b = find_barrier(bar);

    while ((b->phase & 1) == parity) wait_here("a barrier in shared memory");
    join(now->thread_[(size_t)now->current].clock, b->complete);
}

void shim_async_proxy_fence(void)
{
    thread &t = now->thread_[(size_t)now->current];

    t.fenced = t.clock[(size_t)now->current]++;
}

void shim_tma_load(uint32_t dst, const tensor_map *map, uint32_t bar, const int *at, int rank)
{
    const map_inside *m = inside(map);
    tma t = { dst, bar, map, {}, rank, now->current, has_waited(now->current), 2 };

    if (!find_barrier(bar)->fenced)
        fault(SHIM_MISUSE, "the copy engine does not know of the barrier at %u yet", bar);
    if (m->rank != rank)
        fault(SHIM_MISUSE, "a box of rank %d of a tensor of rank %d", rank, m->rank);
    for (int d = 0; d < rank; d++) {
        t.at[d] = at[d];
        t.bytes *= taken(m, d);
    }
    if (dst % 1024) fault(SHIM_ALIGNMENT, "a swizzled box at %u, which 1024 does not divide", dst);
    if (flight_begin(actor_of(now->current), dst, t.bytes)) now->tmas.push_back(t);
}

/* Known to whoever meets the thread from now on. */
void shim_wait_for_previous(void)
{
    const int self = now->current;

    now->waits.push_back({ self, now->thread_[(size_t)self].clock[(size_t)self]++ });
}

void shim_warpgroup_fence(void) { now->warps[(size_t)(now->current / LANES)].fenced = 1; }

static void multiply_together(factors *f, const char *what)
{
    const int self = now->current;
    warpgroup &g = now->groups[(size_t)(self / GROUP)];

    if (!arrive(g.here, self % GROUP, GROUP, f, what)) return;
    begin_product(g, self / GROUP * 4);
    leave(g.here, self / GROUP * GROUP, GROUP);
}

void shim_warpgroup_multiply(float *d, uint64_t a, uint64_t b, int n, int accumulate)
{
    factors f = { d, nullptr, a, b, n, accumulate };

    multiply_together(&f, "wgmma");
}

void shim_warpgroup_multiply_rows(float *d, const uint32_t *a, uint64_t b, int n)
{
    factors f = { d, a, 0, b, n, 1 };

    multiply_together(&f, "wgmma of registers");
}

/* Commits and waits are a warp's, all lanes at once. */
void shim_warpgroup_commit(void)
{
    const int self = now->current;
    warp &w = now->warps[(size_t)(self / LANES)];

    if (!arrive(w.here, self % LANES, LANES, nullptr, "wgmma.commit_group")) return;
    w.commits++;
    leave(w.here, self / LANES * LANES, LANES);
}

void shim_warpgroup_wait(int left)
{
    const int self = now->current, first = self / GROUP * 4, mine = self / LANES - first;
    warp &w = now->warps[(size_t)(self / LANES)];
    std::vector<product> &all = now->groups[(size_t)(self / GROUP)].products;

    if (!arrive(w.here, self % LANES, LANES, nullptr, "wgmma.wait_group")) return;
    for (product &p : all)
        if (p.left & 1u << mine && p.group < w.commits - left) finish_for_warp(p, mine, first);
    all.erase(std::remove_if(all.begin(), all.end(), [](const product &p) { return !p.left; }),
              all.end());
    if (!left) w.fenced = 0;
    leave(w.here, self / LANES * LANES, LANES);
}

int shim_tensor_map(struct tensor_map *map, const void *base, int rank, const uint64_t *dims,
                    const uint64_t *strides, const uint32_t *box, const uint32_t *steps)
{
    map_inside m = {};

    if ((uintptr_t)base % 16 || rank < 3 || rank > 5) return -1;
    m.base = (const unsigned char *)base;
    m.rank = rank;
    for (int d = 0; d < rank; d++) {
        if (!dims[d] || dims[d] > UINT32_MAX || !box[d] || box[d] > 256 || !steps[d] ||
            steps[d] > 8 || (d && strides[d - 1] % 16) ||
            (d > 1 && strides[d - 1] % strides[d - 2]))
            return -1;
        m.dims[d] = (uint32_t)dims[d];
        m.box[d] = (uint16_t)box[d];
        m.steps[d] = (uint16_t)steps[d];
        if (d) m.strides[d - 1] = strides[d - 1];
    }
    if (box[0] * 2 != 128 || steps[0] != 1) return -1; /* a row is the swizzle's 128 bytes */
    memset(map, 0, sizeof *map);
    memcpy(map, &m, sizeof m);
    return 0;
}
