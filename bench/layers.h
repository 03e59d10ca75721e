/* SPDX-License-Identifier: MIT
 *
 * One pass, operation by operation, each against the roof that binds it.
 *
 * Weights come from memory when the network has more of them than fit into the last cache, since a
 * pass uses each once; activations come from the smallest cache that holds the operation's.
 */
#ifndef SDRT_BENCH_LAYERS_H
#define SDRT_BENCH_LAYERS_H

#include "bench/bound.h"
#include "bench/pass.h"

struct sdrt_layer {
    char   name[160];         /* of the node, made unique where it takes two steps */
    struct sdrt_step_info info;
    struct sdrt_times times;  /* of each pass */
    double seconds;           /* in the median pass */
    struct sdrt_bound bound;
};

struct sdrt_layers {
    struct sdrt_layer *layer;
    int n;
    struct sdrt_times wall;   /* seconds of each pass, start to end */
    double median, sum;       /* seconds of the median pass, and of all its layers */
    const char *precision;
};

/* Times iterations passes, trying the roof between them.  Frees nothing that is in *layers. */
int sdrt_layers_measure(struct sdrt_layers *layers, struct sdrt_bench_pass *pass, int iterations,
                        const struct sdrt_log *log);
void sdrt_layers_free(struct sdrt_layers *layers);

/* Classes for people: elementwise operations count as other. */
extern const char *const sdrt_layer_groups[];
enum { SDRT_LAYER_GROUPS = 5 };
int sdrt_layer_group(const struct sdrt_layer *layer);

/* The roofline picture: a light or dark background is left to the viewer. */
void sdrt_layers_svg(const struct sdrt_layers *layers, const struct sdrt_roof *roof,
                     const char *title, FILE *f);

#endif
