/* SPDX-License-Identifier: MIT
 *
 * LoRA files of every kind, merged into the tiny model's weights, against the merges of the
 * libraries that made them.  tests/oracle/make_lora_golden.py wrote the files.
 */
#include "kernels/pack.h"
#include "model/sdrt.h"
#include "tests/lora_model.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(lora, .init = lora_set_up, .fini = lora_tear_down);

static const struct {
    const char *name;
    double limit; /* f32 sums in another order; f16: what rounding the factors costs */
    const char *said; /* by sdrt_inspect() */
} kinds[] = {
    { "kohya-lora", 2e-6, "LoRA of rank 4" },
    { "kohya-original", 2e-6, "LoCon of rank 4" },
    { "kohya-f16", 1e-3, "LoRA of rank 4" },
    { "locon", 2e-6, "LoCon of rank 4" },
    { "locon-mid", 2e-6, "LoCon of rank 4" },
    { "loha", 2e-6, "LoHa of rank 4" },
    { "loha-tucker", 2e-6, "LoHa of rank 4" },
    { "lokr", 2e-6, "LoKr of rank 2" },
    { "lokr-both", 2e-6, "LoKr of rank" },
    { "lokr-full", 2e-6, "LoKr, for" },
    { "lokr-tucker", 2e-6, "LoKr of rank" },
    { "dora-rows", 2e-6, "with DoRA of rank 4" },
    { "dora-columns", 2e-6, "with DoRA of rank 4" },
    { "doha", 2e-6, "LoHa with DoRA of rank 4" },
    { "full", 2e-6, "LyCORIS of whole differences, for" },
    { "norm", 2e-6, "LyCORIS of norms, for" },
    { "peft/adapter_model", 2e-6, "LoCon of rank" },
    { "peft-dora", 2e-6, "with DoRA of rank 4" },
    { "peft-text", 2e-6, "LoRA of rank 2" },
    { "diffusers", 2e-6, "of rank 4" },
    { "diffusers-lora", 2e-6, "of rank 4" },
    { "diffusers-processor", 2e-6, "LoRA of rank 4" },
    { "glora", 2e-6, "GLoRA of rank 4" },
    { "glora-tucker", 2e-6, "GLoRA of rank 4" },
    { "oft", 2e-6, "kind: OFT, for" },
    { "oft-bound", 2e-6, "kind: OFT, for" },
    { "boft", 2e-6, "kind: BOFT, for" },
    { "boft-bound", 2e-6, "kind: BOFT, for" },
    { "ia3", 2e-6, "kind: (IA)3, for" },
    { "ia3-input", 2e-6, "kind: (IA)3, for" },
    { "peft-regex/adapter_model", 2e-6, "LoRA of rank" },
    { "peft-lokr/adapter_model", 2e-6, "LoKr, for" },
    { "peft-lokr-factors/adapter_model", 2e-6, "LoKr of rank 2" },
    { "peft-loha/adapter_model", 2e-6, "LoHa of rank 4" },
    { "peft-ia3/adapter_model", 2e-6, "kind: (IA)3, for" },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

Test(lora, inspect_tells_every_kind)
{
    for (int i = 0; i < KINDS; i++) {
        const char *path = lora_data("lora/%s.safetensors", kinds[i].name);
        char *text = sdrt_inspect(path, &kept_log);
        cr_assert_not_null(text, "%s: %s", path, kept_text);
        cr_expect(strstr(text, kinds[i].said), "\"%s\" is not in:\n%s", kinds[i].said, text);
        cr_expect(strstr(text, "runs: as a LoRA"), "%s", text);
        free(text);
    }
}

Test(lora, every_kind_merges_as_its_own_library_does)
{
    for (int i = 0; i < KINDS; i++) {
        sdrt_loras_clear(loras);
        cr_assert_eq(lora_add(lora_data("lora/%s.safetensors", kinds[i].name), 1.0,
                                    0), SDRT_OK, "%s: %s", kinds[i].name, kept_text);
        const double error = lora_worst_error(kinds[i].name);
        cr_expect_leq(error, kinds[i].limit, "%s: %.2e", kinds[i].name, error);
        printf("%-22s %.1e\n", kinds[i].name, error);
    }
}

/* Rotations at half strength are not half the change. */
Test(lora, rotations_go_over_to_the_identity_as_lycoris_does)
{
    static const char *const names[] = { "oft", "boft" };
    char half[32];

    for (int i = 0; i < 2; i++) {
        sdrt_loras_clear(loras);
        expect_quiet(lora_add(lora_data("lora/%s.safetensors", names[i]), 0.5, 0), names[i]);
        snprintf(half, sizeof half, "%s.half", names[i]);
        const double error = lora_worst_error(half);
        cr_expect_leq(error, 2e-6, "%s: %.2e", names[i], error);
    }
}

/* How many of the file's weights differ from the model's own. */
static int changed(const char *name)
{
    struct sdrt_tensor_file *want = NULL;
    int count = 0;

    cr_assert_eq(sdrt_tensor_file_open(&want, lora_data("lora/%s.merged.safetensors", name),
                                       &kept_log), SDRT_OK);
    for (size_t i = 0; i < sdrt_tensor_file_count(want); i++) {
        const char *weight = sdrt_tensor_file_at(want, i)->name;
        struct sdrt_weight_view v;
        size_t n;
        float *got = lora_merged(weight, &n);
        cr_assert_eq(lora_base.get(lora_base.self, weight, -1, NULL, &v), SDRT_OK);
        float *own = malloc(n * sizeof *own);
        sdrt_to_f32(v.data, v.dtype, own, n);
        lora_base.release(lora_base.self, weight);
        count += memcmp(got, own, n * sizeof *own) != 0;
        free(got);
        free(own);
    }
    sdrt_tensor_file_close(&want);
    return count;
}

Test(lora, scale_zero_is_the_model_bit_for_bit)
{
    static const double scales[] = { 0.0, 0.5, 0.0 };

    for (int i = 0; i < KINDS; i++)
        for (int k = 0; k < 3; k++) {
            const char *path = lora_data("lora/%s.safetensors", kinds[i].name);
            sdrt_loras_clear(loras);
            cr_assert_eq(lora_add(path, scales[k], 0), SDRT_OK);
            const int count = changed(kinds[i].name);
            cr_expect(scales[k] > 0.0 ? count > 0 : count == 0, "%s at %g: %d changed",
                      kinds[i].name, scales[k], count);
        }
}

/* Two at once add up: their changes alone, taken apart, sum to the change together. */
Test(lora, two_at_once)
{
    static const char *const names[] = { "kohya-lora", "loha" };
    static const char weight[] = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1."
                                 "to_q.weight";
    float *alone[2], *both, *own;
    size_t n;

    own = lora_merged(weight, &n);
    for (int i = 0; i < 2; i++) {
        sdrt_loras_clear(loras);
        cr_assert_eq(lora_add(lora_data("lora/%s.safetensors", names[i]),
                                    i ? -0.25 : 0.8, 0), SDRT_OK);
        alone[i] = lora_merged(weight, &n);
    }
    cr_assert_eq(lora_add(lora_data("lora/%s.safetensors", names[0]), 0.8, 0),
                 SDRT_OK);
    cr_assert_eq(sdrt_loras_count(loras), 2);
    both = lora_merged(weight, &n);
    for (size_t i = 0; i < n; i++) {
        const float sum = alone[0][i] + alone[1][i] - own[i];
        cr_assert_float_eq(both[i], sum, 1e-6, "value %zu: %g, not %g", i, (double)both[i],
                           (double)sum);
    }
    free(own);
    free(both);
    free(alone[0]);
    free(alone[1]);
}
