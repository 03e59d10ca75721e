/* SPDX-License-Identifier: MIT
 *
 * Pictures in files: what is written is read back, as others write it too, and what is damaged is
 * refused.
 */
#include <config.h>

#include "runtime/files/picture_file.h"
#include "runtime/files/png.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(picture_file, .init = temp_folder_make, .fini = temp_folder_remove);

enum { W = 37, H = 23, N = W * H * 3 };

static const char prompt[] =
    "a caf\xc3\xa9 \xf0\x9f\x90\x88, \"quoted\"\nNegative prompt: dull\nSteps: 2";

/* Smooth, as photographs are: JPEG keeps that. */
static void make(uint8_t *rgb)
{
    for (int i = 0; i < W * H; i++) {
        rgb[3 * i] = (uint8_t)(i % W * 6);
        rgb[3 * i + 1] = (uint8_t)(i / W * 10);
        rgb[3 * i + 2] = (uint8_t)(128 + 60 * sin(i % W / 5.0));
    }
}

static int there(enum sdrt_picture_format format) { return sdrt_picture_format_there(format); }

static const char *write_file(enum sdrt_picture_format format, int quality, const uint8_t *rgb,
                              const char *parameters)
{
    uint8_t *bytes;
    size_t size;

    expect_quiet(sdrt_picture_encode(format, quality, &bytes, &size, "x", rgb, W, H, parameters,
                                     &kept_log),
                 "encode");
    const char *path = temp_write("picture", bytes, size);
    free(bytes);
    return path;
}

static double difference(const uint8_t *a, const uint8_t *b)
{
    double sum = 0.0;

    for (int i = 0; i < N; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrt(sum / N);
}

/* The bytes tell the format, whatever the name. */
Test(picture_file, what_is_written_is_read)
{
    static const struct {
        enum sdrt_picture_format format;
        int quality;
        double most; /* root of the mean square of the differences */
    } cases[] = {
        { SDRT_PNG, 1, 0.0 },    { SDRT_JPEG, 95, 2.0 }, { SDRT_JPEG, 60, 8.0 },
        { SDRT_WEBP, 100, 0.0 }, { SDRT_WEBP, 90, 6.0 },
    };
    static uint8_t rgb[N];

    make(rgb);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sdrt_picture_file file;
        if (!there(cases[i].format)) continue;
        for (int with = 0; with < 2; with++) {
            const char *path = write_file(cases[i].format, cases[i].quality, rgb,
                                          with ? prompt : NULL);
            expect_quiet(sdrt_picture_file_read(&file, path, &kept_log), "read");
            cr_assert(file.width == W && file.height == H && file.channels == 3);
            cr_expect_leq(difference(rgb, file.pixels), cases[i].most, "case %zu: %g", i,
                          difference(rgb, file.pixels));
            if (with)
                cr_expect(file.parameters && !strcmp(file.parameters, prompt), "case %zu: %s", i,
                          file.parameters ? file.parameters : "none");
            else cr_expect_null(file.parameters);
            sdrt_picture_file_free(&file);
        }
    }
}

/* A text of 100 kB has room in a PNG; the others say that they lack it. */
Test(picture_file, long_parameters)
{
    static uint8_t rgb[N];
    char *text = malloc(100001);

    make(rgb);
    memset(text, 'x', 100000);
    text[100000] = '\0';
    for (int f = SDRT_PNG; f <= SDRT_WEBP; f++) {
        struct sdrt_picture_file file;
        uint8_t *bytes;
        size_t size;
        if (!there((enum sdrt_picture_format)f)) continue;
        kept_lines = 0;
        cr_assert_eq(sdrt_picture_encode((enum sdrt_picture_format)f, 90, &bytes, &size, "x", rgb,
                                         W, H, text, &kept_log),
                     SDRT_OK);
        cr_expect_eq(kept_lines, f != SDRT_PNG, "%d: %s", f, kept_text);
        kept_lines = 0;
        expect_quiet(sdrt_picture_file_read(&file, temp_write("long", bytes, size), &kept_log),
                     "read");
        cr_expect_eq(file.parameters != NULL, f == SDRT_PNG);
        if (file.parameters) cr_expect_eq(strcmp(file.parameters, text), 0);
        sdrt_picture_file_free(&file);
        free(bytes);
    }
    free(text);
}

