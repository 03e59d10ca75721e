/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/file.h"

#include <stdio.h>
#include <string.h>

/* What parts stand behind: in original names, in diffusers' put into one file, and in files of their
 * own. */
static const char *const denoiser_prefixes[] = {
    "model.diffusion_model.", "diffusion_model.", "unet.", "transformer.", "",
};
static const char *const vae_prefixes[] = { "first_stage_model.", "vae." };
static const char *const t5_prefixes[] = { "text_encoders.t5xxl.transformer.", "text_encoder_3.",
                                           "t5xxl.transformer." };

/* Text encoders', in the order of the encoders: SD 1.x's, SD 2.x's, SDXL's first, the SDXL refiner's,
 * SDXL's second, SD 3.x's first and second. */
static const char *const clip_prefixes[] = {
    "cond_stage_model.transformer.",
    "cond_stage_model.model.",
    "cond_stage_model.1.transformer.", /* behind the first, as stable-diffusion.cpp names SDXL's */
    "conditioner.embedders.0.transformer.",
    "conditioner.embedders.0.model.",
    "conditioner.embedders.1.model.",
    "text_encoders.clip_l.transformer.",
    "text_encoders.clip_g.transformer.",
    "text_encoder.",
    "text_encoder_2.",
    "clip_l.transformer.",
    "clip_g.transformer.",
};

/* What training frameworks put all names behind. */
static const char *const wrappers[] = { "", "state_dict.", "model.", "module.",
                                        "state_dict.model." };

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

enum { CLIP_PREFIXES = COUNT(clip_prefixes), PREFIX_MAX = 96 };

/* Tensors beside the parts that tell nothing of an image: what training leaves behind, averaged
 * copies, schedules that are computed anew, and the marks that are read elsewhere. */
static const char *const leftovers[] = {
    "^model_ema.",
    "^loss.",
    "^betas$",
    "alphas_cumprod",
    "^log_one_minus_",
    "^posterior_",
    "^logvar$",
    "^sqrt_",
    "^lvlb_weights$",
    "^scale_factor$",
    "^global_step$",
    "^denoiser.sigmas$",
    "^embedding_manager.",
    "^cond_stage_model.",
    "^conditioner.embedders.",
    "^text_encoders.",
    "^text_encoder",
    "^v_pred$",
    "^ztsnr$",
    "^edm_",
    "^model_sampling.",
    "^epoch",
    "_ema.",
};

/* A file with all its tensors, before it is split. */
struct whole {
    struct sdrt_part all;
    const char *path;
    const char *wrapper;                  /* one of wrappers */
    const char *taken[CLIP_PREFIXES + 3]; /* prefixes of what has become a part */
    int n_taken;
    const struct sdrt_log *log;
};

static int open_whole(struct whole *w, const char *path, const struct sdrt_log *log)
{
    *w = (struct whole){ .path = path, .wrapper = "", .log = log };
    return sdrt_part_add(&w->all, path, "", log);
}

static int has(const struct whole *w, const char *prefix)
{
    char name[PREFIX_MAX];

    snprintf(name, sizeof name, "%s%s", w->wrapper, prefix);
    return sdrt_part_has_prefix(&w->all, name);
}

/* Adds to part what the file has behind the prefix. */
static int take(struct whole *w, const char *prefix, struct sdrt_part *part)
{
    char strip[PREFIX_MAX];

    snprintf(strip, sizeof strip, "%s%s", w->wrapper, prefix);
    if (w->n_taken < COUNT(w->taken)) w->taken[w->n_taken++] = prefix;
    return sdrt_part_take(part, &w->all, strip, w->log);
}

/* The same behind the first of n prefixes that the file has; nothing without any. */
static int take_first(struct whole *w, const char *const *prefixes, int n, struct sdrt_part *part)
{
    for (int i = 0; i < n; i++)
        if (has(w, prefixes[i])) return take(w, prefixes[i], part);
    return SDRT_OK;
}

/* Why a file without a denoiser is no checkpoint. */
static int refuse(const struct whole *w)
{
    const struct sdrt_kind *kind = sdrt_part_kind(&w->all, 1);

    if (kind) return sdrt_refuse_kind(w->path, kind, w->log);
    return sdrt_fail(w->log, SDRT_E_FORMAT,
                     "%s: not a Stable Diffusion checkpoint: none of its %zu tensors is "
                     "model.diffusion_model.input_blocks.0.0.weight",
                     w->path, sdrt_part_count(&w->all));
}

/* Whether a denoiser stands behind the prefix, by tensors that each has of the first kind. */
static int has_denoiser(const struct whole *w, const char *prefix)
{
    static const char *const signs[] = {
        "input_blocks.0.0.weight",
        "time_embedding.linear_1.weight",
        "joint_blocks.0.context_block.",
        "transformer_blocks.0.norm1_context.",
    };
    char name[PREFIX_MAX];

    for (int i = 0; i < COUNT(signs); i++) {
        snprintf(name, sizeof name, "%s%s", prefix, signs[i]);
        if (has(w, name)) return 1;
    }
    return 0;
}

/* What the denoiser stands behind, with the wrapper of all names found too; NULL without one. */
static const char *find_denoiser(struct whole *w)
{
    for (int i = 0; i < COUNT(wrappers); i++) {
        w->wrapper = wrappers[i];
        for (int k = 0; k < COUNT(denoiser_prefixes); k++)
            if (has_denoiser(w, denoiser_prefixes[k])) return denoiser_prefixes[k];
    }
    return NULL;
}

