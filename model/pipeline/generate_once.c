/* SPDX-License-Identifier: MIT
 *
 * What the denoiser computes once a request, before its steps: what it reads of the text, and what
 * it makes of all timesteps.  A request that has the last one's text, timesteps and numbers has
 * all of it still.
 */
#include "model/pipeline/generate_internal.h"

#include <string.h>

void sdrt_run_forget_once(struct sdrt_context *c)
{
    c->once_ready = 0;
    if (c->refiner) c->refiner->once_ready = 0;
}

/* Sets to[] to from[]; 1 where it was that already, and is known to have been. */
static int keep(const struct sdrt_context *c, float *to, const float *from, size_t count)
{
    const int same = c->once_ready && !memcmp(to, from, count * sizeof *to);

    memcpy(to, from, count * sizeof *to);
    return same;
}

/* The inputs into place, packed only if they are new. */
int sdrt_run_load_once(struct sdrt_run *run)
{
    const struct sdrt_request *r = run->r;
    struct sdrt_context *c = run->c;
    const float numbers[SDRT_TOLD] = {
        (float)r->original_height, (float)r->original_width, (float)r->crop_y, (float)r->crop_x,
        (float)r->target_height, (float)r->target_width,
    };
    const int times = keep(c, c->timesteps, sdrt_sampler_timesteps(run->sampler),
                           (size_t)c->shape.evaluations);

    c->once_ready = keep(c, c->told, numbers, SDRT_TOLD) && times;
    if (c->once_ready) return SDRT_OK;
    return sdrt_run_load(run, c, SDRT_PROGRAM_PROMPT, SDRT_PROGRAM_SCHEDULE);
}

/* What SDXL is told of the picture beside the text; the refiner a score in place of the target. */
static void fill_added(struct sdrt_context *c)
{
    enum { GOOD = 6, BAD = 2 }; /* diffusers' aesthetic scores: 6 and, for the negative, 2.5 */
    const int pair = sdrt_shape_unet_batch(&c->shape);
    float numbers[SDRT_TOLD];

    memcpy(numbers, c->told, sizeof numbers);
    for (int i = 0; i < pair && sdrt_added_width(&c->config); i++) {
        const int negative = c->shape.guided && i < c->shape.batch;
        if (c->config.aesthetic) numbers[4] = negative ? BAD + 0.5f : GOOD;
        sdrt_context_fill_added(c, i, numbers);
    }
}

int sdrt_run_condition(struct sdrt_run *run)
{
    int status = SDRT_OK;

    if (!run->c->once_ready) {
        fill_added(run->c);
        status = sdrt_run_program_once(run, SDRT_PROGRAM_PROMPT, "prompt/");
    }
    return status == SDRT_OK ? sdrt_run_report(run, SDRT_STAGE_TEXT, 1, 1) : status;
}

int sdrt_run_schedule(struct sdrt_run *run)
{
    struct sdrt_context *c = run->c;

    if (c->once_ready) return SDRT_OK;
    const int status = sdrt_run_program_once(run, SDRT_PROGRAM_SCHEDULE, "schedule/");
    c->once_ready = status == SDRT_OK;
    return status;
}
