/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "kernels/pack.h"
#include "model/lora/config.h"
#include "model/lora/file.h"
#include "runtime/base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char plain[] = ".weight", on_input[] = ".on_input", bundle[] = "bundle_emb.";

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
    { ".a1.weight", SDRT_GLORA_A1 },
    { ".a2.weight", SDRT_GLORA_A2 },
    { ".b1.weight", SDRT_GLORA_B1 },
    { ".b2.weight", SDRT_GLORA_B2 },
    { ".bm.weight", SDRT_GLORA_BM },
    { ".oft_blocks", SDRT_OFT_BLOCKS },
    { ".rescale", SDRT_OFT_RESCALE },
    { ".on_input", SDRT_IA3_ON_INPUT },
    { ".ia3_l", SDRT_IA3_PEFT },
    { ".ia3_l.default", SDRT_IA3_PEFT },
    { ".diff", SDRT_LORA_DIFF },
    { ".diff_b", SDRT_LORA_DIFF_BIAS },
    { ".w_norm", SDRT_LORA_DIFF },
    { ".b_norm", SDRT_LORA_DIFF_BIAS },
    { ".alpha", SDRT_LORA_ALPHA },
    { ".dora_scale", SDRT_LORA_DORA },
    { ".lora_magnitude_vector", SDRT_LORA_DORA_ROW },
    { ".lora_magnitude_vector.weight", SDRT_LORA_DORA_ROW },
    { ".lora_magnitude_vector.default.weight", SDRT_LORA_DORA_ROW },
    { plain, SDRT_IA3_WEIGHT },
};

/* Parts of names that tell adapters whose formula is not here. */
static const struct {
    const char *piece, *kind;
} unmerged[] = {
    { ".oft_R", "PEFT's OFT" },
    { ".oft_diag", "OFT of an early LyCORIS" },
    { ".boft_R", "PEFT's BOFT" },
    { ".boft_s", "PEFT's BOFT" },
    { ".vera_lambda", "VeRA" },
    { "vera_A", "VeRA" },
    { "vera_B", "VeRA" },
    { ".q_layer.", "T-LoRA" },
    { ".p_layer.", "T-LoRA" },
    { ".lambda_layer", "T-LoRA" },
    { ".lora_E", "AdaLoRA" },
    { ".fourierft_spectrum", "FourierFT" },
    { ".hra_u", "HRA" },
    { ".randlora_", "RandLoRA" },
    { ".lora_embedding_", "LoRA of embeddings" },
    { ".bias_indices", "LyCORIS with sparse biases" },
    { "string_to_param", "textual inversion" },
    { "emb_params", "textual inversion" },
    { "ip_adapter.", "IP-Adapter" },
    { "image_proj.", "IP-Adapter" },
    { "control_model.", "ControlNet" },
    { "lora_controlnet", "Control-LoRA" },
    { "motion_modules.", "AnimateDiff motion module" },
};

const char *sdrt_lora_unmerged_kind(const char *name)
{
    for (size_t i = 0; i < sizeof unmerged / sizeof *unmerged; i++)
        if (strstr(name, unmerged[i].piece)) return unmerged[i].kind;
    return NULL;
}

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

struct item {
    char *key;
    enum sdrt_lora_role role;
    size_t stem; /* bytes of the tensor's name that are the module's */
    const struct sdrt_file_tensor *tensor;
};

/* Whether the file has a tensor on_input beside the stem's weight: what a name that ends in plain
 * belongs to without it is anything. */
static int is_ia3(const struct sdrt_lora_file *f, const char *name, size_t stem)
{
    const struct sdrt_file_tensor *t;
    char *beside = malloc(stem + sizeof on_input);
    int found = 0;

    if (!beside) return 0;
    memcpy(beside, name, stem);
    memcpy(beside + stem, on_input, sizeof on_input);
    found = sdrt_tensor_file_find(f->tensors, beside, &t, NULL) == SDRT_OK;
    free(beside);
    return found;
}

/* The module's key of a tensor's name, owned by the caller, with its role and how much of the name
 * is the module's; NULL with *known 0 for a name of no known role, with 1 for want of memory. */
