/* SPDX-License-Identifier: MIT
 *
 * What a model computes on, at which level, and in which precision.
 */
#include "kernels/isa.h"
#include "model/pipeline/lists.h"
#include "model/pipeline/model.h"
#include "runtime/device/cpu.h"
#include "runtime/device/cuda.h"

#include <string.h>

/* What a level computes in, where nothing else is asked for. */
static const char *level_precision(const struct sdrt_isa_level *level)
{
    if (level->own & SDRT_ISA_ANY_F16) return "f16";
    if (level->own & SDRT_ISA_ANY_INT16) return "int16";
    return level->own & SDRT_ISA_ANY_BF16 ? "bf16" : "f32";
}

/* Whether the level can compute in a precision: its own, or one that weights alone decide. */
static int computes_in(const struct sdrt_isa_level *level, const char *precision)
{
    const char *own = level_precision(level);

    if (!strcmp(precision, "int8")) return (level->own & SDRT_ISA_ANY_INT8) != 0;
    return !strcmp(own, precision) || (!strcmp(own, "f32") && !strcmp(precision, "bf16"));
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
    if (!strcmp(precision, "int8")) level = sdrt_isa_best_own(have, SDRT_ISA_ANY_INT8);
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
    if (!computes_in(level, asked))
        return o->isa ? sdrt_fail(m->log, SDRT_E_ARG, "instruction set \"%s\" computes in %s: "
                                  "expected precision %s, or another level", level->name, own, own)
                      : sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "this machine has no instruction set "
                                  "that computes in %s; its best is \"%s\", in %s", asked,
                                  sdrt_isa_best(have)->name,
                                  level_precision(sdrt_isa_best(have)));
    m->precision = sdrt_precision_name(sdrt_choice(sdrt_precision_name, asked));
    return sdrt_cpu_device_open(&m->device, level->flags, level->name,
                                o->no_pin ? SDRT_PIN_NEVER : SDRT_PIN_AUTO, m->log);
}

/* What "cuda", "cuda:1" names; -1 where the name is no GPU's. */
static int gpu_of(const char *name)
{
    static const char cuda[] = "cuda";
    const char *at = name + strlen(cuda);
    int index = 0;

    if (strncmp(name, cuda, strlen(cuda))) return -1;
    if (!*at) return 0;
    if (*at++ != ':' || !*at) return -1;
    for (; *at; at++) {
        if (*at < '0' || *at > '9' || index > 999) return -1;
        index = 10 * index + (*at - '0');
    }
    return index;
}

/* The processor beside it computes in f32, where nothing else is asked for. */
static int open_gpu(struct sdrt_model *m, const struct sdrt_options *o, int index)
{
    const struct sdrt_cuda_options cuda = { .index = index,
                                            .plan_only = o->plan_only,
                                            .limit = o->device_memory };
    struct sdrt_options beside = *o;
    int status;

    if (o->precision && strcmp(o->precision, "bf16"))
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "device \"%s\" computes in bf16: expected precision "
                         "bf16, not %s",
                         o->device, o->precision);
    beside.precision = o->isa ? NULL : "f32";
    status = open_cpu(m, &beside);
    if (status != SDRT_OK) return status;
    struct sdrt_device *host = m->device;
    m->precision = "bf16";
    return sdrt_cuda_device_open(&m->device, &host, &cuda, m->log);
}

int sdrt_model_open_device(struct sdrt_model *m, const struct sdrt_options *o)
{
    const int index = o->device ? gpu_of(o->device) : -1;

    if (index >= 0) return open_gpu(m, o, index);
    if (o->device && strcmp(o->device, "cpu"))
        return sdrt_fail(m->log, SDRT_E_ARG, "unknown device \"%s\": expected cpu, cuda, cuda:N",
                         o->device);
    if (o->device_memory)
        return sdrt_fail(m->log, SDRT_E_ARG,
                         "a limit of a GPU's memory: expected device \"cuda\" "
                         "beside it");
    return open_cpu(m, o);
}
