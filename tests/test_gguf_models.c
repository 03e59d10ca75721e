/* SPDX-License-Identifier: MIT
 *
 * GGUF files in other writers' habits, made here of the tiny models: stable-diffusion.cpp's, which
 * drops outermost dimensions of 1 and has written linear projections as convolutions, and
 * llama.cpp's names of a T5.
 */
#include "model/checkpoint/checkpoint.h"
#include "model/net/config.h"
#include "runtime/files/ggml_types.h"
#include "runtime/files/tensor_files.h"
#include "tests/single_file.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(gguf_models, .init = temp_folder_make, .fini = temp_folder_remove);

/* Changes a tensor's name (room for 200 bytes) or shape on its way. */
typedef void change_fn(char *name, int *rank, int64_t shape[8]);

static void put(FILE *f, const void *p, size_t n) { cr_assert(n == 0 || fwrite(p, n, 1, f) == 1); }
static void put_u32(FILE *f, uint32_t v) { put(f, &v, 4); }
static void put_u64(FILE *f, uint64_t v) { put(f, &v, 8); }

/* Writes the tensors of a file as GGUF. */
static const char *write_gguf(const char *to, const char *from, change_fn *change)
{
    static const char zeros[32];
    struct sdrt_tensor_file *in;
    const char *path = temp_path(to);
    FILE *f = fopen(path, "wb");
    uint64_t at = 0;

    cr_assert(f && sdrt_tensor_file_open(&in, from, &kept_log) == SDRT_OK, "%s", kept_text);
    const size_t count = sdrt_tensor_file_count(in);
    put(f, "GGUF\3\0\0\0", 8);
    put_u64(f, count);
    put_u64(f, 0);
    for (size_t i = 0; i < count; i++) {
        struct sdrt_file_tensor t = *sdrt_tensor_file_at(in, i);
        char name[200];
        snprintf(name, sizeof name, "%s", t.name);
        change(name, &t.rank, t.shape);
        put_u64(f, strlen(name));
        put(f, name, strlen(name));
        put_u32(f, (uint32_t)t.rank);
        for (int k = t.rank - 1; k >= 0; k--) put_u64(f, (uint64_t)t.shape[k]);
        put_u32(f, (uint32_t)sdrt_ggml_number(t.dtype));
        put_u64(f, at);
        at += (t.bytes + 31) / 32 * 32;
    }
    put(f, zeros, (size_t)(-ftell(f) & 31));
    for (size_t i = 0; i < count; i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(in, i);
        put(f, t->data, t->bytes);
        put(f, zeros, -t->bytes & 31);
    }
    cr_assert_eq(fclose(f), 0);
    sdrt_tensor_file_close(&in);
    return path;
}

static const char *single(const char *family)
{
    static struct single s;
    const char *path = temp_path("single.safetensors");

    s = (struct single){ .n = 0 };
    read_single(&s, family);
    write_single(path, &s);
    close_single(&s);
    kept_lines = 0; /* of parts that the family has not */
    return path;
}

static struct sdrt_checkpoint *open_model(const struct sdrt_checkpoint_paths *paths)
{
    struct sdrt_checkpoint *c;
    const int status = sdrt_checkpoint_open(&c, paths, &kept_log);

    expect_quiet(status, "open");
    cr_assert_eq(status, SDRT_OK);
    return c;
}

static void as_convolutions(char *name, int *rank, int64_t shape[8])
{
    const char *end = strrchr(name, '.');

    if (*rank != 2 || !end || strcmp(end, ".weight") || !strstr(name, ".proj_")) return;
    shape[2] = shape[3] = 1;
    *rank = 4;
}

Test(gguf_models, linear_projections_may_be_written_as_convolutions)
{
    static const struct {
        const char *family, *name;
    } models[] = { { "sdxl", "SDXL" }, { "sd21", "SD 2.x" } };

    for (int i = 0; i < 2; i++) {
        const char *path = write_gguf("x.gguf", single(models[i].family), as_convolutions);
        struct sdrt_checkpoint *c = open_model(&(struct sdrt_checkpoint_paths){ .model = path });
        cr_expect_str_eq(sdrt_checkpoint_config(c)->family, models[i].name);
        sdrt_checkpoint_close(&c);
    }
}

