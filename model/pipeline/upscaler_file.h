/* SPDX-License-Identifier: MIT
 *
 * An upscaler's file: what network is in it, and its weights under the network's own names.
 */
#ifndef SDRT_MODEL_PIPELINE_UPSCALER_FILE_H
#define SDRT_MODEL_PIPELINE_UPSCALER_FILE_H

#include "model/net/upscaler.h"
#include "runtime/weights/weights.h"

struct sdrt_upscaler_file;

/* Opens path, safetensors or pickled, plain or under "params_ema." or "params.", in the names of
 * BasicSR or of ESRGAN's two older codes.  *out is the caller's, NULL after a failure.  Errors of
 * sdrt_weight_files_add(); SDRT_E_UNSUPPORTED, naming a tensor, for what is no such network or has more
 * in it; SDRT_E_MISSING for one that lacks a layer. */
int sdrt_upscaler_file_open(struct sdrt_upscaler_file **out, const char *path,
                            const struct sdrt_log *log);
void sdrt_upscaler_file_close(struct sdrt_upscaler_file **file);

/* Borrowed from the file; the provider must not outlive it. */
const struct sdrt_upscaler_config *sdrt_upscaler_file_config(const struct sdrt_upscaler_file *file);
struct sdrt_weights_provider sdrt_upscaler_file_provider(struct sdrt_upscaler_file *file);

#endif
