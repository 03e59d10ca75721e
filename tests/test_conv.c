/* SPDX-License-Identifier: MIT */
#include "bench/shapes_conv.h"
#include "kernels/ops.h"
#include "tests/emulated.h"
#include "bench/oracle/conv.h"
#include "tests/support.h"
#include "tests/weights.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum residual { NO_RESIDUAL, OWN_RESIDUAL, IN_PLACE, RESIDUALS };

struct problem {
    const char *level;
    struct sdrt_conv_shape s;
    enum residual residual;
    enum sdrt_dtype from;
    int bias, chan;
    int groups;  /* of a norm that the kernel makes itself; 0: its vectors are given */
    size_t step; /* every step-th value is checked */
};

struct operands {
    struct tbuf x, x2, msb, gamma, beta, bias, chan, residual, y, first, scratch;
    struct tweights w;
    struct sdrt_conv_norm norm;
    struct sdrt_conv_args a;
    double *want;
};

static void describe(const struct problem *p, char *text, size_t size)
{
    const struct sdrt_conv_shape *s = &p->s;

    snprintf(
        text, size,
        "%s batch=%d in %dx%dx%d+%d out %dx%dx%d %s kernel=%d stride=%d upsample=%d pad=%d "
        "pitches %d %d %d %d prologue=%d groups=%d %s from %s residual=%d bias=%d chan=%d/%d seed=%llu",
        p->level, s->batch, s->in_h, s->in_w, s->in_c, s->in_c2, s->out_h, s->out_w, s->out_c,
        sdrt_dtype_name(s->y_type), s->kernel, s->stride, s->upsample, s->pad, s->x_pitch,
        s->x2_pitch, s->y_pitch, s->residual_pitch, s->prologue, p->groups,
        sdrt_dtype_name(s->w.stored), sdrt_dtype_name(p->from), p->residual, p->bias, p->chan,
        s->chan_pitch, (unsigned long long)trand_seed());
}

static size_t pixels_in(const struct sdrt_conv_shape *s)
{
    return (size_t)s->batch * (size_t)s->in_h * (size_t)s->in_w;
}

static size_t pixels_out(const struct sdrt_conv_shape *s)
{
    return (size_t)s->batch * (size_t)s->out_h * (size_t)s->out_w;
}

static void fill(const struct sdrt_conv_shape *s, uint64_t *rng, struct operands *o)
{
    const int all = s->in_c + s->in_c2;

    trand_rows(rng, o->x.v, pixels_in(s), s->in_c, s->x_pitch, 1.0f);
    trand_rows(rng, o->x2.v, pixels_in(s), s->in_c2, s->x2_pitch, 1.0f);
    trand_rows(rng, o->bias.v, 1, s->out_c, s->out_c, 1.0f);
    if (s->chan_pitch) trand_rows(rng, o->chan.v, (size_t)s->batch, s->out_c, s->chan_pitch, 1.0f);
    else trand_rows(rng, o->chan.v, 1, s->out_c, s->out_c, 1.0f);
    trand_rows(rng, o->residual.v, pixels_out(s), s->out_c, s->residual_pitch, 1.0f);
    for (int i = 0; i < 3 * s->batch * all; i++) /* mean, scale, beta */
        o->msb.v[i] = i / all % 3 == 1 ? 1.5f + trand(rng) : trand(rng);
}

/* Channel c of one of the image's pixels. */
static double channel(const struct sdrt_conv_shape *s, const struct operands *o, size_t pixel,
                      int c)
{
    return (double)(c < s->in_c ? o->x.v[pixel * (size_t)s->x_pitch + (size_t)c]
                                : o->x2.v[pixel * (size_t)s->x2_pitch + (size_t)(c - s->in_c)]);
}

