# SPDX-License-Identifier: MIT
"""Reference tensors of SD 2.1, SDXL and its refiner by diffusers, float32 on the CPU, as .npy.

Tensors with image axes are stored NHWC. What a case holds is said at its function.
"""

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
    """[(ids, hidden states as the U-Net takes them)] of each encoder, and the pooled text."""
    encoders, xl = encoders_of(pipe)
    out, pooled = [], None
    for model, tokenizer in encoders:
        ids = build.token_ids(tokenizer, prompts)
        result = model(ids, output_hidden_states=True)
        out.append((ids, result.hidden_states[-2] if xl else result.last_hidden_state))
        pooled = getattr(result, "text_embeds", None)
    return out, pooled


def text_case(pipe, out, prompts):
    """ids<i>.npy [prompts,77] int32 and text<i>.npy [prompts,77,width] of encoder i, pooled<i>.npy
    [prompts,width] of the last."""
    os.makedirs(out, exist_ok=True)
    encoded, pooled = encode(pipe, prompts)
    for i, (ids, hidden) in enumerate(encoded):
        np.save(f"{out}/ids{i}.npy", ids.numpy().astype(np.int32))
        np.save(f"{out}/text{i}.npy", hidden.numpy())
    if pooled is not None:
        np.save(f"{out}/pooled{len(encoded) - 1}.npy", pooled.numpy())
    reference.write_json(
        f"{out}/case.json", {"prompts": prompts, "versions": reference.VERSIONS}
    )


@torch.no_grad()
def unet_case(pipe, out, h, w, timesteps, prompts):
    """input.npy [n,h,w,4], one image a prompt -> t<T>/output.npy; text.npy [n,77,width], and for
    SDXL pooled.npy [n,width] and numbers.npy [n,5 or 6]."""
    os.makedirs(out, exist_ok=True)
    encoded, pooled = encode(pipe, prompts)
    context = torch.cat([hidden for _, hidden in encoded], -1)
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
    """latent.npy [1,h,w,4], as decode() takes it -> decoded.npy [1,h*up,w*up,3]."""
    os.makedirs(out, exist_ok=True)
    latent = reference.normals((1, 4, h, w), [h, w, 1]) / pipe.vae.config.scaling_factor
    np.save(f"{out}/latent.npy", reference.nhwc(latent))
    np.save(f"{out}/decoded.npy", reference.nhwc(pipe.vae.decode(latent).sample))
    reference.write_json(f"{out}/case.json", {"versions": reference.VERSIONS})


def noise_of(case, up):
    shape = (1, 4, case["height"] // up, case["width"] // up)
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(case["seed"]))


def image_case(pipe, out, case):
    """image.npy [h,w,3] in [0,1] before rounding. case: the settings, `call` of the pipeline."""
    os.makedirs(out, exist_ok=True)
    kept = pipe.scheduler
    pipe.scheduler = SAMPLERS[case["sampler"]].from_config(
        kept.config, **{k: case[k] for k in ("timestep_spacing",) if k in case}
    )
    image = pipe(
        case["prompt"],
        negative_prompt=case["negative"],
        height=case["height"],
        width=case["width"],
        num_inference_steps=case["steps"],
        guidance_scale=case["cfg"],
        latents=noise_of(case, pipe.vae_scale_factor),
        output_type="np",
        **case.get("call", {}),
    ).images[0]
    pipe.scheduler = kept
    np.save(f"{out}/image.npy", image.astype(np.float32))
    reference.write_json(f"{out}/case.json", {**case, "versions": reference.VERSIONS})
