/* SPDX-License-Identifier: MIT
 *
 * A narrow SD 1.5 as a diffusers folder: names, shards, what the configuration files say, and what
 * is missing or wrong.
 */
#include "model/checkpoint/config_check.h"
#include "model/sdrt.h"
#include "tests/checkpoint_cases.h"
#include "tests/checkpoint_pickled.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(checkpoint_folder, .init = checkpoint_set_up, .fini = temp_folder_remove, .timeout = 60);

static int unet_part(const struct test_tensor *t, char out[TEST_NAME])
{
    const char *rest = test_after(t->canonical, "unet.");

    return rest && test_put(out, "", rest);
}

static int text_part(const struct test_tensor *t, char out[TEST_NAME])
{
    const char *rest = test_after(t->canonical, "text_encoder.");

    return rest && test_put(out, "", rest);
}

static int text_part_plain(const struct test_tensor *t, char out[TEST_NAME])
{
    const char *rest = test_after(t->canonical, "text_encoder.text_model.");

    return rest && test_put(out, "", rest);
}

static void write_folder(const char *infix, test_rename *vae, test_rename *text)
{
    test_make_folders();
    test_write_shard(in_folder("m/unet/diffusion_pytorch_model%s.safetensors", infix), unet_part, 0,
                     1);
    test_write_shard(in_folder("m/vae/diffusion_pytorch_model%s.safetensors", infix), vae, 0, 1);
    test_write_shard(in_folder("m/text_encoder/model%s.safetensors", infix), text, 0, 1);
}

Test(checkpoint_folder, folder)
{
    write_folder("", test_vae_part, text_part);
    expect_good(temp_path("m"), NULL);
}

Test(checkpoint_folder, folder_of_old_names)
{
    write_folder(".fp16", test_vae_part_old, text_part_plain);
    expect_good(temp_path("m"), NULL);
}

/* name: in the temporary folder. */
static void write_text(const char *name, const char *text)
{
    temp_write(name, text, strlen(text));
}

static void write_index(const char *name)
{
    write_text(name, "{\"metadata\":{},\"weight_map\":{\"a\":\"s0.safetensors\","
                     "\"b\":\"s1.safetensors\",\"c\":\"s0.safetensors\"}}");
}

Test(checkpoint_folder, sharded_folder)
{
    static const char *const indices[] = {
        "m/unet/diffusion_pytorch_model.safetensors.index.json",
        "m/unet/diffusion_pytorch_model.safetensors.index.fp16.json",
        "m/unet/diffusion_pytorch_model.fp16.safetensors.index.json",
    };

    write_folder("", test_vae_part, text_part);
    remove(temp_path("m/unet/diffusion_pytorch_model.safetensors"));
    for (int i = 0; i < 2; i++)
        test_write_shard(in_folder("m/unet/s%d.safetensors", i), unet_part, i, 2);
    for (int i = 0; i < 3; i++) {
        write_index(indices[i]);
        expect_good(temp_path("m"), NULL);
        remove(temp_path(indices[i]));
    }
    write_index(indices[0]);
    remove(temp_path("m/unet/s1.safetensors"));
    expect_error(temp_path("m"), NULL, SDRT_E_MISSING, "s1.safetensors");
    write_text(indices[0], "{\"weight_map\":{\"a\":\"../x.safetensors\"}}");
    expect_error(temp_path("m"), NULL, SDRT_E_FORMAT, "expected the name of a file beside it");
    write_text(indices[0], "{}");
    expect_error(temp_path("m"), NULL, SDRT_E_FORMAT, "weight_map");
}

