/* SPDX-License-Identifier: MIT */
#include "kernels/cuda/product_host.h"

static int takes(const struct sdrt_conv_shape *s) { return cuda_knows(s->y_type) && !s->lead; }

static int parts(const struct sdrt_conv_shape *s, int workers)
{
    (void)s;
    (void)workers;
    return 1;
}

static size_t input_pixels(const struct sdrt_conv_shape *s)
{
    return (size_t)s->batch * (size_t)s->in_h * (size_t)s->in_w;
}

/* Clocks of an H100 by tiling.c's model: 2.9 us more for a launch, and bytes that its L2 moves. */
enum { LAUNCH = 4900, L2_BYTES = 3200 };

static struct cuda_extent extent_of(const struct sdrt_conv_shape *s)
{
    return (struct cuda_extent){ s->batch * s->out_h * s->out_w, s->out_c, s->w.taps, s->w.k };
}

/* Whether a device of capability 9.0 gains by an operand made for its own products: they are faster, but
 * making it is a launch and memory traffic.  A tenth is within the model's error, and a launch less is sure.
 * On smaller devices the same, so that a plan fits all. */
static int is_worth_making(const struct sdrt_conv_shape *s)
{
    const struct cuda_extent e = extent_of(s);
    const int tiles = cuda_divide_up(e.m, 128) * cuda_divide_up(e.rows, 128);
    const double in = (double)input_pixels(s) * e.k;
    const double made = cuda_tile_warpgroups(&e, tiles, &cuda_model_limits).clocks + LAUNCH +
                        in * 6.0 / L2_BYTES;
    const double products = cuda_tile_warps(&e, 1, &cuda_model_limits).clocks;
    const double reads = in * 4.0 / L2_BYTES;

    return s->w.stored == SDRT_BF16 && s->upsample != 2 &&
           made * 1.1 < (products > reads ? products : reads);
}

static int is_narrow(const struct sdrt_conv_shape *s, enum sdrt_dtype narrow)
{
    return cuda_operand(s->w.stored, narrow) == narrow;
}

/* Whether there is an operand in scratch, on some device. */
static int is_made(const struct sdrt_conv_shape *s, enum sdrt_dtype narrow)
{
    return !is_narrow(s, narrow) || s->prologue != SDRT_PROLOGUE_NONE || is_worth_making(s);
}

/* What is made is read in 16 bits, but of an enlarged input, which is read as a source is. */
static int made_narrow(const struct sdrt_conv_shape *s, enum sdrt_dtype narrow)
{
    return is_narrow(s, narrow) && s->upsample != 2;
}

static size_t operand_bytes(const struct sdrt_conv_shape *s, enum sdrt_dtype narrow)
{
    if (!is_made(s, narrow)) return 0;
    return input_pixels(s) * (size_t)cuda_round_up(s->w.k, 8) *
           (made_narrow(s, narrow) ? sizeof(uint16_t) : sizeof(float));
}

static size_t workspace_of(const struct sdrt_conv_shape *s, enum sdrt_dtype narrow)
{
    const struct cuda_extent e = extent_of(s);

    return cuda_workspace(&e, s->w.stored, narrow);
}

static size_t scratch_of(const struct sdrt_conv_shape *s, enum sdrt_dtype narrow)
{
    const size_t operand = operand_bytes(s, narrow), workspace = workspace_of(s, narrow);

    return workspace ? cuda_workspace_at(operand) + workspace : operand;
}

static size_t scratch_bf16(const struct sdrt_conv_shape *s) { return scratch_of(s, SDRT_BF16); }
static size_t scratch_f16(const struct sdrt_conv_shape *s) { return scratch_of(s, SDRT_F16); }

/* Whether one block for each group and image, which reads it a third time where it is written, is no slower
 * than two launches of which the second is spread over the device; by the same model, a multiprocessor
 * alone moving 33 of a source's bytes a clock. */
static int norms(const struct sdrt_conv_shape *s, int groups)
{
    const double bytes = (double)s->in_h * s->in_w * (s->w.k / groups) * sizeof(float);
    const double all = bytes * groups * s->batch;

    return bytes / 33.0 <= LAUNCH + all * 1.5 / L2_BYTES;
}

