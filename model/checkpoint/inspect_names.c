/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/inspect.h"
#include "model/checkpoint/kind.h"
#include "model/checkpoint/lora_base.h"

#include <stdio.h>
#include <string.h>

struct sign {
    const char *part; /* of a name */
    const char *what;
};

static const struct sign parts[] = {
    { "model.diffusion_model.", "denoiser" }, { "first_stage_model.", "VAE" },
    { "cond_stage_model.", "text encoder" }, { "conditioner.embedders.0.", "text encoder" },
    { "conditioner.embedders.1.", "text encoder 2" },
    { "text_encoders.clip_l.", "text encoder CLIP-L" },
    { "text_encoders.clip_g.", "text encoder CLIP-G" },
    { "text_encoders.t5xxl.", "text encoder T5-XXL" }, { "unet/", "denoiser" },
    { "transformer/", "denoiser" }, { "vae/", "VAE" }, { "text_encoder/", "text encoder" },
    { "text_encoder_2/", "text encoder 2" }, { "text_encoder_3/", "text encoder 3" },
    { "model_ema.", "averaged copy" }, { "lora_unet_", "denoiser" }, { "lora_te1_", "text encoder" },
    { "lora_te2_", "text encoder 2" }, { "lora_te_", "text encoder" }, { "unet.", "denoiser" },
    { "transformer.", "denoiser" }, { "text_encoder_2.", "text encoder 2" },
    { "text_encoder.", "text encoder" },
};

enum { PARTS = sizeof parts / sizeof *parts };

static const struct sdrt_file_tensor *find(const struct sdrt_inspection *in,
                                                  const char *part)
{
    for (size_t i = 0; i < in->n; i++)
        if (strstr(in->at[i].name, part)) return in->at[i].tensor;
    return NULL;
}

static int some_ends(const struct sdrt_inspection *in, const char *end)
{
    for (size_t i = 0; i < in->n; i++) {
        const size_t n = strlen(in->at[i].name);
        if (n >= strlen(end) && !strcmp(in->at[i].name + n - strlen(end), end)) return 1;
    }
    return 0;
}

static const char *name_at(const void *of, size_t i)
{
    const struct sdrt_inspection *in = of;

    return in->at[i].name;
}

const char *sdrt_inspect_kind(const struct sdrt_inspection *in)
{
    const struct sdrt_kind *kind = sdrt_kind_find(name_at, in, in->n, 1);

    return kind ? sdrt_kind_bare(kind) : "unknown";
}

const char *sdrt_inspect_part(const char *name)
{
    if (!strncmp(name, "state_dict.", 11)) name += 11;
    for (int i = 0; i < PARTS; i++)
        if (!strncmp(name, parts[i].part, strlen(parts[i].part))) return parts[i].what;
    return "other";
}

static const char *made_for(const struct sdrt_inspection *in)
{
    const char *best = NULL;

    for (size_t i = 0; i < in->n; i++) {
        const char *base = sdrt_lora_tensor_base(in->at[i].name, in->at[i].tensor);
        if (sdrt_lora_base_is_better(base, best)) best = base;
    }
    return best ? best : "a model that its names do not tell";
}

/* Whether the first factor of some pair is itself a convolution. */
static int has_convolution(const struct sdrt_inspection *in)
{
    for (size_t i = 0; i < in->n; i++) {
        const struct sdrt_file_tensor *t = in->at[i].tensor;
        if (t->rank == 4 && t->shape[2] > 1 &&
            (strstr(in->at[i].name, "lora_down.") || strstr(in->at[i].name, "lora_A.")))
            return 1;
    }
    return 0;
}

static const char *lora_method(const struct sdrt_inspection *in)
{
    static const struct sign methods[] = {
        { "hada_w1_a", "LoHa" }, { "lokr_w", "LoKr" }, { ".a1.weight", "GLoRA" },
        { ".on_input", "(IA)3" }, { ".ia3_l", "(IA)3" }, { "lora_mid", "LoCon" },
        { "lora_down.", "LoRA" }, { "lora_A.", "LoRA" }, { "lora.down.", "LoRA" },
    };

    const struct sdrt_file_tensor *oft = find(in, "oft_blocks");

    if (oft) return oft->rank == 4 ? "BOFT" : "OFT";
    if (has_convolution(in)) return "LoCon";
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (find(in, methods[i].part)) return methods[i].what;
    if (some_ends(in, ".diff")) return "LyCORIS of whole differences";
    return some_ends(in, ".w_norm") ? "LyCORIS of norms" : NULL;
}

void sdrt_inspect_lora(const struct sdrt_inspection *in, char *out, size_t size)
{
    static const char *const ranks[] = { "lora_down.", "lora_A.", "lora.down.", "hada_w1_b",
                                         "lokr_w2_b", "lokr_w1_b", ".a2.weight" };
    const int decomposed = find(in, "dora_scale") || find(in, "lora_magnitude_vector");
    const char *method = lora_method(in);
    char of_rank[40] = "";

    *out = 0;
    if (!method) return;
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks && !*of_rank; i++) {
        const struct sdrt_file_tensor *t = find(in, ranks[i]);
        if (t && t->rank >= 2)
            snprintf(of_rank, sizeof of_rank, " of rank %lld", (long long)t->shape[0]);
    }
    snprintf(out, size, "%s%s%s, for %s", method, decomposed ? " with DoRA" : "", of_rank,
             made_for(in));
}
