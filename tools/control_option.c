/* SPDX-License-Identifier: MIT */
#include "tools/control_option.h"
#include "runtime/base/choices.h"
#include "runtime/base/error.h"
#include "runtime/base/numbers.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static const char *type_name(int i) { return sdrt_list_name(SDRT_LIST_CONTROL_TYPES, i); }

/* Takes ":canny" off the end of a net's name. */
static int read_type(const char **type, char *net, const char *option, const struct sdrt_log *log)
{
    char *colon = strrchr(net, ':'), known[SDRT_CHOICES];

    *type = NULL;
    if (!colon || strchr(colon, '/')) return SDRT_OK;
    const int i = sdrt_choice(type_name, colon + 1);
    if (i < 0 && access(net, F_OK) == 0) return SDRT_OK;
    if (i < 0)
        return sdrt_fail(log, SDRT_E_ARG,
                         "--%s %s: no such file, and '%s' is no type of a picture: expected %s",
                         option, net, colon + 1, sdrt_choices(known, type_name));
    *type = type_name(i);
    *colon = '\0';
    return SDRT_OK;
}

static void drop(struct control_option *o, char *net)
{
    free(net);
    free(o->image);
    o->image = NULL;
}

int control_option_read(struct control_option *out, const char *option, const char *text,
                        const struct sdrt_log *log)
{
    const char *equals = strchr(text, '='), *picture = equals ? equals + 1 : "";

    *out = (struct control_option){ .control = { .scale = 1.0f, .end = 1.0f } };
    out->map = read_map(&picture);
    out->image = equals ? strdup(picture) : NULL;
    if (!equals || equals == text || (out->image && !read_numbers(&out->control, out->image))) {
        drop(out, NULL);
        return sdrt_fail(log, SDRT_E_ARG,
                         "--%s '%s': expected NET=IMAGE, NET=IMAGE:STRENGTH or "
                         "NET=IMAGE:STRENGTH:START-END",
                         option, text);
    }
    char *net = strndup(text, (size_t)(equals - text));
    int status = net && out->image ? SDRT_OK
                                   : sdrt_fail(log, SDRT_E_NOMEM, "no memory for a file's name");
    if (status == SDRT_OK) status = read_type(&out->type, net, option, log);
    out->control.net = net;
    if (status != SDRT_OK) drop(out, net);
    return status;
}

int ip_option_read(struct sdrt_ip_adapter *out, char **image, const char *option, const char *text,
                   const struct sdrt_log *log)
{
    const char *equals = strchr(text, '='), *rest;
    char *picture = equals ? strdup(equals + 1) : NULL,
         *colon = picture ? strrchr(picture, ':') : NULL;
    char *file = equals ? strndup(text, (size_t)(equals - text)) : NULL;

    *out = (struct sdrt_ip_adapter){ file, NULL, 1.0f };
    *image = picture;
    if (colon && number(colon + 1, '\0', &out->scale, &rest)) *colon = '\0';
    if (file && picture && *file && *picture) return SDRT_OK;
    free(file);
    free(picture);
    if (equals && (!file || !picture))
        return sdrt_fail(log, SDRT_E_NOMEM, "no memory for a file's name");
    return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected FILE=IMAGE or FILE=IMAGE:STRENGTH",
                     option, text);
}
