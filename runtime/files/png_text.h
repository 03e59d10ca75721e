/* SPDX-License-Identifier: MIT
 *
 * The two encodings of PNG text chunks: Latin-1 (tEXt) and UTF-8 (iTXt).
 */
#ifndef SDRT_RUNTIME_FILES_PNG_TEXT_H
#define SDRT_RUNTIME_FILES_PNG_TEXT_H

#ifdef __cplusplus
extern "C" {
#endif

/* A copy of text for a PNG chunk; *is_latin1 says in which of the two encodings.  Bytes
 * that are not UTF-8 become U+FFFD.  The copy belongs to the caller, who frees it with
 * free(); NULL without memory. */
char *sdrt_png_text_encode(const char *text, int *is_latin1);

/* A copy of a text that should be UTF-8; one that is not is read as Latin-1.  Ownership and errors as
 * above. */
char *sdrt_png_text_utf8(const char *text);

/* A UTF-8 copy of Latin-1 text; ownership and errors as above. */
char *sdrt_png_text_from_latin1(const char *latin1);

#ifdef __cplusplus
}
#endif

#endif
