/* SPDX-License-Identifier: MIT
 *
 * What a folder's config.json files say that shapes cannot tell.
 */
#include "model/checkpoint/checkpoint_internal.h"
#include "runtime/files/json.h"

#include <math.h>
#include <string.h>

enum { MAX_CONFIG_BYTES = 1 << 20 };

/* diffusers' attention_head_dim is in truth the number of heads (its issue 2011); as a
 * list, one number per level, it stands for one size of head. */
static int read_heads(struct sdrt_checkpoint *c, const json_t *json, const char *where)
{
    struct sdrt_unet_config *u = &c->config.unet;
    const json_t *number = json_object_get(json, "num_attention_heads");
    const char *key = number && !json_is_null(number) ? "num_attention_heads"
                                                      : "attention_head_dim";
    int64_t heads = u->heads, list[SDRT_MAX_LEVELS];
    size_t n = 0;
    int rc;

    if (!json_is_array(json_object_get(json, key))) {
        rc = sdrt_json_int(json, key, where, 1, 1024, &heads, c->log);
        u->heads = (int)heads;
        return rc;
    }
    rc = sdrt_json_int_array(json, key, where, 1, 1024, list, SDRT_MAX_LEVELS, &n, c->log);
    if (rc != SDRT_OK) return rc;
    if ((int)n != u->levels)
        return sdrt_fail(c->log, SDRT_E_FORMAT, "%s: %s: expected %d numbers", where, key,
                         u->levels);
    u->heads = u->head_dim = 0;
    for (int i = 0; i < u->levels; i++) {
        if (!sdrt_unet_has_attention(u, i)) continue;
        if (!u->head_dim) u->head_dim = u->channels[i] / (int)list[i];
        if (!u->head_dim || u->channels[i] != u->head_dim * (int)list[i])
            return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: %s: expected one size of head for "
                             "all levels", where, key);
    }
    return SDRT_OK;
}

static int read_unet_json(struct sdrt_checkpoint *c)
{
    json_t *json = NULL;
    int64_t groups = c->config.unet.norm_groups, side = 0;
    int rc = sdrt_json_load(&json, c->denoiser_json, MAX_CONFIG_BYTES, c->log);

    if (rc == SDRT_OK) rc = read_heads(c, json, c->denoiser_json);
    if (rc == SDRT_OK)
        rc = sdrt_json_int(json, "norm_num_groups", c->denoiser_json, 1, 4096, &groups, c->log);
    /* A list, height and width, leaves the size as it is. */
    if (rc == SDRT_OK && json_is_integer(json_object_get(json, "sample_size")))
        rc = sdrt_json_int(json, "sample_size", c->denoiser_json, 1, 1024, &side, c->log);
    if (side) c->config.size = (int)side << (c->config.vae.levels - 1);
    c->config.unet.norm_groups = (int)groups;
    json_decref(json);
    return rc;
}

static int read_mmdit_json(struct sdrt_checkpoint *c)
{
    const char *where = c->denoiser_json;
    json_t *json = NULL;
    int64_t heads = c->config.mmdit.heads, side = c->config.size >> (c->config.vae.levels - 1);
    int rc = sdrt_json_load(&json, where, MAX_CONFIG_BYTES, c->log);

    if (rc == SDRT_OK)
        rc = sdrt_json_int(json, "num_attention_heads", where, 1, 1024, &heads, c->log);
    if (rc == SDRT_OK) rc = sdrt_json_int(json, "sample_size", where, 1, 1024, &side, c->log);
    c->config.mmdit.heads = (int)heads;
    c->config.size = (int)side << (c->config.vae.levels - 1);
    json_decref(json);
    return rc;
}

