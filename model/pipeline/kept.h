/* SPDX-License-Identifier: MIT
 *
 * What evaluations leave for others that do less, from one to the next.
 */
#ifndef SDRT_MODEL_PIPELINE_KEPT_H
#define SDRT_MODEL_PIPELINE_KEPT_H

#include "model/noise/cache.h"
#include "model/pipeline/session.h"

/* Adds slots for what a program keeps of a U-Net's features or cross-attentions, and to a session that is
 * being planned those for answers.  They hold from one evaluation to another, which a preview may come
 * between.  SDRT_E_NOMEM. */
int sdrt_kept_add(struct sdrt_slots *slots, const struct sdrt_shape *shape, const char *scope,
                  const struct sdrt_program *program);
int sdrt_kept_add_answers(struct sdrt_session *s);

/* What whole evaluations left, carried on to others along the line through the last two. */
struct sdrt_kept {
    float *
        now; /* what programs write and read, or the answer; all borrowed, NULL where nothing is carried on */
    float *newest, *older; /* count values each */
    size_t count;
    double t_newest, t_older; /* their timesteps */
    int answers;              /* 1: of answers, which are not alike with guidance and without */
    int n, alone; /* how many there are, and whether of the last the conditional half alone */
};

/* Of a placed session and its request's cache. */
struct sdrt_kept sdrt_kept_of(const struct sdrt_session *s, const struct sdrt_cache *c);

/* Before an evaluation at timestep t that goes such a way, and after it. */
void sdrt_kept_before(struct sdrt_kept *k, enum sdrt_way way, double t);
void sdrt_kept_after(struct sdrt_kept *k, enum sdrt_way way, double t);

/* EasyCache.  With input x and answer v of the last whole evaluation, later ones of input y are taken as
 * y + (v - x); how much each changes is estimated as k * |y - y'| / |v|, y' being the input of the evaluation
 * before it and k = |v - v'| / |x - x'| of the last two whole ones, and added up.  |.| is the sum of absolute
 * values. */
struct sdrt_easy {
    float *v, *x, *before; /* count values each, borrowed; NULL without such a cache */
    size_t count;
    double threshold, k, sum;
    int n; /* whole ones so far */
};

struct sdrt_easy sdrt_easy_of(const struct sdrt_session *s, const struct sdrt_cache *c);

/* Whether the evaluation of this input is left out, if it may be; then answer is written. */
int sdrt_easy_skip(struct sdrt_easy *y, int may, const float *input, float *answer);

/* After one that is not. */
void sdrt_easy_take(struct sdrt_easy *y, const float *input, const float *answer);

#endif
