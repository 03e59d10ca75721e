/* SPDX-License-Identifier: MIT */
#include "tests/comma_locale.h"

#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* glibc's file of LC_NUMERIC, as localedef writes it: a magic number, how many fields, where each
 * begins (decimal point, thousands separator, grouping, both characters again as numbers, and the
 * character set), and the fields. */
static const uint32_t head[] = { 0x20031114, 6, 32, 34, 36, 40, 44, 48 };
static const char fields[] = ",\0"
                             ".\0\3\3\0\0,\0\0\0.\0\0\0ANSI_X3.4-1968";

int comma_locale_set(const char *folder)
{
    char path[512], text[16];
    FILE *f;

    snprintf(path, sizeof path, "%s/comma", folder);
    if (mkdir(path, 0700) != 0) return 0;
    snprintf(path, sizeof path, "%s/comma/LC_NUMERIC", folder);
    f = fopen(path, "wb");
    if (!f) return 0;
    fwrite(head, sizeof head, 1, f);
    fwrite(fields, sizeof fields, 1, f);
    if (fclose(f) != 0 || setenv("LOCPATH", folder, 1) != 0) return 0;
    if (!setlocale(LC_NUMERIC, "comma")) return 0;
    snprintf(text, sizeof text, "%g", 7.5);
    return !strcmp(text, "7,5");
}

void comma_locale_unset(void) { setlocale(LC_ALL, "C"); }
