/* SPDX-License-Identifier: MIT
 *
 * Text as an array of Unicode code points, and the few notions about characters that the
 * tokenizers need.
 */
#ifndef SDRT_MODEL_TEXT_CODEPOINTS_H
#define SDRT_MODEL_TEXT_CODEPOINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SDRT_REPLACEMENT_CHARACTER = 0xFFFD };

/* A growing array of code points; all zero is an empty one.  at belongs to this struct.
 * Once memory ran out, failed stays true, nothing more is appended, and what is there
 * must not be used; so that a pass over a text checks once, at its end. */
struct sdrt_codepoints {
    uint32_t *at;
    size_t count;
    size_t capacity;
    bool failed;
};

void sdrt_codepoints_append(struct sdrt_codepoints *text, uint32_t codepoint);
/* Frees what text holds and makes it empty; text itself stays the caller's. */
void sdrt_codepoints_clear(struct sdrt_codepoints *text);
/* Moves what from holds into to, whose old contents are freed; from is then empty. */
void sdrt_codepoints_move(struct sdrt_codepoints *to, struct sdrt_codepoints *from);

/* Decodes the first character of size >= 1 bytes, strictly: shortest form, no surrogates.
 * Returns its length, or minus the length of the longest ill-formed part there, which is
 * what Python's errors='replace' turns into one U+FFFD. */
int sdrt_utf8_decode(const uint8_t *bytes, size_t size, uint32_t *codepoint);
/* Writes the 1 to 4 bytes of a code point and returns how many. */
int sdrt_utf8_encode(uint32_t codepoint, uint8_t bytes[4]);
/* Appends size bytes of UTF-8, ill-formed parts as U+FFFD. */
void sdrt_codepoints_append_utf8(struct sdrt_codepoints *text, const char *utf8, size_t size);

/* Normalisation form C of Unicode 9, in place, as transformers' tokenizers have it: to them,
 * combining marks that came later are characters like any other. */
void sdrt_codepoints_compose(struct sdrt_codepoints *text);
/* Lower case, in place, character by character: İ becomes two, Σ is σ at a word's end too. */
void sdrt_codepoints_lower(struct sdrt_codepoints *text);

/* Unicode's White_Space. */
bool sdrt_is_space(uint32_t codepoint);
/* \p{L} and \p{N}. */
bool sdrt_is_letter(uint32_t codepoint);
bool sdrt_is_number(uint32_t codepoint);

#ifdef __cplusplus
}
#endif

#endif
