/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/kind.h"
#include "runtime/base/text.h"

#include <string.h>

enum known {
    LORA,
    OFT,
    GLORA,
    UNMERGED,
    IP_ADAPTER,
    CONTROLNET,
    T2I_ADAPTER,
    ANIMATEDIFF,
    INVERSION,
    PHOTOMAKER,
    UNCLIP,
    X4,
    VIDEO_DIFFUSION,
    KOLORS,
    CASCADE,
    CHROMA,
    HUNYUAN_VIDEO,
    HUNYUAN_DIT,
    HIDREAM,
    FLUX,
    AURAFLOW,
    QWEN,
    LUMINA,
    LTX,
    MOCHI,
    WAN,
    COGVIDEO,
    PIXART,
    SANA,
    ESRGAN,
    SWINIR,
    TAESD,
    VISION,
    MMDIT,
    UNET,
    VAE,
    T5,
    OPENCLIP,
    CLIP
};

#define FAMILY(name_)                                                                 \
    {                                                                                 \
        name_, SDRT_KIND_FAMILY, "expected a model of SD 1.x, SD 2.x, SDXL or SD 3.x" \
    }
#define UNREAD "this version does not read them"

static const struct sdrt_kind kinds[] = {
    [LORA] = { "a LoRA", SDRT_KIND_ADAPTER,
               "it changes a model: expected as a LoRA on top of one" },
    [OFT] = { "an OFT adapter", SDRT_KIND_ADAPTER,
              "it changes a model: expected as a LoRA on top of one" },
    [UNMERGED] = { "an adapter that cannot be merged (PEFT's OFT or BOFT, VeRA, HRA, FourierFT, "
                   "RandLoRA)",
                   SDRT_KIND_ADAPTER,
                   "expected LoRA, LoHa, LoKr, GLoRA, (IA)3, or OFT or BOFT by LyCORIS" },
    [GLORA] = { "a GLoRA", SDRT_KIND_ADAPTER,
                "it changes a model: expected as a LoRA on top of one" },
    [IP_ADAPTER] = { "an IP-Adapter", SDRT_KIND_ADAPTER,
                     "it makes a picture a prompt: expected as an IP-Adapter beside a model" },
    [CONTROLNET] = { "a ControlNet", SDRT_KIND_ADAPTER,
                     "it guides a model by a picture: expected as a control net beside one" },
    [T2I_ADAPTER] = { "a T2I-Adapter", SDRT_KIND_ADAPTER,
                      "it guides a model by a picture: expected as a control net beside one" },
    [ANIMATEDIFF] = { "an AnimateDiff motion module", SDRT_KIND_ADAPTER, UNREAD },
    [INVERSION] = { "a textual inversion", SDRT_KIND_ADAPTER, UNREAD },
    [PHOTOMAKER] = { "a PhotoMaker", SDRT_KIND_ADAPTER, UNREAD },
    [UNCLIP] = { "an SD 2.x unCLIP model", SDRT_KIND_FAMILY,
                 "its denoiser also reads a picture's embedding, which nothing here makes" },
    [X4] = { "an SD x4 upscaler", SDRT_KIND_FAMILY,
             "its denoiser also reads a small picture and how noisy that is" },
    [VIDEO_DIFFUSION] = FAMILY("a Stable Video Diffusion model"),
    [KOLORS] = { "a model whose denoiser projects another encoder's output (Kolors, IP-Adapter)",
                 SDRT_KIND_FAMILY, "expected a model of SD 1.x, SD 2.x, SDXL or SD 3.x" },
    [CASCADE] = FAMILY("a Stable Cascade model"),
    [CHROMA] = FAMILY("a Chroma model"),
    [HUNYUAN_VIDEO] = FAMILY("a HunyuanVideo model"),
    [HUNYUAN_DIT] = FAMILY("a HunyuanDiT model"),
    [HIDREAM] = FAMILY("a HiDream model"),
    [FLUX] = FAMILY("a Flux model"),
    [AURAFLOW] = FAMILY("an AuraFlow model"),
    [QWEN] = FAMILY("a Qwen-Image model"),
    [LUMINA] = FAMILY("a Lumina model"),
    [LTX] = FAMILY("an LTX-Video model"),
    [MOCHI] = FAMILY("a Mochi model"),
    [WAN] = FAMILY("a Wan model"),
    [COGVIDEO] = FAMILY("a CogVideoX model"),
    [PIXART] = FAMILY("a PixArt model"),
    [SANA] = FAMILY("a Sana model"),
    [ESRGAN] = { "an ESRGAN upscaler", SDRT_KIND_OTHER, UNREAD },
    [SWINIR] = { "a SwinIR upscaler", SDRT_KIND_OTHER, UNREAD },
    [TAESD] = { "a TAESD", SDRT_KIND_OTHER, UNREAD },
    [VISION] = { "a CLIP image encoder", SDRT_KIND_OTHER,
                 "it reads the pictures of IP-Adapters: expected beside one" },
    [MMDIT] = { "an SD 3.x", SDRT_KIND_PART, "expected beside a model, as its denoiser" },
    [UNET] = { "a U-Net", SDRT_KIND_PART, "expected beside a model, as its denoiser" },
    [VAE] = { "a VAE", SDRT_KIND_PART, "expected beside a model, as its vae" },
    [T5] = { "a T5 text encoder", SDRT_KIND_PART, "expected beside an SD 3.x, as its t5" },
    [OPENCLIP] = { "an OpenCLIP text encoder", SDRT_KIND_PART,
                   "expected beside a model, as its text_encoder or text_encoder_2" },
    [CLIP] = { "a CLIP text encoder", SDRT_KIND_PART,
               "expected beside a model, as its text_encoder or text_encoder_2" },
};

