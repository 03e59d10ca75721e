/* SPDX-License-Identifier: MIT */
#include "runtime/base/choices.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const char *sdrt_choices(char text[SDRT_CHOICES], sdrt_names_fn *names)
{
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; names(i) && used < SDRT_CHOICES; i++) {
        const char *before = !i ? "" : names(i + 1) ? ", " : " or ";
        used += (size_t)snprintf(text + used, SDRT_CHOICES - used, "%s%s", before, names(i));
    }
    return text;
}

static int differ(char a, char b) { return tolower((unsigned char)a) != tolower((unsigned char)b); }

/* Letters to put in, take out or change to come from a to b (Levenshtein), both cut to MOST. */
static int edits(const char *a, const char *b)
{
    enum { MOST = 40 };
    const int n = (int)strnlen(a, MOST), m = (int)strnlen(b, MOST);
    int row[MOST + 1];

    for (int k = 0; k <= m; k++) row[k] = k;
    for (int i = 1; i <= n; i++) {
        int corner = row[0];
        row[0] = i;
        for (int k = 1; k <= m; k++) {
            const int change = corner + differ(a[i - 1], b[k - 1]);
            corner = row[k];
            const int one = 1 + (row[k] < row[k - 1] ? row[k] : row[k - 1]);
            row[k] = change < one ? change : one;
        }
    }
    return row[m];
}

const char *sdrt_choice_near(sdrt_names_fn *names, const char *name)
{
    int least = (int)strlen(name) / 3 + 1;
    const char *near = NULL;

    for (int i = 0; names(i); i++) {
        const int n = edits(name, names(i));
        if (n >= least) continue;
        least = n;
        near = names(i);
    }
    return near;
}

int sdrt_choice(sdrt_names_fn *names, const char *name)
{
    for (int i = 0; names(i); i++)
        if (!strcmp(names(i), name)) return i;
    return -1;
}
