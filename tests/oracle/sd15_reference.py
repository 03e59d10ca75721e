# SPDX-License-Identifier: MIT
"""Reference tensors of Stable Diffusion 1.5 by diffusers, float32 on the CPU, written as .npy.

Tensors with image axes are stored NHWC, [batch, height, width, channels]. A case's settings are in
case.json, written last.
"""

import json
import math
import os
import platform

import diffusers
import numpy as np
import torch
import transformers
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
)
from PIL import Image

import sd15_build as build

SAMPLERS = {
    "ddim": DDIMScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
    "euler": EulerDiscreteScheduler,
}
VERSIONS = {
    "torch": torch.__version__,
    "diffusers": diffusers.__version__,
    "transformers": transformers.__version__,
    "numpy": np.__version__,
    "python": platform.python_version(),
}


def load_pipeline(model_dir):
    pipe = StableDiffusionPipeline.from_pretrained(
        model_dir,
        dtype=torch.float32,
        safety_checker=None,
        feature_extractor=None,
        local_files_only=True,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def nhwc(t):
    return np.ascontiguousarray(t.detach().permute(0, 2, 3, 1).float().numpy())


def settings(case):
    """What every pipeline is told of a case beside prompt and size."""
    return dict(
        negative_prompt=case["negative"],
        num_inference_steps=case["steps"],
        guidance_scale=case["cfg"],
    )


def write_json(path, data):
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text + "\n")


def normals(shape, seed):
    """Inputs of single passes: PCG64 normals, stored beside the outputs, so nobody needs to draw
    them again."""
    return torch.from_numpy(
        np.random.Generator(np.random.PCG64(seed)).standard_normal(shape, dtype=np.float32)
    )


@torch.no_grad()
def text_case(pipe, out, prompts):
    """ids.npy [prompts, 77] int32, text.npy [prompts, 77, width] (after the final layer norm)."""
    os.makedirs(out, exist_ok=True)
    ids = build.token_ids(pipe.tokenizer, prompts)
    np.save(f"{out}/ids.npy", ids.numpy().astype(np.int32))
    np.save(f"{out}/text.npy", pipe.text_encoder(ids).last_hidden_state.numpy())
    write_json(f"{out}/case.json", {"prompts": prompts, "versions": VERSIONS})


def watch_unet(unet, store):
    """Record conv_in, the output of each down block, of the middle and of each up block, NHWC."""
    spots = {"conv_in": unet.conv_in, "mid": unet.mid_block}
    spots.update({f"down{i}": b for i, b in enumerate(unet.down_blocks)})
    spots.update({f"up{i}": b for i, b in enumerate(unet.up_blocks)})

    def keep(name):
        def hook(module, args, out):
            store[name] = nhwc(out[0] if isinstance(out, tuple) else out)

        return hook

    return [m.register_forward_hook(keep(n)) for n, m in spots.items()]


@torch.no_grad()
def unet_case(pipe, out, h, w, timesteps, prompt, negative):
    """input.npy [2,h,w,4]; text.npy [2,77,width], negative first; t<T>/output.npy and the blocks'
    outputs."""
    os.makedirs(out, exist_ok=True)
    ctx = pipe.text_encoder(build.token_ids(pipe.tokenizer, [negative, prompt])).last_hidden_state
    x = normals((2, 4, h, w), [h, w])
    np.save(f"{out}/input.npy", nhwc(x))
    np.save(f"{out}/text.npy", ctx.numpy())
    for t in timesteps:
        os.makedirs(f"{out}/t{t}", exist_ok=True)
        blocks = {}
        hooks = watch_unet(pipe.unet, blocks)
        y = pipe.unet(x, torch.tensor(t), ctx).sample
        for hook in hooks:
            hook.remove()
        for name, value in blocks.items() if t == timesteps[0] else ():
            np.save(f"{out}/t{t}/{name}.npy", value)
        np.save(f"{out}/t{t}/output.npy", nhwc(y))
    write_json(
        f"{out}/case.json",
        {
            "prompt": prompt,
            "negative": negative,
            "latent_height": h,
            "latent_width": w,
            "timesteps": timesteps,
            "versions": VERSIONS,
        },
    )


