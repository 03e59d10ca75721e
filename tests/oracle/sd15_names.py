# SPDX-License-Identifier: MIT
"""Tensor names of Stable Diffusion 1.5: diffusers folder -> original single file (LDM) layout.

Written from the module structure of the two code bases, independent of diffusers' own converter,
which make_sd15_full.py uses to check this table in the other direction.
"""

import re

import numpy as np
import torch

UNET = "model.diffusion_model."
VAE = "first_stage_model."
CLIP = "cond_stage_model.transformer.text_model."

UNET_OUTER = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
UNET_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
VAE_OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def unet_name(name, layers=2, attention=(True, True, True, False)):
    """layers: resnets a level on the way down; attention: whether each level has transformers."""
    per, levels = layers + 1, len(attention)
    module, leaf = name.rsplit(".", 1)
    if module in UNET_OUTER:
        return f"{UNET}{UNET_OUTER[module]}.{leaf}"
    m = re.fullmatch(
        r"(down|mid|up)_blocks?\.(?:(\d+)\.)?(resnets|attentions|(?:down|up)samplers)\.(\d+)\.(.*)",
        module,
    )
    side, block, kind, j, inner = m[1], int(m[2] or 0), m[3], int(m[4]), m[5]
    if kind == "resnets":
        inner = UNET_RESNET[inner]
    if side == "mid":
        where = f"middle_block.{2 * j if kind == 'resnets' else 1}"
    elif kind == "downsamplers":
        where, inner = f"input_blocks.{per * (block + 1)}.0", "op"
    elif kind == "upsamplers":
        where = f"output_blocks.{per * block + layers}.{2 if attention[levels - 1 - block] else 1}"
    else:
        n = per * block + j + (side == "down")
        where = f"{'input' if side == 'down' else 'output'}_blocks.{n}.{int(kind == 'attentions')}"
    return f"{UNET}{where}.{inner}.{leaf}"


def vae_name(name, levels=4):
    module, leaf = name.rsplit(".", 1)
    m = re.fullmatch(
        r"(encoder|decoder)\.(down|mid|up)_blocks?\.(?:(\d+)\.)?(\w+)\.(\d+)\.(.*)", module
    )
    if not m:
        return f"{VAE}{module.replace('conv_norm_out', 'norm_out')}.{leaf}"
    coder, side, block, kind, j, inner = m[1], m[2], int(m[3] or 0), m[4], int(m[5]), m[6]
    if side == "up":
        block = levels - 1 - block
    if kind == "attentions":
        where, inner = "mid.attn_1", VAE_ATTENTION[inner]
    elif side == "mid":
        where = f"mid.block_{j + 1}"
    elif kind == "resnets":
        where = f"{side}.{block}.block.{j}"
    else:
        where = f"{side}.{block}.{kind.removesuffix('rs')}"
    return f"{VAE}{coder}.{where}.{inner.replace('conv_shortcut', 'nin_shortcut')}.{leaf}"


def schedule_tables():
    """DDPM buffers that the training code stored beside the weights; readers ignore them."""
    betas = np.linspace(0.00085**0.5, 0.0120**0.5, 1000, dtype=np.float64) ** 2
    alphas = 1 - betas
    cum = np.cumprod(alphas)
    prev = np.append(1.0, cum[:-1])
    variance = betas * (1 - prev) / (1 - cum)
    tables = {
        "betas": betas,
        "alphas_cumprod": cum,
        "alphas_cumprod_prev": prev,
        "sqrt_alphas_cumprod": cum**0.5,
        "sqrt_one_minus_alphas_cumprod": (1 - cum) ** 0.5,
        "log_one_minus_alphas_cumprod": np.log(1 - cum),
        "sqrt_recip_alphas_cumprod": (1 / cum) ** 0.5,
        "sqrt_recipm1_alphas_cumprod": (1 / cum - 1) ** 0.5,
        "posterior_variance": variance,
        "posterior_log_variance_clipped": np.log(np.maximum(variance, 1e-20)),
        "posterior_mean_coef1": betas * prev**0.5 / (1 - cum),
        "posterior_mean_coef2": (1 - prev) * alphas**0.5 / (1 - cum),
    }
    out = {k: torch.from_numpy(v.astype(np.float32)) for k, v in tables.items()}
    out["model_ema.decay"] = torch.tensor(0.9999, dtype=torch.float32)
    out["model_ema.num_updates"] = torch.tensor(0, dtype=torch.int32)
    return out


def to_ldm(unet, vae, text):
    """unet, vae, text: state dicts with diffusers names (text without `text_model.`) -> one dict,
    LDM names."""
    out = {unet_name(k): v for k, v in unet.items()}
    for k, v in vae.items():
        linear = ".attentions." in k and v.dim() == 2
        out[vae_name(k)] = v[:, :, None, None] if linear else v
    out.update({CLIP + k: v for k, v in text.items()})
    out[CLIP + "embeddings.position_ids"] = torch.arange(77, dtype=torch.int64)[None]
    out.update(schedule_tables())
    return {k: v.contiguous() for k, v in out.items()}


def old_vae_attention(vae):
    """The names the published v1-5 diffusers folder has in its VAE (diffusers renames them when
    loading)."""
    out = {}
    for k, v in vae.items():
        if ".attentions." in k:
            for new, old in VAE_OLD_ATTENTION.items():
                k = k.replace(f".{new}.", f".{old}.")
        out[k] = v
    return out
