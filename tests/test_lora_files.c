/* SPDX-License-Identifier: MIT
 *
 * LoRA files as trainers write them and as they should not be: names, alphas, what is left out,
 * what is refused.
 */
#include "kernels/pack.h"
#include "tests/lora_files.h"
#include "tests/lora_model.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(lora_files, .init = lora_set_up, .fini = lora_tear_down);

/* A safetensors file of f32 ones: each of the tensors is given as its header's entry without
 * the offsets, and its number of values. */
struct made {
    const char *entry;
    size_t count;
};

static const char *make_file(const struct made *tensors, size_t n)
{
    static unsigned char bytes[1 << 16];
    char header[4096] = "{";
    size_t at = 0, length;

    for (size_t i = 0; i < n; i++) {
        const size_t used = strlen(header);
        snprintf(header + used, sizeof header - used, "%s%s,\"data_offsets\":[%zu,%zu]}",
                 i ? "," : "", tensors[i].entry, at, at + 4 * tensors[i].count);
        at += 4 * tensors[i].count;
    }
    strcat(header, "}");
    length = strlen(header);
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)length >> (8 * i));
    memcpy(bytes + 8, header, length);
    for (size_t i = 0; i < at / 4; i++) {
        const float one = 1.0f;
        memcpy(bytes + 8 + length + 4 * i, &one, sizeof one);
    }
    return temp_write("made.safetensors", bytes, 8 + length + at);
}

#define TO_Q "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
#define DOWN "\"" TO_Q ".lora_down.weight\":{\"dtype\":\"F32\",\"shape\":[2,32]"
#define UP "\"" TO_Q ".lora_up.weight\":{\"dtype\":\"F32\",\"shape\":[32,2]"

Test(lora_files, files_that_do_not_fit_are_refused)
{
    static const struct {
        struct made tensors[4];
        size_t n;
        int status;
        const char *word;
    } cases[] = {
        { { { DOWN, 64 } }, 1, SDRT_E_FORMAT, "to_q.lora_down.weight" },
        { { { UP, 64 } }, 1, SDRT_E_FORMAT, "to_q.lora_up.weight" },
        { { { DOWN, 64 }, { UP, 64 }, { "\"extra.thing\":{\"dtype\":\"F32\",\"shape\":[1]", 1 } },
          3,
          SDRT_E_UNSUPPORTED,
          "extra.thing" },
        { { { DOWN, 64 },
            { UP, 64 },
            { "\"lora_unet_nowhere.lora_down.weight\":{\"dtype\":\"F32\",\"shape\":[1]", 1 },
            { "\"lora_unet_nowhere.lora_up.weight\":{\"dtype\":\"F32\",\"shape\":[1]", 1 } },
          4,
          SDRT_E_UNSUPPORTED,
          "lora_unet_nowhere.lora_down.weight (and 1 more)" },
        { { { DOWN, 64 },
            { UP, 64 },
            { "\"" TO_Q ".alpha\":{\"dtype\":\"F32\",\"shape\":[2]", 2 } },
          3,
          SDRT_E_FORMAT,
          "to_q.alpha: expected one finite number" },
        { { { DOWN, 64 },
            { UP, 64 },
            { "\"" TO_Q ".diff_b\":{\"dtype\":\"F32\",\"shape\":[32]", 32 } },
          3,
          SDRT_E_UNSUPPORTED,
          "to_q" },
        { { { "\"" TO_Q ".hada_w1_a\":{\"dtype\":\"F32\",\"shape\":[32,2]", 64 },
            { "\"" TO_Q ".hada_w1_b\":{\"dtype\":\"F32\",\"shape\":[2,32]", 64 } },
          2,
          SDRT_E_FORMAT,
          "to_q.hada_w1_a" },
        { { { "", 0 } }, 0, SDRT_E_FORMAT, "has no tensors" },
        { { { "\"unet.a.oft_R.weight\":{\"dtype\":\"F32\",\"shape\":[1]", 1 } },
          1,
          SDRT_E_UNSUPPORTED,
          "unet.a.oft_R.weight: is of PEFT's OFT, which cannot be merged" },
        { { { "\"bundle_emb.cat.clip_l\":{\"dtype\":\"F32\",\"shape\":[1]", 1 } },
          1,
          SDRT_E_UNSUPPORTED,
          "bundle_emb.cat.clip_l: nothing in it fits" },
        { { { "\"lora_te3_encoder_final.diff\":{\"dtype\":\"F32\",\"shape\":[1]", 1 } },
          1,
          SDRT_E_UNSUPPORTED,
          "lora_te3_encoder_final.diff: nothing in it fits" },
    };
    char name[32];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(name, sizeof name, "case %zu", i);
        const int rc = lora_add(make_file(cases[i].tensors, cases[i].n), 1.0, 0);
        expect_failure(rc, cases[i].status, cases[i].word, name);
        cr_expect_eq(sdrt_loras_count(loras), 0, "%s", name);
    }
    expect_failure(lora_add(lora_data("lora/%s.safetensors", "loha"), NAN, 0), SDRT_E_ARG, "scale",
                   "NaN");
}

