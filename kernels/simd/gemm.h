/* SPDX-License-Identifier: MIT
 *
 * The linear layers, for any vector length.  Include after vec.h; the including file
 * defines SDRT_TILE_ROWS, and in enums TILE_ROWS, GEMM_CHUNK, GEMM_ROWS, GEMM_PANELS.
 *
 * A chunk of channels of a block of rows is copied into scratch: whatever the rows' pitch,
 * the copy stays in L2, and its rows apart in L1, while the panels pass by; a chunk of a
 * panel stays in L1 while the block's tiles pass by.  With several chunks the sums of
 * GEMM_PANELS panels wait in scratch.
 */
#include "kernels/gemm.h"
#include "kernels/simd/math.h"
#include "kernels/simd/tile.h"

static size_t gemm_pack_bytes(const struct sdrt_weight_shape *w)
{
    const struct sdrt_weight_shape slots = slots_weight(w);
    const struct sdrt_panel_layout l = panel_layout(slots.k, GEMM_CHUNK);

    return slots_front(w) + sdrt_panel_bytes(&l, &slots);
}

static int gemm_pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                          enum sdrt_dtype from, void *dst)
{
    const struct sdrt_panel_layout l = panel_layout(slots_of(w->k), GEMM_CHUNK);

    return slots_pack(&l, w, row0, count, src, from, dst);
}

/* Work is cut into units: a block of rows by a panel.  The cut depends on the shape alone, so that
 * a share count changes who computes a value, never the value; what a share has of one block is
 * done together, behind one copy of its rows. */
struct gemm_cut {
    int columns;        /* of y in one panel */
    int panels;
    int blocks, rows;   /* blocks of rows, and the most rows in one */
    struct sdrt_weight_shape w; /* k in slots, as all that follows */
    struct sdrt_panel_layout layout;
    int chunk, chunks;  /* slots in one, and their number */
    int pass;           /* panels whose sums wait together */
};

static struct gemm_cut gemm_cut(const struct sdrt_gemm_shape *s)
{
    struct gemm_cut u = { .columns = s->w.gated ? VL : PANEL, .w = slots_weight(&s->w) };

    u.panels = (s->n + u.columns - 1) / u.columns;
    u.blocks = (s->m + GEMM_ROWS - 1) / GEMM_ROWS;
    u.rows = (s->m + u.blocks - 1) / u.blocks;
    u.layout = panel_layout(u.w.k, GEMM_CHUNK);
    u.chunk = u.w.k < u.layout.chunk ? u.w.k : u.layout.chunk;
    u.chunks = (u.w.k + u.chunk - 1) / u.chunk;
    u.pass = u.chunks > 1 && u.panels > GEMM_PANELS ? GEMM_PANELS : u.panels;
    return u;
}

/* Whole blocks where there are many for each worker; else shares of equally many panels, enough to
 * repay the copy; but rather short ones than a worker that has none. */
static int gemm_parts(const struct sdrt_gemm_shape *s, int workers)
{
    enum { EACH = 8, LEAST_PANELS = 128 / PANEL };
    const struct gemm_cut u = gemm_cut(s);
    const int units = u.blocks * u.panels, most = EACH * workers;
    int shares = units / LEAST_PANELS;

    if (u.blocks >= most) return u.blocks;
    if (shares > most) shares = most;
    if (shares >= workers) return shares / workers * workers;
    return units < workers ? units : workers;
}

/* Rows are converted to slots on the way into scratch; an f32 level has no other rows. */
static int gemm_takes(const struct sdrt_gemm_shape *s)
{
    return (s->a_type == SDRT_F32 || (slots_stored() == SDRT_BF16 && s->a_type == SDRT_BF16)) &&
           (s->y_type == SDRT_F32 || s->y_type == SDRT_BF16);
}

static enum sdrt_dtype gemm_operand(const struct sdrt_gemm_shape *s)
{
    (void)s;
    return slots_stored();
}

struct gemm_scratch {
    size_t rows, values, sums; /* floats of each */
};

static struct gemm_scratch gemm_scratch_sizes(const struct gemm_cut *u)
{
    return (struct gemm_scratch){
        .rows = (size_t)rows_abreast(u->rows) / ABREAST * (size_t)row_pitch(SLOT_STEP * u->chunk),
        .values = u->w.stored == SLOT_TYPE ? 0 : (size_t)u->chunk * PANEL,
        .sums = u->chunks > 1 ? (size_t)u->pass * (size_t)rows_abreast(u->rows) * PANEL
                              : (size_t)TILE_ROWS * PANEL,
    };
}

static size_t gemm_scratch(const struct sdrt_gemm_shape *s)
{
    const struct gemm_cut u = gemm_cut(s);
    const struct gemm_scratch z = gemm_scratch_sizes(&u);

    return sizeof(float) * (z.rows + z.values + z.sums);
}

