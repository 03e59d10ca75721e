/* SPDX-License-Identifier: MIT
 *
 * LoRAs named in prompts: which file, how strongly and where.
 */
#include <config.h>

#include "model/lora/folder.h"
#include "model/lora/pattern.h"
#include "model/lora/tags.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(lora_tags, .init = temp_folder_make, .fini = temp_folder_remove);

static void make_folder(void)
{
    mkdir(temp_path("inner"), 0700);
    mkdir(temp_path("inner/deep"), 0700);
    mkdir(temp_path(".hidden"), 0700);
    temp_write("plain.safetensors", "", 0);
    temp_write("inner/plain.safetensors", "", 0);
    temp_write("inner/Style.safetensors", "", 0);
    temp_write("inner/deep/style.safetensors", "", 0);
    temp_write("inner/deep/TWICE.safetensors", "", 0);
    temp_write("inner/Twice.safetensors", "", 0);
    temp_write("v1.5.safetensors", "", 0);
    temp_write("notes.txt", "", 0);
    temp_write(".hidden/secret.safetensors", "", 0);
}

Test(lora_tags, names_are_found_in_folders_and_in_another_case)
{
    static const struct {
        const char *name, *path; /* NULL: an error with word */
        int status;
        const char *word;
    } cases[] = {
        { "plain", "plain.safetensors", 0, NULL },
        { "plain.safetensors", "plain.safetensors", 0, NULL },
        { "PLAIN", NULL, SDRT_E_ARG, "plain.safetensors and" },
        { "inner/plain", "inner/plain.safetensors", 0, NULL },
        { "style", "inner/deep/style.safetensors", 0, NULL },
        { "Style", "inner/Style.safetensors", 0, NULL },
        { "deep/STYLE", "inner/deep/style.safetensors", 0, NULL },
        { "Inner/Deep/Style", "inner/deep/style.safetensors", 0, NULL },
        { "twice", NULL, SDRT_E_ARG, "expected one name for one file" },
        { "v1.5", "v1.5.safetensors", 0, NULL },
        { "yle", NULL, SDRT_E_MISSING, "no LoRA 'yle'" },
        { "notes", NULL, SDRT_E_MISSING, "no LoRA 'notes'" },
        { "notes.txt", NULL, SDRT_E_MISSING, "no LoRA 'notes.txt'" },
        { "secret", NULL, SDRT_E_MISSING, "no LoRA 'secret'" },
    };

    make_folder();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = NULL;
        const int rc = sdrt_lora_folder_find(&path, temp_folder(), cases[i].name, &kept_log);
        if (cases[i].path) {
            expect_quiet(rc, cases[i].name);
            cr_assert_not_null(path);
            cr_expect_str_eq(path, temp_path(cases[i].path), "%s", cases[i].name);
        } else {
            expect_failure(rc, cases[i].status, cases[i].word, cases[i].name);
            cr_expect_null(path);
        }
        free(path);
    }
}

static struct sdrt_lora_list list;

/* The one LoRA that a prompt names, and its text without that. */
static const struct sdrt_lora_strength *only(const char *prompt, const char *text)
{
    char *plain = NULL;

    sdrt_lora_list_clear(&list);
    expect_quiet(sdrt_lora_tags_split(prompt, temp_folder(), &plain, &list, &kept_log), prompt);
    cr_assert_not_null(plain, "%s", prompt);
    cr_expect_str_eq(plain, text, "%s", prompt);
    cr_assert_eq(list.count, 1, "%s", prompt);
    cr_expect_str_eq(list.uses[0].path, temp_path("plain.safetensors"));
    free(plain);
    return &list.uses[0].strength;
}

