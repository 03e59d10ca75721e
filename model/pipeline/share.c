/* SPDX-License-Identifier: MIT */
#include "model/pipeline/share.h"
#include "model/pipeline/guide.h"
#include "runtime/graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TENSORS = 4, TAG = 48 };

#define BAND "band/"

/* A tensor of which a rank's program has a part. */
struct shared_tensor {
    unsigned char *whole, *part; /* the first image of each; the same where a part is some images */
    int images;
    size_t whole_each, part_each; /* bytes of an image */
};

struct shared_pass {
    struct shared_tensor in[MOST_TENSORS], out[MOST_TENSORS];
    int n_in, n_out;
};

struct sdrt_share {
    struct sdrt_ranks *ranks; /* borrowed */
    enum sdrt_sharing how;
    int *bands;                 /* [size + 1]; the latent's rows */
    size_t *at, *bytes;         /* [size]; of a gather */
    struct shared_pass *passes; /* of each row of the model's */
};

int sdrt_session_share(struct sdrt_session *s, struct sdrt_ranks *ranks, enum sdrt_sharing how)
{
    const size_t n = (size_t)ranks->size + 1;
    struct sdrt_share *share;

    if (how == SDRT_SHARE_GUIDANCE && ranks->size != 2)
        return sdrt_fail(s->log, SDRT_E_ARG, "guidance of %d ranks: expected 2", ranks->size);
    if (!sdrt_device_is_host(s->model->device))
        return sdrt_fail(s->log, SDRT_E_UNSUPPORTED,
                         "ranks that share an image: expected a processor");
    share = calloc(1, sizeof *share);
    if (!share) return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for the ranks");
    *share = (struct sdrt_share){ .ranks = ranks,
                                  .how = how,
                                  .bands = calloc(n, sizeof *share->bands),
                                  .at = calloc(n, sizeof *share->at),
                                  .bytes = calloc(n, sizeof *share->bytes),
                                  .passes = calloc((size_t)s->n_passes, sizeof *share->passes) };
    sdrt_session_unplan(s);
    sdrt_share_free(&s->share);
    s->share = share;
    if (share->bands && share->at && share->bytes && share->passes) return SDRT_OK;
    sdrt_share_free(&s->share);
    return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for the ranks");
}

void sdrt_share_free(struct sdrt_share **share)
{
    if (!*share) return;
    free((*share)->bands);
    free((*share)->at);
    free((*share)->bytes);
    free((*share)->passes);
    free(*share);
    *share = NULL;
}

/* ---- what can be shared ---- */

/* All ranks refuse alike: one says so. */
static int refuse(const struct sdrt_session *s, int status, const char *what)
{
    if (s->share->ranks->rank) return status;
    return sdrt_fail(s->log, status, "%s of ranks: %s",
                     s->share->how == SDRT_SHARE_ROWS ? "rows" : "guidance", what);
}

static int check(const struct sdrt_session *s)
{
    const struct sdrt_shape *shape = &s->shape;
    const struct sdrt_vae_config *vae = &sdrt_model_config_of(s->model)->vae;
    const int rows = s->share->how == SDRT_SHARE_ROWS;
    const char *what = shape->n_controls ? "expected no control nets"
                       : shape->again    ? "expected no deepcache"
                       : shape->gated    ? "expected no tgate"
                       : shape->more_lanes
                           ? "expected one prompt, without AND, and no picture for a "
                             "model that edits pictures"
                       : !rows && !shape->guided  ? "expected guidance, a scale above 1"
                       : rows && shape->vae_bands ? "expected a VAE that decodes at once"
                       : rows && sdrt_guide_is_perturbed(shape)
                           ? "expected no layers that are skipped or perturbed"
                       : rows && vae->tiny_decoder ? "expected no TAESD"
                                                   : NULL;

    return what ? refuse(s, SDRT_E_UNSUPPORTED, what) : SDRT_OK;
}

/* Rows that belong together: what the deepest level, or a patch, makes one of. */
static int unit_of(const struct sdrt_model_config *c)
{
    return c->denoiser == SDRT_DENOISER_MMDIT ? c->mmdit.patch : 1 << (c->unet.levels - 1);
}

static int cut_rows(struct sdrt_session *s)
{
    struct sdrt_share *share = s->share;
    const int size = share->ranks->size, h = s->shape.h;
    int unit = 1;
    char text[128];

    for (int i = 0; i < s->model->n_parts; i++)
        if (unit_of(&s->model->parts[i].config) > unit) unit = unit_of(&s->model->parts[i].config);
    const int pixels = 1 << (sdrt_model_config_of(s->model)->vae.levels - 1);
    if (h % unit || h / unit < size || s->shape.w % unit) {
        snprintf(text, sizeof text,
                 "%dx%d: expected multiples of %d, and a height of %d or more for %d ranks",
                 s->shape.w * pixels, h * pixels, unit * pixels, unit * size * pixels, size);
        return refuse(s, SDRT_E_ARG, text);
    }
    for (int i = 0; i <= size; i++) share->bands[i] = h / unit * i / size * unit;
    return SDRT_OK;
}

