/* SPDX-License-Identifier: MIT */
#include "tests/golden_images.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What diffusers was told of the image beside the prompt, where it was not the image's size. */
static void tell_other_numbers(struct sdrt_request *r)
{
    r->original_height = 768;
    r->original_width = 1024;
    r->crop_y = 16;
    r->crop_x = 8;
    r->target_height = 640;
    r->target_width = 512;
}

void picture_request(struct sdrt_request *r, const struct picture *p)
{
    sdrt_request_init(r);
    r->prompt = "a photo of a small red cat, 42 stars";
    r->negative_prompt = p->negative;
    r->width = p->width ? p->width : 64;
    r->height = p->height ? p->height : 64;
    r->steps = p->steps;
    r->cfg_scale = p->cfg;
    r->sampler = p->sampler;
    r->spacing = p->spacing;
    r->clip_skip = p->clip_skip;
    if (p->refiner_start > 0.0) r->refiner_start = p->refiner_start;
    if (p->told) tell_other_numbers(r);
    r->seed = 7;
}

const uint8_t *picture_draw(struct sdrt_context *c, const struct sdrt_request *r)
{
    int width, height;

    cr_assert_eq(sdrt_generate(c, r), SDRT_OK, "%s", kept_text);
    const uint8_t *image = sdrt_image(c, 0, &width, &height);
    cr_assert(image && width == r->width && height == r->height);
    return image;
}

double picture_psnr(struct sdrt_context *c, const struct picture *p)
{
    struct sdrt_request r;

    picture_request(&r, p);
    return psnr(picture_draw(c, &r), p->family, p->name);
}

void expect_pictures(struct sdrt_context *c, const char *family, const struct picture *p, size_t n,
                     double least)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p[i].family, family)) continue;
        const double db = picture_psnr(c, &p[i]);
        cr_expect_gt(db, least, "%s %s: the image is %.1f dB from diffusers'", family, p[i].name,
                     db);
        if (getenv("SDRT_TEST_VERBOSE")) fprintf(stderr, "%s %s: %.1f dB\n", family, p[i].name, db);
    }
}
