/* SPDX-License-Identifier: MIT */
#include "tools/lora_option.h"
#include "runtime/base/error.h"
#include "runtime/base/numbers.h"

#include <math.h>
#include <string.h>

int lora_option_read(struct sdrt_lora *out, const char *option, const char *text,
                     const struct sdrt_log *log)
{
    const char *colon = strrchr(text, ':');
    size_t name = strlen(text);
    float scale = 1.0f;
    char *end;

    if (colon && colon[1] && !strchr(" \t\n\v\f\r", colon[1])) {
        const float value = (float)sdrt_parse_number(colon + 1, &end);
        if (!*end && end > colon + 1) {
            scale = value;
            name = (size_t)(colon - text);
        }
    }
    if (!name || !isfinite(scale))
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected FILE or FILE:SCALE", option, text);
    char *path = strndup(text, name);
    if (!path) return sdrt_fail(log, SDRT_E_NOMEM, "no memory for a file's name");
    *out = (struct sdrt_lora){ path, scale };
    return SDRT_OK;
}
