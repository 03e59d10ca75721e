/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/layout.h"

#include <stdio.h>
#include <string.h>

enum { MAX_BLOCKS = 64 /* of a side of an original U-Net */ };

/* How many of the prefixes with i = 0, 1, ... in the place of format's %d begin some name, up to
 * the first that does not and to limit. */
static int count_prefix(const struct sdrt_part *part, int limit, const char *format)
{
    char prefix[SDRT_NAME_MAX];
    int i;

    for (i = 0; i < limit; i++) {
        snprintf(prefix, sizeof prefix, format, i);
        if (!sdrt_part_has_prefix(part, prefix)) break;
    }
    return i;
}

static int unsupported(const char *path, const char *what, int value, const char *expected,
                       const struct sdrt_log *log)
{
    return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: %s %d: expected %s", path, what, value,
                     expected);
}

static int has(const struct sdrt_part *part, const char *format, int a, int b)
{
    char name[SDRT_NAME_MAX];

    snprintf(name, sizeof name, format, a, b);
    return sdrt_part_has(part, name);
}

/* One side of an original U-Net on the way to its blocks. */
struct side {
    const char *name, *path;
    const struct sdrt_log *log;
    int levels, layer; /* of the level that is being filled */
    int most;          /* resnets of a level */
};

static int add_resnet(struct side *s, short *blocks, int n)
{
    if (s->levels == SDRT_MAX_LEVELS)
        return unsupported(s->path, "levels of the U-Net: more than", s->levels, "1 to 4", s->log);
    if (s->layer == s->most)
        return unsupported(s->path, "resnets in a level of the U-Net: more than", s->most,
                           "8, and one more on the way up", s->log);
    blocks[s->levels * s->most + s->layer++] = (short)n;
    return SDRT_OK;
}

/* The level is full: all have as many resnets as the first. */
static int end_level(struct side *s, int layers)
{
    if (s->layer != layers)
        return sdrt_fail(
            s->log, SDRT_E_UNSUPPORTED,
            "%s: level %d of the U-Net's %s blocks has %d resnets: expected %d, as the "
            "first level's way down tells",
            s->path, s->levels, s->name, s->layer, layers);
    s->levels++;
    s->layer = 0;
    return SDRT_OK;
}

/* The original names number the blocks of all levels through, some converters with gaps; a block
 * that halves the image ends a level. */
static int find_input_blocks(struct sdrt_unet_names *names, struct sdrt_unet_blocks *blocks,
                             struct side *s, const struct sdrt_part *unet)
{
    int status = SDRT_OK;

    for (int n = 1; n < MAX_BLOCKS && status == SDRT_OK; n++) {
        if (has(unet, "input_blocks.%d.%d.in_layers.0.weight", n, 0)) {
            status = add_resnet(s, blocks->down[0], n);
        } else if (has(unet, "input_blocks.%d.%d.op.weight", n, 0)) {
            if (!s->levels) names->layers = s->layer;
            if (s->levels < SDRT_MAX_LEVELS) blocks->downsampler[s->levels] = (short)n;
            status = end_level(s, names->layers);
        }
    }
    if (!s->levels) names->layers = s->layer;
    if (status == SDRT_OK) status = end_level(s, names->layers);
    names->levels = s->levels;
    return status;
}

/* An upsampler ends a level: behind its last resnet, or in a block of its own. */
static int find_output_blocks(const struct sdrt_unet_names *names, struct sdrt_unet_blocks *blocks,
                              struct side *s, const struct sdrt_part *unet)
{
    int status = SDRT_OK;

    for (int n = 0; n < MAX_BLOCKS && status == SDRT_OK; n++) {
        int place = 2;
        if (has(unet, "output_blocks.%d.%d.in_layers.0.weight", n, 0))
            status = add_resnet(s, blocks->up[0], n);
        while (place >= 0 && !has(unet, "output_blocks.%d.%d.conv.weight", n, place)) place--;
        if (place < 0 || status != SDRT_OK || s->levels == SDRT_MAX_LEVELS) continue;
        blocks->upsampler[s->levels] = (short)n;
        blocks->upsampler_place[s->levels] = (short)place;
        status = end_level(s, names->layers + 1);
    }
    if (status == SDRT_OK) status = end_level(s, names->layers + 1);
    if (status == SDRT_OK && s->levels != names->levels)
        return unsupported(s->path, "levels of the U-Net's way up:", s->levels,
                           "as many as of its way down", s->log);
    return status;
}

