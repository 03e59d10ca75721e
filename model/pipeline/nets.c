/* SPDX-License-Identifier: MIT */
#include "model/pipeline/nets.h"
#include "model/checkpoint/control.h"
#include "model/checkpoint/image_prompt.h"
#include "model/net/needs.h"
#include "runtime/base/grow.h"

#include <stdlib.h>
#include <string.h>

static void free_net(struct sdrt_net *net)
{
    sdrt_weight_store_free(&net->part.store);
    sdrt_control_file_close(&net->control);
    sdrt_image_prompt_file_close(&net->image);
    free(net->path);
    free(net);
}

static int open_control(struct sdrt_model *m, struct sdrt_net *net,
                        struct sdrt_weights_provider *provider)
{
    const struct sdrt_model_part *base = &m->parts[SDRT_PART_BASE];
    struct sdrt_behind behind = { .store = base->store };

    if (base->checkpoint) behind.provider = sdrt_checkpoint_provider(base->checkpoint);
    const int status = sdrt_control_file_open(&net->control, net->path, sdrt_model_config_of(m),
                                              base->checkpoint ? &behind : NULL, &net->part.config,
                                              m->log);
    if (status == SDRT_OK) *provider = sdrt_control_file_provider(net->control);
    return status;
}

static int open_image(struct sdrt_model *m, struct sdrt_net *net,
                      struct sdrt_weights_provider *provider)
{
    const int status = sdrt_image_prompt_file_open(&net->image, net->path,
                                                   net->kind == SDRT_NET_VISION,
                                                   sdrt_model_config_of(m), &net->part.config,
                                                   m->log);

    if (status == SDRT_OK) *provider = sdrt_image_prompt_file_provider(net->image);
    return status;
}

/* The names that a store has been asked for, which cannot be asked meanwhile. */
struct names {
    char **list; /* owned */
    size_t n, cap;
    int short_of_memory;
};

static void keep_name(void *user, const char *name)
{
    struct names *k = user;
    char **list = sdrt_grow(k->list, k->n, &k->cap, sizeof *list), *copy = strdup(name);

    if (list) k->list = list;
    k->short_of_memory |= !list || !copy;
    if (list && copy) k->list[k->n++] = copy;
    else free(copy);
}

/* What an IP-Adapter or an encoder reads has to be there. */
static int check_all(struct sdrt_model *m, const struct sdrt_net *net)
{
    struct names names = { NULL, 0, 0, 0 };
    int status = (net->kind == SDRT_NET_IP
                      ? sdrt_needs_declare_ip
                      : sdrt_needs_declare_vision)(&net->part.config, net->part.store, m->log);

    if (status == SDRT_OK) sdrt_weight_store_each_declared(net->part.store, keep_name, &names);
    if (names.short_of_memory)
        status = sdrt_fail(m->log, SDRT_E_NOMEM, "%s: no memory for a list of its tensors",
                           net->path);
    for (size_t i = 0; i < names.n; i++) {
        const int fault = sdrt_weight_store_fault(net->part.store, names.list[i]);
        if (status == SDRT_OK && fault != SDRT_OK)
            status = sdrt_fail(m->log, fault, "%s: %s: expected it, %s", net->path, names.list[i],
                               fault == SDRT_E_MISSING ? "which is not there"
                                                       : "which has another shape");
        free(names.list[i]);
    }
    free(names.list);
    return status;
}

static int open_net(struct sdrt_model *m, enum sdrt_net_kind kind, const char *path,
                    struct sdrt_net **out)
{
    struct sdrt_net *net = calloc(1, sizeof *net);
    struct sdrt_weights_provider provider;
    int status = SDRT_OK;

    if (!net || !(net->path = strdup(path)))
        status = sdrt_fail(m->log, SDRT_E_NOMEM, "%s: no memory for it", path);
    if (status == SDRT_OK) {
        net->kind = kind;
        status = (kind == SDRT_NET_CONTROL ? open_control : open_image)(m, net, &provider);
    }
    if (status == SDRT_OK) status = sdrt_part_open_store(m, &net->part, &provider, SDRT_DTYPES);
    if (status == SDRT_OK && kind != SDRT_NET_CONTROL) status = check_all(m, net);
    if (status != SDRT_OK) {
        if (net) free_net(net);
        return status;
    }
    net->id = ++m->last_net;
    net->next = m->nets;
    *out = m->nets = net;
    return SDRT_OK;
}

int sdrt_net_use(struct sdrt_model *m, enum sdrt_net_kind kind, const char *path,
                 struct sdrt_net **out)
{
    int status = SDRT_OK;

    pthread_mutex_lock(&m->lock);
    for (*out = m->nets; *out && ((*out)->kind != kind || strcmp((*out)->path, path) != 0);)
        *out = (*out)->next;
    if (!*out) status = open_net(m, kind, path, out);
    if (status == SDRT_OK) (*out)->uses++;
    pthread_mutex_unlock(&m->lock);
    return status;
}

void sdrt_net_unuse(struct sdrt_model *m, struct sdrt_net *net)
{
    struct sdrt_net **at = &m->nets;

    if (!net) return;
    pthread_mutex_lock(&m->lock);
    if (!--net->uses) {
        while (*at != net) at = &(*at)->next;
        *at = net->next;
        free_net(net);
    }
    pthread_mutex_unlock(&m->lock);
}
