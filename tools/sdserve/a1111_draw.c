/* SPDX-License-Identifier: MIT
 *
 * txt2img and img2img.
 */
#include "runtime/base/error.h"
#include "tools/sdserve/a1111.h"
#include "tools/sdserve/base64.h"
#include "tools/sdserve/control.h"
#include "tools/sdserve/hires.h"
#include "tools/sdserve/jobs.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- settings ---- */

/* 1 is A1111's default, which SDXL and SD 2.x models read as their own. */
static int take_clip_skip(struct fields *f, const char *name, const json_t *value)
{
    const json_int_t n = json_integer_value(value);

    if (!json_is_integer(value) || n < 1 || n > 12)
        return fields_refuse(f, name, "a whole number from 1 to 12");
    f->wish->request.clip_skip = n == 1 ? 0 : (int)n;
    return SDRT_OK;
}

static int take_rng(struct fields *f, const char *name, const json_t *value)
{
    const char *text = json_string_value(value);

    if (!text || (strcmp(text, "CPU") && strcmp(text, "NV")))
        return fields_refuse(f, name, "\"CPU\" or \"NV\"");
    f->wish->request.rng = strcmp(text, "NV") ? "cpu" : "cuda";
    return SDRT_OK;
}

#define AT(member) .where = offsetof(struct wish, member)
const struct field a1111_settings[] = {
    { "sd_model_checkpoint", FIELD_CALL, .call = field_checkpoint },
    { "sd_vae", FIELD_CALL, .call = field_vae, .schema = "{\"type\":[\"string\",\"null\"]}" },
    { "CLIP_stop_at_last_layers", FIELD_CALL, .call = take_clip_skip,
      .schema = "{\"type\":[\"integer\",\"null\"],\"minimum\":1,\"maximum\":12}" },
    { "randn_source", FIELD_CALL, .call = take_rng, .schema = "{\"enum\":[null,\"CPU\",\"NV\"]}" },
    { "eta_noise_seed_delta", FIELD_SEED, AT(request.eta_noise_seed_delta) },
    { "samples_format", FIELD_CALL, .call = field_format },
    { "jpeg_quality", FIELD_WHOLE, AT(quality), 1, 100 },
    { "sd_checkpoint_hash", FIELD_OFF, .where = 0 },
    { .name = NULL },
};

static int take_settings(struct fields *f, const char *name, const json_t *value)
{
    struct fields inner = *f;

    if (!json_is_object(value)) return fields_refuse(f, name, "an object");
    inner.object = value;
    return fields_read(&inner, a1111_settings);
}

/* ---- what may be there and must be off ---- */

static int is_off(const json_t *value)
{
    const json_t *one;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)value, i, one)
        if (!json_is_false(one)) return 0;
    return json_is_array(value);
}

static int take_scripts(struct fields *f, const char *name, const json_t *value)
{
    const char *script;
    json_t *one;

    if (!json_is_object(value)) return fields_refuse(f, name, "an object");
    json_object_foreach((json_t *)(uintptr_t)value, script, one) {
        if (!strcasecmp(script, "controlnet")) {
            if (control_units(f, script, json_object_get(one, "args"))) return SDRT_E_ARG;
        } else if (!is_off(json_object_get(one, "args")))
            return sdrt_fail(f->log, SDRT_E_ARG,
                             "%s: %.64s: expected no args, since this server has no such script",
                             name, script);
    }
    return SDRT_OK;
}

static int take_save(struct fields *f, const char *name, const json_t *value)
{
    if (json_is_false(value) || f->server->options.output) return SDRT_OK;
    return fields_refuse(f, name, "false, since this server keeps no images (--output)");
}

/* -1, 0 and sizes of 0: no seed is resized. */
static int take_seed_resize(struct fields *f, const char *name, const json_t *value)
{
    const json_int_t n = json_integer_value(value);
    struct sdrt_request *r = &f->wish->request;

    if (!json_is_integer(value) || n > 8192) return fields_refuse(f, name, "a size up to 8192");
    *(strchr(name, 'w') ? &r->seed_resize_width : &r->seed_resize_height) = n > 0 ? (int)n : 0;
    return SDRT_OK;
}

/* ---- pictures ---- */

static int take_init(struct fields *f, const char *name, const json_t *value)
{
    if (json_array_size(value) != 1)
        return fields_refuse(f, name, "a list of one picture in base64");
    return field_picture(f, name, json_string_value(json_array_get(value, 0)), &f->wish->init_file);
}

