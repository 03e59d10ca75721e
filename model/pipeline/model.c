/* SPDX-License-Identifier: MIT
 *
 * What is asked of an open model.
 */
#include "model/pipeline/model.h"
#include "model/checkpoint/tensor_names.h"
#include "model/pipeline/packing.h"

#include <string.h>

struct sdrt_model *sdrt_model_retain(struct sdrt_model *m)
{
    if (!m) return NULL;
    pthread_mutex_lock(&m->lock);
    m->uses++;
    pthread_mutex_unlock(&m->lock);
    return m;
}

size_t sdrt_model_weights_bytes(const struct sdrt_model *m)
{
    size_t bytes = 0;

    for (int i = 0; i < m->n_parts; i++) bytes += sdrt_weight_store_bytes(m->parts[i].store, "");
    return bytes;
}

int sdrt_part_open_store(struct sdrt_model *m, struct sdrt_model_part *part,
                         const struct sdrt_weights_provider *provider, enum sdrt_dtype fixed)
{
    const int status = sdrt_weight_store_create(&part->store, provider, fixed,
                                                sdrt_packing_of(m->precision, m->device), m->log);

    if (status != SDRT_OK) return status;
    sdrt_weight_store_widen(part->store, m->wide);
    sdrt_weight_store_rotate(part->store, m->rotated);
    return sdrt_denoiser_of(&part->config)->check(&part->config, m->log);
}

int sdrt_model_check_wide(const struct sdrt_model *m)
{
    uint64_t widened = 0;

    for (int i = 0; i < m->n_parts; i++) widened |= sdrt_weight_store_widened(m->parts[i].store);
    for (const char *at = m->wide; at; widened >>= 1) {
        const size_t n = strcspn(at, "+");
        if (!(widened & 1))
            return sdrt_fail(m->log, SDRT_E_ARG,
                             "precision %s: expected globs of layers that are int8 otherwise, as "
                             "\"*.ff.*\"; \"%.*s\" matches none",
                             m->precision_text, (int)n, at);
        at = at[n] ? at + n + 1 : NULL;
    }
    return SDRT_OK;
}

void sdrt_model_share_weights(struct sdrt_model *m, struct sdrt_commons *commons)
{
    for (int i = 0; i < m->n_parts; i++)
        sdrt_weight_store_share(m->parts[i].store, commons, (uint64_t)i);
}

char *sdrt_part_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strdup(slash && slash[1] ? slash + 1 : path);
}

_Static_assert((int)SDRT_CLIP_TOKENS == (int)SDRT_CLIP_TOKENIZER_LENGTH,
               "a prompt is as long for the tokenizer as for the encoder");

int sdrt_model_check_tokenizer(const struct sdrt_model *m, int i)
{
    const int size = sdrt_clip_tokenizer_vocab_size(m->tokenizers[i]);
    const int vocab = sdrt_model_config_of(m)->text[i].clip.vocab;

    if (size <= vocab) return SDRT_OK;
    return sdrt_fail(m->log, SDRT_E_FORMAT,
                     "the tokenizer has %d tokens but the text encoder only %d", size, vocab);
}

int sdrt_model_tokenize(const struct sdrt_model *m, int i, const char *prompt, int32_t *ids,
                        int *dropped)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    const struct sdrt_clip_tokenizer *t = m->tokenizers[i];
    const int32_t pad = config->text[i].pad_id;
    const int status = sdrt_model_check_tokenizer(m, i);

    if (status != SDRT_OK) return status;
    return sdrt_clip_tokenizer_encode_padded(t, prompt, sdrt_prompt_tokens(config),
                                             pad < 0 ? sdrt_clip_tokenizer_eos(t) : pad, ids,
                                             dropped);
}
