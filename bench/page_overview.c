/* SPDX-License-Identifier: MIT */
#include "bench/page_parts.h"
#include "bench/results_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BAR = 120, TEXTS = 4 };

/* What makes work comparable; arch and size are not told by every command. */
static const char *const texts[TEXTS] = { "arch", "size", "isa", "precision" };

/* A row of the overview; times in ms, NAN where no document tells them. */
struct work {
    int file;
    const char *machine, *text[TEXTS]; /* NULL: not told yet */
    double threads, roof, step, vae, encoding, images, score;
};

struct overview {
    struct work *work;
    int n;
};

static const char *told(const json_t *document, const char *key)
{
    return json_string_value(json_object_get(document, key));
}

static int is_of(const struct work *w, int file, const json_t *document)
{
    const double threads = sdrt_result_number(document, NULL, "threads");

    for (int i = 0; i < TEXTS; i++) {
        const char *text = told(document, texts[i]);
        if (text && w->text[i] && strcmp(text, w->text[i]) != 0) return 0;
    }
    return w->file == file && !(threads != w->threads && isfinite(threads));
}

static struct work *work_of(struct overview *o, int file, const json_t *document)
{
    struct work *w = o->work;

    while (w < o->work + o->n && !is_of(w, file, document)) w++;
    if (w == o->work + o->n)
        o->work[o->n++] = (struct work){
            file,     told(document, "machine"),
            { NULL }, sdrt_result_number(document, NULL, "threads"),
            NAN,      NAN,
            NAN,      NAN,
            NAN,      NAN,
        };
    for (int i = 0; i < TEXTS; i++)
        if (!w->text[i]) w->text[i] = told(document, texts[i]);
    return w;
}

static void take(struct overview *o, int file, const json_t *document)
{
    const char *command = sdrt_result_text(document, NULL, "command");
    const double ms = sdrt_result_number(document, NULL, "ms");
    const double roof = sdrt_result_number(document, "roof", "f32_gflops");
    static const char *const shown[] = { "step", "vae", "text", "generate", "score" };
    size_t i = 0;

    while (i < sizeof shown / sizeof *shown && strcmp(command, shown[i])) i++;
    if (i == sizeof shown / sizeof *shown) return;
    struct work *w = work_of(o, file, document);
    if (isfinite(roof)) w->roof = roof;
    if (!strcmp(command, "step")) w->step = ms;
    else if (!strcmp(command, "vae")) w->vae = ms;
    else if (!strcmp(command, "text")) w->encoding = ms;
    else if (!strcmp(command, "generate"))
        w->images = sdrt_result_number(document, NULL, "images_per_minute");
    else w->score = sdrt_result_number(document, "score", "images_per_minute");
}

static void cell(double x, int decimals, FILE *f)
{
    if (isfinite(x)) fprintf(f, "<td>%.*f</td>", decimals, x);
    else fputs("<td></td>", f);
}

/* least: ms of the fastest step, which has the longest bar. */
static void print_work(const struct work *w, const char *name, double least, FILE *f)
{
    const char *slash = strrchr(name, '/'), *machine = w->machine ? w->machine : "unknown";
    char processor[64];

    snprintf(processor, sizeof processor, "%.*s", (int)strcspn(machine, ";"), machine);
    fprintf(f, "<tr><td class=\"t\"><a href=\"#f%d\">", w->file);
    sdrt_page_text(f, slash ? slash + 1 : name);
    fputs("</a></td><td class=\"t\">", f);
    sdrt_page_text(f, processor);
    fputs("</td>", f);
    for (int i = 0; i < TEXTS; i++) { /* two a cell */
        fputs(i % 2 ? " " : "<td class=\"t\">", f);
        sdrt_page_text(f, w->text[i] ? w->text[i] : "");
        if (i % 2) fputs("</td>", f);
    }
    cell(w->threads, 0, f);
    cell(w->roof, 1, f);
    cell(w->encoding, 1, f);
    cell(w->step, 1, f);
    cell(w->vae, 1, f);
    cell(w->images, 3, f);
    cell(w->score, 3, f);
    if (w->step > 0.0)
        fprintf(
            f,
            "<td><svg width=\"%d\" height=\"10\"><rect width=\"%.1f\" height=\"10\"/></svg></td>",
            BAR, BAR * least / w->step);
    fputs("</tr>\n", f);
}

void sdrt_page_overview(json_t *const *files, const char *const *names, int n, FILE *f)
{
    struct overview o = { .n = 0 };
    double least = INFINITY;
    size_t documents = 0, i;
    json_t *document;

    for (int k = 0; k < n; k++) documents += json_array_size(files[k]);
    o.work = calloc(documents + 1, sizeof *o.work);
    if (!o.work) {
        fputs("<p>no memory for the overview</p>\n", f);
        return;
    }
    for (int k = 0; k < n; k++)
        json_array_foreach(files[k], i, document) take(&o, k, document);
    for (int k = 0; k < o.n; k++)
        least = fmin(least, o.work[k].step > 0.0 ? o.work[k].step : INFINITY);
    if (o.n)
        fputs("<table class=\"o\"><tr><th class=\"t\">results</th><th class=\"t\">processor</th>"
              "<th class=\"t\">model</th><th class=\"t\">level</th><th>threads</th>"
              "<th>f32 roof GFLOP/s</th><th>text ms</th><th>step ms</th><th>decode ms</th>"
              "<th>images a minute</th><th>score</th><th class=\"t\">steps a second</th></tr>\n",
              f);
    for (int k = 0; k < o.n; k++) print_work(&o.work[k], names[o.work[k].file], least, f);
    if (o.n) fputs("</table>\n", f);
    free(o.work);
}
