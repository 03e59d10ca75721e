/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/lora/folder.h"
#include "model/lora/tags.h"
#include "runtime/base/numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sdrt_lora_list_clear(struct sdrt_lora_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->uses[i].path);
    free(list->uses);
    *list = (struct sdrt_lora_list){ 0 };
}

int sdrt_lora_list_add(struct sdrt_lora_list *list, const char *path,
                       const struct sdrt_lora_strength *strength, const struct sdrt_log *log)
{
    struct sdrt_lora_use *uses = realloc(list->uses, (list->count + 1) * sizeof *uses);
    char *copy = strdup(path);

    if (uses) list->uses = uses;
    if (!uses || !copy) {
        free(copy);
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its name", path);
    }
    list->uses[list->count++] = (struct sdrt_lora_use){ copy, *strength };
    return SDRT_OK;
}

enum { MAX_TAG = 4096 }; /* bytes: a name and its strengths */

/* A tag on its way: its inside, cut into words at the colons. */
struct tag {
    const char *shown; /* "prompt: <lora:...>", for messages */
    char *words;
    struct sdrt_lora_strength strength;
    const struct sdrt_log *log;
};

static int complain(const struct tag *t, const char *expected)
{
    return sdrt_fail(t->log, SDRT_E_ARG, "%s: expected %s", t->shown, expected);
}

static int is_number(const char *text, double *value)
{
    char *end;

    *value = sdrt_parse_number(text, &end);
    return end > text && !*end && isfinite(*value);
}

static int take_number(const struct tag *t, const char *word, double *value)
{
    return is_number(word, value) ? SDRT_OK : complain(t, "a number as its scale");
}

/* "te=0.5" and its like. */
static int take_named(struct tag *t, const char *word, double *denoiser)
{
    if (!strncmp(word, "te=", 3)) return take_number(t, word + 3, &t->strength.text);
    if (!strncmp(word, "unet=", 5)) return take_number(t, word + 5, denoiser);
    if (!strncmp(word, "lbw=", 4))
        return sdrt_lora_strength_read_blocks(&t->strength, word + 4, t->shown, t->log);
    return complain(t, "te=, unet= or lbw=, and no other name");
}

/* The words behind the name, of which the text's strength is the first and, unless it is said, the
 * denoiser's too. */
static int take_words(struct tag *t, char *words)
{
    double denoiser = NAN, number;
    int place = 0, status = SDRT_OK;

    while (words && status == SDRT_OK) {
        char *word = words, *colon = strchr(words, ':');
        if (colon) *colon = '\0';
        words = colon ? colon + 1 : NULL;
        if (strchr(word, '=')) {
            status = take_named(t, word, &denoiser);
            continue;
        }
        if (place == 0) status = take_number(t, word, &t->strength.text);
        else if (place == 1 && is_number(word, &number)) denoiser = number;
        else if (place < 3 && !t->strength.by_block)
            status = sdrt_lora_strength_read_blocks(&t->strength, word, t->shown, t->log);
        else status = complain(t, "at most two numbers and the weights of blocks");
        place++;
    }
    t->strength.denoiser = isnan(denoiser) ? t->strength.text : denoiser;
    return status;
}

static int take_lora(struct tag *t, const char *folder, struct sdrt_lora_list *list)
{
    char *words = strchr(t->words, ':'), *path = NULL;
    const char *name = t->words;
    int status;

    if (words) *words++ = '\0';
    status = take_words(t, words);
    if (status != SDRT_OK) return status;
    if (!*name || *name == '/' || strstr(name, ".."))
        return complain(t, "the name of a file in the folder of LoRAs");
    if (!folder) return sdrt_fail(t->log, SDRT_E_ARG, "%s: no folder of LoRAs was given", t->shown);
    status = sdrt_lora_folder_find(&path, folder, name, t->log);
    if (status == SDRT_OK) status = sdrt_lora_list_add(list, path, &t->strength, t->log);
    free(path);
    return status;
}

/* What a tag begins with; the length of that, 0 for none of these. */
static size_t opening(const char *text, int *is_lora)
{
    static const char *const openings[] = { "<lora:", "<lyco:", "<hypernet:" };

    for (int i = 0; i < 3; i++) {
        *is_lora = i < 2;
        if (!strncmp(text, openings[i], strlen(openings[i]))) return strlen(openings[i]);
    }
    return 0;
}

/* The tag at text, length bytes with both brackets, front of them before its inside. */
static int take_tag(const char *text, size_t length, size_t front, int is_lora, const char *folder,
                    struct sdrt_lora_list *list, const struct sdrt_log *log)
{
    static const char said[] = "prompt: ";

    if (length > MAX_TAG && list)
        return sdrt_fail(log, SDRT_E_ARG,
                         "prompt: %.16s...: expected a tag of at most %d bytes, not %zu", text,
                         MAX_TAG, length);
    char *shown = malloc(sizeof said + length), *words = strndup(text + front, length - front - 1);
    struct tag t = { .shown = shown,
                     .words = words,
                     .strength = sdrt_lora_strength_even(1.0),
                     .log = log };
    int status = SDRT_OK;

    if (!shown || !words) {
        status = sdrt_fail(log, SDRT_E_NOMEM, "no memory for the prompt");
    } else {
        memcpy(shown, said, sizeof said - 1);
        memcpy(shown + sizeof said - 1, text, length);
        shown[sizeof said - 1 + length] = '\0';
        if (is_lora && list) status = take_lora(&t, folder, list);
        else
            sdrt_note(log, SDRT_LOG_WARNING, "%s%s: left out: %s", list ? "" : "negative ", shown,
                      is_lora ? "a LoRA changes the model for both prompts"
                              : "hypernetworks are not supported");
    }
    free(shown);
    free(words);
    return status;
}

int sdrt_lora_tags_split(const char *prompt, const char *folder, char **plain,
                         struct sdrt_lora_list *list, const struct sdrt_log *log)
{
    char *out = malloc(strlen(prompt) + 1);
    const char *close = strchr(prompt, '>');
    size_t used = 0;

    *plain = NULL;
    if (!out) return sdrt_fail(log, SDRT_E_NOMEM, "no memory for the prompt");
    while (*prompt) {
        int is_lora;
        const size_t front = opening(prompt, &is_lora);
        /* Looked for once, not from each beginning of a tag. */
        if (front && close < prompt && close) close = strchr(prompt, '>');
        if (!front || !close) {
            out[used++] = *prompt++;
            continue;
        }
        const int status = take_tag(prompt, (size_t)(close - prompt) + 1, front, is_lora, folder,
                                    list, log);
        if (status != SDRT_OK) {
            free(out);
            return status;
        }
        while (used && out[used - 1] == ' ') used--;
        prompt = close + 1;
    }
    out[used] = '\0';
    *plain = out;
    return SDRT_OK;
}
