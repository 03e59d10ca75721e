#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the tiny random-weight SD 2.1, SDXL and SDXL refiner of the golden tests, and their
tensors as diffusers computes them, float32 on the CPU.

  make_families.py [OUTDIR] [--single DIR] [--seed N]   (OUTDIR: ../golden beside this script)

Weights are f16. A head is 64 channels wide, as in the published models, because a single file does
not say so. single-names.txt says how the single file is made of the folder (families_names.py).
--single also writes the single files, which diffusers' own conversion and its from_single_file
must accept.
"""

import os

import torch

import families_build as families
import families_reference as reference

PROMPT = "a photo of a small red cat, 42 stars"
NEGATIVE = "blurry, bad hands"
IMAGE = dict(prompt=PROMPT, seed=7, width=64, height=64)
IMAGES = {
    "sd21": {
        "ddim": {"negative": NEGATIVE, "sampler": "ddim", "steps": 4, "cfg": 5.0},
        "euler": {"negative": None, "sampler": "euler", "steps": 4, "cfg": 5.0},
        # Without guidance: diffusers does not skip for the negative prompt, which sdrt does.
        "leading-skip": {
            "negative": None, "sampler": "dpmpp_2m", "steps": 4, "cfg": 1.0,
            "timestep_spacing": "leading", "call": {"clip_skip": 1},
        },
        "linspace": {
            "negative": NEGATIVE, "sampler": "euler", "steps": 3, "cfg": 3.0,
            "timestep_spacing": "linspace",
        },
    },
    "sdxl": {
        "euler": {"negative": None, "sampler": "euler", "steps": 4, "cfg": 5.0},
        "negative": {
            "negative": NEGATIVE, "sampler": "dpmpp_2m", "steps": 3, "cfg": 5.0,
            "call": {"original_size": (768, 1024), "crops_coords_top_left": (16, 8),
                     "target_size": (640, 512), "negative_original_size": (768, 1024),
                     "negative_crops_coords_top_left": (16, 8),
                     "negative_target_size": (640, 512)},
        },
        "turbo": {
            "negative": None, "sampler": "euler", "steps": 2, "cfg": 1.0,
            "timestep_spacing": "trailing", "call": {"clip_skip": 1},
        },
    },
    "sdxl-refiner": {},
}


def accept(folder, path, family):
    """diffusers' own loader takes the single file, and its image is the folder's."""
    if family == "sdxl-refiner":
        return
    made = reference.load_pipeline(folder, family)
    kind = reference.PIPELINES[family]
    more = {"safety_checker": None} if family == "sd21" else {"add_watermarker": False}
    loaded = kind.from_single_file(path, config=folder, local_files_only=True, **more)
    for pipe in (made, loaded):
        pipe.set_progress_bar_config(disable=True)
    call = dict(height=64, width=64, num_inference_steps=2, output_type="np")
    noise = reference.noise_of(made, IMAGE)
    a, b = (p(PROMPT, latents=noise.clone(), **call).images[0] for p in (made, loaded))
    print(f"{path}: from_single_file differs from the folder by {abs(a - b).max():.1e}")
    if abs(a - b).max() > 1e-4:
        raise SystemExit("too much")


def main():
    a = reference.arguments(__doc__)
    torch.set_num_threads(1)
    for family in families.FAMILIES:
        folder = os.path.normpath(f"{a.out}/tiny-{family}")
        families.write_family(folder, family, "tiny", a.seed)
        families.write_list(folder)
        if a.single:
            os.makedirs(a.single, exist_ok=True)
            path = f"{a.single}/{family}.safetensors"
            families.write_single(folder, path)
            families.check_single(folder, path, family)
            accept(folder, path, family)
        pipe = reference.load_pipeline(folder, family)
        golden = f"{folder}/golden"
        reference.text_case(pipe, f"{golden}/text", [PROMPT, NEGATIVE, ""])
        reference.unet_case(pipe, f"{golden}/unet", 9, 11, [981, 1], [NEGATIVE, PROMPT])
        reference.vae_case(pipe, f"{golden}/vae", 9, 11)
        for name, case in IMAGES[family].items():
            case = {**IMAGE, **case}
            scheduler = reference.scheduler_of(pipe, case)
            reference.image_case(pipe, f"{golden}/image-{name}", case, scheduler)


if __name__ == "__main__":
    main()
