/* SPDX-License-Identifier: MIT
 *
 * The nets beside a model: control nets, IP-Adapters and encoders of pictures.  One is opened by the first
 * session whose request names it and closed when none draws with it any more; all sessions share its
 * packed weights.
 */
#ifndef SDRT_MODEL_PIPELINE_NETS_H
#define SDRT_MODEL_PIPELINE_NETS_H

#include "model/pipeline/model.h"

enum sdrt_net_kind { SDRT_NET_CONTROL, SDRT_NET_IP, SDRT_NET_VISION };

struct sdrt_control_file;
struct sdrt_image_prompt_file;

struct sdrt_net {
    struct sdrt_net *next;
    enum sdrt_net_kind kind;
    char *path;  /* owned */
    unsigned id; /* no two nets of a model have the same, also one after the other */
    int uses;
    struct sdrt_control_file *control; /* the one of the two that it is */
    struct sdrt_image_prompt_file *image;
    struct sdrt_model_part part; /* its configuration and store */
};

/* A use of the net, which is opened unless it is there; *out is NULL after a failure.  Others wait meanwhile.
 * Errors of sdrt_control_file_open() and sdrt_image_prompt_file_open(). */
int sdrt_net_use(struct sdrt_model *m, enum sdrt_net_kind kind, const char *path,
                 struct sdrt_net **out);

/* The end of one; NULL is allowed. */
void sdrt_net_unuse(struct sdrt_model *m, struct sdrt_net *net);

#endif
