/* SPDX-License-Identifier: MIT */
#include "runtime/random/brownian.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POOL = 24, MAX_DEPTH = 48 };

/* ---- numpy's SeedSequence (Melissa O'Neill's seed_seq_fe) ---- */

static uint32_t hashed(uint32_t value, uint32_t *constant, uint32_t factor)
{
    value ^= *constant;
    *constant *= factor;
    value *= *constant;
    return value ^ value >> 16;
}

static uint32_t mixed(uint32_t x, uint32_t y)
{
    const uint32_t result = 0xca01f9ddu * x - 0x4973f715u * y;

    return result ^ result >> 16;
}

/* A whole number as words, the lowest first, one at least; returns how many. */
static int put_words(uint32_t *to, uint64_t value)
{
    to[0] = (uint32_t)value;
    to[1] = (uint32_t)(value >> 32);
    return to[1] ? 2 : 1;
}

void sdrt_seed_sequence(uint64_t entropy, const uint64_t *key, int n_key, uint32_t *words, int n)
{
    const uint32_t mult_a = 0x931e8875u, mult_b = 0x58f38dedu;
    uint32_t from[POOL + 8] = { 0 }, pool[POOL], a = 0x43b0d7e5u, b = 0x8b51f9ddu;
    int count = put_words(from, entropy);

    if (n_key) count = POOL;
    for (int i = 0; i < n_key && i < 4; i++) count += put_words(from + count, key[i]);
    for (int i = 0; i < POOL; i++) pool[i] = hashed(from[i], &a, mult_a);
    for (int s = 0; s < POOL; s++)
        for (int d = 0; d < POOL; d++)
            if (s != d) pool[d] = mixed(pool[d], hashed(pool[s], &a, mult_a));
    for (int s = POOL; s < count; s++)
        for (int d = 0; d < POOL; d++) pool[d] = mixed(pool[d], hashed(from[s], &a, mult_a));
    for (int i = 0; i < n; i++) words[i] = hashed(pool[i % POOL], &b, mult_b);
}

/* ---- the tree ---- */

struct sdrt_brownian {
    double t0, t1; /* rounded */
    float scale;   /* of the motion over all of it */
    size_t n;
    int depth;    /* levels below the root that there is room for */
    float *w;     /* [depth + 1][n]: motion over the intervals on the way down */
    float *noise; /* [n] */
    struct sdrt_rng rng;
};

/* Python's round(x, 6), which looks at the exact value: the product's error decides ties. */
static double rounded(double x)
{
    const double product = x * 1e6, error = fma(x, 1e6, -product), whole = floor(product);
    const double rest = (product - whole - 0.5) + error;

    return (rest > 0.0 || (rest == 0.0 && fmod(whole, 2.0) != 0.0) ? whole + 1.0 : whole) / 1e6;
}

int sdrt_brownian_create(struct sdrt_brownian **out, double t0, double t1, size_t n,
                         const struct sdrt_log *log)
{
    struct sdrt_brownian *b;

    *out = NULL;
    if (!(t0 >= 0.0 && t0 < t1 && t1 < 1e6) || !n || n > SIZE_MAX / sizeof(float) / MAX_DEPTH / 2)
        return sdrt_fail(log, SDRT_E_ARG,
                         "Brownian motion of %zu numbers from %g to %g: expected "
                         "times that rise from 0 on",
                         n, t0, t1);
    b = calloc(1, sizeof *b);
    if (b) {
        b->t0 = rounded(t0);
        b->t1 = rounded(t1);
        b->scale = (float)sqrt(t1 - t0);
        b->n = n;
        b->depth = (int)ceil(log2((b->t1 - b->t0) * 1e6 + 2.0)) + 2;
        b->w = malloc(((size_t)b->depth + 2) * n * sizeof *b->w);
    }
    if (!b || !b->w) {
        sdrt_brownian_free(&b);
        return sdrt_fail(log, SDRT_E_NOMEM, "no memory for Brownian motion of %zu numbers", n);
    }
    b->noise = b->w + ((size_t)b->depth + 1) * n;
    *out = b;
    return SDRT_OK;
}

void sdrt_brownian_free(struct sdrt_brownian **b)
{
    if (!*b) return;
    free((*b)->w);
    free(*b);
    *b = NULL;
}

/* An interval of the tree. */
struct node {
    double start, end;
    uint64_t key; /* its path from the root */
    int depth;
};

struct query {
    struct sdrt_brownian *b;
    enum sdrt_rng_kind kind;
    uint64_t seed;
    float *out;
    int pieces; /* so far */
};

static void draw(struct query *q, uint32_t seed, float *to)
{
    sdrt_rng_seed(&q->b->rng, q->kind, seed);
    sdrt_rng_normal(&q->b->rng, to, q->b->n);
}

/* The motion over one half of a node, from that over the node. */
static void descend(struct query *q, const struct node *node, double middle, int right)
{
    const uint64_t key[2] = { node->key, (uint64_t)node->depth };
    const float *w = q->b->w + (size_t)node->depth * q->b->n;
    float *to = q->b->w + (size_t)(node->depth + 1) * q->b->n;
    const double left = middle - node->start, rest = node->end - middle;
    const double reciprocal = 1.0 / (node->end - node->start);
    const float share = (float)left, inverse = (float)reciprocal;
    const float spread = (float)sqrt(left * rest * reciprocal);
    uint32_t words[4];

    sdrt_seed_sequence(q->seed, key, 2, words, 4);
    draw(q, words[0], q->b->noise);
    for (size_t i = 0; i < q->b->n; i++) {
        const float mean = share * w[i] * inverse, part = spread * q->b->noise[i];
        const float first = mean + part;
        to[i] = right ? w[i] - first : first;
    }
}

/* Adds up the motion from ta to tb, which lie within the node. */
static void visit(struct query *q, const struct node *node, double ta, double tb)
{
    const float *w = q->b->w + (size_t)node->depth * q->b->n;
    const double middle = rounded(0.5 * (node->end + node->start));

    if ((ta == node->start && tb == node->end) || node->depth == q->b->depth) {
        for (size_t i = 0; i < q->b->n; i++) q->out[i] = q->pieces ? q->out[i] + w[i] : w[i];
        q->pieces++;
        return;
    }
    if (ta < middle) {
        const struct node left = { node->start, middle, 2 * node->key, node->depth + 1 };
        descend(q, node, middle, 0);
        visit(q, &left, ta, tb < middle ? tb : middle);
    }
    if (tb > middle) {
        const struct node right = { middle, node->end, 2 * node->key + 1, node->depth + 1 };
        descend(q, node, middle, 1);
        visit(q, &right, ta > middle ? ta : middle, tb);
    }
}

void sdrt_brownian_between(struct sdrt_brownian *b, enum sdrt_rng_kind kind, uint64_t seed,
                           double ta, double tb, float *out)
{
    const struct node root = { b->t0, b->t1, 0, 0 };
    struct query q = { .b = b, .kind = kind, .seed = seed, .out = out };
    const double from = rounded(fmin(fmax(ta, b->t0), b->t1));
    const double to = rounded(fmin(fmax(tb, b->t0), b->t1));
    uint32_t words[3];

    if (from >= to) {
        memset(out, 0, b->n * sizeof *out);
        return;
    }
    sdrt_seed_sequence(seed, NULL, 0, words, 3);
    draw(&q, words[0], b->w);
    for (size_t i = 0; i < b->n; i++) b->w[i] *= b->scale;
    visit(&q, &root, from, to);
}