#ifdef HAVE_JPEG
/* A JPEG with EXIF in front of what was written, by hand: little-endian, an orientation, and a
 * comment in ASCII. */
static const char *turned_jpeg(const uint8_t *rgb, int turn)
{
    static const unsigned char head[] = {
        0xff, 0xd8, 0xff, 0xe1, 0, 66,   'E', 'x', 'i', 'f', 0,   0,   'I', 'I', 42, 0, 8,
        0,    0,    0,    2,    0, 0x12, 1,   3,   0,   1,   0,   0,   0,   1,   0,  0, 0,
        0x69, 0x87, 4,    0,    1, 0,    0,   0,   38,  0,   0,   0,   0,   0,   0,  0, 1,
        0,    0x86, 0x92, 7,    0, 4,    0,   0,   0,   'a', 'b', 'c', 'd', 0,   0,  0, 0,
    };
    uint8_t *bytes, *all;
    size_t size;

    cr_assert_eq(sdrt_picture_encode(SDRT_JPEG, 98, &bytes, &size, "x", rgb, W, H, NULL, &kept_log),
                 SDRT_OK);
    all = malloc(sizeof head + size);
    memcpy(all, head, sizeof head);
    all[30] = (uint8_t)turn;
    memcpy(all + sizeof head, bytes + 2, size - 2);
    const char *path = temp_write("turned.jpg", all, sizeof head + size - 2);
    free(bytes);
    free(all);
    return path;
}

/* Where the picture's left upper corner comes from; the numbers of EXIF 2.32, table 6. */
Test(picture_file, exif_turns)
{
    static const struct {
        int turn, x, y;
    } cases[] = { { 1, 0, 0 }, { 2, W - 1, 0 }, { 3, W - 1, H - 1 }, { 4, 0, H - 1 },
                  { 5, 0, 0 }, { 6, 0, H - 1 }, { 7, W - 1, H - 1 }, { 8, W - 1, 0 } };
    static uint8_t rgb[N];

    make(rgb);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sdrt_picture_file file;
        const int swapped = cases[i].turn > 4;
        expect_quiet(sdrt_picture_file_read(&file, turned_jpeg(rgb, cases[i].turn), &kept_log),
                     "read");
        cr_assert(file.width == (swapped ? H : W) && file.height == (swapped ? W : H), "turn %d",
                  cases[i].turn);
        const uint8_t *from = rgb + 3 * (cases[i].y * W + cases[i].x);
        for (int k = 0; k < 3; k++)
            cr_expect_leq(abs(file.pixels[k] - from[k]), 12, "turn %d: %d, not %d", cases[i].turn,
                          file.pixels[k], from[k]);
        /* Along the first row x moves, or y where the sides are swapped. */
        const uint8_t *right = file.pixels + 3 * (file.width - 1);
        cr_expect_gt(abs(right[swapped ? 1 : 0] - file.pixels[swapped ? 1 : 0]), 150);
        cr_expect(file.parameters && !strcmp(file.parameters, "abcd"));
        sdrt_picture_file_free(&file);
    }
}
#endif

/* Transparent pixels keep their alpha, opaque pictures have none. */
Test(picture_file, alpha)
{
    /* 1x1, RGBA 255 0 0 128, by zlib's and PNG's specifications. */
    static const unsigned char png[] = {
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48,
        0x44, 0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00,
        0x00, 0x1f, 0x15, 0xc4, 0x89, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x44, 0x41, 0x54, 0x78,
        0x9c, 0x63, 0xf8, 0xcf, 0xc0, 0xd0, 0x00, 0x00, 0x04, 0x81, 0x01, 0x80, 0x2c, 0x55,
        0xce, 0xb0, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
    };
    struct sdrt_picture_file file;

    expect_quiet(sdrt_picture_file_read(&file, temp_write("a.png", png, sizeof png), &kept_log),
                 "read");
    cr_expect(file.channels == 4 && file.pixels[0] == 255 && file.pixels[1] == 0 &&
                  file.pixels[3] == 128,
              "%d: %d %d %d", file.channels, file.pixels[0], file.pixels[1], file.pixels[3]);
    sdrt_picture_file_free(&file);
}

