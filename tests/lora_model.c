/* SPDX-License-Identifier: MIT */
#include "tests/lora_model.h"
#include "kernels/isa.h"
#include "kernels/pack.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/tensor_names.h"
#include "runtime/device/cpu.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char paths[4][512];

const char *lora_data(const char *format, const char *name)
{
    static int next;
    const char *root = getenv("SDRT_TESTDATA");
    char *path = paths[next++ % 4], tail[256];

    snprintf(tail, sizeof tail, format, name);
    snprintf(path, sizeof paths[0], "%s/golden/%s", root ? root : "tests", tail);
    return path;
}

static struct sdrt_checkpoint *model;
struct sdrt_weights_provider lora_base;
static struct sdrt_lora_index *lora_index;
struct sdrt_loras *loras;
static struct sdrt_device *device;
static struct sdrt_queue *queue;
static const struct sdrt_name_part whole = { .third = -1 };

int lora_add(const char *path, double scale, int lenient)
{
    const struct sdrt_lora_strength even = sdrt_lora_strength_even(scale);

    return sdrt_loras_add(loras, path, &even, lenient);
}

/* Every tensor of one part's file into the index. */
static void add_names(const char *part, const char *file)
{
    const struct sdrt_model_config *config = sdrt_checkpoint_config(model);
    struct sdrt_unet_names names = { .original = 1,
                                     .levels = config->unet.levels,
                                     .layers = config->unet.layers };
    struct sdrt_tensor_file *f = NULL;
    char canonical[SDRT_NAME_MAX], original[SDRT_NAME_MAX];

    for (int i = 0; i < names.levels; i++)
        names.attention[i] = config->unet.up_depth[i][config->unet.layers] > 0;
    cr_assert_eq(sdrt_tensor_file_open(&f, lora_data("tiny-sd15/%s", file), &kept_log), SDRT_OK);
    for (size_t i = 0; i < sdrt_tensor_file_count(f); i++) {
        const char *name = sdrt_tensor_file_at(f, i)->name;
        const int unet = !strcmp(part, "unet");
        snprintf(canonical, sizeof canonical, "%s.%s%s", part,
                 unet || !strncmp(name, "text_model.", 11) ? "" : "text_model.", name);
        const int known = unet && sdrt_names_unet(&names, name, original);
        cr_assert_eq(sdrt_lora_index_add(lora_index, canonical, known ? original : NULL, &whole),
                     SDRT_OK);
    }
    sdrt_tensor_file_close(&f);
}

void lora_set_up(void)
{
    temp_folder_make();
    const struct sdrt_checkpoint_paths from = { .model = lora_data("tiny-sd15%s", "") };
    cr_assert_eq(sdrt_checkpoint_open(&model, &from, &kept_log), SDRT_OK);
    lora_base = sdrt_checkpoint_provider(model);
    cr_assert_eq(sdrt_lora_index_create(&lora_index, &kept_log), SDRT_OK);
    add_names("unet", "unet/diffusion_pytorch_model.safetensors");
    add_names("text_encoder", "text_encoder/model.safetensors");
    cr_assert_eq(sdrt_cpu_device_open(&device, sdrt_isa_detect(), "best", SDRT_PIN_NEVER,
                                      &kept_log),
                 SDRT_OK);
    cr_assert_eq(sdrt_queue_open(&queue, device, 2, &kept_log), SDRT_OK);
    const struct sdrt_lora_engine engine = { queue, &kept_log };
    cr_assert_eq(sdrt_loras_create(&loras, &lora_base, lora_index, &engine, "SD 1.x"), SDRT_OK);
}

void lora_tear_down(void)
{
    sdrt_loras_free(&loras);
    sdrt_lora_index_free(&lora_index);
    sdrt_queue_close(&queue);
    sdrt_device_close(&device);
    sdrt_checkpoint_close(&model);
    temp_folder_remove();
}

float *lora_merged(const char *name, size_t *n)
{
    struct sdrt_weights_provider p = sdrt_loras_provider(loras);
    const int64_t shape[2] = { 0, 0 };
    struct sdrt_weight_view v;

    cr_assert_eq(p.get(p.self, name, 2, shape, &v), SDRT_OK, "%s: %s", name, kept_text);
    *n = sdrt_weight_elements(&v);
    float *out = malloc(*n * sizeof *out);
    cr_assert_not_null(out);
    cr_assert_eq(sdrt_to_f32(v.data, v.dtype, out, *n), 0);
    p.release(p.self, name);
    return out;
}

double lora_worst_error(const char *name)
{
    struct sdrt_tensor_file *want = NULL;
    double worst = 0.0;

    cr_assert_eq(sdrt_tensor_file_open(&want, lora_data("lora/%s.merged.safetensors", name),
                                       &kept_log),
                 SDRT_OK);
    cr_assert_gt(sdrt_tensor_file_count(want), 0);
    for (size_t i = 0; i < sdrt_tensor_file_count(want); i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(want, i);
        double error = 0.0, size = 0.0;
        size_t n;
        float *got = lora_merged(t->name, &n);
        cr_assert_eq(n * sizeof *got, t->bytes, "%s: %s", name, t->name);
        for (size_t k = 0; k < n; k++) {
            float w;
            memcpy(&w, (const char *)t->data + k * sizeof w, sizeof w);
            error += ((double)got[k] - w) * ((double)got[k] - w);
            size += (double)w * w;
        }
        const double relative = sqrt(error / size);
        if (!(relative <= worst)) worst = relative;
        free(got);
    }
    sdrt_tensor_file_close(&want);
    return worst;
}
