/* SPDX-License-Identifier: MIT
 *
 * From the prompt to its embeddings.
 */
#include "model/pipeline/generate_internal.h"
#include "runtime/base/clock.h"

#include <stdlib.h>
#include <string.h>

/* Rows of ids [pair][tokens]: all unconditional prompts first, then the conditional ones. */
static int tokenize(struct sdrt_run *run, int encoder, int32_t *ids)
{
    struct sdrt_context *c = run->c;
    const int pair = sdrt_shape_unet_batch(&c->shape), tokens = sdrt_context_tokens(c);
    const char *none = run->r->negative_prompt ? run->r->negative_prompt : "";
    int status = SDRT_OK;

    for (int i = 0; i < pair && status == SDRT_OK; i++) {
        const int negative = c->shape.guided && i < c->shape.batch;
        int dropped = 0;
        status = sdrt_context_tokenize(c, encoder, negative ? none : run->prompt,
                                       ids + (size_t)i * (size_t)tokens, &dropped);
        if (status == SDRT_E_FORMAT) return status;
        if (status != SDRT_OK)
            return sdrt_fail(c->log, status, "the %sprompt cannot be read: it is longer than %d "
                             "bytes or memory is short", negative ? "negative " : "",
                             SDRT_CLIP_TOKENIZER_MAX_PROMPT);
        if (dropped && encoder == 0 && (i == 0 || i == c->shape.batch))
            sdrt_note(c->log, SDRT_LOG_WARNING, "the %sprompt is %d tokens too long; the end was "
                      "left out", negative ? "negative " : "", dropped);
    }
    return status;
}

/* Rows of ids [pair][t5_tokens], in the same order. */
static int tokenize_t5(struct sdrt_run *run, int32_t *ids)
{
    struct sdrt_context *c = run->c;
    const int pair = sdrt_shape_unet_batch(&c->shape), tokens = c->config.t5_tokens;
    const char *none = run->r->negative_prompt ? run->r->negative_prompt : "";

    if (sdrt_t5_tokenizer_vocab_size(c->t5_tokenizer) > c->config.t5.vocab)
        return sdrt_fail(c->log, SDRT_E_FORMAT, "the T5's tokenizer has %d tokens but the T5 only "
                         "%d", (int)sdrt_t5_tokenizer_vocab_size(c->t5_tokenizer),
                         c->config.t5.vocab);
    for (int i = 0; i < pair; i++) {
        const int negative = c->shape.guided && i < c->shape.batch;
        int dropped = 0;
        const int status = sdrt_t5_tokenizer_encode_padded(
            c->t5_tokenizer, negative ? none : run->prompt, tokens,
            ids + (size_t)i * (size_t)tokens, &dropped);
        if (status != SDRT_OK)
            return sdrt_fail(c->log, status, "the T5 cannot read the %sprompt: it is longer than %d "
                             "bytes or memory is short", negative ? "negative " : "",
                             SDRT_T5_MAX_PROMPT);
        if (dropped && (i == 0 || i == c->shape.batch))
            sdrt_note(c->log, SDRT_LOG_WARNING, "the %sprompt is %d tokens too long for the T5; the "
                      "end was left out", negative ? "negative " : "", dropped);
    }
    return SDRT_OK;
}

/* Whether to[] is from[] already, which it is afterwards. */
static int keep_ids(int32_t *to, const int32_t *from, size_t count)
{
    const int same = !memcmp(to, from, count * sizeof *to);

    memcpy(to, from, count * sizeof *to);
    return same;
}

/* Tokenizes for all encoders.  *same says whether all of it is what the last request had, whose
 * embeddings then still hold. */
static int tokenize_all(struct sdrt_run *run, int *same)
{
    struct sdrt_context *c = run->c;
    const size_t pair = (size_t)sdrt_shape_unet_batch(&c->shape);
    const size_t count = pair * (size_t)sdrt_context_tokens(c);
    const size_t t5_count = pair * (size_t)c->config.t5_tokens;
    int32_t *ids = malloc((count + t5_count) * sizeof *ids);
    int status = ids ? SDRT_OK : sdrt_fail(c->log, SDRT_E_NOMEM, "out of memory for the tokens");
    const int zeroed = c->config.zero_negative && c->shape.guided && !run->r->negative_prompt;

    *same = c->text_ready && c->text_zeroed == zeroed && !run->r->dump;
    c->text_zeroed = zeroed;
    for (int i = 0; i < c->config.n_text && status == SDRT_OK; i++) {
        status = tokenize(run, i, ids);
        if (status == SDRT_OK) *same &= keep_ids(c->ids[i], ids, count);
    }
    if (status == SDRT_OK && c->config.has_t5) {
        status = tokenize_t5(run, ids);
        if (status == SDRT_OK) *same &= keep_ids(c->t5_ids, ids, t5_count);
    }
    free(ids);
    c->text_ready = *same;
    return status;
}

/* No negative prompt is no text at all to models that were trained so. */
static void zero_negatives(struct sdrt_context *c)
{
    const size_t tokens = (size_t)c->shape.batch * (size_t)sdrt_context_tokens(c);
    const size_t rows = (size_t)c->shape.batch * (size_t)sdrt_context_rows(c);

    memset(c->embeddings, 0, rows * (size_t)sdrt_context_width(&c->config) * sizeof *c->embeddings);
    for (int i = 0; i < c->config.n_text; i++)
        if (c->config.text[i].pooled)
            memset(c->pooled[i], 0, tokens * (size_t)c->config.text[i].pooled * sizeof(float));
}

static int encode_with(struct sdrt_run *run, int i)
{
    static const char *const prefixes[SDRT_MAX_TEXT] = { "text/", "text2/", "text3/" };
    const int id = SDRT_PROGRAM_TEXT + i;
    struct sdrt_context *c = run->c;
    const double t0 = sdrt_now();
    int status = sdrt_run_load(run, c, id, id);

    c->stage_seconds[SDRT_STAGE_LOAD] += sdrt_now() - t0;
    c->stage_seconds[SDRT_STAGE_TEXT] -= sdrt_now() - t0;
    if (status == SDRT_OK) status = sdrt_run_program(run, id, prefixes[i]);
    sdrt_program_release(c->programs[id]);
    return status;
}

/* Each text encoder is packed, run and given back before anything else is packed. */
int sdrt_run_text(struct sdrt_run *run)
{
    struct sdrt_context *c = run->c;
    int same = 0, status = sdrt_run_report(run, SDRT_STAGE_TEXT, 0, 1);

    if (status == SDRT_OK) status = sdrt_context_place(c);
    if (status == SDRT_OK) status = tokenize_all(run, &same);
    if (!same) sdrt_run_forget_once(c);
    if (status != SDRT_OK || same) return status;
    memset(c->embeddings, 0, sdrt_program_bytes(c->programs[SDRT_PROGRAM_PROMPT], c->prompt.text));
    for (int i = 0; i < SDRT_MAX_TEXT && status == SDRT_OK; i++)
        if (c->programs[SDRT_PROGRAM_TEXT + i]) status = encode_with(run, i);
    if (status != SDRT_OK) return status;
    sdrt_refiner_take_text(c);
    if (c->text_zeroed) zero_negatives(c);
    c->text_ready = 1;
    return SDRT_OK;
}
