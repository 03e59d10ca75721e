/* SPDX-License-Identifier: MIT */
#include "bench/shape_text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 10, WORD = 32, LARGEST = 1 << 24 };

static const double default_eps = 1e-5, most_values = 0x1p31;

static const char *const act_names[] = { "none", "silu", "gelu", "gelu_tanh", "gelu_quick" };
enum { ACTS = sizeof act_names / sizeof act_names[0] };

struct words {
    char word[WORDS][WORD];
    int n, next; /* next: the first that is not read yet */
};

static int split(struct words *w, const char *text)
{
    w->n = w->next = 0;
    for (const char *p = text + strspn(text, " "); *p; p += strspn(p, " ")) {
        const size_t length = strcspn(p, " ");
        if (w->n == WORDS || length >= WORD) return 0;
        memcpy(w->word[w->n], p, length);
        w->word[w->n++][length] = '\0';
        p += length;
    }
    return w->n > 0;
}

/* Reads the next word, whole numbers from 1 with these between, "xx>" for 2x64x64>3 say; *more is
 * where it stopped. */
static int numbers(struct words *w, const char *between, int *const to[], const char **more)
{
    char *p = w->next < w->n ? w->word[w->next] : NULL;

    for (int i = 0; p; i++) {
        const long v = *p >= '0' && *p <= '9' ? strtol(p, &p, 10) : 0;
        if (v < 1 || v > LARGEST) return 0;
        *to[i] = (int)v;
        if (!between[i]) break;
        if (*p++ != between[i]) return 0;
    }
    if (!p) return 0;
    *more = p;
    if (!*p) w->next++;
    return 1;
}

/* A word that is name and a number, whole where value is an int's. */
static int tagged(const char *word, const char *name, double *value)
{
    const size_t n = strlen(name);
    char *end;

    if (strncmp(word, name, n) || !word[n] || !strchr("0123456789.", word[n])) return 0;
    *value = strtod(word + n, &end);
    return !*end && isfinite(*value) && *value >= 0.0 && *value <= LARGEST;
}

static int tagged_int(const char *word, const char *name, int *to)
{
    double value;

    if (!tagged(word, name, &value) || value != floor(value)) return 0;
    *to = (int)value;
    return 1;
}

/* C, or C+C2. */
static int channels(const char *word, int *c, int *c2, char after, int *then)
{
    char *p;

    *c = (int)strtol(word, &p, 10);
    *c2 = 0;
    if (*p == '+') *c2 = (int)strtol(p + 1, &p, 10);
    if (after) {
        if (*p++ != after) return 0;
        *then = (int)strtol(p, &p, 10);
    }
    return !*p && *c >= 1 && *c2 >= 0 && *c <= LARGEST && *c2 <= LARGEST &&
           (!after || (*then >= 1 && *then <= LARGEST));
}

/* ---- the families: 1, or 0 where word w->next is wrong ---- */

static int read_conv(struct words *w, struct sdrt_conv_shape *s)
{
    int *const size[] = { &s->batch, &s->in_h, &s->in_w };
    const char *rest;

    *s = (struct sdrt_conv_shape){ .kernel = 3, .stride = 1, .upsample = 1, .pad = -1 };
    if (!numbers(w, "xx", size, &rest) || *rest) return 0;
    if (w->next == w->n || !channels(w->word[w->next], &s->in_c, &s->in_c2, '>', &s->out_c))
        return 0;
    for (w->next++; w->next < w->n; w->next++) {
        const char *word = w->word[w->next];
        if (tagged_int(word, "k", &s->kernel)) {
            if (s->kernel != 1 && s->kernel != 3) return 0;
        } else if (tagged_int(word, "s", &s->stride)) {
            if (s->stride != 1 && s->stride != 2) return 0;
        } else if (tagged_int(word, "p", &s->pad)) {
            if (s->pad > 1) return 0;
        } else if (!strcmp(word, "up")) s->upsample = 2;
        else if (!strcmp(word, "norm")) s->prologue = SDRT_PROLOGUE_NORM;
        else if (!strcmp(word, "silu")) s->prologue = SDRT_PROLOGUE_NORM_SILU;
        else return 0;
    }
    if (s->pad < 0) s->pad = s->kernel == 3;
    if (s->upsample == 2 && (s->stride != 1 || s->kernel != 3 || s->pad != 1)) return 0;
    if (s->kernel == 1 && s->pad) return 0;
    /* Without padding above and left, stride 2 has it below and right (the VAE's encoder). */
    const int full = s->stride == 1 ? s->pad || s->kernel == 1 : 1, half = s->pad || s->kernel == 1;
    s->out_h = s->upsample * s->in_h - (full ? 0 : 2);
    s->out_w = s->upsample * s->in_w - (full ? 0 : 2);
    if (s->stride == 2) {
        s->out_h = (s->in_h + half) / 2;
        s->out_w = (s->in_w + half) / 2;
    }
    s->x_pitch = s->in_c;
    s->x2_pitch = s->in_c2;
    s->y_pitch = s->residual_pitch = s->out_c;
    s->w = (struct sdrt_weight_shape){ .n = s->out_c,
                                       .k = s->in_c + s->in_c2,
                                       .taps = s->kernel * s->kernel,
                                       .stride = s->stride };
    const double in = (double)s->batch * s->in_h * s->in_w * s->w.k;
    return s->out_h >= 1 && s->out_w >= 1 && in < most_values &&
           (double)s->batch * s->out_h * s->out_w * s->out_c < most_values &&
           (double)s->w.n * s->w.k * s->w.taps < most_values;
}

