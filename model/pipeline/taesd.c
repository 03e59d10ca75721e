/* SPDX-License-Identifier: MIT */
#include "model/pipeline/taesd.h"
#include "model/net/taesd.h"
#include "runtime/files/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 160 };

static const char front[] = "taesd.";
enum { FRONT = sizeof front - 1 };

/* How a file names its layers: a decoder's number is behind decoder, shift higher than diffusers',
 * in which the author's clamp does not count. */
struct layout {
    const char *decoder, *encoder; /* NULL: it has none */
    int shift;
    const char *sign; /* a tensor that only it has */
};

static const struct layout layouts[] = {
    { "decoder.layers.", "encoder.layers.", 0, "decoder.layers.0.weight" },
    { NULL, "encoder.layers.", 0, "encoder.layers.0.weight" },
    { "taesd_decoder.", "taesd_encoder.", 1, "taesd_decoder.1.weight" },
    { "decoder.", "encoder.", 1, "decoder.1.weight" },
    { NULL, "", 0, "0.weight" }, /* the clamp has no weight, so this is an encoder */
    { "", NULL, 1, "1.weight" },
};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

struct sdrt_taesd {
    struct sdrt_weight_files *files;
    struct sdrt_weights_provider own, model; /* of the file, and what was there before */
    const struct layout *layout;
};

/* The file's name of one of ours; 0 where it is not of a TAESD. */
static int translate(const struct sdrt_taesd *t, const char *name, char out[NAME])
{
    static const char *const sides[] = { "decoder.layers.", "encoder.layers." };
    const char *const in_file[] = { t->layout->decoder, t->layout->encoder };

    if (strncmp(name, front, FRONT)) return 0;
    for (int i = 0; i < 2; i++) {
        const size_t n = strlen(sides[i]);
        char *rest;
        if (strncmp(name + FRONT, sides[i], n) || !in_file[i]) continue;
        const long layer = strtol(name + FRONT + n, &rest, 10) + (i ? 0 : t->layout->shift);
        snprintf(out, NAME, "%s%ld%s", in_file[i], layer, rest);
        return 1;
    }
    out[0] = '\0';
    return 1;
}

/* ---- the provider ---- */

static int get(void *self, const char *name, int rank, const int64_t *shape,
               struct sdrt_weight_view *out)
{
    const struct sdrt_taesd *t = self;
    char own[NAME];

    return translate(t, name, own) ? t->own.get(t->own.self, own, rank, shape, out)
                                   : t->model.get(t->model.self, name, rank, shape, out);
}

static void release(void *self, const char *name)
{
    const struct sdrt_taesd *t = self;
    char own[NAME];

    if (translate(t, name, own)) t->own.release(t->own.self, own);
    else t->model.release(t->model.self, name);
}

static void prefetch(void *self, const char *name)
{
    const struct sdrt_taesd *t = self;
    char own[NAME];

    if (translate(t, name, own)) t->own.prefetch(t->own.self, own);
    else t->model.prefetch(t->model.self, name);
}

static int describe(void *self, const char *name, int rank, const int64_t *shape,
                    struct sdrt_weight_view *out)
{
    const struct sdrt_taesd *t = self;
    char own[NAME];

    if (!translate(t, name, own)) return t->model.describe(t->model.self, name, rank, shape, out);
    return (t->own.describe ? t->own.describe : t->own.get)(t->own.self, own, rank, shape, out);
}

static int read_values(void *self, const char *name, const struct sdrt_weight_view *view,
                       size_t first, size_t count, void *out)
{
    const struct sdrt_taesd *t = self;
    char own[NAME];

    if (!translate(t, name, own))
        return t->model.read(t->model.self, name, view, first, count, out);
    return t->own.read(t->own.self, own, view, first, count, out);
}

static void use_queue(void *self, struct sdrt_queue *queue)
{
    const struct sdrt_taesd *t = self;

    if (t->model.use_queue) t->model.use_queue(t->model.self, queue);
    if (t->own.use_queue) t->own.use_queue(t->own.self, queue);
}

/* ---- opening ---- */

