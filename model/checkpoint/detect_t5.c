/* SPDX-License-Identifier: MIT
 *
 * Finds the sizes of a T5 encoder from its weights.
 */
#include "model/checkpoint/detect_t5.h"
#include "model/net/name.h"

enum {
    NAME = 128,
    MAX_LAYERS = 64,
    MAX_SIZE = 1 << 20, /* of one dimension */
};

struct probe {
    const struct sdrt_weights_provider *weights;
    const char *prefix, *path;
    const struct sdrt_log *log;
};

/* Rows and columns of prefix.name; SDRT_E_MISSING is told by no message. */
static int shape_of(const struct probe *p, const char *name, int *rows, int *cols)
{
    const struct sdrt_weights_provider *w = p->weights;
    struct sdrt_weight_view v;
    char full[NAME];

    sdrt_name(full, sizeof full, "%s.%s", p->prefix, name);
    const int status = (w->describe ? w->describe : w->get)(w->self, full, -1, NULL, &v);
    if (status != SDRT_OK) return status;
    if (!w->describe || v.data) w->release(w->self, full);
    if (v.rank != 2 || v.shape[0] < 1 || v.shape[1] < 1 || v.shape[0] > MAX_SIZE ||
        v.shape[1] > MAX_SIZE)
        return sdrt_fail(p->log, SDRT_E_UNSUPPORTED,
                         "%s: tensor %s: expected a matrix of at most %d rows and columns", p->path,
                         full, MAX_SIZE);
    *rows = (int)v.shape[0];
    *cols = (int)v.shape[1];
    return SDRT_OK;
}

static int required(const struct probe *p, const char *name, int *rows, int *cols)
{
    const int status = shape_of(p, name, rows, cols);

    if (status == SDRT_E_MISSING)
        return sdrt_fail(p->log, status, "%s: has no tensor %s.%s", p->path, p->prefix, name);
    return status;
}

static int count_layers(const struct probe *p, int *layers)
{
    int status = SDRT_OK, rows, cols;
    char name[NAME];

    for (*layers = 0; *layers < MAX_LAYERS; ++*layers) {
        sdrt_name(name, sizeof name, "encoder.block.%d.layer.0.SelfAttention.q.weight", *layers);
        status = shape_of(p, name, &rows, &cols);
        if (status != SDRT_OK) break;
    }
    return status == SDRT_E_MISSING ? SDRT_OK : status;
}

int sdrt_t5_detect(struct sdrt_t5_config *t5, const struct sdrt_weights_provider *weights,
                   const char *prefix, const char *path, const struct sdrt_log *log)
{
    static const char first[] = "encoder.block.0.layer.";
    const struct probe p = { weights, prefix, path, log };
    int inner = 0, hidden = 0, unused = 0;
    char name[NAME];

    *t5 = (struct sdrt_t5_config){ .table = "shared", .max_distance = 128 };
    int status = shape_of(&p, "shared.weight", &t5->vocab, &t5->hidden);
    if (status == SDRT_E_MISSING) {
        t5->table = "encoder.embed_tokens";
        status = required(&p, "encoder.embed_tokens.weight", &t5->vocab, &t5->hidden);
    }
    sdrt_name(name, sizeof name, "%s0.SelfAttention.relative_attention_bias.weight", first);
    if (status == SDRT_OK) status = required(&p, name, &t5->buckets, &t5->heads);
    sdrt_name(name, sizeof name, "%s0.SelfAttention.q.weight", first);
    if (status == SDRT_OK) status = required(&p, name, &inner, &hidden);
    sdrt_name(name, sizeof name, "%s1.DenseReluDense.wi_0.weight", first);
    if (status == SDRT_OK) status = required(&p, name, &t5->intermediate, &unused);
    if (status == SDRT_OK) status = count_layers(&p, &t5->layers);
    if (status != SDRT_OK) return status;
    if (hidden != t5->hidden || inner % t5->heads || t5->buckets < 4 || t5->buckets % 2 ||
        t5->buckets / 4 >= t5->max_distance)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: T5 encoder of width %d, with queries %d x %d, %d heads and %d "
                         "buckets of distances: expected v1.1 of T5",
                         path, t5->hidden, inner, hidden, t5->heads, t5->buckets);
    t5->head_dim = inner / t5->heads;
    return SDRT_OK;
}
