/* SPDX-License-Identifier: MIT
 *
 * Opens checkpoints that checkpoint_files.c writes: a narrow SD 1.5 in every layout, and
 * what is no SD 1.5.  Each tensor's data say which tensor it is.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "model/checkpoint.h"
#include "tests/checkpoint_files.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];     /* temporary */
static char messages[2048];
static int n_messages;

static void keep_message(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    n_messages++;
    snprintf(messages, sizeof messages, "%s", text);
}

static const struct sdrt_log log_kept = { .fn = keep_message };

/* Sizes of the narrow model: each still a multiple of 32 groups where norms are. */
static int64_t narrow(int64_t size)
{
    if (size == 49408) return 100;
    if (size == 768 || size == 3072) return size / 12;
    if (size % 320 == 0) return size / 10;
    return size == 128 || size == 256 || size == 512 ? size / 4 : size;
}

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%s/sdrt-checkpoint-XXXXXX", tmp ? tmp : "/tmp");
    cr_assert(mkdtemp(folder));
    test_read_names(narrow);
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
    (void)s;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void teardown(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path in the temporary folder; the last 32 stay valid. */
static const char *in_folder(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *in_folder(const char *format, ...)
{
    static char paths[32][512];
    static int turn;
    char *path = paths[turn++ % 32];
    const int n = snprintf(path, 512, "%s/", folder);
    va_list args;

    va_start(args, format);
    vsnprintf(path + n, 512 - (size_t)n, format, args);
    va_end(args);
    return path;
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    cr_assert(f, "%s", path);
    fputs(text, f);
    fclose(f);
}

static int same(const struct test_tensor *t, char out[TEST_NAME])
{
    return snprintf(out, TEST_NAME, "%s", t->name) < TEST_NAME;
}

static int put(char out[TEST_NAME], const char *front, const char *rest)
{
    return snprintf(out, TEST_NAME, "%s%s", front, rest) < TEST_NAME;
}

static const char *after(const char *name, const char *prefix)
{
    const size_t n = strlen(prefix);

    return strncmp(name, prefix, n) ? NULL : name + n;
}

/* Asks for every tensor that a model needs; each must be there, be the right one, and have
 * its shape.  Different names lead to different tensors, so each is hit exactly once. */
static void check_weights(struct sdrt_checkpoint *c, int with_encoder)
{
    struct sdrt_weights_provider p = sdrt_checkpoint_provider(c);
    int needed = 0;

    for (uint32_t i = 0; i < (uint32_t)test_n_tensors; i++) {
        const struct test_tensor *t = &test_tensors[i];
        struct sdrt_weight_view view;
        uint32_t line;
        if (!*t->canonical) continue;
        needed++;
        if (!with_encoder && strstr(t->canonical, "vae.encoder")) continue;
        p.prefetch(p.self, t->canonical);
        cr_assert_eq(p.get(p.self, t->canonical, -1, NULL, &view), SDRT_OK, "%s", t->canonical);
        cr_assert_eq(view.rank, t->rank);
        cr_assert(!memcmp(view.shape, t->shape, (size_t)t->rank * sizeof *t->shape));
        memcpy(&line, view.data, sizeof line);
        cr_assert_eq(line, i, "%s leads to %s, not %s", t->canonical, test_tensors[line].name,
                     t->name);
        p.release(p.self, t->canonical);
    }
    /* 686 of the U-Net, 248 of the VAE, 196 of CLIP: diffusers' and transformers' counts. */
    cr_assert_eq(needed, 686 + 248 + 196);
}

static int open_checkpoint(struct sdrt_checkpoint **out, const char *path, const char *vae,
                           const struct sdrt_log *log)
{
    const struct sdrt_checkpoint_paths paths = { .model = path, .vae = vae };

    return sdrt_checkpoint_open(out, &paths, log);
}

static void check_config(const struct sdrt_model_config *m, int64_t size(int64_t))
{
    struct sdrt_model_config want = sdrt_sd15_config();

    for (int i = 0; i < 4; i++) {
        want.unet.channels[i] = (int)size(want.unet.channels[i]);
        want.vae.channels[i] = (int)size(want.vae.channels[i]);
    }
    want.unet.context_dim = (int)size(want.unet.context_dim);
    want.unet.time_embed_dim = (int)size(want.unet.time_embed_dim);
    want.text[0].clip.vocab = (int)size(want.text[0].clip.vocab);
    want.text[0].clip.hidden = (int)size(want.text[0].clip.hidden);
    want.text[0].clip.intermediate = (int)size(want.text[0].clip.intermediate);
    want.text[0].clip.heads = want.text[0].clip.hidden / 64;
    cr_assert(!memcmp(&m->unet, &want.unet, sizeof want.unet));
    cr_assert(!memcmp(&m->vae, &want.vae, sizeof want.vae));
    cr_assert(!memcmp(m->text, want.text, sizeof want.text));
    cr_assert_eq(m->n_text, 1);
    cr_assert_eq(m->noise.prediction, want.noise.prediction);
}

static void expect_good(const char *path, const char *vae)
{
    struct sdrt_checkpoint *c;

    cr_assert_eq(open_checkpoint(&c, path, vae, &log_kept), SDRT_OK, "%s", messages);
    check_config(sdrt_checkpoint_config(c), narrow);
    check_weights(c, 1);
    cr_assert_eq(n_messages, 0);
    sdrt_checkpoint_close(&c);
    cr_assert_null(c);
}

static void expect_error(const char *path, const char *vae, int status, const char *text)
{
    struct sdrt_checkpoint *c;

    n_messages = 0;
    cr_assert_eq(open_checkpoint(&c, path, vae, &log_kept), status, "%s: %s", text, messages);
    cr_assert_null(c);
    cr_assert_eq(n_messages, 1, "%s: %d lines", text, n_messages);
    cr_assert(strstr(messages, text), "%s\nlacks: %s", messages, text);
    cr_assert(strstr(messages, folder), "%s\nnames no file", messages);
}

TestSuite(checkpoint, .init = setup, .fini = teardown, .timeout = 60);

/* ---- single files ---- */

static int wrapped(const struct test_tensor *t, char out[TEST_NAME])
{
    return put(out, "state_dict.", t->name);
}

static int plain_text(const struct test_tensor *t, char out[TEST_NAME])
{
    const char *rest = after(t->name, "cond_stage_model.transformer.text_model.");

    return rest ? put(out, "cond_stage_model.transformer.", rest) : same(t, out);
}

static int wrapped_plain_text(const struct test_tensor *t, char out[TEST_NAME])
{
    char inner[TEST_NAME];

    return plain_text(t, inner) && put(out, "state_dict.", inner);
}

Test(checkpoint, single_files)
{
    test_rename *const variants[] = { same, wrapped, plain_text, wrapped_plain_text };

    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        test_write_shard(in_folder("model.safetensors"), variants[i], 0, 1);
        expect_good(in_folder("model.safetensors"), NULL);
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
    test_write_shard(in_folder("model.safetensors"), same, 0, 1);
    cr_assert_eq(open_checkpoint(&c, in_folder("model.safetensors"), NULL, &log_kept), 0);
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

    test_write_shard(in_folder("model.safetensors"), same, 0, 1);
    cr_assert_eq(open_checkpoint(&c, in_folder("model.safetensors"), NULL, &log_kept), 0);
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
    cr_assert_eq(n_messages, 0);
    cr_assert_null(sdrt_checkpoint_vocab_path(c, 0));
    cr_assert_null(sdrt_checkpoint_merges_path(c, 0));
    sdrt_checkpoint_close(&c);
    sdrt_checkpoint_close(&c);
}

/* ---- folders ---- */

static int unet_part(const struct test_tensor *t, char out[TEST_NAME])
{
    const char *rest = after(t->canonical, "unet.");

    return rest && put(out, "", rest);
}

static int vae_part(const struct test_tensor *t, char out[TEST_NAME])
{
    const char *rest = after(t->canonical, "vae.");

    return rest && put(out, "", rest);
}

static int text_part(const struct test_tensor *t, char out[TEST_NAME])
{
    const char *rest = after(t->canonical, "text_encoder.");

    return rest && put(out, "", rest);
}

static int text_part_plain(const struct test_tensor *t, char out[TEST_NAME])
{
    const char *rest = after(t->canonical, "text_encoder.text_model.");

    return rest && put(out, "", rest);
}

static int vae_part_old(const struct test_tensor *t, char out[TEST_NAME])
{
    static const char *const names[][2] = {
        { ".to_q.", ".query." }, { ".to_k.", ".key." }, { ".to_v.", ".value." },
        { ".to_out.0.", ".proj_attn." },
    };

    if (!vae_part(t, out)) return 0;
    for (int i = 0; i < 4; i++) {
        char *at = strstr(out, names[i][0]), rest[TEST_NAME];
        if (!at) continue;
        snprintf(rest, sizeof rest, "%s", at + strlen(names[i][0]));
        snprintf(at, (size_t)(out + TEST_NAME - at), "%s%s", names[i][1], rest);
    }
    return 1;
}

static const char *make_folders(void)
{
    static const char *const names[] = { "", "/unet", "/vae", "/text_encoder", "/tokenizer",
                                         "/scheduler" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cr_assert_eq(mkdir(in_folder("m%s", names[i]), 0700), 0);
    return in_folder("m");
}

static void write_folder(const char *infix, test_rename *vae, test_rename *text)
{
    make_folders();
    test_write_shard(in_folder("m/unet/diffusion_pytorch_model%s.safetensors", infix), unet_part, 0,
                     1);
    test_write_shard(in_folder("m/vae/diffusion_pytorch_model%s.safetensors", infix), vae, 0, 1);
    test_write_shard(in_folder("m/text_encoder/model%s.safetensors", infix), text, 0, 1);
}

Test(checkpoint, folder)
{
    write_folder("", vae_part, text_part);
    expect_good(in_folder("m"), NULL);
}

Test(checkpoint, folder_of_old_names)
{
    write_folder(".fp16", vae_part_old, text_part_plain);
    expect_good(in_folder("m"), NULL);
}

static void write_index(const char *path)
{
    write_text(path, "{\"metadata\":{},\"weight_map\":{\"a\":\"s0.safetensors\","
                     "\"b\":\"s1.safetensors\",\"c\":\"s0.safetensors\"}}");
}

Test(checkpoint, sharded_folder)
{
    static const char *const indices[] = { "safetensors.index.json", "safetensors.index.fp16.json",
                                           "fp16.safetensors.index.json" };

    write_folder("", vae_part, text_part);
    remove(in_folder("m/unet/diffusion_pytorch_model.safetensors"));
    for (int i = 0; i < 2; i++)
        test_write_shard(in_folder("m/unet/s%d.safetensors", i), unet_part, i, 2);
    for (int i = 0; i < 3; i++) {
        const char *index = in_folder("m/unet/diffusion_pytorch_model.%s", indices[i]);
        write_index(index);
        expect_good(in_folder("m"), NULL);
        remove(index);
    }
    write_index(in_folder("m/unet/diffusion_pytorch_model.safetensors.index.json"));
    remove(in_folder("m/unet/s1.safetensors"));
    expect_error(in_folder("m"), NULL, SDRT_E_MISSING, "s1.safetensors");
    write_text(in_folder("m/unet/diffusion_pytorch_model.safetensors.index.json"),
               "{\"weight_map\":{\"a\":\"../x.safetensors\"}}");
    expect_error(in_folder("m"), NULL, SDRT_E_FORMAT, "expected the name of a file beside it");
    write_text(in_folder("m/unet/diffusion_pytorch_model.safetensors.index.json"), "{}");
    expect_error(in_folder("m"), NULL, SDRT_E_FORMAT, "weight_map");
}

Test(checkpoint, config_files_tell_what_shapes_cannot)
{
    const struct sdrt_model_config *m;
    struct sdrt_checkpoint *c;

    write_folder("", vae_part, text_part);
    write_text(in_folder("m/model_index.json"), "{\"_class_name\":\"StableDiffusionPipeline\"}");
    write_text(in_folder("m/unet/config.json"), "{\"attention_head_dim\":[1,2,4,4],"
               "\"norm_num_groups\":16,\"block_out_channels\":[1,2,3],\"in_channels\":77}");
    write_text(in_folder("m/vae/config.json"), "{\"scaling_factor\":0.5,\"norm_num_groups\":8}");
    write_text(in_folder("m/text_encoder/config.json"),
               "{\"num_attention_heads\":4,\"hidden_act\":\"gelu\",\"hidden_size\":1}");
    write_text(in_folder("m/scheduler/scheduler_config.json"),
               "{\"prediction_type\":\"v_prediction\"}");
    write_text(in_folder("m/tokenizer/vocab.json"), "{}");
    cr_assert_eq(open_checkpoint(&c, in_folder("m"), NULL, &log_kept), 0, "%s", messages);
    m = sdrt_checkpoint_config(c);
    cr_assert(m->unet.heads == 0 && m->unet.head_dim == 32 && m->unet.norm_groups == 16);
    cr_assert(m->unet.channels[0] == 32 && m->unet.in_channels == 4);
    cr_assert(m->vae.scaling_factor == 0.5f && m->vae.norm_groups == 8);
    cr_assert(m->text[0].clip.heads == 4 && m->text[0].clip.act == SDRT_CLIP_GELU && m->text[0].clip.hidden == 64);
    cr_assert_eq(m->noise.prediction, SDRT_PREDICTION_V);
    cr_assert_null(sdrt_checkpoint_vocab_path(c, 0), "merges.txt is absent");
    sdrt_checkpoint_close(&c);
    write_text(in_folder("m/tokenizer/merges.txt"), "");
    write_text(in_folder("m/unet/config.json"), "{\"num_attention_heads\":4}");
    cr_assert_eq(open_checkpoint(&c, in_folder("m"), NULL, &log_kept), 0, "%s", messages);
    cr_assert_eq(sdrt_checkpoint_config(c)->unet.heads, 4);
    cr_assert_str_eq(sdrt_checkpoint_vocab_path(c, 0), in_folder("m/tokenizer/vocab.json"));
    cr_assert_str_eq(sdrt_checkpoint_merges_path(c, 0), in_folder("m/tokenizer/merges.txt"));
    sdrt_checkpoint_close(&c);
}

Test(checkpoint, bad_config_files)
{
    static const struct {
        const char *file, *text;
        int status;
        const char *message;
    } bad[] = {
        { "unet/config.json", "{", SDRT_E_FORMAT, "unet/config.json" },
        { "unet/config.json", "{\"attention_head_dim\":0}", SDRT_E_FORMAT, "attention_head_dim" },
        { "unet/config.json", "{\"attention_head_dim\":7}", SDRT_E_UNSUPPORTED, "7 heads" },
        { "unet/config.json", "{\"attention_head_dim\":[8]}", SDRT_E_FORMAT, "4 numbers" },
        { "unet/config.json", "{\"attention_head_dim\":[8,8,8,8]}", SDRT_E_UNSUPPORTED, "head" },
        { "unet/config.json", "{\"norm_num_groups\":33}", SDRT_E_UNSUPPORTED, "33 groups" },
        { "vae/config.json", "{\"norm_num_groups\":48}", SDRT_E_UNSUPPORTED, "48 groups" },
        { "vae/config.json", "{\"scaling_factor\":0}", SDRT_E_FORMAT, "scaling_factor" },
        { "text_encoder/config.json", "{\"hidden_act\":\"relu\"}", SDRT_E_UNSUPPORTED, "relu" },
        { "text_encoder/config.json", "{\"num_attention_heads\":5}", SDRT_E_UNSUPPORTED,
          "5 heads" },
        { "scheduler/scheduler_config.json", "{\"prediction_type\":\"sample\"}",
          SDRT_E_UNSUPPORTED, "sample" },
        { "scheduler/scheduler_config.json", "{\"timestep_spacing\":\"even\"}",
          SDRT_E_UNSUPPORTED, "even" },
        { "scheduler/scheduler_config.json", "{\"beta_schedule\":\"linear\"}",
          SDRT_E_UNSUPPORTED, "beta_schedule" },
        { "scheduler/scheduler_config.json", "{\"beta_start\":0.5}", SDRT_E_FORMAT, "beta_start" },
        { "scheduler/scheduler_config.json", "{\"num_train_timesteps\":1}", SDRT_E_FORMAT,
          "num_train_timesteps" },
        { "scheduler/scheduler_config.json", "{\"rescale_betas_zero_snr\":1}", SDRT_E_FORMAT,
          "rescale_betas_zero_snr" },
        { "model_index.json", "{\"_class_name\":\"FluxPipeline\"}", SDRT_E_UNSUPPORTED, "Flux" },
        { "model_index.json", "[", SDRT_E_FORMAT, "model_index.json" },
    };

    write_folder("", vae_part, text_part);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *path = in_folder("m/%s", bad[i].file);
        write_text(path, bad[i].text);
        expect_error(in_folder("m"), NULL, bad[i].status, bad[i].message);
        remove(path);
    }
}

Test(checkpoint, folders_with_parts_missing)
{
    write_folder("", vae_part, text_part);
    rename(in_folder("m/text_encoder"), in_folder("m/t"));
    expect_error(in_folder("m"), NULL, SDRT_E_MISSING, "has no text encoder");
    rename(in_folder("m/vae"), in_folder("m/v"));
    expect_error(in_folder("m"), NULL, SDRT_E_MISSING, "has no VAE: give one with --vae FILE");
    remove(in_folder("m/unet/diffusion_pytorch_model.safetensors"));
    expect_error(in_folder("m"), NULL, SDRT_E_MISSING, "unet: has no weights");
    rename(in_folder("m/unet"), in_folder("m/u"));
    expect_error(in_folder("m"), NULL, SDRT_E_MISSING, "has no U-Net");
}

/* ---- a VAE beside the checkpoint ---- */

static int no_vae(const struct test_tensor *t, char out[TEST_NAME])
{
    return !after(t->name, "first_stage_model.") && same(t, out);
}

static int vae_prefixed(const struct test_tensor *t, char out[TEST_NAME])
{
    return after(t->name, "first_stage_model.") && same(t, out);
}

static int vae_wrapped(const struct test_tensor *t, char out[TEST_NAME])
{
    return vae_prefixed(t, out) && put(out, "state_dict.", t->name);
}

static int vae_bare(const struct test_tensor *t, char out[TEST_NAME])
{
    const char *rest = after(t->name, "first_stage_model.");

    return rest && put(out, "", rest);
}

static int vae_decoder(const struct test_tensor *t, char out[TEST_NAME])
{
    return vae_bare(t, out) && !after(out, "encoder.");
}

Test(checkpoint, vae_files)
{
    test_rename *const variants[] = { vae_prefixed, vae_wrapped, vae_bare, vae_part, vae_part_old };
    const char *model = in_folder("model.safetensors"), *vae = in_folder("vae.safetensors");
    struct sdrt_checkpoint *c;

    test_write_shard(model, no_vae, 0, 1);
    expect_error(model, NULL, SDRT_E_MISSING, "has no VAE: give one with --vae FILE");
    n_messages = 0;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        test_write_shard(vae, variants[i], 0, 1);
        expect_good(model, vae);
    }
    expect_error(vae, NULL, SDRT_E_MISSING, "is a VAE without a U-Net");
    expect_error(model, model, SDRT_E_FORMAT, "not a VAE");
    expect_error(model, in_folder("nothing"), SDRT_E_MISSING, "nothing");
    test_write_shard(vae, vae_decoder, 0, 1);
    cr_assert_eq(open_checkpoint(&c, model, vae, &log_kept), SDRT_OK);
    cr_assert_eq(sdrt_checkpoint_config(c)->vae.has_encoder, 0);
    check_weights(c, 0);
    sdrt_checkpoint_close(&c);
}

Test(checkpoint, vae_folders)
{
    const char *model = in_folder("model.safetensors");

    test_write_shard(model, no_vae, 0, 1);
    make_folders();
    test_write_shard(in_folder("m/vae/diffusion_pytorch_model.fp16.safetensors"), vae_part_old, 0,
                     1);
    expect_good(model, in_folder("m/vae"));
    expect_good(model, in_folder("m"));
    expect_error(model, in_folder("m/unet"), SDRT_E_MISSING, "has no weights");
}

Test(checkpoint, a_given_vae_wins)
{
    const char *model = in_folder("model.safetensors"), *vae = in_folder("vae.safetensors");
    struct sdrt_checkpoint *c;

    test_write_shard(model, same, 0, 1);
    test_write_shard(vae, vae_decoder, 0, 1);
    cr_assert_eq(open_checkpoint(&c, model, vae, &log_kept), SDRT_OK);
    cr_assert_eq(sdrt_checkpoint_config(c)->vae.has_encoder, 0);
    sdrt_checkpoint_close(&c);
}

/* ---- what is no SD 1.x checkpoint ---- */

static const char *extra; /* the name that the first tensor of the list gets */

static int with_extra(const struct test_tensor *t, char out[TEST_NAME])
{
    return t == test_tensors ? put(out, "", extra) : same(t, out);
}

static int only_extra(const struct test_tensor *t, char out[TEST_NAME])
{
    return t == test_tensors && put(out, "", extra);
}

static int no_text(const struct test_tensor *t, char out[TEST_NAME])
{
    return !after(t->name, "cond_stage_model.") && same(t, out);
}

Test(checkpoint, other_families_are_named)
{
    static const char *const mixed[][2] = {
        { "conditioner.embedders.0.transformer.text_model.encoder.layers.0.x",
          "and 2 text encoders" },
        { "cond_stage_model.model.transformer.resblocks.0.x", "and 2 text encoders" },
    };
    static const char *const alone[][2] = {
        { "model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "family Flux" },
        { "double_blocks.0.img_attn.qkv.weight", "family Flux" },
        { "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", "is a LoRA" },
        { "unet.down_blocks.0.attentions.0.proj_in.lora_A.weight", "is a LoRA" },
    };
    const char *path = in_folder("model.safetensors");

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
    write_text(path, "this is a text and no model");
    expect_error(path, NULL, SDRT_E_FORMAT, "model.safetensors");
    expect_error(in_folder("absent"), NULL, SDRT_E_MISSING, "absent");
}

Test(checkpoint, sizes_that_do_not_fit)
{
    const char *path = in_folder("model.safetensors");
    struct test_tensor *in = test_find("model.diffusion_model.input_blocks.0.0.weight");
    struct test_tensor *key = test_find("model.diffusion_model.input_blocks.7.1."
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
        test_write_shard(path, same, 0, 1);
        expect_error(path, NULL, widths[i].status, widths[i].text);
    }
    key->shape[1] = narrow(768);
    key->rank = 2;
    in->shape[1] = 9;
    test_write_shard(path, same, 0, 1);
    expect_error(path, NULL, SDRT_E_UNSUPPORTED, "takes 9 channels: an inpainting");
    in->shape[1] = 4;
    head->shape[1] = 16;
    test_write_shard(path, same, 0, 1);
    expect_error(path, NULL, SDRT_E_UNSUPPORTED, "the VAE expects 16");
}
