/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/config_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The version of diffusers whose classes these keys are of. */
static const char version[] = "0.30.0";

/* A float as its shortest decimals, which read back as the same. */
static json_t *real(float value)
{
    char text[32];

    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) break;
    }
    return json_real(strtod(text, NULL));
}

static json_t *ints(const int *values, int n)
{
    json_t *list = json_array();

    for (int i = 0; i < n; i++) json_array_append_new(list, json_integer(values[i]));
    return list;
}

static json_t *texts(const char *text, int n)
{
    json_t *list = json_array();

    for (int i = 0; i < n; i++) json_array_append_new(list, json_string(text));
    return list;
}

static int side_of(const struct sdrt_model_config *c) { return c->size >> (c->vae.levels - 1); }

/* ---- the U-Net ---- */

/* Transformer blocks behind n resnets: 0 for none, else how many, -1 where some differ; *mixed is set
 * where some have none and others some. */
static int same_depth(const int *depth, int n, int *mixed)
{
    int same = depth[0];

    for (int i = 1; i < n; i++) {
        *mixed |= !depth[i] != !depth[0];
        if (depth[i] != depth[0]) same = -1;
    }
    return same;
}

/* Depths of level i, down and up, as diffusers takes them: whether a plain number says them. */
struct depths {
    int down[SDRT_MAX_LEVELS], up[SDRT_MAX_LEVELS]; /* as same_depth() says them */
    int lists; /* 1: a level has not the same everywhere, so that all are said one by one */
    int mixed;
};

static struct depths depths_of(const struct sdrt_unet_config *u)
{
    struct depths d = { .lists = 0 };

    for (int i = 0; i < u->levels; i++) {
        const int last = i == u->levels - 1;
        d.down[i] = same_depth(u->down_depth[i], u->layers, &d.mixed);
        d.up[i] = same_depth(u->up_depth[i], u->layers + 1, &d.mixed);
        d.lists |= d.down[i] < 0 || d.up[i] < 0;
        if (d.down[i] && d.up[i] && d.down[i] != d.up[i]) d.lists = 1;
        /* The middle has as many as the last level. */
        if (last && u->mid_depth && u->down_depth[i][0] && u->down_depth[i][0] != u->mid_depth)
            d.mixed = 1;
        if (last && u->mid_depth && !d.down[i] && d.up[i] && d.up[i] != u->mid_depth) d.lists = 1;
    }
    return d;
}

/* Where a level has no transformers the number means nothing, but for the middle. */
static json_t *plain_depths(const struct sdrt_unet_config *u, const struct depths *d)
{
    int list[SDRT_MAX_LEVELS];

    for (int i = 0; i < u->levels; i++) list[i] = d->down[i] ? d->down[i] : d->up[i] ? d->up[i] : 1;
    if (u->mid_depth && !d->down[u->levels - 1]) list[u->levels - 1] = u->mid_depth;
    return ints(list, u->levels);
}

static int set_depths(json_t *json, const struct sdrt_unet_config *u, const struct depths *d)
{
    json_t *down = json_array(), *up = json_array();

    if (!d->lists) {
        json_decref(down);
        json_decref(up);
        return json_object_set_new(json, "transformer_layers_per_block", plain_depths(u, d));
    }
    for (int i = 0; i < u->levels; i++) {
        const int k = u->levels - 1 - i, mid = i == u->levels - 1 && u->mid_depth;
        json_array_append_new(down, d->down[i] ? ints(u->down_depth[i], u->layers)
                                               : json_integer(mid ? u->mid_depth : 1));
        json_array_append_new(up, d->up[k] ? ints(u->up_depth[k], u->layers + 1) : json_integer(1));
    }
    return json_object_set_new(json, "transformer_layers_per_block", down) |
           json_object_set_new(json, "reverse_transformer_layers_per_block", up);
}

