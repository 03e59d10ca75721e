/* SPDX-License-Identifier: MIT */
#include "model/net/linear.h"

sdrt_tensor sdrt_linear(struct sdrt_graph *g, sdrt_tensor x, const char *name, int n,
                        enum sdrt_act act)
{
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;

    spec.name = name;
    spec.n = n;
    spec.act = act;
    return sdrt_graph_gemm(g, x, &spec);
}

sdrt_tensor sdrt_plain_conv(struct sdrt_graph *g, sdrt_tensor x, const char *name, int out_c,
                            int kernel, sdrt_tensor residual, sdrt_tensor into)
{
    struct sdrt_conv_spec spec = sdrt_conv_defaults;

    spec.name = name;
    spec.out_c = out_c;
    spec.kernel = kernel;
    spec.pad = kernel / 2;
    spec.residual = residual;
    spec.into = into;
    return sdrt_graph_conv(g, x, &spec);
}
