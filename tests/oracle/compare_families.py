#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare single passes of a full-size SD 2.1, SDXL or its refiner with diffusers in float32, part
by part.

  compare_families.py sd21|sdxl|sdxl-refiner FOLDER --sdprobe ./sdprobe [--model FILE] [--threads N]
                      [--latent HxW] [--vae-latent HxW] [--part text|unet|vae ...]

FOLDER is the diffusers folder that the reference is computed from; sdprobe runs on FILE, or on
FOLDER. The U-Net's weights stay f16 and mapped; each layer turns its own to f32, which is exact.
Exit 1 where the relative L2 is above 1e-4.
"""

import os

import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection

import families_reference as families
import full_size
import sd15_reference as reference
from full_size import PROMPTS, judge, one_pass, saved


def text_part(a, out):
    kinds = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}
    there = [part for part in kinds if os.path.isdir(f"{a.folder}/{part}")]
    for i, part in enumerate(there):
        full_size.compare_text(a, out, i, part, kinds[part], PROMPTS, last=a.family == "sd21")


def mapped_unet(folder):
    return full_size.mapped(UNet2DConditionModel, folder, "unet")


@torch.no_grad()
def unet_part(a, out):
    h, w = map(int, a.latent.split("x"))
    unet = mapped_unet(a.folder)
    x = reference.normals((1, 4, h, w), [h, w])
    context = reference.normals((1, 77, unet.config.cross_attention_dim), 3)
    inputs = {"input": saved(out, "in", reference.nhwc(x)), "text": saved(out, "ctx", context)}
    added = None
    if a.family != "sd21":
        count = 6 if a.family == "sdxl" else 5
        pooled, numbers = reference.normals((1, 1280), 4), torch.tensor([families.NUMBERS[:count]])
        added = {"text_embeds": pooled, "time_ids": numbers}
        inputs |= {"pooled": saved(out, "p", pooled), "numbers": saved(out, "n", numbers)}
    want = reference.nhwc(unet(x, torch.tensor(500), context, added_cond_kwargs=added).sample)
    one_pass(a, "unet", out, timestep=500, **inputs)
    judge(f"unet {8 * w}x{8 * h}", f"{out}/output.npy", want)


if __name__ == "__main__":
    parts = {"text": text_part, "unet": unet_part, "vae": full_size.vae_part}
    full_size.main(__doc__, parts, ["sd21", "sdxl", "sdxl-refiner"])