Test(lora_tags, strengths_of_text_and_denoiser)
{
    static const struct {
        const char *prompt;
        double text, denoiser;
    } cases[] = {
        { "a <lora:plain>", 1.0, 1.0 },
        { "a <lora:plain:0.8>", 0.8, 0.8 },
        { "a <lora:plain:0.8:0.6>", 0.8, 0.6 },
        { "a <lora:plain:-0.8:0>", -0.8, 0.0 },
        { "a <lora:plain:te=0.5>", 0.5, 0.5 },
        { "a <lora:plain:unet=0.5>", 1.0, 0.5 },
        { "a <lora:plain:0.8:te=0.5>", 0.5, 0.5 },
        { "a <lora:plain:0.8:unet=0.25:te=0.5>", 0.5, 0.25 },
        { "a <lyco:plain:0.8:0.6>", 0.8, 0.6 },
    };

    make_folder();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct sdrt_lora_strength *s = only(cases[i].prompt, "a");
        cr_expect_float_eq(s->text, cases[i].text, 1e-12, "%s: %g", cases[i].prompt, s->text);
        cr_expect_float_eq(s->denoiser, cases[i].denoiser, 1e-12, "%s: %g", cases[i].prompt,
                           s->denoiser);
        cr_expect_not(s->by_block, "%s", cases[i].prompt);
    }
    sdrt_lora_list_clear(&list);
}

/* Blocks as sd-webui-lora-block-weight numbers them. */
Test(lora_tags, weights_of_blocks)
{
    static const struct {
        const char *prompt;
        /* The weight of the text, of input blocks, of the middle, of output blocks: one or none. */
        const char *text, *in, *middle, *out;
    } cases[] = {
        { "<lora:plain:1:lbw=1,1,1,0,0,0,0,0,0,0,0,0>", "1", "....11......", ".", "............" },
        { "<lora:plain:1:lbw=0,0,0,0,0,1,1,0,0,0,0,1>", ".", "............", "1", "1....1......" },
        { "<lora:plain:1:lbw=0,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0>", ".", ".11.11.11...", ".",
          "............" },
        { "<lora:plain:1:0,0,0,0,0,0,0,1,1,0,0,0,0,0,0,0,0>", ".", "............", "1",
          "...1........" },
        { "<lora:plain:1:1:lbw=0,1,0,0,0,0,0,0,0,0,1,1,0,0,0,0,0,0,0,1>", ".", "1...........", "1",
          "1.......1..." },
        { "<lora:plain:1:lbw=OUTALL>", "1", "............", ".", "...111111111" },
        { "<lora:plain:1:1:MIDD>", "1", ".....1.11...", "1", "...1111....." },
        { "<lora:plain:lbw=0,1,0,0,0,0,0,0,0,0,0,0,1,0,1,0,0,0,0,0,0,0,0,0,0,1>", ".",
          "1..........1", ".", "1..........1" },
    };
    char want[SDRT_LORA_BLOCKS + 1];

    make_folder();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct sdrt_lora_strength *s = only(cases[i].prompt, "");
        cr_assert(s->by_block, "%s", cases[i].prompt);
        snprintf(want, sizeof want, "%s%s%s%s", cases[i].text, cases[i].in, cases[i].middle,
                 cases[i].out);
        for (int k = 0; k < SDRT_LORA_BLOCKS; k++)
            cr_expect_eq(s->block[k] > 0.5, want[k] == '1', "%s: block %d is %g", cases[i].prompt,
                         k, s->block[k]);
    }
    sdrt_lora_list_clear(&list);
}

Test(lora_tags, what_is_not_understood_is_refused)
{
    static const char *const cases[][2] = {
        { "<lora:plain:much>", "expected a number" },
        { "<lora:plain:nan>", "expected a number" },
        { "<lora:plain:1:2:3>", "12, 17, 20 or 26 numbers" },
        { "<lora:plain:1:much>", "12, 17, 20 or 26 numbers" },
        { "<lora:plain:1:lbw=1,2,3>", "12, 17, 20 or 26 numbers" },
        { "<lora:plain:1:lbw=1,1,1,1,1,1,R,1,1,1,1,1>", "12, 17, 20 or 26 numbers" },
        { "<lora:plain:1:1:ALL:1>", "at most two numbers" },
        { "<lora:plain:1:start=5>", "te=, unet= or lbw=" },
        { "<lora:plain:te=>", "expected a number" },
        { "<lora:../plain>", "expected the name of a file" },
        { "<lora:/plain>", "expected the name of a file" },
        { "<lora::1>", "expected the name of a file" },
        { "<lyco:plain:x>", "prompt: <lyco:plain:x>: expected a number" },
    };
    char *plain;

    make_folder();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_failure(sdrt_lora_tags_split(cases[i][0], temp_folder(), &plain, &list, &kept_log),
                       SDRT_E_ARG, cases[i][1], cases[i][0]);
        cr_expect_null(plain);
        cr_expect_eq(list.count, 0, "%s", cases[i][0]);
    }
    expect_failure(sdrt_lora_tags_split("<lora:plain>", NULL, &plain, &list, &kept_log), SDRT_E_ARG,
                   "no folder", "no folder");
}

