/* SPDX-License-Identifier: MIT */
#include "model/pipeline/pass.h"

#include <string.h>

int sdrt_shape_unet_batch(const struct sdrt_shape *s) { return s->batch * (s->guided ? 2 : 1); }

int sdrt_passes_count(const struct sdrt_pass *passes)
{
    int n = 0;

    while (passes[n].name) n++;
    return n;
}

const char *sdrt_pass_precision(const struct sdrt_pass *pass, const char *precision)
{
    return pass->wide && !strcmp(precision, "f16") ? "f32" : precision;
}

const char *sdrt_part_scope(enum sdrt_part_id part)
{
    return part == SDRT_PART_REFINER ? "refiner/" : "";
}
