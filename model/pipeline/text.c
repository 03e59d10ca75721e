/* SPDX-License-Identifier: MIT
 *
 * From the prompt to its embeddings.
 */
#include "kernels/ops.h"
#include "model/checkpoint/tensor_names.h"
#include "model/net/name.h"
#include "model/pipeline/refiner.h"
#include "model/pipeline/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "text_encoder_2.ids" and its like. */
int sdrt_text_slot(const struct sdrt_session *s, int encoder, const char *leaf)
{
    char name[64];

    sdrt_name(name, sizeof name, "%s.%s", sdrt_text_prefix(encoder), leaf);
    return sdrt_slots_find(&s->slots, "", name);
}

/* ---- tokens ---- */

/* The lane of a row of the denoiser's batch: all images of one, then those of the next. */
static int lane_of(const struct sdrt_session *s, int row) { return row / s->shape.batch; }

/* Fills an encoder's slot of ids with those of a unit. */
static void fill_ids(const struct sdrt_run *run, int encoder, int is_t5, int unit)
{
    const struct sdrt_session *s = run->s;
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const int tokens = is_t5 ? config->t5_tokens : sdrt_prompt_tokens(config);
    const size_t bytes = (size_t)tokens * sizeof(int32_t);
    const int slot = sdrt_text_slot(s, encoder, "ids");

    for (int i = 0; i < sdrt_shape_unet_batch(&s->shape); i++)
        sdrt_slot_write(&s->slots, slot, (size_t)i * bytes,
                        sdrt_prompts_unit_ids(&run->prompts, encoder, is_t5, unit, lane_of(s, i)),
                        bytes);
}

/* What an encoder's first layer reads in all units, [units][lanes][tokens][hidden], from tokens and
 * the request's own vectors; the caller frees it. */
static int embed_units(const struct sdrt_run *run, int encoder, int units, float **out)
{
    const struct sdrt_session *s = run->s;
    const struct sdrt_prompts *p = &run->prompts;
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const size_t tokens = (size_t)sdrt_prompt_tokens(config);
    const size_t count = (size_t)units * (size_t)p->n_lanes;
    int32_t *ids = malloc(count * tokens * sizeof *ids);
    int status = SDRT_OK;

    *out = malloc(count * tokens * (size_t)config->text[encoder].clip.hidden * sizeof **out);
    if (!ids || !*out) status = sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for embeddings");
    for (size_t i = 0; i < count && status == SDRT_OK; i++)
        memcpy(ids + i * tokens,
               sdrt_prompts_unit_ids(p, encoder, 0, (int)i / p->n_lanes, (int)i % p->n_lanes),
               tokens * sizeof *ids);
    if (status == SDRT_OK)
        status = sdrt_vectors_embed(&p->vectors, s->model, encoder, ids, (int)count, *out);
    free(ids);
    return status;
}

/* Fills an encoder's slot of embeddings with those of a unit. */
static void fill_embedded(const struct sdrt_run *run, int encoder, int unit, const float *units)
{
    const struct sdrt_session *s = run->s;
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const size_t n = (size_t)sdrt_prompt_tokens(config) *
                     (size_t)config->text[encoder].clip.hidden;
    const float *lanes = units + (size_t)unit * (size_t)run->prompts.n_lanes * n;

    for (int i = 0; i < sdrt_shape_unet_batch(&s->shape); i++)
        sdrt_slot_write(&s->slots, sdrt_text_slot(s, encoder, "embedded"),
                        (size_t)i * n * sizeof *lanes, lanes + (size_t)lane_of(s, i) * n,
                        n * sizeof *lanes);
}

/* Tells an encoder which tokens see which: each those before it and itself, but for those that none sees. */
static void fill_mask(const struct sdrt_run *run, int encoder, int unit)
{
    static const float hidden = -1e30f; /* the exponential is 0, and the sum finite */
    const struct sdrt_session *s = run->s;
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const int tokens = sdrt_prompt_tokens(config), heads = config->text[encoder].clip.heads;
    const uint8_t *unseen = sdrt_prompts_unit_unseen(&run->prompts, encoder, unit);
    float *to = sdrt_slot_map(&s->slots, sdrt_text_slot(s, encoder, "mask"));

    for (int row = 0; row < heads * tokens; row++)
        for (int i = 0; i < tokens; i++) *to++ = i > row % tokens || unseen[i] ? hidden : 0.0f;
}

