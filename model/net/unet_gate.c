/* SPDX-License-Identifier: MIT */
#include "model/net/unet_gate.h"
#include "model/net/name.h"

enum { NAME = SDRT_UNET_PART_NAME + 16 };

/* Of so many images as large as those of x. */
static sdrt_tensor kept_tensor(struct sdrt_graph *g, const struct sdrt_unet_part *cross, int images,
                               sdrt_tensor x)
{
    char name[NAME];
    int dims[4];

    sdrt_graph_dims(g, x, dims);
    sdrt_name(name, sizeof name, "%s" SDRT_GATE_KEPT, cross->name);
    return sdrt_graph_external(g, name, SDRT_F32, images, dims[1], dims[2], dims[3]);
}

/* x += more. */
static sdrt_tensor add(struct sdrt_graph *g, const struct sdrt_unet_part *cross, sdrt_tensor x,
                       sdrt_tensor more)
{
    char name[NAME];

    sdrt_name(name, sizeof name, "%s.sum", cross->name);
    return sdrt_graph_blend(g, name, 1.0f, x, 1.0f, more, x);
}

/* The halves' mean is of what a projection leaves, as in the authors' tgate_processor() (tgate/tgate_utils.py of
 * github.com/HaozheLiu-ST/T-GATE). */
sdrt_tensor sdrt_gate_keep(struct sdrt_graph *g, const struct sdrt_unet_part *cross, sdrt_tensor x,
                           sdrt_tensor out)
{
    char name[NAME];
    int dims[4];

    sdrt_graph_dims(g, out, dims);
    const int n = dims[0] / 2;
    sdrt_name(name, sizeof name, "%s.mean", cross->name);
    sdrt_graph_blend(g, name, 0.5f, sdrt_graph_images(g, out, 0, n), 0.5f,
                     sdrt_graph_images(g, out, n, n), kept_tensor(g, cross, n, out));
    return add(g, cross, x, out);
}

sdrt_tensor sdrt_gate_take(struct sdrt_graph *g, const struct sdrt_unet_part *cross, sdrt_tensor x)
{
    int dims[4];

    sdrt_graph_dims(g, x, dims);
    return add(g, cross, x, kept_tensor(g, cross, dims[0], x));
}