/* The vectors of the norm of the input, in the place of random ones. */
static void find_norm(const struct problem *p, struct operands *o)
{
    const struct sdrt_conv_shape *s = &p->s;
    const int all = s->w.k, per = all / p->groups, image = s->in_h * s->in_w;
    const double n = (double)per * image;

    for (int b = 0; b < s->batch; b++)
        for (int c = 0; c < all; c++) {
            float *msb = o->msb.v + (size_t)b * 3 * (size_t)all;
            const size_t first = (size_t)b * (size_t)image;
            double mean = 0.0, squares = 0.0;
            for (int i = 0; i < per * image; i++)
                mean += channel(s, o, first + (size_t)(i / per), c / per * per + i % per) / n;
            for (int i = 0; i < per * image; i++) {
                const double v = channel(s, o, first + (size_t)(i / per), c / per * per + i % per);
                squares += (v - mean) * (v - mean) / n;
            }
            msb[c] = (float)mean;
            msb[all + c] = (float)((double)o->norm.gamma[c] / sqrt(squares + (double)o->norm.eps));
            msb[2 * all + c] = o->norm.beta[c];
        }
}

/* Whether activations are rounded to bf16: 3x3 convolutions stay f32 but at three levels. */
static int in_bf16(const struct problem *p)
{
    const int all = !strcmp(p->level, "amx") || !strcmp(p->level, "neonmmla") ||
                    !strncmp(p->level, "cuda", 4);

    return tin_bf16(p->level, p->s.w.stored) && (p->s.kernel == 1 || all);
}

/* Whether products are of 16-bit integers, and whether of Winograd's. */
static int in_int16(const struct problem *p) { return tint16_level(p->level) && p->s.w.k >= 32; }

static int in_int16_tiles(const struct problem *p)
{
    return in_int16(p) && p->s.kernel == 3 && p->s.stride == 1 && p->s.out_c >= 32;
}

static struct operands make(const struct problem *p, const struct sdrt_conv_ops *ops, uint64_t *rng)
{
    const struct sdrt_conv_shape *s = &p->s;
    const size_t in = pixels_in(s), out = pixels_out(s), n = (size_t)s->out_c, all = (size_t)s->w.k;
    const size_t y_bytes = sdrt_dtype_bytes(s->y_type, out * (size_t)s->y_pitch);
    struct operands o = {
        .x = tbuf_floats(in * (size_t)s->x_pitch),
        .x2 = tbuf_floats(in * (size_t)s->x2_pitch),
        .msb = tbuf_floats((size_t)s->batch * 3 * all),
        .bias = tbuf_floats(n),
        .chan = tbuf_floats(s->chan_pitch ? (size_t)s->batch * (size_t)s->chan_pitch : n),
        .residual = tbuf_floats(out * (size_t)s->residual_pitch),
        .y = tbuf_bytes(y_bytes),
        .first = tbuf_bytes(y_bytes),
        .gamma = tbuf_floats(all),
        .beta = tbuf_floats(all),
        .scratch = tbuf_bytes(ops->scratch(s)),
        .want = malloc(out * n * sizeof(double)),
    };
    double *residual = p->residual ? malloc(out * n * sizeof(double)) : NULL;

    fill(s, rng, &o);
    trand_rows(rng, o.gamma.v, 1, s->w.k, s->w.k, 1.0f);
    trand_rows(rng, o.beta.v, 1, s->w.k, s->w.k, 1.0f);
    o.norm = (struct sdrt_conv_norm){
        .gamma = o.gamma.v,
        .beta = o.beta.v,
        .groups = p->groups,
        .eps = 0.05f,
    };
    if (p->groups) find_norm(p, &o);
    for (size_t i = 0; residual && i < out * n; i++)
        residual[i] = (double)o.residual.v[i / n * (size_t)s->residual_pitch + i % n];
    o.w = tweights_new(rng, &s->w, p->from, 3.0f / sqrtf((float)(s->w.k * s->w.taps)),
                       ops->pack_bytes, ops->pack_rows);
    o.a = (struct sdrt_conv_args){ .x = o.x.v, .w = o.w.packed.p, .y = o.y.p };
    if (s->in_c2) o.a.x2 = o.x2.v;
    if (s->prologue != SDRT_PROLOGUE_NONE) o.a.msb = o.msb.v;
    if (p->bias) o.a.bias = o.bias.v;
    if (p->chan) o.a.chan = o.chan.v;
    if (p->residual) o.a.residual = p->residual == IN_PLACE ? o.y.v : o.residual.v;
    oracle_conv(s, &o.a, o.w.values, in_bf16(p) ? tnarrow_type : SDRT_F32, residual,
                p->step, o.want);
    free(residual);
    if (p->groups) o.a.msb = NULL;
    return o;
}

