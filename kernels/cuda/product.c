/* SPDX-License-Identifier: MIT */
#include "kernels/cuda/product_host.h"
#include "kernels/cuda/product_wgmma.h"
#include "kernels/generic/half.h"
#include "kernels/generic/typed.h"
#include "kernels/store.h"

#include <string.h>

static enum sdrt_dtype packed_type(const struct sdrt_weight_shape *w, enum sdrt_dtype narrow)
{
    return cuda_operand(w->stored, narrow) == narrow ? w->stored : SDRT_F32;
}

int cuda_weight_rows(const struct sdrt_weight_shape *w)
{
    return w->gated ? 2 * cuda_round_up(w->n, 8) : w->n;
}

int cuda_weight_pitch(const struct sdrt_weight_shape *w) { return cuda_round_up(w->k, 8); }

static size_t pack_bytes(const struct sdrt_weight_shape *w, enum sdrt_dtype narrow)
{
    const size_t values = (size_t)w->taps * (size_t)cuda_weight_rows(w) *
                          (size_t)cuda_weight_pitch(w);

    return (values * sdrt_dtype_size(packed_type(w, narrow)) + 63) / 64 * 64;
}

static size_t packed_row(const struct sdrt_weight_shape *w, int row)
{
    if (!w->gated) return (size_t)row;
    const int gate = row >= w->n, column = gate ? row - w->n : row;
    return (size_t)(column / 8 * 16 + column % 8 + gate * 8);
}

/* What the type that a weight is stored in has of a value, where it is packed as f32. */
static float as_stored(float v, enum sdrt_dtype stored)
{
    if (stored == SDRT_F16) return from_f16(to_f16(v));
    return stored == SDRT_BF16 ? f32_of_bits((uint32_t)bf16_of_f32(v) << 16) : v;
}

enum { SOME = 576 }; /* values that are converted at once, a multiple of 9 */

/* n values of channel k0 and on, all taps of each, to a row.  -1 where the type does not reach. */
static int place(const struct sdrt_weight_shape *w, enum sdrt_dtype type, const float *values,
                 int k0, int n, size_t row, void *dst)
{
    const size_t pitch = (size_t)cuda_weight_pitch(w), tap = (size_t)cuda_weight_rows(w) * pitch;

    for (int t = 0; t < w->taps; t++) {
        const size_t at = (size_t)t * tap + row * pitch + (size_t)k0;
        float tap_values[SOME];
        for (int i = 0; i < n; i++) tap_values[i] = values[i * w->taps + t];
        if (type != SDRT_F32) {
            char *to = (char *)dst + at * sdrt_dtype_size(type);
            if (sdrt_from_f32(tap_values, type, to, (size_t)n) != (size_t)n) return -1;
            continue;
        }
        for (int i = 0; i < n; i++)
            typed_store(dst, type, at + (size_t)i, as_stored(tap_values[i], w->stored));
    }
    return 0;
}

static int pack_rows(const struct sdrt_weight_shape *w, enum sdrt_dtype type, int row0, int count,
                     const void *src, enum sdrt_dtype from, void *dst)
{
    const size_t size = sdrt_dtype_size(from), length = (size_t)w->k * (size_t)w->taps;
    const int channels = SOME / w->taps;
    float values[SOME];

    if (!sdrt_is_float(from)) return -1;
    for (int i = 0; i < count; i++) {
        const char *row = (const char *)src + (size_t)i * length * size;
        const size_t to = packed_row(w, row0 + i);
        if (w->taps == 1 && from == w->stored && from == type) {
            memcpy((char *)dst + to * (size_t)cuda_weight_pitch(w) * size, row, length * size);
            continue;
        }
        for (int k = 0; k < w->k; k += channels) {
            const int n = w->k - k < channels ? w->k - k : channels;
            const size_t first = (size_t)k * (size_t)w->taps;
            if (sdrt_to_f32(row + first * size, from, values, (size_t)(n * w->taps))) return -1;
            if (place(w, type, values, k, n, to, dst)) return -1;
        }
    }
    return 0;
}

static size_t bytes_bf16(const struct sdrt_weight_shape *w) { return pack_bytes(w, SDRT_BF16); }
static size_t bytes_f16(const struct sdrt_weight_shape *w) { return pack_bytes(w, SDRT_F16); }

static int rows_bf16(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                     enum sdrt_dtype from, void *dst)
{
    return pack_rows(w, packed_type(w, SDRT_BF16), row0, count, src, from, dst);
}

static int rows_f16(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                    enum sdrt_dtype from, void *dst)
{
    return pack_rows(w, packed_type(w, SDRT_F16), row0, count, src, from, dst);
}

const struct cuda_packing *cuda_packing(enum sdrt_dtype narrow)
{
    static const struct cuda_packing bf16 = { bytes_bf16, rows_bf16 },
                                     f16 = { bytes_f16, rows_f16 };

    return narrow == SDRT_F16 ? &f16 : &bf16;
}