/* Each in the place of the ones before; none is read as long as one of those is there. */
Test(checkpoint_folder, variants)
{
    static const char *const variants[] = { ".safetensors", ".fp16.safetensors", ".bf16.safetensors",
                                            ".bin", ".fp16.bin", ".bf16.bin" };
    static const char *const others[] = { "._diffusion_pytorch_model.safetensors",
                                          "diffusion_pytorch_model.non_ema.safetensors" };

    write_folder("", test_vae_part, text_part);
    remove(temp_path("m/unet/diffusion_pytorch_model.safetensors"));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        write_text(in_folder("m/unet/%s", others[i]) + strlen(temp_folder()) + 1, "no weights");
    expect_error(temp_path("m"), NULL, SDRT_E_MISSING,
                 "expected diffusion_pytorch_model.safetensors or diffusion_pytorch_model.bin, also "
                 "as .fp16 or .bf16, or with .index.json; it has diffusion_pytorch_model.non_ema");
    for (int i = (int)(sizeof variants / sizeof *variants) - 1; i >= 0; i--) {
        test_write_shard(in_folder("m/unet/diffusion_pytorch_model%s", variants[i]), unet_part, 0,
                         1);
        expect_good(temp_path("m"), NULL);
        write_text(in_folder("m/unet/diffusion_pytorch_model%s", variants[i]) + strlen(temp_folder()) + 1,
                   "no weights");
        expect_error(temp_path("m"), NULL, SDRT_E_UNSUPPORTED, "seems to be a text: no weights");
    }
    rename(temp_path("m/text_encoder/model.safetensors"),
           temp_path("m/text_encoder/pytorch_model.bin"));
    test_write_shard(temp_path("m/unet/diffusion_pytorch_model.safetensors"), unet_part, 0, 1);
    expect_good(temp_path("m"), NULL);
    remove(temp_path("m/text_encoder/pytorch_model.bin"));
    expect_error(temp_path("m"), NULL, SDRT_E_MISSING, "model.safetensors or pytorch_model.bin");
}

Test(checkpoint_folder, pickled_shards)
{
    write_folder("", test_vae_part, text_part);
    remove(temp_path("m/unet/diffusion_pytorch_model.safetensors"));
    remove(temp_path("m/text_encoder/model.safetensors"));
    for (int i = 0; i < 2; i++)
        test_write_pickled(in_folder("m/unet/s%d.bin", i), unet_part, i, 2, 0);
    test_write_pickled(temp_path("m/text_encoder/pytorch_model.fp16.bin"), text_part, 0, 1, 0);
    write_text("m/unet/diffusion_pytorch_model.bin.index.json",
               "{\"weight_map\":{\"a\":\"s0.bin\",\"b\":\"s1.bin\"}}");
    expect_good(temp_path("m"), NULL);
}

/* model_index.json stands for its folder, and a repository in a hub's cache for its snapshot. */
Test(checkpoint_folder, paths_that_stand_for_a_folder)
{
    const char *cache = temp_path("models--a--b");

    write_folder("", test_vae_part, text_part);
    write_text("m/model_index.json", "{\"_class_name\":\"StableDiffusionPipeline\"}");
    expect_good(temp_path("m/model_index.json"), NULL);
    cr_assert_eq(mkdir(cache, 0700), 0);
    cr_assert_eq(mkdir(temp_path("models--a--b/snapshots"), 0700), 0);
    expect_error(cache, NULL, SDRT_E_MISSING, "0 snapshots and no refs/main");
    cr_assert_eq(rename(temp_path("m"), temp_path("models--a--b/snapshots/0123")), 0);
    expect_good(cache, NULL);
    expect_good(temp_path("models--a--b/"), NULL);
    cr_assert_eq(mkdir(temp_path("models--a--b/snapshots/4567"), 0700), 0);
    expect_error(cache, NULL, SDRT_E_UNSUPPORTED, "2 snapshots and no refs/main");
    cr_assert_eq(mkdir(temp_path("models--a--b/refs"), 0700), 0);
    write_text("models--a--b/refs/main", "0123\n");
    expect_good(cache, NULL);
    expect_good(cache, cache);
    write_text("models--a--b/refs/main", "89ab");
    expect_error(cache, NULL, SDRT_E_MISSING, "whose snapshot 89ab is not there");
    write_text("models--a--b/refs/main", "../x");
    expect_error(cache, NULL, SDRT_E_FORMAT, "expected the name of a snapshot");
    write_text("models--a--b/refs/main", "0123/unet");
    expect_error(cache, NULL, SDRT_E_FORMAT, "expected the name of a snapshot");
}