static void run(const struct problem *p, const struct sdrt_conv_ops *ops, struct operands *o,
                int nparts)
{
    const struct sdrt_conv_shape *s = &p->s;

    tbuf_nan(&o->y);
    if (p->residual == IN_PLACE)
        for (size_t r = 0; r < pixels_out(s); r++)
            memcpy(o->y.v + r * (size_t)s->y_pitch, o->residual.v + r * (size_t)s->residual_pitch,
                   (size_t)s->out_c * sizeof(float));
    for (int part = 0; part < nparts; part++) {
        const struct sdrt_exec ex = { .part = part, .nparts = nparts, .scratch = o->scratch.p };
        o->a.norm = p->groups ? &o->norm : NULL;
        tbuf_nan(&o->scratch);
        cr_expect(ops->conv2d(&ex, s, &o->a) == 0);
    }
}

static void check(const struct problem *p, const struct sdrt_conv_ops *ops, uint64_t *rng)
{
    const struct sdrt_conv_shape *s = &p->s;
    const int own = ops->parts(s, 2), nparts[] = { 1, own, 2, s->out_h + 1 };
    const size_t splits = p->step == 1 ? 4 : 2; /* the models' shapes take long */
    struct operands o = make(p, ops, rng);
    char text[400];

    describe(p, text, sizeof text);
    cr_expect(own >= 1 && ops->parts(s, 1) >= 1 && ops->parts(s, 64) >= own, "%s: parts", text);
    for (size_t i = 0; i < splits; i++) {
        run(p, ops, &o, nparts[i]);
        if (i == 0) memcpy(o.first.p, o.y.p, o.y.bytes);
        cr_expect(!memcmp(o.first.p, o.y.p, o.y.bytes), "%s: %d parts change bits", text,
                  nparts[i]);
    }
    /* Rounding of all products in f32, and of the prologue; where the levels with vectors use
     * Winograd's transforms, whose constants reach from 1/24 to 8, about one digit more. */
    const double inputs = (double)s->w.k * s->w.taps;
    const int winograd = s->kernel == 3 && s->stride == 1 && s->w.k >= 32 && s->out_c >= 32 &&
                         strcmp(p->level, "generic") && strcmp(p->level, "blas") &&
                         strncmp(p->level, "cuda", 4);
    const double digit = winograd ? 8.0 : 1.0;
    double atol = digit * (4e-6 + 2e-7 * sqrt(inputs));
    /* One input in some ten thousand is so near the middle of two bf16 that the prologue's
     * last bits decide: then a product of 6 by 3 / sqrt(inputs) is 2^-8 off. */
    if (in_bf16(p) && s->prologue != SDRT_PROLOGUE_NONE)
        atol += 3.0 * 18.0 * ttyped_error(tnarrow_type) / sqrt(inputs);
    /* An integer of 14 bits for the largest of a tile's chunk or of a pixel, of some 12 for a weight. */
    if (in_int16(p)) atol = 3e-2;
    const double mean = (in_int16_tiles(p) ? 4e-6 : 2.0 * TINT16_NMSE) +
                        (s->y_type == SDRT_F32 ? 0.0 : 1.6e-5);
    const int half = s->kernel == 1 && tin_f16(p->level, s->w.stored);
    /* The prologue leaves inputs of up to 6. */
    if (half) atol += (s->prologue == SDRT_PROLOGUE_NONE ? 1.0 : 4.0) * tf16_error(p->level, SDRT_F16);
    float *y = ttyped_values(&o.y, s->y_type);
    const struct tdiff d = tcompare(y, o.want, pixels_out(s), s->out_c, s->y_pitch, atol,
                                    digit * 3e-6 + ttyped_error(s->y_type));
    cr_expect(d.bad == 0, "%s: %zu bad, max %.3g at %zu, nmse %.2g", text, d.bad, d.max_abs, d.at,
              d.nmse);
    const int many = pixels_out(s) * (size_t)s->out_c >= 1000; /* a mean of fewer says little */
    if (in_int16(p) && many) cr_expect(d.nmse < mean, "%s: nmse %.2g", text, d.nmse);
    if (half && s->y_type == SDRT_F32 && many)
        cr_expect(d.nmse < TF16_NMSE, "%s: nmse %.2g", text, d.nmse);
    cr_expect(tgaps_written(y, pixels_out(s), s->out_c, s->y_pitch) == 0, "%s: wrote a gap", text);
    free(y);
    cr_expect(tbuf_ok(&o.y) && tbuf_ok(&o.scratch) && tbuf_ok(&o.x) && tbuf_ok(&o.x2) &&
              tbuf_ok(&o.w.packed), "%s: wrote outside a buffer", text);
    if (getenv("SDRT_TEST_VERBOSE"))
        fprintf(stderr, "%s max %.2e nmse %.1e\n", text, d.max_abs, d.nmse);
    free(o.want);
    tweights_free(&o.w);
    tbuf_free(&o.gamma), tbuf_free(&o.beta);
    tbuf_free(&o.x), tbuf_free(&o.x2), tbuf_free(&o.msb), tbuf_free(&o.bias), tbuf_free(&o.chan);
    tbuf_free(&o.residual), tbuf_free(&o.y), tbuf_free(&o.first), tbuf_free(&o.scratch);
}

