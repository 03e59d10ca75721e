/* SPDX-License-Identifier: MIT
 *
 * All paths, and what the server says of itself.
 */
#include "runtime/base/clock.h"
#include "tools/sdserve/a1111.h"
#include "tools/sdserve/control.h"
#include "tools/sdserve/extras.h"
#include "tools/sdserve/gallery.h"
#include "tools/sdserve/jobs.h"
#include "tools/sdserve/openai.h"
#include "tools/sdserve/openapi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum MHD_Result health(struct call *c)
{
    return answer_json(c, MHD_HTTP_OK,
                       json_pack("{ss ss}", "status", "ok", "version", sdrt_version()));
}

static json_t *names_of(enum sdrt_list which)
{
    json_t *list = json_array();
    const char *name;

    for (int i = 0; (name = sdrt_list_name(which, i)); i++)
        if (which != SDRT_LIST_FORMATS || sdrt_list_usable(which, i))
            json_array_append_new(list, json_string(name));
    return list;
}

static void add_name(void *list, const char *name, const char *path)
{
    (void)path;
    json_array_append_new(list, json_string(name));
}

static json_t *models_json(struct shelf *shelf)
{
    json_t *list = json_array();

    for (int i = 0; i < shelf_count(shelf, SHELF_MODELS); i++)
        json_array_append_new(list, json_string(shelf_at(shelf, SHELF_MODELS, i).title));
    return list;
}

/* What a page or a client needs to ask well. */
static enum MHD_Result status(struct call *c)
{
    struct server *s = c->server;
    const struct serve_options *o = &s->options;
    json_t *loras = json_array();
    struct queue_counts n;

    queue_count(s->queue, &n);
    shelf_list(o->defaults.lora_dir, add_name, loras);
    pthread_mutex_lock(&s->lock);
    const struct server_machine machine = s->machine;
    pthread_mutex_unlock(&s->lock);
    return answer_json(
        c, MHD_HTTP_OK,
        json_pack(
            "{ss ss ss si si si si sf sf sf so so so so so ss s{si sf} s{si si si}}", "version",
            sdrt_version(), "isa", machine.isa, "precision", machine.precision, "threads",
            machine.threads, "sessions", o->sessions, "queued", (int)n.jobs[JOB_QUEUED], "drawing",
            (int)n.jobs[JOB_DRAWING], "pixel_step_seconds", n.pixel_step_seconds,
            "decode_pixel_seconds", n.decode_pixel_seconds, "pixels", n.pixels, "samplers",
            names_of(SDRT_LIST_SAMPLERS), "schedules", names_of(SDRT_LIST_SCHEDULES), "formats",
            names_of(SDRT_LIST_FORMATS), "models", models_json(s->shelf), "loras", loras, "model",
            shelf_at(s->shelf, SHELF_MODELS, shelf_current(s->shelf, SHELF_MODELS)).title,
            "defaults", "steps", o->defaults.steps, "cfg_scale", (double)o->defaults.cfg_scale,
            "limits", "pixels", o->max_pixels, "steps", o->max_steps, "batch", o->max_batch));
}

/* ---- Prometheus ---- */

static void metric(FILE *f, const char *name, const char *kind, const char *help, double value)
{
    fprintf(f, "# HELP sdserve_%s %s\n# TYPE sdserve_%s %s\nsdserve_%s %.9g\n", name, help, name,
            kind, name, value);
}

