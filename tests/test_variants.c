/* SPDX-License-Identifier: MIT
 *
 * Prompts of which a seed chooses: every choice comes, as often as it should, and the same again for the same
 * seed; and in a request.
 */
#include "model/text/prompt_variants.h"
#include "tests/golden_images.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(variants, .init = temp_folder_make, .fini = temp_folder_remove);

enum { DRAWS = 3000 };

/* How often each of n texts comes among DRAWS seeds; another is a failure. */
static void count(const char *text, const char *const *texts, int n, int *times)
{
    memset(times, 0, (size_t)n * sizeof *times);
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        char *got, *again;
        int i = 0;
        cr_assert_eq(sdrt_prompt_vary(&got, text, seed, "the prompt", &kept_log), SDRT_OK, "%s",
                     kept_text);
        cr_assert_eq(sdrt_prompt_vary(&again, text, seed, "the prompt", &kept_log), SDRT_OK);
        cr_assert_str_eq(got, again);
        while (i < n && strcmp(got, texts[i])) i++;
        cr_assert_lt(i, n, "%s: \"%s\"", text, got);
        times[i]++;
        free(got);
        free(again);
    }
}

/* Within five deviations of a binomial. */
static void expect_share(const char *text, int times, double share)
{
    const double mean = DRAWS * share, slack = 5.0 * sqrt(mean * (1.0 - share)) + 1e-9;

    cr_expect(fabs(times - mean) <= slack, "%s: %d of %d, expected about %.0f", text, times, DRAWS,
              mean);
}

Test(variants, each_as_often_as_it_should)
{
    static const struct {
        const char *text;
        const char *results[6];
        double shares[6];
    } cases[] = {
        { "plain (text:1.2)", { "plain (text:1.2)" }, { 1 } },
        { "a {red|green} hat", { "a red hat", "a green hat" }, { 0.5, 0.5 } },
        { "{3::a|b}", { "a", "b" }, { 0.75, 0.25 } },
        { "{0.5::a|0::b|1.5::c}", { "a", "c" }, { 0.25, 0.75 } },
        { "{2$$a|b|c}",
          { "a, b", "b, a", "a, c", "c, a", "b, c", "c, b" },
          { 1. / 6, 1. / 6, 1. / 6, 1. / 6, 1. / 6, 1. / 6 } },
        { "{1-2$$ and $$a|b}", { "a", "b", "a and b", "b and a" }, { 0.25, 0.25, 0.25, 0.25 } },
        { "{0-1$$a}", { "", "a" }, { 0.5, 0.5 } },
        { "{5$$a}", { "a" }, { 1 } },
        { "{a|{b|c}}", { "a", "b", "c" }, { 0.5, 0.25, 0.25 } },
        { "{a|}!", { "a!", "!" }, { 0.5, 0.5 } },
        { "{[x|y]|[p:q:0.5]}", { "[x|y]", "[p:q:0.5]" }, { 0.5, 0.5 } },
        { "\\{a\\|b\\} \\(c", { "{a|b} \\(c" }, { 1 } },
        { "{a\\|b|c\\}}", { "a|b", "c}" }, { 0.5, 0.5 } },
        { "{<lora:x:0.5>|ratio 2:1}", { "<lora:x:0.5>", "ratio 2:1" }, { 0.5, 0.5 } },
        { "{$5|x::y}", { "$5", "x::y" }, { 0.5, 0.5 } },
    };
    int times[6];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int n = 0;
        while (n < 6 && cases[i].results[n]) n++;
        count(cases[i].text, cases[i].results, n, times);
        for (int k = 0; k < n; k++) expect_share(cases[i].results[k], times[k], cases[i].shares[k]);
    }
}

Test(variants, refused)
{
    static const char *const wrong[][2] = {
        { "a {b", "the prompt: \"{b\": expected a }" },
        { "a b}", "expected a { before" },
        { "{x$$a|b}", "how many options" },
        { "{3-1$$a|b}", "how many options" },
        { "{-1$$a|b}", "how many options" },
        { "{-1::a|b}", "a weight of 0 or more" },
    };
    char *out, deep[256];

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        kept_text[0] = '\0';
        cr_expect_eq(sdrt_prompt_vary(&out, wrong[i][0], 1, "the prompt", &kept_log), SDRT_E_ARG);
        cr_expect(strstr(kept_text, wrong[i][1]), "%s: %s", wrong[i][0], kept_text);
        cr_expect_null(out);
    }
    memset(deep, '{', 60);
    memset(deep + 60, '}', 60);
    deep[120] = '\0';
    cr_expect_eq(sdrt_prompt_vary(&out, deep, 1, "the prompt", &kept_log), SDRT_E_ARG);
    cr_expect(strstr(kept_text, "at most 50 open braces"), "%s", kept_text);
}

/* The image is that of what was chosen, which its parameters say; braces are text without it. */
Test(variants, in_a_request)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r;
    char *chosen;
    uint8_t first[64 * 64 * 3];

    sdrt_request_init(&r);
    r.prompt = "a {red|green|blue} cat";
    r.negative_prompt = "{blurry|dark}";
    r.width = r.height = 64;
    r.steps = 2;
    r.seed = 5;
    r.dynamic_prompts = 1;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
    memcpy(first, sdrt_image(c, 0, NULL, NULL), sizeof first);
    cr_assert_eq(sdrt_prompt_vary(&chosen, r.prompt, 5, "", NULL), SDRT_OK);
    cr_expect(!strncmp(sdrt_session_parameters(sdrt_session_of(c), 0), chosen, strlen(chosen)));
    r.prompt = chosen;
    cr_assert_eq(sdrt_prompt_vary(&chosen, r.negative_prompt, 6, "", NULL), SDRT_OK);
    r.negative_prompt = chosen;
    r.dynamic_prompts = 0;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
    cr_expect(!memcmp(first, sdrt_image(c, 0, NULL, NULL), sizeof first));
    free((char *)(uintptr_t)r.prompt);
    free(chosen);
    r.prompt = "a {red";
    cr_expect_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
    r.dynamic_prompts = 1;
    cr_expect_eq(sdrt_generate(c, &r), SDRT_E_ARG);
    sdrt_close(&c);
}
