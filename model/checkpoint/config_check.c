/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/config_check.h"
#include "model/net/mmdit.h"

/* Each level's channels must split into groups. */
static int check_groups(const char *part, const int *channels, int levels, int groups,
                        const char *path, const struct sdrt_log *log)
{
    for (int i = 0; i < levels; i++)
        if (channels[i] % groups)
            return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                             "%s: %d channels of the %s: expected a multiple of its %d groups",
                             path, channels[i], part, groups);
    return SDRT_OK;
}

/* In each level that has attention, they must split into heads. */
static int check_heads(const struct sdrt_model_config *config, const char *path,
                       const struct sdrt_log *log)
{
    const struct sdrt_unet_config *u = &config->unet;
    const int of = u->heads ? u->heads : u->head_dim;

    for (int i = 0; i < u->levels; i++)
        if (sdrt_unet_has_attention(u, i) && u->channels[i] % of)
            return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                             "%s: %d channels of the U-Net: expected a multiple of its %d %s", path,
                             u->channels[i], of, u->heads ? "heads" : "channels a head");
    return SDRT_OK;
}

static int check_text(const struct sdrt_text_config *t, const char *path,
                      const struct sdrt_log *log)
{
    if (t->clip.heads < 1 || t->clip.hidden % t->clip.heads)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: text encoder of width %d: expected a multiple of its %d heads", path,
                         t->clip.hidden, t->clip.heads);
    if (t->clip.positions < 2)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: text encoder of %d position: expected at least 2", path,
                         t->clip.positions);
    if (t->clip.layers <= t->skip)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: text encoder of %d layers: expected more than the %d that are left "
                         "out",
                         path, t->clip.layers, t->skip);
    return SDRT_OK;
}

/* Does what the text encoders give fit what the U-Net takes? */
static int check_unet_text(const struct sdrt_model_config *config, const char *path,
                           const struct sdrt_log *log)
{
    const struct sdrt_unet_config *u = &config->unet;
    const int numbers = sdrt_added_numbers(config);
    const int rest = u->added_dim - sdrt_pooled_width(config);
    int width = 0;

    for (int i = 0; i < config->n_text; i++) width += config->text[i].clip.hidden;
    if (u->context_dim != width)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: the U-Net expects text embeddings of width %d, %s %d", path,
                         u->context_dim,
                         config->n_text == 1 ? "the text encoder gives"
                                             : "the text encoders together give",
                         width);
    if (numbers && (rest < 2 * numbers || rest % (2 * numbers)))
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: %d channels are added to the time embedding: expected %d of the "
                         "pooled text and as many for each of %d numbers",
                         path, u->added_dim, u->added_dim - rest, numbers);
    return SDRT_OK;
}

static int check_unet(const struct sdrt_model_config *config, const char *path,
                      const struct sdrt_log *log)
{
    const struct sdrt_unet_config *u = &config->unet;
    const struct sdrt_vae_config *v = &config->vae;
    int status = check_unet_text(config, path, log);

    if (status != SDRT_OK) return status;
    if (u->out_channels != v->latent_channels)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: latents of the U-Net have %d channels, the VAE expects %d", path,
                         u->out_channels, v->latent_channels);
    if (sdrt_unet_task(u) == SDRT_TASK_UNKNOWN)
        return sdrt_fail(
            log, SDRT_E_UNSUPPORTED,
            "%s: the U-Net takes %d channels%s: expected %d, or %d to redraw a part of "
            "a picture, or %d to edit one",
            path, u->in_channels,
            u->in_channels == u->out_channels + 1   ? " (a picture's depth too)"
            : u->in_channels == u->out_channels + 3 ? " (a small picture too)"
                                                    : "",
            u->out_channels, 2 * u->out_channels + 1, 2 * u->out_channels);
    if (u->channels[0] % 2)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: %d channels of the U-Net's first level: expected an even number, of "
                         "sines and cosines of the timestep",
                         path, u->channels[0]);
    status = check_groups("U-Net", u->channels, u->levels, u->norm_groups, path, log);
    return status == SDRT_OK ? check_heads(config, path, log) : status;
}

static int check_mmdit(const struct sdrt_model_config *config, const char *path,
                       const struct sdrt_log *log)
{
    const struct sdrt_mmdit_config *m = &config->mmdit;
    const int pooled = sdrt_pooled_width(config);
    int width = 0;

    for (int i = 0; i < config->n_text; i++) width += config->text[i].clip.hidden;
    if (width > m->context_width)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: the MMDiT expects text embeddings of width %d, the CLIP text "
                         "encoders together give %d",
                         path, m->context_width, width);
    if (pooled != m->pooled_width)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: the MMDiT expects pooled text of width %d, the text encoders "
                         "together give %d",
                         path, m->pooled_width, pooled);
    if (m->in_channels != config->vae.latent_channels)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: latents of the MMDiT have %d channels, the VAE expects %d", path,
                         m->in_channels, config->vae.latent_channels);
    return sdrt_mmdit_denoiser.check(config, log);
}

int sdrt_config_check(const struct sdrt_model_config *config, const char *path,
                      const struct sdrt_log *log)
{
    const struct sdrt_vae_config *v = &config->vae;
    int status = config->denoiser == SDRT_DENOISER_MMDIT ? check_mmdit(config, path, log)
                                                         : check_unet(config, path, log);

    for (int i = 0; i < config->n_text && status == SDRT_OK; i++)
        status = check_text(&config->text[i], path, log);
    return status == SDRT_OK
               ? check_groups("VAE", v->channels, v->levels, v->norm_groups, path, log)
               : status;
}
