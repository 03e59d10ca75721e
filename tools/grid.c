/* SPDX-License-Identifier: MIT */
#include "tools/grid.h"
#include "runtime/files/atomic_file.h"
#include "runtime/files/picture_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int grid_add(struct grid *g, const uint8_t *rgb, int width, int height, const char *parameters,
             const struct sdrt_log *log)
{
    const size_t bytes = (size_t)width * (size_t)height * 3;
    uint8_t *images = realloc(g->images, ((size_t)g->n + 1) * bytes);

    if (images) g->images = images;
    if (images && !g->n && parameters) g->parameters = strdup(parameters);
    if (!images || (!g->n && parameters && !g->parameters))
        return sdrt_fail(log, SDRT_E_NOMEM, "no memory for a sheet of %d images", g->n + 1);
    memcpy(g->images + (size_t)g->n++ * bytes, rgb, bytes);
    g->width = width;
    g->height = height;
    return SDRT_OK;
}

int grid_write(const struct grid *g, const char *path, int quality, const struct sdrt_log *log)
{
    /* As A1111 lays them out. */
    const int rows = g->n ? (int)rint(sqrt(g->n)) : 1, columns = (g->n + rows - 1) / rows;
    const size_t row = (size_t)g->width * 3, line = row * (size_t)columns;
    enum sdrt_picture_format format;
    struct sdrt_atomic_file *file = NULL;
    uint8_t *sheet, *bytes = NULL;
    size_t size;

    if (!g->n) return SDRT_OK;
    int status = sdrt_picture_format_of(&format, path, log);
    if (status != SDRT_OK) return status;
    sheet = calloc((size_t)rows * (size_t)g->height, line);
    if (!sheet)
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for a sheet of %d images", path, g->n);
    for (int i = 0; i < g->n; i++)
        for (int y = 0; y < g->height; y++)
            memcpy(sheet + (size_t)(i / columns * g->height + y) * line +
                       (size_t)(i % columns) * row,
                   g->images + ((size_t)i * (size_t)g->height + (size_t)y) * row, row);
    status = sdrt_picture_encode(format, quality, &bytes, &size, path, sheet, columns * g->width,
                                 rows * g->height, g->parameters, log);
    if (status == SDRT_OK) status = sdrt_atomic_open(&file, path, log);
    if (status == SDRT_OK) {
        sdrt_atomic_write(file, bytes, size);
        status = sdrt_atomic_commit(&file, log);
    }
    free(bytes);
    free(sheet);
    return status;
}

void grid_free(struct grid *g)
{
    free(g->images);
    free(g->parameters);
    memset(g, 0, sizeof *g);
}
