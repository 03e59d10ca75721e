/* SPDX-License-Identifier: MIT
 *
 * Repair of text that was decoded with the wrong character set ("Ã©" for "é"), the way
 * ftfy 6.3 does it: https://ftfy.readthedocs.io, "How ftfy works".  The algorithm is
 * written anew; its tables come from ftfy (Apache-2.0, model/text/data/ftfy.LICENSE).
 */
#ifndef SDRT_MODEL_TEXT_MOJIBAKE_H
#define SDRT_MODEL_TEXT_MOJIBAKE_H

#include "model/text/codepoints.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ftfy.fix_encoding() with its default configuration, in place.  text is one line, at most
 * with its newline.  text->failed is set when memory ran out. */
void sdrt_mojibake_fix(struct sdrt_codepoints *text);

/* What a C1 control character (U+0080..U+009F) means in Windows-1252; others unchanged. */
uint32_t sdrt_mojibake_fix_c1(uint32_t codepoint);

#ifdef __cplusplus
}
#endif

#endif
