/* SPDX-License-Identifier: MIT
 *
 * 3x3 convolution of stride 1 by Winograd's minimal filtering F(4x4, 3x3), for any vector
 * length, and the choice between it and the direct sum of conv.h, whose packed weights, patch and
 * epilogue it shares.  Include after vec.h, with what conv.h wants defined, and in an enum
 * WINO_TILES and WINO_PANELS.
 *
 *     Y = At [ (G g Gt) o (Bt d B) ] A        Lavin and Gray, arXiv 1509.09308, section 4.3
 *
 * A tile of 4x4 outputs takes 36 products a channel pair where the direct sum takes 144.  The
 * sums over the channels become 36 matrix products, one for each position of the transformed
 * tile, of [tiles][channels] by [channels][panel].
 *
 * Work goes by blocks of tiles and groups of panels.  A block's input is transformed once, all
 * channels, into scratch.  A chunk of channels and two rows of the transformed tile at a time, the
 * weights of a few panels, one after the other, are transformed and multiplied with it, so that
 * the input leaves L3 once for all of them; their sums wait in L2.  Transforming weights anew for
 * each block costs little beside their use by its tiles, and spares the memory of keeping them
 * (4 times the weights, in f32).  The transforms' constants reach from 1/24 to 8, which costs
 * about one digit against the direct sum.
 */
#include "kernels/simd/winograd_tiles.h"

enum {
    WINO_PAIRS = 3, WINO_PAIR = 2 * WINO_IN, /* pairs of rows, positions of one */
    WINO_CHUNK = 128,         /* channels of a patch: its six rows of 66 pixels stay in L2 */
    WINO_WEIGHT_CHUNK = 128,  /* channels of transformed weights: 96 KiB a 16 columns, in L2 */
};

/* Rows of the transformed tile that share their terms. */
static const int wino_rows[WINO_PAIRS][2] = { { 1, 2 }, { 3, 4 }, { 0, 5 } };

/* Number at of a pair's positions. */
SDRT_ALWAYS_INLINE int wino_position(int pair, int at)
{
    return wino_rows[pair][at / WINO_IN] * WINO_IN + at % WINO_IN;
}

struct wino_cut {
    struct conv_grid g;       /* blocks of whole tiles, in pixels */
    int tiles;                /* the most that a block has */
    int chunk;                /* channels of a patch */
    int w_chunk;              /* channels of the weights that are transformed at a time */
    int together;             /* panels, at most, whose sums wait together */
    int pitch;                /* floats from tile to tile of the transformed input */
    size_t v_stride, u_stride, m_stride; /* floats from position to position */
};

static struct wino_cut wino_cut(const struct sdrt_conv_shape *s)
{
    struct wino_cut u = { 0 };

    u.tiles = wino_grid(s, sizeof(float), &u.g);
    const int channels = (s->w.k + 15) / 16 * 16;
    u.chunk = WINO_CHUNK < channels ? WINO_CHUNK : channels;
    u.pitch = row_pitch(s->w.k);
    u.v_stride = odd_lines((size_t)u.tiles * (size_t)u.pitch);
    const int packed = conv_layout(&s->w).chunk;
    u.w_chunk = packed < WINO_WEIGHT_CHUNK ? WINO_WEIGHT_CHUNK / packed * packed : packed;
    if (u.w_chunk > channels) u.w_chunk = channels;
    u.u_stride = odd_lines((size_t)u.w_chunk * PANEL);
    u.m_stride = odd_lines((size_t)u.tiles * PANEL);
    u.together = u.g.panels < WINO_PANELS ? u.g.panels : WINO_PANELS;
    return u;
}

/* Is it faster than the direct sum?  Both in products per channel and output channel; the
 * transform of the weights counts as 100 of them once, the rest (its repetition for each
 * block too) as an eighth more. */
static int wino_fits(const struct sdrt_conv_shape *s)
{
    if (s->kernel != 3 || s->stride != 1 || s->w.k < 32 || s->out_c < 32) return 0;
    const double tiles = (double)s->batch * wino_across(s->out_h) * wino_across(s->out_w);
    const double direct = 9.0 * s->batch * s->out_h * s->out_w;

    return 1.125 * WINO_POSITIONS * tiles + 100.0 < direct;
}

