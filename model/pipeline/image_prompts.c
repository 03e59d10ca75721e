/* SPDX-License-Identifier: MIT */
#include "model/pipeline/image_prompts.h"
#include "model/pipeline/run.h"
#include "runtime/base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the session's ---- */

struct taken {
    struct sdrt_net *ips[SDRT_MAX_IPS], *vision;
};

static void give_back(struct sdrt_model *m, const struct taken *t)
{
    for (int i = 0; i < SDRT_MAX_IPS; i++) sdrt_net_unuse(m, t->ips[i]);
    sdrt_net_unuse(m, t->vision);
}

static struct taken taken_of(const struct sdrt_session *s)
{
    struct taken t = { .vision = s->vision };

    memcpy(t.ips, s->ips, sizeof t.ips);
    return t;
}

void sdrt_image_prompts_release(struct sdrt_session *s)
{
    const struct taken t = taken_of(s);

    give_back(s->model, &t);
    memset(s->ips, 0, sizeof s->ips);
    s->vision = NULL;
}

static int check_model(const struct sdrt_session *s, const struct sdrt_request *r)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);

    if (config->denoiser != SDRT_DENOISER_UNET || sdrt_model_task(config) == SDRT_TASK_EDIT)
        return sdrt_fail(s->log, SDRT_E_UNSUPPORTED,
                         "an IP-Adapter: expected a model that draws by a U-Net, not %s",
                         config->denoiser == SDRT_DENOISER_UNET ? "one that edits pictures"
                                                                : config->family);
    if (r->clip_vision) return SDRT_OK;
    return sdrt_fail(s->log, SDRT_E_ARG,
                     "an IP-Adapter: no encoder of its picture: expected CLIP's (clip_vision)");
}

/* Whether the encoder says what the adapter reads. */
static int tell_shape(struct sdrt_shape *shape, int k, const struct taken *t,
                      const struct sdrt_log *log)
{
    const struct sdrt_ip_config *ip = &t->ips[k]->part.config.ip;
    const struct sdrt_vision_config *v = &t->vision->part.config.vision;
    const int width = ip->layers ? v->clip.hidden : v->projection;

    shape->ips[k] = t->ips[k]->id;
    shape->ip_tokens[k] = ip->tokens;
    shape->vision = t->vision->id;
    shape->vision_rows = v->clip.positions;
    shape->vision_hidden |= ip->layers > 0;
    shape->vision_embeds |= !ip->layers;
    if (ip->in == width) return SDRT_OK;
    return sdrt_fail(
        log, SDRT_E_UNSUPPORTED,
        "%s: an encoder of pictures of another kind: it leaves %d numbers: expected %d, "
        "as %s reads",
        t->vision->path, width, ip->in, t->ips[k]->path);
}

int sdrt_image_prompts_take(struct sdrt_session *s, const struct sdrt_request *r,
                            struct sdrt_shape *shape)
{
    struct taken t = { .vision = NULL };
    int status = SDRT_OK, n = 0;

    for (int i = 0; i < r->n_ip_adapters && status == SDRT_OK; i++) {
        if (r->ip_adapters[i].scale == 0.0f) continue;
        if (!n) status = check_model(s, r);
        if (status == SDRT_OK)
            status = sdrt_net_use(s->model, SDRT_NET_IP, r->ip_adapters[i].file, &t.ips[n]);
        shape->ip_of[n++] = i;
    }
    if (status == SDRT_OK && n)
        status = sdrt_net_use(s->model, SDRT_NET_VISION, r->clip_vision, &t.vision);
    shape->n_ips = n;
    for (int k = 0; k < n && status == SDRT_OK; k++) status = tell_shape(shape, k, &t, s->log);
    if (status != SDRT_OK) {
        give_back(s->model, &t);
        return status;
    }
    const struct taken old = taken_of(s);
    if (memcmp(&t, &old, sizeof t) != 0) sdrt_session_unplan(s);
    memcpy(s->ips, t.ips, sizeof s->ips);
    s->vision = t.vision;
    give_back(s->model, &old);
    return SDRT_OK;
}

const struct sdrt_model_part *sdrt_image_prompts_part(const struct sdrt_session *s,
                                                      const struct sdrt_pass *pass)
{
    if (pass->ip > s->shape.n_ips || !s->shape.n_ips) return NULL;
    return pass->ip == SDRT_PASS_VISION ? &s->vision->part : &s->ips[pass->ip - 1]->part;
}

/* ---- a run's ---- */

/* The shorter side to size, Pillow's bicubic, and of that the middle, as CLIP's processor does. */
static int prepare_picture(struct sdrt_pixels *p, const struct sdrt_picture *picture, int size,
                           const struct sdrt_log *log)
{
    int status = sdrt_pixels_of(p, picture, 3, log);

    if (status == SDRT_OK) status = sdrt_pixels_shrink(p, size, log);
    return status;
}

int sdrt_run_prepare_image_prompts(struct sdrt_run *run)
{
    const struct sdrt_session *s = run->s;
    const struct sdrt_shape *shape = &s->shape;
    uint64_t key = SDRT_HASH_START;
    int status = SDRT_OK;

    for (int k = 0; k < shape->n_ips && status == SDRT_OK; k++) {
        const struct sdrt_ip_adapter *ip = &run->r->ip_adapters[shape->ip_of[k]];
        const int size = s->vision->part.config.vision.size;
        struct sdrt_pixels *p = &run->ip_pictures[k];
        status = prepare_picture(p, ip->picture, size, s->log);
        if (status != SDRT_OK) break;
        key = sdrt_hash(key, &ip->scale, sizeof ip->scale);
        key = sdrt_hash(key, p->rgb, (size_t)size * (size_t)size * 3);
    }
    run->ip_key = key | 1;
    return status;
}

