/* SPDX-License-Identifier: MIT
 *
 * The file of a ControlNet or a T2I-Adapter: a diffusers folder, or a file of diffusers' or of the original names, these
 * also behind "control_model." in a file with a whole model.
 */
#ifndef SDRT_MODEL_CHECKPOINT_CONTROL_H
#define SDRT_MODEL_CHECKPOINT_CONTROL_H

#include "model/checkpoint/provider.h"

struct sdrt_control_file;

/* Opens path, a ControlNet or a T2I-Adapter for models of base's configuration, and writes its own into config: base's
 * with the net as its unet.  behind: the model's weights, of which a net may lack some (behind.h; its prefix is
 * of no meaning), or NULL; what it names must outlive the net.  *out belongs to the caller, NULL after a failure; log is kept and must outlive
 * it.  SDRT_E_UNSUPPORTED for a file that is neither or one of another family, SDRT_E_MISSING for
 * tensors that are not there, SDRT_E_FORMAT for such as have other sizes, each with one line. */
int sdrt_control_file_open(struct sdrt_control_file **out, const char *path,
                           const struct sdrt_model_config *base, const struct sdrt_behind *behind,
                           struct sdrt_model_config *config, const struct sdrt_log *log);
void sdrt_control_file_close(struct sdrt_control_file **file);

/* Its weights under the names of controlnet.h, mmdit.h or adapter.h; file must outlive all uses. */
struct sdrt_weights_provider sdrt_control_file_provider(struct sdrt_control_file *file);

#endif