int sdrt_share_plan(struct sdrt_session *s)
{
    int status = s->share ? check(s) : SDRT_OK;

    if (!s->share || status != SDRT_OK) return status;
    memset(s->share->passes, 0, (size_t)s->n_passes * sizeof *s->share->passes);
    return s->share->how == SDRT_SHARE_ROWS ? cut_rows(s) : SDRT_OK;
}

int sdrt_share_has(const struct sdrt_session *s, const struct sdrt_pass *pass)
{
    const int step = pass->when == SDRT_EACH_EVALUATION;

    if (!s->share) return 0;
    if (s->share->how == SDRT_SHARE_GUIDANCE) return step && pass->way == SDRT_WAY_WHOLE;
    return step || pass->when == SDRT_ONCE_AN_IMAGE;
}

struct sdrt_shape sdrt_share_shape(const struct sdrt_session *s)
{
    const int *bands = s->share->bands, rank = s->share->ranks->rank;
    struct sdrt_shape shape = s->shape;

    if (s->share->how == SDRT_SHARE_GUIDANCE) {
        shape.guided = 0;
        return shape;
    }
    shape.whole_h = shape.h;
    shape.row0 = bands[rank];
    shape.h = bands[rank + 1] - bands[rank];
    return shape;
}

void sdrt_share_graph(const struct sdrt_session *s, struct sdrt_graph *g)
{
    if (s->share->how == SDRT_SHARE_ROWS) sdrt_graph_share(g, s->share->ranks, s->share->bands);
}

/* ---- slots ---- */

/* What the slots of a pass's bands begin with. */
static const char *band_scope(const struct sdrt_pass *pass, char scope[64])
{
    snprintf(scope, 64, BAND "%s", sdrt_pass_scope(pass));
    return scope;
}

/* Whether an external tensor is a band of its slot. */
static int is_band(const struct sdrt_session *s, const struct sdrt_pass *pass,
                   const struct sdrt_external *e, struct sdrt_slot **slot)
{
    *slot = &s->slots.slot[sdrt_slots_find(&s->slots, sdrt_pass_scope(pass), e->name)];
    return memcmp((*slot)->dims + 1, e->dims + 1, 3 * sizeof *e->dims) != 0;
}

int sdrt_share_add_slots(struct sdrt_session *s, int i)
{
    const struct sdrt_pass *pass = &s->model->passes[i];
    struct sdrt_external e;
    struct sdrt_slot *slot;
    char scope[64];
    int status = SDRT_OK;

    for (int k = 0; status == SDRT_OK && sdrt_program_external(s->programs[i], k, &e); k++)
        if (is_band(s, pass, &e, &slot))
            status = sdrt_slots_add(&s->slots, band_scope(pass, scope), e.name, e.type, e.dims,
                                    pass->when);
    return status;
}

static size_t image_bytes(const struct sdrt_slot *slot)
{
    return slot->bytes / (size_t)slot->dims[0];
}

/* Of a slot of more images than the program has, the last ones are its. */
static unsigned char *images_of(const struct sdrt_slot *slot, int images)
{
    return slot->memory + image_bytes(slot) * (size_t)(slot->dims[0] - images);
}

static void keep(struct shared_pass *p, const struct sdrt_external *e,
                 const struct shared_tensor *t)
{
    if (e->reads && p->n_in < MOST_TENSORS) p->in[p->n_in++] = *t;
    if (e->writes && p->n_out < MOST_TENSORS) p->out[p->n_out++] = *t;
}

static void bind_band(struct sdrt_session *s, int i, const struct sdrt_external *e,
                      const struct sdrt_slot *whole)
{
    const struct sdrt_pass *pass = &s->model->passes[i];
    char scope[64];
    const int at = sdrt_slots_find(&s->slots, band_scope(pass, scope), e->name);
    const struct sdrt_slot *band = &s->slots.slot[at];
    const struct shared_tensor t = { .whole = images_of(whole, e->dims[0]),
                                     .part = images_of(band, e->dims[0]),
                                     .images = e->dims[0],
                                     .whole_each = image_bytes(whole),
                                     .part_each = image_bytes(band) };

    sdrt_program_bind(s->programs[i], e->tensor, t.part);
    keep(&s->share->passes[i], e, &t);
}