/* Pieces of names; ^ is a name's beginning, $ its end.  The first that some name has decides, so what
 * contains other things comes first. */
static const struct {
    const char *piece;
    enum known kind;
} signs[] = {
    { "lora_down.", LORA },
    { "lora_up.", LORA },
    { "lora_A.", LORA },
    { ".lora.down.", LORA },
    { "_lora.down.", LORA },
    { "hada_w1_a", LORA },
    { "lokr_w", LORA },
    { "oft_blocks", OFT },
    { "oft_diag", OFT },
    { ".a1.weight", GLORA },
    { ".oft_R", UNMERGED },
    { ".boft_R", UNMERGED },
    { ".vera_lambda", UNMERGED },
    { ".hra_u", UNMERGED },
    { ".fourierft_spectrum", UNMERGED },
    { ".randlora_", UNMERGED },
    { "ip_adapter.", IP_ADAPTER },
    { "image_proj.", IP_ADAPTER },
    { "image_proj_model.", IP_ADAPTER },
    { "id_encoder.", PHOTOMAKER },
    { "control_model.", CONTROLNET },
    { "controlnet_cond_embedding.", CONTROLNET },
    { "controlnet_blocks.", CONTROLNET },
    { "controlnet_down_blocks.", CONTROLNET },
    { "input_hint_block.", CONTROLNET },
    { "adapter.body.", T2I_ADAPTER },
    { "^body.0.block1.", T2I_ADAPTER },
    { "motion_modules.", ANIMATEDIFF },
    { "noise_augmentor.", UNCLIP },
    { "class_embedding.linear_1.", UNCLIP },
    { "^embedder.model.visual.", UNCLIP },
    { "class_embedding.weight$", X4 },
    { "temporal_transformer_blocks.", VIDEO_DIFFUSION },
    { ".time_stack.", VIDEO_DIFFUSION },
    { "encoder_hid_proj.", KOLORS },
    { ".1.channelwise.", CASCADE },
    { "distilled_guidance_layer.", CHROMA },
    { "individual_token_refiner.", HUNYUAN_VIDEO },
    { "mlp_t5.0.", HUNYUAN_DIT },
    { "text_embedding_padding$", HUNYUAN_DIT },
    { "double_stream_blocks.", HIDREAM },
    { "double_blocks.", FLUX },
    { "single_transformer_blocks.", FLUX },
    { "joint_transformer_blocks.", AURAFLOW },
    { "double_layers.0.", AURAFLOW },
    { "transformer_blocks.0.img_mod.", QWEN },
    { "cap_embedder.", LUMINA },
    { "patchify_proj.", LTX },
    { "t5_yproj.", MOCHI },
    { "head.modulation$", WAN },
    { "condition_embedder.image_embedder.", WAN },
    { "patch_embed.text_proj.", COGVIDEO },
    { ".conv_inverted.", SANA },
    { "caption_projection.", PIXART },
    { "y_embedder.y_proj.", PIXART },
    { "joint_blocks.", MMDIT },
    { "transformer_blocks.0.norm1_context.linear.", MMDIT },
    { "encoder.block.0.layer.0.SelfAttention.", T5 },
    { "enc.blk.0.attn_q.", T5 },
    { "^emb_params$", INVERSION },
    { "^string_to_param", INVERSION },
    { "^clip_g$", INVERSION },
    { "^clip_l$", INVERSION },
    { "RRDB_trunk.", ESRGAN },
    { "conv_first.", ESRGAN },
    { "body.0.rdb1.", ESRGAN },
    { "model.1.sub.0.", ESRGAN },
    { "layers.0.residual_group.", SWINIR },
    { "taesd_", TAESD },
    { "^3.conv.0.weight$", TAESD },
    { "decoder.layers.3.conv.0.", TAESD },
    { "input_blocks.0.0.weight", UNET },
    { "down_blocks.0.resnets.0.time_emb_proj.", UNET },
    { "decoder.conv_in.weight", VAE },
    { "^text_model.encoder.layers.0.self_attn.", CLIP },
    { "^transformer.resblocks.0.", OPENCLIP },
    { "vision_model.encoder.layers.0.", VISION },
    { "resblocks.0.", OPENCLIP },
    { "encoder.layers.0.self_attn.", CLIP },
};

int sdrt_kind_matches(const char *name, const char *piece)
{
    const int front = *piece == '^', end = sdrt_ends_with(piece, "$");
    const size_t n = strlen(piece) - (size_t)(front + end), length = strlen(name);

    piece += front;
    if (length < n) return 0;
    if (front) return !strncmp(name, piece, n) && (!end || length == n);
    if (end) return !strncmp(name + length - n, piece, n);
    return strstr(name, piece) != NULL;
}

const struct sdrt_kind *sdrt_kind_find(sdrt_kind_names *names, const void *of, size_t n,
                                       int with_parts)
{
    for (size_t s = 0; s < sizeof signs / sizeof *signs; s++) {
        const struct sdrt_kind *kind = &kinds[signs[s].kind];
        const int whole = kind->role == SDRT_KIND_FAMILY || kind->role == SDRT_KIND_ADAPTER;
        if (!with_parts && (!whole || kind == &kinds[LORA])) continue;
        for (size_t i = 0; i < n; i++)
            if (sdrt_kind_matches(names(of, i), signs[s].piece)) return kind;
    }
    return NULL;
}

const char *sdrt_kind_bare(const struct sdrt_kind *kind) { return strchr(kind->name, ' ') + 1; }
