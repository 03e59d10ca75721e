/* SPDX-License-Identifier: MIT
 *
 * What enlarges pictures, on a device and a queue that are its own or another's.
 */
#ifndef SDRT_MODEL_PIPELINE_UPSCALER_H
#define SDRT_MODEL_PIPELINE_UPSCALER_H

#include "model/pipeline/picture.h"
#include "model/pipeline/upscaler_file.h"
#include "model/sdrt.h"
#include "runtime/device/device.h"
#include "runtime/graph/program.h"
#include "runtime/weights/packing.h"

/* How a picture is cut: tiles of so many pixels, of which neighbours share some.  Of these the dead ones
 * at a tile's edge, where what is beyond it is missing, are left out, and over the next, ramp, one
 * tile turns into the other. */
struct sdrt_tiling {
    int tile, dead, ramp;
    int align; /* what all tiles' beginnings are multiples of */
};

/* The device is a processor. */
struct sdrt_upscaler {
    const struct sdrt_log *log;
    struct sdrt_device *device; /* owned where own_device is set */
    struct sdrt_queue *queue;   /* owned */
    int own_device;
    struct sdrt_upscaler_file *file; /* owned, as all that follows */
    struct sdrt_weight_store *store;
    struct sdrt_program *program; /* for tiles of tile_w x tile_h pixels; NULL before the first */
    struct sdrt_device_memory *arena;
    float *in, *out; /* within the arena */
    int tile_w, tile_h;
};

/* sdrt_upscaler_open() on a processor that is open, with so many workers. */
int sdrt_upscaler_open_on(struct sdrt_upscaler **out, const char *path, struct sdrt_device *device,
                          int workers, const char *precision, const struct sdrt_log *log);

/* How pictures are cut where tile is asked for; 0: as is best. */
struct sdrt_tiling sdrt_upscaler_tiling(const struct sdrt_upscaler *upscaler, int tile);

/* Where tile i of a side of n pixels begins; how many there are. */
int sdrt_tiling_count(const struct sdrt_tiling *t, int n);
int sdrt_tiling_start(const struct sdrt_tiling *t, int n, int i);

/* The tile's program for width x height pixels, unless that is there. */
int sdrt_upscaler_plan(struct sdrt_upscaler *upscaler, int width, int height);

/* Enlarges *in into *out, whose rgb is the caller's. */
int sdrt_upscaler_enlarge(struct sdrt_upscaler *upscaler, const struct sdrt_pixels *in, int tile,
                          struct sdrt_pixels *out, sdrt_upscaler_progress_fn *progress, void *user);

#endif
