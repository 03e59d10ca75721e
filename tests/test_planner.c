/* SPDX-License-Identifier: MIT */
#include "runtime/graph/planner.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 1024, ALIGN = 64 };

/* Oracles of their own: nothing here is shared with the planner. */

static size_t rounded(size_t size) { return (size + ALIGN - 1) / ALIGN * ALIGN; }

static uint64_t draw_state;

static unsigned draw(unsigned below)
{
    draw_state = draw_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(draw_state >> 33) % below;
}

/* The fullest operation, by looking at each of them. */
static size_t fullest(const struct sdrt_plan_buffer *in, int n, int operations)
{
    size_t most = 0;

    for (int at = 0; at < operations; at++) {
        size_t sum = 0;
        for (int i = 0; i < n; i++)
            if (in[i].first <= at && at <= in[i].last) sum += rounded(in[i].size);
        if (sum > most) most = sum;
    }
    return most;
}

/* Paints each buffer operation by operation and looks for a neighbour in the paint. */
static int overlaps(const struct sdrt_plan_buffer *in, const size_t *offsets, int n, int operations)
{
    for (int at = 0; at < operations; at++)
        for (int i = 0; i < n; i++) {
            if (at < in[i].first || at > in[i].last) continue;
            for (int k = i + 1; k < n; k++)
                if (in[k].first <= at && at <= in[k].last &&
                    offsets[i] < offsets[k] + in[k].size && offsets[k] < offsets[i] + in[i].size)
                    return 1;
        }
    return 0;
}

static size_t highest_end(const struct sdrt_plan_buffer *in, const size_t *offsets, int n)
{
    size_t end = 0;

    for (int i = 0; i < n; i++)
        if (in[i].size && offsets[i] + rounded(in[i].size) > end)
            end = offsets[i] + rounded(in[i].size);
    return end;
}

/* The optimum: some order in which each buffer goes to the lowest place free gives it (slide
 * everything of an optimal plan down and take it by offset), so all orders are tried. */
static size_t optimum(const struct sdrt_plan_buffer *in, size_t *offsets, int n, unsigned placed,
                      size_t peak, size_t best)
{
    if (placed == (1u << n) - 1) return peak < best ? peak : best;
    for (int i = 0; i < n; i++) {
        size_t at = 0;
        if (placed >> i & 1) continue;
        for (int again = 1; again;) {
            again = 0;
            for (int k = 0; k < n; k++)
                if (placed >> k & 1 && in[k].first <= in[i].last && in[i].first <= in[k].last &&
                    at < offsets[k] + rounded(in[k].size) && offsets[k] < at + rounded(in[i].size)) {
                    at = offsets[k] + rounded(in[k].size);
                    again = 1;
                }
        }
        const size_t end = at + rounded(in[i].size);
        if (end >= best) continue;
        offsets[i] = at;
        best = optimum(in, offsets, n, placed | 1u << i, end > peak ? end : peak, best);
    }
    return best;
}

/* All that must hold of any plan. */
static struct sdrt_plan_result plan(const struct sdrt_plan_buffer *in, size_t *offsets, int n,
                                    int operations, const char *what, int round)
{
    struct sdrt_plan_result r = { 1, 1 };

    memset(offsets, 0xa5, (size_t)n * sizeof *offsets);
    cr_assert_eq(sdrt_plan_memory(in, offsets, n, &r, NULL), SDRT_OK);
    for (int i = 0; i < n; i++) cr_assert_eq(offsets[i] % ALIGN, 0, "%s %d", what, round);
    cr_assert_not(overlaps(in, offsets, n, operations), "%s %d: two buffers overlap", what, round);
    cr_assert_eq(sdrt_plan_check(in, offsets, n, r.peak, NULL), SDRT_OK, "%s %d", what, round);
    cr_assert_eq(r.peak, highest_end(in, offsets, n), "%s %d: peak", what, round);
    cr_assert_eq(r.lower_bound, fullest(in, n, operations), "%s %d: lower bound", what, round);
    cr_assert_geq(r.peak, r.lower_bound, "%s %d", what, round);
    return r;
}

static int random_set(struct sdrt_plan_buffer *in, int n, int operations)
{
    for (int i = 0; i < n; i++) {
        const int first = (int)draw((unsigned)operations);
        const unsigned life = draw(4) ? draw(4) : draw((unsigned)operations);
        in[i] = (struct sdrt_plan_buffer){ .size = draw(12) ? 1 + draw(draw(3) ? 400 : 4000) : 0,
                                           .first = first, .last = first + (int)life };
        if (in[i].last >= operations) in[i].last = operations - 1;
        if (!draw(30)) in[i].first = 0, in[i].last = INT_MAX;
    }
    return n;
}

