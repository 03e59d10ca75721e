/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "kernels/pack.h"
#include "model/lora/config.h"
#include "model/lora/file.h"
#include "runtime/base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How names end, the longer of two that fit first. */
static const struct suffix {
    const char *text;
    enum sdrt_lora_role role;
} suffixes[] = {
    { ".lora_down.weight", SDRT_LORA_DOWN },
    { ".lora_up.weight", SDRT_LORA_UP },
    { ".lora_mid.weight", SDRT_LORA_MID },
    { ".lora_A.weight", SDRT_LORA_DOWN },
    { ".lora_B.weight", SDRT_LORA_UP },
    { ".lora_B.bias", SDRT_LORA_UP_BIAS },
    { ".lora_A.default.weight", SDRT_LORA_DOWN },
    { ".lora_B.default.weight", SDRT_LORA_UP },
    { ".lora_B.default.bias", SDRT_LORA_UP_BIAS },
    { ".lora.down.weight", SDRT_LORA_DOWN },
    { ".lora.up.weight", SDRT_LORA_UP },
    { "_lora.down.weight", SDRT_LORA_DOWN },
    { "_lora.up.weight", SDRT_LORA_UP },
    { ".lora_linear_layer.down.weight", SDRT_LORA_DOWN },
    { ".lora_linear_layer.up.weight", SDRT_LORA_UP },
    { ".hada_w1_a", SDRT_LOHA_W1_A },
    { ".hada_w1_b", SDRT_LOHA_W1_B },
    { ".hada_w2_a", SDRT_LOHA_W2_A },
    { ".hada_w2_b", SDRT_LOHA_W2_B },
    { ".hada_t1", SDRT_LOHA_T1 },
    { ".hada_t2", SDRT_LOHA_T2 },
    { ".lokr_w1", SDRT_LOKR_W1 },
    { ".lokr_w1_a", SDRT_LOKR_W1_A },
    { ".lokr_w1_b", SDRT_LOKR_W1_B },
    { ".lokr_w2", SDRT_LOKR_W2 },
    { ".lokr_w2_a", SDRT_LOKR_W2_A },
    { ".lokr_w2_b", SDRT_LOKR_W2_B },
    { ".lokr_t2", SDRT_LOKR_T2 },
    { ".diff", SDRT_LORA_DIFF },
    { ".diff_b", SDRT_LORA_DIFF_BIAS },
    { ".w_norm", SDRT_LORA_DIFF },
    { ".b_norm", SDRT_LORA_DIFF_BIAS },
    { ".alpha", SDRT_LORA_ALPHA },
    { ".dora_scale", SDRT_LORA_DORA },
    { ".lora_magnitude_vector", SDRT_LORA_DORA_ROW },
    { ".lora_magnitude_vector.weight", SDRT_LORA_DORA_ROW },
    { ".lora_magnitude_vector.default.weight", SDRT_LORA_DORA_ROW },
};

/* diffusers' first names: "attn1.processor.to_q_lora.down.weight" belongs to attn1.to_q,
 * where to_out stands for to_out.0 (loaders/lora_conversion of diffusers). */
static void undo_processor(char *key)
{
    static const char processor[] = "_processor_to_";
    char *at = strstr(key, processor);

    if (!at) return;
    memmove(at, at + strlen("_processor"), strlen(at + strlen("_processor")) + 1);
    if (sdrt_ends_with(key, "_to_out")) strcat(key, "_0");
}

/* The module's key of a tensor's name, owned by the caller, and its role; NULL with *known 0
 * for a name of no known role, with 1 for want of memory. */
static char *split(const char *name, enum sdrt_lora_role *role, int *known)
{
    const size_t length = strlen(name);
    const struct suffix *found = NULL;

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes && !found; i++)
        if (length > strlen(suffixes[i].text) && sdrt_ends_with(name, suffixes[i].text))
            found = &suffixes[i];
    *known = found != NULL;
    if (!found) return NULL;
    const size_t stem = length - strlen(found->text);
    char *key = malloc(stem + 3); /* undo_processor() may add two */
    if (!key) return NULL;
    for (size_t i = 0; i < stem; i++) key[i] = name[i] == '.' ? '_' : name[i];
    key[stem] = '\0';
    undo_processor(key);
    *role = found->role;
    return key;
}

