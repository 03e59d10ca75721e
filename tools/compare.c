/* SPDX-License-Identifier: MIT */
#include "tools/compare.h"
#include "model/pipeline/precision.h"
#include "model/sdrt.h"
#include "runtime/base/grow.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096, WORST = 8, STEP_DIGITS = 7 /* of "step000" */ };

struct sketch {
    char *name;
    float *buckets;            /* the first precision's */
    double norm;               /* of the tensor */
    double error[COMPARE_MAX]; /* relative L2 of each other precision; negative: no such tensor */
};

struct sketches {
    struct sketch *all;
    size_t n, room;
};

struct image {
    uint8_t *pixels;
    size_t bytes;
    double db[COMPARE_MAX];
};

struct compare {
    char *text;                         /* the list, in pieces; owned */
    const char *precision[COMPARE_MAX]; /* of it */
    int n, now;
    struct sketches layers; /* of the first step */
    struct sketches steps;  /* each step's last tensor, by the step's name */
    struct image *images;
    size_t n_images, images_room;
    char step[STEP_DIGITS + 1]; /* the step that last[] is of */
    float last[BUCKETS];
    double last_norm;
};

/* ---- the list ---- */

/* Takes the name into the list; what was asked for as a whole is told where it is none. */
static int add_name(struct compare *c, const char *name, const char *option, const char *list,
                    const struct sdrt_log *log)
{
    struct sdrt_precision read;

    if (sdrt_precision_read(&read, name, "", NULL) != SDRT_OK)
        return sdrt_fail(log, SDRT_E_ARG,
                         "--%s '%s': expected precisions with commas between, "
                         "such as f32,bf16; '%s' is none",
                         option, list, name);
    for (int i = 0; i < c->n; i++)
        if (!strcmp(c->precision[i], name))
            return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected each precision once", option,
                             list);
    if (c->n == COMPARE_MAX)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected at most %d precisions", option, list,
                         COMPARE_MAX);
    c->precision[c->n++] = name;
    return SDRT_OK;
}

static int read_list(struct compare *c, const char *option, const char *list,
                     const struct sdrt_log *log)
{
    int status = SDRT_OK;

    for (char *at = c->text, *end; at && status == SDRT_OK; at = end) {
        end = strchr(at, ',');
        if (end) *end++ = '\0';
        status = add_name(c, at, option, list, log);
    }
    if (status == SDRT_OK && c->n < 2)
        return sdrt_fail(log, SDRT_E_ARG,
                         "--%s '%s': expected at least two precisions, such as "
                         "f32,bf16",
                         option, list);
    return status;
}

int compare_open(struct compare **out, const char *option, const char *list,
                 const struct sdrt_log *log)
{
    struct compare *c = calloc(1, sizeof *c);

    *out = c;
    if (c) c->text = strdup(list);
    const int status = c && c->text
                           ? read_list(c, option, list, log)
                           : sdrt_fail(log, SDRT_E_NOMEM, "no memory to compare precisions");
    if (status) compare_close(out);
    return status;
}

static void free_sketches(struct sketches *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->all[i].name);
        free(s->all[i].buckets);
    }
    free(s->all);
}

void compare_close(struct compare **c)
{
    if (!*c) return;
    free_sketches(&(*c)->layers);
    free_sketches(&(*c)->steps);
    for (size_t i = 0; i < (*c)->n_images; i++) free((*c)->images[i].pixels);
    free((*c)->images);
    free((*c)->text);
    free(*c);
    *c = NULL;
}

const char *compare_precision(const struct compare *c, int n)
{
    return n < c->n ? c->precision[n] : NULL;
}

void compare_begin(struct compare *c, int n)
{
    c->now = n;
    c->step[0] = '\0';
}

/* ---- sketches ---- */

/* splitmix64 (Steele, Lea, Flood 2014) of an index: a bucket and a sign that all precisions share. */
static uint64_t hash(uint64_t i)
{
    i = (i + 1) * 0x9e3779b97f4a7c15u;
    i = (i ^ i >> 30) * 0xbf58476d1ce4e5b9u;
    i = (i ^ i >> 27) * 0x94d049bb133111ebu;
    return i ^ i >> 31;
}

