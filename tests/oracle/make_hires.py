#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the golden images of requests that are drawn twice, as diffusers' pipelines draw them one after
the other by hand: text to latents, enlarged, and from those the image, float32 on the CPU.

  make_hires.py [DIR]   (DIR: ../golden beside this script; has the folders of the tiny models)

pictures/hires-<model>-<upscaler>.png is the image. The second drawing has a generator of the same seed.
"""

import inspect
import os
import sys

import diffusers
import numpy as np
import torch
from PIL import Image

from make_pictures import H, KINDS, NEGATIVE, PROMPT, SEED, W, case, load, scheduler_of

# model, upscaler: what both drawings are; strength is the second's, and so are steps, where it has its own;
# how much larger. Little guidance, since the second makes much of the first's rounding.
CASES = {
    ("sd15", "latent"): (case("euler_a", 4, 0.5, cfg=1.5, negative=NEGATIVE), None, 1.5),
    ("sdxl", "lanczos"): (case("euler", 5, 0.6), None, 1.5),
    ("sdxl", "latent_nearest"): (case("euler", 5, 0.7), 8, 1.5),
    ("sd35", "latent"): (case("euler", 5, 0.5), None, 1.2),
}


@torch.no_grad()
def image_of(root, model, upscaler, c, steps, factor):
    base = load(root, model)
    base.set_progress_bar_config(disable=True)
    base.scheduler = scheduler_of(base, model, c)
    call = dict(prompt=PROMPT, negative_prompt=c["negative"], guidance_scale=c["cfg"])
    first = base(height=H, width=W, num_inference_steps=c["steps"],
                 generator=torch.Generator("cpu").manual_seed(SEED),
                 output_type="latent" if upscaler != "lanczos" else "np", **call).images
    unit = base.vae_scale_factor * (2 if KINDS[model] == "StableDiffusion3" else 1)
    h, w = (int(side * factor) // unit * unit for side in (H, W))
    if upscaler == "lanczos":
        image = Image.fromarray((first[0] * 255).round().astype(np.uint8))
        image = image.resize((w, h), Image.LANCZOS)
    else:
        nearest = upscaler == "latent_nearest"
        image = torch.nn.functional.interpolate(
            first, size=(h // base.vae_scale_factor, w // base.vae_scale_factor),
            mode="nearest" if nearest else "bilinear")
    kind = getattr(diffusers, f"{KINDS[model]}Img2ImgPipeline")
    pipe = kind.from_pipe(base)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = scheduler_of(base, model, c)
    call.update(image=image, strength=c["strength"], num_inference_steps=steps or c["steps"], height=h,
                width=w, generator=torch.Generator("cpu").manual_seed(SEED), output_type="np")
    if model == "sdxl":
        call.update(original_size=(h, w), target_size=(h, w))
    known = inspect.signature(kind.__call__).parameters
    out = pipe(**{k: v for k, v in call.items() if k in known}).images
    return Image.fromarray((out[0] * 255).round().astype(np.uint8))


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.normpath(os.path.join(here, "../golden"))
    torch.set_num_threads(1)
    for (model, upscaler), (c, steps, factor) in CASES.items():
        image = image_of(root, model, upscaler, c, steps, factor)
        print(model, upscaler, image.size, np.asarray(image).std())
        image.save(f"{root}/pictures/hires-{model}-{upscaler}.png")


if __name__ == "__main__":
    main()