static int read_gemm(struct words *w, struct sdrt_gemm_shape *s)
{
    int *const rows[] = { &s->m }, *const size[] = { &s->k, &s->n };
    const char *rest;

    *s = (struct sdrt_gemm_shape){ .act = SDRT_ACT_NONE };
    if (!numbers(w, "", rows, &rest) || *rest || !numbers(w, ">", size, &rest) || *rest) return 0;
    s->w = (struct sdrt_weight_shape){ .n = s->n, .k = s->k, .taps = 1 };
    for (; w->next < w->n; w->next++) {
        int act = 1;
        while (act < ACTS && strcmp(act_names[act], w->word[w->next])) act++;
        if (act < ACTS) s->act = (enum sdrt_act)act;
        else if (!strcmp(w->word[w->next], "gated")) s->w.gated = 1;
        else return 0;
    }
    s->a_pitch = s->k;
    s->y_pitch = s->residual_pitch = s->n;
    return (double)s->m * s->k < most_values && (double)s->m * s->n < most_values &&
           2.0 * s->n * s->k < most_values;
}

static int read_attention(struct words *w, struct sdrt_attention_shape *s)
{
    int *const size[] = { &s->batch, &s->heads, &s->head_dim };
    int *const tokens[] = { &s->q_len, &s->kv_len };
    const char *rest;
    double scale;

    *s = (struct sdrt_attention_shape){ .scale = 0.0f };
    if (!numbers(w, "xx", size, &rest) || *rest || !numbers(w, "x", tokens, &rest) || *rest)
        return 0;
    if ((double)s->heads * s->head_dim > LARGEST) return 0;
    s->q_pitch = s->k_pitch = s->v_pitch = s->o_pitch = s->heads * s->head_dim;
    s->scale = 1.0f / sqrtf((float)s->head_dim);
    for (; w->next < w->n; w->next++) {
        const char *word = w->word[w->next];
        if (!strcmp(word, "causal")) s->causal = 1;
        else if (!strcmp(word, "biased")) s->biased = 1;
        else if (tagged_int(word, "kv", &s->k_pitch)) s->v_pitch = s->k_pitch;
        else if (tagged(word, "scale", &scale)) s->scale = (float)scale;
        else if (!tagged_int(word, "q", &s->q_pitch)) return 0;
    }
    if (s->causal && s->q_len != s->kv_len) return 0;
    return s->q_pitch >= s->o_pitch && s->k_pitch >= s->o_pitch &&
           (double)s->batch * s->q_len * s->q_pitch < most_values &&
           (double)s->batch * s->kv_len * s->k_pitch < most_values &&
           (!s->biased || (double)s->heads * s->q_len * s->kv_len < most_values);
}

static int read_gn(struct words *w, struct sdrt_gn_shape *s)
{
    int *const size[] = { &s->batch, &s->pixels };
    const char *rest;
    double eps;

    *s = (struct sdrt_gn_shape){ .groups = 32, .eps = (float)default_eps };
    if (!numbers(w, "x", size, &rest) || *rest || w->next == w->n ||
        !channels(w->word[w->next], &s->c, &s->c2, '\0', NULL))
        return 0;
    for (w->next++; w->next < w->n; w->next++)
        if (tagged(w->word[w->next], "eps", &eps)) s->eps = (float)eps;
        else if (!tagged_int(w->word[w->next], "g", &s->groups) || !s->groups) return 0;
    s->x_pitch = s->c;
    s->x2_pitch = s->c2;
    return (s->c + s->c2) % s->groups == 0 &&
           (double)s->batch * s->pixels * (s->c + s->c2) < most_values;
}