/* As in a cache of which a blob was deleted. */
Test(checkpoint_folder, links_to_nothing)
{
    const char *file = temp_path("m/vae/diffusion_pytorch_model.safetensors");

    write_folder("", test_vae_part, text_part);
    test_write_shard(temp_path("m/vae/diffusion_pytorch_model.fp16.safetensors"), test_vae_part, 0,
                     1);
    remove(file);
    cr_assert_eq(symlink("../../blobs/0123", file), 0);
    expect_error(temp_path("m"), NULL, SDRT_E_MISSING, "is a link to a file that is not there");
}

Test(checkpoint_folder, t5_that_was_not_downloaded)
{
    write_folder("", test_vae_part, text_part);
    cr_assert_eq(mkdir(temp_path("m/text_encoder_3"), 0700), 0);
    write_text("m/text_encoder_3/config.json", "{}");
    expect_error(temp_path("m"), NULL, SDRT_E_MISSING, "or none as t5 (--t5 none)");
    write_text("m/text_encoder_3/model.safetensors.index.json",
               "{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\"}}");
    expect_error(temp_path("m"), NULL, SDRT_E_MISSING,
                 "model-00001-of-00002.safetensors: is not there: expected it downloaded, or none as "
                 "t5 (--t5 none)");
}

/* What is inspected is what would be used. */
Test(checkpoint_folder, inspected)
{
    static const char *const more[] = { "unet/diffusion_pytorch_model.fp16.safetensors",
                                        "unet/diffusion_pytorch_model.non_ema.safetensors",
                                        "unet/diffusion_pytorch_model.bin", "single.safetensors",
                                        "single.ckpt", "._single.safetensors" };

    write_folder("", test_vae_part, text_part);
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        test_write_shard(in_folder("m/%s", more[i]), unet_part, 0, 1);
    char *text = sdrt_inspect(temp_path("m"), &kept_log);
    cr_assert(text, "%s", kept_text);
    cr_expect(strstr(text, "\nruns: yes\n"), "%s", text);
    cr_expect(strstr(text, "\ndenoiser: 686 tensors"), "%s", text);
    cr_expect(strstr(text, "\nVAE: 248 tensors"), "%s", text);
    cr_expect(strstr(text, "\ntext encoder: 196 tensors"), "%s", text);
    cr_expect_null(strstr(text, "other:"), "%s", text);
    free(text);
    text = sdrt_inspect(temp_path("m/unet"), &kept_log);
    cr_assert(text, "%s", kept_text);
    cr_expect(strstr(text, ": 686 tensors"), "%s", text);
    free(text);
}

