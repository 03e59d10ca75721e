/* SPDX-License-Identifier: MIT */
#include "model/pipeline/controls.h"
#include "model/net/controlnet.h"
#include "model/pipeline/image_prompts.h"
#include "model/pipeline/nets.h"
#include "runtime/base/choices.h"

#include <stdio.h>
#include <string.h>

void sdrt_controls_release(struct sdrt_session *s)
{
    for (int i = 0; i < SDRT_MAX_CONTROLS; i++) {
        sdrt_net_unuse(s->model, s->controls[i]);
        s->controls[i] = NULL;
    }
}

/* What a ControlNet leaves has to have the features of what the others leave. */
static int tell_net(struct sdrt_shape *shape, int i, const struct sdrt_net *net,
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
static int check_type(const struct sdrt_net *net, const struct sdrt_request *r, int i,
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

static int tell_shape(struct sdrt_shape *shape, int i, const struct sdrt_net *net,
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
    struct sdrt_net *nets[SDRT_MAX_CONTROLS] = { NULL };
    int status = SDRT_OK;

    for (int i = 0; i < r->n_controls && status == SDRT_OK; i++)
        status = sdrt_net_use(s->model, SDRT_NET_CONTROL, r->controls[i].net, &nets[i]);
    if (status == SDRT_OK && memcmp(nets, s->controls, sizeof nets) != 0) sdrt_session_unplan(s);
    for (int i = 0; i < SDRT_MAX_CONTROLS; i++) {
        sdrt_net_unuse(s->model, status == SDRT_OK ? s->controls[i] : nets[i]);
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
    if (pass->ip) return sdrt_image_prompts_part(s, pass);
    if (pass->control > s->shape.n_controls || (pass->controlled && !s->shape.n_controls))
        return NULL;
    if (!pass->control) return &s->model->parts[pass->part];
    const struct sdrt_model_part *part = &s->controls[pass->control - 1]->part;
    return part->config.unet.adapter.n && !pass->shows ? NULL : part;
}
