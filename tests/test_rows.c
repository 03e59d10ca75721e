/* SPDX-License-Identifier: MIT
 *
 * Images that ranks draw together, which are threads here: of rows as one rank's to rounding, of guidance to the
 * bit.
 */
#include "model/pipeline/share.h"
#include "tests/any_level.h"
#include "tests/golden_models.h"
#include "tests/ranks_threads.h"

#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 64 * 1024 };

/* What a drawing leaves: the latent and the image, in f32. */
struct drawn {
    float latent[KEPT], image[KEPT];
    size_t n_latent, n_image;
    uint64_t bytes, exchanges;
    char told[256];
    int status;
};

struct drawing {
    const char *family;
    int width, height, steps, batch;
    float cfg;
    enum sdrt_sharing how;
    int alone; /* one rank, which shares nothing */
    double cfg_end;
    const char *path, *isa;
    struct drawn *of[THREAD_RANKS_MOST];
};

static void take(float *to, size_t *n, const int dims[4], const float *data)
{
    *n = (size_t)dims[0] * (size_t)dims[1] * (size_t)dims[2] * (size_t)dims[3];
    cr_assert_leq(*n, KEPT);
    memcpy(to, data, *n * sizeof *to);
}

static int keep(void *user, const char *name, const int dims[4], const float *data)
{
    struct drawn *d = user;

    if (!strcmp(name, "latent")) take(d->latent, &d->n_latent, dims, data);
    if (!strcmp(name, "image") || !strcmp(name, "image0/image"))
        take(d->image, &d->n_image, dims, data);
    return 0;
}

static void hear(void *user, enum sdrt_log_level level, const char *text)
{
    struct drawn *d = user;

    if (level == SDRT_LOG_ERROR) snprintf(d->told, sizeof d->told, "%s", text);
}

static void draw(struct sdrt_ranks *r, void *arg)
{
    const struct drawing *w = arg;
    struct drawn *d = w->of[r->rank];
    struct sdrt_log log = { hear, d };
    struct sdrt_context *c = NULL;
    struct sdrt_options options;
    struct sdrt_request request;

    sdrt_options_init(&options);
    options.model = w->path;
    options.threads = 1;
    options.no_pin = 1;
    options.precision = "f32";
    options.isa = w->isa;
    options.log = &log;
    sdrt_request_init(&request);
    request.prompt = "a cat on a mat";
    request.width = w->width;
    request.height = w->height;
    request.steps = w->steps;
    request.batch = w->batch;
    request.cfg_scale = w->cfg;
    request.seed = 7;
    request.dump = keep;
    request.user = d;
    if (w->cfg_end > 0.0) request.cfg_end = (float)w->cfg_end;
    d->status = sdrt_open(&c, &options);
    if (!d->status && !w->alone) d->status = sdrt_session_share(sdrt_session_of(c), r, w->how);
    if (!d->status) d->status = sdrt_generate(c, &request);
    sdrt_close(&c);
    d->bytes = r->bytes_in;
    d->exchanges = r->exchanges;
}

/* One rank alone into of[0] of one, and so many into of[..] of many. */
static void draw_both(const struct drawing *w, int ranks, struct drawing *one, struct drawing *many)
{
    static struct drawn room[THREAD_RANKS_MOST + 1];
    memset(room, 0, sizeof room);
    *one = *many = *w;
    one->path = many->path = path_in(w->family, "");
    one->alone = 1;
    one->of[0] = &room[0];
    for (int i = 0; i < ranks; i++) many->of[i] = &room[1 + i];
    thread_ranks_run(1, 60.0, draw, one);
    thread_ranks_run(ranks, 60.0, draw, many);
    cr_assert_eq(one->of[0]->status, SDRT_OK, "%s", one->of[0]->told);
    for (int i = 0; i < ranks; i++)
        cr_assert_eq(many->of[i]->status, SDRT_OK, "rank %d: %s", i, many->of[i]->told);
}

/* The largest difference, as a part of the largest value. */
static double farthest(const float *a, const float *b, size_t n)
{
    double most = 0.0, largest = 0.0;

    for (size_t i = 0; i < n; i++) {
        if (!(fabs((double)a[i] - (double)b[i]) <= most)) most = fabs((double)a[i] - (double)b[i]);
        if (fabs((double)b[i]) > largest) largest = fabs((double)b[i]);
    }
    return most / largest;
}

static void check_level(const struct drawing *w, int ranks, const char *isa, double limit)
{
    struct drawing one, many, level = *w;

    level.isa = isa;
    w = &level;

    draw_both(w, ranks, &one, &many);
    const struct drawn *a = one.of[0];
    for (int i = 0; i < ranks; i++) {
        const struct drawn *b = many.of[i];
        cr_assert_eq(a->n_image, b->n_image);
        const double latent = relative(b->latent, a->latent, a->n_latent);
        const double image = relative(b->image, a->image, a->n_image);
        if (i == 0)
            printf(
                "%s %dx%d, %s, %d ranks: latent %.2g (worst %.2g), image %.2g (%.2g); %llu bytes in %llu "
                "exchanges\n",
                w->family, w->width, w->height, isa ? isa : "best level", ranks, latent,
                farthest(b->latent, a->latent, a->n_latent), image,
                farthest(b->image, a->image, a->n_image), (unsigned long long)b->bytes,
                (unsigned long long)b->exchanges);
        cr_expect_leq(latent, limit, "%s, %d ranks: latent %g", w->family, ranks, latent);
        cr_expect_leq(image, limit, "%s, %d ranks: image %g", w->family, ranks, image);
        /* And all have the same, to the bit. */
        cr_expect_eq(memcmp(b->image, many.of[0]->image, b->n_image * sizeof(float)), 0);
    }
}

