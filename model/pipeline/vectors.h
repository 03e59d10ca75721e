/* SPDX-License-Identifier: MIT
 *
 * Textual inversion: words that stand for vectors of their own, from files in a folder, which take
 * the place of tokens' embeddings.  Gal et al. 2022 (arXiv:2208.01618).
 */
#ifndef SDRT_MODEL_PIPELINE_VECTORS_H
#define SDRT_MODEL_PIPELINE_VECTORS_H

#include "model/pipeline/model.h"
#include "model/text/prompt_chunks.h"

/* What the prompts of a request name.  Zero at first; freed by sdrt_vectors_clear(). */
struct sdrt_vectors {
    struct sdrt_encoder_vectors {
        struct sdrt_prompt_word *words; /* those of more ids first; owned */
        int n_words;
        float *rows; /* [n_rows][hidden]; owned */
        int n_rows;
    } of[SDRT_MAX_TEXT]; /* of each CLIP */
};

/* Finds the files in folder and those within it whose name without its ending is in one of the n texts,
 * in whatever case, and reads them: safetensors or pickled, as the web UI ("string_to_param"),
 * diffusers (one tensor), ComfyUI ("emb_params") and kohya's scripts ("clip_l" and "clip_g") write
 * them.  One that does not fit the model, or is not there, is refused where a text says
 * "embedding:name", else it is told to notes and left as text.  folder NULL: only the warning that
 * "embedding:" is taken as text.  SDRT_E_MISSING, SDRT_E_UNSUPPORTED, the file's errors, SDRT_E_NOMEM. */
int sdrt_vectors_read(struct sdrt_vectors *v, const struct sdrt_model *m, const char *folder,
                      const char *const *texts, int n, const struct sdrt_log *notes);
void sdrt_vectors_clear(struct sdrt_vectors *v);

/* Writes what the encoder's first layer reads, [count][tokens][hidden] for ids of so many rows of
 * tokens: the table's row or the vector's, plus the position's.  Errors of the provider. */
int sdrt_vectors_embed(const struct sdrt_vectors *v, const struct sdrt_model *m, int encoder,
                       const int32_t *ids, int count, float *out);

#endif
