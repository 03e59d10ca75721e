/* SPDX-License-Identifier: MIT
 *
 * LoRAs through the public interface: images of the tiny model.
 */
#include "model/sdrt.h"
#include "runtime/files/npy.h"
#include "tests/lora_files.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 64, BYTES = SIDE * SIDE * 3 };

static char paths[8][512];

static const char *data_path(const char *name)
{
    static int next;
    const char *root = getenv("SDRT_TESTDATA");
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/golden/%s", root ? root : "tests", name);
    return path;
}

static struct sdrt_context *context;

static void set_up(void)
{
    struct sdrt_options o;

    temp_folder_make();
    sdrt_options_init(&o);
    o.model = data_path("tiny-sd15");
    o.threads = 2;
    o.precision = "f32";
    o.log = &kept_log;
    cr_assert_eq(sdrt_open(&context, &o), SDRT_OK, "%s", kept_text);
}

static void tear_down(void)
{
    sdrt_close(&context);
    temp_folder_remove();
}

TestSuite(lora_images, .init = set_up, .fini = tear_down);

static void plain_request(struct sdrt_request *r)
{
    sdrt_request_init(r);
    r->prompt = "a photo of a small red cat, 42 stars";
    r->negative_prompt = "blurry, bad hands";
    r->width = r->height = SIDE;
    r->steps = 5;
    r->sampler = "ddim";
    r->seed = 7;
}

static const uint8_t *draw(const struct sdrt_request *r)
{
    int width, height;

    cr_assert_eq(sdrt_generate(context, r), SDRT_OK, "%s", kept_text);
    return sdrt_image(context, 0, &width, &height);
}

Test(lora_images, equals_diffusers_with_the_merged_weights)
{
    const struct sdrt_lora lora = { data_path("lora/loha.safetensors"), 1.0f };
    struct sdrt_npy *want = NULL;
    struct sdrt_request r;
    double error = 0.0;

    plain_request(&r);
    draw(&r); /* what it leaves behind, the text above all, is of the model alone */
    r.loras = &lora;
    r.n_loras = 1;
    const uint8_t *image = draw(&r);
    cr_assert_eq(sdrt_npy_read(&want, data_path("lora/loha.image.npy"), &kept_log), SDRT_OK);
    cr_assert_eq(want->elements, BYTES);
    for (size_t i = 0; i < BYTES; i++) {
        const double d = image[i] / 255.0 - (double)((const float *)want->data)[i];
        error += d * d / BYTES;
    }
    sdrt_npy_free(&want);
    /* Eight bits alone cost 59 dB; merged weights are stored as f16, as the model's are. */
    cr_expect_gt(-10.0 * log10(error), 50.0, "%.1f dB", -10.0 * log10(error));
}

Test(lora_images, scale_zero_and_removal_give_the_plain_image)
{
    struct sdrt_lora lora = { data_path("lora/loha.safetensors"), 0.0f };
    uint8_t plain[BYTES];
    struct sdrt_request r;

    plain_request(&r);
    memcpy(plain, draw(&r), BYTES);
    r.loras = &lora;
    r.n_loras = 1;
    cr_expect_eq(memcmp(plain, draw(&r), BYTES), 0, "scale 0");
    lora.scale = 0.7f;
    cr_expect_neq(memcmp(plain, draw(&r), BYTES), 0, "scale 0.7");
    lora.scale = 0.0f;
    cr_expect_eq(memcmp(plain, draw(&r), BYTES), 0, "back to scale 0");
    r.n_loras = 0;
    cr_expect_eq(memcmp(plain, draw(&r), BYTES), 0, "removed");
}

Test(lora_images, a_prompt_may_name_them)
{
    const struct sdrt_lora both[] = { { data_path("lora/loha.safetensors"), 0.5f },
                                      { data_path("lora/kohya-lora.safetensors"), 1.0f } };
    uint8_t want[BYTES];
    struct sdrt_request r;

    plain_request(&r);
    r.loras = both;
    r.n_loras = 2;
    memcpy(want, draw(&r), BYTES);
    plain_request(&r);
    r.lora_dir = data_path("lora");
    r.prompt = "a photo of a small red cat, 42 stars <lora:loha:0.5> <lora:kohya-lora>";
    cr_expect_eq(memcmp(want, draw(&r), BYTES), 0);
}

/* What kohya-lora changes, file by file: the text encoder, input block 1, the middle. */
static void only_text(const char *name, char out[LORA_NAME])
{
    if (strncmp(name, "lora_te_", 8) != 0) out[0] = '\0';
}

