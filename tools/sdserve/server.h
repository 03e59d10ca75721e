/* SPDX-License-Identifier: MIT
 *
 * What all of sdserve shares.
 */
#ifndef SDRT_TOOLS_SDSERVE_SERVER_H
#define SDRT_TOOLS_SDSERVE_SERVER_H

#include "tools/sdserve/options.h"
#include "tools/sdserve/queue.h"
#include "tools/sdserve/shelf.h"

#include <pthread.h>
#include <stdatomic.h>

/* How the machine draws, once a session is open. */
struct server_machine {
    char isa[32], precision[1024];
    int threads; /* of each session */
    char sampler[32];
};

struct server {
    struct serve_options options; /* constant while it serves */
    struct sdrt_log log;
    struct queue *queue;
    struct shelf *shelf;
    pthread_mutex_t lock;
    struct server_machine machine; /* under lock */
    int clip_skip;                 /* under lock: A1111's option; 0: the model's */
    struct sdrt_model *model;      /* of queue's checkpoint; of those who draw */
    double started, watched;       /* seconds; when someone last asked for a picture of progress,
                                    * under lock */
    atomic_uint_fast64_t requests, refused; /* of HTTP */
};

#endif