static int read_layer_norm(struct words *w, struct sdrt_ln_shape *s)
{
    int *const size[] = { &s->rows, &s->c };
    const char *rest;

    *s = (struct sdrt_ln_shape){ .eps = (float)default_eps };
    if (!numbers(w, "x", size, &rest) || *rest || w->next < w->n) return 0;
    s->x_pitch = s->y_pitch = s->c;
    return (double)s->rows * s->c < most_values;
}

static int read_rms_norm(struct words *w, struct sdrt_rms_shape *s)
{
    int *const size[] = { &s->rows, &s->groups, &s->width };
    const char *rest;

    *s = (struct sdrt_rms_shape){ .eps = 1e-6f };
    if (!numbers(w, "xx", size, &rest) || *rest || (double)s->groups * s->width > LARGEST) return 0;
    s->x_pitch = s->groups * s->width;
    for (; w->next < w->n; w->next++)
        if (!tagged_int(w->word[w->next], "pitch", &s->x_pitch)) return 0;
    s->y_pitch = s->x_pitch;
    return s->x_pitch >= s->groups * s->width && (double)s->rows * s->x_pitch < most_values;
}

static int read_elementwise(struct words *w, struct sdrt_ew_shape *s)
{
    struct sdrt_ew_extent e;
    int *size[SDRT_EW_SIZES];
    const char *rest;
    int op = 0;

    *s = (struct sdrt_ew_shape){ .from = SDRT_F32 };
    while (w->next < w->n && op < SDRT_EW_OPS && strcmp(sdrt_ew_kinds[op].name, w->word[w->next]))
        op++;
    if (w->next == w->n || op == SDRT_EW_OPS) return 0;
    const struct sdrt_ew_kind *k = &sdrt_ew_kinds[op];
    s->op = (enum sdrt_elementwise_op)op;
    w->next++;
    for (int i = 0; i < k->n_sizes; i++) size[i] = &s->size[i];
    if (!numbers(w, &"xxxx"[SDRT_EW_SIZES - k->n_sizes], size, &rest) || *rest || w->next < w->n)
        return 0;
    sdrt_ew_usual(s);
    return sdrt_ew_measure(s, &e);
}

static int read_words(struct words *w, struct sdrt_job *j)
{
    switch (j->family) {
    case SDRT_FAMILY_ATTENTION: return read_attention(w, &j->u.attention);
    case SDRT_FAMILY_CONV: return read_conv(w, &j->u.conv);
    case SDRT_FAMILY_GEMM: return read_gemm(w, &j->u.gemm);
    case SDRT_FAMILY_GN_SUMS:
    case SDRT_FAMILY_GN_FOLD: return read_gn(w, &j->u.gn);
    case SDRT_FAMILY_LAYER_NORM: return read_layer_norm(w, &j->u.ln);
    case SDRT_FAMILY_RMS_NORM: return read_rms_norm(w, &j->u.rms);
    case SDRT_FAMILY_ELEMENTWISE: return read_elementwise(w, &j->u.ew);
    case SDRT_FAMILIES: break;
    }
    return 0;
}

/* SDRT_FAMILIES when none has the name. */
static enum sdrt_family family_of(const char *text, size_t length)
{
    int f = 0;

    while (f < SDRT_FAMILIES &&
           (strlen(sdrt_family_names[f]) != length || strncmp(sdrt_family_names[f], text, length)))
        f++;
    return (enum sdrt_family)f;
}

int sdrt_shape_is_text(const char *text)
{
    const size_t length = strcspn(text, " ");

    return text[length] && family_of(text, length) < SDRT_FAMILIES;
}

