/* SPDX-License-Identifier: MIT
 *
 * Convolutions that SD 1.5 runs, most expensive first: an image of 20 guided steps at
 * 512x512 pixels, cost times calls deciding the order.  The benchmarks time them and the
 * tests check them with fewer pixels, so that no kernel is tuned on a shape that nothing checks.
 */
#ifndef SDRT_BENCH_SHAPES_CONV_H
#define SDRT_BENCH_SHAPES_CONV_H

#include "kernels/conv.h"

struct sdrt_named_conv {
    const char *name;
    int calls; /* in one U-Net step of two images, one VAE pass, or one run of the rest */
    struct sdrt_conv_shape s;
};

/* Dense rows; in height, width and channels of both sources, then out. */
#define SDRT_CONV(batch_, ih, iw, c, c2, oh, ow, oc, kernel_, stride_, upsample_, pad_, prologue_) \
    { .batch = batch_, .in_h = ih, .in_w = iw, .in_c = c, .in_c2 = c2, .out_h = oh, .out_w = ow, \
      .out_c = oc, .kernel = kernel_, .stride = stride_, .upsample = upsample_, .pad = pad_,     \
      .x_pitch = c, .x2_pitch = c2, .y_pitch = oc, .residual_pitch = oc,                         \
      .prologue = SDRT_PROLOGUE_##prologue_,                                                     \
      .w = { .n = oc, .k = (c) + (c2), .taps = (kernel_) * (kernel_), .stride = stride_ } }

