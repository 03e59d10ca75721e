/* SPDX-License-Identifier: MIT
 *
 * How a 3x3 convolution on tiles is cut into units, and what a unit has in scratch.
 */
#ifndef SDRT_KERNELS_AMX_CONV_CUT_H
#define SDRT_KERNELS_AMX_CONV_CUT_H

#include "kernels/amx/pack.h"
#include "kernels/amx/tile.h"
#include "kernels/conv.h"

enum { CONV_TAPS = 9, CONV_TILES = TILE_SUM_REGISTERS, CONV_SUMS = CONV_TILES * TILE_SUMS };

/* ---- how the work is cut: by the shape alone ---- */

struct conv_cut {
    int mix;    /* images interleaved */
    int flat;   /* tiles run on over the ends of rows */
    int images; /* of a unit, a multiple of mix */
    int bh, bw; /* output rows and columns of a unit, at most */
    int stacks, down, across, ranges;
    int tiles, range;                /* tiles of 16 output channels: all, and most in a range */
    int steps, chunks, chunk;        /* of 32 input channels */
    int group;                       /* tiles of channels whose weights stay in L2 */
    int planes, rows;                /* planes of a patch; rows of each */
    size_t pixel, row, plane, patch; /* bytes from one to the next */
    int blocks;                      /* most in a unit */
};

/* Bytes to add to each row so that a block's lines spread best over the 64 sets of L1. */
static size_t conv_row_padding(size_t pixel, size_t entries)
{
    enum { SETS = 64, MOST = 32, ROWS = 8, PIXELS = 18 };
    const size_t p = pixel / LINE;
    int one[2 * SETS] = { 0 }, least = -1; /* the lines of one row, twice round */
    size_t best = 0;

    for (size_t i = 0; i < 2 * PIXELS; i++) {
        const size_t set = (i / 2 * p + i % 2) % SETS;
        one[set]++;
        one[set + SETS]++;
    }
    for (size_t pad = 0; pad < MOST; pad++) {
        int lines[SETS] = { 0 }, crowd = 0;
        for (size_t y = 0; y < ROWS; y++) {
            const int *shifted = one + (SETS - y * (entries * p + pad) % SETS) % SETS;
            for (int i = 0; i < SETS; i++) lines[i] += shifted[i];
        }
        for (int i = 0; i < SETS; i++) crowd += lines[i] * lines[i];
        if (least >= 0 && crowd >= least) continue;
        least = crowd;
        best = pad;
    }
    return best * LINE;
}

/* Rows (or columns) of the input that so many of the output need. */
static int conv_reach(const struct sdrt_conv_shape *s, int n) { return (n - 1) * s->stride + 3; }

/* Sizes of the patch for units of bh rows by bw columns. */
static void conv_measure(const struct sdrt_conv_shape *s, struct conv_cut *u)
{
    const int halo = s->stride == 2 ? 1 : 2;
    const size_t entries = (size_t)(u->bw + halo) * (size_t)u->mix;

    u->flat = u->bw * u->mix % TILE_ROWS != 0;
    u->planes = s->stride * s->stride;
    u->rows = u->bh + halo;
    u->pixel = odd_pitch((size_t)u->chunk * LINE);
    u->row = entries * u->pixel;
    if (!u->flat) u->row += conv_row_padding(u->pixel, entries);
    u->plane = (size_t)u->rows * u->row;
    u->patch = u->plane * (size_t)u->planes;
}

static struct conv_cut conv_cut(const struct sdrt_conv_shape *s)
{
    enum {
        MOST_STEPS = 20,         /* 640 channels: one pixel of a row is 1.3 KiB */
        PATCH_BYTES = 720 << 10, /* of a 2 MiB L2 ... */
        GROUP_BYTES = 720 << 10, /* ... and of weights */
        WANTED = 8,              /* units, so that workers find something to do */
        LEAST = 8,               /* tiles of channels: fewer do not repay the patch */
        EASY = CONV_TILES,
    };
    struct conv_cut u = { .mix = 1,
                          .tiles = divide_up(s->out_c, TILE_ROWS),
                          .steps = divide_up(s->w.k, TILE_K),
                          .bw = s->out_w };

    u.chunks = divide_up(u.steps, MOST_STEPS);
    u.chunk = divide_up(u.steps, u.chunks);
    if (s->out_w < TILE_ROWS && TILE_ROWS % s->out_w == 0 && s->batch % (TILE_ROWS / s->out_w) == 0)
        u.mix = TILE_ROWS / s->out_w;
    /* Whole rows where enough of them fit, else columns in multiples of a tile. */
    u.bh = int_min(s->out_h, EASY);
    conv_measure(s, &u);
    if (u.patch > PATCH_BYTES) {
        const int parts = (int)(u.patch / PATCH_BYTES) + 1;
        u.bw = divide_up(divide_up(s->out_w, parts), TILE_ROWS) * TILE_ROWS;
        conv_measure(s, &u);
    }
    u.across = divide_up(s->out_w, u.bw);
    const int fit = (int)(PATCH_BYTES / (u.row * (size_t)u.planes)) - (s->stride == 2 ? 1 : 2);
    int most = fit < 1 ? 1 : fit > EASY ? fit / EASY * EASY : fit;
    if (most < u.bh) most = u.bh;
    u.down = divide_up(s->out_h, most);
    u.bh = divide_up(s->out_h, u.down);
    conv_measure(s, &u);
    u.images = u.mix;
    if (u.down * u.across == 1)
        while (u.images + u.mix <= s->batch &&
               (size_t)(u.images / u.mix + 1) * u.patch <= PATCH_BYTES * 5 / 4)
            u.images += u.mix;
    u.stacks = divide_up(s->batch, u.images);
    u.ranges = int_min(divide_up(WANTED, u.stacks * u.down * u.across), divide_up(u.tiles, LEAST));
    u.range = divide_up(u.tiles, u.ranges);
    u.group = (int)(GROUP_BYTES / ((size_t)u.chunk * CONV_TAPS * TILE_BYTES));
    const int lines = u.flat ? divide_up((int)(u.row / u.pixel) * u.bh, TILE_ROWS * CONV_TILES)
                             : divide_up(u.bh, CONV_TILES) * (u.bw * u.mix / TILE_ROWS);
    u.blocks = lines * (u.images / u.mix);
    return u;
}

static int conv_units(const struct conv_cut *u)
{
    return u->stacks * u->down * u->across * u->ranges;
}

/* ---- scratch ---- */

struct conv_scratch {
    float *out;  /* one block's sums, to be finished */
    float *dump; /* what the keep-alive stores write, and the tiles before the first block */
    float *sums; /* [block][tile of channels][CONV_SUMS], between chunks */
    char *patch; /* [image of the unit / mix] */
};

/* Places the arrays from base on (NULL: only to measure) and returns the bytes they take. */
static size_t conv_place(const struct conv_cut *u, char *base, struct conv_scratch *to)
{
    const size_t sums = u->chunks > 1 ? (size_t)u->blocks * (size_t)u->range * CONV_SUMS : 0;
    const size_t before = sizeof(float) * (2 * CONV_SUMS + sums);
    const size_t slack = (CONV_TILES * TILE_ROWS + 2 * TILE_ROWS) * u->pixel; /* flat tiles */

    if (base)
        *to = (struct conv_scratch){
            .out = (float *)(void *)base,
            .dump = (float *)(void *)base + CONV_SUMS,
            .sums = (float *)(void *)base + 2 * CONV_SUMS,
            .patch = base + before,
        };
    return before + (size_t)(u->images / u->mix) * u->patch + (u->flat ? slack : 0);
}

#endif
