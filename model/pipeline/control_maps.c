/* SPDX-License-Identifier: MIT */
#include "model/pipeline/control_maps.h"

#include <math.h>
#include <stdlib.h>

enum { LOW = 100, HIGH = 200, HALF = 127, SIGMA = 9, TAPS = 6 * SIGMA + 1 };

const char *sdrt_control_map_name(int i)
{
    static const char *const names[] = { "canny", "invert", "blur", "threshold" };

    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}

/* ---- edges ---- */

struct gradient {
    short x, y;
};

/* Where edges are looked for: all with a border of one pixel, whose size is 0. */
struct edges {
    int width, height;
    struct gradient *gradients; /* [height + 2][width + 2] */
    int *sizes;                 /* |x| + |y| of them */
    unsigned char *marks;       /* NONE, WEAK, STRONG */
    size_t *strong;             /* a stack of those whose neighbours are still to be seen */
    size_t n_strong;
};
enum { NONE, WEAK, STRONG };

static int held(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

static size_t place(const struct edges *e, int x, int y)
{
    return (size_t)(y + 1) * (size_t)(e->width + 2) + (size_t)(x + 1);
}

/* Sobel's differences of one channel, the edge's pixels held beyond it. */
static struct gradient sobel(const struct sdrt_pixels *p, int x, int y, int channel)
{
    int v[3][3];

    for (int j = 0; j < 3; j++)
        for (int i = 0; i < 3; i++)
            v[j][i] = p->rgb[((size_t)held(y + j - 1, p->height) * (size_t)p->width +
                              (size_t)held(x + i - 1, p->width)) *
                                 3 +
                             (size_t)channel];
    return (struct gradient){
        (short)(v[0][2] - v[0][0] + 2 * (v[1][2] - v[1][0]) + v[2][2] - v[2][0]),
        (short)(v[2][0] - v[0][0] + 2 * (v[2][1] - v[0][1]) + v[2][2] - v[0][2]),
    };
}

/* Of each pixel the channel that changes most. */
static void find_gradients(struct edges *e, const struct sdrt_pixels *p)
{
    for (int y = 0; y < e->height; y++)
        for (int x = 0; x < e->width; x++)
            for (int channel = 0; channel < 3; channel++) {
                const struct gradient g = sobel(p, x, y, channel);
                const int size = abs(g.x) + abs(g.y);
                const size_t at = place(e, x, y);
                if (channel && size <= e->sizes[at]) continue;
                e->gradients[at] = g;
                e->sizes[at] = size;
            }
}

static void mark(struct edges *e, size_t at)
{
    e->marks[at] = STRONG;
    e->strong[e->n_strong++] = at;
}

/* Whether a pixel is the largest across its edge.  The tangents of 22.5 and 67.5 degrees are in 1/32768
 * and a tie goes to the later pixel, as OpenCV has it. */
static int is_ridge(const struct edges *e, size_t at)
{
    enum { TANGENT = 13573, ONE = 1 << 15 };
    const struct gradient g = e->gradients[at];
    const int64_t x = abs(g.x), y = (int64_t)abs(g.y) * ONE, flat = x * TANGENT;
    const size_t row = (size_t)(e->width + 2);
    const int *m = e->sizes + at;

    if (y < flat) return m[0] > m[-1] && m[0] >= m[1];
    if (y > flat + 2 * ONE * x) return m[0] > *(m - row) && m[0] >= m[row];
    const int slant = (g.x ^ g.y) < 0 ? -1 : 1;
    return m[0] > *(m - row - slant) && m[0] > *(m + row + slant);
}

static void find_ridges(struct edges *e)
{
    for (int y = 0; y < e->height; y++)
        for (int x = 0; x < e->width; x++) {
            const size_t at = place(e, x, y);
            if (e->sizes[at] <= LOW || !is_ridge(e, at)) continue;
            if (e->sizes[at] > HIGH) mark(e, at);
            else e->marks[at] = WEAK;
        }
}

/* Weak ones that touch strong ones are strong. */
static void follow(struct edges *e)
{
    const long row = e->width + 2;
    const long around[] = { -row - 1, -row, -row + 1, -1, 1, row - 1, row, row + 1 };

    while (e->n_strong) {
        const size_t at = e->strong[--e->n_strong];
        for (int i = 0; i < 8; i++) {
            const size_t next = (size_t)((long)at + around[i]);
            if (e->marks[next] == WEAK) mark(e, next);
        }
    }
}

static int canny(struct sdrt_pixels *p)
{
    const size_t n = (size_t)(p->width + 2) * (size_t)(p->height + 2);
    struct edges e = { .width = p->width, .height = p->height };
    int status = SDRT_OK;

    e.gradients = calloc(n, sizeof *e.gradients);
    e.sizes = calloc(n, sizeof *e.sizes);
    e.marks = calloc(n, 1);
    e.strong = malloc(n * sizeof *e.strong);
    if (e.gradients && e.sizes && e.marks && e.strong) {
        find_gradients(&e, p);
        find_ridges(&e);
        follow(&e);
        for (int i = 0; i < p->width * p->height * 3; i++)
            p->rgb[i] = e.marks[place(&e, i / 3 % p->width, i / 3 / p->width)] == STRONG ? 255 : 0;
    } else {
        status = SDRT_E_NOMEM;
    }
    free(e.gradients);
    free(e.sizes);
    free(e.marks);
    free(e.strong);
    return status;
}

/* ---- the others ---- */

/* A line of count values that are step apart, times the weights of taps around each; the ends go on. */
static void blur_line(const float *from, float *to, int count, size_t step,
                      const float weights[TAPS])
{
    for (int i = 0; i < count; i++) {
        float sum = 0.0f;
        for (int k = 0; k < TAPS; k++)
            sum += weights[k] * from[(size_t)held(i + k - TAPS / 2, count) * step];
        to[(size_t)i * step] = sum;
    }
}

static int blur(struct sdrt_pixels *p)
{
    const size_t row = (size_t)p->width * 3, n = row * (size_t)p->height;
    float *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y), weights[TAPS], sum = 0.0f;

    for (int k = 0; k < TAPS; k++)
        sum += weights[k] = expf((float)(-(k - TAPS / 2) * (k - TAPS / 2)) / (2 * SIGMA * SIGMA));
    for (int k = 0; k < TAPS; k++) weights[k] /= sum;
    if (x && y) {
        for (size_t i = 0; i < n; i++) x[i] = p->rgb[i];
        for (size_t i = 0; i < (size_t)p->height * 3; i++)
            blur_line(x + i / 3 * row + i % 3, y + i / 3 * row + i % 3, p->width, 3, weights);
        for (size_t i = 0; i < row; i++) blur_line(y + i, x + i, p->height, row, weights);
        for (size_t i = 0; i < n; i++) p->rgb[i] = (uint8_t)(x[i] + 0.5f);
    }
    const int status = x && y ? SDRT_OK : SDRT_E_NOMEM;
    free(x);
    free(y);
    return status;
}

static int invert(struct sdrt_pixels *p)
{
    const size_t n = (size_t)p->width * (size_t)p->height * 3;

    for (size_t i = 0; i < n; i++) p->rgb[i] = (uint8_t)(255 - p->rgb[i]);
    return SDRT_OK;
}

/* Luma as ITU-R 601 weighs it, rounded as OpenCV does. */
static int threshold(struct sdrt_pixels *p)
{
    const size_t n = (size_t)p->width * (size_t)p->height;

    for (size_t i = 0; i < n; i++) {
        uint8_t *rgb = p->rgb + 3 * i;
        const double luma = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        rgb[0] = rgb[1] = rgb[2] = luma + 0.5 >= HALF + 1 ? 255 : 0;
    }
    return SDRT_OK;
}

int sdrt_control_map_apply(struct sdrt_pixels *picture, enum sdrt_control_map map,
                           const struct sdrt_log *log)
{
    static int (*const maps[])(struct sdrt_pixels * p) = {
        [SDRT_MAP_CANNY] = canny,
        [SDRT_MAP_INVERT] = invert,
        [SDRT_MAP_BLUR] = blur,
        [SDRT_MAP_THRESHOLD] = threshold,
    };

    if (maps[map](picture) == SDRT_OK) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a control picture");
}
