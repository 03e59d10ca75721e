/* SPDX-License-Identifier: MIT */
#include "tools/precision_auto.h"
#include "model/pipeline/packing.h"
#include "model/pipeline/precision.h"
#include "model/pipeline/session.h"
#include "runtime/base/numbers.h"
#include "tools/auto_option.h"
#include "tools/compare.h"
#include "tools/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS = 4,      /* of images that are measured */
    RANK_STEPS = 2, /* of latents by which groups are ranked */
    MOST_DB = 100,  /* an 8-bit image of two million values that differs in one is 111 dB away */
};
static const double margin = 1.0; /* dB that a measured image must have beyond the bound */

struct group {
    char glob[SDRT_PACKING_GLOB];
    double error; /* squared distance of the latent where it alone is int8 */
    int wide;
};

struct choosing {
    struct sdgen_options *o;
    const struct prompt_file *prompts;
    const struct sdrt_log *log;
    struct sdrt_log own; /* of what is opened to measure: its errors go on to log */
    int begun;           /* a model has been opened */
    int vae_bands;       /* of the request, where memory is short */
    int enough;          /* the latent is there: that the rest is cancelled is no error */
    uint8_t *image;      /* float32's */
    size_t bytes;
    double db; /* of the image that was drawn last */
    const char
        *wider;      /* the next precision after int8, in which layers that are not int8 multiply */
    float *latent;   /* that one's; NULL: the next is to be kept */
    double distance; /* squared, of the next ones from that */
    struct group groups[SDRT_PACKING_GLOBS];
    int n_groups;
    char text[SDRT_PACKING_GLOBS * SDRT_PACKING_GLOB + 16]; /* of a precision */
};

int precision_auto_read(double *db, const char *option, const char *text,
                        const struct sdrt_log *log)
{
    static const char name[] = "auto";
    const size_t n = strlen(name);
    char *end = NULL;

    if (strncmp(text, name, n) || (text[n] && text[n] != ':')) return 1;
    const char *number = text[n] ? text + n + 1 : "";
    const double value = sdrt_parse_number(number, &end);
    const size_t digits = strspn(number, "0123456789.");
    if (!digits || end != number + digits || (*end && strcmp(end, "dB")) ||
        !(value > 0.0 && value <= MOST_DB))
        return sdrt_fail(log, SDRT_E_ARG,
                         "--%s '%s': expected auto:DB, decibels above 0 to %d, as auto:40dB",
                         option, text, MOST_DB);
    *db = value;
    return 0;
}

/* ---- drawing to measure ---- */

static void on_log(void *user, enum sdrt_log_level level, const char *text)
{
    const struct choosing *c = user;

    if (level == SDRT_LOG_ERROR && !c->enough) c->log->fn(c->log->user, level, text);
}

/* One image of a few whole evaluations, the first of those that are drawn twice. */
static struct sdrt_request request_of(const struct choosing *c, int steps)
{
    struct sdrt_request r = c->o->request;

    if (c->o->prompt_file) r.prompt = c->prompts->lines[0];
    if (r.steps > steps) r.steps = steps;
    r.batch = 1;
    r.cache = NULL;
    r.hires = 0.0f;
    r.hires_steps = 0;
    r.hires_upscaler = NULL;
    r.vae_bands = c->vae_bands;
    r.progress = NULL;
    r.preview = NULL;
    r.dump = NULL;
    return r;
}

/* What is found out once, with the first model. */
static int begin(struct choosing *c, struct sdrt_context *context)
{
    struct sdgen_options *copy = malloc(sizeof *copy);
    int status = copy ? SDRT_OK
                      : sdrt_fail(c->log, SDRT_E_NOMEM, "no memory to choose a precision");

    if (copy) {
        auto_apply(context, c->o, c->log);
        *copy = *c->o;
        status = memory_check(context, copy, c->prompts, &c->own);
        c->vae_bands = copy->request.vae_bands;
    }
    free(copy);
    c->begun = 1;
    return status;
}

/* What is taken of a drawing. */
typedef int taking(struct choosing *c, const struct sdrt_context *context);

static int draw(struct choosing *c, const char *precision, int steps, sdrt_dump_fn *dump,
                taking *take)
{
    struct sdrt_options model = c->o->model;
    struct sdrt_context *context = NULL;

    model.precision = precision;
    model.log = &c->own;
    c->enough = 0;
    int status = sdrt_open(&context, &model);
    if (!status && !c->begun) status = begin(c, context);
    if (!status) {
        struct sdrt_request r = request_of(c, steps);
        r.dump = dump;
        r.dump_user = c;
        status = sdrt_generate(context, &r);
        if (status == SDRT_E_CANCELLED && c->enough) status = SDRT_OK;
    }
    if (!status && take) status = take(c, context);
    sdrt_close(&context);
    return status;
}

