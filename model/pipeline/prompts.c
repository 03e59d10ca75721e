/* SPDX-License-Identifier: MIT
 *
 * From the texts of a request to tokens.
 */
#include "model/pipeline/prompts.h"
#include "model/pipeline/guide.h"
#include "model/lora/tags.h"
#include "model/text/prompt_compel.h"
#include "runtime/base/choices.h"
#include "runtime/base/hash.h"

#include <stdlib.h>
#include <string.h>

/* One reading of a request. */
struct reading {
    struct sdrt_prompts *p;
    const struct sdrt_model *m;
    const struct sdrt_model_config *config;
    const struct sdrt_log *notes;
    int steps;
};

/* ---- life ---- */

static void clear_text(struct sdrt_lane_text *text)
{
    for (int k = 0; k < SDRT_MAX_TEXT; k++) sdrt_prompt_chunks_clear(&text->clip[k]);
    free(text->t5);
    free(text->t5_weights);
}

void sdrt_prompts_clear(struct sdrt_prompts *p)
{
    for (int l = 0; l < p->n_lanes; l++) {
        struct sdrt_prompt_lane *lane = &p->lanes[l];
        for (int t = 0; lane->texts && t < lane->part->n_texts; t++) clear_text(&lane->texts[t]);
        free(lane->texts);
    }
    clear_text(&p->empty);
    sdrt_prompt_parts_clear(&p->wanted);
    sdrt_prompt_parts_clear(&p->unwanted);
    sdrt_vectors_clear(&p->vectors);
    for (int k = 0; k < SDRT_MAX_TEXT; k++) free(p->pooled[k]);
    free(p->store);
    *p = (struct sdrt_prompts){ 0 };
}

const struct sdrt_lane_text *sdrt_prompts_text(const struct sdrt_prompts *p, int lane, int round)
{
    const struct sdrt_prompt_lane *l = &p->lanes[lane];
    const int last = l->part->n_texts - 1;

    return &l->texts[round < last ? round : last];
}

const struct sdrt_prompt_chunk *sdrt_prompts_chunk(const struct sdrt_prompts *p, int lane,
                                                   int round, int encoder, int chunk)
{
    const struct sdrt_prompt_chunks *chunks = &sdrt_prompts_text(p, lane, round)->clip[encoder];

    return (size_t)chunk < chunks->n ? &chunks->at[chunk] : &p->empty.clip[encoder].at[0];
}

/* ---- plain text ---- */

/* How many bytes of the text make no more than room tokens, cut between words. */
static size_t bytes_that_fit(const struct sdrt_clip_tokenizer *t, const char *text, int room)
{
    size_t fits = 0;

    for (size_t end = 0; text[end];) {
        end += strspn(text + end, " \t\n\r");
        end += strcspn(text + end, " \t\n\r");
        char *start = strndup(text, end);
        int n = room + 1;
        if (start) sdrt_clip_tokenizer_encode(t, start, sdrt_clip_tokenizer_eos(t), NULL, 0, &n);
        free(start);
        if (n > room) break;
        fits = end;
    }
    return fits;
}

static void warn_of_cut(const struct reading *g, const char *what, const char *text, int dropped)
{
    const int room = sdrt_prompt_tokens(g->config) - 2;
    const char *rest = text + bytes_that_fit(g->m->tokenizers[0], text, room);

    rest += strspn(rest, " \t\n\r");
    sdrt_note(g->notes, SDRT_LOG_WARNING,
              "%s is %d tokens too long; the end was left out: \"%.60s%s\" "
              "(prompt style a1111, comfy or compel takes it all)",
              what, dropped, rest, strlen(rest) > 60 ? " ..." : "");
}

static int read_plain(const struct reading *g, struct sdrt_lane_text *out, int encoder,
                      const char *text, const char *what)
{
    struct sdrt_prompt_chunks *chunks = &out->clip[encoder];
    int dropped = 0;

    chunks->at = calloc(1, sizeof *chunks->at);
    if (!chunks->at) return sdrt_fail(g->m->log, SDRT_E_NOMEM, "out of memory for the tokens");
    chunks->n = chunks->cap = 1;
    chunks->rows = 1;
    chunks->at->share = 1.0f;
    for (int i = 0; i < SDRT_CLIP_TOKENIZER_LENGTH; i++) chunks->at->weights[i] = 1.0f;
    const int status = sdrt_model_tokenize(g->m, encoder, text, chunks->at->ids, &dropped);
    if (status != SDRT_OK) return status;
    if (dropped && encoder == 0) warn_of_cut(g, what, text, dropped);
    return SDRT_OK;
}

