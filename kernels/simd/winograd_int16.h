/* SPDX-License-Identifier: MIT
 *
 * 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3) whose products are of 16-bit integers, for
 * any vector length.  Include after a level's vectors of integers (kernels/avx512vnni/int16.h), with
 * what winograd_tiles.h wants defined, which has what does not depend on the products.
 *
 *     Y = At [ (G g Gt) o (Bt d B) ] A        Lavin and Gray, arXiv 1509.09308, section 4.3
 *
 * The transforms interpolate at 0, +-2/3, +-3/2 and infinity, where winograd.h does at 0, +-1, +-2
 * and infinity: rounding between them costs less than half as much.
 *
 * Of a block of tiles the input is transformed once, all channels, into V [position][tile][slot],
 * a slot being two channels; then for each panel of output channels, each chunk of CHUNK input
 * channels and each pair of rows of positions the weights are transformed into U [position of the
 * pair][slot][PANEL], and 12 products add to M [position][tile][PANEL], which is transformed into
 * outputs at the end.  A pair's U is small enough to stay in L2 while V passes through it.
 *
 * Scales.  V has one for each tile, position and chunk: its largest value becomes V_MAX.  U has one
 * for each output channel, chosen when weights are packed.  G's rows are divided by their norms,
 * so that all positions of U are of about one size, and V's scales give that back.
 *
 * No sum overflows.  Packing chooses an output channel's scale so that over each chunk and for each
 * position sum |u| <= (2^31 - 1) / V_MAX - 3 CHUNK - 8, u before rounding; the transform in integers
 * is off by 3 at most: half a unit of each of its two passes' roundings, and of the taps'.  With
 * |v| <= V_MAX, |sum u v| <= V_MAX sum |u| <= 2^31 - 1.  Sums become f32 at the end of each chunk.
 *
 * Within 16 bits.  Taps are packed with one bit more than u; they and the first pass's values,
 * partial sums too, are at most U_MAX by the same choice.  The second pass halves: |u| <= U_MAX by
 * choice, and its partial sums are at most (0.78 + 0.35 + 0.52) / 2 of the first pass's values.
 */
#include "kernels/simd/int16.h"
#include "kernels/simd/winograd_int16_pack.h"

/* The points +-NEAR and +-FAR; their product is 1. */
#define NEAR (2.0f / 3)
#define FAR 1.5f
/* The norms that were divided by, with Bt's own signs. */
static const float row_norm[WINO_IN] = { 1, -1.2524922f, -1.2524922f, 2.8181074f, 2.8181074f, 1 };

/* Rows of positions whose weights are transformed together: they share the terms of one pass. */
enum { PAIRS = 3, OF_PAIR = 2 * WINO_IN };
static const int pair_rows[PAIRS][2] = { { 0, 5 }, { 1, 2 }, { 3, 4 } };

/* ---- how the work is cut ---- */

struct cut {
    struct conv_grid g; /* blocks of whole tiles, in pixels */
    int tiles;          /* the most that a block has */
    int chunks;
    int pitch;                           /* slots from tile to tile of V */
    size_t v_stride, u_stride, m_stride; /* lanes from position to position */
};

static struct cut cut_of(const struct sdrt_conv_shape *s)
{
    struct cut u = { 0 };

    u.tiles = wino_grid(s, sizeof(int16_t), &u.g);
    u.chunks = (s->w.k + CHUNK - 1) / CHUNK;
    u.pitch = (int)odd_lines((size_t)((s->w.k + VL - 1) / VL * VL / 2));
    u.v_stride = odd_lines((size_t)u.tiles * (size_t)u.pitch);
    u.u_stride = odd_lines((size_t)(CHUNK / 2) * PANEL);
    u.m_stride = odd_lines((size_t)u.tiles * PANEL);
    return u;
}

struct scratch {
    int32_t *v, *u;
    float *m;
    float *scale; /* V's, [chunk][position][tile] */
    float *patch; /* six rows of pixels, [CHUNK] each */
    float *tile;  /* one transformed tile, [position][CHUNK] */
};

