/* SPDX-License-Identifier: MIT */
#include "kernels/pack.h"
#include "runtime/base/text.h"
#include "runtime/files/json.h"
#include "runtime/weights/storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 1024, MAX_NOTE = 65536, MAX_GROUP = 1024 };

/* A module of the file: what its names begin with, up to "weight". */
struct module {
    const struct sdrt_tensor_file *file;
    const json_t *layers; /* notes in the file's metadata; NULL without */
    const char *name;     /* of its weight */
    size_t length;        /* of the name without "weight" */
};

/* What follows a module's name, in the names of companions. */
static const char *const companions[] = {
    "scale_weight",
    "weight_scale",
    "scale_input",
    "input_scale",
    "comfy_quant",
    "weight_scale_2",
    "pre_quant_scale",
    "weight.absmax",
    "weight.quant_map",
    "weight.nested_absmax",
    "weight.nested_quant_map",
    "weight.quant_state.bitsandbytes__nf4",
    "weight.quant_state.bitsandbytes__fp4",
    "SCB",
    "weight_format",
};

/* The tensor of that name, also when its dtype is unknown; NULL when there is none. */
static const struct sdrt_file_tensor *find(const struct sdrt_tensor_file *file, const char *name)
{
    size_t low = 0, high = sdrt_tensor_file_count(file);

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(file, middle);
        const int order = strcmp(t->name, name);
        if (!order) return t;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

static const struct sdrt_file_tensor *part_of(const struct module *m, const char *rest)
{
    char name[MAX_NAME];

    if (snprintf(name, sizeof name, "%.*s%s", (int)m->length, m->name, rest) >= (int)sizeof name)
        return NULL;
    return find(m->file, name);
}

static int is_companion(const struct sdrt_tensor_file *file, const char *name)
{
    const size_t length = strlen(name);

    if (!strcmp(name, "scaled_fp8") || sdrt_ends_with(name, ".scaled_fp8")) return 1;
    for (size_t i = 0; i < sizeof companions / sizeof *companions; i++) {
        const size_t rest = strlen(companions[i]);
        if (length < rest || !sdrt_ends_with(name, companions[i])) continue;
        const struct module m = { .file = file, .name = name, .length = length - rest };
        if (!m.length || name[m.length - 1] == '.') return part_of(&m, "weight") != NULL;
    }
    return 0;
}

static void refuse(struct sdrt_stored *s, const char *what)
{
    snprintf(s->refused, sizeof s->refused, "%s", what);
}

static size_t elements(const struct sdrt_file_tensor *t)
{
    size_t n = 1;

    for (int i = 0; i < t->rank; i++) n *= (size_t)t->shape[i];
    return n;
}

/* ---- notes ---- */

/* The module's note, as a new reference; NULL without one or when it is no JSON. */
static json_t *note_of(const struct module *m, const struct sdrt_file_tensor *bytes)
{
    char name[MAX_NAME];
    json_t *note = NULL;

    if (bytes && bytes->bytes <= MAX_NOTE) {
        char *text = malloc(bytes->bytes + 1);
        if (text && sdrt_tensor_file_read(m->file, bytes, 0, bytes->bytes, text) == SDRT_OK)
            sdrt_json_parse(&note, text, bytes->bytes, bytes->name, NULL);
        free(text);
    }
    if (bytes || !m->layers || !m->length) return note;
    if (snprintf(name, sizeof name, "%.*s", (int)m->length - 1, m->name) >= (int)sizeof name)
        return NULL;
    /* Some writers leave out what stands in front of the part. */
    for (const char *at = name; at; at = strchr(at, '.')) {
        if (*at == '.') at++;
        note = json_object_get(m->layers, at);
        if (note) return json_incref(note);
    }
    return NULL;
}

/* A member of a note, or of the note's member "params". */
static const json_t *member(const json_t *note, const char *key)
{
    const json_t *value = json_object_get(note, key);

    return value ? value : json_object_get(json_object_get(note, "params"), key);
}

static void read_rotation(struct sdrt_stored *s, const json_t *note,
                          const struct sdrt_file_tensor *weight)
{
    const json_t *size = member(note, "convrot_groupsize");
    json_int_t group = size ? json_integer_value(size) : 256, left = group;

    if (!json_is_true(member(note, "convrot"))) return;
    while (left > 1 && left % 4 == 0) left /= 4;
    if (left != 1 || group < 4 || group > MAX_GROUP || weight->rank != 2 ||
        weight->shape[1] % group) {
        refuse(s, "int8 rotated in groups that are no power of 4 or do not divide its columns");
        return;
    }
    s->group = (int)group;
}

static void read_note(struct sdrt_stored *s, const json_t *note,
                      const struct sdrt_file_tensor *weight)
{
    static const struct {
        const char *format;
        enum sdrt_dtype dtype;
    } formats[] = {
        { "float8_e4m3fn", SDRT_F8_E4M3 },
        { "float8_e5m2", SDRT_F8_E5M2 },
        { "int8_tensorwise", SDRT_I8 },
    };
    const char *format = json_string_value(json_is_string(note) ? note
                                                                : json_object_get(note, "format"));

    if (!format) {
        refuse(s, "a type that its comfy_quant does not tell");
        return;
    }
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(format, formats[i].format)) continue;
        /* f8 has also been written as plain bytes. */
        if (s->dtype == SDRT_U8 && formats[i].dtype != SDRT_I8) s->dtype = formats[i].dtype;
        if (s->dtype != formats[i].dtype) break;
        if (s->dtype == SDRT_I8) read_rotation(s, note, weight);
        return;
    }
    snprintf(s->refused, sizeof s->refused, "the format %.40s as %s", format, weight->dtype_name);
}

