/* SPDX-License-Identifier: MIT
 *
 * Makes the files that an attack on sdrt found to crash it, to hold it up or to fill its memory, for
 * tests/check_attacks.sh; and reads those that no small model of tests/golden takes.
 *
 *     attack_files make DIR      all files, into DIR
 *     attack_files t5 FILE       opens T5's tokenizer and encodes a prompt
 */
#include "model/text/t5_tokenizer.h"
#include "runtime/base/hash.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *folder;

static FILE *create(const char *name)
{
    char path[1024];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f) {
        fprintf(stderr, "attack_files: cannot make %s\n", path);
        exit(1);
    }
    return f;
}

static void put_number(FILE *f, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) fputc((int)(value >> 8 * i & 0xff), f);
}

/* A safetensors file of a header's text, and data bytes of 0. */
static void write_header(const char *name, const char *header, size_t data)
{
    FILE *f = create(name);

    put_number(f, strlen(header), 8);
    fputs(header, f);
    for (size_t i = 0; i < data; i++) fputc(0, f);
    fclose(f);
}

#define TENSOR(name, type, shape, places) \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[" places "]}"
#define LAYER "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"

static void write_small(void)
{
    write_header("rank0.safetensors",
                 "{" TENSOR(LAYER ".lora_down.weight", "F32", "0,32",
                            "0,0") "," TENSOR(LAYER ".lora_up.weight", "F32", "32,0", "0,0") "}",
                 0);
    write_header("unknown-type.safetensors",
                 "{" TENSOR("lora_unet_mid_block_attentions_0_proj_in.diff", "XX",
                            "4611686018427387904,3", "0,0") "}",
                 0);
    write_header("type-escape.safetensors",
                 "{" TENSOR("lora_unet_x.lora_down.weight", "\\u001b[2J\\u001b]0;owned\\u0007", "0",
                            "0,0") "," TENSOR("a", "F32\\nkind: SD 1.x checkpoint\\nruns: yes", "0",
                                              "0,0") "}",
                 0);
    write_header("name-escape.safetensors",
                 "{" TENSOR("lora_unet_\xc2\x9b"
                            "31mRED\xc2\x9d"
                            "0;title\xc2\x9c\xe2\x80\xaegnp.exe.lora_down.weight",
                            "F32", "1", "0,4") "}",
                 4);
}

/* An SDXL of which each part has a dimension of 0, and the last tensor one beyond all bounds. */
static void write_huge(void)
{
    static const char *const shapes[][2] = {
        { "model.diffusion_model.input_blocks.0.0.weight", "32,4,0,3" },
        { "model.diffusion_model.input_blocks.1.0.in_layers.2.weight", "32,32,0,3" },
        { "model.diffusion_model.input_blocks.1.1.norm.weight", "0" },
        { "model.diffusion_model.input_blocks.1.1.proj_in.weight", "32,0" },
        { "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.norm1.weight", "0" },
        { "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
          "0,128" },
        { "model.diffusion_model.out.2.weight", "4,32,0,3" },
        { "model.diffusion_model.time_embed.0.weight", "128,0" },
        { "model.diffusion_model.label_emb.0.0.weight", "0,256" },
        { "first_stage_model.decoder.conv_in.weight", "32,4,0,3" },
        { "first_stage_model.decoder.up.0.block.0.norm1.weight", "0" },
        { "first_stage_model.decoder.up.0.block.0.conv1.weight", "32,0,3,3" },
        { "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight",
          "0,64" },
        { "conditioner.embedders.0.transformer.text_model.encoder.layers.0.mlp.fc1.weight",
          "64,0" },
        { "conditioner.embedders.1.model.token_embedding.weight", "0,64" },
        { "conditioner.embedders.1.model.transformer.resblocks.0.mlp.c_fc.weight", "64,0" },
        { "conditioner.embedders.1.model.text_projection", "0,4611686018427387904" },
    };
    char header[4096];
    int n = 0;

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        n += snprintf(header + n, sizeof header - (size_t)n,
                      "%c\"%s\":{\"dtype\":\"F16\",\"shape\":[%s],\"data_offsets\":[0,0]}",
                      i ? ',' : '{', shapes[i][0], shapes[i][1]);
    snprintf(header + n, sizeof header - (size_t)n, "}");
    write_header("huge.safetensors", header, 0);
}

