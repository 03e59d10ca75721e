/* SPDX-License-Identifier: MIT
 *
 * What A1111's clients ask beside images: progress, options, lists.
 */
#include "tools/sdserve/a1111.h"

#include "model/pipeline/parameters.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "tools/sdserve/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/* ---- info ---- */

void a1111_parameter(const char *infotext, const char *key, char *text, size_t size)
{
    const char *line = strrchr(infotext, '\n'), *at;
    char front[64];

    text[0] = '\0';
    line = line ? line + 1 : infotext;
    snprintf(front, sizeof front, "%s: ", key);
    for (at = line; (at = strstr(at, front)); at++)
        if (at == line || (at >= line + 2 && at[-1] == ' ' && at[-2] == ',')) break;
    if (!at) return;
    at += strlen(front);
    snprintf(text, size, "%.*s", (int)strcspn(at, ","), at);
}

static json_t *seed_json(uint64_t seed)
{
    return seed <= INT64_MAX ? json_integer((json_int_t)seed) : json_real((double)seed);
}

/* What there is one of for each image. */
static int add_lists(json_t *info, const struct job *job, int n)
{
    const struct sdrt_request *r = &job->wish->request;
    json_t *prompts = json_array(), *negatives = json_array(), *seeds = json_array(),
           *subseeds = json_array(), *texts = json_array();
    const char *prompt = r->prompt ? r->prompt : "",
               *negative = r->negative_prompt ? r->negative_prompt : "";

    for (int i = 0; i < n; i++) {
        json_array_append_new(prompts, json_string(prompt));
        json_array_append_new(negatives, json_string(negative));
        json_array_append_new(seeds, seed_json(job->images[i].seed));
        json_array_append_new(subseeds,
                              seed_json(r->subseed + (r->subseed_strength > 0 ? (uint64_t)i : 0)));
        json_array_append_new(texts, json_string(job->images[i].parameters));
    }
    return json_object_set_new(info, "all_prompts", prompts) |
           json_object_set_new(info, "all_negative_prompts", negatives) |
           json_object_set_new(info, "all_seeds", seeds) |
           json_object_set_new(info, "all_subseeds", subseeds) |
           json_object_set_new(info, "infotexts", texts);
}

/* What A1111 tells of an image that is drawn twice. */
static json_t *hires_info(const char *infotext)
{
    static const char *const keys[] = { "Hires upscale", "Hires steps", "Hires upscaler" };
    json_t *all = json_object();
    char value[256];

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        a1111_parameter(infotext, keys[i], value, sizeof value);
        if (*value) json_object_set_new(all, keys[i], json_string(value));
    }
    return all;
}

char *a1111_info(const struct server *s, const struct job *job, int n)
{
    const struct wish *w = job->wish;
    const struct sdrt_request *r = &w->request;
    const char *text = n ? job->images[0].parameters : "";
    const int twice = r->hires > 0;
    char sampler[64], model[256], stamp[32];
    const time_t now = time(NULL);
    struct tm local;

    a1111_parameter(text, "Sampler", sampler, sizeof sampler);
    a1111_parameter(text, "Model", model, sizeof model);
    strftime(stamp, sizeof stamp, "%Y%m%d%H%M%S", localtime_r(&now, &local));
    json_t *info = json_pack(
        "{ss ss so so sf si si ss sf si si sb sn ss ss ss? sn si si so so si s[] ss si sb ss}",
        "prompt", r->prompt ? r->prompt : "", "negative_prompt",
        r->negative_prompt ? r->negative_prompt : "", "seed", seed_json(r->seed), "subseed",
        seed_json(r->subseed), "subseed_strength", (double)r->subseed_strength, "width",
        n && !twice ? job->images[0].width : r->width, "height",
        n && !twice ? job->images[0].height : r->height, "sampler_name", sampler, "cfg_scale",
        (double)r->cfg_scale, "steps", r->steps, "batch_size", r->batch, "restore_faces", 0,
        "face_restoration_model", "sd_model_name",
        *model ? model : shelf_at(s->shelf, SHELF_MODELS, w->checkpoint).name, "sd_model_hash", "",
        "sd_vae_name", w->vae > 1 ? shelf_at(s->shelf, SHELF_VAES, w->vae).title : NULL,
        "sd_vae_hash", "seed_resize_from_w", -1, "seed_resize_from_h", -1, "denoising_strength",
        r->init ? json_real((double)r->strength)
        : twice ? json_real((double)r->hires_strength)
                : json_null(),
        "extra_generation_params", twice ? hires_info(text) : json_object(), "index_of_first_image",
        0, "styles", "job_timestamp", stamp, "clip_skip", r->clip_skip ? r->clip_skip : 1,
        "is_using_inpainting_conditioning", 0, "version", sdrt_version());
    char *out = info && !add_lists(info, job, n)
                    ? json_dumps(info, JSON_COMPACT | JSON_REAL_PRECISION(9))
                    : NULL;
    json_decref(info);
    return out;
}

