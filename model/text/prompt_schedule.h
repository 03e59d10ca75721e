/* SPDX-License-Identifier: MIT
 *
 * Prompts that change on the way, and prompts of several parts, by A1111's rules.
 *
 * [from:to:when] is from until step when and to from there on; when is a share of the steps where it
 * has a point, a step where it has none.  [to:when] and [from::when] have nothing on one side.
 * [a|b|c] takes turns, a step each.  A text in which a bar stands outside such brackets, or a backslash
 * at the end, has none of that: all of it is text, as in the web UI.
 * "a AND b:1.2" are two prompts, each drawn and weighed apart; Liu et al. 2022 (arXiv:2206.01714).
 */
#ifndef SDRT_MODEL_TEXT_PROMPT_SCHEDULE_H
#define SDRT_MODEL_TEXT_PROMPT_SCHEDULE_H

#include "runtime/base/error.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SDRT_PROMPT_MAX_PARTS = 16 /* joined by AND */ };

/* One text of a part, for evaluations up to last; the same text may come again. */
struct sdrt_prompt_stretch {
    int last;
    int text; /* index into the part's texts */
};

struct sdrt_prompt_part {
    double weight;
    char **texts; /* all different; owned, as is the array */
    int *counts;  /* how often each comes among the stretches; owned */
    int n_texts;
    struct sdrt_prompt_stretch *stretches; /* last rises; owned */
    int n_stretches;
};

struct sdrt_prompt_parts {
    struct sdrt_prompt_part at[SDRT_PROMPT_MAX_PARTS];
    int n;
};

/* Frees what parts hold and makes them none. */
void sdrt_prompt_parts_clear(struct sdrt_prompt_parts *parts);

/* The parts of a prompt over a run of so many steps, as its sampler counts them (twice as many for
 * samplers that evaluate twice a step).  With apart 0, for a negative prompt, AND and the weight at a
 * part's end are text; with plain not 0 everything is, and there is one text.  parts are the
 * caller's, to be cleared also after a failure: SDRT_E_ARG for brackets too deep or too many parts,
 * with what for messages; SDRT_E_NOMEM. */
int sdrt_prompt_schedule(struct sdrt_prompt_parts *parts, const char *prompt, int steps, int apart,
                         int plain, const char *what, const struct sdrt_log *log);

/* Which text a part has in an evaluation, counted from 0.  As in the web UI, the first stretch lasts
 * one evaluation longer than it says. */
int sdrt_prompt_text_at(const struct sdrt_prompt_part *part, int evaluation);

#ifdef __cplusplus
}
#endif

#endif