/* Element `column` of row `row` of y. */
SDRT_ALWAYS_INLINE size_t gemm_y(const struct sdrt_gemm_shape *s, int row, int column)
{
    return (size_t)row * (size_t)s->y_pitch + (size_t)column;
}

SDRT_ALWAYS_INLINE void gemm_epilogue_plain(const struct sdrt_gemm_shape *s,
                                            const struct sdrt_gemm_args *a, int row, int rows,
                                            int column, const float *c, enum sdrt_act act,
                                            const int narrow)
{
    for (int v = 0; v < 2; v++) {
        const int at = column + v * VL, n = s->n - at;
        if (n <= 0) break;
        const vf bias = a->bias ? load_some(a->bias + at, n) : v_zero();
        const vf gate = a->gate ? load_some(a->gate + at, n) : v_set1(1.0f);
        const vf units = slots_units(a->w, at);
        for (int i = 0; i < rows; i++) {
            const vf sum = v_load(c + (size_t)i * PANEL + (size_t)v * VL);
            vf t = v_act(slots_sum(sum, units, bias), act);
            t = v_mul(t, gate);
            if (a->residual)
                t = v_add(t, load_some(a->residual + (size_t)(row + i) * (size_t)s->residual_pitch +
                                       at, n));
            narrow_store(a->y, narrow, gemm_y(s, row + i, at), t, n);
        }
    }
}

SDRT_ALWAYS_INLINE void gemm_epilogue_gated(const struct sdrt_gemm_shape *s,
                                            const struct sdrt_gemm_args *a, int row, int rows,
                                            int column, const float *c, enum sdrt_act act,
                                            const int narrow)
{
    const int n = s->n - column;
    const vf bias = a->bias ? load_some(a->bias + column, n) : v_zero();
    const vf gate_bias = a->bias ? load_some(a->bias + s->n + column, n) : v_zero();
    const vf units = slots_units(a->w, 2 * column), gate_units = slots_units(a->w, 2 * column + VL);

    for (int i = 0; i < rows; i++) {
        const vf value = slots_sum(v_load(c + (size_t)i * PANEL), units, bias);
        const vf sum = v_load(c + (size_t)i * PANEL + VL);
        const vf gate = v_act(slots_sum(sum, gate_units, gate_bias), act);
        narrow_store(a->y, narrow, gemm_y(s, row + i, column), v_mul(value, gate), n);
    }
}

/* The activation is a constant in each call, so that its branch leaves the loops. */
SDRT_ALWAYS_INLINE void gemm_epilogue_as(const struct sdrt_gemm_shape *s,
                                         const struct sdrt_gemm_args *a, int row, int rows,
                                         int column, const float *c, const int narrow)
{
    if (s->w.gated) {
        if (s->act == SDRT_ACT_GELU)
            gemm_epilogue_gated(s, a, row, rows, column, c, SDRT_ACT_GELU, narrow);
        else
            gemm_epilogue_gated(s, a, row, rows, column, c, s->act, narrow);
    } else if (s->act == SDRT_ACT_NONE) {
        gemm_epilogue_plain(s, a, row, rows, column, c, SDRT_ACT_NONE, narrow);
    } else {
        gemm_epilogue_plain(s, a, row, rows, column, c, s->act, narrow);
    }
}

static void gemm_epilogue(const struct sdrt_gemm_shape *s, const struct sdrt_gemm_args *a, int row,
                          int rows, int column, const float *c)
{
    if (s->y_type == SDRT_BF16) gemm_epilogue_as(s, a, row, rows, column, c, 1);
    else gemm_epilogue_as(s, a, row, rows, column, c, 0);
}

/* What the passes over one block of rows share. */
struct gemm_block {
    const struct sdrt_gemm_shape *s;
    const struct sdrt_gemm_args *a;
    const struct gemm_cut *u;
    int row0, rows;
    float *copy, *values, *sums;
    int at[GEMM_ROWS];  /* offsets of the rows in the copy */
};

/* A chunk of a row of f32. */
SDRT_ALWAYS_INLINE void gemm_copy_row(const struct sdrt_gemm_shape *s, float *to, const float *from,
                                      int n, const float *ahead)
{
#ifdef SDRT_SLOT_ROTATES
    float rotated[SLOT * GEMM_CHUNK];

    if (sdrt_rotates(&s->w)) {
        slots_rotate(rotated, from, n);
        from = rotated;
    }
#endif
    (void)s;
    slots_copy(to, from, n, ahead);
}

/* Chunk c of the block's rows.  The rows ahead are asked for: with a wide pitch no
 * prefetcher sees them coming. */
