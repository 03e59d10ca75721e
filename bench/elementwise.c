/* SPDX-License-Identifier: MIT */
#include "bench/elementwise.h"

#include <math.h>
#include <string.h>

static size_t product(const struct sdrt_ew_shape *s, int first, int n)
{
    size_t all = 1;

    for (int i = first; i < first + n; i++) all *= (size_t)s->size[i];
    return all;
}

/* ---- what each takes ---- */

static int measure_timestep(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e)
{
    e->x = e->rows = (size_t)s->size[0];
    e->width = e->pitch = s->size[1];
    return s->size[1] % 2 == 0;
}

static int measure_embed(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e)
{
    e->x = product(s, 2, 2);
    e->x2 = s->variant == 1 ? 0 : product(s, 1, 2);
    e->ids = e->rows = (size_t)s->size[0];
    e->id_bound = s->size[3];
    e->width = e->pitch = s->size[2];
    return 1;
}

static int measure_silu_of_sums(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e)
{
    e->x = (size_t)s->size[0] * (size_t)s->size[2];
    e->x2 = product(s, 1, 2);
    e->rows = product(s, 0, 2);
    e->width = e->pitch = s->size[2];
    return 1;
}

static int measure_relative_bias(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e)
{
    e->x = product(s, 1, 2);
    e->rows = product(s, 0, 2);
    e->width = e->pitch = s->size[0];
    return s->size[2] % 4 == 0 && s->size[3] > s->size[2] / 4;
}

static int measure_to_nchw(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e)
{
    e->x = product(s, 0, 3) * (s->op == SDRT_EW_GUIDE ? 2 : 1);
    e->rows = (size_t)s->size[0] * (size_t)s->size[2];
    e->width = e->pitch = s->size[1];
    return 1;
}

/* Each image twice, as for guidance. */
static int measure_to_nhwc(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e)
{
    e->x = product(s, 0, 3);
    e->rows = 2 * product(s, 0, 2);
    e->width = e->pitch = s->size[2];
    return 1;
}

static int measure_patches(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e)
{
    const int p = s->size[4], to = s->op == SDRT_EW_TO_PATCHES;

    e->x = product(s, 0, 4);
    e->rows = product(s, 0, 3) / (to ? (size_t)p * (size_t)p : 1);
    e->width = e->pitch = to ? s->size[3] * p * p : s->size[3];
    return s->size[1] % p == 0 && s->size[2] % p == 0;
}

static int measure_crop(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e)
{
    e->x = (size_t)s->size[0] * (size_t)s->size[0] * (size_t)s->size[3];
    e->rows = product(s, 1, 2);
    e->width = e->pitch = s->size[3];
    return s->size[1] <= s->size[0] && s->size[2] <= s->size[0];
}

/* In place. */
static int measure_rows(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e)
{
    const int gap = s->op == SDRT_EW_SILU ? 0 : s->gap;

    e->rows = (size_t)s->size[0];
    e->width = s->size[1];
    e->pitch = e->x_pitch = s->size[1] + gap;
    e->x = e->rows * (size_t)e->pitch;
    e->x2 = s->op == SDRT_EW_RELU && s->variant == 2 ? (size_t)s->size[1] : 0;
    return 1;
}

static int measure_halve(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e)
{
    e->x = product(s, 0, 4);
    e->rows = (size_t)s->size[0] * (size_t)((s->size[1] + 1) / 2) * (size_t)((s->size[2] + 1) / 2);
    e->width = e->pitch = s->size[3];
    return 1;
}

/* Of variant 2 the result is x. */
static int measure_blend(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e)
{
    const struct sdrt_blend_shape b = sdrt_ew_blend(s);

    e->rows = (size_t)s->size[0];
    e->width = s->size[1];
    e->pitch = b.y_pitch;
    e->x_pitch = s->variant == 2 ? b.x_pitch : 0;
    e->x = e->rows * (size_t)b.x_pitch;
    e->x2 = s->variant == 1 ? 0 : e->rows * (size_t)b.z_pitch;
    return 1;
}

static int measure_low(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e)
{
    e->x = product(s, 0, 4);
    e->rows = product(s, 0, 3);
    e->width = e->pitch = e->x_pitch = s->size[3];
    return 1;
}

/* Rows that it leaves alone hold those of q. */
static int measure_own(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e)
{
    const struct sdrt_own_shape o = sdrt_ew_own(s);

    e->rows = product(s, 0, 2);
    e->width = e->pitch = o.o_pitch;
    e->x_pitch = o.pitch;
    e->x = e->x2 = e->x3 = e->rows * (size_t)o.pitch;
    return s->size[2] <= s->size[1];
}

/* ---- the structs of some ---- */

