/* SPDX-License-Identifier: MIT
 *
 * What a model computes on, at which level, and in which precision.
 */
#include "kernels/isa.h"
#include "model/pipeline/lists.h"
#include "model/pipeline/model.h"
#include "runtime/device/cpu.h"

#include <string.h>

/* What a level computes in, where nothing else is asked for. */
static const char *level_precision(const struct sdrt_isa_level *level)
{
    if (level->own & SDRT_ISA_ANY_F16) return "f16";
    if (level->own & SDRT_ISA_ANY_INT16) return "int16";
    return level->own & SDRT_ISA_ANY_BF16 ? "bf16" : "f32";
}

/* The best level for a precision; where none computes in it, the best of all, or for "bf16", which then
 * is of weights alone, the best that computes in f32. */
static const struct sdrt_isa_level *best_level(unsigned have, const char *precision)
{
    const unsigned f16 = SDRT_ISA_ANY_F16, bf16 = SDRT_ISA_ANY_BF16, int16 = SDRT_ISA_ANY_INT16;
    const struct sdrt_isa_level *level = NULL;

    if (!precision) return sdrt_isa_best(have);
    if (!strcmp(precision, "f16")) level = sdrt_isa_best_own(have, f16);
    if (!strcmp(precision, "bf16")) level = sdrt_isa_best_own(have, bf16);
    if (!strcmp(precision, "int16")) level = sdrt_isa_best_own(have, int16);
    if (!level && (!strcmp(precision, "bf16") || !strcmp(precision, "f32")))
        return sdrt_isa_best(have & ~(bf16 | int16));
    return level ? level : sdrt_isa_best(have);
}

/* Some levels compute in narrower types and the others never do, so level and precision are chosen
 * together; weights of bf16 are all that "bf16" means to the others. */
static int open_cpu(struct sdrt_model *m, const struct sdrt_options *o)
{
    unsigned have = sdrt_isa_detect();
    char known[SDRT_CHOICES];

    if (o->precision && sdrt_choice(sdrt_precision_name, o->precision) < 0)
        return sdrt_fail(m->log, SDRT_E_ARG, "unknown precision \"%s\": expected %s",
                         o->precision, sdrt_choices(known, sdrt_precision_name));
    const struct sdrt_isa_level *level =
        o->isa ? sdrt_isa_find(o->isa) : best_level(have, o->precision);
    if (!level)
        return sdrt_fail(m->log, SDRT_E_ARG, "unknown instruction set \"%s\": expected %s",
                         o->isa, sdrt_choices(known, sdrt_level_name));
    if ((level->flags & have) != level->flags)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "this machine cannot run \"%s\"; its best is "
                         "\"%s\"", level->name, sdrt_isa_best(have)->name);
    const char *own = level_precision(level), *asked = o->precision ? o->precision : own;
    if (strcmp(own, asked) && (strcmp(own, "f32") || strcmp(asked, "bf16")))
        return o->isa ? sdrt_fail(m->log, SDRT_E_ARG, "instruction set \"%s\" computes in %s: "
                                  "expected precision %s, or another level", level->name, own, own)
                      : sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "this machine has no instruction set "
                                  "that computes in %s; its best is \"%s\", in %s", asked,
                                  sdrt_isa_best(have)->name,
                                  level_precision(sdrt_isa_best(have)));
    m->precision = !strcmp(asked, "bf16") ? "bf16" : own;
    return sdrt_cpu_device_open(&m->device, level->flags, level->name,
                                o->no_pin ? SDRT_PIN_NEVER : SDRT_PIN_AUTO, m->log);
}

int sdrt_model_open_device(struct sdrt_model *m, const struct sdrt_options *o)
{
    return open_cpu(m, o);
}
