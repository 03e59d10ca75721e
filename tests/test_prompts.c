/* SPDX-License-Identifier: MIT
 *
 * Prompts with weights, parts and schedules: their tokens and embeddings, and whole images, against
 * tests/oracle/a1111_prompts.py on the tiny SDXL (make_prompts_golden.py).
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

TestSuite(prompts, .init = temp_folder_make, .fini = temp_folder_remove);

static const char *data_path(const char *name)
{
    static char path[512];
    const char *root = getenv("SDRT_TESTDATA");

    snprintf(path, sizeof path, "%s/golden/prompts/%s", root ? root : "tests", name);
    return path;
}

static struct sdrt_npy *data(const char *name)
{
    struct sdrt_npy *a = NULL;

    cr_assert_eq(sdrt_npy_read(&a, data_path(name), &kept_log), SDRT_OK, "%s", kept_text);
    return a;
}

/* ---- one case ---- */

/* A request on its way to embeddings, and where the golden ones are. */
struct walk {
    struct sdrt_run run;
    struct sdrt_shape shape;
    const json_t *c;
    const char *prompt;
    const float *text, *pooled; /* next golden values */
    int index, encoded;         /* encoded: the embeddings are made and compared too */
    double worst;
};

static void begin(struct walk *w, struct sdrt_context *context, const char *embeddings)
{
    struct sdrt_session *s = context->session;
    struct sdrt_request r;

    sdrt_request_init(&r);
    r.prompt = w->prompt;
    r.embeddings = embeddings;
    r.prompt_style = json_string_value(json_object_get(w->c, "style"));
    if (w->c) r.steps = (int)json_integer_value(json_object_get(w->c, "steps"));
    r.cfg_scale = 1.0f;
    r.sampler = "euler";
    r.width = r.height = 64;
    w->run = (struct sdrt_run){ .s = s };
    cr_assert_eq(sdrt_request_read(&w->run.request, &r, s->log), SDRT_OK);
    w->run.request = sdrt_request_resolved(s->model, &w->run.request);
    w->run.r = &w->run.request;
    cr_assert_eq(sdrt_request_check(s->model, w->run.r, &w->shape, NULL, NULL), SDRT_OK, "%s",
                 kept_text);
    cr_assert_eq(sdrt_prompts_read(&w->run.prompts, s->model, w->run.r, &w->shape, s->log), SDRT_OK,
                 "%s: %s", w->prompt, kept_text);
}

static void encode(struct walk *w)
{
    struct sdrt_session *s = w->run.s;

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
}

static void check_close(struct walk *w, float got, float want, const char *what)
{
    const double error = fabs((double)got - (double)want) / fmax(1.0, fabs((double)want));

    if (error > w->worst) w->worst = error;
    cr_assert_lt(error, 1e-5, "\"%s\": %s is %.9g, expected %.9g", w->prompt, what, (double)got,
                 (double)want);
}

/* The embeddings of a lane's text, which is shown. */
static void check_text(struct walk *w, int lane, int chunks)
{
    const struct sdrt_session *s = w->run.s;
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const size_t width = (size_t)sdrt_context_width(config), n = (size_t)config->text[1].pooled;
    const size_t rows = (size_t)sdrt_shape_context_rows(&s->shape, config);
    const float *text = sdrt_session_map(s, SDRT_PART_BASE, "text");
    const float *pooled = sdrt_slot_map(&s->slots, sdrt_text_slot(s, 1, "pooled"));
    const int32_t *ids = sdrt_slot_map(&s->slots, sdrt_text_slot(s, 1, "ids"));
    size_t end = 0;

    if (!w->encoded) {
        w->text += (size_t)chunks * 77 * 2;
        w->pooled += 2;
        return;
    }
    text += (size_t)lane * rows * width;
    for (size_t r = 0; r < (size_t)chunks * 77; r++, w->text += 2) {
        check_close(w, text[r * width + 7 * r % width], w->text[0], "an embedding");
        check_close(w, text[r * width + (7 * r + width / 2) % width], w->text[1], "an embedding");
    }
    ids += lane * 77;
    while (ids[end] != sdrt_clip_tokenizer_eos(s->model->tokenizers[1])) end++;
    pooled += ((size_t)lane * 77 + end) * n;
    check_close(w, pooled[(size_t)w->index % n], w->pooled[0], "a pooled text");
    check_close(w, pooled[((size_t)w->index + 64) % n], w->pooled[1], "a pooled text");
    w->pooled += 2;
}

