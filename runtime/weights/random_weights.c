/* SPDX-License-Identifier: MIT */
#include "runtime/base/hash.h"
#include "runtime/files/held_buffers.h"
#include "runtime/weights/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OUTLIERS = 97 /* channels, of which one stands out */ };

struct sdrt_random_weights {
    const struct sdrt_log *log;
    enum sdrt_dtype dtype;
    uint64_t seed;
    float outliers; /* 0: none */
    struct sdrt_held_buffers buffers;
};

int sdrt_random_weights_create(struct sdrt_random_weights **out, enum sdrt_dtype dtype,
                               uint64_t seed, const struct sdrt_log *log)
{
    *out = NULL;
    if (dtype != SDRT_F32 && dtype != SDRT_F16)
        return sdrt_fail(log, SDRT_E_ARG, "random weights are F32 or F16, not %s",
                         sdrt_dtype_name(dtype));
    *out = calloc(1, sizeof **out);
    if (!*out) return sdrt_fail(log, SDRT_E_NOMEM, "no memory for random weights");
    **out = (struct sdrt_random_weights){ .log = log, .dtype = dtype, .seed = seed };
    return SDRT_OK;
}

void sdrt_random_weights_stand_out(struct sdrt_random_weights *source, float factor)
{
    source->outliers = factor;
}

void sdrt_random_weights_free(struct sdrt_random_weights **source)
{
    if (!*source) return;
    sdrt_held_buffers_clear(&(*source)->buffers);
    free(*source);
    *source = NULL;
}

/* The output function of splitmix64 (Steele, Lea, Flood 2014): counter in, 64 bits out. */
static inline uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* The i-th value of a stream, with mean 0 and standard deviation SUM_SD: the sum of the
 * four 16-bit quarters of 64 random bits, each uniform in 0 .. 65535. */
static const double SUM_SD = 37837.22751; /* sqrt(4 * (65536^2 - 1) / 12) */

static inline float sum_of_four(uint64_t hash, uint64_t i)
{
    const uint64_t bits = mix(hash + i * 0x9e3779b97f4a7c15u);
    const uint64_t pairs = (bits & 0x0000ffff0000ffffu) + ((bits >> 16) & 0x0000ffff0000ffffu);
    const int32_t sum = (int32_t)((pairs + (pairs >> 32)) & 0xffffffffu);

    return (float)(sum - 2 * 65535);
}

/* f32 to f16, to nearest even, for |x| < 65504 without NaN: the rounding is done by adding
 * half of the dropped part; small results are aligned by the f32 adder (0.5 has the unit
 * of f16 subnormals in its last place). */
static inline uint16_t to_f16(float x)
{
    uint32_t bits, sign, normal, small;
    float aligned;

    memcpy(&bits, &x, 4);
    sign = bits & 0x80000000u;
    bits ^= sign;
    memcpy(&aligned, &bits, 4);
    aligned += 0.5f;
    memcpy(&small, &aligned, 4);
    small -= 0x3f000000u;
    normal = (bits - (112u << 23) + 0xfffu + ((bits >> 13) & 1)) >> 13;
    return (uint16_t)((sign >> 16) | (bits < (113u << 23) ? small : normal));
}

/* values[i] = mean + sd * normal number first + i */
static void fill_f32(float *values, size_t first, size_t n, uint64_t hash, float mean, float sd)
{
    const float scale = (float)(sd / SUM_SD);

    for (size_t i = 0; i < n; i++) values[i] = mean + scale * sum_of_four(hash, first + i);
}

static void fill_f16(uint16_t *values, size_t first, size_t n, uint64_t hash, float mean, float sd)
{
    const float scale = (float)(sd / SUM_SD);

    for (size_t i = 0; i < n; i++)
        values[i] = to_f16(mean + scale * sum_of_four(hash, first + i));
}

/* n values from number first on, to those of out from number at on. */
static void fill_run(enum sdrt_dtype dtype, void *out, size_t at, size_t first, size_t n,
                     uint64_t hash, float mean, float sd)
{
    if (dtype == SDRT_F32) fill_f32((float *)out + at, first, n, hash, mean, sd);
    else fill_f16((uint16_t *)out + at, first, n, hash, mean, sd);
}

static int ends_in(const char *name, const char *tail)
{
    const size_t n = strlen(name), m = strlen(tail);

    return n >= m && !strcmp(name + n - m, tail);
}

