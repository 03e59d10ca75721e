/* SPDX-License-Identifier: MIT
 *
 * Each attempt takes the buffers in some order and puts each into a gap between those placed
 * before that live at the same time.  First come a few fixed orders, each with two ways of
 * choosing the gap.  Then the best order is repaired: a peak is set as the goal, and a buffer
 * that would end above it moves to an earlier place in the order, from where the attempt goes
 * on; the more often one fails, the further it moves.  (After "squeaky wheel" optimisation,
 * Joslin and Clements 1999, without starting over each time.)
 */
#include "runtime/graph/planner.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Comparisons of two buffers that the repair may spend: about 25 ms.  A set whose optimum is
 * above its lower bound cannot be told from one not solved yet, and takes all of it. */
enum { REPAIR_WORK = 16 * 1000 * 1000, LEAST_SHARE = 4000, WORK_OF_A_FAILURE = 20 };

enum fit { LOWEST_FIT, BEST_FIT, FITS };

/* A buffer that takes room.  Sizes are counted in units of the alignment. */
struct item {
    size_t size;
    int first, last;
    int index;   /* among the caller's buffers */
    int rank;    /* its place in the order, once placed */
    size_t live; /* all that lives at its fullest operation */
    double span; /* how many places it moves when it fails, at most */
};

/* A placed item. */
struct spot {
    size_t begin, end;
    int first, last;
    int item;
};

struct search {
    struct item *items;
    int n;
    size_t bound;   /* no plan can be lower */
    int *order;     /* of the attempt being made */
    struct spot *spots; /* of the attempt being made, by begin */
    int n_spots;
    int *best_order;
    size_t *best;   /* offsets of the best attempt */
    size_t peak;    /* its peak */
    uint64_t random;
    long work;
};

/* ---- the input ---- */

/* The bound, and each buffer's fullest operation.  The sum of what lives can only grow where a
 * life begins, so those operations are enough. */
static void find_bound(struct search *s)
{
    for (int i = 0; i < s->n; i++) {
        const int at = s->items[i].first;
        size_t sum = 0;
        for (int k = 0; k < s->n; k++)
            if (s->items[k].first <= at && at <= s->items[k].last) sum += s->items[k].size;
        for (int k = 0; k < s->n; k++)
            if (s->items[k].first <= at && at <= s->items[k].last && s->items[k].live < sum)
                s->items[k].live = sum;
        if (sum > s->bound) s->bound = sum;
    }
}

/* Buffers that live together with all others go to the bottom, one on the other, which costs
 * nothing: any plan stays one when such a band is moved down under the rest.  Removes them
 * from the items and returns the height of the pile. */
static size_t place_permanent(struct search *s, size_t *offsets)
{
    size_t height = 0;
    int kept = 0, latest_first = s->items[0].first, earliest_last = s->items[0].last;

    for (int i = 1; i < s->n; i++) {
        if (s->items[i].first > latest_first) latest_first = s->items[i].first;
        if (s->items[i].last < earliest_last) earliest_last = s->items[i].last;
    }
    for (int i = 0; i < s->n; i++) {
        struct item *item = &s->items[i];
        if (item->first <= earliest_last && item->last >= latest_first) {
            offsets[item->index] = height * SDRT_PLAN_ALIGN;
            height += item->size;
        } else {
            s->items[kept++] = *item;
        }
    }
    s->n = kept;
    return height;
}

/* ---- one attempt ---- */

/* Where item goes between what is placed. */
static size_t find_gap(struct search *s, const struct item *item, enum fit fit)
{
    size_t top = 0, found = SIZE_MAX, smallest = SIZE_MAX;
    int i;

    for (i = 0; i < s->n_spots; i++) {
        const struct spot *p = &s->spots[i];
        if (p->last < item->first || item->last < p->first) continue;
        if (p->begin > top && p->begin - top >= item->size && p->begin - top < smallest) {
            smallest = p->begin - top;
            found = top;
            if (fit == LOWEST_FIT) break;
        }
        if (p->end > top) top = p->end;
    }
    s->work += i;
    return found == SIZE_MAX ? top : found;
}

/* Places the next item of the order. */
static void place(struct search *s, size_t begin)
{
    const int which = s->order[s->n_spots];
    struct item *item = &s->items[which];
    int low = 0, high = s->n_spots;

    while (low < high) {
        const int middle = (low + high) / 2;
        if (s->spots[middle].begin > begin) high = middle;
        else low = middle + 1;
    }
    memmove(s->spots + low + 1, s->spots + low, (size_t)(s->n_spots - low) * sizeof *s->spots);
    s->spots[low] = (struct spot){ begin, begin + item->size, item->first, item->last, which };
    item->rank = s->n_spots++;
}

