/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/config_check.h"
#include "model/checkpoint/config_json.h"
#include "model/checkpoint/coverage.h"
#include "model/checkpoint/detect.h"
#include "model/checkpoint/detect_t5.h"
#include "model/checkpoint/file.h"
#include "model/checkpoint/folder.h"
#include "model/checkpoint/folder_weights.h"
#include "runtime/files/path.h"

#include <stdlib.h>
#include <string.h>

struct sdrt_checkpoint {
    const struct sdrt_log *log; /* borrowed */
    char *path;                 /* owned, as all below */
    struct sdrt_parts parts;
    char *t5_tokenizer; /* path; NULL without one */
    struct sdrt_layout layout;
    struct sdrt_named_weights weights;
    struct sdrt_model_config config;
};

static int open_vae(struct sdrt_checkpoint *c, const char *path)
{
    struct sdrt_part vae;
    const int status = (sdrt_path_is_folder(path) ? sdrt_folder_open_vae
                                                  : sdrt_file_open_vae)(&vae, path, c->log);

    if (status != SDRT_OK) return status;
    sdrt_part_free(&c->parts.vae);
    c->parts.vae = vae;
    return SDRT_OK;
}

/* What the model's other files say of the noise stays, but for what the denoiser's own says. */
static int open_denoiser(struct sdrt_checkpoint *c, const char *path)
{
    struct sdrt_parts own = { .n_text = 0 };
    const int status = sdrt_path_is_folder(path)
                           ? sdrt_folder_open_denoiser(&own.denoiser, path, c->log)
                           : sdrt_file_open_denoiser(&own, path, c->log);

    if (status != SDRT_OK) return status;
    sdrt_part_free(&c->parts.denoiser);
    c->parts.denoiser = own.denoiser;
    c->parts.marks = own.marks;
    return SDRT_OK;
}

/* The model's tokenizer of a text encoder stays. */
static int open_text(struct sdrt_checkpoint *c, int i, const char *path)
{
    struct sdrt_part text;
    int status = SDRT_OK;

    if (i > c->parts.n_text)
        return sdrt_fail(c->log, SDRT_E_MISSING,
                         "%s: is given as text encoder %d, but the model has %d", path, i + 1,
                         c->parts.n_text);
    if (i == c->parts.n_text) status = sdrt_parts_add_text(&c->parts, c->path, c->log);
    if (status != SDRT_OK) return status;
    status = sdrt_path_is_folder(path) ? sdrt_folder_open_text(&text, i, path, c->log)
                                       : sdrt_file_open_clip(&text, i, path, c->log);
    if (status != SDRT_OK) return status;
    sdrt_part_free(&c->parts.text[i]);
    c->parts.text[i] = text;
    return SDRT_OK;
}

static int open_t5(struct sdrt_checkpoint *c, const char *path)
{
    struct sdrt_part t5;
    const int status = sdrt_path_is_folder(path) ? sdrt_folder_open_text(&t5, 2, path, c->log)
                                                 : sdrt_file_open_t5(&t5, path, c->log);

    if (status != SDRT_OK) return status;
    sdrt_part_free(&c->parts.t5);
    c->parts.t5 = t5;
    return SDRT_OK;
}

/* A T5's tokenizer: as given, else beside the model, else beside the T5. */
static int find_t5_tokenizer(struct sdrt_checkpoint *c, const struct sdrt_checkpoint_paths *p)
{
    int status;

    if (p->t5_tokenizer) {
        c->t5_tokenizer = strdup(p->t5_tokenizer);
        return c->t5_tokenizer ? SDRT_OK
                               : sdrt_fail(c->log, SDRT_E_NOMEM, "%s: no memory", c->path);
    }
    status = sdrt_folder_find_t5_tokenizer(&c->t5_tokenizer, p->model, c->log);
    if (status == SDRT_OK && !c->t5_tokenizer && p->t5)
        status = sdrt_folder_find_t5_tokenizer(&c->t5_tokenizer, p->t5, c->log);
    return status;
}

