/* SPDX-License-Identifier: MIT
 *
 * What a 3x3 convolution on tiles does beside its products: the block before is finished, and
 * the next block's part of the patch is built, some pixels in each step.
 */
#ifndef SDRT_KERNELS_AMX_CONV_FEED_H
#define SDRT_KERNELS_AMX_CONV_FEED_H

#include "kernels/amx/conv_cut.h"
#include "kernels/amx/pixel.h"

#include <string.h>

/* Sums in the tiles or in memory, and where they belong. */
struct conv_out {
    float *sums;
    int tiles, channel;
    int pixels;       /* 16 * tiles, or 0: nothing to finish */
    const int *place; /* of each of them in y; -1: nowhere */
};

enum { FEED_PIXELS = 4 }; /* fed together, so that they share what normalises them */

/* What is left to do of a part of the patch: rows y0 .. y1-1 and columns x0 .. x1-1 of it. */
struct conv_feed {
    int image; /* of the unit, / mix */
    int y1, x0, x1;
    int y, x, mixed;                 /* the next pixel */
    int busy, step;                  /* whether pixels are at work, and which of their channels */
    struct pixel from[FEED_PIXELS];  /* no x: zeros */
    char *to[FEED_PIXELS];           /* where their first channels go */
    const float *piece[FEED_PIXELS]; /* of them, the channels whose turn it is */
};

struct conv_state {
    const struct sdrt_conv_shape *s;
    const struct sdrt_conv_args *a;
    const struct conv_cut *u;
    struct conv_scratch at;
    int image, y0, x0, h, w; /* the unit's place in the output */
    int images;
    int step0, steps; /* of this chunk */
    struct conv_out pending, finishing;
    int finished;
    int chan_each; /* whether each pixel has its own bias, else: */
    float bias[VL] __attribute__((aligned(64)));
    struct conv_feed feed;
    int rate, owed;              /* pieces to feed in a step, and until now, in 1024ths */
    size_t tap[CONV_TAPS];       /* bytes, in the order of the packed weights */
    size_t tile;                 /* bytes from a block's tile to the next */
    const char *next, *next_end; /* weights to fetch into L2 */
    int fetch;                   /* lines in each step */
    int turn, place[2][CONV_TILES * TILE_ROWS]; /* of this block and of the one before */
};

/* What is added to each of the finishing block's sums.  Where images are interleaved, chan is added
 * pixel by pixel. */
static vf conv_bias(const struct conv_state *s, const struct conv_out *o, int pixel)
{
    const struct sdrt_conv_shape *c = s->s;
    const int n = c->out_c - o->channel;
    vf t = s->a->bias ? load_first(s->a->bias + o->channel, n) : v_zero();

    if (s->a->chan) {
        const int image = c->chan_pitch ? pixel / (c->out_h * c->out_w) : 0;
        const float *p = s->a->chan + (size_t)image * (size_t)c->chan_pitch + o->channel;
        t = v_add(t, load_first(p, n));
    }
    return t;
}

/* The next pixels of the block before, so many at most. */
static __attribute__((noinline)) void conv_finish_some(struct conv_state *s, int some)
{
    enum { AHEAD = 24 }; /* pixels */
    const struct sdrt_conv_shape *c = s->s;
    const struct conv_out *o = &s->finishing;
    const int end = int_min(s->finished + some, o->pixels), n = c->out_c - o->channel;
    const float *residual = s->a->residual ? s->a->residual + o->channel : NULL;
    float *y = (float *)s->a->y + o->channel;
    const vf bias = v_load(s->bias);

    for (int r = s->finished; r < end; r++) {
        const int pixel = o->place[r], later = r + AHEAD < o->pixels ? o->place[r + AHEAD] : -1;
        if (later >= 0) {
            __builtin_prefetch(y + (size_t)later * (size_t)c->y_pitch, 1);
            if (residual) __builtin_prefetch(residual + (size_t)later * (size_t)c->residual_pitch);
        }
        if (pixel < 0) continue;
        vf t = v_load(o->sums + (size_t)r * VL);
        t = v_add(t, s->chan_each ? conv_bias(s, o, pixel) : bias);
        if (residual)
            t = v_add(t, load_first(residual + (size_t)pixel * (size_t)c->residual_pitch, n));
        if (c->relu) t = v_max(t, v_zero());
        store_first(y + (size_t)pixel * (size_t)c->y_pitch, t, n);
    }
    s->finished = end;
}

/* The pending block's sums have left the tiles. */
static void conv_begin_finish(struct conv_state *s)
{
    int first = 0;

    s->finishing = s->pending;
    s->finished = 0;
    s->chan_each = s->a->chan && s->s->chan_pitch && s->u->mix > 1;
    while (first < s->finishing.pixels && s->finishing.place[first] < 0) first++;
    if (first < s->finishing.pixels)
        v_store(s->bias, conv_bias(s, &s->finishing, s->finishing.place[first]));
}

/* The source pixel of the unit's patch at (y, x), counted over all images; -1 in the padding. */
static long conv_source(const struct conv_state *s, int image, int py, int px)
{
    const struct sdrt_conv_shape *c = s->s;
    const int high = c->upsample == 2 ? c->out_h : c->in_h;
    const int wide = c->upsample == 2 ? c->out_w : c->in_w;
    int y = s->y0 * c->stride + py - c->pad + c->lead, x = s->x0 * c->stride + px - c->pad;

    if (y < 0 || x < 0 || y >= high || x >= wide) return -1;
    if (c->upsample == 2) {
        y = (int)((long)y * c->in_h / c->out_h);
        x = (int)((long)x * c->in_w / c->out_w);
    }
    return ((long)image * c->in_h + y) * c->in_w + x;
}

