/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/jobs.h"

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "tools/sdserve/base64.h"
#include "tools/sdserve/control.h"
#include "tools/sdserve/image_prompt.h"
#include "tools/sdserve/hires.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what all interfaces share ---- */

struct wish *jobs_wish(struct call *c)
{
    struct server *s = c->server;
    struct wish *w = wish_make(&s->options);

    if (!w) return NULL;
    w->checkpoint = shelf_current(s->shelf, SHELF_MODELS);
    w->vae = shelf_current(s->shelf, SHELF_VAES);
    pthread_mutex_lock(&s->lock);
    w->request.clip_skip = s->clip_skip;
    w->previews = s->watched > 0 && sdrt_now() - s->watched < 60;
    pthread_mutex_unlock(&s->lock);
    return w;
}

struct job *jobs_submit(struct call *c, struct wish *w, enum MHD_Result *answered)
{
    struct job *job = NULL;
    int status = w->only_load ? SDRT_OK : wish_check(w, &c->server->options, &c->log);

    if (status != SDRT_OK) {
        char field[32];
        snprintf(field, sizeof field, "%.*s", (int)strcspn(c->error, ":,"), c->error);
        wish_free(w);
        *answered = answer_error(c, MHD_HTTP_BAD_REQUEST, field, "%s", c->error);
        return NULL;
    }
    status = queue_submit(c->server->queue, w, c->client, &job);
    if (job) return job;
    *answered = status == SDRT_E_ARG
                    ? answer_error(c, MHD_HTTP_TOO_MANY_REQUESTS, NULL,
                                   "the queue is full: expected at most %d that wait",
                                   c->server->options.max_queue)
                : status == SDRT_E_CANCELLED
                    ? answer_error(c, MHD_HTTP_SERVICE_UNAVAILABLE, NULL, "the server is ending")
                    : answer_status(c, status, NULL);
    return NULL;
}

enum MHD_Result jobs_answer_failed(struct call *c, const struct job *over)
{
    if (over->state == JOB_CANCELLED)
        return answer_error(c, MHD_HTTP_SERVICE_UNAVAILABLE, NULL, "the job was cancelled");
    return answer_status(c, over->status, over->error);
}

double jobs_seconds_left(struct call *c, const struct job *job)
{
    const struct wish *w = job->wish;
    const struct sdrt_request *r = &w->request;
    struct queue_counts counts;
    struct job now;

    queue_count(c->server->queue, &counts);
    queue_look(c->server->queue, job, &now);
    if (job_is_over(now.state)) return 0;
    if (now.state == JOB_DRAWING && now.stage == SDRT_STAGE_DENOISE && now.total > now.done &&
        counts.step_seconds > 0 && w->batches == 1)
        return (now.total - now.done) * counts.step_seconds;
    if (counts.pixel_step_seconds <= 0 || !r->width || !r->height) return -1;
    const double pixels = (double)r->width * r->height * r->batch;
    return w->batches * pixels *
           (r->steps * counts.pixel_step_seconds + counts.decode_pixel_seconds);
}

char *jobs_preview(struct call *c, const struct job *job, int *number)
{
    struct preview p;
    uint8_t *png = NULL;
    size_t size;
    char *text = NULL;

    queue_preview(c->server->queue, job, &p);
    if (p.pixels && (!number || p.number != *number) &&
        sdrt_picture_encode(SDRT_PNG, 100, &png, &size, "preview", p.pixels, p.width, p.height,
                            NULL, &c->log) == SDRT_OK)
        text = base64_encode("", png, size);
    if (number) *number = p.number;
    free(png);
    free(p.pixels);
    return text;
}

/* ---- this server's own ---- */

static json_t *seed_json(uint64_t seed)
{
    return seed <= INT64_MAX ? json_integer((json_int_t)seed)
                             : json_sprintf("%llu", (unsigned long long)seed);
}