static int take_named(struct fields *f, const char *name, const json_t *value,
                      const char *const *names, int n, const char **to)
{
    const json_int_t i = json_integer_value(value);

    if (!json_is_integer(value) || i < 0 || i >= n)
        return sdrt_fail(f->log, SDRT_E_ARG, "%s: expected a whole number from 0 to %d", name,
                         n - 1);
    *to = names[i];
    return SDRT_OK;
}

static int take_resize(struct fields *f, const char *name, const json_t *value)
{
    static const char *const names[] = { "just", "crop", "fill" };

    return take_named(f, name, value, names, 3, &f->wish->request.resize_mode);
}

static int take_content(struct fields *f, const char *name, const json_t *value)
{
    static const char *const names[] = { "fill", "original", "noise", "nothing" };

    return take_named(f, name, value, names, 4, &f->wish->request.masked_content);
}

static int take_multiplier(struct fields *f, const char *name, const json_t *value)
{
    if (json_is_number(value) && json_number_value(value) == 1) return SDRT_OK;
    return fields_refuse(f, name, "1");
}

/* ---- the fields ---- */

#define BOTH                                                                                       \
    { "prompt", FIELD_TEXT, AT(request.prompt) },                                                  \
        { "negative_prompt", FIELD_TEXT, AT(request.negative_prompt) },                            \
        { "seed", FIELD_SEED, AT(request.seed) }, { "subseed", FIELD_SEED, AT(request.subseed) },  \
        { "subseed_strength", FIELD_FLOAT, AT(request.subseed_strength), 0, 1 },                   \
        { "seed_resize_from_h", FIELD_CALL, .call = take_seed_resize,                              \
          .schema = "{\"type\":[\"integer\",\"null\"],\"maximum\":8192}" },                        \
        { "seed_resize_from_w", FIELD_CALL, .call = take_seed_resize,                              \
          .schema = "{\"type\":[\"integer\",\"null\"],\"maximum\":8192}" },                        \
        { "sampler_name", FIELD_CALL, .call = field_sampler },                                     \
        { "sampler_index", FIELD_CALL, .call = field_sampler },                                    \
        { "scheduler", FIELD_CALL, .call = field_schedule },                                       \
        { "batch_size", FIELD_WHOLE, AT(request.batch), 1, 64 },                                   \
        { "n_iter", FIELD_WHOLE, AT(batches), 1, 64 },                                             \
        { "steps", FIELD_WHOLE, AT(request.steps), 1, 1000 },                                      \
        { "cfg_scale", FIELD_FLOAT, AT(request.cfg_scale), 0, 1000 },                              \
        { "width", FIELD_WHOLE, AT(request.width), 8, 8192 },                                      \
        { "height", FIELD_WHOLE, AT(request.height), 8, 8192 },                                    \
        { "eta", FIELD_DOUBLE, AT(request.eta), 0, 100 },                                          \
        { "s_noise", FIELD_DOUBLE, AT(request.s_noise), 0, 100 },                                  \
        { "s_churn", FIELD_DOUBLE, AT(request.s_churn), 0, 1000 },                                 \
        { "s_tmin", FIELD_DOUBLE, AT(request.s_tmin), 0, 1000 },                                   \
        { "s_tmax", FIELD_DOUBLE, AT(request.s_tmax), 0, 1000 },                                   \
        { "s_min_uncond", FIELD_OFF, .where = 0 },                                                 \
        { "override_settings", FIELD_CALL, .call = take_settings,                                  \
          .schema = "{\"type\":[\"object\",\"null\"]}" },                                          \
        { "override_settings_restore_afterwards", FIELD_IDLE, .where = 0 },                        \
        { "styles", FIELD_OFF, .where = 0 }, { "restore_faces", FIELD_OFF, .where = 0 },           \
        { "tiling", FIELD_OFF, .where = 0 }, { "refiner_checkpoint", FIELD_OFF, .where = 0 },      \
        { "refiner_switch_at", FIELD_IDLE, .where = 0 }, { "comments", FIELD_IDLE, .where = 0 },   \
        { "disable_extra_networks", FIELD_OFF, .where = 0 },                                       \
        { "firstpass_image", FIELD_OFF, .where = 0 }, { "script_name", FIELD_OFF, .where = 0 },    \
        { "script_args", FIELD_OFF, .where = 0 }, { "infotext", FIELD_OFF, .where = 0 },           \
        { "alwayson_scripts", FIELD_CALL, .call = take_scripts,                                    \
          .schema = "{\"type\":[\"object\",\"null\"]}" },                                          \
        { "do_not_save_samples", FIELD_IDLE, .where = 0 },                                         \
        { "do_not_save_grid", FIELD_IDLE, .where = 0 }, { "send_images", FIELD_IDLE, .where = 0 }, \
        { "force_task_id", FIELD_IDLE, .where = 0 },                                               \
    {                                                                                              \
        "save_images", FIELD_CALL, .call = take_save,                                              \
                                   .schema = "{\"type\":[\"boolean\",\"null\"]}"                   \
    }

