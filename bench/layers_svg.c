/* SPDX-License-Identifier: MIT
 *
 * The roofline picture.  Text and lines are of a grey that is readable on white and on black, and
 * the colours of a middle lightness, since a page does not tell a picture what is behind it.
 */
#include "bench/layers.h"

#include <math.h>
#include <string.h>

enum { LEFT = 70, TOP = 56, WIDTH = 820, HEIGHT = 500, LEGEND = LEFT + WIDTH + 20, ALL = 1140 };

static const char *const colours[SDRT_LAYER_GROUPS] = {
    "#3b8ed6", "#e0872b", "#2fa36b", "#c65fc0", "#8a8a8a",
};

/* Decades shown: FLOP a byte across, GFLOP/s upwards. */
struct axes {
    double x0, x1, y0, y1;
};

static double within(double v, double least, double most)
{
    return v < least ? least : v > most ? most : v;
}

/* What has no arithmetic lies on the left or lower border. */
static double across(const struct axes *a, double x)
{
    const double at = x > 0.0 ? within(log10(x), a->x0, a->x1) : a->x0;
    return LEFT + WIDTH * (at - a->x0) / (a->x1 - a->x0);
}

static double down(const struct axes *a, double y)
{
    const double at = y > 0.0 ? within(log10(y), a->y0, a->y1) : a->y0;
    return TOP + HEIGHT * (a->y1 - at) / (a->y1 - a->y0);
}

static void put_text(FILE *f, const char *text)
{
    for (; *text; text++)
        if (*text == '&') fputs("&amp;", f);
        else if (*text == '<') fputs("&lt;", f);
        else if (*text == '>') fputs("&gt;", f);
        else fputc(*text, f);
}

static void draw_axes(const struct axes *a, FILE *f)
{
    for (int d = (int)a->x0; d <= (int)a->x1; d++) {
        const double x = across(a, pow(10, d));
        fprintf(f, "<path class=\"g\" d=\"M%.1f %dV%d\"/><text x=\"%.1f\" y=\"%d\" "
                "text-anchor=\"middle\">%g</text>\n", x, TOP, TOP + HEIGHT, x, TOP + HEIGHT + 18,
                pow(10, d));
    }
    for (int d = (int)a->y0; d <= (int)a->y1; d++) {
        const double y = down(a, pow(10, d));
        fprintf(f, "<path class=\"g\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" "
                "text-anchor=\"end\">%g</text>\n", LEFT, y, LEFT + WIDTH, LEFT - 6, y + 4,
                pow(10, d));
    }
    fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">FLOP per byte</text>\n",
            LEFT + WIDTH / 2, TOP + HEIGHT + 38);
    fprintf(f, "<text transform=\"translate(18 %d) rotate(-90)\" text-anchor=\"middle\">GFLOP/s"
            "</text>\n", TOP + HEIGHT / 2);
}

/* Arithmetic of which the picture has a line: of integers where the layers may use them. */
static const enum sdrt_roof_kind arithmetic[] = { SDRT_ROOF_F32, SDRT_ROOF_BF16, SDRT_ROOF_F16,
                                                  SDRT_ROOF_INT16, SDRT_ROOF_INT8 };

static int is_drawn(const struct sdrt_roof *roof, enum sdrt_roof_kind k, const char *precision)
{
    if (k == SDRT_ROOF_INT8 && strcmp(precision, "int8") != 0) return 0;
    if (k == SDRT_ROOF_INT16 && strncmp(precision, "int", 3) != 0) return 0;
    return roof->best[k] > 0.0;
}

static double highest(const struct sdrt_roof *roof, const char *precision)
{
    double top = 0.0;

    for (size_t i = 0; i < sizeof arithmetic / sizeof *arithmetic; i++)
        if (is_drawn(roof, arithmetic[i], precision)) top = fmax(top, roof->best[arithmetic[i]]);
    return top;
}

/* Horizontal: what the arithmetic can do. */
static void draw_compute(const struct axes *a, const struct sdrt_roof *roof, const char *precision,
                         FILE *f)
{
    for (size_t i = 0; i < sizeof arithmetic / sizeof *arithmetic; i++) {
        const enum sdrt_roof_kind k = arithmetic[i];
        if (!is_drawn(roof, k, precision)) continue;
        const double y = down(a, roof->best[k]);
        fprintf(f, "<path class=\"r\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" "
                "text-anchor=\"end\">%s, %.4g %s</text>\n", LEFT, y, LEFT + WIDTH, LEFT + WIDTH - 4,
                y - 6, sdrt_roof_names[k].label, roof->best[k], sdrt_roof_names[k].unit);
    }
}