/* Shapes show when the weight is merged. */
Test(lora_files, factors_of_another_size_are_refused)
{
    static const struct made wide[] = {
        { "\"" TO_Q ".lora_down.weight\":{\"dtype\":\"F32\",\"shape\":[2,40]", 80 },
        { UP, 64 },
    };
    static const struct made rank[] = {
        { DOWN, 64 },
        { "\"" TO_Q ".lora_up.weight\":{\"dtype\":\"F32\",\"shape\":[32,3]", 96 },
    };
    static const char weight[] = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1."
                                 "to_q.weight";
    const struct made *const files[] = { wide, rank };

    for (int i = 0; i < 2; i++) {
        struct sdrt_weights_provider p;
        const int64_t shape[2] = { 32, 32 };
        struct sdrt_weight_view v;
        sdrt_loras_clear(loras);
        cr_assert_eq(lora_add(make_file(files[i], 2), 1.0, 0), SDRT_OK);
        p = sdrt_loras_provider(loras);
        expect_failure(p.get(p.self, weight, 2, shape, &v), SDRT_E_FORMAT,
                       i ? "lora_up.weight: expected 32 x 2" : "lora_down.weight: expected 2 x 32",
                       i ? "rank" : "wide");
    }
}

Test(lora_files, lenient_leaves_out_what_is_foreign)
{
    static const struct made tensors[] = {
        { DOWN, 64 },
        { UP, 64 },
        { "\"extra.thing\":{\"dtype\":\"F32\",\"shape\":[1]", 1 },
    };
    size_t n;
    float *got;

    cr_assert_eq(lora_add(make_file(tensors, 3), 1.0, 1), SDRT_OK);
    cr_expect_eq(kept_lines, 1);
    cr_expect_not_null(strstr(kept_text, "extra.thing"), "%s", kept_text);
    float *own;
    struct sdrt_weight_view v;
    static const char weight[] = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1."
                                 "to_q.weight";
    got = lora_merged(weight, &n);
    cr_assert_eq(lora_base.get(lora_base.self, weight, -1, NULL, &v), SDRT_OK);
    own = malloc(n * sizeof *own);
    sdrt_to_f32(v.data, v.dtype, own, n);
    lora_base.release(lora_base.self, weight);
    /* Ones times ones over rank 2, alpha = rank. */
    for (size_t i = 0; i < n; i++) cr_assert_float_eq(got[i] - own[i], 2.0f, 1e-6);
    free(got);
    free(own);
}