struct wino_scratch {
    size_t patch, v, u, m; /* floats of each */
};

static struct wino_scratch wino_scratch_sizes(const struct wino_cut *u)
{
    return (struct wino_scratch){
        .patch = (size_t)(WINO_IN * (u->g.bw + 2)) * (size_t)u->chunk,
        .v = WINO_POSITIONS * u->v_stride,
        .u = WINO_PAIR * u->u_stride,
        .m = (size_t)u->together * WINO_POSITIONS * u->m_stride,
    };
}

static size_t wino_scratch_bytes(const struct sdrt_conv_shape *s)
{
    const struct wino_cut u = wino_cut(s);
    const struct wino_scratch z = wino_scratch_sizes(&u);

    return sizeof(float) * (z.patch + z.v + z.u + z.m);
}

/* ---- the transforms in one dimension ---- */

/* Bt */
SDRT_ALWAYS_INLINE void wino_input_1d(const vf d[WINO_IN], vf t[WINO_IN])
{
    const vf two = v_set1(2.0f), four = v_set1(4.0f), five = v_set1(5.0f);
    const vf a = v_fnma(four, d[2], d[4]), b = v_fnma(four, d[1], d[3]);
    const vf c = v_sub(d[4], d[2]), e = v_sub(d[3], d[1]);

    t[0] = v_fma(four, d[0], v_fnma(five, d[2], d[4]));
    t[1] = v_add(a, b);
    t[2] = v_sub(a, b);
    t[3] = v_fma(two, e, c);
    t[4] = v_fnma(two, e, c);
    t[5] = v_fma(four, d[1], v_fnma(five, d[3], d[5]));
}

/* Two rows of G. */
SDRT_ALWAYS_INLINE void wino_weight_pair(const int pair, vf g0, vf g1, vf g2, vf t[2])
{
    const vf sixth = v_set1(1.0f / 6.0f);

    if (pair == 0) {
        const vf p = v_mul(v_set1(-1.0f / 6.0f), v_add(g0, g2)), q = v_mul(sixth, g1);
        t[0] = v_sub(p, q);
        t[1] = v_add(p, q);
    } else if (pair == 1) {
        const vf r = v_fma(v_set1(1.0f / 24.0f), g0, v_mul(sixth, g2)), q = v_mul(sixth, g1);
        t[0] = v_fma(v_set1(0.5f), q, r);
        t[1] = v_fnma(v_set1(0.5f), q, r);
    } else {
        t[0] = v_mul(v_set1(0.25f), g0);
        t[1] = g2;
    }
}

/* At */
SDRT_ALWAYS_INLINE void wino_output_1d(const vf m[WINO_IN], vf t[WINO_OUT])
{
    const vf s = v_add(m[1], m[2]), d = v_sub(m[1], m[2]);
    const vf s2 = v_add(m[3], m[4]), d2 = v_sub(m[3], m[4]);

    t[0] = v_add(v_add(m[0], s), s2);
    t[1] = v_fma(v_set1(2.0f), d2, d);
    t[2] = v_fma(v_set1(4.0f), s2, s);
    t[3] = v_add(v_fma(v_set1(8.0f), d2, d), m[5]);
}

/* ---- input ---- */

/* VL channels of one tile, from its six rows of pixels, chunk floats from pixel to pixel. */
SDRT_ALWAYS_INLINE void wino_input_tile(const float *const rows[WINO_IN], size_t at, int chunk,
                                        float *v, size_t stride)
{
    vf t[WINO_IN][WINO_IN]; /* [column][row] */

    for (int x = 0; x < WINO_IN; x++) {
        vf d[WINO_IN];
        SDRT_UNROLL(6)
        for (int y = 0; y < WINO_IN; y++) d[y] = v_load(rows[y] + at + (size_t)(x * chunk));
        wino_input_1d(d, t[x]);
    }
    for (int y = 0; y < WINO_IN; y++) {
        vf d[WINO_IN], out[WINO_IN];
        SDRT_UNROLL(6)
        for (int x = 0; x < WINO_IN; x++) d[x] = t[x][y];
        wino_input_1d(d, out);
        SDRT_UNROLL(6)
        for (int x = 0; x < WINO_IN; x++)
            v_store(v + (size_t)(y * WINO_IN + x) * stride, out[x]);
    }
}