/* Fills buckets; returns the tensor's own norm. */
static double sketch_of(const int dims[4], const float *data, float *buckets)
{
    const size_t count = (size_t)dims[0] * (size_t)dims[1] * (size_t)dims[2] * (size_t)dims[3];
    double sum = 0.0;

    memset(buckets, 0, BUCKETS * sizeof *buckets);
    for (size_t i = 0; i < count; i++) {
        const uint64_t h = hash(i);
        buckets[h % BUCKETS] += h >> 63 ? -data[i] : data[i];
        sum += (double)data[i] * (double)data[i];
    }
    return sqrt(sum);
}

static struct sketch *find(const struct sketches *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->all[i].name, name)) return &s->all[i];
    return NULL;
}

static int add(struct sketches *s, const char *name, const float *buckets, double norm)
{
    struct sketch *all = sdrt_grow(s->all, s->n, &s->room, sizeof *all), *one;

    if (!all) return SDRT_E_NOMEM;
    s->all = all;
    one = &all[s->n];
    one->name = strdup(name);
    one->buckets = malloc(BUCKETS * sizeof *buckets);
    one->norm = norm;
    for (int i = 0; i < COMPARE_MAX; i++) one->error[i] = -1.0;
    if (!one->name || !one->buckets) {
        free(one->name);
        free(one->buckets);
        return SDRT_E_NOMEM;
    }
    memcpy(one->buckets, buckets, BUCKETS * sizeof *buckets);
    s->n++;
    return SDRT_OK;
}

/* Keeps the first precision's, measures another's. */
static int take(struct compare *c, struct sketches *s, const char *name, const float *buckets,
                double norm)
{
    struct sketch *one = find(s, name);
    double sum = 0.0;

    if (c->now == 0) return one ? SDRT_OK : add(s, name, buckets, norm);
    if (!one) return SDRT_OK;
    for (int i = 0; i < BUCKETS; i++) {
        const double d = (double)buckets[i] - (double)one->buckets[i];
        sum += d * d;
    }
    one->error[c->now] = one->norm > 0.0 ? sqrt(sum) / one->norm : 0.0;
    return SDRT_OK;
}

/* What the step's last tensor was is known once something else comes. */
static int end_step(struct compare *c)
{
    const int status = c->step[0] ? take(c, &c->steps, c->step, c->last, c->last_norm) : SDRT_OK;

    c->step[0] = '\0';
    return status;
}

int compare_tensor(struct compare *c, const char *name, const int dims[4], const float *data,
                   const struct sdrt_log *log)
{
    const char *slash = strchr(name, '/'); /* "step000/unet.conv_in" */
    const int in_step = !strncmp(name, "step", 4) && slash && slash - name <= STEP_DIGITS;
    int status = SDRT_OK;

    if (!in_step || strncmp(c->step, name, (size_t)(slash - name))) status = end_step(c);
    if (!status && in_step) {
        c->last_norm = sketch_of(dims, data, c->last);
        snprintf(c->step, sizeof c->step, "%.*s", (int)(slash - name), name);
        if (strspn(name + 4, "0") == (size_t)(slash - name) - 4)
            status = take(c, &c->layers, slash + 1, c->last, c->last_norm);
    }
    return status ? sdrt_fail(log, status, "no memory to compare %s", name) : SDRT_OK;
}

/* ---- images ---- */