static size_t scratch_place(const struct cut *u, void *base, struct scratch *z)
{
    const size_t lanes[] = {
        WINO_POSITIONS * u->v_stride,
        OF_PAIR * u->u_stride,
        WINO_POSITIONS * u->m_stride,
        (size_t)(u->chunks * WINO_POSITIONS * u->tiles),
        (size_t)(WINO_IN * (u->g.bw + 2)) * CHUNK,
        (size_t)WINO_POSITIONS * CHUNK,
    };
    void *parts[6];
    size_t bytes = 0;

    for (int i = 0; i < 6; i++) {
        parts[i] = base ? (char *)base + bytes : NULL; /* NULL: only to measure */
        bytes += (lanes[i] + 15) / 16 * 64;
    }
    if (z)
        *z = (struct scratch){ .v = parts[0],
                               .u = parts[1],
                               .m = parts[2],
                               .scale = parts[3],
                               .patch = parts[4],
                               .tile = parts[5] };
    return bytes;
}

/* ---- the transforms in one dimension ---- */

/* Bt */
SDRT_ALWAYS_INLINE void input_1d(const vf d[WINO_IN], vf t[WINO_IN])
{
    const vf sum = v_set1(NEAR * NEAR + FAR * FAR), near = v_set1(NEAR), far = v_set1(FAR);
    const vf near2 = v_set1(NEAR * NEAR), far2 = v_set1(FAR * FAR);
    const vf e1 = v_fnma(far2, d[2], d[4]), o1 = v_fnma(far, d[1], v_mul(near, d[3]));
    const vf e2 = v_fnma(near2, d[2], d[4]), o2 = v_fnma(near, d[1], v_mul(far, d[3]));

    t[0] = v_fnma(sum, d[2], v_add(d[0], d[4]));
    t[1] = v_add(e1, o1);
    t[2] = v_sub(e1, o1);
    t[3] = v_add(e2, o2);
    t[4] = v_sub(e2, o2);
    t[5] = v_fnma(sum, d[3], v_add(d[1], d[5]));
}

/* G with rows of norm 1, halved. */
SDRT_ALWAYS_INLINE void weight_1d(vi g0, vi g1, vi g2, vi t[WINO_IN])
{
    const vi p = vi_add_i16(vi_scale_i16(g0, C0 / 2), vi_scale_i16(g2, C2 / 2));
    const vi r = vi_add_i16(vi_scale_i16(g0, C2 / 2), vi_scale_i16(g2, C0 / 2));
    const vi q = vi_scale_i16(g1, C1 / 2);

    t[0] = vi_scale_i16(g0, 0.5);
    t[1] = vi_add_i16(p, q);
    t[2] = vi_sub_i16(p, q);
    t[3] = vi_add_i16(r, q);
    t[4] = vi_sub_i16(r, q);
    t[5] = vi_scale_i16(g2, 0.5);
}

/* The same, not halved, but a pair of its six values. */
SDRT_ALWAYS_INLINE void weight_pair(const int pair, vi g0, vi g1, vi g2, vi t[2])
{
    if (pair == 0) {
        t[0] = g0;
        t[1] = g2;
        return;
    }
    const double first = pair == 1 ? C0 : C2, last = pair == 1 ? C2 : C0;
    const vi p = vi_add_i16(vi_scale_i16(g0, first), vi_scale_i16(g2, last));
    const vi q = vi_scale_i16(g1, C1);
    t[0] = vi_add_i16(p, q);
    t[1] = vi_sub_i16(p, q);
}

/* At */
SDRT_ALWAYS_INLINE void wino_output_1d(const vf m[WINO_IN], vf t[WINO_OUT])
{
    const vf s = v_add(m[1], m[2]), d = v_sub(m[1], m[2]);
    const vf s2 = v_add(m[3], m[4]), d2 = v_sub(m[3], m[4]);

    t[0] = v_add(v_add(m[0], s), s2);
    t[1] = v_fma(v_set1(FAR), d2, v_mul(v_set1(NEAR), d));
    t[2] = v_fma(v_set1(FAR * FAR), s2, v_mul(v_set1(NEAR * NEAR), s));
    t[3] = v_fma(v_set1(FAR * FAR * FAR), d2, v_fma(v_set1(NEAR * NEAR * NEAR), d, m[5]));
}

/* ---- input ---- */

