/* SPDX-License-Identifier: MIT
 *
 * One image, as data: prompt -> token ids -> text embeddings -> noise -> N times { scale,
 * denoise the pair, guide, sampler step } -> VAE -> RGB.
 */
#include "model/pipeline/generate_internal.h"
#include "model/pipeline/preview.h"
#include "runtime/base/clock.h"
#include "runtime/files/png.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int sdrt_run_report(struct sdrt_run *run, enum sdrt_stage stage, int done, int total)
{
    if (run->r->progress && run->r->progress(run->r->user, stage, done, total))
        return SDRT_E_CANCELLED;
    return sdrt_queue_cancelled(run->c->queue) ? SDRT_E_CANCELLED : SDRT_OK;
}

static int load_progress(void *user, int done, int total)
{
    return sdrt_run_report(user, SDRT_STAGE_LOAD, done, total) != SDRT_OK;
}

int sdrt_run_load(struct sdrt_run *run, struct sdrt_context *c, int first, int last)
{
    return sdrt_context_load(c, (enum sdrt_program_id)first, (enum sdrt_program_id)last,
                             load_progress, run);
}

/* ---- dumping ---- */

static int dump(struct sdrt_run *run, const char *name, const int dims[4], int pitch,
                const float *data)
{
    const size_t rows = (size_t)dims[0] * (size_t)dims[1] * (size_t)dims[2], c = (size_t)dims[3];
    char full[256];

    if (!run->r->dump) return SDRT_OK;
    if (rows * c > run->dense_size) {
        float *p = realloc(run->dense, rows * c * sizeof *p);
        if (!p) return sdrt_fail(run->c->log, SDRT_E_NOMEM, "out of memory for dumping %s", name);
        run->dense = p;
        run->dense_size = rows * c;
    }
    for (size_t i = 0; i < rows; i++)
        memcpy(run->dense + i * c, data + i * (size_t)pitch, c * sizeof *data);
    snprintf(full, sizeof full, "%s%s", run->prefix, name);
    return run->r->dump(run->r->user, full, dims, run->dense) ? SDRT_E_CANCELLED : SDRT_OK;
}

static int trace(void *user, const char *name, const int dims[4], int pitch, const float *data)
{
    return dump(user, name, dims, pitch, data) != SDRT_OK;
}

int sdrt_run_program(struct sdrt_run *run, int id, const char *prefix)
{
    snprintf(run->prefix, sizeof run->prefix, "%s%s", run->stem, prefix);
    return sdrt_program_run(run->c->programs[id], run->c->queue, run->r->dump ? trace : NULL, run);
}

int sdrt_run_program_once(struct sdrt_run *run, int id, const char *prefix)
{
    const int status = sdrt_run_program(run, id, prefix);

    sdrt_program_release(run->c->programs[id]);
    return status;
}

/* The latent, channels last as everything that is dumped. */
static int dump_latent(struct sdrt_run *run, const char *name)
{
    static const struct sdrt_exec alone = { .part = 0, .nparts = 1 };
    struct sdrt_context *c = run->c;
    const int batch = c->shape.batch, z = c->config.vae.latent_channels;
    const int dims[4] = { batch, c->shape.h, c->shape.w, z };

    if (!run->r->dump) return SDRT_OK;
    run->prefix[0] = 0;
    c->device->ops.elementwise.to_nhwc(&alone, batch, batch, dims[1] * dims[2], z, 1.0f, c->latent,
                               c->scaled);
    return dump(run, name, dims, z, c->scaled);
}

/* ---- the stages ---- */

static int prepare_noise(struct sdrt_run *run)
{
    struct sdrt_context *c = run->c;
    const size_t n = (size_t)c->config.vae.latent_channels * (size_t)c->shape.h * (size_t)c->shape.w;
    const float scale = sdrt_sampler_initial_scale(run->sampler);

    for (int i = 0; i < c->shape.batch; i++) {
        sdrt_rng_seed(&run->rngs[i], run->rng_kind, run->r->seed + (uint64_t)i);
        sdrt_rng_normal(&run->rngs[i], c->latent + (size_t)i * n, n);
    }
    const int status = dump_latent(run, "noise");
    for (size_t i = 0; i < (size_t)c->shape.batch * n; i++) c->latent[i] *= scale;
    return status;
}

