/* SPDX-License-Identifier: MIT
 *
 * The roofline picture of a results file: its rows become layers again, and layers_svg.c draws them.
 */
#include "bench/layers.h"
#include "bench/page_parts.h"
#include "bench/results_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Beyond all machines: a file may say anything, and axes have whole decades. */
static const double most = 1e12;

static double at_least_0(double x) { return x > 0.0 ? fmin(x, most) : 0.0; }

static enum sdrt_step_class class_of(const char *name)
{
    for (int k = 0; k < SDRT_CLASSES; k++)
        if (!strcmp(name, sdrt_step_class_names[k])) return (enum sdrt_step_class)k;
    return SDRT_CLASS_OTHER;
}

static enum sdrt_roof_kind kind_of(const char *name)
{
    for (int k = 0; k < SDRT_ROOF_KINDS; k++)
        if (!strcmp(name, sdrt_bound_name((enum sdrt_roof_kind)k))) return (enum sdrt_roof_kind)k;
    return SDRT_ROOF_F32;
}

static struct sdrt_layer layer_of(const json_t *row)
{
    struct sdrt_layer l = { .seconds = at_least_0(sdrt_result_number(row, NULL, "ms")) * 1e-3 };

    snprintf(l.name, sizeof l.name, "%s", sdrt_result_text(row, NULL, "name"));
    l.info.kernel = sdrt_result_text(row, NULL, "kernel");
    l.info.class_ = class_of(sdrt_result_text(row, NULL, "class"));
    l.info.flop = at_least_0(sdrt_result_number(row, NULL, "gflop")) * 1e9;
    l.info.bytes = fmax(1.0, at_least_0(sdrt_result_number(row, NULL, "bytes")));
    l.bound.kind = kind_of(sdrt_result_text(row, NULL, "bound"));
    l.bound.seconds = at_least_0(sdrt_result_number(row, NULL, "roof_share")) * l.seconds;
    return l;
}

void sdrt_page_picture(const json_t *document, const json_t *layers, FILE *f)
{
    struct sdrt_roof roof = { .best = { 0.0 } };
    struct sdrt_layers l = { .precision = sdrt_result_text(document, NULL, "precision") };
    char title[256];
    json_t *row;
    size_t i;

    for (int k = 0; k < SDRT_ROOF_KINDS; k++)
        roof.best[k] = at_least_0(sdrt_result_number(document, "roof", sdrt_roof_names[k].key));
    l.layer = calloc(json_array_size(layers) + 1, sizeof *l.layer);
    if (!l.layer) {
        fputs("<p>no memory for the picture</p>\n", f);
        return;
    }
    json_array_foreach(layers, i, row) {
        l.layer[l.n] = layer_of(row);
        l.sum += l.layer[l.n++].seconds;
    }
    snprintf(title, sizeof title, "%.100s, %.60s", sdrt_result_text(document, NULL, "network"),
             l.precision);
    if (roof.best[SDRT_ROOF_F32] > 0.0 && l.sum > 0.0) sdrt_layers_svg(&l, &roof, title, f);
    sdrt_layers_free(&l);
}
