/* SPDX-License-Identifier: MIT
 *
 * Settings written as "name:option=number,...": a choice of kinds, each with numbers of its own.
 */
#ifndef SDRT_MODEL_NOISE_NAMED_H
#define SDRT_MODEL_NOISE_NAMED_H

#include "runtime/base/choices.h"
#include "runtime/base/error.h"

#include <stddef.h>

enum { SDRT_NAMED_OPTIONS = 6 };

struct sdrt_named_option {
    const char *name;
    size_t at; /* of the double in the struct of settings */
    double low, high, usual;
    int whole; /* 1: whole numbers alone */
};

struct sdrt_named_kind {
    const char *name;
    struct sdrt_named_option
        options[SDRT_NAMED_OPTIONS]; /* end with no name, unless all are there */
};

/* A list of kinds. */
struct sdrt_named {
    const char *what; /* for messages: "cache" */
    const struct sdrt_named_kind *kinds;
    int n;
    sdrt_names_fn *names; /* that messages offer */
};

/* Reads text into settings, whose doubles are set to the usual ones of the kind and then to what text
 * says; returns the number of the kind.  SDRT_E_ARG with one line for what is none. */
int sdrt_named_parse(const struct sdrt_named *n, void *settings, const char *text,
                     const struct sdrt_log *log);

/* Writes kind with all of its options, at most size bytes.  Returns text. */
char *sdrt_named_text(const struct sdrt_named *n, int kind, const void *settings, char *text,
                      size_t size);

#endif
