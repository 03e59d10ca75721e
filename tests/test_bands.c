/* SPDX-License-Identifier: MIT
 *
 * The VAE's decoder and encoder in bands are the whole ones, in the memory of a band.
 */
#include "bench/allocations.h"
#include "model/pipeline/bands.h"
#include "model/pipeline/run.h"
#include "runtime/machine/spill.h"
#include "tests/golden_models.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(bands, .init = temp_folder_make, .fini = temp_folder_remove);

/* The image before it became bytes. */
struct seen {
    float *image;
    size_t n;
};

static int keep_image(void *user, const char *name, const int dims[4], const float *data)
{
    struct seen *s = user;

    if (strcmp(name, "image")) return 0;
    s->n = (size_t)dims[1] * (size_t)dims[2] * 3;
    s->image = malloc(s->n * sizeof *s->image);
    memcpy(s->image, data, s->n * sizeof *s->image);
    return 0;
}

static struct sdrt_request request_of(int width, int height, int bands)
{
    struct sdrt_request r;

    sdrt_request_init(&r);
    r.prompt = "a cat";
    r.width = width;
    r.height = height;
    r.steps = 1;
    r.seed = 3;
    r.sampler = "euler";
    r.vae_bands = bands;
    return r;
}

static struct seen draw(struct sdrt_context *c, int width, int height, int bands)
{
    struct sdrt_request r = request_of(width, height, bands);
    struct seen s = { NULL, 0 };

    r.dump = keep_image;
    r.dump_user = &s;
    expect_quiet(sdrt_generate(c, &r), "image");
    cr_assert_not_null(s.image);
    return s;
}

/* Bands of which the last is a rest, one that is the whole image, and levels that are halved oddly. */
Test(bands, are_the_whole_image)
{
    static const struct {
        const char *model;
        int width, height, bands;
    } cases[] = { { "sd15", 64, 200, 16 },
                  { "sd15", 120, 96, 24 },
                  { "sd15", 40, 64, 1024 },
                  { "sdxl", 50, 94, 16 },
                  { "sd35", 48, 80, 32 } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sdrt_context *c = open_model(path_in(cases[i].model, ""), NULL);
        struct seen whole = draw(c, cases[i].width, cases[i].height, 0);
        struct seen bands = draw(c, cases[i].width, cases[i].height, cases[i].bands);
        double most = 0.0, largest = 0.0;
        cr_assert_eq(whole.n, bands.n);
        for (size_t k = 0; k < whole.n; k++) {
            most = fmax(most, fabs((double)whole.image[k] - (double)bands.image[k]));
            largest = fmax(largest, fabs((double)whole.image[k]));
        }
        cr_expect_lt(most, 1e-5 * fmax(largest, 1.0), "%s: off by %g", cases[i].model, most);
        if (getenv("SDRT_TEST_VERBOSE"))
            fprintf(stderr, "%s: off by %g of %g\n", cases[i].model, most, largest);
        cr_expect_eq(sdrt_bands_excess(sdrt_session_of(c)->bands[SDRT_VAE_DECODER]), 0);
        free(whole.image);
        free(bands.image);
        sdrt_close(&c);
    }
}

/* ---- the encoder ---- */

/* What the encoder has left, when it is done. */
struct moments {
    struct sdrt_context *c;
    struct seen s;
};

static int keep_moments(void *user, enum sdrt_stage stage, int done, int total)
{
    struct moments *m = user;
    const struct sdrt_session *s = sdrt_session_of(m->c);

    if (stage != SDRT_STAGE_ENCODE || done < total) return 0;
    m->s.n = (size_t)s->shape.h * (size_t)s->shape.w * 2 *
             (size_t)sdrt_model_config_of(s->model)->vae.latent_channels;
    m->s.image = malloc(m->s.n * sizeof(float));
    memcpy(m->s.image, sdrt_run_moments(s), m->s.n * sizeof(float));
    return 0;
}

/* A picture with edges, of width x height; the caller frees rgb. */
static struct sdrt_picture picture_of(int width, int height, uint8_t **rgb)
{
    *rgb = malloc((size_t)width * (size_t)height * 3);
    for (int i = 0; i < width * height * 3; i++)
        (*rgb)[i] = (uint8_t)(i / 3 % width * 3 + i / 3 / width * 5 + i % 3 * 60 +
                              (i / 31 % 7) * 9);
    return (struct sdrt_picture){ *rgb, width, height, 3, 0 };
}

