/* SPDX-License-Identifier: MIT */
#include "model/pipeline/packing.h"
#include "model/checkpoint/tensor_names.h"
#include "model/net/config.h"
#include "runtime/base/text.h"

#include <string.h>

/* What passes that are wide read stays as it is stored (pass.h). */
static enum sdrt_dtype packing_f16(const struct sdrt_packed_matrix *matrix)
{
    enum { T5 = 2 };
    const char *const vae = "vae.", *const taesd = "taesd.", *const t5 = sdrt_text_prefix(T5);

    if (!strncmp(matrix->name, vae, strlen(vae)) || !strncmp(matrix->name, taesd, strlen(taesd)) ||
        !strncmp(matrix->name, t5, strlen(t5)))
        return sdrt_packing_as_stored(matrix);
    return SDRT_F16;
}

/* Text encoders run on the processor (pass.h), in what their weights are.  On the device 8 bits stay, which
 * its kernels convert where they read them. */
static enum sdrt_dtype packing_beside(const struct sdrt_packed_matrix *matrix)
{
    for (int i = 0; i < SDRT_MAX_TEXT; i++) {
        const char *prefix = sdrt_text_prefix(i);
        const size_t n = strlen(prefix);
        if (!strncmp(matrix->name, prefix, n) && matrix->name[n] == '.')
            return sdrt_packing_as_stored(matrix);
    }
    return matrix->from == SDRT_F8_E4M3 ? SDRT_F8_E4M3 : SDRT_BF16;
}

/* The denoiser's layers that bear 8 bits, most of its work.  In an image the others cost more: keys and
 * values of the prompt, what a feed-forward, a block and the model end in, what the time goes through
 * (Q-Diffusion, arXiv 2302.04304; MixDQ, arXiv 2405.17873). */
static enum sdrt_dtype packing_int8(const struct sdrt_packed_matrix *matrix)
{
    static const struct {
        const char *part, *layer;
    } bearing[] = {
        { "unet.", ".attn1.to_q.weight" },
        { "unet.", ".attn1.to_k.weight" },
        { "unet.", ".attn1.to_v.weight" },
        { "unet.", ".attn1.to_out.0.weight" },
        { "unet.", ".attn2.to_q.weight" },
        { "unet.", ".attn2.to_out.0.weight" },
        { "unet.", ".ff.net.0.proj.weight" },
        { "transformer.", ".attn.to_q.weight" },
        { "transformer.", ".attn.to_k.weight" },
        { "transformer.", ".attn.to_v.weight" },
        { "transformer.", ".attn.to_out.0.weight" },
        { "transformer.", ".attn2.to_q.weight" },
        { "transformer.", ".attn2.to_k.weight" },
        { "transformer.", ".attn2.to_v.weight" },
        { "transformer.", ".attn2.to_out.0.weight" },
        { "transformer.", ".ff.net.0.proj.weight" },
    };

    for (size_t i = 0; i < sizeof bearing / sizeof *bearing; i++)
        if (!strncmp(matrix->name, bearing[i].part, strlen(bearing[i].part)) &&
            sdrt_ends_with(matrix->name, bearing[i].layer))
            return SDRT_I8;
    return sdrt_packing_as_stored(matrix);
}

sdrt_packing_policy *sdrt_packing_of(const char *precision, const struct sdrt_device *device)
{
    if (!strcmp(precision, "bf16"))
        return sdrt_device_is_host(device) ? sdrt_packing_bf16 : packing_beside;
    if (!strcmp(precision, "int8")) return packing_int8;
    return strcmp(precision, "f16") ? sdrt_packing_as_stored : packing_f16;
}