/* ---- one text for each encoder ---- */

static struct sdrt_prompt_reader reader_of(const struct reading *g, int encoder)
{
    const struct sdrt_clip_tokenizer *t = g->m->tokenizers[encoder];
    const int32_t pad = g->config->text[encoder].pad_id;

    return (struct sdrt_prompt_reader){
        .tokenizer = t,
        .pad = pad < 0 ? sdrt_clip_tokenizer_eos(t) : pad,
        .length = sdrt_prompt_tokens(g->config),
        .words = g->p->vectors.of[encoder].words,
        .n_words = g->p->vectors.of[encoder].n_words,
        .pooled = g->config->text[encoder].pooled > 0,
    };
}

static int read_clip(const struct reading *g, struct sdrt_lane_text *out, int encoder,
                     const char *text, const char *what)
{
    const struct sdrt_prompt_reader reader = reader_of(g, encoder);
    struct sdrt_prompt_spans spans = { 0 };

    if (g->p->style == SDRT_PROMPT_PLAIN) return read_plain(g, out, encoder, text, what);
    int status = sdrt_model_check_tokenizer(g->m, encoder);
    if (status == SDRT_OK && g->p->style == SDRT_PROMPT_COMPEL)
        return sdrt_compel_chunks_read(&out->clip[encoder], text, &reader, what, g->m->log);
    if (status == SDRT_OK) status = sdrt_prompt_weights(&spans, g->p->style, text, what, g->m->log);
    if (status == SDRT_OK)
        status = sdrt_prompt_chunks_read(&out->clip[encoder], g->p->style, &spans, &reader, what,
                                         g->m->log);
    sdrt_prompt_spans_clear(&spans);
    return status;
}

/* The T5 reads piece by piece; what finds no room is told. */
static int fill_t5(const struct reading *g, struct sdrt_lane_text *out,
                   const struct sdrt_prompt_spans *spans, const char *what)
{
    const struct sdrt_t5_tokenizer *t = g->m->t5_tokenizer;
    const int room = g->config->t5_tokens - 1;
    int used = 0, dropped = 0, n = 0, status = SDRT_OK;

    for (size_t i = 0; i < spans->n && status == SDRT_OK; i++) {
        if (sdrt_prompt_is_break(&spans->at[i])) continue;
        status = sdrt_t5_tokenizer_encode(t, spans->at[i].text, out->t5 + used, room - used, &n);
        const int kept = n < room - used ? n : room - used;
        for (int k = 0; k < kept; k++) out->t5_weights[used + k] = (float)spans->at[i].weight;
        used += kept;
        dropped += n - kept;
    }
    if (status != SDRT_OK)
        return sdrt_fail(g->m->log, status,
                         "the T5 cannot read %s: it is longer than %d bytes or "
                         "memory is short",
                         what, SDRT_T5_MAX_PROMPT);
    out->t5[used] = sdrt_t5_tokenizer_eos(t);
    if (dropped)
        sdrt_note(g->notes, SDRT_LOG_WARNING,
                  "%s is %d tokens too long for the T5; the end was left "
                  "out",
                  what, dropped);
    return SDRT_OK;
}

