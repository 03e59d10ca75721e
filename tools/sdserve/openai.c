/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/openai.h"

#include "runtime/base/error.h"
#include "tools/sdserve/base64.h"
#include "tools/sdserve/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- fields ---- */

static int take_size(struct fields *f, const char *name, const json_t *value)
{
    struct sdrt_request *r = &f->wish->request;
    const char *text = json_string_value(value);
    int width, height, end = 0;

    if (text && !strcmp(text, "auto")) return SDRT_OK;
    if (!text || sscanf(text, "%4dx%4d%n", &width, &height, &end) != 2 || text[end] || width < 8 ||
        height < 8)
        return fields_refuse(f, name, "WIDTHxHEIGHT in pixels, or \"auto\"");
    r->width = width;
    r->height = height;
    return SDRT_OK;
}

static int is_one_of(const json_t *value, const char *const *names)
{
    const char *text = json_string_value(value);

    for (; text && *names; names++)
        if (!strcmp(text, *names)) return 1;
    return 0;
}

/* More quality is more steps. */
static int take_quality(struct fields *f, const char *name, const json_t *value)
{
    static const char *const usual[] = { "auto", "standard", "medium", NULL };
    static const char *const high[] = { "high", "hd", NULL }, *const low[] = { "low", NULL };
    struct sdrt_request *r = &f->wish->request;
    const int steps = f->server->options.defaults.steps;

    if (is_one_of(value, usual)) return SDRT_OK;
    if (is_one_of(value, high)) r->steps = steps + steps / 2;
    else if (is_one_of(value, low)) r->steps = (steps + 1) / 2;
    else return fields_refuse(f, name, "auto, low, medium, high, standard or hd");
    if (json_object_get(f->object, "steps")) return fields_refuse(f, name, "no steps beside it");
    return SDRT_OK;
}

static int take_background(struct fields *f, const char *name, const json_t *value)
{
    static const char *const opaque[] = { "auto", "opaque", NULL };

    return is_one_of(value, opaque) ? SDRT_OK : fields_refuse(f, name, "auto or opaque");
}

static int take_answer(struct fields *f, const char *name, const json_t *value)
{
    static const char *const kinds[] = { "url", "b64_json", NULL };

    return is_one_of(value, kinds) ? SDRT_OK : fields_refuse(f, name, "url or b64_json");
}

#define AT(member) .where = offsetof(struct wish, member)
const struct field openai_fields[] = {
    { "prompt", FIELD_TEXT, AT(request.prompt) },
    { "model", FIELD_CALL, .call = field_checkpoint },
    { "n", FIELD_WHOLE, AT(request.batch), 1, 64 },
    { "size", FIELD_CALL, .call = take_size,
      .schema = "{\"type\":[\"string\",\"null\"],\"pattern\":\"^(auto|[0-9]+x[0-9]+)$\"}" },
    { "quality", FIELD_CALL, .call = take_quality,
      .schema = "{\"enum\":[null,\"auto\",\"standard\",\"medium\",\"low\",\"high\",\"hd\"]}" },
    { "response_format", FIELD_CALL, .call = take_answer,
      .schema = "{\"enum\":[null,\"url\",\"b64_json\"]}" },
    { "output_format", FIELD_CALL, .call = field_format },
    { "output_compression", FIELD_WHOLE, AT(quality), 1, 100 },
    { "background", FIELD_CALL, .call = take_background,
      .schema = "{\"enum\":[null,\"auto\",\"opaque\"]}" },
    { "user", FIELD_IDLE, .where = 0 },
    { "moderation", FIELD_IDLE, .where = 0 },
    { "stream", FIELD_FLAG, AT(stream) },
    { "partial_images", FIELD_WHOLE, AT(partial_images), 0, 3 },
    /* Beyond OpenAI's. */
    { "negative_prompt", FIELD_TEXT, AT(request.negative_prompt) },
    { "steps", FIELD_WHOLE, AT(request.steps), 1, 1000 },
    { "cfg_scale", FIELD_FLOAT, AT(request.cfg_scale), 0, 1000 },
    { "sampler", FIELD_CALL, .call = field_sampler },
    { "schedule", FIELD_CALL, .call = field_schedule },
    { "seed", FIELD_SEED, AT(request.seed) },
    { "strength", FIELD_FLOAT, AT(request.strength), 0.0001, 1 },
    { .name = NULL },
};

/* Which of the names that a form's file goes by it is. */
static int is_part(const struct part *p, const char *name)
{
    const size_t n = strlen(name);

    return p->is_file && !strncmp(p->name, name, n) && (!p->name[n] || !strcmp(p->name + n, "[]"));
}