static void check_ids(const struct walk *w, const struct sdrt_prompt_chunks *chunks,
                      const json_t *want)
{
    cr_assert_eq(chunks->n, json_array_size(want), "\"%s\": %zu chunks, expected %zu", w->prompt,
                 chunks->n, json_array_size(want));
    for (size_t c = 0; c < chunks->n; c++)
        for (size_t i = 0; i < 77; i++)
            cr_assert_eq(chunks->at[c].ids[i],
                         json_integer_value(json_array_get(json_array_get(want, c), i)),
                         "\"%s\": id %zu of chunk %zu", w->prompt, i, c);
}

static void check_part(struct walk *w, int part, const json_t *want)
{
    struct sdrt_prompts *p = &w->run.prompts;
    const struct sdrt_prompt_part *got = &p->wanted.at[part];
    const json_t *stretches = json_object_get(want, "stretches"),
                 *texts = json_object_get(want, "texts");
    const int lane = p->negative + part;

    cr_assert_float_eq(got->weight, json_number_value(json_object_get(want, "weight")), 1e-12,
                       "\"%s\"", w->prompt);
    cr_assert_eq((size_t)got->n_stretches, json_array_size(stretches), "\"%s\": %d stretches",
                 w->prompt, got->n_stretches);
    for (int i = 0; i < got->n_stretches; i++) {
        const json_t *stretch = json_array_get(stretches, (size_t)i);
        cr_assert_eq(got->stretches[i].last, json_integer_value(json_array_get(stretch, 0)),
                     "\"%s\"", w->prompt);
        cr_assert_eq(got->stretches[i].text, json_integer_value(json_array_get(stretch, 1)),
                     "\"%s\"", w->prompt);
    }
    cr_assert_eq((size_t)got->n_texts, json_array_size(texts), "\"%s\"", w->prompt);
    for (int t = 0; t < got->n_texts; t++) {
        const json_t *text = json_array_get(texts, (size_t)t);
        const char *written = json_string_value(json_object_get(text, "text"));
        cr_assert_str_eq(got->texts[t], written, "\"%s\": text \"%s\", expected \"%s\"", w->prompt,
                         got->texts[t], written);
        check_ids(w, &p->lanes[lane].texts[t].clip[1], json_object_get(text, "ids"));
        int shown = p->simple;
        for (int e = 0; !p->simple && e <= 10; e++) {
            if (sdrt_prompt_text_at(got, e) != t) continue;
            if (w->encoded) sdrt_prompts_show(p, w->run.s, e);
            shown = 1;
        }
        if (!shown) continue;
        check_text(w, lane, p->lanes[lane].chunks);
    }
}

/* Shows each text of a part, also one that no evaluation has. */
static void run_case(struct walk *w, struct sdrt_context *context)
{
    const json_t *parts = json_object_get(w->c, "parts");

    kept_lines = 0;
    w->prompt = json_string_value(json_object_get(w->c, "prompt"));
    begin(w, context, NULL);
    cr_assert_eq((size_t)w->run.prompts.wanted.n, json_array_size(parts), "\"%s\": %d parts",
                 w->prompt, w->run.prompts.wanted.n);
    if (w->encoded) encode(w);
    for (size_t i = 0; i < json_array_size(parts); i++)
        check_part(w, (int)i, json_array_get(parts, i));
    sdrt_prompts_clear(&w->run.prompts);
}

Test(prompts, tokens_and_embeddings)
{
    struct sdrt_context *context = open_model(path_in("sdxl", ""), NULL);
    json_t *cases = json_load_file(data_path("cases.json"), 0, NULL);
    struct sdrt_npy *text = data("text.npy"), *pooled = data("pooled.npy");
    struct walk w = { .text = text->data, .pooled = pooled->data };

    cr_assert_geq(json_array_size(cases), 200);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        w.c = json_array_get(cases, i);
        w.index = (int)i;
        w.encoded = !temulated() || i % 16 == 0;
        run_case(&w, context);
    }
    cr_expect_eq((size_t)(w.text - (const float *)text->data), text->elements);
    cr_expect_eq((size_t)(w.pooled - (const float *)pooled->data), pooled->elements);
    cr_log_info("%zu prompts, worst relative error %.2g", json_array_size(cases), w.worst);
    json_decref(cases);
    sdrt_npy_free(&text);
    sdrt_npy_free(&pooled);
    sdrt_close(&context);
}