/* Channels k0 .. k0+k-1 of one image of the block, to v [position][tile][pitch]. */
static void wino_input_image(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                             const struct wino_cut *u, const struct conv_block *b, int image,
                             int k0, int k, float *patch, float *v)
{
    const int lanes = (k + VL - 1) / VL * VL;
    const size_t row = (size_t)(u->g.bw + 2) * (size_t)u->chunk;

    for (int y = 0; y < b->h; y += WINO_OUT) {
        const float *rows[WINO_IN];
        wino_patch(s, a, b, image, y, k0, k, u->chunk, row, patch, rows);
        /* The last vector may hold what no channel is: it goes to columns of v behind the
         * last channel, which nothing reads. */
        for (int x = 0; x < wino_across(b->w); x++, v += u->pitch)
            for (int c = 0; c < lanes; c += VL)
                wino_input_tile(rows, (size_t)(x * WINO_OUT * u->chunk + c), u->chunk, v + c,
                                u->v_stride);
    }
}

/* The block's tiles, all channels. */
static void wino_input(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                       const struct wino_cut *u, const struct conv_block *b, float *patch,
                       float *v)
{
    const size_t tiles = (size_t)(wino_tiles(b) / b->images);

    for (int k0 = 0; k0 < s->w.k; k0 += u->chunk)
        for (int i = 0; i < b->images; i++)
            wino_input_image(s, a, u, b, b->image + i, k0,
                             s->w.k - k0 < u->chunk ? s->w.k - k0 : u->chunk, patch,
                             v + (size_t)i * tiles * (size_t)u->pitch + k0);
}

/* ---- weights ---- */

SDRT_ALWAYS_INLINE vf wino_load(const void *w, size_t at, enum sdrt_dtype stored)
{
    if (stored == SDRT_F32) return v_load((const float *)w + at);
    if (stored == SDRT_F16) return v_load_f16((const unsigned short *)w + at);
    return v_load_bf16((const unsigned short *)w + at);
}

/* Asks for what will be stored to soon, a line of each of a pair's streams, and in the first pass
 * over a chunk for the chunk that comes next (or what is nothing). */
SDRT_ALWAYS_INLINE void wino_weight_fetch(const int pair, const char *next, size_t tap,
                                          const float *u, size_t stride)
{
    SDRT_UNROLL(12)
    for (size_t i = 0; i < WINO_PAIR; i++) __builtin_prefetch(u + i * stride, 1);
    if (pair > 0) return;
    SDRT_UNROLL(9)
    for (size_t i = 0; i < 9; i++) __builtin_prefetch(next + i * tap, 0, 2);
}

SDRT_ALWAYS_INLINE void wino_weight_chunk(const int pair, const char *w, const char *next, int k,
                                          const enum sdrt_dtype stored, float *u, size_t stride)
{
    const size_t tap = (size_t)k * PANEL, size = sdrt_dtype_size(stored);

    for (size_t at = 0; at < tap; at += VL) {
        vf t[3][2]; /* [column][row] */
        wino_weight_fetch(pair, next + at * size, tap * size, u + at + 2 * VL, stride);
        SDRT_UNROLL(3)
        for (int x = 0; x < 3; x++)
            wino_weight_pair(pair, wino_load(w, at + (size_t)x * tap, stored),
                             wino_load(w, at + (size_t)(x + 3) * tap, stored),
                             wino_load(w, at + (size_t)(x + 6) * tap, stored), t[x]);
        SDRT_UNROLL(2)
        for (int y = 0; y < 2; y++)
            SDRT_UNROLL(3)
            for (int columns = 0; columns < WINO_PAIRS; columns++) {
                vf out[2];
                wino_weight_pair(columns, t[0][y], t[1][y], t[2][y], out);
                SDRT_UNROLL(2)
                for (int x = 0; x < 2; x++)
                    v_store(u + (size_t)(y * WINO_IN + wino_rows[columns][x]) * stride + at,
                            out[x]);
            }
    }
}

