/* SPDX-License-Identifier: MIT */
#include "model/pipeline/upscaler_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 160, WIDEST = 1024, MOST_BLOCKS = 256, LARGEST_SCALE = 16 };

/* How a file names RRDB's layers.  ORIGINAL is a torch Sequential, in which upsampling and activations
 * count; SRVGG is BASICSR's alone. */
enum names { BASICSR, OLDER, ORIGINAL };

struct sdrt_upscaler_file {
    struct sdrt_weight_files *all, *files; /* as they are, and without what is before all names */
    struct sdrt_weights_provider own;
    struct sdrt_upscaler_config config;
    enum names names;
    const char *path; /* while it is opened */
    const struct sdrt_log *log;
};

static const char *const wrappers[] = { "params_ema.", "params.", "state_dict.", "" };
static const char *const signs[] = { "conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight",
                                     "model.0.weight", "body.0.weight" };
enum {
    WRAPPERS = sizeof wrappers / sizeof *wrappers,
    SIGNS = sizeof signs / sizeof *signs,
    SRVGG_SIGN = SIGNS - 1
};

/* ---- names ---- */

static void translate_older(const char *name, char out[NAME])
{
    static const char *const pairs[][2] = { { "conv_body.", "trunk_conv." },
                                            { "conv_up", "upconv" },
                                            { "conv_hr.", "HRconv." } };
    int block, dense, at = 0;

    if (sscanf(name, "body.%d.rdb%d.%n", &block, &dense, &at) == 2 && at) {
        snprintf(out, NAME, "RRDB_trunk.%d.RDB%d.%s", block, dense, name + at);
        return;
    }
    snprintf(out, NAME, "%s", name);
    for (int i = 0; i < 3; i++)
        if (!strncmp(name, pairs[i][0], strlen(pairs[i][0])))
            snprintf(out, NAME, "%s%s", pairs[i][1], name + strlen(pairs[i][0]));
}

/* Behind a dotted name, where its parts number the layers. */
static void translate_original(const struct sdrt_upscaler_config *c, const char *name,
                               char out[NAME])
{
    const char *leaf = strrchr(name, '.');
    int block, dense, layer, up, at = 0;

    if (sscanf(name, "body.%d.rdb%d.conv%d%n", &block, &dense, &layer, &at) == 3 && at)
        snprintf(out, NAME, "model.1.sub.%d.RDB%d.conv%d.0%s", block, dense, layer, name + at);
    else if (!strncmp(name, "conv_first.", 11)) snprintf(out, NAME, "model.0%s", leaf);
    else if (!strncmp(name, "conv_body.", 10))
        snprintf(out, NAME, "model.1.sub.%d%s", c->blocks, leaf);
    else if (sscanf(name, "conv_up%d", &up) == 1) snprintf(out, NAME, "model.%d%s", 3 * up, leaf);
    else
        snprintf(out, NAME, "model.%d%s", 3 * c->doublings + (strncmp(name, "conv_hr.", 8) ? 4 : 2),
                 leaf);
}

static const char *translate(const struct sdrt_upscaler_file *f, const char *name, char out[NAME])
{
    if (f->names == BASICSR) return name;
    if (f->names == OLDER) translate_older(name, out);
    else translate_original(&f->config, name, out);
    return out;
}

/* ---- the provider ---- */

static int get(void *self, const char *name, int rank, const int64_t *shape,
               struct sdrt_weight_view *out)
{
    const struct sdrt_upscaler_file *f = self;
    char own[NAME];

    return f->own.get(f->own.self, translate(f, name, own), rank, shape, out);
}

static void release(void *self, const char *name)
{
    const struct sdrt_upscaler_file *f = self;
    char own[NAME];

    f->own.release(f->own.self, translate(f, name, own));
}

static void prefetch(void *self, const char *name)
{
    const struct sdrt_upscaler_file *f = self;
    char own[NAME];

    f->own.prefetch(f->own.self, translate(f, name, own));
}

static int describe(void *self, const char *name, int rank, const int64_t *shape,
                    struct sdrt_weight_view *out)
{
    const struct sdrt_upscaler_file *f = self;
    char own[NAME];

    return f->own.describe(f->own.self, translate(f, name, own), rank, shape, out);
}