static void set_blocks(json_t *json, const struct sdrt_unet_config *u, const struct depths *d)
{
    json_t *down = json_array(), *up = json_array();

    for (int i = 0; i < u->levels; i++) {
        const int k = u->levels - 1 - i;
        json_array_append_new(down,
                              json_string(d->down[i] ? "CrossAttnDownBlock2D" : "DownBlock2D"));
        json_array_append_new(up, json_string(d->up[k] ? "CrossAttnUpBlock2D" : "UpBlock2D"));
    }
    json_object_set_new(json, "down_block_types", down);
    json_object_set_new(json, "up_block_types", up);
    json_object_set_new(json, "mid_block_type",
                        u->mid_depth          ? json_string("UNetMidBlock2DCrossAttn")
                        : u->mid_resnets == 1 ? json_string("UNetMidBlock2D")
                                              : json_null());
}

/* diffusers calls the number of heads attention_head_dim. */
static json_t *heads_of(const struct sdrt_unet_config *u)
{
    int list[SDRT_MAX_LEVELS];

    if (u->heads) return json_integer(u->heads);
    for (int i = 0; i < u->levels; i++)
        list[i] = u->channels[i] >= u->head_dim ? u->channels[i] / u->head_dim : 1;
    return ints(list, u->levels);
}

static void set_added(json_t *json, const struct sdrt_model_config *c)
{
    const struct sdrt_unet_config *u = &c->unet;

    if (u->guidance_dim)
        json_object_set_new(json, "time_cond_proj_dim", json_integer(u->guidance_dim));
    if (u->time_embed_dim != 4 * u->channels[0])
        json_object_set_new(json, "time_embedding_dim", json_integer(u->time_embed_dim));
    if (!u->added_dim) return;
    json_object_set_new(json, "addition_embed_type", json_string("text_time"));
    json_object_set_new(json, "addition_time_embed_dim",
                        json_integer((u->added_dim - sdrt_pooled_width(c)) /
                                     sdrt_added_numbers(c)));
    json_object_set_new(json, "projection_class_embeddings_input_dim", json_integer(u->added_dim));
}

static json_t *unet_of(const struct sdrt_model_config *c, const struct depths *d)
{
    const struct sdrt_unet_config *u = &c->unet;
    json_t *json = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:b}", "_class_name",
                             "UNet2DConditionModel", "_diffusers_version", version, "sample_size",
                             side_of(c), "in_channels", u->in_channels, "out_channels",
                             u->out_channels, "layers_per_block", u->layers, "cross_attention_dim",
                             u->context_dim, "norm_num_groups", u->norm_groups,
                             "use_linear_projection", u->linear_projections);

    if (!json) return NULL;
    json_object_set_new(json, "block_out_channels", ints(u->channels, u->levels));
    json_object_set_new(json, "attention_head_dim", heads_of(u));
    set_blocks(json, u, d);
    set_added(json, c);
    set_depths(json, u, d);
    return json;
}

/* ---- SD 3.x's transformer ---- */

static json_t *mmdit_of(const struct sdrt_model_config *c)
{
    const struct sdrt_mmdit_config *m = &c->mmdit;
    json_t *dual = json_array(), *json;

    for (int i = 0; i < m->depth; i++)
        if (m->dual >> i & 1) json_array_append_new(dual, json_integer(i));
    json = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s?, s:o}",
                     "_class_name", "SD3Transformer2DModel", "_diffusers_version", version,
                     "sample_size", side_of(c), "patch_size", m->patch, "in_channels",
                     m->in_channels, "out_channels", m->in_channels, "num_layers", m->depth,
                     "num_attention_heads", m->heads, "attention_head_dim", m->width / m->heads,
                     "joint_attention_dim", m->context_width, "caption_projection_dim", m->width,
                     "pooled_projection_dim", m->pooled_width, "pos_embed_max_size", m->grid,
                     "qk_norm", m->qk_norm ? "rms_norm" : NULL, "dual_attention_layers", dual);
    return json;
}

