#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How far from diffusers in float32 are sdgen in bf16, or another precision, and diffusers in bf16,
on the same weights?

  compare_bf16.py FOLDER --sdgen ./sdgen [--size WxH] [--steps N] [--sampler NAME] [--count N]
                  [--precision NAME[@ISA],...] [--threads N]

FOLDER is a full-size SD 1.5 as a diffusers folder. For each prompt and seed: PSNR of the 8-bit image
and the cosine of the final latent, both against float32. Exit 1 where sdgen's images in the first
of the precisions are, over all, further from float32's than diffusers' in bf16. Peak memory 8 GB.
"""

import argparse
import os
import subprocess
import tempfile

import numpy as np
import torch

import compare
import sd15_reference as reference

PROMPTS = [
    ("a photo of a cat sitting on a red sofa", 1),
    ("a castle on a hill at sunset, oil painting, highly detailed", 42),
    ("portrait of an old sailor with a pipe, 85mm, f/1.8", 1234),
    ("a bowl of fruit on a wooden table, morning light", 7),
    ("an astronaut riding a horse through a desert", 99),
]


def narrow_image(pipe, wide, out, case):
    """image_case()'s, with a pipeline in bf16 and the noise that float32 has been given."""
    os.makedirs(out, exist_ok=True)
    noise = torch.from_numpy(np.moveaxis(np.load(f"{wide}/noise.npy"), -1, 1)).to(pipe.dtype)
    original = pipe.scheduler
    pipe.scheduler = reference.make_scheduler(pipe, case["sampler"])
    with torch.no_grad():
        latent = pipe(
            case["prompt"],
            height=case["height"],
            width=case["width"],
            latents=noise,
            output_type="latent",
            **reference.settings(case),
        ).images
        decoded = pipe.vae.decode(latent / pipe.vae.config.scaling_factor).sample
    pipe.scheduler = original
    image = np.clip(reference.nhwc(decoded)[0] / 2 + 0.5, 0, 1)
    np.save(f"{out}/latent.npy", reference.nhwc(latent))
    reference.Image.fromarray((image * 255).round().astype(np.uint8)).save(f"{out}/image.png")


def our_image(a, kind, out, case):
    os.makedirs(out, exist_ok=True)
    precision, _, isa = kind.partition("@")
    command = [a.sdgen, "-m", a.folder, "--precision", precision, "--quiet"]
    command += ["-p", case["prompt"], "-W", str(case["width"]), "-H", str(case["height"])]
    command += ["--steps", str(case["steps"]), "--cfg-scale", str(case["cfg"])]
    command += ["--sampler", case["sampler"], "--seed", str(case["seed"])]
    command += ["--dump", out, "--dump-filter", "latent", "--force", "-o", f"{out}/image.png"]
    command += ["--threads", str(a.threads)] + (["--isa", isa] if isa else [])
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")


def cosine(got, want):
    got, want = compare.align(compare.load(got), compare.load(want))
    return float((got * want).sum() / np.sqrt((got * got).sum() * (want * want).sum()))


def judge(what, out, wide):
    """The mean squared error of the image."""
    m = compare.measure(compare.load(f"{out}/image.png"), compare.load(f"{wide}/image.png"))
    close = cosine(f"{out}/latent.npy", f"{wide}/latent.npy")
    print(f"{what:36} image {m['psnr']:6.2f} dB   latent cosine {close:.6f}", flush=True)
    return 10 ** (-m["psnr"] / 10)


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("folder")
    ap.add_argument("--sdgen", required=True)
    ap.add_argument("--size", default="512x512")
    ap.add_argument("--steps", type=int, default=20)
    ap.add_argument("--sampler", default="ddim", choices=list(reference.SAMPLERS))
    ap.add_argument("--count", type=int, default=len(PROMPTS))
    ap.add_argument("--precision", default="bf16", help="of sdgen's; default: %(default)s")
    ap.add_argument("--threads", type=int, default=2)
    a = ap.parse_args()
    width, height = (int(x) for x in a.size.split("x"))
    torch.set_num_threads(a.threads)
    pipe = reference.load_pipeline(a.folder)
    narrow = reference.load_pipeline(a.folder).to(torch.bfloat16)
    kinds = a.precision.split(",")
    ours, theirs = {kind: [] for kind in kinds}, []
    with tempfile.TemporaryDirectory() as out:
        for i, (prompt, seed) in enumerate(PROMPTS[: a.count]):
            case = dict(prompt=prompt, negative="", seed=seed, width=width, height=height)
            case.update(steps=a.steps, cfg=7.5, sampler=a.sampler)
            wide = f"{out}/{i}/f32"
            reference.image_case(pipe, wide, case)
            narrow_image(narrow, wide, f"{out}/{i}/diffusers", case)
            for kind in kinds:
                our_image(a, kind, f"{out}/{i}/{kind}", case)
                ours[kind].append(judge(f"seed {seed}: sdrt {kind}", f"{out}/{i}/{kind}", wide))
            theirs.append(judge(f"seed {seed}: diffusers bf16", f"{out}/{i}/diffusers", wide))
    db = {f"sdrt {kind}": -10 * np.log10(np.mean(x)) for kind, x in ours.items()}
    limit = -10 * np.log10(np.mean(theirs))
    print("all:", ", ".join(f"{k} {v:.2f} dB" for k, v in db.items()) + f", diffusers bf16 {limit:.2f} dB")
    raise SystemExit(bool(db[f"sdrt {kinds[0]}"] < limit))


if __name__ == "__main__":
    main()
