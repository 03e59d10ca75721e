/* SPDX-License-Identifier: MIT */
#include "model/noise/guidance.h"
#include "model/noise/named.h"

#include <math.h>

#define IN(member) offsetof(struct sdrt_guidance, member)

static const struct sdrt_named_kind kinds[] = {
    [SDRT_GUIDANCE_PLAIN] = { .name = "none" },
    [SDRT_GUIDANCE_APG] = { "apg",
                            { { "eta", IN(eta), 0, 10, 0, 0 },
                              { "threshold", IN(threshold), 0, 1e6, 15, 0 },
                              { "momentum", IN(momentum), -1, 1, -0.5, 0 } } },
    [SDRT_GUIDANCE_CFG_ZERO] = { "cfg_zero", { { "zero", IN(zero), 0, 100, 1, 1 } } },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const struct sdrt_named list = { "guidance", kinds, KINDS, sdrt_guidance_name };

const char *sdrt_guidance_name(int i) { return i >= 0 && i + 1 < KINDS ? kinds[i + 1].name : NULL; }

int sdrt_guidance_parse(struct sdrt_guidance *out, const char *text, const struct sdrt_log *log)
{
    *out = (struct sdrt_guidance){ .kind = SDRT_GUIDANCE_PLAIN };
    const int kind = text ? sdrt_named_parse(&list, out, text, log) : SDRT_GUIDANCE_PLAIN;

    if (kind < 0) return kind;
    out->kind = (enum sdrt_guidance_kind)kind;
    return SDRT_OK;
}

char *sdrt_guidance_text(const struct sdrt_guidance *g, char *text, size_t size)
{
    if (g->kind != SDRT_GUIDANCE_PLAIN) return sdrt_named_text(&list, (int)g->kind, g, text, size);
    *text = '\0';
    return text;
}

int sdrt_guidance_is_zero(const struct sdrt_guidance *g, int e)
{
    return g->kind == SDRT_GUIDANCE_CFG_ZERO && e < (int)g->zero;
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0.0;

    for (size_t k = 0; k < n; k++) sum += (double)a[k] * (double)b[k];
    return sum;
}

/* The optimal scale of section 4.1: that which brings u nearest to c. */
static void apply_cfg_zero(float scale, size_t n, const float *c, const float *u, float *out)
{
    const float fit = (float)(dot(c, u, n) / (dot(u, u, n) + 1e-8));

    for (size_t k = 0; k < n; k++) {
        const float from = u[k] * fit;
        out[k] = from + scale * (c[k] - from);
    }
}

/* The difference of one number, with what momentum adds. */
static float difference(const struct sdrt_guidance *g, const float *c, const float *u,
                        const float *before, size_t k)
{
    const float d = c[k] - u[k];

    return g->momentum != 0.0 ? d + (float)g->momentum * before[k] : d;
}

/* Algorithm 1 of the paper. */
static void apply_apg(const struct sdrt_guidance *g, float scale, size_t n, const float *c,
                      const float *u, float *before, float *out)
{
    double length = 0.0, along = 0.0;
    const double unit = fmax(dot(c, c, n), 1e-24);

    for (size_t k = 0; k < n; k++) {
        const float d = difference(g, c, u, before, k);
        length += (double)d * (double)d;
        along += (double)d * (double)c[k];
    }
    length = sqrt(length);
    const double bound = g->threshold > 0.0 && length > g->threshold ? g->threshold / length : 1.0;
    /* d - (1 - eta) * (its part along c), all of it shortened. */
    const float by_difference = (float)((double)scale * bound);
    const float by_answer = (float)((double)scale * bound * (1.0 - g->eta) * along / unit);
    for (size_t k = 0; k < n; k++) {
        const float d = difference(g, c, u, before, k);
        if (g->momentum != 0.0) before[k] = d;
        out[k] = u[k] + by_difference * d - by_answer * c[k];
    }
}

void sdrt_guidance_apply(const struct sdrt_guidance *g, float scale, size_t n,
                         const float *conditional, const float *unconditional, float *before,
                         float *out)
{
    if (g->kind == SDRT_GUIDANCE_APG)
        apply_apg(g, scale, n, conditional, unconditional, before, out);
    else apply_cfg_zero(scale, n, conditional, unconditional, out);
}