Test(lora_files, lenient_or_not_something_must_fit)
{
    static const struct made tensors[] = {
        { "\"extra.thing\":{\"dtype\":\"F32\",\"shape\":[1]", 1 },
    };

    expect_failure(lora_add(make_file(tensors, 1), 1.0, 1), SDRT_E_UNSUPPORTED,
                   "nothing else is in it", "lenient");
    cr_expect_eq(sdrt_loras_count(loras), 0);
}

/* Told by names, by the width of the text, by how many blocks a transformer has. */
Test(lora_files, a_lora_for_another_family_says_so)
{
    static const struct {
        struct made tensor;
        const char *base;
    } cases[] = {
        { { "\"lora_unet_joint_blocks_0_x_block_attn_proj.diff\":{\"dtype\":\"F32\",\"shape\":[1]",
            1 },
          "SD 3.x" },
        { { "\"lora_unet_double_blocks_0_img_attn_qkv.diff\":{\"dtype\":\"F32\",\"shape\":[1]", 1 },
          "Flux" },
        { { "\"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.diff\":"
            "{\"dtype\":\"F32\",\"shape\":[1,1024]",
            1024 },
          "SD 2.x" },
        { { "\"unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_v.diff\":"
            "{\"dtype\":\"F32\",\"shape\":[1,2048]",
            2048 },
          "SDXL" },
        { { "\"lora_unet_middle_block_1_transformer_blocks_9_attn1_to_k.diff\":"
            "{\"dtype\":\"F32\",\"shape\":[1]",
            1 },
          "SDXL" },
        { { "\"lora_te2_text_projection.diff\":{\"dtype\":\"F32\",\"shape\":[1]", 1 },
          "SDXL or SD 3.x" },
        { { "\"extra.thing\":{\"dtype\":\"F32\",\"shape\":[1]", 1 }, "SD 2.x" }, /* its note */
    };
    char said[96];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int lenient = 0; lenient < 2; lenient++) {
            static const struct made note = {
                "\"__metadata__\":{\"ss_base_model_version\":\"sd_v2_768_v\"},"
                "\"extra.thing\":{\"dtype\":\"F32\",\"shape\":[1]",
                1
            };
            const int noted = i + 1 == sizeof cases / sizeof *cases;
            snprintf(said, sizeof said, "is a LoRA for %s; the model is SD 1.x", cases[i].base);
            expect_failure(lora_add(make_file(noted ? &note : &cases[i].tensor, 1), 1.0, lenient),
                           SDRT_E_UNSUPPORTED, said, cases[i].base);
        }
}

/* ---- one LoRA under the names of other trainers ---- */

/* Replaces the first of what by with in name. */
static void replace(char name[LORA_NAME], const char *what, const char *with)
{
    char *at = strstr(name, what), rest[LORA_NAME];

    if (!at) return;
    snprintf(rest, sizeof rest, "%s", at + strlen(what));
    snprintf(at, (size_t)(name + LORA_NAME - at), "%s%s", with, rest);
}

