/* SPDX-License-Identifier: MIT
 *
 * The small steps between a prompt and the networks: tokens before the text encoders, and what
 * is added to the time embedding after them.
 */
#include "model/pipeline/pipeline.h"

#include <string.h>

int sdrt_context_tokens(const struct sdrt_context *c)
{
    int tokens = SDRT_CLIP_TOKENIZER_LENGTH;

    for (int i = 0; i < c->config.n_text; i++)
        if (c->config.text[i].clip.positions < tokens) tokens = c->config.text[i].clip.positions;
    return tokens;
}

int sdrt_context_rows(const struct sdrt_context *c)
{
    return sdrt_context_tokens(c) + c->config.t5_tokens;
}

int sdrt_context_tokenize(const struct sdrt_context *c, int i, const char *prompt, int32_t *ids,
                          int *dropped)
{
    const struct sdrt_clip_tokenizer *t = c->tokenizers[i];
    const int32_t pad = c->config.text[i].pad_id;
    const int size = sdrt_clip_tokenizer_vocab_size(t), vocab = c->config.text[i].clip.vocab;

    if (size > vocab)
        return sdrt_fail(c->log, SDRT_E_FORMAT, "the tokenizer has %d tokens but the text encoder "
                         "only %d", size, vocab);
    return sdrt_clip_tokenizer_encode_padded(t, prompt, sdrt_context_tokens(c),
                                        pad < 0 ? sdrt_clip_tokenizer_eos(t) : pad, ids, dropped);
}

/* The pooled text of row i of an encoder: the row of its first end token. */
static const float *pooled_row(const struct sdrt_context *c, int encoder, int i)
{
    const size_t tokens = (size_t)sdrt_context_tokens(c);
    const int32_t *ids = c->ids[encoder] + (size_t)i * tokens;
    const int32_t end = sdrt_clip_tokenizer_eos(c->tokenizers[encoder]);
    size_t at = 0;

    while (at < tokens - 1 && ids[at] != end) at++;
    return c->pooled[encoder] +
           ((size_t)i * tokens + at) * (size_t)c->config.text[encoder].pooled;
}

void sdrt_context_fill_added(struct sdrt_context *c, int i, const float *numbers)
{
    static const struct sdrt_exec alone = { .part = 0, .nparts = 1 };
    const int count = sdrt_added_numbers(&c->config), width = sdrt_added_width(&c->config);
    float *to = c->added + (size_t)i * (size_t)width;

    for (int k = 0; k < c->config.n_text; k++) {
        const size_t pooled = (size_t)c->config.text[k].pooled;
        if (!pooled) continue;
        memcpy(to, pooled_row(c, k, i), pooled * sizeof *to);
        to += pooled;
    }
    if (!count) return;
    c->device->ops.elementwise.timestep_embedding(&alone, numbers, count,
                                          (width - sdrt_pooled_width(&c->config)) / count, to);
}
