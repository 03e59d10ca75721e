/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/lora_base.h"

#include <string.h>

static const char either_mmdit[] = "SD 3.x or Flux", either_clip_g[] = "SDXL or SD 3.x";

/* Parts of names, '.' written as '_', which only one family has. */
static const struct {
    const char *piece, *base;
} signs[] = {
    { "joint_blocks", "SD 3.x" },
    { "double_blocks", "Flux" },
    { "single_blocks", "Flux" },
    { "single_transformer_blocks", "Flux" },
    { "lora_prior_unet", "Stable Cascade" },
    { "lora_transformer_", either_mmdit },
    { "transformer_transformer_blocks_", either_mmdit },
    { "attn_add_q_proj", either_mmdit },
    { "attn_add_k_proj", either_mmdit },
    { "attn_to_add_out", either_mmdit },
    { "lora_te2_", either_clip_g },
    { "text_encoder_2_", either_clip_g },
    { "clip_g_", either_clip_g },
};

/* The width of the text that cross-attentions read. */
static const struct {
    int width;
    const char *base;
} widths[] = { { 768, "SD 1.x" }, { 1024, "SD 2.x" }, { 2048, "SDXL" }, { 1280, "SDXL refiner" } };

/* What trainers note of the model that they began with, by its beginning. */
static const struct {
    const char *key, *begins, *base;
} notes[] = {
    { "modelspec.architecture", "stable-diffusion-v1", "SD 1.x" },
    { "modelspec.architecture", "stable-diffusion-v2", "SD 2.x" },
    { "modelspec.architecture", "stable-diffusion-xl", "SDXL" },
    { "modelspec.architecture", "stable-diffusion-3", "SD 3.x" },
    { "modelspec.architecture", "Flux", "Flux" },
    { "modelspec.architecture", "flux", "Flux" },
    { "ss_base_model_version", "sd_v1", "SD 1.x" },
    { "ss_base_model_version", "sd_1", "SD 1.x" },
    { "ss_base_model_version", "sd_v2", "SD 2.x" },
    { "ss_base_model_version", "sdxl", "SDXL" },
    { "ss_base_model_version", "sd3", "SD 3.x" },
    { "ss_base_model_version", "flux", "Flux" },
};

enum { SIGNS = sizeof signs / sizeof *signs, NAME = 512 };

/* SDXL's transformers have several blocks, SD 1.x's and 2.x's one. */
static int is_deep(const char *key)
{
    static const char blocks[] = "transformer_blocks_";
    const char *at = strstr(key, blocks);

    if (!at || (!strstr(key, "attentions_") && !strstr(key, "put_blocks_") &&
                !strstr(key, "middle_block_")))
        return 0;
    at += strlen(blocks);
    return *at >= '1' && *at <= '9';
}

/* The width of what the module reads, where the tensor has it; 0 elsewhere. */
static int64_t input_width(const char *name, const struct sdrt_file_tensor *t)
{
    static const char *const inner[] = { "lora_down.", "lora_A.",    "lora.down.", "_layer.down.",
                                         "hada_w1_b",  ".a2.weight", ".diff" };

    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
        if (t->rank >= 2 && strstr(name, inner[i])) return t->shape[1];
    return 0;
}

const char *sdrt_lora_tensor_base(const char *name, const struct sdrt_file_tensor *tensor)
{
    char key[NAME];
    size_t n = strlen(name);

    if (n >= sizeof key) n = sizeof key - 1;
    for (size_t i = 0; i < n; i++) key[i] = name[i] == '.' ? '_' : name[i];
    key[n] = '\0';
    for (int i = 0; i < SIGNS; i++)
        if (strstr(key, signs[i].piece)) return signs[i].base;
    if (is_deep(key)) return "SDXL";
    if (!strstr(key, "attn2_to_k") && !strstr(key, "attn2_to_v") &&
        !strstr(key, "attn2_processor_to_k"))
        return NULL;
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        if (input_width(name, tensor) == widths[i].width) return widths[i].base;
    return NULL;
}

/* How much an answer is worth. */
static int worth(const char *base)
{
    return !base ? 0 : base == either_clip_g ? 1 : base == either_mmdit ? 2 : 3;
}

const char *sdrt_lora_file_base(const struct sdrt_tensor_file *file, int with_notes)
{
    const char *best = NULL;

    for (size_t i = 0; i < sdrt_tensor_file_count(file); i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(file, i);
        const char *base = sdrt_lora_tensor_base(t->name, t);
        if (sdrt_lora_base_is_better(base, best)) best = base;
    }
    for (size_t i = 0; with_notes && !best && i < sizeof notes / sizeof *notes; i++) {
        const char *text = sdrt_tensor_file_metadata(file, notes[i].key);
        if (text && !strncmp(text, notes[i].begins, strlen(notes[i].begins))) best = notes[i].base;
    }
    return best;
}

/* Families are told by what they begin with: "SDXL refiner", "SD 3.5 Medium". */
int sdrt_lora_base_fits(const char *base, const char *family)
{
    static const char *const known[] = { "SD 1", "SD 2", "SDXL", "SD 3" };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strncmp(family, known[i], strlen(known[i]))) return strstr(base, known[i]) != NULL;
    return 1;
}

int sdrt_lora_base_is_better(const char *base, const char *than)
{
    return worth(base) > worth(than);
}
