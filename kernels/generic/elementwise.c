/* SPDX-License-Identifier: MIT */
#include "kernels/elementwise.h"
#include "kernels/generic/scalar.h"
#include "kernels/pack.h"

#include <math.h>
#include <string.h>

static int timestep_embedding(const struct sdrt_exec *ex, const float *t, int n, int dim, float *y)
{
    const int half = dim / 2, end = sdrt_row_begin(n, ex->part + 1, ex->nparts);

    for (int i = sdrt_row_begin(n, ex->part, ex->nparts); i < end; i++) {
        float *row = y + (size_t)i * (size_t)dim;
        for (int j = 0; j < half; j++) {
            /* Rounded to f32 where diffusers rounds: at t near 1000 that moves an angle by 5e-5,
             * more than all other rounding before the first attention. */
            const float angle = t[i] * expf(-9.210340371976184f * (float)j / (float)half);
            row[j] = (float)cos((double)angle);
            row[half + j] = (float)sin((double)angle);
        }
    }
    return 0;
}

static int silu_of_sums(const struct sdrt_exec *ex, int n, int m, int c, const float *a,
                        const float *b, float *y)
{
    const int end = sdrt_row_begin(n * m, ex->part + 1, ex->nparts);

    for (int r = sdrt_row_begin(n * m, ex->part, ex->nparts); r < end; r++)
        for (int k = 0; k < c; k++) {
            const float x = a[(size_t)(r / m) * (size_t)c + (size_t)k] +
                            b[(size_t)(r % m) * (size_t)c + (size_t)k];
            y[(size_t)r * (size_t)c + (size_t)k] = x / (1.0f + expf(-x));
        }
    return 0;
}

static int embed(const struct sdrt_exec *ex, int rows, int c, const int32_t *ids, const void *table,
                 enum sdrt_dtype from, const void *positions, enum sdrt_dtype positions_from,
                 int positions_n, float *y)
{
    enum { SOME = 64 };
    const size_t size = sdrt_dtype_size(from);
    const size_t positions_size = positions ? sdrt_dtype_size(positions_from) : 0;
    const int end = sdrt_row_begin(rows, ex->part + 1, ex->nparts);
    float place[SOME];

    for (int r = sdrt_row_begin(rows, ex->part, ex->nparts); r < end; r++) {
        const char *word = (const char *)table + (size_t)ids[r] * (size_t)c * size;
        const char *position =
            positions ? (const char *)positions +
                            (size_t)(r % positions_n) * (size_t)c * positions_size : NULL;
        float *row = y + (size_t)r * (size_t)c;
        if (sdrt_to_f32(word, from, row, (size_t)c)) return -1;
        for (int c0 = 0; positions && c0 < c; c0 += SOME) {
            const int n = c - c0 < SOME ? c - c0 : SOME;
            const void *from_c0 = position + (size_t)c0 * positions_size;
            if (sdrt_to_f32(from_c0, positions_from, place, (size_t)n)) return -1;
            for (int i = 0; i < n; i++) row[c0 + i] += place[i];
        }
    }
    return 0;
}

/* Of a key that many tokens behind the query. */
static int bucket(int distance, int buckets, int max_distance)
{
    const int half = buckets / 2, exact = half / 2, far = distance < 0 ? -distance : distance;
    const int first = distance > 0 ? half : 0;

    if (far < exact) return first + far;
    /* In f32 and in this order, as transformers computes it. */
    const float share = logf((float)far / (float)exact) /
                        (float)log((double)max_distance / (double)exact);
    const int wide = exact + (int)(share * (float)(half - exact));
    return first + (wide < half ? wide : half - 1);
}

static int relative_bias(const struct sdrt_exec *ex, int tokens, int buckets, int max_distance,
                         int heads, const void *table, enum sdrt_dtype from, float *y)
{
    const size_t n = (size_t)tokens, size = sdrt_dtype_size(from);
    const int end = sdrt_row_begin(heads, ex->part + 1, ex->nparts);

    for (int h = sdrt_row_begin(heads, ex->part, ex->nparts); h < end; h++) {
        float *head = y + (size_t)h * n * n;
        for (int j = 0; j < tokens; j++) {
            const size_t ahead = (size_t)(bucket(j, buckets, max_distance) * heads + h);
            const size_t behind = (size_t)(bucket(-j, buckets, max_distance) * heads + h);
            if (sdrt_to_f32((const char *)table + ahead * size, from, head + j, 1) ||
                sdrt_to_f32((const char *)table + behind * size, from, head + (size_t)j * n, 1))
                return -1;
        }
        /* The rest repeats along the diagonals. */
        for (size_t i = 1; i < n; i++)
            memcpy(head + i * n + 1, head + (i - 1) * n, (n - 1) * sizeof *head);
    }
    return 0;
}

