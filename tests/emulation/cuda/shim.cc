/* SPDX-License-Identifier: MIT
 *
 * Fibers, barriers, and what a warp does together.
 */
#include "tests/emulation/cuda/internal.h"

#include <algorithm>
#include <string>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

shim_dim threadIdx, blockIdx, blockDim, gridDim;
const char *shim_planted;
const char *const shim_fault_names[SHIM_FAULTS] = {
    "race",   "bounds",   "alignment",  "unwritten", "in flight", "proxy",
    "blocks", "previous", "divergence", "deadlock",  "misuse",
};

/* Keeps the registers that a call must keep, on the old stack; takes them from the new one. */
extern "C" void shim_switch(void **save, void *load);
#if defined(__x86_64__)
__asm__(".text\n.globl shim_switch\n.type shim_switch,@function\nshim_switch:\n"
        "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
        "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");
enum { KEPT = 6 };
#elif defined(__aarch64__)
__asm__(".text\n.globl shim_switch\n.type shim_switch,%function\nshim_switch:\n"
        "sub sp, sp, #160\n"
        "stp x19, x20, [sp]\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\n"
        "stp x25, x26, [sp, #48]\nstp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\n"
        "stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\nstp d12, d13, [sp, #128]\n"
        "stp d14, d15, [sp, #144]\n"
        "mov x9, sp\nstr x9, [x0]\nmov sp, x1\n"
        "ldp x19, x20, [sp]\nldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\n"
        "ldp x25, x26, [sp, #48]\nldp x27, x28, [sp, #64]\nldp x29, x30, [sp, #80]\n"
        "ldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\nldp d12, d13, [sp, #128]\n"
        "ldp d14, d15, [sp, #144]\n"
        "add sp, sp, #160\nret\n");
enum { KEPT = 20 };
#else
#error "the shim's fibers know x86-64 and AArch64"
#endif

namespace shim {

block *now;

static const size_t STACK = 64 << 10;
static void *scheduler_sp;
static shim_kernel *kernel_now;
static const void *params_now;

void fault(shim_fault kind, const char *format, ...)
{
    shim_result *r = now->result;
    char text[192];
    va_list list;

    r->faults[kind]++;
    if (r->total++) return;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    snprintf(r->first, sizeof r->first, "%s: block %u,%u,%u thread %d: %s", shim_fault_names[kind],
             blockIdx.x, blockIdx.y, blockIdx.z, now->current, text);
}

uint64_t random_below(uint64_t n)
{
    now->random ^= now->random << 13;
    now->random ^= now->random >> 7;
    now->random ^= now->random << 17;
    return now->random % n;
}

static void to_scheduler(void)
{
    thread &t = now->thread_[(size_t)now->current];

    now->current = -1;
    shim_switch(&t.sp, scheduler_sp);
}

void wait_here(const char *what)
{
    thread &t = now->thread_[(size_t)now->current];

    t.state = thread::BLOCKED;
    t.waits_for = what;
    to_scheduler();
}

void make_ready(int i) { now->thread_[(size_t)i].state = thread::READY; }

void give_up(void)
{
    now->failed = 1;
    for (;;) to_scheduler();
}

void join(vector_clock &to, const vector_clock &from)
{
    for (size_t i = 0; i < to.size(); i++) to[i] = std::max(to[i], from[i]);
}

/* What the thread did so far becomes known to who takes `to`; what it does from now on does not. */
void release(int i, vector_clock &to)
{
    vector_clock &c = now->thread_[(size_t)i].clock;

    join(to, c);
    c[(size_t)i]++;
}

int arrive(meeting &m, int slot, int need, void *arg, const char *what)
{
    if (m.arrived == 0) m.what = what;
    else if (m.what != what) {
        fault(SHIM_DIVERGENCE, "comes for %s while others of its warp are at %s", what, m.what);
        give_up();
    }
    m.args[slot] = arg;
    sectors_meet(now->current);
    if (++m.arrived == need) return 1;
    wait_here(what);
    return 0;
}

void leave(meeting &m, int first, int count)
{
    m.arrived = 0;
    for (int i = first; i < first + count; i++)
        if (i != now->current) make_ready(i);
}

/* ---- running blocks ---- */

static void thread_main(void)
{
    kernel_now(params_now);
    block *b = now;
    thread &t = b->thread_[(size_t)b->current];
    t.state = thread::DONE;
    if (b->named[0].arrived)
        fault(SHIM_DIVERGENCE, "ends while %d others wait at the block's barrier",
              b->named[0].arrived);
    for (;;) to_scheduler();
}

static unsigned char *stack_of(size_t i)
{
    static std::vector<unsigned char *> stacks;

    while (stacks.size() <= i) {
        void *p = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) abort();
        stacks.push_back((unsigned char *)p);
    }
    return stacks[i];
}

