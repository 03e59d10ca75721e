/* SPDX-License-Identifier: MIT
 *
 * The inside of the shim: a block and its threads, the clocks, and the shadow of shared memory.
 */
#ifndef SDRT_TESTS_EMULATION_CUDA_INTERNAL_H
#define SDRT_TESTS_EMULATION_CUDA_INTERNAL_H

#include "kernels/cuda/ptx.h"
#include "tests/emulation/cuda/shim.h"

#include <map>
#include <vector>

namespace shim {

enum {
    LANES = 32,
    GROUP = 128,
    MOST_THREADS = 1024,
    SHARED_BYTES = 256 << 10, /* address space of shared memory; a block has less */
    NAMED = 16,               /* barriers of the block */
    MBARRIERS = 64,           /* in shared memory */
    WARP_AGENT = MBARRIERS,   /* a warp's asynchronous reads have a clock too */
    AGENTS = MBARRIERS + MOST_THREADS / LANES,
};

/* clock[i]: how much of i's past is known.  Indices: threads, then agents, which are what works
 * beside the threads: the copies that a barrier in shared memory waits for, a warp's products. */
typedef std::vector<uint32_t> vector_clock;

struct copy {
    uint32_t dst;
    const void *src;
    int bytes, group;
};

struct range {
    const void *p;
    size_t bytes;
};

struct thread {
    enum { READY, BLOCKED, DONE } state;
    void *sp;
    unsigned char *stack;
    const char *waits_for;
    vector_clock clock;
    uint32_t fenced;          /* its stores up to this epoch are known to the async proxy */
    std::vector<copy> copies; /* asynchronous, in the order of issue */
    int commits;
    std::vector<range> registers; /* sums and left operands of products under way */
    vector_clock published; /* what it knew at its last fence of the device; empty: none yet */
    std::map<uint32_t, vector_clock> seen; /* of blocks, by atomic operations since then */
};

/* What a block knows of another one: all of its clock, in whoever knows this thread's epoch. */
struct acquired {
    int thread;
    uint32_t epoch, block;
    vector_clock clock;
};

/* Where threads meet to do something together. */
struct meeting {
    const char *what = nullptr; /* what the first one came for */
    int arrived = 0;
    void *args[GROUP];
};

struct mbarrier {
    int agent;
    uint32_t count, pending;
    int64_t bytes;
    uint32_t phase; /* completed ones */
    vector_clock gathered, complete;
    int fenced; /* the copy engine knows of it */
};

struct product {
    float *d[GROUP];
    const uint32_t *rows[GROUP]; /* four registers of a each; NULL: it lies in shared memory */
    uint64_t a, b;
    int n, accumulate, group;
    int across;    /* columns of b lie side by side */
    unsigned left; /* bit w: warp w of the group has not waited for it */
};

struct warp {
    meeting here;
    int commits; /* of products */
    int fenced;
    uint32_t epoch; /* of its agent */
};

struct warpgroup {
    meeting here;
    std::vector<product> products; /* not read by all warps yet */
};

struct tma {
    uint32_t dst, bar;
    const tensor_map *map;
    int at[5], rank, issuer;
    int waited; /* the issuer, for the launch before */
    uint32_t bytes;
};

/* What 2 bytes of shared memory have been through.  A stamp is an index (11 bits) and its epoch
 * (21 bits). */
struct cell {
    uint32_t written;  /* stamp, 0: nobody */
    uint32_t read;     /* stamp, or with the highest bit a list of them */
    uint8_t in_flight; /* an asynchronous write is under way */
    uint8_t generic;   /* written by an ordinary store */
    uint16_t reading;  /* asynchronous reads under way */
};

struct block {
    const shim_launch *launch;
    shim_result *result;
    int threads;
    int current; /* -1: the scheduler */
    int failed;  /* nothing can go on */
    std::vector<thread> thread_;
    std::vector<warp> warps;
    std::vector<warpgroup> groups;
    struct {
        int need, arrived;
        std::vector<int> who;
    } named[NAMED];
    std::map<uint32_t, mbarrier> mbarriers;
    std::vector<tma> tmas;
    std::vector<uint32_t> agent_epochs;
    uint64_t random;
    std::vector<acquired> acquired_;
    uint32_t number;   /* of the block, from 1, never used again in a later launch */
    uint32_t first;    /* of this launch's blocks */
    uint32_t previous; /* first block of the launches that may not be over yet; 0: all are */
    std::vector<std::pair<int, uint32_t>> waits; /* threads that waited for them, and when */
    int engine_waited; /* for them, the thread whose copy the copy engine makes */
};

extern block *now; /* NULL outside a launch */

/* ---- shim.cc ---- */
__attribute__((format(printf, 2, 3))) void fault(shim_fault kind, const char *format, ...);
void wait_here(const char *what); /* until someone makes this thread ready */
void make_ready(int thread);
[[noreturn]] void give_up(void); /* the block cannot go on */
void join(vector_clock &to, const vector_clock &from);
void release(int thread, vector_clock &to);
/* Returns 1 in the last of `need` threads, after which it must call leave(). */
int arrive(meeting &m, int slot, int need, void *arg, const char *what);
void leave(meeting &m, int first, int count);
uint64_t random_below(uint64_t n);

/* ---- shadow.cc ---- */
struct actor {
    int index; /* whose stamp it leaves */
    uint32_t epoch;
    const vector_clock *clock;
    int async; /* through the async proxy */
};
actor actor_of(int thread);
void shadow_begin(uint32_t bytes);
unsigned char *shared_bytes(void);
/* Bounds and history; 0 after a fault. */
int shared_read(const actor &who, uint32_t at, uint32_t bytes);
int shared_write(const actor &who, uint32_t at, uint32_t bytes);
/* The write or read will happen some time between these. */
int flight_begin(const actor &who, uint32_t at, uint32_t bytes);
void flight_end(const actor &who, uint32_t at, uint32_t bytes);
void reading_begin(uint32_t at, uint32_t bytes);
void reading_end(const actor &who, uint32_t at, uint32_t bytes);
/* Device memory. */
int device_access(const void *p, size_t bytes, int write);
int in_device(const void *p);
int has_waited(int thread); /* for launches before this one, itself or by barriers */
void shadow_launch(void);   /* what atomic operations have passed on is the launch's own */

/* ---- sectors.cc: nothing unless shim_count_sectors() has said so ---- */
void sectors_begin(int threads);
void sectors_end(void);
void sectors_meet(int thread); /* where all lanes of its warp come */
/* In a function that the kernel calls: the instruction there, by which a warp's accesses belong together. */
#define CALLER __builtin_return_address(0)
/* This thread's access at an instruction of its kernel. */
void count_transfer(const void *instruction, const void *p, size_t bytes, int write);
/* The copy engine's reads of one box, and its end. */
void count_element(const void *p, size_t bytes);
void count_box(void);

/* ---- async.cc ---- */
int perform_tma(void); /* one of those under way; 0 when there is none */

} // namespace shim

#endif
