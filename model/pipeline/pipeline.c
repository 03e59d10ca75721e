/* SPDX-License-Identifier: MIT
 *
 * Opening and closing a model, and the checks of a request.
 */
#include <config.h> /* the quoted form would find the file beside this one */

#include "model/net/name.h"
#include "model/net/published.h"
#include "model/checkpoint/tensor_names.h"
#include "model/pipeline/pipeline.h"
#include "kernels/isa.h"
#include "runtime/device/cpu.h"

#include <stdlib.h>
#include <string.h>

const char *sdrt_version(void) { return PACKAGE_VERSION; }
const char *sdrt_status_name(int status) { return sdrt_status_text(status); }

void sdrt_options_init(struct sdrt_options *options)
{
    *options = (struct sdrt_options){ .size = sizeof *options };
}

void sdrt_request_init(struct sdrt_request *request)
{
    *request = (struct sdrt_request){
        .size = sizeof *request, .prompt = "", .steps = 20, .cfg_scale = 7.5f,
        .schedule = "default", .rng = "cpu", .batch = 1,
        .refiner_start = 0.8,
    };
}

/* Some levels compute in bf16 and the others never do, so level and precision are chosen
 * together. */
static int choose_arithmetic(struct sdrt_context *c, const struct sdrt_options *o)
{
    const int f32 = o->precision && !strcmp(o->precision, "f32");
    const int bf16 = o->precision && !strcmp(o->precision, "bf16");
    unsigned have = sdrt_isa_detect();

    if (o->precision && !f32 && !bf16)
        return sdrt_fail(c->log, SDRT_E_ARG, "unknown precision \"%s\": expected f32 or bf16",
                         o->precision);
    if (f32 && !o->isa) have &= ~(unsigned)SDRT_ISA_ANY_BF16;
    const struct sdrt_isa_level *level = o->isa ? sdrt_isa_find(o->isa) : sdrt_isa_best(have);
    if (!level)
        return sdrt_fail(c->log, SDRT_E_ARG, "unknown instruction set \"%s\": expected one of %s",
                         o->isa, sdrt_isa_names);
    if ((level->flags & have) != level->flags)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "this machine cannot run \"%s\"; its best is "
                         "\"%s\"", level->name, sdrt_isa_best(have)->name);
    const int narrow = (level->flags & SDRT_ISA_ANY_BF16) != 0;
    if (narrow && f32)
        return sdrt_fail(c->log, SDRT_E_ARG, "instruction set \"%s\" computes in bf16: expected "
                         "precision bf16, or avx512", level->name);
    c->precision = narrow || bf16 ? "bf16" : "f32";
    return sdrt_cpu_device_open(&c->device, level->flags, level->name, SDRT_PIN_AUTO, c->log);
}

static int random_config(struct sdrt_context *c, const char *arch)
{
    static const struct {
        const char *name;
        struct sdrt_model_config (*config)(void);
    } known[] = { { "sd15", sdrt_sd15_config }, { "sd21", sdrt_sd21_config },
                  { "sdxl", sdrt_sdxl_config }, { "sd35-medium", sdrt_sd35_medium_config },
                  { "sd35-large", sdrt_sd35_large_config } };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (arch && strcmp(arch, known[i].name)) continue;
        c->config = known[i].config();
        return SDRT_OK;
    }
    return sdrt_fail(c->log, SDRT_E_ARG, "unknown arch \"%s\": expected sd15, sd21, sdxl, "
                     "sd35-medium or sd35-large", arch);
}

static int open_provider(struct sdrt_context *c, const struct sdrt_options *o,
                         enum sdrt_dtype *fixed, struct sdrt_weights_provider *provider)
{
    const struct sdrt_checkpoint_paths paths = {
        .model = o->model, .vae = o->vae, .text = { o->text_encoder, o->text_encoder_2 },
        .t5 = o->t5, .t5_tokenizer = o->t5_tokenizer,
    };
    int status;

    *fixed = SDRT_DTYPES;
    if (!o->random_weights) {
        status = sdrt_checkpoint_open(&c->checkpoint, &paths, c->log);
        if (status != SDRT_OK) return status;
        c->config = *sdrt_checkpoint_config(c->checkpoint);
        *provider = sdrt_checkpoint_provider(c->checkpoint);
        return SDRT_OK;
    }
    *fixed = SDRT_F16;
    status = random_config(c, o->arch);
    if (status == SDRT_OK) status = sdrt_random_weights_create(&c->random, *fixed, 1, c->log);
    if (status == SDRT_OK) *provider = sdrt_random_weights_provider(c->random);
    return status;
}

