/* SPDX-License-Identifier: MIT */
#include "model/pipeline/precision.h"
#include "model/pipeline/lists.h"
#include "runtime/weights/packing.h"

#include <string.h>

static const char widening[] = ":wide=";

/* What is wrong with a list of globs; NULL where nothing is. */
static const char *fault_of(const char *globs)
{
    int n = 0;

    for (const char *at = globs; at; n++) {
        const size_t length = strcspn(at, "+");
        if (!length) return "an empty glob";
        if (length >= SDRT_PACKING_GLOB) return "a glob of more than 127 bytes";
        at = at[length] ? at + length + 1 : NULL;
    }
    if (strpbrk(globs, ",\"\\\n")) return "a comma, a quote, a backslash or a line's end";
    return n > SDRT_PACKING_GLOBS ? "more than 64 globs" : NULL;
}

/* Whether *at begins with what, which is passed over then. */
static int passes(const char **at, const char *what)
{
    const size_t n = strlen(what);

    if (strncmp(*at, what, n) != 0) return 0;
    *at += n;
    return 1;
}

int sdrt_precision_read(struct sdrt_precision *out, const char *text, const char *what,
                        const struct sdrt_log *log)
{
    const size_t length = strcspn(text, ":");
    struct sdrt_precision read = { 0 };
    const char *p, *rest = text + length;
    char known[SDRT_CHOICES];

    for (int i = 0; (p = sdrt_precision_name(i)); i++)
        if (strlen(p) == length && !strncmp(p, text, length)) read.name = p;
    read.rotated = passes(&rest, ":rotate");
    if (passes(&rest, widening)) read.wide = rest;
    if (!read.name || (*rest && !read.wide))
        return sdrt_fail(log, SDRT_E_ARG, "%s: expected %s", what,
                         sdrt_choices(known, sdrt_precision_name));
    if ((read.wide || read.rotated) && strcmp(read.name, "int8") != 0)
        return sdrt_fail(log, SDRT_E_ARG, "%s: expected int8 before \"%s\"", what,
                         read.rotated ? ":rotate" : widening);
    const char *fault = read.wide ? fault_of(read.wide) : NULL;
    if (fault)
        return sdrt_fail(log, SDRT_E_ARG, "%s: expected globs of layers with + between, not %s",
                         what, fault);
    *out = read;
    return SDRT_OK;
}

const char *sdrt_level_precision(const struct sdrt_isa_level *level)
{
    if (level->own & SDRT_ISA_ANY_F16) return "f16";
    if (level->own & SDRT_ISA_ANY_INT16) return "int16";
    return level->own & SDRT_ISA_ANY_BF16 ? "bf16" : "f32";
}

int sdrt_level_computes_in(const struct sdrt_isa_level *level, const char *precision)
{
    const char *own = sdrt_level_precision(level);

    if (!strcmp(precision, "int8")) return (level->own & SDRT_ISA_ANY_INT8) != 0;
    return !strcmp(own, precision) || (!strcmp(own, "f32") && !strcmp(precision, "bf16"));
}

const struct sdrt_isa_level *sdrt_precision_level(unsigned have, const char *precision)
{
    const unsigned f16 = SDRT_ISA_ANY_F16, bf16 = SDRT_ISA_ANY_BF16, int16 = SDRT_ISA_ANY_INT16;
    const struct sdrt_isa_level *level = NULL;

    if (!precision) return sdrt_isa_best(have);
    if (!strcmp(precision, "f16")) level = sdrt_isa_best_own(have, f16);
    if (!strcmp(precision, "bf16")) level = sdrt_isa_best_own(have, bf16);
    if (!strcmp(precision, "int16")) level = sdrt_isa_best_own(have, int16);
    if (!strcmp(precision, "int8")) level = sdrt_isa_best_own(have, SDRT_ISA_ANY_INT8);
    if (!level && (!strcmp(precision, "bf16") || !strcmp(precision, "f32")))
        return sdrt_isa_best(have & ~(bf16 | int16));
    return level ? level : sdrt_isa_best(have);
}