int sdrt_config_write_denoiser(json_t **out, const struct sdrt_model_config *c, const char *path,
                               const struct sdrt_log *log)
{
    if (c->denoiser == SDRT_DENOISER_MMDIT) {
        *out = mmdit_of(c);
    } else {
        const struct depths d = depths_of(&c->unet);
        *out = NULL;
        if (d.mixed || (!c->unet.mid_depth && c->unet.mid_resnets == 2))
            return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                             "%s: its U-Net has transformers where none of diffusers' blocks has "
                             "them",
                             path);
        *out = unet_of(c, &d);
    }
    return *out ? SDRT_OK : sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its files", path);
}

/* ---- the other parts ---- */

json_t *sdrt_config_write_vae(const struct sdrt_model_config *c)
{
    const struct sdrt_vae_config *v = &c->vae;
    json_t *json = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:b, s:b}",
                             "_class_name", "AutoencoderKL", "_diffusers_version", version,
                             "in_channels", 3, "out_channels", 3, "latent_channels",
                             v->latent_channels, "layers_per_block", v->layers, "norm_num_groups",
                             v->norm_groups, "sample_size", c->size, "scaling_factor",
                             real(v->scaling_factor), "use_quant_conv", v->quant_convs,
                             "use_post_quant_conv", v->quant_convs);

    if (!json) return NULL;
    json_object_set_new(json, "block_out_channels", ints(v->channels, v->levels));
    json_object_set_new(json, "down_block_types", texts("DownEncoderBlock2D", v->levels));
    json_object_set_new(json, "up_block_types", texts("UpDecoderBlock2D", v->levels));
    if (c->denoiser == SDRT_DENOISER_MMDIT)
        json_object_set_new(json, "shift_factor", real(v->shift_factor));
    if (!v->has_stats) return json;
    json_t *mean = json_array(), *std = json_array();
    for (int i = 0; i < v->latent_channels; i++) {
        json_array_append_new(mean, real(v->mean[i]));
        json_array_append_new(std, real(v->std[i]));
    }
    json_object_set_new(json, "latents_mean", mean);
    json_object_set_new(json, "latents_std", std);
    return json;
}

int sdrt_config_text_place(const struct sdrt_model_config *c, int i) { return i + c->aesthetic; }

int sdrt_config_text_layers(const struct sdrt_model_config *c, int i)
{
    const struct sdrt_text_config *t = &c->text[i];

    return t->clip.layers - (t->final_norm && !t->pooled ? t->skip : 0);
}

static const char *text_class(const struct sdrt_model_config *c, int i)
{
    return c->text[i].pooled ? "CLIPTextModelWithProjection" : "CLIPTextModel";
}

/* transformers takes 2 for the end token of all configurations that were written before it was looked
 * for, and then pools at the largest id, which it is. */
json_t *sdrt_config_write_text(const struct sdrt_model_config *c, int i)
{
    const struct sdrt_text_config *t = &c->text[i];

    return json_pack("{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:f, s:i, s:i, s:i}",
                     "architectures", text_class(c, i), "model_type", "clip_text_model",
                     "vocab_size", t->clip.vocab, "hidden_size", t->clip.hidden,
                     "intermediate_size", t->clip.intermediate, "num_hidden_layers",
                     sdrt_config_text_layers(c, i), "num_attention_heads", t->clip.heads,
                     "max_position_embeddings", t->clip.positions, "projection_dim",
                     t->pooled ? t->pooled : t->clip.hidden, "hidden_act",
                     t->clip.act == SDRT_CLIP_GELU ? "gelu" : "quick_gelu", "layer_norm_eps", 1e-5,
                     "bos_token_id", 0, "eos_token_id", 2, "pad_token_id", 1);
}