static int choose_prediction(struct sdrt_context *c, const char *name)
{
    if (!name) return SDRT_OK;
    if (c->config.noise.prediction == SDRT_PREDICTION_FLOW)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "prediction %s is not for %s, which predicts "
                         "flow", name, c->config.family);
    if (!strcmp(name, "epsilon")) c->config.noise.prediction = SDRT_PREDICTION_EPSILON;
    else if (!strcmp(name, "v")) c->config.noise.prediction = SDRT_PREDICTION_V;
    else return sdrt_fail(c->log, SDRT_E_ARG, "unknown prediction \"%s\": expected epsilon or v",
                          name);
    return SDRT_OK;
}

static int open_tokenizers(struct sdrt_context *c)
{
    int status = SDRT_OK;

    for (int i = 0; i < c->config.n_text && status == SDRT_OK; i++) {
        const struct sdrt_checkpoint *k = c->checkpoint;
        status = sdrt_clip_tokenizer_open(&c->tokenizers[i], k ? sdrt_checkpoint_vocab_path(k, i) : NULL,
                                     k ? sdrt_checkpoint_merges_path(k, i) : NULL, c->log);
    }
    if (status != SDRT_OK || !c->config.has_t5) return status;
    return sdrt_t5_tokenizer_open(&c->t5_tokenizer,
                                  sdrt_checkpoint_t5_tokenizer_path(c->checkpoint), c->log);
}

static int open_weights(struct sdrt_context *c, const struct sdrt_options *o)
{
    struct sdrt_weights_provider provider;
    enum sdrt_dtype fixed;
    int status = open_provider(c, o, &fixed, &provider);

    if (status == SDRT_OK) status = choose_prediction(c, o->prediction);
    if (status == SDRT_OK) status = sdrt_pipeline_loras_open(c, &provider);
    if (status == SDRT_OK) status = sdrt_weight_store_create(&c->store, &provider, fixed, c->log);
    if (status != SDRT_OK) return status;
    if (!strcmp(c->precision, "bf16")) sdrt_weight_store_pack_as(c->store, SDRT_BF16);
    status = sdrt_denoiser_of(&c->config)->check(&c->config, c->log);
    return status == SDRT_OK ? open_tokenizers(c) : status;
}

static int open_queue(struct sdrt_context *c, int threads)
{
    c->threads = threads ? threads : c->device->workers;
    if (c->threads < 1 || c->threads > 1024)
        return sdrt_fail(c->log, SDRT_E_ARG, "%d threads: expected 1 to 1024", threads);
    return sdrt_queue_open(&c->queue, c->device, c->threads, c->log);
}

int sdrt_open(struct sdrt_context **out, const struct sdrt_options *o)
{
    struct sdrt_context *c;
    int status = SDRT_OK;

    *out = NULL;
    if (o->size != sizeof *o) return sdrt_fail(o->log, SDRT_E_ARG, "sdrt_open: bad options size");
    if (!o->model && !o->random_weights)
        return sdrt_fail(o->log, SDRT_E_ARG, "no model given");
    c = calloc(1, sizeof *c);
    if (!c) return sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory");
    c->log = o->log;
    const char *base = o->model ? strrchr(o->model, '/') : NULL;
    c->model_name = strdup(base && base[1] ? base + 1 : o->model ? o->model : "random");
    if (!c->model_name) status = sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory");
    if (status == SDRT_OK) status = choose_arithmetic(c, o);
    if (status == SDRT_OK) status = open_queue(c, o->threads);
    if (status == SDRT_OK) status = open_weights(c, o);
    if (status == SDRT_OK && o->refiner) status = sdrt_refiner_open(c, o->refiner);
    if (status != SDRT_OK) {
        sdrt_close(&c);
        return status;
    }
    *out = c;
    return SDRT_OK;
}

void sdrt_close(struct sdrt_context **context)
{
    struct sdrt_context *c = *context;

    if (!c) return;
    sdrt_context_unplan(c);
    sdrt_refiner_close(c);
    sdrt_weight_store_free(&c->store);
    sdrt_pipeline_loras_close(c);
    sdrt_checkpoint_close(&c->checkpoint);
    sdrt_random_weights_free(&c->random);
    for (int i = 0; i < SDRT_MAX_TEXT; i++) sdrt_clip_tokenizer_free(&c->tokenizers[i]);
    sdrt_t5_tokenizer_free(&c->t5_tokenizer);
    sdrt_queue_close(&c->queue);
    sdrt_device_close(&c->device);
    for (int i = 0; i < SDRT_MAX_BATCH; i++) free(c->parameters[i]);
    free(c->images);
    free(c->model_name);
    free(c);
    *context = NULL;
}

