/* SPDX-License-Identifier: MIT */
#include "model/pipeline/packing.h"
#include "kernels/isa.h"
#include "model/checkpoint/tensor_names.h"
#include "model/net/config.h"
#include "runtime/base/text.h"

#include <string.h>

static int begins_with(const char *name, const char *prefix)
{
    return !strncmp(name, prefix, strlen(prefix));
}

/* Whether f16 does not hold what an autoencoder makes of it (pass.h, wide). */
static int is_autoencoder(const char *name)
{
    return begins_with(name, "vae.") || begins_with(name, "taesd.");
}

/* What passes that are wide read stays as it is stored (pass.h). */
static enum sdrt_dtype packing_f16(const struct sdrt_packed_matrix *matrix)
{
    enum { T5 = 2 };

    if (is_autoencoder(matrix->name) || begins_with(matrix->name, sdrt_text_prefix(T5)))
        return sdrt_packing_as_stored(matrix);
    return SDRT_F16;
}

static int is_text_encoder(const char *name)
{
    for (int i = 0; i < SDRT_MAX_TEXT; i++) {
        const char *prefix = sdrt_text_prefix(i);
        if (begins_with(name, prefix) && name[strlen(prefix)] == '.') return 1;
    }
    return 0;
}

/* Text encoders run on the processor (pass.h), in what their weights are.  On the device 8 bits stay, which
 * its kernels convert where they read them. */
static enum sdrt_dtype packing_beside(const struct sdrt_packed_matrix *matrix)
{
    if (is_text_encoder(matrix->name)) return sdrt_packing_as_stored(matrix);
    return matrix->from == SDRT_F8_E4M3 ? SDRT_F8_E4M3 : SDRT_BF16;
}

/* The same on a device that multiplies f16; by weights of f32 it multiplies f32. */
static enum sdrt_dtype packing_beside_f16(const struct sdrt_packed_matrix *matrix)
{
    if (is_autoencoder(matrix->name)) return SDRT_F32;
    const enum sdrt_dtype type = packing_beside(matrix);
    return type == SDRT_BF16 && !is_text_encoder(matrix->name) ? SDRT_F16 : type;
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
            sdrt_ends_with(matrix->name, bearing[i].layer) && !matrix->wide)
            return SDRT_I8;
    return sdrt_packing_as_stored(matrix);
}

/* The same where the others are bf16. */
static enum sdrt_dtype packing_int8_beside_bf16(const struct sdrt_packed_matrix *matrix)
{
    return packing_int8(matrix) == SDRT_I8 ? SDRT_I8 : SDRT_BF16;
}

/* Whether a device multiplies in bf16 where weights are. */
static int has_bf16(const struct sdrt_device *device)
{
    const struct sdrt_isa_level *level = device ? sdrt_isa_find(device->isa) : NULL;

    return level && (level->own & SDRT_ISA_ANY_BF16);
}

sdrt_packing_policy *sdrt_packing_of(const char *precision, const struct sdrt_device *device)
{
    if (!strcmp(precision, "bf16"))
        return sdrt_device_is_host(device) ? sdrt_packing_bf16 : packing_beside;
    if (!strcmp(precision, "int8"))
        return has_bf16(device) ? packing_int8_beside_bf16 : packing_int8;
    if (strcmp(precision, "f16")) return sdrt_packing_as_stored;
    return sdrt_device_is_host(device) ? packing_f16 : packing_beside_f16;
}