Test(checkpoint_folder, config_files_tell_what_shapes_cannot)
{
    const struct sdrt_model_config *m;
    struct sdrt_checkpoint *c;

    write_folder("", test_vae_part, text_part);
    write_text("m/model_index.json", "{\"_class_name\":\"StableDiffusionPipeline\"}");
    write_text("m/unet/config.json",
               "{\"attention_head_dim\":[1,2,4,4],"
               "\"norm_num_groups\":16,\"block_out_channels\":[1,2,3],\"in_channels\":77,"
               "\"act_fn\":\"swish\",\"only_cross_attention\":[false,false],\"freq_shift\":0,"
               "\"class_embed_type\":null,\"norm_eps\":1e-05}");
    write_text("m/vae/config.json", "{\"scaling_factor\":0.5,\"norm_num_groups\":8}");
    write_text("m/text_encoder/config.json",
               "{\"num_attention_heads\":4,\"hidden_act\":\"gelu\",\"hidden_size\":1}");
    write_text("m/scheduler/scheduler_config.json", "{\"prediction_type\":\"v_prediction\"}");
    write_text("m/tokenizer/vocab.json", "{}");
    cr_assert_eq(open_checkpoint(&c, temp_path("m"), NULL), 0, "%s", kept_text);
    m = sdrt_checkpoint_config(c);
    cr_assert(m->unet.heads == 0 && m->unet.head_dim == 32 && m->unet.norm_groups == 16);
    cr_assert(m->unet.channels[0] == 32 && m->unet.in_channels == 4);
    cr_assert(m->vae.scaling_factor == 0.5f && m->vae.norm_groups == 8);
    cr_assert(m->text[0].clip.heads == 4 && m->text[0].clip.act == SDRT_CLIP_GELU);
    cr_assert_eq(m->text[0].clip.hidden, 64);
    cr_assert_eq(m->noise.prediction, SDRT_PREDICTION_V);
    cr_assert_null(sdrt_checkpoint_vocab_path(c, 0), "merges.txt is absent");
    sdrt_checkpoint_close(&c);
    write_text("m/tokenizer/merges.txt", "");
    write_text("m/unet/config.json", "{\"num_attention_heads\":4}");
    cr_assert_eq(open_checkpoint(&c, temp_path("m"), NULL), 0, "%s", kept_text);
    cr_assert_eq(sdrt_checkpoint_config(c)->unet.heads, 4);
    cr_assert_str_eq(sdrt_checkpoint_vocab_path(c, 0), temp_path("m/tokenizer/vocab.json"));
    cr_assert_str_eq(sdrt_checkpoint_merges_path(c, 0), temp_path("m/tokenizer/merges.txt"));
    sdrt_checkpoint_close(&c);
}

/* Half of the first level's channels are the timestep's sines, half its cosines. */
Test(checkpoint_folder, odd_channels_of_the_first_level)
{
    struct sdrt_checkpoint *c = NULL;

    write_folder("", test_vae_part, text_part);
    cr_assert_eq(open_checkpoint(&c, temp_path("m"), NULL), SDRT_OK, "%s", kept_text);
    struct sdrt_model_config config = *sdrt_checkpoint_config(c);
    cr_expect_eq(sdrt_config_check(&config, "tiny", &kept_log), SDRT_OK);
    config.unet.channels[0] = 33;
    config.unet.norm_groups = 1;
    kept_lines = 0;
    const int status = sdrt_config_check(&config, "tiny", &kept_log);
    expect_failure(status, SDRT_E_UNSUPPORTED, "33 channels", "odd channels");
    sdrt_checkpoint_close(&c);
}

