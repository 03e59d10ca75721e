/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/config_json.h"
#include "model/checkpoint/config_fixed.h"
#include "runtime/files/json.h"

#include <math.h>
#include <string.h>

enum { MAX_CONFIG_BYTES = 1 << 20 };

/* diffusers' attention_head_dim is in truth the number of heads (its issue 2011); as a
 * list, one number per level, it stands for one size of head. */
static int read_heads(struct sdrt_model_config *config, const json_t *json, const char *where,
                      const struct sdrt_log *log)
{
    struct sdrt_unet_config *u = &config->unet;
    const json_t *number = json_object_get(json, "num_attention_heads");
    const char *key = number && !json_is_null(number) ? "num_attention_heads"
                                                      : "attention_head_dim";
    int64_t heads = u->heads, list[SDRT_MAX_LEVELS];
    size_t n = 0;
    int status;

    if (!json_is_array(json_object_get(json, key))) {
        status = sdrt_json_int(json, key, where, 1, 1024, &heads, log);
        u->heads = (int)heads;
        return status;
    }
    status = sdrt_json_int_array(json, key, where, 1, 1024, list, SDRT_MAX_LEVELS, &n, log);
    if (status != SDRT_OK) return status;
    if ((int)n != u->levels)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: expected %d numbers", where, key, u->levels);
    u->heads = u->head_dim = 0;
    for (int i = 0; i < u->levels; i++) {
        if (!sdrt_unet_has_attention(u, i)) continue;
        if (!u->head_dim) u->head_dim = u->channels[i] / (int)list[i];
        if (!u->head_dim || u->channels[i] != u->head_dim * (int)list[i])
            return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                             "%s: %s: expected one size of head for all levels", where, key);
    }
    return SDRT_OK;
}

static int read_unet_json(struct sdrt_model_config *config, const char *where,
                          const struct sdrt_log *log)
{
    json_t *json = NULL;
    int64_t groups = config->unet.norm_groups, side = 0;
    int status = sdrt_json_load(&json, where, MAX_CONFIG_BYTES, log);

    if (status == SDRT_OK) status = sdrt_config_check_fixed(SDRT_CONFIG_OF_UNET, json, where, log);
    if (status == SDRT_OK) status = read_heads(config, json, where, log);
    if (status == SDRT_OK)
        status = sdrt_json_int(json, "norm_num_groups", where, 1, 4096, &groups, log);
    /* A list, height and width, leaves the size as it is. */
    if (status == SDRT_OK && json_is_integer(json_object_get(json, "sample_size")))
        status = sdrt_json_int(json, "sample_size", where, 1, 1024, &side, log);
    if (side) config->size = (int)side << (config->vae.levels - 1);
    config->unet.norm_groups = (int)groups;
    json_decref(json);
    return status;
}

static int read_mmdit_json(struct sdrt_model_config *config, const char *where,
                           const struct sdrt_log *log)
{
    json_t *json = NULL;
    int64_t heads = config->mmdit.heads, side = config->size >> (config->vae.levels - 1);
    int status = sdrt_json_load(&json, where, MAX_CONFIG_BYTES, log);

    if (status == SDRT_OK) status = sdrt_config_check_fixed(SDRT_CONFIG_OF_MMDIT, json, where, log);
    if (status == SDRT_OK)
        status = sdrt_json_int(json, "num_attention_heads", where, 1, 1024, &heads, log);
    if (status == SDRT_OK) status = sdrt_json_int(json, "sample_size", where, 1, 1024, &side, log);
    config->mmdit.heads = (int)heads;
    config->size = (int)side << (config->vae.levels - 1);
    json_decref(json);
    return status;
}

/* One number of statistics for each channel; 0 where the file says nothing. */
static int read_channels(float *out, const struct sdrt_vae_config *v, const json_t *json,
                         const char *key, const char *where, int *there, const struct sdrt_log *log)
{
    const json_t *list = json_object_get(json, key);
    const int n = v->latent_channels;

    *there = list && !json_is_null(list);
    if (!*there) return SDRT_OK;
    if (n > SDRT_MAX_LATENT || json_array_size(list) != (size_t)n)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: expected %d numbers", where, key, n);
    for (int i = 0; i < n; i++) {
        out[i] = (float)json_number_value(json_array_get(list, (size_t)i));
        if (!json_is_number(json_array_get(list, (size_t)i)) || !(fabsf(out[i]) < 1e6f))
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: expected numbers within 1e6", where, key);
    }
    return SDRT_OK;
}

