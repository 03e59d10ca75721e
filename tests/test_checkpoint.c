/* SPDX-License-Identifier: MIT
 *
 * Single files of a narrow SD 1.5 in every spelling, with and without a VAE beside them, and what
 * is no SD 1.5.
 */
#include "tests/checkpoint_cases.h"
#include "tests/checkpoint_pickled.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(checkpoint, .init = checkpoint_set_up, .fini = temp_folder_remove, .timeout = 60);

/* ---- single files ---- */

static int wrapped(const struct test_tensor *t, char out[TEST_NAME])
{
    return test_put(out, "state_dict.", t->name);
}

static int plain_text(const struct test_tensor *t, char out[TEST_NAME])
{
    const char *rest = test_after(t->name, "cond_stage_model.transformer.text_model.");

    return rest ? test_put(out, "cond_stage_model.transformer.", rest) : test_same(t, out);
}

static int wrapped_plain_text(const struct test_tensor *t, char out[TEST_NAME])
{
    char inner[TEST_NAME];

    return plain_text(t, inner) && test_put(out, "state_dict.", inner);
}

Test(checkpoint, single_files)
{
    test_rename *const variants[] = { test_same, wrapped, plain_text, wrapped_plain_text };

    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        test_write_shard(temp_path("model.safetensors"), variants[i], 0, 1);
        expect_good(temp_path("model.safetensors"), NULL);
    }
}

static int64_t full(int64_t size)
{
    return size;
}

Test(checkpoint, full_size)
{
    struct sdrt_checkpoint *c;

    test_read_names(full);
    test_write_shard(temp_path("model.safetensors"), test_same, 0, 1);
    cr_assert_eq(open_checkpoint(&c, temp_path("model.safetensors"), NULL), 0);
    check_config(sdrt_checkpoint_config(c), full);
    sdrt_checkpoint_close(&c);
}

Test(checkpoint, unknown_names_are_missing_without_a_line)
{
    static const char *const names[] = {
        "", "unet.", "unet.nothing", "vae.decoder.up_blocks.9.resnets.0.norm1.weight",
        "unet.up_blocks.9.upsamplers.0.conv.weight", "unet.down_blocks.0.resnets.0.",
        "text_encoder.text_model.embeddings.position", "transformer.x", "conv_in.weight",
        "unet.down_blocks.99999999999.resnets.0.norm1.weight",
    };
    struct sdrt_checkpoint *c;
    struct sdrt_weight_view view;
    char endless[1024];

    test_write_shard(temp_path("model.safetensors"), test_same, 0, 1);
    cr_assert_eq(open_checkpoint(&c, temp_path("model.safetensors"), NULL), 0);
    struct sdrt_weights_provider p = sdrt_checkpoint_provider(c);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_assert_eq(p.get(p.self, names[i], -1, NULL, &view), SDRT_E_MISSING, "%s", names[i]);
        p.release(p.self, names[i]);
        p.prefetch(p.self, names[i]);
    }
    memset(endless, 'x', sizeof endless - 1);
    memcpy(endless, "unet.", 5);
    endless[sizeof endless - 1] = 0;
    cr_assert_eq(p.get(p.self, endless, -1, NULL, &view), SDRT_E_MISSING);
    cr_assert_eq(kept_lines, 0);
    cr_assert_null(sdrt_checkpoint_vocab_path(c, 0));
    cr_assert_null(sdrt_checkpoint_merges_path(c, 0));
    sdrt_checkpoint_close(&c);
    sdrt_checkpoint_close(&c);
}

/* ---- a VAE beside the checkpoint ---- */

static int no_vae(const struct test_tensor *t, char out[TEST_NAME])
{
    return !test_after(t->name, "first_stage_model.") && test_same(t, out);
}

static int vae_prefixed(const struct test_tensor *t, char out[TEST_NAME])
{
    return test_after(t->name, "first_stage_model.") && test_same(t, out);
}

static int vae_wrapped(const struct test_tensor *t, char out[TEST_NAME])
{
    return vae_prefixed(t, out) && test_put(out, "state_dict.", t->name);
}

