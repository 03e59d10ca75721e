/* SPDX-License-Identifier: MIT */
#include "model/pipeline/lists.h"
#include "kernels/isa.h"
#include "model/net/controlnet.h"
#include "model/net/published.h"
#include "model/noise/sampler.h"
#include "model/pipeline/begin.h"
#include "model/pipeline/control_maps.h"
#include "model/pipeline/picture.h"
#include "model/pipeline/precision.h"
#include "model/sdrt.h"
#include "runtime/files/picture_file.h"
#include "model/text/prompt_weights.h"

#include <string.h>

static const struct {
    const char *name;
    struct sdrt_model_config (*config)(void);
} archs[] = {
    { "sd15", sdrt_sd15_config },
    { "sd21", sdrt_sd21_config },
    { "sdxl", sdrt_sdxl_config },
    { "sd35-medium", sdrt_sd35_medium_config },
    { "sd35-large", sdrt_sd35_large_config },
};

const char *sdrt_arch_name(int i)
{
    return i >= 0 && i < (int)(sizeof archs / sizeof *archs) ? archs[i].name : NULL;
}

struct sdrt_model_config sdrt_arch_config(int i) { return archs[i].config(); }

static const struct sdrt_isa_level *level(int i)
{
    const struct sdrt_isa_level *l = sdrt_isa_levels;

    while (l->name && i-- > 0) l++;
    return l;
}

const char *sdrt_level_name(int i) { return level(i)->name; }

const char *sdrt_precision_name(int i)
{
    static const char *const names[] = { "f32", "bf16", "int16", "int8", "f16" };

    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}

const char *sdrt_list_name(enum sdrt_list list, int i)
{
    static sdrt_names_fn *const names[] = {
        [SDRT_LIST_SAMPLERS] = sdrt_sampler_name,
        [SDRT_LIST_SCHEDULES] = sdrt_schedule_name,
        [SDRT_LIST_SPACINGS] = sdrt_spacing_name,
        [SDRT_LIST_PREDICTIONS] = sdrt_prediction_name,
        [SDRT_LIST_RNGS] = sdrt_rng_name,
        [SDRT_LIST_LEVELS] = sdrt_level_name,
        [SDRT_LIST_PRECISIONS] = sdrt_precision_name,
        [SDRT_LIST_ARCHS] = sdrt_arch_name,
        [SDRT_LIST_RESIZE_MODES] = sdrt_resize_mode_name,
        [SDRT_LIST_MASKED_CONTENTS] = sdrt_masked_content_name,
        [SDRT_LIST_FORMATS] = sdrt_picture_format_name,
        [SDRT_LIST_PROMPT_STYLES] = sdrt_prompt_style_name,
        [SDRT_LIST_CONTROL_MAPS] = sdrt_control_map_name,
        [SDRT_LIST_CONTROL_TYPES] = sdrt_control_type_name,
    };

    return i >= 0 && (unsigned)list < sizeof names / sizeof *names ? names[list](i) : NULL;
}

int sdrt_list_find(enum sdrt_list list, const char *name)
{
    int schedule;

    if (!name) return -1;
    if (list == SDRT_LIST_SAMPLERS) return sdrt_sampler_find(name, &schedule);
    if (list == SDRT_LIST_SCHEDULES) return sdrt_schedule_find(name);
    for (int i = 0; sdrt_list_name(list, i); i++)
        if (!strcmp(sdrt_list_name(list, i), name)) return i;
    return -1;
}

int sdrt_list_usable(enum sdrt_list list, int i)
{
    if (!sdrt_list_name(list, i)) return 0;
    if (list == SDRT_LIST_FORMATS) return sdrt_picture_format_there((enum sdrt_picture_format)i);
    if (list == SDRT_LIST_PRECISIONS) {
        const char *name = sdrt_precision_name(i);
        return sdrt_level_computes_in(sdrt_precision_level(sdrt_isa_detect(), name), name);
    }
    if (list != SDRT_LIST_LEVELS) return 1;
    return (level(i)->flags & sdrt_isa_detect()) == level(i)->flags;
}
