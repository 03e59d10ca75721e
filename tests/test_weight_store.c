/* SPDX-License-Identifier: MIT
 *
 * The weight store: what all workers packed is what one call of the packing makes, from
 * providers that read and from those that give whole tensors; and what it refuses.
 */
#include "kernels/isa.h"
#include "kernels/ops.h"
#include "runtime/device/cpu.h"
#include "runtime/weights/weight_store_internal.h"
#include "tests/support.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(weight_store, .init = temp_folder_make, .fini = temp_folder_remove);

enum { MAX_STACK = 3 };

static const enum sdrt_dtype types[] = { SDRT_F32, SDRT_F16, SDRT_BF16 };

/* ---- a provider of made-up tensors that counts ---- */

/* A tensor's name is its type's number, a dot and anything; values are small and of any bits
 * that its hash gives. */
struct made {
    int held, gets;
    void *data[8];
    size_t n_data;
    const char *nan_in; /* this tensor's last value is NaN */
};

static enum sdrt_dtype type_of(const char *name) { return types[name[0] - '0']; }

static void make_values(const struct made *m, const char *name, size_t total, size_t first,
                        size_t count, void *out)
{
    uint64_t seed = 5381;

    for (const char *c = name; *c; c++) seed = seed * 33 + (unsigned char)*c;
    for (size_t i = first; i < first + count; i++) {
        uint64_t z = (seed + i) * 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 29) * 0xbf58476d1ce4e5b9u;
        double v = (double)(int64_t)(z >> 40) / 16777216.0 - 0.5;
        if (m->nan_in && !strcmp(m->nan_in, name) && i + 1 == total) v = (double)NAN;
        tencode(v, type_of(name), out, i - first);
    }
}

static int made_describe(void *self, const char *name, int rank, const int64_t *shape,
                         struct sdrt_weight_view *out)
{
    (void)self;
    if (rank < 0 || strstr(name, "absent")) return SDRT_E_MISSING;
    *out = (struct sdrt_weight_view){ .dtype = type_of(name), .rank = rank };
    memcpy(out->shape, shape, (size_t)rank * sizeof *shape);
    if (strstr(name, "wider")) out->shape[rank - 1]++;
    if (strstr(name, "integer")) out->dtype = SDRT_I32;
    if (strstr(name, "block")) out->dtype = SDRT_Q8_0;
    return SDRT_OK;
}

static int made_read(void *self, const char *name, const struct sdrt_weight_view *view,
                     size_t first, size_t count, void *out)
{
    const struct made *m = self;

    if (strstr(name, "short")) return SDRT_E_IO;
    make_values(m, name, sdrt_weight_elements(view), first, count, out);
    return SDRT_OK;
}

static int made_get(void *self, const char *name, int rank, const int64_t *shape,
                    struct sdrt_weight_view *out)
{
    struct made *m = self;
    const int status = made_describe(self, name, rank, shape, out);

    if (status != SDRT_OK) return status;
    const size_t n = sdrt_weight_elements(out);
    void *data = malloc(n * sizeof(float) + 1);
    cr_assert_not_null(data);
    make_values(m, name, n, 0, n, data);
    cr_assert_lt(m->n_data, sizeof m->data / sizeof m->data[0]);
    m->data[m->n_data++] = data;
    m->gets++;
    m->held++;
    out->data = data;
    return SDRT_OK;
}

static void made_release(void *self, const char *name)
{
    struct made *m = self;

    (void)name;
    if (--m->held) return;
    for (size_t i = 0; i < m->n_data; i++) free(m->data[i]);
    m->n_data = 0;
}

static void made_prefetch(void *self, const char *name)
{
    (void)self;
    (void)name;
}

static struct sdrt_weights_provider made_provider(struct made *m, int reads)
{
    return (struct sdrt_weights_provider){
        .get = made_get, .release = made_release, .prefetch = made_prefetch, .self = m,
        .describe = reads ? made_describe : NULL, .read = reads ? made_read : NULL,
    };
}

