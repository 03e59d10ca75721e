/* SPDX-License-Identifier: MIT
 *
 * From options to a model, and its end.
 */
#include "model/net/taesd.h"
#include "model/pipeline/hashes.h"
#include "model/pipeline/lists.h"
#include "model/pipeline/loras.h"
#include "model/pipeline/passes.h"
#include "model/pipeline/read.h"
#include "model/pipeline/refiner.h"
#include "model/pipeline/taesd.h"
#include "runtime/base/stop.h"

#include <stdlib.h>
#include <string.h>

static int random_config(struct sdrt_model *m, const char *arch)
{
    const int i = arch ? sdrt_choice(sdrt_arch_name, arch) : 0;
    char known[SDRT_CHOICES];

    if (i < 0)
        return sdrt_fail(m->log, SDRT_E_ARG, "unknown arch \"%s\": expected %s", arch,
                         sdrt_choices(known, sdrt_arch_name));
    m->parts[SDRT_PART_BASE].config = sdrt_arch_config(i);
    return SDRT_OK;
}

static int open_provider(struct sdrt_model *m, const struct sdrt_options *o,
                         enum sdrt_dtype *fixed, struct sdrt_weights_provider *provider)
{
    const struct sdrt_checkpoint_paths paths = {
        .model = o->model, .vae = o->vae, .text = { o->text_encoder, o->text_encoder_2 },
        .t5 = o->t5, .t5_tokenizer = o->t5_tokenizer, .denoiser = o->denoiser,
    };
    struct sdrt_model_part *base = &m->parts[SDRT_PART_BASE];
    int status;

    *fixed = SDRT_DTYPES;
    if (!o->random_weights) {
        status = sdrt_checkpoint_open(&base->checkpoint, &paths, m->log);
        if (status != SDRT_OK) return status;
        base->config = *sdrt_checkpoint_config(base->checkpoint);
        *provider = sdrt_checkpoint_provider(base->checkpoint);
        return SDRT_OK;
    }
    *fixed = SDRT_F16;
    status = random_config(m, o->arch);
    if (status == SDRT_OK) status = sdrt_random_weights_create(&m->random, *fixed, 1, m->log);
    if (status == SDRT_OK) *provider = sdrt_random_weights_provider(m->random);
    return status;
}

static int choose_prediction(struct sdrt_model *m, const char *name)
{
    struct sdrt_model_config *config = &m->parts[SDRT_PART_BASE].config;
    const int prediction = name ? sdrt_choice(sdrt_prediction_name, name) : 0;
    char known[SDRT_CHOICES];

    if (!name) return SDRT_OK;
    if (config->noise.prediction == SDRT_PREDICTION_FLOW)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "prediction %s is not for %s, which predicts "
                         "flow", name, config->family);
    if (prediction < 0)
        return sdrt_fail(m->log, SDRT_E_ARG, "unknown prediction \"%s\": expected %s", name,
                         sdrt_choices(known, sdrt_prediction_name));
    config->noise.prediction = (enum sdrt_prediction)prediction;
    m->told_prediction = sdrt_prediction_name(prediction);
    return SDRT_OK;
}

static int open_tokenizers(struct sdrt_model *m)
{
    const struct sdrt_checkpoint *k = m->parts[SDRT_PART_BASE].checkpoint;
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    int status = SDRT_OK;

    for (int i = 0; i < config->n_text && status == SDRT_OK; i++)
        status = sdrt_clip_tokenizer_open(&m->tokenizers[i],
                                          k ? sdrt_checkpoint_vocab_path(k, i) : NULL,
                                          k ? sdrt_checkpoint_merges_path(k, i) : NULL, m->log);
    if (status != SDRT_OK || !config->has_t5) return status;
    return sdrt_t5_tokenizer_open(&m->t5_tokenizer, sdrt_checkpoint_t5_tokenizer_path(k), m->log);
}