SDRT_ALWAYS_INLINE void input_vectors(const float *const rows[WINO_IN], size_t at,
                                      vf out[WINO_IN][WINO_IN])
{
    vf t[WINO_IN][WINO_IN]; /* [column][row] */

    SDRT_UNROLL(6)
    for (int x = 0; x < WINO_IN; x++) {
        vf d[WINO_IN];
        SDRT_UNROLL(6)
        for (int y = 0; y < WINO_IN; y++) d[y] = v_load(rows[y] + at + (size_t)(x * CHUNK));
        input_1d(d, t[x]);
    }
    SDRT_UNROLL(6)
    for (int y = 0; y < WINO_IN; y++) {
        vf d[WINO_IN];
        SDRT_UNROLL(6)
        for (int x = 0; x < WINO_IN; x++) d[x] = t[x][y];
        input_1d(d, out[y]);
    }
}

/* Channels 0 .. lanes-1 of a tile of the patch, to v, stride lanes from position to position;
 * scales go to scale, tiles floats from position to position. */
static void input_tile(const float *const rows[WINO_IN], size_t at, int lanes, float *tile,
                       int32_t *v, size_t stride, float *scale, int tiles)
{
    vi most[WINO_POSITIONS];

    for (int p = 0; p < WINO_POSITIONS; p++) most[p] = vi_zero();
    for (int c = 0; c < lanes; c += VL) {
        vf out[WINO_IN][WINO_IN];
        input_vectors(rows, at + (size_t)c, out);
        SDRT_UNROLL(36)
        for (int p = 0; p < WINO_POSITIONS; p++) {
            v_store(tile + p * CHUNK + c, out[p / WINO_IN][p % WINO_IN]);
            most[p] = vi_max(most[p], vi_magnitude(out[p / WINO_IN][p % WINO_IN]));
        }
    }
    for (int p = 0; p < WINO_POSITIONS; p++) {
        float unit;
        const vf by = v_set1(integer_times(vi_hmax(most[p]), V_MAX, &unit));
        int16_t *to = (int16_t *)(void *)(v + (size_t)p * stride);
        scale[p * tiles] = unit / (row_norm[p / WINO_IN] * row_norm[p % WINO_IN]);
        for (int c = 0; c < lanes; c += VL)
            vi_store_scaled(to + c, v_load(tile + p * CHUNK + c), by);
    }
}

/* Zeros behind the last channel of each pixel of the patch, up to a whole vector. */
static void clear_tails(float *patch, size_t row, int width, int k)
{
    const int lanes = (k + VL - 1) / VL * VL;

    for (int i = 0; k < lanes && i < WINO_IN; i++)
        for (int x = 0; x < width; x++)
            memset(patch + (size_t)i * row + (size_t)x * CHUNK + k, 0,
                   (size_t)(lanes - k) * sizeof *patch);
}

/* One chunk of one image of the block, whose first tile is number first. */
static void input_image(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                        const struct cut *u, const struct conv_block *b, int image, int chunk,
                        int first, const struct scratch *z)
{
    const int k = chunk_channels(s->w.k, chunk), lanes = (k + VL - 1) / VL * VL;
    const size_t row = (size_t)(u->g.bw + 2) * CHUNK;
    int32_t *v = z->v + (size_t)first * (size_t)u->pitch + chunk * CHUNK / 2;
    float *scale = z->scale + (size_t)(chunk * WINO_POSITIONS * u->tiles) + first;

    for (int y = 0; y < b->h; y += WINO_OUT) {
        const float *rows[WINO_IN];
        wino_patch(s, a, b, image, y, chunk * CHUNK, k, CHUNK, row, z->patch, rows);
        clear_tails(z->patch, row, wino_width(b), k);
        for (int x = 0; x < wino_across(b->w); x++, v += u->pitch, scale++)
            input_tile(rows, (size_t)(x * WINO_OUT * CHUNK), lanes, z->tile, v, u->v_stride, scale,
                       u->tiles);
    }
}

static void block_input(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                        const struct cut *u, const struct conv_block *b, const struct scratch *z)
{
    const int of_image = wino_tiles(b) / b->images;

    for (int chunk = 0; chunk < u->chunks; chunk++)
        for (int i = 0; i < b->images; i++)
            input_image(s, a, u, b, b->image + i, chunk, i * of_image, z);
}

/* ---- weights ---- */

