/* SPDX-License-Identifier: MIT
 *
 * From stored values to f32, as many at a time as a small buffer holds.
 */
#include "kernels/pack.h"
#include "runtime/weights/storage.h"

#include <string.h>

enum {
    RAW = 16384,
    MAX_UNIT = 1024
}; /* bytes read at once; values that are read together at most */

static void convert(const void *raw, enum sdrt_dtype dtype, float *out, size_t count)
{
    const int8_t *small = raw;
    const double *wide = raw;

    if (dtype == SDRT_I8)
        for (size_t i = 0; i < count; i++) out[i] = (float)small[i];
    else if (dtype == SDRT_F64)
        for (size_t i = 0; i < count; i++) out[i] = (float)wide[i];
    else sdrt_to_f32(raw, dtype, out, count);
}

/* A group of whole numbers times the Hadamard matrix, without its factor 1/sqrt(group): exact, as
 * long as the sums stay below 2^24. */
static void rotate(float *x, int group)
{
    for (int step = 1; step < group; step *= 4)
        for (int i = 0; i < group; i++) {
            if (i / step % 4) continue;
            float *p = x + i;
            const float a = p[0], b = p[step], c = p[2 * step], d = p[3 * step];
            p[0] = a + b + c - d;
            p[step] = a + b - c + d;
            p[2 * step] = a - b + c + d;
            p[3 * step] = b + c + d - a;
        }
}

/* sqrt(group), of a power of 4. */
static float root_of(int group)
{
    int root = 1;

    while (root * root < group) root *= 2;
    return (float)root;
}

static void scale(const struct sdrt_stored *s, size_t row_length, size_t first, size_t count,
                  float *out)
{
    const float turned = s->group ? 1.0f / root_of(s->group) : 1.0f;

    for (size_t i = 0; i < count;) {
        const size_t row = s->n_scales == 1 ? 0 : (first + i) / row_length;
        const size_t left = s->n_scales == 1 ? count : (row + 1) * row_length - first;
        const float by = s->scales[row] * turned;
        for (; i < count && i < left; i++) out[i] *= by;
    }
}

/* Whole units: blocks, or groups that were rotated together. */
static int read_units(const struct sdrt_stored *s, const struct sdrt_tensor_file *file,
                      const struct sdrt_file_tensor *t, size_t unit, size_t first, size_t count,
                      float *out)
{
    _Alignas(64) char raw[RAW];
    const size_t unit_bytes = sdrt_dtype_bytes(s->dtype, unit), most = RAW / unit_bytes * unit;
    const size_t rows = t->rank && t->shape[0] ? (size_t)t->shape[0] : 1;
    const size_t row_length = t->bytes / unit_bytes * unit / rows;

    while (count) {
        const size_t n = count < most ? count : most;
        if (sdrt_tensor_file_read(file, t, sdrt_dtype_bytes(s->dtype, first),
                                  sdrt_dtype_bytes(s->dtype, n), raw) != SDRT_OK)
            return SDRT_E_IO;
        convert(raw, s->dtype, out, n);
        if (s->group)
            for (size_t i = 0; i < n; i += unit) rotate(out + i, s->group);
        if (s->scales) scale(s, row_length, first, n, out);
        first += n;
        count -= n;
        out += n;
    }
    return SDRT_OK;
}

int sdrt_stored_read(const struct sdrt_stored *s, const struct sdrt_tensor_file *file,
                     const struct sdrt_file_tensor *t, size_t first, size_t count, float *out)
{
    const size_t unit = s->group ? (size_t)s->group : sdrt_dtype_block(s->dtype).values;
    float some[MAX_UNIT];
    int status = SDRT_OK;

    while (count && status == SDRT_OK) {
        const size_t skip = first % unit;
        size_t n = count / unit * unit;
        if (!skip && n) {
            status = read_units(s, file, t, unit, first, n, out);
        } else { /* a piece of one unit */
            n = unit - skip < count ? unit - skip : count;
            status = read_units(s, file, t, unit, first - skip, unit, some);
            memcpy(out, some + skip, n * sizeof *out);
        }
        first += n;
        count -= n;
        out += n;
    }
    return status;
}
