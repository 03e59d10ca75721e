/* SPDX-License-Identifier: MIT
 *
 * Files of tensors, written from front to back.
 */
#include <config.h>

#include "kernels/store.h"
#include "runtime/files/atomic_file.h"
#include "runtime/files/ggml_types.h"
#include "runtime/files/json.h"
#include "tools/convert.h"
#include "tools/progress.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 1 << 18, /* values on their way at once: whole blocks */
    ALIGNMENT = 32,  /* of a GGUF file's tensors */
    MAX_NAME = 127,  /* bytes of a name that stable-diffusion.cpp takes */
};

struct writer {
    struct convert_run *run;
    const struct convert_model *model;
    const struct convert_slice *slice;
    struct sdrt_atomic_file *file;
    void *raw, *out; /* of CHUNK values, 8 bytes each */
    float *values;
};

/* ---- headers ---- */

/* What has the names and strengths of LoRAs that are merged in, where there are any. */
static const char merged_key[] = "sdrt.loras";

/* Large elements first, so that each lies at a multiple of its size. */
static int by_size(const void *a, const void *b)
{
    const struct convert_tensor *x = a, *y = b;
    const size_t n = sdrt_dtype_size(x->to), m = sdrt_dtype_size(y->to);

    return n != m ? (n < m ? 1 : -1) : strcmp(x->name, y->name);
}

static json_t *entry_of(const struct convert_tensor *t, uint64_t begin)
{
    json_t *shape = json_array(), *entry;

    for (int i = 0; i < t->rank; i++) json_array_append_new(shape, json_integer(t->shape[i]));
    entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", sdrt_dtype_name(t->to), "shape", shape,
                      "data_offsets", (json_int_t)begin, (json_int_t)(begin + convert_bytes(t)));
    if (!entry) json_decref(shape);
    return entry;
}

static int begin_safetensors(struct writer *w)
{
    const struct convert_model *m = w->model;
    const struct convert_slice *part = w->slice;
    json_t *root = json_pack("{s:{s:s, s:s*}}", "__metadata__", "format", "pt", merged_key,
                             m->lora_names);
    uint64_t at = 0;
    int failed = !root;

    if (part->n) qsort(part->list, part->n, sizeof *part->list, by_size);
    for (size_t i = 0; i < part->n && !failed; i++) {
        failed = json_object_set_new(root, part->list[i].name, entry_of(&part->list[i], at));
        at += convert_bytes(&part->list[i]);
    }
    char *text = failed ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!text)
        return sdrt_fail(m->log, SDRT_E_NOMEM,
                         "%s: no memory for its header, or a name that is no "
                         "text",
                         part->shown);
    const size_t length = strlen(text);
    const uint64_t padded = (length + 7) / 8 * 8;
    sdrt_atomic_write(w->file, &padded, sizeof padded);
    sdrt_atomic_write(w->file, text, length);
    sdrt_atomic_write(w->file, "       ", (size_t)padded - length);
    free(text);
    return SDRT_OK;
}

static void put_u32(struct writer *w, uint32_t v) { sdrt_atomic_write(w->file, &v, sizeof v); }
static void put_u64(struct writer *w, uint64_t v) { sdrt_atomic_write(w->file, &v, sizeof v); }

static void put_text(struct writer *w, const char *text)
{
    put_u64(w, strlen(text));
    sdrt_atomic_write(w->file, text, strlen(text));
}

/* ComfyUI-GGUF's name of the family. */
static const char *architecture(const struct convert_model *m)
{
    const char *found = "sd1";

    for (size_t i = 0; i < m->n; i++) {
        if (strstr(m->list[i].name, "joint_blocks.")) return "sd3";
        if (strstr(m->list[i].name, "label_emb.")) found = "sdxl";
    }
    return found;
}

static uint64_t up(uint64_t n) { return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static int begin_gguf(struct writer *w)
{
    enum { U32 = 4, TEXT = 8, QUANTIZATION_VERSION = 2 };
    static const char zeros[ALIGNMENT] = { 0 };
    const struct convert_model *m = w->model;
    const char *family = architecture(m);
    uint64_t at = 0, header = 24 + (8 + 20 + 4 + 8 + strlen(family)) + (8 + 28 + 4 + 4);

    if (m->lora_names) header += 8 + strlen(merged_key) + 4 + 8 + strlen(m->lora_names);

    for (size_t i = 0; i < m->n; i++) {
        const struct convert_tensor *t = &m->list[i];
        if (strlen(t->name) > MAX_NAME || t->rank > 4)
            return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                             "%s: GGUF files have names of %d bytes and 4 dimensions at most",
                             t->name, (int)MAX_NAME);
        header += 8 + strlen(t->name) + 4 + 8 * (uint64_t)t->rank + 12;
    }
    sdrt_atomic_write(w->file, "GGUF", 4);
    put_u32(w, 3);
    put_u64(w, m->n);
    put_u64(w, m->lora_names ? 3 : 2);
    put_text(w, "general.architecture");
    put_u32(w, TEXT);
    put_text(w, family);
    put_text(w, "general.quantization_version");
    put_u32(w, U32);
    put_u32(w, QUANTIZATION_VERSION);
    if (m->lora_names) {
        put_text(w, merged_key);
        put_u32(w, TEXT);
        put_text(w, m->lora_names);
    }
    for (size_t i = 0; i < m->n; i++) {
        const struct convert_tensor *t = &m->list[i];
        put_text(w, t->name);
        put_u32(w, (uint32_t)t->rank);
        for (int k = t->rank - 1; k >= 0; k--) put_u64(w, (uint64_t)t->shape[k]);
        put_u32(w, (uint32_t)sdrt_ggml_number(t->to));
        put_u64(w, at);
        at += up(convert_bytes(t));
    }
    sdrt_atomic_write(w->file, zeros, (size_t)(up(header) - header));
    return SDRT_OK;
}