SDRT_ALWAYS_INLINE void wino_weight_rows(const int pair, const char *w, const char *next, int k,
                                         enum sdrt_dtype stored, float *u, size_t stride)
{
    switch (stored) {
    case SDRT_F32: wino_weight_chunk(pair, w, next, k, SDRT_F32, u, stride); break;
    case SDRT_F16: wino_weight_chunk(pair, w, next, k, SDRT_F16, u, stride); break;
    default:       wino_weight_chunk(pair, w, next, k, SDRT_BF16, u, stride); break;
    }
}

/* n channels of one panel, packed from w on, to u, a pair's positions of [channel][PANEL]. */
static void wino_weights(const struct sdrt_conv_shape *s, const char *w, const char *next, int n,
                         int pair, float *u, size_t stride)
{
    const int chunk = conv_layout(&s->w).chunk;
    const size_t bytes = 9 * (size_t)chunk * PANEL * sdrt_dtype_size(s->w.stored);

    for (int at = 0; at < n; at += chunk, u += (size_t)chunk * PANEL, w += bytes, next += bytes) {
        const int k = n - at < chunk ? n - at : chunk;
        switch (pair) {
        case 0:  wino_weight_rows(0, w, next, k, s->w.stored, u, stride); break;
        case 1:  wino_weight_rows(1, w, next, k, s->w.stored, u, stride); break;
        default: wino_weight_rows(2, w, next, k, s->w.stored, u, stride); break;
        }
    }
}

/* ---- products ---- */

/* One position's sums over some channels. */
struct wino_sums {
    const float *v;    /* [tile][pitch] */
    const float *next; /* likewise, what the next one reads; NULL: nothing */
    const float *u;    /* [k][PANEL] */
    float *m;          /* [tile][PANEL] */
    int tiles, k, pitch;
    int accumulate;    /* 0: m is set, 1: added to */
};

/* m[tile][PANEL] (+)= v[tile][k] u[k][PANEL] */
static void wino_product(const struct wino_sums *w)
{
    static const int segment = 0;
    int rows[WINO_TILES];
    const int n = (w->tiles + TILE_ROWS - 1) / TILE_ROWS;
    struct tile t = { .a = w->v, .segments = &segment, .n_segments = 1, .k = w->k, .w = w->u,
                      .accumulate = w->accumulate };

    for (int i = 0; i < w->tiles; i++) rows[i] = i * w->pitch;
    for (int i = 0; i < n; i++) {
        const int at = tile_begin(w->tiles, i), end = tile_begin(w->tiles, i + 1);
        for (int r = at; w->next && r < end; r++)
            for (int c = 0; c < w->k; c += 16) __builtin_prefetch(w->next + rows[r] + c, 0, 2);
        t.rows = rows + at;
        t.c = w->m + (size_t)at * PANEL;
        tile_run(end - at, &t);
    }
}

/* The panels of a block whose sums wait together. */
struct wino_panels {
    int p0, p1, tiles;
    const float *v; /* [position][tile][pitch] */
    float *u;       /* transformed weights */
    float *m;       /* [panel][position][tile][PANEL] */
};

/* Channels k0 .. k0+k-1 of a pair's sums of panel p. */
static void wino_pair(const struct wino_cut *u, const struct wino_panels *b, int p, int pair,
                      int k0, int k)
{
    float *m = b->m + (size_t)(p - b->p0) * WINO_POSITIONS * u->m_stride;

    for (int at = 0; at < WINO_PAIR; at++) {
        const size_t here = (size_t)wino_position(pair, at);
        const float *v = b->v + k0;
        struct wino_sums sums = {
            .v = v + here * u->v_stride, .u = b->u + (size_t)at * u->u_stride,
            .m = m + here * u->m_stride, .tiles = b->tiles, .k = k, .pitch = u->pitch,
            .accumulate = k0 > 0,
        };
        /* The first panel brings the input into L2 for the others. */
        if (at + 1 < WINO_PAIR && p == b->p0)
            sums.next = v + (size_t)wino_position(pair, at + 1) * u->v_stride;
        else if (at + 1 == WINO_PAIR && p + 1 == b->p1)
            sums.next = pair + 1 < WINO_PAIRS
                            ? v + (size_t)wino_position(pair + 1, 0) * u->v_stride
                            : v + k + (size_t)wino_position(0, 0) * u->v_stride;
        wino_product(&sums);
    }
}