void sdrt_run_free_image_prompts(struct sdrt_run *run)
{
    for (int k = 0; k < SDRT_MAX_IPS; k++) free(run->ip_pictures[k].rgb);
}

int sdrt_image_prompts_wanted(const struct sdrt_run *run, const struct sdrt_pass *pass)
{
    (void)pass;
    return run->s->ip_key != run->ip_key || run->r->dump;
}

static void *map(const struct sdrt_session *s, const struct sdrt_pass *pass, const char *name)
{
    const int slot = sdrt_slots_find(&s->slots, sdrt_pass_scope(pass), name);

    return slot == SDRT_NO_SLOT ? NULL : sdrt_slot_map(&s->slots, slot);
}

static void count(int32_t *ids, int n)
{
    for (int i = 0; i < n; i++) ids[i] = i;
}

/* As CLIP was trained to see it; NULL: grey, all zeros. */
static void fill_pixels(float *to, const struct sdrt_pixels *p, size_t pixels)
{
    static const float mean[3] = { 0.48145466f, 0.4578275f, 0.40821073f };
    static const float std[3] = { 0.26862954f, 0.26130258f, 0.27577711f };

    for (size_t i = 0; i < pixels * 3; i++)
        to[i] = p ? ((float)p->rgb[i] / 255.0f - mean[i % 3]) / std[i % 3] : 0.0f;
}

static int run_encoder(struct sdrt_run *run, const struct sdrt_pass *pass,
                       const struct sdrt_pixels *p, const char *dumps)
{
    const struct sdrt_session *s = run->s;
    const int size = s->vision->part.config.vision.size;

    fill_pixels(map(s, pass, "pixels"), p, (size_t)size * (size_t)size);
    snprintf(run->prefix, sizeof run->prefix, "%s%s", pass->dumps, dumps);
    return sdrt_run_program(run, pass);
}

/* What the encoder says into an adapter's rows from first to end - 1; zeros where there is no from. */
static void hand_over(const struct sdrt_session *s, int k, int first, int end, const float *from)
{
    static const char *const scopes[] = { "ip1/", "ip2/", "ip3/", "ip4/" };
    const int slot = sdrt_slots_find(&s->slots, scopes[k], "image");
    const struct sdrt_slot *image = &s->slots.slot[slot];
    const size_t n = (size_t)image->dims[2] * (size_t)image->dims[3];
    float *to = sdrt_slot_map(&s->slots, slot);

    for (int row = first; row < end; row++) {
        if (from) memcpy(to + (size_t)row * n, from, n * sizeof *to);
        else memset(to + (size_t)row * n, 0, n * sizeof *to);
    }
}

static int has_layers(const struct sdrt_session *s, int k)
{
    return s->ips[k]->part.config.ip.layers > 0;
}

/* What is to be avoided is a picture that is nothing to CLIP: no numbers for the whole, and where an adapter
 * reads all of it, what the encoder says of grey. */
int sdrt_run_vision(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    const struct sdrt_session *s = run->s;
    const struct sdrt_shape *shape = &s->shape;
    const int rows = sdrt_shape_unet_batch(shape), bad = shape->guided ? shape->batch : 0;
    float *one = map(s, pass, "one");
    char dumps[16];
    int status = SDRT_OK;

    count(map(s, pass, "places"), shape->vision_rows);
    *one = 1.0f;
    if (bad && shape->vision_hidden) status = run_encoder(run, pass, NULL, "grey/");
    for (int k = 0; k < shape->n_ips && status == SDRT_OK && bad; k++)
        hand_over(s, k, 0, bad, has_layers(s, k) ? map(s, pass, "hidden") : NULL);
    for (int k = 0; k < shape->n_ips && status == SDRT_OK; k++) {
        snprintf(dumps, sizeof dumps, "%d/", k + 1);
        status = run_encoder(run, pass, &run->ip_pictures[k], dumps);
        if (status == SDRT_OK)
            hand_over(s, k, bad, rows, map(s, pass, has_layers(s, k) ? "hidden" : "embeds"));
    }
    return status;
}

int sdrt_run_image_prompt(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    struct sdrt_session *s = run->s;
    const struct sdrt_shape *shape = &s->shape;
    const int k = pass->ip - 1, slot = sdrt_slots_find(&s->slots, sdrt_pass_scope(pass), "scale");
    float *scale = sdrt_slot_map(&s->slots, slot);
    int32_t *queries = map(s, pass, "queries");

    for (int i = 0; i < s->slots.slot[slot].dims[3]; i++)
        scale[i] = run->r->ip_adapters[shape->ip_of[k]].scale;
    for (int row = 0; queries && row < sdrt_shape_unet_batch(shape); row++)
        count(queries + row * shape->ip_tokens[k], shape->ip_tokens[k]);
    snprintf(run->prefix, sizeof run->prefix, "%s", pass->dumps);
    const int status = sdrt_run_program(run, pass);
    if (status == SDRT_OK && pass->ip == shape->n_ips) s->ip_key = run->ip_key;
    return status;
}