/* A header of which a tree takes a hundred times as much memory: an empty list is three bytes. */
static void write_fat(void)
{
    enum { LISTS = 3500000 };
    static const char front[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":[";
    static const char back[] = "[]]}}";
    FILE *f = create("fat.safetensors");

    put_number(f, strlen(front) + 3 * (size_t)LISTS + strlen(back), 8);
    fputs(front, f);
    for (int i = 0; i < LISTS; i++) fputs("[],", f);
    fputs(back, f);
    put_number(f, 0, 4);
    fclose(f);
}

static void write_lists(void)
{
    FILE *f = create("lists.json");

    fputs("{\"_class_name\":\"UNet2DConditionModel\",\"x\":[", f);
    for (int i = 0; i < 20000; i++) fputs("[],", f);
    fputs("[]]}\n", f);
    fclose(f);
}

/* Patterns and modules, each of the ones to be held against each of the others. */
static void write_patterns(void)
{
    enum { PATTERNS = 200000, MODULES = 40000, PATTERN = 14, MODULE = 75 };
    const size_t room = (size_t)PATTERNS * PATTERN + (size_t)MODULES * MODULE + 256;
    char *text = malloc(room);
    size_t n = 0;

    if (!text) exit(1);
    n += (size_t)sprintf(text,
                         "{\"__metadata__\":{\"lora_adapter_metadata\":\"{\\\"lora_alpha\\\":1,"
                         "\\\"alpha_pattern\\\":{");
    for (int i = 0; i < PATTERNS; i++)
        n += (size_t)sprintf(text + n, "%s\\\"p%05x\\\":1", i ? "," : "", (unsigned)i);
    n += (size_t)sprintf(text + n, "}}\"}");
    for (int i = 0; i < MODULES; i++)
        n += (size_t)sprintf(text + n,
                             ",\"lora_unet_m%05d.diff\":{\"dtype\":\"U8\",\"shape\":[1],"
                             "\"data_offsets\":[%d,%d]}",
                             i, i, i + 1);
    sprintf(text + n, "}");
    write_header("patterns.safetensors", text, MODULES);
    free(text);
}

/* Tokens that FNV-1a puts into one sixty-fourth of a table. */
static void write_vocab(void)
{
    enum { TOKENS = 300000, SLOTS = 1 << 20 };
    FILE *f = create("vocab.json");
    char token[32];

    fputs("{\"<|startoftext|>\":0,\"<|endoftext|>\":1", f);
    for (uint64_t i = 2, k = 0; i < TOKENS; k++) {
        snprintf(token, sizeof token, "%llx", (unsigned long long)k);
        const uint64_t hash = sdrt_hash(SDRT_HASH_START, token, strlen(token));
        if (((hash ^ hash >> 32) & (SLOTS - 1)) >= SLOTS / 64) continue;
        fprintf(f, ",\"%s\":%u", token, (unsigned)(i++ % 40000));
    }
    fputs("}\n", f);
    fclose(f);
}

static void put_varint(FILE *f, uint64_t n)
{
    for (; n > 127; n >>= 7) fputc((int)(n & 127) | 128, f);
    fputc((int)n, f);
}

static void put_piece(FILE *f, const char *text, float score, int type)
{
    const size_t n = strlen(text);
    uint32_t bits;

    memcpy(&bits, &score, sizeof bits);
    put_varint(f, 1 << 3 | 2);
    put_varint(f, 2 + n + 5 + (type ? 2 : 0));
    put_varint(f, 1 << 3 | 2);
    put_varint(f, n);
    fputs(text, f);
    put_varint(f, 2 << 3 | 5);
    put_number(f, bits, 4);
    if (type) {
        put_varint(f, 3 << 3);
        put_varint(f, (uint64_t)type);
    }
}

/* A SentencePiece model whose map makes a megabyte of each letter. */
static void write_spiece(void)
{
    enum { UNITS = 1024, BASE = 256, LEAVES = 512, LONG = 1 << 20 };
    uint32_t units[UNITS] = { BASE << 10 };
    FILE *f = create("long.model");

    for (uint32_t k = 0; k < 26; k++) {
        const uint32_t c = 'a' + k, at = BASE ^ c, leaf = LEAVES + k;
        units[at] = c | 1 << 8 | (at ^ leaf) << 10;
        units[leaf] = 0x80000000u;
    }
    put_piece(f, "<pad>", 0.0f, 3);
    put_piece(f, "</s>", 0.0f, 3);
    put_piece(f, "<unk>", 0.0f, 2);
    put_piece(f, "\xe2\x96\x81", -1.0f, 0);
    put_piece(f, "a", -2.0f, 0);
    put_varint(f, 2 << 3 | 2);
    put_varint(f, 11);
    put_varint(f, 3 << 3), put_varint(f, 1);
    put_varint(f, 40 << 3), put_varint(f, 2);
    put_varint(f, 42 << 3), put_varint(f, 1);
    put_varint(f, 43 << 3), put_varint(f, 0);
    const size_t map = 4 + sizeof units + LONG + 1;
    put_varint(f, 3 << 3 | 2);
    put_varint(f, map + 4);
    put_varint(f, 2 << 3 | 2);
    put_varint(f, map);
    put_number(f, sizeof units, 4);
    for (int i = 0; i < UNITS; i++) put_number(f, units[i], 4);
    for (int i = 0; i < LONG; i++) fputc('a', f);
    fputc(0, f);
    fclose(f);
}

/* Added tokens, each of which would be looked for at each place of a prompt. */
static void write_added(void)
{
    FILE *f = create("added.json");

    fputs("{\"model\":{\"type\":\"Unigram\",\"unk_id\":2,\"vocab\":[[\"<pad>\",0],[\"</s>\",0],"
          "[\"<unk>\",0],[\"\xe2\x96\x81"
          "a\",-1.0],[\"b\",-2.0]]},\"added_tokens\":[",
          f);
    for (int i = 0; i < 100000; i++)
        fprintf(f, "%s{\"id\":3,\"content\":\"a%06d\",\"lstrip\":false,\"rstrip\":false}",
                i ? "," : "", i);
    fputs("]}\n", f);
    fclose(f);
}

static void write_prompts(void)
{
    FILE *f = create("tags.txt");

    for (int i = 0; i < 350000; i++) fputs("<lora:", f);
    fputc('\n', f);
    fclose(f);
    f = create("tag.txt");
    fputs("<lora:", f);
    for (int i = 0; i < 2000000; i++) fputc('a', f);
    fputs(">\n", f);
    fclose(f);
}

static void print_line(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    fprintf(stderr, "attack_files: error: %s\n", text);
}

static int read_t5(const char *path)
{
    static const struct sdrt_log log = { .fn = print_line };
    static int32_t ids[512];
    char prompt[SDRT_T5_MAX_PROMPT];
    struct sdrt_t5_tokenizer *t;
    int n = 0, status = sdrt_t5_tokenizer_open(&t, path, &log);

    memset(prompt, 'a', sizeof prompt - 1);
    prompt[sizeof prompt - 1] = '\0';
    if (status == SDRT_OK) status = sdrt_t5_tokenizer_encode(t, prompt, ids, 512, &n);
    sdrt_t5_tokenizer_free(&t);
    return status != SDRT_OK;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "t5")) return read_t5(argv[2]);
    if (argc != 3 || strcmp(argv[1], "make")) {
        fputs("usage: attack_files make DIR | t5 FILE\n", stderr);
        return 2;
    }
    folder = argv[2];
    write_small();
    write_huge();
    write_fat();
    write_lists();
    write_patterns();
    write_vocab();
    write_spiece();
    write_added();
    write_prompts();
    return 0;
}