static int read_stats(struct sdrt_vae_config *v, const json_t *json, const char *where,
                      const struct sdrt_log *log)
{
    int mean, std = 0;
    int status = read_channels(v->mean, v, json, "latents_mean", where, &mean, log);

    if (status == SDRT_OK) status = read_channels(v->std, v, json, "latents_std", where, &std, log);
    v->has_stats = mean && std; /* as diffusers: one of them alone means nothing */
    return status;
}

static int read_vae_json(struct sdrt_model_config *config, const char *where,
                         const struct sdrt_log *log)
{
    struct sdrt_vae_config *v = &config->vae;
    json_t *json = NULL;
    int64_t groups = v->norm_groups;
    double factor = (double)v->scaling_factor, shift = (double)v->shift_factor;
    int status = sdrt_json_load(&json, where, MAX_CONFIG_BYTES, log);

    if (status == SDRT_OK) status = sdrt_config_check_fixed(SDRT_CONFIG_OF_VAE, json, where, log);
    if (status == SDRT_OK)
        status = sdrt_json_int(json, "norm_num_groups", where, 1, 4096, &groups, log);
    if (status == SDRT_OK) status = sdrt_json_double(json, "scaling_factor", where, &factor, log);
    if (status == SDRT_OK) status = sdrt_json_double(json, "shift_factor", where, &shift, log);
    if (status == SDRT_OK && !(fabs(shift) < 1e6))
        status = sdrt_fail(log, SDRT_E_FORMAT, "%s: shift_factor: expected -1e6 to 1e6", where);
    if (status == SDRT_OK && !(factor > 1e-6 && factor < 1e6))
        status = sdrt_fail(log, SDRT_E_FORMAT, "%s: scaling_factor: expected 1e-6 to 1e6", where);
    v->norm_groups = (int)groups;
    v->scaling_factor = (float)factor;
    v->shift_factor = (float)shift;
    if (status == SDRT_OK) status = read_stats(v, json, where, log);
    json_decref(json);
    return status;
}

static int read_text_json(struct sdrt_text_config *text, const char *where,
                          const struct sdrt_log *log)
{
    const char *act = "";
    struct sdrt_clip_config *t = &text->clip;
    json_t *json = NULL;
    int64_t heads = t->heads;
    int status = sdrt_json_load(&json, where, MAX_CONFIG_BYTES, log);

    if (status == SDRT_OK) status = sdrt_config_check_fixed(SDRT_CONFIG_OF_CLIP, json, where, log);
    if (status == SDRT_OK)
        status = sdrt_json_int(json, "num_attention_heads", where, 1, 1024, &heads, log);
    if (status == SDRT_OK) status = sdrt_json_string(json, "hidden_act", where, &act, log);
    t->heads = (int)heads;
    if (status != SDRT_OK) goto out;
    if (!strcmp(act, "gelu")) t->act = SDRT_CLIP_GELU;
    else if (!strcmp(act, "quick_gelu")) t->act = SDRT_CLIP_QUICK_GELU;
    else if (*act)
        status = sdrt_fail(log, SDRT_E_UNSUPPORTED,
                           "%s: hidden_act %.40s: expected quick_gelu or gelu", where, act);
out:
    json_decref(json);
    return status;
}

/* Shapes tell all else. */
static int check_t5_json(const char *where, const struct sdrt_log *log)
{
    json_t *json = NULL;
    int status = sdrt_json_load(&json, where, MAX_CONFIG_BYTES, log);

    if (status == SDRT_OK) status = sdrt_config_check_fixed(SDRT_CONFIG_OF_T5, json, where, log);
    json_decref(json);
    return status;
}

