/* SPDX-License-Identifier: MIT */
#include "tools/control_option.h"
#include "runtime/base/error.h"
#include "runtime/base/numbers.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A number at at that ends where end stands; 1 where there is one. */
static int number(const char *at, char end, float *out, const char **rest)
{
    char *stop;

    if (!*at || strchr(" \t\n\v\f\r", *at)) return 0;
    const float value = (float)sdrt_parse_number(at, &stop);
    if (stop == at || *stop != end || !isfinite(value)) return 0;
    *out = value;
    *rest = stop;
    return 1;
}

/* Takes ":A-B" and then ":X" from the end of text, where they are; returns what is left of its length. */
static size_t read_numbers(struct sdrt_control *out, char *text)
{
    const char *rest;
    char *colon = strrchr(text, ':');
    float a, b;

    if (colon && number(colon + 1, '-', &a, &rest) && number(rest + 1, '\0', &b, &rest)) {
        out->start = a;
        out->end = b;
        *colon = '\0';
        colon = strrchr(text, ':');
    }
    if (colon && number(colon + 1, '\0', &a, &rest)) {
        out->scale = a;
        *colon = '\0';
    }
    return strlen(text);
}

/* Takes "canny:" off the beginning of a picture's name. */
static const char *read_map(const char **image)
{
    const char *name;

    for (int i = 0; (name = sdrt_list_name(SDRT_LIST_CONTROL_MAPS, i)); i++) {
        const size_t n = strlen(name);
        if (strncmp(*image, name, n) != 0 || (*image)[n] != ':') continue;
        *image += n + 1;
        return name;
    }
    return NULL;
}

int control_option_read(struct sdrt_control *out, const char **map, char **image,
                        const char *option, const char *text, const struct sdrt_log *log)
{
    const char *equals = strchr(text, '='), *picture = equals ? equals + 1 : "";

    *out = (struct sdrt_control){ .scale = 1.0f, .end = 1.0f };
    *map = read_map(&picture);
    *image = equals ? strdup(picture) : NULL;
    if (!equals || equals == text || (*image && !read_numbers(out, *image))) {
        free(*image);
        return sdrt_fail(log, SDRT_E_ARG,
                         "--%s '%s': expected NET=IMAGE, NET=IMAGE:STRENGTH or "
                         "NET=IMAGE:STRENGTH:START-END",
                         option, text);
    }
    out->net = strndup(text, (size_t)(equals - text));
    if (out->net && *image) return SDRT_OK;
    free((void *)(uintptr_t)out->net);
    free(*image);
    return sdrt_fail(log, SDRT_E_NOMEM, "no memory for a file's name");
}
