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

/* What "fast" stands for: options of a cache, a constant. */
const char *sdrt_cache_preset(void);

/* Reads the cache of a resolved request and says in shape, whose evaluations are known, which ways its
 * evaluations may go.  SDRT_E_ARG for options that are none, SDRT_E_UNSUPPORTED where the cache means
 * nothing to the model, the sampler or so few evaluations. */
int sdrt_cache_check(const struct sdrt_model *m, const struct sdrt_request *r,
                     struct sdrt_shape *shape);

/* The way of evaluation e of all total ones. */
enum sdrt_way sdrt_cache_way(const struct sdrt_cache *cache, const struct sdrt_request *r,
                             const struct sdrt_shape *shape, int e, int total);

/* The row of each way of a part in a planned session, NULL where it has none. */
void sdrt_cache_passes(const struct sdrt_session *s, enum sdrt_part_id part,
                       const struct sdrt_pass *out[SDRT_WAYS]);

/* What a planned session does for a resolved request: how often each program runs, and the work of all
 * beside that of whole evaluations.  As a line, where some are not whole; and as JSON, NULL without
 * memory. */
void sdrt_cache_write_work(const struct sdrt_session *s, const struct sdrt_request *r, FILE *f);
json_t *sdrt_cache_work_json(const struct sdrt_session *s, const struct sdrt_request *r);

#endif
