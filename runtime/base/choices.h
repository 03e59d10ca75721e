/* SPDX-License-Identifier: MIT
 *
 * Lists of names, and sentences with them: what a string may say is in one table each, from which
 * messages and help texts take it.
 */
#ifndef SDRT_RUNTIME_BASE_CHOICES_H
#define SDRT_RUNTIME_BASE_CHOICES_H

#include <stddef.h>

/* Name i of a list, a constant; NULL where the list has ended. */
typedef const char *sdrt_names_fn(int i);

enum { SDRT_CHOICES = 512 /* room for a sentence's worth of names */ };

/* The names as "a, b or c", cut to fit; returns text. */
const char *sdrt_choices(char text[SDRT_CHOICES], sdrt_names_fn *names);

/* The index of name in the list, -1 where it is not there. */
int sdrt_choice(sdrt_names_fn *names, const char *name);

/* The name that is written most like name, no more than a third of it being other; NULL for none. */
const char *sdrt_choice_near(sdrt_names_fn *names, const char *name);

#endif
