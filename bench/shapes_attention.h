/* SPDX-License-Identifier: MIT
 *
 * Attention that SD 1.5 runs, most expensive first: an image of 20 guided steps at
 * 512x512 pixels, cost times calls deciding the order; then SD 3.5 Medium's at 1024x1024, over
 * image and text, and T5-XXL's.  The benchmarks time them and the tests check them with fewer
 * queries, so that no kernel is tuned on a shape that nothing checks.
 */
#ifndef SDRT_BENCH_SHAPES_ATTENTION_H
#define SDRT_BENCH_SHAPES_ATTENTION_H

#include "kernels/attention.h"

struct sdrt_named_attention {
    const char *name;
    int calls; /* in one U-Net step of two images, one VAE pass, or one run of the rest */
    struct sdrt_attention_shape s;
};

/* scale is 1 / sqrt(head_dim); the pitches are as fused projections have them. */
#define SDRT_ATTENTION(batch_, heads_, d, q, kv, q_pitch_, kv_pitch, causal_, scale_)            \
    { .batch = batch_, .heads = heads_, .head_dim = d, .q_len = q, .kv_len = kv,                  \
      .q_pitch = q_pitch_, .k_pitch = kv_pitch, .v_pitch = kv_pitch, .o_pitch = (heads_) * (d),   \
      .causal = causal_, .scale = scale_ }

static const struct sdrt_named_attention sdrt_attention_model_shapes[] = {
    { "unet_4096x4096_8x40", 5,
      SDRT_ATTENTION(2, 8, 40, 4096, 4096, 960, 960, 0, 0.158113883f) },
    { "unet_1024x1024_8x80", 5,
      SDRT_ATTENTION(2, 8, 80, 1024, 1024, 1920, 1920, 0, 0.111803399f) },
    { "unet_4096x77_8x40", 5,
      SDRT_ATTENTION(2, 8, 40, 4096, 77, 320, 640, 0, 0.158113883f) },
    { "unet_256x256_8x160", 5,
      SDRT_ATTENTION(2, 8, 160, 256, 256, 3840, 3840, 0, 0.0790569415f) },
    { "unet_1024x77_8x80", 5,
      SDRT_ATTENTION(2, 8, 80, 1024, 77, 640, 1280, 0, 0.111803399f) },
    { "vae_4096x4096_1x512", 1,
      SDRT_ATTENTION(1, 1, 512, 4096, 4096, 1536, 1536, 0, 0.0441941738f) },
    { "encoder_4096x4096_1x512", 1,
      SDRT_ATTENTION(1, 1, 512, 4096, 4096, 1536, 1536, 0, 0.0441941738f) },
    { "unet_256x77_8x160", 5,
      SDRT_ATTENTION(2, 8, 160, 256, 77, 1280, 2560, 0, 0.0790569415f) },
    { "unet_64x77_8x160", 1,
      SDRT_ATTENTION(2, 8, 160, 64, 77, 1280, 2560, 0, 0.0790569415f) },
    { "unet_64x64_8x160", 1,
      SDRT_ATTENTION(2, 8, 160, 64, 64, 3840, 3840, 0, 0.0790569415f) },
    { "text_77x77_12x64", 12,
      SDRT_ATTENTION(2, 12, 64, 77, 77, 2304, 2304, 1, 0.125f) },
    { "mmdit_4429x4429_24x64", 24,
      SDRT_ATTENTION(2, 24, 64, 4429, 4429, 4608, 4608, 0, 0.125f) },
    { "t5_256x256_64x64", 24,
      { .batch = 2, .heads = 64, .head_dim = 64, .q_len = 256, .kv_len = 256, .q_pitch = 12288,
        .k_pitch = 12288, .v_pitch = 12288, .o_pitch = 4096, .biased = 1, .scale = 1.0f } },
};
enum {
    SDRT_ATTENTION_MODEL_SHAPES =
        sizeof sdrt_attention_model_shapes / sizeof sdrt_attention_model_shapes[0]
};

#undef SDRT_ATTENTION

#endif
