/* SPDX-License-Identifier: MIT
 *
 * What a caller asks to be drawn: a request, and all that it borrows.
 */
#ifndef SDRT_TOOLS_SDSERVE_WISH_H
#define SDRT_TOOLS_SDSERVE_WISH_H

#include "model/sdrt.h"
#include "runtime/files/picture_file.h"
#include "tools/sdserve/shelf.h"

#include <jansson.h>

struct serve_options;

enum { WISH_LORAS = 32, WISH_CONTROLS = 4, WISH_IPS = 4 };

/* What of a picture that is only enlarged, in A1111's words. */
struct wish_extras {
    int resize_mode; /* 0: by a factor; 1: to a size */
    double by;
    int width, height, cut; /* cut: what a factor for both sides leaves over */
    const char *name;       /* of what enlarges, borrowed; NULL: nothing does */
};

struct wish {
    struct sdrt_request request; /* its strings are body's or constants */
    json_t *body;                /* owned; NULL for none */
    int checkpoint, vae;         /* their numbers on the shelf */
    int batches;                 /* drawn one after the other, with seeds that go on */
    int only_load;               /* 1: the checkpoint is opened and nothing drawn */
    int previews;                /* 1: someone looks on */
    int stream, partial_images;  /* how OpenAI's clients want to be answered */
    int random_seed;             /* 1: none was named */
    int hires, hires_x, hires_y; /* A1111's enable_hr, hr_resize_x and hr_resize_y */
    char *
        upscaler; /* the path of a network that enlarges, instead of drawing or between both drawings
                     * of hires; owned; NULL: none */
    struct wish_extras extras;
    const char *format;                            /* of the images: a name of SDRT_LIST_FORMATS */
    int quality;                                   /* of JPEG and WebP */
    struct sdrt_picture_file init_file, mask_file; /* owned */
    struct sdrt_picture init, mask;                /* the same, for the request */
    struct sdrt_lora loras[WISH_LORAS];            /* paths are owned */
    struct sdrt_control controls[WISH_CONTROLS];   /* nets are owned */
    struct sdrt_picture_file control_files[WISH_CONTROLS]; /* owned */
    struct sdrt_picture control_pictures[WISH_CONTROLS];   /* the same, for the request */
    const char *control_maps[WISH_CONTROLS], *control_types[WISH_CONTROLS];
    struct sdrt_ip_adapter ips[WISH_IPS];        /* files are owned */
    struct sdrt_picture_file ip_files[WISH_IPS]; /* owned */
    struct sdrt_picture ip_pictures[WISH_IPS];   /* the same, for the request */
    const char
        *control_modes[WISH_CONTROLS]; /* how each wants to come to the image's size; NULL: as the
                                               * request says */
};

/* One number for all that is opened to draw it. */
static inline int wish_opens(const struct wish *wish)
{
    return wish->checkpoint + SHELF_MOST * wish->vae;
}

/* A wish with the server's defaults, the caller's; NULL without memory. */
struct wish *wish_make(const struct serve_options *options);

/* NULL is allowed. */
void wish_free(struct wish *wish);

/* Whether the limits of the server allow it, once all of it is read, but for sides that the model chooses, which
 * are judged once it is open; also draws a seed where none was named.  SDRT_E_ARG with a line in the log. */
int wish_check(struct wish *wish, const struct serve_options *options, const struct sdrt_log *log);

#endif
