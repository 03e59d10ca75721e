/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/pipeline/vectors.h"
#include "kernels/pack.h"
#include "model/checkpoint/tensor_names.h"
#include "runtime/files/path.h"
#include "runtime/files/tensor_files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEPTH = 8 /* of folders, against links that lead in circles */, MOST = 256 /* words */ };

static const char identifier[] = "embedding:";

void sdrt_vectors_clear(struct sdrt_vectors *v)
{
    for (int k = 0; k < SDRT_MAX_TEXT; k++) {
        for (int i = 0; i < v->of[k].n_words; i++) {
            free(v->of[k].words[i].name);
            free(v->of[k].words[i].ids);
        }
        free(v->of[k].words);
        free(v->of[k].rows);
    }
    *v = (struct sdrt_vectors){ 0 };
}

/* One search for the words of a request. */
struct search {
    struct sdrt_vectors *v;
    const struct sdrt_model *m;
    const struct sdrt_model_config *config;
    const char *const *texts;
    int n;
    const struct sdrt_log *notes;
};

/* ---- texts ---- */

/* Whether a text has the name, in whatever case, and whether it calls it an embedding. */
static int is_named(const struct search *s, const char *name, int *said)
{
    const size_t length = strlen(name), front = strlen(identifier);
    int found = 0;

    *said = 0;
    for (int i = 0; i < s->n; i++)
        for (const char *p = s->texts[i]; *p; p++) {
            if (strncasecmp(p, name, length)) continue;
            found = 1;
            if ((size_t)(p - s->texts[i]) >= front && !memcmp(p - front, identifier, front))
                *said = 1;
        }
    return found;
}

static int is_known(const struct search *s, const char *name, size_t length)
{
    for (int i = 0; i < s->v->of[0].n_words; i++)
        if (strlen(s->v->of[0].words[i].name) == length &&
            !memcmp(s->v->of[0].words[i].name, name, length))
            return 1;
    return 0;
}

/* Every "embedding:name" must have been found. */
static int check_said(const struct search *s, const char *folder)
{
    for (int i = 0; i < s->n; i++)
        for (const char *p = strstr(s->texts[i], identifier); p; p = strstr(p + 1, identifier)) {
            const char *name = p + strlen(identifier);
            const size_t length = strcspn(name, " \t\n\r,()[]:|");
            if (!folder) {
                sdrt_note(s->notes, SDRT_LOG_WARNING,
                          "\"%s%.*s\" is taken as text: no folder of "
                          "embeddings was given",
                          identifier, (int)length, name);
                return SDRT_OK;
            }
            if (!sdrt_prompt_word_at(s->v->of[0].words, s->v->of[0].n_words, name))
                return sdrt_fail(s->m->log, SDRT_E_MISSING,
                                 "prompt: %s and its folders have no "
                                 "embedding '%.*s' (%s)",
                                 folder, (int)length, name, sdrt_tensor_file_extensions);
        }
    return SDRT_OK;
}

/* ---- a file ---- */

/* Which CLIP a tensor's name says that it is for: -1 where it says none. */
static int encoder_said(const char *name)
{
    if (strstr(name, "clip_l") || strstr(name, "text_encoders_0")) return 0;
    if (strstr(name, "clip_g") || strstr(name, "text_encoders_1")) return 1;
    return -1;
}

/* The tensor of a file that an encoder reads; NULL for none. */
static const struct sdrt_file_tensor *tensor_for(const struct search *s,
                                                 const struct sdrt_tensor_file *file, int encoder)
{
    const int64_t width = s->config->text[encoder].clip.hidden;

    for (size_t i = 0; i < sdrt_tensor_file_count(file); i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(file, i);
        const int said = encoder_said(t->name);
        if (!t->known || !sdrt_is_float(t->dtype) || t->rank < 1 || t->rank > 2) continue;
        if (t->shape[t->rank - 1] != width) continue;
        if (said == encoder || (said < 0 && s->config->n_text == 1)) return t;
    }
    return NULL;
}

static int take_rows(const struct search *s, struct sdrt_encoder_vectors *to, int width,
                     const struct sdrt_tensor_file *file, const struct sdrt_file_tensor *t,
                     int rows)
{
    const size_t count = (size_t)rows * (size_t)width;
    float *all = realloc(to->rows, (size_t)(to->n_rows + rows) * (size_t)width * sizeof *all);

    if (!all) return sdrt_fail(s->m->log, SDRT_E_NOMEM, "no memory for an embedding");
    to->rows = all;
    all += (size_t)to->n_rows * (size_t)width;
    void *data = malloc(t->bytes);
    if (!data) return sdrt_fail(s->m->log, SDRT_E_NOMEM, "no memory for an embedding");
    const int cut = sdrt_tensor_file_read(file, t, 0, t->bytes, data);
    const int other = !cut && sdrt_to_f32(data, t->dtype, all, count);
    free(data);
    if (cut)
        return sdrt_fail(s->m->log, SDRT_E_IO, "%s: has become shorter since it was opened",
                         sdrt_tensor_file_path(file));
    if (other)
        return sdrt_fail(s->m->log, SDRT_E_UNSUPPORTED, "%s: type %s is not read", t->name,
                         t->dtype_name);
    if (sdrt_weight_first_bad(SDRT_F32, all, count) < count)
        return sdrt_fail(s->m->log, SDRT_E_NUMERIC, "%s: expected finite numbers", t->name);
    return SDRT_OK;
}

