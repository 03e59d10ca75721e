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

/* Slot of a text encoder: "text_encoder_2.ids". */
static int slot_of(const struct sdrt_session *s, int encoder, const char *leaf)
{
    char name[64];

    sdrt_name(name, sizeof name, "%s.%s", sdrt_text_prefix(encoder), leaf);
    return sdrt_slots_find(&s->slots, "", name);
}

/* ---- tokens ---- */

/* Row i of the pair: its prompt, and whether that is the negative one.  All unconditional prompts
 * come first. */
static const char *prompt_of(const struct sdrt_run *run, int i, int *negative)
{
    *negative = run->s->shape.guided && i < run->s->shape.batch;
    if (!*negative) return run->prompt;
    return run->negative ? run->negative : "";
}

/* Rows of ids [pair][tokens]. */
static int tokenize(struct sdrt_run *run, int encoder, int32_t *ids)
{
    const struct sdrt_session *s = run->s;
    const int pair = sdrt_shape_unet_batch(&s->shape);
    const int tokens = sdrt_prompt_tokens(sdrt_model_config_of(s->model));
    int status = SDRT_OK;

    for (int i = 0; i < pair && status == SDRT_OK; i++) {
        int negative, dropped = 0;
        const char *prompt = prompt_of(run, i, &negative);
        status = sdrt_model_tokenize(s->model, encoder, prompt, ids + (size_t)i * (size_t)tokens,
                                     &dropped);
        if (status == SDRT_E_FORMAT) return status;
        if (status != SDRT_OK)
            return sdrt_fail(s->log, status, "the %sprompt cannot be read: it is longer than %d "
                             "bytes or memory is short", negative ? "negative " : "",
                             SDRT_CLIP_TOKENIZER_MAX_PROMPT);
        if (dropped && encoder == 0 && (i == 0 || i == s->shape.batch))
            sdrt_note(s->log, SDRT_LOG_WARNING, "the %sprompt is %d tokens too long; the end was "
                      "left out", negative ? "negative " : "", dropped);
    }
    return status;
}

/* Rows of ids [pair][t5_tokens], in the same order. */
static int tokenize_t5(struct sdrt_run *run, int32_t *ids)
{
    const struct sdrt_session *s = run->s;
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const struct sdrt_t5_tokenizer *t = s->model->t5_tokenizer;
    const int pair = sdrt_shape_unet_batch(&s->shape), tokens = config->t5_tokens;

    if (sdrt_t5_tokenizer_vocab_size(t) > config->t5.vocab)
        return sdrt_fail(s->log, SDRT_E_FORMAT, "the T5's tokenizer has %d tokens but the T5 only "
                         "%d", (int)sdrt_t5_tokenizer_vocab_size(t), config->t5.vocab);
    for (int i = 0; i < pair; i++) {
        int negative, dropped = 0;
        const char *prompt = prompt_of(run, i, &negative);
        const int status = sdrt_t5_tokenizer_encode_padded(
            t, prompt, tokens, ids + (size_t)i * (size_t)tokens, &dropped);
        if (status != SDRT_OK)
            return sdrt_fail(s->log, status, "the T5 cannot read the %sprompt: it is longer than %d "
                             "bytes or memory is short", negative ? "negative " : "",
                             SDRT_T5_MAX_PROMPT);
        if (dropped && (i == 0 || i == s->shape.batch))
            sdrt_note(s->log, SDRT_LOG_WARNING, "the %sprompt is %d tokens too long for the T5; the "
                      "end was left out", negative ? "negative " : "", dropped);
    }
    return SDRT_OK;
}

/* Sets the slot to from; 1 where it was that already. */
static int keep(const struct sdrt_session *s, int slot, const int32_t *from)
{
    const size_t bytes = s->slots.slot[slot].bytes;
    const int same = !memcmp(sdrt_slot_map(&s->slots, slot), from, bytes);

    sdrt_slot_write(&s->slots, slot, 0, from, bytes);
    return same;
}