static void keep_if_best(struct search *s)
{
    size_t peak = 0;

    for (int i = 0; i < s->n; i++)
        if (s->spots[i].end > peak) peak = s->spots[i].end;
    if (peak >= s->peak) return;
    s->peak = peak;
    for (int i = 0; i < s->n; i++) s->best[s->spots[i].item] = s->spots[i].begin;
    memcpy(s->best_order, s->order, (size_t)s->n * sizeof *s->order);
}

static void attempt(struct search *s, enum fit fit)
{
    for (s->n_spots = 0; s->n_spots < s->n;)
        place(s, find_gap(s, &s->items[s->order[s->n_spots]], fit));
    keep_if_best(s);
}

/* ---- orders ---- */

enum key { BY_SIZE, BY_AREA, BY_LIFE, BY_FIRST, BY_LAST, BY_FULLNESS, BY_FULLNESS_LIFE, KEYS };

static double key_of(const struct item *x, enum key key)
{
    const double size = (double)x->size, life = (double)x->last - x->first + 1;

    switch (key) {
    case BY_SIZE:          return size;
    case BY_AREA:          return size * life;
    case BY_LIFE:          return life;
    case BY_FIRST:         return -(double)x->first;
    case BY_LAST:          return x->last;
    case BY_FULLNESS:      return (double)x->live;
    case BY_FULLNESS_LIFE: return (double)x->live * life;
    case KEYS:             break;
    }
    return 0;
}

struct keyed {
    double key, size;
    int item;
};

static int compare_keyed(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;

    if (x->key != y->key) return x->key < y->key ? 1 : -1;
    if (x->size != y->size) return x->size < y->size ? 1 : -1;
    return x->item - y->item;
}

static void order_by(struct search *s, enum key key, struct keyed *keyed)
{
    for (int i = 0; i < s->n; i++)
        keyed[i] = (struct keyed){ key_of(&s->items[i], key), (double)s->items[i].size, i };
    qsort(keyed, (size_t)s->n, sizeof *keyed, compare_keyed);
    for (int i = 0; i < s->n; i++) s->order[i] = keyed[i].item;
}

/* ---- repair ---- */

/* splitmix64 (Vigna), from a fixed seed: a plan is the same every time. */
static int random_below(struct search *s, int n)
{
    uint64_t z = s->random += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (int)((z ^ z >> 31) % (uint64_t)n);
}

/* The next item of the order has no room: moves it forward and takes away what was placed
 * after its new place. */
static void step_back(struct search *s, struct item *item)
{
    const int from = s->n_spots, moved = s->order[from];
    const int span = item->span < from ? (int)item->span : from;
    const int to = from - 1 - random_below(s, span);
    int kept = 0;

    /* Once the whole order has been open to it, it starts with short moves again. */
    item->span = item->span < from ? item->span * 1.5 : 2;
    for (int i = 0; i < from; i++)
        if (s->items[s->spots[i].item].rank < to) s->spots[kept++] = s->spots[i];
    s->n_spots = kept;
    memmove(s->order + to + 1, s->order + to, (size_t)(from - to) * sizeof *s->order);
    s->order[to] = moved;
    s->work += WORK_OF_A_FAILURE;
}

/* Looks for a plan no higher than goal, from the best order, until the work reaches limit. */
static int reach(struct search *s, size_t goal, long limit)
{
    memcpy(s->order, s->best_order, (size_t)s->n * sizeof *s->order);
    for (int i = 0; i < s->n; i++) s->items[i].span = 2;
    s->n_spots = 0;
    while (s->n_spots < s->n && s->work < limit) {
        struct item *item = &s->items[s->order[s->n_spots]];
        const size_t begin = find_gap(s, item, LOWEST_FIT);
        if (begin + item->size <= goal)
            place(s, begin);
        else
            step_back(s, item);
    }
    if (s->n_spots < s->n) return 0;
    keep_if_best(s);
    return 1;
}

/* The bound first, which is nearly always within reach; then halves the distance to it. */
static void repair(struct search *s)
{
    const long limit = s->work + REPAIR_WORK;
    size_t low = s->bound, goal = s->bound;

    while (s->peak > s->bound && limit - s->work > LEAST_SHARE) {
        if (!reach(s, goal, s->work + (limit - s->work) / 4) && goal > s->bound) low = goal + 1;
        if (low >= s->peak) low = s->bound;
        goal = low + (s->peak - low) / 2;
    }
}