static int open_base(struct sdrt_model *m, const struct sdrt_options *o)
{
    struct sdrt_model_part *base = &m->parts[m->n_parts++];
    struct sdrt_weights_provider provider;
    enum sdrt_dtype fixed;

    base->name = sdrt_part_name(o->model ? o->model : "random");
    if (!base->name) return sdrt_fail(m->log, SDRT_E_NOMEM, "out of memory");
    int status = open_provider(m, o, &fixed, &provider);
    if (status == SDRT_OK) status = choose_prediction(m, o->prediction);
    if (status == SDRT_OK && o->taesd && o->random_weights)
        base->config.vae.tiny_decoder = base->config.vae.tiny_encoder = SDRT_TAESD_WIDTH;
    else if (status == SDRT_OK && o->taesd)
        status = sdrt_taesd_open(&m->taesd, o->taesd, &provider, &base->config.vae, m->log);
    if (status == SDRT_OK) status = sdrt_pipeline_loras_open(m, &provider);
    if (status == SDRT_OK) status = sdrt_part_open_store(m, base, &provider, fixed);
    if (status == SDRT_OK) status = open_tokenizers(m);
    return status == SDRT_OK ? sdrt_hashes_open(m, o) : status;
}

static void free_model(struct sdrt_model *m)
{
    for (int i = 0; i < SDRT_PARTS; i++) sdrt_weight_store_free(&m->parts[i].store);
    sdrt_pipeline_loras_close(m);
    for (int i = 0; i < SDRT_PARTS; i++) {
        sdrt_checkpoint_close(&m->parts[i].checkpoint);
        free(m->parts[i].name);
    }
    free(m->precision_text);
    sdrt_taesd_close(&m->taesd);
    sdrt_hashes_close(m);
    sdrt_random_weights_free(&m->random);
    for (int i = 0; i < SDRT_MAX_TEXT; i++) sdrt_clip_tokenizer_free(&m->tokenizers[i]);
    sdrt_t5_tokenizer_free(&m->t5_tokenizer);
    sdrt_device_close(&m->device);
    pthread_cond_destroy(&m->loras.changed);
    pthread_mutex_destroy(&m->loras.lock);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* All parts, on the device that m has or on one of the options; whoever is to be asked is asked
 * between them, too, since a device may have taken its time. */
static int open_all(struct sdrt_model *m, const struct sdrt_options *o)
{
    struct sdrt_stop stop = { .ask = o->cancelled, .user = o->cancelled_user };
    struct sdrt_stop *before = sdrt_stop_ask(&stop);
    int status = m->device ? SDRT_OK : sdrt_model_open_device(m, o);

    if (status == SDRT_OK && sdrt_stop_asked()) status = SDRT_E_CANCELLED;
    if (status == SDRT_OK) status = open_base(m, o);
    if (status == SDRT_OK && o->refiner) status = sdrt_refiner_open(m, o->refiner);
    if (status == SDRT_OK && sdrt_stop_asked()) status = SDRT_E_CANCELLED;
    sdrt_stop_ask(before);
    return status == SDRT_E_CANCELLED ? sdrt_fail(m->log, status, "cancelled") : status;
}

int sdrt_model_open(struct sdrt_model **out, const struct sdrt_options *options)
{
    return sdrt_model_open_on(out, options, NULL, NULL);
}

int sdrt_model_open_on(struct sdrt_model **out, const struct sdrt_options *options,
                       struct sdrt_device *device, const char *precision)
{
    struct sdrt_options read;
    const struct sdrt_options *o = &read;
    struct sdrt_model *m = NULL;
    int status = sdrt_options_read(&read, options);

    if (out) *out = NULL;
    if (status == SDRT_OK && !out)
        status = sdrt_fail(o->log, SDRT_E_ARG, "no place for the model: expected one");
    if (status == SDRT_OK && !o->model && !o->random_weights)
        status = sdrt_fail(o->log, SDRT_E_ARG, "no model given");
    if (status == SDRT_OK && !(m = calloc(1, sizeof *m)))
        status = sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory");
    if (!m) {
        sdrt_device_close(&device);
        return status;
    }
    m->uses = 1;
    m->log = o->log;
    m->device = device;
    m->precision = precision;
    m->device_memory = o->device_memory;
    pthread_mutex_init(&m->lock, NULL);
    pthread_mutex_init(&m->loras.lock, NULL);
    pthread_cond_init(&m->loras.changed, NULL);
    status = open_all(m, o);
    m->passes = sdrt_passes_of(sdrt_model_config_of(m), sdrt_model_refined(m));
    if (status != SDRT_OK) {
        free_model(m);
        return status;
    }
    *out = m;
    return SDRT_OK;
}

void sdrt_model_release(struct sdrt_model **model)
{
    struct sdrt_model *m = model ? *model : NULL;

    if (!m) return;
    pthread_mutex_lock(&m->lock);
    const int left = --m->uses;
    pthread_mutex_unlock(&m->lock);
    if (!left) free_model(m);
    *model = NULL;
}
