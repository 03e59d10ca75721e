/* SPDX-License-Identifier: MIT
 *
 * PEFT's way to name modules: regular expressions of Python, in its rank_pattern and alpha_pattern.
 */
#ifndef SDRT_MODEL_LORA_PATTERN_H
#define SDRT_MODEL_LORA_PATTERN_H

#include "runtime/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 1 when pattern is name, or its end behind a dot, as PEFT's re.match(rf"(.*\.)?({pattern})$",
 * name) says; else 0.  Letters, digits, '_', '-', '.' for any character, "\." for a dot and '^' at the
 * beginning are understood here, everything else by PCRE2.  where is named in messages.
 * SDRT_E_FORMAT for what is no regular expression, SDRT_E_UNSUPPORTED for one that takes PCRE2 in a
 * build without it, SDRT_E_NOMEM. */
int sdrt_lora_pattern_fits(const char *pattern, const char *name, const char *where,
                           const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
