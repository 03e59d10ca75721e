#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden/prompts/image-rescale.npy, [64,64,3] in [0, 1]: what diffusers draws with the tiny
SDXL and guidance_rescale 0.7; and noise-varied.npy, [4,9,11]: the noise of seed 7 turned by 0.3 towards
that of seed 20, and noise-resized.npy, [4,9,11], the same of [4,6,14] laid on the middle of seed 7's, both by
the web UI's rules. Float32 on the CPU.

    python3 tests/oracle/make_guidance_golden.py [OUTDIR]
"""
import os
import sys

import numpy as np
import torch
from diffusers import EulerDiscreteScheduler

import families_reference as reference

HERE = os.path.dirname(os.path.abspath(__file__))


def normals(seed, *shape):
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))


def slerp(share, low, high):
    """Columns of each channel, [channels, height, width], on the great circle."""
    unit = lambda x: x / x.norm(dim=1, keepdim=True)
    omega = torch.acos((unit(low) * unit(high)).sum(1))
    parts = [torch.sin((1 - share) * omega), torch.sin(share * omega)]
    return sum((p / torch.sin(omega)).unsqueeze(1) * x for p, x in zip(parts, (low, high)))


def resized(noise, x):
    """noise of one size laid on the middle of x of another, both [channels, height, width]."""
    out, cuts, places = x.clone(), [], []
    for small, large in zip(noise.shape[1:], x.shape[1:]):
        d = (large - small) // 2
        length = small if d >= 0 else small + 2 * d
        cuts.append(slice(max(-d, 0), max(-d, 0) + length))
        places.append(slice(max(d, 0), max(d, 0) + length))
    out[:, places[0], places[1]] = noise[:, cuts[0], cuts[1]]
    return out


@torch.no_grad()
def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../golden/prompts")
    torch.set_num_threads(1)
    pipe = reference.load_pipeline(os.path.join(HERE, "../golden/tiny-sdxl"), "sdxl")
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    size = 64 // pipe.vae_scale_factor
    image = pipe("a photo of a small red cat, 42 stars", negative_prompt="blurry, bad hands",
                 num_inference_steps=4, guidance_scale=5.0, guidance_rescale=0.7, height=64, width=64,
                 latents=normals(7, 1, 4, size, size), output_type="np").images[0]
    np.save(f"{out}/image-rescale.npy", image.astype(np.float32))
    np.save(f"{out}/noise-varied.npy", slerp(0.3, normals(7, 4, 9, 11), normals(20, 4, 9, 11)).numpy())
    small = slerp(0.3, normals(7, 4, 6, 14), normals(20, 4, 6, 14))
    np.save(f"{out}/noise-resized.npy", resized(small, normals(7, 4, 9, 11)).numpy())


if __name__ == "__main__":
    main()