static int vae_bare(const struct test_tensor *t, char out[TEST_NAME])
{
    const char *rest = test_after(t->name, "first_stage_model.");

    return rest && test_put(out, "", rest);
}

static int vae_decoder(const struct test_tensor *t, char out[TEST_NAME])
{
    return vae_bare(t, out) && !test_after(out, "encoder.");
}

Test(checkpoint, vae_files)
{
    test_rename *const variants[] = { vae_prefixed, vae_wrapped, vae_bare, test_vae_part,
                                      test_vae_part_old };
    const char *model = temp_path("model.safetensors"), *vae = temp_path("vae.safetensors");
    struct sdrt_checkpoint *c;

    test_write_shard(model, no_vae, 0, 1);
    expect_error(model, NULL, SDRT_E_MISSING, "has no VAE: expected one as vae");
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        test_write_shard(vae, variants[i], 0, 1);
        expect_good(model, vae);
    }
    expect_error(vae, NULL, SDRT_E_UNSUPPORTED, "is a VAE: expected beside a model");
    expect_error(model, model, SDRT_E_FORMAT, "not a VAE");
    expect_error(model, temp_path("nothing"), SDRT_E_MISSING, "nothing");
    test_write_shard(vae, vae_decoder, 0, 1);
    cr_assert_eq(open_checkpoint(&c, model, vae), SDRT_OK);
    cr_assert_eq(sdrt_checkpoint_config(c)->vae.has_encoder, 0);
    check_weights(c, 0);
    sdrt_checkpoint_close(&c);
}

/* With and without what a training keeps beside the weights. */
Test(checkpoint, pickled_files)
{
    static const char *const names[] = { "model.ckpt", "model.pt" };

    for (int i = 0; i < 2; i++) {
        test_write_pickled(temp_path(names[i]), test_same, 0, 1, !i);
        expect_good(temp_path(names[i]), NULL);
    }
    test_write_pickled(temp_path("vae.pt"), vae_bare, 0, 1, 1);
    expect_good(temp_path("model.ckpt"), temp_path("vae.pt"));
}

/* How often a file is mapped here. */
static int mappings(const char *path)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[1024];
    int n = 0;

    cr_assert(f);
    while (fgets(line, sizeof line, f)) n += strstr(line, path) != NULL;
    fclose(f);
    return n;
}

/* All parts share it, and what a pickled file's tensors are copied to. */
Test(checkpoint, a_file_is_opened_once)
{
    static const char *const names[] = { "model.ckpt", "model.safetensors" };
    struct sdrt_checkpoint *c;

    test_write_pickled(temp_path(names[0]), test_same, 0, 1, 1);
    test_write_shard(temp_path(names[1]), test_same, 0, 1);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(open_checkpoint(&c, temp_path(names[i]), NULL), 0, "%s", kept_text);
        cr_expect_eq(mappings(temp_path(names[i])), 1, "%s", names[i]);
        sdrt_checkpoint_close(&c);
        cr_expect_eq(mappings(temp_path(names[i])), 0, "%s", names[i]);
    }
}

Test(checkpoint, vae_folders)
{
    const char *model = temp_path("model.safetensors");

    test_write_shard(model, no_vae, 0, 1);
    test_make_folders();
    test_write_shard(temp_path("m/vae/diffusion_pytorch_model.fp16.safetensors"), test_vae_part_old,
                     0, 1);
    expect_good(model, temp_path("m/vae"));
    expect_good(model, temp_path("m"));
    expect_error(model, temp_path("m/unet"), SDRT_E_MISSING, "has no weights");
}

Test(checkpoint, a_given_vae_wins)
{
    const char *model = temp_path("model.safetensors"), *vae = temp_path("vae.safetensors");
    struct sdrt_checkpoint *c;

    test_write_shard(model, test_same, 0, 1);
    test_write_shard(vae, vae_decoder, 0, 1);
    cr_assert_eq(open_checkpoint(&c, model, vae), SDRT_OK);
    cr_assert_eq(sdrt_checkpoint_config(c)->vae.has_encoder, 0);
    sdrt_checkpoint_close(&c);
}

