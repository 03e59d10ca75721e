/* SPDX-License-Identifier: MIT
 *
 * The prompts of a request, read: what each text encoder is given, and what it made of that.
 *
 * A lane is what one row of a denoiser's batch follows: the negative prompt, where there is
 * guidance, then each of the parts that AND joins; an editing model with guidance has the negative
 * prompt once more at the end.  A lane has one text, or, where brackets change it
 * on the way, several, of which an evaluation has one.  A text is chunks of tokens for each CLIP, and
 * one row of tokens for a T5.
 *
 * Prompts that are simple (a text of one chunk a lane, no weights) go through the slots alone.  What
 * others make is kept here, since encoders take a chunk at a time and the denoiser all of them.
 */
#ifndef SDRT_MODEL_PIPELINE_PROMPTS_H
#define SDRT_MODEL_PIPELINE_PROMPTS_H

#include "model/pipeline/session.h"
#include "model/pipeline/vectors.h"
#include "model/text/prompt_chunks.h"
#include "model/text/prompt_schedule.h"

enum { SDRT_MAX_LANES = SDRT_PROMPT_MAX_PARTS + 2 };

struct sdrt_lane_text {
    struct sdrt_prompt_chunks clip[SDRT_MAX_TEXT]; /* of each CLIP */
    int32_t *t5;       /* [t5_tokens] with the padding; NULL without a T5; owned */
    float *t5_weights; /* [t5_tokens]; owned */
};

struct sdrt_prompt_lane {
    const struct sdrt_prompt_part *part;
    struct sdrt_lane_text *texts; /* [part->n_texts]; owned */
    int chunks;                   /* of its longest text */
};

/* Set to zero at first; freed by sdrt_prompts_clear(). */
struct sdrt_prompts {
    enum sdrt_prompt_style style;
    struct sdrt_prompt_parts wanted, unwanted;
    struct sdrt_prompt_lane lanes[SDRT_MAX_LANES];
    int n_lanes;
    int negative; /* 1: the first lane is the negative prompt's */
    int edits;    /* 1: the last lane is too, beside the picture that an editing model reads */
    int rounds;   /* texts of the lane that has most */
    int chunks;   /* of the lane that has most */
    int terms;    /* that are encoded, of the text that has most; as many, but for compel's rules */
    int unseen;   /* in some of them tokens do not see all before them */
    int weighted; /* some token's weight is not 1 */
    int simple;
    struct sdrt_vectors vectors; /* that the prompts may name */
    int embedded;                /* some of them are there */
    struct sdrt_lane_text empty; /* of one chunk */
    uint64_t key;                /* of all tokens and weights */

    /* What the encoders made, once the first of them has run: see prompt_store.c. */
    float *store;
    float *pooled[SDRT_MAX_TEXT];
    size_t rows, width;        /* of one text's embeddings */
    int shown[SDRT_MAX_LANES]; /* which text of each lane the denoiser follows now, -1: none */
};

/* Reads the prompts of a resolved request into p, and adds to shape what they want of it: rows of
 * context and lanes.  p is cleared by the caller, also after a failure.  Warnings go to notes, which
 * may be NULL.  SDRT_E_ARG for what is written wrongly or too long, SDRT_E_UNSUPPORTED, SDRT_E_FORMAT
 * for a tokenizer that knows more tokens than its encoder, SDRT_E_NOMEM. */
int sdrt_prompts_read(struct sdrt_prompts *p, const struct sdrt_model *m,
                      const struct sdrt_request *r, struct sdrt_shape *shape,
                      const struct sdrt_log *notes);
void sdrt_prompts_clear(struct sdrt_prompts *p);

/* What is encoded for a lane in a round, in which lanes with fewer texts have their last, by CLIP encoder:
 * its term number chunk; what the text lacks is an empty one. */
const struct sdrt_prompt_chunk *sdrt_prompts_chunk(const struct sdrt_prompts *p, int lane,
                                                   int round, int encoder, int chunk);
/* The same text's for the T5. */
const struct sdrt_lane_text *sdrt_prompts_text(const struct sdrt_prompts *p, int lane, int round);

/* ---- prompt_store.c ---- */

/* What there is to run of a CLIP, or of the T5: each text of each lane, chunk by chunk, and where
 * weights are ComfyUI's, an empty one at the end; with compel's, that at the begin.  Where tokens do not see
 * all before them, each lane has units of its own. */
int sdrt_prompts_units(const struct sdrt_prompts *p, int is_t5);

/* Which tokens of a unit no token sees, [77]. */
const uint8_t *sdrt_prompts_unit_unseen(const struct sdrt_prompts *p, int encoder, int unit);

/* The ids of a lane in a unit, and how many. */
const int32_t *sdrt_prompts_unit_ids(const struct sdrt_prompts *p, int encoder, int is_t5, int unit,
                                     int lane);

/* Room for what the encoders make.  SDRT_E_NOMEM. */
int sdrt_prompts_make_store(struct sdrt_prompts *p, const struct sdrt_session *s);

/* Takes what an encoder left in the slots for a unit. */
void sdrt_prompts_take(struct sdrt_prompts *p, const struct sdrt_session *s, int encoder, int is_t5,
                       int unit);

/* Applies the weights, when an encoder has run all of its units. */
void sdrt_prompts_weigh(struct sdrt_prompts *p, const struct sdrt_session *s, int encoder,
                        int is_t5);

/* Fills the slots of text, ids and pooled text with what the lanes follow in an evaluation; 0 where
 * they have that already. */
int sdrt_prompts_show(struct sdrt_prompts *p, const struct sdrt_session *s, int evaluation);

#endif
