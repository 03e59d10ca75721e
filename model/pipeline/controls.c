/* SPDX-License-Identifier: MIT */
#include "model/pipeline/controls.h"
#include "model/checkpoint/control.h"
#include "model/net/controlnet.h"
#include "runtime/base/choices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sdrt_control_net {
    struct sdrt_control_net *next;
    char *path;  /* owned */
    unsigned id; /* no two nets of a model have the same, also one after the other */
    int uses;
    struct sdrt_control_file *file;
    struct sdrt_model_part part; /* its configuration and store */
};

static void free_net(struct sdrt_control_net *net)
{
    sdrt_weight_store_free(&net->part.store);
    sdrt_control_file_close(&net->file);
    free(net->path);
    free(net);
}

static int open_file(struct sdrt_model *m, const char *path, struct sdrt_control_net *net)
{
    const struct sdrt_model_part *base = &m->parts[SDRT_PART_BASE];
    struct sdrt_behind behind = { .store = base->store };

    if (base->checkpoint) behind.provider = sdrt_checkpoint_provider(base->checkpoint);
    return sdrt_control_file_open(&net->file, path, sdrt_model_config_of(m),
                                  base->checkpoint ? &behind : NULL, &net->part.config, m->log);
}

static int open_net(struct sdrt_model *m, const char *path, struct sdrt_control_net **out)
{
    struct sdrt_control_net *net = calloc(1, sizeof *net);
    int status = SDRT_OK;

    if (!net || !(net->path = strdup(path)))
        status = sdrt_fail(m->log, SDRT_E_NOMEM, "%s: no memory for it", path);
    if (status == SDRT_OK) status = open_file(m, path, net);
    if (status == SDRT_OK) {
        const struct sdrt_weights_provider provider = sdrt_control_file_provider(net->file);
        status = sdrt_part_open_store(m, &net->part, &provider, SDRT_DTYPES);
    }
    if (status != SDRT_OK) {
        if (net) free_net(net);
        return status;
    }
    net->id = ++m->last_net;
    net->next = m->nets;
    *out = m->nets = net;
    return SDRT_OK;
}

/* A use of the net, which is opened unless it is there.  Others wait meanwhile. */
static int use(struct sdrt_model *m, const char *path, struct sdrt_control_net **out)
{
    int status = SDRT_OK;

    pthread_mutex_lock(&m->lock);
    for (*out = m->nets; *out && strcmp((*out)->path, path) != 0;) *out = (*out)->next;
    if (!*out) status = open_net(m, path, out);
    if (status == SDRT_OK) (*out)->uses++;
    pthread_mutex_unlock(&m->lock);
    return status;
}

static void unuse(struct sdrt_model *m, struct sdrt_control_net *net)
{
    struct sdrt_control_net **at = &m->nets;

    if (!net) return;
    pthread_mutex_lock(&m->lock);
    if (!--net->uses) {
        while (*at != net) at = &(*at)->next;
        *at = net->next;
        free_net(net);
    }
    pthread_mutex_unlock(&m->lock);
}

void sdrt_controls_release(struct sdrt_session *s)
{
    for (int i = 0; i < SDRT_MAX_CONTROLS; i++) {
        unuse(s->model, s->controls[i]);
        s->controls[i] = NULL;
    }
}

/* What a ControlNet leaves has to have the features of what the others leave. */
static int tell_net(struct sdrt_shape *shape, int i, const struct sdrt_control_net *net,
                    const struct sdrt_log *log)
{
    const struct sdrt_model_config *config = &net->part.config;
    const int mmdit = config->denoiser == SDRT_DENOISER_MMDIT;
    const struct sdrt_vae_config *vae = &config->vae;
    int channels,
        features = mmdit ? config->mmdit.depth : sdrt_controlnet_features(&config->unet, &channels);

    if (mmdit && !vae->has_encoder && !vae->tiny_encoder)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: reads a picture's latent: expected a VAE with an encoder", net->path);
    if (shape->first_net && features != shape->controlled)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: leaves %d features: expected %d, as of the first net", net->path,
                         features, shape->controlled);
    if (!shape->first_net) shape->first_net = i + 1;
    shape->controlled = features;
    shape->encoded |= mmdit;
    return SDRT_OK;
}

