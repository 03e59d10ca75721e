/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/extras.h"

#include "runtime/base/error.h"
#include "tools/enlarge.h"
#include "tools/sdserve/base64.h"
#include "tools/sdserve/draw.h"
#include "tools/sdserve/jobs.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- networks ---- */

struct search {
    const char *name;
    char *path;
};

static void find_upscaler(void *user, const char *name, const char *path)
{
    struct search *s = user;

    if (!s->path && !strcmp(s->name, name)) s->path = strdup(path);
}

static int take_upscaler(struct fields *f, const char *name, const json_t *value)
{
    struct search s = { json_string_value(value), NULL };

    if (s.name) shelf_list(f->server->options.upscalers, find_upscaler, &s);
    if (!s.path)
        return sdrt_fail(f->log, SDRT_E_ARG,
                         "%s: '%.100s': expected an upscaler that this server lists", name,
                         s.name ? s.name : "");
    free(f->wish->upscaler);
    f->wish->upscaler = s.path;
    return SDRT_OK;
}

static void add_upscaler(void *list, const char *name, const char *path)
{
    json_array_append_new(list, json_pack("{ss ss ss sn sn}", "name", name, "model_name", name,
                                          "model_path", path, "model_url", "scale"));
}

enum MHD_Result extras_upscalers(struct call *c)
{
    json_t *list = json_array();

    shelf_list(c->server->options.upscalers, add_upscaler, list);
    return answer_json(c, MHD_HTTP_OK, list);
}

/* ---- one picture ---- */

#define AT(member) .where = offsetof(struct wish, member)
const struct field extras_fields[] = {
    { "image", FIELD_PICTURE, AT(init_file) },
    { "upscaler_1", FIELD_CALL, .call = take_upscaler,
      .schema = "{\"type\":[\"string\",\"null\"]}" },
    { "upscaling_resize", FIELD_DOUBLE, AT(enlarge), 1, 16 },
    { "resize_mode", FIELD_OFF, .where = 0 },
    { "upscaling_resize_w", FIELD_IDLE, .where = 0 },
    { "upscaling_resize_h", FIELD_IDLE, .where = 0 },
    { "upscaling_crop", FIELD_IDLE, .where = 0 },
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

/* The enlarged picture as a PNG in base64, the caller's; NULL with a status and a line. */
static char *enlarge(struct call *c, struct wish *w, int *status)
{
    struct sdrt_options o = c->server->options.model;
    struct sdrt_upscaler *upscaler = NULL;
    uint8_t *rgb = NULL, *png = NULL;
    int width, height;
    size_t size = 0;
    char *text = NULL;

    o.log = &c->log;
    *status = sdrt_upscaler_open(&upscaler, w->upscaler, &o);
    const int scale = sdrt_upscaler_scale(upscaler);
    if (!*status && w->enlarge > 0 && w->enlarge != scale)
        *status = sdrt_fail(&c->log, SDRT_E_ARG,
                            "upscaling_resize: %g: expected %d, which is what this network does",
                            w->enlarge, scale);
    if (!*status)
        *status = sdrt_upscaler_run(upscaler, &w->init, 0, on_progress, c, &rgb, &width, &height);
    const char *slash = strrchr(w->upscaler, '/');
    char *parameters = enlarge_parameters(slash + 1, scale, w->init_file.parameters);
    if (!*status)
        *status = sdrt_picture_encode(SDRT_PNG, 100, &png, &size, "the picture", rgb, width, height,
                                      parameters, &c->log);
    free(parameters);
    if (!*status && !(text = base64_encode("", png, size))) *status = SDRT_E_NOMEM;
    free(png);
    sdrt_free(rgb);
    sdrt_upscaler_close(&upscaler);
    return text;
}

static enum MHD_Result enlarge_and_answer(struct call *c, struct wish *w)
{
    int status;

    call_be_patient(c, 1);
    if (!wait_for_turn(c)) return MHD_NO;
    char *text = enlarge(c, w, &status);
    pthread_mutex_unlock(&turn);
    call_be_patient(c, 0);
    if (status == SDRT_E_CANCELLED) return MHD_NO;
    if (status != SDRT_OK) return answer_status(c, status, c->error);
    json_t *answer = json_pack("{ss ss}", "html_info", "", "image", text);
    free(text);
    return answer_json(c, MHD_HTTP_OK, answer);
}

enum MHD_Result extras_single(struct call *c)
{
    struct wish *w = jobs_wish(c);
    struct fields f = { c->server, w, c->json, 0, &c->log, NULL };
    enum MHD_Result answered;

    if (!w) return answer_status(c, SDRT_E_NOMEM, NULL);
    int status = fields_read(&f, extras_fields);
    fields_begin(w);
    if (!status && !w->request.init)
        f.bad = "image", status = fields_refuse(&f, f.bad, "a picture");
    if (!status && !w->upscaler)
        f.bad = "upscaler_1", status = fields_refuse(&f, f.bad, "an upscaler");
    answered = status ? answer_error(c, MHD_HTTP_BAD_REQUEST, f.bad, "%s", c->error)
                      : enlarge_and_answer(c, w);
    wish_free(w);
    return answered;
}