/* The original SD names hide most norms ("out.0.weight"), so rank 1 tells them. */
static void distribution(const char *name, int rank, const int64_t *shape, float *mean, float *sd)
{
    double fan_in = 1.0;

    *mean = 0.0f;
    *sd = 0.02f;
    if (ends_in(name, ".bias")) return;
    if (rank <= 1 && ends_in(name, ".weight")) {
        *mean = 1.0f;
        return;
    }
    for (int i = 1; i < rank; i++) fan_in *= (double)shape[i];
    if (rank > 1) *sd = (float)(1.0 / sqrt(fan_in < 1.0 ? 1.0 : fan_in));
}

/* Values of one channel of what norms leave: 0 where the tensor has none. */
static size_t channel_values(const char *name, const struct sdrt_weight_view *view)
{
    size_t rest = 1;

    if (view->rank <= 1 && ends_in(name, ".weight") && !strstr(name, ".attn")) return 1;
    if (!strstr(name, ".norm") || !strstr(name, ".linear.")) return 0;
    for (int i = 1; i < view->rank; i++) rest *= (size_t)view->shape[i];
    return rest;
}

/* Values first .. first+n-1 of the tensor that view describes. */
static void fill(const struct sdrt_random_weights *source, const char *name,
                 const struct sdrt_weight_view *view, size_t first, size_t n, void *out)
{
    const uint64_t hash = sdrt_hash(SDRT_HASH_START ^ source->seed * 0x9e3779b97f4a7c15u, name,
                                    strlen(name));
    const size_t channel = source->outliers > 0.0f ? channel_values(name, view) : 0;
    float mean, sd;

    distribution(name, view->rank, view->shape, &mean, &sd);
    fill_run(source->dtype, out, 0, first, n, hash, mean, sd);
    for (size_t at = 0; channel && at < first + n; at += OUTLIERS * channel) {
        const size_t from = at > first ? at : first;
        const size_t end = at + channel < first + n ? at + channel : first + n;
        if (from < end)
            fill_run(source->dtype, out, from - first, from, end - from, hash,
                     mean * source->outliers, sd * source->outliers);
    }
}

static int random_describe(void *self, const char *name, int rank, const int64_t *shape,
                           struct sdrt_weight_view *out)
{
    const struct sdrt_random_weights *source = self;
    size_t bytes = sdrt_dtype_size(source->dtype);

    if (rank < 0) return SDRT_E_MISSING;
    if (rank > SDRT_WEIGHT_MAX_RANK)
        return sdrt_fail(source->log, SDRT_E_ARG, "%s: %d dimensions, at most %d are possible",
                         name, rank, SDRT_WEIGHT_MAX_RANK);
    *out = (struct sdrt_weight_view){ .dtype = source->dtype, .rank = rank };
    for (int i = 0; i < rank; i++) {
        out->shape[i] = shape[i];
        if (shape[i] < 0 || __builtin_mul_overflow(bytes, (uint64_t)shape[i], &bytes))
            return sdrt_fail(source->log, SDRT_E_ARG, "%s: its shape is impossible", name);
    }
    return SDRT_OK;
}

static int random_read(void *self, const char *name, const struct sdrt_weight_view *view,
                       size_t first, size_t count, void *out)
{
    fill(self, name, view, first, count, out);
    return SDRT_OK;
}

static int random_get(void *self, const char *name, int rank, const int64_t *shape,
                      struct sdrt_weight_view *out)
{
    struct sdrt_random_weights *source = self;
    const int status = random_describe(self, name, rank, shape, out);
    void *data;

    if (status != SDRT_OK) return status;
    const size_t bytes = sdrt_weight_bytes(out);
    out->data = sdrt_held_buffers_get(&source->buffers, name, bytes);
    if (out->data) return SDRT_OK;
    data = sdrt_held_buffers_add(&source->buffers, name, bytes);
    if (!data)
        return sdrt_fail(source->log, SDRT_E_NOMEM,
                         "%s: no memory for %zu random bytes, or held in another shape", name,
                         bytes);
    fill(source, name, out, 0, sdrt_weight_elements(out), data);
    out->data = data;
    return SDRT_OK;
}

static void random_release(void *self, const char *name)
{
    struct sdrt_random_weights *source = self;

    sdrt_held_buffers_release(&source->buffers, name);
}

static void random_prefetch(void *self, const char *name)
{
    (void)self;
    (void)name;
}

struct sdrt_weights_provider sdrt_random_weights_provider(struct sdrt_random_weights *source)
{
    return (struct sdrt_weights_provider){ .get = random_get, .release = random_release,
                                           .prefetch = random_prefetch,
                                           .describe = random_describe, .read = random_read,
                                           .self = source };
}
