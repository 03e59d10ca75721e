/* SPDX-License-Identifier: MIT */
#include "tests/golden_pictures.h"
#include "runtime/files/png.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

uint8_t *golden_picture(const char *name, int *width, int *height)
{
    const char *root = getenv("SDRT_TESTDATA");
    uint8_t *rgb;
    char path[512];

    snprintf(path, sizeof path, "%s/golden/pictures/%s.png", root ? root : "tests", name);
    cr_assert_eq(sdrt_png_read(path, 1024, &rgb, width, height, NULL, &kept_log), SDRT_OK, "%s",
                 kept_text);
    return rgb;
}

double pictures_psnr(const uint8_t *a, const uint8_t *b, size_t n)
{
    double error = 0.0;

    for (size_t i = 0; i < n; i++) {
        const double d = (a[i] - b[i]) / 255.0;
        error += d * d / (double)n;
    }
    return -10.0 * log10(error + 1e-12);
}
