/* SPDX-License-Identifier: MIT
 *
 * Which of the measured rates binds the products of a step.
 */
#include "bench/roof.h"

#include <string.h>

static enum sdrt_roof_kind first_of(const struct sdrt_roof *roof, enum sdrt_roof_kind first,
                                    enum sdrt_roof_kind second)
{
    if (roof->best[first] > 0.0) return first;
    return roof->best[second] > 0.0 ? second : SDRT_ROOF_F32;
}

enum sdrt_roof_kind sdrt_roof_arithmetic(const struct sdrt_roof *roof, const char *precision,
                                         enum sdrt_step_class class_, enum sdrt_dtype stored)
{
    if (class_ > SDRT_CLASS_ATTENTION) return SDRT_ROOF_F32;
    if (!strcmp(precision, "bf16")) return first_of(roof, SDRT_ROOF_BF16, SDRT_ROOF_F32);
    if (!strcmp(precision, "f16")) return first_of(roof, SDRT_ROOF_F16, SDRT_ROOF_F32);
    if (strcmp(precision, "int16") != 0 && strcmp(precision, "int8") != 0) return SDRT_ROOF_F32;
    if (class_ == SDRT_CLASS_ATTENTION) return first_of(roof, SDRT_ROOF_BF16, SDRT_ROOF_INT16);
    if (stored == SDRT_I8) return first_of(roof, SDRT_ROOF_INT8, SDRT_ROOF_F32);
    return first_of(roof, SDRT_ROOF_INT16, SDRT_ROOF_BF16);
}

double sdrt_roof_compute(const struct sdrt_roof *roof, const char *precision)
{
    return roof->best[sdrt_roof_arithmetic(roof, precision, SDRT_CLASS_CONV, SDRT_F32)];
}

double sdrt_roof_step_seconds(const struct sdrt_roof *roof, const char *precision,
                              const struct sdrt_step_info *step)
{
    return step->flop * 1e-9 /
           roof->best[sdrt_roof_arithmetic(roof, precision, step->class_, step->stored)];
}

double sdrt_roof_seconds(const struct sdrt_roof *roof, const char *precision,
                         const struct sdrt_program *program)
{
    struct sdrt_step_info step;
    double seconds = 0.0;

    for (int i = 0; i < sdrt_program_steps(program); i++) {
        sdrt_program_step(program, i, &step);
        seconds += sdrt_roof_step_seconds(roof, precision, &step);
    }
    return seconds;
}