static void gemm_copy(struct gemm_block *b, int k0, int k)
{
    enum { AHEAD = 4 };
    const enum sdrt_dtype type = b->s->a_type;
    const size_t pitch = (size_t)b->s->a_pitch, bytes = sdrt_dtype_bytes(type, pitch);
    const char *from = sdrt_element(b->a->a, type, (size_t)b->row0 * pitch + (size_t)(SLOT * k0));
    const int left = b->s->k - SLOT * k0, n = SLOT * k < left ? SLOT * k : left;

    for (int r = 0; r < b->rows; r++, from += bytes) {
        const char *ahead = from + (r + AHEAD < b->rows ? AHEAD * bytes : 0);
        float *to = b->copy + (b->at[r] = row_at(r, row_pitch(SLOT_STEP * k)));
        if (slots_stored() == SDRT_BF16 && type == SDRT_BF16) slots_copy_bf16(to, from, n, ahead);
        else gemm_copy_row(b->s, to, (const float *)(const void *)from, n,
                           (const float *)(const void *)ahead);
    }
    if (b->rows % ABREAST) slots_zero(b->copy + b->at[b->rows - 1] + SLOT_FLOATS, k);
}

/* The block's tiles by one panel and chunk; the last chunk's end in y. */
static void gemm_panel(const struct gemm_block *b, int panel, int c, float *sums,
                       const struct panel_next *next)
{
    static const int no_offset = 0;
    const struct sdrt_gemm_shape *s = b->s;
    const int tiles = (b->rows + TILE_ROWS - 1) / TILE_ROWS, column = panel * b->u->columns;
    const int last = c + 1 == b->u->chunks;
    struct tile t = { .a = b->copy, .segments = &no_offset, .n_segments = 1, .accumulate = c > 0,
                      .k = last ? b->u->w.k - c * b->u->chunk : b->u->chunk };

    t.w = panel_values(&b->u->layout, &b->u->w, b->a->w, panel, c, t.k, b->values);
    for (int i = 0; i < tiles; i++) {
        const int r = tile_begin(b->rows, i), n = tile_begin(b->rows, i + 1) - r;
        const size_t row = (size_t)(b->row0 + r);
        t.rows = b->at + r;
        t.c = b->u->chunks > 1 ? sums + (size_t)r * PANEL : sums;
        panel_fetch(next, i, tiles);
        for (size_t j = row; last && j < row + (size_t)n; j++) {
            const size_t at = j * (size_t)s->y_pitch + (size_t)column;
            fetch_panel(sdrt_element(b->a->y, s->y_type, at), (int)sdrt_dtype_size(s->y_type));
            if (b->a->residual)
                fetch_panel(b->a->residual + j * (size_t)s->residual_pitch + column,
                            sizeof(float));
        }
        tile_run(n, &t);
        if (last) gemm_epilogue(s, b->a, b->row0 + r, n, column, t.c);
    }
}

/* All chunks by panels p0 .. p1-1, whose sums fit into scratch. */
static void gemm_pass(struct gemm_block *b, int p0, int p1)
{
    const struct gemm_cut *u = b->u;

    for (int c = 0, k0 = 0; c < u->chunks; c++, k0 += u->chunk) {
        gemm_copy(b, k0, c + 1 < u->chunks ? u->chunk : u->w.k - k0);
        for (int p = p0; p < p1; p++) {
            const struct panel_next next = panel_after(&u->layout, &u->w, b->a->w, p, c, p0, p1);
            const size_t at = u->chunks > 1 ? (size_t)(p - p0) * (size_t)rows_abreast(b->rows) : 0;
            gemm_panel(b, p, c, b->sums + at * PANEL, &next);
        }
    }
}

static int gemm_run(const struct sdrt_exec *ex, const struct sdrt_gemm_shape *s,
                    const struct sdrt_gemm_args *a)
{
    const struct gemm_cut u = gemm_cut(s);
    const struct gemm_scratch z = gemm_scratch_sizes(&u);
    const int units = u.blocks * u.panels, end = sdrt_row_begin(units, ex->part + 1, ex->nparts);
    struct gemm_block b = { .s = s, .a = a, .u = &u, .copy = ex->scratch };

    b.values = b.copy + z.rows;
    b.sums = b.values + z.values;
    for (int i = sdrt_row_begin(units, ex->part, ex->nparts), last; i < end; i = last) {
        const int block = i / u.panels, p0 = i % u.panels;
        last = (block + 1) * u.panels < end ? (block + 1) * u.panels : end;
        const int p1 = p0 + last - i;
        b.row0 = sdrt_row_begin(s->m, block, u.blocks);
        b.rows = sdrt_row_begin(s->m, block + 1, u.blocks) - b.row0;
        for (int p = p0; p < p1; p += u.pass)
            gemm_pass(&b, p, p1 - p < u.pass ? p1 : p + u.pass);
    }
    return 0;
}

static void gemm_fill(struct sdrt_gemm_ops *ops)
{
    ops->pack_bytes = gemm_pack_bytes;
    ops->pack_rows = gemm_pack_rows;
    ops->takes = gemm_takes;
    ops->operand = gemm_operand;
    ops->parts = gemm_parts;
    ops->scratch = gemm_scratch;
    ops->gemm = gemm_run;
}
