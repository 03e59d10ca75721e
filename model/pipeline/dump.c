/* SPDX-License-Identifier: MIT
 *
 * What a run tells its caller on the way: progress and tensors.
 */
#include "kernels/ops.h"
#include "model/pipeline/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int sdrt_run_report(struct sdrt_run *run, enum sdrt_stage stage, int done, int total)
{
    if (run->r->progress && run->r->progress(run->r->progress_user, stage, done, total))
        return SDRT_E_CANCELLED;
    return sdrt_queue_cancelled(run->s->queue) ? SDRT_E_CANCELLED : SDRT_OK;
}

int sdrt_run_dump(struct sdrt_run *run, const char *name, const int dims[4], int pitch,
                  const float *data)
{
    const size_t rows = (size_t)dims[0] * (size_t)dims[1] * (size_t)dims[2], c = (size_t)dims[3];
    char full[256];

    if (!run->r->dump) return SDRT_OK;
    if (rows * c > run->dense_size) {
        float *p = realloc(run->dense, rows * c * sizeof *p);
        if (!p) return sdrt_fail(run->s->log, SDRT_E_NOMEM, "out of memory for dumping %s", name);
        run->dense = p;
        run->dense_size = rows * c;
    }
    for (size_t i = 0; i < rows; i++)
        memcpy(run->dense + i * c, data + i * (size_t)pitch, c * sizeof *data);
    snprintf(full, sizeof full, "%s%s", run->prefix, name);
    return run->r->dump(run->r->dump_user, full, dims, run->dense) ? SDRT_E_CANCELLED : SDRT_OK;
}

static int trace(void *user, const char *name, const int dims[4], int pitch, const float *data)
{
    return sdrt_run_dump(user, name, dims, pitch, data) != SDRT_OK;
}

int sdrt_run_program(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    return sdrt_session_run(run->s, (int)(pass - run->s->model->passes),
                            run->r->dump ? trace : NULL, run);
}

int sdrt_run_dump_latent(struct sdrt_run *run, const char *name)
{
    static const struct sdrt_exec alone = { .part = 0, .nparts = 1 };
    const struct sdrt_session *s = run->s;
    const int batch = s->shape.batch;
    const int z = sdrt_model_config_of(s->model)->vae.latent_channels;
    const int dims[4] = { batch, s->shape.h, s->shape.w, z };
    float *scaled = sdrt_slot_map(&s->slots, s->scaled);

    if (!run->r->dump) return SDRT_OK;
    run->prefix[0] = 0;
    s->model->device->host->ops->elementwise.to_nhwc(&alone, batch, batch, dims[1] * dims[2], z,
                                                     1.0f, sdrt_slot_map(&s->slots, s->latent),
                                                     scaled);
    return sdrt_run_dump(run, name, dims, z, scaled);
}