/* The decoder's input: the latent of one image, channels last. */
static void fill_decoder(struct sdrt_context *c, const float *latent)
{
    static const struct sdrt_exec alone = { .part = 0, .nparts = 1 };
    const int pixels = c->shape.h * c->shape.w, z = c->config.vae.latent_channels;

    c->device->ops.elementwise.to_nhwc(&alone, 1, 1, pixels, z, 1.0f / c->config.vae.scaling_factor, latent,
                               c->vae_in);
    for (int i = 0; i < pixels * z; i++) c->vae_in[i] += c->config.vae.shift_factor;
}

/* Shows what evaluation e makes of the first image.  With a refiner the decoder is not there. */
static int preview(struct sdrt_run *run, int e)
{
    struct sdrt_context *c = run->c;
    const enum sdrt_preview kind = sdrt_preview_kind(&c->config.vae);
    uint8_t *rgb = run->rgb;
    int status = SDRT_OK, w = c->shape.w, h = c->shape.h;

    if (!run->r->preview || kind == SDRT_PREVIEW_NONE) return SDRT_OK;
    if (kind == SDRT_PREVIEW_DECODE && (c->refiner || c->base)) return SDRT_OK;
    sdrt_sampler_denoised(run->sampler, e, c->guided, c->latent, c->scaled);
    if (kind == SDRT_PREVIEW_LINEAR) {
        sdrt_preview_linear(&c->config.vae, c->scaled, w * h, rgb);
    } else {
        w = c->width;
        h = c->height;
        fill_decoder(c, c->scaled);
        status = sdrt_program_run(c->programs[SDRT_PROGRAM_DECODE], c->queue, NULL, NULL);
        if (status == SDRT_OK) sdrt_to_bytes(c->vae_out, rgb, (size_t)w * (size_t)h * 3);
    }
    if (status != SDRT_OK) return status;
    return run->r->preview(run->r->user, rgb, w, h) ? SDRT_E_CANCELLED : SDRT_OK;
}

static int evaluate(struct sdrt_run *run, int e)
{
    static const struct sdrt_exec alone = { .part = 0, .nparts = 1 };
    struct sdrt_context *c = run->c;
    const struct sdrt_elementwise_ops *ew = &c->device->ops.elementwise;
    const int batch = c->shape.batch, pixels = c->shape.h * c->shape.w;
    const int z = c->config.vae.latent_channels, pair = sdrt_shape_unet_batch(&c->shape);
    char prefix[32];

    sdrt_sampler_scale_input(run->sampler, e, c->latent, c->scaled);
    ew->to_nhwc(&alone, batch, pair, pixels, z, 1.0f, c->scaled, c->model_in);
    memcpy(c->time_row, (const char *)c->time_table + (size_t)e * c->time_row_bytes,
           c->time_row_bytes);
    snprintf(prefix, sizeof prefix, "step%03d/", e);
    int status = sdrt_run_program(run, SDRT_PROGRAM_STEP, prefix);
    if (status != SDRT_OK) return status;
    if (c->shape.guided)
        ew->guide(&alone, batch, pixels, z, run->r->cfg_scale, c->model_out, c->guided);
    else
        ew->to_nchw(&alone, batch, pixels, z, 1.0f, c->model_out, c->guided);
    status = preview(run, e);
    if (status != SDRT_OK) return status;
    return sdrt_sampler_step(run->sampler, e, c->guided, c->latent, run->rngs);
}

static int all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return 0;
    return 1;
}

static int denoise(struct sdrt_run *run)
{
    struct sdrt_context *c = run->c;
    const int z = c->config.vae.latent_channels;
    const int total = run->evaluated + c->shape.evaluations +
                      (c->refiner ? c->shape.refiner_evaluations : 0);
    const size_t n = (size_t)c->shape.batch * (size_t)z * (size_t)c->shape.h * (size_t)c->shape.w;
    int status = sdrt_run_report(run, SDRT_STAGE_DENOISE, run->evaluated, total);

    for (int e = 0; e < c->shape.evaluations && status == SDRT_OK; e++) {
        status = evaluate(run, e);
        if (status == SDRT_OK)
            status = sdrt_run_report(run, SDRT_STAGE_DENOISE, ++run->evaluated, total);
    }
    if (status != SDRT_OK) return status;
    if (!all_finite(c->latent, n))
        return sdrt_fail(c->log, SDRT_E_NUMERIC, "the latent is not finite after %d steps; the "
                         "checkpoint may be broken", run->r->steps);
    return dump_latent(run, c->refiner ? "latent-unrefined" : "latent");
}