static void start_thread(thread &t, size_t i, size_t clocks)
{
    t = thread();
    t.state = thread::READY;
    t.stack = stack_of(i);
    t.clock.assign(clocks, 0);
    t.clock[i] = 1;
    void **top = (void **)(void *)(t.stack + STACK);
#if defined(__x86_64__)
    *--top = NULL; /* keeps the stack aligned as after a call */
    *--top = (void *)thread_main;
#endif
    top -= KEPT;
    memset(top, 0, KEPT * sizeof *top);
#if defined(__aarch64__)
    top[11] = (void *)thread_main; /* x30 */
#endif
    t.sp = top;
}

static void switch_to(int i)
{
    now->current = i;
    threadIdx.x = (unsigned)i;
    shim_switch(&scheduler_sp, now->thread_[(size_t)i].sp);
}

static void tell_deadlock(void)
{
    std::map<std::string, int> at;
    std::string text;

    for (const thread &t : now->thread_)
        if (t.state == thread::BLOCKED) at[t.waits_for]++;
    for (const auto &w : at) text += " " + std::to_string(w.second) + " at " + w.first;
    fault(SHIM_DEADLOCK, "nobody can go on:%s", text.c_str());
    now->failed = 1;
}

static void run_threads(void)
{
    block *b = now;
    std::vector<int> order((size_t)b->threads);

    for (int i = 0; i < b->threads; i++)
        order[(size_t)i] = b->launch->order == SHIM_BACKWARD ? b->threads - 1 - i : i;
    for (;;) {
        int done = 0, moved = 0;
        if (b->launch->order == SHIM_SHUFFLED)
            for (size_t i = order.size(); i > 1; i--)
                std::swap(order[i - 1], order[random_below(i)]);
        for (int i : order) {
            const thread &t = b->thread_[(size_t)i];
            if (t.state == thread::READY) {
                switch_to(i);
                moved = 1;
            }
            done += t.state == thread::DONE;
            if (b->failed) return;
        }
        if (done == b->threads) return;
        if (!moved && !perform_tma()) return tell_deadlock();
    }
}

static void run_block(block &b)
{
    const size_t threads = (size_t)b.threads, clocks = threads + AGENTS;

    b.current = -1;
    b.failed = 0;
    b.thread_.resize(threads);
    b.warps.assign(threads / LANES, warp());
    b.groups.assign((threads + GROUP - 1) / GROUP, warpgroup());
    b.mbarriers.clear();
    b.tmas.clear();
    b.acquired_.clear();
    b.waits.clear();
    b.agent_epochs.assign(AGENTS, 0);
    for (auto &n : b.named) {
        n.need = n.arrived = 0;
        n.who.clear();
    }
    for (size_t i = 0; i < threads; i++) start_thread(b.thread_[i], i, clocks);
    shadow_begin(b.launch->shared_bytes);
    sectors_begin(b.threads);
    run_threads();
    sectors_end();
    /* The launch after this one waits for it alone. */
    if (b.previous && b.waits.empty() && !b.failed)
        fault(SHIM_PREVIOUS, "the block ends without having waited for the launch before");
}

/* ---- barriers of the block ---- */

