/* SPDX-License-Identifier: MIT
 *
 * What text encoders made of prompts that are more than one text of one chunk.
 *
 * The store is [rounds][lanes][rows][width], rows being those of all chunks and behind them the T5's,
 * and at its end, where weights are ComfyUI's or compel's, one more text: the empty one's.
 */
#include "model/pipeline/prompts.h"

#include <stdlib.h>
#include <string.h>

static int tokens_of(const struct sdrt_session *s)
{
    return sdrt_prompt_tokens(sdrt_model_config_of(s->model));
}

static int is_compel(const struct sdrt_prompts *p) { return p->style == SDRT_PROMPT_COMPEL; }

/* Whether the weights are told from an empty prompt. */
static int has_empty(const struct sdrt_prompts *p)
{
    return is_compel(p) || (p->weighted && p->style == SDRT_PROMPT_COMFY);
}

int sdrt_prompts_units(const struct sdrt_prompts *p, int is_t5)
{
    return p->rounds * (is_t5 ? 1 : p->terms) * (p->unseen ? p->n_lanes : 1) + has_empty(p);
}

/* What a unit is of. */
struct unit {
    int round, term; /* p->rounds for the empty one */
    int lane;        /* the only one that it is of; -1: all */
};

static struct unit unit_of(const struct sdrt_prompts *p, int is_t5, int unit)
{
    const int lanes = p->unseen ? p->n_lanes : 1, terms = is_t5 ? 1 : p->terms;

    if (is_compel(p) && unit-- == 0) return (struct unit){ p->rounds, 0, -1 };
    if (unit == p->rounds * terms * lanes) return (struct unit){ p->rounds, 0, -1 };
    return (struct unit){ unit / lanes / terms, unit / lanes % terms,
                          p->unseen ? unit % lanes : -1 };
}

const uint8_t *sdrt_prompts_unit_unseen(const struct sdrt_prompts *p, int encoder, int unit)
{
    const struct unit u = unit_of(p, 0, unit);

    if (u.round == p->rounds || u.lane < 0) return p->empty.clip[encoder].at[0].unseen;
    return sdrt_prompts_chunk(p, u.lane, u.round, encoder, u.term)->unseen;
}

const int32_t *sdrt_prompts_unit_ids(const struct sdrt_prompts *p, int encoder, int is_t5, int unit,
                                     int lane)
{
    const struct unit u = unit_of(p, is_t5, unit);

    if (u.round == p->rounds) return is_t5 ? p->empty.t5 : p->empty.clip[encoder].at[0].ids;
    if (u.lane >= 0) lane = u.lane;
    if (is_t5) return sdrt_prompts_text(p, lane, u.round)->t5;
    return sdrt_prompts_chunk(p, lane, u.round, encoder, u.term)->ids;
}

int sdrt_prompts_make_store(struct sdrt_prompts *p, const struct sdrt_session *s)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const size_t texts = (size_t)p->rounds * (size_t)p->n_lanes + (size_t)has_empty(p);
    int lacking = 0;

    p->rows = (size_t)p->chunks * (size_t)tokens_of(s) + (size_t)config->t5_tokens;
    p->width = (size_t)sdrt_context_width(config);
    p->store = calloc(texts * p->rows * p->width, sizeof *p->store);
    for (int k = 0; k < config->n_text; k++) {
        const size_t n = texts * (size_t)config->text[k].pooled;
        if (n) p->pooled[k] = calloc(n, sizeof *p->pooled[k]);
        lacking |= n && !p->pooled[k];
    }
    if (p->store && !lacking) return SDRT_OK;
    return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for the text embeddings");
}

/* A lane's embeddings of a round; round p->rounds is the empty text's. */
static float *text_of(const struct sdrt_prompts *p, int round, int lane)
{
    const size_t index = round == p->rounds ? (size_t)p->rounds * (size_t)p->n_lanes
                                            : (size_t)round * (size_t)p->n_lanes + (size_t)lane;

    return p->store + index * p->rows * p->width;
}