/* ---- tensors ---- */

static int put_chunk(struct writer *w, struct convert_tensor *t, size_t first, size_t n)
{
    const struct sdrt_log *log = w->model->log;
    const size_t bytes = sdrt_dtype_bytes(t->to, n);
    int status;

    if (t->to == t->from) {
        status = convert_read(t, first, n, w->out, log);
        if (status != SDRT_OK) return status;
    } else {
        status = convert_read_f32(t, first, n, w->raw, w->values, log);
        if (status != SDRT_OK) return status;
        const size_t good = sdrt_from_f32(w->values, t->to, w->out, n);
        if (good < n)
            return sdrt_fail(log, SDRT_E_NUMERIC, "%s: value %zu is %g, which %s has not", t->name,
                             first + good, (double)w->values[good], sdrt_dtype_name(t->to));
    }
    w->run->done += bytes;
    progress_bytes(w->run->progress, w->slice->shown, w->run->done, w->run->total);
    if (*w->run->stop) return SDRT_E_CANCELLED;
    /* What could not be written is told when the file is committed. */
    return sdrt_atomic_write(w->file, w->out, bytes);
}

static int put_tensor(struct writer *w, struct convert_tensor *t, enum convert_format format)
{
    static const char zeros[ALIGNMENT] = { 0 };
    const uint64_t bytes = convert_bytes(t);
    int status = convert_begin(w->model, t);

    for (size_t first = 0; first < t->values && status == SDRT_OK; first += CHUNK)
        status = put_chunk(w, t, first, t->values - first < CHUNK ? t->values - first : CHUNK);
    convert_end(w->model, t);
    for (int i = 0; i < t->n_sources; i++) t->provider.release(t->provider.self, t->source[i]);
    if (status == SDRT_OK && format == CONVERT_GGUF)
        status = sdrt_atomic_write(w->file, zeros, (size_t)(up(bytes) - bytes));
    return status;
}

int convert_write_slice(struct convert_run *run, const struct convert_slice *slice,
                        enum convert_format format)
{
    const struct sdrt_log *log = run->model->log;
    struct writer w = { .run = run,
                        .model = run->model,
                        .slice = slice,
                        .raw = malloc((size_t)CHUNK * 8),
                        .out = malloc((size_t)CHUNK * 8),
                        .values = malloc(CHUNK * sizeof(float)) };
    int status = SDRT_OK, written = SDRT_OK;

    if (!w.raw || !w.out || !w.values)
        status = sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to write it", slice->shown);
    if (status == SDRT_OK) status = sdrt_atomic_open(&w.file, slice->path, log);
    if (status != SDRT_OK) goto out;
    status = format == CONVERT_GGUF ? begin_gguf(&w) : begin_safetensors(&w);
    for (size_t i = 0; i < slice->n && status == SDRT_OK && written == SDRT_OK; i++) {
        status = put_tensor(&w, &slice->list[i], format);
        /* A failed write has told nothing yet; the commit will. */
        if (status == SDRT_E_IO && sdrt_atomic_write(w.file, "", 0) != SDRT_OK) {
            written = status;
            status = SDRT_OK;
        }
    }
    if (status == SDRT_OK) status = sdrt_atomic_commit(&w.file, log);
    else sdrt_atomic_abort(&w.file);
out:
    free(w.raw);
    free(w.out);
    free(w.values);
    return status;
}

int convert_write(struct convert_model *m, const char *path, enum convert_format format,
                  struct progress *progress, const volatile sig_atomic_t *stop)
{
    const struct convert_slice all = { m->list, m->n, path, path };
    struct convert_run run = { .model = m, .progress = progress, .stop = stop };

    for (size_t i = 0; i < m->n; i++) run.total += convert_bytes(&m->list[i]);
    progress_bytes_start(progress, 0);
    const int status = convert_write_slice(&run, &all, format);
    progress_finish(progress);
    return status;
}