/* ---- textual inversions ---- */

/* make_vectors_golden.py has the same prompts. */
static void check_vectors(const char *family, const char *prompt, int words)
{
    struct sdrt_context *context = open_model(path_in(family, ""), NULL);
    struct walk w = { .prompt = prompt };
    char name[64], folder[512];

    snprintf(name, sizeof name, "vectors-%s.npy", family);
    snprintf(folder, sizeof folder, "%s", data_path(family));
    struct sdrt_npy *want = data(name), *pooled = data("vectors-pooled.npy");
    begin(&w, context, folder);
    cr_assert_eq(w.run.prompts.vectors.of[0].n_words, words, "%s: %d words", family,
                 w.run.prompts.vectors.of[0].n_words);
    encode(&w);
    sdrt_prompts_show(&w.run.prompts, context->session, 0);
    const float *text = sdrt_session_map(context->session, SDRT_PART_BASE, "text");
    for (size_t i = 0; i < want->elements; i++)
        check_close(&w, text[i], ((const float *)want->data)[i], "an embedding");
    const int slot = sdrt_text_slot(context->session, 1, "pooled");
    const float *got = slot == SDRT_NO_SLOT ? NULL : sdrt_slot_map(&context->session->slots, slot);
    for (size_t i = 0; got && i < pooled->elements; i++)
        check_close(&w, got[i], ((const float *)pooled->data)[i], "the pooled text");
    cr_log_info("%s: worst relative error %.2g", family, w.worst);
    sdrt_prompts_clear(&w.run.prompts);
    sdrt_npy_free(&want);
    sdrt_npy_free(&pooled);
    sdrt_close(&context);
}

Test(prompts, textual_inversions)
{
    check_vectors("sd15", "a alpha cat, (beta:1.3), embedding:gamma [stars] ALPHA", 3);
    check_vectors("sdxl", "a (pair:0.7) cat, pairs of 42 stars, embedding:pair!", 1);
}

/* Also in whole requests, one after the other, and negative ones. */
Test(prompts, textual_inversions_in_images)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    const size_t bytes = 64 * 64 * 3;
    uint8_t *images[4];
    struct sdrt_request r;

    sdrt_request_init(&r);
    r.width = r.height = 64;
    r.steps = 2;
    r.seed = 3;
    r.embeddings = data_path("sd15");
    for (int i = 0; i < 4; i++) {
        r.prompt = i % 2 ? "a cat, alpha" : "a cat";
        r.negative_prompt = i == 2 ? "embedding:gamma" : "";
        cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
        images[i] = malloc(bytes);
        memcpy(images[i], sdrt_image(c, 0, NULL, NULL), bytes);
    }
    cr_expect(memcmp(images[0], images[1], bytes), "the embedding changes nothing");
    cr_expect(memcmp(images[0], images[2], bytes), "the negative embedding changes nothing");
    cr_expect(!memcmp(images[1], images[3], bytes), "another image the second time");
    for (int i = 0; i < 4; i++) free(images[i]);
    sdrt_close(&c);
}

/* ---- whole images ---- */

/* make_prompts_golden.py has the same. */
static const struct {
    const char *name, *prompt, *negative, *style, *tail;
    int times; /* that the tail is repeated behind the prompt, or, below 0, the negative one */
    float cfg;
    const char *end;
} images[] = {
    { "weights", "a (red:1.4) cat, [stars]", "(blurry:1.3), ", "a1111", "bad hands, ", -40, 5.0f,
      "" },
    { "long", "", "blurry", "a1111", "a cat, 42 stars, ", 20, 5.0f, "" },
    { "and", "a red cat AND a (blue:1.2) dog :0.7 AND ", "[blurry|ugly] hands", NULL, "far stars, ",
      30, 4.0f, ":0.4" },
    { "steps", "a [red:(blue:1.3):0.4] [cat|dog|cow]", "[blurry::3]", NULL, "", 0, 5.0f, "" },
    { "comfy", "a (red:1.4) cat, (stars:0.6)", "((bad)) hands", "comfy", "", 0, 5.0f, "" },
};

static double decibels(const uint8_t *image, const struct sdrt_npy *want)
{
    const float *x = want->data;
    double sum = 0;

    for (size_t i = 0; i < want->elements; i++) {
        const double d = (double)image[i] - (double)x[i] * 255.0;
        sum += d * d;
    }
    /* Rounding to bytes alone costs 1/12. */
    return 10.0 * log10(255.0 * 255.0 / (sum / (double)want->elements));
}