/* Channels that an encoder fills. */
static void channels_of(const struct sdrt_model_config *config, int encoder, int is_t5, size_t *at,
                        size_t *n)
{
    *at = 0;
    for (int k = 0; k < encoder && !is_t5; k++) *at += (size_t)config->text[k].clip.hidden;
    *n = (size_t)(is_t5 ? config->t5.hidden : config->text[encoder].clip.hidden);
}

static float *slot_text(const struct sdrt_session *s)
{
    return sdrt_slot_map(&s->slots, sdrt_slots_find(&s->slots, "", "text"));
}

static size_t slot_rows(const struct sdrt_session *s)
{
    return (size_t)sdrt_shape_context_rows(&s->shape, sdrt_model_config_of(s->model));
}

/* The row of the first end token. */
static size_t end_of(const struct sdrt_session *s, int encoder, const int32_t *ids)
{
    const int32_t end = sdrt_clip_tokenizer_eos(s->model->tokenizers[encoder]);
    const size_t tokens = (size_t)tokens_of(s);
    size_t at = 0;

    while (at < tokens - 1 && ids[at] != end) at++;
    return at;
}

/* Where the pooled text of a denoiser's row is in its slot. */
static float *slot_pooled(const struct sdrt_session *s, int encoder, size_t row, const int32_t *ids)
{
    const size_t width = (size_t)sdrt_model_config_of(s->model)->text[encoder].pooled;

    return (float *)sdrt_slot_map(&s->slots, sdrt_text_slot(s, encoder, "pooled")) +
           (row * (size_t)tokens_of(s) + end_of(s, encoder, ids)) * width;
}

/* The empty prompt's embeddings of a row, of which an encoder's channels begin at at. */
static const float *empty_row(const struct sdrt_prompts *p, size_t row, size_t at)
{
    return text_of(p, p->rounds, 0) + row * p->width + at;
}

/* compel: adds what an encoder made of a term, each row of it p->width from the next, to its chunk. */
static void add_term(const struct sdrt_prompts *p, int encoder, struct unit u, const float *from,
                     size_t at, size_t n, size_t tokens)
{
    const struct sdrt_prompt_chunks *all = &sdrt_prompts_text(p, u.lane, u.round)->clip[encoder];

    if ((size_t)u.term >= all->n || all->at[u.term].to < 0) return;
    const struct sdrt_prompt_chunk *term = &all->at[u.term];
    float *to = text_of(p, u.round, u.lane) + (size_t)term->to * tokens * p->width + at;
    for (size_t i = 0; i < tokens; i++, to += p->width, from += p->width) {
        const float *empty = empty_row(p, i, at), w = term->weights[i];
        for (size_t k = 0; k < n; k++)
            to[k] += term->share * (w == 1.0f ? from[k] : (from[k] - empty[k]) * w + empty[k]);
    }
}

void sdrt_prompts_take(struct sdrt_prompts *p, const struct sdrt_session *s, int encoder, int is_t5,
                       int unit)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const struct unit u = unit_of(p, is_t5, unit);
    const int round = u.round, chunk = u.term, empty = round == p->rounds;
    const size_t tokens = (size_t)tokens_of(s), batch = (size_t)s->shape.batch;
    const size_t count = is_t5 ? (size_t)config->t5_tokens : tokens;
    const size_t from_row = is_t5 ? slot_rows(s) - count : 0;
    const size_t to_row = is_t5 ? p->rows - count : (size_t)chunk * tokens;
    size_t at, n;

    channels_of(config, encoder, is_t5, &at, &n);
    for (int l = 0; l < (empty ? 1 : p->n_lanes); l++) {
        if (u.lane >= 0 && u.lane != l) continue;
        const size_t row = (size_t)l * batch;
        const float *from = slot_text(s) + (row * slot_rows(s) + from_row) * p->width + at;
        if (is_compel(p) && !empty) {
            add_term(p, encoder, (struct unit){ round, chunk, l }, from, at, n, tokens);
        } else {
            float *to = text_of(p, round, l) + to_row * p->width + at;
            for (size_t i = 0; i < count; i++)
                memcpy(to + i * p->width, from + i * p->width, n * sizeof *to);
        }
        if (is_t5 || chunk || empty || !config->text[encoder].pooled) continue;
        const size_t width = (size_t)config->text[encoder].pooled;
        memcpy(p->pooled[encoder] + ((size_t)round * (size_t)p->n_lanes + (size_t)l) * width,
               slot_pooled(s, encoder, row, sdrt_prompts_unit_ids(p, encoder, 0, unit, l)),
               width * sizeof(float));
    }
}