/* The token that fills a short prompt up, a string or an object with a "content". */
static int read_pad_token(struct sdrt_text_config *text, const char *where,
                          const struct sdrt_log *log)
{
    const char *pad = "", *end = "<|endoftext|>";
    const json_t *member;
    json_t *json = NULL;
    int status = sdrt_json_load(&json, where, MAX_CONFIG_BYTES, log);

    if (status != SDRT_OK) return status;
    member = json_object_get(json, "pad_token");
    if (json_is_object(member)) status = sdrt_json_string(member, "content", where, &pad, log);
    else status = sdrt_json_string(json, "pad_token", where, &pad, log);
    if (status != SDRT_OK) goto out;
    /* "!" is the first of CLIP's byte symbols, so the first of its tokens. */
    if (!strcmp(pad, "!")) text->pad_id = 0;
    else if (!strcmp(pad, end)) text->pad_id = -1;
    else if (*pad)
        status = sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: pad_token %.40s: expected ! or %s", where,
                           pad, end);
out:
    json_decref(json);
    return status;
}

static int read_index_json(struct sdrt_model_config *config, const char *where,
                           const struct sdrt_log *log)
{
    json_t *json = NULL;
    int status = sdrt_json_load(&json, where, MAX_CONFIG_BYTES, log);

    if (status == SDRT_OK)
        status = sdrt_json_bool(json, "force_zeros_for_empty_prompt", where, &config->zero_negative,
                                log);
    json_decref(json);
    return status;
}

static int read_betas(struct sdrt_model_config *config, const json_t *json, const char *where,
                      const struct sdrt_log *log)
{
    struct sdrt_noise_model *m = &config->noise;
    const char *kind = "scaled_linear";
    int64_t steps = m->train_steps, offset = m->steps_offset;
    int status = sdrt_json_string(json, "beta_schedule", where, &kind, log);

    if (status == SDRT_OK)
        status = sdrt_json_double(json, "beta_start", where, &m->beta_start, log);
    if (status == SDRT_OK) status = sdrt_json_double(json, "beta_end", where, &m->beta_end, log);
    if (status == SDRT_OK)
        status = sdrt_json_int(json, "num_train_timesteps", where, 2, 100000, &steps, log);
    if (status == SDRT_OK)
        status = sdrt_json_int(json, "steps_offset", where, 0, steps - 1, &offset, log);
    if (status == SDRT_OK)
        status = sdrt_json_bool(json, "rescale_betas_zero_snr", where, &m->zero_snr, log);
    m->train_steps = (int)steps;
    m->steps_offset = (int)offset;
    if (status == SDRT_OK && strcmp(kind, "scaled_linear"))
        status = sdrt_fail(log, SDRT_E_UNSUPPORTED,
                           "%s: beta_schedule %.40s: expected scaled_linear", where, kind);
    const int rising = m->beta_start > 0.0 && m->beta_start <= m->beta_end && m->beta_end < 1.0;
    if (status == SDRT_OK && !rising)
        status = sdrt_fail(log, SDRT_E_FORMAT,
                           "%s: beta_start, beta_end: expected rising within 0 to 1", where);
    return status;
}

/* Schedulers' classes by what they make of a model's noise. */
enum rules { BETAS, EDM, FLOW, UNKNOWN };

static enum rules rules_of(const char *name)
{
    static const char *const betas[] = {
        "DDIM",
        "DDPM",
        "PNDM",
        "LMSDiscrete",
        "EulerDiscrete",
        "EulerAncestralDiscrete",
        "HeunDiscrete",
        "DPMSolverMultistep",
        "DPMSolverSinglestep",
        "DPMSolverSDE",
        "KDPM2Discrete",
        "KDPM2AncestralDiscrete",
        "UniPCMultistep",
        "DEISMultistep",
        "SASolver",
        "LCM",
        "TCD",
        "DDIMParallel",
        "DDPMParallel",
        "IPNDM",
    };
    const size_t n = strlen(name);

    if (!strncmp(name, "FlowMatch", 9)) return FLOW;
    if (!strcmp(name, "EDMEulerScheduler") || !strcmp(name, "EDMDPMSolverMultistepScheduler"))
        return EDM;
    for (size_t i = 0; i < sizeof betas / sizeof *betas; i++)
        if (n == strlen(betas[i]) + 9 && !strncmp(name, betas[i], n - 9) &&
            !strcmp(name + n - 9, "Scheduler"))
            return BETAS;
    return UNKNOWN;
}