static int make_normed(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                       const struct sdrt_conv_args *a)
{
    struct sdrt_cuda_norm_operand p = {
        .x = a->x,
        .x2 = a->x2,
        .gamma = a->norm->gamma,
        .beta = a->norm->beta,
        .y = ex->scratch,
        .pixels = s->in_h * s->in_w,
        .c = s->in_c,
        .c2 = s->in_c2,
        .x_pitch = s->x_pitch,
        .x2_pitch = s->x2_pitch,
        .y_pitch = cuda_round_up(s->w.k, 8),
        .groups = a->norm->groups,
        .silu = s->prologue == SDRT_PROLOGUE_NORM_SILU,
        .y_narrow = made_narrow(s, cuda_narrow(ex)),
        .eps = a->norm->eps,
    };

    return cuda_norm_operand(ex, s->batch, &p);
}

/* The input after its prologue, both sources side by side. */
static int make_operand(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                        const struct sdrt_conv_args *a)
{
    struct sdrt_cuda_prepare r = {
        .x = a->x,
        .x2 = a->x2,
        .y = ex->scratch,
        .pixels = (int)input_pixels(s),
        .msb = s->prologue == SDRT_PROLOGUE_NONE ? NULL : a->msb,
        .image_pixels = s->in_h * s->in_w,
        .c = s->in_c,
        .c2 = s->in_c2,
        .x_pitch = s->x_pitch,
        .x2_pitch = s->x2_pitch,
        .y_pitch = cuda_round_up(s->w.k, 8),
        .silu = s->prologue == SDRT_PROLOGUE_NORM_SILU,
        .y_narrow = made_narrow(s, cuda_narrow(ex)),
    };

    if (s->prologue != SDRT_PROLOGUE_NONE && !a->msb) return make_normed(ex, s, a);
    return cuda_prepare(ex, &r);
}

static int conv2d(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                  const struct sdrt_conv_args *a)
{
    struct sdrt_cuda_product p = {
        .a = a->x,
        .x2 = a->x2,
        .w = a->w,
        .bias = a->bias,
        .chan = a->chan,
        .residual = a->residual,
        .y = a->y,
        .m = s->batch * s->out_h * s->out_w,
        .n = s->out_c,
        .rows = s->out_c,
        .k = s->w.k,
        .c2 = s->in_c2,
        .x2_pitch = s->x2_pitch,
        .a_pitch = s->x_pitch,
        .w_pitch = cuda_weight_pitch(&s->w),
        .y_pitch = s->y_pitch,
        .residual_pitch = s->residual_pitch,
        .chan_pitch = s->chan_pitch,
        .in_h = s->in_h,
        .in_w = s->in_w,
        .out_h = s->out_h,
        .out_w = s->out_w,
        .kernel = s->kernel,
        .stride = s->stride,
        .pad = s->pad,
        .pad_y = s->pad - s->lead,
        .upsample = s->upsample == 2,
        .relu = s->relu,
        .y_narrow = s->y_type != SDRT_F32,
    };

    if (ex->part) return 0;
    if (!cuda_has(ex, s->y_type)) return -1;
    p.read = is_narrow(s, cuda_narrow(ex));
    if (!p.read || s->prologue != SDRT_PROLOGUE_NONE ||
        (ex->stream->capability == 90 && is_worth_making(s))) {
        if (make_operand(ex, s, a)) return -1;
        p.a = ex->scratch;
        p.x2 = NULL;
        p.c2 = 0;
        p.a_pitch = cuda_round_up(s->w.k, 8);
        p.read = p.read && !made_narrow(s, cuda_narrow(ex));
    }
    if (workspace_of(s, cuda_narrow(ex)))
        p.partial = (void *)((unsigned char *)ex->scratch +
                             cuda_workspace_at(operand_bytes(s, cuda_narrow(ex))));
    return cuda_product(ex, s->w.stored, &p);
}

void sdrt_cuda_conv_init(struct sdrt_conv_ops *ops, enum sdrt_dtype narrow)
{
    const struct cuda_packing *packing = cuda_packing(narrow);

    *ops = (struct sdrt_conv_ops){
        .pack_bytes = packing->bytes,
        .pack_rows = packing->rows,
        .takes = takes,
        .parts = parts,
        .scratch = narrow == SDRT_F16 ? scratch_f16 : scratch_bf16,
        .conv2d = conv2d,
        .norms = norms,
    };
}