Test(planner, random_sets)
{
    static struct sdrt_plan_buffer in[MOST];
    static size_t offsets[MOST];
    int at_bound = 0, rounds = 3000;
    double above = 0;

    draw_state = 20;
    for (int round = 0; round < rounds; round++) {
        const int operations = 1 + (int)draw(40);
        const int n = random_set(in, (int)draw(25), operations);
        const struct sdrt_plan_result r = plan(in, offsets, n, operations, "random set", round);
        at_bound += r.peak == r.lower_bound;
        if (r.lower_bound) above += (double)r.peak / (double)r.lower_bound - 1;
    }
    cr_log_info("%d of %d at the lower bound, mean %.4f%% above it", at_bound, rounds,
                100 * above / rounds);
    cr_expect(at_bound > rounds * 97 / 100, "only %d of %d at the lower bound", at_bound, rounds);
}

/* Where the optimum can be found by trying everything, the planner finds it. */
Test(planner, optimal_on_tiny_sets)
{
    struct sdrt_plan_buffer in[8];
    size_t offsets[8], scratch[8];

    draw_state = 21;
    for (int round = 0; round < 4000; round++) {
        const int operations = 2 + (int)draw(7);
        const int n = 3 + (int)draw(5);
        for (int i = 0; i < n; i++) {
            in[i].size = ALIGN * (1 + draw(6));
            in[i].first = (int)draw((unsigned)operations);
            in[i].last = in[i].first + (int)draw((unsigned)(operations - in[i].first));
        }
        const struct sdrt_plan_result r = plan(in, offsets, n, operations, "tiny set", round);
        const size_t best = optimum(in, scratch, n, 0, 0, SIZE_MAX);
        cr_assert_eq(r.peak, best, "tiny set %d: peak %zu, optimum %zu", round, r.peak, best);
    }
}

/* Sets whose optimum is above their bound, found by a search: { units, first, last }. */
Test(planner, optimal_above_the_bound)
{
    static const int hard[][10][3] = {
        { { 1, 0, 3 }, { 3, 0, 1 }, { 2, 2, 2 }, { 1, 2, 5 }, { 1, 3, 3 }, { 1, 3, 6 },
          { 2, 4, 5 }, { 3, 6, 6 } },
        { { 3, 0, 1 }, { 2, 0, 0 }, { 1, 1, 2 }, { 1, 1, 3 }, { 1, 2, 3 }, { 2, 2, 2 },
          { 3, 3, 4 }, { 2, 4, 4 } },
        { { 3, 0, 0 }, { 2, 0, 0 }, { 1, 0, 2 }, { 1, 1, 3 }, { 2, 1, 1 }, { 2, 1, 1 },
          { 3, 2, 5 }, { 1, 2, 2 }, { 2, 3, 3 }, { 3, 4, 5 } },
        { { 3, 0, 1 }, { 3, 0, 0 }, { 2, 1, 3 }, { 1, 1, 2 }, { 1, 2, 4 }, { 2, 2, 3 },
          { 1, 3, 4 }, { 3, 4, 5 }, { 1, 4, 5 }, { 2, 5, 5 } },
    };
    struct sdrt_plan_buffer in[10];
    size_t offsets[10], scratch[10];

    for (size_t k = 0; k < sizeof hard / sizeof hard[0]; k++) {
        int n = 0;
        for (; n < 10 && hard[k][n][0]; n++)
            in[n] = (struct sdrt_plan_buffer){ .size = ALIGN * (size_t)hard[k][n][0],
                                               .first = hard[k][n][1], .last = hard[k][n][2] };
        const struct sdrt_plan_result r = plan(in, offsets, n, 7, "hard set", (int)k);
        const size_t best = optimum(in, scratch, n, 0, 0, SIZE_MAX);
        cr_expect_gt(best, r.lower_bound);
        cr_expect_eq(r.peak, best, "hard set %zu: peak %zu, optimum %zu", k, r.peak, best);
    }
}

/* ---- a U-Net's buffers: nested skip connections over short-lived activations ---- */

struct sequence {
    struct sdrt_plan_buffer in[MOST];
    int n, at;
};

static int begin(struct sequence *s, size_t floats)
{
    cr_assert_lt(s->n, MOST);
    s->in[s->n] = (struct sdrt_plan_buffer){ .size = 4 * floats, .first = s->at, .last = s->at };
    return s->n++;
}

static void use(struct sequence *s, int buffer) { s->in[buffer].last = s->at; }