/* How the image's size changes: all that the models do, and what conv.h allows beside. */
enum geometry {
    SAME_3X3,
    INNER_3X3,      /* no padding */
    BELOW_3X3,      /* padded below and right only */
    UP_EVEN,
    UP_ODD,         /* the U-Net's upsampling to a skip of odd size */
    UP_OTHER,       /* any other size, as torch's nearest takes them */
    DOWN,           /* the U-Net's */
    DOWN_BELOW,     /* the VAE encoder's: padded below and right only */
    SAME_1X1,
    DOWN_1X1,
    GEOMETRIES
};

/* in_h and in_w are set; the rest of the geometry follows. */
static void set_geometry(struct sdrt_conv_shape *s, enum geometry g)
{
    s->kernel = g == SAME_1X1 || g == DOWN_1X1 ? 1 : 3;
    s->stride = g == DOWN || g == DOWN_BELOW || g == DOWN_1X1 ? 2 : 1;
    s->upsample = g == UP_EVEN || g == UP_ODD || g == UP_OTHER ? 2 : 1;
    s->pad = g == SAME_3X3 || g == DOWN || s->upsample == 2;
    s->out_h = s->in_h;
    s->out_w = s->in_w;
    if (s->upsample == 2) {
        s->out_h = g == UP_OTHER ? s->in_h * 7 / 5 + 1 : 2 * s->in_h - (g == UP_ODD);
        s->out_w = g == UP_OTHER ? s->in_w * 7 / 3 + 1 : 2 * s->in_w - (g == UP_ODD);
    } else if (g == INNER_3X3) {
        s->in_h += 2;
        s->in_w += 2;
    } else if (s->stride == 2) {
        const int up = g != DOWN_BELOW;
        if (!up && s->in_h == 1) s->in_h = 2;
        if (!up && s->in_w == 1) s->in_w = 2;
        s->out_h = (s->in_h + up) / 2;
        s->out_w = (s->in_w + up) / 2;
    }
}

