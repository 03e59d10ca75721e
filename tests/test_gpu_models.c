/* SPDX-License-Identifier: MIT
 *
 * Whole tiny models on a GPU's kernels, in the execution model that stands in for its driver: images are
 * the processor's in f32 within bf16's limits, and recordings and streamed weights change no bit.  With
 * SDRT_CUDA_FULL=1, diffusers' own images too; with SDRT_TEST_GPU, all on the GPU that is there.
 */
#include "tests/golden_images.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void set_up(void)
{
    temp_folder_make();
    if (!getenv("SDRT_TEST_GPU")) setenv("SDRT_CUDA_LIBRARY", SDRT_CUDA_SHIM, 1);
}

TestSuite(gpu_models, .init = set_up, .fini = temp_folder_remove);

static struct sdrt_context *open_on(const char *family, const char *refiner, const char *device,
                                    size_t limit)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options o;

    model_options(&o, path_in(family, ""));
    o.refiner = refiner ? path_in(refiner, "") : NULL;
    o.device = device;
    o.precision = device ? NULL : "f32";
    o.device_memory = limit;
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    return c;
}

/* The least that the execution model takes some seconds for. */
static struct sdrt_request small(int steps)
{
    const struct picture p = { .sampler = NULL,
                               .steps = steps,
                               .width = 32,
                               .height = 32,
                               .cfg = 1.0f };
    struct sdrt_request r;

    picture_request(&r, &p);
    return r;
}

/* dB between two images of a request's size. */
static double distance(const uint8_t *a, const uint8_t *b, const struct sdrt_request *r)
{
    const size_t n = (size_t)r->width * (size_t)r->height * 3;
    double error = 0.0;

    for (size_t i = 0; i < n; i++) {
        const double d = (a[i] - b[i]) / 255.0;
        error += d * d / (double)n;
    }
    return -10.0 * log10(error + 1e-12);
}

static void check_family(const char *family, const char *refiner, int steps)
{
    struct sdrt_context *cpu = open_on(family, refiner, NULL, 0);
    struct sdrt_context *gpu = open_on(family, refiner, "cuda", 0);
    struct sdrt_request r = small(steps);
    /* diffusers' own bf16 is about 40 dB from its f32. */
    const double least = strcmp(gpu->session->model->precision, "f16") ? 30.0 : 50.0;

    if (refiner) r.refiner_start = 0.5;
    const double db = distance(picture_draw(gpu, &r), picture_draw(cpu, &r), &r);
    cr_expect_gt(db, least, "%s: the GPU's image is %.1f dB from the processor's", family, db);
    if (getenv("SDRT_TEST_VERBOSE")) fprintf(stderr, "%s: %.1f dB\n", family, db);
    sdrt_close(&cpu);
    sdrt_close(&gpu);
}

Test(gpu_models, sd15) { check_family("sd15", NULL, 1); }
Test(gpu_models, sd21) { check_family("sd21", NULL, 1); }
Test(gpu_models, sdxl) { check_family("sdxl", NULL, 1); }
Test(gpu_models, refined) { check_family("sdxl", "sdxl-refiner", 2); }
Test(gpu_models, sd3) { check_family("sd3", NULL, 1); }
Test(gpu_models, sd35) { check_family("sd35", NULL, 1); }

/* On a GPU of compute capability 7.5, in f16. */
static void on_75(const char *family, const char *refiner, int steps)
{
    if (!getenv("SDRT_TEST_GPU")) setenv("SDRT_CUDA_LIBRARY", SDRT_CUDA_SHIM75, 1);
    check_family(family, refiner, steps);
}

Test(gpu_models, sd15_on_75) { on_75("sd15", NULL, 1); }
Test(gpu_models, sdxl_on_75) { on_75("sdxl", NULL, 1); }
Test(gpu_models, sd35_on_75) { on_75("sd35", NULL, 1); }

