/* SPDX-License-Identifier: MIT
 *
 * SDXL with its refiner, tiny and of random weights, against diffusers' ensemble of both in
 * float32.  tests/oracle/make_refined.py drew the images.
 */
#include "runtime/graph/program_internal.h"
#include "tests/golden_images.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

/* make_refined.py has the same. */
static const struct picture pictures[] = {
    { "sdxl", "refined-euler", .sampler = "euler", .steps = 5, .cfg = 5.0f, .refiner_start = 0.6 },
    { "sdxl", "refined-dpmpp_2m", "blurry, bad hands", "dpmpp_2m", .steps = 6, .cfg = 4.0f,
      .refiner_start = 0.5 },
    { "sdxl", "refined-ddim", "blurry, bad hands", "ddim", "trailing", .steps = 4, .cfg = 1.0f,
      .refiner_start = 0.7 },
};
enum { PICTURES = sizeof pictures / sizeof *pictures };

static struct sdrt_context *open_both(void)
{
    return open_refined(path_in("sdxl", ""), path_in("sdxl-refiner", ""), NULL);
}

/* All programs but the decoder ask for their weights again before they run. */
static void expect_unpacked(const struct sdrt_session *s)
{
    for (int k = 0; k < s->n_passes; k++)
        if (s->programs[k] && s->model->passes[k].when != SDRT_ONCE_AN_IMAGE)
            cr_expect_not(s->programs[k]->loaded, "%s is still packed", s->model->passes[k].name);
}

/* The second image as good as the first: what either denoiser leaves behind in memory may not
 * show in the other's. */
Test(refiner, images)
{
    struct sdrt_context *c = open_both();

    for (int i = 0; i < 2 * PICTURES; i++) {
        expect_pictures(c, "sdxl", &pictures[i / 2], 1, 70.0);
        expect_unpacked(c->session);
    }
    sdrt_close(&c);
}

/* The latent at the seam, which an image could hide. */
static int judge_seam(void *user, const char *name, const int dims[4], const float *data)
{
    (void)dims;
    if (strcmp(name, "latent-unrefined")) return 0;
    judge("sdxl", "best", "image-refined-euler/seam", data, 5e-5);
    ++*(int *)user;
    return 0;
}

Test(refiner, the_refiner_is_given_the_bases_latent)
{
    struct sdrt_context *c = open_both();
    struct sdrt_request r;
    int seen = 0;

    picture_request(&r, &pictures[0]);
    r.dump = judge_seam;
    r.user = &seen;
    picture_draw(c, &r);
    cr_expect_eq(seen, 1);
    sdrt_close(&c);
}

/* Who draws how many of the steps, which begin at 801 601 401 201 1 with the leading spacing, and
 * at 999 799 599 399 199 with the trailing one. */
Test(refiner, steps_of_base_and_refiner)
{
    static const struct {
        const char *sampler, *spacing;
        double start;
        int base, refiner;
    } cases[] = {
        { "euler", NULL, 0.8, 4, 1 },       { "euler", NULL, 0.799, 4, 1 },
        { "euler", NULL, 0.798, 3, 2 },     { "euler", "trailing", 0.8, 4, 1 },
        { "ddim", NULL, 0.6, 3, 2 },        { "euler_a", NULL, 0.5, 2, 3 },
        { "euler", "trailing", 0.001, 1, 4 }, { "euler", NULL, 0.9985, 4, 1 },
        { "heun", NULL, 0.6, 6, 3 },        { "heun", NULL, 0.8, 8, 1 },
    };
    struct sdrt_context *c = open_both();
    struct sdrt_memory memory;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct picture p = { .sampler = cases[i].sampler, .spacing = cases[i].spacing,
                                   .steps = 5, .cfg = 2.0f, .refiner_start = cases[i].start };
        struct sdrt_request r;
        picture_request(&r, &p);
        cr_assert_eq(sdrt_measure(c, &r, &memory), SDRT_OK, "%s", kept_text);
        const int *evaluations = c->session->shape.evaluations;
        cr_expect_eq(evaluations[SDRT_PART_BASE], cases[i].base, "%s %g: base %d", p.sampler,
                     p.refiner_start, evaluations[SDRT_PART_BASE]);
        cr_expect_eq(evaluations[SDRT_PART_REFINER], cases[i].refiner, "%s %g: refiner %d",
                     p.sampler, p.refiner_start, evaluations[SDRT_PART_REFINER]);
    }
    sdrt_close(&c);
}