/* Everything but the sizes is drawn at random. */
static void check_size(const char *level, const struct sdrt_conv_ops *ops, uint64_t *rng,
                       enum geometry g, int h, int w, int c, int out_c)
{
    static const enum sdrt_dtype types[] = { SDRT_F32, SDRT_F16, SDRT_BF16 };
    struct problem p = { .level = level, .bias = trand_int(rng, 2), .chan = trand_int(rng, 2),
                         .residual = trand_int(rng, RESIDUALS), .step = 1 };
    struct sdrt_conv_shape *s = &p.s;
    const int wide = trand_int(rng, 2);

    if (tleft_out(rng)) return;
    p.from = types[trand_int(rng, 3)];
    *s = (struct sdrt_conv_shape){ .batch = 1 + trand_int(rng, 3), .in_h = h, .in_w = w,
                                   .out_c = out_c, .prologue = trand_int(rng, 3) };
    set_geometry(s, g);
    /* Rows above and below of the picture's, in the place of padding. */
    if ((g == SAME_3X3 || g == DOWN) && trand_int(rng, 3) == 0) {
        s->lead = trand_int(rng, 2);
        s->in_h += s->lead + (g == SAME_3X3);
    }
    s->in_c2 = c > 1 && trand_int(rng, 3) == 0 ? 1 + trand_int(rng, c - 1) : 0;
    s->in_c = c - s->in_c2;
    s->x_pitch = s->in_c + wide * trand_int(rng, 9);
    s->x2_pitch = s->in_c2 + wide * trand_int(rng, 9);
    s->y_pitch = out_c + wide * trand_int(rng, 9);
    s->chan_pitch = trand_int(rng, 2) ? out_c + wide * trand_int(rng, 9) : 0;
    s->residual_pitch = p.residual == IN_PLACE ? s->y_pitch : out_c + wide * trand_int(rng, 9);
    s->w = (struct sdrt_weight_shape){ .n = out_c, .k = c, .taps = s->kernel * s->kernel,
                                       .stride = s->stride,
                                       .stored = types[trand_int(rng, 3)] };
    if (toperand(level) != SDRT_F32 && trand_int(rng, 8)) s->w.stored = toperand(level);
    /* Integers are of the values as they come. */
    if (tint16_level(level) && s->w.stored != SDRT_F32) s->w.stored = p.from;
    s->relu = s->kernel == 3 && (h + out_c) % 2;
    if (!strncmp(level, "cuda", 4) && trand_int(rng, 4) == 0) s->w.stored = SDRT_F8_E4M3;
    if (s->w.stored == SDRT_F8_E4M3 && trand_int(rng, 2)) p.from = SDRT_F8_E4M3;
    s->y_type = p.residual == IN_PLACE ? SDRT_F32 : trand_type(rng);
    if (!ops->takes(s)) s->y_type = SDRT_F32;
    if (s->prologue != SDRT_PROLOGUE_NONE && ops->norms && trand_int(rng, 2)) {
        p.groups = 1 + trand_int(rng, c < 8 ? c : 8);
        while (c % p.groups) p.groups--;
        if (!ops->norms(s, p.groups)) p.groups = 0;
    }
    check(&p, ops, rng);
}

/* Enough channels for Winograd's tiles, at sizes around a tile and a block of them. */
static void check_tiles(const char *level, const struct sdrt_conv_ops *ops, uint64_t *rng)
{
    static const int sides[][2] = { { 4, 4 }, { 5, 9 }, { 16, 15 }, { 17, 33 }, { 41, 57 },
                                    { 65, 8 }, { 3, 70 }, { 34, 66 } };
    static const enum geometry kinds[] = { SAME_3X3, INNER_3X3, BELOW_3X3, UP_EVEN, UP_ODD,
                                           UP_OTHER };

    for (size_t g = 0; g < sizeof kinds / sizeof kinds[0]; g++)
        for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++)
            check_size(level, ops, rng, kinds[g], sides[i][0], sides[i][1],
                       32 + trand_int(rng, 10), 32 + trand_int(rng, 40));
    for (int i = 0; i < 3; i++) /* several chunks of weights */
        check_size(level, ops, rng, SAME_3X3, 9, 13, 100 + trand_int(rng, 500), 70);
    check_size(level, ops, rng, SAME_3X3, 7, 12, 32, 321);
    check_size(level, ops, rng, SAME_3X3, 9, 13, 300, 321); /* and several groups of panels */
}

