/* SPDX-License-Identifier: MIT
 *
 * Numbers with a point, whatever the locale of the program around: "7,5" is no number in JSON, SVG
 * or a prompt.
 */
#ifndef SDRT_RUNTIME_BASE_NUMBERS_H
#define SDRT_RUNTIME_BASE_NUMBERS_H

#include <locale.h>
#if defined(__APPLE__)
#include <xlocale.h>
#endif

/* The calling thread's locale, to go back to. */
struct sdrt_numbers {
    locale_t caller, own;
};

/* Between these two the calling thread writes and reads numbers as C does, and no other thread
 * notices.  A caller's callback is not to be called there.  Without memory nothing changes. */
struct sdrt_numbers sdrt_numbers_begin(void);
void sdrt_numbers_end(const struct sdrt_numbers *numbers);

/* strtod() as C does it. */
double sdrt_parse_number(const char *text, char **end);

#endif
