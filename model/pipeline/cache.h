/* SPDX-License-Identifier: MIT
 *
 * Evaluations that do less than the whole: which way each of them goes, and what that saves.
 */
#ifndef SDRT_MODEL_PIPELINE_CACHE_H
#define SDRT_MODEL_PIPELINE_CACHE_H

#include "model/noise/cache.h"
#include "model/pipeline/session.h"

#include <stdio.h>

#define SDRT_CACHE_FAST "fast"

/* What "fast" stands for with a model: options of a cache, a constant; NULL where it has none. */
const char *sdrt_cache_preset(const struct sdrt_model *m);

/* Reads the cache of a resolved request and says in shape, whose evaluations are known, which ways its
 * evaluations may go.  SDRT_E_ARG for options that are none, SDRT_E_UNSUPPORTED where the cache means
 * nothing to the model, the sampler or so few evaluations. */
int sdrt_cache_check(const struct sdrt_model *m, const struct sdrt_request *r,
                     struct sdrt_shape *shape);

/* The way of evaluation e of all total ones. */
enum sdrt_way sdrt_cache_way(const struct sdrt_cache *cache, const struct sdrt_request *r,
                             const struct sdrt_shape *shape, int e, int total);

/* Whether guidance is on in evaluation e of all total ones. */
int sdrt_cache_guided(const struct sdrt_request *r, int e, int total);

/* The row of each way of a part in a planned session, NULL where it has none. */
void sdrt_cache_passes(const struct sdrt_session *s, enum sdrt_part_id part,
                       const struct sdrt_pass *out[SDRT_WAYS]);

/* Declares the slots of program that hold from one evaluation to another. */
int sdrt_cache_add_kept(struct sdrt_slots *slots, const struct sdrt_shape *shape, const char *scope,
                        const struct sdrt_program *program);

/* What whole evaluations left, carried on to a shortened one. */
struct sdrt_kept {
    float *now, *newest,
        *older; /* of count values each, NULL where nothing is carried on; borrowed.  now is
                                  * the programs' */
    size_t count;
    double t_newest, t_older; /* their timesteps */
    int n, alone; /* how many there are, and whether of the last the conditional half alone */
};

/* Of a placed session. */
struct sdrt_kept sdrt_kept_of(const struct sdrt_session *s);

/* Before an evaluation at timestep t that goes such a way, and after it. */
void sdrt_kept_before(struct sdrt_kept *k, enum sdrt_way way, double t);
void sdrt_kept_after(struct sdrt_kept *k, enum sdrt_way way, double t);

/* What a planned session does for a resolved request: how often each program runs, and the work of all
 * beside that of whole evaluations.  As a line, where some are not whole; and as JSON, NULL without
 * memory. */
void sdrt_cache_write_work(const struct sdrt_session *s, const struct sdrt_request *r, FILE *f);
json_t *sdrt_cache_work_json(const struct sdrt_session *s, const struct sdrt_request *r);

#endif
