/* SPDX-License-Identifier: MIT
 *
 * Two seconds (or as many as the second argument says) of random and mutated prompts through all that reads
 * them: choices of a seed, the web UI's parts and turns over the steps, and weights of each style, from a
 * seed that is fixed unless the first argument gives another.  Nothing may crash or hang, a refusal must be one line, and what is read
 * must keep to its limits.  Best run under the sanitizers.
 */
#include "model/text/prompt_compel.h"
#include "model/text/prompt_schedule.h"
#include "model/text/prompt_variants.h"
#include "model/text/prompt_weights.h"
#include "tests/fuzz.h"

#include <math.h>
#include <stdio.h>

enum { CAPACITY = 1024, STEPS = 20 };

static const char *const seeds[] = {
    "a (cat:1.3) in [a|b] ((hat)), [red:blue:0.5] BREAK more \\(text\\) AND a dog:0.7",
    "a {red|green|{2$$x|y|z}} {1-3$$ and $$a|b|c} {0.5::a|2::b} \\{x\\}",
    "[[[[a]:b:3]::5]|c] (((a:2):0.5)[b)] embedding:x <lora:name:0.5:1>",
    "(\"a (cat)1.3, b++\", \"c \\\"d\\\" (e (f)0.5)--\").blend(1, 0.5, no_normalize) (g).attend(1.2)",
    "{[a|b]|(c:1.1)|{d|{e|f}}}, \xc3\xa9\xe2\x82\xac BREAK",
};
static const char *const words[] = {
    "{",    "}",    "|",     "$$",      "::",     "(",     ")",        "[",        "]",
    ":",    "\\",   "BREAK", "AND",     "2$$",    "1-9$$", "0.5::",    ":1.3)",    ":0.5]",
    "{{{{", "((((", "[[[[",  ",",       " ",      "\xff",  "\xc3",     "<lora:a>", "\"",
    "++",   "--",   ".and(", ".blend(", "\", \"", ")0.3",  ".attend(",
};

/* SDRT_OK in silence, or a refusal of one line. */
static int fair(int status)
{
    const int good = status == SDRT_OK ? fuzz_lines == 0 : status == SDRT_E_ARG && fuzz_lines == 1;

    fuzz_lines = 0;
    return good;
}

static size_t edit(char *text, size_t size)
{
    for (uint32_t n = 1 + fuzz_below(8); n > 0; n--) {
        const char *word = words[fuzz_below(sizeof words / sizeof *words)];
        const size_t at = fuzz_below((uint32_t)size + 1), length = strlen(word);
        if (fuzz_below(3) && size + length < CAPACITY) {
            memmove(text + at + length, text + at, size - at);
            memcpy(text + at, word, length);
            size += length;
        } else if (size) {
            const size_t cut = fuzz_below((uint32_t)(size - at < 8 ? size - at : 8) + 1);
            memmove(text + at, text + at + cut, size - at - cut);
            size -= cut;
        }
    }
    return size;
}

static int try_weights(const char *text)
{
    int good = 1;

    for (int style = 0; good && style < SDRT_PROMPT_STYLES; style++) {
        if (style == SDRT_PROMPT_COMPEL) continue;
        struct sdrt_prompt_spans spans = { 0 };
        const int status = sdrt_prompt_weights(&spans, (enum sdrt_prompt_style)style, text, "p",
                                               &fuzz_log);
        good = fair(status) && (status != SDRT_OK || spans.n > 0);
        for (size_t i = 0; good && status == SDRT_OK && i < spans.n; i++)
            good = spans.at[i].text && !isnan(spans.at[i].weight);
        sdrt_prompt_spans_clear(&spans);
    }
    return good;
}

/* Parts with pieces, whose weights are numbers. */
static int try_compel(const char *text)
{
    struct sdrt_compel c = { 0 };
    const int status = sdrt_compel_read(&c, text, "p", &fuzz_log);
    int good = status == SDRT_OK
                   ? fuzz_lines == 0 && c.n > 0
                   : (status == SDRT_E_ARG || status == SDRT_E_UNSUPPORTED) && fuzz_lines == 1;

    fuzz_lines = 0;
    for (size_t i = 0; good && status == SDRT_OK && i < c.n; i++) {
        good = c.at[i].spans.n > 0 && isfinite(c.at[i].weight);
        for (size_t k = 0; good && k < c.at[i].spans.n; k++)
            good = c.at[i].spans.at[k].text && !isnan(c.at[i].spans.at[k].weight);
    }
    sdrt_compel_clear(&c);
    return good;
}

static int try_schedule(const char *text, int apart)
{
    struct sdrt_prompt_parts parts = { 0 };
    const int status = sdrt_prompt_schedule(&parts, text, STEPS, apart, 0, "p", &fuzz_log);
    int good = fair(status) &&
               (status != SDRT_OK || (parts.n >= 1 && parts.n <= SDRT_PROMPT_MAX_PARTS));

    for (int i = 0; good && status == SDRT_OK && i < parts.n; i++)
        for (int e = 0; good && e < STEPS + 2; e++) {
            const int at = sdrt_prompt_text_at(&parts.at[i], e);
            good = at >= 0 && at < parts.at[i].n_texts && try_weights(parts.at[i].texts[at]);
        }
    sdrt_prompt_parts_clear(&parts);
    return good;
}

/* Of a choice no more comes than was there, and between two of them. */
static int try_text(const char *text, size_t *taken)
{
    char *chosen = NULL;
    const int status = sdrt_prompt_vary(&chosen, text, fuzz_below(1000), "p", &fuzz_log);
    int good = fair(status) && (status == SDRT_OK) == (chosen != NULL);

    *taken += status == SDRT_OK;
    good = good && try_schedule(text, 1) && try_schedule(text, 0) && try_compel(text);
    if (good && chosen) good = try_weights(chosen);
    free(chosen);
    return good;
}

#ifdef SDRT_LIBFUZZER
static int try_bytes(const uint8_t *data, size_t size)
{
    char text[CAPACITY + 1];

    if (size > CAPACITY) return 1;
    memcpy(text, data, size);
    text[size] = '\0';
    return try_text(text, &fuzz_taken);
}
#endif
FUZZ_TARGET(try_bytes(data, size))

int main(int argc, char **argv)
{
    const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const double end = sdrt_now() + (argc > 2 ? strtod(argv[2], NULL) : 2.0);
    size_t rounds = 0, taken = 0;
    char text[CAPACITY + 1];
    double slowest = 0;
    int good = 1;

    fuzz_state = seed;
    while (good && sdrt_now() < end) {
        const double begin = sdrt_now();
        size_t size = 0;
        if (fuzz_below(8)) {
            const char *from = seeds[fuzz_below(sizeof seeds / sizeof *seeds)];
            size = strlen(from);
            memcpy(text, from, size);
        }
        size = edit(text, size);
        text[size] = '\0';
        good = strlen(text) == size ? try_text(text, &taken) : 1;
        if (sdrt_now() - begin > slowest) slowest = sdrt_now() - begin;
        rounds++;
    }
    printf("fuzz_prompts: seed %llu, %zu prompts, %zu chosen of, slowest %.3f s: %s%s\n",
           (unsigned long long)seed, rounds, taken, slowest, good ? "good" : "WRONG in ",
           good ? "" : text);
    return !good;
}
