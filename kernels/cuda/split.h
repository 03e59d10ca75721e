/* SPDX-License-Identifier: MIT
 *
 * Split-K: of a product with too few tiles for the device several blocks share each tile, all of its rows
 * and columns but a part of the steps along k each.  Each stores its partial sums in a workspace, as its
 * threads hold them; whoever comes last adds all in the order of the parts, whatever order they came in,
 * and goes on to the epilogue.  The others end, and nobody waits for anybody.
 *
 * Partial sums of a tile: [part][piece of four][thread].  A thread reads what the same thread of the other
 * blocks stored, so that no barrier is needed but those that the counter asks for.
 */
#ifndef SDRT_KERNELS_CUDA_SPLIT_H
#define SDRT_KERNELS_CUDA_SPLIT_H

#include "kernels/cuda/math.h"
#include "kernels/cuda/product.h"

/* How many of all steps are this block's, from the first on. */
DEVICE int steps_of_part(const sdrt_cuda_product &p, int all, int &first)
{
    const int part = (int)blockIdx.z, end = all * (part + 1) / p.parts;

    first = all * part / p.parts;
    return end - first - (PLANTED(split_step) ? 1 : 0);
}

DEVICE int tile_number(void) { return (int)(blockIdx.y * gridDim.x + blockIdx.x); }

/* Where a thread's first piece of a part of this tile lies. */
template <int PIECES, int THREADS>
DEVICE float *partial_of(const sdrt_cuda_product &p, int part, int thread)
{
    return p.partial +
           ((size_t)(tile_number() * p.parts + part) * PIECES * THREADS + (size_t)thread) * 4;
}

/* Whether this block is the last of its tile's; one thread asks.  The first fence lets the last block see
 * what this one stored, the second one lets this one see what the others stored; the barriers about it
 * (add_parts) pass that on to and from the rest of the block.  The counter goes from parts - 1 to 0, where
 * the next launch expects it. */
DEVICE int is_last(const sdrt_cuda_product &p)
{
    const uint32_t most = (uint32_t)p.parts - (PLANTED(split_not_reset) ? 0 : 1);

    if (!PLANTED(split_no_release)) device_fence();
    const uint32_t before = atomic_inc(p.arrived + tile_number(), most);
    if (!PLANTED(split_no_acquire)) device_fence();
    return before == (uint32_t)p.parts - 1;
}

/* Of all parts the sums of a thread.  As many loads are under way as registers hold beside sums that are
 * done; the own sums are read back too, since their turn comes when it comes. */
template <int PIECES, int THREADS, class Four>
DEVICE void add_partials(const sdrt_cuda_product &p, int thread, Four four)
{
    constexpr int AT_ONCE = PIECES < 16 ? PIECES : 16;

#pragma unroll
    for (int i0 = 0; i0 < PIECES; i0 += AT_ONCE)
#pragma unroll 1
        for (int part = 0; part < p.parts - (PLANTED(split_left_out) ? 1 : 0); part++) {
            const int from = PLANTED(split_twice) && part ? part - 1 : part;
            const float *other = partial_of<PIECES, THREADS>(p, from, thread);
#pragma unroll
            for (int i = i0; i < i0 + AT_ONCE; i++) {
                const bytes16 x = load_16(other + (size_t)i * THREADS * 4);
                float *v = four(i);
#pragma unroll
                for (int j = 0; j < 4; j++)
                    v[j] = part ? v[j] + float_of_bits(x.v[j]) : float_of_bits(x.v[j]);
            }
        }
}

/* Stores a thread's sums; in the last block these become all parts' sums.  0: this block is done.  four(i):
 * its i-th four; sync() meets all that call it, who have no more use for what is shared. */
template <int PIECES, int THREADS, class Four, class Sync>
DEVICE int add_parts(const sdrt_cuda_product &p, int thread, int *shared, Four four, Sync sync)
{
    float *own = partial_of<PIECES, THREADS>(p, (int)blockIdx.z, thread);

#pragma unroll
    for (int i = 0; i < PIECES; i++) {
        const float *v = four(i);
        store_16(own + (size_t)i * THREADS * 4, { { bits_of_float(v[0]), bits_of_float(v[1]),
                                                    bits_of_float(v[2]), bits_of_float(v[3]) } });
    }
    if (!PLANTED(split_early)) sync();
    if (thread == 0) *shared = is_last(p);
    if (!PLANTED(split_late)) sync();
    if (!*shared) return 0;
    add_partials<PIECES, THREADS>(p, thread, four);
    return 1;
}

#endif