struct sdrt_relu_shape sdrt_ew_relu(const struct sdrt_ew_shape *s)
{
    return (struct sdrt_relu_shape){ .rows = s->size[0],
                                     .c = s->size[1],
                                     .pitch = s->size[1] + s->gap,
                                     .slope = s->variant == 0 ? 0.0f : s->factor };
}

struct sdrt_blend_shape sdrt_ew_blend(const struct sdrt_ew_shape *s)
{
    return (struct sdrt_blend_shape){ .rows = s->size[0],
                                      .c = s->size[1],
                                      .x_pitch = s->size[1] + s->gap,
                                      .z_pitch = s->size[1],
                                      .y_pitch = s->size[1] + s->gap,
                                      .a = s->factor,
                                      .b = -1.25f };
}

struct sdrt_low_shape sdrt_ew_low(const struct sdrt_ew_shape *s)
{
    return (struct sdrt_low_shape){ .batch = s->size[0],
                                    .h = s->size[1],
                                    .w = s->size[2],
                                    .c = s->size[3],
                                    .gain = s->factor };
}

/* The last rows, the first, or some between. */
struct sdrt_own_shape sdrt_ew_own(const struct sdrt_ew_shape *s)
{
    const int rest = s->size[1] - s->size[2], c = s->size[3] * s->size[4];

    return (struct sdrt_own_shape){ .batch = s->size[0],
                                    .rows = s->size[1],
                                    .first = s->variant == 0   ? rest
                                             : s->variant == 1 ? 0
                                                               : rest / 2,
                                    .count = s->size[2],
                                    .heads = s->size[3],
                                    .head_dim = s->size[4],
                                    .pitch = c + s->gap,
                                    .o_pitch = c,
                                    .scale = s->factor };
}

/* ---- how each is called ---- */

#define RUN(name, ...)                                                                        \
    static int run_##name(const struct sdrt_elementwise_ops *ops, const struct sdrt_exec *ex, \
                          const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o)    \
    {                                                                                         \
        const int *n = s->size;                                                               \
        (void)n;                                                                              \
        return ops->name(ex, __VA_ARGS__);                                                    \
    }
RUN(timestep_embedding, o->x, n[0], n[1], o->y)
RUN(embed, n[0], n[2], o->ids, o->x, s->from, s->variant == 1 ? NULL : o->x2, s->from, n[1], o->y)
RUN(silu_of_sums, n[0], n[1], n[2], o->x, o->x2, o->y)
RUN(relative_bias, n[0], n[2], n[3], n[1], o->x, s->from, o->y)
RUN(guide, n[0], n[1], n[2], s->factor, o->x, o->y)
RUN(to_nhwc, n[0], 2 * n[0], n[1], n[2], s->factor, o->x, o->y)
RUN(to_nchw, n[0], n[1], n[2], s->factor, o->x, o->y)
RUN(to_patches, n[0], n[1], n[2], n[3], n[4], o->x, o->y)
RUN(from_patches, n[0], n[1], n[2], n[3], n[4], o->x, o->y)
RUN(crop, n[0], n[1], n[2], n[3], o->x, s->from, o->y)
RUN(silu, n[0], n[1], o->y)
RUN(halve, n[0], n[1], n[2], n[3], o->x, o->y)
#undef RUN

static int run_relu(const struct sdrt_elementwise_ops *ops, const struct sdrt_exec *ex,
                    const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o)
{
    const struct sdrt_relu_shape relu = sdrt_ew_relu(s);

    return ops->relu(ex, &relu, s->variant == 2 ? o->x2 : NULL, o->y);
}

static int run_blend(const struct sdrt_elementwise_ops *ops, const struct sdrt_exec *ex,
                     const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o)
{
    const struct sdrt_blend_shape blend = sdrt_ew_blend(s);

    return ops->blend(ex, &blend, s->variant == 2 ? o->y : o->x, s->variant == 1 ? NULL : o->x2,
                      o->y);
}

static int run_low(const struct sdrt_elementwise_ops *ops, const struct sdrt_exec *ex,
                   const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o)
{
    const struct sdrt_low_shape low = sdrt_ew_low(s);

    return ops->low_frequencies(ex, &low, o->y);
}

static int run_own(const struct sdrt_elementwise_ops *ops, const struct sdrt_exec *ex,
                   const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o)
{
    const struct sdrt_own_shape own = sdrt_ew_own(s);

    return ops->own_attention(ex, &own, o->x, o->x2, o->x3, o->y);
}

