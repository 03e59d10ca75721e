/* SPDX-License-Identifier: MIT
 *
 * Networks that enlarge pictures, small and of weights that are made up, against the same in torch
 * (tests/oracle/make_upscalers.py), under each of the names that their files have; and that tiles do not
 * show.
 */
#include "model/pipeline/upscaler.h"
#include "tests/golden_models.h"
#include "tests/golden_pictures.h"
#include "tests/made_weights.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(upscaler, .init = temp_folder_make, .fini = temp_folder_remove);

enum { W = 40, H = 32 /* the corner that the golden pictures are made of */ };

static struct sdrt_upscaler *open_file(const char *path)
{
    struct sdrt_upscaler *u;
    struct sdrt_options o;

    model_options(&o, NULL);
    expect_quiet(sdrt_upscaler_open(&u, path, &o), path);
    return u;
}

/* dB of what the network in path makes of the corner from golden/nets/NAME.png. */
static double distance(const char *path, const char *name)
{
    struct sdrt_upscaler *u = open_file(path);
    int w, h, want_w, want_h;
    char golden_name[64];
    uint8_t *init = golden_picture("init", &w, &h), *rgb;
    const struct sdrt_picture in = { init, W, H, 3, (size_t)w * 3 };

    snprintf(golden_name, sizeof golden_name, "../nets/%s", name);
    uint8_t *want = golden_picture(golden_name, &want_w, &want_h);
    expect_quiet(sdrt_upscaler_run(u, &in, 0, NULL, NULL, &rgb, &w, &h), name);
    cr_expect_eq(w, W * sdrt_upscaler_scale(u));
    cr_assert(w == want_w && h == want_h, "%s: %dx%d", name, w, h);
    cr_expect_eq(sdrt_program_peak(u->program), sdrt_program_lower_bound(u->program));
    const double db = pictures_psnr(rgb, want, (size_t)w * (size_t)h * 3);
    sdrt_upscaler_close(&u);
    sdrt_free(rgb);
    free(init);
    free(want);
    if (getenv("SDRT_TEST_VERBOSE")) fprintf(stderr, "%s: %.1f dB\n", name, db);
    return db;
}

Test(upscaler, pictures)
{
    static const char *const nets[] = { "rrdb-x4",     "rrdb-x2",  "rrdb-x1",
                                        "rrdb-old-x2", "srvgg-x4", "srvgg-x3" };

    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        /* The one of one doubling has no file in BasicSR's names. */
        if (strcmp(nets[i], "rrdb-old-x2"))
            cr_expect_gt(distance(made_write("net.safetensors", nets[i], 0, ""), nets[i]), 70.0,
                         "%s", nets[i]);
}

Test(upscaler, names_of_older_files)
{
    cr_expect_gt(distance(made_write("a.safetensors", "rrdb-x4", 1, ""), "rrdb-x4"), 70.0);
    cr_expect_gt(distance(made_write("b.safetensors", "rrdb-old-x2", 1, ""), "rrdb-old-x2"), 70.0);
    cr_expect_gt(distance(made_write("c.safetensors", "rrdb-older", 1, ""), "rrdb-x2"), 70.0);
    cr_expect_gt(distance(made_write("d.safetensors", "rrdb-x2", 0, "params."), "rrdb-x2"), 70.0);
    cr_expect_gt(distance(path_in("sd15", "../nets/rrdb-x2.pth"), "rrdb-x2-half"), 70.0);
}

/* A picture with edges of all directions, so that a tile's error would show. */
static uint8_t *large_picture(int w, int h)
{
    uint8_t *rgb = malloc((size_t)w * (size_t)h * 3);

    cr_assert_not_null(rgb);
    for (int i = 0; i < w * h * 3; i++) {
        const int x = i / 3 % w, y = i / 3 / w;
        rgb[i] = (uint8_t)(((x * x / 7 + y * (3 + i % 3)) ^ (x * y / 50)) & 255);
    }
    return rgb;
}

struct seams {
    size_t differing;
    int most;
    double db;
};

/* In tiles of 96 pixels, or the fewest that the net takes, beside whole. */
static struct seams seams_of(const char *kind, int w, int h)
{
    struct sdrt_upscaler *u = open_file(made_write("net.safetensors", kind, 0, ""));
    uint8_t *rgb = large_picture(w, h), *whole, *tiled;
    const struct sdrt_picture in = { rgb, w, h, 3, 0 };
    struct seams s = { 0 };

    expect_quiet(sdrt_upscaler_run(u, &in, 512, NULL, NULL, &whole, &w, &h), kind);
    expect_quiet(sdrt_upscaler_run(u, &in, 96, NULL, NULL, &tiled, &w, &h), kind);
    const size_t n = (size_t)w * (size_t)h * 3;
    for (size_t i = 0; i < n; i++) {
        const int d = abs(whole[i] - tiled[i]);
        s.differing += d > 0;
        if (d > s.most) s.most = d;
    }
    s.db = pictures_psnr(whole, tiled, n);
    if (getenv("SDRT_TEST_VERBOSE"))
        fprintf(stderr, "%s: %zu of %zu bytes differ, by %d at most, %.1f dB\n", kind, s.differing,
                n, s.most, s.db);
    sdrt_upscaler_close(&u);
    free(rgb);
    sdrt_free(whole);
    sdrt_free(tiled);
    return s;
}