static int read_vae_json(struct sdrt_checkpoint *c)
{
    struct sdrt_vae_config *v = &c->config.vae;
    json_t *json = NULL;
    int64_t groups = v->norm_groups;
    double factor = (double)v->scaling_factor, shift = (double)v->shift_factor;
    int rc = sdrt_json_load(&json, c->vae_json, MAX_CONFIG_BYTES, c->log);

    if (rc == SDRT_OK)
        rc = sdrt_json_int(json, "norm_num_groups", c->vae_json, 1, 4096, &groups, c->log);
    if (rc == SDRT_OK)
        rc = sdrt_json_double(json, "scaling_factor", c->vae_json, &factor, c->log);
    if (rc == SDRT_OK) rc = sdrt_json_double(json, "shift_factor", c->vae_json, &shift, c->log);
    if (rc == SDRT_OK && !(fabs(shift) < 1e6))
        rc = sdrt_fail(c->log, SDRT_E_FORMAT, "%s: shift_factor: expected -1e6 to 1e6",
                       c->vae_json);
    if (rc == SDRT_OK && !(factor > 1e-6 && factor < 1e6))
        rc = sdrt_fail(c->log, SDRT_E_FORMAT, "%s: scaling_factor: expected 1e-6 to 1e6",
                       c->vae_json);
    v->norm_groups = (int)groups;
    v->scaling_factor = (float)factor;
    v->shift_factor = (float)shift;
    json_decref(json);
    return rc;
}

static int read_text_json(struct sdrt_checkpoint *c, int i)
{
    const char *where = c->text[i].json, *act = "";
    struct sdrt_clip_config *t = &c->config.text[i].clip;
    json_t *json = NULL;
    int64_t heads = t->heads;
    int rc = sdrt_json_load(&json, where, MAX_CONFIG_BYTES, c->log);

    if (rc == SDRT_OK)
        rc = sdrt_json_int(json, "num_attention_heads", where, 1, 1024, &heads, c->log);
    if (rc == SDRT_OK) rc = sdrt_json_string(json, "hidden_act", where, &act, c->log);
    t->heads = (int)heads;
    if (rc != SDRT_OK) goto out;
    if (!strcmp(act, "gelu")) t->act = SDRT_CLIP_GELU;
    else if (!strcmp(act, "quick_gelu")) t->act = SDRT_CLIP_QUICK_GELU;
    else if (*act) rc = sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: hidden_act %.40s: expected "
                                  "quick_gelu or gelu", where, act);
out:
    json_decref(json);
    return rc;
}

/* The token that fills a short prompt up, a string or an object with a "content". */
static int read_pad_token(struct sdrt_checkpoint *c, int i)
{
    const char *where = c->text[i].tokenizer_json, *pad = "", *end = "<|endoftext|>";
    const json_t *member;
    json_t *json = NULL;
    int rc = sdrt_json_load(&json, where, MAX_CONFIG_BYTES, c->log);

    if (rc != SDRT_OK) return rc;
    member = json_object_get(json, "pad_token");
    if (json_is_object(member)) rc = sdrt_json_string(member, "content", where, &pad, c->log);
    else rc = sdrt_json_string(json, "pad_token", where, &pad, c->log);
    if (rc != SDRT_OK) goto out;
    /* "!" is the first of CLIP's byte symbols, so the first of its tokens. */
    if (!strcmp(pad, "!")) c->config.text[i].pad_id = 0;
    else if (!strcmp(pad, end)) c->config.text[i].pad_id = -1;
    else if (*pad) rc = sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: pad_token %.40s: expected ! or "
                                  "%s", where, pad, end);
out:
    json_decref(json);
    return rc;
}

static int read_index_json(struct sdrt_checkpoint *c)
{
    json_t *json = NULL;
    int rc = sdrt_json_load(&json, c->index_json, MAX_CONFIG_BYTES, c->log);

    if (rc == SDRT_OK)
        rc = sdrt_json_bool(json, "force_zeros_for_empty_prompt", c->index_json,
                            &c->config.zero_negative, c->log);
    json_decref(json);
    return rc;
}