/* The dotted words of kohya's names that the file has. */
static void dotted(char name[LORA_NAME])
{
    static const char *const words[][2] = {
        { "lora_unet_", "unet." },
        { "lora_te_text_model_", "clip_l.text_model." },
        { "down_blocks_0_attentions_0_transformer_blocks_0_",
          "input_blocks.1.1.transformer_blocks.0." },
        { "mid_block_attentions_0_transformer_blocks_0_", "middle_block.1.transformer_blocks.0." },
        { "attn1_to_q", "attn1.to_q" },
        { "attn2_to_out_0", "attn2.to_out.0" },
        { "encoder_layers_0_self_attn_q_proj", "encoder.layers.0.self_attn.q_proj" },
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        replace(name, words[i][0], words[i][1]);
}

static void to_omi(const char *name, char out[LORA_NAME])
{
    (void)name;
    dotted(out);
}

static void to_bare(const char *name, char out[LORA_NAME])
{
    (void)name;
    dotted(out);
    replace(out, "unet.", "");
}

static void to_comfy(const char *name, char out[LORA_NAME])
{
    (void)name;
    dotted(out);
    replace(out, "unet.", "diffusion_model.");
    replace(out, "clip_l.", "text_encoders.clip_l.transformer.");
    replace(out, "lora_down", "lora_A");
    replace(out, "lora_up", "lora_B");
}

static void without_alpha(const char *name, char out[LORA_NAME])
{
    if (strstr(name, ".alpha")) out[0] = '\0';
}

Test(lora_files, other_spellings_mean_the_same)
{
    static lora_rename_fn *const spellings[] = { to_omi, to_bare, to_comfy };
    static const char *const names[] = { "omi", "bare", "comfy" };

    for (int i = 0; i < 3; i++) {
        sdrt_loras_clear(loras);
        const char *path = lora_copy(lora_data("lora/%s.safetensors", "kohya-lora"),
                                     "spelling.safetensors", spellings[i], NULL, 0);
        expect_quiet(lora_add(path, 1.0, 0), names[i]);
        const double error = lora_worst_error("kohya-lora");
        cr_expect_leq(error, 2e-6, "%s: %.2e", names[i], error);
    }
}

/* As any file of tensors. */
Test(lora_files, torch_and_gguf_hold_them_too)
{
    static const char *const ends[] = { "torch.pt", "ggml.gguf" };

    for (int i = 0; i < 2; i++) {
        sdrt_loras_clear(loras);
        expect_quiet(lora_add(lora_data("lora/kohya-%s", ends[i]), 1.0, 0), ends[i]);
        const double error = lora_worst_error("kohya-lora");
        cr_expect_leq(error, 2e-6, "%s: %.2e", ends[i], error);
    }
}

/* Of the same module once as f64, once as whole numbers, which factors never are. */
Test(lora_files, factors_may_be_wide_but_not_whole)
{
    static const char *const weight = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1."
                                      "to_q.weight";
    static double wide[64];
    static int64_t large[64];
    const char *from = lora_data("lora/%s.safetensors", "norm");
    struct lora_extra extra[] = { { TO_Q ".lora_down.weight", "F64", "[2,32]", wide, sizeof wide },
                                  { TO_Q ".lora_up.weight", "F64", "[32,2]", wide, sizeof wide } };
    struct sdrt_weights_provider p = sdrt_loras_provider(loras);
    const int64_t shape[2] = { 32, 32 };
    struct sdrt_weight_view v;
    size_t n;

    for (int i = 0; i < 64; i++) wide[i] = 1.0;
    float *own = lora_merged(weight, &n);
    expect_quiet(lora_add(lora_copy(from, "wide.safetensors", NULL, extra, 2), 1.0, 0), "f64");
    float *got = lora_merged(weight, &n);
    for (size_t i = 0; i < n; i++) cr_assert_float_eq(got[i] - own[i], 2.0f, 1e-6);
    free(own);
    free(got);
    extra[0].data = extra[1].data = large;
    extra[0].dtype = extra[1].dtype = "I64";
    sdrt_loras_clear(loras);
    expect_quiet(lora_add(lora_copy(from, "whole.safetensors", NULL, extra, 2), 1.0, 0), "i64");
    expect_failure(p.get(p.self, weight, 2, shape, &v), SDRT_E_UNSUPPORTED,
                   "expected floating-point values, found I64", "i64");
}

/* The file's alpha is 2, of rank 4. */
Test(lora_files, alpha_may_be_of_any_type)
{
    static const float f32 = 2.0f;
    static const double f64 = 2.0;
    static const int64_t i64 = 2;
    static const int32_t i32 = 2;
    static const uint16_t f16 = 0x4000, bf16 = 0x4000;
    static const uint8_t u8 = 2, f8 = 0x40;
    static const struct lora_extra alphas[] = {
        { "", "F32", "[]", &f32, 4 },    { "", "F32", "[1]", &f32, 4 },
        { "", "F32", "[1,1]", &f32, 4 }, { "", "F64", "[]", &f64, 8 },
        { "", "I64", "[]", &i64, 8 },    { "", "I32", "[1]", &i32, 4 },
        { "", "F16", "[]", &f16, 2 },    { "", "BF16", "[1]", &bf16, 2 },
        { "", "U8", "[]", &u8, 1 },      { "", "F8_E4M3", "[]", &f8, 1 },
        { "", "I8", "[]", &u8, 1 },
    };
    static const char *const modules[] = {
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.alpha",
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0.alpha",
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj.alpha",
    };

    for (size_t i = 0; i < sizeof alphas / sizeof *alphas; i++) {
        struct lora_extra extra[3];
        for (int k = 0; k < 3; k++) {
            extra[k] = alphas[i];
            extra[k].name = modules[k];
        }
        sdrt_loras_clear(loras);
        const char *path = lora_copy(lora_data("lora/%s.safetensors", "kohya-lora"),
                                     "alpha.safetensors", without_alpha, extra, 3);
        expect_quiet(lora_add(path, 1.0, 0), alphas[i].dtype);
        const double error = lora_worst_error("kohya-lora");
        cr_expect_leq(error, 2e-6, "%s %s: %.2e", alphas[i].dtype, alphas[i].shape, error);
    }
}

Test(lora_files, what_is_of_no_use_is_one_warning)
{
    static const float one = 1.0f;
    static const struct lora_extra of_t5[] = {
        { "lora_te3_encoder_block_0_layer_0_SelfAttention_q.lora_up.weight", "F32", "[1,1]", &one,
          4 },
        { "lora_te3_encoder_block_0_layer_0_SelfAttention_q.lora_down.weight", "F32", "[1,1]", &one,
          4 },
    };
    static const struct lora_extra bundled[] = {
        { "bundle_emb.cat.clip_g", "F32", "[1]", &one, 4 },
        { "bundle_emb.cat.clip_l", "F32", "[1]", &one, 4 },
        { "bundle_emb.dog.string_to_param.*", "F32", "[1]", &one, 4 },
    };
    const char *from = lora_data("lora/%s.safetensors", "kohya-lora");

    cr_assert_eq(lora_add(lora_copy(from, "t5.safetensors", NULL, of_t5, 2), 1.0, 0), SDRT_OK, "%s",
                 kept_text);
    cr_expect_eq(kept_lines, 1);
    cr_expect(strstr(kept_text, "(and 1 more): it changes the T5"), "%s", kept_text);
    cr_assert_eq(lora_add(lora_copy(from, "bundle.safetensors", NULL, bundled, 3), 1.0, 0), SDRT_OK,
                 "%s", kept_text);
    cr_expect_eq(kept_lines, 2);
    cr_expect(strstr(kept_text, "bundle_emb.dog.string_to_param.* (and 1 more): textual"), "%s",
              kept_text);
}

/* As after a filling that memory did not suffice for. */
Test(lora_files, an_index_can_be_filled_again)
{
    static const char canonical[] = "unet.conv_in.weight", key[] = "lora_unet_conv_in";
    struct sdrt_lora_index *index = NULL;
    static const struct sdrt_name_part whole = { .third = -1 };
    struct sdrt_lora_place place;

    cr_assert_eq(sdrt_lora_index_create(&index, &kept_log), SDRT_OK);
    for (int i = 0; i < 2; i++) {
        cr_expect(sdrt_lora_index_empty(index));
        cr_expect_not(sdrt_lora_index_find(index, key, 0, &place));
        cr_assert_eq(sdrt_lora_index_add(index, canonical, NULL, &whole), SDRT_OK);
        cr_assert(sdrt_lora_index_find(index, key, 0, &place));
        cr_expect_str_eq(place.module, "unet.conv_in");
        sdrt_lora_index_clear(index);
    }
    sdrt_lora_index_free(&index);
}