/* x -> norm -> conv -> norm -> conv + x; ends with the new x's buffer. */
static int resnet(struct sequence *s, int x, size_t pixels, size_t from, size_t to, int y)
{
    const int a = begin(s, pixels * from);
    use(s, x), s->at++;
    const int b = begin(s, pixels * to);
    use(s, a), s->at++;
    const int c = begin(s, pixels * to);
    use(s, b), s->at++;
    if (y < 0) y = begin(s, pixels * to);
    use(s, c), use(s, x), use(s, y), s->at++;
    return y;
}

static int transformer(struct sequence *s, int x, size_t pixels, size_t width, int y)
{
    int h = begin(s, pixels * width), n;

    use(s, x), s->at++;
    for (int attention = 0; attention < 2; attention++) {
        n = begin(s, pixels * width);
        use(s, h), s->at++;
        const int qkv = begin(s, pixels * width * (attention ? 1 : 3));
        use(s, n), s->at++;
        const int o = begin(s, pixels * width), scratch = begin(s, 200000);
        use(s, qkv), use(s, scratch), s->at++;
        use(s, o), use(s, h), s->at++;
    }
    n = begin(s, pixels * width);
    use(s, h), s->at++;
    const int ff = begin(s, pixels * width * 4);
    use(s, n), s->at++;
    use(s, ff), use(s, h), s->at++;
    if (y < 0) y = begin(s, pixels * width);
    use(s, h), use(s, x), use(s, y), s->at++;
    return y;
}

/* Shaped as Stable Diffusion 1.5: each skip is written into its concat's buffer, where the
 * up path later adds the other half. */
static void unet(struct sequence *s, int height, int width)
{
    static const size_t channels[] = { 320, 640, 1280, 1280 };
    size_t pixels = 2 * (size_t)height * (size_t)width, from = 320;
    int skips[16], n_skips = 0, x;

    s->n = s->at = 0;
    s->in[begin(s, 400000)].last = INT_MAX; /* time embedding and text, there for all steps */
    x = skips[n_skips++] = begin(s, pixels * 640), s->at++;
    for (int level = 0; level < 4; level++) {
        for (int block = 0; block < 2; block++) {
            const int skip = begin(s, pixels * channels[level] * 2);
            s->in[skip].first = s->at + (level < 3 ? 4 + 12 : 4) - 1;
            x = resnet(s, x, pixels, from, channels[level], level < 3 ? -1 : skip);
            if (level < 3) x = transformer(s, x, pixels, channels[level], skip);
            skips[n_skips++] = skip;
            from = channels[level];
        }
        if (level == 3) break;
        pixels /= 4;
        x = skips[n_skips++] = begin(s, pixels * channels[level] * 2), use(s, x), s->at++;
    }
    x = resnet(s, x, pixels, 1280, 1280, -1);
    x = transformer(s, x, pixels, 1280, -1);
    for (int level = 3; level >= 0; level--) {
        for (int block = 0; block < 3; block++) {
            const int skip = skips[--n_skips];
            use(s, x), use(s, skip), s->at++;
            x = resnet(s, skip, pixels, 2 * channels[level], channels[level], -1);
            if (level < 3) x = transformer(s, x, pixels, channels[level], -1);
        }
        if (!level) break;
        pixels *= 4;
        const int up = begin(s, pixels * channels[level]);
        use(s, x), s->at++;
        x = up;
    }
}

Test(planner, unet_meets_the_bound)
{
    static const int sizes[][2] = { { 64, 64 }, { 64, 96 }, { 128, 128 }, { 41, 57 }, { 8, 8 } };
    static struct sequence s;
    static size_t offsets[MOST];

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unet(&s, sizes[i][0], sizes[i][1]);
        const struct sdrt_plan_result r = plan(s.in, offsets, s.n, s.at, "U-Net", (int)i);
        cr_log_info("U-Net %dx%d: %d buffers, peak %zu, bound %zu", sizes[i][0], sizes[i][1], s.n,
                    r.peak, r.lower_bound);
        cr_expect_eq(r.peak, r.lower_bound, "U-Net %dx%d: %d buffers, peak %zu, bound %zu",
                     sizes[i][0], sizes[i][1], s.n, r.peak, r.lower_bound);
    }
}

/* Unstructured sets as large as a model's: close to the bound, and in bounded time. */
Test(planner, large_random_sets)
{
    static struct sdrt_plan_buffer in[MOST];
    static size_t offsets[MOST];

    draw_state = 22;
    for (int round = 0; round < 20; round++) {
        const int n = 600;
        for (int i = 0; i < n; i++) {
            const int life = draw(8) ? 1 + (int)draw(3) : (int)draw(300);
            in[i] = (struct sdrt_plan_buffer){ .size = ALIGN * (1 + (size_t)draw(draw(4) ? 50000 : 2000)),
                                               .first = i, .last = i + life };
        }
        const clock_t start = clock();
        const struct sdrt_plan_result r = plan(in, offsets, n, 2 * n, "large set", round);
        const double above = 100 * ((double)r.peak / (double)r.lower_bound - 1);
        cr_log_info("large set %d: %.2f%% above the bound, %.1f ms with checks", round, above,
                    1e3 * (double)(clock() - start) / CLOCKS_PER_SEC);
        cr_expect(above < 4, "large set %d: %.2f%% above the bound", round, above);
    }
}