/* Bytes of a denoiser while its steps run. */
static size_t step_weights(const struct sdrt_context *c, enum sdrt_part_id part)
{
    const struct sdrt_session *s = c->session;
    size_t bytes = sdrt_weight_store_bytes(c->model->parts[part].store, "unet.");

    for (int i = 0; i < s->n_passes; i++)
        if (s->programs[i] && c->model->passes[i].part == part && c->model->passes[i].when <= SDRT_ONCE_A_SCHEDULE &&
            strncmp(c->model->passes[i].name, "text", 4))
            bytes -= sdrt_program_weight_bytes(s->programs[i]);
    return bytes;
}

/* Never both denoisers at once. */
Test(refiner, memory_with_a_refiner)
{
    struct sdrt_context *base = open_model(path_in("sdxl", ""), NULL);
    struct sdrt_context *both = open_both();
    struct sdrt_memory m, m2;
    struct sdrt_request r;

    picture_request(&r, &pictures[0]);
    cr_assert_eq(sdrt_measure(base, &r, &m), SDRT_OK, "%s", kept_text);
    cr_assert_eq(sdrt_measure(both, &r, &m2), SDRT_OK, "%s", kept_text);
    const size_t unet = step_weights(both, SDRT_PART_BASE);
    const size_t refiner = step_weights(both, SDRT_PART_REFINER);
    const struct sdrt_model_part *parts = both->model->parts;
    cr_expect_eq(m.weights_bytes,
                 unet + sdrt_weight_store_bytes(parts[SDRT_PART_BASE].store, "vae."));
    cr_expect_eq(m2.weights_bytes, unet > refiner ? unet : refiner,
                 "the decoder waits until both are gone");
    cr_expect_eq(sdrt_weight_store_bytes(parts[SDRT_PART_REFINER].store, ""),
                 sdrt_weight_store_bytes(parts[SDRT_PART_REFINER].store, "unet."));
    sdrt_close(&base);
    sdrt_close(&both);
}

Test(refiner, bad_refiners_are_named)
{
    static const struct {
        const char *model, *refiner, *text;
        double start;
        int status;
    } cases[] = {
        { "sdxl", "sdxl", "expected the SDXL refiner", 0.8, SDRT_E_UNSUPPORTED },
        { "sd21", "sdxl-refiner", "expected an SDXL model", 0.8, SDRT_E_UNSUPPORTED },
        { "sdxl-refiner", "sdxl-refiner", "expected an SDXL model", 0.8, SDRT_E_UNSUPPORTED },
        { "sdxl", "absent", "absent", 0.8, SDRT_E_MISSING },
        { "sdxl", "sdxl-refiner", "expected a number between 0 and 1", 0.0, SDRT_E_ARG },
        { "sdxl", "sdxl-refiner", "expected a number between 0 and 1", 1.0, SDRT_E_ARG },
        { "sdxl", "sdxl-refiner", "expected a number between 0 and 1", -0.5, SDRT_E_ARG },
        { "sdxl", "sdxl-refiner", "expected a number between 0 and 1", NAN, SDRT_E_ARG },
        { "sdxl", "sdxl-refiner", "none of 5 steps is left for the model", 0.1, SDRT_E_ARG },
        { "sdxl", "sdxl-refiner", "none of 5 steps is left for the refiner", 0.9999, SDRT_E_ARG },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sdrt_options o;
        struct sdrt_request r;
        model_options(&o, path_in(cases[i].model, ""));
        o.refiner = path_in(cases[i].refiner, "");
        picture_request(&r, &pictures[0]);
        r.refiner_start = cases[i].start;
        expect_refusal(&o, &r, cases[i].status, cases[i].text);
    }
}
