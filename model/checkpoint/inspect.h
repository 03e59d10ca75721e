/* SPDX-License-Identifier: MIT
 *
 * What kind of file a set of tensors is, told from their names; for sdrt_inspect().
 */
#ifndef SDRT_MODEL_CHECKPOINT_INSPECT_H
#define SDRT_MODEL_CHECKPOINT_INSPECT_H

#include "runtime/files/tensor_files.h"

/* A tensor, its name behind the folder that it lies in ("unet/conv_in.weight"), if any.
 * tensor is borrowed from its file. */
struct sdrt_inspected {
    char *name; /* owned by the list */
    const struct sdrt_file_tensor *tensor;
};

struct sdrt_inspection {
    struct sdrt_inspected *at;
    size_t n;
};

/* What these tensors are when no checkpoint that sdrt draws with: "SD 3.x", "Flux", "LoRA",
 * "ControlNet", ...; a constant.  "unknown" when nothing is recognised. */
const char *sdrt_inspect_kind(const struct sdrt_inspection *in);

/* Writes into out what a LoRA file is: method, rank, and what it was made for; or "" when it
 * is none. */
void sdrt_inspect_lora(const struct sdrt_inspection *in, char *out, size_t size);

/* The part that a tensor belongs to, "U-Net", "VAE", ...; a constant. */
const char *sdrt_inspect_part(const char *name);

#endif