static int has(const struct sdrt_taesd *t, const char *name)
{
    const size_t n = sdrt_weight_files_count(t->files);

    for (size_t i = 0; i < n; i++)
        if (!strcmp(sdrt_weight_files_name(t->files, i), name)) return 1;
    return 0;
}

/* The dimensions of one of our tensors; 0 where it is not there. */
static int shape_of(const struct sdrt_taesd *t, const char *name, int64_t shape[4])
{
    struct sdrt_weight_view view;
    char own[NAME];

    if (!translate(t, name, own) || !has(t, own)) return 0;
    if (t->own.get(t->own.self, own, -1, NULL, &view) != SDRT_OK) return 0;
    const int known = view.rank == 4;
    for (int i = 0; known && i < 4; i++) shape[i] = view.shape[i];
    t->own.release(t->own.self, own);
    return known;
}

static int open_file(struct sdrt_taesd *t, const char *path, const struct sdrt_log *log)
{
    char *inside = sdrt_path_is_folder(path)
                       ? sdrt_path_join(path, "diffusion_pytorch_model.safetensors")
                       : NULL;
    int status = sdrt_weight_files_create(&t->files, log);

    if (status == SDRT_OK)
        status = sdrt_weight_files_add(t->files, inside ? inside : path, "", "",
                                       SDRT_DUPLICATES_FAIL);
    free(inside);
    if (status != SDRT_OK) return status;
    t->own = sdrt_weight_files_provider(t->files);
    for (int i = 0; i < LAYOUTS && !t->layout; i++)
        if (has(t, layouts[i].sign)) t->layout = &layouts[i];
    if (t->layout) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                     "%s: expected a TAESD, with layers of a decoder or an "
                     "encoder",
                     path);
}

static int check(const struct sdrt_taesd *t, const char *path, struct sdrt_vae_config *vae,
                 const struct sdrt_log *log)
{
    int64_t in[4], out[4];

    vae->tiny_decoder = vae->tiny_encoder = 0;
    if (shape_of(t, "taesd.decoder.layers.0.weight", in)) {
        if (in[1] != vae->latent_channels)
            return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                             "%s: decodes latents of %d channels: the model has "
                             "%d",
                             path, (int)in[1], vae->latent_channels);
        vae->tiny_decoder = (int)in[0];
    }
    if (shape_of(t, "taesd.encoder.layers.0.weight", in) &&
        shape_of(t, "taesd.encoder.layers.14.weight", out)) {
        if (out[0] != vae->latent_channels)
            return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                             "%s: encodes to latents of %d channels: the model "
                             "has %d",
                             path, (int)out[0], vae->latent_channels);
        vae->tiny_encoder = (int)in[0];
    }
    if (!vae->tiny_decoder && !vae->tiny_encoder)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: expected a TAESD of the published shape",
                         path);
    if (vae->levels == SDRT_TAESD_LEVELS) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                     "%s: a TAESD makes 8 pixels a side of one: the model's VAE "
                     "makes %d",
                     path, 1 << (vae->levels - 1));
}

int sdrt_taesd_open(struct sdrt_taesd **out, const char *path,
                    struct sdrt_weights_provider *provider, struct sdrt_vae_config *vae,
                    const struct sdrt_log *log)
{
    struct sdrt_taesd *t = calloc(1, sizeof *t);
    int status = t ? open_file(t, path, log) : sdrt_fail(log, SDRT_E_NOMEM, "out of memory");

    *out = NULL;
    if (status == SDRT_OK) status = check(t, path, vae, log);
    if (status != SDRT_OK) {
        sdrt_taesd_close(&t);
        return status;
    }
    t->model = *provider;
    *provider = (struct sdrt_weights_provider){ .get = get,
                                                .release = release,
                                                .prefetch = prefetch,
                                                .use_queue = use_queue,
                                                .self = t };
    if (t->model.describe) {
        provider->describe = describe;
        provider->read = read_values;
    }
    *out = t;
    return SDRT_OK;
}

void sdrt_taesd_close(struct sdrt_taesd **taesd)
{
    if (*taesd) sdrt_weight_files_free(&(*taesd)->files);
    free(*taesd);
    *taesd = NULL;
}