void sdrt_cancel(struct sdrt_context *c)
{
    if (c && c->queue) sdrt_queue_cancel(c->queue);
}

static int check_size(const struct sdrt_context *c, const char *what, int pixels)
{
    const int unit = 1 << (c->config.vae.levels - 1);

    if (pixels < unit || pixels > SDRT_MAX_PIXELS || pixels % unit)
        return sdrt_fail(c->log, SDRT_E_ARG, "%s %d: expected a multiple of %d from %d to %d", what,
                         pixels, unit, unit, SDRT_MAX_PIXELS);
    return SDRT_OK;
}

struct sdrt_request sdrt_request_resolved(const struct sdrt_context *c,
                                          const struct sdrt_request *r)
{
    struct sdrt_request out = *r;

    if (!out.width) out.width = c->config.size;
    if (!out.height) out.height = c->config.size;
    if (!out.sampler)
        out.sampler = c->config.noise.prediction == SDRT_PREDICTION_FLOW ? "euler" : "euler_a";
    if (!out.original_width) out.original_width = out.width;
    if (!out.original_height) out.original_height = out.height;
    if (!out.target_width) out.target_width = out.width;
    if (!out.target_height) out.target_height = out.height;
    return out;
}

/* All text encoders must have the layer asked for. */
static int check_clip_skip(const struct sdrt_context *c, int clip_skip)
{
    int low = 1, high = 1 << 20;

    if (!clip_skip) return SDRT_OK;
    for (int i = 0; i < c->config.n_text; i++) {
        const struct sdrt_text_config *t = &c->config.text[i];
        if (low < 1 + t->cut) low = 1 + t->cut;
        if (high > t->clip.layers + t->cut) high = t->clip.layers + t->cut;
    }
    if (clip_skip < low || clip_skip > high)
        return sdrt_fail(c->log, SDRT_E_ARG, "clip skip %d: expected %d to %d, or 0 for the model's "
                         "own", clip_skip, low, high);
    return SDRT_OK;
}

static int check_picture(const struct sdrt_context *c, const struct sdrt_request *r)
{
    const int told[] = { r->original_width, r->original_height, r->crop_x, r->crop_y,
                         r->target_width, r->target_height };

    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (told[i] < 0 || told[i] > 1 << 20)
            return sdrt_fail(c->log, SDRT_E_ARG, "original size, crop or target size %d: expected 0 "
                             "to %d", told[i], 1 << 20);
    return SDRT_OK;
}

/* Also says how many evaluations shape has.  Both samplers are the caller's, also after a
 * failure. */
static int make_samplers(struct sdrt_context *c, const struct sdrt_request *r,
                         struct sdrt_shape *shape, struct sdrt_sampler *out[2])
{
    struct sdrt_sampler_params params = { .steps = r->steps, .log = c->log,
                                          .noise = c->config.noise };
    int status = sdrt_sampler_parse(r->sampler, &params.kind, c->log);

    if (status == SDRT_OK) status = sdrt_schedule_parse(r->schedule, &params.schedule, c->log);
    if (status == SDRT_OK && r->spacing && params.noise.prediction == SDRT_PREDICTION_FLOW)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "spacing %s is not for flow-matching models",
                         r->spacing);
    if (status == SDRT_OK && r->spacing && !sdrt_spacing_parse(r->spacing, &params.noise.spacing))
        status = sdrt_fail(c->log, SDRT_E_ARG, "unknown spacing \"%s\": expected leading, trailing "
                           "or linspace", r->spacing);
    if (status == SDRT_OK) status = sdrt_sampler_create(&out[0], &params);
    if (status != SDRT_OK) return status;
    shape->evaluations = sdrt_sampler_evaluations(out[0]);
    return c->refiner ? sdrt_refiner_split(c, r, &params, shape, &out[1]) : SDRT_OK;
}

/* To the caller who wants it, else freed. */
static void hand_over(struct sdrt_sampler **to, struct sdrt_sampler *s)
{
    if (to) *to = s;
    else sdrt_sampler_free(&s);
}

int sdrt_request_check(struct sdrt_context *c, const struct sdrt_request *r,
                       struct sdrt_shape *shape, struct sdrt_sampler **sampler,
                       struct sdrt_sampler **refined, enum sdrt_rng_kind *rng)
{
    const struct sdrt_denoiser *denoiser = sdrt_denoiser_of(&c->config);
    const int unit = 1 << (c->config.vae.levels - 1);
    struct sdrt_sampler *s[2] = { NULL, NULL };
    int status = SDRT_OK;

