/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/marks.h"
#include "kernels/pack.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 96 };

/* Up to most values of a tensor into out; *n is how many, 0 where it is not there. */
static int read_values(struct sdrt_weight_files *files, const char *wrapper, const char *leaf,
                       float *out, int most, int *n, const char *path, const struct sdrt_log *log)
{
    struct sdrt_weights_provider p = sdrt_weight_files_provider(files);
    struct sdrt_weight_view view;
    char name[NAME];

    *n = 0;
    snprintf(name, sizeof name, "%s%s", wrapper, leaf);
    int status = p.get(p.self, name, -1, NULL, &view);
    if (status == SDRT_E_MISSING) return SDRT_OK;
    if (status != SDRT_OK) return status;
    const size_t count = sdrt_weight_elements(&view);
    if (count < 1 || count > (size_t)most || sdrt_to_f32(view.data, view.dtype, out, count))
        status = sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: expected 1 to %d numbers", path, name,
                           most);
    for (size_t i = 0; i < count && status == SDRT_OK; i++)
        if (!isfinite(out[i]))
            status = sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: expected finite numbers", path, name);
    p.release(p.self, name);
    *n = (int)count;
    return status;
}

static int is_there(struct sdrt_weight_files *files, const char *wrapper, const char *leaf)
{
    struct sdrt_weights_provider p = sdrt_weight_files_provider(files);
    struct sdrt_weight_view view;
    char name[NAME];

    snprintf(name, sizeof name, "%s%s", wrapper, leaf);
    return p.describe(p.self, name, -1, NULL, &view) == SDRT_OK;
}

int sdrt_marks_read(struct sdrt_marks *out, struct sdrt_weight_files *files, const char *wrapper,
                    const char *path, const struct sdrt_log *log)
{
    int n = 0, n_max = 0, n_min = 0;

    *out = (struct sdrt_marks){ .v_pred = is_there(files, wrapper, "v_pred"),
                                .zero_snr = is_there(files, wrapper, "ztsnr"),
                                .sigma_min = 0.002f,
                                .sigma_max = 120.0f };
    int status = read_values(files, wrapper, "edm_mean", out->mean, SDRT_MAX_LATENT, &n, path, log);
    if (status == SDRT_OK)
        status = read_values(files, wrapper, "edm_std", out->std, SDRT_MAX_LATENT, &out->n_stats,
                             path, log);
    if (status == SDRT_OK && n != out->n_stats)
        status = sdrt_fail(log, SDRT_E_FORMAT, "%s: edm_mean and edm_std: expected as many numbers",
                           path);
    if (status == SDRT_OK)
        status = read_values(files, wrapper, "edm_vpred.sigma_max", &out->sigma_max, 1, &n_max,
                             path, log);
    if (status == SDRT_OK)
        status = read_values(files, wrapper, "edm_vpred.sigma_min", &out->sigma_min, 1, &n_min,
                             path, log);
    if (status != SDRT_OK) return status;
    if (!(out->sigma_min > 0.0f && out->sigma_min < out->sigma_max && out->sigma_max < 1e6f))
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: edm_vpred.sigma_min, .sigma_max: expected rising "
                         "above 0",
                         path);
    out->edm = n_max ? SDRT_EDM_VPRED : n ? SDRT_EDM_STATS : SDRT_EDM_NONE;
    return SDRT_OK;
}

static void apply_edm(const struct sdrt_marks *marks, struct sdrt_model_config *config)
{
    struct sdrt_noise_model *m = &config->noise;
    struct sdrt_vae_config *v = &config->vae;

    m->edm = 1;
    m->exponential = marks->edm == SDRT_EDM_VPRED;
    m->prediction = m->exponential ? SDRT_PREDICTION_V : SDRT_PREDICTION_EPSILON;
    m->sigma_data = m->exponential ? 1.0 : 0.5;
    m->sigma_min = m->exponential ? (double)marks->sigma_min : 0.002;
    m->sigma_max = m->exponential ? (double)marks->sigma_max : 80.0;
    if (!marks->n_stats) return;
    v->has_stats = 1;
    v->scaling_factor = 0.5f;
    memcpy(v->mean, marks->mean, sizeof v->mean);
    memcpy(v->std, marks->std, sizeof v->std);
}

int sdrt_marks_apply(const struct sdrt_marks *marks, struct sdrt_model_config *config,
                     const char *path, const struct sdrt_log *log)
{
    if (marks->v_pred) config->noise.prediction = SDRT_PREDICTION_V;
    if (marks->zero_snr) config->noise.zero_snr = 1;
    if (marks->n_stats && marks->n_stats != config->vae.latent_channels)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: edm_mean: expected %d numbers, as many as the "
                         "latent has channels",
                         path, config->vae.latent_channels);
    if (marks->edm != SDRT_EDM_NONE) apply_edm(marks, config);
    return SDRT_OK;
}