static void check_edges(const char *level)
{
    /* Around the chunks, blocks and panels of all levels. */
    static const int sides[] = { 15, 16, 17, 31, 32, 33, 63, 64, 65, 129, 200 };
    static const int channels[] = { 63, 64, 65, 127, 128, 129, 255, 256, 257, 319, 320, 321, 515 };
    struct sdrt_conv_ops ops = { 0 };
    uint64_t rng = trand_seed();

    tconv_init(&ops, level);
    for (int g = 0; g < GEOMETRIES; g++) {
        for (int h = 1; h <= 6; h++)
            for (int w = 1; w <= 9; w++)
                check_size(level, &ops, &rng, g, h, w, 1 + trand_int(&rng, 9),
                           1 + trand_int(&rng, 9));
        for (int c = 1; c <= 40; c++)
            check_size(level, &ops, &rng, g, 1 + trand_int(&rng, 5), 1 + trand_int(&rng, 5), c,
                       1 + trand_int(&rng, 70));
        for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++) {
            check_size(level, &ops, &rng, g, 3, 2, channels[i], 1 + trand_int(&rng, 9));
            check_size(level, &ops, &rng, g, 3, 2, 1 + trand_int(&rng, 9), channels[i]);
        }
        for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
            check_size(level, &ops, &rng, g, sides[i], 1 + trand_int(&rng, 5), 5, 3);
            check_size(level, &ops, &rng, g, 1 + trand_int(&rng, 5), sides[i], 5, 3);
        }
        check_size(level, &ops, &rng, g, 37, 41, 3, 7);
        /* Several blocks of whole tiles; chunks and groups of channels; columns and rows cut. */
        if (g != SAME_3X3 && g != UP_ODD && g != DOWN) continue;
        check_size(level, &ops, &rng, g, 14, 32, 40, 20);
        check_size(level, &ops, &rng, g, 9, 16, 650, 70);
        check_size(level, &ops, &rng, g, 7, 100, 600, 3);
    }
    check_tiles(level, &ops, &rng);
}

/* The model's channels on a few pixels. */
static struct sdrt_conv_shape reduced(int i)
{
    struct sdrt_conv_shape s = sdrt_conv_model_shapes[i].s;

    s.in_h = s.stride == 2 ? 6 : 3;
    s.in_w = s.stride == 2 ? 4 : 5;
    s.out_h = s.in_h * s.upsample / s.stride;
    s.out_w = s.in_w * s.upsample / s.stride;
    return s;
}

static int seen_before(int i)
{
    const struct sdrt_conv_shape s = reduced(i);

    for (int j = 0; j < i; j++) {
        const struct sdrt_conv_shape t = reduced(j);
        if (s.in_c == t.in_c && s.in_c2 == t.in_c2 && s.out_c == t.out_c && s.kernel == t.kernel &&
            s.stride == t.stride && s.upsample == t.upsample && s.pad == t.pad &&
            s.prologue == t.prologue)
            return 1;
    }
    return 0;
}

/* As gemm's: a 1x1 convolution is one. */
static void check_types(const char *level, const struct sdrt_conv_ops *ops)
{
    struct sdrt_conv_shape s = { .batch = 1, .in_h = 4, .in_w = 4, .in_c = 64, .out_h = 4,
                                 .out_w = 4, .out_c = 64, .kernel = 1, .stride = 1,
                                 .upsample = 1, .x_pitch = 64, .y_pitch = 64,
                                 .w = { .n = 64, .k = 64, .taps = 1, .stored = tnarrow_type } };

    cr_expect(ops->takes(&s), "%s: f32", level);
    s.y_type = tnarrow_type;
    cr_expect(!tbf16_level(level) || ops->takes(&s), "%s: bf16", level);
    s.y_type = SDRT_I32;
    cr_expect_not(ops->takes(&s), "%s: i32", level);
}