/* The model's parts, then those that are given in the place of its own. */
static int open_parts(struct sdrt_checkpoint *c, const struct sdrt_checkpoint_paths *p)
{
    const int with_t5 = !p->t5 || strcmp(p->t5, "none") != 0;
    int status = (sdrt_path_is_folder(p->model)
                      ? sdrt_folder_open_parts
                      : sdrt_file_open_parts)(&c->parts, p->model, with_t5, c->log);

    if (status == SDRT_OK && p->denoiser) status = open_denoiser(c, p->denoiser);
    if (status == SDRT_OK && p->vae) status = open_vae(c, p->vae);
    for (int i = 0; i < SDRT_MAX_TEXT && status == SDRT_OK; i++)
        if (p->text[i]) status = open_text(c, i, p->text[i]);
    if (status == SDRT_OK && with_t5 && p->t5) status = open_t5(c, p->t5);
    if (status == SDRT_OK && sdrt_part_is_there(&c->parts.t5)) status = find_t5_tokenizer(c, p);
    return status;
}

/* Are the parts there that every model needs? */
static int check_parts(const struct sdrt_checkpoint *c, const char *vae_path)
{
    if (!sdrt_part_is_there(&c->parts.vae) && !c->parts.n_text)
        return sdrt_fail(c->log, SDRT_E_MISSING,
                         "%s: is a denoiser alone: expected a VAE beside it, as vae, and its text "
                         "encoders, as text_encoder and for SDXL and SD 3.x text_encoder_2; or a "
                         "model with it as denoiser",
                         c->path);
    if (!sdrt_part_has(&c->parts.vae, "decoder.conv_in.weight")) {
        if (vae_path)
            return sdrt_fail(c->log, SDRT_E_FORMAT,
                             "%s: not a VAE: expected decoder.conv_in.weight, alone or after "
                             "first_stage_model.",
                             vae_path);
        return sdrt_fail(c->log, SDRT_E_MISSING, "%s: has no VAE: expected one as vae", c->path);
    }
    if (!c->parts.n_text)
        return sdrt_fail(c->log, SDRT_E_MISSING,
                         "%s: has no text encoder: expected one as text_encoder", c->path);
    return SDRT_OK;
}

/* A T5 counts where the family has a place for it. */
static int detect_t5(struct sdrt_checkpoint *c)
{
    const struct sdrt_weights_provider weights = sdrt_named_weights_provider(&c->weights);
    struct sdrt_model_config *m = &c->config;
    int status;

    if (!sdrt_part_is_there(&c->parts.t5)) return SDRT_OK;
    if (!m->t5_tokens)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED,
                         "%s: a T5 is given, but %s has no place for it", c->path, m->family);
    status = sdrt_t5_detect(&m->t5, &weights, "text_encoder_3", c->path, c->log);
    if (status != SDRT_OK) return status;
    if (m->t5.hidden != sdrt_context_width(m))
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED,
                         "%s: the MMDiT expects text embeddings of width %d, the T5 gives %d",
                         c->path, sdrt_context_width(m), m->t5.hidden);
    if (!c->t5_tokenizer)
        return sdrt_fail(c->log, SDRT_E_MISSING,
                         "%s: has a T5 but no tokenizer for it: expected its spiece.model or "
                         "tokenizer.json as t5_tokenizer, or none as t5",
                         c->path);
    m->has_t5 = 1;
    return SDRT_OK;
}

/* The configuration: from shapes, then from config.json files. */
static int find_config(struct sdrt_checkpoint *c)
{
    int status = sdrt_layout_find(&c->layout, &c->parts, c->path, c->log);

    if (status == SDRT_OK) status = sdrt_config_detect(&c->config, &c->weights);
    if (status == SDRT_OK) status = sdrt_config_read_json(&c->config, &c->parts, c->log);
    if (status == SDRT_OK) status = sdrt_marks_apply(&c->parts.marks, &c->config, c->path, c->log);
    if (status == SDRT_OK) status = sdrt_config_check(&c->config, c->path, c->log);
    if (status == SDRT_OK) status = detect_t5(c);
    return status == SDRT_OK ? sdrt_coverage_check(&c->config, &c->weights) : status;
}