/* Bands differ by the order of the norms' sums: of 256 pixels in f32 about a band's first one, at the best levels.
 * Winograd's convolutions, by which these compute, and guidance make that larger: of 64x512, where the tiles are the
 * same at all levels, 1.7e-5, and nothing once the sums are in f64 on both sides; 5.9e-6 with direct convolutions.
 * Where a band begins within a tile of a deep level, as at 64x128, that adds 7e-6. */
static void check_rows(const struct drawing *w, int ranks)
{
    /* Under emulation plain C takes minutes more, and x86 runs it too. */
    if (!temulated()) check_level(w, ranks, "generic", 1e-5);
    check_level(w, ranks, NULL, 1e-4);
}

Test(rows, sd15)
{
    check_rows(&(struct drawing){ .family = "sd15",
                                  .width = 64,
                                  .height = 128,
                                  .steps = 2,
                                  .batch = 1,
                                  .cfg = 7.5f,
                                  .how = SDRT_SHARE_ROWS },
               2);
    check_rows(&(struct drawing){ .family = "sd15",
                                  .width = 64,
                                  .height = 192,
                                  .steps = 2,
                                  .batch = 2,
                                  .cfg = 7.5f,
                                  .how = SDRT_SHARE_ROWS },
               3);
}

Test(rows, sd15_without_guidance)
{
    check_rows(&(struct drawing){ .family = "sd15",
                                  .width = 64,
                                  .height = 128,
                                  .steps = 2,
                                  .batch = 1,
                                  .cfg = 1.0f,
                                  .how = SDRT_SHARE_ROWS },
               2);
}

/* Evaluations of a pair, and of the conditional half alone. */
Test(rows, guidance_that_ends)
{
    check_rows(&(struct drawing){ .family = "sd15",
                                  .width = 64,
                                  .height = 128,
                                  .steps = 4,
                                  .batch = 2,
                                  .cfg = 7.5f,
                                  .how = SDRT_SHARE_ROWS,
                                  .cfg_end = 0.5 },
               2);
}

Test(rows, sdxl)
{
    const struct drawing d = { .family = "sdxl",
                               .width = 64,
                               .height = 128,
                               .steps = 2,
                               .batch = 1,
                               .cfg = 5.0f,
                               .how = SDRT_SHARE_ROWS };

    check_rows(&d, 2);
    check_rows(&d, 4);
}

/* Bands of unlike heights: 24 rows of patches for 5 ranks. */
Test(rows, sd35)
{
    struct drawing d = { .family = "sd35",
                         .width = 64,
                         .height = 96,
                         .steps = 2,
                         .batch = 1,
                         .cfg = 5.0f,
                         .how = SDRT_SHARE_ROWS };

    check_rows(&d, 2);
    d.batch = 2;
    check_rows(&d, 5);
}

static void check_guidance(const struct drawing *w)
{
    struct drawing one, many;

    draw_both(w, 2, &one, &many);
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(memcmp(many.of[i]->image, one.of[0]->image,
                            one.of[0]->n_image * sizeof(float)),
                     0, "%s", w->family);
        /* A latent an evaluation and no more. */
        const size_t latent = one.of[0]->n_latent * sizeof(float);
        if (w->cfg_end == 0.0) cr_expect_eq(many.of[i]->bytes, latent * (size_t)w->steps);
    }
}

Test(guidance, to_the_bit)
{
    check_guidance(&(struct drawing){ .family = "sd15",
                                      .width = 64,
                                      .height = 64,
                                      .steps = 3,
                                      .batch = 2,
                                      .cfg = 7.5f,
                                      .how = SDRT_SHARE_GUIDANCE });
    check_guidance(&(struct drawing){ .family = "sdxl",
                                      .width = 64,
                                      .height = 64,
                                      .steps = 3,
                                      .batch = 1,
                                      .cfg = 5.0f,
                                      .how = SDRT_SHARE_GUIDANCE });
    check_guidance(&(struct drawing){ .family = "sd35",
                                      .width = 64,
                                      .height = 64,
                                      .steps = 3,
                                      .batch = 1,
                                      .cfg = 5.0f,
                                      .how = SDRT_SHARE_GUIDANCE });
    check_guidance(&(struct drawing){ .family = "sd15",
                                      .width = 64,
                                      .height = 64,
                                      .steps = 4,
                                      .batch = 1,
                                      .cfg = 7.5f,
                                      .how = SDRT_SHARE_GUIDANCE,
                                      .cfg_end = 0.5 });
}