static int read_betas(struct sdrt_checkpoint *c, const json_t *json, const char *where)
{
    struct sdrt_noise_model *m = &c->config.noise;
    const char *kind = "scaled_linear";
    int64_t steps = m->train_steps, offset = m->steps_offset;
    int rc = sdrt_json_string(json, "beta_schedule", where, &kind, c->log);

    if (rc == SDRT_OK) rc = sdrt_json_double(json, "beta_start", where, &m->beta_start, c->log);
    if (rc == SDRT_OK) rc = sdrt_json_double(json, "beta_end", where, &m->beta_end, c->log);
    if (rc == SDRT_OK)
        rc = sdrt_json_int(json, "num_train_timesteps", where, 2, 100000, &steps, c->log);
    if (rc == SDRT_OK)
        rc = sdrt_json_int(json, "steps_offset", where, 0, steps - 1, &offset, c->log);
    if (rc == SDRT_OK)
        rc = sdrt_json_bool(json, "rescale_betas_zero_snr", where, &m->zero_snr, c->log);
    m->train_steps = (int)steps;
    m->steps_offset = (int)offset;
    if (rc == SDRT_OK && strcmp(kind, "scaled_linear"))
        rc = sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: beta_schedule %.40s: expected "
                       "scaled_linear", where, kind);
    const int rising = m->beta_start > 0.0 && m->beta_start <= m->beta_end && m->beta_end < 1.0;
    if (rc == SDRT_OK && !rising)
        rc = sdrt_fail(c->log, SDRT_E_FORMAT, "%s: beta_start, beta_end: expected rising within "
                       "0 to 1", where);
    return rc;
}

/* Of a flow-matching model. */
static int read_flow_json(struct sdrt_checkpoint *c)
{
    const char *where = c->scheduler_json;
    struct sdrt_noise_model *m = &c->config.noise;
    json_t *json = NULL;
    int64_t steps = m->train_steps;
    int dynamic = 0, rc = sdrt_json_load(&json, where, MAX_CONFIG_BYTES, c->log);

    if (rc == SDRT_OK)
        rc = sdrt_json_int(json, "num_train_timesteps", where, 2, 100000, &steps, c->log);
    if (rc == SDRT_OK) rc = sdrt_json_double(json, "shift", where, &m->flow_shift, c->log);
    if (rc == SDRT_OK) rc = sdrt_json_bool(json, "use_dynamic_shifting", where, &dynamic, c->log);
    m->train_steps = (int)steps;
    if (rc == SDRT_OK && !(m->flow_shift > 0.0 && m->flow_shift <= 1000.0))
        rc = sdrt_fail(c->log, SDRT_E_FORMAT, "%s: shift: expected above 0 to 1000", where);
    if (rc == SDRT_OK && dynamic)
        rc = sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: use_dynamic_shifting: expected false",
                       where);
    json_decref(json);
    return rc;
}

static int read_scheduler_json(struct sdrt_checkpoint *c)
{
    const char *where = c->scheduler_json, *type = "epsilon", *spacing = "leading";
    json_t *json = NULL;
    int rc = sdrt_json_load(&json, where, MAX_CONFIG_BYTES, c->log);

    if (rc == SDRT_OK) rc = sdrt_json_string(json, "prediction_type", where, &type, c->log);
    if (rc == SDRT_OK) rc = sdrt_json_string(json, "timestep_spacing", where, &spacing, c->log);
    if (rc == SDRT_OK) rc = read_betas(c, json, where);
    if (rc != SDRT_OK) goto out;
    if (!strcmp(type, "epsilon")) c->config.noise.prediction = SDRT_PREDICTION_EPSILON;
    else if (!strcmp(type, "v_prediction")) c->config.noise.prediction = SDRT_PREDICTION_V;
    else rc = sdrt_fail(c->log, SDRT_E_UNSUPPORTED,
                        "%s: prediction_type %.40s: expected epsilon or v_prediction", where, type);
    if (rc == SDRT_OK && !sdrt_spacing_parse(spacing, &c->config.noise.spacing))
        rc = sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: timestep_spacing %.40s: expected leading, "
                       "trailing or linspace", where, spacing);
out:
    json_decref(json);
    return rc;
}

int sdrt_checkpoint_read_json(struct sdrt_checkpoint *c)
{
    const int mmdit = c->config.denoiser == SDRT_DENOISER_MMDIT;
    int rc = SDRT_OK;

    if (c->denoiser_json) rc = mmdit ? read_mmdit_json(c) : read_unet_json(c);
    if (rc == SDRT_OK && c->vae_json) rc = read_vae_json(c);
    for (int i = 0; i < c->n_text && rc == SDRT_OK; i++) {
        if (c->text[i].json) rc = read_text_json(c, i);
        if (rc == SDRT_OK && c->text[i].tokenizer_json) rc = read_pad_token(c, i);
    }
    if (rc == SDRT_OK && c->scheduler_json)
        rc = mmdit ? read_flow_json(c) : read_scheduler_json(c);
    return rc == SDRT_OK && c->index_json ? read_index_json(c) : rc;
}