/* Rising: what the caches and the memory can deliver, up to the highest compute roof. */
static void draw_bandwidths(const struct axes *a, const struct sdrt_roof *roof, double top,
                            FILE *f)
{

    for (int k = SDRT_ROOF_L1; k <= SDRT_ROOF_MEMORY; k++) {
        const double rate = roof->best[k];
        if (rate <= 0.0) continue;
        const double from = fmax(pow(10, a->x0), pow(10, a->y0) / rate), to = top / rate;
        if (to <= from) continue;
        const double x = across(a, from), y = down(a, from * rate);
        const double angle = atan2(down(a, top) - y, across(a, to) - x) * 180.0 / acos(-1.0);
        fprintf(f, "<path class=\"r\" d=\"M%.1f %.1fL%.1f %.1f\"/><text transform=\"translate(%.1f "
                "%.1f) rotate(%.1f) translate(%d -5)\">%s, %.3g GB/s</text>\n", x, y,
                across(a, to), down(a, top), x, y, angle, 30, sdrt_roof_names[k].label, rate);
    }
}

static void draw_layer(const struct axes *a, const struct sdrt_layer *l, double sum, FILE *f)
{
    const double gflops = l->info.flop * 1e-9 / l->seconds;

    /* The area is the share of the time. */
    fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.2f\" fill=\"%s\" stroke=\"%s\"><title>",
            across(a, l->info.flop / l->info.bytes), down(a, gflops),
            fmax(1.5, 90.0 * sqrt(l->seconds / sum)), colours[sdrt_layer_group(l)],
            colours[sdrt_layer_group(l)]);
    put_text(f, l->name);
    fprintf(f, ": %s, %.2f ms (%.2f %%), %.2f GFLOP, %.1f GFLOP/s, %.0f %% of the roof, bound by "
            "%s</title></circle>\n", l->info.kernel, l->seconds * 1e3, 100.0 * l->seconds / sum,
            l->info.flop * 1e-9, gflops, 100.0 * l->bound.seconds / l->seconds,
            sdrt_bound_name(l->bound.kind));
}

static void draw_legend(const struct sdrt_layers *l, FILE *f)
{
    for (int g = 0; g < SDRT_LAYER_GROUPS; g++) {
        double seconds = 0.0, least = 0.0;
        const int y = TOP + 20 + 44 * g;
        for (int i = 0; i < l->n; i++) {
            if (sdrt_layer_group(&l->layer[i]) != g) continue;
            seconds += l->layer[i].seconds;
            least += l->layer[i].bound.seconds;
        }
        if (seconds <= 0.0) continue;
        fprintf(f, "<circle cx=\"%d\" cy=\"%d\" r=\"7\" fill=\"%s\" stroke=\"%s\"/>"
                "<text x=\"%d\" y=\"%d\">%s</text><text x=\"%d\" y=\"%d\">%.1f %% of time, %.0f %% "
                "of roof</text>\n", LEGEND, y, colours[g], colours[g], LEGEND + 14, y + 4,
                sdrt_layer_groups[g], LEGEND + 14, y + 20, 100.0 * seconds / l->sum,
                100.0 * least / seconds);
    }
}

/* Whole decades around the roofs and the operations. */
static struct axes choose_axes(const struct sdrt_layers *l, const struct sdrt_roof *roof)
{
    const double top = highest(roof, l->precision);
    struct axes a = { -1.0, 3.0, 0.0, ceil(log10(top * 1.2)) };

    for (int k = SDRT_ROOF_L1; k <= SDRT_ROOF_MEMORY; k++) /* each meets the top inside */
        if (roof->best[k] > 0.0) a.x0 = fmin(a.x0, ceil(log10(top / roof->best[k])) - 1.0);
    for (int i = 0; i < l->n; i++) {
        const struct sdrt_step_info *s = &l->layer[i].info;
        if (s->flop <= 0.0) continue;
        a.x1 = fmax(a.x1, ceil(log10(s->flop / s->bytes)));
        a.y0 = fmin(a.y0, fmax(-1.0, floor(log10(s->flop * 1e-9 / l->layer[i].seconds))));
    }
    return a;
}

void sdrt_layers_svg(const struct sdrt_layers *l, const struct sdrt_roof *roof, const char *title,
                     FILE *f)
{
    const struct axes a = choose_axes(l, roof);

    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" font-family=\"sans-serif\" font-size=\"13\">\n"
            "<style>text{fill:#777}path{fill:none;stroke:#777}.g{stroke-opacity:.25}"
            ".r{stroke-width:1.6}circle{fill-opacity:.5;stroke-width:1}</style>\n", ALL,
            TOP + HEIGHT + 56, ALL, TOP + HEIGHT + 56);
    fprintf(f, "<text x=\"%d\" y=\"26\" font-size=\"16\">", LEFT);
    put_text(f, title);
    fputs("</text>\n", f);
    draw_axes(&a, f);
    draw_bandwidths(&a, roof, highest(roof, l->precision), f);
    draw_compute(&a, roof, l->precision, f);
    for (int i = 0; i < l->n; i++)
        if (l->layer[i].seconds > 0.0) draw_layer(&a, &l->layer[i], l->sum, f);
    draw_legend(l, f);
    fputs("</svg>\n", f);
}
