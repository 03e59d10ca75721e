/* SPDX-License-Identifier: MIT */
#include "tools/plan_svg.h"
#include "runtime/files/json.h"

#include <string.h>

enum { WIDTH = 1200, HEIGHT = 640, LEFT = 70, TOP = 40, BOTTOM = 40, GAP = 10 };

static double mib(json_int_t bytes) { return (double)bytes / (1 << 20); }

static json_int_t whole(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *name_of(const json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "name"));

    return name ? name : "";
}

/* Names differ in colour, and keep theirs from plan to plan: FNV-1a. */
static unsigned hue_of(const char *name)
{
    unsigned h = 2166136261u;

    for (; *name; name++) h = (h ^ (unsigned char)*name) * 16777619u;
    return h % 360;
}

static void draw_buffer(const json_t *buffer, double sx, double sy, FILE *f)
{
    const char *name = name_of(buffer);
    const json_int_t bytes = whole(buffer, "bytes"), offset = whole(buffer, "offset");
    const json_int_t first = whole(buffer, "first"), last = whole(buffer, "last");
    const double h = (double)bytes * sy;

    fprintf(f,
            "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
            "fill=\"hsl(%u,%d%%,70%%)\" stroke=\"#333\" stroke-width=\"0.3\"><title>%s\n"
            "%.2f MiB at %lld, operations %lld to %lld</title></rect>\n",
            LEFT + (double)first * sx, HEIGHT - BOTTOM - (double)offset * sy - h,
            (double)(last - first + 1) * sx, h, hue_of(name), strcmp(name, "scratch") ? 60 : 0,
            name, mib(bytes), (long long)offset, (long long)first, (long long)last);
}

/* Names come from the builders of graphs and hold no character that XML would escape. */
static void draw_program(const json_t *program, FILE *f)
{
    const json_int_t peak = whole(program, "peak_bytes");
    const json_int_t operations = whole(program, "operations");
    const double sx = (double)(WIDTH - LEFT - 10) / (double)(operations ? operations : 1);
    const double sy = (double)(HEIGHT - TOP - BOTTOM) / (double)(peak ? peak : 1);
    json_t *buffer;
    size_t k;

    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n",
            WIDTH, HEIGHT);
    fprintf(f,
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
            "<text x=\"%d\" y=\"22\" font-size=\"15\">%s: %lld operations, peak %.1f MiB, "
            "lower bound %.1f MiB</text>\n",
            LEFT, name_of(program), (long long)operations, mib(peak),
            mib(whole(program, "lower_bound_bytes")));
    json_array_foreach(json_object_get(program, "buffers"), k, buffer)
        draw_buffer(buffer, sx, sy, f);
    for (int i = 0; i <= 4; i++) {
        const double y = HEIGHT - BOTTOM - (double)(HEIGHT - TOP - BOTTOM) * i / 4;
        fprintf(f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>\n", LEFT - 6, y + 4,
                mib(peak) * i / 4);
    }
    fprintf(f,
            "<text x=\"14\" y=\"%d\" transform=\"rotate(-90 14 %d)\" text-anchor=\"middle\">"
            "address, MiB</text>\n<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">operation, in the "
            "order of execution</text>\n</svg>\n",
            HEIGHT / 2, HEIGHT / 2, WIDTH / 2, HEIGHT - 12);
}

/* The index of the first program of that name; behind the last where there is none. */
static size_t find(const json_t *programs, const char *name)
{
    size_t i = 0;

    while (i < json_array_size(programs) && strcmp(name_of(json_array_get(programs, i)), name)) i++;
    return i;
}

int plan_svg(const char *json, FILE *f, const struct sdrt_log *log)
{
    json_t *plan;

    sdrt_json_parse(&plan, json, strlen(json), "plan", NULL);
    const json_t *programs = json_object_get(plan, "programs");
    /* The step follows its schedule; a refiner has both again, behind them. */
    const json_t *step = json_array_get(programs, find(programs, "schedule") + 1);
    const json_t *vae = json_array_get(programs, find(programs, "vae"));

    if (!step || !vae) {
        json_decref(plan);
        return sdrt_fail(log, SDRT_E_FORMAT, "the plan: expected a denoiser's step and a VAE");
    }
    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\">\n", WIDTH,
            2 * HEIGHT + GAP);
    draw_program(step, f);
    fprintf(f, "<g transform=\"translate(0 %d)\">\n", HEIGHT + GAP);
    draw_program(vae, f);
    fputs("</g>\n</svg>\n", f);
    json_decref(plan);
    return SDRT_OK;
}
