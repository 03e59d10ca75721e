/* SPDX-License-Identifier: MIT
 *
 * What a denoiser computes once a request, before its steps: what it reads of the text, and what
 * it makes of all timesteps.  A request that has the last one's text, timesteps and numbers has
 * all of it still.
 */
#include "model/pipeline/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Sets the timesteps of a part; 1 where they are the last request's. */
static int keep_timesteps(struct sdrt_session *s, enum sdrt_part_id part, const float *timesteps)
{
    const int slot = sdrt_slots_find(&s->slots, sdrt_part_scope(part), "timesteps");
    const size_t bytes = s->slots.slot[slot].bytes;
    const int same = !memcmp(sdrt_slot_map(&s->slots, slot), timesteps, bytes);

    sdrt_slot_write(&s->slots, slot, 0, timesteps, bytes);
    return same;
}

void sdrt_run_prepare_once(struct sdrt_run *run)
{
    const struct sdrt_request *r = run->r;
    struct sdrt_session *s = run->s;
    const float numbers[SDRT_TOLD] = {
        (float)r->original_height, (float)r->original_width, (float)r->crop_y,
        (float)r->crop_x,          (float)r->target_height,  (float)r->target_width,
    };
    const float guidance = sdrt_model_config_of(s->model)->unet.guidance_dim ? r->cfg_scale : 0.0f;
    const int same = !memcmp(s->told, numbers, sizeof numbers) &&
                     !memcmp(&s->guidance, &guidance, sizeof guidance);

    s->guidance = guidance;
    memcpy(s->told, numbers, sizeof numbers);
    for (int i = 0; i < s->model->n_parts; i++)
        s->once_ready[i] &= keep_timesteps(s, (enum sdrt_part_id)i,
                                           sdrt_sampler_timesteps(run->samplers[i])) &&
                            same;
}

int sdrt_once_wanted(const struct sdrt_run *run, const struct sdrt_pass *pass)
{
    return !run->s->once_ready[pass->part];
}

/* The guidance scale as latent consistency models were told it (Luo et al. 2023): as diffusers embeds
 * it, sines before cosines, the same row for each timestep. */
static void fill_guidance(const struct sdrt_session *s, enum sdrt_part_id part)
{
    const int dim = s->model->parts[part].config.unet.guidance_dim, half = dim / 2;
    float *rows = sdrt_session_map(s, part, "guidance");
    const float step = logf(10000.0f) / (float)(half - 1), w = (s->guidance - 1.0f) * 1000.0f;

    if (!rows) return;
    for (int i = 0; i < dim; i++) {
        const float angle = w * expf(-step * (float)(i % half));
        rows[i] = i == 2 * half ? 0.0f : i < half ? sinf(angle) : cosf(angle);
    }
    for (int e = 1; e < s->shape.evaluations[part]; e++)
        memcpy(rows + (size_t)e * (size_t)dim, rows, (size_t)dim * sizeof *rows);
}

int sdrt_run_schedule(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    struct sdrt_session *s = run->s;

    sdrt_session_fill_added(s, pass->part, s->told);
    fill_guidance(s, pass->part);
    snprintf(run->prefix, sizeof run->prefix, "%s", pass->dumps);
    const int status = sdrt_run_program(run, pass);
    s->once_ready[pass->part] = status == SDRT_OK;
    return status;
}

int sdrt_run_follow_time(struct sdrt_run *run, float timestep)
{
    struct sdrt_session *s = run->s;

    if (keep_timesteps(s, SDRT_PART_BASE, &timestep)) return SDRT_OK;
    const int status = sdrt_run_schedule(run, sdrt_run_follower(s, SDRT_PART_BASE,
                                                                SDRT_ONCE_A_SCHEDULE));
    return status == SDRT_OK ? sdrt_run_follow_controls(run) : status;
}
