/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/extras.h"

#include "model/pipeline/picture.h"
#include "runtime/base/error.h"
#include "tools/enlarge.h"
#include "tools/sdserve/base64.h"
#include "tools/sdserve/draw.h"
#include "tools/sdserve/jobs.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- networks ---- */

static int take_upscaler(struct fields *f, const char *name, const json_t *value)
{
    const char *text = json_string_value(value);

    free(f->wish->upscaler);
    f->wish->upscaler = NULL;
    if (text && (!strcmp(text, "None") || !strcmp(text, "Lanczos"))) return SDRT_OK;
    if (text) f->wish->upscaler = shelf_path(f->server->options.upscalers, text, strlen(text));
    if (f->wish->upscaler) return SDRT_OK;
    return sdrt_fail(f->log, SDRT_E_ARG,
                     "%s: '%.100s': expected None, Lanczos or an upscaler that this server lists",
                     name, text ? text : "");
}

/* The scale is what A1111 says of each: only its file tells. */
static void add_upscaler(void *list, const char *name, const char *path)
{
    json_array_append_new(list, json_pack("{ss ss ss sn si}", "name", name, "model_name", name,
                                          "model_path", path, "model_url", "scale", 4));
}

enum MHD_Result extras_upscalers(struct call *c)
{
    json_t *list = json_pack("[{ss sn sn sn si}{ss sn sn sn si}]", "name", "None", "model_name",
                             "model_path", "model_url", "scale", 4, "name", "Lanczos", "model_name",
                             "model_path", "model_url", "scale", 4);

    shelf_list(c->server->options.upscalers, add_upscaler, list);
    return answer_json(c, MHD_HTTP_OK, list);
}

/* ---- one picture ---- */

#define AT(member) .where = offsetof(struct wish, member)
const struct field extras_fields[] = {
    { "image", FIELD_PICTURE, AT(init_file) },
    { "upscaler_1", FIELD_CALL, .call = take_upscaler,
      .schema = "{\"type\":[\"string\",\"null\"]}" },
    { "resize_mode", FIELD_WHOLE, AT(extras.resize_mode), 0, 1 },
    { "upscaling_resize", FIELD_DOUBLE, AT(extras.by), 1, 8 },
    { "upscaling_resize_w", FIELD_WHOLE, AT(extras.width), 1, 16384 },
    { "upscaling_resize_h", FIELD_WHOLE, AT(extras.height), 1, 16384 },
    { "upscaling_crop", FIELD_FLAG, AT(extras.cut) },
    { "show_extras_results", FIELD_IDLE, .where = 0 },
    { "upscale_first", FIELD_IDLE, .where = 0 },
    { "upscaler_2", FIELD_OFF, .where = 0 },
    { "extras_upscaler_2_visibility", FIELD_OFF, .where = 0 },
    { "gfpgan_visibility", FIELD_OFF, .where = 0 },
    { "codeformer_visibility", FIELD_OFF, .where = 0 },
    { "codeformer_weight", FIELD_IDLE, .where = 0 },
    { .name = NULL },
};

static int on_progress(void *user, int done, int total)
{
    (void)done, (void)total;
    return call_is_gone(user);
}

/* The turn of the one who enlarges; 0 where the client has left. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static int wait_for_turn(const struct call *c)
{
    enum { LOOK = 250000000 /* nanoseconds */ };
    const struct timespec pause = { 0, LOOK };

    while (pthread_mutex_trylock(&turn)) {
        if (call_is_gone(c)) return 0;
        nanosleep(&pause, NULL);
    }
    return 1;
}

/* What of the middle of *p lies in a picture of another size, black around it, as A1111 pastes it. */
static int cut_to(struct sdrt_pixels *p, int width, int height, const struct sdrt_log *log)
{
    const int left = width / 2 - p->width / 2, top = height / 2 - p->height / 2;
    uint8_t *rgb = calloc((size_t)width * (size_t)height, 3);

    if (!rgb) return sdrt_fail(log, SDRT_E_NOMEM, "no memory for a picture");
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            const int u = x - left, v = y - top;
            if (u < 0 || v < 0 || u >= p->width || v >= p->height) continue;
            memcpy(rgb + 3 * ((size_t)y * (size_t)width + (size_t)x),
                   p->rgb + 3 * ((size_t)v * (size_t)p->width + (size_t)u), 3);
        }
    }
    free(p->rgb);
    *p = (struct sdrt_pixels){ rgb, width, height, 3 };
    return SDRT_OK;
}

/* The network's turn, until the picture is as large as is asked for: at most so often as A1111. */
static int run_network(struct call *c, struct sdrt_upscaler *u, struct wish_extras *e,
                       struct sdrt_pixels *p)
{
    enum { TIMES = 3, MOST = 16 /* times max_pixels */ };
    const int scale = sdrt_upscaler_scale(u);
    const double most = (double)c->server->options.max_pixels * MOST;
    int status = SDRT_OK;

    for (int i = 0; i < TIMES && status == SDRT_OK; i++) {
        const struct sdrt_picture in = { p->rgb, p->width, p->height, 3, 0 };
        uint8_t *rgb = NULL;
        if (p->width >= e->width && p->height >= e->height && (i || scale > 1)) break;
        if ((double)p->width * p->height * scale * scale > most)
            return sdrt_fail(
                &c->log, SDRT_E_ARG,
                "upscaling_resize: %dx%d, %d times larger: expected at most %.0f pixels", p->width,
                p->height, scale, most);
        status = sdrt_upscaler_run(u, &in, 0, on_progress, c, &rgb, &p->width, &p->height);
        if (status == SDRT_OK) free(p->rgb), p->rgb = rgb;
        if (scale == 1) break;
    }
    return status;
}

