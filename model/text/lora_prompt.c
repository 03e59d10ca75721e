/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/text/lora_prompt.h"
#include "runtime/base/numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char opening[] = "<lora:", extension[] = ".safetensors";

void sdrt_lora_list_clear(struct sdrt_lora_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->uses[i].path);
    free(list->uses);
    *list = (struct sdrt_lora_list){ 0 };
}

int sdrt_lora_list_add(struct sdrt_lora_list *list, const char *path, double scale,
                       const struct sdrt_log *log)
{
    struct sdrt_lora_use *uses = realloc(list->uses, (list->count + 1) * sizeof *uses);
    char *copy = strdup(path);

    if (uses) list->uses = uses;
    if (!uses || !copy) {
        free(copy);
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its name", path);
    }
    list->uses[list->count++] = (struct sdrt_lora_use){ copy, scale };
    return SDRT_OK;
}

/* A tag's inside, "name" or "name:scale", length bytes. */
static int add_tag(const char *inside, size_t length, const char *folder,
                   struct sdrt_lora_list *list, const struct sdrt_log *log)
{
    const char *colon = memchr(inside, ':', length);
    const size_t name = colon ? (size_t)(colon - inside) : length;
    const size_t end = name > strlen(extension) &&
                       !memcmp(inside + name - strlen(extension), extension, strlen(extension))
                       ? 0 : strlen(extension);
    double scale = 1.0;
    char *path, number[64];
    int status;

    if (colon) {
        char *rest;
        snprintf(number, sizeof number, "%.*s", (int)(length - name - 1), colon + 1);
        scale = sdrt_parse_number(number, &rest);
        if (!*number || *rest || !isfinite(scale))
            return sdrt_fail(log, SDRT_E_ARG, "prompt: <lora:%.*s>: expected a number as its scale",
                             (int)length, inside);
    }
    if (!name || *inside == '/' || memmem(inside, name, "..", 2))
        return sdrt_fail(log, SDRT_E_ARG, "prompt: <lora:%.*s>: expected the name of a file in the "
                         "folder of LoRAs", (int)length, inside);
    if (!folder)
        return sdrt_fail(log, SDRT_E_ARG, "prompt: <lora:%.*s>: no folder of LoRAs was given",
                         (int)length, inside);
    path = malloc(strlen(folder) + name + sizeof extension + 1);
    if (!path) return sdrt_fail(log, SDRT_E_NOMEM, "no memory for the name of a LoRA");
    sprintf(path, "%s/%.*s%.*s", folder, (int)name, inside, (int)end, extension);
    status = sdrt_lora_list_add(list, path, scale, log);
    free(path);
    return status;
}

int sdrt_lora_prompt_split(const char *prompt, const char *folder, char **plain,
                           struct sdrt_lora_list *list, const struct sdrt_log *log)
{
    const size_t n = strlen(opening);
    char *out = malloc(strlen(prompt) + 1);
    size_t used = 0;

    *plain = NULL;
    if (!out) return sdrt_fail(log, SDRT_E_NOMEM, "no memory for the prompt");
    while (*prompt) {
        const char *close = strncmp(prompt, opening, n) ? NULL : strchr(prompt, '>');
        if (!close) {
            out[used++] = *prompt++;
            continue;
        }
        const int status = add_tag(prompt + n, (size_t)(close - prompt) - n, folder, list, log);
        if (status != SDRT_OK) {
            free(out);
            return status;
        }
        while (used && out[used - 1] == ' ') used--;
        prompt = close + 1;
    }
    out[used] = '\0';
    *plain = out;
    return SDRT_OK;
}
