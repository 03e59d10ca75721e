/* SPDX-License-Identifier: MIT */
#include "tools/enlarge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int enlarge_open(struct enlarge *e, const struct sdgen_options *o)
{
    const char *slash = strrchr(o->upscale, '/');

    e->name = slash ? slash + 1 : o->upscale;
    e->tile = o->upscale_tile;
    return sdrt_upscaler_open(&e->upscaler, o->upscale, &o->model);
}

void enlarge_close(struct enlarge *e) { sdrt_upscaler_close(&e->upscaler); }

char *enlarge_parameters(const char *name, double scale, const char *parameters)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f) return NULL;
    fprintf(f,
            "%s%sPostprocess upscale by: %g, Postprocess upscaler: ", parameters ? parameters : "",
            parameters ? ", " : "", scale);
    for (const char *c = name; *c; c++) fputc(strchr(",:\"\n", *c) ? '_' : *c, f);
    if (!fclose(f)) return text;
    free(text);
    return NULL;
}

static int enlarge(const struct enlarge *e, const struct output *o, const struct sdrt_picture *in,
                   const char *parameters, const char *path)
{
    char *text = enlarge_parameters(e->name, sdrt_upscaler_scale(e->upscaler), parameters);
    uint8_t *rgb = NULL, *bytes = NULL;
    int width, height, status = SDRT_OK;
    size_t size;

    if (!text) status = sdrt_fail(o->log, SDRT_E_NOMEM, "no memory for a picture's parameters");
    if (!status)
        status = sdrt_upscaler_run(e->upscaler, in, e->tile, e->progress, e->user, &rgb, &width,
                                   &height);
    enum sdrt_picture_format format = SDRT_PNG;
    if (!status) status = output_format(o, path, &format);
    if (!status)
        status = sdrt_picture_encode(format, o->quality, &bytes, &size, path, rgb, width, height,
                                     text, o->log);
    sdrt_free(rgb);
    free(text);
    if (!status) status = output_put(o, bytes, size, path);
    free(bytes);
    return status;
}

int enlarge_image(const struct enlarge *e, const struct output *o,
                  const struct sdrt_session *session, int i, const char *path)
{
    struct sdrt_picture in = { .channels = 3 };

    in.pixels = sdrt_session_image(session, i, &in.width, &in.height);
    return enlarge(e, o, &in, sdrt_session_parameters(session, i), path);
}

int enlarge_file(const struct enlarge *e, const struct output *o,
                 const struct sdrt_picture_file *file, const char *path)
{
    const struct sdrt_picture in = { file->pixels, file->width, file->height, file->channels, 0 };

    return enlarge(e, o, &in, file->parameters, path);
}