static int read_values(void *self, const char *name, const struct sdrt_weight_view *view,
                       size_t first, size_t count, void *out)
{
    const struct sdrt_upscaler_file *f = self;
    char own[NAME];

    return f->own.read(f->own.self, translate(f, name, own), view, first, count, out);
}

static void use_queue(void *self, struct sdrt_queue *queue)
{
    const struct sdrt_upscaler_file *f = self;

    if (f->own.use_queue) f->own.use_queue(f->own.self, queue);
}

/* ---- finding out what it is ---- */

static int has(const struct sdrt_weight_files *files, const char *front, const char *name)
{
    const size_t n = sdrt_weight_files_count(files), skip = strlen(front);

    for (size_t i = 0; i < n; i++) {
        const char *there = sdrt_weight_files_name(files, i);
        if (!strncmp(there, front, skip) && !strcmp(there + skip, name)) return 1;
    }
    return 0;
}

/* The dimensions of one of the network's tensors; 0 where it is not there, or of another rank. */
static int shape_of(struct sdrt_upscaler_file *f, const char *name, int rank, int shape[4])
{
    struct sdrt_weight_view view;
    char own[NAME];

    name = translate(f, name, own);
    if (!has(f->files, "", name)) return 0;
    if (f->own.get(f->own.self, name, -1, NULL, &view) != SDRT_OK) return 0;
    int known = view.rank == rank;
    for (int i = 0; known && i < rank; i++) {
        known = view.shape[i] >= 1 && view.shape[i] <= 9 * WIDEST;
        shape[i] = (int)view.shape[i];
    }
    f->own.release(f->own.self, name);
    return known;
}

static int no_upscaler(const struct sdrt_upscaler_file *f, const char *what)
{
    return sdrt_fail(f->log, SDRT_E_UNSUPPORTED,
                     "%s: expected an upscaler, ESRGAN's RRDB or SRVGG, %s", f->path, what);
}

static int detect_rrdb(struct sdrt_upscaler_file *f)
{
    struct sdrt_upscaler_config *c = &f->config;
    int first[4], dense[4], last[4];
    char name[NAME];

    c->kind = SDRT_UPSCALER_RRDB;
    if (!shape_of(f, "conv_first.weight", 4, first) ||
        !shape_of(f, "body.0.rdb1.conv1.weight", 4, dense))
        return no_upscaler(f, "with convolutions");
    c->width = first[0];
    c->growth = dense[0];
    c->unshuffle = first[1] == 3 ? 1 : first[1] == 12 ? 2 : first[1] == 48 ? 4 : 0;
    for (c->blocks = 0; c->blocks <= MOST_BLOCKS; c->blocks++) {
        snprintf(name, NAME, "body.%d.rdb1.conv1.weight", c->blocks);
        if (!shape_of(f, name, 4, dense)) break;
    }
    /* The original's last layer is where it is by the number of doublings. */
    for (c->doublings = 0; c->doublings < 4; c->doublings++) {
        snprintf(name, NAME, f->names == ORIGINAL ? "conv_last.weight" : "conv_up%d.weight",
                 c->doublings + 1);
        const int there = shape_of(f, name, 4, last);
        if (f->names == ORIGINAL ? there && last[1] == c->width && last[0] != c->width : !there)
            break;
    }
    if (!shape_of(f, "conv_last.weight", 4, last) || last[0] != 3 || !c->unshuffle)
        return no_upscaler(f, "from and to three colours");
    if (c->width > WIDEST || c->growth > WIDEST || c->blocks > MOST_BLOCKS)
        return no_upscaler(f, "of the published sizes");
    if ((1 << c->doublings) % c->unshuffle) return no_upscaler(f, "that enlarges");
    c->scale = (1 << c->doublings) / c->unshuffle;
    return SDRT_OK;
}

static int detect_srvgg(struct sdrt_upscaler_file *f)
{
    struct sdrt_upscaler_config *c = &f->config;
    int first[4], last[4], slopes[4], layers = 0;
    char name[NAME];

    c->kind = SDRT_UPSCALER_SRVGG;
    c->unshuffle = 1;
    if (!shape_of(f, "body.0.weight", 4, first) || first[1] != 3)
        return no_upscaler(f, "of three colours");
    c->width = first[0];
    for (; layers <= MOST_BLOCKS; layers++) {
        snprintf(name, NAME, "body.%d.weight", 2 * layers);
        if (!shape_of(f, name, 4, last)) break;
    }
    if (layers < 2 || layers > MOST_BLOCKS || c->width > WIDEST)
        return no_upscaler(f, "of the published sizes");
    c->blocks = layers - 2;
    snprintf(name, NAME, "body.%d.weight", 2 * (layers - 1));
    shape_of(f, name, 4, last);
    while (c->scale < LARGEST_SCALE && 3 * c->scale * c->scale < last[0]) c->scale++;
    if (3 * c->scale * c->scale != last[0]) return no_upscaler(f, "to three colours");
    if (!shape_of(f, "body.1.weight", 1, slopes))
        return no_upscaler(f, "with PReLU (body.1.weight) between its layers");
    return SDRT_OK;
}

