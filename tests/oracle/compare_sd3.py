#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare single passes of a full-size SD 3.5 with diffusers in float32, part by part.

  compare_sd3.py FOLDER --sdprobe ./sdprobe [--model FILE] [--threads N] [--latent HxW]
                 [--vae-latent HxW] [--part text|mmdit|vae ...]

FOLDER is the diffusers folder that the reference is computed from; sdprobe runs on FILE, or on
FOLDER. The transformer's weights stay f16 and mapped; each layer turns its own to f32, which is
exact. Exit 1 where the relative L2 is above 1e-4.
"""

import torch
from diffusers import SD3Transformer2DModel
from transformers import CLIPTextModelWithProjection

import full_size
import sd15_reference as reference
from full_size import PROMPTS, judge, one_pass, saved


def text_part(a, out):
    for i, part in enumerate(["text_encoder", "text_encoder_2"]):
        full_size.compare_text(a, out, i, part, CLIPTextModelWithProjection, PROMPTS)


def mapped_mmdit(folder):
    """The norms of queries and keys, of a kind that stays as it is, are small and f32."""
    return full_size.mapped(SD3Transformer2DModel, folder, "transformer",
                            lambda name: ".norm_" in name and "linear" not in name)


@torch.no_grad()
def mmdit_part(a, out):
    h, w = map(int, a.latent.split("x"))
    model = mapped_mmdit(a.folder)
    x = reference.normals((1, 16, h, w), [h, w])
    text = reference.normals((1, 77, model.config.joint_attention_dim), 3)
    pooled = reference.normals((1, model.config.pooled_projection_dim), 4)
    want = model(hidden_states=x, timestep=torch.tensor([500.0]), encoder_hidden_states=text,
                 pooled_projections=pooled).sample
    one_pass(
        a, "unet", out, timestep=500, input=saved(out, "in", reference.nhwc(x)),
        text=saved(out, "ctx", text), pooled=saved(out, "p", pooled),
    )
    judge(f"mmdit {8 * w}x{8 * h}", f"{out}/output.npy", reference.nhwc(want))


if __name__ == "__main__":
    parts = {"text": text_part, "mmdit": mmdit_part, "vae": full_size.vae_part}
    full_size.main(__doc__, parts)
