/* SPDX-License-Identifier: MIT
 *
 * HTML character references ("&amp;", "&#x2019;") in text, decoded as Python and ftfy do.
 * Both work in place; text->failed is set when memory ran out.
 */
#ifndef SDRT_MODEL_TEXT_HTML_ENTITIES_H
#define SDRT_MODEL_TEXT_HTML_ENTITIES_H

#include "model/text/codepoints.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Python's html.unescape(): HTML 5's rules, with references that lack their semicolon. */
void sdrt_html_unescape(struct sdrt_codepoints *text);

/* ftfy's unescape_html(): references with a semicolon only, also some in upper case. */
void sdrt_html_unescape_cautiously(struct sdrt_codepoints *text);

#ifdef __cplusplus
}
#endif

#endif