/* Whether two sources of f32, or one, may be read in pieces of so many values. */
static int in_pieces(int values, const void *x, int c, int x_pitch, const void *x2, int c2,
                     int x2_pitch)
{
    const size_t bytes = (size_t)values * sizeof(float);

    return cuda_aligned(x, bytes) && x_pitch % values == 0 && c % values == 0 &&
           (!c2 || (cuda_aligned(x2, bytes) && x2_pitch % values == 0 && c2 % values == 0));
}

int cuda_norm_operand(const struct sdrt_exec *ex, int batch, struct sdrt_cuda_norm_operand *p)
{
    p->pairs = (p->c + p->c2) / p->groups % 2 == 0 &&
               in_pieces(2, p->x, p->c, p->x_pitch, p->x2, p->c2, p->x2_pitch);
    if ((size_t)p->pixels * (size_t)((p->c + p->c2) / p->groups) <= SDRT_CUDA_NORM_OPERAND_FEW)
        return cuda_launch(ex, SDRT_CUDA_group_norm_operand_small, p->groups, batch,
                           SDRT_CUDA_GROUP_NORM_SHARED, p, sizeof *p);
    return cuda_launch(ex, SDRT_CUDA_group_norm_operand, p->groups, batch,
                       SDRT_CUDA_NORM_OPERAND_SHARED, p, sizeof *p);
}

int cuda_prepare(const struct sdrt_exec *ex, struct sdrt_cuda_prepare *p)
{
    const int pieces = p->y_pitch / SDRT_CUDA_PREPARE_CHANNELS;

    p->fours = !p->x_narrow && in_pieces(4, p->x, p->c, p->x_pitch, p->x2, p->c2, p->x2_pitch);
    return cuda_launch_each(ex, SDRT_CUDA_prepare, p->pixels * pieces, p, sizeof *p);
}

static struct cuda_extent extent_of(const struct sdrt_cuda_product *p)
{
    return (struct cuda_extent){ p->m, p->rows, p->kernel * p->kernel, p->k };
}

/* Of this device and this product's share of the scratch. */
static struct cuda_limits limits_of(const struct sdrt_exec *ex, enum sdrt_dtype stored,
                                    const struct sdrt_cuda_product *p)
{
    const struct cuda_extent e = extent_of(p);
    const int can_split = ex->stream->counters && p->partial;

    return (struct cuda_limits){
        .multiprocessors = ex->stream->multiprocessors,
        .workspace = can_split ? cuda_workspace(&e, stored, cuda_narrow(ex)) : 0,
    };
}

/* ---- sm_90a ---- */

/* Whether the copy engine can read the operand and the device's machine code is there. */
static int takes_wgmma(const struct sdrt_stream *stream, const struct sdrt_cuda_product *p)
{
    return stream->capability == 90 && stream->tensor_map && !p->read && p->a_pitch % 8 == 0 &&
           cuda_aligned(p->a, 16) && cuda_aligned(p->w, 16);
}

static int boxes(const struct sdrt_cuda_product_wgmma *p)
{
    return cuda_divide_up(p->p.out_w, p->box_w) * cuda_divide_up(p->p.out_h, p->box_h) *
           cuda_divide_up(p->batch, p->box_n);
}

/* The box of 128 pixels of which the fewest cover the output; the widest of them. */
static void choose_box(struct sdrt_cuda_product_wgmma *p)
{
    struct sdrt_cuda_product_wgmma best = *p;
    int least = 0;

    for (int w = SDRT_CUDA_WGMMA_M; w >= 1; w /= 2)
        for (int h = SDRT_CUDA_WGMMA_M / w; h >= 1; h /= 2) {
            p->box_w = w;
            p->box_h = h;
            p->box_n = SDRT_CUDA_WGMMA_M / w / h;
            if (least && boxes(p) >= least) continue;
            least = boxes(p);
            best = *p;
        }
    *p = best;
}

static int describe_input(struct sdrt_stream *stream, struct sdrt_cuda_product_wgmma *p)
{
    const uint64_t pixel = (uint64_t)p->p.a_pitch * 2, line = pixel * (uint64_t)p->p.in_w;
    const uint64_t dims[] = { (uint64_t)p->p.k, (uint64_t)p->p.in_w, (uint64_t)p->p.in_h,
                              (uint64_t)p->batch };
    const uint64_t strides[] = { pixel, line, line * (uint64_t)p->p.in_h };
    const uint32_t step = (uint32_t)p->p.stride;
    const uint32_t box[] = { SDRT_CUDA_WGMMA_K, (uint32_t)p->box_w * step,
                             (uint32_t)p->box_h * step, (uint32_t)p->box_n };
    const uint32_t steps[] = { 1, step, step, 1 };

    return stream->tensor_map(stream, &p->a, p->p.a, 4, dims, strides, box, steps);
}

static int describe_weight(struct sdrt_stream *stream, struct sdrt_cuda_product_wgmma *p,
                           int tile_n)
{
    const uint64_t row = (uint64_t)p->p.w_pitch * 2;
    const uint64_t dims[] = { (uint64_t)p->p.k, (uint64_t)p->p.rows,
                              (uint64_t)(p->p.kernel * p->p.kernel) };
    const uint64_t strides[] = { row, row * (uint64_t)p->p.rows };
    const uint32_t box[] = { SDRT_CUDA_WGMMA_K, (uint32_t)tile_n, 1 }, steps[] = { 1, 1, 1 };

    return stream->tensor_map(stream, &p->w, p->p.w, 3, dims, strides, box, steps);
}