static int decode(struct sdrt_run *run)
{
    struct sdrt_context *c = run->c;
    const int pixels = c->shape.h * c->shape.w, z = c->config.vae.latent_channels;
    const size_t bytes = (size_t)c->width * (size_t)c->height * 3;
    const int dims[4] = { 1, c->height, c->width, 3 };
    int status = sdrt_run_report(run, SDRT_STAGE_DECODE, 0, c->shape.batch);

    for (int i = 0; i < c->shape.batch && status == SDRT_OK; i++) {
        const float *latent = c->latent + (size_t)i * (size_t)pixels * (size_t)z;
        fill_decoder(c, latent);
        char prefix[32] = "vae/";
        if (c->shape.batch > 1) snprintf(prefix, sizeof prefix, "image%d/vae/", i);
        status = sdrt_run_program(run, SDRT_PROGRAM_DECODE, prefix);
        if (status != SDRT_OK) break;
        run->prefix[0] = 0;
        if (c->shape.batch > 1) snprintf(run->prefix, sizeof run->prefix, "image%d/", i);
        status = dump(run, "image", dims, 3, c->vae_out);
        sdrt_to_bytes(c->vae_out, c->images + (size_t)i * bytes, bytes);
        if (status == SDRT_OK)
            status = sdrt_run_report(run, SDRT_STAGE_DECODE, i + 1, c->shape.batch);
    }
    return status;
}

/* What A1111's web UI writes into its images, so that its tools read ours. */
static char *parameters_text(const struct sdrt_run *run, int i)
{
    const struct sdrt_request *r = run->r;
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f) return NULL;
    fprintf(f, "%s\n", r->prompt);
    if (r->negative_prompt && r->negative_prompt[0])
        fprintf(f, "Negative prompt: %s\n", r->negative_prompt);
    fprintf(f, "Steps: %d, Sampler: %s, Schedule type: %s, CFG scale: %g, Seed: %llu, "
            "Size: %dx%d, Model: %s, RNG: %s, Precision: %s, Version: sdrt %s", r->steps,
            r->sampler, r->schedule,
            (double)r->cfg_scale, (unsigned long long)(r->seed + (uint64_t)i), r->width, r->height,
            run->c->model_name, strcmp(r->rng, "cuda") ? "CPU" : "NV", run->c->precision,
            sdrt_version());
    if (run->c->refiner)
        fprintf(f, ", Refiner: %s, Refiner switch at: %g", run->c->refiner->model_name,
                r->refiner_start);
    for (int l = 0; l < r->n_loras; l++)
        fprintf(f, "%s%s:%g", l ? ", " : ", LoRA: \"", r->loras[l].path, (double)r->loras[l].scale);
    if (r->n_loras) fputc('"', f);
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static int prepare_results(struct sdrt_run *run)
{
    struct sdrt_context *c = run->c;
    const size_t bytes = (size_t)run->r->width * (size_t)run->r->height * 3;
    uint8_t *images = realloc(c->images, bytes * (size_t)run->r->batch);

    if (!images) return sdrt_fail(c->log, SDRT_E_NOMEM, "out of memory for the images");
    c->images = run->rgb = images;
    c->width = run->r->width;
    c->height = run->r->height;
    for (int i = 0; i < SDRT_MAX_BATCH; i++) {
        free(c->parameters[i]);
        c->parameters[i] = NULL;
        if (i < run->r->batch && !(c->parameters[i] = parameters_text(run, i)))
            return sdrt_fail(c->log, SDRT_E_NOMEM, "out of memory for the images' parameters");
    }
    return SDRT_OK;
}

/* With a refiner, which takes the denoiser's place in memory, the decoder waits until both are
 * gone. */
static int load_steps(struct sdrt_run *run)
{
    return sdrt_run_load(run, run->c, SDRT_PROGRAM_STEP,
                         run->c->refiner ? SDRT_PROGRAM_STEP : SDRT_PROGRAM_DECODE);
}

static int load_decoder(struct sdrt_run *run)
{
    return sdrt_run_load(run, run->c, SDRT_PROGRAM_DECODE, SDRT_PROGRAM_DECODE);
}

struct stage {
    enum sdrt_stage counted; /* what its time is counted under */
    int (*run)(struct sdrt_run *);
};

static int run_stages(struct sdrt_run *run, const struct stage *stages, size_t n)
{
    double *seconds = run->c->base ? run->c->base->stage_seconds : run->c->stage_seconds;
    int status = SDRT_OK;

    for (size_t i = 0; i < n && status == SDRT_OK; i++) {
        const double t0 = sdrt_now();
        status = stages[i].run(run);
        seconds[stages[i].counted] += sdrt_now() - t0;
    }
    return status;
}

