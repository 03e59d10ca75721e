/* SPDX-License-Identifier: MIT
 *
 * Weights written in a prompt: from a text to pieces of it, each with its weight.
 *
 * Two ways of writing them, with the rules of the programs that they come from:
 *
 * A1111    (word) is times 1.1, [word] divided by it, (word:1.3) times 1.3, nested ones multiply.  A
 *          backslash before a bracket makes it text.  BREAK ends a chunk of tokens.
 * ComfyUI  (word) is times 1.1, (word:1.3) is 1.3 whatever is around it; \( and \) are text; other
 *          brackets mean nothing.
 */
#ifndef SDRT_MODEL_TEXT_PROMPT_WEIGHTS_H
#define SDRT_MODEL_TEXT_PROMPT_WEIGHTS_H

#include "runtime/base/error.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sdrt_prompt_style {
    SDRT_PROMPT_A1111,
    SDRT_PROMPT_COMFY,
    SDRT_PROMPT_COMPEL, /* see prompt_compel.h */
    SDRT_PROMPT_PLAIN,  /* all is text */
    SDRT_PROMPT_STYLES
};

/* "a1111" and its like; a constant, NULL for none. */
const char *sdrt_prompt_style_name(int style);

enum { SDRT_PROMPT_MAX_DEPTH = 50 /* brackets within brackets */ };

struct sdrt_prompt_span {
    char *text;
    double weight;
};

/* Pieces in their order; all zero is none.  The texts and the array are owned. */
struct sdrt_prompt_spans {
    struct sdrt_prompt_span *at;
    size_t n, cap;
};

/* Frees what spans holds and makes it empty. */
void sdrt_prompt_spans_clear(struct sdrt_prompt_spans *spans);

/* Whether a piece is A1111's BREAK, which has this weight unless a bracket around it changes it; the
 * web UI takes it for a word then, and so does this. */
int sdrt_prompt_is_break(const struct sdrt_prompt_span *span);

/* Appends the pieces of text, which is UTF-8, at least one; not of SDRT_PROMPT_COMPEL, which has more than
 * pieces.  SDRT_E_ARG for a weight that is no number
 * and for brackets deeper than SDRT_PROMPT_MAX_DEPTH, with what for messages ("the prompt");
 * SDRT_E_NOMEM. */
int sdrt_prompt_weights(struct sdrt_prompt_spans *spans, enum sdrt_prompt_style style,
                        const char *text, const char *what, const struct sdrt_log *log);

/* Whether text has anything that A1111's rules read as more than text: a bracket that no backslash
 * stands before, or one of the words BREAK and AND. */
int sdrt_prompt_has_syntax(const char *text);

/* The first place at or behind from where the word stands alone, as regular expressions have it with
 * \b on both sides; NULL where there is none.  text is where the whole text begins. */
const char *sdrt_prompt_find_word(const char *text, const char *from, const char *word);

/* The bytes of white space before end, not beyond begin; and those from at on. */
size_t sdrt_prompt_space_before(const char *begin, const char *end);
size_t sdrt_prompt_space_at(const char *at);

#ifdef __cplusplus
}
#endif

#endif