/* ---- what is asked for ---- */

struct request {
    char names[MAX_STACK][32];
    const char *list[MAX_STACK];
    int rows[MAX_STACK], n;
    struct sdrt_weight_shape w;
    struct sdrt_packing packing;
};

/* One call of the packing for each tensor. */
static void *pack_alone(const struct made *m, const struct request *r, size_t *bytes)
{
    const size_t rest = (size_t)r->w.k * (size_t)r->w.taps;
    int row = 0;

    *bytes = r->packing.bytes(&r->w);
    void *packed = aligned_alloc(64, *bytes);
    cr_assert_not_null(packed);
    memset(packed, 0, *bytes);
    for (int i = 0; i < r->n; i++) {
        const size_t n = (size_t)r->rows[i] * rest;
        void *values = malloc(n * sizeof(float));
        cr_assert_not_null(values);
        make_values(m, r->names[i], n, 0, n, values);
        cr_expect_eq(r->packing.rows(&r->w, row, r->rows[i], values, type_of(r->names[i]), packed),
                     0);
        row += r->rows[i];
        free(values);
    }
    return packed;
}

static struct request random_request(uint64_t *rng, const struct sdrt_ops *ops, int round)
{
    const int conv = trand_int(rng, 2);
    struct request r = { .n = 1 + trand_int(rng, MAX_STACK) };
    int rows = 0;

    r.packing = conv ? (struct sdrt_packing){ .bytes = ops->conv.pack_bytes, .rows = ops->conv.pack_rows }
                     : (struct sdrt_packing){ .bytes = ops->gemm.pack_bytes, .rows = ops->gemm.pack_rows };
    r.w = (struct sdrt_weight_shape){ .k = 1 + trand_int(rng, 500), .taps = conv ? 9 : 1,
                                      .stored = types[trand_int(rng, 3)] };
    r.w.gated = !conv && trand_int(rng, 3) == 0;
    for (int i = 0; i < r.n; i++) {
        r.rows[i] = 1 + trand_int(rng, trand_int(rng, 4) ? 90 : 700);
        if (r.w.gated) r.rows[i] += r.rows[i] % 2;
        rows += r.rows[i];
        snprintf(r.names[i], sizeof r.names[i], "%d.%d.%d", trand_int(rng, 3), round, i);
    }
    r.w.n = r.w.gated ? rows / 2 : rows;
    return r;
}

static int ask(struct sdrt_weight_store *s, struct sdrt_weight_uses *uses, struct request *r,
               const void **out)
{
    for (int i = 0; i < r->n; i++) r->list[i] = r->names[i];
    return sdrt_weight_store_matrix(s, uses, &r->packing, r->list, r->rows, r->n, &r->w, out);
}

static void compare_round(struct sdrt_queue *queue, int reads, uint64_t *rng)
{
    enum { N = 6 };
    const struct sdrt_ops *ops = queue->device->ops;
    struct made m = { .held = 0 };
    const struct sdrt_weights_provider p = made_provider(&m, reads);
    struct sdrt_weight_uses uses = { .n = 0 };
    struct sdrt_weight_store *s;
    struct request r[N];
    const void *at[N];

    expect_quiet(sdrt_weight_store_create(&s, &p, SDRT_DTYPES, sdrt_packing_as_stored, &kept_log),
                 "create");
    for (int i = 0; i < (reads ? N : 2); i++) {
        r[i] = random_request(rng, ops, i);
        expect_quiet(ask(s, &uses, &r[i], &at[i]), "ask");
        cr_expect_null(at[i], "not made yet");
    }
    expect_quiet(sdrt_weight_store_fill(s, &uses, queue, NULL, NULL), "fill");
    cr_expect_eq(m.held, 0);
    cr_expect(reads ? m.gets == 0 : m.gets > 0);
    for (int i = 0; i < (reads ? N : 2); i++) {
        size_t bytes;
        void *want = pack_alone(&m, &r[i], &bytes);
        expect_quiet(ask(s, &uses, &r[i], &at[i]), "ask again");
        cr_assert_not_null(at[i]);
        cr_expect_eq((uintptr_t)at[i] % 64, 0);
        cr_expect_eq(memcmp(at[i], want, bytes), 0, "n %d k %d taps %d gated %d, seed %llu",
                     r[i].w.n, r[i].w.k, r[i].w.taps, r[i].w.gated,
                     (unsigned long long)trand_seed());
        free(want);
    }
    sdrt_weight_store_give_back(s, &uses, SDRT_WEIGHTS_KEEP);
    sdrt_weight_store_free(&s);
    cr_expect_null(s);
}