/* Asks for what will be stored to soon, a line of each of 12 streams, and for a third of the same
 * place of the next chunk, which lies behind this one's nine taps (or outside everything). */
SDRT_ALWAYS_INLINE void weight_fetch(const int pair, const int32_t *taps, size_t tap,
                                     const int32_t *u, size_t stride)
{
    SDRT_UNROLL(12)
    for (size_t p = 0; p < OF_PAIR; p++) __builtin_prefetch(u + p * stride, 1);
    SDRT_UNROLL(3)
    for (size_t t = 9; t < 12; t++) __builtin_prefetch(taps + (t + 3 * (size_t)pair) * tap, 0, 2);
}

/* A chunk's taps [tap][slot][PANEL] to u [position of the pair][slot][PANEL]. */
SDRT_ALWAYS_INLINE void pair_weights(const int pair, const int32_t *taps, int slots, int32_t *u,
                                     size_t stride)
{
    const size_t tap = (size_t)slots * PANEL;

    for (size_t at = 0; at < tap; at += VL) {
        vi t[3][2]; /* [column][row of the pair] */
        weight_fetch(pair, taps + at, tap, u + at + 2 * VL, stride);
        SDRT_UNROLL(3)
        for (int x = 0; x < 3; x++)
            weight_pair(pair, vi_load(taps + at + (size_t)x * tap),
                        vi_load(taps + at + (size_t)(x + 3) * tap),
                        vi_load(taps + at + (size_t)(x + 6) * tap), t[x]);
        SDRT_UNROLL(2)
        for (int y = 0; y < 2; y++) {
            vi out[WINO_IN];
            weight_1d(t[0][y], t[1][y], t[2][y], out);
            SDRT_UNROLL(6)
            for (int x = 0; x < WINO_IN; x++)
                vi_store(u + (size_t)(y * WINO_IN + x) * stride + at, out[x]);
        }
    }
}

static void weights(int pair, const int32_t *taps, int slots, int32_t *u, size_t stride)
{
    switch (pair) {
    case 0: pair_weights(0, taps, slots, u, stride); break;
    case 1: pair_weights(1, taps, slots, u, stride); break;
    case 2: pair_weights(2, taps, slots, u, stride); break;
    }
}

/* ---- products ---- */

/* m[tile][PANEL] (+)= scale[tile] * v[tile][slot] u[slot][PANEL] */
struct product {
    const int32_t *v, *u;
    const float *scale;
    float *m;
    size_t pitch;
    int slots, accumulate;
};

SDRT_ALWAYS_INLINE void product_rows(const int mr, const struct product *t)
{
    vi acc[TILE_ROWS][2];
    const int32_t *a = t->v, *w = t->u;

    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++) acc[i][0] = acc[i][1] = vi_zero();
    for (const int32_t *const end = a + t->slots; a < end; a++, w += PANEL) {
        const vi w0 = vi_load(w), w1 = vi_load(w + VL);
        SDRT_UNROLL(16)
        for (int i = 0; i < mr; i++) {
            const vi x = vi_bcast(a + (size_t)i * t->pitch);
            acc[i][0] = vi_product(x, w0, acc[i][0]);
            acc[i][1] = vi_product(x, w1, acc[i][1]);
        }
    }
    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++) {
        SDRT_UNROLL(2)
        for (int v = 0; v < 2; v++) {
            float *const to = t->m + i * PANEL + v * VL;
            const vf x = vi_to_f32(acc[i][v]), by = v_set1(t->scale[i]);
            v_store(to, t->accumulate ? v_fma(x, by, v_load(to)) : v_mul(x, by));
        }
    }
}

/* One function for each height, so that each has its sums in registers. */
static void product_run(int mr, const struct product *t)
{
    switch (mr) {
    case 1: product_rows(1, t); break;
    case 2: product_rows(2, t); break;
    case 3: product_rows(3, t); break;
    case 4: product_rows(4, t); break;
    case 5: product_rows(5, t); break;
    case 6: product_rows(6, t); break;
#if SDRT_TILE_ROWS > 6
    case 7: product_rows(7, t); break;
    case 8: product_rows(8, t); break;
    case 9: product_rows(9, t); break;
    case 10: product_rows(10, t); break;
    case 11: product_rows(11, t); break;
    case 12: product_rows(12, t); break;
    case 13: product_rows(13, t); break;
    case 14: product_rows(14, t); break;
#endif
    }
}