int sdrt_shape_read(struct sdrt_job *j, const char *text, const struct sdrt_log *log)
{
    struct words w;

    *j = (struct sdrt_job){ .family = SDRT_FAMILIES, .name = text, .calls = 1 };
    if (split(&w, text)) {
        j->family = family_of(w.word[0], strlen(w.word[0]));
        w.next = 1;
        if (read_words(&w, j)) return SDRT_OK;
    }
    return sdrt_fail(log, SDRT_E_ARG,
                     "shape \"%s\": %s%s%s; expected one like \"conv 2x64x64 "
                     "320>320 k3 s1\" (see the manual)",
                     text, w.n && w.next < w.n ? "\"" : "",
                     w.n && w.next < w.n ? w.word[w.next] : "the sizes",
                     w.n && w.next < w.n ? "\" means nothing here" : " do not go together");
}

/* ---- writing ---- */

static void put(char **at, char *end, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void put(char **at, char *end, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(*at, (size_t)(end - *at), format, args);
    va_end(args);
    *at = n < end - *at ? *at + n : end - 1;
}

static void put_conv(char **at, char *end, const struct sdrt_conv_shape *s)
{
    put(at, end, "conv %dx%dx%d %d", s->batch, s->in_h, s->in_w, s->in_c);
    if (s->in_c2) put(at, end, "+%d", s->in_c2);
    put(at, end, ">%d k%d s%d", s->out_c, s->kernel, s->stride);
    if (s->pad != (s->kernel == 3)) put(at, end, " p%d", s->pad);
    if (s->upsample == 2) put(at, end, " up");
    if (s->prologue != SDRT_PROLOGUE_NONE)
        put(at, end, s->prologue == SDRT_PROLOGUE_NORM ? " norm" : " silu");
}

static void put_attention(char **at, char *end, const struct sdrt_attention_shape *s)
{
    const double usual = 1.0 / sqrt(s->head_dim);

    put(at, end, "attention %dx%dx%d %dx%d", s->batch, s->heads, s->head_dim, s->q_len, s->kv_len);
    if (s->q_pitch != s->o_pitch) put(at, end, " q%d", s->q_pitch);
    if (s->k_pitch != s->o_pitch) put(at, end, " kv%d", s->k_pitch);
    if (s->causal) put(at, end, " causal");
    if (s->biased) put(at, end, " biased");
    if (fabs((double)s->scale - usual) > 1e-6 * usual) put(at, end, " scale%.9g", (double)s->scale);
}

static void put_elementwise(char **at, char *end, const struct sdrt_ew_shape *s)
{
    const struct sdrt_ew_kind *k = &sdrt_ew_kinds[s->op];

    put(at, end, "elementwise %s", k->name);
    for (int i = 0; i < k->n_sizes; i++) put(at, end, "%c%d", i ? 'x' : ' ', s->size[i]);
}

void sdrt_shape_write(const struct sdrt_job *j, char *text, size_t size)
{
    const struct sdrt_gemm_shape *gemm = &j->u.gemm;
    const struct sdrt_gn_shape *gn = &j->u.gn;
    char *at = text, *const end = text + size;

    switch (j->family) {
    case SDRT_FAMILY_ATTENTION: put_attention(&at, end, &j->u.attention); break;
    case SDRT_FAMILY_CONV: put_conv(&at, end, &j->u.conv); break;
    case SDRT_FAMILY_GEMM:
        put(&at, end, "gemm %d %d>%d%s", gemm->m, gemm->k, gemm->n, gemm->w.gated ? " gated" : "");
        if (gemm->act != SDRT_ACT_NONE) put(&at, end, " %s", act_names[gemm->act]);
        break;
    case SDRT_FAMILY_GN_SUMS:
    case SDRT_FAMILY_GN_FOLD:
        put(&at, end, "%s %dx%d %d", sdrt_family_names[j->family], gn->batch, gn->pixels, gn->c);
        if (gn->c2) put(&at, end, "+%d", gn->c2);
        put(&at, end, " g%d eps%g", gn->groups, (double)gn->eps);
        break;
    case SDRT_FAMILY_LAYER_NORM: put(&at, end, "layer_norm %dx%d", j->u.ln.rows, j->u.ln.c); break;
    case SDRT_FAMILY_RMS_NORM:
        put(&at, end, "rms_norm %dx%dx%d", j->u.rms.rows, j->u.rms.groups, j->u.rms.width);
        if (j->u.rms.x_pitch != j->u.rms.groups * j->u.rms.width)
            put(&at, end, " pitch%d", j->u.rms.x_pitch);
        break;
    case SDRT_FAMILY_ELEMENTWISE: put_elementwise(&at, end, &j->u.ew); break;
    case SDRT_FAMILIES: put(&at, end, "%s", j->name); break;
    }
}