/* ---- weights ---- */

/* The same tokens of all texts of a lane: a chunk of a CLIP's, or the T5's. */
struct cluster {
    struct sdrt_prompts *p;
    int lane, encoder, is_t5, chunk;
    size_t row0, tokens, at, n; /* of the store's rows and channels */
};

static const float *weights_of(const struct cluster *c, int text)
{
    if (c->is_t5) return sdrt_prompts_text(c->p, c->lane, text)->t5_weights;
    return sdrt_prompts_chunk(c->p, c->lane, text, c->encoder, c->chunk)->weights;
}

static float *row_of(const struct cluster *c, int round, size_t token)
{
    return text_of(c->p, round, c->lane) + (c->row0 + token) * c->p->width + c->at;
}

static double sum_of(const float *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) sum += (double)x[i];
    return sum;
}

/* A1111: times the weight, then all times one factor that restores the mean, which is taken over all
 * texts of the lane together, each as often as it comes. */
static void weigh_a1111(const struct cluster *c)
{
    const struct sdrt_prompt_part *part = c->p->lanes[c->lane].part;
    double before = 0, after = 0;
    int weighted = 0;

    for (int t = 0; t < part->n_texts; t++)
        for (size_t i = 0; i < c->tokens; i++) {
            const double sum = part->counts[t] * sum_of(row_of(c, t, i), c->n);
            before += sum;
            after += sum * (double)weights_of(c, t)[i];
            weighted |= weights_of(c, t)[i] != 1.0f;
        }
    if (!weighted) return;
    const float restore = (float)(before / after);
    for (int t = 0; t < part->n_texts; t++)
        for (size_t i = 0; i < c->tokens; i++) {
            float *x = row_of(c, t, i);
            for (size_t k = 0; k < c->n; k++) x[k] = x[k] * weights_of(c, t)[i] * restore;
        }
}

/* ComfyUI: as far from the empty prompt's as the weight says. */
static void weigh_comfy(const struct cluster *c)
{
    const size_t row0 = c->is_t5 ? c->row0 : 0;

    for (int t = 0; t < c->p->lanes[c->lane].part->n_texts; t++)
        for (size_t i = 0; i < c->tokens; i++) {
            const float w = weights_of(c, t)[i];
            const float *empty = text_of(c->p, c->p->rounds, 0) + (row0 + i) * c->p->width + c->at;
            float *x = row_of(c, t, i);
            for (size_t k = 0; w != 1.0f && k < c->n; k++) x[k] = (x[k] - empty[k]) * w + empty[k];
        }
}

/* compel: the empty prompt's share of a chunk, which is all of one that a text lacks. */
static void add_empty(const struct cluster *c)
{
    for (int t = 0; t < c->p->lanes[c->lane].part->n_texts; t++) {
        const struct sdrt_prompt_chunks *all =
            &sdrt_prompts_text(c->p, c->lane, t)->clip[c->encoder];
        const float share = c->chunk < all->rows ? all->empty[c->chunk] : 1.0f;
        for (size_t i = 0; i < c->tokens && share != 0.0f; i++) {
            const float *empty = empty_row(c->p, i, c->at);
            float *x = row_of(c, t, i);
            for (size_t k = 0; k < c->n; k++) x[k] += share * empty[k];
        }
    }
}