Test(weight_store, all_workers_pack_what_one_packs)
{
    uint64_t rng = trand_seed();

    for (const struct sdrt_isa_level *l = sdrt_isa_levels; l->name; l++) {
        struct sdrt_device *device;
        if ((l->flags & sdrt_isa_detect()) != l->flags) continue;
        expect_quiet(sdrt_cpu_device_open(&device, l->flags, l->name, SDRT_PIN_NEVER, &kept_log),
                     "device");
        for (int workers = 1; workers <= 3; workers++) {
            struct sdrt_queue *queue;
            expect_quiet(sdrt_queue_open(&queue, device, workers, &kept_log), "queue");
            for (int reads = 0; reads < 2; reads++) compare_round(queue, reads, &rng);
            sdrt_queue_close(&queue);
        }
        sdrt_device_close(&device);
    }
}

/* ---- refusals ---- */

struct shop {
    struct made m;
    struct sdrt_weight_store *s;
    struct sdrt_weight_uses uses;
    struct sdrt_device *device;
    struct sdrt_queue *queue;
};

static void shop_open(struct shop *x, int reads)
{
    memset(x, 0, sizeof *x);
    const struct sdrt_weights_provider p = made_provider(&x->m, reads);
    expect_quiet(sdrt_cpu_device_open(&x->device, 0, "generic", SDRT_PIN_NEVER, &kept_log),
                 "device");
    expect_quiet(sdrt_queue_open(&x->queue, x->device, 2, &kept_log), "queue");
    expect_quiet(sdrt_weight_store_create(&x->s, &p, SDRT_DTYPES, sdrt_packing_as_stored,
                                          &kept_log), "create");
}

static void give_back(struct shop *x, enum sdrt_weight_keep keep)
{
    sdrt_weight_store_give_back(x->s, &x->uses, keep);
}

static void shop_close(struct shop *x)
{
    give_back(x, SDRT_WEIGHTS_KEEP);
    sdrt_weight_store_free(&x->s);
    sdrt_queue_close(&x->queue);
    sdrt_device_close(&x->device);
    cr_expect_eq(x->m.held, 0);
}

static struct request one(const struct shop *x, const char *name)
{
    struct request r = { .n = 1, .rows = { 40 },
                         .packing = { .bytes = x->device->ops->gemm.pack_bytes, .rows = x->device->ops->gemm.pack_rows },
                         .w = { .n = 40, .k = 50, .taps = 1, .stored = SDRT_F16 } };

    snprintf(r.names[0], sizeof r.names[0], "%s", name);
    return r;
}