static int find_original(struct sdrt_unet_names *names, struct sdrt_unet_blocks *blocks,
                         const struct sdrt_part *unet, const char *path, const struct sdrt_log *log)
{
    struct side in = { "input", path, log, .most = SDRT_MAX_LAYERS };
    struct side out = { "output", path, log, .most = SDRT_MAX_LAYERS + 1 };
    int status;

    memset(blocks, -1, sizeof *blocks);
    names->blocks = blocks;
    status = find_input_blocks(names, blocks, &in, unet);
    if (status != SDRT_OK || names->hints) return status;
    return find_output_blocks(names, blocks, &out, unet);
}

static int find_unet(struct sdrt_layout *out, const struct sdrt_part *unet, const char *path,
                     const struct sdrt_log *log)
{
    struct sdrt_unet_names *names = &out->unet;
    int status = SDRT_OK;

    names->original = sdrt_part_has(unet, "input_blocks.0.0.weight");
    if (names->original) {
        status = find_original(names, &out->blocks, unet, path, log);
    } else {
        names->layers = count_prefix(unet, SDRT_MAX_LAYERS + 1, "down_blocks.0.resnets.%d.");
        names->levels = count_prefix(unet, SDRT_MAX_LEVELS + 1, "down_blocks.%d.");
    }
    if (status != SDRT_OK) return status;
    if (names->levels < 1 || names->levels > SDRT_MAX_LEVELS)
        return unsupported(path, "levels of the U-Net:", names->levels, "1 to 4", log);
    if (names->layers < 1 || names->layers > SDRT_MAX_LAYERS)
        return unsupported(path, "resnets in a level of the U-Net:", names->layers, "1 to 8", log);
    return SDRT_OK;
}

static int find_mmdit(struct sdrt_mmdit_names *names, int original, const struct sdrt_part *mmdit,
                      const char *path, const struct sdrt_log *log)
{
    names->original = original;
    names->depth = count_prefix(mmdit, SDRT_MMDIT_MAX_DEPTH + 1,
                                original ? "joint_blocks.%d." : "transformer_blocks.%d.");
    if (names->depth > SDRT_MMDIT_MAX_DEPTH)
        return unsupported(path, "blocks of the MMDiT:", names->depth, "1 to 64", log);
    return SDRT_OK;
}

static int find_vae(struct sdrt_vae_names *names, const struct sdrt_part *vae, const char *path,
                    const struct sdrt_log *log)
{
    if (sdrt_part_has_prefix(vae, "decoder.up.")) names->layout = SDRT_VAE_ORIGINAL;
    else if (sdrt_part_has(vae, "decoder.mid_block.attentions.0.query.weight"))
        names->layout = SDRT_VAE_DIFFUSERS_OLD;
    else names->layout = SDRT_VAE_DIFFUSERS;
    names->levels = count_prefix(vae, SDRT_MAX_LEVELS + 1,
                                 names->layout == SDRT_VAE_ORIGINAL ? "decoder.up.%d."
                                                                    : "decoder.up_blocks.%d.");
    if (names->levels < 1 || names->levels > SDRT_MAX_LEVELS)
        return unsupported(path, "levels of the VAE:", names->levels, "1 to 4", log);
    return SDRT_OK;
}

static int find_text(enum sdrt_clip_layout *layout, const struct sdrt_part *text, const char *path,
                     const struct sdrt_log *log)
{
    if (sdrt_part_has_prefix(text, "transformer.resblocks.0.")) *layout = SDRT_CLIP_OPEN;
    else if (sdrt_part_has(text, "text_model.encoder.layers.0.self_attn.in_proj.weight"))
        *layout = SDRT_CLIP_GGML_OPEN;
    else if (sdrt_part_has(text, "text_model.text_projection")) *layout = SDRT_CLIP_GGML;
    else if (sdrt_part_has_prefix(text, "text_model.encoder.layers.0."))
        *layout = SDRT_CLIP_TRANSFORMERS;
    else if (sdrt_part_has_prefix(text, "encoder.layers.0.")) *layout = SDRT_CLIP_PLAIN;
    else
        return sdrt_fail(log, SDRT_E_MISSING,
                         "%s: has no text encoder that is CLIP's: expected "
                         "text_model.encoder.layers.* or transformer.resblocks.*",
                         path);
    return SDRT_OK;
}

