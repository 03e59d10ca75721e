/* SPDX-License-Identifier: MIT
 *
 * The half of the mojibake repair that works on bytes: text that was encoded back with a
 * suspected character set, on its way to be decoded as UTF-8.
 */
#ifndef SDRT_MODEL_TEXT_MOJIBAKE_BYTES_H
#define SDRT_MODEL_TEXT_MOJIBAKE_BYTES_H

#include "model/text/codepoints.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ftfy's restore_byte_a0(): in what would be UTF-8 but for a space where byte A0 belongs,
 * puts back the A0.  Reads size bytes and writes at most 2 * size to restored, which is
 * another buffer.  Returns how many. */
size_t sdrt_mojibake_restore_a0(const uint8_t *bytes, size_t size, uint8_t *restored);

/* ftfy's replace_lossy_sequences(): UTF-8 sequences that lost bytes (now 1A or '?') become
 * U+FFFD in UTF-8.  Writes at most 3 * size bytes to replaced, which is another buffer.
 * Returns how many. */
size_t sdrt_mojibake_replace_lossy(const uint8_t *bytes, size_t size, uint8_t *replaced);

/* Appends bytes decoded as strict UTF-8; with the variants CESU-8 and Java's C0 80 where a
 * byte C0 or ED occurs, as ftfy chooses.  False when they are not that. */
bool sdrt_mojibake_decode(struct sdrt_codepoints *text, const uint8_t *bytes, size_t size);

#ifdef __cplusplus
}
#endif

#endif
