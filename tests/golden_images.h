/* SPDX-License-Identifier: MIT
 *
 * Whole images that diffusers made of the tiny models, and the requests that answer them.
 */
#ifndef SDRT_TESTS_GOLDEN_IMAGES_H
#define SDRT_TESTS_GOLDEN_IMAGES_H

#include "tests/golden_models.h"

/* One golden image of a family, golden/image-<name>, by its request; the script that made it has
 * the same.  All are of one prompt and seed. */
struct picture {
    const char *family, *name;
    const char *negative, *sampler, *spacing; /* NULL: the model's own */
    int    steps, width, height;              /* width or height 0: 64 */
    int    clip_skip;
    int    told;                              /* other numbers of the image than its own size */
    float  cfg;
    double refiner_start;                     /* 0: as sdrt_request_init() leaves it */
};

void picture_request(struct sdrt_request *r, const struct picture *p);

/* The image [height][width][3] that c makes of the request, whose size it must have; c's. */
const uint8_t *picture_draw(struct sdrt_context *c, const struct sdrt_request *r);

/* dB of what c draws now, without any LoRA, from the golden image. */
double picture_psnr(struct sdrt_context *c, const struct picture *p);

/* Expects of each of the n pictures that is of family to be more than least dB from diffusers'
 * image.  All are drawn on c, so that nothing of an earlier request may show in a later one. */
void expect_pictures(struct sdrt_context *c, const char *family, const struct picture *p, size_t n,
                     double least);

#endif
