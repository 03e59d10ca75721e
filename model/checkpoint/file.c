/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/file.h"

#include <stdio.h>

/* What parts stand behind; text encoders': SD 1.x's, SD 2.x's, SDXL's first, the SDXL refiner's,
 * SDXL's second, SD 3.x's first and second. */
static const char *const vae_prefixes[] = { "first_stage_model." };
static const char *const t5_prefixes[] = { "text_encoders.t5xxl.transformer." };
static const char *const clip_prefixes[] = {
    "cond_stage_model.transformer.",        "cond_stage_model.model.",
    "conditioner.embedders.0.transformer.", "conditioner.embedders.0.model.",
    "conditioner.embedders.1.model.",       "text_encoders.clip_l.transformer.",
    "text_encoders.clip_g.transformer.",
};

enum { CLIP_PREFIXES = sizeof clip_prefixes / sizeof *clip_prefixes, PREFIX_MAX = 64 };

/* A file with all its tensors, before it is split. */
struct whole {
    struct sdrt_part all;
    const char *path;
    const char *wrapper; /* "state_dict." when a training framework has put all names behind it,
                          * else "" */
    const struct sdrt_log *log;
};

static int open_whole(struct whole *w, const char *path, const struct sdrt_log *log)
{
    *w = (struct whole){ .path = path, .log = log };
    const int status = sdrt_part_add(&w->all, path, "", log);
    if (status == SDRT_OK)
        w->wrapper = sdrt_part_has_prefix(&w->all, "state_dict.") ? "state_dict." : "";
    return status;
}

static int has(const struct whole *w, const char *prefix)
{
    char name[PREFIX_MAX];

    snprintf(name, sizeof name, "%s%s", w->wrapper, prefix);
    return sdrt_part_has_prefix(&w->all, name);
}

/* Adds to part what the file has behind the prefix. */
static int take(const struct whole *w, const char *prefix, struct sdrt_part *part)
{
    char strip[PREFIX_MAX];

    snprintf(strip, sizeof strip, "%s%s", w->wrapper, prefix);
    return sdrt_part_add(part, w->path, strip, w->log);
}

/* Why a file without a U-Net is no checkpoint. */
static int refuse(const struct whole *w)
{
    const char *family;

    if (sdrt_part_has_prefix(&w->all, "lora_") || sdrt_part_has_piece(&w->all, ".lora"))
        return sdrt_fail(w->log, SDRT_E_UNSUPPORTED,
                         "%s: is a LoRA, which only changes a model: expected a whole checkpoint",
                         w->path);
    family = sdrt_part_foreign_family(&w->all);
    if (family) return sdrt_refuse_family(w->path, family, w->log);
    if (sdrt_part_has_piece(&w->all, "decoder.conv_in.weight"))
        return sdrt_fail(w->log, SDRT_E_MISSING,
                         "%s: is a VAE without a U-Net: expected a whole checkpoint", w->path);
    return sdrt_fail(w->log, SDRT_E_FORMAT,
                     "%s: not a Stable Diffusion checkpoint: none of its %zu tensors is "
                     "model.diffusion_model.input_blocks.0.0.weight",
                     w->path, sdrt_weight_files_count(w->all.files));
}

/* What the denoiser stands behind: an MMDiT is often given alone, without a prefix. */
static const char *denoiser_prefix(const struct whole *w)
{
    static const char usual[] = "model.diffusion_model.";

    if (!has(w, usual) &&
        (has(w, "joint_blocks.0.") || has(w, "transformer_blocks.0.norm1_context.")))
        return "";
    return usual;
}

static int take_denoiser(const struct whole *w, struct sdrt_part *denoiser)
{
    int original;
    const int status = take(w, denoiser_prefix(w), denoiser);

    if (status != SDRT_OK) return status;
    if (!sdrt_part_has(denoiser, "input_blocks.0.0.weight") &&
        !sdrt_part_is_mmdit(denoiser, &original))
        return refuse(w);
    const char *family = sdrt_part_foreign_family(&w->all);
    return family ? sdrt_refuse_family(w->path, family, w->log) : SDRT_OK;
}

static int take_texts(const struct whole *w, struct sdrt_parts *out)
{
    int status = SDRT_OK;

    for (int i = 0; i < CLIP_PREFIXES && status == SDRT_OK; i++) {
        if (!has(w, clip_prefixes[i])) continue;
        status = sdrt_parts_add_text(out, w->path, w->log);
        if (status == SDRT_OK) status = take(w, clip_prefixes[i], &out->text[out->n_text - 1]);
    }
    return status;
}

int sdrt_file_open_parts(struct sdrt_parts *out, const char *path, int with_t5,
                         const struct sdrt_log *log)
{
    struct whole w;
    int status = open_whole(&w, path, log);

    *out = (struct sdrt_parts){ 0 };
    if (status == SDRT_OK) status = take_denoiser(&w, &out->denoiser);
    if (status == SDRT_OK) {
        out->v_pred = has(&w, "v_pred");
        out->zero_snr = has(&w, "ztsnr");
        status = take(&w, vae_prefixes[0], &out->vae);
    }
    if (status == SDRT_OK) status = take_texts(&w, out);
    if (status == SDRT_OK && with_t5) status = take(&w, t5_prefixes[0], &out->t5);
    if (status != SDRT_OK) sdrt_parts_free(out);
    sdrt_part_free(&w.all);
    return status;
}

static int open_part(struct sdrt_part *out, const char *path, const char *const *prefixes, int n,
                     const struct sdrt_log *log)
{
    struct whole w;
    int i = 0, status = open_whole(&w, path, log);

    *out = (struct sdrt_part){ 0 };
    if (status == SDRT_OK) {
        while (i < n && !has(&w, prefixes[i])) i++;
        status = take(&w, i < n ? prefixes[i] : "", out);
    }
    if (status != SDRT_OK) sdrt_part_free(out);
    sdrt_part_free(&w.all);
    return status;
}

int sdrt_file_open_vae(struct sdrt_part *out, const char *path, const struct sdrt_log *log)
{
    return open_part(out, path, vae_prefixes, 1, log);
}

int sdrt_file_open_clip(struct sdrt_part *out, const char *path, const struct sdrt_log *log)
{
    return open_part(out, path, clip_prefixes, CLIP_PREFIXES, log);
}

int sdrt_file_open_t5(struct sdrt_part *out, const char *path, const struct sdrt_log *log)
{
    return open_part(out, path, t5_prefixes, 1, log);
}