static int add_word(const struct search *s, int encoder, const char *name,
                    const struct sdrt_tensor_file *file, const struct sdrt_file_tensor *t)
{
    struct sdrt_encoder_vectors *to = &s->v->of[encoder];
    const struct sdrt_clip_tokenizer *tokenizer = s->m->tokenizers[encoder];
    const int rows = t->rank == 1 ? 1 : (int)t->shape[0], most = 4 * (int)strlen(name) + 4;
    struct sdrt_prompt_word word = { .row = to->n_rows, .rows = rows };
    struct sdrt_prompt_word *words = realloc(to->words, (size_t)(to->n_words + 1) * sizeof *words);
    int at = to->n_words, status;

    if (words) to->words = words;
    word.name = strdup(name);
    word.ids = malloc((size_t)most * sizeof *word.ids);
    status = words && word.name && word.ids
                 ? take_rows(s, to, s->config->text[encoder].clip.hidden, file, t, rows)
                 : sdrt_fail(s->m->log, SDRT_E_NOMEM, "no memory for an embedding");
    if (status == SDRT_OK)
        status = sdrt_clip_tokenizer_encode(tokenizer, name, sdrt_clip_tokenizer_eos(tokenizer),
                                            word.ids, most, &word.n_ids);
    if (status != SDRT_OK) {
        free(word.name);
        free(word.ids);
        return status;
    }
    to->n_rows += rows;
    to->n_words++;
    for (; at > 0 && words[at - 1].n_ids < word.n_ids; at--) words[at] = words[at - 1];
    words[at] = word;
    return SDRT_OK;
}

/* A file fits that has rows for each CLIP, as many for one as for the other. */
static int take_file(const struct search *s, const char *path, const char *name, int said)
{
    const struct sdrt_file_tensor *t[SDRT_MAX_TEXT] = { NULL };
    const int room = sdrt_prompt_tokens(s->config) - 2;
    struct sdrt_tensor_file *file = NULL;
    int status = sdrt_tensor_file_open(&file, path, s->m->log), fits = 1;
    int64_t rows = 0;

    if (status != SDRT_OK) return status;
    for (int k = 0; k < s->config->n_text; k++) {
        t[k] = tensor_for(s, file, k);
        if (!t[k]) fits = 0;
        else if (!rows) rows = t[k]->rank == 1 ? 1 : t[k]->shape[0];
        fits = fits && rows == (t[k]->rank == 1 ? 1 : t[k]->shape[0]);
    }
    if (!fits || rows < 1 || rows > room) {
        const char *format =
            "%s: has no 1 to %d vectors of width %d%s for the model's text encoder%s";
        char line[600];
        const int two = s->config->n_text > 1;
        snprintf(line, sizeof line, format, path, room, s->config->text[0].clip.hidden,
                 two ? " and of the second's" : "", two ? "s" : "");
        if (said) status = sdrt_fail(s->m->log, SDRT_E_UNSUPPORTED, "%s", line);
        else sdrt_note(s->notes, SDRT_LOG_WARNING, "%s: its name is taken as text", line);
    }
    for (int k = 0; k < s->config->n_text && fits && rows >= 1 && rows <= room && status == SDRT_OK;
         k++)
        status = add_word(s, k, name, file, t[k]);
    sdrt_tensor_file_close(&file);
    return status;
}

static int consider(const struct search *s, const char *path, const char *entry)
{
    const char *dot = sdrt_tensor_file_extension(entry);
    char *name = dot && dot > entry ? strndup(entry, (size_t)(dot - entry)) : NULL;
    int said, status = SDRT_OK;

    if (!dot || dot == entry) return SDRT_OK;
    if (!name) return sdrt_fail(s->m->log, SDRT_E_NOMEM, "no memory for an embedding's name");
    if (is_named(s, name, &said)) {
        if (is_known(s, name, strlen(name)))
            sdrt_note(s->notes, SDRT_LOG_WARNING, "%s: another embedding of this name is taken",
                      path);
        else if (s->v->of[0].n_words < MOST) status = take_file(s, path, name, said);
    }
    free(name);
    return status;
}