/* A reach of less than a tile's dead edge, and of more. */
Test(upscaler, tiles)
{
    const struct seams exact = seams_of("srvgg-x4", 203, 131),
                       small = seams_of("rrdb-x1", 411, 283);
    const struct seams blended = seams_of("rrdb-x4", 150, 101);

    cr_expect_leq(exact.most, 1);
    cr_expect_gt(exact.db, 80.0);
    cr_expect_gt(small.db, 80.0);
    cr_expect_leq(small.most, 1);
    cr_expect_gt(blended.db, 80.0);
    cr_expect_leq(blended.most, 2);
}

/* A tile of any size holds a picture that is smaller, also where it is rounded up. */
Test(upscaler, largest_tile)
{
    struct sdrt_upscaler *u = open_file(made_write("net.safetensors", "rrdb-x1", 0, ""));
    uint8_t *rgb = large_picture(W, H), *usual, *huge;
    const struct sdrt_picture in = { rgb, W, H, 3, 0 };
    int w, h;

    expect_quiet(sdrt_upscaler_run(u, &in, 0, NULL, NULL, &usual, &w, &h), "usual");
    expect_quiet(sdrt_upscaler_run(u, &in, INT_MAX, NULL, NULL, &huge, &w, &h), "huge");
    cr_assert(w == W && h == H, "%dx%d", w, h);
    cr_expect_arr_eq(huge, usual, (size_t)W * H * 3);
    sdrt_upscaler_close(&u);
    free(rgb);
    sdrt_free(usual);
    sdrt_free(huge);
}

Test(upscaler, refusals)
{
    struct sdrt_upscaler *u;
    struct sdrt_options o;
    static uint8_t grey[20000];
    uint8_t *rgb;
    struct sdrt_picture in = { grey, 0, 1, 1, 0 };
    int w, h;

    model_options(&o, NULL);
    expect_failure(sdrt_upscaler_open(&u, temp_path("none"), &o), SDRT_E_MISSING, "none",
                   "no file");
    cr_expect_null(u);
    expect_failure(sdrt_upscaler_open(&u, made_write("t", "taesd", 0, ""), &o), SDRT_E_UNSUPPORTED,
                   "expected an upscaler", "another network");
    expect_failure(sdrt_upscaler_open(&u, NULL, &o), SDRT_E_ARG, "expected a file", "NULL");
    /* Of a network with something more in it, that would be left out. */
    expect_failure(sdrt_upscaler_open(&u, made_write("m", "rrdb-more", 1, ""), &o),
                   SDRT_E_UNSUPPORTED, "conv1x1", "more");
    u = open_file(made_write("net.safetensors", "srvgg-x3", 0, ""));
    expect_failure(sdrt_upscaler_run(u, &in, 0, NULL, NULL, &rgb, &w, &h), SDRT_E_ARG, "0x1",
                   "empty");
    cr_expect_null(rgb);
    in.width = 20000;
    expect_failure(sdrt_upscaler_run(u, &in, 0, NULL, NULL, &rgb, &w, &h), SDRT_E_ARG,
                   "sides of 10922 or less", "large");
    sdrt_upscaler_close(&u);
}

/* A file that lacks a layer is told before anything is enlarged. */
Test(upscaler, lacks_a_layer)
{
    struct sdrt_upscaler *u = open_file(made_write("net.safetensors", "rrdb-less", 1, ""));
    uint8_t grey[4] = { 0 }, *rgb;
    const struct sdrt_picture in = { grey, 2, 2, 1, 0 };
    int w, h;

    expect_failure(sdrt_upscaler_run(u, &in, 0, NULL, NULL, &rgb, &w, &h), SDRT_E_MISSING,
                   "conv_hr.weight", "no conv_hr");
    sdrt_upscaler_close(&u);
}

static int stop(void *user, int done, int total)
{
    (void)user;
    (void)total;
    return done == 1;
}

Test(upscaler, stops_and_tells_of_transparency)
{
    struct sdrt_upscaler *u = open_file(made_write("net.safetensors", "srvgg-x3", 0, ""));
    uint8_t clear[300 * 4 * 4] = { 0 }, *rgb;
    const struct sdrt_picture in = { clear, 300, 4, 4, 0 };
    int w, h;

    cr_expect_eq(sdrt_upscaler_run(u, &in, 0, NULL, NULL, &rgb, &w, &h), SDRT_OK);
    cr_expect(kept_lines == 1 && strstr(kept_text, "laid on white"), "%s", kept_text);
    sdrt_free(rgb);
    cr_expect_eq(sdrt_upscaler_run(u, &in, 96, stop, NULL, &rgb, &w, &h), SDRT_E_CANCELLED);
    cr_expect_null(rgb);
    sdrt_upscaler_close(&u);
}
