/* SPDX-License-Identifier: MIT
 *
 * From a latent to pixels, image by image.
 */
#include "kernels/ops.h"
#include "model/pipeline/bands.h"
#include "model/pipeline/preview.h"
#include "model/pipeline/run.h"

#include <math.h>
#include <stdio.h>

struct sdrt_decoding sdrt_run_decoding(const struct sdrt_session *s)
{
    const struct sdrt_bands *bands = s->bands[SDRT_VAE_DECODER];

    if (bands && s->arena)
        return (struct sdrt_decoding){
            .pass = -1,
            .in = sdrt_bands_in(bands, sdrt_session_bands_arena(s)),
            .out = sdrt_bands_out(bands, sdrt_session_bands_arena(s)),
        };
    return (struct sdrt_decoding){
        .pass = sdrt_session_find_when(s, SDRT_PART_BASE, SDRT_ONCE_AN_IMAGE),
        .in = sdrt_session_map(s, SDRT_PART_BASE, "vae_in"),
        .out = sdrt_session_map(s, SDRT_PART_BASE, "vae_out"),
    };
}

void sdrt_run_fill_decoder(const struct sdrt_session *s, const struct sdrt_decoding *d,
                           const float *latent)
{
    static const struct sdrt_exec alone = { .part = 0, .nparts = 1 };
    const struct sdrt_vae_config *vae = &sdrt_model_config_of(s->model)->vae;
    const int pixels = s->shape.h * s->shape.w, z = vae->latent_channels;

    if (vae->tiny_decoder) {
        for (int i = 0; i < pixels * z; i++)
            d->in[i] = tanhf(latent[i % z * pixels + i / z] / 3.0f) * 3.0f;
        return;
    }
    if (vae->has_stats) {
        for (int i = 0; i < pixels * z; i++)
            d->in[i] = latent[i % z * pixels + i / z] * vae->std[i % z] / vae->scaling_factor +
                       vae->mean[i % z];
        return;
    }
    s->model->device->host->ops->elementwise.to_nhwc(&alone, 1, 1, pixels, z,
                                                     1.0f / vae->scaling_factor, latent, d->in);
    for (int i = 0; i < pixels * z; i++) d->in[i] += vae->shift_factor;
}

void sdrt_run_finish_decoding(const struct sdrt_session *s, const struct sdrt_decoding *d, size_t n)
{
    if (!sdrt_model_config_of(s->model)->vae.tiny_decoder) return;
    for (size_t i = 0; i < n; i++) d->out[i] = 2.0f * d->out[i] - 1.0f;
}

/* Each pass over all bands counts as nothing, but the caller may stop there. */
static int between_passes(void *user, int done, int total)
{
    (void)done;
    (void)total;
    struct sdrt_run *run = user;
    return sdrt_run_report(run, SDRT_STAGE_DECODE, run->decoded, run->s->shape.batch) != SDRT_OK;
}

static int decode(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    struct sdrt_session *s = run->s;

    if (!s->bands[SDRT_VAE_DECODER]) return sdrt_run_program(run, pass);
    return sdrt_bands_run(s->bands[SDRT_VAE_DECODER], sdrt_session_bands_arena(s), s->queue,
                          between_passes, run);
}

int sdrt_run_decoder(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    struct sdrt_session *s = run->s;
    const int batch = s->shape.batch, dims[4] = { 1, run->r->height, run->r->width, 3 };
    const size_t n = s->slots.slot[s->latent].bytes / sizeof(float) / (size_t)batch;
    const size_t drawn = (size_t)run->r->width * (size_t)run->r->height * 3;
    const size_t bytes = (size_t)s->width * (size_t)s->height * 3;
    const float *latent = sdrt_slot_map(&s->slots, s->latent);
    const struct sdrt_decoding d = sdrt_run_decoding(s);
    int status = sdrt_run_report(run, SDRT_STAGE_DECODE, 0, batch);

    for (int i = 0; i < batch && status == SDRT_OK; i++) {
        char image[20] = "";
        if (batch > 1) snprintf(image, sizeof image, "image%d/", i);
        sdrt_run_fill_decoder(s, &d, latent + (size_t)i * n);
        snprintf(run->prefix, sizeof run->prefix, "%s%s", image, pass->dumps);
        status = decode(run, pass);
        if (status != SDRT_OK) break;
        sdrt_run_finish_decoding(s, &d, drawn);
        snprintf(run->prefix, sizeof run->prefix, "%s", image);
        status = sdrt_run_dump(run, "image", dims, 3, d.out);
        uint8_t *out = s->images + (size_t)i * bytes;
        sdrt_to_bytes(d.out, s->shape.masked ? run->canvas.drawn.rgb : out, drawn);
        if (status == SDRT_OK && s->shape.masked)
            status = sdrt_canvas_compose(&run->canvas, out, s->log);
        if (status == SDRT_OK) run->decoded = i + 1;
        if (status == SDRT_OK) status = sdrt_run_report(run, SDRT_STAGE_DECODE, i + 1, batch);
    }
    return status;
}