static const struct sdrt_named_conv sdrt_conv_model_shapes[] = {
    { "unet_64x64_320_to_320_3x3", 7,
      SDRT_CONV(2, 64, 64, 320, 0, 64, 64, 320, 3, 1, 1, 1, NORM_SILU) },
    { "unet_32x32_640_to_640_3x3", 6,
      SDRT_CONV(2, 32, 32, 640, 0, 32, 32, 640, 3, 1, 1, 1, NORM_SILU) },
    { "unet_16x16_1280_to_1280_3x3", 6,
      SDRT_CONV(2, 16, 16, 1280, 0, 16, 16, 1280, 3, 1, 1, 1, NORM_SILU) },
    { "unet_16x16_1280+1280_to_1280_3x3", 2,
      SDRT_CONV(2, 16, 16, 1280, 1280, 16, 16, 1280, 3, 1, 1, 1, NORM_SILU) },
    { "unet_32x32_1280_to_1280_3x3_up", 1,
      SDRT_CONV(2, 16, 16, 1280, 0, 32, 32, 1280, 3, 1, 2, 1, NONE) },
    { "unet_64x64_640_to_640_3x3_up", 1,
      SDRT_CONV(2, 32, 32, 640, 0, 64, 64, 640, 3, 1, 2, 1, NONE) },
    { "unet_64x64_320+320_to_320_3x3", 2,
      SDRT_CONV(2, 64, 64, 320, 320, 64, 64, 320, 3, 1, 1, 1, NORM_SILU) },
    { "unet_32x32_1280+640_to_640_3x3", 1,
      SDRT_CONV(2, 32, 32, 1280, 640, 32, 32, 640, 3, 1, 1, 1, NORM_SILU) },
    { "unet_64x64_640+320_to_320_3x3", 1,
      SDRT_CONV(2, 64, 64, 640, 320, 64, 64, 320, 3, 1, 1, 1, NORM_SILU) },
    { "unet_8x8_1280_to_1280_3x3", 11,
      SDRT_CONV(2, 8, 8, 1280, 0, 8, 8, 1280, 3, 1, 1, 1, NORM_SILU) },
    { "unet_32x32_640+640_to_640_3x3", 1,
      SDRT_CONV(2, 32, 32, 640, 640, 32, 32, 640, 3, 1, 1, 1, NORM_SILU) },
    { "vae_128x128_512_to_512_3x3", 6,
      SDRT_CONV(1, 128, 128, 512, 0, 128, 128, 512, 3, 1, 1, 1, NORM_SILU) },
    { "unet_8x8_1280+1280_to_1280_3x3", 3,
      SDRT_CONV(2, 8, 8, 1280, 1280, 8, 8, 1280, 3, 1, 1, 1, NORM_SILU) },
    { "unet_16x16_1280+640_to_1280_3x3", 1,
      SDRT_CONV(2, 16, 16, 1280, 640, 16, 16, 1280, 3, 1, 1, 1, NORM_SILU) },
    { "unet_32x32_640+320_to_640_3x3", 1,
      SDRT_CONV(2, 32, 32, 640, 320, 32, 32, 640, 3, 1, 1, 1, NORM_SILU) },
    { "vae_256x256_256_to_256_3x3", 5,
      SDRT_CONV(1, 256, 256, 256, 0, 256, 256, 256, 3, 1, 1, 1, NORM_SILU) },
    { "vae_512x512_128_to_128_3x3", 5,
      SDRT_CONV(1, 512, 512, 128, 0, 512, 512, 128, 3, 1, 1, 1, NORM_SILU) },
    { "vae_256x256_512_to_512_3x3_up", 1,
      SDRT_CONV(1, 128, 128, 512, 0, 256, 256, 512, 3, 1, 2, 1, NONE) },
    { "vae_512x512_256_to_256_3x3_up", 1,
      SDRT_CONV(1, 256, 256, 256, 0, 512, 512, 256, 3, 1, 2, 1, NONE) },
    { "encoder_512x512_128_to_128_3x3", 4,
      SDRT_CONV(1, 512, 512, 128, 0, 512, 512, 128, 3, 1, 1, 1, NORM_SILU) },
    { "unet_16x16_1280_to_1280_3x3_up", 1,
      SDRT_CONV(2, 8, 8, 1280, 0, 16, 16, 1280, 3, 1, 2, 1, NONE) },
    { "encoder_256x256_256_to_256_3x3", 3,
      SDRT_CONV(1, 256, 256, 256, 0, 256, 256, 256, 3, 1, 1, 1, NORM_SILU) },
    { "encoder_128x128_512_to_512_3x3", 3,
      SDRT_CONV(1, 128, 128, 512, 0, 128, 128, 512, 3, 1, 1, 1, NORM_SILU) },
    { "vae_64x64_512_to_512_3x3", 10,
      SDRT_CONV(1, 64, 64, 512, 0, 64, 64, 512, 3, 1, 1, 1, NORM_SILU) },
    { "unet_64x64_320_to_320_1x1", 5,
      SDRT_CONV(2, 64, 64, 320, 0, 64, 64, 320, 1, 1, 1, 0, NORM) },
    { "unet_32x32_640_to_640_1x1", 5,
      SDRT_CONV(2, 32, 32, 640, 0, 32, 32, 640, 1, 1, 1, 0, NORM) },
    { "unet_16x16_1280_to_1280_1x1", 5,
      SDRT_CONV(2, 16, 16, 1280, 0, 16, 16, 1280, 1, 1, 1, 0, NORM) },
    { "vae_256x256_512_to_256_3x3", 1,
      SDRT_CONV(1, 256, 256, 512, 0, 256, 256, 256, 3, 1, 1, 1, NORM_SILU) },
    { "vae_512x512_256_to_128_3x3", 1,
      SDRT_CONV(1, 512, 512, 256, 0, 512, 512, 128, 3, 1, 1, 1, NORM_SILU) },
    { "encoder_64x64_512_to_512_3x3", 8,
      SDRT_CONV(1, 64, 64, 512, 0, 64, 64, 512, 3, 1, 1, 1, NORM_SILU) },
    { "unet_32x32_320_to_640_3x3", 1,
      SDRT_CONV(2, 32, 32, 320, 0, 32, 32, 640, 3, 1, 1, 1, NORM_SILU) },
    { "unet_16x16_640_to_1280_3x3", 1,
      SDRT_CONV(2, 16, 16, 640, 0, 16, 16, 1280, 3, 1, 1, 1, NORM_SILU) },
    { "unet_16x16_1280+1280_to_1280_1x1", 2,
      SDRT_CONV(2, 16, 16, 1280, 1280, 16, 16, 1280, 1, 1, 1, 0, NONE) },
    { "unet_64x64_320+320_to_320_1x1", 2,
      SDRT_CONV(2, 64, 64, 320, 320, 64, 64, 320, 1, 1, 1, 0, NONE) },
    { "unet_32x32_1280+640_to_640_1x1", 1,
      SDRT_CONV(2, 32, 32, 1280, 640, 32, 32, 640, 1, 1, 1, 0, NONE) },
    { "unet_64x64_640+320_to_320_1x1", 1,
      SDRT_CONV(2, 64, 64, 640, 320, 64, 64, 320, 1, 1, 1, 0, NONE) },
    { "vae_128x128_512_to_512_3x3_up", 1,
      SDRT_CONV(1, 64, 64, 512, 0, 128, 128, 512, 3, 1, 2, 1, NONE) },
    { "unet_32x32_320_to_320_3x3_down", 1,
      SDRT_CONV(2, 64, 64, 320, 0, 32, 32, 320, 3, 2, 1, 1, NONE) },
    { "unet_16x16_640_to_640_3x3_down", 1,
      SDRT_CONV(2, 32, 32, 640, 0, 16, 16, 640, 3, 2, 1, 1, NONE) },
    { "unet_8x8_1280_to_1280_3x3_down", 1,
      SDRT_CONV(2, 16, 16, 1280, 0, 8, 8, 1280, 3, 2, 1, 1, NONE) },
    { "unet_32x32_640+640_to_640_1x1", 1,
      SDRT_CONV(2, 32, 32, 640, 640, 32, 32, 640, 1, 1, 1, 0, NONE) },
    { "unet_8x8_1280+1280_to_1280_1x1", 3,
      SDRT_CONV(2, 8, 8, 1280, 1280, 8, 8, 1280, 1, 1, 1, 0, NONE) },
    { "unet_16x16_1280+640_to_1280_1x1", 1,
      SDRT_CONV(2, 16, 16, 1280, 640, 16, 16, 1280, 1, 1, 1, 0, NONE) },
    { "unet_32x32_640+320_to_640_1x1", 1,
      SDRT_CONV(2, 32, 32, 640, 320, 32, 32, 640, 1, 1, 1, 0, NONE) },
    { "encoder_256x256_128_to_256_3x3", 1,
      SDRT_CONV(1, 256, 256, 128, 0, 256, 256, 256, 3, 1, 1, 1, NORM_SILU) },
    { "encoder_128x128_256_to_512_3x3", 1,
      SDRT_CONV(1, 128, 128, 256, 0, 128, 128, 512, 3, 1, 1, 1, NORM_SILU) },
    { "encoder_256x256_128_to_128_3x3_down", 1,
      SDRT_CONV(1, 512, 512, 128, 0, 256, 256, 128, 3, 2, 1, 0, NONE) },
    { "encoder_128x128_256_to_256_3x3_down", 1,
      SDRT_CONV(1, 256, 256, 256, 0, 128, 128, 256, 3, 2, 1, 0, NONE) },
    { "encoder_64x64_512_to_512_3x3_down", 1,
      SDRT_CONV(1, 128, 128, 512, 0, 64, 64, 512, 3, 2, 1, 0, NONE) },
    { "vae_256x256_512_to_256_1x1", 1,
      SDRT_CONV(1, 256, 256, 512, 0, 256, 256, 256, 1, 1, 1, 0, NONE) },
    { "vae_512x512_256_to_128_1x1", 1,
      SDRT_CONV(1, 512, 512, 256, 0, 512, 512, 128, 1, 1, 1, 0, NONE) },
    { "unet_32x32_320_to_640_1x1", 1,
      SDRT_CONV(2, 32, 32, 320, 0, 32, 32, 640, 1, 1, 1, 0, NONE) },
    { "unet_16x16_640_to_1280_1x1", 1,
      SDRT_CONV(2, 16, 16, 640, 0, 16, 16, 1280, 1, 1, 1, 0, NONE) },
    { "unet_8x8_1280_to_1280_1x1", 1,
      SDRT_CONV(2, 8, 8, 1280, 0, 8, 8, 1280, 1, 1, 1, 0, NORM) },
    { "vae_64x64_512_to_1536_1x1", 1,
      SDRT_CONV(1, 64, 64, 512, 0, 64, 64, 1536, 1, 1, 1, 0, NORM) },
    { "encoder_64x64_512_to_1536_1x1", 1,
      SDRT_CONV(1, 64, 64, 512, 0, 64, 64, 1536, 1, 1, 1, 0, NORM) },
    { "encoder_256x256_128_to_256_1x1", 1,
      SDRT_CONV(1, 256, 256, 128, 0, 256, 256, 256, 1, 1, 1, 0, NONE) },
    { "encoder_128x128_256_to_512_1x1", 1,
      SDRT_CONV(1, 128, 128, 256, 0, 128, 128, 512, 1, 1, 1, 0, NONE) },
    { "unet_64x64_4_to_320_3x3", 1,
      SDRT_CONV(2, 64, 64, 4, 0, 64, 64, 320, 3, 1, 1, 1, NONE) },
    { "unet_64x64_320_to_4_3x3", 1,
      SDRT_CONV(2, 64, 64, 320, 0, 64, 64, 4, 3, 1, 1, 1, NORM_SILU) },
    { "vae_512x512_128_to_3_3x3", 1,
      SDRT_CONV(1, 512, 512, 128, 0, 512, 512, 3, 3, 1, 1, 1, NORM_SILU) },
    { "encoder_512x512_3_to_128_3x3", 1,
      SDRT_CONV(1, 512, 512, 3, 0, 512, 512, 128, 3, 1, 1, 1, NONE) },
    { "encoder_64x64_512_to_8_3x3", 1,
      SDRT_CONV(1, 64, 64, 512, 0, 64, 64, 8, 3, 1, 1, 1, NORM_SILU) },
    { "vae_64x64_4_to_512_3x3", 1,
      SDRT_CONV(1, 64, 64, 4, 0, 64, 64, 512, 3, 1, 1, 1, NONE) },
    { "encoder_64x64_8_to_8_1x1", 1,
      SDRT_CONV(1, 64, 64, 8, 0, 64, 64, 8, 1, 1, 1, 0, NONE) },
    { "vae_64x64_4_to_4_1x1", 1,
      SDRT_CONV(1, 64, 64, 4, 0, 64, 64, 4, 1, 1, 1, 0, NONE) },
};
enum {
    SDRT_CONV_MODEL_SHAPES = sizeof sdrt_conv_model_shapes / sizeof sdrt_conv_model_shapes[0]
};

#undef SDRT_CONV

#endif