static int keep_image(struct choosing *c, const struct sdrt_context *context)
{
    int width = 0, height = 0;
    const uint8_t *pixels = sdrt_image(context, 0, &width, &height);

    c->bytes = (size_t)width * (size_t)height * 3;
    c->image = malloc(c->bytes);
    if (!c->image) return sdrt_fail(c->log, SDRT_E_NOMEM, "no memory to compare an image");
    memcpy(c->image, pixels, c->bytes);
    return SDRT_OK;
}

static int measure_image(struct choosing *c, const struct sdrt_context *context)
{
    c->db = compare_psnr(c->image, sdrt_image(context, 0, NULL, NULL), c->bytes);
    return SDRT_OK;
}

/* Keeps the first latent and measures others; then no more is to be drawn. */
static int on_latent(void *user, const char *name, const int dims[4], const float *data)
{
    struct choosing *c = user;
    const size_t n = (size_t)dims[0] * (size_t)dims[1] * (size_t)dims[2] * (size_t)dims[3];

    if (strcmp(name, "latent")) return 0;
    c->enough = 1;
    if (!c->latent) {
        c->latent = malloc(n * sizeof *data);
        if (c->latent) memcpy(c->latent, data, n * sizeof *data);
        return 1;
    }
    c->distance = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)data[i] - (double)c->latent[i];
        c->distance += d * d;
    }
    return 1;
}

/* ---- groups of layers ---- */

/* "unet.up_blocks.1.*ff*": a stage's feed-forwards, or its attentions; of a transformer, whose blocks are many,
 * "transformer.transformer_blocks.1[0-9].*ff*". */
static void glob_of(const char *name, char glob[SDRT_PACKING_GLOB])
{
    static const char transformer[] = "transformer.";
    const char *kind = strstr(name, ".ff.") ? "ff" : "attn";
    const char *dot = strchr(name, '.');
    const char *end = dot ? strchr(dot + 1, '.') : NULL;
    size_t n = end ? (size_t)(end - name) : strlen(name);
    const size_t digits = end ? strspn(end + 1, "0123456789") : 0;

    if (digits) n += 1 + digits;
    if (digits && !strncmp(name, transformer, strlen(transformer)))
        snprintf(glob, SDRT_PACKING_GLOB, "%.*s[0-9].*%s*", (int)n - 1, name, kind);
    else snprintf(glob, SDRT_PACKING_GLOB, "%.*s.*%s*", (int)n, name, kind);
}

static void add_group(void *user, const char *name)
{
    struct choosing *c = user;
    const struct sdrt_packed_matrix m = { .name = name, .from = SDRT_F32 };
    char glob[SDRT_PACKING_GLOB];

    if (sdrt_packing_of("int8", NULL)(&m) != SDRT_I8) return;
    glob_of(name, glob);
    for (int i = 0; i < c->n_groups; i++)
        if (!strcmp(c->groups[i].glob, glob)) return;
    if (c->n_groups < SDRT_PACKING_GLOBS) memcpy(c->groups[c->n_groups++].glob, glob, sizeof glob);
}

static int list_groups(struct choosing *c, const struct sdrt_context *context)
{
    const struct sdrt_model *m = sdrt_session_of(context)->model;

    for (int i = 0; i < m->n_parts; i++)
        sdrt_weight_store_each_declared(m->parts[i].store, add_group, c);
    return measure_image(c, context);
}

/* The precision in which those of the groups that are wide are, or, but for one, all; c's. */
static const char *mixture(struct choosing *c, const struct group *but)
{
    size_t used = (size_t)snprintf(c->text, sizeof c->text, "int8");
    int n = 0;

    for (int i = 0; i < c->n_groups; i++) {
        const struct group *g = &c->groups[i];
        if (but ? g == but : !g->wide) continue;
        used += (size_t)snprintf(c->text + used, sizeof c->text - used, "%s%s",
                                 n++ ? "+" : ":wide=", g->glob);
    }
    return c->text;
}

/* ---- the choice ---- */

static int measure(struct choosing *c, const char *precision)
{
    const int status = draw(c, precision, STEPS, NULL,
                            strcmp(precision, "int8") ? measure_image : list_groups);

    if (!status) sdrt_note(c->log, SDRT_LOG_INFO, "precision: %s: %.1f dB", precision, c->db);
    return status;
}

static int is_near(const struct choosing *c, double db)
{
    return db >= c->o->precision_db + margin;
}