/* A header decides, also where it lies about what follows: one pixel less is too few. */
Test(picture_file, pixels_are_bounded)
{
    uint8_t rgb[N], *bytes;
    size_t size;

    make(rgb);
    for (enum sdrt_picture_format format = SDRT_PNG; format <= SDRT_WEBP; format++) {
        struct sdrt_picture_file read;
        if (!there(format)) continue;
        expect_quiet(sdrt_picture_encode(format, 90, &bytes, &size, "x", rgb, W, H, prompt,
                                         &kept_log),
                     "encode");
        expect_quiet(sdrt_picture_file_decode(&read, bytes, size, W * H, "x", &kept_log), "decode");
        cr_expect(read.width == W && read.height == H && !strcmp(read.parameters, prompt));
        sdrt_picture_file_free(&read);
        expect_failure(sdrt_picture_file_decode(&read, bytes, size, W * H - 1, "x", &kept_log),
                       SDRT_E_FORMAT, "a picture of 37x23: expected at most 850 pixels", "bound");
        cr_expect_null(read.pixels);
        free(bytes);
    }
}

/* Half a file, and each file with a byte changed: a picture or one line, never a crash. */
Test(picture_file, damaged)
{
    static uint8_t rgb[N];
    struct sdrt_picture_file file;

    make(rgb);
    for (int f = SDRT_PNG; f <= SDRT_WEBP; f++) {
        uint8_t *bytes;
        size_t size;
        if (!there((enum sdrt_picture_format)f)) continue;
        cr_assert_eq(sdrt_picture_encode((enum sdrt_picture_format)f, 80, &bytes, &size, "x", rgb,
                                         W, H, prompt, &kept_log),
                     SDRT_OK);
        kept_lines = 0;
        expect_failure(sdrt_picture_file_read(&file, temp_write("half", bytes, size * 2 / 3),
                                              &kept_log),
                       SDRT_E_FORMAT, "not a good", "half");
        for (size_t i = 0; i < size; i += 3) {
            bytes[i] ^= 0x55;
            const char *path = temp_write("bad", bytes, size);
            kept_lines = 0;
            const int status = sdrt_picture_file_read(&file, path, &kept_log);
            cr_expect_eq(kept_lines, status != SDRT_OK, "byte %zu: %d lines", i, kept_lines);
            if (status != SDRT_OK) cr_expect_null(file.pixels);
            sdrt_picture_file_free(&file);
            bytes[i] ^= 0x55;
        }
        free(bytes);
    }
}

Test(picture_file, refusals)
{
    enum sdrt_picture_format format;
    struct sdrt_picture_file file;
    static uint8_t rgb[N];
    uint8_t *bytes;
    size_t size;

    expect_failure(sdrt_picture_file_read(&file, temp_path("none"), &kept_log), SDRT_E_MISSING,
                   "none", "absent");
    expect_failure(sdrt_picture_file_read(&file, temp_write("text", "no picture at all", 17),
                                          &kept_log),
                   SDRT_E_FORMAT, "expected a picture", "text");
    expect_failure(sdrt_picture_file_read(&file, temp_write("gif", "GIF89a and so on", 16),
                                          &kept_log),
                   SDRT_E_FORMAT, "a GIF image", "gif");
    expect_failure(sdrt_picture_file_read(&file, temp_write("empty", "", 0), &kept_log),
                   SDRT_E_FORMAT, "expected a picture", "empty");
    static const char *const bad[] = { "x", "x.bmp", ".png", "png", "x.png.txt", "x.pn" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_failure(sdrt_picture_format_of(&format, bad[i], &kept_log), SDRT_E_ARG, bad[i],
                       bad[i]);
    cr_expect_eq(sdrt_picture_format_of(&format, "a/b.PNG", &kept_log), SDRT_OK);
    cr_expect_eq(format, SDRT_PNG);
    if (!there(SDRT_JPEG)) return;
    cr_expect_eq(sdrt_picture_format_of(&format, "x.JpEg", &kept_log), SDRT_OK);
    cr_expect_eq(format, SDRT_JPEG);
    expect_failure(sdrt_picture_encode(SDRT_JPEG, 0, &bytes, &size, "x", rgb, W, H, NULL,
                                       &kept_log),
                   SDRT_E_ARG, "quality 0", "quality");
    cr_expect_null(bytes);
}
