/* SPDX-License-Identifier: MIT
 *
 * Text from files and from their names, made safe for a terminal.
 */
#ifndef SDRT_RUNTIME_BASE_PRINTABLE_H
#define SDRT_RUNTIME_BASE_PRINTABLE_H

#include <stddef.h>
#include <stdint.h>

/* Puts '?' in the place of each byte of what a terminal may obey instead of showing it: control
 * characters (also U+0080 to U+009F), marks that turn the direction of writing, and what is not
 * UTF-8.  lines 1 keeps newlines. */
void sdrt_text_printable(char *text, int lines);

/* The bytes of the UTF-8 character that text, of size bytes, begins with, and its code point; 0 for
 * what is none (RFC 3629). */
size_t sdrt_text_character(const char *text, size_t size, uint32_t *code);

/* Whether size bytes are UTF-8 text without control characters, but for tabs and ends of lines; a
 * character that is cut off at their end is none of it. */
int sdrt_text_is_plain(const char *text, size_t size);

#endif
