/* SPDX-License-Identifier: MIT
 *
 * Norms that SD 1.5 runs, most expensive first: an image of 20 guided steps at
 * 512x512 pixels, cost times calls deciding the order.  RMS norms are SD 3.5 Medium's, of queries
 * and keys at 1024x1024 pixels within a row of q, k and v, and T5-XXL's.  The benchmarks time them
 * and the tests check them with fewer pixels, so that no kernel is tuned on a shape that nothing
 * checks.
 */
#ifndef SDRT_BENCH_SHAPES_NORM_H
#define SDRT_BENCH_SHAPES_NORM_H

#include "kernels/norm.h"

struct sdrt_named_gn {
    const char *name;
    int calls; /* in one U-Net step of two images, one VAE pass, or one run of the rest */
    struct sdrt_gn_shape s;
};

struct sdrt_named_ln {
    const char *name;
    int calls;
    struct sdrt_ln_shape s;
};

struct sdrt_named_rms {
    const char *name;
    int calls;
    struct sdrt_rms_shape s;
};

#define SDRT_GN(batch_, pixels_, c_, c2_, eps_)                                             \
    { .batch = batch_, .pixels = pixels_, .c = c_, .c2 = c2_, .x_pitch = c_, .x2_pitch = c2_, \
      .groups = 32, .eps = eps_ }
#define SDRT_LN(rows_, c_) { .rows = rows_, .c = c_, .x_pitch = c_, .y_pitch = c_, .eps = 1e-5f }
#define SDRT_RMS(rows_, groups_, width_, pitch)                                                   \
    { .rows = rows_, .groups = groups_, .width = width_, .x_pitch = pitch, .y_pitch = pitch,       \
      .eps = 1e-6f }

static const struct sdrt_named_gn sdrt_gn_model_shapes[] = {
    { "unet_4096_320", 8, SDRT_GN(2, 4096, 320, 0, 1e-5f) },
    { "unet_4096_320", 5, SDRT_GN(2, 4096, 320, 0, 1e-6f) },
    { "unet_4096_320+320", 2, SDRT_GN(2, 4096, 320, 320, 1e-5f) },
    { "vae_262144_128", 6, SDRT_GN(1, 262144, 128, 0, 1e-6f) },
    { "unet_1024_640", 6, SDRT_GN(2, 1024, 640, 0, 1e-5f) },
    { "unet_4096_640+320", 1, SDRT_GN(2, 4096, 640, 320, 1e-5f) },
    { "encoder_262144_128", 4, SDRT_GN(1, 262144, 128, 0, 1e-6f) },
    { "unet_1024_640", 5, SDRT_GN(2, 1024, 640, 0, 1e-6f) },
    { "vae_65536_256", 5, SDRT_GN(1, 65536, 256, 0, 1e-6f) },
    { "unet_256_1280", 6, SDRT_GN(2, 256, 1280, 0, 1e-5f) },
    { "unet_1024_1280+640", 1, SDRT_GN(2, 1024, 1280, 640, 1e-5f) },
    { "vae_262144_256", 1, SDRT_GN(1, 262144, 256, 0, 1e-6f) },
    { "unet_256_1280", 5, SDRT_GN(2, 256, 1280, 0, 1e-6f) },
    { "unet_256_1280+1280", 2, SDRT_GN(2, 256, 1280, 1280, 1e-5f) },
    { "unet_1024_640+640", 1, SDRT_GN(2, 1024, 640, 640, 1e-5f) },
    { "vae_16384_512", 6, SDRT_GN(1, 16384, 512, 0, 1e-6f) },
    { "encoder_65536_256", 3, SDRT_GN(1, 65536, 256, 0, 1e-6f) },
    { "unet_1024_640+320", 1, SDRT_GN(2, 1024, 640, 320, 1e-5f) },
    { "unet_64_1280", 11, SDRT_GN(2, 64, 1280, 0, 1e-5f) },
    { "vae_65536_512", 1, SDRT_GN(1, 65536, 512, 0, 1e-6f) },
    { "encoder_16384_512", 3, SDRT_GN(1, 16384, 512, 0, 1e-6f) },
    { "vae_4096_512", 11, SDRT_GN(1, 4096, 512, 0, 1e-6f) },
    { "encoder_4096_512", 10, SDRT_GN(1, 4096, 512, 0, 1e-6f) },
    { "unet_64_1280+1280", 3, SDRT_GN(2, 64, 1280, 1280, 1e-5f) },
    { "unet_256_1280+640", 1, SDRT_GN(2, 256, 1280, 640, 1e-5f) },
    { "unet_1024_320", 1, SDRT_GN(2, 1024, 320, 0, 1e-5f) },
    { "encoder_65536_128", 1, SDRT_GN(1, 65536, 128, 0, 1e-6f) },
    { "unet_256_640", 1, SDRT_GN(2, 256, 640, 0, 1e-5f) },
    { "encoder_16384_256", 1, SDRT_GN(1, 16384, 256, 0, 1e-6f) },
    { "unet_64_1280", 1, SDRT_GN(2, 64, 1280, 0, 1e-6f) },
};
enum {
    SDRT_GN_MODEL_SHAPES = sizeof sdrt_gn_model_shapes / sizeof sdrt_gn_model_shapes[0]
};

static const struct sdrt_named_ln sdrt_ln_model_shapes[] = {
    { "unet_8192x320", 15, SDRT_LN(8192, 320) },
    { "unet_2048x640", 15, SDRT_LN(2048, 640) },
    { "unet_512x1280", 15, SDRT_LN(512, 1280) },
    { "unet_128x1280", 3, SDRT_LN(128, 1280) },
    { "text_154x768", 25, SDRT_LN(154, 768) },
    { "mmdit_4096x1536", 122, SDRT_LN(4096, 1536) },
};
enum {
    SDRT_LN_MODEL_SHAPES = sizeof sdrt_ln_model_shapes / sizeof sdrt_ln_model_shapes[0]
};

static const struct sdrt_named_rms sdrt_rms_model_shapes[] = {
    { "mmdit_8192x24x64", 48, SDRT_RMS(8192, 24, 64, 3 * 1536) },
    { "mmdit_666x24x64", 46, SDRT_RMS(666, 24, 64, 3 * 1536) },
    { "t5_512x1x4096", 49, SDRT_RMS(512, 1, 4096, 4096) },
};
enum {
    SDRT_RMS_MODEL_SHAPES = sizeof sdrt_rms_model_shapes / sizeof sdrt_rms_model_shapes[0]
};

#undef SDRT_GN
#undef SDRT_LN
#undef SDRT_RMS

#endif
