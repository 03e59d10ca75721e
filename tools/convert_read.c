/* SPDX-License-Identifier: MIT
 *
 * The values of one tensor, some at a time.
 */
#include "kernels/pack.h"
#include "tools/convert.h"

#include <stdlib.h>
#include <string.h>

void convert_turn(const struct convert_tensor *t, const char *from, char *to)
{
    const size_t size = sdrt_dtype_size(t->from), bytes = t->values * size;
    const size_t rows = (size_t)t->shape[0], columns = rows ? t->values / rows : 0;

    if (t->swapped) {
        memcpy(to, from + bytes / 2, bytes - bytes / 2);
        memcpy(to + bytes - bytes / 2, from, bytes / 2);
        return;
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            memcpy(to + (r * columns + c) * size, from + (c * rows + r) * size, size);
}

static int hold(struct convert_tensor *t)
{
    struct sdrt_weight_view v;
    const int status = t->provider.get(t->provider.self, t->source[0], t->rank, t->shape, &v);

    if (status == SDRT_OK) t->held = v.data;
    return status;
}

int convert_begin(const struct convert_model *m, struct convert_tensor *t)
{
    const struct sdrt_weights_provider *p = &t->provider;
    const struct sdrt_log *log = m->log;
    struct sdrt_weight_view v;

    if (t->merged[0] || t->merged[1] || t->merged[2]) return convert_begin_merged(m, t);
    if (t->whole) return hold(t);
    if (!t->transposed && !t->swapped) return SDRT_OK;
    if (t->swapped && t->shape[0] % 2)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: expected an even number of rows", t->name);
    t->data = malloc(t->values * sdrt_dtype_size(t->from) + 1);
    if (!t->data) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to turn it", t->name);
    const int status = p->get(p->self, t->source[0], -1, NULL, &v);
    if (status != SDRT_OK) return status;
    convert_turn(t, v.data, t->data);
    p->release(p->self, t->source[0]);
    return SDRT_OK;
}

void convert_end(const struct convert_model *m, struct convert_tensor *t)
{
    const struct sdrt_weights_provider *p = t->merged[0] ? &m->merged : &t->provider;

    if (t->held) p->release(p->self, t->merged[0] ? t->merged[0] : t->source[0]);
    t->held = NULL;
    free(t->data);
    t->data = NULL;
}

int convert_read(const struct convert_tensor *t, size_t first, size_t count, void *out,
                 const struct sdrt_log *log)
{
    const struct sdrt_weights_provider *p = &t->provider;
    const struct sdrt_weight_view v = { .dtype = t->from };
    const size_t size = sdrt_dtype_size(t->from);
    const size_t each = t->values / (size_t)t->n_sources;
    char *to = out;

    if (t->data || t->held) {
        memcpy(out, (const char *)(t->held ? t->held : t->data) + first * size, count * size);
        return SDRT_OK;
    }
    while (count) {
        const size_t at = first % each, n = each - at < count ? each - at : count;
        const char *source = t->source[first / each];
        if (p->read(p->self, source, &v, at, n, to) != SDRT_OK)
            return sdrt_fail(log, SDRT_E_IO,
                             "%s: cannot be read: the file has become shorter or its "
                             "disk fails",
                             source);
        first += n;
        count -= n;
        to += n * size;
    }
    return SDRT_OK;
}

int convert_read_f32(const struct convert_tensor *t, size_t first, size_t count, void *raw,
                     float *out, const struct sdrt_log *log)
{
    const int status = convert_read(t, first, count, raw, log);
    const uint8_t *bytes = raw;
    const int64_t *wide = raw;
    const int32_t *whole = raw;

    if (status != SDRT_OK) return status;
    if (sdrt_to_f32(raw, t->from, out, count) == 0) return SDRT_OK;
    for (size_t i = 0; i < count; i++)
        out[i] = t->from == SDRT_I64   ? (float)wide[i]
                 : t->from == SDRT_I32 ? (float)whole[i]
                 : t->from == SDRT_I8  ? (float)(int8_t)bytes[i]
                                       : (float)bytes[i];
    return SDRT_OK;
}

size_t convert_bytes(const struct convert_tensor *t) { return sdrt_dtype_bytes(t->to, t->values); }
