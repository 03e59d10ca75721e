/* SPDX-License-Identifier: MIT
 *
 * Linear layers that SD 1.5 runs, most expensive first: an image of 20 guided steps at 512x512
 * pixels, cost times calls deciding the order; then SD 3.5 Medium's at 1024x1024.  The benchmarks
 * time them and the tests check them with fewer rows, so that no kernel is tuned on a shape that
 * nothing checks.
 */
#ifndef SDRT_BENCH_SHAPES_GEMM_H
#define SDRT_BENCH_SHAPES_GEMM_H

#include "kernels/gemm.h"

struct sdrt_named_gemm {
    const char *name;
    int calls; /* in one U-Net step of two images, one VAE pass, or one run of the rest */
    struct sdrt_gemm_shape s;
};

#define SDRT_GEMM(m_, n_, k_, act_, gated_)                                         \
    { .m = m_, .n = n_, .k = k_, .a_pitch = k_, .y_pitch = n_, .residual_pitch = n_, \
      .act = SDRT_ACT_##act_, .w = { .n = n_, .k = k_, .taps = 1, .gated = gated_ } }

static const struct sdrt_named_gemm sdrt_gemm_model_shapes[] = {
    { "unet_8192x1280x320_gated", 5, SDRT_GEMM(8192, 1280, 320, GELU, 1) },
    { "unet_2048x2560x640_gated", 5, SDRT_GEMM(2048, 2560, 640, GELU, 1) },
    { "unet_512x5120x1280_gated", 5, SDRT_GEMM(512, 5120, 1280, GELU, 1) },
    { "unet_8192x320x320", 20, SDRT_GEMM(8192, 320, 320, NONE, 0) },
    { "unet_8192x320x1280", 5, SDRT_GEMM(8192, 320, 1280, NONE, 0) },
    { "unet_2048x640x640", 20, SDRT_GEMM(2048, 640, 640, NONE, 0) },
    { "unet_2048x640x2560", 5, SDRT_GEMM(2048, 640, 2560, NONE, 0) },
    { "unet_512x1280x1280", 20, SDRT_GEMM(512, 1280, 1280, NONE, 0) },
    { "unet_512x1280x5120", 5, SDRT_GEMM(512, 1280, 5120, NONE, 0) },
    { "unet_8192x960x320", 5, SDRT_GEMM(8192, 960, 320, NONE, 0) },
    { "unet_2048x1920x640", 5, SDRT_GEMM(2048, 1920, 640, NONE, 0) },
    { "unet_512x3840x1280", 5, SDRT_GEMM(512, 3840, 1280, NONE, 0) },
    { "unet_128x5120x1280_gated", 1, SDRT_GEMM(128, 5120, 1280, GELU, 1) },
    { "unet_128x1280x1280", 4, SDRT_GEMM(128, 1280, 1280, NONE, 0) },
    { "unet_128x1280x5120", 1, SDRT_GEMM(128, 1280, 5120, NONE, 0) },
    { "unet_128x3840x1280", 1, SDRT_GEMM(128, 3840, 1280, NONE, 0) },
    { "text_154x3072x768", 12, SDRT_GEMM(154, 3072, 768, GELU_QUICK, 0) },
    { "text_154x768x3072", 12, SDRT_GEMM(154, 768, 3072, NONE, 0) },
    { "text_154x2304x768", 12, SDRT_GEMM(154, 2304, 768, NONE, 0) },
    { "prompt_154x2560x768", 6, SDRT_GEMM(154, 2560, 768, NONE, 0) },
    { "text_154x768x768", 12, SDRT_GEMM(154, 768, 768, NONE, 0) },
    { "vae_4096x512x512", 1, SDRT_GEMM(4096, 512, 512, NONE, 0) },
    { "encoder_4096x512x512", 1, SDRT_GEMM(4096, 512, 512, NONE, 0) },
    { "prompt_154x1280x768", 5, SDRT_GEMM(154, 1280, 768, NONE, 0) },
    { "schedule_20x20160x1280", 1, SDRT_GEMM(20, 20160, 1280, NONE, 0) },
    { "prompt_154x640x768", 5, SDRT_GEMM(154, 640, 768, NONE, 0) },
    { "schedule_20x1280x1280", 1, SDRT_GEMM(20, 1280, 1280, SILU, 0) },
    { "schedule_20x1280x320", 1, SDRT_GEMM(20, 1280, 320, SILU, 0) },
    { "mmdit_4096x4608x1536", 74, SDRT_GEMM(4096, 4608, 1536, NONE, 0) },
    { "mmdit_4096x6144x1536", 48, SDRT_GEMM(4096, 6144, 1536, GELU_TANH, 0) },
    { "mmdit_4096x1536x6144", 48, SDRT_GEMM(4096, 1536, 6144, NONE, 0) },
    { "mmdit_4096x1536x1536", 74, SDRT_GEMM(4096, 1536, 1536, NONE, 0) },
    { "mmdit_333x4608x1536", 48, SDRT_GEMM(333, 4608, 1536, NONE, 0) },
    { "mmdit_333x6144x1536", 46, SDRT_GEMM(333, 6144, 1536, GELU_TANH, 0) },
    { "mmdit_333x1536x6144", 46, SDRT_GEMM(333, 1536, 6144, NONE, 0) },
    { "mmdit_333x1536x1536", 46, SDRT_GEMM(333, 1536, 1536, NONE, 0) },
};
enum {
    SDRT_GEMM_MODEL_SHAPES = sizeof sdrt_gemm_model_shapes / sizeof sdrt_gemm_model_shapes[0]
};

#undef SDRT_GEMM

#endif