int sdrt_checkpoint_open(struct sdrt_checkpoint **out, const struct sdrt_checkpoint_paths *paths,
                         const struct sdrt_log *log)
{
    struct sdrt_checkpoint *c = calloc(1, sizeof *c);
    struct sdrt_checkpoint_paths own = *paths;
    int status;

    *out = NULL;
    status = c ? sdrt_folder_resolve(&c->path, paths->model, log)
               : sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to open it", paths->model);
    if (status != SDRT_OK) goto out;
    own.model = c->path;
    c->log = log;
    c->weights = (struct sdrt_named_weights){ .parts = &c->parts,
                                              .layout = &c->layout,
                                              .path = c->path,
                                              .log = log };
    status = open_parts(c, &own);
    if (status == SDRT_OK) status = check_parts(c, paths->vae);
    if (status == SDRT_OK) status = find_config(c);
    if (status != SDRT_OK) goto out;
    if (c->parts.unplaced)
        sdrt_note(log, SDRT_LOG_WARNING,
                  "%s: %zu tensor%s of no part of a model, left out: %.200s%s", c->path,
                  c->parts.n_unplaced, c->parts.n_unplaced == 1 ? "" : "s", c->parts.unplaced,
                  c->parts.n_unplaced == 1 ? "" : " ...");
    *out = c;
    c = NULL;
out:
    sdrt_checkpoint_close(&c);
    return status;
}

const char *sdrt_checkpoint_denoiser_family(const char *path)
{
    struct sdrt_parts parts = { .n_text = 0 };
    struct sdrt_layout layout;
    struct sdrt_named_weights weights = { .parts = &parts, .layout = &layout, .path = path };
    const char *family = NULL;
    const int status = sdrt_path_is_folder(path)
                           ? sdrt_folder_open_denoiser(&parts.denoiser, path, NULL)
                           : sdrt_file_open_denoiser(&parts, path, NULL);

    if (status == SDRT_OK && sdrt_layout_find_denoiser(&layout, &parts, path, NULL) == SDRT_OK)
        family = sdrt_config_detect_family(&weights);
    sdrt_held_buffers_clear(&weights.turned);
    sdrt_parts_free(&parts);
    return family;
}

void sdrt_checkpoint_close(struct sdrt_checkpoint **checkpoint)
{
    struct sdrt_checkpoint *c = *checkpoint;

    if (!c) return;
    sdrt_held_buffers_clear(&c->weights.turned);
    sdrt_parts_free(&c->parts);
    free(c->t5_tokenizer);
    free(c->path);
    free(c);
    *checkpoint = NULL;
}

const struct sdrt_model_config *sdrt_checkpoint_config(const struct sdrt_checkpoint *c)
{
    return &c->config;
}

struct sdrt_weights_provider sdrt_checkpoint_provider(struct sdrt_checkpoint *c)
{
    return sdrt_named_weights_provider(&c->weights);
}

const struct sdrt_parts *sdrt_checkpoint_parts(const struct sdrt_checkpoint *c)
{
    return &c->parts;
}

int sdrt_checkpoint_locate(const struct sdrt_checkpoint *c, const char *canonical,
                           const struct sdrt_part **part, char name[SDRT_NAME_MAX],
                           struct sdrt_name_part *where)
{
    return sdrt_named_weights_locate(&c->weights, canonical, part, name, where);
}

const char *sdrt_checkpoint_vocab_path(const struct sdrt_checkpoint *c, int i)
{
    return c->parts.tokenizers[i].vocab;
}

const char *sdrt_checkpoint_merges_path(const struct sdrt_checkpoint *c, int i)
{
    return c->parts.tokenizers[i].merges;
}

const char *sdrt_checkpoint_t5_tokenizer_path(const struct sdrt_checkpoint *c)
{
    return c->config.has_t5 ? c->t5_tokenizer : NULL;
}