static double resident_bytes(void)
{
    long resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f && fscanf(f, "%*s %ld", &resident) != 1) resident = 0;
    if (f) fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static enum MHD_Result metrics(struct call *c)
{
    struct server *s = c->server;
    struct queue_counts n;
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f) return answer_status(c, SDRT_E_NOMEM, NULL);
    queue_count(s->queue, &n);
    metric(f, "images_total", "counter", "Images drawn.", (double)n.images);
    metric(f, "steps_total", "counter", "Evaluations of the denoiser.", (double)n.steps);
    metric(f, "drawing_seconds_total", "counter", "Time spent on jobs.", n.draw_seconds);
    metric(f, "steps_per_second", "gauge", "Of the batch drawn last.",
           n.step_seconds > 0 ? 1 / n.step_seconds : 0);
    metric(f, "queue_length", "gauge", "Jobs that wait.", (double)n.jobs[JOB_QUEUED]);
    metric(f, "drawing", "gauge", "Jobs that are drawn.", (double)n.jobs[JOB_DRAWING]);
    metric(f, "resident_memory_bytes", "gauge", "Memory in use.", resident_bytes());
    metric(f, "requests_total", "counter", "Requests of HTTP.", (double)s->requests);
    metric(f, "requests_refused_total", "counter", "Those answered by 4xx and 5xx.",
           (double)s->refused);
    metric(f, "uptime_seconds", "gauge", "Since the start.", sdrt_now() - s->started);
    fprintf(f,
            "# HELP sdserve_jobs_total Jobs that are over.\n# TYPE sdserve_jobs_total counter\n");
    for (int i = JOB_DONE; i <= JOB_CANCELLED; i++)
        fprintf(f, "sdserve_jobs_total{state=\"%s\"} %llu\n", job_state_name((enum job_state)i),
                (unsigned long long)n.jobs[i]);
    if (fclose(f)) return answer_status(c, SDRT_E_NOMEM, NULL);
    return answer_bytes(c, MHD_HTTP_OK, "text/plain; version=0.0.4", text, size);
}

/* ---- the table ---- */

#define A1111(method, name, call, flags, ...)                          \
    {                                                                  \
        method, "/sdapi/v1/" name, call, API_A1111, flags, __VA_ARGS__ \
    }

