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
