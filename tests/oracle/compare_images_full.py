#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draw one image of a full-size SDXL or SD 3.x with diffusers in float32 and with sdgen, from the
same prompt and seed, and compare the 8-bit images.

  compare_images_full.py sdxl|sd3 FOLDER --sdgen ./sdgen [--model FILE] [--size WxH] [--steps N]
                         [--cfg X] [--seed N] [--precision P] [--threads N] [--keep DIR]

FOLDER is the diffusers folder that the reference is computed from; sdgen runs on FILE, or on
FOLDER. The denoiser's weights stay f16 and mapped, as in compare_families.py and compare_sd3.py;
text encoders and VAE are float32. SDXL at 1024x1024 takes 12 GB of memory. With --keep, DIR holds
both images, and diffusers' is not drawn again where it is there. Exit 1 below 45 dB.
"""

import argparse
import gc
import os
import subprocess
import tempfile

import torch
from diffusers import StableDiffusion3Pipeline, StableDiffusionXLPipeline

import compare
import compare_families
import compare_sd3
import full_size

LIMIT = 45.0
PROMPT, NEGATIVE = full_size.PROMPTS[0], "blurry, text"


def with_dtype(model):
    """The model, which says float32 of itself although its weights wait as f16."""
    kind = type(model)
    named = {"dtype": torch.float32, "__module__": kind.__module__}
    model.__class__ = type(kind.__name__, (kind,), named)
    return model


def load_pipeline(a):
    same = {"dtype": torch.float32, "local_files_only": True}
    if a.family == "sdxl":
        unet = with_dtype(compare_families.mapped_unet(a.folder))
        return StableDiffusionXLPipeline.from_pretrained(
            a.folder, unet=unet, add_watermarker=False, **same
        )
    mmdit = with_dtype(compare_sd3.mapped_mmdit(a.folder))
    return StableDiffusion3Pipeline.from_pretrained(
        a.folder, transformer=mmdit, text_encoder_3=None, tokenizer_3=None, **same
    )


def noise_of(a, channels):
    return torch.randn(
        (1, channels, a.height // 8, a.width // 8),
        generator=torch.Generator("cpu").manual_seed(a.seed),
    )


@torch.no_grad()
def draw_reference(a, path):
    pipe = load_pipeline(a)

    def after_step(p, i, t, state):
        rms = state["latents"].square().mean().sqrt()
        print(f"diffusers: step {i + 1} of {a.steps}, latent RMS {rms:.3f}", flush=True)
        return {}

    image = pipe(
        PROMPT, negative_prompt=NEGATIVE, height=a.height, width=a.width,
        num_inference_steps=a.steps, guidance_scale=a.cfg,
        latents=noise_of(a, pipe.vae.config.latent_channels), callback_on_step_end=after_step,
    ).images[0]
    image.save(path)


def draw_ours(a, path):
    command = [
        a.sdgen, "-m", a.model or a.folder, "-p", PROMPT, "-n", NEGATIVE, "-W", a.width, "-H",
        a.height, "--steps", a.steps, "--cfg-scale", a.cfg, "--sampler", "euler", "--seed", a.seed,
        "--rng", "cpu", "--precision", a.precision, "--threads", a.threads, "--force", "-o", path,
    ]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("family", choices=["sdxl", "sd3"])
    ap.add_argument("folder")
    ap.add_argument("--sdgen", default="./sdgen")
    ap.add_argument("--model")
    ap.add_argument("--size", default="1024x1024")
    ap.add_argument("--steps", type=int, default=4)
    ap.add_argument("--cfg", type=float, default=5.0)
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--precision", default="f32")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--keep")
    a = ap.parse_args()
    a.width, a.height = map(int, a.size.split("x"))
    torch.set_num_threads(a.threads)
    with tempfile.TemporaryDirectory() as temporary:
        out = a.keep or temporary
        os.makedirs(out, exist_ok=True)
        want, got = f"{out}/diffusers.png", f"{out}/sdgen.png"
        if not os.path.exists(want):
            draw_reference(a, want)
            gc.collect()
        draw_ours(a, got)
        want, got = compare.load(want), compare.load(got)
    m = compare.measure(got, want)
    print(f"{a.family} {a.size}, {a.steps} steps: PSNR {m['psnr']:.1f} dB, largest difference "
          f"{255 * m['max']:.0f} of 255; reference: mean {want.mean():.3f}, deviation "
          f"{want.std():.3f}")
    raise SystemExit(int(m["psnr"] < LIMIT))


if __name__ == "__main__":
    main()
