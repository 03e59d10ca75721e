/* SPDX-License-Identifier: MIT */
#include "tests/weights.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { PERIOD = 65521 }; /* a prime: large weights repeat, but no two rows are alike */

struct tweights tweights_new(uint64_t *rng, const struct sdrt_weight_shape *w, enum sdrt_dtype from,
                             float scale, tpack_bytes *pack_bytes, tpack_rows *pack_rows)
{
    const int rows = w->gated ? 2 * w->n : w->n, third = (rows + 2) / 3;
    const size_t row = (size_t)w->k * (size_t)w->taps, n = (size_t)rows * row;
    const size_t size = sdrt_dtype_size(from);
    struct tweights t = { .packed = tbuf_bytes(pack_bytes(w)),
                          .values = malloc(n * sizeof(double)) };
    struct tbuf source = tbuf_bytes(n * size);

    if (!t.values) abort();
    for (size_t i = 0; i < n; i++) {
        if (i < PERIOD) {
            const double v = (double)(scale * trand(rng));
            tencode(v, from, source.p, i);
            t.values[i] = tround(tround(v, from), w->stored);
        } else {
            memcpy((char *)source.p + i * size, (char *)source.p + (i - PERIOD) * size, size);
            t.values[i] = t.values[i - PERIOD];
        }
    }
    cr_expect(t.packed.bytes % 64 == 0);
    memset(t.packed.p, 0, t.packed.bytes);
    for (int row0 = (rows - 1) / third * third; row0 >= 0; row0 -= third) {
        const int count = rows - row0 < third ? rows - row0 : third;
        const char *src = (const char *)source.p + (size_t)row0 * row * size;
        cr_expect(pack_rows(w, row0, count, src, from, t.packed.p) == 0);
    }
    cr_expect(tbuf_ok(&t.packed), "packing wrote outside %zu bytes", t.packed.bytes);
    tbuf_free(&source);
    return t;
}

void tweights_free(struct tweights *t)
{
    tbuf_free(&t->packed);
    free(t->values);
    t->values = NULL;
}
