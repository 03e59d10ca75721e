/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/wish.h"

#include "runtime/base/error.h"
#include "tools/sdserve/options.h"
#include "tools/seed.h"

#include <stdint.h>
#include <stdlib.h>

struct wish *wish_make(const struct serve_options *o)
{
    struct wish *w = calloc(1, sizeof *w);

    if (!w) return NULL;
    w->request = o->defaults;
    w->batches = 1;
    w->random_seed = 1;
    w->format = "png";
    w->quality = 95;
    return w;
}

void wish_free(struct wish *w)
{
    if (!w) return;
    for (int i = 0; i < WISH_LORAS; i++) free((void *)(uintptr_t)w->loras[i].path);
    for (int i = 0; i < WISH_CONTROLS; i++) {
        free((void *)(uintptr_t)w->controls[i].net);
        sdrt_picture_file_free(&w->control_files[i]);
    }
    for (int i = 0; i < WISH_IPS; i++) {
        free((void *)(uintptr_t)w->ips[i].file);
        sdrt_picture_file_free(&w->ip_files[i]);
    }
    sdrt_picture_file_free(&w->init_file);
    sdrt_picture_file_free(&w->mask_file);
    free(w->upscaler);
    json_decref(w->body);
    free(w);
}

/* Of the second drawing of an image that is drawn twice. */
static int check_hires(const struct sdrt_request *r, const struct serve_options *o,
                       const struct sdrt_log *log)
{
    const double side = r->hires,
                 steps = (double)r->hires_strength * (r->hires_steps ? r->hires_steps : r->steps);
    const double width = r->width, height = r->height;

    if (side == 0) return SDRT_OK;
    if (width * height * side * side > o->max_pixels)
        return sdrt_fail(log, SDRT_E_ARG,
                         "hires: %.0fx%.0f: expected at most this server's %d pixels", width * side,
                         height * side, o->max_pixels);
    if (steps > o->max_steps)
        return sdrt_fail(log, SDRT_E_ARG, "hires_steps: %.0f: expected at most this server's %d",
                         steps, o->max_steps);
    return SDRT_OK;
}

int wish_check(struct wish *w, const struct serve_options *o, const struct sdrt_log *log)
{
    struct sdrt_request *r = &w->request;
    const int64_t width = r->width ? r->width : r->init ? r->init->width : 0;
    const int64_t height = r->height ? r->height : r->init ? r->init->height : 0;

    if (r->steps > o->max_steps)
        return sdrt_fail(log, SDRT_E_ARG, "steps: %d: expected at most this server's %d", r->steps,
                         o->max_steps);
    if ((int64_t)r->batch * w->batches > o->max_batch)
        return sdrt_fail(log, SDRT_E_ARG, "batch: %lld images: expected at most this server's %d",
                         (long long)r->batch * w->batches, o->max_batch);
    if (width * height > o->max_pixels)
        return sdrt_fail(log, SDRT_E_ARG,
                         "width, height: %lldx%lld: expected at most this server's %d pixels",
                         (long long)width, (long long)height, o->max_pixels);
    if (check_hires(r, o, log)) return SDRT_E_ARG;
    if (w->random_seed) r->seed = seed_draw();
    return SDRT_OK;
}