void sdrt_prompts_weigh(struct sdrt_prompts *p, const struct sdrt_session *s, int encoder,
                        int is_t5)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    struct cluster c = { .p = p, .encoder = encoder, .is_t5 = is_t5 };

    if (!p->weighted && !is_compel(p)) return;
    c.tokens = (size_t)(is_t5 ? config->t5_tokens : tokens_of(s));
    channels_of(config, encoder, is_t5, &c.at, &c.n);
    for (c.lane = 0; c.lane < p->n_lanes; c.lane++)
        for (c.chunk = 0; c.chunk < (is_t5 ? 1 : p->lanes[c.lane].chunks); c.chunk++) {
            c.row0 = is_t5 ? p->rows - c.tokens : (size_t)c.chunk * c.tokens;
            if (is_compel(p)) add_empty(&c);
            else if (p->style == SDRT_PROMPT_COMFY) weigh_comfy(&c);
            else weigh_a1111(&c);
        }
}

/* ---- showing ---- */

/* Rows that a lane's side has before they come again. */
static size_t side_rows(const struct sdrt_prompts *p, const struct sdrt_session *s, int lane)
{
    int chunks = p->lanes[lane].chunks;

    for (int l = p->negative; lane >= p->negative && l < p->n_lanes; l++)
        if (p->lanes[l].chunks > chunks) chunks = p->lanes[l].chunks;
    return (size_t)chunks * (size_t)tokens_of(s);
}

/* A shorter part than the others goes on with its last row, as in the web UI. */
static void show_text(const struct sdrt_prompts *p, const struct sdrt_session *s, int lane,
                      const float *from, float *to)
{
    const size_t own = (size_t)p->lanes[lane].chunks * (size_t)tokens_of(s);
    const size_t side = side_rows(p, s, lane), bytes = p->width * sizeof *to;
    const size_t t5 = (size_t)sdrt_model_config_of(s->model)->t5_tokens;

    for (size_t r = 0; r < slot_rows(s) - t5; r++) {
        const size_t q = r % side;
        memcpy(to + r * p->width, from + (q < own ? q : own - 1) * p->width, bytes);
    }
    memcpy(to + (slot_rows(s) - t5) * p->width, from + (p->rows - t5) * p->width, t5 * bytes);
}

/* The ids of the text's first chunk, by which the pooled text is found, and that. */
static void show_pooled(const struct sdrt_prompts *p, const struct sdrt_session *s, int lane,
                        int text, size_t row)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const size_t tokens = (size_t)tokens_of(s);

    for (int k = 0; k < config->n_text; k++) {
        const size_t width = (size_t)config->text[k].pooled;
        const int32_t *ids = sdrt_prompts_chunk(p, lane, text, k, 0)->ids;
        if (!width) continue;
        float *to = slot_pooled(s, k, row, ids);
        if (s->shape.embedded) to -= end_of(s, k, ids) * width;
        else
            sdrt_slot_write(&s->slots, sdrt_text_slot(s, k, "ids"), row * tokens * sizeof *ids, ids,
                            tokens * sizeof *ids);
        memcpy(to, p->pooled[k] + ((size_t)text * (size_t)p->n_lanes + (size_t)lane) * width,
               width * sizeof(float));
    }
}

int sdrt_prompts_show(struct sdrt_prompts *p, const struct sdrt_session *s, int evaluation)
{
    int changed = 0;

    for (int l = 0; l < p->n_lanes; l++) {
        const int text = sdrt_prompt_text_at(p->lanes[l].part, evaluation);
        if (p->shown[l] == text) continue;
        p->shown[l] = text;
        changed = 1;
        for (int b = 0; b < s->shape.batch; b++) {
            const size_t row = (size_t)l * (size_t)s->shape.batch + (size_t)b;
            show_text(p, s, l, text_of(p, text, l), slot_text(s) + row * slot_rows(s) * p->width);
            show_pooled(p, s, l, text, row);
        }
    }
    return changed;
}