/* All evaluations of the denoiser at work.  What it computes once is packed, run and given back
 * before its steps are packed. */
static int run_denoiser(struct sdrt_run *run)
{
    static const struct stage stages[] = {
        { SDRT_STAGE_LOAD, sdrt_run_load_once }, { SDRT_STAGE_TEXT, sdrt_run_condition },
        { SDRT_STAGE_DENOISE, sdrt_run_schedule }, { SDRT_STAGE_LOAD, load_steps },
        { SDRT_STAGE_DENOISE, denoise },
    };

    return run_stages(run, stages, sizeof stages / sizeof *stages);
}

/* The refiner goes on where the base's latent stands, with the same generators. */
static int refine(struct sdrt_run *run)
{
    struct sdrt_context *base = run->c, *c = base->refiner;
    const size_t bytes = sizeof(float) * (size_t)base->config.vae.latent_channels *
                         (size_t)base->shape.batch * (size_t)base->shape.h * (size_t)base->shape.w;
    struct sdrt_sampler *sampler = run->sampler;

    if (!c) return SDRT_OK;
    sdrt_context_release_denoiser(base);
    memcpy(c->latent, base->latent, bytes);
    run->c = c;
    run->sampler = run->refined;
    run->stem = "refiner/";
    const int status = run_denoiser(run);
    memcpy(base->latent, c->latent, bytes);
    run->c = base;
    run->sampler = sampler;
    run->stem = "";
    sdrt_context_release_denoiser(c);
    return status;
}

static int run_request(struct sdrt_run *run)
{
    static const struct stage before[] = { { SDRT_STAGE_TEXT, sdrt_run_text },
                                           { SDRT_STAGE_DENOISE, prepare_noise } };
    static const struct stage after[] = { { SDRT_STAGE_LOAD, load_decoder },
                                          { SDRT_STAGE_DECODE, decode } };
    int status;

    memset(run->c->stage_seconds, 0, sizeof run->c->stage_seconds);
    status = run_stages(run, before, sizeof before / sizeof *before);
    if (status == SDRT_OK) status = run_denoiser(run);
    if (status == SDRT_OK) status = refine(run);
    if (status == SDRT_OK) status = run_stages(run, after, sizeof after / sizeof *after);
    return status;
}

int sdrt_generate(struct sdrt_context *c, const struct sdrt_request *request)
{
    struct sdrt_run run = { .c = c, .request = sdrt_request_resolved(c, request), .stem = "" };
    const struct sdrt_request *r = run.r = &run.request;
    struct sdrt_shape shape = { 0 };
    int status = sdrt_request_check(c, r, &shape, &run.sampler, &run.refined, &run.rng_kind);
    size_t n;

    c->n_images = 0;
    if (status == SDRT_OK) status = sdrt_context_plan(c, &shape);
    if (status == SDRT_OK) status = sdrt_pipeline_loras_apply(c, r, &run.prompt);
    n = (size_t)c->config.vae.latent_channels * (size_t)shape.h * (size_t)shape.w;
    if (status == SDRT_OK) status = sdrt_sampler_reset(run.sampler, (size_t)shape.batch, n);
    if (status == SDRT_OK && run.refined)
        status = sdrt_sampler_reset(run.refined, (size_t)shape.batch, n);
    if (status == SDRT_OK) status = prepare_results(&run);
    if (status == SDRT_OK) status = run_request(&run);
    c->evaluations_done = run.evaluated;
    c->evaluation_seconds = c->evaluations_done
                            ? c->stage_seconds[SDRT_STAGE_DENOISE] / c->evaluations_done : 0.0;
    if (status == SDRT_OK) c->n_images = r->batch;
    if (status == SDRT_E_CANCELLED) {
        sdrt_queue_rearm(c->queue); /* the next request is not cancelled */
        sdrt_fail(c->log, status, "cancelled");
    }
    sdrt_sampler_free(&run.sampler);
    sdrt_sampler_free(&run.refined);
    free(run.dense);
    free(run.prompt);
    return status;
}

int sdrt_write_png(struct sdrt_context *c, int i, const char *path)
{
    int width, height;
    const uint8_t *pixels = sdrt_image(c, i, &width, &height);

    if (!pixels) return sdrt_fail(c->log, SDRT_E_ARG, "there is no image %d to write", i);
    return sdrt_png_write(path, pixels, width, height, c->parameters[i], c->log);
}