static int take(struct choosing *c, const char *precision)
{
    struct sdgen_options *o = c->o;

    free(o->precision_text);
    o->precision_text = strdup(precision);
    o->model.precision = o->precision_text;
    if (!o->precision_text)
        return sdrt_fail(c->log, SDRT_E_NOMEM, "no memory for the name of a precision");
    sdrt_note(c->log, SDRT_LOG_INFO, "precision: taken for %g dB: %s", o->precision_db, precision);
    return SDRT_OK;
}

/* Most costly first. */
static int by_error(const void *a, const void *b)
{
    const struct group *x = a, *y = b;

    return x->error < y->error ? 1 : x->error > y->error ? -1 : strcmp(x->glob, y->glob);
}

/* How far each group alone draws the latent from the wider precision's. */
static int rank(struct choosing *c)
{
    int status = draw(c, c->wider, RANK_STEPS, on_latent, NULL);

    if (!status && !c->latent)
        status = sdrt_fail(c->log, SDRT_E_NOMEM, "no memory to compare a latent");
    for (int i = 0; i < c->n_groups && !status; i++) {
        status = draw(c, mixture(c, &c->groups[i]), RANK_STEPS, on_latent, NULL);
        c->groups[i].error = c->distance;
    }
    qsort(c->groups, (size_t)c->n_groups, sizeof *c->groups, by_error);
    return status;
}

/* Errors of groups add up as independent noise does, to what int8's image has beyond the wider one's.  Widens
 * groups until the image that this predicts is near enough, and then on, until one that is drawn is. */
static int mix(struct choosing *c, double int8, double wider)
{
    const double noise8 = pow(10.0, -0.1 * int8), least = pow(10.0, -0.1 * wider);
    double all = 0.0, left = 0.0;
    int status = rank(c);

    for (int i = 0; i < c->n_groups; i++) all += c->groups[i].error;
    left = all;
    for (int i = 0; i + 1 < c->n_groups && !status; i++) {
        c->groups[i].wide = 1;
        left -= c->groups[i].error;
        const double noise = least + fmax(noise8 - least, 0.0) * (all > 0.0 ? left / all : 0.0);
        if (!is_near(c, -10.0 * log10(noise))) continue;
        status = measure(c, mixture(c, NULL));
        if (!status && is_near(c, c->db)) return take(c, mixture(c, NULL));
    }
    return status ? status : take(c, c->wider);
}

/* Narrowest first, in *n of them, which this machine multiplies faster than float32. */
static void ladder(const char *names[3], int *n)
{
    static const char *const all[] = { "int8", "bf16", "int16" };
    const struct sdrt_isa_level *best = sdrt_isa_best(sdrt_isa_detect());
    const int is_bf16 = !strcmp(sdrt_level_precision(best), "bf16");

    *n = 0;
    for (int i = 0; i < 3; i++) {
        const int there = sdrt_list_usable(SDRT_LIST_PRECISIONS,
                                           sdrt_list_find(SDRT_LIST_PRECISIONS, all[i]));
        /* int8 beside another level than the best is no faster than what that one computes in. */
        if (i == 0   ? there && (!is_bf16 || sdrt_level_computes_in(best, all[i]))
            : i == 1 ? is_bf16
                     : there)
            names[(*n)++] = all[i];
    }
}

static int choose(struct choosing *c)
{
    const char *names[3];
    double before = 0.0;
    int n, status = SDRT_OK;

    ladder(names, &n);
    if (n) status = draw(c, "f32", STEPS, NULL, keep_image);
    for (int i = 0; i < n && !status; i++) {
        status = measure(c, names[i]);
        if (status) break;
        c->wider = names[i];
        if (is_near(c, c->db))
            return i && !strcmp(names[i - 1], "int8") ? mix(c, before, c->db) : take(c, names[i]);
        before = c->db;
    }
    if (status) return status;
    sdrt_note(c->log, SDRT_LOG_INFO,
              n ? "precision: nothing but f32 comes to %g dB and a margin of %g"
                : "precision: this machine multiplies nothing faster than f32, for %g dB "
                  "and a margin of %g as for all others",
              c->o->precision_db, margin);
    return take(c, "f32");
}

int precision_choose(struct sdgen_options *o, const struct prompt_file *prompts,
                     const struct sdrt_log *log)
{
    struct choosing *c = calloc(1, sizeof *c);

    if (!c) return sdrt_fail(log, SDRT_E_NOMEM, "no memory to choose a precision");
    *c = (struct choosing){ .o = o,
                            .prompts = prompts,
                            .log = log,
                            .vae_bands = o->request.vae_bands,
                            .own = { .fn = on_log, .user = c } };
    sdrt_note(log, SDRT_LOG_INFO, "precision: measuring with %d steps beside f32",
              o->request.steps < STEPS ? o->request.steps : STEPS);
    const int status = choose(c);
    free(c->image);
    free(c->latent);
    free(c);
    return status;
}
