#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare single passes of a full-size SD 2.1 or SDXL with diffusers in float32, part by part.

  compare_families.py sd21|sdxl FOLDER --sdprobe ./sdprobe [--model FILE] [--threads N]
                      [--latent HxW] [--vae-latent HxW] [--part text|unet|vae ...]

FOLDER is the diffusers folder that the reference is computed from; sdprobe runs on FILE, or on
FOLDER. The U-Net's weights stay f16 and mapped; each layer turns its own to f32, which is exact.
Exit 1 where the relative L2 is above 1e-4.
"""

import argparse
import json
import subprocess
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

import compare
import families_reference as families
import sd15_build as build
import sd15_reference as reference

LIMIT = 1e-4
PROMPTS = ["a castle on a hill at sunset, oil painting, highly detailed", "", "blurry, text"]
over = 0


def judge(what, got, want):
    global over
    m = compare.measure(np.load(got).astype(np.float64), want.astype(np.float64))
    over += m["rel"] > LIMIT
    print(f"{what:28} relative L2 {m['rel']:.2e}  max {m['max']:.2e}", flush=True)


def probe(a, kind, out, **inputs):
    command = [a.sdprobe, kind, "-m", a.model or a.folder, "--precision", "f32", "--threads",
               str(a.threads), "--dump", out]
    for name, value in inputs.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)


def saved(out, name, tensor):
    np.save(f"{out}/{name}.npy", np.ascontiguousarray(tensor))
    return f"{out}/{name}.npy"


@torch.no_grad()
def text_part(a, out):
    for i, part in enumerate(["text_encoder", "text_encoder_2"][: 1 + (a.family == "sdxl")]):
        kind = CLIPTextModelWithProjection if i else CLIPTextModel
        model = kind.from_pretrained(f"{a.folder}/{part}", dtype=torch.float32).eval()
        where = f"{a.folder}/{part.replace('text_encoder', 'tokenizer')}"
        ids = build.token_ids(CLIPTokenizer.from_pretrained(where), PROMPTS)
        want = model(ids, output_hidden_states=True)
        hidden = want.last_hidden_state if a.family == "sd21" else want.hidden_states[-2]
        probe(a, "text", out, encoder=i, input=saved(out, "in", ids.numpy().astype(np.int32)))
        judge(f"{part} hidden", f"{out}/text.npy", hidden.numpy())
        if i:
            judge(f"{part} pooled", f"{out}/pooled.npy", want.text_embeds.numpy())


def mapped_unet(folder):
    """The U-Net with its f16 weights as they lie in the file."""
    config = json.load(open(f"{folder}/unet/config.json"))
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config)
    state = load_file(f"{folder}/unet/diffusion_pytorch_model.safetensors")
    unet.load_state_dict(state, assign=True)

    def wide(m):
        return m.weight.float(), None if m.bias is None else m.bias.float()

    for m in unet.modules():
        if isinstance(m, torch.nn.Linear):
            m.forward = lambda x, m=m: F.linear(x, *wide(m))
        elif isinstance(m, torch.nn.Conv2d):
            m.forward = lambda x, m=m: F.conv2d(x, *wide(m), m.stride, m.padding)
        elif isinstance(m, torch.nn.GroupNorm):
            m.forward = lambda x, m=m: F.group_norm(x, m.num_groups, *wide(m), m.eps)
        elif isinstance(m, torch.nn.LayerNorm):
            m.forward = lambda x, m=m: F.layer_norm(x, m.normalized_shape, *wide(m), m.eps)
    return unet.eval()


@torch.no_grad()
def unet_part(a, out):
    h, w = map(int, a.latent.split("x"))
    unet = mapped_unet(a.folder)
    x = reference.normals((1, 4, h, w), [h, w])
    context = reference.normals((1, 77, unet.config.cross_attention_dim), 3)
    inputs = {"input": saved(out, "in", reference.nhwc(x)), "text": saved(out, "ctx", context)}
    added = None
    if a.family == "sdxl":
        pooled, numbers = reference.normals((1, 1280), 4), torch.tensor([families.NUMBERS])
        added = {"text_embeds": pooled, "time_ids": numbers}
        inputs |= {"pooled": saved(out, "p", pooled), "numbers": saved(out, "n", numbers)}
    want = reference.nhwc(unet(x, torch.tensor(500), context, added_cond_kwargs=added).sample)
    probe(a, "unet", out, timestep=500, **inputs)
    judge(f"unet {8 * w}x{8 * h}", f"{out}/output.npy", want)


@torch.no_grad()
def vae_part(a, out):
    h, w = map(int, (a.vae_latent or a.latent).split("x"))
    vae = AutoencoderKL.from_pretrained(f"{a.folder}/vae", torch_dtype=torch.float32).eval()
    latent = reference.normals((1, 4, h, w), [h, w, 1]) / vae.config.scaling_factor
    want = reference.nhwc(vae.decode(latent).sample)
    probe(a, "vae-decode", out, input=saved(out, "in", reference.nhwc(latent)))
    judge(f"vae decode {8 * w}x{8 * h}", f"{out}/decoded.npy", want)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("family", choices=["sd21", "sdxl"])
    ap.add_argument("folder")
    ap.add_argument("--sdprobe", default="./sdprobe")
    ap.add_argument("--model")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--latent", default="128x128")
    ap.add_argument("--vae-latent")
    ap.add_argument("--part", action="append", choices=["text", "unet", "vae"])
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    run = {"text": text_part, "unet": unet_part, "vae": vae_part}
    with tempfile.TemporaryDirectory() as out:
        for part in a.part or run:
            run[part](a, out)
    raise SystemExit(int(over > 0))


if __name__ == "__main__":
    main()