static struct seen encode(struct sdrt_context *c, const struct sdrt_picture *init, int bands)
{
    struct sdrt_request r = request_of(init->width, init->height, bands);
    struct moments m = { .c = c };

    r.init = init;
    r.strength = 1.0f;
    r.progress = keep_moments;
    r.progress_user = &m;
    expect_quiet(sdrt_generate(c, &r), "moments");
    cr_assert_not_null(m.s.image);
    return m.s;
}

/* Bands of which the last is a rest, one that is the whole picture, and levels that are halved oddly. */
Test(bands, encode_the_whole_picture)
{
    static const struct {
        const char *model;
        int width, height, bands;
    } cases[] = { { "sd15", 64, 200, 16 },
                  { "sd15", 120, 96, 24 },
                  { "sd15", 40, 64, 1024 },
                  { "sdxl", 50, 94, 16 },
                  { "sd35", 48, 80, 32 } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t *rgb;
        const struct sdrt_picture init = picture_of(cases[i].width, cases[i].height, &rgb);
        struct sdrt_context *c = open_model(path_in(cases[i].model, ""), NULL);
        struct seen whole = encode(c, &init, 0), bands = encode(c, &init, cases[i].bands);
        double most = 0.0, largest = 0.0;
        cr_assert_eq(whole.n, bands.n);
        for (size_t k = 0; k < whole.n; k++) {
            most = fmax(most, fabs((double)whole.image[k] - (double)bands.image[k]));
            largest = fmax(largest, fabs((double)whole.image[k]));
        }
        cr_expect_lt(most, 1e-5 * fmax(largest, 1.0), "%s: off by %g", cases[i].model, most);
        if (getenv("SDRT_TEST_VERBOSE"))
            fprintf(stderr, "%s, encoded: off by %g of %g\n", cases[i].model, most, largest);
        const struct sdrt_bands *b = sdrt_session_of(c)->bands[SDRT_VAE_ENCODER];
        cr_assert_not_null(b);
        cr_expect_eq(sdrt_bands_excess(b), 0);
        free(whole.image);
        free(bands.image);
        free(rgb);
        sdrt_close(&c);
    }
}

/* Where a picture is drawn again in part, it is the whole VAE's image: both sides are in bands. */
Test(bands, redraw_a_part)
{
    enum { W = 72, H = 96 };
    static uint8_t white[W * H];
    uint8_t *rgb;
    const struct sdrt_picture init = picture_of(W, H, &rgb), mask = { white, W, H, 1, 0 };
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r = request_of(W, H, 0);
    static uint8_t whole[W * H * 3];
    int off = 0;

    memset(white, 255, sizeof white / 2);
    r.init = &init;
    r.mask = &mask;
    r.steps = 3;
    r.strength = 0.7f;
    expect_quiet(sdrt_generate(c, &r), "whole");
    memcpy(whole, sdrt_image(c, 0, NULL, NULL), sizeof whole);
    r.vae_bands = 16;
    expect_quiet(sdrt_generate(c, &r), "in bands");
    const uint8_t *bands = sdrt_image(c, 0, NULL, NULL);
    for (int i = 0; i < W * H * 3; i++) {
        const int d = abs(whole[i] - bands[i]);
        cr_assert_leq(d, 1);
        off += d;
    }
    cr_expect_lt(off, W * H * 3 / 100, "%d bytes are off", off);
    sdrt_close(&c);
    free(rgb);
}

/* Allocations between the first and the last band, as more of them run; see count(). */
struct counter {
    enum sdrt_stage stage;
    long calls, first, last;
};

static int count(void *user, enum sdrt_stage stage, int done, int total)
{
    struct counter *k = user;

    if (stage != k->stage) return 0;
    if (!k->calls++) k->first = sdrt_allocations();
    if (done == total) k->last = sdrt_allocations();
    return 0;
}

static long allocations(struct sdrt_context *c, int height, enum sdrt_stage stage)
{
    struct counter k = { .stage = stage };
    struct sdrt_request r = request_of(64, height, 16);
    uint8_t *rgb;
    const struct sdrt_picture init = picture_of(64, height, &rgb);

    r.init = &init;
    r.strength = 1.0f;
    r.progress = count;
    r.progress_user = &k;
    for (int i = 0; i < 2; i++) { /* the second time what is packed once is packed */
        k.calls = 0;
        expect_quiet(sdrt_generate(c, &r), "count");
    }
    free(rgb);
    cr_assert_gt(k.calls, 10);
    return k.last - k.first;
}