/* A last bit or two; angles of up to 1000 are rounded to f32, and sums of many values are f32's. */
#define ENTRY(name) offsetof(struct sdrt_elementwise_ops, name)
const struct sdrt_ew_kind sdrt_ew_kinds[SDRT_EW_OPS] = {
    { "timestep_embedding", "timesteps, channels", 2, 0, ENTRY(timestep_embedding), 1e-4, 0.0,
      measure_timestep, run_timestep_embedding },
    { "embed", "tokens, positions, channels, words", 4, 1, ENTRY(embed), 2e-7, 2e-7, measure_embed,
      run_embed },
    { "silu_of_sums", "rows, rows of the other, channels", 3, 0, ENTRY(silu_of_sums), 1e-6, 2e-7,
      measure_silu_of_sums, run_silu_of_sums },
    { "relative_bias", "tokens, heads, buckets, distance", 4, 1, ENTRY(relative_bias), 0.0, 0.0,
      measure_relative_bias, run_relative_bias },
    { "guide", "images, pixels, channels", 3, 0, ENTRY(guide), 1e-5, 2e-7, measure_to_nchw,
      run_guide },
    { "to_nhwc", "images, pixels, channels", 3, 0, ENTRY(to_nhwc), 0.0, 2e-7, measure_to_nhwc,
      run_to_nhwc },
    { "to_nchw", "images, pixels, channels", 3, 0, ENTRY(to_nchw), 0.0, 2e-7, measure_to_nchw,
      run_to_nchw },
    { "to_patches", "images, height, width, channels, patch", 5, 0, ENTRY(to_patches), 0.0, 0.0,
      measure_patches, run_to_patches },
    { "from_patches", "images, height, width, channels, patch", 5, 0, ENTRY(from_patches), 0.0, 0.0,
      measure_patches, run_from_patches },
    { "crop", "side, height, width, channels", 4, 1, ENTRY(crop), 0.0, 0.0, measure_crop,
      run_crop },
    { "relu", "rows, channels", 2, 0, ENTRY(relu), 0.0, 2e-7, measure_rows, run_relu },
    { "silu", "rows, channels", 2, 0, ENTRY(silu), 1e-6, 1e-6, measure_rows, run_silu },
    { "halve", "images, height, width, channels", 4, 0, ENTRY(halve), 1e-6, 2e-7, measure_halve,
      run_halve },
    { "blend", "rows, channels", 2, 0, ENTRY(blend), 1e-6, 2e-7, measure_blend, run_blend },
    { "low_frequencies", "images, height, width, channels", 4, 0, ENTRY(low_frequencies), 1e-5,
      2e-6, measure_low, run_low },
    { "own_attention", "images, rows, rows that see themselves, heads, head size", 5, 0,
      ENTRY(own_attention), 1e-5, 2e-6, measure_own, run_own },
};

/* The most values that anything of the shape has. */
static double values_of(const struct sdrt_ew_shape *s)
{
    const double a = s->size[0], b = s->size[1], c = s->size[2], d = s->size[3], e = s->size[4];

    switch (s->op) {
    case SDRT_EW_EMBED: return c * fmax(a, fmax(b, d));
    case SDRT_EW_SILU_OF_SUMS: return a * b * c;
    case SDRT_EW_RELATIVE_BIAS: return b * a * fmax(a, c);
    case SDRT_EW_GUIDE:
    case SDRT_EW_TO_NHWC:
    case SDRT_EW_TO_NCHW: return 2.0 * a * b * c;
    case SDRT_EW_TO_PATCHES:
    case SDRT_EW_FROM_PATCHES: return fmax(a * b * c * d, d * e * e);
    case SDRT_EW_CROP: return d * fmax(a * a, b * c);
    case SDRT_EW_HALVE:
    case SDRT_EW_LOW_FREQUENCIES: return a * b * c * d;
    case SDRT_EW_OWN_ATTENTION: return a * b * d * e;
    default: return a * b;
    }
}

int sdrt_ew_measure(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e)
{
    *e = (struct sdrt_ew_extent){ .rows = 0 };
    return values_of(s) < 0x1p30 && sdrt_ew_kinds[s->op].measure(s, e);
}

void sdrt_ew_usual(struct sdrt_ew_shape *s)
{
    s->variant = s->gap = 0;
    s->from = SDRT_F32;
    s->factor = s->op == SDRT_EW_GUIDE             ? 7.5f
                : s->op == SDRT_EW_LOW_FREQUENCIES ? 0.9f
                : s->op == SDRT_EW_BLEND           ? 0.75f
                : s->op == SDRT_EW_RELU            ? 0.2f
                : s->op == SDRT_EW_OWN_ATTENTION   ? 1.0f / sqrtf((float)s->size[4])
                                                   : 1.0f;
}

int sdrt_ew_differs(const struct sdrt_elementwise_ops *a, const struct sdrt_elementwise_ops *b,
                    enum sdrt_elementwise_op op)
{
    const size_t at = sdrt_ew_kinds[op].entry;

    return memcmp((const char *)a + at, (const char *)b + at, sizeof a->silu) != 0;
}