/* 1 where own is a tensor of the network. */
static int is_known(const struct sdrt_upscaler_file *f, const char *own)
{
    const char *dot = strrchr(own, '.');
    char name[NAME], in_file[NAME];
    size_t n;

    if (!dot || (strcmp(dot, ".weight") && strcmp(dot, ".bias"))) return 0;
    for (int i = 0; sdrt_upscaler_layer(&f->config, i, name); i++) {
        n = strlen(name);
        snprintf(name + n, NAME - n, "%s", dot);
        if (!strcmp(translate(f, name, in_file), own)) return 1;
    }
    return 0;
}

/* What it has more would be left out of the picture. */
static int check_all_known(const struct sdrt_upscaler_file *f)
{
    const size_t n = sdrt_weight_files_count(f->files);

    for (size_t i = 0; i < n; i++)
        if (!is_known(f, sdrt_weight_files_name(f->files, i)))
            return sdrt_fail(
                f->log, SDRT_E_UNSUPPORTED,
                "%s: tensor %s is of no upscaler known here: expected ESRGAN's RRDB or "
                "SRVGG",
                f->path, sdrt_weight_files_name(f->files, i));
    return SDRT_OK;
}

static int detect(struct sdrt_upscaler_file *f)
{
    int status = sdrt_weight_files_create(&f->all, f->log);

    if (status == SDRT_OK)
        status = sdrt_weight_files_add(f->all, f->path, "", "", SDRT_DUPLICATES_FAIL);
    if (status == SDRT_OK) status = sdrt_weight_files_create(&f->files, f->log);
    if (status != SDRT_OK) return status;
    for (int w = 0; w < WRAPPERS; w++)
        for (int i = 0; i < SIGNS; i++) {
            if (!has(f->all, wrappers[w], signs[i])) continue;
            /* The first two are in one file. */
            if (i == 0 && has(f->all, wrappers[w], signs[1])) continue;
            status = sdrt_weight_files_share(f->files, f->all, wrappers[w], "",
                                             SDRT_DUPLICATES_FAIL);
            if (status != SDRT_OK) return status;
            f->own = sdrt_weight_files_provider(f->files);
            f->names = i == SRVGG_SIGN ? BASICSR : (enum names)i;
            status = i == SRVGG_SIGN ? detect_srvgg(f) : detect_rrdb(f);
            return status == SDRT_OK ? check_all_known(f) : status;
        }
    return no_upscaler(f, "with its layers' names");
}

int sdrt_upscaler_file_open(struct sdrt_upscaler_file **out, const char *path,
                            const struct sdrt_log *log)
{
    struct sdrt_upscaler_file *f = *out = calloc(1, sizeof *f);

    if (!f) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory");
    f->path = path;
    f->log = log;
    f->config.scale = 1;
    const int status = detect(f);
    f->path = NULL;
    if (status != SDRT_OK) sdrt_upscaler_file_close(out);
    return status;
}

void sdrt_upscaler_file_close(struct sdrt_upscaler_file **file)
{
    if (!*file) return;
    sdrt_weight_files_free(&(*file)->files);
    sdrt_weight_files_free(&(*file)->all);
    free(*file);
    *file = NULL;
}

const struct sdrt_upscaler_config *sdrt_upscaler_file_config(const struct sdrt_upscaler_file *file)
{
    return &file->config;
}

struct sdrt_weights_provider sdrt_upscaler_file_provider(struct sdrt_upscaler_file *file)
{
    struct sdrt_weights_provider p = {
        .get = get,
        .release = release,
        .prefetch = prefetch,
        .use_queue = use_queue,
        .self = file,
    };

    if (file->own.describe) {
        p.describe = describe;
        p.read = read_values;
    }
    return p;
}