Test(weight_store, one_tensor_has_one_shape_and_packing)
{
    struct shop x;
    const void *at, *same;
    const float *bias;

    for (int filled = 0; filled < 2; filled++) {
        shop_open(&x, 1);
        struct request r = one(&x, "0.a"), other = r;
        expect_quiet(ask(x.s, &x.uses, &r, &at), "first");
        const char *v[] = { "0.v", "0.w" };
        const int rows[] = { 7, 9 };
        expect_quiet(sdrt_weight_store_vector(x.s, &x.uses, v, rows, 2, &bias), "vector");
        if (filled) expect_quiet(sdrt_weight_store_fill(x.s, &x.uses, x.queue, NULL, NULL), "fill");
        other.w.k = 25, other.w.n = other.rows[0] = 80;
        expect_failure(ask(x.s, &x.uses, &other, &same), SDRT_E_ARG, "0.a", "another shape");
        cr_expect_null(same);
        other = r, other.w.stored = SDRT_BF16;
        expect_failure(ask(x.s, &x.uses, &other, &same), SDRT_E_ARG, "two shapes or packings", "type");
        other = r, other.w.gated = 1, other.w.n = 20;
        expect_failure(ask(x.s, &x.uses, &other, &same), SDRT_E_ARG, "0.a", "gated");
        other = r, other.packing.rows = x.device->ops->conv.pack_rows;
        expect_failure(ask(x.s, &x.uses, &other, &same), SDRT_E_ARG, "0.a", "packing");
        expect_failure(sdrt_weight_store_vector(x.s, &x.uses, v, rows, 1, &bias), SDRT_E_ARG, "0.v",
                       "fewer vectors");
        expect_quiet(ask(x.s, &x.uses, &r, &same), "the same again");
        cr_expect(filled ? same != NULL : same == NULL);
        shop_close(&x);
    }
}

static void refuse(const char *name, int reads, int status, const char *word)
{
    struct shop x;
    const void *good, *bad;
    struct request r, s;

    shop_open(&x, reads);
    x.m.nan_in = "1.nan";
    r = one(&x, "0.good");
    s = one(&x, name);
    expect_quiet(ask(x.s, &x.uses, &r, &good), "good");
    expect_quiet(ask(x.s, &x.uses, &s, &bad), "bad");
    expect_failure(sdrt_weight_store_fill(x.s, &x.uses, x.queue, NULL, NULL), status, word, name);
    give_back(&x, SDRT_WEIGHTS_KEEP);
    cr_expect_eq(x.s->n_entries, 0);
    /* Nothing is left over, and the store still works. */
    expect_quiet(sdrt_weight_store_fill(x.s, &x.uses, x.queue, NULL, NULL), "nothing to do");
    expect_quiet(ask(x.s, &x.uses, &r, &good), "good again");
    cr_expect_null(good, "forgotten with the bad one");
    expect_quiet(sdrt_weight_store_fill(x.s, &x.uses, x.queue, NULL, NULL), "the good one alone");
    expect_quiet(ask(x.s, &x.uses, &r, &good), "good at last");
    cr_expect_not_null(good);
    shop_close(&x);
}

Test(weight_store, refusals_name_the_tensor_and_leave_the_store_in_order)
{
    for (int reads = 0; reads < 2; reads++) {
        refuse("1.absent", reads, SDRT_E_MISSING, "1.absent");
        refuse("1.wider", reads, SDRT_E_FORMAT, "expected 40 x 50");
        refuse("1.integer", reads, SDRT_E_UNSUPPORTED, "I32");
        refuse("1.block", reads, SDRT_E_UNSUPPORTED, "50 values are no whole blocks of Q8_0");
        refuse("1.nan", reads, SDRT_E_NUMERIC, "value 1999 of 2000");
    }
    refuse("1.short", 1, SDRT_E_IO, "cannot be read");
}

static int stop_at_once(void *user, double share)
{
    *(double *)user = share;
    return 1;
}

/* Packed right, by one call of the packing. */
static void expect_packed(const struct shop *x, const struct request *r, const void *at)
{
    size_t bytes;
    void *want = pack_alone(&x->m, r, &bytes);

    cr_assert_not_null(at);
    cr_expect_eq(memcmp(at, want, bytes), 0, "%s", r->names[0]);
    free(want);
}