json_t *jobs_describe(struct call *c, const struct job *job)
{
    static const char *const stages[] = { "load", "text", "denoise", "decode", "encode" };
    struct job now;
    json_t *images = json_array();

    queue_look(c->server->queue, job, &now);
    const int over = job_is_over(now.state);
    for (int i = 0; over && i < now.n_images; i++) {
        const struct image *image = &job->images[i];
        json_array_append_new(images,
                              json_pack("{so so si si ss}", "url",
                                        json_sprintf("/v1/jobs/%s/images/%d.%s", job->id, i,
                                                     job->wish->format),
                                        "seed", seed_json(image->seed), "width", image->width,
                                        "height", image->height, "parameters", image->parameters));
    }
    const double end = now.ended > 0 ? now.ended : sdrt_now(), left = jobs_seconds_left(c, job);
    return json_pack("{ss ss si ss si si si si sf sf sf so so so?}", "id", job->id, "state",
                     job_state_name(now.state), "place", queue_place(c->server->queue, job),
                     "stage", now.state == JOB_DRAWING ? stages[now.stage] : "", "done", now.done,
                     "total", now.total, "batch", now.batch, "batches", job->wish->batches,
                     "seconds", now.begun > 0 ? end - now.begun : 0.0, "waited",
                     (now.begun > 0 ? now.begun : end) - now.arrived, "memory_bytes", now.bytes,
                     "seconds_left", left < 0 ? json_null() : json_real(left), "images", images,
                     "error", *now.error ? json_string(now.error) : NULL);
}

static int take_loras(struct fields *f, const char *name, const json_t *value);

#define AT(member) .where = offsetof(struct wish, member)
const struct field jobs_fields[] = {
    { "prompt", FIELD_TEXT, AT(request.prompt) },
    { "negative_prompt", FIELD_TEXT, AT(request.negative_prompt) },
    { "model", FIELD_CALL, .call = field_checkpoint },
    { "vae", FIELD_CALL, .call = field_vae, .schema = "{\"type\":[\"string\",\"null\"]}" },
    { "width", FIELD_WHOLE, AT(request.width), 8, 8192 },
    { "height", FIELD_WHOLE, AT(request.height), 8, 8192 },
    { "steps", FIELD_WHOLE, AT(request.steps), 1, 1000 },
    { "cfg_scale", FIELD_FLOAT, AT(request.cfg_scale), 0, 1000 },
    { "sampler", FIELD_CALL, .call = field_sampler },
    { "schedule", FIELD_CALL, .call = field_schedule },
    { "seed", FIELD_SEED, AT(request.seed) },
    { "subseed", FIELD_SEED, AT(request.subseed) },
    { "subseed_strength", FIELD_FLOAT, AT(request.subseed_strength), 0, 1 },
    { "eta", FIELD_DOUBLE, AT(request.eta), 0, 100 },
    { "s_noise", FIELD_DOUBLE, AT(request.s_noise), 0, 100 },
    { "s_churn", FIELD_DOUBLE, AT(request.s_churn), 0, 1000 },
    { "s_tmin", FIELD_DOUBLE, AT(request.s_tmin), 0, 1000 },
    { "s_tmax", FIELD_DOUBLE, AT(request.s_tmax), 0, 1000 },
    { "seed_resize_width", FIELD_WHOLE, AT(request.seed_resize_width), 0, 8192 },
    { "seed_resize_height", FIELD_WHOLE, AT(request.seed_resize_height), 0, 8192 },
    { "cfg_rescale", FIELD_FLOAT, AT(request.cfg_rescale), 0, 1 },
    { "clip_skip", FIELD_WHOLE, AT(request.clip_skip), 0, 64 },
    { "batch", FIELD_WHOLE, AT(request.batch), 1, 64 },
    { "batches", FIELD_WHOLE, AT(batches), 1, 64 },
    { "init", FIELD_PICTURE, AT(init_file) },
    { "mask", FIELD_PICTURE, AT(mask_file) },
    { "strength", FIELD_FLOAT, AT(request.strength), 0.0001, 1 },
    { "mask_blur", FIELD_FLOAT, AT(request.mask_blur), 0, 256 },
    { "only_masked", FIELD_FLAG, AT(request.mask_only) },
    { "loras", FIELD_CALL, .call = take_loras,
      .schema =
          "{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"object\",\"required\":[\"name\"]}}" },
    { "controls", FIELD_CALL, .call = control_list, .schema = "{\"type\":[\"array\",\"null\"]}" },
    { "hires", FIELD_FLOAT, AT(request.hires), 0, 8 },
    { "hires_strength", FIELD_FLOAT, AT(request.hires_strength), 0.0001, 1 },
    { "hires_steps", FIELD_WHOLE, AT(request.hires_steps), 0, 1000 },
    { "hires_upscaler", FIELD_CALL, .call = hires_upscaler,
      .schema = "{\"type\":[\"string\",\"null\"]}" },
    { "ip_adapters", FIELD_CALL, .call = image_prompt_list,
      .schema = "{\"type\":[\"array\",\"null\"]}" },
    { "control_guess", FIELD_FLAG, AT(request.control_guess) },
    { "cache", FIELD_TEXT, AT(request.cache) },
    { "dynamic_prompts", FIELD_FLAG, AT(request.dynamic_prompts) },
    { "guidance", FIELD_TEXT, AT(request.guidance) },
    { "cfg_schedule", FIELD_TEXT, AT(request.cfg_schedule) },
    { "slg_scale", FIELD_FLOAT, AT(request.slg_scale), 0, 1000 },
    { "slg_start", FIELD_FLOAT, AT(request.slg_start), 0, 1 },
    { "slg_end", FIELD_FLOAT, AT(request.slg_end), 0, 1 },
    { "slg_layers", FIELD_TEXT, AT(request.slg_layers) },
    { "pag_scale", FIELD_FLOAT, AT(request.pag_scale), 0, 1000 },
    { "pag_adaptive_scale", FIELD_FLOAT, AT(request.pag_adaptive_scale), 0, 1000 },
    { "pag_layers", FIELD_TEXT, AT(request.pag_layers) },
    { "freeu", FIELD_TEXT, AT(request.freeu) },
    { "previews", FIELD_FLAG, AT(previews) },
    { "format", FIELD_CALL, .call = field_format },
    { "quality", FIELD_WHOLE, AT(quality), 1, 100 },
    { .name = NULL },
};

