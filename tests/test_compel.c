/* SPDX-License-Identifier: MIT
 *
 * Prompts by compel's rules: what the text encoders of three tiny families make of them, against compel's own
 * embeddings (tests/oracle/make_compel_golden.py), and what is refused.
 */
#include "model/pipeline/prompts.h"
#include "model/pipeline/read.h"
#include "model/pipeline/run.h"
#include "tests/any_level.h"
#include "tests/golden_images.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(compel, .init = temp_folder_make, .fini = temp_folder_remove);

static const char *data_path(const char *name)
{
    static char path[512];
    const char *root = getenv("SDRT_TESTDATA");

    snprintf(path, sizeof path, "%s/golden/compel/%s", root ? root : "tests", name);
    return path;
}

static struct sdrt_npy *data(const char *name)
{
    struct sdrt_npy *a = NULL;

    cr_assert_eq(sdrt_npy_read(&a, data_path(name), &kept_log), SDRT_OK, "%s", kept_text);
    return a;
}

/* A case on its way to embeddings, and where the golden ones are. */
struct walk {
    struct sdrt_run run;
    struct sdrt_shape shape;
    const json_t *c;
    const float *text, *pooled; /* next golden values */
    int index;
    double worst;
};

static const char *word(const struct walk *w, const char *key)
{
    return json_string_value(json_object_get(w->c, key));
}

static void encode(struct walk *w, struct sdrt_context *context)
{
    struct sdrt_session *s = context->session;
    struct sdrt_request r;

    sdrt_request_init(&r);
    r.prompt = word(w, "prompt");
    r.negative_prompt = word(w, "negative");
    r.prompt_style = "compel";
    r.cfg_scale = 5.0f;
    r.steps = 1;
    r.width = r.height = 64;
    w->run = (struct sdrt_run){ .s = s };
    cr_assert_eq(sdrt_request_read(&w->run.request, &r, s->log), SDRT_OK);
    w->run.request = sdrt_request_resolved(s->model, &w->run.request);
    w->run.r = &w->run.request;
    cr_assert_eq(sdrt_request_check(s->model, w->run.r, &w->shape, NULL, NULL), SDRT_OK, "%s",
                 kept_text);
    cr_assert_eq(sdrt_prompts_read(&w->run.prompts, s->model, w->run.r, &w->shape, s->log), SDRT_OK,
                 "\"%s\": %s", r.prompt, kept_text);
    cr_assert_eq(sdrt_session_plan(s, &w->shape), SDRT_OK, "%s", kept_text);
    cr_assert_eq(sdrt_session_place(s), SDRT_OK);
    s->text_ready = 0;
    cr_assert_eq(sdrt_run_tokenize(&w->run), SDRT_OK);
    for (int i = 0; i < s->n_passes; i++) {
        const struct sdrt_pass *pass = &s->model->passes[i];
        if (pass->run != sdrt_run_text || !s->programs[i]) continue;
        cr_assert_eq(sdrt_session_load(s, i, NULL, NULL), SDRT_OK);
        cr_assert_eq(pass->run(&w->run, pass), SDRT_OK);
    }
    sdrt_prompts_show(&w->run.prompts, s, 0);
}

static void check_close(struct walk *w, float got, float want, const char *what, size_t row)
{
    const double error = fabs((double)got - (double)want) / fmax(1.0, fabs((double)want));

    if (error > w->worst) w->worst = error;
    cr_assert_lt(error, 1e-5, "case %d, \"%s\": %s of row %zu is %.9g, expected %.9g", w->index,
                 word(w, "prompt"), what, row, (double)got, (double)want);
}

/* The embeddings of a lane, 0 being the negative prompt's, and its pooled text. */
static void check_lane(struct walk *w, int lane)
{
    const struct sdrt_session *s = w->run.s;
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const size_t width = (size_t)sdrt_context_width(config);
    const size_t rows = (size_t)sdrt_shape_context_rows(&s->shape, config);
    const float *text = (const float *)sdrt_session_map(s, SDRT_PART_BASE, "text") +
                        (size_t)lane * rows * width;
    size_t end = 0;

    cr_assert_eq((json_int_t)rows, 77 * json_integer_value(json_object_get(w->c, "chunks")),
                 "case %d, \"%s\": %zu rows", w->index, word(w, "prompt"), rows);
    for (size_t r = 0; r < rows; r++, w->text += 2) {
        check_close(w, text[r * width + 7 * r % width], w->text[0], "an embedding", r);
        check_close(w, text[r * width + (7 * r + width / 2) % width], w->text[1], "an embedding",
                    r);
    }
    if (config->n_text < 2) return;
    const size_t n = (size_t)config->text[1].pooled;
    const float *pooled = sdrt_slot_map(&s->slots, sdrt_text_slot(s, 1, "pooled"));
    const int32_t *ids = sdrt_slot_map(&s->slots, sdrt_text_slot(s, 1, "ids"));
    ids += lane * 77;
    while (ids[end] != sdrt_clip_tokenizer_eos(s->model->tokenizers[1])) end++;
    pooled += ((size_t)lane * 77 + end) * n;
    check_close(w, pooled[(size_t)w->index % n], w->pooled[0], "the pooled text", 0);
    check_close(w, pooled[((size_t)w->index + 64) % n], w->pooled[1], "the pooled text", 1);
    w->pooled += 2;
}