Test(weight_store, cancelled_kept_and_filled_again)
{
    double share = 0.0;
    struct shop x;
    const void *at, *again;

    shop_open(&x, 1);
    struct request r = one(&x, "2.part.a"), q = one(&x, "2.rest");
    expect_quiet(ask(x.s, &x.uses, &r, &at), "ask");
    cr_expect_eq(sdrt_weight_store_fill(x.s, &x.uses, x.queue, stop_at_once, &share),
                 SDRT_E_CANCELLED);
    cr_expect_eq(kept_lines, 0);
    cr_expect(share > 0.0 && share <= 1.0);
    give_back(&x, SDRT_WEIGHTS_KEEP);
    expect_quiet(ask(x.s, &x.uses, &q, &at), "ask");
    expect_quiet(ask(x.s, &x.uses, &r, &at), "ask");
    expect_quiet(sdrt_weight_store_fill(x.s, &x.uses, x.queue, NULL, NULL), "fill");
    expect_quiet(ask(x.s, &x.uses, &r, &at), "ask");
    expect_packed(&x, &r, at);
    /* What is kept is there for who asks next. */
    give_back(&x, SDRT_WEIGHTS_KEEP);
    cr_expect_eq(x.s->n_entries, 2);
    expect_quiet(ask(x.s, &x.uses, &r, &again), "ask");
    cr_expect_eq(again, at);
    /* What is freed was held here; the other one stays. */
    give_back(&x, SDRT_WEIGHTS_FREE);
    cr_expect_eq(x.s->n_entries, 1);
    expect_quiet(ask(x.s, &x.uses, &r, &again), "ask");
    cr_expect_null(again);
    expect_quiet(ask(x.s, &x.uses, &q, &again), "ask");
    cr_expect_not_null(again);
    shop_close(&x);
}

Test(weight_store, goes_with_its_last_use)
{
    struct sdrt_weight_uses other = { .n = 0 };
    const void *at, *same;
    struct shop x;

    shop_open(&x, 1);
    struct request r = one(&x, "2.a");
    expect_quiet(ask(x.s, &x.uses, &r, &at), "ask");
    expect_quiet(ask(x.s, &x.uses, &r, &at), "twice is one use");
    expect_quiet(sdrt_weight_store_fill(x.s, &x.uses, x.queue, NULL, NULL), "fill");
    expect_quiet(ask(x.s, &x.uses, &r, &at), "ask");
    expect_quiet(ask(x.s, &other, &r, &same), "another program");
    cr_expect_eq(same, at);
    give_back(&x, SDRT_WEIGHTS_FREE);
    cr_expect_eq(x.s->n_entries, 1);
    expect_packed(&x, &r, at);
    sdrt_weight_store_give_back(x.s, &other, SDRT_WEIGHTS_FREE);
    cr_expect_eq(x.s->n_entries, 0);
    shop_close(&x);
}

Test(weight_store, outdated_weights_stay_with_who_holds_them)
{
    struct sdrt_weight_uses other = { .n = 0 };
    const void *old, *at, *rest;
    struct shop x;

    shop_open(&x, 1);
    struct request r = one(&x, "2.part.a"), q = one(&x, "2.rest"), idle = one(&x, "2.part.b");
    expect_quiet(ask(x.s, &other, &idle, &at), "ask");
    expect_quiet(sdrt_weight_store_fill(x.s, &other, x.queue, NULL, NULL), "fill");
    sdrt_weight_store_give_back(x.s, &other, SDRT_WEIGHTS_KEEP);
    expect_quiet(ask(x.s, &x.uses, &r, &old), "ask");
    expect_quiet(ask(x.s, &x.uses, &q, &rest), "ask");
    expect_quiet(sdrt_weight_store_fill(x.s, &x.uses, x.queue, NULL, NULL), "fill");
    expect_quiet(ask(x.s, &x.uses, &r, &old), "ask");
    cr_expect(sdrt_weight_store_current(x.s, &x.uses));
    sdrt_weight_store_outdate(x.s, "2.part.");
    cr_expect_eq(x.s->n_entries, 2, "what nobody held is gone");
    cr_expect_not(sdrt_weight_store_current(x.s, &x.uses));
    expect_quiet(ask(x.s, &x.uses, &r, &at), "still answered to who holds it");
    cr_expect_eq(at, old);
    expect_quiet(ask(x.s, &other, &r, &at), "but to nobody else");
    cr_expect_null(at);
    expect_quiet(ask(x.s, &other, &q, &at), "the rest is");
    cr_expect_not_null(at);
    expect_quiet(sdrt_weight_store_fill(x.s, &other, x.queue, NULL, NULL), "fill");
    expect_quiet(ask(x.s, &other, &r, &at), "ask");
    cr_expect_neq(at, old);
    cr_expect(sdrt_weight_store_current(x.s, &other));
    expect_packed(&x, &r, at);
    expect_packed(&x, &r, old);
    cr_expect_eq(x.s->n_entries, 3);
    give_back(&x, SDRT_WEIGHTS_KEEP);
    cr_expect_eq(x.s->n_entries, 2, "an outdated one is not kept");
    sdrt_weight_store_give_back(x.s, &other, SDRT_WEIGHTS_KEEP);
    shop_close(&x);
}

