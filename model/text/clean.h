/* SPDX-License-Identifier: MIT
 *
 * What CLIP does to a prompt before it cuts it into tokens: OpenAI's simple_tokenizer.py,
 * whitespace_clean(basic_clean(text)).lower(), with ftfy 6.3 as its fix_text().
 */
#ifndef SDRT_MODEL_TEXT_CLEAN_H
#define SDRT_MODEL_TEXT_CLEAN_H

#include "model/text/codepoints.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ftfy.fix_text() with its default configuration, in place: entities, terminal escapes,
 * mojibake, ligatures, widths, quotes, line breaks, control characters, NFC.
 * text->failed is set when memory ran out. */
void sdrt_text_fix(struct sdrt_codepoints *text);

/* The whole clean-up.  utf8 is size bytes, any bytes; what is no UTF-8 counts as U+FFFD.
 * *text is overwritten and the caller clears it, also after a failure.  Returns 0 or
 * SDRT_E_NOMEM. */
int sdrt_text_clean(struct sdrt_codepoints *text, const char *utf8, size_t size);

#ifdef __cplusplus
}
#endif

#endif