static void check_models(const char *level)
{
    struct sdrt_conv_ops ops = { 0 };
    uint64_t rng = trand_seed();

    tconv_init(&ops, level);
    check_types(level, &ops);
    for (int i = 0; i < SDRT_CONV_MODEL_SHAPES; i++) {
        struct problem p = { .level = level, .s = reduced(i), .bias = 1, .chan = 1,
                             .residual = IN_PLACE, .step = 101, .from = SDRT_F16 };
        if (seen_before(i)) continue;
        if (tevery() > 1 && (i + (tshare() > 0 ? tshare() : 0)) % 4) continue;
        if (tevery() > 1 && p.s.out_c > 9) p.s.out_c = p.s.w.n = 9;
        p.s.w.stored = i % 2 ? SDRT_F32 : SDRT_F16;
        if (toperand(level) != SDRT_F32) p.s.w.stored = toperand(level);
        check(&p, &ops, &rng);
    }
}

#if HAVE_AVX512VNNI /* whoever compiles for one such level does for all */
/* All channels alike: the products of a sum have one sign and are as large as packing allows, so that
 * a sum that could overflow does.  tap: that one alone, which makes it the largest of all that is
 * packed; beyond the last: all taps. */
static void check_extremes(const char *level, const struct sdrt_conv_ops *ops, enum geometry g,
                           int c, int tap)
{
    enum { SIDE = 9, OUT_C = 40, PIXELS = SIDE * SIDE };
    struct sdrt_conv_shape s = { .batch = 1, .in_h = SIDE, .in_w = SIDE, .in_c = c,
                                 .out_c = OUT_C, .x_pitch = c, .y_pitch = OUT_C };
    set_geometry(&s, g);
    const int n_taps = s.kernel * s.kernel, out = s.out_h * s.out_w * OUT_C;
    s.w = (struct sdrt_weight_shape){ .n = OUT_C, .k = c, .taps = n_taps, .stride = s.stride,
                                      .stored = SDRT_F32 };
    const int weights = OUT_C * c * n_taps;
    struct tbuf x = tbuf_floats((size_t)(PIXELS * c)), taps = tbuf_floats((size_t)weights);
    struct tbuf w = tbuf_bytes(ops->pack_bytes(&s.w)), y = tbuf_floats((size_t)out);
    struct tbuf scratch = tbuf_bytes(ops->scratch(&s));
    double *values = malloc((size_t)weights * sizeof *values);
    double *want = malloc((size_t)out * sizeof *want), error = 0.0, size = 0.0;
    const struct sdrt_conv_args a = { .x = x.v, .w = w.p, .y = y.v };
    const struct sdrt_exec ex = { .part = 0, .nparts = 1, .scratch = scratch.p };
    uint64_t rng = trand_seed();

    for (int i = 0; i < PIXELS * c; i++) x.v[i] = i % c ? x.v[i - 1] : 1000.0f * trand(&rng);
    for (int i = 0; i < weights; i++) {
        if (i / n_taps % c) taps.v[i] = taps.v[i - n_taps];
        else taps.v[i] = tap == n_taps || i % n_taps == tap ? trand(&rng) : 0.0f;
        values[i] = (double)taps.v[i];
    }
    memset(w.p, 0, w.bytes);
    cr_assert_eq(ops->pack_rows(&s.w, 0, OUT_C, taps.p, SDRT_F32, w.p), 0);
    cr_assert_eq(ops->conv2d(&ex, &s, &a), 0);
    oracle_conv(&s, &a, values, SDRT_F32, NULL, 1, want);
    for (int i = 0; i < out; i++) {
        error += ((double)y.v[i] - want[i]) * ((double)y.v[i] - want[i]);
        size += want[i] * want[i];
    }
    /* Alike, the channels' roundings do not cancel. */
    cr_expect(error < 2.5e-5 * size, "%s: %dx%d /%d, %d channels alike, tap %d: relative error %.2g",
              level, s.kernel, s.kernel, s.stride, c, tap, sqrt(error / size));
    free(values);
    free(want);
    tbuf_free(&x), tbuf_free(&taps), tbuf_free(&w), tbuf_free(&y), tbuf_free(&scratch);
}