static int take_denoiser(struct whole *w, struct sdrt_part *denoiser)
{
    const char *prefix = find_denoiser(w);
    const int status = sdrt_part_refuse_foreign(&w->all, w->path, w->log);

    if (status != SDRT_OK) return status;
    return prefix ? take(w, prefix, denoiser) : refuse(w);
}

static int take_texts(struct whole *w, struct sdrt_parts *out)
{
    int status = SDRT_OK;

    for (int i = 0; i < CLIP_PREFIXES && status == SDRT_OK; i++) {
        if (!has(w, clip_prefixes[i])) continue;
        status = sdrt_parts_add_text(out, w->path, w->log);
        if (status == SDRT_OK) status = take(w, clip_prefixes[i], &out->text[out->n_text - 1]);
    }
    return status;
}

static int is_placed(const struct whole *w, const char *name)
{
    const size_t n = strlen(w->wrapper);

    if (!strncmp(name, w->wrapper, n)) name += n;
    for (int i = 0; i < w->n_taken; i++)
        if (!strncmp(name, w->taken[i], strlen(w->taken[i]))) return 1;
    for (int i = 0; i < COUNT(leftovers); i++)
        if (sdrt_kind_matches(name, leftovers[i])) return 1;
    return 0;
}

/* Keeps the tensors that belong to no part for a warning, and what single tensors say. */
static int take_rest(const struct whole *w, struct sdrt_parts *out)
{
    for (size_t i = 0; i < sdrt_part_count(&w->all); i++) {
        const char *name = sdrt_weight_files_name(w->all.files, i);
        if (is_placed(w, name) || out->n_unplaced++) continue;
        out->unplaced = strdup(name);
        if (!out->unplaced)
            return sdrt_fail(w->log, SDRT_E_NOMEM, "%s: no memory for a name", w->path);
    }
    return SDRT_OK;
}

static int read_marks(const struct whole *w, struct sdrt_parts *out)
{
    return sdrt_marks_read(&out->marks, w->all.files, w->wrapper, w->path, w->log);
}

int sdrt_file_open_parts(struct sdrt_parts *out, const char *path, int with_t5,
                         const struct sdrt_log *log)
{
    struct whole w;
    int status = open_whole(&w, path, log);

    *out = (struct sdrt_parts){ 0 };
    if (status == SDRT_OK) status = take_denoiser(&w, &out->denoiser);
    if (status == SDRT_OK) status = take_first(&w, vae_prefixes, COUNT(vae_prefixes), &out->vae);
    if (status == SDRT_OK) status = take_texts(&w, out);
    if (status == SDRT_OK && with_t5)
        status = take_first(&w, t5_prefixes, COUNT(t5_prefixes), &out->t5);
    if (status == SDRT_OK) status = read_marks(&w, out);
    if (status == SDRT_OK) status = take_rest(&w, out);
    if (status != SDRT_OK) sdrt_parts_free(out);
    sdrt_part_free(&w.all);
    return status;
}

/* Finds the first of the prefixes that the file has in some wrapper; a part without a prefix may be
 * in a state_dict too. */
static const char *find_prefix(struct whole *w, const char *const *prefixes, int n)
{
    for (int i = 0; i < COUNT(wrappers); i++) {
        w->wrapper = wrappers[i];
        for (int k = 0; k < n; k++)
            if (has(w, prefixes[k])) return prefixes[k];
    }
    w->wrapper = sdrt_part_has_prefix(&w->all, "state_dict.") ? "state_dict." : "";
    return "";
}

static int open_part(struct sdrt_part *out, const char *path, const char *const *prefixes, int n,
                     const struct sdrt_log *log)
{
    struct whole w;
    int status = open_whole(&w, path, log);

    *out = (struct sdrt_part){ 0 };
    if (status == SDRT_OK) status = take(&w, find_prefix(&w, prefixes, n), out);
    if (status != SDRT_OK) sdrt_part_free(out);
    sdrt_part_free(&w.all);
    return status;
}

int sdrt_file_open_denoiser(struct sdrt_parts *out, const char *path, const struct sdrt_log *log)
{
    struct whole w;
    int status = open_whole(&w, path, log);

    *out = (struct sdrt_parts){ 0 };
    if (status == SDRT_OK) status = take_denoiser(&w, &out->denoiser);
    if (status == SDRT_OK) status = read_marks(&w, out);
    if (status != SDRT_OK) sdrt_parts_free(out);
    sdrt_part_free(&w.all);
    return status;
}

int sdrt_file_open_vae(struct sdrt_part *out, const char *path, const struct sdrt_log *log)
{
    return open_part(out, path, vae_prefixes, COUNT(vae_prefixes), log);
}

int sdrt_file_open_clip(struct sdrt_part *out, int i, const char *path, const struct sdrt_log *log)
{
    static const char *const second[] = {
        "conditioner.embedders.1.model.",
        "cond_stage_model.1.transformer.",
        "text_encoders.clip_g.transformer.",
        "text_encoder_2.",
        "clip_g.transformer.",
        "conditioner.embedders.0.model.",
    };

    return i == 1 ? open_part(out, path, second, COUNT(second), log)
                  : open_part(out, path, clip_prefixes, CLIP_PREFIXES, log);
}

int sdrt_file_open_t5(struct sdrt_part *out, const char *path, const struct sdrt_log *log)
{
    return open_part(out, path, t5_prefixes, COUNT(t5_prefixes), log);
}