const struct field a1111_text_fields[] = {
    BOTH,
    { "enable_hr", FIELD_FLAG, AT(hires) }, /* and what belongs to it, by hires_settle() */
    { "denoising_strength", FIELD_IDLE, .where = 0 },
    { "firstphase_width", FIELD_IDLE, .where = 0 },
    { "firstphase_height", FIELD_IDLE, .where = 0 },
    { "hr_scale", FIELD_IDLE, .where = 0 },
    { "hr_upscaler", FIELD_IDLE, .where = 0 },
    { "hr_second_pass_steps", FIELD_IDLE, .where = 0 },
    { "hr_resize_x", FIELD_IDLE, .where = 0 },
    { "hr_resize_y", FIELD_IDLE, .where = 0 },
    { "hr_checkpoint_name", FIELD_IDLE, .where = 0 },
    { "hr_sampler_name", FIELD_IDLE, .where = 0 },
    { "hr_scheduler", FIELD_IDLE, .where = 0 },
    { "hr_prompt", FIELD_IDLE, .where = 0 },
    { "hr_negative_prompt", FIELD_IDLE, .where = 0 },
    /* Clients that send all fields with both: of img2img, where nothing to begin with is meant. */
    { "init_images", FIELD_OFF, .where = 0 },
    { "mask", FIELD_OFF, .where = 0 },
    { "latent_mask", FIELD_OFF, .where = 0 },
    { "resize_mode", FIELD_IDLE, .where = 0 },
    { "image_cfg_scale", FIELD_IDLE, .where = 0 },
    { "mask_blur", FIELD_IDLE, .where = 0 },
    { "mask_blur_x", FIELD_IDLE, .where = 0 },
    { "mask_blur_y", FIELD_IDLE, .where = 0 },
    { "mask_round", FIELD_IDLE, .where = 0 },
    { "inpainting_fill", FIELD_IDLE, .where = 0 },
    { "inpaint_full_res", FIELD_IDLE, .where = 0 },
    { "inpaint_full_res_padding", FIELD_IDLE, .where = 0 },
    { "inpainting_mask_invert", FIELD_IDLE, .where = 0 },
    { "initial_noise_multiplier", FIELD_IDLE, .where = 0 },
    { "include_init_images", FIELD_IDLE, .where = 0 },
    { .name = NULL },
};

const struct field a1111_picture_fields[] = {
    BOTH,
    { "init_images", FIELD_CALL, .call = take_init,
      .schema =
          "{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\"},\"minItems\":1,\"maxItems\":1}" },
    { "mask", FIELD_PICTURE, AT(mask_file) },
    { "denoising_strength", FIELD_FLOAT, AT(request.strength), 0.0001, 1 },
    { "resize_mode", FIELD_CALL, .call = take_resize, .schema = "{\"enum\":[null,0,1,2]}" },
    { "image_cfg_scale", FIELD_FLOAT, AT(request.image_cfg_scale), 1, 1000 },
    { "mask_blur", FIELD_FLOAT, AT(request.mask_blur), 0, 256 },
    { "mask_blur_x", FIELD_FLOAT, AT(request.mask_blur), 0, 256 },
    { "mask_blur_y", FIELD_FLOAT, AT(request.mask_blur), 0, 256 },
    { "mask_round", FIELD_IDLE, .where = 0 },
    { "inpainting_fill", FIELD_CALL, .call = take_content, .schema = "{\"enum\":[null,0,1,2,3]}" },
    { "inpaint_full_res", FIELD_FLAG, AT(request.mask_only) },
    { "inpaint_full_res_padding", FIELD_WHOLE, AT(request.mask_padding), 0, 8192 },
    { "inpainting_mask_invert", FIELD_FLAG, AT(request.mask_invert) },
    { "initial_noise_multiplier", FIELD_CALL, .call = take_multiplier,
      .schema = "{\"enum\":[null,1]}" },
    { "latent_mask", FIELD_OFF, .where = 0 },
    { "include_init_images", FIELD_OFF, .where = 0 },
    { "enable_hr", FIELD_OFF, .where = 0 }, /* and what belongs to it, of txt2img */
    { "firstphase_width", FIELD_IDLE, .where = 0 },
    { "firstphase_height", FIELD_IDLE, .where = 0 },
    { "hr_scale", FIELD_IDLE, .where = 0 },
    { "hr_upscaler", FIELD_IDLE, .where = 0 },
    { "hr_second_pass_steps", FIELD_IDLE, .where = 0 },
    { "hr_resize_x", FIELD_IDLE, .where = 0 },
    { "hr_resize_y", FIELD_IDLE, .where = 0 },
    { "hr_sampler_name", FIELD_IDLE, .where = 0 },
    { "hr_prompt", FIELD_IDLE, .where = 0 },
    { "hr_negative_prompt", FIELD_IDLE, .where = 0 },
    { .name = NULL },
};

