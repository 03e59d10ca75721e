/* SPDX-License-Identifier: MIT
 *
 * The command line of sdserve.
 */
#ifndef SDRT_TOOLS_SDSERVE_OPTIONS_H
#define SDRT_TOOLS_SDSERVE_OPTIONS_H

#include "cli/options.h"
#include "model/sdrt.h"
#include "tools/default_model.h"
#include "tools/hash_cache.h"

/* Strings are borrowed from argv or the environment, but for the small model's path. */
struct serve_options {
    struct sdrt_options model;
    char hashes[HASH_CACHE_PATH]; /* model.hashes points here */
    struct sdrt_request
        defaults;          /* what a request leaves out: steps, cfg_scale, lora_dir, embeddings */
    const char *models;    /* a folder of checkpoints that requests may name; NULL: model alone */
    const char *vaes;      /* a folder of VAEs; NULL: none */
    const char *controls;  /* a folder of control nets; NULL: none */
    const char *upscalers; /* a folder of networks that enlarge; NULL: none */
    const char *output;    /* a folder where images are kept; NULL: nowhere */
    const char *listen;    /* the address: 127.0.0.1 */
    const char *api_key;   /* NULL: none is asked for */
    const char *cors;      /* the origin whose pages may call, "*": any; NULL: none */
    int port;              /* 0: one that is free */
    int sessions;          /* images drawn at a time */
    int steps;             /* of --steps; then those of defaults */
    int max_steps, max_batch;
    int max_pixels;   /* of an image, and of a picture that is sent */
    int max_body;     /* MiB of a request */
    int max_queue;    /* jobs that wait */
    int keep;         /* finished jobs whose images can be fetched */
    double cfg_scale; /* of --cfg-scale; below 0: the model's */
    int quiet;
    char small_model[DEFAULT_MODEL_PATH];
};

/* Reads argv into *options.  log is used here and stored in options->model. */
enum cli_parsed serve_parse(struct serve_options *options, int argc, char **argv,
                            const struct sdrt_log *log);

#endif