Test(weight_store, tables_are_held_until_the_last_use)
{
    static const char *const name[] = { "0.table" };
    struct sdrt_weight_view v;
    struct shop x;

    for (int reads = 0; reads < 2; reads++) {
        shop_open(&x, reads);
        expect_quiet(sdrt_weight_store_table(x.s, &x.uses, name, 7, 5, &v), "ask");
        cr_expect_null(v.data);
        expect_quiet(sdrt_weight_store_fill(x.s, &x.uses, x.queue, NULL, NULL), "fill");
        expect_quiet(sdrt_weight_store_table(x.s, &x.uses, name, 7, 5, &v), "ask again");
        cr_assert_not_null(v.data);
        cr_expect_eq(v.dtype, SDRT_F32);
        cr_expect_eq(x.m.held, 1);
        expect_failure(sdrt_weight_store_table(x.s, &x.uses, name, 5, 5, &v), SDRT_E_ARG,
                       "two shapes", "another shape");
        give_back(&x, SDRT_WEIGHTS_FREE);
        cr_expect_eq(x.m.held, 0);
        shop_close(&x);
    }
}

/* ---- what is declared ---- */

static enum sdrt_dtype by_name(const struct sdrt_packed_matrix *m)
{
    cr_expect_eq(m->rows, 40);
    cr_expect_eq(m->cols, 50);
    return strstr(m->name, "small") && m->from == SDRT_F16 ? SDRT_BF16 : SDRT_F32;
}

Test(weight_store, the_policy_decides_by_matrix)
{
    struct made m = { .held = 0 };
    const struct sdrt_weights_provider p = made_provider(&m, 1);
    struct sdrt_weight_store *s;

    expect_quiet(sdrt_weight_store_create(&s, &p, SDRT_F16, by_name, &kept_log), "create");
    cr_expect_eq(sdrt_weight_store_declare(s, "small.a", 40, 2000), SDRT_BF16);
    cr_expect_eq(sdrt_weight_store_declare(s, "large.b", 40, 2000), SDRT_F32);
    sdrt_weight_store_declare_table(s, "small.table", 40, 2000);
    cr_expect_eq(sdrt_weight_store_bytes(s, "small.a"), 4000);
    cr_expect_eq(sdrt_weight_store_bytes(s, "large."), 8000);
    cr_expect_eq(sdrt_weight_store_bytes(s, "small."), 8000, "a table is as it is");
    cr_expect_eq(sdrt_weight_store_bytes(s, ""), 16000);
    sdrt_weight_store_free(&s);
}

/* ---- two threads ---- */

enum { MATRICES = 12, ROUNDS = 30 };

struct session {
    struct shop *shop;
    struct sdrt_queue *queue;
    uint64_t rng;
    int wrong;
};