static int guide(const struct sdrt_exec *ex, int batch, int pixels, int c, float cfg_scale,
                 const float *eps, float *y)
{
    const size_t image = (size_t)pixels * (size_t)c, cond = (size_t)batch * image;
    const int end = sdrt_row_begin(pixels, ex->part + 1, ex->nparts);

    for (int b = 0; b < batch; b++)
        for (int p = sdrt_row_begin(pixels, ex->part, ex->nparts); p < end; p++) {
            const float *from = eps + (size_t)b * image + (size_t)p * (size_t)c;
            float *to = y + (size_t)b * image + p;
            for (int i = 0; i < c; i++) {
                const float u = from[i];
                to[(size_t)i * (size_t)pixels] = u + cfg_scale * (from[cond + (size_t)i] - u);
            }
        }
    return 0;
}

static int to_nhwc(const struct sdrt_exec *ex, int batch, int images, int pixels, int c,
                   float scale, const float *x, float *y)
{
    const size_t image = (size_t)pixels * (size_t)c;
    const int end = sdrt_row_begin(pixels, ex->part + 1, ex->nparts);

    for (int b = 0; b < images; b++)
        for (int p = sdrt_row_begin(pixels, ex->part, ex->nparts); p < end; p++) {
            const float *from = x + (size_t)(b % batch) * image + p;
            float *to = y + (size_t)b * image + (size_t)p * (size_t)c;
            for (int i = 0; i < c; i++) to[i] = scale * from[(size_t)i * (size_t)pixels];
        }
    return 0;
}

static int to_nchw(const struct sdrt_exec *ex, int batch, int pixels, int c, float scale,
                   const float *x, float *y)
{
    const size_t image = (size_t)pixels * (size_t)c;
    const int end = sdrt_row_begin(pixels, ex->part + 1, ex->nparts);

    for (int b = 0; b < batch; b++)
        for (int p = sdrt_row_begin(pixels, ex->part, ex->nparts); p < end; p++) {
            const float *from = x + (size_t)b * image + (size_t)p * (size_t)c;
            float *to = y + (size_t)b * image + p;
            for (int i = 0; i < c; i++) to[(size_t)i * (size_t)pixels] = scale * from[i];
        }
    return 0;
}

/* One row of patches. */
static void row_to_patches(const float *x, int w, int c, int p, float *y)
{
    for (int t = 0; t < w / p; t++, x += (size_t)p * (size_t)c)
        for (int k = 0; k < c; k++)
            for (int i = 0; i < p; i++)
                for (int j = 0; j < p; j++)
                    *y++ = x[((size_t)i * (size_t)w + (size_t)j) * (size_t)c + (size_t)k];
}

static int to_patches(const struct sdrt_exec *ex, int batch, int h, int w, int c, int p,
                      const float *x, float *y)
{
    const size_t row = (size_t)p * (size_t)w * (size_t)c;
    const int rows = batch * (h / p), end = sdrt_row_begin(rows, ex->part + 1, ex->nparts);

    for (int r = sdrt_row_begin(rows, ex->part, ex->nparts); r < end; r++)
        row_to_patches(x + (size_t)r * row, w, c, p, y + (size_t)r * row);
    return 0;
}

static int from_patches(const struct sdrt_exec *ex, int batch, int h, int w, int c, int p,
                        const float *x, float *y)
{
    const size_t run = (size_t)p * (size_t)c, row = (size_t)w * run;
    const int rows = batch * (h / p), end = sdrt_row_begin(rows, ex->part + 1, ex->nparts);

    for (int r = sdrt_row_begin(rows, ex->part, ex->nparts); r < end; r++)
        for (int t = 0; t < w / p; t++)
            for (int i = 0; i < p; i++)
                memcpy(y + (size_t)r * row + ((size_t)i * (size_t)(w / p) + (size_t)t) * run,
                       x + (size_t)r * row + ((size_t)t * (size_t)p + (size_t)i) * run,
                       run * sizeof *y);
    return 0;
}

static int crop(const struct sdrt_exec *ex, int side, int h, int w, int c, const void *table,
                enum sdrt_dtype from, float *y)
{
    const size_t row = (size_t)w * (size_t)c;
    const int end = sdrt_row_begin(h, ex->part + 1, ex->nparts);

    for (int i = sdrt_row_begin(h, ex->part, ex->nparts); i < end; i++) {
        const size_t at = (size_t)((side - h) / 2 + i) * (size_t)side + (size_t)((side - w) / 2);
        if (sdrt_to_f32(sdrt_element(table, from, at * (size_t)c), from, y + (size_t)i * row, row))
            return -1;
    }
    return 0;
}

