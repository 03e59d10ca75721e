/* SPDX-License-Identifier: MIT
 *
 * Which tiles a product is cut into, and whether its k is split over several blocks a tile, by a model of
 * an H100's rates that nothing has timed.
 */
#include "kernels/cuda/product_host.h"

/* Clocks of a multiprocessor: steps of 128 x 128 products at 80 % of what warpgroups (64 channels) and warps
 * (32, at 62 % of the former) reach, of 64 x 64 at 60 % of that.  Bytes of partial sums that a block moves a
 * clock: what its threads have under way at once (split.h), and 1000 clocks to the L2 and back. */
static const struct rate {
    int side, channels; /* of a tile both ways; of a step */
    double step, moves;
} warpgroups = { 128, 64, 640.0, 64.0 }, warps = { 128, 32, 516.0, 32.0 },
  warps_64 = { 64, 32, 215.0, 16.0 };

/* What a split costs besides: the clocks from a block's last store to the last one's first load. */
static const double meet = 2000.0;

static int tiles_of(const struct rate *r, const struct cuda_extent *e)
{
    return cuda_divide_up(e->m, r->side) * cuda_divide_up(e->rows, r->side);
}

static int steps_of(const struct rate *r, const struct cuda_extent *e)
{
    return e->taps * cuda_divide_up(e->k, r->channels);
}

static double tile_bytes(const struct rate *r) { return (double)r->side * r->side * sizeof(float); }

static struct cuda_tiling tiling_of(const struct rate *r, int tiles, int steps, int parts, int sms)
{
    struct cuda_tiling t = { .side = r->side, .parts = parts };

    t.clocks = (double)cuda_divide_up(tiles * parts, sms) * cuda_divide_up(steps, parts) * r->step;
    if (parts > 1) {
        t.clocks += meet + (parts + 1) * tile_bytes(r) / r->moves;
        t.workspace = (size_t)tile_bytes(r) * (size_t)(tiles * parts);
    }
    return t;
}

/* The better of t and splits by this rate, as far as the workspace reaches.  All blocks of a split run at
 * once: a second round of them would take what the split gains. */
static struct cuda_tiling split(struct cuda_tiling t, const struct rate *r, int tiles, int steps,
                                const struct cuda_limits *l)
{
    if (tiles > SDRT_STREAM_COUNTERS) return t;
    for (int parts = 2; parts <= steps && tiles * parts <= l->multiprocessors; parts++) {
        const struct cuda_tiling s = tiling_of(r, tiles, steps, parts, l->multiprocessors);
        if (s.workspace <= l->workspace && s.clocks < t.clocks) t = s;
    }
    return t;
}

/* A tenth is within the model's error. */
static struct cuda_tiling gaining(struct cuda_tiling whole, struct cuda_tiling best)
{
    return best.clocks * 1.1 < whole.clocks ? best : whole;
}

struct cuda_tiling cuda_tile_warps(const struct cuda_extent *e, int has_large,
                                   const struct cuda_limits *l)
{
    const int large = tiles_of(&warps, e), small = tiles_of(&warps_64, e);
    const int large_steps = steps_of(&warps, e), small_steps = steps_of(&warps_64, e);
    /* The tile of most reuse that still gives every multiprocessor a block. */
    const int is_large = has_large && large >= l->multiprocessors;
    const struct cuda_tiling whole = is_large ? tiling_of(&warps, large, large_steps, 1,
                                                          l->multiprocessors)
                                              : tiling_of(&warps_64, small, small_steps, 1,
                                                          l->multiprocessors);
    struct cuda_tiling best = split(whole, &warps_64, small, small_steps, l);

    if (has_large) best = split(best, &warps, large, large_steps, l);
    return gaining(whole, best);
}

struct cuda_tiling cuda_tile_warpgroups(const struct cuda_extent *e, int tiles,
                                        const struct cuda_limits *l)
{
    const int steps = steps_of(&warpgroups, e);
    const struct cuda_tiling whole = tiling_of(&warpgroups, tiles, steps, 1, l->multiprocessors);

    return gaining(whole, split(whole, &warpgroups, tiles, steps, l));
}

const struct cuda_limits cuda_model_limits = { .multiprocessors = 132, .workspace = SIZE_MAX };

size_t cuda_workspace(const struct cuda_extent *e, enum sdrt_dtype stored, enum sdrt_dtype narrow)
{
    const int tiles = tiles_of(&warpgroups, e);
    size_t most = 0;

    if (cuda_operand(stored, narrow) != narrow) return 0;
    for (int has_large = 0; has_large < 2; has_large++) {
        const size_t bytes = cuda_tile_warps(e, has_large, &cuda_model_limits).workspace;
        if (bytes > most) most = bytes;
    }
    const size_t bytes = cuda_tile_warpgroups(e, tiles, &cuda_model_limits).workspace;
    return stored == SDRT_BF16 && bytes > most ? bytes : most;
}