    if (r->size != sizeof *r) return sdrt_fail(c->log, SDRT_E_ARG, "bad request size");
    if (r->batch < 1 || r->batch > SDRT_MAX_BATCH)
        return sdrt_fail(c->log, SDRT_E_ARG, "batch %d: expected 1 to %d", r->batch,
                         SDRT_MAX_BATCH);
    if (!(r->cfg_scale >= -1000.0f && r->cfg_scale <= 1000.0f))
        return sdrt_fail(c->log, SDRT_E_ARG, "cfg scale: expected a number from -1000 to 1000");
    if (strcmp(r->rng, "cpu") && strcmp(r->rng, "cuda"))
        return sdrt_fail(c->log, SDRT_E_ARG, "unknown rng \"%s\": expected cpu or cuda", r->rng);
    status = check_size(c, "width", r->width);
    if (status == SDRT_OK) status = check_size(c, "height", r->height);
    if (status == SDRT_OK && denoiser->check_size)
        status = denoiser->check_size(&c->config, r->height / unit, r->width / unit, c->log);
    if (status == SDRT_OK) status = check_clip_skip(c, r->clip_skip);
    if (status == SDRT_OK) status = check_picture(c, r);
    *shape = (struct sdrt_shape){
        .batch = r->batch, .guided = r->cfg_scale > 1.0f, .h = r->height / unit,
        .w = r->width / unit, .clip_skip = r->clip_skip,
    };
    if (status == SDRT_OK) status = make_samplers(c, r, shape, s);
    if (rng) *rng = strcmp(r->rng, "cuda") ? SDRT_RNG_CPU : SDRT_RNG_CUDA;
    hand_over(status == SDRT_OK ? sampler : NULL, s[0]);
    hand_over(status == SDRT_OK ? refined : NULL, s[1]);
    return status;
}

/* Of the denoiser what runs once and is given back before its steps are packed. */
static size_t weights_once(const struct sdrt_context *c)
{
    return sdrt_program_weight_bytes(c->programs[SDRT_PROGRAM_PROMPT]) +
           sdrt_program_weight_bytes(c->programs[SDRT_PROGRAM_SCHEDULE]);
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* Each text encoder is gone before the next part is packed, and the denoiser before its refiner. */
static size_t peak_weights(const struct sdrt_context *c)
{
    size_t peak = 0, later = sdrt_weight_store_bytes(c->store, "") - weights_once(c);

    for (int i = 0; i < SDRT_MAX_TEXT; i++) {
        char prefix[32];
        sdrt_name(prefix, sizeof prefix, "%s.", sdrt_text_prefix(i));
        const size_t text = sdrt_weight_store_bytes(c->store, prefix);
        later -= text;
        peak = larger(peak, text);
    }
    peak = larger(peak, larger(later, weights_once(c)));
    if (!c->refiner) return peak;
    const size_t once = weights_once(c->refiner);
    const size_t steps = sdrt_weight_store_bytes(c->refiner->store, "") - once;
    return larger(peak, larger(once, steps + sdrt_weight_store_bytes(c->store, "vae.")));
}

static int plan(struct sdrt_context *c, const struct sdrt_request *request)
{
    const struct sdrt_request r = sdrt_request_resolved(c, request);
    struct sdrt_shape shape;
    const int status = sdrt_request_check(c, &r, &shape, NULL, NULL, NULL);

    return status == SDRT_OK ? sdrt_context_plan(c, &shape) : status;
}

int sdrt_measure(struct sdrt_context *c, const struct sdrt_request *request,
                 struct sdrt_memory *memory)
{
    const int status = plan(c, request);

    if (status != SDRT_OK) return status;
    memory->weights_bytes = peak_weights(c);
    memory->arena_bytes = c->persistent_bytes + c->workspace_bytes;
    if (sdrt_memory_available(&memory->available_bytes) != SDRT_OK) memory->available_bytes = 0;
    return SDRT_OK;
}

int sdrt_write_plan(struct sdrt_context *c, const struct sdrt_request *request, const char *path)
{
    const int status = plan(c, request);

    return status == SDRT_OK ? sdrt_plan_report(c, path) : status;
}

const uint8_t *sdrt_image(const struct sdrt_context *c, int i, int *width, int *height)
{
    if (i < 0 || i >= c->n_images) return NULL;
    *width = c->width;
    *height = c->height;
    return c->images + (size_t)i * (size_t)c->width * (size_t)c->height * 3;
}
