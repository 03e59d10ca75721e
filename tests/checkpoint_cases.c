/* SPDX-License-Identifier: MIT */
#include "tests/checkpoint_cases.h"

#include "model/net/published.h"

#include <criterion/criterion.h>
#include <string.h>

int64_t narrow(int64_t size)
{
    if (size == 49408) return 100;
    if (size == 768 || size == 3072) return size / 12;
    if (size % 320 == 0) return size / 10;
    return size == 128 || size == 256 || size == 512 ? size / 4 : size;
}

void checkpoint_set_up(void)
{
    temp_folder_make();
    test_read_names(narrow);
}

int open_checkpoint(struct sdrt_checkpoint **out, const char *path, const char *vae)
{
    const struct sdrt_checkpoint_paths paths = { .model = path, .vae = vae };

    return sdrt_checkpoint_open(out, &paths, &kept_log);
}

void check_config(const struct sdrt_model_config *m, int64_t size(int64_t))
{
    struct sdrt_model_config want = sdrt_sd15_config();

    for (int i = 0; i < 4; i++) {
        want.unet.channels[i] = (int)size(want.unet.channels[i]);
        want.vae.channels[i] = (int)size(want.vae.channels[i]);
    }
    want.unet.context_dim = (int)size(want.unet.context_dim);
    want.unet.time_embed_dim = (int)size(want.unet.time_embed_dim);
    want.text[0].clip.vocab = (int)size(want.text[0].clip.vocab);
    want.text[0].clip.hidden = (int)size(want.text[0].clip.hidden);
    want.text[0].clip.intermediate = (int)size(want.text[0].clip.intermediate);
    want.text[0].clip.heads = want.text[0].clip.hidden / 64;
    cr_assert(!memcmp(&m->unet, &want.unet, sizeof want.unet));
    cr_assert(!memcmp(&m->vae, &want.vae, sizeof want.vae));
    cr_assert(!memcmp(m->text, want.text, sizeof want.text));
    cr_assert_eq(m->n_text, 1);
    cr_assert_eq(m->noise.prediction, want.noise.prediction);
}

void check_weights(struct sdrt_checkpoint *c, int with_encoder)
{
    struct sdrt_weights_provider p = sdrt_checkpoint_provider(c);
    int needed = 0;

    for (uint32_t i = 0; i < (uint32_t)test_n_tensors; i++) {
        const struct test_tensor *t = &test_tensors[i];
        struct sdrt_weight_view view;
        uint32_t line;
        if (!*t->canonical) continue;
        needed++;
        if (!with_encoder && strstr(t->canonical, "vae.encoder")) continue;
        p.prefetch(p.self, t->canonical);
        cr_assert_eq(p.get(p.self, t->canonical, -1, NULL, &view), SDRT_OK, "%s", t->canonical);
        cr_assert_eq(view.rank, t->rank);
        cr_assert(!memcmp(view.shape, t->shape, (size_t)t->rank * sizeof *t->shape));
        memcpy(&line, view.data, sizeof line);
        cr_assert_eq(line, i, "%s leads to %s, not %s", t->canonical, test_tensors[line].name,
                     t->name);
        p.release(p.self, t->canonical);
    }
    /* 686 of the U-Net, 248 of the VAE, 196 of CLIP: diffusers' and transformers' counts. */
    cr_assert_eq(needed, 686 + 248 + 196);
}

void expect_good(const char *path, const char *vae)
{
    struct sdrt_checkpoint *c;

    cr_assert_eq(open_checkpoint(&c, path, vae), SDRT_OK, "%s", kept_text);
    check_config(sdrt_checkpoint_config(c), narrow);
    check_weights(c, 1);
    cr_assert_eq(kept_lines, 0);
    sdrt_checkpoint_close(&c);
    cr_assert_null(c);
}

void expect_error(const char *path, const char *vae, int status, const char *text)
{
    struct sdrt_checkpoint *c;
    const int rc = open_checkpoint(&c, path, vae);

    cr_assert_null(c);
    cr_expect(strstr(kept_text, temp_path("")), "%s\nnames no file", kept_text);
    expect_failure(rc, status, text, text);
}
