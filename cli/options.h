/* SPDX-License-Identifier: MIT
 *
 * The command line of a program as a table: one row an option gives its parsing, its lines of
 * --help and what is said when it is used wrongly.
 */
#ifndef SDRT_CLI_OPTIONS_H
#define SDRT_CLI_OPTIONS_H

#include "runtime/base/choices.h"
#include "runtime/base/error.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of an option's value. */
enum cli_kind {
    CLI_FLAG,   /* none: 1 into an int */
    CLI_TEXT,   /* borrowed into a const char * */
    CLI_NAME,   /* the same, where it is one of names */
    CLI_WHOLE,  /* into an int, from low to high */
    CLI_NUMBER, /* into a double, from low to high */
    CLI_CALL,   /* call takes it */
    CLI_HELP,
    CLI_VERSION,
};

/* Takes an option's value, NULL where it has none.  0 goes on, 1 ends after something was printed,
 * a negative status has told what is wrong. */
typedef int cli_call_fn(void *into, const char *name, const char *value,
                        const struct sdrt_log *log);

struct cli_option {
    const char *name; /* without its dashes */
    char letter;      /* 0: none */
    enum cli_kind kind;
    const char *value;    /* what --help calls it; in brackets where it may be left out; NULL: the
                           * option takes none */
    const char *help;     /* "%s" stands for names */
    size_t where;         /* offset in the struct that is filled */
    double low, high;     /* HUGE_VAL: without an end */
    sdrt_names_fn *names; /* of CLI_NAME, and for help */
    cli_call_fn *call;
};

struct cli_program {
    const char *name, *version;
    const char *before, *after;       /* of the options in --help */
    int column;                       /* where help stands */
    const struct cli_option *options; /* ends with a row without name */
    size_t
        marks; /* offset of an array of char, one for each row: 1 where that was given; 0: none */
};

enum cli_parsed {
    CLI_RUN,    /* go on */
    CLI_SHOWN,  /* something was printed and nothing is left to do */
    CLI_USAGE,  /* something was wrong and one line about it went to the log */
    CLI_FAILED, /* the same of a file that an option names, or of memory */
};

/* Reads argv into the struct at into, which holds the defaults; *rest is the index of the first
 * word that is no option, argc where there is none, since the words are moved behind the options.
 * Not for two threads at once: getopt_long() keeps its state in the process. */
enum cli_parsed cli_parse(const struct cli_program *program, void *into, int argc, char **argv,
                          int *rest, const struct sdrt_log *log);

/* For calls: a whole number, and any number, from low to high; name is the option's.  SDRT_E_ARG
 * with a line, *out then as it was. */
int cli_whole(int *out, const char *name, const char *text, int low, int high,
              const struct sdrt_log *log);
int cli_number(double *out, const char *name, const char *text, double low, double high,
               const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