/* ---- drawing ---- */

/* What a mask without words about it means to A1111, and what means nothing without one. */
static void settle_mask(struct wish *w)
{
    struct sdrt_request *r = &w->request;

    if (r->mask) return;
    r->mask_blur = 0;
    r->mask_only = r->mask_invert = 0;
    r->masked_content = NULL;
}

static void begin_mask(struct wish *w)
{
    w->request.mask_blur = 4;
    w->request.mask_only = 1;
    w->request.mask_padding = 0;
    w->request.masked_content = "fill";
}

static enum MHD_Result answer_images(struct call *c, const struct job *job, int n)
{
    const json_t *send = json_object_get(c->json, "send_images");
    json_t *images = json_array();
    char *info = a1111_info(c->server, job, n);

    for (int i = 0; i < n && !json_is_false(send); i++) {
        char *text = base64_encode("", job->images[i].bytes, job->images[i].size);
        json_array_append_new(images, json_string(text));
        free(text);
    }
    json_t *echo = json_copy(c->json);
    json_object_del(echo, "init_images");
    json_object_del(echo, "mask");
    json_t *answer = json_pack("{so so ss}", "images", images, "parameters", echo, "info",
                               info ? info : "{}");
    free(info);
    return answer_json(c, MHD_HTTP_OK, answer);
}

static enum MHD_Result wait_and_answer(struct call *c, struct job *job)
{
    struct job over;

    if (!call_wait(c, job)) return MHD_NO;
    queue_look(c->server->queue, job, &over);
    /* One that is ended by others is no error there: it has what was ready. */
    if (over.state == JOB_DONE || (over.state == JOB_CANCELLED && over.begun > 0))
        return answer_images(c, job, over.n_images);
    return jobs_answer_failed(c, &over);
}

static enum MHD_Result draw(struct call *c, const struct field *rows)
{
    struct wish *w = jobs_wish(c);
    struct fields f = { c->server, w, c->json, 0, &c->log, NULL };
    const int begins = rows == a1111_picture_fields;
    enum MHD_Result answered;

    if (!w) return answer_status(c, SDRT_E_NOMEM, NULL);
    w->body = json_incref(c->json);
    if (begins) begin_mask(w);
    int status = fields_read(&f, rows);
    fields_begin(w);
    settle_mask(w);
    if (status == SDRT_OK) status = hires_settle(&f);
    if (status == SDRT_OK) status = control_settle(&f);
    if (status == SDRT_OK && begins && !w->request.init)
        status = fields_refuse(&f, "init_images", "a picture");
    if (status != SDRT_OK) {
        answered = answer_error(c, MHD_HTTP_BAD_REQUEST, f.bad, "%s", c->error);
        wish_free(w);
        return answered;
    }
    struct job *job = jobs_submit(c, w, &answered);
    if (!job) return answered;
    answered = wait_and_answer(c, job);
    queue_release(c->server->queue, &job);
    return answered;
}

enum MHD_Result a1111_txt2img(struct call *c) { return draw(c, a1111_text_fields); }
enum MHD_Result a1111_img2img(struct call *c) { return draw(c, a1111_picture_fields); }