/* ---- scales ---- */

/* One scale, or one a row, as f32. */
static int read_scales(const struct module *m, struct sdrt_stored *s,
                       const struct sdrt_file_tensor *scale, const struct sdrt_file_tensor *weight)
{
    int status = SDRT_E_NOMEM;
    const size_t n = elements(scale), rows = weight->rank ? (size_t)weight->shape[0] : 1;
    void *aligned;

    if (!scale->known || !sdrt_is_float(scale->dtype) || !n || (n != 1 && n != rows) ||
        (scale->rank > 1 && n != 1 && (size_t)scale->shape[0] != rows)) {
        refuse(s, "a type whose scales are not one number or one a row");
        return SDRT_OK;
    }
    aligned = malloc(scale->bytes);
    s->scales = malloc(n * sizeof *s->scales);
    s->n_scales = n;
    if (aligned && s->scales) {
        status = sdrt_tensor_file_read(m->file, scale, 0, scale->bytes, aligned);
        if (status == SDRT_OK) sdrt_to_f32(aligned, scale->dtype, s->scales, n);
    }
    free(aligned);
    return status;
}

/* What bitsandbytes keeps beside its weights. */
static int is_foreign(const struct module *m, struct sdrt_stored *s)
{
    if (part_of(m, "weight.quant_state.bitsandbytes__nf4")) refuse(s, "bitsandbytes' nf4");
    else if (part_of(m, "weight.quant_state.bitsandbytes__fp4")) refuse(s, "bitsandbytes' fp4");
    else if (part_of(m, "weight.absmax")) refuse(s, "bitsandbytes' 4 or 8 bits");
    else if (part_of(m, "SCB")) refuse(s, "bitsandbytes' int8");
    else if (part_of(m, "weight_scale_2")) refuse(s, "nvfp4");
    return *s->refused;
}

static int find_weight(const struct module *m, struct sdrt_stored *s,
                       const struct sdrt_file_tensor *weight)
{
    const struct sdrt_file_tensor *scale = part_of(m, "weight_scale"), *bytes;
    json_t *note;

    if (!scale) scale = part_of(m, "scale_weight");
    bytes = part_of(m, "comfy_quant");
    if (is_foreign(m, s)) return SDRT_OK;
    note = note_of(m, bytes);
    if (note) read_note(s, note, weight);
    else if (bytes) refuse(s, "a type that its comfy_quant does not tell");
    json_decref(note);
    if (*s->refused || (!scale && !note)) return SDRT_OK;
    if (s->dtype != SDRT_I8 && !sdrt_is_float(s->dtype)) {
        refuse(s, "a type that scales cannot multiply");
        return SDRT_OK;
    }
    s->converted = 1;
    if (scale) return read_scales(m, s, scale, weight);
    if (s->dtype == SDRT_I8) refuse(s, "int8 without a weight_scale");
    return SDRT_OK;
}

static int find_one(const struct sdrt_tensor_file *file, const json_t *layers, size_t i,
                    struct sdrt_stored *s)
{
    const struct sdrt_file_tensor *t = sdrt_tensor_file_at(file, i);

    s->companion = is_companion(file, t->name);
    if (s->companion || !t->known) return SDRT_OK;
    s->dtype = t->dtype;
    s->converted = t->dtype == SDRT_F64 || sdrt_dtype_block(t->dtype).values > 1;
    if (s->converted || (strcmp(t->name, "weight") && !sdrt_ends_with(t->name, ".weight")))
        return SDRT_OK;
    const struct module m = { file, layers, t->name, strlen(t->name) - strlen("weight") };
    return find_weight(&m, s, t);
}

/* The notes in the metadata, a new reference; NULL without. */
static json_t *layers_of(const struct sdrt_tensor_file *file)
{
    const char *text = sdrt_tensor_file_metadata(file, "_quantization_metadata");
    json_t *root = NULL, *layers;

    if (!text) return NULL;
    sdrt_json_parse(&root, text, strlen(text), "_quantization_metadata", NULL);
    layers = json_incref(json_object_get(root, "layers"));
    json_decref(root);
    return layers;
}

int sdrt_storage_find(struct sdrt_stored **out, const struct sdrt_tensor_file *file,
                      const struct sdrt_log *log)
{
    const size_t count = sdrt_tensor_file_count(file);
    struct sdrt_stored *list = calloc(count ? count : 1, sizeof *list);
    json_t *layers = layers_of(file);
    int status = list ? SDRT_OK : SDRT_E_NOMEM;

    *out = NULL;
    for (size_t i = 0; i < count && status == SDRT_OK; i++)
        status = find_one(file, layers, i, &list[i]);
    json_decref(layers);
    if (status != SDRT_OK) {
        sdrt_storage_free(&list, count);
        return sdrt_fail(log, status, "%s: %s", sdrt_tensor_file_path(file),
                         status == SDRT_E_IO ? "has become shorter since it was opened"
                                             : "no memory for how its tensors are stored");
    }
    *out = list;
    return SDRT_OK;
}

void sdrt_storage_free(struct sdrt_stored **list, size_t count)
{
    if (!*list) return;
    for (size_t i = 0; i < count; i++) free((*list)[i].scales);
    free(*list);
    *list = NULL;
}