static char *split(const struct sdrt_lora_file *f, const char *name, struct item *item, int *known)
{
    const size_t length = strlen(name);
    const struct suffix *found = NULL;

    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes && !found; i++)
        if (length > strlen(suffixes[i].text) && sdrt_ends_with(name, suffixes[i].text))
            found = &suffixes[i];
    if (found && found->text == plain && !is_ia3(f, name, length - strlen(plain))) found = NULL;
    *known = found != NULL;
    if (!found) return NULL;
    const size_t stem = length - strlen(found->text);
    char *key = malloc(stem + 3); /* undo_processor() may add two */
    if (!key) return NULL;
    for (size_t i = 0; i < stem; i++) key[i] = name[i] == '.' ? '_' : name[i];
    key[stem] = '\0';
    undo_processor(key);
    item->role = found->role;
    item->stem = stem;
    return key;
}

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
    } else if (r[SDRT_GLORA_A1] || r[SDRT_GLORA_B1]) {
        if (!r[SDRT_GLORA_A1] || !r[SDRT_GLORA_A2] || !r[SDRT_GLORA_B1] || !r[SDRT_GLORA_B2])
            return 0;
        m->kind = SDRT_KIND_GLORA;
        rank = rank_of(r[SDRT_GLORA_A2]);
    } else if (r[SDRT_OFT_BLOCKS]) {
        m->kind = r[SDRT_OFT_BLOCKS]->rank == 4 ? SDRT_KIND_BOFT : SDRT_KIND_OFT;
    } else if (r[SDRT_IA3_PEFT] || (r[SDRT_IA3_WEIGHT] && r[SDRT_IA3_ON_INPUT])) {
        m->kind = SDRT_KIND_IA3;
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

/* The one value of a tensor of any type, and whether it is finite. */
static int read_number(const struct sdrt_tensor_file *file, const struct sdrt_file_tensor *t,
                       double *value)
{
    union {
        float f32;
        double f64;
        int64_t i64;
        int32_t i32;
        int8_t i8;
        uint8_t u8;
    } v = { .i64 = 0 }; /* the file's data is not aligned */
    float narrow;

    if (!t->known || t->bytes != sdrt_dtype_size(t->dtype) || t->bytes > sizeof v) return 0;
    if (sdrt_tensor_file_read(file, t, 0, t->bytes, &v) != SDRT_OK) return 0;
    switch (t->dtype) {
    case SDRT_F64: *value = v.f64; break;
    case SDRT_I64: *value = (double)v.i64; break;
    case SDRT_I32: *value = v.i32; break;
    case SDRT_I8: *value = v.i8; break;
    case SDRT_U8:
    case SDRT_BOOL: *value = v.u8; break;
    default:
        if (sdrt_to_f32(&v, t->dtype, &narrow, 1) != 0) return 0;
        *value = narrow;
    }
    return isfinite(*value);
}

/* The tensor of a module that has no values, to which no formula gives a meaning; NULL for none. */
static const struct sdrt_file_tensor *find_empty(const struct sdrt_lora_module *m)
{
    for (int role = 0; role < SDRT_LORA_ROLES; role++)
        for (int i = 0; m->role[role] && i < m->role[role]->rank; i++)
            if (m->role[role]->shape[i] < 1) return m->role[role];
    return NULL;
}

static int finish_module(const struct sdrt_lora_file *f, struct sdrt_lora_module *m,
                         struct sdrt_lora_config *config, const struct sdrt_log *log)
{
    const struct sdrt_file_tensor *numbers[] = { m->role[SDRT_LORA_ALPHA],
                                                 m->role[SDRT_IA3_ON_INPUT] };
    const char *path = sdrt_tensor_file_path(f->tensors);
    double value[2] = { 0.0, 0.0 };

    if (!classify(m))
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: %s: the other tensors of its module are not there", path, m->sample);
    const struct sdrt_file_tensor *empty = find_empty(m);
    if (empty)
        return sdrt_fail(log, SDRT_E_FORMAT,
                         "%s: %s: has a dimension of 0, 1 and more are expected", path,
                         empty->name);
    for (int i = 0; i < 2; i++)
        if (numbers[i] && !read_number(f->tensors, numbers[i], &value[i]))
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: %s: expected one finite number", path,
                             numbers[i]->name);
    m->on_input = value[1] != 0.0;
    m->alpha = m->rank;
    if (!m->role[SDRT_LORA_ALPHA] && m->kind != SDRT_KIND_OFT && m->kind != SDRT_KIND_BOFT)
        return sdrt_lora_config_apply(config, m, log);
    m->alpha = value[0];
    return SDRT_OK;
}

/* Counts "bundle_emb.NAME.rest" once a NAME; names come sorted. */
static void note_bundled(struct sdrt_lora_file *f, const char *name)
{
    const char *text = name + sizeof bundle - 1, *last = f->bundled;
    const size_t n = strcspn(text, ".");

    if (last) last += sizeof bundle - 1;
    if (last && strcspn(last, ".") == n && !strncmp(last, text, n)) return;
    f->bundled = name;
    f->bundled_count++;
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
        char *key;
        if (!strncmp(t->name, bundle, sizeof bundle - 1)) {
            note_bundled(f, t->name);
            continue;
        }
        key = split(f, t->name, &items[used], &known);
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
            m->file = f->tensors;
            items[i].key = NULL;
            m->sample = items[i].tensor->name;
            m->stem = items[i].stem;
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