/* Refuses what a key says, where that is neither null nor nothing at all, nor what it is to be. */
static int refuse_set(const json_t *json, const char *key, const char *where,
                      const struct sdrt_log *log)
{
    const json_t *value = json_object_get(json, key);

    if (!value || json_is_null(value) || json_is_false(value)) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: %s: expected null or false", where, key);
}

static int read_edm(struct sdrt_model_config *config, const json_t *json, const char *where,
                    const struct sdrt_log *log)
{
    struct sdrt_noise_model *m = &config->noise;
    const char *schedule = "karras", *final = "zero";
    double rho = 7.0;
    int status = sdrt_json_string(json, "sigma_schedule", where, &schedule, log);

    *m = (struct sdrt_noise_model){ .prediction = m->prediction,
                                    .spacing = m->spacing,
                                    .train_steps = m->train_steps,
                                    .flow_shift = 1.0,
                                    .edm = 1,
                                    .sigma_min = 0.002,
                                    .sigma_max = 80.0,
                                    .sigma_data = 0.5 };
    if (status == SDRT_OK) status = sdrt_json_double(json, "sigma_min", where, &m->sigma_min, log);
    if (status == SDRT_OK) status = sdrt_json_double(json, "sigma_max", where, &m->sigma_max, log);
    if (status == SDRT_OK)
        status = sdrt_json_double(json, "sigma_data", where, &m->sigma_data, log);
    if (status == SDRT_OK) status = sdrt_json_double(json, "rho", where, &rho, log);
    if (status == SDRT_OK) status = sdrt_json_string(json, "final_sigmas_type", where, &final, log);
    if (status != SDRT_OK) return status;
    m->exponential = !strcmp(schedule, "exponential");
    if (!(m->sigma_min > 0.0 && m->sigma_min < m->sigma_max && m->sigma_max < 1e6 &&
          m->sigma_data > 0.0 && m->sigma_data < 1e6))
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: sigma_min, sigma_max, sigma_data: expected rising above 0", where);
    if (!m->exponential && strcmp(schedule, "karras"))
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: sigma_schedule %.40s: expected karras or exponential", where,
                         schedule);
    if (fabs(rho - 7.0) > 1e-9 || strcmp(final, "zero"))
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: rho, final_sigmas_type: expected 7 and zero",
                         where);
    return SDRT_OK;
}

/* What samplers make of the image on their way, and how they end. */
static int read_ends(struct sdrt_model_config *config, const json_t *json, const char *where,
                     const struct sdrt_log *log)
{
    struct sdrt_noise_model *m = &config->noise;
    double range = 1.0;
    int clip = 0, status = refuse_set(json, "trained_betas", where, log);

    if (status == SDRT_OK) status = refuse_set(json, "thresholding", where, log);
    if (status == SDRT_OK) status = refuse_set(json, "use_flow_sigmas", where, log);
    if (status == SDRT_OK) status = sdrt_json_bool(json, "clip_sample", where, &clip, log);
    if (status == SDRT_OK) status = sdrt_json_double(json, "clip_sample_range", where, &range, log);
    if (status == SDRT_OK)
        status = sdrt_json_bool(json, "set_alpha_to_one", where, &m->final_alpha_one, log);
    if (status == SDRT_OK && clip && !(range > 0.0 && range < 1e6))
        status = sdrt_fail(log, SDRT_E_FORMAT, "%s: clip_sample_range: expected above 0", where);
    m->clip_sample = clip ? range : 0.0;
    return status;
}