json_t *sdrt_config_write_t5(const struct sdrt_model_config *c)
{
    const struct sdrt_t5_config *t = &c->t5;

    return json_pack(
        "{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:s, s:b, s:f, s:b, "
        "s:i, s:i, s:i}",
        "architectures", "T5EncoderModel", "model_type", "t5", "vocab_size", t->vocab, "d_model",
        t->hidden, "d_kv", t->head_dim, "d_ff", t->intermediate, "num_layers", t->layers,
        "num_heads", t->heads, "relative_attention_num_buckets", t->buckets,
        "relative_attention_max_distance", t->max_distance, "feed_forward_proj", "gated-gelu",
        "dense_act_fn", "gelu_new", "is_gated_act", 1, "layer_norm_epsilon", 1e-6,
        "tie_word_embeddings", 0, "decoder_start_token_id", 0, "eos_token_id", 1, "pad_token_id",
        0);
}

/* ---- the scheduler ---- */

static const char *scheduler_class(const struct sdrt_model_config *c)
{
    const struct sdrt_noise_model *m = &c->noise;

    if (c->denoiser == SDRT_DENOISER_MMDIT) return "FlowMatchEulerDiscreteScheduler";
    if (m->edm) return m->exponential ? "EDMEulerScheduler" : "EDMDPMSolverMultistepScheduler";
    if (c->unet.guidance_dim) return "LCMScheduler";
    if (m->prediction == SDRT_PREDICTION_V || m->zero_snr) return "DDIMScheduler";
    return c->unet.added_dim ? "EulerDiscreteScheduler" : "PNDMScheduler";
}

static const char *prediction_of(const struct sdrt_noise_model *m)
{
    return m->prediction == SDRT_PREDICTION_V ? "v_prediction" : "epsilon";
}

static json_t *betas_of(const struct sdrt_model_config *c)
{
    const struct sdrt_noise_model *m = &c->noise;
    const char *name = scheduler_class(c);
    json_t *json = json_pack("{s:s, s:s, s:i, s:f, s:f, s:s, s:s, s:s, s:i, s:b, s:b}",
                             "_class_name", name, "_diffusers_version", version,
                             "num_train_timesteps", m->train_steps, "beta_start", m->beta_start,
                             "beta_end", m->beta_end, "beta_schedule", "scaled_linear",
                             "prediction_type", prediction_of(m), "timestep_spacing",
                             sdrt_spacing_name((int)m->spacing), "steps_offset", m->steps_offset,
                             "clip_sample", m->clip_sample > 0.0, "set_alpha_to_one",
                             m->final_alpha_one);

    if (!json) return NULL;
    if (m->clip_sample > 0.0)
        json_object_set_new(json, "clip_sample_range", json_real(m->clip_sample));
    if (m->zero_snr) json_object_set_new(json, "rescale_betas_zero_snr", json_true());
    if (!strcmp(name, "PNDMScheduler")) json_object_set_new(json, "skip_prk_steps", json_true());
    return json;
}

json_t *sdrt_config_write_scheduler(const struct sdrt_model_config *c)
{
    const struct sdrt_noise_model *m = &c->noise;

    if (c->denoiser == SDRT_DENOISER_MMDIT)
        return json_pack("{s:s, s:s, s:i, s:f}", "_class_name", scheduler_class(c),
                         "_diffusers_version", version, "num_train_timesteps", m->train_steps,
                         "shift", m->flow_shift);
    if (m->edm)
        return json_pack("{s:s, s:s, s:f, s:f, s:f, s:s, s:s}", "_class_name", scheduler_class(c),
                         "_diffusers_version", version, "sigma_min", m->sigma_min, "sigma_max",
                         m->sigma_max, "sigma_data", m->sigma_data, "prediction_type",
                         prediction_of(m), "sigma_schedule",
                         m->exponential ? "exponential" : "karras");
    return betas_of(c);
}

/* ---- model_index.json ---- */