Test(lora_tags, hypernetworks_and_negative_tags_are_left_out_with_a_warning)
{
    char *plain = NULL;

    make_folder();
    cr_assert_eq(sdrt_lora_tags_split("a <hypernet:x:1> b", NULL, &plain, &list, &kept_log),
                 SDRT_OK);
    cr_expect_str_eq(plain, "a b");
    cr_expect_eq(kept_lines, 1);
    cr_expect(strstr(kept_text, "prompt: <hypernet:x:1>: left out"), "%s", kept_text);
    free(plain);
    cr_assert_eq(sdrt_lora_tags_split("bad <lora:plain:1>", NULL, &plain, NULL, &kept_log),
                 SDRT_OK);
    cr_expect_str_eq(plain, "bad");
    cr_expect_eq(kept_lines, 2);
    cr_expect(strstr(kept_text, "negative prompt: <lora:plain:1>: left out"), "%s", kept_text);
    cr_expect_eq(list.count, 0);
    free(plain);
}

Test(lora_tags, other_brackets_are_text)
{
    static const char *const cases[] = { "a <b:c> d", "a <lora:plain", "a <lorax:plain:1>", "<>" };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *plain = NULL;
        expect_quiet(sdrt_lora_tags_split(cases[i], NULL, &plain, &list, &kept_log), cases[i]);
        cr_expect_str_eq(plain, cases[i]);
        free(plain);
    }
}

/* As Python's re.match(rf"(.*\.)?({pattern})$", name) says. */
Test(lora_tags, patterns_of_peft)
{
    static const char name[] = "down_blocks.1.attentions.0.attn1.to_q";
    static const struct {
        const char *pattern;
        int fits;
    } simple[] = {
        { "to_q", 1 }, { "attn1.to_q", 1 }, { "attn1\\.to_q", 1 }, { "o_q", 0 }, { "to_k", 0 },
        { "attn..to_q", 1 }, { "^to_q", 0 }, { "^down_blocks.1.attentions.0.attn1.to_q", 1 },
        { "down_blocks.1.attentions.0.attn1.to_q", 1 }, { "to", 0 }, { "", 0 }, { "to_q.", 0 },
        { "blocks.1.attentions.0.attn1.to_q", 0 }, { "a.down_blocks.1.attentions.0.attn1.to_q", 0 },
    }, regular[] = {
        { "down_blocks\\.1\\..*to_q", 1 }, { "down_blocks\\.2\\..*to_q", 0 }, { ".*to_[qk]", 1 },
        { "to_(k|q)", 1 }, { "to_(k|v)", 0 }, { "attn\\d+\\.to_q", 1 }, { "n1\\.to_q|x", 0 },
    };

    for (size_t i = 0; i < sizeof simple / sizeof *simple; i++)
        cr_expect_eq(sdrt_lora_pattern_fits(simple[i].pattern, name, "file", &kept_log),
                     simple[i].fits, "%s", simple[i].pattern);
    cr_expect_eq(kept_lines, 0, "%s", kept_text);
#ifdef HAVE_PCRE2
    for (size_t i = 0; i < sizeof regular / sizeof *regular; i++)
        cr_expect_eq(sdrt_lora_pattern_fits(regular[i].pattern, name, "file", &kept_log),
                     regular[i].fits, "%s", regular[i].pattern);
    cr_expect_eq(kept_lines, 0, "%s", kept_text);
    expect_failure(sdrt_lora_pattern_fits("to_(q", name, "file", &kept_log), SDRT_E_FORMAT,
                   "file: \"to_(q\": expected a regular expression", "unclosed");
#else
    for (size_t i = 0; i < sizeof regular / sizeof *regular; i++)
        expect_failure(sdrt_lora_pattern_fits(regular[i].pattern, name, "file", &kept_log),
                       SDRT_E_UNSUPPORTED, "PCRE2", regular[i].pattern);
#endif
}