/* [{"name": "x", "scale": 0.8}], of the folder's listing. */
static int take_loras(struct fields *f, const char *name, const json_t *value)
{
    struct wish *w = f->wish;
    const json_t *one;
    size_t i;

    if (!json_is_array(value) || json_array_size(value) > WISH_LORAS)
        return fields_refuse(f, name, "a list of {\"name\", \"scale\"}");
    json_array_foreach((json_t *)(uintptr_t)value, i, one) {
        const char *lora = json_string_value(json_object_get(one, "name"));
        const json_t *scale = json_object_get(one, "scale");
        char *path = lora ? shelf_path(f->server->options.defaults.lora_dir, lora, strlen(lora))
                          : NULL;
        if (!path || (scale && !json_is_number(scale))) {
            free(path);
            return sdrt_fail(f->log, SDRT_E_ARG,
                             "%s: '%.100s': expected a LoRA that this server lists", name,
                             lora ? lora : "");
        }
        w->loras[i] = (struct sdrt_lora){ path, scale ? (float)json_number_value(scale) : 1.0f };
        w->request.n_loras = (int)i + 1;
        w->request.loras = w->loras;
    }
    return SDRT_OK;
}

enum MHD_Result jobs_post(struct call *c)
{
    struct wish *w = jobs_wish(c);
    struct fields f = { c->server, w, c->json, c->is_form, &c->log, NULL };
    enum MHD_Result answered;

    if (!w) return answer_status(c, SDRT_E_NOMEM, NULL);
    w->body = json_incref(c->json);
    if (fields_read(&f, jobs_fields)) {
        answered = answer_error(c, MHD_HTTP_BAD_REQUEST, f.bad, "%s", c->error);
        wish_free(w);
        return answered;
    }
    fields_begin(w);
    struct job *job = jobs_submit(c, w, &answered);
    if (!job) return answered;
    answered = answer_json(c, MHD_HTTP_ACCEPTED, jobs_describe(c, job));
    queue_release(c->server->queue, &job);
    return answered;
}

enum MHD_Result jobs_list(struct call *c)
{
    enum { MOST = 100 };
    char(*ids)[JOB_ID] = malloc(MOST * sizeof *ids);
    json_t *list = json_array();
    const int n = ids ? queue_list(c->server->queue, ids, MOST) : 0;

    for (int i = 0; i < n; i++) {
        struct job *job = queue_find(c->server->queue, ids[i]);
        if (job && !job->wish->only_load) json_array_append_new(list, jobs_describe(c, job));
        queue_release(c->server->queue, &job);
    }
    free(ids);
    return answer_json(c, MHD_HTTP_OK, json_pack("{so}", "jobs", list));
}

/* ---- events ---- */

struct watch {
    struct job *job;
    int seen, preview, ended;
    double told; /* when something was sent last */
};

/* "event: name", then the text in one line, which is freed. */
static char *event(const char *name, char *data)
{
    char *text = NULL;
    size_t size;
    FILE *f = data ? open_memstream(&text, &size) : NULL;

    if (f) {
        fprintf(f, "event: %s\ndata: %s\n\n", name, data);
        if (fclose(f)) free(text), text = NULL;
    }
    free(data);
    return text;
}

