/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/config_fixed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value that a key has here: one of two texts, a number, or true or false; NOTHING: only null,
 * false, or a list of false. */
static const struct fixed {
    enum sdrt_config_of of;
    const char *key;
    enum { TEXT, NUMBER, FLAG, NOTHING } kind;
    const char *text, *other;
    double number;
} table[] = {
    { SDRT_CONFIG_OF_UNET, "act_fn", TEXT, "silu", "swish", 0 },
    { SDRT_CONFIG_OF_UNET, "addition_embed_type", TEXT, "text_time", NULL, 0 },
    { SDRT_CONFIG_OF_UNET, "attention_type", TEXT, "default", NULL, 0 },
    { SDRT_CONFIG_OF_UNET, "center_input_sample", FLAG, NULL, NULL, 0 },
    { SDRT_CONFIG_OF_UNET, "class_embed_type", NOTHING, NULL, NULL, 0 },
    { SDRT_CONFIG_OF_UNET, "cross_attention_norm", NOTHING, NULL, NULL, 0 },
    { SDRT_CONFIG_OF_UNET, "downsample_padding", NUMBER, NULL, NULL, 1 },
    { SDRT_CONFIG_OF_UNET, "dual_cross_attention", FLAG, NULL, NULL, 0 },
    { SDRT_CONFIG_OF_UNET, "encoder_hid_dim_type", NOTHING, NULL, NULL, 0 },
    { SDRT_CONFIG_OF_UNET, "flip_sin_to_cos", FLAG, NULL, NULL, 1 },
    { SDRT_CONFIG_OF_UNET, "freq_shift", NUMBER, NULL, NULL, 0 },
    { SDRT_CONFIG_OF_UNET, "mid_block_only_cross_attention", NOTHING, NULL, NULL, 0 },
    { SDRT_CONFIG_OF_UNET, "mid_block_scale_factor", NUMBER, NULL, NULL, 1 },
    { SDRT_CONFIG_OF_UNET, "norm_eps", NUMBER, NULL, NULL, 1e-5 },
    { SDRT_CONFIG_OF_UNET, "only_cross_attention", NOTHING, NULL, NULL, 0 },
    { SDRT_CONFIG_OF_UNET, "resnet_out_scale_factor", NUMBER, NULL, NULL, 1 },
    { SDRT_CONFIG_OF_UNET, "resnet_skip_time_act", FLAG, NULL, NULL, 0 },
    { SDRT_CONFIG_OF_UNET, "resnet_time_scale_shift", TEXT, "default", NULL, 0 },
    { SDRT_CONFIG_OF_UNET, "time_embedding_act_fn", NOTHING, NULL, NULL, 0 },
    { SDRT_CONFIG_OF_UNET, "time_embedding_type", TEXT, "positional", NULL, 0 },
    { SDRT_CONFIG_OF_UNET, "timestep_post_act", NOTHING, NULL, NULL, 0 },
    { SDRT_CONFIG_OF_MMDIT, "qk_norm", TEXT, "rms_norm", NULL, 0 },
    { SDRT_CONFIG_OF_VAE, "act_fn", TEXT, "silu", "swish", 0 },
    { SDRT_CONFIG_OF_VAE, "mid_block_add_attention", FLAG, NULL, NULL, 1 },
    { SDRT_CONFIG_OF_CLIP, "layer_norm_eps", NUMBER, NULL, NULL, 1e-5 },
    { SDRT_CONFIG_OF_T5, "dense_act_fn", TEXT, "gelu_new", NULL, 0 },
    { SDRT_CONFIG_OF_T5, "feed_forward_proj", TEXT, "gated-gelu", NULL, 0 },
    { SDRT_CONFIG_OF_T5, "layer_norm_epsilon", NUMBER, NULL, NULL, 1e-6 },
    { SDRT_CONFIG_OF_T5, "relative_attention_max_distance", NUMBER, NULL, NULL, 128 },
};

static int is_nothing(const json_t *value)
{
    size_t i;
    json_t *each;

    if (!json_is_array(value)) return json_is_false(value);
    json_array_foreach(value, i, each)
        if (!json_is_false(each)) return 0;
    return 1;
}

static int is_fine(const struct fixed *f, const json_t *value)
{
    const char *text = json_string_value(value);

    switch (f->kind) {
    case TEXT: return text && (!strcmp(text, f->text) || (f->other && !strcmp(text, f->other)));
    case NUMBER:
        return json_is_number(value) &&
               fabs(json_number_value(value) - f->number) <= 1e-6 * fabs(f->number);
    case FLAG: return f->number > 0.0 ? json_is_true(value) : json_is_false(value);
    default: return is_nothing(value);
    }
}

static int refuse(const struct fixed *f, const json_t *value, const char *where,
                  const struct sdrt_log *log)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    char expected[64];

    if (f->kind == NUMBER) snprintf(expected, sizeof expected, "%g", f->number);
    else
        snprintf(expected, sizeof expected, "%s",
                 f->kind == TEXT      ? f->text
                 : f->kind == NOTHING ? "null"
                 : f->number > 0.0    ? "true"
                                      : "false");
    const int status = sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: %s %.40s: expected %s", where,
                                 f->key, text ? text : "?", expected);
    free(text);
    return status;
}

int sdrt_config_check_fixed(enum sdrt_config_of of, const json_t *json, const char *where,
                            const struct sdrt_log *log)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const json_t *value = json_object_get(json, table[i].key);
        if (table[i].of == of && value && !json_is_null(value) && !is_fine(&table[i], value))
            return refuse(&table[i], value, where, log);
    }
    return SDRT_OK;
}
