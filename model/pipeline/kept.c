/* SPDX-License-Identifier: MIT */
#include "model/pipeline/kept.h"
#include "model/net/unet_gate.h"
#include "runtime/base/text.h"

#include <math.h>
#include <string.h>

/* ---- slots ---- */

static const char *const answers[] = { "answer newest", "answer older", "input before" };

static int add_gate(struct sdrt_slots *slots, const char *scope, const struct sdrt_program *program)
{
    struct sdrt_external e;
    int status = SDRT_OK;

    for (int i = 0; status == SDRT_OK && sdrt_program_external(program, i, &e); i++)
        if (sdrt_ends_with(e.name, SDRT_GATE_KEPT))
            status = sdrt_slots_add(slots, scope, e.name, e.type, e.dims, SDRT_ONCE_A_SCHEDULE);
    return status;
}

int sdrt_kept_add(struct sdrt_slots *slots, const struct sdrt_shape *shape, const char *scope,
                  const struct sdrt_program *program)
{
    static const char *const names[] = { "kept", "kept newest", "kept older" };
    struct sdrt_external e;
    int status = shape->gated ? add_gate(slots, scope, program) : SDRT_OK;

    if (!sdrt_program_find(program, "kept", &e)) return status;
    if (sdrt_slots_find(slots, scope, "kept") != SDRT_NO_SLOT) return status;
    for (int i = 0; status == SDRT_OK && i < (shape->carried ? 3 : 1); i++)
        status = sdrt_slots_add(slots, scope, names[i], e.type, e.dims, SDRT_ONCE_A_SCHEDULE);
    return status;
}

int sdrt_kept_add_answers(struct sdrt_session *s)
{
    const int dims[4] = { s->shape.batch, sdrt_model_config_of(s->model)->vae.latent_channels,
                          s->shape.h, s->shape.w };
    int status = SDRT_OK;

    for (int i = 0; i < s->shape.answers && status == SDRT_OK; i++)
        status = sdrt_slots_add(&s->slots, "", answers[i], SDRT_F32, dims, SDRT_ONCE_A_SCHEDULE);
    return status;
}

static float *base_map(const struct sdrt_session *s, const char *name)
{
    return sdrt_session_map(s, SDRT_PART_BASE, name);
}

static size_t count_of(const struct sdrt_session *s, const char *name)
{
    return s->slots.slot[sdrt_slots_find(&s->slots, "", name)].bytes / sizeof(float);
}

/* ---- on a line ---- */

struct sdrt_kept sdrt_kept_of(const struct sdrt_session *s, const struct sdrt_cache *c)
{
    if (c->kind == SDRT_CACHE_TAYLOR)
        return (struct sdrt_kept){ .now = base_map(s, "guided"),
                                   .newest = base_map(s, answers[0]),
                                   .older = base_map(s, answers[1]),
                                   .count = count_of(s, "guided"),
                                   .answers = 1 };
    if (!s->shape.carried) return (struct sdrt_kept){ .n = 0 };
    return (struct sdrt_kept){ .now = base_map(s, "kept"),
                               .newest = base_map(s, "kept newest"),
                               .older = base_map(s, "kept older"),
                               .count = count_of(s, "kept") };
}

static int is_whole(enum sdrt_way way) { return way == SDRT_WAY_WHOLE || way == SDRT_WAY_ALONE; }

void sdrt_kept_before(struct sdrt_kept *k, enum sdrt_way way, double t)
{
    if (!k->now || is_whole(way) || !k->n) return;
    if (k->n < 2) {
        memcpy(k->now, k->newest, k->count * sizeof *k->now);
        return;
    }
    const float ahead = (float)((t - k->t_newest) / (k->t_newest - k->t_older));
    for (size_t i = 0; i < k->count; i++)
        k->now[i] = k->newest[i] + (k->newest[i] - k->older[i]) * ahead;
}

void sdrt_kept_after(struct sdrt_kept *k, enum sdrt_way way, double t)
{
    const int alone = way == SDRT_WAY_ALONE;
    const int other = k->answers ? alone != k->alone : k->alone && !alone;

    if (!k->now || !is_whole(way)) return;
    if (other) k->n = 0;
    k->alone = alone;
    /* A sampler of several evaluations a step comes back to a timestep, through which there is no line. */
    if (!k->n || t != k->t_newest) {
        float *spare = k->older;
        k->older = k->newest;
        k->newest = spare;
        k->t_older = k->t_newest;
        k->t_newest = t;
        if (k->n < 2) k->n++;
    }
    memcpy(k->newest, k->now, k->count * sizeof *k->now);
}

/* ---- EasyCache, Zhou et al. 2025 (arXiv:2507.02860) ---- */

struct sdrt_easy sdrt_easy_of(const struct sdrt_session *s, const struct sdrt_cache *c)
{
    if (c->kind != SDRT_CACHE_EASY) return (struct sdrt_easy){ .n = 0 };
    return (struct sdrt_easy){ .v = base_map(s, answers[0]),
                               .x = base_map(s, answers[1]),
                               .before = base_map(s, answers[2]),
                               .count = count_of(s, "guided"),
                               .threshold = c->threshold };
}

static double difference(const float *a, const float *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) sum += fabs((double)a[i] - (double)b[i]);
    return sum;
}

static double size_of(const float *a, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) sum += fabs((double)a[i]);
    return sum;
}

/* A sum that is not a number leaves nothing out. */
int sdrt_easy_skip(struct sdrt_easy *y, int may, const float *input, float *answer)
{
    if (!y->v) return 0;
    if (y->n) y->sum += y->k * difference(input, y->before, y->count) / size_of(y->v, y->count);
    memcpy(y->before, input, y->count * sizeof *input);
    if (!may || y->n < 2 || !(y->sum < y->threshold)) return 0;
    for (size_t i = 0; i < y->count; i++) answer[i] = input[i] + (y->v[i] - y->x[i]);
    return 1;
}

void sdrt_easy_take(struct sdrt_easy *y, const float *input, const float *answer)
{
    if (!y->v) return;
    if (y->n) y->k = difference(answer, y->v, y->count) / difference(input, y->x, y->count);
    memcpy(y->v, answer, y->count * sizeof *answer);
    memcpy(y->x, input, y->count * sizeof *input);
    y->sum = 0;
    y->n++;
}
