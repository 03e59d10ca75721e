/* SPDX-License-Identifier: MIT */
#include "model/pipeline/pass.h"

#include <string.h>

int sdrt_shape_unet_batch(const struct sdrt_shape *s)
{
    return s->batch * ((s->guided ? 2 : 1) + s->more_lanes);
}

int sdrt_shape_clip_rows(const struct sdrt_shape *s, const struct sdrt_model_config *config)
{
    return (1 + s->more_chunks) * sdrt_prompt_tokens(config);
}

int sdrt_shape_context_rows(const struct sdrt_shape *s, const struct sdrt_model_config *config)
{
    return sdrt_shape_clip_rows(s, config) + config->t5_tokens;
}

int sdrt_shape_counted(const struct sdrt_shape *shape, enum sdrt_part_id part)
{
    return shape->adaptive ? shape->adaptive : shape->evaluations[part];
}

int sdrt_passes_count(const struct sdrt_pass *passes)
{
    int n = 0;

    while (passes[n].name) n++;
    return n;
}

int sdrt_pass_repeats(const struct sdrt_pass *pass, const struct sdrt_shape *shape)
{
    const int timed = shape->adaptive && pass->when == SDRT_ONCE_A_SCHEDULE;

    return pass->follows && (shape->varied || timed);
}

int sdrt_pass_alone(const struct sdrt_pass *pass)
{
    return pass->way == SDRT_WAY_ALONE || pass->way == SDRT_WAY_ALONE_SHORT ||
           pass->way == SDRT_WAY_PERTURBED || pass->way == SDRT_WAY_GATED;
}

const char *sdrt_pass_precision(const struct sdrt_pass *pass, const char *precision)
{
    return pass->wide && !strcmp(precision, "f16") ? "f32" : precision;
}

const char *sdrt_pass_scope(const struct sdrt_pass *pass)
{
    static const char *const ips[] = { "ip1/", "ip2/", "ip3/", "ip4/" };
    static const char *const controls[] = { "control1/", "control2/", "control3/", "control4/" };

    _Static_assert(sizeof controls / sizeof *controls == SDRT_MAX_CONTROLS, "each net has a scope");
    _Static_assert(sizeof ips / sizeof *ips == SDRT_MAX_IPS, "each adapter has a scope");
    if (pass->ip) return pass->ip == SDRT_PASS_VISION ? "vision/" : ips[pass->ip - 1];
    return pass->control ? controls[pass->control - 1] : sdrt_part_scope(pass->part);
}

const char *sdrt_part_scope(enum sdrt_part_id part)
{
    return part == SDRT_PART_REFINER ? "refiner/" : "";
}