Test(planner, same_plan_every_time)
{
    static struct sdrt_plan_buffer in[MOST];
    static size_t a[MOST], b[MOST];
    struct sdrt_plan_result ra, rb;

    draw_state = 23;
    for (int round = 0; round < 50; round++) {
        const int n = random_set(in, 1 + (int)draw(200), 100);
        cr_assert_eq(sdrt_plan_memory(in, a, n, &ra, NULL), SDRT_OK);
        cr_assert_eq(sdrt_plan_memory(in, b, n, &rb, NULL), SDRT_OK);
        cr_assert(!memcmp(a, b, (size_t)n * sizeof *a) && ra.peak == rb.peak);
    }
}

Test(planner, edges)
{
    struct sdrt_plan_result r;
    size_t offsets[3];
    const struct sdrt_plan_buffer zero = { 0, 3, 3 }, one = { 1, INT_MIN, INT_MAX };
    const struct sdrt_plan_buffer touching[3] = { { 100, 0, 1 }, { 100, 1, 2 }, { 100, 2, 3 } };
    const struct sdrt_plan_buffer apart[3] = { { 128, 0, 0 }, { 128, 1, 1 }, { 64, 2, INT_MAX } };

    cr_expect_eq(sdrt_plan_memory(NULL, NULL, 0, &r, NULL), SDRT_OK);
    cr_expect(r.peak == 0 && r.lower_bound == 0);
    cr_expect_eq(sdrt_plan_memory(&zero, offsets, 1, &r, NULL), SDRT_OK);
    cr_expect(r.peak == 0 && offsets[0] == 0);
    cr_expect_eq(sdrt_plan_memory(&one, offsets, 1, &r, NULL), SDRT_OK);
    cr_expect(r.peak == 64 && r.lower_bound == 64 && offsets[0] == 0);
    cr_expect_eq(sdrt_plan_memory(touching, offsets, 3, &r, NULL), SDRT_OK);
    cr_expect_eq(r.peak, 256);
    cr_expect_eq(sdrt_plan_memory(apart, offsets, 3, &r, NULL), SDRT_OK);
    cr_expect_eq(r.peak, 128);
}

static char told[256];
static int lines;

static void keep(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user, (void)level;
    strncpy(told, text, sizeof told - 1);
    lines++;
}

Test(planner, refusals)
{
    const struct sdrt_log log = { keep, NULL };
    const struct sdrt_plan_buffer backwards[2] = { { 64, 0, 1 }, { 64, 3, 2 } };
    const struct sdrt_plan_buffer huge[2] = { { SIZE_MAX / 2, 0, 1 }, { SIZE_MAX, 3, 4 } };
    struct sdrt_plan_result r;
    size_t offsets[2];

    cr_expect_eq(sdrt_plan_memory(backwards, offsets, 2, &r, &log), SDRT_E_ARG);
    cr_expect_eq(lines, 1);
    cr_expect_not_null(strstr(told, "buffer 1"), "%s", told);
    cr_expect_eq(sdrt_plan_memory(huge, offsets, 2, &r, &log), SDRT_E_ARG);
    cr_expect_eq(lines, 2);
}

/* The check itself goes red. */
Test(planner, check_finds_faults)
{
    const struct sdrt_log log = { keep, NULL };
    const struct sdrt_plan_buffer in[2] = { { 100, 0, 2 }, { 64, 2, 3 } };
    const size_t good[2] = { 0, 128 }, overlap[2] = { 0, 64 }, odd[2] = { 0, 130 };

    cr_expect_eq(sdrt_plan_check(in, good, 2, 192, &log), SDRT_OK);
    cr_expect_eq(lines, 0);
    cr_expect_eq(sdrt_plan_check(in, overlap, 2, 192, &log), SDRT_E_ARG);
    cr_expect_not_null(strstr(told, "overlap"), "%s", told);
    cr_expect_eq(sdrt_plan_check(in, odd, 2, 256, &log), SDRT_E_ARG);
    cr_expect_eq(sdrt_plan_check(in, good, 2, 191, &log), SDRT_E_ARG);
    cr_expect_eq(lines, 3);
}