/* One position and chunk of a panel; next is what the product after it reads of V. */
static void position_products(const struct product *all, int tiles, const int32_t *next)
{
    const int n = (tiles + TILE_ROWS - 1) / TILE_ROWS;

    for (int i = 0; i < n; i++) {
        const int at = tile_begin(tiles, i), end = tile_begin(tiles, i + 1);
        struct product t = *all;
        for (int r = at; r < end; r++)
            for (int c = 0; c < t.slots; c += 16)
                __builtin_prefetch(next + (size_t)r * t.pitch + c, 0, 2);
        t.v += (size_t)at * t.pitch;
        t.scale += at;
        t.m += (size_t)at * PANEL;
        product_run(end - at, &t);
    }
}

/* Position i of a pair, of all. */
static int pair_position(int pair, int i)
{
    return pair_rows[pair][i / WINO_IN] * WINO_IN + i % WINO_IN;
}

/* One pair and chunk of a panel; after is what the products after them read of V. */
static void pair_products(const struct cut *u, int pair, int chunk, int slots, int tiles,
                          const int32_t *after, const struct scratch *z)
{
    for (int i = 0; i < OF_PAIR; i++) {
        const int p = pair_position(pair, i);
        const int32_t *const v = z->v + chunk * CHUNK / 2;
        const struct product all = {
            .v = v + (size_t)p * u->v_stride,
            .u = z->u + (size_t)i * u->u_stride,
            .scale = z->scale + (size_t)((chunk * WINO_POSITIONS + p) * u->tiles),
            .pitch = (size_t)u->pitch,
            .m = z->m + (size_t)p * u->m_stride,
            .slots = slots,
            .accumulate = chunk > 0,
        };
        position_products(&all, tiles,
                          i + 1 < OF_PAIR ? v + (size_t)pair_position(pair, i + 1) * u->v_stride
                                          : after);
    }
}

static void panel_products(const struct sdrt_conv_shape *s, const struct cut *u, const void *w,
                           int panel, int tiles, const struct scratch *z)
{
    for (int chunk = 0; chunk < u->chunks; chunk++) {
        const int slots = (chunk_channels(s->w.k, chunk) + 1) / 2;
        const int16_t *taps = (const int16_t *)w + taps_at(&s->w, panel, chunk);
        for (int pair = 0; pair < PAIRS; pair++) {
            const int wrap = pair + 1 == PAIRS, next = wrap ? (chunk + 1) % u->chunks : chunk;
            weights(pair, (const int32_t *)(const void *)taps, slots, z->u, u->u_stride);
            pair_products(u, pair, chunk, slots, tiles,
                          z->v + next * CHUNK / 2 +
                              (size_t)pair_position(wrap ? 0 : pair + 1, 0) * u->v_stride,
                          z);
        }
    }
}

/* ---- a share of the work ---- */

static int wino_takes(const struct sdrt_conv_shape *s) { return s->y_type == SDRT_F32; }

static int wino_parts(const struct sdrt_conv_shape *s, int workers)
{
    const struct cut u = cut_of(s);

    return wino_grid_parts(&u.g, workers);
}

static size_t wino_scratch(const struct sdrt_conv_shape *s)
{
    const struct cut u = cut_of(s);

    return scratch_place(&u, NULL, NULL);
}

static void wino_run(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                     const struct sdrt_conv_args *a)
{
    const struct cut u = cut_of(s);
    const int units = conv_units(&u.g), end = sdrt_row_begin(units, ex->part + 1, ex->nparts);
    struct wino_piece piece;
    struct scratch z;

    scratch_place(&u, ex->scratch, &z);
    for (int i = sdrt_row_begin(units, ex->part, ex->nparts); i < end;) {
        i = wino_next(s, &u.g, i, end, &piece);
        block_input(s, a, &u, &piece.b, &z);
        for (int p = piece.p0; p < piece.p1; p++) {
            panel_products(s, &u, a->w, p, wino_tiles(&piece.b), &z);
            wino_output(s, a, &piece.b, p, z.m, u.m_stride, column_scales(&s->w, a->w));
        }
    }
}
