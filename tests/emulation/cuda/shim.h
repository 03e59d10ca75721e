/* SPDX-License-Identifier: MIT
 *
 * The host's side of the shim: device memory, launches, tensor maps, and what was found.
 */
#ifndef SDRT_TESTS_EMULATION_CUDA_SHIM_H
#define SDRT_TESTS_EMULATION_CUDA_SHIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tensor_map;

/* Device memory lies in a range of its own, each piece between guard zones, filled with 0xff,
 * which is NaN in every format.  A kernel's access to the range outside a live piece is a fault. */
void *shim_alloc(size_t bytes);
void shim_free(void *p);

enum shim_order { SHIM_FORWARD, SHIM_BACKWARD, SHIM_SHUFFLED };

enum shim_fault {
    SHIM_RACE,   /* two threads, one of them writing, and no barrier between */
    SHIM_BOUNDS, /* outside shared or device memory */
    SHIM_ALIGNMENT,
    SHIM_UNWRITTEN, /* a read of shared memory that nobody wrote */
    SHIM_IN_FLIGHT, /* touched while a copy or a product is under way */
    SHIM_PROXY,     /* ordinary stores read by the async proxy without a fence */
    SHIM_BLOCKS,    /* two blocks of one launch at one place of device memory, which no fences and
                      * atomic operation between them put in order */
    SHIM_PREVIOUS, /* of a dependent launch: device memory that a launch before it may not be done with */
    SHIM_DIVERGENCE, /* threads of a warp or block at different operations */
    SHIM_DEADLOCK,
    SHIM_MISUSE, /* an operand that the hardware would refuse or misunderstand */
    SHIM_FAULTS
};
extern const char *const shim_fault_names[SHIM_FAULTS];

/* What a launch did, exactly countable without a GPU. */
struct shim_result {
    long faults[SHIM_FAULTS];
    long total;                      /* of them */
    char first[256];                 /* the first one, in words */
    long ldmatrix, ldmatrix_replays; /* phases, and those beyond the least: bank conflicts */
    long sectors, sector_bytes;      /* 32-byte pieces of device memory moved, and the bytes of them
                                      * that were asked for: see shim_count_sectors() */
    long products;                   /* multiply-adds of tensor cores */
    long barriers;                   /* of whole blocks */
    long tma_bytes;
};

struct shim_launch {
    unsigned grid_x, grid_y, grid_z, block; /* threads of a block: a multiple of 32 */
    unsigned shared_bytes;
    enum shim_order order;
    uint64_t seed;
    int dependent; /* 1: it may begin before launches before it are over, back to the last without this */
    int unproven; /* 1: allow operands of products that no GPU has shown to work (probe.h) */
};

typedef void shim_kernel(const void *params);

/* Runs all blocks, one after the other, in the order that threads have too. */
struct shim_result shim_run(shim_kernel *kernel, const struct shim_launch *launch,
                            const void *params);

/* Plants the fault of that name (PLANTED in the kernels) in all launches to come; NULL: none. */
void shim_plant(const char *fault);

/* Of the driver's launches so far: their sums, but of sectors (shim_sectors_of()), and the first fault of the
 * first bad one. */
const struct shim_result *shim_totals(void);
void shim_totals_clear(void);

/* Launches to come count the sectors of device memory that they move (on: 1) or not (0, at first).  A
 * sector that several lanes of a warp read or write at one instruction moves once; a sector that was
 * read stays in the first cache for the warp's next eight accesses. */
void shim_count_sectors(int on);
struct shim_sectors {
    long launches, sectors, bytes; /* as in struct shim_result */
};
/* Of the driver's launches of a kernel since shim_totals_clear(). */
struct shim_sectors shim_sectors_of(const char *kernel);

/* The order of threads and blocks in the driver's launches to come; until then SHIM_ORDER of the
 * environment says it ("forward", "backward", "shuffled"). */
void shim_set_order(enum shim_order order);

/* As cuTensorMapEncodeTiled for 16-bit elements with the 128-byte swizzle and zeros outside:
 * dims and box in elements, innermost first; strides in bytes, of dimensions 1 .. rank-1; steps:
 * every how many-th element of a dimension is taken.  Returns 0, or -1 where the driver would
 * refuse. */
int shim_tensor_map(struct tensor_map *map, const void *base, int rank, const uint64_t *dims,
                    const uint64_t *strides, const uint32_t *box, const uint32_t *steps);

#ifdef __cplusplus
}
#endif

#endif