int sdrt_run_tokenize(struct sdrt_run *run)
{
    struct sdrt_session *s = run->s;
    struct sdrt_prompts *p = &run->prompts;
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const int zeroed = config->zero_negative && s->shape.guided && !run->r->negative_prompt;
    const int same = s->text_ready && s->text_zeroed == zeroed && s->text_key == p->key &&
                     !s->shape.varied && !run->r->dump;

    s->text_zeroed = zeroed;
    s->text_key = p->key;
    s->text_ready = same;
    if (same) return SDRT_OK;
    memset(s->once_ready, 0, sizeof s->once_ready);
    return p->simple ? SDRT_OK : sdrt_prompts_make_store(p, s);
}

/* ---- embeddings ---- */

int sdrt_text_wanted(const struct sdrt_run *run, const struct sdrt_pass *pass)
{
    (void)pass;
    return !run->s->text_ready;
}

/* Channels and rows that no encoder fills are zeros. */
int sdrt_run_text(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    struct sdrt_session *s = run->s;
    struct sdrt_prompts *p = &run->prompts;
    const int is_t5 = pass->encoder >= sdrt_model_config_of(s->model)->n_text;
    const int units = p->simple ? 1 : sdrt_prompts_units(p, is_t5);
    const int embedded = s->shape.embedded && !is_t5;
    float *given = NULL;
    int status = embedded ? embed_units(run, pass->encoder, units, &given) : SDRT_OK;

    if (pass->encoder == 0) {
        const int text = sdrt_slots_find(&s->slots, "", "text");
        memset(sdrt_slot_map(&s->slots, text), 0, s->slots.slot[text].bytes);
    }
    for (int u = 0; u < units && status == SDRT_OK; u++) {
        if (embedded) fill_embedded(run, pass->encoder, u, given);
        else fill_ids(run, pass->encoder, is_t5, u);
        if (s->shape.unseen && !is_t5) fill_mask(run, pass->encoder, u);
        snprintf(run->prefix, sizeof run->prefix, "%s", pass->dumps);
        if (u) snprintf(run->prefix, sizeof run->prefix, "%s%d/", pass->dumps, u);
        status = sdrt_run_program(run, pass);
        if (status == SDRT_OK && !p->simple) sdrt_prompts_take(p, s, pass->encoder, is_t5, u);
    }
    if (status == SDRT_OK && !p->simple) sdrt_prompts_weigh(p, s, pass->encoder, is_t5);
    free(given);
    return status;
}

/* A refiner reads the last channels, which the base's second encoder fills. */
static void take_refiners_text(struct sdrt_session *s)
{
    const struct sdrt_model_config *base = sdrt_model_config_of(s->model);
    const size_t from = (size_t)sdrt_context_width(base);
    const size_t width = (size_t)s->model->parts[SDRT_PART_REFINER].config.unet.context_dim;
    const size_t rows = (size_t)sdrt_shape_unet_batch(&s->shape) *
                        (size_t)sdrt_shape_context_rows(&s->shape, base);
    const float *text = (const float *)sdrt_session_map(s, SDRT_PART_BASE, "text") + (from - width);
    float *to = sdrt_session_map(s, SDRT_PART_REFINER, "text");

    for (size_t i = 0; i < rows; i++)
        memcpy(to + i * width, text + i * from, width * sizeof *text);
}

/* No negative prompt is no text at all to models that were trained so.  A refiner, which was not,
 * reads the text of an empty one. */
static void finish_text(struct sdrt_run *run)
{
    struct sdrt_session *s = run->s;
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const size_t rows = (size_t)s->shape.batch * (size_t)sdrt_shape_context_rows(&s->shape, config);

    if (!run->prompts.simple) sdrt_prompts_show(&run->prompts, s, run->at);
    if (sdrt_model_refined(s->model)) take_refiners_text(s);
    const size_t lane = rows * (size_t)sdrt_context_width(config);
    float *text = sdrt_session_map(s, SDRT_PART_BASE, "text");
    if (s->text_zeroed) memset(text, 0, lane * sizeof *text);
    if (s->text_zeroed && run->prompts.edits)
        memset(text + (size_t)(run->prompts.n_lanes - 1) * lane, 0, lane * sizeof *text);
    s->text_ready = 1;
}

int sdrt_run_prompt(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    if (!run->s->text_ready) finish_text(run);
    snprintf(run->prefix, sizeof run->prefix, "%s", pass->dumps);
    return sdrt_run_program(run, pass);
}

