/* SPDX-License-Identifier: MIT
 *
 * The files that a picture as a prompt takes: an IP-Adapter, a file of its authors' names, and CLIP's encoder
 * of pictures, a file or a folder (image_encoder/) of transformers' names.
 */
#ifndef SDRT_MODEL_CHECKPOINT_IMAGE_PROMPT_H
#define SDRT_MODEL_CHECKPOINT_IMAGE_PROMPT_H

#include "model/net/config.h"
#include "runtime/base/error.h"
#include "runtime/weights/weights.h"

struct sdrt_image_prompt_file;

/* Opens path, an IP-Adapter for models of base's configuration, or with vision 1 an encoder of pictures, and
 * writes base with its ip or its vision into config.  *out belongs to the caller, NULL after a failure; log is
 * kept and must outlive it.  SDRT_E_UNSUPPORTED for a file that is neither, an adapter of another model or
 * of another kind (faces), and an encoder whose heads nothing tells; SDRT_E_FORMAT for a tensor that no network here
 * reads; each with one line. */
int sdrt_image_prompt_file_open(struct sdrt_image_prompt_file **out, const char *path, int vision,
                                const struct sdrt_model_config *base,
                                struct sdrt_model_config *config, const struct sdrt_log *log);
void sdrt_image_prompt_file_close(struct sdrt_image_prompt_file **file);

/* Its weights under the names of ip_adapter.h or clip_vision.h; file must outlive all uses. */
struct sdrt_weights_provider sdrt_image_prompt_file_provider(struct sdrt_image_prompt_file *file);

#endif