/* Of a flow-matching model. */
static int read_flow_json(struct sdrt_model_config *config, const char *where,
                          const struct sdrt_log *log)
{
    struct sdrt_noise_model *m = &config->noise;
    const char *name = "FlowMatchEulerDiscreteScheduler";
    json_t *json = NULL;
    int64_t steps = m->train_steps;
    int dynamic = 0, flow = 0, status = sdrt_json_load(&json, where, MAX_CONFIG_BYTES, log);

    if (status == SDRT_OK) status = sdrt_json_string(json, "_class_name", where, &name, log);
    if (status == SDRT_OK) status = sdrt_json_bool(json, "use_flow_sigmas", where, &flow, log);
    const enum rules rules = rules_of(name);
    if (status == SDRT_OK && rules != FLOW && !(rules == BETAS && flow))
        status = sdrt_fail(log, SDRT_E_UNSUPPORTED,
                           "%s: _class_name %.60s: expected a flow-matching scheduler", where,
                           name);
    if (status == SDRT_OK)
        status = sdrt_json_int(json, "num_train_timesteps", where, 2, 100000, &steps, log);
    if (status == SDRT_OK) status = sdrt_json_double(json, "shift", where, &m->flow_shift, log);
    if (status == SDRT_OK)
        status = sdrt_json_bool(json, "use_dynamic_shifting", where, &dynamic, log);
    m->train_steps = (int)steps;
    if (status == SDRT_OK && !(m->flow_shift > 0.0 && m->flow_shift <= 1000.0))
        status = sdrt_fail(log, SDRT_E_FORMAT, "%s: shift: expected above 0 to 1000", where);
    if (status == SDRT_OK && dynamic)
        status = sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: use_dynamic_shifting: expected false",
                           where);
    json_decref(json);
    return status;
}

static int read_scheduler_json(struct sdrt_model_config *config, const char *where,
                               const struct sdrt_log *log)
{
    const char *type = "epsilon", *spacing = "leading", *name = "DDIMScheduler";
    json_t *json = NULL;
    int status = sdrt_json_load(&json, where, MAX_CONFIG_BYTES, log);

    if (status == SDRT_OK) status = sdrt_json_string(json, "_class_name", where, &name, log);
    const enum rules rules = rules_of(name);
    if (status == SDRT_OK && (rules == UNKNOWN || rules == FLOW))
        status =
            sdrt_fail(log, SDRT_E_UNSUPPORTED,
                      "%s: _class_name %.60s: expected a scheduler of diffusers for models that "
                      "predict noise or v, or one of EDM's",
                      where, name);
    if (status == SDRT_OK) status = sdrt_json_string(json, "prediction_type", where, &type, log);
    if (status == SDRT_OK)
        status = sdrt_json_string(json, "timestep_spacing", where, &spacing, log);
    if (status == SDRT_OK)
        status = (rules == EDM ? read_edm : read_betas)(config, json, where, log);
    if (status == SDRT_OK && rules == BETAS) status = read_ends(config, json, where, log);
    if (status != SDRT_OK) goto out;
    if (!strcmp(type, "epsilon")) config->noise.prediction = SDRT_PREDICTION_EPSILON;
    else if (!strcmp(type, "v_prediction")) config->noise.prediction = SDRT_PREDICTION_V;
    else
        status = sdrt_fail(log, SDRT_E_UNSUPPORTED,
                           "%s: prediction_type %.40s: expected epsilon or v_prediction", where,
                           type);
    if (status == SDRT_OK && !sdrt_spacing_parse(spacing, &config->noise.spacing))
        status = sdrt_fail(log, SDRT_E_UNSUPPORTED,
                           "%s: timestep_spacing %.40s: expected leading, trailing or linspace",
                           where, spacing);
out:
    json_decref(json);
    return status;
}

int sdrt_config_read_json(struct sdrt_model_config *config, const struct sdrt_parts *parts,
                          const struct sdrt_log *log)
{
    const int mmdit = config->denoiser == SDRT_DENOISER_MMDIT;
    int status = SDRT_OK;

    if (parts->denoiser.config)
        status = (mmdit ? read_mmdit_json : read_unet_json)(config, parts->denoiser.config, log);
    if (status == SDRT_OK && parts->vae.config)
        status = read_vae_json(config, parts->vae.config, log);
    for (int i = 0; i < parts->n_text && status == SDRT_OK; i++) {
        if (parts->text[i].config)
            status = read_text_json(&config->text[i], parts->text[i].config, log);
        if (status == SDRT_OK && parts->tokenizers[i].config)
            status = read_pad_token(&config->text[i], parts->tokenizers[i].config, log);
    }
    if (status == SDRT_OK && parts->t5.config) status = check_t5_json(parts->t5.config, log);
    if (status == SDRT_OK && parts->scheduler)
        status = (mmdit ? read_flow_json : read_scheduler_json)(config, parts->scheduler, log);
    if (status == SDRT_OK && parts->index) status = read_index_json(config, parts->index, log);
    return status;
}