/* The types that a union of so many knows, which are the first of the list. */
static const char *list_types(char text[SDRT_CHOICES], int types)
{
    size_t used = 0;
    const char *name;

    for (int i = 0; (name = sdrt_control_type_name(i)) && used < SDRT_CHOICES; i++)
        if (sdrt_control_type_number(i) < types)
            used += (size_t)snprintf(text + used, SDRT_CHOICES - used, "%s%s", i ? ", " : "", name);
    return text;
}

/* A union of nets has to be told what its picture is, and no other net can be. */
static int check_type(const struct sdrt_control_net *net, const struct sdrt_request *r, int i,
                      const struct sdrt_log *log)
{
    const int types = net->part.config.unet.hint.types, type = sdrt_control_type_of(r, i);
    char known[SDRT_CHOICES];

    if (!types && type < 0) return SDRT_OK;
    if (!types)
        return sdrt_fail(log, SDRT_E_ARG,
                         "%s: the type %s of its picture: expected none, as it is no union of nets",
                         net->path, r->control_types[i]);
    if (type < 0)
        return sdrt_fail(log, SDRT_E_ARG,
                         "%s: a union of nets: expected the type of its picture too, one of %s",
                         net->path, list_types(known, types));
    if (type < types) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_ARG, "%s: the type %s of its picture: expected one of %s",
                     net->path, r->control_types[i], list_types(known, types));
}

int sdrt_control_type_of(const struct sdrt_request *r, int i)
{
    const char *name = r->control_types ? r->control_types[i] : NULL;

    return name ? sdrt_control_type_number(sdrt_choice(sdrt_control_type_name, name)) : -1;
}

static int tell_shape(struct sdrt_shape *shape, int i, const struct sdrt_control_net *net,
                      const struct sdrt_log *log)
{
    const struct sdrt_adapter_config *a = &net->part.config.unet.adapter;

    shape->controls[i] = net->id;
    if (!a->n) return tell_net(shape, i, net, log);
    shape->adapted = a->n;
    if (!a->wide || (shape->h % 2 == 0 && shape->w % 2 == 0)) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_ARG,
                     "%s: size %dx%d: expected multiples of %d, as a T2I-Adapter reads", net->path,
                     shape->w * a->factor / 2, shape->h * a->factor / 2, a->factor);
}

int sdrt_controls_take(struct sdrt_session *s, const struct sdrt_request *r,
                       struct sdrt_shape *shape)
{
    struct sdrt_control_net *nets[SDRT_MAX_CONTROLS] = { NULL };
    int status = SDRT_OK;

    for (int i = 0; i < r->n_controls && status == SDRT_OK; i++)
        status = use(s->model, r->controls[i].net, &nets[i]);
    if (status == SDRT_OK && memcmp(nets, s->controls, sizeof nets) != 0) sdrt_session_unplan(s);
    for (int i = 0; i < SDRT_MAX_CONTROLS; i++) {
        unuse(s->model, status == SDRT_OK ? s->controls[i] : nets[i]);
        if (status == SDRT_OK) s->controls[i] = nets[i];
    }
    shape->n_controls = r->n_controls;
    for (int i = 0; i < r->n_controls && status == SDRT_OK; i++)
        status = check_type(nets[i], r, i, s->log);
    for (int i = 0; i < r->n_controls && status == SDRT_OK; i++)
        status = tell_shape(shape, i, nets[i], s->log);
    return status;
}

const struct sdrt_model_part *sdrt_controls_part(const struct sdrt_session *s,
                                                 const struct sdrt_pass *pass)
{
    if (pass->control > s->shape.n_controls || (pass->controlled && !s->shape.n_controls))
        return NULL;
    if (!pass->control) return &s->model->parts[pass->part];
    const struct sdrt_model_part *part = &s->controls[pass->control - 1]->part;
    return part->config.unet.adapter.n && !pass->shows ? NULL : part;
}