double compare_psnr(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    double sum = 0.0;

    for (size_t i = 0; i < bytes; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return 10.0 * log10(255.0 * 255.0 * (double)bytes / sum);
}

int compare_image(struct compare *c, int i, const uint8_t *pixels, int width, int height,
                  const struct sdrt_log *log)
{
    const size_t bytes = (size_t)width * (size_t)height * 3;

    if (end_step(c)) return sdrt_fail(log, SDRT_E_NOMEM, "no memory to compare a step");
    if (c->now > 0) {
        c->images[i].db[c->now] = compare_psnr(c->images[i].pixels, pixels, bytes);
        return SDRT_OK;
    }
    struct image *images = sdrt_grow(c->images, c->n_images, &c->images_room, sizeof *images);
    uint8_t *kept = images ? malloc(bytes) : NULL;
    if (images) c->images = images;
    if (!kept) return sdrt_fail(log, SDRT_E_NOMEM, "no memory to compare an image");
    memcpy(kept, pixels, bytes);
    images[c->n_images++] = (struct image){ .pixels = kept, .bytes = bytes };
    return SDRT_OK;
}

/* ---- what is told ---- */

/* The mean and the least over all images; infinite where all are equal. */
static void image_db(const struct compare *c, int precision, double *mean, double *least)
{
    *mean = 0.0;
    *least = HUGE_VAL;
    for (size_t i = 0; i < c->n_images; i++) {
        const double db = c->images[i].db[precision];
        *mean += db / (double)c->n_images;
        *least = fmin(*least, db);
    }
}

/* The layers that are most wrong, worst first; answers how many. */
static int worst_layers(const struct compare *c, int precision, const struct sketch *worst[WORST])
{
    int n = 0;

    for (size_t i = 0; i < c->layers.n; i++) {
        const struct sketch *one = &c->layers.all[i];
        const double error = one->error[precision];
        int at = n;
        while (at > 0 && worst[at - 1]->error[precision] < error) at--;
        if (at == WORST) continue;
        if (n < WORST) n++;
        memmove(&worst[at + 1], &worst[at], (size_t)(n - 1 - at) * sizeof *worst);
        worst[at] = one;
    }
    return n;
}

static void print_table(const struct compare *c, FILE *to)
{
    const struct sketch *worst[WORST] = { NULL };
    const char *first = c->precision[0];

    fprintf(to, "images beside %s's, PSNR\n%-10s  %9s  %9s\n", first, "", "mean dB", "least dB");
    for (int p = 1; p < c->n; p++) {
        double mean, least;
        image_db(c, p, &mean, &least);
        fprintf(to, "%-10s  %9.1f  %9.1f\n", c->precision[p], mean, least);
    }
    fprintf(to, "\nthe denoiser's answer beside %s's, relative L2\n%-10s", first, "step");
    for (int p = 1; p < c->n; p++) fprintf(to, "  %9s", c->precision[p]);
    putc('\n', to);
    for (size_t i = 0; i < c->steps.n; i++) {
        fprintf(to, "%-10s", c->steps.all[i].name + 4);
        for (int p = 1; p < c->n; p++) fprintf(to, "  %9.2e", c->steps.all[i].error[p]);
        putc('\n', to);
    }
    for (int p = 1; p < c->n; p++) {
        const int n = worst_layers(c, p, worst);
        fprintf(to, "\nwhat is most wrong in the first step in %s, relative L2\n", c->precision[p]);
        for (int i = 0; i < n; i++)
            fprintf(to, "%-10.2e  %s\n", worst[i]->error[p], worst[i]->name);
    }
}

/* JSON has no infinity: null says equal. */
static json_t *decibels(double db) { return isfinite(db) ? json_real(db) : json_null(); }

static json_t *one_precision(const struct compare *c, int p)
{
    const struct sketch *worst[WORST] = { NULL };
    const int n = worst_layers(c, p, worst);
    json_t *steps = json_array(), *layers = json_array();
    double mean, least;

    image_db(c, p, &mean, &least);
    for (size_t i = 0; i < c->steps.n; i++)
        json_array_append_new(steps, json_real(c->steps.all[i].error[p]));
    for (int i = 0; i < n; i++)
        json_array_append_new(layers, json_pack("{s:s, s:f}", "name", worst[i]->name, "error",
                                                worst[i]->error[p]));
    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "precision", c->precision[p], "mean_db",
                     decibels(mean), "least_db", decibels(least), "step_errors", steps,
                     "worst_layers", layers);
}

static int print_json(const struct compare *c, FILE *to, const struct sdrt_log *log)
{
    json_t *all = json_array();
    int failed = !all;

    for (int p = 1; p < c->n && !failed; p++)
        failed = json_array_append_new(all, one_precision(c, p));
    json_t *report = failed
                         ? NULL
                         : json_pack("{s:s, s:O}", "reference", c->precision[0], "compared", all);
    if (report) {
        json_dumpf(report, to, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putc('\n', to);
    }
    json_decref(report);
    json_decref(all);
    return report ? SDRT_OK : sdrt_fail(log, SDRT_E_NOMEM, "no memory for the JSON report");
}

int compare_print(const struct compare *c, FILE *to, int json, const struct sdrt_log *log)
{
    if (json) return print_json(c, to, log);
    print_table(c, to);
    return SDRT_OK;
}