int sdrt_run_tokenize(struct sdrt_run *run)
{
    struct sdrt_session *s = run->s;
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const int zeroed = config->zero_negative && s->shape.guided && !run->r->negative_prompt;
    const int encoders = config->has_t5 ? SDRT_MAX_TEXT : config->n_text;
    int same = s->text_ready && s->text_zeroed == zeroed && !run->r->dump, status = SDRT_OK;

    s->text_zeroed = zeroed;
    s->text_ready = 0;
    for (int i = 0; i < encoders && status == SDRT_OK; i++) {
        const int slot = slot_of(s, i, "ids");
        int32_t *ids;
        if (slot == SDRT_NO_SLOT) continue;
        ids = malloc(s->slots.slot[slot].bytes);
        if (!ids) return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for the tokens");
        status = i < config->n_text ? tokenize(run, i, ids) : tokenize_t5(run, ids);
        if (status == SDRT_OK) same &= keep(s, slot, ids);
        free(ids);
    }
    s->text_ready = status == SDRT_OK && same;
    if (!s->text_ready) memset(s->once_ready, 0, sizeof s->once_ready);
    return status;
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

    if (pass->encoder == 0) {
        const int text = sdrt_slots_find(&s->slots, "", "text");
        memset(sdrt_slot_map(&s->slots, text), 0, s->slots.slot[text].bytes);
    }
    snprintf(run->prefix, sizeof run->prefix, "%s", pass->dumps);
    return sdrt_run_program(run, pass);
}

/* A refiner reads the last channels, which the base's second encoder fills. */
static void take_refiners_text(struct sdrt_session *s)
{
    const struct sdrt_model_config *base = sdrt_model_config_of(s->model);
    const size_t from = (size_t)sdrt_context_width(base);
    const size_t width = (size_t)s->model->parts[SDRT_PART_REFINER].config.unet.context_dim;
    const size_t rows = (size_t)sdrt_shape_unet_batch(&s->shape) * (size_t)sdrt_context_rows(base);
    const float *text = (const float *)sdrt_session_map(s, SDRT_PART_BASE, "text") + (from - width);
    float *to = sdrt_session_map(s, SDRT_PART_REFINER, "text");

    for (size_t i = 0; i < rows; i++)
        memcpy(to + i * width, text + i * from, width * sizeof *text);
}

/* No negative prompt is no text at all to models that were trained so.  A refiner, which was not,
 * reads the text of an empty one. */
static void finish_text(struct sdrt_session *s)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const size_t rows = (size_t)s->shape.batch * (size_t)sdrt_context_rows(config);

    if (sdrt_model_refined(s->model)) take_refiners_text(s);
    if (s->text_zeroed)
        memset(sdrt_session_map(s, SDRT_PART_BASE, "text"), 0,
               rows * (size_t)sdrt_context_width(config) * sizeof(float));
    s->text_ready = 1;
}

int sdrt_run_prompt(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    if (!run->s->text_ready) finish_text(run->s);
    snprintf(run->prefix, sizeof run->prefix, "%s", pass->dumps);
    return sdrt_run_program(run, pass);
}

/* ---- what is added to the time embedding ---- */

/* The pooled text of row i of an encoder: the row of its first end token. */
static const float *pooled_row(const struct sdrt_session *s, int encoder, int i)
{
    const size_t tokens = (size_t)sdrt_prompt_tokens(sdrt_model_config_of(s->model));
    const int32_t *ids = sdrt_slot_map(&s->slots, slot_of(s, encoder, "ids"));
    const float *pooled = sdrt_slot_map(&s->slots, slot_of(s, encoder, "pooled"));
    const int32_t end = sdrt_clip_tokenizer_eos(s->model->tokenizers[encoder]);
    size_t at = 0;

    ids += (size_t)i * tokens;
    while (at < tokens - 1 && ids[at] != end) at++;
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
    const int zeroed = part == SDRT_PART_BASE && s->text_zeroed && i < s->shape.batch;

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