@torch.no_grad()
def vae_case(pipe, out, h, w):
    """latent.npy [1,h,w,4], as decode() takes it (already divided by the scaling factor) ->
    decoded.npy [1,8h,8w,3];
    image.npy [1,8h,8w,3] in [-1,1] -> moments.npy [1,h,w,8] (mean, then logvar)."""
    os.makedirs(out, exist_ok=True)
    latent = normals((1, 4, h, w), [h, w, 1]) / pipe.vae.config.scaling_factor
    image = (0.5 * normals((1, 3, 8 * h, 8 * w), [h, w, 2])).clamp(-1, 1)
    np.save(f"{out}/latent.npy", nhwc(latent))
    np.save(f"{out}/decoded.npy", nhwc(pipe.vae.decode(latent).sample))
    np.save(f"{out}/image.npy", nhwc(image))
    np.save(f"{out}/moments.npy", nhwc(pipe.vae.encode(image).latent_dist.parameters))
    write_json(f"{out}/case.json", {"latent_height": h, "latent_width": w, "versions": VERSIONS})


def make_scheduler(pipe, sampler):
    """The sampler's diffusers defaults over SD 1.5's own settings (leading spacing, offset 1)."""
    extra = {
        "dpmpp_2m": dict(algorithm_type="dpmsolver++", solver_order=2, use_karras_sigmas=False)
    }
    return SAMPLERS[sampler].from_config(
        pipe.scheduler.config, timestep_spacing="leading", steps_offset=1, **extra.get(sampler, {})
    )


@torch.no_grad()
def image_case(pipe, out, case):
    """A whole image. noise.npy and latent.npy [1,h,w,4], trajectory.npy [steps,h,w,4] (after each
    step),
    decoded.npy [h*8,w*8,3] before clamping, image.npy in [0,1] before rounding, image.png. Done
    when case.json is.
    """
    os.makedirs(out, exist_ok=True)
    h, w = case["height"] // 8, case["width"] // 8
    noise = torch.randn((1, 4, h, w), generator=torch.Generator("cpu").manual_seed(case["seed"]))
    np.save(f"{out}/noise.npy", nhwc(noise))
    text_case(pipe, out, [case["prompt"], case["negative"]])
    os.remove(f"{out}/case.json")
    original, trajectory = pipe.scheduler, []

    def after_step(p, i, t, state):
        trajectory.append(nhwc(state["latents"])[0])
        rms = state["latents"].square().mean().sqrt()
        print(f"{out}: step {i + 1}/{case['steps']} t={float(t):g} rms={rms:.3f}", flush=True)
        return {}

    pipe.scheduler = make_scheduler(pipe, case["sampler"])
    config = dict(pipe.scheduler.config)
    latent = pipe(
        case["prompt"],
        height=case["height"],
        width=case["width"],
        latents=noise,
        output_type="latent",
        callback_on_step_end=after_step,
        **settings(case),
    ).images
    schedule = {
        "timesteps": pipe.scheduler.timesteps.tolist(),
        "sigmas": getattr(pipe.scheduler, "sigmas", torch.zeros(0)).tolist(),
    }
    pipe.scheduler = original
    decoded = nhwc(pipe.vae.decode(latent / pipe.vae.config.scaling_factor).sample)[0]
    image = np.clip(decoded / 2 + 0.5, 0, 1)
    np.save(f"{out}/latent.npy", nhwc(latent))
    np.save(f"{out}/trajectory.npy", np.stack(trajectory))
    np.save(f"{out}/decoded.npy", decoded)
    np.save(f"{out}/image.npy", image)
    Image.fromarray((image * 255).round().astype(np.uint8)).save(f"{out}/image.png")
    finite = {k: str(v) if v == -math.inf else v for k, v in config.items() if k[0] != "_"}
    write_json(f"{out}/case.json", {**case, "scheduler": finite, **schedule, "versions": VERSIONS})