/* Where a mask is transparent there it is redrawn: alpha, turned around, becomes grey in RGB. */
static int read_mask(struct wish *w, const struct sdrt_log *log)
{
    struct sdrt_picture_file *m = &w->mask_file;
    const size_t n = (size_t)m->width * (size_t)m->height;

    if (!m->pixels) return SDRT_OK;
    if (m->channels != 4)
        return sdrt_fail(log, SDRT_E_ARG,
                         "mask: expected a picture that is transparent where it is to "
                         "be redrawn");
    for (size_t i = 0; i < n; i++) {
        const uint8_t white = (uint8_t)(255 - m->pixels[4 * i + 3]);
        for (int k = 0; k < 3; k++) m->pixels[3 * i + (size_t)k] = white;
    }
    m->channels = 3;
    return SDRT_OK;
}

static int read_parts(struct call *c, struct fields *f)
{
    struct wish *w = f->wish;
    int status = SDRT_OK;

    for (int i = 0; i < c->n_parts && status == SDRT_OK; i++) {
        const struct part *p = &c->parts[i];
        if (!p->is_file) continue;
        struct sdrt_picture_file *to = is_part(p, "image")  ? &w->init_file
                                       : is_part(p, "mask") ? &w->mask_file
                                                            : NULL;
        f->bad = p->name;
        if (!to) return fields_refuse(f, p->name, "files called image and mask alone");
        if (to->pixels) return fields_refuse(f, p->name, "one picture");
        status = field_bytes(f, p->name, p->bytes ? p->bytes : (const uint8_t *)"", p->size, to);
    }
    return status == SDRT_OK ? read_mask(w, f->log) : status;
}

/* ---- answers ---- */

/* As they are in the answer's other fields. */
static json_t *image_json(struct call *c, const struct job *job, int i, int by_url)
{
    const struct image *image = &job->images[i];
    char origin[300];

    if (by_url) {
        call_origin(c, origin, sizeof origin);
        return json_pack("{so}", "url",
                         json_sprintf("%s/v1/jobs/%s/images/%d.%s", origin, job->id, i,
                                      job->wish->format));
    }
    char *text = base64_encode("", image->bytes, image->size);
    json_t *one = json_pack("{ss?}", "b64_json", text);
    free(text);
    return one;
}

static json_t *usage(void)
{
    return json_pack("{si si si s{si si}}", "total_tokens", 0, "input_tokens", 0, "output_tokens",
                     0, "input_tokens_details", "text_tokens", 0, "image_tokens", 0);
}

static enum MHD_Result answer_images(struct call *c, const struct job *job, int n)
{
    const char *kind = json_string_value(json_object_get(c->json, "response_format"));
    json_t *data = json_array();

    for (int i = 0; i < n; i++)
        json_array_append_new(data, image_json(c, job, i, kind && !strcmp(kind, "url")));
    return answer_json(c, MHD_HTTP_OK,
                       json_pack("{sI so ss so}", "created", (json_int_t)time(NULL), "data", data,
                                 "output_format", job->wish->format, "usage", usage()));
}

/* ---- a stream of partial images ---- */

struct stream {
    struct queue *queue;
    struct job *job;
    const char *kind;                 /* "image_generation" or "image_edit" */
    int seen, preview, partial, next; /* next: the image that is sent next, once it is over */
};

/* One event, with the fields that all have. */
static char *event(const struct stream *s, const char *name, const char *b64, json_t *more)
{
    const struct sdrt_request *r = &s->job->wish->request;
    char *text = NULL, *out = NULL;
    size_t size;
    json_t *body = json_pack("{so ss? sI so ss ss ss}", "type",
                             json_sprintf("%s.%s", s->kind, name), "b64_json", b64, "created_at",
                             (json_int_t)time(NULL), "size",
                             json_sprintf("%dx%d", r->width, r->height), "quality", "auto",
                             "background", "opaque", "output_format", s->job->wish->format);

    json_object_update(body, more);
    json_decref(more);
    text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    FILE *f = text ? open_memstream(&out, &size) : NULL;
    if (f) {
        fprintf(f, "event: %s.%s\ndata: %s\n\n", s->kind, name, text);
        fclose(f);
    }
    free(text);
    return out;
}

/* Those of a job that is over: its images, or what went wrong. */
static char *last_events(struct stream *s, const struct job *over)
{
    char *text, *out;

    if (over->state == JOB_DONE && s->next < over->n_images) {
        const struct image *image = &s->job->images[s->next++];
        text = base64_encode("", image->bytes, image->size);
        out = event(s, "completed", text, json_pack("{so}", "usage", usage()));
        free(text);
        return out;
    }
    if (over->state == JOB_DONE || s->next) return NULL;
    s->next = 1;
    json_t *body = json_pack("{ss s{ss ss sn sn}}", "type", "error", "error", "message",
                             *over->error ? over->error : "the job was cancelled", "type",
                             "server_error", "param", "code");
    text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    out = text ? malloc(strlen(text) + 32) : NULL;
    if (out) sprintf(out, "event: error\ndata: %s\n\n", text);
    free(text);
    return out;
}

/* Whether the job is so far that the next partial image is due. */
static int is_due(const struct stream *s, const struct job *now)
{
    const int wanted = s->job->wish->partial_images;

    return s->partial < wanted && now->stage == SDRT_STAGE_DENOISE && now->total &&
           now->done * (wanted + 1) >= now->total * (s->partial + 1);
}

