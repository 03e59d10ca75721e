/* SPDX-License-Identifier: MIT
 *
 * What a U-Net is made of, as a list, in the order in which its step runs it.
 */
#ifndef SDRT_MODEL_NET_UNET_PARTS_H
#define SDRT_MODEL_NET_UNET_PARTS_H

#include "model/net/config.h"

enum {
    SDRT_UNET_RESNETS = SDRT_MAX_LEVELS * (2 * SDRT_MAX_LAYERS + 1) + 2,
    SDRT_UNET_CROSS = 192,
    SDRT_UNET_PART_NAME = 64
};

struct sdrt_unet_part {
    char name[SDRT_UNET_PART_NAME]; /* weight prefix */
    int channels;
};

/* All resnets and cross-attentions, in the order in which the step runs them. */
struct sdrt_unet_parts {
    struct sdrt_unet_part resnets[SDRT_UNET_RESNETS]; /* name: of time_emb_proj */
    struct sdrt_unet_part cross[SDRT_UNET_CROSS];     /* name: of attn2 */
    int n_resnets, n_cross;
    int time_channels; /* sum over resnets */
};

/* Lists those of c.  Returns 1, or 0 when there are more of them than fit. */
int sdrt_unet_list_parts(const struct sdrt_unet_config *c, struct sdrt_unet_parts *out);

#endif