Test(checkpoint_folder, bad_config_files)
{
    static const struct {
        const char *file, *text;
        int status;
        const char *message;
    } bad[] = {
        { "m/unet/config.json", "{", SDRT_E_FORMAT, "unet/config.json" },
        { "m/unet/config.json", "{\"attention_head_dim\":0}", SDRT_E_FORMAT, "attention_head_dim" },
        { "m/unet/config.json", "{\"attention_head_dim\":7}", SDRT_E_UNSUPPORTED, "7 heads" },
        { "m/unet/config.json", "{\"attention_head_dim\":[8]}", SDRT_E_FORMAT, "4 numbers" },
        { "m/unet/config.json", "{\"attention_head_dim\":[8,8,8,8]}", SDRT_E_UNSUPPORTED, "head" },
        { "m/unet/config.json", "{\"norm_num_groups\":33}", SDRT_E_UNSUPPORTED, "33 groups" },
        { "m/unet/config.json", "{\"act_fn\":\"gelu\"}", SDRT_E_UNSUPPORTED,
          "act_fn \"gelu\": expected silu" },
        { "m/unet/config.json", "{\"resnet_time_scale_shift\":\"scale_shift\"}", SDRT_E_UNSUPPORTED,
          "resnet_time_scale_shift \"scale_shift\": expected default" },
        { "m/unet/config.json", "{\"class_embed_type\":\"timestep\"}", SDRT_E_UNSUPPORTED,
          "expected null" },
        { "m/unet/config.json", "{\"only_cross_attention\":[false,true]}", SDRT_E_UNSUPPORTED,
          "only_cross_attention [false,true]: expected null" },
        { "m/unet/config.json", "{\"flip_sin_to_cos\":false}", SDRT_E_UNSUPPORTED,
          "flip_sin_to_cos false: expected true" },
        { "m/unet/config.json", "{\"norm_eps\":1e-6}", SDRT_E_UNSUPPORTED,
          "norm_eps 1e-6: expected 1e-05" },
        { "m/unet/config.json", "{\"freq_shift\":1}", SDRT_E_UNSUPPORTED, "expected 0" },
        { "m/vae/config.json", "{\"act_fn\":\"relu\"}", SDRT_E_UNSUPPORTED, "expected silu" },
        { "m/text_encoder/config.json", "{\"layer_norm_eps\":1e-6}", SDRT_E_UNSUPPORTED,
          "expected 1e-05" },
        { "m/vae/config.json", "{\"norm_num_groups\":48}", SDRT_E_UNSUPPORTED, "48 groups" },
        { "m/vae/config.json", "{\"scaling_factor\":0}", SDRT_E_FORMAT, "scaling_factor" },
        { "m/text_encoder/config.json", "{\"hidden_act\":\"relu\"}", SDRT_E_UNSUPPORTED, "relu" },
        { "m/text_encoder/config.json", "{\"num_attention_heads\":5}", SDRT_E_UNSUPPORTED,
          "5 heads" },
        { "m/scheduler/scheduler_config.json", "{\"prediction_type\":\"sample\"}",
          SDRT_E_UNSUPPORTED, "sample" },
        { "m/scheduler/scheduler_config.json", "{\"timestep_spacing\":\"even\"}",
          SDRT_E_UNSUPPORTED, "even" },
        { "m/scheduler/scheduler_config.json", "{\"beta_schedule\":\"linear\"}", SDRT_E_UNSUPPORTED,
          "beta_schedule" },
        { "m/scheduler/scheduler_config.json", "{\"beta_start\":0.5}", SDRT_E_FORMAT,
          "beta_start" },
        { "m/scheduler/scheduler_config.json", "{\"num_train_timesteps\":1}", SDRT_E_FORMAT,
          "num_train_timesteps" },
        { "m/scheduler/scheduler_config.json", "{\"rescale_betas_zero_snr\":1}", SDRT_E_FORMAT,
          "rescale_betas_zero_snr" },
        { "m/model_index.json", "{\"_class_name\":\"FluxPipeline\"}", SDRT_E_UNSUPPORTED, "Flux" },
        { "m/model_index.json", "[", SDRT_E_FORMAT, "model_index.json" },
    };

    write_folder("", test_vae_part, text_part);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text(bad[i].file, bad[i].text);
        expect_error(temp_path("m"), NULL, bad[i].status, bad[i].message);
        remove(temp_path(bad[i].file));
    }
}

Test(checkpoint_folder, folders_with_parts_missing)
{
    write_folder("", test_vae_part, text_part);
    rename(temp_path("m/text_encoder"), temp_path("m/t"));
    expect_error(temp_path("m"), NULL, SDRT_E_MISSING, "has no text encoder");
    rename(temp_path("m/vae"), temp_path("m/v"));
    expect_error(temp_path("m"), NULL, SDRT_E_MISSING, "is a denoiser alone: expected a VAE");
    remove(temp_path("m/unet/diffusion_pytorch_model.safetensors"));
    expect_error(temp_path("m"), NULL, SDRT_E_MISSING, "unet: has no weights");
    rename(temp_path("m/unet"), temp_path("m/u"));
    expect_error(temp_path("m"), NULL, SDRT_E_MISSING, "has no U-Net");
    write_text("m/c.safetensors", "x");
    write_text("m/b.safetensors", "x");
    write_text("m/._a.safetensors", "x");
    expect_error(temp_path("m"), NULL, SDRT_E_MISSING,
                 "transformer/; or name one of its files, as b.safetensors");
}