static void replace(char *name, const char *what, const char *with)
{
    char *at = strstr(name, what), rest[200];

    if (!at) return;
    snprintf(rest, sizeof rest, "%s", at + strlen(what));
    snprintf(at, (size_t)(name + 200 - at), "%s%s", with, rest);
}

/* What stable-diffusion.cpp calls tensors where it converts names. */
static void as_sd_cpp(char *name, int *rank, int64_t shape[8])
{
    static const char *const words[][2] = {
        { "conditioner.embedders.0.transformer.", "cond_stage_model.transformer." },
        { "conditioner.embedders.1.model.", "cond_stage_model.1.model." },
        { "model.transformer.resblocks.", "transformer.text_model.encoder.layers." },
        { "model.token_embedding.", "transformer.text_model.embeddings.token_embedding." },
        { "model.positional_embedding",
          "transformer.text_model.embeddings.position_embedding.weight" },
        { "model.ln_final.", "transformer.text_model.final_layer_norm." },
        { "model.text_projection", "transformer.text_model.text_projection" },
        { "transformer.text_projection.weight", "transformer.text_model.text_projection" },
        { ".attn.in_proj_", ".self_attn.in_proj." },
        { ".attn.out_proj.", ".self_attn.out_proj." },
        { ".ln_1.", ".layer_norm1." },
        { ".ln_2.", ".layer_norm2." },
        { ".mlp.c_fc.", ".mlp.fc1." },
        { ".mlp.c_proj.", ".mlp.fc2." },
    };

    as_convolutions(name, rank, shape);
    if (strncmp(name, "cond", 4) != 0 && strncmp(name, "text", 4) != 0) return;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncmp(words[i][0], "model.", 6) || !strstr(name, "_model.transformer."))
            replace(name, words[i][0], words[i][1]);
}

/* Expects both models to have a tensor of the same bytes. */
static void expect_equal(struct sdrt_checkpoint *a, struct sdrt_checkpoint *b, const char *name)
{
    const struct sdrt_weights_provider p = sdrt_checkpoint_provider(a);
    const struct sdrt_weights_provider q = sdrt_checkpoint_provider(b);
    struct sdrt_weight_view v, w;

    cr_assert_eq(p.get(p.self, name, -1, NULL, &v), SDRT_OK, "%s", name);
    cr_assert_eq(q.get(q.self, name, -1, NULL, &w), SDRT_OK, "%s", name);
    cr_expect(v.rank == w.rank && v.shape[0] == w.shape[0] && v.dtype == w.dtype &&
                  sdrt_weight_bytes(&v) == sdrt_weight_bytes(&w) &&
                  !memcmp(v.data, w.data, sdrt_weight_bytes(&v)),
              "%s", name);
    p.release(p.self, name);
    q.release(q.self, name);
}

Test(gguf_models, names_of_stable_diffusion_cpp)
{
    static const char *const families[] = { "sd21", "sdxl", "sd3" };
    static const char *const names[] = { "text_model.encoder.layers.1.self_attn.q_proj.weight",
                                         "text_model.encoder.layers.1.self_attn.v_proj.bias",
                                         "text_model.encoder.layers.0.mlp.fc2.weight",
                                         "text_model.embeddings.position_embedding.weight",
                                         "text_model.final_layer_norm.bias",
                                         "text_projection.weight" };
    char name[128];

    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const char *from = single(families[i]), *to = write_gguf("x.gguf", from, as_sd_cpp);
        struct sdrt_checkpoint *a = open_model(&(struct sdrt_checkpoint_paths){ .model = from });
        struct sdrt_checkpoint *b = open_model(&(struct sdrt_checkpoint_paths){ .model = to });
        const struct sdrt_model_config *m = sdrt_checkpoint_config(a);
        const struct sdrt_model_config *n = sdrt_checkpoint_config(b);
        cr_expect_str_eq(m->family, n->family);
        cr_expect_eq(m->n_text, n->n_text);
        for (int k = 0; k < m->n_text; k++) {
            cr_expect_eq(m->text[k].skip, n->text[k].skip);
            cr_expect_eq(m->text[k].cut, n->text[k].cut);
            for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
                if (!m->text[k].pooled && !strncmp(names[j], "text_projection", 15)) continue;
                snprintf(name, sizeof name, "%s.%s", sdrt_text_prefix(k), names[j]);
                expect_equal(a, b, name);
            }
        }
        sdrt_checkpoint_close(&a);
        sdrt_checkpoint_close(&b);
    }
}

