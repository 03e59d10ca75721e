/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/tensor_names.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct rename {
    const char *from, *to;
};

/* Does name begin with pattern, where each '#' stands for a number below 1000?  Numbers
 * go to n in order.  Returns what follows, or NULL. */
static const char *match(const char *name, const char *pattern, int *n)
{
    for (; *pattern; pattern++) {
        if (*pattern != '#') {
            if (*name++ != *pattern) return NULL;
            continue;
        }
        int digits = 0, value = 0;
        for (; *name >= '0' && *name <= '9' && digits < 3; digits++)
            value = value * 10 + (*name++ - '0');
        if (!digits) return NULL;
        *n++ = value;
    }
    return name;
}

static int print(char out[SDRT_NAME_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int print(char out[SDRT_NAME_MAX], const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(out, SDRT_NAME_MAX, format, args);
    va_end(args);
    return length >= 0 && length < SDRT_NAME_MAX;
}

/* prefix, then tail with its beginning renamed by the first rule that fits.  Rules end
 * with a NULL; tails that no rule names stay. */
static int print_renamed(char out[SDRT_NAME_MAX], const char *prefix, const struct rename *rules,
                         const char *tail)
{
    for (; rules->from; rules++) {
        const size_t length = strlen(rules->from);
        if (!strncmp(tail, rules->from, length))
            return print(out, "%s%s%s", prefix, rules->to, tail + length);
    }
    return print(out, "%s%s", prefix, tail);
}

static const struct rename unet_outer[] = {
    { "conv_in.", "input_blocks.0.0." },
    { "time_embedding.linear_1.", "time_embed.0." },
    { "time_embedding.linear_2.", "time_embed.2." },
    { "add_embedding.linear_1.", "label_emb.0.0." },
    { "add_embedding.linear_2.", "label_emb.0.2." },
    { "conv_norm_out.", "out.0." },
    { "conv_out.", "out.2." },
    { "mid_block.attentions.0.", "middle_block.1." },
    { NULL, NULL },
};

static const struct rename unet_resnet[] = {
    { "norm1.", "in_layers.0." },
    { "conv1.", "in_layers.2." },
    { "time_emb_proj.", "emb_layers.1." },
    { "norm2.", "out_layers.0." },
    { "conv2.", "out_layers.3." },
    { "conv_shortcut.", "skip_connection." },
    { NULL, NULL },
};

/* input_blocks: conv_in, then per level its layers and, but for the last, a downsampler. */
static int input_block(const struct sdrt_unet_names *names, int level, int layer)
{
    const int per_level = names->layers + 1;

    if (level >= names->levels || layer > names->layers) return -1;
    if (!names->blocks) return 1 + level * per_level + layer;
    return layer < names->layers ? names->blocks->down[level][layer]
                                 : names->blocks->downsampler[level];
}

/* output_blocks: per level layers + 1; the last ends with the upsampler. */
static int output_block(const struct sdrt_unet_names *names, int block, int layer)
{
    if (block >= names->levels || layer > names->layers) return -1;
    return names->blocks ? names->blocks->up[block][layer] : block * (names->layers + 1) + layer;
}

static int print_upsampler(const struct sdrt_unet_names *names, int block, const char *tail,
                           char out[SDRT_NAME_MAX])
{
    if (block >= names->levels) return 0;
    if (!names->blocks)
        return print(out, "output_blocks.%d.%d.conv.%s", output_block(names, block, names->layers),
                     names->attention[names->levels - 1 - block] ? 2 : 1, tail);
    if (names->blocks->upsampler[block] < 0) return 0;
    return print(out, "output_blocks.%d.%d.conv.%s", names->blocks->upsampler[block],
                 names->blocks->upsampler_place[block], tail);
}

/* A name within block of a side, "input" or "output": its resnet is 0, its transformer 1. */
static int print_in_block(char out[SDRT_NAME_MAX], const char *side, int block, int transformer,
                          const char *tail)
{
    static const struct rename none[] = { { NULL, NULL } };
    char prefix[64];

    if (block < 0) return 0;
    snprintf(prefix, sizeof prefix, "%s_blocks.%d.%d.", side, block, transformer);
    return print_renamed(out, prefix, transformer ? none : unet_resnet, tail);
}

/* What a ControlNet has beside a U-Net's way down.  The original counts convolutions and the SiLUs
 * between them. */
static int print_control(const struct sdrt_unet_names *names, const char *canonical,
                         char out[SDRT_NAME_MAX])
{
    static const char in[] = "controlnet_cond_embedding.conv_in.";
    static const char last[] = "controlnet_cond_embedding.conv_out.";
    const char *tail;
    int n[1];

    if ((tail = match(canonical, "controlnet_down_blocks.#.", n)))
        return print(out, "zero_convs.%d.0.%s", n[0], tail);
    if ((tail = match(canonical, "controlnet_mid_block.", NULL)))
        return print(out, "middle_block_out.0.%s", tail);
    if ((tail = match(canonical, in, NULL))) return print(out, "input_hint_block.0.%s", tail);
    if ((tail = match(canonical, "controlnet_cond_embedding.blocks.#.", n)))
        return print(out, "input_hint_block.%d.%s", 2 * n[0] + 2, tail);
    if ((tail = match(canonical, last, NULL)))
        return print(out, "input_hint_block.%d.%s", 4 * names->hints - 2, tail);
    return 0;
}

/* A T2I-Adapter's, which the original numbers through. */
static int print_adapter(const struct sdrt_unet_names *names, const char *canonical,
                         char out[SDRT_NAME_MAX])
{
    const char *tail;
    int n[2];

    if ((tail = match(canonical, "adapter.body.#.resnets.#.", n)))
        return print(out, "body.%d.%s", n[0] * names->layers + n[1], tail);
    if ((tail = match(canonical, "adapter.body.#.in_conv.", n)))
        return print(out, "body.%d.in_conv.%s", n[0] * names->layers, tail);
    return (tail = match(canonical, "adapter.", NULL)) && print(out, "%s", tail);
}

/* A union of ControlNets has some of its tensors as torch's modules do. */
static int print_union(const char *canonical, char out[SDRT_NAME_MAX])
{
    const char *tail;
    int n[1];

    if ((tail = match(canonical, "transformer_layes.#.attn.in_proj.", n)))
        return print(out, "transformer_layes.%d.attn.in_proj_%s", n[0], tail);
    return print(out, "%s",
                 strcmp(canonical, "task_embedding.weight") ? canonical : "task_embedding");
}

int sdrt_names_unet(const struct sdrt_unet_names *names, const char *canonical,
                    char out[SDRT_NAME_MAX])
{
    char prefix[64];
    const char *tail;
    int n[2];

    if (names->types) return print_union(canonical, out);
    if (!names->original) return print(out, "%s", canonical);
    if (names->adapter) return print_adapter(names, canonical, out);
    if (names->hints && print_control(names, canonical, out)) return 1;
    if ((tail = match(canonical, "down_blocks.#.resnets.#.", n)))
        return print_in_block(out, "input", input_block(names, n[0], n[1]), 0, tail);
    if ((tail = match(canonical, "down_blocks.#.attentions.#.", n)))
        return print_in_block(out, "input", input_block(names, n[0], n[1]), 1, tail);
    if ((tail = match(canonical, "down_blocks.#.downsamplers.0.conv.", n))) {
        n[1] = input_block(names, n[0], names->layers);
        return n[1] >= 0 && print(out, "input_blocks.%d.0.op.%s", n[1], tail);
    }
    if ((tail = match(canonical, "mid_block.resnets.#.", n))) {
        snprintf(prefix, sizeof prefix, "middle_block.%d.", 2 * n[0]);
        return print_renamed(out, prefix, unet_resnet, tail);
    }
    if ((tail = match(canonical, "up_blocks.#.resnets.#.", n)))
        return print_in_block(out, "output", output_block(names, n[0], n[1]), 0, tail);
    if ((tail = match(canonical, "up_blocks.#.attentions.#.", n)))
        return print_in_block(out, "output", output_block(names, n[0], n[1]), 1, tail);
    if ((tail = match(canonical, "up_blocks.#.upsamplers.0.conv.", n)))
        return print_upsampler(names, n[0], tail, out);
    return print_renamed(out, "", unet_outer, canonical);
}

static const struct rename mmdit_outer[] = {
    { "pos_embed.pos_embed", "pos_embed" },
    { "pos_embed.proj.", "x_embedder.proj." },
    { "time_text_embed.timestep_embedder.linear_1.", "t_embedder.mlp.0." },
    { "time_text_embed.timestep_embedder.linear_2.", "t_embedder.mlp.2." },
    { "time_text_embed.text_embedder.linear_1.", "y_embedder.mlp.0." },
    { "time_text_embed.text_embedder.linear_2.", "y_embedder.mlp.2." },
    { "norm_out.linear.", "final_layer.adaLN_modulation.1." },
    { "proj_out.", "final_layer.linear." },
    { NULL, NULL },
};

static const struct rename mmdit_block[] = {
    { "norm1.linear.", "x_block.adaLN_modulation.1." },
    { "norm1_context.linear.", "context_block.adaLN_modulation.1." },
    { "attn.to_out.0.", "x_block.attn.proj." },
    { "attn.to_add_out.", "context_block.attn.proj." },
    { "attn.norm_q.", "x_block.attn.ln_q." },
    { "attn.norm_k.", "x_block.attn.ln_k." },
    { "attn.norm_added_q.", "context_block.attn.ln_q." },
    { "attn.norm_added_k.", "context_block.attn.ln_k." },
    { "attn2.to_out.0.", "x_block.attn2.proj." },
    { "attn2.norm_q.", "x_block.attn2.ln_q." },
    { "attn2.norm_k.", "x_block.attn2.ln_k." },
    { "ff.net.0.proj.", "x_block.mlp.fc1." },
    { "ff.net.2.", "x_block.mlp.fc2." },
    { "ff_context.net.0.proj.", "context_block.mlp.fc1." },
    { "ff_context.net.2.", "context_block.mlp.fc2." },
    { NULL, NULL },
};

/* Queries, keys and values are one matrix in the original. */
static const struct {
    const char *from[3], *to;
} mmdit_thirds[] = {
    { { "attn.to_q.", "attn.to_k.", "attn.to_v." }, "x_block.attn.qkv." },
    { { "attn2.to_q.", "attn2.to_k.", "attn2.to_v." }, "x_block.attn2.qkv." },
    { { "attn.add_q_proj.", "attn.add_k_proj.", "attn.add_v_proj." }, "context_block.attn.qkv." },
};

static int mmdit_third(const char *prefix, const char *tail, char out[SDRT_NAME_MAX],
                       struct sdrt_name_part *part)
{
    for (size_t i = 0; i < sizeof mmdit_thirds / sizeof *mmdit_thirds; i++)
        for (int k = 0; k < 3; k++) {
            const char *rest = match(tail, mmdit_thirds[i].from[k], NULL);
            if (!rest) continue;
            part->third = k;
            return print(out, "%s%s%s", prefix, mmdit_thirds[i].to, rest);
        }
    return 0;
}

/* Stability's ControlNets of SD 3.5 Large have the blocks of the image alone; the rest is as in diffusers. */
static const struct rename control_block[] = {
    { "norm1.linear.", "adaLN_modulation.1." },
    { "attn.to_out.0.", "attn.proj." },
    { "ff.net.0.proj.", "mlp.fc1." },
    { "ff.net.2.", "mlp.fc2." },
    { NULL, NULL },
};

static int mmdit_control(int i, const char *tail, char out[SDRT_NAME_MAX],
                         struct sdrt_name_part *part)
{
    char prefix[64];

    snprintf(prefix, sizeof prefix, "transformer_blocks.%d.", i);
    for (int k = 0; k < 3; k++) {
        const char *rest = match(tail, mmdit_thirds[0].from[k], NULL);
        if (!rest) continue;
        part->third = k;
        return print(out, "%sattn.qkv.%s", prefix, rest);
    }
    return print_renamed(out, prefix, control_block, tail);
}

/* Where only scale and shift are made of the timestep, diffusers has the scale first, the original
 * the shift. */
int sdrt_names_mmdit(const struct sdrt_mmdit_names *names, const char *canonical,
                     char out[SDRT_NAME_MAX], struct sdrt_name_part *part)
{
    char prefix[64];
    int n[1];
    const char *tail = match(canonical, "transformer_blocks.#.", n);

    *part = (struct sdrt_name_part){ .third = -1 };
    if (names->control && tail) return mmdit_control(n[0], tail, out, part);
    if (!names->original) return print(out, "%s", canonical);
    if (!tail) {
        part->swapped = match(canonical, "norm_out.linear.", NULL) != NULL;
        return print_renamed(out, "", mmdit_outer, canonical);
    }
    snprintf(prefix, sizeof prefix, "joint_blocks.%d.", n[0]);
    if (mmdit_third(prefix, tail, out, part)) return 1;
    part->swapped = n[0] == names->depth - 1 && match(tail, "norm1_context.linear.", NULL);
    return print_renamed(out, prefix, mmdit_block, tail);
}

static const struct rename vae_attention_old[] = {
    { "to_q.", "query." }, { "to_k.", "key." }, { "to_v.", "value." },
    { "to_out.0.", "proj_attn." }, { NULL, NULL },
};

static const struct rename vae_attention_original[] = {
    { "group_norm.", "norm." }, { "to_q.", "q." }, { "to_k.", "k." }, { "to_v.", "v." },
    { "to_out.0.", "proj_out." }, { NULL, NULL },
};

static const struct rename vae_resnet[] = {
    { "conv_shortcut.", "nin_shortcut." },
    { NULL, NULL },
};

static const struct rename vae_half[] = {
    { "conv_norm_out.", "norm_out." },
    { NULL, NULL },
};

/* One half, "decoder." or "encoder.", in the original layout; up counts from the smallest
 * level in diffusers, from the largest in the original. */
static int vae_original(const char *half, int levels, const char *name, char out[SDRT_NAME_MAX])
{
    char prefix[64];
    const char *tail;
    int n[2];

    if ((tail = match(name, "down_blocks.#.resnets.#.", n))) {
        snprintf(prefix, sizeof prefix, "%sdown.%d.block.%d.", half, n[0], n[1]);
        return print_renamed(out, prefix, vae_resnet, tail);
    }
    if ((tail = match(name, "down_blocks.#.downsamplers.0.conv.", n)))
        return print(out, "%sdown.%d.downsample.conv.%s", half, n[0], tail);
    if ((tail = match(name, "up_blocks.#.resnets.#.", n)) && n[0] < levels) {
        snprintf(prefix, sizeof prefix, "%sup.%d.block.%d.", half, levels - 1 - n[0], n[1]);
        return print_renamed(out, prefix, vae_resnet, tail);
    }
    if ((tail = match(name, "up_blocks.#.upsamplers.0.conv.", n)) && n[0] < levels)
        return print(out, "%sup.%d.upsample.conv.%s", half, levels - 1 - n[0], tail);
    if ((tail = match(name, "mid_block.resnets.#.", n))) {
        snprintf(prefix, sizeof prefix, "%smid.block_%d.", half, n[0] + 1);
        return print_renamed(out, prefix, vae_resnet, tail);
    }
    if ((tail = match(name, "mid_block.attentions.0.", n))) {
        snprintf(prefix, sizeof prefix, "%smid.attn_1.", half);
        return print_renamed(out, prefix, vae_attention_original, tail);
    }
    return print_renamed(out, half, vae_half, name);
}

int sdrt_names_vae(const struct sdrt_vae_names *names, const char *canonical,
                   char out[SDRT_NAME_MAX])
{
    static const char *const halves[] = { "decoder.", "encoder." };
    char prefix[64];
    const char *tail;

    if (names->layout == SDRT_VAE_DIFFUSERS) return print(out, "%s", canonical);
    for (int i = 0; i < 2; i++) {
        const size_t length = strlen(halves[i]);
        if (strncmp(canonical, halves[i], length)) continue;
        if (names->layout == SDRT_VAE_ORIGINAL)
            return vae_original(halves[i], names->levels, canonical + length, out);
        tail = match(canonical + length, "mid_block.attentions.0.", NULL);
        if (!tail) break;
        snprintf(prefix, sizeof prefix, "%smid_block.attentions.0.", halves[i]);
        return print_renamed(out, prefix, vae_attention_old, tail);
    }
    return print(out, "%s", canonical);
}

const char *sdrt_text_prefix(int i)
{
    static const char *const prefixes[] = { "text_encoder", "text_encoder_2", "text_encoder_3" };

    return prefixes[i];
}

static const struct rename clip_outer[] = {
    { "text_model.embeddings.token_embedding.", "token_embedding." },
    { "text_model.embeddings.position_embedding.weight", "positional_embedding" },
    { "text_model.final_layer_norm.", "ln_final." },
    { "text_projection.weight", "text_projection" },
    { NULL, NULL },
};

static const struct rename clip_layer[] = {
    { "layer_norm1.", "ln_1." },
    { "layer_norm2.", "ln_2." },
    { "self_attn.out_proj.", "attn.out_proj." },
    { "mlp.fc1.", "mlp.c_fc." },
    { "mlp.fc2.", "mlp.c_proj." },
    { NULL, NULL },
};

static int clip_open(const char *canonical, char out[SDRT_NAME_MAX], struct sdrt_name_part *part)
{
    static const char *const thirds[3] = { "self_attn.q_proj.", "self_attn.k_proj.",
                                           "self_attn.v_proj." };
    char prefix[64];
    int n[1];
    const char *tail = match(canonical, "text_model.encoder.layers.#.", n);

    if (!tail) {
        part->transposed = !strcmp(canonical, "text_projection.weight");
        return print_renamed(out, "", clip_outer, canonical);
    }
    snprintf(prefix, sizeof prefix, "transformer.resblocks.%d.", n[0]);
    for (int i = 0; i < 3; i++) {
        const size_t length = strlen(thirds[i]);
        if (strncmp(tail, thirds[i], length)) continue;
        part->third = i;
        return print(out, "%sattn.in_proj_%s", prefix, tail + length);
    }
    return print_renamed(out, prefix, clip_layer, tail);
}

/* The projection is as its source has it: OpenCLIP's is transposed. */
static int clip_ggml(int open, const char *canonical, char out[SDRT_NAME_MAX],
                     struct sdrt_name_part *part)
{
    static const char *const thirds[3] = { "self_attn.q_proj.", "self_attn.k_proj.",
                                           "self_attn.v_proj." };
    int n[1];
    const char *tail = match(canonical, "text_model.encoder.layers.#.", n);

    if (!strcmp(canonical, "text_projection.weight")) {
        part->transposed = open;
        return print(out, "text_model.text_projection");
    }
    for (int i = 0; open && tail && i < 3; i++) {
        const char *rest = match(tail, thirds[i], NULL);
        if (!rest) continue;
        part->third = i;
        return print(out, "text_model.encoder.layers.%d.self_attn.in_proj.%s", n[0], rest);
    }
    return print(out, "%s", canonical);
}

int sdrt_names_clip(enum sdrt_clip_layout layout, const char *canonical, char out[SDRT_NAME_MAX],
                    struct sdrt_name_part *part)
{
    const char *tail = layout == SDRT_CLIP_PLAIN ? match(canonical, "text_model.", NULL) : NULL;

    *part = (struct sdrt_name_part){ .third = -1 };
    if (layout == SDRT_CLIP_OPEN) return clip_open(canonical, out, part);
    if (layout == SDRT_CLIP_GGML || layout == SDRT_CLIP_GGML_OPEN)
        return clip_ggml(layout == SDRT_CLIP_GGML_OPEN, canonical, out, part);
    return print(out, "%s", tail ? tail : canonical);
}

static const struct rename t5_block[] = {
    { "layer.0.SelfAttention.relative_attention_bias.", "attn_rel_b." },
    { "layer.0.SelfAttention.q.", "attn_q." },
    { "layer.0.SelfAttention.k.", "attn_k." },
    { "layer.0.SelfAttention.v.", "attn_v." },
    { "layer.0.SelfAttention.o.", "attn_o." },
    { "layer.0.layer_norm.", "attn_norm." },
    { "layer.1.DenseReluDense.wi_0.", "ffn_gate." },
    { "layer.1.DenseReluDense.wi_1.", "ffn_up." },
    { "layer.1.DenseReluDense.wo.", "ffn_down." },
    { "layer.1.layer_norm.", "ffn_norm." },
    { NULL, NULL },
};

static const struct rename t5_outer[] = {
    { "shared.", "token_embd." },
    { "encoder.final_layer_norm.", "enc.output_norm." },
    { NULL, NULL },
};

int sdrt_names_t5(int ggml, const char *canonical, char out[SDRT_NAME_MAX])
{
    char prefix[64];
    int n[1];

    if (!ggml) return print(out, "%s", canonical);
    const char *tail = match(canonical, "encoder.block.#.", n);
    if (!tail) return print_renamed(out, "", t5_outer, canonical);
    snprintf(prefix, sizeof prefix, "enc.blk.%d.", n[0]);
    return print_renamed(out, prefix, t5_block, tail);
}
