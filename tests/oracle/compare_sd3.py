#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare single passes of a full-size SD 3.5 with diffusers in float32, part by part.

  compare_sd3.py FOLDER --sdprobe ./sdprobe [--model FILE] [--threads N] [--latent HxW]
                 [--vae-latent HxW] [--part text|mmdit|vae ...] [--bf16]

FOLDER is the diffusers folder that the reference is computed from; sdprobe runs on FILE, or on
FOLDER. The transformer's weights stay f16 and mapped; each layer turns its own to f32, which is
exact. --bf16 also runs the transformer in bf16, beside diffusers' own. Exit 1 where the relative L2
is above 1e-4, or in bf16 above diffusers'.
"""

import json

import torch
from diffusers import SD3Transformer2DModel
from transformers import CLIPTextModelWithProjection

import full_size
import sd15_reference as reference
from full_size import PROMPTS, judge, judge_bf16, one_pass, saved


def text_part(a, out):
    for i, part in enumerate(["text_encoder", "text_encoder_2"]):
        full_size.compare_text(a, out, i, part, CLIPTextModelWithProjection, PROMPTS)


def outside_layers(name):
    """Norms of queries and keys, of a kind that stays as it is, and the table of positions."""
    return ".norm_" in name and "linear" not in name or name == "pos_embed.pos_embed"


def mapped_mmdit(folder, dtype=torch.float32):
    return full_size.mapped(SD3Transformer2DModel, folder, "transformer", outside_layers, dtype)


@torch.no_grad()
def run_mmdit(a, inputs, dtype):
    """[latent height][latent width][channels]"""
    model = mapped_mmdit(a.folder, dtype)
    out = model(timestep=torch.tensor([500.0]), **{k: x.to(dtype) for k, x in inputs.items()}).sample
    return reference.nhwc(out.float())


def mmdit_part(a, out):
    h, w = map(int, a.latent.split("x"))
    c = json.load(open(f"{a.folder}/transformer/config.json"))
    x = reference.normals((1, 16, h, w), [h, w])
    text = reference.normals((1, 77, c["joint_attention_dim"]), 3)
    pooled = reference.normals((1, c["pooled_projection_dim"]), 4)
    inputs = dict(hidden_states=x, encoder_hidden_states=text, pooled_projections=pooled)
    files = dict(timestep=500, input=saved(out, "in", reference.nhwc(x)),
                 text=saved(out, "ctx", text), pooled=saved(out, "p", pooled))
    want = run_mmdit(a, inputs, torch.float32)
    one_pass(a, "unet", out, **files)
    judge(f"mmdit {8 * w}x{8 * h}", f"{out}/output.npy", want)
    if a.bf16:
        one_pass(a, "unet", out, precision="bf16", **files)
        judge_bf16(f"mmdit {8 * w}x{8 * h} in bf16", f"{out}/output.npy",
                   run_mmdit(a, inputs, torch.bfloat16), want)


if __name__ == "__main__":
    parts = {"text": text_part, "mmdit": mmdit_part, "vae": full_size.vae_part}
    full_size.main(__doc__, parts, bf16=True)