/* ---- what goes on ---- */

static json_t *state_json(const struct job *now, const struct wish *w)
{
    return json_pack("{sb sb sb ss si ss si si si}", "skipped", now && now->asked == JOB_SKIP,
                     "interrupted", now && now->asked >= JOB_INTERRUPT, "stopping_generation", 0,
                     "job", now ? now->id : "", "job_count", w ? w->batches : 0, "job_timestamp",
                     "0", "job_no", now ? now->batch : 0, "sampling_step",
                     now && now->stage == SDRT_STAGE_DENOISE ? now->done : 0, "sampling_steps",
                     now && now->stage == SDRT_STAGE_DENOISE ? now->total : 0);
}

enum MHD_Result a1111_progress(struct call *c)
{
    struct server *s = c->server;
    struct job *job = queue_drawing(s->queue, c->client), now;
    const char *skip = call_query(c, "skip_current_image");
    const int wants = !skip || strcasecmp(skip, "true");
    double share = 0, left = 0;
    char *png = NULL;

    pthread_mutex_lock(&s->lock);
    if (wants) s->watched = sdrt_now();
    pthread_mutex_unlock(&s->lock);
    if (job) {
        queue_look(s->queue, job, &now);
        if (wants) png = jobs_preview(c, job, NULL);
        if (now.stage == SDRT_STAGE_DENOISE && now.total)
            share = (now.batch + (double)now.done / now.total) / job->wish->batches;
        if (now.stage == SDRT_STAGE_DECODE) share = (now.batch + 0.99) / job->wish->batches;
        left = jobs_seconds_left(c, job);
    }
    const enum MHD_Result answered = answer_json(
        c, MHD_HTTP_OK,
        json_pack("{sf sf so ss? sn}", "progress", share, "eta_relative", left < 0 ? 0 : left,
                  "state", state_json(job ? &now : NULL, job ? job->wish : NULL), "current_image",
                  png, "textinfo"));
    free(png);
    queue_release(s->queue, &job);
    return answered;
}

static enum MHD_Result end_drawing(struct call *c, enum job_end how)
{
    struct job *job = queue_drawing(c->server->queue, c->client);

    if (job) queue_end(c->server->queue, job, how);
    queue_release(c->server->queue, &job);
    return answer_json(c, MHD_HTTP_OK, json_object());
}

enum MHD_Result a1111_interrupt(struct call *c) { return end_drawing(c, JOB_INTERRUPT); }
enum MHD_Result a1111_skip(struct call *c) { return end_drawing(c, JOB_SKIP); }

/* ---- options ---- */

enum MHD_Result a1111_options(struct call *c)
{
    struct server *s = c->server;

    pthread_mutex_lock(&s->lock);
    const int skip = s->clip_skip;
    pthread_mutex_unlock(&s->lock);
    const char *rng = s->options.defaults.rng;
    return answer_json(
        c, MHD_HTTP_OK,
        json_pack("{ss ss si ss si ss si sn}", "sd_model_checkpoint",
                  shelf_at(s->shelf, SHELF_MODELS, shelf_current(s->shelf, SHELF_MODELS)).title,
                  "sd_vae",
                  shelf_at(s->shelf, SHELF_VAES, shelf_current(s->shelf, SHELF_VAES)).title,
                  "CLIP_stop_at_last_layers", skip ? skip : 1, "randn_source",
                  rng && !strcmp(rng, "cuda") ? "NV" : "CPU", "eta_noise_seed_delta", 0,
                  "samples_format", "png", "jpeg_quality", 95, "sd_checkpoint_hash"));
}

