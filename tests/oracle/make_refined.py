#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the golden images of the tiny SDXL with its refiner, as diffusers draws them: the ensemble of
its documentation, in which the refiner borrows the base's second text encoder and VAE.

  make_refined.py [DIR]   (DIR: ../golden beside this script; has the folders of make_families.py)

image-refined-<case>/ in the base's golden folder: seam.npy [1,h,w,4], the latent that the refiner is
given, and image.npy [h,w,3] in [0,1] before rounding.
"""

import os
import sys

import numpy as np
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline

import families_reference as families
import sd15_reference as reference
from make_families import IMAGE, NEGATIVE

CASES = {
    "euler": {"negative": None, "sampler": "euler", "steps": 5, "cfg": 5.0, "start": 0.6},
    "dpmpp_2m": {"negative": NEGATIVE, "sampler": "dpmpp_2m", "steps": 6, "cfg": 4.0, "start": 0.5},
    "ddim": {"negative": NEGATIVE, "sampler": "ddim", "steps": 4, "cfg": 1.0, "start": 0.7,
             "timestep_spacing": "trailing"},
}


def refined_case(base, refiner, out, case):
    os.makedirs(out, exist_ok=True)
    kept = base.scheduler, refiner.scheduler
    for pipe in (base, refiner):
        pipe.scheduler = families.scheduler_of(pipe, case)
    same = reference.settings(case)
    latents = base(
        case["prompt"], height=case["height"], width=case["width"],
        latents=families.noise_of(base, case), denoising_end=case["start"],
        output_type="latent", **same,
    ).images
    image = refiner(
        case["prompt"], image=latents, denoising_start=case["start"], output_type="np", **same
    ).images[0]
    base.scheduler, refiner.scheduler = kept
    np.save(f"{out}/seam.npy", reference.nhwc(latents))
    np.save(f"{out}/image.npy", image.astype(np.float32))
    reference.write_json(f"{out}/case.json", {**case, "versions": reference.VERSIONS})


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.normpath(os.path.join(here, "../golden"))
    torch.set_num_threads(1)
    base = families.load_pipeline(f"{root}/tiny-sdxl", "sdxl")
    refiner = StableDiffusionXLImg2ImgPipeline.from_pretrained(
        f"{root}/tiny-sdxl-refiner", dtype=torch.float32, local_files_only=True,
        add_watermarker=False, text_encoder_2=base.text_encoder_2, vae=base.vae,
    )
    refiner.set_progress_bar_config(disable=True)
    for name, case in CASES.items():
        refined_case(base, refiner, f"{root}/tiny-sdxl/golden/image-refined-{name}",
                     {**IMAGE, **case})


if __name__ == "__main__":
    main()