struct item {
    char *key;
    enum sdrt_lora_role role;
    const struct sdrt_file_tensor *tensor;
};

static int by_key(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    const int order = strcmp(x->key, y->key);

    return order ? order : (x->role > y->role) - (x->role < y->role);
}

/* The rank that a factor gives by its first dimension; 0 for an absent one. */
static int64_t rank_of(const struct sdrt_file_tensor *t)
{
    return t && t->rank > 0 ? t->shape[0] : 0;
}

/* Sets kind and rank; 0 when a part is missing. */
static int classify(struct sdrt_lora_module *m)
{
    const struct sdrt_file_tensor *const *r = m->role;
    int64_t rank = 0;

    if (r[SDRT_LORA_DOWN] || r[SDRT_LORA_UP]) {
        if (!r[SDRT_LORA_DOWN] || !r[SDRT_LORA_UP]) return 0;
        m->kind = SDRT_KIND_LORA;
        rank = rank_of(r[SDRT_LORA_DOWN]);
    } else if (r[SDRT_LOHA_W1_A] || r[SDRT_LOHA_W2_A]) {
        if (!r[SDRT_LOHA_W1_A] || !r[SDRT_LOHA_W1_B] || !r[SDRT_LOHA_W2_A] || !r[SDRT_LOHA_W2_B] ||
            !r[SDRT_LOHA_T1] != !r[SDRT_LOHA_T2])
            return 0;
        m->kind = SDRT_KIND_LOHA;
        rank = rank_of(r[SDRT_LOHA_W1_B]);
    } else if (r[SDRT_LOKR_W1] || r[SDRT_LOKR_W1_A]) {
        if ((!r[SDRT_LOKR_W1] && !r[SDRT_LOKR_W1_B]) ||
            (!r[SDRT_LOKR_W2] && (!r[SDRT_LOKR_W2_A] || !r[SDRT_LOKR_W2_B])))
            return 0;
        m->kind = SDRT_KIND_LOKR;
        rank = !r[SDRT_LOKR_W2]   ? rank_of(r[SDRT_LOKR_W2_B])
               : !r[SDRT_LOKR_W1] ? rank_of(r[SDRT_LOKR_W1_B])
                                  : 0;
    } else if (r[SDRT_LORA_DIFF]) {
        m->kind = SDRT_KIND_DIFF;
    } else if (r[SDRT_LORA_DIFF_BIAS] || r[SDRT_LORA_UP_BIAS]) {
        m->kind = SDRT_KIND_BIAS;
    } else {
        return 0;
    }
    if (rank < 0 || rank > 1 << 20) return 0;
    m->rank = (int)rank;
    return 1;
}

/* alpha as one finite number of any float type. */
static int read_alpha(const struct sdrt_file_tensor *t, double *alpha)
{
    float narrow;

    if (!t->known || t->bytes != sdrt_dtype_size(t->dtype)) return 0;
    if (t->dtype == SDRT_F64) {
        memcpy(alpha, t->data, sizeof *alpha);
    } else if (t->dtype == SDRT_I64) {
        int64_t whole;
        memcpy(&whole, t->data, sizeof whole);
        *alpha = (double)whole;
    } else {
        uint32_t aligned = 0; /* the file's data is not */
        memcpy(&aligned, t->data, t->bytes < sizeof aligned ? t->bytes : sizeof aligned);
        if (sdrt_to_f32(&aligned, t->dtype, &narrow, 1) != 0) return 0;
        *alpha = narrow;
    }
    return isfinite(*alpha);
}