static int walk(const struct search *s, const char *folder, int depth)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    int status = SDRT_OK;

    if (!d && !depth)
        return sdrt_fail(s->m->log, SDRT_E_MISSING, "%s: expected a folder of embeddings", folder);
    if (!d) return SDRT_OK;
    while (status == SDRT_OK && (e = readdir(d))) {
        if (e->d_name[0] == '.') continue;
        char *path = sdrt_path_join(folder, e->d_name);
        if (!path) status = sdrt_fail(s->m->log, SDRT_E_NOMEM, "no memory for an embedding's name");
        else if (!sdrt_path_is_folder(path)) status = consider(s, path, e->d_name);
        else if (depth < DEPTH) status = walk(s, path, depth + 1);
        free(path);
    }
    closedir(d);
    return status;
}

int sdrt_vectors_read(struct sdrt_vectors *v, const struct sdrt_model *m, const char *folder,
                      const char *const *texts, int n, const struct sdrt_log *notes)
{
    const struct search s = { .v = v,
                              .m = m,
                              .config = sdrt_model_config_of(m),
                              .texts = texts,
                              .n = n,
                              .notes = notes };
    const int status = folder ? walk(&s, folder, 0) : SDRT_OK;

    return status == SDRT_OK ? check_said(&s, folder) : status;
}

/* ---- what the encoder reads ---- */

struct embedding {
    const struct sdrt_vectors *v;
    const struct sdrt_model *m;
    int encoder, count, status;
    const int32_t *ids;
    float *out;
};

static const void *row_of(const struct sdrt_weight_view *view, size_t row, size_t width)
{
    return (const char *)view->data + sdrt_dtype_bytes(view->dtype, row * width);
}

static void fill(struct embedding *e, const struct sdrt_weight_view *words,
                 const struct sdrt_weight_view *places)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(e->m);
    const size_t width = (size_t)config->text[e->encoder].clip.hidden;
    const size_t tokens = (size_t)sdrt_prompt_tokens(config);
    const struct sdrt_encoder_vectors *own = &e->v->of[e->encoder];
    float place[4096];

    if (width > sizeof place / sizeof *place) e->status = SDRT_E_UNSUPPORTED;
    for (size_t i = 0; i < (size_t)e->count * tokens && e->status == SDRT_OK; i++) {
        float *to = e->out + i * width;
        const int32_t id = e->ids[i];
        if (id < 0)
            memcpy(to, own->rows + (size_t)sdrt_prompt_vector_row(id) * width, width * sizeof *to);
        else if (sdrt_to_f32(row_of(words, (size_t)id, width), words->dtype, to, width))
            e->status = SDRT_E_UNSUPPORTED;
        if (sdrt_to_f32(row_of(places, i % tokens, width), places->dtype, place, width))
            e->status = SDRT_E_UNSUPPORTED;
        for (size_t k = 0; k < width; k++) to[k] += place[k];
    }
    if (e->status != SDRT_OK)
        sdrt_fail(e->m->log, e->status,
                  "the text encoder's table of embeddings is of a type or width "
                  "that does not go with embeddings of one's own");
}

/* While no other thread asks the provider. */
static void embed(void *user)
{
    struct embedding *e = user;
    const struct sdrt_clip_config *clip = &sdrt_model_config_of(e->m)->text[e->encoder].clip;
    const struct sdrt_weights_provider p = sdrt_loras_provider(e->m->loras.set);
    const int64_t shapes[2][2] = { { clip->vocab, clip->hidden },
                                   { clip->positions, clip->hidden } };
    static const char *const leaves[2] = { "token", "position" };
    struct sdrt_weight_view views[2];
    char names[2][SDRT_NAME_MAX];
    int held = 0;

    for (; held < 2 && e->status == SDRT_OK; held += e->status == SDRT_OK) {
        snprintf(names[held], sizeof names[held], "%s.text_model.embeddings.%s_embedding.weight",
                 sdrt_text_prefix(e->encoder), leaves[held]);
        e->status = p.get(p.self, names[held], 2, shapes[held], &views[held]);
        if (e->status != SDRT_OK) break;
        e->status = sdrt_weight_check_shape(&views[held], names[held], 2, shapes[held], e->m->log);
        if (e->status != SDRT_OK) p.release(p.self, names[held]);
    }
    if (e->status == SDRT_OK) fill(e, &views[0], &views[1]);
    while (held > 0) p.release(p.self, names[--held]);
}

int sdrt_vectors_embed(const struct sdrt_vectors *v, const struct sdrt_model *m, int encoder,
                       const int32_t *ids, int count, float *out)
{
    struct embedding e = { v, m, encoder, count, SDRT_OK, ids, out };

    sdrt_weight_store_change(m->parts[SDRT_PART_BASE].store, embed, &e);
    return e.status;
}
