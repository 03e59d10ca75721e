/* SPDX-License-Identifier: MIT */
#include "model/noise/named.h"
#include "runtime/base/numbers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The option of a kind that text begins with, n bytes; NULL for none. */
static const struct sdrt_named_option *find(const struct sdrt_named_kind *kind, const char *text,
                                            size_t n)
{
    for (int i = 0; i < SDRT_NAMED_OPTIONS && kind->options[i].name; i++) {
        const struct sdrt_named_option *o = &kind->options[i];
        if (strlen(o->name) == n && !strncmp(o->name, text, n)) return o;
    }
    return NULL;
}

/* "every=2,first=4": a kind's options, for a message. */
static const char *options_of(const struct sdrt_named_kind *kind, char *text, size_t size)
{
    size_t used = 0;

    *text = '\0';
    for (int i = 0; i < SDRT_NAMED_OPTIONS && kind->options[i].name && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s=%g", used ? "," : "",
                                 kind->options[i].name, kind->options[i].usual);
    return text;
}

/* One "option=number" at text, n bytes. */
static int take(const struct sdrt_named *list, const struct sdrt_named_kind *kind, void *settings,
                const char *whole, const char *text, size_t n, const struct sdrt_log *log)
{
    const size_t name = strcspn(text, "=");
    const struct sdrt_named_option *o = name < n ? find(kind, text, name) : NULL;
    char known[128], *end;

    if (!o)
        return sdrt_fail(log, SDRT_E_ARG, "%s %s: \"%.*s\": expected options such as %s",
                         list->what, whole, (int)n, text, options_of(kind, known, sizeof known));
    const double value = sdrt_parse_number(text + name + 1, &end);
    if (end != text + n || !(value >= o->low && value <= o->high) ||
        (o->whole && value != rint(value)))
        return sdrt_fail(log, SDRT_E_ARG, "%s %s: %.*s: expected a %snumber from %g to %g",
                         list->what, whole, (int)n, text, o->whole ? "whole " : "", o->low,
                         o->high);
    memcpy((char *)settings + o->at, &value, sizeof value);
    return SDRT_OK;
}

int sdrt_named_parse(const struct sdrt_named *list, void *settings, const char *text,
                     const struct sdrt_log *log)
{
    const size_t name = strcspn(text, ":");
    char known[SDRT_CHOICES];
    int i = 0, status = SDRT_OK;

    while (i < list->n &&
           (strlen(list->kinds[i].name) != name || strncmp(list->kinds[i].name, text, name)))
        i++;
    if (i == list->n)
        return sdrt_fail(log, SDRT_E_ARG, "unknown %s \"%.*s\": expected %s", list->what, (int)name,
                         text, sdrt_choices(known, list->names));
    const struct sdrt_named_kind *kind = &list->kinds[i];
    for (int k = 0; k < SDRT_NAMED_OPTIONS && kind->options[k].name; k++)
        memcpy((char *)settings + kind->options[k].at, &kind->options[k].usual, sizeof(double));
    for (const char *at = text + name; *at && status == SDRT_OK;) {
        const size_t n = strcspn(++at, ",");
        status = take(list, kind, settings, text, at, n, log);
        at += n;
    }
    return status == SDRT_OK ? i : status;
}

char *sdrt_named_text(const struct sdrt_named *list, int kind, const void *settings, char *text,
                      size_t size)
{
    const struct sdrt_named_option *o = list->kinds[kind].options;
    size_t used = (size_t)snprintf(text, size, "%s", list->kinds[kind].name);

    for (int i = 0; i < SDRT_NAMED_OPTIONS && o[i].name && used < size; i++) {
        double value;
        memcpy(&value, (const char *)settings + o[i].at, sizeof value);
        used += (size_t)snprintf(text + used, size - used, "%c%s=%.9g", i ? ',' : ':', o[i].name,
                                 value);
    }
    return text;
}
