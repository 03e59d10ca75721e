/* SPDX-License-Identifier: MIT */
#include "tests/golden_passes.h"
#include "tests/passes.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROMPTS = GOLDEN_PROMPTS, TOKENS = GOLDEN_TOKENS };

/* pooled [prompts][tokens][width] to the rows of the first end tokens, whose id is the largest, at
 * the beginning. */
static void take_pooled(float *pooled, size_t width, const int32_t *ids)
{
    for (size_t i = 0; i < PROMPTS; i++) {
        size_t at = 0;
        for (size_t k = 1; k < TOKENS; k++)
            if (ids[i * TOKENS + k] > ids[i * TOKENS + at]) at = k;
        memmove(pooled + i * width, pooled + (i * TOKENS + at) * width, width * sizeof *pooled);
    }
}

void check_text(struct sdrt_context *c, const char *family, const char *isa, int encoder)
{
    const struct sdrt_text_config *t = &sdrt_model_config_of(c->model)->text[encoder];
    const size_t width = (size_t)t->pooled;
    char name[32];

    snprintf(name, sizeof name, "text/ids%d", encoder);
    struct sdrt_npy *ids = golden(family, name);
    float *out = malloc(PROMPTS * TOKENS * (size_t)t->clip.hidden * sizeof *out);
    float *pooled = malloc(PROMPTS * TOKENS * (width + 1) * sizeof *pooled);
    cr_assert_eq(pass_text(c, encoder, ids->data, PROMPTS, out, pooled), SDRT_OK, "%s", kept_text);
    snprintf(name, sizeof name, "text/text%d", encoder);
    judge(family, isa, name, out, 3e-6);
    if (width) {
        take_pooled(pooled, width, ids->data);
        snprintf(name, sizeof name, "text/pooled%d", encoder);
        judge(family, isa, name, pooled, 3e-6);
    }
    sdrt_npy_free(&ids);
    free(out);
    free(pooled);
}

void check_vae(struct sdrt_context *c, const char *family, const char *isa)
{
    struct sdrt_npy *latent = golden(family, "vae/latent");
    const int h = (int)latent->shape[1], w = (int)latent->shape[2];
    const size_t scale = (size_t)1 << (sdrt_model_config_of(c->model)->vae.levels - 1);
    float *pixels = malloc((size_t)h * scale * (size_t)w * scale * 3 * sizeof *pixels);

    cr_assert_eq(pass_decode(c, latent->data, 1, h, w, pixels), SDRT_OK, "%s", kept_text);
    judge(family, isa, "vae/decoded", pixels, 2e-5);
    sdrt_npy_free(&latent);
    free(pixels);
}
