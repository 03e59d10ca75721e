/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/layout.h"

#include <stdio.h>

enum { MAX_INPUT_BLOCKS = 64 };

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

/* The original names number the blocks of all levels through; a block that halves the image
 * ends a level. */
static int count_input_blocks(struct sdrt_unet_names *names, const struct sdrt_part *unet,
                              const char *path, const struct sdrt_log *log)
{
    const int blocks = count_prefix(unet, MAX_INPUT_BLOCKS, "input_blocks.%d.");
    char op[64];
    int first = 1;

    for (; first < blocks; first++) {
        snprintf(op, sizeof op, "input_blocks.%d.0.op.weight", first);
        if (sdrt_part_has(unet, op)) break;
    }
    names->layers = first - 1;
    names->levels = blocks / first;
    if (blocks % first)
        return unsupported(path, "input blocks of the U-Net:", blocks, "as many in each level",
                           log);
    return SDRT_OK;
}

static int find_unet(struct sdrt_unet_names *names, const struct sdrt_part *unet, const char *path,
                     const struct sdrt_log *log)
{
    char canonical[SDRT_NAME_MAX], name[SDRT_NAME_MAX];
    int status = SDRT_OK;

    names->original = sdrt_part_has(unet, "input_blocks.0.0.weight");
    if (names->original) {
        status = count_input_blocks(names, unet, path, log);
    } else {
        names->layers = count_prefix(unet, SDRT_MAX_LAYERS + 1, "down_blocks.0.resnets.%d.");
        names->levels = count_prefix(unet, SDRT_MAX_LEVELS + 1, "down_blocks.%d.");
    }
    if (status != SDRT_OK) return status;
    if (names->levels < 1 || names->levels > SDRT_MAX_LEVELS)
        return unsupported(path, "levels of the U-Net:", names->levels, "1 to 4", log);
    if (names->layers < 1 || names->layers > SDRT_MAX_LAYERS)
        return unsupported(path, "resnets in a level of the U-Net:", names->layers, "1 to 8", log);
    for (int i = 0; i < names->levels; i++) {
        snprintf(canonical, sizeof canonical, "down_blocks.%d.attentions.0.norm.weight", i);
        names->attention[i] = sdrt_names_unet(names, canonical, name) && sdrt_part_has(unet, name);
    }
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

int sdrt_layout_find(struct sdrt_layout *out, const struct sdrt_parts *parts, const char *path,
                     const struct sdrt_log *log)
{
    int original, status = SDRT_OK;

    *out = (struct sdrt_layout){ 0 };
    for (int i = 0; i < parts->n_text && status == SDRT_OK; i++)
        status = find_text(&out->text[i], &parts->text[i], path, log);
    if (status != SDRT_OK) return status;
    if (sdrt_part_is_mmdit(&parts->denoiser, &original)) {
        out->denoiser = SDRT_DENOISER_MMDIT;
        status = find_mmdit(&out->mmdit, original, &parts->denoiser, path, log);
    } else {
        out->denoiser = SDRT_DENOISER_UNET;
        status = find_unet(&out->unet, &parts->denoiser, path, log);
    }
    return status == SDRT_OK ? find_vae(&out->vae, &parts->vae, path, log) : status;
}
