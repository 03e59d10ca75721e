/* SPDX-License-Identifier: MIT
 *
 * Prompts of which a seed chooses: "a {red|green|blue} hat", as sd-dynamic-prompts writes them.
 *
 * {a|b|c}          one of them
 * {2$$a|b|c}       two different ones, in the order drawn, with ", " between; {1-3$$a|b|c}: one to three
 * {2$$ and $$a|b}  with " and " between
 * {3::a|b|0.5::c}  weighed: of a it is three times as likely as of b
 *
 * An option may have braces of its own, be empty, and have A1111's square brackets, within which a bar is
 * theirs.  \{, \} and \| are those characters.
 */
#ifndef SDRT_MODEL_TEXT_PROMPT_VARIANTS_H
#define SDRT_MODEL_TEXT_PROMPT_VARIANTS_H

#include "runtime/base/error.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SDRT_PROMPT_MAX_OPTIONS = 256 /* in a pair of braces */ };

/* What seed chooses of text, as *out, which is the caller's to free(); NULL after a failure.  The same seed and
 * text give the same; the generator is splitmix64.  SDRT_E_ARG for braces without their other half or more
 * than 50 deep, a count that is none, a weight below 0, or too many options, with what for messages ("the
 * prompt"); SDRT_E_NOMEM. */
int sdrt_prompt_vary(char **out, const char *text, uint64_t seed, const char *what,
                     const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
