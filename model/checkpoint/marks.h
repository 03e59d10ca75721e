/* SPDX-License-Identifier: MIT
 *
 * What single tensors beside a model's own say of its noise: their names, and some of their values.
 */
#ifndef SDRT_MODEL_CHECKPOINT_MARKS_H
#define SDRT_MODEL_CHECKPOINT_MARKS_H

#include "model/net/config.h"
#include "runtime/base/error.h"
#include "runtime/weights/weights.h"

enum sdrt_edm_mark {
    SDRT_EDM_NONE,
    SDRT_EDM_STATS, /* edm_mean, edm_std: Playground v2.5 */
    SDRT_EDM_VPRED  /* edm_vpred.sigma_max, .sigma_min: CosXL */
};

struct sdrt_marks {
    int v_pred, zero_snr; /* 1: there is a tensor v_pred, ztsnr */
    enum sdrt_edm_mark edm;
    float mean[SDRT_MAX_LATENT], std[SDRT_MAX_LATENT];
    int n_stats; /* values of each of them */
    float sigma_min, sigma_max;
};

/* Reads what files have behind wrapper; all zeros where they say nothing.  path is for messages.
 * SDRT_E_FORMAT for values that no model has. */
int sdrt_marks_read(struct sdrt_marks *out, struct sdrt_weight_files *files, const char *wrapper,
                    const char *path, const struct sdrt_log *log);

/* Lays the marks over a configuration.  SDRT_E_FORMAT where they are of another size of latent. */
int sdrt_marks_apply(const struct sdrt_marks *marks, struct sdrt_model_config *config,
                     const char *path, const struct sdrt_log *log);

#endif