static char *next_event(void *user, struct call *c)
{
    enum { LOOK = 250 };
    struct stream *s = user;
    struct job now;

    for (;;) {
        queue_look(s->queue, s->job, &now);
        if (job_is_over(now.state)) return last_events(s, &now);
        char *png = is_due(s, &now) ? jobs_preview(c, s->job, &s->preview) : NULL;
        if (png) {
            char *text = event(s, "partial_image", png,
                               json_pack("{si}", "partial_image_index", s->partial++));
            free(png);
            return text;
        }
        queue_wait(s->queue, s->job, &s->seen, LOOK);
        if (call_is_gone(c)) return NULL;
    }
}

/* Nobody else has the job: it is not drawn for one who has left. */
static void end_stream(void *user)
{
    struct stream *s = user;

    queue_end(s->queue, s->job, JOB_CANCEL);
    queue_release(s->queue, &s->job);
    free(s);
}

static enum MHD_Result answer_stream(struct call *c, struct job *job, const char *kind)
{
    struct stream *s = calloc(1, sizeof *s);

    if (!s) {
        queue_end(c->server->queue, job, JOB_CANCEL);
        queue_release(c->server->queue, &job);
        return answer_status(c, SDRT_E_NOMEM, NULL);
    }
    *s = (struct stream){ .queue = c->server->queue, .job = job, .kind = kind, .seen = -1 };
    return answer_events(c, &(struct events){ next_event, end_stream, s });
}

/* ---- drawing ---- */

static int read_wish(struct call *c, struct fields *f, int begins)
{
    struct wish *w = f->wish;
    int status = fields_read(f, openai_fields);

    if (status == SDRT_OK) status = read_parts(c, f);
    fields_begin(w);
    if (status != SDRT_OK) return status;
    if (begins && !w->request.init) return f->bad = "image", fields_refuse(f, "image", "a picture");
    if (!begins && w->request.init) return f->bad = "image", fields_refuse(f, "image", "nothing");
    w->previews |= w->partial_images > 0;
    return SDRT_OK;
}

static enum MHD_Result draw(struct call *c, int begins, const char *kind, float strength)
{
    struct wish *w = jobs_wish(c);
    struct fields f = { c->server, w, c->json, c->is_form, &c->log, NULL };
    enum MHD_Result answered = MHD_NO;
    struct job over;

    if (!w) return answer_status(c, SDRT_E_NOMEM, NULL);
    w->body = json_incref(c->json);
    if (begins) w->request.strength = strength;
    if (read_wish(c, &f, begins)) {
        answered = answer_error(c, MHD_HTTP_BAD_REQUEST, f.bad, "%s", c->error);
        wish_free(w);
        return answered;
    }
    const int streams = w->stream;
    struct job *job = jobs_submit(c, w, &answered);
    if (!job) return answered;
    if (streams) return answer_stream(c, job, kind);
    if (call_wait(c, job)) {
        queue_look(c->server->queue, job, &over);
        answered = over.state == JOB_DONE ? answer_images(c, job, over.n_images)
                                          : jobs_answer_failed(c, &over);
    }
    queue_release(c->server->queue, &job);
    return answered;
}

enum MHD_Result openai_generations(struct call *c)
{
    if (!json_object_get(c->json, "prompt"))
        return answer_error(c, MHD_HTTP_BAD_REQUEST, "prompt", "prompt: expected one");
    return draw(c, 0, "image_generation", 0);
}

enum MHD_Result openai_edits(struct call *c)
{
    if (!json_object_get(c->json, "prompt"))
        return answer_error(c, MHD_HTTP_BAD_REQUEST, "prompt", "prompt: expected one");
    return draw(c, 1, "image_edit", 0.75f);
}

enum MHD_Result openai_variations(struct call *c) { return draw(c, 1, "image_edit", 0.6f); }

/* ---- models ---- */

static json_t *model_json(struct call *c, int i)
{
    return json_pack("{ss ss sI ss}", "id", shelf_at(c->server->shelf, SHELF_MODELS, i).name,
                     "object", "model", "created", (json_int_t)0, "owned_by", "sdserve");
}

enum MHD_Result openai_models(struct call *c)
{
    json_t *data = json_array();

    for (int i = 0; i < shelf_count(c->server->shelf, SHELF_MODELS); i++)
        json_array_append_new(data, model_json(c, i));
    return answer_json(c, MHD_HTTP_OK, json_pack("{ss so}", "object", "list", "data", data));
}

enum MHD_Result openai_model(struct call *c)
{
    const int i = shelf_find(c->server->shelf, SHELF_MODELS, c->tail);

    if (i < 0) return answer_error(c, MHD_HTTP_NOT_FOUND, "model", "there is no such model");
    return answer_json(c, MHD_HTTP_OK, model_json(c, i));
}
