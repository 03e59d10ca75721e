#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare single passes of a full-size SD 3.5 with diffusers in float32, part by part.

  compare_sd3.py FOLDER --sdprobe ./sdprobe [--model FILE] [--threads N] [--latent HxW]
                 [--vae-latent HxW] [--part text|mmdit|vae ...]

FOLDER is the diffusers folder that the reference is computed from; sdprobe runs on FILE, or on
FOLDER. The transformer's weights stay f16 and mapped; each layer turns its own to f32, which is
exact. Exit 1 where the relative L2 is above 1e-4.
"""

import argparse
import json
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, SD3Transformer2DModel
from safetensors.torch import load_file
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

import compare_families as families
import sd15_build as build
import sd15_reference as reference


@torch.no_grad()
def text_part(a, out):
    for i, part in enumerate(["text_encoder", "text_encoder_2"]):
        model = CLIPTextModelWithProjection.from_pretrained(
            f"{a.folder}/{part}", dtype=torch.float32
        ).eval()
        where = f"{a.folder}/{part.replace('text_encoder', 'tokenizer')}"
        ids = build.token_ids(CLIPTokenizer.from_pretrained(where), families.PROMPTS)
        want = model(ids, output_hidden_states=True)
        path = families.saved(out, "in", ids.numpy().astype(np.int32))
        families.probe(a, "text", out, encoder=i, input=path)
        families.judge(f"{part} hidden", f"{out}/text.npy", want.hidden_states[-2].numpy())
        families.judge(f"{part} pooled", f"{out}/pooled.npy", want.text_embeds.numpy())


def mapped_mmdit(folder):
    """The transformer with its f16 matrices as they lie in the file."""
    config = json.load(open(f"{folder}/transformer/config.json"))
    with torch.device("meta"):
        model = SD3Transformer2DModel.from_config(config)
    state = load_file(f"{folder}/transformer/diffusion_pytorch_model.safetensors")
    small = {k: v.float() for k, v in state.items() if ".norm_" in k and "linear" not in k}
    model.load_state_dict(state | small, assign=True)

    def wide(m):
        return m.weight.float(), None if m.bias is None else m.bias.float()

    for m in model.modules():
        if isinstance(m, torch.nn.Linear):
            m.forward = lambda x, m=m: F.linear(x, *wide(m))
        elif isinstance(m, torch.nn.Conv2d):
            m.forward = lambda x, m=m: F.conv2d(x, *wide(m), m.stride, m.padding)
    return model.eval()


@torch.no_grad()
def mmdit_part(a, out):
    h, w = map(int, a.latent.split("x"))
    model = mapped_mmdit(a.folder)
    x = reference.normals((1, 16, h, w), [h, w])
    text = reference.normals((1, 77, model.config.joint_attention_dim), 3)
    pooled = reference.normals((1, model.config.pooled_projection_dim), 4)
    want = model(hidden_states=x, timestep=torch.tensor([500.0]), encoder_hidden_states=text,
                 pooled_projections=pooled).sample
    families.probe(
        a, "unet", out, timestep=500, input=families.saved(out, "in", reference.nhwc(x)),
        text=families.saved(out, "ctx", text), pooled=families.saved(out, "p", pooled),
    )
    families.judge(f"mmdit {8 * w}x{8 * h}", f"{out}/output.npy", reference.nhwc(want))


@torch.no_grad()
def vae_part(a, out):
    h, w = map(int, (a.vae_latent or a.latent).split("x"))
    vae = AutoencoderKL.from_pretrained(f"{a.folder}/vae", torch_dtype=torch.float32).eval()
    latent = reference.normals((1, 16, h, w), [h, w, 1]) / vae.config.scaling_factor
    want = reference.nhwc(vae.decode(latent).sample)
    families.probe(a, "vae-decode", out, input=families.saved(out, "in", reference.nhwc(latent)))
    families.judge(f"vae decode {8 * w}x{8 * h}", f"{out}/decoded.npy", want)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("folder")
    ap.add_argument("--sdprobe", default="./sdprobe")
    ap.add_argument("--model")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--latent", default="128x128")
    ap.add_argument("--vae-latent")
    ap.add_argument("--part", action="append", choices=["text", "mmdit", "vae"])
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    run = {"text": text_part, "mmdit": mmdit_part, "vae": vae_part}
    with tempfile.TemporaryDirectory() as out:
        for part in a.part or run:
            run[part](a, out)
    raise SystemExit(int(families.over > 0))


if __name__ == "__main__":
    main()
