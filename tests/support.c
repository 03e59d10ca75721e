/* SPDX-License-Identifier: MIT */
#include "tests/support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 256, POISON = 0x99 }; /* bytes, a multiple of every vector length */

/* Under AddressSanitizer the guard zones must not even be read. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
static void close_guards(const struct tbuf *b)
{
    ASAN_POISON_MEMORY_REGION(b->base, GUARD);
    ASAN_POISON_MEMORY_REGION((char *)b->p + b->bytes, GUARD);
}
static void open_guards(const struct tbuf *b)
{
    ASAN_UNPOISON_MEMORY_REGION(b->base, b->bytes + 2 * GUARD);
}
#else
static void close_guards(const struct tbuf *b) { (void)b; }
static void open_guards(const struct tbuf *b) { (void)b; }
#endif

struct tbuf tbuf_bytes(size_t bytes)
{
    const size_t body = (bytes + 63) / 64 * 64;
    struct tbuf b = { .bytes = bytes, .base = aligned_alloc(64, body + 2 * GUARD) };

    if (!b.base) abort();
    memset(b.base, POISON, body + 2 * GUARD);
    b.p = (char *)b.base + GUARD;
    tbuf_nan(&b);
    close_guards(&b);
    return b;
}

struct tbuf tbuf_floats(size_t n) { return tbuf_bytes(n * sizeof(float)); }

void tbuf_nan(struct tbuf *b) { memset(b->p, 0xff, b->bytes); }

int tbuf_ok(const struct tbuf *b)
{
    const unsigned char *lo = b->base, *hi = (const unsigned char *)b->p + b->bytes;
    int ok = 1;

    open_guards(b);
    for (int i = 0; i < GUARD; i++) ok &= lo[i] == POISON && hi[i] == POISON;
    close_guards(b);
    return ok;
}

void tbuf_free(struct tbuf *b)
{
    if (b->base) open_guards(b);
    free(b->base);
    *b = (struct tbuf){ 0 };
}

uint64_t trand_seed(void)
{
    const char *s = getenv("SDRT_TEST_SEED");

    return s ? strtoull(s, NULL, 10) : 1;
}

float *trounded_rows(const float *rows, size_t n, size_t width, size_t pitch, int round)
{
    float *to = malloc(n * pitch * sizeof *to);

    if (!to) abort();
    for (size_t r = 0; r < n; r++)
        for (size_t i = r * pitch; i < r * pitch + width; i++)
            to[i] = round ? (float)tround((double)rows[i], tnarrow_type) : rows[i];
    return to;
}

struct tbuf ttyped_rows(const float *rows, enum sdrt_dtype type, size_t n, size_t width,
                        size_t pitch)
{
    struct tbuf b = tbuf_bytes(sdrt_dtype_bytes(type, n * pitch));

    for (size_t r = 0; r < n; r++)
        for (size_t i = r * pitch; i < r * pitch + width; i++)
            tencode((double)rows[i], type, b.p, i);
    return b;
}

float *ttyped_values(const struct tbuf *rows, enum sdrt_dtype type)
{
    const size_t n = rows->bytes / sdrt_dtype_size(type);
    uint32_t *to = malloc(n * sizeof *to + 1);
    const uint16_t *h = rows->p;

    if (!to) abort();
    if (type == SDRT_F32) memcpy(to, rows->p, n * sizeof *to);
    for (size_t i = 0; type == SDRT_F16 && i < n; i++) {
        const float v = (float)tdecode(h, type, i);
        memcpy(&to[i], &v, sizeof v);
        if (h[i] == 0xffff) to[i] = 0xffffffff;
    }
    for (size_t i = 0; type == SDRT_BF16 && i < n; i++)
        to[i] = h[i] == 0xffff ? 0xffffffff : (uint32_t)h[i] << 16;
    return (float *)(void *)to;
}

enum sdrt_dtype tnarrow_type = SDRT_BF16;

enum sdrt_dtype trand_type(uint64_t *state)
{
    return trand_int(state, 2) ? tnarrow_type : SDRT_F32;
}

double ttyped_error(enum sdrt_dtype type)
{
    return type == SDRT_BF16 ? 0x1p-8 : type == SDRT_F16 ? 0x1p-11 : 0.0;
}

int tbf16_level(const char *level)
{
    const struct sdrt_isa_level *l = sdrt_isa_find(level);

    return l && (l->own & SDRT_ISA_ANY_BF16);
}

int tint16_level(const char *level)
{
    const struct sdrt_isa_level *l = sdrt_isa_find(level);

    return l && (l->own & SDRT_ISA_ANY_INT16);
}

int tin_bf16(const char *level, enum sdrt_dtype stored)
{
    return tbf16_level(level) && (stored == tnarrow_type || stored == SDRT_F8_E4M3);
}

int tevery(void)
{
    const char *asked = getenv("SDRT_SHORT");
    const int n = asked ? atoi(asked) : 0;

    if (!asked) return 1;
    return n > 1 ? n : 4;
}

int tshare(void)
{
    const char *asked = getenv("SDRT_SHARE");

    return asked ? atoi(asked) % tevery() : -1;
}

int tleft_out(uint64_t *rng)
{
    static int shapes; /* of this test, which has a process of its own */

    if (tshare() >= 0) return shapes++ % tevery() != tshare();
    return trand_int(rng, tevery()) != 0;
}

int trequired(const char *level)
{
    const char *const list = getenv("SDRT_REQUIRE_ISA");
    const size_t n = strlen(level);

    for (const char *p = list; p && (p = strstr(p, level)); p += n)
        if ((p == list || p[-1] == ' ') && (!p[n] || p[n] == ' ')) return 1;
    return 0;
}

int tin_f16(const char *level, enum sdrt_dtype stored)
{
    return toperand(level) == SDRT_F16 && stored == SDRT_F16 && !tbf16_level(level);
}

double tf16_error(const char *level, enum sdrt_dtype stored)
{
    return tin_f16(level, stored) ? 1e-2 : 0.0;
}

enum sdrt_dtype toperand(const char *level)
{
    const struct sdrt_isa_level *l = sdrt_isa_find(level);

    if (!l) return SDRT_F32;
    if (l->own & SDRT_ISA_ANY_BF16) return tnarrow_type;
    return l->own & SDRT_ISA_ANY_F16 ? SDRT_F16 : SDRT_F32;
}

unsigned tlevel(const char *name)
{
    const struct sdrt_isa_level *l = sdrt_isa_find(name);
    const unsigned have = sdrt_isa_detect();

    if (!l || (l->flags & have) != l->flags) {
        /* A machine that is meant to have this level must not pass by skipping it. */
        if (trequired(name)) cr_assert_fail("%s is required here", name);
        cr_skip_test("this machine cannot run %s", name);
    }
    return l->flags;
}