static void draw(struct session *t, struct sdrt_weight_uses *uses)
{
    struct request r[MATRICES];
    const void *at;
    int n = 0;

    for (int i = 0; i < MATRICES; i++) {
        char name[32];
        if (!trand_int(&t->rng, 3)) continue;
        snprintf(name, sizeof name, "%d.%d", i % 3, i);
        sdrt_weight_store_declare(t->shop->s, name, 40, 2000);
        t->wrong += sdrt_weight_store_fault(t->shop->s, name) != SDRT_E_MISSING;
        r[n] = one(t->shop, name);
        t->wrong += ask(t->shop->s, uses, &r[n], &at) != SDRT_OK;
        n++;
    }
    t->wrong += sdrt_weight_store_fill(t->shop->s, uses, t->queue, NULL, NULL) != SDRT_OK;
    for (int i = 0; i < n; i++) {
        size_t bytes;
        void *want = pack_alone(&t->shop->m, &r[i], &bytes);
        t->wrong += ask(t->shop->s, uses, &r[i], &at) != SDRT_OK;
        t->wrong += !at || memcmp(at, want, bytes);
        free(want);
    }
}

static void *run_session(void *arg)
{
    struct session *t = arg;
    struct sdrt_weight_uses uses = { .n = 0 };

    for (int i = 0; i < ROUNDS; i++) {
        draw(t, &uses);
        if (!trand_int(&t->rng, 4)) sdrt_weight_store_outdate(t->shop->s, "2.");
        sdrt_weight_store_give_back(t->shop->s, &uses, trand_int(&t->rng, 2) ? SDRT_WEIGHTS_KEEP
                                                                             : SDRT_WEIGHTS_FREE);
    }
    return NULL;
}

Test(weight_store, two_threads_share_it)
{
    struct session sessions[2];
    uint64_t rng = trand_seed();
    pthread_t thread[2];
    struct shop x;

    shop_open(&x, 1);
    for (int i = 0; i < 2; i++) {
        sessions[i] = (struct session){ .shop = &x, .rng = rng + (uint64_t)i };
        expect_quiet(sdrt_queue_open(&sessions[i].queue, x.device, 1 + i, &kept_log), "queue");
        cr_assert_eq(pthread_create(&thread[i], NULL, run_session, &sessions[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
        sdrt_queue_close(&sessions[i].queue);
        cr_expect_eq(sessions[i].wrong, 0, "seed %llu", (unsigned long long)trand_seed());
    }
    for (size_t i = 0; i < x.s->n_entries; i++) cr_expect_eq(x.s->entries[i]->uses, 0);
    shop_close(&x);
}

struct waiting {
    struct shop *shop;
    struct sdrt_queue *queue;
    int told, status;
};

static int stop_waiting(void *user, double share)
{
    ((struct waiting *)user)->told += share > 0.0 ? 1000 : 1;
    return 1;
}

static void *wait_for_turn(void *arg)
{
    struct waiting *w = arg;
    struct sdrt_weight_uses uses = { .n = 0 };
    struct request r = one(w->shop, "0.b");
    const void *at;

    w->status = ask(w->shop->s, &uses, &r, &at);
    if (w->status == SDRT_OK)
        w->status = sdrt_weight_store_fill(w->shop->s, &uses, w->queue, stop_waiting, w);
    sdrt_weight_store_give_back(w->shop->s, &uses, SDRT_WEIGHTS_KEEP);
    return NULL;
}

/* While this thread fills, another one waits and is cancelled there. */
static int let_other_wait(void *user, double share)
{
    pthread_t thread;

    (void)share;
    cr_assert_eq(pthread_create(&thread, NULL, wait_for_turn, user), 0);
    pthread_join(thread, NULL);
    return 0;
}

Test(weight_store, waiting_for_another_filling_can_be_cancelled)
{
    struct shop x;
    const void *at;

    shop_open(&x, 1);
    struct waiting w = { .shop = &x };
    struct request r = one(&x, "0.a");
    expect_quiet(sdrt_queue_open(&w.queue, x.device, 1, &kept_log), "queue");
    expect_quiet(ask(x.s, &x.uses, &r, &at), "ask");
    expect_quiet(sdrt_weight_store_fill(x.s, &x.uses, x.queue, let_other_wait, &w), "fill");
    cr_expect_eq(w.status, SDRT_E_CANCELLED);
    cr_expect_eq(w.told, 1);
    cr_expect_eq(x.s->n_entries, 1);
    sdrt_queue_close(&w.queue);
    shop_close(&x);
}