static int read_t5(const struct reading *g, struct sdrt_lane_text *out, const char *text,
                   const char *what)
{
    const size_t tokens = (size_t)g->config->t5_tokens;
    const struct sdrt_t5_tokenizer *t = g->m->t5_tokenizer;
    struct sdrt_prompt_spans spans = { 0 };

    if (sdrt_t5_tokenizer_vocab_size(t) > g->config->t5.vocab)
        return sdrt_fail(g->m->log, SDRT_E_FORMAT,
                         "the T5's tokenizer has %d tokens but the T5 only "
                         "%d",
                         (int)sdrt_t5_tokenizer_vocab_size(t), g->config->t5.vocab);
    out->t5 = calloc(tokens, sizeof *out->t5);
    out->t5_weights = calloc(tokens, sizeof *out->t5_weights);
    if (!out->t5 || !out->t5_weights)
        return sdrt_fail(g->m->log, SDRT_E_NOMEM, "out of memory for the tokens");
    for (size_t i = 0; i < tokens; i++) out->t5_weights[i] = 1.0f;
    int status = sdrt_prompt_weights(&spans, g->p->style, text, what, g->m->log);
    if (status == SDRT_OK) status = fill_t5(g, out, &spans, what);
    sdrt_prompt_spans_clear(&spans);
    return status;
}

static int read_text(const struct reading *g, struct sdrt_lane_text *out, const char *text,
                     const char *what)
{
    int status = SDRT_OK;

    for (int k = 0; k < g->config->n_text && status == SDRT_OK; k++)
        status = read_clip(g, out, k, text, what);
    return status == SDRT_OK && g->config->has_t5 ? read_t5(g, out, text, what) : status;
}

/* ---- lanes ---- */

static int chunks_of(const struct reading *g, const struct sdrt_lane_text *text)
{
    int most = 1;

    for (int k = 0; k < g->config->n_text; k++)
        if (text->clip[k].rows > most) most = text->clip[k].rows;
    return most;
}

static void count_terms(const struct reading *g, const struct sdrt_lane_text *text)
{
    for (int k = 0; k < g->config->n_text; k++)
        if ((int)text->clip[k].n > g->p->terms) g->p->terms = (int)text->clip[k].n;
}

static int add_lane(struct reading *g, const struct sdrt_prompt_part *part, const char *what)
{
    struct sdrt_prompt_lane *lane = &g->p->lanes[g->p->n_lanes++];
    int status = SDRT_OK;

    lane->part = part;
    lane->texts = calloc((size_t)part->n_texts, sizeof *lane->texts);
    if (!lane->texts) return sdrt_fail(g->m->log, SDRT_E_NOMEM, "out of memory for the tokens");
    for (int t = 0; t < part->n_texts && status == SDRT_OK; t++) {
        status = read_text(g, &lane->texts[t], part->texts[t], what);
        const int chunks = chunks_of(g, &lane->texts[t]);
        if (chunks > lane->chunks) lane->chunks = chunks;
        count_terms(g, &lane->texts[t]);
    }
    if (part->n_texts > g->p->rounds) g->p->rounds = part->n_texts;
    if (lane->chunks > g->p->chunks) g->p->chunks = lane->chunks;
    return status;
}

/* A text without the tags of LoRAs, and its parts over the run. */
static int schedule(struct reading *g, const char *text, int apart, struct sdrt_prompt_parts *parts,
                    const char *what)
{
    char *plain = NULL;
    int status = sdrt_lora_tags_split(text, NULL, &plain, NULL, NULL);

    if (status == SDRT_OK)
        status = sdrt_prompt_schedule(parts, plain, g->steps, apart,
                                      g->p->style != SDRT_PROMPT_A1111, what, g->m->log);
    free(plain);
    return status;
}

/* ---- what all of them come to ---- */

static int greatest_divisor(int a, int b) { return b ? greatest_divisor(b, a % b) : a; }

/* The lanes' rows must be one number.  Cross-attention does not notice rows that come again, so both
 * sides are repeated to a common length, as ComfyUI does and to the same result as the web UI's, which
 * runs them apart.  An MMDiT would, and where that length is too large, empty chunks fill up, as with
 * compel always. */
static int common_chunks(struct reading *g)
{
    struct sdrt_prompts *p = g->p;
    const int unwanted = p->negative ? p->lanes[0].chunks : 1;
    int wanted = 1;

    for (int l = p->negative; l < p->n_lanes; l++)
        if (p->lanes[l].chunks > wanted) wanted = p->lanes[l].chunks;
    const int common = wanted / greatest_divisor(wanted, unwanted) * unwanted;
    if (g->config->denoiser == SDRT_DENOISER_UNET && p->style != SDRT_PROMPT_COMPEL &&
        common <= SDRT_PROMPT_MAX_CHUNKS / 2)
        return common;
    for (int l = 0; l < p->n_lanes; l++) p->lanes[l].chunks = p->chunks;
    return p->chunks;
}

