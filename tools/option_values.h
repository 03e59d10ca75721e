/* SPDX-License-Identifier: MIT
 *
 * Values of sdgen's options that no kind of cli/options.h covers.
 */
#ifndef SDRT_TOOLS_OPTION_VALUES_H
#define SDRT_TOOLS_OPTION_VALUES_H

#include "runtime/base/error.h"

/* The largest of what options take: pixels a side, steps, guidance, numbers that SDXL is told, pixels
 * around a picture, GiB. */
enum {
    MAX_SIDE = 8192,
    MAX_STEPS = 1000,
    MAX_CFG = 1000,
    MAX_TOLD = 1 << 20,
    MAX_EXTEND = 8192,
    MAX_GIB = 1 << 16
};

/* A member `call` of struct cli_option each: reads the text of the option of that name into the struct
 * sdgen_options, which borrows it, but for paths of LoRAs and control nets, which are copied.  A wrong text
 * is one line to the log and SDRT_E_ARG. */
typedef int take_fn(void *into, const char *name, const char *text, const struct sdrt_log *log);

take_fn take_width, take_height, take_cfg_scale, take_refiner_start, take_strength, take_hires,
    take_hires_strength, take_image_cfg_scale, take_mask_padding, take_extend, take_seed,
    take_sampler, take_schedule, take_sigmas, take_timesteps, take_cfg_rescale, take_cfg_range,
    take_guidance, take_slg_scale, take_slg_start, take_slg_end, take_pag_scale,
    take_pag_adaptive_scale, take_cache, take_subseed_strength, take_subseed, take_ensd, take_lora,
    take_control, take_ip_adapter, take_crop, take_original_size, take_target_size,
    take_seed_resize, take_filter, take_vram_limit, take_plan, take_mpi, take_precision;

/* What --mpi may say, as a list of names. */
const char *mpi_ways(int i);

#endif