/* The next pixel to be fed: where it comes from and where it goes. */
static void conv_feed_pixel(struct conv_state *s, struct pixel *from, char **to)
{
    const struct conv_cut *u = s->u;
    struct conv_feed *f = &s->feed;
    const int image = s->image + f->image * u->mix + f->mixed, two = s->s->stride == 2;
    const int plane = two ? f->y % 2 * 2 + f->x % 2 : 0, y = f->y >> two, x = f->x >> two;
    const long at = conv_source(s, image, f->y, f->x);

    *from = pixel_at(s->s, s->a, image, at < 0 ? 0 : (size_t)at);
    if (at < 0) from->x = NULL;
    *to = s->at.patch + (size_t)f->image * u->patch + (size_t)plane * u->plane +
          (size_t)y * u->row + (size_t)(x * u->mix + f->mixed) * u->pixel;
    if (++f->mixed < u->mix) return;
    f->mixed = 0;
    if (++f->x < f->x1) return;
    f->x = f->x0;
    f->y++;
}

/* Where the pixels' next channels are: zeros in the padding, and where conv_gather_pieces() takes
 * them together. */
static void conv_feed_pieces(struct conv_state *s)
{
    static const float zeros[TILE_K];
    struct conv_feed *f = &s->feed;

    for (int i = 0; i < FEED_PIXELS; i++) {
        const float *p = f->from[i].x
                             ? pixel_piece(s->s, &f->from[i], (s->step0 + f->step) * TILE_K)
                             : NULL;
        f->piece[i] = p ? p : zeros;
    }
}

/* The next pixels; what is missing of so many goes where nobody reads. */
static void conv_feed_pixels(struct conv_state *s)
{
    struct conv_feed *f = &s->feed;

    f->busy = f->y < f->y1;
    f->step = 0;
    for (int i = 0; f->busy && i < FEED_PIXELS; i++) {
        if (f->y < f->y1) {
            conv_feed_pixel(s, &f->from[i], &f->to[i]);
        } else {
            f->from[i] = (struct pixel){ .msb = f->from[0].msb };
            f->to[i] = (char *)s->at.dump;
        }
    }
    if (!f->busy) memset(f->from, 0, sizeof f->from);
    conv_feed_pieces(s);
}

SDRT_ALWAYS_INLINE int conv_hungry(const struct conv_state *s) { return s->feed.busy; }

/* The pixels' next channels become part of the patch. */
SDRT_ALWAYS_INLINE void conv_store_pieces(struct conv_state *s, enum sdrt_prologue prologue)
{
    const struct conv_feed *f = &s->feed;
    const int c0 = (s->step0 + f->step) * TILE_K, mixed = s->u->mix > 1;
    const size_t at = (size_t)f->step * LINE;
    struct pixel_norms n = { 0 };

#pragma GCC unroll 4
    for (int i = 0; i < FEED_PIXELS; i++) {
        const __mmask16 inside = f->from[i].x ? 0xffff : 0;
        if (prologue != SDRT_PROLOGUE_NONE && (i == 0 || mixed))
            n = pixel_norms_at(s->s, f->from[i].msb, c0);
        const vf v = pixel_pairs(prologue, &n, v_load(f->piece[i]), v_load(f->piece[i] + VL));
        _mm512_storeu_ps(f->to[i] + at, _mm512_maskz_mov_ps(inside, v));
        const float *later = f->piece[i] + FEED_PIXELS * (size_t)s->s->x_pitch;
        __builtin_prefetch(later);
        __builtin_prefetch(later + VL);
    }
}

/* The same where those channels are not all of one tensor. */
static void conv_gather_pieces(struct conv_state *s)
{
    const struct conv_feed *f = &s->feed;

    for (int i = 0; i < FEED_PIXELS; i++) {
        bf16 *to = (bf16 *)(void *)(f->to[i] + (size_t)f->step * LINE);
        if (f->from[i].x) pixel_feed_edge(s->s, &f->from[i], (s->step0 + f->step) * TILE_K, to);
        else _mm512_storeu_ps(to, v_zero());
    }
}

/* The next piece of work: 32 channels of some pixels. */
static __attribute__((noinline)) void conv_feed_some(struct conv_state *s)
{
    const int c0 = (s->step0 + s->feed.step) * TILE_K;

    if (c0 + TILE_K > (c0 >= s->s->in_c ? s->s->w.k : s->s->in_c)) conv_gather_pieces(s);
    else if (s->s->prologue == SDRT_PROLOGUE_NORM_SILU)
        conv_store_pieces(s, SDRT_PROLOGUE_NORM_SILU);
    else if (s->s->prologue == SDRT_PROLOGUE_NORM) conv_store_pieces(s, SDRT_PROLOGUE_NORM);
    else conv_store_pieces(s, SDRT_PROLOGUE_NONE);
    if (++s->feed.step < s->steps) conv_feed_pieces(s);
    else conv_feed_pixels(s);
}

#endif