static void without_outer_ones(char *name, int *rank, int64_t shape[8])
{
    (void)name;
    while (*rank > 1 && shape[0] == 1) {
        memmove(shape, shape + 1, 7 * sizeof *shape);
        --*rank;
    }
}

Test(gguf_models, outermost_dimensions_of_one_may_be_dropped)
{
    const char *path = write_gguf("x.gguf", single("sd35"), without_outer_ones);
    struct sdrt_checkpoint *c = open_model(&(struct sdrt_checkpoint_paths){ .model = path });

    cr_expect_str_eq(sdrt_checkpoint_config(c)->family, "SD 3.5 Medium");
    sdrt_checkpoint_close(&c);
}

/* As ComfyUI-GGUF's map has it, read backwards. */
static void as_llama(char *name, int *rank, int64_t shape[8])
{
    static const char *const map[][2] = {
        { "encoder.", "enc." },
        { ".block.", ".blk." },
        { "shared", "token_embd" },
        { "final_layer_norm", "output_norm" },
        { "layer.0.SelfAttention.relative_attention_bias", "attn_rel_b" },
        { "layer.0.SelfAttention.q", "attn_q" },
        { "layer.0.SelfAttention.k", "attn_k" },
        { "layer.0.SelfAttention.v", "attn_v" },
        { "layer.0.SelfAttention.o", "attn_o" },
        { "layer.0.layer_norm", "attn_norm" },
        { "layer.1.DenseReluDense.wi_1", "ffn_up" },
        { "layer.1.DenseReluDense.wo", "ffn_down" },
        { "layer.1.DenseReluDense.wi_0", "ffn_gate" },
        { "layer.1.layer_norm", "ffn_norm" },
    };

    (void)rank;
    (void)shape;
    for (size_t i = 0; i < sizeof map / sizeof *map; i++) {
        char old[200], *at = strstr(name, map[i][0]);
        if (!at) continue;
        strcpy(old, at + strlen(map[i][0]));
        strcpy(at, map[i][1]);
        strcat(at, old);
    }
}

Test(gguf_models, a_t5_may_have_llama_cpps_names)
{
    const char *root = getenv("SDRT_TESTDATA");
    struct sdrt_tensor_file *file;
    char t5[512], tokenizer[512], name[256];
    struct sdrt_weight_view v;

    snprintf(t5, sizeof t5, "%s/golden/tiny-sd35/t5/model.safetensors", root ? root : "tests");
    snprintf(tokenizer, sizeof tokenizer, "%s/golden/t5-tokenizer/spiece.model",
             root ? root : "tests");
    const struct sdrt_checkpoint_paths paths = { .model = single("sd35"),
                                                 .t5 = write_gguf("t5.gguf", t5, as_llama),
                                                 .t5_tokenizer = tokenizer };
    struct sdrt_checkpoint *c = open_model(&paths);
    const struct sdrt_weights_provider p = sdrt_checkpoint_provider(c);
    expect_quiet(sdrt_tensor_file_open(&file, t5, &kept_log), "T5");
    for (size_t i = 0; i < sdrt_tensor_file_count(file); i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(file, i);
        snprintf(name, sizeof name, "text_encoder_3.%s", t->name);
        cr_assert_eq(p.get(p.self, name, -1, NULL, &v), SDRT_OK, "%s", name);
        cr_expect(sdrt_weight_bytes(&v) == t->bytes && !memcmp(v.data, t->data, t->bytes), "%s",
                  name);
        p.release(p.self, name);
    }
    sdrt_tensor_file_close(&file);
    sdrt_checkpoint_close(&c);
}