static void barrier(int id, int need)
{
    auto &n = now->named[id];
    const int self = now->current;

    if (n.arrived && n.need != need)
        fault(SHIM_DIVERGENCE, "barrier %d is used for %d and for %d threads", id, n.need, need);
    n.need = need;
    n.who.push_back(self);
    sectors_meet(self);
    if (++n.arrived < need) return wait_here(id ? "a named barrier" : "the block's barrier");
    vector_clock all(now->thread_[0].clock.size(), 0);
    for (int i : n.who) join(all, now->thread_[(size_t)i].clock);
    for (int i : n.who) {
        now->thread_[(size_t)i].clock = all;
        now->thread_[(size_t)i].clock[(size_t)i]++;
        if (i != self) make_ready(i);
    }
    n.arrived = 0;
    n.who.clear();
}

/* ---- what a warp does ---- */

static warp &warp_of(int i) { return now->warps[(size_t)(i / LANES)]; }

struct shuffle_values {
    float v, out;
    int from;
};

static void do_shuffle(meeting &m)
{
    for (int i = 0; i < LANES; i++) {
        shuffle_values *s = (shuffle_values *)m.args[i];
        s->out = ((shuffle_values *)m.args[s->from % LANES])->v;
    }
}

struct matrices {
    uint32_t address, *r;
    int transposed;
};

/* Rows that come from one group of 16 bytes of the banks follow each other. */
static void count_conflicts(const matrices *const *row)
{
    int most = 1;

    for (int i = 0; i < 8; i++) {
        int same = 1;
        for (int j = 0; j < i; j++)
            same += row[i]->address % 128 / 16 == row[j]->address % 128 / 16 &&
                    row[i]->address != row[j]->address;
        most = std::max(most, same);
    }
    now->result->ldmatrix++;
    now->result->ldmatrix_replays += most - 1;
}

static void do_matrices(meeting &m, int first)
{
    const matrices *row[LANES];

    for (int i = 0; i < LANES; i++) row[i] = (const matrices *)m.args[i];
    for (int q = 0; q < 4; q++) {
        uint16_t x[8][8];
        count_conflicts(row + q * 8);
        for (int i = 0; i < 8; i++) {
            const uint32_t at = row[q * 8 + i]->address;
            if (at % 16) fault(SHIM_ALIGNMENT, "ldmatrix from %u, which 16 does not divide", at);
            if (shared_read(actor_of(first + q * 8 + i), at, 16))
                memcpy(x[i], shared_bytes() + at, 16);
            else memset(x[i], 0xff, 16);
        }
        for (int i = 0; i < LANES; i++) {
            const int a = i / 4, b = i % 4 * 2;
            row[i]->r[q] = row[i]->transposed ? x[b][a] | (uint32_t)x[b + 1][a] << 16
                                              : x[a][b] | (uint32_t)x[a][b + 1] << 16;
        }
    }
}

struct operands {
    float *d;
    const uint32_t *a;
    uint32_t b[2];
};

static void do_multiply(meeting &m)
{
    enum { DEPTH = NARROW_IS_F16 ? 8 : 16 }; /* of one instruction */
    float a[16][16], b[8][16];

    for (int i = 0; i < LANES; i++) {
        const operands *o = (const operands *)m.args[i];
        const int r = i / 4, c = i % 4 * 2;
        for (int h = 0; h < 4; h++) {
            a[r + h % 2 * 8][c + h / 2 * 8] = low_narrow(o->a[h]);
            a[r + h % 2 * 8][c + h / 2 * 8 + 1] = high_narrow(o->a[h]);
        }
        for (int h = 0; h < 2; h++) {
            b[r][c + h * 8] = low_narrow(o->b[h]);
            b[r][c + h * 8 + 1] = high_narrow(o->b[h]);
        }
    }
    for (int i = 0; i < LANES; i++) {
        float *d = ((const operands *)m.args[i])->d;
        for (int j = 0; j < 4; j++) {
            const int r = i / 4 + j / 2 * 8, c = i % 4 * 2 + j % 2;
            for (int k0 = 0; k0 < 16; k0 += DEPTH) {
                double sum = 0.0;
                for (int k = k0; k < k0 + DEPTH; k++) sum += (double)a[r][k] * (double)b[c][k];
                d[j] = (float)((double)d[j] + sum);
            }
        }
    }
    now->result->products += 16 * 8 * 16;
}

} // namespace shim

using namespace shim;

uint32_t shim_shared_address(const void *p)
{
    return (uint32_t)((const unsigned char *)p - shared_bytes());
}