/* The unconditional images are the first ones. */
static void bind_half(struct sdrt_session *s, int i, const struct sdrt_external *e,
                      const struct sdrt_slot *whole)
{
    const size_t half = image_bytes(whole) * (size_t)e->dims[0];
    const struct shared_tensor t = {
        .whole = whole->memory,
        .part = whole->memory + (s->share->ranks->rank ? half : 0),
        .images = 1,
        .part_each = half,
    };

    sdrt_program_bind(s->programs[i], e->tensor, t.part);
    if (e->writes) keep(&s->share->passes[i], e, &t);
}

void sdrt_share_bind(struct sdrt_session *s, int i)
{
    const struct sdrt_pass *pass = &s->model->passes[i];
    struct sdrt_external e;
    struct sdrt_slot *whole;

    if (!sdrt_share_has(s, pass)) return;
    s->share->passes[i] = (struct shared_pass){ .n_in = 0 };
    for (int k = 0; sdrt_program_external(s->programs[i], k, &e); k++) {
        const int band = is_band(s, pass, &e, &whole);
        if (band) bind_band(s, i, &e, whole);
        else if (s->share->how == SDRT_SHARE_GUIDANCE && whole->dims[0] == 2 * e.dims[0])
            bind_half(s, i, &e, whole);
    }
}

/* ---- at work ---- */

/* Where a rank's band begins in an image of which this one's has so many bytes, and how many are its. */
static void find_part(const struct sdrt_share *share, size_t mine, int rank, size_t *at,
                      size_t *bytes)
{
    const int *bands = share->bands, me = share->ranks->rank;
    const size_t row = mine / (size_t)(bands[me + 1] - bands[me]);

    *at = row * (size_t)bands[rank];
    *bytes = row * (size_t)(bands[rank + 1] - bands[rank]);
}

void sdrt_share_before(const struct sdrt_session *s, int i)
{
    const struct shared_pass *p = s->share ? &s->share->passes[i] : NULL;
    size_t at, bytes;

    for (int k = 0; p && k < p->n_in; k++) {
        const struct shared_tensor *t = &p->in[k];
        find_part(s->share, t->part_each, s->share->ranks->rank, &at, &bytes);
        for (int b = 0; b < t->images; b++)
            memcpy(t->part + (size_t)b * t->part_each, t->whole + (size_t)b * t->whole_each + at,
                   bytes);
    }
}

static int gather(const struct sdrt_share *share, const struct shared_tensor *t)
{
    struct sdrt_ranks *r = share->ranks;
    int status = SDRT_OK;

    for (int i = 0; i < r->size; i++)
        find_part(share, t->part_each, i, &share->at[i], &share->bytes[i]);
    for (int b = 0; b < t->images && status == SDRT_OK; b++) {
        unsigned char *image = t->whole + (size_t)b * t->whole_each;
        memcpy(image + share->at[r->rank], t->part + (size_t)b * t->part_each, t->part_each);
        status = sdrt_ranks_gather_parts(r, image, share->at, share->bytes);
    }
    return status;
}

/* Each half to the other rank. */
static int swap(const struct sdrt_share *share, const struct shared_tensor *t)
{
    struct sdrt_ranks *r = share->ranks;
    const int other = 1 - r->rank;
    const struct sdrt_message m[] = {
        { other, TAG, 1, t->whole + (size_t)other * t->part_each, t->part_each },
        { other, TAG, 0, t->part, t->part_each },
    };

    return sdrt_ranks_exchange(r, m, 2);
}

int sdrt_share_after(const struct sdrt_session *s, int i)
{
    const struct sdrt_share *share = s->share;
    int status = SDRT_OK;

    for (int k = 0; share && k < share->passes[i].n_out && status == SDRT_OK; k++) {
        const struct shared_tensor *t = &share->passes[i].out[k];
        status = share->how == SDRT_SHARE_ROWS ? gather(share, t) : swap(share, t);
    }
    return status == SDRT_OK ? SDRT_OK : sdrt_ranks_fail(share->ranks, SDRT_E_IO, s->log);
}

struct sdrt_crossing sdrt_session_crossing(const struct sdrt_session *s, int i)
{
    const struct sdrt_share *share = s->share;
    struct sdrt_crossing c = { .exchanges = 0 };

    if (!share || !sdrt_share_has(s, &s->model->passes[i]) || share->ranks->size < 2) return c;
    if (share->how == SDRT_SHARE_ROWS) c = sdrt_program_crossing(s->programs[i]);
    for (int k = 0; k < share->passes[i].n_out; k++) {
        const struct shared_tensor *t = &share->passes[i].out[k];
        const double bytes = share->how == SDRT_SHARE_ROWS
                                 ? (double)t->images * (double)(t->whole_each - t->part_each)
                                 : (double)t->part_each;
        c.bytes += bytes;
        c.least += bytes;
        c.exchanges += t->images;
    }
    return c;
}