/* Opens the checkpoint when its turn has come; it is the server's once that went well. */
static enum MHD_Result change_checkpoint(struct call *c, struct wish *w)
{
    const int checkpoint = w->checkpoint, vae = w->vae;
    enum MHD_Result answered;
    struct job over, *job;

    w->only_load = 1;
    job = jobs_submit(c, w, &answered);
    if (!job) return answered;
    answered = MHD_NO;
    if (call_wait(c, job)) {
        queue_look(c->server->queue, job, &over);
        if (over.state == JOB_DONE) shelf_choose(c->server->shelf, SHELF_MODELS, checkpoint);
        if (over.state == JOB_DONE) shelf_choose(c->server->shelf, SHELF_VAES, vae);
        answered = over.state == JOB_DONE ? answer_json(c, MHD_HTTP_OK, json_object())
                                          : jobs_answer_failed(c, &over);
    }
    queue_release(c->server->queue, &job);
    return answered;
}

/* What is kept: others hold for a request only, in override_settings. */
static int check_kept(struct call *c)
{
    static const char *const kept[] = { "sd_model_checkpoint", "sd_vae", "CLIP_stop_at_last_layers",
                                        "sd_checkpoint_hash" };
    static const char *const same[] = { "randn_source", "eta_noise_seed_delta", "samples_format",
                                        "jpeg_quality" };
    const char *name;
    json_t *value;

    json_object_foreach(c->json, name, value) {
        int known = 0;
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) known |= !strcmp(kept[i], name);
        for (size_t i = 0; i < sizeof same / sizeof *same; i++)
            if (!strcmp(same[i], name))
                return sdrt_fail(&c->log, SDRT_E_ARG,
                                 "%s: expected in a request's override_settings", name);
        if (!known) return sdrt_fail(&c->log, SDRT_E_ARG, "%.100s: there is no such option", name);
    }
    return SDRT_OK;
}

enum MHD_Result a1111_set_options(struct call *c)
{
    struct server *s = c->server;
    struct wish *w = jobs_wish(c);
    struct fields f = { s, w, c->json, 0, &c->log, NULL };

    if (!w) return answer_status(c, SDRT_E_NOMEM, NULL);
    const int before = wish_opens(w);
    if (check_kept(c) || fields_read(&f, a1111_settings)) {
        const enum MHD_Result answered = answer_error(c, MHD_HTTP_BAD_REQUEST, f.bad, "%s",
                                                      c->error);
        wish_free(w);
        return answered;
    }
    pthread_mutex_lock(&s->lock);
    s->clip_skip = w->request.clip_skip;
    pthread_mutex_unlock(&s->lock);
    if (wish_opens(w) != before) return change_checkpoint(c, w);
    wish_free(w);
    return answer_json(c, MHD_HTTP_OK, json_object());
}

/* ---- pictures ---- */

const struct field a1111_info_fields[] = {
    { "image", FIELD_PICTURE, .where = 0 },
    { .name = NULL },
};

enum MHD_Result a1111_png_info(struct call *c)
{
    struct sdrt_picture_file file = { 0 };
    struct fields f = { c->server, NULL, c->json, 0, &c->log, NULL };

    if (field_picture(&f, "image", json_string_value(json_object_get(c->json, "image")), &file))
        return answer_error(c, MHD_HTTP_BAD_REQUEST, "image", "%s", c->error);
    const char *text = file.parameters ? file.parameters : "";
    const enum MHD_Result answered = answer_json(c, MHD_HTTP_OK,
                                                 json_pack("{ss s{ss*} s{}}", "info", text, "items",
                                                           "parameters", file.parameters,
                                                           "parameters"));
    sdrt_picture_file_free(&file);
    return answered;
}

/* ---- lists ---- */

enum MHD_Result a1111_samplers(struct call *c)
{
    json_t *list = json_array();
    const char *name;

    for (int i = 0; (name = sdrt_list_name(SDRT_LIST_SAMPLERS, i)); i++)
        json_array_append_new(list, json_pack("{ss s[s] s{}}", "name", sdrt_parameters_label(name),
                                              "aliases", name, "options"));
    return answer_json(c, MHD_HTTP_OK, list);
}

enum MHD_Result a1111_schedulers(struct call *c)
{
    json_t *list = json_array();
    const char *name;

