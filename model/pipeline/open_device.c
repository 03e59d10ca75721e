/* SPDX-License-Identifier: MIT
 *
 * What a model computes on, at which level, and in which precision.
 */
#include "kernels/isa.h"
#include "model/pipeline/lists.h"
#include "model/pipeline/model.h"
#include "model/pipeline/precision.h"
#include "runtime/device/cpu.h"
#include "runtime/device/cuda.h"

#include <stdio.h>
#include <string.h>

/* Some levels compute in narrower types and the others never do, so level and precision are chosen
 * together; weights of bf16 are all that "bf16" means to the others. */
static int open_cpu(struct sdrt_model *m, const struct sdrt_options *o)
{
    unsigned have = sdrt_isa_detect();
    char known[SDRT_CHOICES];

    const struct sdrt_isa_level *level = o->isa ? sdrt_isa_find(o->isa)
                                                : sdrt_precision_level(have, o->precision);
    if (!level)
        return sdrt_fail(m->log, SDRT_E_ARG, "unknown instruction set \"%s\": expected %s", o->isa,
                         sdrt_choices(known, sdrt_level_name));
    if ((level->flags & have) != level->flags)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "this machine cannot run \"%s\"; its best is "
                         "\"%s\"",
                         level->name, sdrt_isa_best(have)->name);
    const char *own = sdrt_level_precision(level), *asked = o->precision ? o->precision : own;
    if (!sdrt_level_computes_in(level, asked))
        return o->isa ? sdrt_fail(m->log, SDRT_E_ARG,
                                  "instruction set \"%s\" computes in %s: "
                                  "expected precision %s, or another level",
                                  level->name, own, own)
                      : sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                                  "this machine has no instruction set "
                                  "that computes in %s; its best is \"%s\", in %s",
                                  asked, sdrt_isa_best(have)->name,
                                  sdrt_level_precision(sdrt_isa_best(have)));
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

/* Whether precision, where one is asked for, is what some GPU computes in. */
static int is_gpu_precision(const char *precision)
{
    return !precision || !strcmp(precision, "bf16") || !strcmp(precision, "f16");
}

/* The processor beside it computes in f32, where nothing else is asked for. */
static int open_gpu(struct sdrt_model *m, const struct sdrt_options *o, int index)
{
    const int f16 = o->precision && !strcmp(o->precision, "f16");
    const struct sdrt_cuda_options cuda = { .index = index,
                                            .plan_only = o->plan_only,
                                            .f16 = f16,
                                            .limit = o->device_memory };
    struct sdrt_options beside = *o;
    int status;

    if (!is_gpu_precision(o->precision))
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "device \"%s\" computes in bf16, or in f16 before compute capability "
                         "8.0: expected precision bf16 or f16, not %s",
                         o->device, o->precision);
    beside.precision = o->isa ? NULL : "f32";
    status = open_cpu(m, &beside);
    if (status != SDRT_OK) return status;
    struct sdrt_device *host = m->device;
    m->device = NULL;
    status = sdrt_cuda_device_open(&m->device, &host, &cuda, m->log);
    if (status != SDRT_OK) return status;
    m->precision = sdrt_cuda_device_precision(m->device);
    if (o->precision && strcmp(o->precision, m->precision))
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "device \"%s\" is a GPU that computes in %s: expected precision %s, "
                         "not %s",
                         o->device, m->precision, m->precision, o->precision);
    return SDRT_OK;
}

/* Splits what o says of precision: the name stays in o, what is said of layers is the model's. */
static int read_precision(struct sdrt_model *m, struct sdrt_options *o)
{
    struct sdrt_precision read;
    char what[64];

    if (!o->precision) return SDRT_OK;
    snprintf(what, sizeof what, "unknown precision \"%.40s\"", o->precision);
    m->precision_text = strdup(o->precision);
    if (!m->precision_text) return sdrt_fail(m->log, SDRT_E_NOMEM, "out of memory");
    const int status = sdrt_precision_read(&read, m->precision_text, what, m->log);
    if (status != SDRT_OK) return status;
    o->precision = read.name;
    m->wide = read.wide;
    m->rotated = read.rotated;
    return SDRT_OK;
}

static int open_device(struct sdrt_model *m, const struct sdrt_options *o)
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

int sdrt_model_open_device(struct sdrt_model *m, const struct sdrt_options *o)
{
    struct sdrt_options read = *o;
    const int status = read_precision(m, &read);

    return status == SDRT_OK ? open_device(m, &read) : status;
}

const char *sdrt_model_precision_text(const struct sdrt_model *m)
{
    return m->wide || m->rotated ? m->precision_text : m->precision;
}