/* The size that comes of a factor, as A1111 counts it, or that covers the one that is asked for. */
static void settle_size(struct wish_extras *e, const struct sdrt_pixels *p)
{
    enum { UNIT = 8 };
    double by = e->by;

    if (e->resize_mode) {
        const double x = (double)e->width / p->width, y = (double)e->height / p->height;
        by = x > y ? x : y;
    }
    e->by = by;
    e->width = (int)(p->width * by) / UNIT * UNIT;
    e->height = (int)(p->height * by) / UNIT * UNIT;
    if (e->width < 1) e->width = 1;
    if (e->height < 1) e->height = 1;
}

/* Enlarges *p; the network's own factor leaves its size alone, which A1111 takes down to eights. */
static int enlarge(struct call *c, struct wish *w, struct sdrt_pixels *p)
{
    struct sdrt_options o = c->server->options.model;
    struct sdrt_upscaler *u = NULL;
    struct wish_extras *e = &w->extras;
    const int width = e->width, height = e->height, cut = e->resize_mode && e->cut;
    int status = SDRT_OK;

    o.log = &c->log;
    if (w->upscaler) status = sdrt_upscaler_open(&u, w->upscaler, &o);
    const int scale = sdrt_upscaler_scale(u), own = u && !e->resize_mode && e->by == scale;
    settle_size(e, p);
    if (own) e->width = p->width * scale, e->height = p->height * scale;
    if ((double)e->width * e->height > 16.0 * c->server->options.max_pixels)
        status =
            sdrt_fail(&c->log, SDRT_E_ARG,
                      "upscaling_resize: %dx%d: expected at most 16 times this server's %d pixels",
                      e->width, e->height, c->server->options.max_pixels);
    if (status == SDRT_OK && u) status = run_network(c, u, e, p);
    if (status == SDRT_OK && (p->width != e->width || p->height != e->height))
        status = sdrt_pixels_resize(p, e->width, e->height, SDRT_RESIZE_JUST, &c->log);
    if (status == SDRT_OK && cut && (p->width != width || p->height != height))
        status = cut_to(p, width, height, &c->log);
    sdrt_upscaler_close(&u);
    return status;
}

/* The enlarged picture as a PNG in base64, the caller's; NULL with a status and a line. */
static char *enlarged(struct call *c, struct wish *w, int *status)
{
    struct sdrt_pixels p = { .rgb = NULL };
    uint8_t *png = NULL;
    size_t size = 0;
    char *text = NULL, *parameters = NULL;

    *status = sdrt_pixels_of(&p, &w->init, 3, &c->log);
    if (!*status && w->extras.name) *status = enlarge(c, w, &p);
    if (!*status && w->extras.name)
        parameters = enlarge_parameters(w->extras.name, w->extras.by, w->init_file.parameters);
    if (!*status)
        *status = sdrt_picture_encode(SDRT_PNG, 100, &png, &size, "the picture", p.rgb, p.width,
                                      p.height, parameters ? parameters : w->init_file.parameters,
                                      &c->log);
    free(parameters);
    if (!*status && !(text = base64_encode("", png, size))) *status = SDRT_E_NOMEM;
    free(png);
    free(p.rgb);
    return text;
}

static enum MHD_Result enlarge_and_answer(struct call *c, struct wish *w)
{
    int status;

    call_be_patient(c, 1);
    if (!wait_for_turn(c)) return MHD_NO;
    char *text = enlarged(c, w, &status);
    pthread_mutex_unlock(&turn);
    call_be_patient(c, 0);
    if (status == SDRT_E_CANCELLED) return MHD_NO;
    if (status != SDRT_OK) return answer_status(c, status, c->error);
    json_t *answer = json_pack("{ss ss}", "html_info", "", "image", text);
    free(text);
    return answer_json(c, MHD_HTTP_OK, answer);
}

static int settle(struct fields *f)
{
    struct wish *w = f->wish;
    const char *name = json_string_value(json_object_get(f->object, "upscaler_1"));
    const char *slash = w->upscaler ? strrchr(w->upscaler, '/') : NULL;

    fields_begin(w);
    if (!w->request.init) return f->bad = "image", fields_refuse(f, f->bad, "a picture");
    if (!name) return f->bad = "upscaler_1", fields_refuse(f, f->bad, "an upscaler");
    if (w->extras.resize_mode && (!w->extras.width || !w->extras.height))
        return f->bad = "upscaling_resize_w", fields_refuse(f, f->bad, "it and upscaling_resize_h");
    w->extras.name = w->upscaler ? slash + 1 : strcmp(name, "None") ? name : NULL;
    return SDRT_OK;
}

enum MHD_Result extras_single(struct call *c)
{
    struct wish *w = jobs_wish(c);
    struct fields f = { c->server, w, c->json, 0, &c->log, NULL };
    enum MHD_Result answered;

    if (!w) return answer_status(c, SDRT_E_NOMEM, NULL);
    w->extras.by = 2;
    w->extras.cut = 1;
    int status = fields_read(&f, extras_fields);
    if (!status) status = settle(&f);
    answered = status ? answer_error(c, MHD_HTTP_BAD_REQUEST, f.bad, "%s", c->error)
                      : enlarge_and_answer(c, w);
    wish_free(w);
    return answered;
}