/* A LoRA whose scale leads beyond f16, which f32 bears. */
Test(gpu_models, overflow_is_told_on_75)
{
    char path[512];
    struct sdrt_request r = small(1);
    const struct sdrt_lora lora = { path, 1e5f };

    if (!getenv("SDRT_TEST_GPU")) setenv("SDRT_CUDA_LIBRARY", SDRT_CUDA_SHIM75, 1);
    snprintf(path, sizeof path, "%s", path_in("sd15", "../lora/loha.safetensors"));
    r.loras = &lora;
    r.n_loras = 1;
    struct sdrt_context *gpu = open_on("sd15", NULL, "cuda", 0);
    expect_failure(sdrt_generate(gpu, &r), SDRT_E_NUMERIC, "have values beyond f16", "f16");
    sdrt_close(&gpu);
    struct sdrt_context *cpu = open_on("sd15", NULL, NULL, 0);
    cr_expect_eq(sdrt_generate(cpu, &r), SDRT_OK, "%s", kept_text);
    sdrt_close(&cpu);
}

/* ---- what changes no bit ---- */

static int count(void *user, const char *name, const int dims[4], const float *data)
{
    (void)name;
    (void)dims;
    *(long *)user += isfinite(data[0]) ? 1 : 0;
    return 0;
}

/* Three evaluations: one by one, captured, replayed; beside them each step traced, and with weights that
 * come for each use. */
Test(gpu_models, recordings_and_streams)
{
    struct sdrt_context *gpu = open_on("sd15", NULL, "cuda", 0), *limited;
    struct sdrt_request r = small(3);
    const size_t bytes = (size_t)r.width * (size_t)r.height * 3;
    uint8_t *image = malloc(bytes);
    struct sdrt_memory m;
    long tensors = 0;

    cr_assert_not_null(image);
    cr_assert_eq(sdrt_measure(gpu, &r, &m), SDRT_OK);
    memcpy(image, picture_draw(gpu, &r), bytes);
    r.dump = count;
    r.dump_user = &tensors;
    cr_expect_eq(memcmp(picture_draw(gpu, &r), image, bytes), 0, "traced");
    cr_expect_gt(tensors, 300);
    sdrt_close(&gpu);
    r.dump = NULL;
    limited = open_on("sd15", NULL, "cuda", (m.weights_bytes + m.arena_bytes) * 9 / 10);
    cr_expect_eq(memcmp(picture_draw(limited, &r), image, bytes), 0, "streamed");
    cr_expect_gt(sdrt_session_streamed_bytes(limited->session), 0u);
    sdrt_close(&limited);
    free(image);
}

static int stop(void *user, enum sdrt_stage stage, int done, int total)
{
    (void)total;
    if (stage == SDRT_STAGE_DENOISE && done == 1) sdrt_cancel(user);
    return 0;
}

Test(gpu_models, cancelled)
{
    struct sdrt_context *gpu = open_on("sd15", NULL, "cuda", 0);
    struct sdrt_request r = small(3);

    r.progress = stop;
    r.progress_user = gpu;
    expect_failure(sdrt_generate(gpu, &r), SDRT_E_CANCELLED, "cancelled", "cancelled");
    sdrt_close(&gpu);
}

/* ---- diffusers' images ---- */

/* make_tiny.py and make_families.py have the same. */
static const struct picture pictures[] = {
    { "sd21", "euler", .sampler = "euler", .steps = 4, .cfg = 5.0f },
    { "sdxl", "euler", .sampler = "euler", .steps = 4, .cfg = 5.0f },
    { "sdxl", "turbo", .sampler = "euler", .spacing = "trailing", .steps = 2, .clip_skip = 3,
      .cfg = 1.0f },
};

Test(gpu_models, golden)
{
    static const char *const families[] = { "sd21", "sdxl" };
    const char *asked = getenv("SDRT_CUDA_FULL");

    /* Long, so not where a share is asked for. */
    if (!asked || strcmp(asked, "1") != 0) return;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        struct sdrt_context *c = open_on(families[f], NULL, "cuda", 0);
        expect_pictures(c, families[f], pictures, sizeof pictures / sizeof *pictures, 30.0);
        sdrt_close(&c);
    }
}