const struct route routes[] = {
    { "GET", "/", page_answer, API_OWN, 0, .help = "the page", .type = "text/html" },
    { "GET", "/style.css", page_answer, API_OWN, 0, .help = "its style", .type = "text/css" },
    { "GET", "/page.js", page_answer, API_OWN, 0, .help = "its script", .type = "text/javascript" },
    { "GET", "/openapi.json", openapi_answer, API_OWN, 0, .help = "this document" },
    { "GET", "/health", health, API_OWN, ROUTE_OPEN, .help = "whether it is there" },
    { "GET", "/metrics", metrics, API_OWN, 0, .help = "counts for Prometheus",
      .type = "text/plain" },
    { "GET", "/v1/status", status, API_OWN, 0, .help = "machine, models, limits and queue" },
    { "GET", "/v1/gallery", gallery_list, API_OWN, 0,
      .help = "the images that are kept, newest first" },
    { "GET", "/v1/gallery/", gallery_get, API_OWN, 0, .help = "one of them", .type = "image/png" },
    { "POST", "/v1/jobs", jobs_post, API_OWN, ROUTE_BODY | ROUTE_ACCEPTS, .help = "submit a job",
      .fields = jobs_fields },
    { "GET", "/v1/jobs", jobs_list, API_OWN, 0, .help = "the jobs that are remembered" },
    /* An id is not to be guessed. */
    { "GET", "/v1/jobs/", jobs_get, API_OWN, ROUTE_OPEN,
      .help = "a job; behind its id /events, server-sent, or /images/0.png" },
    { "DELETE", "/v1/jobs/", jobs_delete, API_OWN, 0, .help = "cancel a job" },
    { "POST", "/v1/images/generations", openai_generations, API_OPENAI, ROUTE_BODY, .help = "draw",
      .fields = openai_fields },
    { "POST", "/v1/images/edits", openai_edits, API_OPENAI, ROUTE_BODY | ROUTE_FORM,
      .help = "draw, beginning with a picture", .fields = openai_fields },
    { "POST", "/v1/images/variations", openai_variations, API_OPENAI, ROUTE_BODY | ROUTE_FORM,
      .help = "draw a picture anew", .fields = openai_fields },
    { "GET", "/v1/models", openai_models, API_OPENAI, 0, .help = "the models" },
    { "GET", "/v1/models/", openai_model, API_OPENAI, 0, .help = "one of them" },
    A1111("POST", "txt2img", a1111_txt2img, ROUTE_BODY, .help = "draw",
          .fields = a1111_text_fields),
    A1111("POST", "img2img", a1111_img2img, ROUTE_BODY, .help = "draw, beginning with a picture",
          .fields = a1111_picture_fields),
    A1111("GET", "progress", a1111_progress, 0, .help = "how far it is"),
    A1111("POST", "interrupt", a1111_interrupt, ROUTE_BODY, .help = "end what is drawn"),
    A1111("POST", "skip", a1111_skip, ROUTE_BODY, .help = "end the batch that is drawn"),
    A1111("GET", "options", a1111_options, 0, .help = "the settings"),
    A1111("POST", "options", a1111_set_options, ROUTE_BODY, .help = "change them",
          .fields = a1111_settings),
    A1111("GET", "samplers", a1111_samplers, 0, .help = "the samplers"),
    A1111("GET", "schedulers", a1111_schedulers, 0, .help = "the schedules"),
    A1111("GET", "sd-models", a1111_models, 0, .help = "the checkpoints"),
    A1111("GET", "sd-vae", a1111_vaes, 0, .help = "the VAEs"),
    A1111("GET", "loras", a1111_loras, 0, .help = "the LoRAs"),
    A1111("GET", "embeddings", a1111_embeddings, 0, .help = "the embeddings"),
    A1111("GET", "upscalers", extras_upscalers, 0, .help = "the networks that enlarge"),
    A1111("POST", "extra-single-image", extras_single, ROUTE_BODY, .help = "enlarge a picture",
          .fields = extras_fields),
    A1111("GET", "latent-upscale-modes", a1111_latent_modes, 0, .help = "how latents are enlarged"),
    A1111("GET", "hypernetworks", a1111_nothing, 0, .help = "none"),
    A1111("GET", "face-restorers", a1111_nothing, 0, .help = "none"),
    A1111("GET", "realesrgan-models", a1111_nothing, 0, .help = "none"),
    A1111("GET", "prompt-styles", a1111_nothing, 0, .help = "none"),
    A1111("GET", "script-info", a1111_nothing, 0, .help = "none"),
    A1111("GET", "scripts", a1111_scripts, 0, .help = "none"),
    A1111("POST", "refresh-checkpoints", a1111_refresh, ROUTE_BODY,
          .help = "look for checkpoints again"),
    A1111("POST", "refresh-loras", a1111_refresh, ROUTE_BODY, .help = "the same"),
    A1111("POST", "refresh-vae", a1111_refresh, ROUTE_BODY, .help = "the same"),
    A1111("POST", "refresh-embeddings", a1111_refresh, ROUTE_BODY, .help = "the same"),
    A1111("POST", "png-info", a1111_png_info, ROUTE_BODY, .help = "what a picture says of itself",
          .fields = a1111_info_fields),
    A1111("GET", "memory", a1111_memory, 0, .help = "memory"),
    A1111("GET", "cmd-flags", a1111_flags, 0, .help = "how it was started"),
    { "GET", "/controlnet/version", control_version, API_A1111, 0, .help = "of the interface" },
    { "GET", "/controlnet/model_list", control_models, API_A1111, 0, .help = "the control nets" },
    { "GET", "/controlnet/settings", control_settings, API_A1111, 0, .help = "how many units" },
    { "GET", "/controlnet/control_types", control_types, API_A1111, 0,
      .help = "both lists, by kind" },
    { "GET", "/controlnet/module_list", control_modules, API_A1111, 0,
      .help = "what is made of their pictures" },
    { "GET", "/internal/ping", a1111_ping, API_A1111, 0, .help = "whether it is there" },
    { .method = NULL },
};