static int find_denoiser(struct sdrt_layout *out, const struct sdrt_parts *parts, const char *path,
                         const struct sdrt_log *log)
{
    int original;

    if (!sdrt_part_is_mmdit(&parts->denoiser, &original)) {
        out->denoiser = SDRT_DENOISER_UNET;
        return find_unet(out, &parts->denoiser, path, log);
    }
    out->denoiser = SDRT_DENOISER_MMDIT;
    return find_mmdit(&out->mmdit, original, &parts->denoiser, path, log);
}

int sdrt_layout_find_denoiser(struct sdrt_layout *out, const struct sdrt_parts *parts,
                              const char *path, const struct sdrt_log *log)
{
    *out = (struct sdrt_layout){ 0 };
    return find_denoiser(out, parts, path, log);
}

int sdrt_layout_find_adapter(struct sdrt_layout *out, const struct sdrt_parts *parts)
{
    enum { ORIGINAL_RESNETS = 2 }; /* of a feature; its names do not tell */
    const struct sdrt_part *net = &parts->denoiser;

    *out = (struct sdrt_layout){ 0 };
    out->unet.adapter = 1;
    out->unet.original = !sdrt_part_has(net, "adapter.conv_in.weight");
    out->unet.layers = out->unet.original
                           ? ORIGINAL_RESNETS
                           : count_prefix(net, SDRT_MAX_LAYERS, "adapter.body.0.resnets.%d.");
    return SDRT_OK;
}

static int find_mmdit_control(struct sdrt_layout *out, const struct sdrt_part *net,
                              const char *path, const struct sdrt_log *log)
{
    *out = (struct sdrt_layout){ .denoiser = SDRT_DENOISER_MMDIT };
    out->mmdit.control = sdrt_part_has(net, "transformer_blocks.0.attn.qkv.weight");
    return find_mmdit(&out->mmdit, 0, net, path, log);
}

/* The widths that a ControlNet's picture goes through. */
static int count_hints(struct sdrt_unet_names *names, const struct sdrt_part *net, int original,
                       const char *path, const struct sdrt_log *log)
{
    int convs = 0;

    while (
        convs <= 4 * SDRT_MAX_HINTS &&
        has(net,
            original ? "input_hint_block.%d.weight" : "controlnet_cond_embedding.blocks.%d.weight",
            original ? 2 * convs : convs, 0))
        convs++;
    names->hints = original ? convs / 2 : convs / 2 + 1;
    if (convs % 2 || !convs || names->hints > SDRT_MAX_HINTS)
        return unsupported(path, "convolutions that a ControlNet's picture goes through:", convs,
                           "an even number up to 16", log);
    return SDRT_OK;
}

int sdrt_layout_find_control(struct sdrt_layout *out, const struct sdrt_parts *parts,
                             const char *path, const struct sdrt_log *log)
{
    const struct sdrt_part *net = &parts->denoiser;
    const int original = sdrt_part_has(net, "input_blocks.0.0.weight");

    if (sdrt_part_has(net, "pos_embed_input.proj.weight"))
        return find_mmdit_control(out, net, path, log);
    *out = (struct sdrt_layout){ 0 };
    const int status = count_hints(&out->unet, net, original, path, log);
    if (status != SDRT_OK) return status;
    out->unet.types = sdrt_part_has(net, "task_embedding");
    return find_unet(out, net, path, log);
}

int sdrt_layout_find_control_lora(struct sdrt_layout *out, const struct sdrt_parts *parts,
                                  int levels, int layers, const char *path,
                                  const struct sdrt_log *log)
{
    *out = (struct sdrt_layout){
        .unet = { .original = 1, .levels = levels, .layers = layers },
    };
    return count_hints(&out->unet, &parts->denoiser, 1, path, log);
}

int sdrt_layout_find(struct sdrt_layout *out, const struct sdrt_parts *parts, const char *path,
                     const struct sdrt_log *log)
{
    int status = SDRT_OK;

    *out = (struct sdrt_layout){ 0 };
    for (int i = 0; i < parts->n_text && status == SDRT_OK; i++)
        status = find_text(&out->text[i], &parts->text[i], path, log);
    if (status == SDRT_OK) status = find_denoiser(out, parts, path, log);
    return status == SDRT_OK ? find_vae(&out->vae, &parts->vae, path, log) : status;
}
