#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the reference tensors of a full-size Stable Diffusion 1.5: float32 by diffusers on the CPU.

  reference_sd15.py MODELDIR OUTDIR [--only PREFIX ...] [--threads N] [--steps N] [--list]

MODELDIR is a diffusers folder. Cases run from cheap to dear, each into OUTDIR/<case>/, and a case
with a case.json is skipped, so the script can be stopped and started again. sd15_reference.py says
what each file holds.
"""

import argparse
import os
import time

import torch

import sd15_reference as reference

PROMPTS = {
    "a": ("a photo of a cat sitting on a red sofa", ""),
    "b": (
        "a castle on a hill at sunset, oil painting, highly detailed",
        "blurry, low quality, text",
    ),
    "c": ("portrait of an old sailor with a pipe, 85mm, f/1.8", ""),
}
TEXTS = [p for p, _ in PROMPTS.values()] + [
    "",
    PROMPTS["b"][1],
    "two  dogs' tails, isn't it? 12,345.67 km/h (wow!!) :-)",
    "many words " * 60,
]
PASSES = {"328x456": (57, 41), "512x512": (64, 64)}  # latent height, width
IMAGES = {
    "c-328x456": ("c", 1234, 328, 456),
    "a-512x512": ("a", 1, 512, 512),
    "b-768x512": ("b", 42, 768, 512),
}
SAMPLERS = ["ddim", "dpmpp_2m"]


def cases(pipe, steps):
    """(name, function of the output folder), cheap ones first."""
    prompt, negative = PROMPTS["b"]
    out = [("text", lambda o: reference.text_case(pipe, o, TEXTS))]
    for size, (h, w) in PASSES.items():
        out.append(
            (
                f"unet-{size}",
                lambda o, h=h, w=w: reference.unet_case(
                    pipe, o, h, w, [981, 500, 1], prompt, negative
                ),
            )
        )
        out.append((f"vae-{size}", lambda o, h=h, w=w: reference.vae_case(pipe, o, h, w)))
    for name, (key, seed, width, height) in IMAGES.items():
        for sampler in SAMPLERS + (["euler"] if key == "c" else []):
            case = dict(
                prompt=PROMPTS[key][0],
                negative=PROMPTS[key][1],
                seed=seed,
                width=width,
                height=height,
                sampler=sampler,
                steps=steps,
                cfg=7.5,
            )
            out.append(
                (f"image-{name}-{sampler}", lambda o, c=case: reference.image_case(pipe, o, c))
            )
    return sorted(out, key=lambda c: c[0].endswith("euler"))


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("model")
    ap.add_argument("out")
    ap.add_argument("--only", action="append", help="cases whose name starts so")
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--steps", type=int, default=20)
    ap.add_argument("--list", action="store_true")
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    pipe = None if a.list else reference.load_pipeline(a.model)
    for name, write in cases(pipe, a.steps):
        out = os.path.join(a.out, name)
        done = os.path.exists(f"{out}/case.json")
        if a.list:
            print(name, "done" if done else "to do")
        elif not done and (not a.only or name.startswith(tuple(a.only))):
            start = time.time()
            write(out)
            print(f"{name}: {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