static const char *pipeline_class(const struct sdrt_model_config *c)
{
    const enum sdrt_unet_task task = sdrt_model_task(c);

    if (c->denoiser == SDRT_DENOISER_MMDIT) return "StableDiffusion3Pipeline";
    if (c->aesthetic) return "StableDiffusionXLImg2ImgPipeline";
    if (c->unet.added_dim)
        return task == SDRT_TASK_INPAINT ? "StableDiffusionXLInpaintPipeline"
               : task == SDRT_TASK_EDIT  ? "StableDiffusionXLInstructPix2PixPipeline"
                                         : "StableDiffusionXLPipeline";
    return task == SDRT_TASK_INPAINT ? "StableDiffusionInpaintPipeline"
           : task == SDRT_TASK_EDIT  ? "StableDiffusionInstructPix2PixPipeline"
           : c->unet.guidance_dim    ? "LatentConsistencyModelPipeline"
                                     : "StableDiffusionPipeline";
}

/* A part's library and class; class NULL: the pipeline has it, the folder not. */
static void add_part(json_t *index, const char *name, const char *library, const char *class)
{
    json_object_set_new(index, name, json_pack("[s?, s?]", class ? library : NULL, class));
}

static void add_texts(json_t *index, const struct sdrt_model_config *c)
{
    static const char *const texts[] = { "text_encoder", "text_encoder_2", "text_encoder_3" };
    static const char *const tokenizers[] = { "tokenizer", "tokenizer_2", "tokenizer_3" };
    const int mmdit = c->denoiser == SDRT_DENOISER_MMDIT;
    const int places = mmdit ? 3 : c->unet.added_dim ? 2 : 1;

    for (int place = 0; place < places; place++) {
        const int i = place - c->aesthetic, clip = i >= 0 && i < c->n_text;
        const int t5 = place == 2 && c->has_t5;
        add_part(index, texts[place], "transformers",
                 clip ? text_class(c, i)
                 : t5 ? "T5EncoderModel"
                      : NULL);
        add_part(index, tokenizers[place], "transformers",
                 clip ? "CLIPTokenizer"
                 : t5 ? "T5TokenizerFast"
                      : NULL);
    }
}

json_t *sdrt_config_write_index(const struct sdrt_model_config *c, const char *scheduler)
{
    const int mmdit = c->denoiser == SDRT_DENOISER_MMDIT, xl = !mmdit && c->unet.added_dim;
    json_t *index = json_pack("{s:s, s:s}", "_class_name", pipeline_class(c), "_diffusers_version",
                              version);

    if (!index) return NULL;
    add_part(index, "scheduler", "diffusers", scheduler ? scheduler : scheduler_class(c));
    add_texts(index, c);
    if (mmdit) add_part(index, "transformer", "diffusers", "SD3Transformer2DModel");
    else add_part(index, "unet", "diffusers", "UNet2DConditionModel");
    add_part(index, "vae", "diffusers", "AutoencoderKL");
    if (xl) {
        json_object_set_new(index, "force_zeros_for_empty_prompt", json_boolean(c->zero_negative));
        if (c->aesthetic) json_object_set_new(index, "requires_aesthetics_score", json_true());
    } else if (!mmdit) {
        add_part(index, "safety_checker", NULL, NULL);
        add_part(index, "feature_extractor", NULL, NULL);
        json_object_set_new(index, "requires_safety_checker", json_false());
    }
    return index;
}

/* ---- tokenizers ---- */

json_t *sdrt_config_write_tokenizer(const struct sdrt_model_config *c, int i)
{
    static const char end[] = "<|endoftext|>";
    const struct sdrt_text_config *t = &c->text[i];

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:s, s:i}", "tokenizer_class",
                     "CLIPTokenizer", "bos_token", "<|startoftext|>", "eos_token", end, "unk_token",
                     end, "pad_token", t->pad_id < 0 ? end : "!", "add_prefix_space", 0,
                     "do_lower_case", 1, "errors", "replace", "model_max_length",
                     t->clip.positions);
}

json_t *sdrt_config_write_t5_tokenizer(void)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:b}", "tokenizer_class", "T5Tokenizer",
                     "eos_token", "</s>", "pad_token", "<pad>", "unk_token", "<unk>", "extra_ids",
                     100, "model_max_length", 512, "legacy", 1);
}