const struct sdrt_pass *sdrt_run_follower(const struct sdrt_session *s, enum sdrt_part_id part,
                                          enum sdrt_when when)
{
    const struct sdrt_pass *pass = s->model->passes;

    while (!pass->follows || pass->part != part || pass->when != when) pass++;
    return pass;
}

int sdrt_run_follow_prompt(struct sdrt_run *run, const struct sdrt_pass *pass, int evaluation)
{
    struct sdrt_session *s = run->s;

    if (!s->shape.varied || !sdrt_prompts_show(&run->prompts, s, evaluation)) return SDRT_OK;
    if (sdrt_model_refined(s->model)) take_refiners_text(s);
    int status = sdrt_run_prompt(run, sdrt_run_follower(s, pass->part, SDRT_ONCE_A_PROMPT));
    if (status != SDRT_OK) return status;
    status = sdrt_run_schedule(run, sdrt_run_follower(s, pass->part, SDRT_ONCE_A_SCHEDULE));
    return status == SDRT_OK ? sdrt_run_follow_controls(run) : status;
}

/* ---- what is added to the time embedding ---- */

/* The pooled text of row i of an encoder: the row of its first end token, or where embeddings are
 * given the first one, where sdrt_prompts_show() puts it. */
static const float *pooled_row(const struct sdrt_session *s, int encoder, int i)
{
    const size_t tokens = (size_t)sdrt_prompt_tokens(sdrt_model_config_of(s->model));
    const int slot = sdrt_text_slot(s, encoder, "ids");
    const int32_t *ids = slot == SDRT_NO_SLOT ? NULL : sdrt_slot_map(&s->slots, slot);
    const float *pooled = sdrt_slot_map(&s->slots, sdrt_text_slot(s, encoder, "pooled"));
    const int32_t end = sdrt_clip_tokenizer_eos(s->model->tokenizers[encoder]);
    size_t at = 0;

    if (ids) ids += (size_t)i * tokens;
    while (ids && at < tokens - 1 && ids[at] != end) at++;
    return pooled + ((size_t)i * tokens + at) *
                        (size_t)sdrt_model_config_of(s->model)->text[encoder].pooled;
}

/* Row i of a part; numbers are told for it. */
static void fill_row(struct sdrt_session *s, enum sdrt_part_id part, int i, const float *numbers,
                     float *to)
{
    static const struct sdrt_exec alone = { .part = 0, .nparts = 1 };
    const struct sdrt_model_config *config = &s->model->parts[part].config;
    const int count = sdrt_added_numbers(config), width = sdrt_added_width(config);
    const int edits = sdrt_model_task(config) == SDRT_TASK_EDIT && s->shape.guided;
    const int last = sdrt_shape_unet_batch(&s->shape) - s->shape.batch;
    const int zeroed = part == SDRT_PART_BASE && s->text_zeroed &&
                       (i < s->shape.batch || (edits && i >= last));

    for (int k = 0; k < config->n_text; k++) {
        const size_t pooled = (size_t)config->text[k].pooled;
        if (!pooled) continue;
        if (zeroed) memset(to, 0, pooled * sizeof *to);
        else memcpy(to, pooled_row(s, part == SDRT_PART_BASE ? k : SDRT_REFINER_ENCODER, i),
                    pooled * sizeof *to);
        to += pooled;
    }
    if (!count) return;
    s->model->device->host->ops->elementwise.timestep_embedding(
        &alone, numbers, count, (width - sdrt_pooled_width(config)) / count, to);
}

void sdrt_session_fill_added(struct sdrt_session *s, enum sdrt_part_id part, const float *numbers)
{
    enum { GOOD = 6, BAD = 2 }; /* diffusers' aesthetic scores: 6 and, for the negative, 2.5 */
    const struct sdrt_model_config *config = &s->model->parts[part].config;
    const size_t width = (size_t)sdrt_added_width(config);
    float *added = sdrt_session_map(s, part, "added"), told[SDRT_TOLD];

    memcpy(told, numbers, sizeof told);
    for (int i = 0; added && i < sdrt_shape_unet_batch(&s->shape); i++) {
        const int negative = s->shape.guided && i < s->shape.batch;
        if (config->aesthetic) told[4] = negative ? BAD + 0.5f : GOOD;
        fill_row(s, part, i, told, added + (size_t)i * width);
    }
}