/* ---- the outside ---- */

static int collect(struct search *s, const struct sdrt_plan_buffer *in, size_t *offsets, int n,
                   const struct sdrt_log *log)
{
    size_t total = 0;

    for (int i = 0; i < n; i++) {
        const size_t size = in[i].size / SDRT_PLAN_ALIGN + (in[i].size % SDRT_PLAN_ALIGN != 0);
        offsets[i] = 0;
        if (in[i].first > in[i].last)
            return sdrt_fail(log, SDRT_E_ARG, "plan: buffer %d lives from %d to %d", i, in[i].first,
                             in[i].last);
        total += size;
        if (total > SIZE_MAX / 2 / SDRT_PLAN_ALIGN)
            return sdrt_fail(log, SDRT_E_ARG, "plan: buffer %d of %zu bytes: the sum of all is "
                             "more than can be addressed", i, in[i].size);
        if (size)
            s->items[s->n++] = (struct item){ .size = size, .first = in[i].first,
                                              .last = in[i].last, .index = i };
    }
    return SDRT_OK;
}

static void solve(struct search *s, struct keyed *keyed)
{
    s->peak = SIZE_MAX;
    for (int key = 0; key < KEYS && s->peak > s->bound; key++) {
        order_by(s, (enum key)key, keyed);
        for (int fit = 0; fit < FITS && s->peak > s->bound; fit++) attempt(s, (enum fit)fit);
    }
    if (s->peak > s->bound) repair(s);
}

static void free_search(struct search *s)
{
    free(s->items);
    free(s->order);
    free(s->best_order);
    free(s->best);
    free(s->spots);
}

int sdrt_plan_memory(const struct sdrt_plan_buffer *in, size_t *offsets, int n,
                     struct sdrt_plan_result *out, const struct sdrt_log *log)
{
    struct search s = { .random = 1 };
    const size_t room = n > 0 ? (size_t)n : 1;
    struct keyed *keyed = malloc(room * sizeof *keyed);
    size_t pile;
    int status = SDRT_OK;

    *out = (struct sdrt_plan_result){ 0, 0 };
    s.items = malloc(room * sizeof *s.items);
    s.order = malloc(room * sizeof *s.order);
    s.best_order = malloc(room * sizeof *s.best_order);
    s.best = malloc(room * sizeof *s.best);
    s.spots = malloc(room * sizeof *s.spots);
    if (!keyed || !s.items || !s.order || !s.best_order || !s.best || !s.spots) {
        status = sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a plan of %d buffers", n);
        goto out;
    }
    status = collect(&s, in, offsets, n, log);
    if (status != SDRT_OK || !s.n) goto out;
    pile = place_permanent(&s, offsets);
    if (s.n) {
        find_bound(&s);
        solve(&s, keyed);
        for (int i = 0; i < s.n; i++)
            offsets[s.items[i].index] = (pile + s.best[i]) * SDRT_PLAN_ALIGN;
    }
    out->peak = (pile + s.peak) * SDRT_PLAN_ALIGN;
    out->lower_bound = (pile + s.bound) * SDRT_PLAN_ALIGN;
out:
    free_search(&s);
    free(keyed);
    return status;
}

static int overlap(const struct sdrt_plan_buffer *a, size_t at, const struct sdrt_plan_buffer *b,
                   size_t bt)
{
    return a->size && b->size && a->first <= b->last && b->first <= a->last &&
           at < bt + b->size && bt < at + a->size;
}

int sdrt_plan_check(const struct sdrt_plan_buffer *in, const size_t *offsets, int n, size_t peak,
                    const struct sdrt_log *log)
{
    for (int i = 0; i < n; i++) {
        if (offsets[i] % SDRT_PLAN_ALIGN)
            return sdrt_fail(log, SDRT_E_ARG, "plan: buffer %d at %zu: expected a multiple of %d",
                             i, offsets[i], SDRT_PLAN_ALIGN);
        if (in[i].size > peak || offsets[i] > peak - in[i].size)
            return sdrt_fail(log, SDRT_E_ARG, "plan: buffer %d ends above the peak of %zu", i, peak);
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            if (overlap(&in[i], offsets[i], &in[k], offsets[k]))
                return sdrt_fail(log, SDRT_E_ARG, "plan: buffers %d and %d overlap", k, i);
    return SDRT_OK;
}