/* One row; 0 is +0, whatever it was. */
static void relu_row(float *x, int c, float slope, const float *slopes)
{
    if (slopes)
        for (int i = 0; i < c; i++) x[i] = x[i] > 0.0f ? x[i] : slopes[i] * x[i];
    else if (slope != 0.0f)
        for (int i = 0; i < c; i++) x[i] = x[i] > 0.0f ? x[i] : slope * x[i];
    else
        for (int i = 0; i < c; i++) x[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

static int relu(const struct sdrt_exec *ex, const struct sdrt_relu_shape *s, const float *slopes,
                float *x)
{
    const int end = sdrt_row_begin(s->rows, ex->part + 1, ex->nparts);

    for (int r = sdrt_row_begin(s->rows, ex->part, ex->nparts); r < end; r++)
        relu_row(x + (size_t)r * (size_t)s->pitch, s->c, s->slope, slopes);
    return 0;
}

static int silu(const struct sdrt_exec *ex, int rows, int c, float *x)
{
    const size_t end = (size_t)sdrt_row_begin(rows, ex->part + 1, ex->nparts) * (size_t)c;

    for (size_t i = (size_t)sdrt_row_begin(rows, ex->part, ex->nparts) * (size_t)c; i < end; i++)
        x[i] = scalar_silu(x[i]);
    return 0;
}

/* The mean of rows [c] at up to two columns of up to two rows, which are across apart; n of both. */
static void mean_row(const float *x, size_t across, int columns, int rows, int c, float *y)
{
    const float share = 1.0f / (float)(columns * rows);

    for (int i = 0; i < c; i++) {
        float sum = 0.0f;
        for (int r = 0; r < rows; r++)
            for (int k = 0; k < columns; k++)
                sum += x[(size_t)r * across + (size_t)k * (size_t)c + (size_t)i];
        y[i] = sum * share;
    }
}

static int halve(const struct sdrt_exec *ex, int batch, int h, int w, int c, const float *x,
                 float *y)
{
    const int lines = (h + 1) / 2, columns = (w + 1) / 2;
    const size_t across = (size_t)w * (size_t)c;
    const int end = sdrt_row_begin(batch * lines, ex->part + 1, ex->nparts);

    for (int r = sdrt_row_begin(batch * lines, ex->part, ex->nparts); r < end; r++) {
        const int line = r % lines * 2;
        const float *from = x + ((size_t)(r / lines) * (size_t)h + (size_t)line) * across;
        for (int i = 0; i < columns; i++)
            mean_row(from + (size_t)(2 * i) * (size_t)c, across, 2 * i + 1 < w ? 2 : 1,
                     line + 1 < h ? 2 : 1, c,
                     y + ((size_t)r * (size_t)columns + (size_t)i) * (size_t)c);
    }
    return 0;
}

static int blend(const struct sdrt_exec *ex, const struct sdrt_blend_shape *s, const float *x,
                 const float *z, float *y)
{
    const int end = sdrt_row_begin(s->rows, ex->part + 1, ex->nparts);

    for (int r = sdrt_row_begin(s->rows, ex->part, ex->nparts); r < end; r++) {
        const float *from = x + (size_t)r * (size_t)s->x_pitch;
        const float *more = z ? z + (size_t)r * (size_t)s->z_pitch : NULL;
        float *to = y + (size_t)r * (size_t)s->y_pitch;
        if (more)
            for (int i = 0; i < s->c; i++) to[i] = s->a * from[i] + s->b * more[i];
        else
            for (int i = 0; i < s->c; i++) to[i] = s->a * from[i];
    }
    return 0;
}

/* ---- low frequencies ---- */

enum { WAVES = 7, LANES = 64 };

/* What the four frequencies are made of at a pixel: 1, and the cosine and sine of -1 down, -1 across and both.
 * An axis of one pixel has no other than 0. */
static void waves_at(const struct sdrt_low_shape *s, int y, int x, float wave[WAVES])
{
    const float turn = 6.28318530717958647692f;
    const float down = turn * (float)y / (float)s->h, across = turn * (float)x / (float)s->w;
    const float tall = s->h > 1, wide = s->w > 1;

    wave[0] = 1.0f;
    wave[1] = tall * cosf(down);
    wave[2] = tall * sinf(down);
    wave[3] = wide * cosf(across);
    wave[4] = wide * sinf(across);
    wave[5] = tall * wide * cosf(down + across);
    wave[6] = tall * wide * sinf(down + across);
}

/* Up to LANES channels of an image, from x on. */
static void weigh_low(const struct sdrt_low_shape *s, float *x, int lanes)
{
    const int pixels = s->h * s->w;
    float sums[WAVES][LANES] = { { 0 } }, wave[WAVES];

    for (int p = 0; p < pixels; p++) {
        const float *at = x + (size_t)p * (size_t)s->c;
        waves_at(s, p / s->w, p % s->w, wave);
        for (int k = 0; k < WAVES; k++)
            for (int i = 0; i < lanes; i++) sums[k][i] += wave[k] * at[i];
    }
    for (int p = 0; p < pixels; p++) {
        float *at = x + (size_t)p * (size_t)s->c;
        waves_at(s, p / s->w, p % s->w, wave);
        for (int k = 0; k < WAVES; k++) {
            const float by = (s->gain - 1.0f) * wave[k] / (float)pixels;
            for (int i = 0; i < lanes; i++) at[i] += by * sums[k][i];
        }
    }
}

static int low_frequencies(const struct sdrt_exec *ex, const struct sdrt_low_shape *s, float *x)
{
    const int blocks = (s->c + LANES - 1) / LANES, all = s->batch * blocks;
    const int end = sdrt_row_begin(all, ex->part + 1, ex->nparts);

    for (int r = sdrt_row_begin(all, ex->part, ex->nparts); r < end; r++) {
        const int c = r % blocks * LANES, left = s->c - c;
        weigh_low(s, x + (size_t)(r / blocks) * (size_t)(s->h * s->w) * (size_t)s->c + c,
                  left < LANES ? left : LANES);
    }
    return 0;
}

/* ---- rows that see themselves and some others ---- */

/* Takes a key of score into the online softmax of a head: most and sum so far, o its weighted values. */
static void take_key(float score, const float *v, int n, float *most, float *sum, float *o)
{
    const float top = fmaxf(*most, score), keep = expf(*most - top), weight = expf(score - top);

    for (int i = 0; i < n; i++) o[i] = o[i] * keep + weight * v[i];
    *sum = *sum * keep + weight;
    *most = top;
}

static float score_of(const float *q, const float *k, int n)
{
    float sums[8] = { 0 }, sum = 0;
    int i = 0;

    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++) sums[j] += q[i + j] * k[i + j];
    for (; i < n; i++) sum += q[i] * k[i];
    for (int j = 0; j < 8; j++) sum += sums[j];
    return sum;
}

static void own_row(const struct sdrt_own_shape *s, size_t image, int row, int head, const float *q,
                    const float *k, const float *v, float *o)
{
    const size_t pitch = (size_t)s->pitch, at = image * (size_t)s->rows * pitch;
    const size_t lane = (size_t)head * (size_t)s->head_dim;
    const float *mine = q + at + (size_t)row * pitch + lane;
    float *to = o + (image * (size_t)s->rows + (size_t)row) * (size_t)s->o_pitch + lane;
    float most = -INFINITY, sum = 0.0f;

    for (int i = 0; i < s->head_dim; i++) to[i] = 0.0f;
    for (int r = 0; r < s->rows; r++) {
        if (r == s->first && r != row) r = row; /* those among them are passed over */
        const size_t key = at + (size_t)r * pitch + lane;
        take_key(s->scale * score_of(mine, k + key, s->head_dim), v + key, s->head_dim, &most, &sum,
                 to);
        if (r == row) r = s->first + s->count - 1;
    }
    for (int i = 0; i < s->head_dim; i++) to[i] /= sum;
}

static int own_attention(const struct sdrt_exec *ex, const struct sdrt_own_shape *s, const float *q,
                         const float *k, const float *v, float *o)
{
    const int all = s->batch * s->count, end = sdrt_row_begin(all, ex->part + 1, ex->nparts);

    for (int r = sdrt_row_begin(all, ex->part, ex->nparts); r < end; r++)
        for (int head = 0; head < s->heads; head++)
            own_row(s, (size_t)(r / s->count), s->first + r % s->count, head, q, k, v, o);
    return 0;
}

void sdrt_elementwise_init_generic(struct sdrt_elementwise_ops *ops)
{
    ops->timestep_embedding = timestep_embedding;
    ops->silu_of_sums = silu_of_sums;
    ops->embed = embed;
    ops->relative_bias = relative_bias;
    ops->guide = guide;
    ops->to_nhwc = to_nhwc;
    ops->to_patches = to_patches;
    ops->from_patches = from_patches;
    ops->relu = relu;
    ops->silu = silu;
    ops->halve = halve;
    ops->blend = blend;
    ops->low_frequencies = low_frequencies;
    ops->own_attention = own_attention;
    ops->to_nchw = to_nchw;
    ops->crop = crop;
}