static void check_int16(const char *level)
{
    struct sdrt_conv_ops ops = { 0 };

    tconv_init(&ops, level);
    for (int tap = 0; tap <= 9; tap++) {
        check_extremes(level, &ops, SAME_3X3, 128, tap);
        check_extremes(level, &ops, SAME_3X3, 259, tap);
        check_extremes(level, &ops, SAME_3X3, 32, tap);
        check_extremes(level, &ops, DOWN, 128, tap);
        check_extremes(level, &ops, DOWN, 259, tap);
    }
    for (int c = 32; c < 1000; c += 287) check_extremes(level, &ops, SAME_1X1, c, 1);
}

/* What is not finite does not become a number. */
static void check_not_finite(const char *level)
{
    enum { C = 32, SIDE = 4 };
    const struct sdrt_conv_shape s = {
        .batch = 1, .in_h = SIDE, .in_w = SIDE, .in_c = C, .out_h = SIDE, .out_w = SIDE, .out_c = C,
        .kernel = 3, .stride = 1, .upsample = 1, .pad = 1, .x_pitch = C, .y_pitch = C,
        .w = { .n = C, .k = C, .taps = 9, .stride = 1, .stored = SDRT_F32 },
    };
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    struct sdrt_conv_ops ops = { 0 };

    tconv_init(&ops, level);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        static float x[SIDE * SIDE * C], taps[C * C * 9], y[SIDE * SIDE * C];
        struct tbuf w = tbuf_bytes(ops.pack_bytes(&s.w)), scratch = tbuf_bytes(ops.scratch(&s));
        const struct sdrt_conv_args a = { .x = x, .w = w.p, .y = y };
        const struct sdrt_exec ex = { .part = 0, .nparts = 1, .scratch = scratch.p };
        for (int k = 0; k < SIDE * SIDE * C; k++) x[k] = 1.0f;
        for (int k = 0; k < C * C * 9; k++) taps[k] = 1.0f;
        x[5 * C + 3] = bad[i];
        memset(w.p, 0, w.bytes);
        cr_assert_eq(ops.pack_rows(&s.w, 0, C, taps, SDRT_F32, w.p), 0);
        cr_assert_eq(ops.conv2d(&ex, &s, &a), 0);
        cr_expect_not(isfinite(y[5 * C]), "%s: %g became %g", level, (double)bad[i],
                      (double)y[5 * C]);
        tbuf_free(&w), tbuf_free(&scratch);
    }
}
#endif

/* One test for each level, so that the report names the one that broke. */
#define SDRT_LEVEL(level, ...) Test(conv, edges_##level) { check_edges(#level); }
#include "kernels/levels.h"
#define SDRT_LEVEL(level, ...) Test(conv, models_##level) { check_models(#level); }
#include "kernels/levels.h"
#define SDRT_INT16_LEVEL(level, ...) \
    Test(conv, sums_of_##level) { check_int16(#level); } \
    Test(conv, not_finite_##level) { check_not_finite(#level); }
#include "kernels/levels.h"

Test(conv, no_null_entries)
{
    for (const struct sdrt_isa_level *l = sdrt_isa_levels; l->name; l++) {
        struct sdrt_conv_ops ops = { 0 };
        sdrt_conv_init(&ops, l->flags);
        cr_expect(ops.pack_bytes && ops.pack_rows && ops.takes && ops.parts && ops.scratch &&
                  ops.conv2d, "hole at %s", l->name);
    }
}
