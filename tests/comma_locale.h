/* SPDX-License-Identifier: MIT
 *
 * A locale that writes 7.5 as "7,5", made by the test itself, since few machines have one.
 */
#ifndef SDRT_TESTS_COMMA_LOCALE_H
#define SDRT_TESTS_COMMA_LOCALE_H

/* Writes it into the folder, sets it for the whole process and returns 1; 0 where the C library
 * does not take it, as musl, which has no such locales. */
int comma_locale_set(const char *folder);

/* The C locale again. */
void comma_locale_unset(void);

#endif