static void hash_text(struct reading *g, const struct sdrt_lane_text *text)
{
    struct sdrt_prompts *p = g->p;
    const size_t t5 = text->t5 ? (size_t)g->config->t5_tokens : 0;
    const size_t tokens = (size_t)sdrt_prompt_tokens(g->config);

    for (int k = 0; k < g->config->n_text; k++) {
        p->key = sdrt_hash(p->key, text->clip[k].empty, sizeof text->clip[k].empty);
        for (size_t c = 0; c < text->clip[k].n; c++) {
            const struct sdrt_prompt_chunk *chunk = &text->clip[k].at[c];
            p->key = sdrt_hash(p->key, &chunk->to, sizeof chunk->to);
            p->key = sdrt_hash(p->key, &chunk->share, sizeof chunk->share);
            p->key = sdrt_hash(p->key, chunk->unseen, tokens);
            p->key = sdrt_hash(p->key, chunk->ids, tokens * sizeof *chunk->ids);
            p->key = sdrt_hash(p->key, chunk->weights, tokens * sizeof *chunk->weights);
            for (size_t i = 0; i < tokens; i++) {
                p->weighted |= chunk->weights[i] != 1.0f;
                p->embedded |= chunk->ids[i] < 0;
                p->unseen |= chunk->unseen[i];
            }
        }
    }
    p->key = sdrt_hash(p->key, text->t5, t5 * sizeof *text->t5);
    p->key = sdrt_hash(p->key, text->t5_weights, t5 * sizeof *text->t5_weights);
    for (size_t i = 0; i < t5; i++) p->weighted |= text->t5_weights[i] != 1.0f;
}

static void conclude(struct reading *g, struct sdrt_shape *shape)
{
    struct sdrt_prompts *p = g->p;

    p->key = sdrt_hash(SDRT_HASH_START, &p->style, sizeof p->style);
    for (int l = 0; l < p->n_lanes; l++) {
        const int numbers[2] = { p->lanes[l].chunks, p->lanes[l].part->n_texts };
        p->key = sdrt_hash(p->key, numbers, sizeof numbers);
        for (int t = 0; t < p->lanes[l].part->n_texts; t++) hash_text(g, &p->lanes[l].texts[t]);
        p->shown[l] = -1;
    }
    for (int k = 0; p->embedded && k < g->config->n_text; k++) {
        const struct sdrt_encoder_vectors *v = &p->vectors.of[k];
        const size_t n = (size_t)v->n_rows * (size_t)g->config->text[k].clip.hidden;
        p->key = sdrt_hash(p->key, v->rows, n * sizeof *v->rows);
    }
    shape->embedded = p->embedded;
    shape->unseen = p->unseen;
    shape->guided = p->negative;
    shape->more_lanes = p->n_lanes - p->negative - 1;
    shape->more_chunks = common_chunks(g) - 1;
    shape->varied = p->rounds > 1;
    p->simple = p->rounds == 1 && !shape->more_chunks && !p->weighted && !p->embedded &&
                p->style != SDRT_PROMPT_COMPEL;
}

/* ---- a request ---- */

static int choose_style(struct reading *g, const struct sdrt_request *r)
{
    const char *name = r->prompt_style, *negative = r->negative_prompt ? r->negative_prompt : "";
    const int has = sdrt_prompt_has_syntax(r->prompt) || sdrt_prompt_has_syntax(negative) ||
                    g->p->vectors.of[0].n_words;
    const int style = name  ? sdrt_choice(sdrt_prompt_style_name, name)
                      : has ? SDRT_PROMPT_A1111
                            : SDRT_PROMPT_PLAIN;
    char known[SDRT_CHOICES];

    if (style < 0)
        return sdrt_fail(g->m->log, SDRT_E_ARG, "unknown prompt style \"%s\": expected %s", name,
                         sdrt_choices(known, sdrt_prompt_style_name));
    g->p->style = (enum sdrt_prompt_style)style;
    if (style == SDRT_PROMPT_COMPEL && g->config->denoiser != SDRT_DENOISER_UNET)
        return sdrt_fail(g->m->log, SDRT_E_UNSUPPORTED,
                         "prompt style compel: has no rules for SD 3.x: expected a1111 or comfy");
    if (style == SDRT_PROMPT_PLAIN && has)
        sdrt_note(g->notes, SDRT_LOG_WARNING,
                  "the prompts' brackets, BREAK and AND are taken as text: "
                  "prompt style a1111 reads them");
    return SDRT_OK;
}

