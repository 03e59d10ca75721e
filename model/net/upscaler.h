/* SPDX-License-Identifier: MIT
 *
 * Networks that enlarge pictures: ESRGAN's RRDB (Wang et al. 2018, arXiv:1809.00219; Real-ESRGAN's of
 * other scales, arXiv:2107.10833), and the compact one of Real-ESRGAN, SRVGG, in the names of BasicSR.
 */
#ifndef SDRT_MODEL_NET_UPSCALER_H
#define SDRT_MODEL_NET_UPSCALER_H

#include "runtime/graph/tensor.h"

enum sdrt_upscaler_kind { SDRT_UPSCALER_RRDB, SDRT_UPSCALER_SRVGG };

struct sdrt_upscaler_config {
    enum sdrt_upscaler_kind kind;
    int width;     /* channels within */
    int growth;    /* RRDB: channels that a dense block adds with each of its first four layers */
    int blocks;    /* RRDB: residual blocks; SRVGG: layers between the first and the last */
    int doublings; /* RRDB: how often the picture is doubled at the end */
    int unshuffle; /* RRDB: so many pixels a side go into one, as channels; 1, 2 or 4 */
    int scale;     /* how much larger the picture becomes */
};

enum { SDRT_SRVGG_REACH = 2 /* layers that are not counted in blocks */ };

/* Channels of the networks' ends. */
int sdrt_upscaler_in_channels(const struct sdrt_upscaler_config *config);
int sdrt_upscaler_out_channels(const struct sdrt_upscaler_config *config);

/* The name without ".weight" of convolution i, and of an SRVGG also of the slopes between, in
 * name [96]; 0 where there are no more. */
int sdrt_upscaler_layer(const struct sdrt_upscaler_config *config, int i, char *name);

/* External tensors: upscale_in [1][h][w][in channels], 0 .. 1, where an unshuffled pixel's channel is
 * c * r * r + row * r + column; upscale_out of RRDB [1][h << doublings][w << doublings][3], about
 * 0 .. 1; of SRVGG [1][h][w][3 * scale * scale], in the same order, to which the picture itself is
 * still to be added. */
void sdrt_upscaler_build(struct sdrt_graph *g, const struct sdrt_upscaler_config *config, int h,
                         int w);

#endif