static void repeat(char *text, const char *begin, const char *tail, int times, const char *end)
{
    strcpy(text, begin);
    for (int i = 0; i < times; i++) strcat(text, tail);
    strcat(text, end);
}

static void draw(struct sdrt_context *c, size_t i)
{
    char prompt[2048], negative[2048], name[64];
    struct sdrt_request r;

    sdrt_request_init(&r);
    repeat(prompt, images[i].prompt, images[i].tail, images[i].times, images[i].end);
    repeat(negative, images[i].negative, images[i].tail, -images[i].times, "");
    r.prompt = prompt;
    r.negative_prompt = negative;
    r.prompt_style = images[i].style;
    r.cfg_scale = images[i].cfg;
    r.sampler = "euler";
    r.steps = 6;
    r.seed = 7;
    r.width = r.height = 64;
    snprintf(name, sizeof name, "image-%s.npy", images[i].name);
    struct sdrt_npy *want = data(name);
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s: %s", images[i].name, kept_text);
    const double dB = decibels(sdrt_image(c, 0, NULL, NULL), want);
    cr_log_info("%s: %.1f dB", images[i].name, dB);
    cr_expect_gt(dB, 50.0, "%s: %.1f dB", images[i].name, dB);
    sdrt_npy_free(&want);
}

/* Twice and in turn, on one context: nothing of one prompt may show in the next image. */
Test(prompts, images)
{
    struct sdrt_context *c = open_model(path_in("sdxl", ""), NULL);
    const size_t n = sizeof images / sizeof *images;

    for (size_t i = 0; i < n; i += tstep(n)) draw(c, i);
    for (size_t i = temulated() ? 1 : n; i-- > 0;) {
        draw(c, i);
        draw(c, i);
    }
    sdrt_close(&c);
}

/* ---- what is refused, and what is told ---- */

static void expect_request(const char *prompt, const char *style, int status, const char *word)
{
    struct sdrt_options o;
    struct sdrt_request r;

    model_options(&o, path_in("sd15", ""));
    sdrt_request_init(&r);
    r.prompt = prompt;
    r.prompt_style = style;
    r.width = r.height = 64;
    expect_refusal(&o, &r, status, word);
}

Test(prompts, refusals)
{
    char deep[256] = "", many[600] = "a";
    struct sdrt_options o;
    struct sdrt_request r;

    model_options(&o, path_in("sd15", ""));
    sdrt_request_init(&r);
    r.width = r.height = 64;

    for (int i = 0; i < 80; i++) strcat(deep, "(");
    expect_request(deep, NULL, SDRT_E_ARG, "within each other");
    for (int i = 0; i < 60; i++) strcat(many, " AND b");
    expect_request(many, NULL, SDRT_E_ARG, "joined by AND");
    expect_request("(a:1.2.3)", NULL, SDRT_E_ARG, "weight '1.2.3'");
    r.embeddings = data_path("sd15");
    r.prompt = "embedding:nothing";
    expect_refusal(&o, &r, SDRT_E_MISSING, "no embedding 'nothing'");
    r.prompt = "embedding:alpha";
    model_options(&o, path_in("sdxl", ""));
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "alpha.pt: has no 1 to 75 vectors of width 64 and");
    r.embeddings = "/nowhere/at/all";
    expect_refusal(&o, &r, SDRT_E_MISSING, "expected a folder of embeddings");
    expect_request("a", "invoke", SDRT_E_ARG,
                   "unknown prompt style \"invoke\": expected a1111, comfy");
}

Test(prompts, plain_text_is_cut_and_told)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r;
    char prompt[1024] = "";

    for (int i = 0; i < 80; i++) strcat(prompt, "x ");
    strcat(prompt, "last words");
    sdrt_request_init(&r);
    r.prompt = prompt;
    r.width = r.height = 64;
    r.steps = 1;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK);
    cr_expect(strstr(kept_text, "the end was left out: \"x x x x x last words\""), "%s", kept_text);
    r.prompt = "a (cat)";
    r.prompt_style = "plain";
    kept_text[0] = 0;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK);
    cr_expect(strstr(kept_text, "taken as text"), "%s", kept_text);
    sdrt_close(&c);
}
