#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the golden images of requests that begin with a picture, as diffusers draws them with the tiny
models, float32 on the CPU.

  make_pictures.py [DIR]   (DIR: ../golden beside this script; has the folders of the tiny models)

pictures/init.png [64,80,3] is the picture, pictures/mask.png [64,80] the mask; both are drawn here.
pictures/<model>-<case>.png is the image. Generators are given, not noise: the encoder's sample comes
from them too.
"""

import inspect
import os
import sys

import diffusers
import numpy as np
import torch
from PIL import Image

import families_reference as families
import make_nets
import make_sd3
import sd15_reference as sd15

PROMPT, NEGATIVE = "a photo of a small red cat, 42 stars", "blurry, bad hands"
W, H, SEED = 80, 64, 7
SAMPLERS = {
    **sd15.SAMPLERS,
    "euler_a": diffusers.EulerAncestralDiscreteScheduler,
    "heun": diffusers.HeunDiscreteScheduler,
    "lcm": diffusers.LCMScheduler,
}
KINDS = {
    "sd15": "StableDiffusion", "sd21": "StableDiffusion", "sdxl": "StableDiffusionXL",
    "sd3": "StableDiffusion3", "sd35": "StableDiffusion3",
}


def case(sampler, steps, strength, cfg=4.0, negative=None, mask=False, unet=None, edit=None,
         taesd=False):
    """unet: one of make_nets.py's, widened to the 9 channels of inpainting or, with a guidance scale
    edit for the picture, to the 8 of editing. taesd: in the VAE's place."""
    return dict(sampler=sampler, steps=steps, strength=strength, cfg=cfg, negative=negative,
                mask=mask, unet=unet, edit=edit, taesd=taesd)


CASES = {
    "sd15": {
        "low": case("ddim", 10, 0.4, negative=NEGATIVE),
        "middle": case("euler_a", 6, 0.75),
        "whole": case("dpmpp_2m", 4, 1.0),
        "heun": case("heun", 6, 0.5),
        "lcm": case("lcm", 5, 0.7, cfg=1.5),
        "mask": case("ddim", 4, 1.0, negative=NEGATIVE, mask=True),
        "mask-part": case("euler_a", 6, 0.6, mask=True),
        "inpaint": case("ddim", 4, 1.0, negative=NEGATIVE, mask=True, unet="bk-tiny"),
        "inpaint-part": case("euler_a", 6, 0.6, mask=True, unet="bk-tiny"),
        "taesd": case("euler_a", 6, 0.6, taesd=True),
        "edit": case("euler_a", 4, 1.0, negative=NEGATIVE, unet="bk-tiny", edit=1.5),
        "edit-alone": case("ddim", 4, 1.0, cfg=1.0, unet="bk-tiny", edit=1.5),
    },
    "sd21": {
        "low": case("euler", 10, 0.29),
        "middle": case("ddim", 10, 0.7),
        "high": case("dpmpp_2m", 5, 0.9),
        "mask": case("euler", 5, 0.8, mask=True),
    },
    "sdxl": {
        "low": case("euler", 5, 0.4),
        "middle": case("dpmpp_2m", 5, 0.6, negative=NEGATIVE),
        "high": case("euler", 4, 0.95),
        "mask": case("euler", 4, 1.0, mask=True),
        "mask-part": case("dpmpp_2m", 5, 0.7, negative=NEGATIVE, mask=True),
        "inpaint": case("euler", 4, 0.99, mask=True, unet="koala"),
        "edit": case("euler", 4, 1.0, unet="koala", edit=2.0),
        "edit-negative": case("dpmpp_2m", 4, 1.0, cfg=6.0, negative=NEGATIVE, unet="koala", edit=1.2),
    },
    "sd3": {
        "low": case("euler", 5, 0.35),
        "middle": case("euler", 5, 0.6),
        "high": case("euler", 4, 0.9),
    },
    "sd35": {
        "low": case("euler", 10, 0.29, negative=NEGATIVE),
        "middle": case("euler", 5, 0.5),
        "whole": case("euler", 3, 1.0),
        "mask": case("euler", 5, 0.75, mask=True),
        "mask-whole": case("euler", 3, 1.0, mask=True),
    },
}