/* Plain text names none. */
static int read_vectors(struct reading *g, const struct sdrt_request *r)
{
    const char *const texts[2] = { r->prompt, r->negative_prompt };
    const int plain = r->prompt_style &&
                      !strcmp(r->prompt_style, sdrt_prompt_style_name(SDRT_PROMPT_PLAIN));

    return sdrt_vectors_read(&g->p->vectors, g->m, plain ? NULL : r->embeddings, texts,
                             r->negative_prompt ? 2 : 1, g->notes);
}

/* Whether the parts are added up, which takes a row without them. */
static int is_composed(const struct sdrt_prompts *p)
{
    return p->wanted.n > 1 || p->wanted.at[0].weight != 1.0;
}

int sdrt_prompts_read(struct sdrt_prompts *p, const struct sdrt_model *m,
                      const struct sdrt_request *r, struct sdrt_shape *shape,
                      const struct sdrt_log *notes)
{
    const int sampler = sdrt_sampler_find(r->sampler, NULL);
    struct reading g = {
        .p = p,
        .m = m,
        .config = sdrt_model_config_of(m),
        .notes = notes,
        .steps = r->steps *
                 (sampler < 0 ? 1 : sdrt_sampler_evaluations_of((enum sdrt_sampler_kind)sampler))
    };
    int status = read_vectors(&g, r);

    if (status == SDRT_OK) status = choose_style(&g, r);
    if (status == SDRT_OK) status = schedule(&g, r->prompt, 1, &p->wanted, "the prompt");
    if (status != SDRT_OK) return status;
    p->negative = shape->guided || is_composed(p);
    if (is_composed(p) && g.config->unet.guidance_dim)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "the prompt: AND and a part's weight need guidance "
                         "by a negative prompt, which a model that is told the scale does without");
    if (is_composed(p) && shape->gated)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "the prompt: cache tgate keeps what one text adds: expected no AND and no "
                         "weight of a part beside it");
    if (is_composed(p) && sdrt_guide_is_perturbed(shape))
        return sdrt_fail(
            m->log, SDRT_E_UNSUPPORTED,
            "the prompt: slg and pag push one answer: expected no AND and no weight of a part "
            "beside them");
    if (!p->negative && r->negative_prompt && *r->negative_prompt)
        sdrt_note(g.notes, SDRT_LOG_WARNING,
                  "the negative prompt is not read, since there is no guidance: %s",
                  g.config->unet.guidance_dim ? "the model is told its scale"
                                              : "expected a cfg scale above 1");
    if (p->negative) {
        status = schedule(&g, r->negative_prompt ? r->negative_prompt : "", 0, &p->unwanted,
                          "the negative prompt");
        if (status == SDRT_OK) status = add_lane(&g, &p->unwanted.at[0], "the negative prompt");
    }
    for (int i = 0; i < p->wanted.n && status == SDRT_OK; i++)
        status = add_lane(&g, &p->wanted.at[i], "the prompt");
    /* An editing model is asked once more, with the picture and the negative prompt. */
    p->edits = p->negative && sdrt_model_task(g.config) == SDRT_TASK_EDIT;
    if (status == SDRT_OK && p->edits)
        status = add_lane(&g, &p->unwanted.at[0], "the negative prompt");
    if (status == SDRT_OK) status = read_text(&g, &p->empty, "", "an empty prompt");
    if (status != SDRT_OK) return status;
    conclude(&g, shape);
    if (!shape->gated || !shape->varied) return SDRT_OK;
    return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                     "the prompt: cache tgate keeps what one text adds: expected none that changes "
                     "with the steps beside it");
}