unsigned char *shim_shared(void) { return shared_bytes(); }

void shim_sync_block(void)
{
    int live = 0;

    for (const thread &t : now->thread_) live += t.state != thread::DONE;
    if (live < now->threads)
        fault(SHIM_DIVERGENCE, "the block's barrier after %d threads ended", now->threads - live);
    now->result->barriers += now->named[0].arrived == 0;
    barrier(0, live);
}

void shim_sync_named(int id, int threads)
{
    if (id < 0 || id >= NAMED || threads % LANES || threads < LANES) {
        fault(SHIM_MISUSE, "barrier %d of %d threads", id, threads);
        give_up();
    }
    barrier(id, threads);
}

void shim_sync_warp(void)
{
    const int self = now->current, first = self / LANES * LANES;
    meeting &m = warp_of(self).here;

    if (!arrive(m, self % LANES, LANES, nullptr, "syncwarp")) return;
    vector_clock all(now->thread_[0].clock.size(), 0);
    for (int i = first; i < first + LANES; i++) join(all, now->thread_[(size_t)i].clock);
    for (int i = first; i < first + LANES; i++) {
        now->thread_[(size_t)i].clock = all;
        now->thread_[(size_t)i].clock[(size_t)i]++;
    }
    leave(m, first, LANES);
}

float shim_shuffle(float v, int from)
{
    shuffle_values s = { v, 0.0f, from };
    const int self = now->current;
    meeting &m = warp_of(self).here;

    if (arrive(m, self % LANES, LANES, &s, "shfl")) {
        do_shuffle(m);
        leave(m, self / LANES * LANES, LANES);
    }
    return s.out;
}

void shim_load_matrices(uint32_t *r, uint32_t address, int transposed)
{
    matrices a = { address, r, transposed };
    const int self = now->current, first = self / LANES * LANES;
    meeting &m = warp_of(self).here;

    if (!arrive(m, self % LANES, LANES, &a, "ldmatrix")) return;
    do_matrices(m, first);
    leave(m, first, LANES);
}

void shim_multiply(float *d, const uint32_t *a, uint32_t b0, uint32_t b1)
{
    operands o = { d, a, { b0, b1 } };
    const int self = now->current;
    meeting &m = warp_of(self).here;

    if (!arrive(m, self % LANES, LANES, &o, "mma")) return;
    do_multiply(m);
    leave(m, self / LANES * LANES, LANES);
}

/* The launch's blocks, x fastest, in its order. */
static std::vector<uint32_t> order_of_blocks(const shim_launch *l)
{
    std::vector<uint32_t> order((size_t)l->grid_x * l->grid_y * l->grid_z);

    for (size_t i = 0; i < order.size(); i++) order[i] = (uint32_t)i;
    if (l->order == SHIM_BACKWARD) std::reverse(order.begin(), order.end());
    if (l->order == SHIM_SHUFFLED)
        for (size_t i = order.size(); i > 1; i--) std::swap(order[i - 1], order[random_below(i)]);
    return order;
}

struct shim_result shim_run(shim_kernel *kernel, const struct shim_launch *launch,
                            const void *params)
{
    shim_result result = {};
    block b;

    b.launch = launch;
    b.result = &result;
    b.threads = (int)launch->block;
    b.random = launch->seed * 0x9e3779b97f4a7c15u + 1;
    now = &b;
    kernel_now = kernel;
    params_now = params;
    gridDim = { launch->grid_x, launch->grid_y, launch->grid_z };
    blockDim = { launch->block, 1, 1 };
    /* chain: the first block of the last launch that was not dependent. */
    static uint32_t blocks_so_far, chain;
    b.first = blocks_so_far + 1;
    if (!launch->dependent || !chain) chain = b.first;
    b.previous = launch->dependent && chain < b.first ? chain : 0;
    shadow_launch();
    for (uint32_t i : order_of_blocks(launch)) {
        blockIdx = { i % launch->grid_x, i / launch->grid_x % launch->grid_y,
                     i / launch->grid_x / launch->grid_y };
        b.number = b.first + i;
        blocks_so_far++;
        run_block(b);
    }
    now = nullptr;
    return result;
}