/* A pass takes its weights; a band allocates nothing, so that four times as many cost no more. */
Test(bands, allocate_nothing)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    const long encode = allocations(c, 64, SDRT_STAGE_ENCODE);
    const long decode = allocations(c, 64, SDRT_STAGE_DECODE);

    cr_expect_gt(encode, 0, "the counter counts nothing");
    cr_expect_eq(allocations(c, 256, SDRT_STAGE_ENCODE), encode);
    cr_expect_eq(allocations(c, 256, SDRT_STAGE_DECODE), decode);
    sdrt_close(&c);
}

/* ---- memory ---- */

/* SD 1.5's decoder at 2048x2048, which takes 8.6 GB as a whole, and its encoder. */
Test(bands, memory_of_a_band)
{
    static const uint8_t grey[4];
    const struct sdrt_picture init = { grey, 2, 2, 1, 0 };
    struct sdrt_request r = request_of(2048, 2048, SDRT_BAND_ROWS);
    struct sdrt_context *c = NULL;
    struct sdrt_memory memory;
    struct sdrt_options o;

    model_options(&o, NULL);
    o.random_weights = o.plan_only = 1;
    r.init = &init;
    r.strength = 0.5f;
    r.steps = 2;
    expect_quiet(sdrt_open(&c, &o), "random");
    expect_quiet(sdrt_measure(c, &r, &memory), "2048x2048");
    for (int i = 0; i < SDRT_VAE_SIDES; i++) {
        const struct sdrt_bands *b = sdrt_session_of(c)->bands[i];
        cr_assert_not_null(b);
        cr_expect_leq(sdrt_bands_bytes(b), (size_t)600 * 1000 * 1000, "%zu", sdrt_bands_bytes(b));
        cr_expect_eq(sdrt_bands_excess(b), 0);
        if (getenv("SDRT_TEST_VERBOSE"))
            fprintf(stderr, "2048x2048 in bands of %d: %.1f MB, and %.1f MB of file; %.1f TFLOP\n",
                    SDRT_BAND_ROWS, (double)sdrt_bands_bytes(b) * 1e-6,
                    (double)sdrt_bands_spilled_bytes(b) * 1e-6, sdrt_bands_flop(b) * 1e-12);
    }
    sdrt_close(&c);
}

/* A file that is read as it was written, and refuses what it cannot hold or has not got. */
Test(bands, spill)
{
    enum { N = 5000, AT = 12345 };
    static unsigned char bytes[N], back[N];
    struct sdrt_spill *s = NULL;

    for (int i = 0; i < N; i++) bytes[i] = (unsigned char)(i * 7 + i / 256);
    cr_assert_eq(sdrt_spill_create(&s, AT + N, &kept_log), SDRT_OK);
    cr_expect_eq(sdrt_spill_write(s, AT, bytes, N), SDRT_OK);
    cr_expect_eq(sdrt_spill_read(s, AT, back, N), SDRT_OK);
    cr_expect_eq(memcmp(bytes, back, N), 0);
    expect_failure(sdrt_spill_read(s, AT + 1, back, N), SDRT_E_IO, "expected more", "behind it");
    sdrt_spill_free(&s);
    cr_expect_null(s);
    expect_failure(sdrt_spill_create(&s, (size_t)1 << 60, &kept_log), SDRT_E_IO, "TMPDIR", "room");
    cr_expect_null(s);
}

static int ends_in_decoding(void *user, enum sdrt_stage stage, int done, int total)
{
    (void)done;
    (void)total;
    return stage == SDRT_STAGE_DECODE && ++*(int *)user > 3;
}

Test(bands, refusals)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r = request_of(64, 64, 8);
    int told = 0;

    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "16", "narrow");
    r.vae_bands = -1;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "16", "negative");
    r.vae_bands = 17;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "multiple of 8", "odd");
    r.vae_bands = 16;
    r.progress = ends_in_decoding;
    r.progress_user = &told;
    expect_failure(sdrt_generate(c, &r), SDRT_E_CANCELLED, "cancelled", "between passes");
    r.progress = NULL;
    setenv("TMPDIR", temp_path("none"), 1);
    expect_failure(sdrt_generate(c, &r), SDRT_E_IO, "TMPDIR", "no room");
    unsetenv("TMPDIR");
    expect_quiet(sdrt_generate(c, &r), "again");
    sdrt_close(&c);
}
