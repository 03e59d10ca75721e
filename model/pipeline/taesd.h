/* SPDX-License-Identifier: MIT
 *
 * A TAESD's file, whose weights stand beside a model's.
 */
#ifndef SDRT_MODEL_PIPELINE_TAESD_H
#define SDRT_MODEL_PIPELINE_TAESD_H

#include "model/net/config.h"
#include "runtime/weights/weights.h"

struct sdrt_taesd;

/* Opens path, a file or diffusers' folder: a decoder, an encoder or both, in diffusers' names or the
 * author's, whose files are one each.  *provider then has its tensors as "taesd.decoder.layers.0.weight"
 * beside those that it had, and vae says which sides there are.  *out is the caller's and outlives the
 * provider; NULL after a failure.  Errors of sdrt_weight_files_add(); SDRT_E_UNSUPPORTED for a file
 * that is none, or of another latent. */
int sdrt_taesd_open(struct sdrt_taesd **out, const char *path,
                    struct sdrt_weights_provider *provider, struct sdrt_vae_config *vae,
                    const struct sdrt_log *log);
void sdrt_taesd_close(struct sdrt_taesd **taesd);

#endif