    for (int i = 0; (name = sdrt_list_name(SDRT_LIST_SCHEDULES, i)); i++)
        json_array_append_new(list, json_pack("{ss ss s[s] sf sb}", "name", name, "label",
                                              sdrt_parameters_label(name), "aliases", name,
                                              "default_rho", -1.0, "need_inner_model", 0));
    return answer_json(c, MHD_HTTP_OK, list);
}

enum MHD_Result a1111_models(struct call *c)
{
    struct shelf *shelf = c->server->shelf;
    json_t *list = json_array();

    for (int i = 0; i < shelf_count(shelf, SHELF_MODELS); i++) {
        const struct checkpoint k = shelf_at(shelf, SHELF_MODELS, i);
        json_array_append_new(list,
                              json_pack("{ss ss sn sn ss sn}", "title", k.title, "model_name",
                                        k.name, "hash", "sha256", "filename", k.path, "config"));
    }
    return answer_json(c, MHD_HTTP_OK, list);
}

enum MHD_Result a1111_vaes(struct call *c)
{
    struct shelf *shelf = c->server->shelf;
    json_t *list = json_array();

    for (int i = 2; i < shelf_count(shelf, SHELF_VAES); i++) {
        const struct checkpoint k = shelf_at(shelf, SHELF_VAES, i);
        json_array_append_new(list,
                              json_pack("{ss ss}", "model_name", k.title, "filename", k.path));
    }
    return answer_json(c, MHD_HTTP_OK, list);
}

enum MHD_Result a1111_latent_modes(struct call *c)
{
    return answer_json(c, MHD_HTTP_OK,
                       json_pack("[{ss}{ss}]", "name", "Latent", "name", "Latent (nearest)"));
}

static void add_lora(void *list, const char *name, const char *path)
{
    json_array_append_new(list, json_pack("{ss ss ss s{}}", "name", name, "alias", name, "path",
                                          path, "metadata"));
}

enum MHD_Result a1111_loras(struct call *c)
{
    json_t *list = json_array();

    shelf_list(c->server->options.defaults.lora_dir, add_lora, list);
    return answer_json(c, MHD_HTTP_OK, list);
}

static void add_embedding(void *list, const char *name, const char *path)
{
    (void)path;
    json_object_set_new(list, name,
                        json_pack("{sn sn sn si si}", "step", "sd_checkpoint", "sd_checkpoint_name",
                                  "shape", 0, "vectors", 0));
}

enum MHD_Result a1111_embeddings(struct call *c)
{
    json_t *loaded = json_object();

    shelf_list(c->server->options.defaults.embeddings, add_embedding, loaded);
    return answer_json(c, MHD_HTTP_OK, json_pack("{so s{}}", "loaded", loaded, "skipped"));
}

enum MHD_Result a1111_nothing(struct call *c) { return answer_json(c, MHD_HTTP_OK, json_array()); }

enum MHD_Result a1111_scripts(struct call *c)
{
    return answer_json(c, MHD_HTTP_OK, json_pack("{s[] s[]}", "txt2img", "img2img"));
}

enum MHD_Result a1111_refresh(struct call *c)
{
    shelf_refresh(c->server->shelf);
    return answer_json(c, MHD_HTTP_OK, json_object());
}

enum MHD_Result a1111_memory(struct call *c)
{
    const double page = (double)sysconf(_SC_PAGESIZE), all = (double)sysconf(_SC_PHYS_PAGES) * page;
    long resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f && fscanf(f, "%*s %ld", &resident) != 1) resident = 0;
    if (f) fclose(f);
    const double used = (double)resident * page;
    return answer_json(c, MHD_HTTP_OK,
                       json_pack("{s{sf sf sf} s{ss}}", "ram", "free", all - used, "used", used,
                                 "total", all, "cuda", "error", "no GPU is used"));
}

enum MHD_Result a1111_flags(struct call *c)
{
    const struct serve_options *o = &c->server->options;

    return answer_json(c, MHD_HTTP_OK,
                       json_pack("{sb sb si ss? ss?}", "api", 1, "listen",
                                 strcmp(o->listen, "127.0.0.1") != 0, "port", o->port, "ckpt_dir",
                                 o->models, "lora_dir", o->defaults.lora_dir));
}

enum MHD_Result a1111_ping(struct call *c) { return answer_json(c, MHD_HTTP_OK, json_object()); }