/* Large tiles are never split: whoever has too few of them takes small ones first. */
static int product_wgmma(const struct sdrt_exec *ex, const struct cuda_limits *limits,
                         const struct sdrt_cuda_product *p)
{
    struct sdrt_cuda_product_wgmma q = { .p = *p, .batch = p->m / (p->out_h * p->out_w) };
    const struct cuda_extent e = extent_of(p);
    enum sdrt_cuda_number kernel = SDRT_CUDA_product_wgmma_256;
    int tile_n = 256;

    choose_box(&q);
    if (boxes(&q) * cuda_divide_up(p->rows, tile_n) < limits->multiprocessors) {
        kernel = SDRT_CUDA_product_wgmma_128;
        tile_n = 128;
        const int tiles = boxes(&q) * cuda_divide_up(p->rows, tile_n);
        q.p.parts = cuda_tile_warpgroups(&e, tiles, limits).parts;
    }
    if (describe_input(ex->stream, &q) || describe_weight(ex->stream, &q, tile_n)) return -1;
    return cuda_launch_3d(ex, kernel, cuda_divide_up(p->rows, tile_n), boxes(&q), q.p.parts,
                          (size_t)SDRT_CUDA_WGMMA_SHARED(tile_n), &q, sizeof q);
}

/* Of square tiles. */
static enum sdrt_cuda_number tiled_kernel(int side, int small, int read)
{
    if (small && read) return SDRT_CUDA_product_f8_read_64x64;
    if (small) return side == 128 ? SDRT_CUDA_product_f8_128x128 : SDRT_CUDA_product_f8_64x64;
    if (read) return side == 128 ? SDRT_CUDA_product_read_128x128 : SDRT_CUDA_product_read_64x64;
    return side == 128 ? SDRT_CUDA_product_128x128 : SDRT_CUDA_product_64x64;
}

/* How far one goes in the input for a step in the output. */
static unsigned quotient(const struct sdrt_cuda_product *p, int in, int out)
{
    const uint64_t one = UINT64_C(1) << 31;

    return (unsigned)(p->upsample ? (uint64_t)in * one / (uint64_t)out + 1 : one);
}

static int product_warps(const struct sdrt_exec *ex, const struct cuda_limits *limits,
                         enum sdrt_dtype stored, struct sdrt_cuda_product *p)
{
    const enum sdrt_dtype narrow = cuda_narrow(ex);
    const int stages = narrow == SDRT_F16 ? SDRT_CUDA_PRODUCT_STAGES_75 : SDRT_CUDA_PRODUCT_STAGES;
    const int small = stored == SDRT_F8_E4M3;
    const int has_large = !p->read || (!small && narrow == SDRT_BF16);
    const struct cuda_extent e = extent_of(p);
    const struct cuda_tiling t = cuda_tile_warps(&e, has_large, limits);
    const size_t shared = SDRT_CUDA_PRODUCT_SHARED((size_t)stages, (size_t)t.side, (size_t)t.side);

    p->parts = t.parts;
    return cuda_launch_3d(ex, tiled_kernel(t.side, small, p->read), cuda_divide_up(p->rows, t.side),
                          cuda_divide_up(p->m, t.side), t.parts, shared, p, sizeof *p);
}

int cuda_product(const struct sdrt_exec *ex, enum sdrt_dtype stored, struct sdrt_cuda_product *p)
{
    const size_t y_size = p->y_narrow ? 2 : 4;
    const enum sdrt_dtype narrow = cuda_narrow(ex);
    const struct cuda_limits limits = limits_of(ex, stored, p);

    p->parts = 1;
    p->arrived = ex->stream->counters;
    p->up_y = quotient(p, p->in_h, p->out_h);
    p->up_x = quotient(p, p->in_w, p->out_w);
    p->fours = p->n % 4 == 0 && p->y_pitch % 4 == 0 && cuda_aligned(p->y, 4 * y_size) &&
               (!p->residual || (p->residual_pitch % 4 == 0 && cuda_aligned(p->residual, 16)));
    p->source_eights = p->read && p->k % 8 == 0 && p->c2 % 8 == 0 &&
                       in_pieces(4, p->a, p->k - p->c2, p->a_pitch, p->x2, p->c2, p->x2_pitch);
    if (stored == SDRT_BF16 && takes_wgmma(ex->stream, p)) return product_wgmma(ex, &limits, p);
    if (cuda_operand(stored, narrow) == narrow) return product_warps(ex, &limits, stored, p);
    return cuda_launch(ex, SDRT_CUDA_product_f32, cuda_divide_up(p->rows, SDRT_CUDA_F32_TILE),
                       cuda_divide_up(p->m, SDRT_CUDA_F32_TILE), SDRT_CUDA_F32_SHARED, p,
                       sizeof *p);
}