static int finish_module(const struct sdrt_lora_file *f, struct sdrt_lora_module *m,
                         const struct sdrt_lora_config *config, const struct sdrt_log *log)
{
    const char *path = sdrt_tensor_file_path(f->tensors);

    if (!classify(m))
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: %s: the other tensors of its module are not there", path, m->sample);
    m->alpha = m->rank;
    if (m->role[SDRT_LORA_ALPHA]) {
        if (!read_alpha(m->role[SDRT_LORA_ALPHA], &m->alpha))
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: expected one finite number", path,
                             m->role[SDRT_LORA_ALPHA]->name);
    } else {
        sdrt_lora_config_alpha(config, m->key, &m->alpha, &m->root_rank);
    }
    return SDRT_OK;
}

/* Every tensor as an item; tensors of no known role are counted. */
static int list_items(struct sdrt_lora_file *f, struct item **out, size_t *count)
{
    const size_t n = sdrt_tensor_file_count(f->tensors);
    struct item *items = calloc(n ? n : 1, sizeof *items);
    size_t used = 0;

    if (!items) return SDRT_E_NOMEM;
    *out = items;
    for (size_t i = 0; i < n; i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(f->tensors, i);
        int known;
        char *key = split(t->name, &items[used].role, &known);
        if (key) {
            items[used].key = key;
            items[used++].tensor = t;
        } else if (known) {
            *count = used;
            return SDRT_E_NOMEM;
        } else if (!f->unknown_count++) {
            f->unknown = t->name;
        }
    }
    /* qsort() demands an array, also for none. */
    if (used) qsort(items, used, sizeof *items, by_key);
    *count = used;
    return SDRT_OK;
}

/* Gathers the sorted items of each module; takes the first key of each. */
static int gather(struct sdrt_lora_file *f, struct item *items, size_t n,
                  const struct sdrt_log *log)
{
    f->modules = calloc(n ? n : 1, sizeof *f->modules);
    if (!f->modules) return SDRT_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        struct sdrt_lora_module *m = f->count ? &f->modules[f->count - 1] : NULL;
        if (!m || strcmp(m->key, items[i].key)) {
            m = &f->modules[f->count++];
            m->key = items[i].key;
            items[i].key = NULL;
            m->sample = items[i].tensor->name;
        }
        if (m->role[items[i].role])
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s and %s are the same part of one module",
                             sdrt_tensor_file_path(f->tensors), items[i].tensor->name,
                             m->role[items[i].role]->name);
        m->role[items[i].role] = items[i].tensor;
    }
    return SDRT_OK;
}

int sdrt_lora_file_open(struct sdrt_lora_file **out, const char *path, const struct sdrt_log *log)
{
    struct sdrt_lora_file *f = calloc(1, sizeof *f);
    struct sdrt_lora_config *config = NULL;
    struct item *items = NULL;
    size_t n = 0;
    int status;

    *out = NULL;
    if (!f) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to open it", path);
    status = sdrt_tensor_file_open(&f->tensors, path, log);
    if (status != SDRT_OK) goto out;
    status = sdrt_lora_config_open(&config, f->tensors, log);
    if (status != SDRT_OK) goto out;
    status = list_items(f, &items, &n);
    if (status == SDRT_OK) status = gather(f, items, n, log);
    if (status == SDRT_E_NOMEM) sdrt_fail(log, status, "%s: no memory for its tensors", path);
    for (size_t i = 0; status == SDRT_OK && i < f->count; i++)
        status = finish_module(f, &f->modules[i], config, log);
out:
    for (size_t i = 0; i < n; i++) free(items[i].key);
    free(items);
    sdrt_lora_config_free(&config);
    if (status != SDRT_OK) sdrt_lora_file_close(&f);
    *out = f;
    return status;
}

void sdrt_lora_file_close(struct sdrt_lora_file **file)
{
    struct sdrt_lora_file *f = *file;

    if (!f) return;
    for (size_t i = 0; i < f->count; i++) free(f->modules[i].key);
    free(f->modules);
    sdrt_tensor_file_close(&f->tensors);
    free(f);
    *file = NULL;
}
