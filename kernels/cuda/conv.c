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

/* The input after its prologue, both sources side by side, in the product's type. */
static size_t scratch(const struct sdrt_conv_shape *s)
{
    return input_pixels(s) * (size_t)cuda_round_up(s->w.k, 8) *
           (s->w.stored == SDRT_BF16 ? sizeof(uint16_t) : sizeof(float));
}

static int conv2d(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
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
        .y_bf16 = s->w.stored == SDRT_BF16,
    };
    struct sdrt_cuda_product p = {
        .a = r.y,
        .w = a->w,
        .bias = a->bias,
        .chan = a->chan,
        .residual = a->residual,
        .y = a->y,
        .m = s->batch * s->out_h * s->out_w,
        .n = s->out_c,
        .rows = s->out_c,
        .k = s->w.k,
        .a_pitch = r.y_pitch,
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
        .upsample = s->upsample == 2,
        .y_bf16 = s->y_type == SDRT_BF16,
    };

    if (ex->part) return 0;
    if (cuda_prepare(ex, &r)) return -1;
    return cuda_product(ex, s->w.stored, &p);
}

void sdrt_cuda_conv_init(struct sdrt_conv_ops *ops)
{
    *ops = (struct sdrt_conv_ops){
        .pack_bytes = cuda_pack_bytes,
        .pack_rows = cuda_pack_rows,
        .takes = takes,
        .parts = parts,
        .scratch = scratch,
        .conv2d = conv2d,
    };
}