/* Packed weights of panel p from channel k0 on, which begins a packed chunk; behind the group's last
 * panel the first one's next channels, and behind those the next group. */
static const char *wino_packed(const struct sdrt_conv_shape *s, const struct wino_cut *u,
                               const void *w, const struct wino_panels *b, int p, int k0)
{
    const struct sdrt_panel_layout l = conv_layout(&s->w);

    if (p == b->p1) {
        k0 += u->w_chunk;
        if (k0 < s->w.k) p = b->p0;
        else k0 = 0;
    }
    return (const char *)w + sdrt_panel_offset(&l, &s->w, p, k0 / l.chunk);
}

/* All sums of some panels. */
static void wino_products(const struct sdrt_conv_shape *s, const struct wino_cut *u, const void *w,
                          const struct wino_panels *b)
{
    const int channels = s->w.k;

    for (int k0 = 0; k0 < channels; k0 += u->w_chunk) {
        const int k = channels - k0 < u->w_chunk ? channels - k0 : u->w_chunk;
        for (int pair = 0; pair < WINO_PAIRS; pair++)
            for (int p = b->p0; p < b->p1; p++) {
                wino_weights(s, wino_packed(s, u, w, b, p, k0), wino_packed(s, u, w, b, p + 1, k0),
                             k, pair, b->u, u->u_stride);
                wino_pair(u, b, p, pair, k0, k);
            }
    }
}

static void wino_one_piece(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                           const struct wino_cut *u, const struct wino_piece *piece,
                           float *scratch)
{
    const struct wino_scratch z = wino_scratch_sizes(u);
    float *v = scratch, *weights = v + z.v, *m = weights + z.u, *patch = m + z.m;

    wino_input(s, a, u, &piece->b, patch, v);
    for (int p = piece->p0; p < piece->p1; p += u->together) {
        const struct wino_panels some = {
            .p0 = p, .p1 = piece->p1 - p < u->together ? piece->p1 : p + u->together,
            .tiles = wino_tiles(&piece->b), .v = v, .u = weights, .m = m,
        };
        wino_products(s, u, a->w, &some);
        for (int i = p; i < some.p1; i++)
            wino_output(s, a, &piece->b, i, m + (size_t)(i - p) * WINO_POSITIONS * u->m_stride,
                        u->m_stride, NULL);
    }
}

static int wino_parts(const struct sdrt_conv_shape *s, int workers)
{
    const struct wino_cut u = wino_cut(s);

    return wino_grid_parts(&u.g, workers);
}

static void wino_run(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                     const struct sdrt_conv_args *a)
{
    const struct wino_cut u = wino_cut(s);
    const int units = conv_units(&u.g), end = sdrt_row_begin(units, ex->part + 1, ex->nparts);
    struct wino_piece piece;

    for (int i = sdrt_row_begin(units, ex->part, ex->nparts); i < end;) {
        i = wino_next(s, &u.g, i, end, &piece);
        wino_one_piece(s, a, &u, &piece, ex->scratch);
    }
}

/* ---- the choice ---- */

static int conv_takes(const struct sdrt_conv_shape *s)
{
    return wino_fits(s) ? s->y_type == SDRT_F32 : direct_takes(s);
}

static int conv_parts(const struct sdrt_conv_shape *s, int workers)
{
    return wino_fits(s) ? wino_parts(s, workers) : direct_parts(s, workers);
}

static size_t conv_scratch(const struct sdrt_conv_shape *s)
{
    return wino_fits(s) ? wino_scratch_bytes(s) : direct_scratch(s);
}

static int conv_run(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                    const struct sdrt_conv_args *a)
{
    if (wino_fits(s)) wino_run(ex, s, a);
    else direct_run(ex, s, a);
    return 0;
}

static void conv_fill(struct sdrt_conv_ops *ops)
{
    ops->pack_bytes = conv_pack_bytes;
    ops->pack_rows = conv_pack_rows;
    ops->takes = conv_takes;
    ops->parts = conv_parts;
    ops->scratch = conv_scratch;
    ops->conv2d = conv_run;
}