/* Golden values that are not compared, where whole runs take too long. */
static void pass_over(struct walk *w)
{
    const size_t rows = (size_t)json_integer_value(json_object_get(w->c, "chunks")) * 77;

    w->text += 4 * rows;
    if (!strcmp(word(w, "family"), "sdxl")) w->pooled += 4;
}

Test(compel, embeddings)
{
    static const char *const families[] = { "sd15", "sd21", "sdxl" };
    json_t *cases = json_load_file(data_path("cases.json"), 0, NULL);
    struct sdrt_npy *text = data("text.npy"), *pooled = data("pooled.npy");
    struct walk w = { .text = text->data, .pooled = pooled->data };
    struct sdrt_context *context[3];

    for (int f = 0; f < 3; f++) context[f] = open_model(path_in(families[f], ""), NULL);
    cr_assert_geq(json_array_size(cases), 190);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        w.c = json_array_get(cases, i);
        w.index = (int)i;
        int f = 0;
        while (strcmp(families[f], word(&w, "family"))) f++;
        if (temulated() && i % 16) {
            pass_over(&w);
            continue;
        }
        encode(&w, context[f]);
        check_lane(&w, 1);
        check_lane(&w, 0);
        sdrt_prompts_clear(&w.run.prompts);
    }
    cr_expect_eq((size_t)(w.text - (const float *)text->data), text->elements);
    cr_expect_eq((size_t)(w.pooled - (const float *)pooled->data), pooled->elements);
    cr_log_info("%zu prompts, worst relative error %.2g", json_array_size(cases), w.worst);
    json_decref(cases);
    sdrt_npy_free(&text);
    sdrt_npy_free(&pooled);
    for (int f = 0; f < 3; f++) sdrt_close(&context[f]);
}

Test(compel, refusals)
{
    json_t *cases = json_load_file(data_path("refused.json"), 0, NULL);
    struct sdrt_options o;
    struct sdrt_request r;

    model_options(&o, path_in("sd15", ""));
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        const char *expected = json_string_value(json_array_get(c, 1));
        sdrt_request_init(&r);
        r.prompt = json_string_value(json_array_get(c, 0));
        r.prompt_style = "compel";
        r.width = r.height = 64;
        expect_refusal(&o, &r,
                       !strcmp(expected, "swap") || !strcmp(expected, "Lora") ? SDRT_E_UNSUPPORTED
                                                                              : SDRT_E_ARG,
                       expected);
    }
    json_decref(cases);
    sdrt_request_init(&r);
    r.prompt = "a cat++";
    r.prompt_style = "compel";
    r.width = r.height = 64;
    model_options(&o, path_in("sd3", ""));
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "compel: has no rules for SD 3.x");
}

static void draw(struct sdrt_context *c, const char *prompt, const char *style, uint8_t *image)
{
    struct sdrt_request r;

    sdrt_request_init(&r);
    r.prompt = prompt;
    r.prompt_style = style;
    r.width = r.height = 64;
    r.steps = 2;
    r.batch = 2;
    r.seed = 5;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s: %s", prompt, kept_text);
    memcpy(image, sdrt_image(c, 1, NULL, NULL), 64 * 64 * 3);
}

/* A prompt without weights is the plain one's image; what one prompt leaves does not show in the next. */
Test(compel, images)
{
    struct sdrt_context *c = open_model(path_in("sdxl", ""), NULL);
    enum { BYTES = 64 * 64 * 3 };
    static uint8_t plain[BYTES], same[BYTES], less[BYTES], again[BYTES];

    draw(c, "a red cat", "plain", plain);
    draw(c, "a red cat", "compel", same);
    cr_expect(!memcmp(plain, same, BYTES), "without weights compel is another image");
    draw(c, "a (red)0.3 cat", "compel", less);
    cr_expect(memcmp(plain, less, BYTES), "a weight below 1 changes nothing");
    draw(c, "a red cat", "compel", same);
    cr_expect(!memcmp(plain, same, BYTES), "a weight shows in the next image");
    draw(c, "a (red)0.3 cat", "compel", again);
    cr_expect(!memcmp(less, again, BYTES), "another image the second time");
    draw(c, "(\"a red cat\", \"\").and(1, 0)", "compel", again);
    cr_expect(memcmp(plain, again, BYTES), ".and() changes nothing");
    sdrt_close(&c);
}

/* Names of vectors stand for them in any weight. */
Test(compel, textual_inversions)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    static uint8_t images[3][64 * 64 * 3];
    static const char *const prompts[3] = { "a (alpha)1.2 cat", "a (embedding:alpha)1.2 cat",
                                            "a (alphas)1.2 cat" };
    char folder[512];

    snprintf(folder, sizeof folder, "%s", data_path("../prompts/sd15"));
    for (int i = 0; i < 3; i++) {
        struct sdrt_request r;
        sdrt_request_init(&r);
        r.prompt = prompts[i];
        r.prompt_style = "compel";
        r.embeddings = folder;
        r.width = r.height = 64;
        r.steps = 1;
        cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s: %s", prompts[i], kept_text);
        memcpy(images[i], sdrt_image(c, 0, NULL, NULL), sizeof images[i]);
    }
    cr_expect(!memcmp(images[0], images[1], sizeof images[0]));
    cr_expect(memcmp(images[0], images[2], sizeof images[0]));
    sdrt_close(&c);
}