/* ---- what is no SD 1.x checkpoint ---- */

static const char *extra; /* the name that the first tensor of the list gets */

static int with_extra(const struct test_tensor *t, char out[TEST_NAME])
{
    return t == test_tensors ? test_put(out, "", extra) : test_same(t, out);
}

static int only_extra(const struct test_tensor *t, char out[TEST_NAME])
{
    return t == test_tensors && test_put(out, "", extra);
}

static int no_text(const struct test_tensor *t, char out[TEST_NAME])
{
    return !test_after(t->name, "cond_stage_model.") && test_same(t, out);
}

Test(checkpoint, other_families_are_named)
{
    static const char *const mixed[][2] = {
        { "conditioner.embedders.0.transformer.text_model.encoder.layers.0.x",
          "and 2 text encoders" },
        { "cond_stage_model.model.transformer.resblocks.0.x", "and 2 text encoders" },
    };
    static const char *const alone[][2] = {
        { "model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "is a Flux model: expected" },
        { "double_blocks.0.img_attn.qkv.weight", "is a Flux model: expected" },
        { "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", "is a LoRA" },
        { "unet.down_blocks.0.attentions.0.proj_in.lora_A.weight", "is a LoRA" },
    };
    const char *path = temp_path("model.safetensors");

    for (size_t i = 0; i < sizeof mixed / sizeof *mixed; i++) {
        extra = mixed[i][0];
        test_write_shard(path, with_extra, 0, 1);
        expect_error(path, NULL, SDRT_E_UNSUPPORTED, mixed[i][1]);
    }
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        extra = alone[i][0];
        test_write_shard(path, only_extra, 0, 1);
        expect_error(path, NULL, SDRT_E_UNSUPPORTED, alone[i][1]);
    }
    extra = "some.other.tensor";
    test_write_shard(path, only_extra, 0, 1);
    expect_error(path, NULL, SDRT_E_FORMAT, "not a Stable Diffusion checkpoint");
    test_write_shard(path, no_text, 0, 1);
    expect_error(path, NULL, SDRT_E_MISSING, "has no text encoder");
    temp_write("model.safetensors", "this is a text and no model", 27);
    expect_error(path, NULL, SDRT_E_UNSUPPORTED, "seems to be a text: this is a text and no model;");
    expect_error(temp_path("absent"), NULL, SDRT_E_MISSING, "absent");
}

Test(checkpoint, sizes_that_do_not_fit)
{
    const char *path = temp_path("model.safetensors");
    struct test_tensor *in = test_find("model.diffusion_model.input_blocks.0.0.weight");
    struct test_tensor *key = test_find("model.diffusion_model.input_blocks.8.1."
                                        "transformer_blocks.0.attn2.to_k.weight");
    struct test_tensor *head = test_find("first_stage_model.decoder.conv_in.weight");
    static const struct {
        int64_t size;
        int status;
        const char *text;
    } widths[] = {
        { 1024, SDRT_E_UNSUPPORTED, "width 1024, the text encoder gives 64" },
        { 512, SDRT_E_UNSUPPORTED, "width 512, the text encoder gives 64" },
        { 0, SDRT_E_FORMAT, "to_k" },
    };

    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        key->shape[1] = widths[i].size;
        if (!widths[i].size) key->rank = 1;
        test_write_shard(path, test_same, 0, 1);
        expect_error(path, NULL, widths[i].status, widths[i].text);
    }
    key->shape[1] = narrow(768);
    key->rank = 2;
    in->shape[1] = 5;
    test_write_shard(path, test_same, 0, 1);
    expect_error(path, NULL, SDRT_E_UNSUPPORTED, "takes 5 channels (a picture's depth too)");
    in->shape[1] = 4;
    head->shape[1] = 16;
    test_write_shard(path, test_same, 0, 1);
    expect_error(path, NULL, SDRT_E_UNSUPPORTED, "the VAE expects 16");
}
