/* SPDX-License-Identifier: MIT */
#include "cli/options.h"
#include "runtime/base/numbers.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 256 /* options of a program */, FIRST = 256 /* beyond all letters */, WIDTH = 80 };

/* ---- values ---- */

/* Numbers of options have no blanks before them, which strtol and strtod would skip. */
static int is_blank(char c) { return !c || strchr(" \t\n\v\f\r", c); }

int cli_whole(int *out, const char *name, const char *text, int low, int high,
              const struct sdrt_log *log)
{
    char *end;

    errno = 0;
    const long value = strtol(text, &end, 10);
    if (is_blank(*text) || *end || errno || value < low || value > high)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected a whole number from %d to %d", name,
                         text, low, high);
    *out = (int)value;
    return SDRT_OK;
}

int cli_number(double *out, const char *name, const char *text, double low, double high,
               const struct sdrt_log *log)
{
    char *end, most[32] = "";
    const double value = sdrt_parse_number(text, &end);

    if (high < HUGE_VAL) snprintf(most, sizeof most, " to %g", high);
    if (is_blank(*text) || *end || !isfinite(value) || !(value >= low && value <= high))
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected a number from %g%s", name, text, low,
                         most);
    *out = value;
    return SDRT_OK;
}

static int take_name(const char **out, const struct cli_option *o, const char *text,
                     const struct sdrt_log *log)
{
    char known[SDRT_CHOICES];

    if (sdrt_choice(o->names, text) < 0)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected %s", o->name, text,
                         sdrt_choices(known, o->names));
    *out = text;
    return SDRT_OK;
}

/* ---- help ---- */

static int takes_value(const struct cli_option *o)
{
    return !o->value ? no_argument : o->value[0] == '[' ? optional_argument : required_argument;
}

/* The names as "a, b, c" in text of size bytes. */
static void list_names(char *text, size_t size, sdrt_names_fn *names)
{
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; names && names(i) && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", names(i));
}

/* Writes text from column on, broken between words; at is where the line stands. */
static void print_wrapped(const char *text, int column, int at)
{
    while (*text) {
        const int word = (int)strcspn(text, " ");
        if (at > column && at + 1 + word > WIDTH) {
            putchar('\n');
            at = 0;
        } else if (at > column) {
            at += printf(" ");
        }
        if (at < column) at += printf("%*s", column - at, "");
        at += printf("%.*s", word, text);
        text += word;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_option(const struct cli_option *o, int column)
{
    char head[128], names[SDRT_CHOICES], help[1024];
    const char *place = strstr(o->help, "%s");
    const int before = place ? (int)(place - o->help) : (int)strlen(o->help);

    snprintf(head, sizeof head, "  %c%c%c --%s%s%s", o->letter ? '-' : ' ',
             o->letter ? o->letter : ' ', o->letter ? ',' : ' ', o->name,
             takes_value(o) == required_argument ? " " : "", o->value ? o->value : "");
    list_names(names, sizeof names, o->names);
    snprintf(help, sizeof help, "%.*s%s%s", before, o->help, place ? names : "",
             place ? place + 2 : "");
    int at = printf("%s", head);
    if (at + 2 > column) {
        putchar('\n');
        at = 0;
    }
    print_wrapped(help, column, at);
}

static void print_help(const struct cli_program *p)
{
    fputs(p->before, stdout);
    for (const struct cli_option *o = p->options; o->name; o++) print_option(o, p->column);
    fputs(p->after, stdout);
}

/* ---- parsing ---- */

static int take(const struct cli_program *p, const struct cli_option *o, void *into,
                const char *text, const struct sdrt_log *log)
{
    void *where = (char *)into + o->where;

    switch (o->kind) {
    case CLI_FLAG: *(int *)where = 1; return SDRT_OK;
    case CLI_TEXT: *(const char **)where = text; return SDRT_OK;
    case CLI_NAME: return take_name(where, o, text, log);
    case CLI_WHOLE: return cli_whole(where, o->name, text, (int)o->low, (int)o->high, log);
    case CLI_NUMBER: return cli_number(where, o->name, text, o->low, o->high, log);
    case CLI_CALL: return o->call(into, o->name, text, log);
    case CLI_HELP: print_help(p); return 1;
    case CLI_VERSION: printf("%s %s\n", p->name, p->version); return 1;
    }
    return SDRT_E_ARG;
}

static enum cli_parsed complain(int found, char **argv, const struct sdrt_log *log)
{
    const char *word = argv[optind - 1];

    if (found == ':') sdrt_fail(log, SDRT_E_ARG, "%s: expected a value after it; see --help", word);
    else if (optopt >= FIRST) sdrt_fail(log, SDRT_E_ARG, "%s: this option takes no value", word);
    else if (optopt) sdrt_fail(log, SDRT_E_ARG, "-%c: unknown option; see --help", optopt);
    else sdrt_fail(log, SDRT_E_ARG, "%s: unknown or ambiguous option; see --help", word);
    return CLI_USAGE;
}

/* What getopt_long() wants of the table: a long option's value is FIRST and its row. */
static void translate(const struct cli_option *options, struct option out[MOST + 1],
                      char letters[2 * MOST + 2])
{
    int n = 0;

    *letters++ = ':';
    for (; options[n].name && n < MOST; n++) {
        out[n] = (struct option){ options[n].name, takes_value(&options[n]), NULL, FIRST + n };
        if (!options[n].letter) continue;
        *letters++ = options[n].letter;
        if (options[n].value) *letters++ = ':';
    }
    out[n] = (struct option){ NULL, 0, NULL, 0 };
    *letters = '\0';
}

enum cli_parsed cli_parse(const struct cli_program *program, void *into, int argc, char **argv,
                          int *rest, const struct sdrt_log *log)
{
    struct option longs[MOST + 1];
    char letters[2 * MOST + 2];
    int found;

    translate(program->options, longs, letters);
    opterr = 0;
    while ((found = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const struct cli_option *o = program->options;
        if (found == '?' || found == ':') return complain(found, argv, log);
        if (found >= FIRST) o += found - FIRST;
        else
            while (o->letter != found) o++;
        if (program->marks) ((char *)into + program->marks)[o - program->options] = 1;
        const int status = take(program, o, into, optarg, log);
        if (status == SDRT_E_NOMEM) return CLI_FAILED;
        if (status) return status > 0 ? CLI_SHOWN : CLI_USAGE;
    }
    *rest = optind;
    return CLI_RUN;
}