def draw_picture():
    """Waves and noise, and a mask of a disc and a bar that touches two edges."""
    y, x = np.mgrid[0:H, 0:W]
    waves = [np.sin(x / 7 + k) * np.cos(y / (5 + k)) for k in range(3)]
    noise = np.random.default_rng(3).standard_normal((H, W, 3)) * 12
    picture = np.stack(waves, -1) * 90 + 128 + noise
    mask = ((x - 50) ** 2 + (y - 32) ** 2 < 256) | ((x < 20) & (y > 44))
    return (Image.fromarray(picture.clip(0, 255).astype(np.uint8)),
            Image.fromarray(mask.astype(np.uint8) * 255))


def load(root, model):
    folder = f"{root}/tiny-{model}"
    if model == "sd15":
        return sd15.load_pipeline(folder)
    return make_sd3.load_pipeline(folder) if KINDS[model] == "StableDiffusion3" else (
        families.load_pipeline(folder, model))


def scheduler_of(base, model, c):
    if KINDS[model] == "StableDiffusion3":
        return base.scheduler
    more = dict(timestep_spacing="leading", steps_offset=1) if model == "sd15" else {}
    return SAMPLERS[c["sampler"]].from_config(base.scheduler.config, **more)


def taesd():
    """Of weights that are made up, as make_nets.py's U-Nets."""
    vae = diffusers.AutoencoderTiny().eval()
    state = vae.state_dict()
    vae.load_state_dict({k: make_nets.weight(k, tuple(v.shape)) for k, v in state.items()})
    return vae


def write_taesd(path):
    with open(path, "w") as f:
        for name, v in taesd().state_dict().items():
            f.write(f"{name}\t-\t{','.join(map(str, v.shape))}\n")


@torch.no_grad()
def image_of(base, model, c, picture, mask):
    task = "Inpaint" if c["mask"] else "InstructPix2Pix" if c["edit"] else "Img2Img"
    kind = getattr(diffusers, f"{KINDS[model]}{task}Pipeline")
    more = {}
    if c["unet"]:
        channels = 8 if c["edit"] else 9
        more["unet"] = make_nets.make({**make_nets.KINDS[c["unet"]][0], "in_channels": channels})
    if c["taesd"]:
        more["vae"] = taesd()
    pipe = kind.from_pipe(base, **more)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = scheduler_of(base, model, c)
    call = dict(
        prompt=PROMPT, negative_prompt=c["negative"], image=picture, strength=c["strength"],
        num_inference_steps=c["steps"], guidance_scale=c["cfg"], height=H, width=W,
        generator=torch.Generator("cpu").manual_seed(SEED), output_type="np",
    )
    if c["mask"]:
        call["mask_image"] = mask
    if c["edit"]:
        call["image_guidance_scale"] = c["edit"]
    flow_mask = c["mask"] and KINDS[model] == "StableDiffusion3"
    if flow_mask:  # its inpainting pipeline forgets the VAE's shift when it decodes
        call["output_type"] = "latent"
    known = inspect.signature(kind.__call__).parameters
    out = pipe(**{k: v for k, v in call.items() if k in known}).images
    if flow_mask:
        config = pipe.vae.config
        out = pipe.vae.decode(out / config.scaling_factor + config.shift_factor).sample
        out = (out / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    return Image.fromarray((out[0] * 255).round().astype(np.uint8))


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.normpath(os.path.join(here, "../golden"))
    out = f"{root}/pictures"
    os.makedirs(out, exist_ok=True)
    torch.set_num_threads(1)
    picture, mask = draw_picture()
    picture.save(f"{out}/init.png")
    mask.save(f"{out}/mask.png")
    for size, name in (((40, 37), "small"), ((93, 70), "large")):
        picture.resize(size, Image.LANCZOS).save(f"{out}/resized-{name}.png")
    write_taesd(f"{root}/nets/taesd.txt")
    for model, cases in CASES.items():
        base = load(root, model)
        for name, c in cases.items():
            image_of(base, model, c, picture, mask).save(f"{out}/{model}-{name}.png")
            print(model, name, flush=True)
    sd15.write_json(f"{out}/cases.json", {"cases": CASES, "versions": sd15.VERSIONS})


if __name__ == "__main__":
    main()