static char *next_event(void *user, struct call *c)
{
    enum { LOOK = 250, ALIVE = 10 /* seconds */ };
    struct watch *w = user;
    struct job now;

    while (!w->ended) {
        char *png = w->seen >= 0 ? jobs_preview(c, w->job, &w->preview) : NULL;
        if (png) return event("preview", png);
        if (queue_wait(c->server->queue, w->job, &w->seen, LOOK)) {
            queue_look(c->server->queue, w->job, &now);
            w->ended = job_is_over(now.state);
            w->told = sdrt_now();
            json_t *state = jobs_describe(c, w->job);
            char *text = json_dumps(state, JSON_COMPACT | JSON_REAL_PRECISION(9));
            json_decref(state);
            return event(w->ended ? "end" : "progress", text);
        }
        if (call_is_gone(c)) return NULL;
        if (sdrt_now() - w->told > ALIVE) {
            w->told = sdrt_now();
            return strdup(": waiting\n\n");
        }
    }
    return NULL;
}

struct watching {
    struct watch watch;
    struct queue *queue;
};

static void end_watch(void *user)
{
    struct watching *w = user;

    queue_release(w->queue, &w->watch.job);
    free(w);
}

static enum MHD_Result answer_watch(struct call *c, struct job *job)
{
    struct watching *w = calloc(1, sizeof *w);

    if (!w) {
        queue_release(c->server->queue, &job);
        return answer_status(c, SDRT_E_NOMEM, NULL);
    }
    w->watch = (struct watch){ .job = job, .seen = -1, .told = sdrt_now() };
    w->queue = c->server->queue;
    return answer_events(c, &(struct events){ next_event, end_watch, w });
}

/* ---- one job ---- */

static enum MHD_Result answer_image(struct call *c, const struct job *job, const char *number)
{
    struct job now;
    char *end, type[32];
    const long i = strtol(number, &end, 10);

    queue_look(c->server->queue, job, &now);
    if (*number < '0' || *number > '9' || (*end && *end != '.') || !job_is_over(now.state) ||
        i >= now.n_images)
        return answer_error(c, MHD_HTTP_NOT_FOUND, NULL, "there is no such image, or not yet");
    const struct image *image = &job->images[i];
    void *copy = malloc(image->size ? image->size : 1);
    if (!copy) return answer_status(c, SDRT_E_NOMEM, NULL);
    memcpy(copy, image->bytes, image->size);
    snprintf(type, sizeof type, "image/%s", job->wish->format);
    return answer_bytes(c, MHD_HTTP_OK, type, copy, image->size);
}

/* The job that the path begins with; *rest is what stands behind its id. */
static struct job *find(struct call *c, const char **rest)
{
    char id[JOB_ID];
    const size_t n = strcspn(c->tail, "/");

    *rest = c->tail + n;
    if (n != JOB_ID - 1) return NULL;
    memcpy(id, c->tail, n);
    id[n] = '\0';
    return queue_find(c->server->queue, id);
}

enum MHD_Result jobs_get(struct call *c)
{
    const char *rest;
    struct job *job = find(c, &rest);
    enum MHD_Result answered;

    if (!job)
        return answer_error(c, MHD_HTTP_NOT_FOUND, NULL, "there is no such job, or no longer");
    if (!strcmp(rest, "/events")) return answer_watch(c, job);
    if (!*rest) answered = answer_json(c, MHD_HTTP_OK, jobs_describe(c, job));
    else if (!strncmp(rest, "/images/", 8)) answered = answer_image(c, job, rest + 8);
    else answered = answer_error(c, MHD_HTTP_NOT_FOUND, NULL, "a job has events and images");
    queue_release(c->server->queue, &job);
    return answered;
}

enum MHD_Result jobs_delete(struct call *c)
{
    const char *rest;
    struct job *job = find(c, &rest);

    if (!job || *rest) {
        queue_release(c->server->queue, &job);
        return answer_error(c, MHD_HTTP_NOT_FOUND, NULL, "there is no such job, or no longer");
    }
    queue_end(c->server->queue, job, JOB_CANCEL);
    const enum MHD_Result answered = answer_json(c, MHD_HTTP_OK, jobs_describe(c, job));
    queue_release(c->server->queue, &job);
    return answered;
}
