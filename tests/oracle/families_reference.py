# SPDX-License-Identifier: MIT
"""Reference tensors of SD 2.1, SDXL, its refiner and, but for its denoiser, SD 3 by diffusers,
float32 on the CPU, as .npy.

Tensors with image axes are stored NHWC. What a case holds is said at its function.
"""

import argparse
import os

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)

import sd15_build as build
import sd15_reference as reference

PIPELINES = {
    "sd21": StableDiffusionPipeline,
    "sdxl": StableDiffusionXLPipeline,
    "sdxl-refiner": StableDiffusionXLImg2ImgPipeline,
}
SAMPLERS = {
    "ddim": DDIMScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
    "euler": EulerDiscreteScheduler,
}
NUMBERS = (1024.0, 768.0, 16.0, 8.0, 512.0, 640.0)  # original size, crop, target; height first


def arguments(doc):
    """Of the scripts that write tiny models and their golden tensors."""
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser(description=doc)
    ap.add_argument("out", nargs="?", default=os.path.join(here, "../golden"))
    ap.add_argument("--single", metavar="DIR")
    ap.add_argument("--seed", type=int, default=7)
    return ap.parse_args()


def load_pipeline(folder, family):
    more = {} if family == "sd21" else {"add_watermarker": False}
    if family == "sd21":
        more = {"safety_checker": None, "feature_extractor": None}
    pipe = PIPELINES[family].from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, **more
    )
    pipe.set_progress_bar_config(disable=True)
    if family == "sd21":  # diffusers' clip skip still asks for what transformers 5.6 has flattened
        object.__setattr__(pipe.text_encoder, "text_model", pipe.text_encoder)
    return pipe


def encoders_of(pipe):
    """(encoder, tokenizer, whether the hidden state before the last is taken as it is)"""
    xl = hasattr(pipe, "text_encoder_2")
    out = [(pipe.text_encoder, pipe.tokenizer)] if pipe.text_encoder is not None else []
    out += [(pipe.text_encoder_2, pipe.tokenizer_2)] if xl else []
    return out, xl


@torch.no_grad()
def encode(pipe, prompts):
    """[(ids, hidden states as the denoiser takes them, pooled text or None)] of each encoder."""
    encoders, xl = encoders_of(pipe)
    out = []
    for model, tokenizer in encoders:
        ids = build.token_ids(tokenizer, prompts)
        result = model(ids, output_hidden_states=True)
        hidden = result.hidden_states[-2] if xl else result.last_hidden_state
        out.append((ids, hidden, getattr(result, "text_embeds", None)))
    return out


def text_case(pipe, out, prompts):
    """ids<i>.npy [prompts,77] int32, text<i>.npy [prompts,77,width] and, where there is one,
    pooled<i>.npy [prompts,width] of encoder i."""
    os.makedirs(out, exist_ok=True)
    for i, (ids, hidden, pooled) in enumerate(encode(pipe, prompts)):
        np.save(f"{out}/ids{i}.npy", ids.numpy().astype(np.int32))
        np.save(f"{out}/text{i}.npy", hidden.numpy())
        if pooled is not None:
            np.save(f"{out}/pooled{i}.npy", pooled.numpy())
    reference.write_json(
        f"{out}/case.json", {"prompts": prompts, "versions": reference.VERSIONS}
    )


@torch.no_grad()
def unet_case(pipe, out, h, w, timesteps, prompts):
    """input.npy [n,h,w,4], one image a prompt -> t<T>/output.npy; text.npy [n,77,width], and for
    SDXL pooled.npy [n,width] and numbers.npy [n,5 or 6]."""
    os.makedirs(out, exist_ok=True)
    encoded = encode(pipe, prompts)
    context, pooled = torch.cat([hidden for _, hidden, _ in encoded], -1), encoded[-1][2]
    x = reference.normals((len(prompts), 4, h, w), [h, w])
    np.save(f"{out}/input.npy", reference.nhwc(x))
    np.save(f"{out}/text.npy", context.numpy())
    added = None
    if pooled is not None:
        count = 5 if isinstance(pipe, StableDiffusionXLImg2ImgPipeline) else 6
        numbers = torch.tensor([NUMBERS[:count]] * len(prompts))
        added = {"text_embeds": pooled, "time_ids": numbers}
        np.save(f"{out}/pooled.npy", pooled.numpy())
        np.save(f"{out}/numbers.npy", numbers.numpy())
    for t in timesteps:
        os.makedirs(f"{out}/t{t}", exist_ok=True)
        y = pipe.unet(x, torch.tensor(t), context, added_cond_kwargs=added).sample
        np.save(f"{out}/t{t}/output.npy", reference.nhwc(y))
    reference.write_json(
        f"{out}/case.json",
        {"prompts": prompts, "timesteps": timesteps, "versions": reference.VERSIONS},
    )


@torch.no_grad()
def vae_case(pipe, out, h, w):
    """latent.npy [1,h,w,channels], as decode() takes it -> decoded.npy [1,h*up,w*up,3]."""
    os.makedirs(out, exist_ok=True)
    config = pipe.vae.config
    latent = reference.normals((1, config.latent_channels, h, w), [h, w, 1])
    latent /= config.scaling_factor
    np.save(f"{out}/latent.npy", reference.nhwc(latent))
    np.save(f"{out}/decoded.npy", reference.nhwc(pipe.vae.decode(latent).sample))
    reference.write_json(f"{out}/case.json", {"versions": reference.VERSIONS})


def noise_of(pipe, case):
    up = pipe.vae_scale_factor
    shape = (1, pipe.vae.config.latent_channels, case["height"] // up, case["width"] // up)
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(case["seed"]))


def scheduler_of(pipe, case):
    spacing = {k: case[k] for k in ("timestep_spacing",) if k in case}
    return SAMPLERS[case["sampler"]].from_config(pipe.scheduler.config, **spacing)


def image_case(pipe, out, case, scheduler):
    """image.npy [h,w,3] in [0,1] before rounding. case: the settings, `call` of the pipeline."""
    os.makedirs(out, exist_ok=True)
    kept, pipe.scheduler = pipe.scheduler, scheduler
    image = pipe(
        case["prompt"],
        height=case["height"],
        width=case["width"],
        latents=noise_of(pipe, case),
        output_type="np",
        **reference.settings(case),
        **case.get("call", {}),
    ).images[0]
    pipe.scheduler = kept
    np.save(f"{out}/image.npy", image.astype(np.float32))
    reference.write_json(f"{out}/case.json", {**case, "versions": reference.VERSIONS})