static void only_input(const char *name, char out[LORA_NAME])
{
    if (!strstr(name, "_down_blocks_0_")) out[0] = '\0';
}

static void only_middle(const char *name, char out[LORA_NAME])
{
    if (!strstr(name, "_mid_block_")) out[0] = '\0';
}

Test(lora_images, a_prompt_may_weigh_parts_and_blocks)
{
    static const struct {
        const char *prompt;
        float text, input, middle;
    } cases[] = {
        { "a photo of a small red cat, 42 stars <lora:kohya-lora:0.75:0.5>", 0.75f, 0.5f, 0.5f },
        { "a photo of a small red cat, 42 stars <lora:KOHYA-lora:unet=0>", 1.0f, 0.0f, 0.0f },
        { "a photo of a small red cat, 42 stars "
          "<lora:kohya-lora:0.5:1:lbw=0.5,0.25,0,0,0,0,0,2,0,0,0,0,0,0,0,0,0>",
          0.25f, 0.25f, 2.0f },
    };
    const char *from = data_path("lora/kohya-lora.safetensors");
    struct sdrt_lora parts[] = {
        { lora_copy(from, "text.safetensors", only_text, NULL, 0), 0.0f },
        { lora_copy(from, "input.safetensors", only_input, NULL, 0), 0.0f },
        { lora_copy(from, "middle.safetensors", only_middle, NULL, 0), 0.0f },
    };
    uint8_t want[BYTES];
    struct sdrt_request r;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plain_request(&r);
        parts[0].scale = cases[i].text;
        parts[1].scale = cases[i].input;
        parts[2].scale = cases[i].middle;
        r.loras = parts;
        r.n_loras = 3;
        memcpy(want, draw(&r), BYTES);
        plain_request(&r);
        r.lora_dir = data_path("lora");
        r.prompt = cases[i].prompt;
        cr_expect_eq(memcmp(want, draw(&r), BYTES), 0, "%s", cases[i].prompt);
    }
}

/* The negative prompt's text is what is left without its tags. */
Test(lora_images, a_negative_prompt_has_none)
{
    uint8_t plain[BYTES];
    struct sdrt_request r;

    plain_request(&r);
    memcpy(plain, draw(&r), BYTES);
    r.negative_prompt = "blurry, bad hands <lora:loha:0.5>";
    cr_expect_eq(memcmp(plain, draw(&r), BYTES), 0);
    cr_expect(strstr(kept_text, "negative prompt: <lora:loha:0.5>"), "%s", kept_text);
}

Test(lora_images, bad_ones_are_refused_and_leave_the_model_as_it_was)
{
    static const struct {
        const char *prompt;
        int dir, status;
        const char *word;
    } cases[] = {
        { "a <lora:loha>", 0, SDRT_E_ARG, "no folder" },
        { "a <lora:loha:much>", 1, SDRT_E_ARG, "expected a number" },
        { "a <lora:loha:1:2:3>", 1, SDRT_E_ARG, "12, 17, 20 or 26 numbers" },
        { "a <lora:../lora/loha>", 1, SDRT_E_ARG, "expected the name of a file" },
        { "a <lora:>", 1, SDRT_E_ARG, "expected the name of a file" },
        { "a <lora:nobody>", 1, SDRT_E_MISSING, "no LoRA 'nobody'" },
        { "a <lora:loha.merged>", 1, SDRT_E_UNSUPPORTED, "no module" },
    };
    uint8_t plain[BYTES];
    struct sdrt_request r;

    plain_request(&r);
    memcpy(plain, draw(&r), BYTES);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        r.prompt = cases[i].prompt;
        r.lora_dir = cases[i].dir ? data_path("lora") : NULL;
        expect_failure(sdrt_generate(context, &r), cases[i].status, cases[i].word, cases[i].prompt);
    }
    plain_request(&r);
    cr_expect_eq(memcmp(plain, draw(&r), BYTES), 0);
}

/* Also where the model has the file on it already, with a scale that is neither more nor less. */
Test(lora_images, a_scale_that_is_no_number_is_refused)
{
    struct sdrt_lora lora = { data_path("lora/loha.safetensors"), 0.5f };
    struct sdrt_request r;

    plain_request(&r);
    r.loras = &lora;
    r.n_loras = 1;
    draw(&r);
    lora.scale = NAN;
    expect_failure(sdrt_generate(context, &r), SDRT_E_ARG, "finite", "NaN");
    lora.scale = INFINITY;
    expect_failure(sdrt_generate(context, &r), SDRT_E_ARG, "finite", "infinity");
}
